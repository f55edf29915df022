package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) readerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "reader", GroupID: groupOperate,
		Short: "See, pause and reset the readers of the log",
		Long: `Readers follow the log: the follower that judges duplicates, the archive, the
warehouse. A paused reader stands still while records go on to be stored.`,
		Example: "  millrace reader list\n  millrace reader pause warehouse\n  millrace reader resume warehouse",
	}
	list := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the readers, where they are and how far behind",
		Example: "  millrace reader list",
	}
	asJSON := false
	list.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	list.RunE = func(c *cobra.Command, _ []string) error {
		api, err := p.client()
		if err != nil {
			return err
		}
		all, err := api.Readers(c.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return p.writeJSON(all)
		}
		screen := p.screen()
		t := readerTable(all)
		t.Width, t.Palette = screen.Width(), screen.Colors()
		_, err = t.Write(screen.Out())
		return err
	}
	c.AddCommand(list, p.readerAction("pause", "Make a reader stand still", "paused"),
		p.readerAction("resume", "Let a paused reader go on", "goes on"), p.readerReset())
	return c
}

// readerTable has a column for problems when there are any.
func readerTable(all []client.Reader) terminal.Table {
	t := terminal.Table{Columns: []terminal.Column{{Name: "reader"}, {Name: "state"}, {Name: "behind", Right: true},
		{Name: "position", Whole: true}}}
	if slices.ContainsFunc(all, func(r client.Reader) bool { return r.Problem != "" }) {
		t.Columns = append(t.Columns, terminal.Column{Name: "problem", Wrap: true})
	}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{r.Name, r.State, terminal.Duration(time.Duration(r.LagSeconds * float64(time.Second))),
			shownPosition(r.Position), r.Problem}[:len(t.Columns)])
	}
	return t
}

// shownPosition is a position for people: it may be given back as it is.
func shownPosition(position string) string {
	p, err := millrace.ParsePosition(position)
	if err != nil {
		return position // of a newer server
	}
	return p.String()
}

func (p *program) readerAction(action, short, done string) *cobra.Command {
	return &cobra.Command{
		Use: action + " NAME", Args: exactly("NAME"), Short: short, Example: "  millrace reader " + action + " warehouse",
		ValidArgsFunction: p.completeReaders,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			if err := api.ReaderAction(c.Context(), args[0], action, nil); err != nil {
				return err
			}
			p.screen().Note("%s %s.", args[0], done)
			return nil
		},
	}
}

func (p *program) readerReset() *cobra.Command {
	after, yes := "", false
	c := &cobra.Command{
		Use: "reset NAME", Args: exactly("NAME"), Short: "Make a reader begin again",
		Long: `Make a reader begin again. What that is, is each reader's own.

warehouse makes all tables anew from the whole history, archive and log, beside
the live ones, and puts them in their place in one transaction, even when fewer
rows result. Intake and queries go on meanwhile; it takes as long and as much
disk as loading everything. Without --yes for fewer rows, or for a part of the
history, use millrace warehouse rebuild.

archive needs --after: it gives up the frames of the log up to that position
that are damaged, for the archive and all other readers: these go on behind it.
What only those frames held is lost for good; a frame that can be read is never
passed over. The position is in the problem that millrace status tells: restore
the log's files instead, if there is a copy of them.

dedup cannot begin again: its verdicts are what all others rely on.`,
		Example:           "  millrace reader reset warehouse --yes\n  millrace reader reset archive --after 1767225600000-8-end --yes",
		ValidArgsFunction: p.completeReaders,
		RunE: func(c *cobra.Command, args []string) error {
			var body any
			would, done := "begin again from the very beginning", "began again from the very beginning"
			if after != "" {
				body = map[string]string{"after": after}
				would = "go on behind " + shownPosition(after) + ", without the frames before it that are damaged"
				done = "goes on behind " + shownPosition(after)
			}
			if !yes {
				return usagef("%s would %s: say --yes if that is meant", args[0], would)
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			if err := api.ReaderAction(c.Context(), args[0], "reset", body); err != nil {
				return err
			}
			p.screen().Note("%s %s.", args[0], done)
			return nil
		},
	}
	c.Flags().Var(position{to: &after}, "after", "log position to go on behind")
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

func (p *program) warehouseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "warehouse", GroupID: groupOperate, Short: "Rebuild the tables",
		Example: "  millrace warehouse rebuild",
	}
	c.AddCommand(p.rebuildCommand())
	return c
}

func (p *program) archiveCommand() *cobra.Command {
	c := &cobra.Command{Use: "archive", GroupID: groupOperate, Short: "Verify the archive", Example: "  millrace archive verify"}
	c.AddCommand(p.verifyCommand("archive", "Read every file of the archive and check that each record is there once"))
	return c
}

func (p *program) logCommand() *cobra.Command {
	c := &cobra.Command{Use: "log", GroupID: groupOperate, Short: "Verify the log", Example: "  millrace log verify"}
	c.AddCommand(p.verifyCommand("log", "Read every frame of the log and check its sums"))
	return c
}

func (p *program) verifyCommand(what, short string) *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "verify", Args: nothing, Short: short, Example: "  millrace " + what + " verify",
		Long: short + ".\nSays in one line what was found, and exits with 1 when anything is wrong.",
		RunE: func(c *cobra.Command, _ []string) error {
			return p.runJob(c.Context(), what+" verify", func(ctx context.Context, api *client.Client) (client.Job, error) {
				return api.StartVerification(ctx, what)
			}, func(result json.RawMessage) error { return p.verdict(what, result, asJSON) })
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "what was found as JSON")
	return c
}

// runJob starts a job, shows how far it is, and then what came of it. Ctrl-C
// cancels the job.
func (p *program) runJob(ctx context.Context, label string, start func(context.Context, *client.Client) (client.Job, error), show func(json.RawMessage) error) error {
	api, err := p.client()
	if err != nil {
		return err
	}
	j, err := start(ctx, api)
	if err != nil {
		return err
	}
	bar := p.screen().Progress(terminal.ProgressOptions{Label: label, Unit: j.Unit, Total: j.Total})
	defer bar.Finish()
	j, err = api.WaitJob(ctx, j.ID, func(j client.Job) {
		bar.SetTotal(j.Total, j.Unit)
		bar.Set(j.Done, 0)
		bar.Message(j.Message)
	})
	bar.Finish()
	if stopped(ctx, err) {
		cancel, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer done()
		if err := api.CancelJob(cancel, j.ID); err != nil {
			return fmt.Errorf("%s goes on as job %s, it could not be canceled: %w", label, j.ID, err)
		}
		return millrace.Errorf(millrace.Canceled, "%s: stopped, nothing has changed", label)
	}
	if err != nil {
		return err
	}
	switch j.State {
	case "failed":
		return millrace.Errorf(millrace.Internal, "%s failed: %s", label, j.Error)
	case "canceled":
		return millrace.Errorf(millrace.Canceled, "%s was canceled: %s", label, j.Error)
	}
	if len(j.Result) == 0 || string(j.Result) == "null" {
		_, err := fmt.Fprintln(p.stdout, "done")
		return err
	}
	return show(j.Result)
}

// verdict writes what a verification found. One that found something wrong has
// failed.
func (p *program) verdict(what string, result json.RawMessage, asJSON bool) error {
	var v struct {
		OK        bool     `json:"ok"`
		Problems  []string `json:"problems"`
		Lost      []string `json:"lost"`
		Files     int64    `json:"files"`
		Frames    int64    `json:"frames"`
		Records   int64    `json:"records"`
		Destroyed int64    `json:"destroyed"`
		Locked    int64    `json:"locked"`
		SizeBytes int64    `json:"size_bytes"`
		Hash      string   `json:"hash"`
	}
	if err := json.Unmarshal(result, &v); err != nil {
		return millrace.Errorf(millrace.Internal, "what the server says of the verification cannot be read: %w", err)
	}
	if asJSON {
		if err := p.writeJSON(result); err != nil {
			return err
		}
	} else {
		read := terminal.Plural(v.Files, "file", "files")
		if what == "log" {
			read = terminal.Plural(v.Frames, "frame", "frames")
		}
		read += ", " + terminal.Plural(v.Records, "record", "records")
		if what == "audit" {
			read = terminal.Plural(v.Records, "entry", "entries") + ", the newest with the hash " + terminal.Sanitize(v.Hash)
		}
		if v.Destroyed > 0 {
			read += fmt.Sprintf(" (%d of them destroyed with their workspace)", v.Destroyed)
		}
		if v.Locked > 0 {
			read += fmt.Sprintf(" (of %d only the checksums: their key cannot be had)", v.Locked)
		}
		if v.SizeBytes > 0 {
			read += ", " + terminal.Size(v.SizeBytes)
		}
		p.found(v.OK, v.Problems, v.Lost, read)
	}
	if !v.OK {
		return errSaid
	}
	return nil
}

// found says in one line what was read, with a line for each problem
// before, and notes on what was given up.
func (p *program) found(ok bool, problems, lost []string, read string) {
	screen := p.screen()
	colors := screen.Colors()
	for _, text := range problems {
		fmt.Fprintf(p.stdout, "%s %s\n", colors.Bad("✗"), terminal.Sanitize(text))
	}
	verdict := colors.Good("ok")
	if !ok {
		verdict = colors.Bad("not ok, " + terminal.Plural(int64(len(problems)), "problem", "problems"))
	}
	fmt.Fprintf(p.stdout, "%s: %s\n", verdict, read)
	for _, text := range lost {
		screen.Note("Given up earlier: %s", terminal.Sanitize(text))
	}
}
