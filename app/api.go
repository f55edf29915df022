package app

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/ui"
	"github.com/millrace/millrace/warehouse"
)

// openAPI puts the parts together and the HTTP API in front of them.
func (a *App) openAPI(context.Context) error {
	a.disk = &forecast{now: a.o.Now, sample: func(ctx context.Context) (int64, error) {
		s, err := a.log.Status(ctx)
		return s.FreeBytes, err
	}}
	a.metrics.MustRegister(lagCollector{a})
	files, err := a.openFiles()
	if err != nil {
		return err
	}
	if err := a.home.openAPI(files,
		&part{name: "dedup", shared: true, work: a.follower.Run, read: a.readFollower, lag: a.lag, logger: a.logger("dedup")},
		&part{name: "archive", shared: true, work: a.archive.Run, read: a.readArchive, lag: a.lag, pause: a.archive.Pause, resume: a.archive.Resume, reset: a.resetArchive, logger: a.logger("archive")},
	); err != nil {
		return err
	}
	a.backups = &backups{app: a}
	config := a.config()
	o := serve.Options{
		Mode: a.o.Mode, Version: a.o.Version, Parts: a.Parts,
		Page: ui.Handler(), Secure: a.secure, PublicURL: strings.TrimSuffix(config.Collect.PublicURL, "/"),
		Past: a.archive, Locate: a.locate, Logs: a.logs,
		Collect: a.collect, Sign: a.collect.Sign, Probe: collect.Probe, Log: a.log, Verdicts: a.follower,
		VerifyArchive: a.verifyArchive, VerifyLog: a.verifyLog, Backups: a.backups, Transfer: &transfers{a},
		ClientIP: a.collect.Address, Stopping: a.stopping, Metrics: a.metrics, Logger: a.logger("http"), Now: a.o.Now,
		Access: a.access, Mail: a.mail, Audit: a.audit, Workspaces: a.workspaces.store, Vault: a.secrets.vault, KeyRing: a.secrets.keys, SecretChanged: a.secretChanged, Redact: a.redact, Space: a.home.api, Spaces: a.findSpace, Environment: a.findEnvironment,
	}
	if sizer, ok := a.warehouse.(warehouse.Sizer); ok {
		o.TableSizes = sizer.TableSizes
	}
	a.handler, err = serve.New(o)
	return err
}

// closer makes a function an io.Closer.
type closer func() error

// Close calls the function.
func (c closer) Close() error { return c() }

// resubmitter sends rejected records through intake again.
type resubmitter struct {
	intake   *collect.Handler
	follower *dedup.Follower
}

// verdictPatience is how long the answer to a resubmission waits for the
// verdict on duplicates.
const verdictPatience = 2 * time.Second

// Resubmit says what became of a rejected record that was sent again.
func (r resubmitter) Resubmit(ctx context.Context, want serve.Resubmission) (serve.Resubmitted, error) {
	out, err := r.intake.Resubmit(ctx, collect.Resubmission{
		Workspace: want.Workspace, Source: want.Source, RejectedID: want.RejectedID, Type: want.Type, Raw: want.Body,
	})
	if err != nil {
		return serve.Resubmitted{}, err
	}
	answer := serve.Resubmitted{ID: out.ID, Outcome: serve.OutcomeAccepted, Reason: out.Reason, Position: out.Position}
	answer.Duplicates = r.duplicates(ctx, out)
	switch {
	case out.Accepted == 0:
		answer.Outcome = serve.OutcomeRejected
	case answer.Duplicates == int64(out.Accepted):
		answer.Outcome = serve.OutcomeDuplicate
	case out.Reason != "":
		answer.Outcome = serve.OutcomePartly
	}
	return answer, nil
}

// duplicates counts those among the records that were taken. The last record of
// the append says what became of them, and is none of them.
func (r resubmitter) duplicates(ctx context.Context, out collect.Outcome) int64 {
	last := out.Position
	if out.Accepted == 0 || int64(last.Index) < int64(out.Accepted) {
		return 0
	}
	last.Index--
	ctx, cancel := context.WithTimeout(ctx, verdictPatience)
	defer cancel()
	_, count, err := r.follower.CountDuplicates(ctx, []dedup.Range{{Last: last, Count: out.Accepted}})
	if err != nil {
		return 0 // the follower is behind: what is not known is not told
	}
	return count
}

// rebuilder starts the loader's rebuild in the API's words.
type rebuilder struct{ *space }

// of names the source of a rebuild.
func of(source string) string {
	if source == "" {
		return ""
	}
	return ": source " + source
}

func (r rebuilder) Rebuild(ctx context.Context, _ string, want serve.Rebuild, progress func(job.Progress)) (any, error) {
	o := warehouse.RebuildOptions{Source: want.Source, Yes: want.Yes, Progress: func(p warehouse.RebuildProgress) {
		_, end, err := r.app.log.Bounds(ctx)
		if err != nil {
			end = p.Target
		}
		progress(job.Progress{Done: p.Records, Total: rebuildTotal(p, end), Unit: "records", Message: rebuildMessage(p)})
	}}
	if want.From != nil {
		o.From = *want.From
	}
	if want.Until != nil {
		o.Until = *want.Until
	}
	out, err := r.loader.Rebuild(ctx, o)
	if err != nil {
		return nil, err
	}
	progress(job.Progress{Done: out.Records, Total: out.Records, Unit: "records"})
	r.app.mark(history.MarkRebuild, "the warehouse was made anew"+of(want.Source))
	result := rebuilt{Records: out.Records, Received: r.bounded.received.Load(), Rows: out.Rows, Discards: out.Discards, At: out.At, Seconds: out.Elapsed.Seconds(), Tables: []rebuiltTable{}}
	for _, t := range out.Tables {
		result.Tables = append(result.Tables, rebuiltTable{Table: t.Schema + "." + t.Table, Before: t.Live, After: t.Shadow})
	}
	return result, nil
}

// rebuildTotal is about how many records a rebuild reads: as many in the frames
// that are left, up to the log's end, as in those that it has read. It is 0 as
// long as none were read. Its last digits would change all the time: they are 0.
func rebuildTotal(p warehouse.RebuildProgress, end millrace.Position) int64 {
	if p.Records == 0 || p.Through.Seq == 0 || p.Through.Seq >= end.Seq {
		return p.Records
	}
	total := float64(p.Records) / float64(p.Through.Seq) * float64(end.Seq)
	step := math.Pow(10, max(0, math.Floor(math.Log10(total))-2))
	return int64(math.Ceil(total/step) * step)
}

func rebuildMessage(p warehouse.RebuildProgress) string {
	if p.Time.IsZero() {
		return ""
	}
	return "at " + p.Time.UTC().Format(time.RFC3339)
}

// resetArchive makes the archive, and all else that follows the log, go on
// behind frames that are damaged. What can be read is not passed over.
func (a *App) resetArchive(ctx context.Context, after *millrace.Position) error {
	if after == nil || after.IsZero() {
		return millrace.Errorf(millrace.Invalid, "the archive does not begin again, it is what others rely on: name the damaged frame of the log to go on behind, as its message says: millrace reader reset archive --after POSITION --yes")
	}
	from, err := a.archive.Through(ctx)
	if err != nil {
		return err
	}
	if !from.Before(*after) { // the archive has it, others who read the log do not
		from = millrace.Position{Epoch: after.Epoch, Seq: after.Seq - 1, Index: millrace.EndOfFrame}
	}
	frames, err := a.log.Skip(ctx, from, *after)
	if err == nil && frames == 0 {
		return millrace.Errorf(millrace.Conflict, "everything in the log behind %s, up to %s, can be read: nothing was given up, and the archive goes on there by itself", from, after)
	}
	return err
}
