package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/unit"
)

var _ serve.System = (*space)(nil)

// partTimeout bounds how long one part may take to say how it is.
const partTimeout = 2 * time.Second

// Status says how the server is, with the space of the folder that it serves.
func (a *App) Status(ctx context.Context) (serve.Status, error) { return a.home.Status(ctx) }

// Status says how the server is, and the space.
func (sp *space) Status(ctx context.Context) (serve.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	a, p := sp.app, sp.project.Load()
	s := serve.Status{
		Name: p.Config.Name, Version: a.o.Version, Mode: string(a.o.Mode), Environment: p.Environment,
		Workspace: sp.id, Started: a.started.UTC(), Ready: true,
		Project: &serve.ProjectStatus{Loaded: p.loaded.UTC(), Problems: p.problems},
		Log:     a.logStatus(ctx), Dedup: sp.dedupStatus(ctx), Archive: a.archiveStatus(), Warehouse: sp.warehouseStatus(ctx),
	}
	sp.versionStatus(ctx, s.Project)
	for _, part := range sp.partsOf(ctx) {
		s.Ready = s.Ready && (part.Ready || !part.Required)
		if !part.Ready {
			s.Problems = append(s.Problems, part.Name+": "+part.Reason)
		}
	}
	for _, problem := range p.problems {
		s.Problems = append(s.Problems, "project: "+problem)
	}
	var err error
	if s.Readers, err = sp.parts.Readers(ctx); err != nil {
		return s, err
	}
	if s.Sources, err = sp.Sources(ctx, sp.id); err != nil {
		return s, err
	}
	s.Notices = sp.notices(p.Project, s.Sources)
	if s.Project.Folder != "" {
		s.Notices = append(s.Notices, s.Project.Folder)
	}
	if sp == a.home {
		s.Lease = a.leaseStatus(ctx)
	} else if ws, ok := a.workspaces.store.Spaces().Space(sp.id); ok {
		s.Name = ws.Address()
	}
	return s, nil
}

func (a *App) logStatus(ctx context.Context) *serve.LogStatus {
	l, err := a.log.Status(ctx)
	if err != nil {
		return &serve.LogStatus{Backend: "nats", Refusing: err.Error()}
	}
	config := a.config().Log
	return &serve.LogStatus{
		Backend: l.Backend, Version: l.Version, Promise: l.Promise, First: l.First, Last: l.Last, FirstTime: some(l.FirstTime), LastTime: some(l.LastTime),
		SizeBytes: l.SizeBytes, SizeLimitBytes: int64(config.Size), RetentionSeconds: int64(time.Duration(config.Retention).Seconds()),
		FreeBytes: l.FreeBytes, ReserveBytes: l.ReserveBytes, Refusing: l.Refusing, AheadSeconds: a.ahead(l.LastTime).Seconds(),
		FullInSeconds: a.disk.fullIn(l.FreeBytes, l.ReserveBytes).Seconds(),
	}
}

func (sp *space) dedupStatus(ctx context.Context) *serve.DedupStatus {
	a := sp.app
	d, err := a.follower.Status(ctx)
	if err != nil {
		a.logger("dedup").Warn("the follower does not say how it is", "error", err)
	}
	out := &serve.DedupStatus{Through: d.Through, IDs: d.IDs, SizeBytes: d.IndexBytes + d.VerdictBytes}
	for _, c := range a.follower.Counts() {
		if c.Workspace == sp.id && c.Space == "" {
			out.Duplicates += c.Duplicates
		}
	}
	return out
}

func (a *App) archiveStatus() *serve.ArchiveStatus {
	s := a.archive.Stats()
	out := &serve.ArchiveStatus{Location: a.config().Archive.String(), Through: s.Through, Files: s.FreshFiles + s.Files, SizeBytes: s.SizeBytes}
	if !s.FailingSince.IsZero() {
		out.Problem = fmt.Sprintf("failing since %s: %s", s.FailingSince.UTC().Format(time.RFC3339), archiveProblem(s.LastError))
	}
	return out
}

func (sp *space) warehouseStatus(ctx context.Context) *serve.WarehouseStatus {
	a, l := sp.app, sp.loader.Stats()
	out := &serve.WarehouseStatus{Backend: a.config().Warehouse.Scheme(), Committed: l.Committed, Problem: l.Problem}
	if lag, err := a.lag(ctx, l.Committed); err == nil {
		out.LagSeconds = lag.Seconds()
	}
	w, err := a.warehouse.Status(ctx)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Backend, out.Version, out.SizeBytes, out.RSSBytes, out.Restarts, out.Queries = w.Backend, w.Version, w.SizeBytes, w.RSSBytes, w.Restarts, w.Queries
	if w.Problem != "" {
		out.Problem = w.Problem
	}
	return out
}

// Parts says of each part whether it does its work. Intake needs the log
// only; the others catch up when they can.
func (a *App) Parts(ctx context.Context) []serve.Part { return a.home.partsOf(ctx) }

// partsOf are the log, and the parts of the space.
func (sp *space) partsOf(ctx context.Context) []serve.Part {
	a := sp.app
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	log := serve.Part{Name: "log", Ready: true, Required: true}
	s, err := a.log.Status(ctx)
	if err != nil {
		log.Ready, log.Reason = false, err.Error()
	} else if s.Refusing != "" {
		log.Ready, log.Reason = false, s.Refusing
	}
	all := []serve.Part{log}
	if d := a.ahead(s.LastTime); d > 0 {
		all = append(all, clockPart(d, s.LastTime))
	}
	if problem := a.workspaces.meter.Stats().Problem; problem != "" {
		all = append(all, serve.Part{Name: usagePart, Reason: usageProblem(problem)})
	}
	for _, p := range sp.parts.list {
		r := p.status(ctx)
		part := serve.Part{Name: r.Name, Ready: r.Problem == "", Reason: r.Problem}
		if r.State == "paused" {
			part.Ready, part.Reason = false, "paused: let it go on with millrace reader resume "+r.Name
		}
		all = append(all, part)
	}
	return all
}

// Sources lists the project's sources.
func (sp *space) Sources(_ context.Context, workspace string) ([]serve.Source, error) {
	a, all := sp.app, []serve.Source{}
	if workspace != sp.id {
		return all, nil
	}
	counts := map[string]dedup.Count{} // by source, and what kind of records
	for _, c := range a.follower.Counts() {
		if c.Workspace == workspace {
			counts[c.Source+"\x00"+c.Space] = c
		}
	}
	for _, r := range sp.project.Load().In("sources") {
		s := sourceOf(sp.id, r)
		out := serve.Source{Name: s.Name, Kind: "http", WriteKeys: []string{}, Keys: []serve.SourceKey{}, Dedup: windowText(s), File: r.File, Line: r.Line}
		if path := r.Path("write_keys"); len(path) > 1 {
			out.WriteKeysPath = path
		}
		if s.HTTP != nil {
			out.WriteKeys = append(out.WriteKeys, s.HTTP.WriteKeys...)
		} else {
			out.Kind, out.Path = "webhook", "/v1/webhook/"+s.Name
			out.WriteKeys = append(out.WriteKeys, s.Webhook.WriteKeys...)
			out.Signature = signatureOf(s.Webhook.Signature)
		}
		taken := counts[s.Name+"\x00"]
		out.Accepted, out.Duplicates = taken.Distinct, taken.Duplicates
		out.Rejected = counts[s.Name+"\x00"+millrace.StreamRejected].Distinct
		seen, silent := sp.activity.last(s.Name)
		out.LastReceived, out.Silent = some(seen.at), silent
		for _, key := range out.WriteKeys {
			works := a.o.Mode == serve.Dev || !strings.HasPrefix(key, "dev_")
			out.Keys = append(out.Keys, serve.SourceKey{Key: key, Works: works, LastUsed: some(seen.keys[key])})
		}
		all = append(all, out)
	}
	return all, nil
}

func windowText(s collect.Source) string {
	if w := windowOf(s); w < time.Duration(collect.Forever) {
		return unit.Duration(w).String()
	}
	return "forever"
}

// some is nil for the zero time.
func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (a *App) readFollower(ctx context.Context) (serve.Reader, error) {
	s, err := a.follower.Status(ctx)
	if err != nil {
		return serve.Reader{}, err
	}
	r := serve.Reader{State: "running", Position: s.Through, Problem: s.Failure}
	return r, nil
}

func (a *App) readArchive(context.Context) (serve.Reader, error) {
	s := a.archive.Stats()
	r := serve.Reader{State: "running", Position: s.Through}
	if !s.FailingSince.IsZero() {
		r.State, r.Problem = "failing", archiveProblem(s.LastError)
	}
	if s.Paused {
		r.State = "paused"
	}
	return r, nil
}

// archiveProblem says of a file that is gone what to do.
func archiveProblem(text string) string {
	if !strings.Contains(text, "there is no object") {
		return text
	}
	return text + ": millrace archive verify names all files that are missing or damaged; put them back from a backup of the archive, and it goes on by itself"
}
