package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) tailCommand() *cobra.Command {
	var o client.TailOptions
	asJSON := false
	c := &cobra.Command{
		Use: "tail", GroupID: groupData, Args: nothing,
		Short: "Watch records as they arrive",
		Long: `Show every record as the log gets it, until Ctrl-C: + counted, = a duplicate,
! rejected, · not judged yet. When the connection is lost, it goes on where it
stopped.`,
		Example: `  millrace tail
  millrace tail --source web --event 'Order Placed'
  millrace tail --grep alice@example.com --json | jq .body`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := atLeast(c, "limit", o.Limit, 1); err != nil {
				return err
			}
			return p.tail(c.Context(), o, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Source, "source", "", "only of this source")
	f.StringVar(&o.Event, "event", "", "only events of this name")
	f.StringVar(&o.User, "user", "", "only of this user")
	f.StringVar(&o.Result, "result", "", "only accepted, duplicate or rejected ones")
	f.StringVar(&o.Grep, "grep", "", "only records that hold this text")
	f.Var(position{to: &o.After}, "after", "begin behind this log position (default: with what comes now)")
	f.IntVar(&o.Limit, "limit", 0, "end after so many records (default: go on)")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line")
	p.completeSources(c, "source")
	return c
}

const tailPause = time.Second

func (p *program) tail(ctx context.Context, o client.TailOptions, asJSON bool) error {
	api, err := p.client()
	if err != nil {
		return err
	}
	screen := p.screen()
	out := screen.SafeOut()
	begin, err := api.LastPosition(ctx) // where to go on if the connection is lost before the first record
	if err != nil {
		return err
	}
	go p.noteEvent(ctx, api, screen, o)
	away, left := false, o.Limit
	for {
		err := api.Tail(ctx, o, func(line json.RawMessage) error {
			away = false
			var r tailRecord
			if json.Unmarshal(line, &r) != nil {
				return nil
			}
			if r.Position == "" {
				if r.Dropped > 0 {
					screen.Warn("%s came too fast and are not shown", terminal.Plural(r.Dropped, "record", "records"))
				}
				return nil
			}
			o.After = r.Position
			if o.Limit > 0 {
				left--
			}
			switch {
			case asJSON:
				_, err := fmt.Fprintf(out, "%s\n", bytes.TrimSpace(line))
				return err
			}
			_, err := io.WriteString(screen.Out(), r.line(screen.Colors(), screen.Width())+"\n")
			return err
		})
		if err == nil || stopped(ctx, err) || o.Limit > 0 && left <= 0 {
			return nil
		}
		if millrace.KindOf(err) != millrace.Unavailable {
			return err
		}
		if !away {
			screen.Note("%v; trying again", err)
		}
		away, o.Limit = true, left
		if o.After == "" {
			o.After = begin.Numbers()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tailPause):
		}
	}
}

// notePatience bounds the look for events that are near.
const notePatience = 5 * time.Second

// callNames are what records that are no track events go by in --event.
var callNames = []string{"identify", "page", "screen", "group", "alias", "rejected"}

// noteEvent says that an event which is waited for has never come, and which
// known name is near: it may be mistyped, or only be new.
func (p *program) noteEvent(ctx context.Context, api *client.Client, screen *terminal.Screen, o client.TailOptions) {
	if o.Event == "" || slices.Contains(callNames, o.Event) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, notePatience)
	defer cancel()
	sources := []string{o.Source}
	if o.Source == "" {
		all, err := api.Sources(ctx)
		if err != nil {
			return // the tail says what is wrong
		}
		sources = nil
		for _, s := range all {
			sources = append(sources, s.Name)
		}
	}
	shown := map[string]string{} // by lower case
	for _, source := range sources {
		names, err := api.EventNames(ctx, source)
		if err != nil || slices.Contains(names, o.Event) {
			return
		}
		for _, name := range names {
			shown[strings.ToLower(name)] = name
		}
	}
	text := fmt.Sprintf("No event %q has come so far; waiting for it.", o.Event)
	if near := millrace.Nearest(o.Event, slices.Sorted(maps.Keys(shown))); near != "" {
		text = fmt.Sprintf("No event %q has come so far; there is %q. Waiting all the same.", o.Event, shown[near])
	}
	screen.Note("%s", text)
}

// A tailRecord is a line of the tail.
type tailRecord struct {
	Position   string          `json:"position"`
	Result     string          `json:"result"`
	Source     string          `json:"source"`
	Stream     string          `json:"stream"`
	Event      string          `json:"event"`
	Key        string          `json:"key"`
	ReceivedAt time.Time       `json:"received_at"`
	Body       json.RawMessage `json:"body"`
	Dropped    int64           `json:"dropped"`
}

// line is a record for people: time, result, source, what, who, and the body
// cut to width.
func (r tailRecord) line(colors terminal.Palette, width int) string {
	what := r.Event
	if what == "" {
		what = r.Stream
	}
	mark, paint := "·", colors.Dim
	switch r.Result {
	case "accepted":
		mark, paint = "+", colors.Good
	case "duplicate":
		mark, paint = "=", colors.Dim
	case "rejected":
		mark, paint = "!", colors.Bad
	}
	head := []string{r.ReceivedAt.Local().Format("15:04:05.000"), mark, terminal.Sanitize(r.Source), terminal.Sanitize(what)}
	if r.Key != "" {
		head = append(head, terminal.Sanitize(r.Key))
	}
	used := 0
	for _, h := range head {
		used += terminal.Columns(h) + 1
	}
	body := terminal.Sanitize(string(bytes.TrimSpace(r.Body)))
	if width > 0 {
		body, _ = terminal.Cut(body, max(width-used, 10))
	}
	head[0], head[1], head[3] = colors.Dim(head[0]), paint(head[1]), colors.Accent(head[3])
	return strings.Join(append(head, colors.Dim(body)), " ")
}

func (p *program) rejectedCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rejected", GroupID: groupData,
		Short: "See and resend what intake refused",
		Long: `Intake keeps the records that it refuses, with the reason. See them, mend what
was wrong with them, and send them again.`,
		Example: `  millrace rejected list --source web
  millrace rejected show 0198c0de-7c1e-7000-8000-3f1d2a6b9c55
  millrace rejected resend --source web --all`,
	}
	c.AddCommand(p.rejectedList(), p.rejectedShow(), p.rejectedResend())
	return c
}

func (p *program) rejectedList() *cobra.Command {
	var o client.RejectedOptions
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List rejected records, newest first",
		Example: "  millrace rejected list --source web --reason timestamp",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := atLeast(c, "limit", o.Limit, 1); err != nil {
				return err
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			all, more, err := p.rejectedPages(c.Context(), api, o)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(all)
			}
			return p.rejectedTable(all, more)
		},
	}
	rejectedFlags(p, c, &o)
	c.Flags().IntVar(&o.Limit, "limit", 50, "records at most")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func rejectedFlags(p *program, c *cobra.Command, o *client.RejectedOptions) {
	c.Flags().StringVar(&o.Source, "source", "", "only of this source")
	c.Flags().StringVar(&o.Reason, "reason", "", "only whose reason contains this")
	p.completeSources(c, "source")
}

const rejectedPage = 1000 // the most that the server gives at once

// rejectedPages lists up to o.Limit records, those of this moment too; more says
// that there are others.
func (p *program) rejectedPages(ctx context.Context, api *client.Client, o client.RejectedOptions) (all []client.Rejected, more bool, err error) {
	limit := o.Limit
	all = []client.Rejected{}
	o.After = "last"
	for {
		o.Limit = min(limit-len(all), rejectedPage)
		page, next, err := api.Rejected(ctx, o)
		if o.After != "" && millrace.KindOf(err) == millrace.Canceled && ctx.Err() == nil {
			p.screen().Warn("The warehouse is behind, so the newest may be missing: see `millrace status`.")
			o.After = ""
			continue
		}
		o.After = ""
		if err != nil {
			return nil, false, err
		}
		all = append(all, page...)
		if next == "" || len(page) == 0 || len(all) >= limit {
			return all, next != "", nil
		}
		o.Cursor = next
	}
}

func (p *program) rejectedTable(all []client.Rejected, more bool) error {
	screen := p.screen()
	if len(all) == 0 {
		screen.Note("Nothing is rejected.")
		return nil
	}
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors()}
	for _, name := range []string{"id", "received", "source", "type", "reason", "field", "resent"} {
		t.Columns = append(t.Columns, terminal.Column{Name: name, Whole: name == "id", Wrap: name == "reason" || name == "field"})
	}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{r.ID, r.ReceivedAt.Local().Format("2006-01-02 15:04:05"), r.Source, r.Type, r.Reason, r.Field, r.Outcome})
	}
	if _, err := t.Write(screen.Out()); err != nil {
		return err
	}
	if more {
		screen.Note("There are more: give --limit.")
	}
	return nil
}

func (p *program) rejectedShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Args: exactly("ID"), Short: "Show one rejected record whole, as JSON",
		Example: "  millrace rejected show 0198c0de-7c1e-7000-8000-3f1d2a6b9c55 | jq -r .raw > event.json",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			raw, err := api.RejectedByID(c.Context(), args[0])
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := json.Indent(&b, raw, "", "  "); err != nil {
				return err
			}
			b.WriteByte('\n')
			_, err = p.screen().SafeOut().Write(b.Bytes())
			return err
		},
	}
}

func (p *program) rejectedResend() *cobra.Command {
	var o client.RejectedOptions
	var all, again bool
	bodyFile := ""
	c := &cobra.Command{
		Use: "resend [ID…]", Short: "Send rejected records through intake again",
		Long: `Send rejected records through intake again: those named, or with --all all that
match and were not accepted since. --body gives one of them a new body. One
whose ID an earlier record has is taken and counted as a duplicate.`,
		Example: `  millrace rejected resend 0198c0de-7c1e-7000-8000-3f1d2a6b9c55 --body event.json
  millrace rejected resend --source web --reason 'too large' --all`,
		RunE: func(c *cobra.Command, ids []string) error {
			switch {
			case all && len(ids) > 0:
				return usagef("name the records to send again, or give --all, not both")
			case !all && len(ids) == 0:
				return usagef("name the records to send again, or give --all")
			case bodyFile != "" && len(ids) != 1:
				return usagef("--body is for one record: name its ID")
			}
			return p.resend(c.Context(), o, ids, bodyFile, again)
		},
	}
	rejectedFlags(p, c, &o)
	c.Flags().BoolVar(&all, "all", false, "all that match --source and --reason")
	c.Flags().BoolVar(&again, "again", false, "with --all, also those that were accepted since")
	c.Flags().StringVar(&bodyFile, "body", "", "file with the event to send in place of what was received (- for standard input)")
	return c
}

func (p *program) resend(ctx context.Context, o client.RejectedOptions, ids []string, bodyFile string, again bool) error {
	api, err := p.client()
	if err != nil {
		return err
	}
	screen := p.screen()
	body, err := p.readBody(bodyFile)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		o.Limit = 100_000
		found, _, err := p.rejectedPages(ctx, api, o)
		if err != nil {
			return err
		}
		for i := len(found) - 1; i >= 0; i-- { // oldest first, as they came
			if again || found[i].Outcome != "accepted" {
				ids = append(ids, found[i].ID)
			}
		}
	}
	bar := screen.Progress(terminal.ProgressOptions{Label: "resend", Unit: "records", Total: int64(len(ids))})
	defer bar.Finish()
	accepted, duplicate, failed, unsent := int64(0), int64(0), int64(0), int64(0)
	for i, id := range ids {
		r, err := api.Resend(ctx, id, body)
		switch {
		case err == nil && r.Outcome == "accepted":
			accepted++
		case err == nil && r.Outcome == "duplicate":
			duplicate++
		case err == nil && r.Outcome == "partly accepted":
			failed++
			screen.Warn("%s: a part was accepted, and a part rejected again: %s", id, r.Reason)
		case err == nil:
			failed++
			screen.Warn("%s: rejected again: %s", id, r.Reason)
		case millrace.KindOf(err) == millrace.Conflict || millrace.KindOf(err) == millrace.NotFound:
			unsent++
			screen.Warn("%s: %v", id, err)
		default:
			return fmt.Errorf("%s were sent again before this: %w", terminal.Plural(accepted+duplicate, "record", "records"), err)
		}
		bar.Set(int64(i+1), 0)
	}
	bar.Finish()
	fmt.Fprintf(p.stdout, "resent %s, accepted %s, duplicate %s, failed %s", terminal.Count(int64(len(ids))-unsent), terminal.Count(accepted),
		terminal.Count(duplicate), terminal.Count(failed))
	if unsent > 0 {
		fmt.Fprintf(p.stdout, ", not sent %s", terminal.Count(unsent))
	}
	fmt.Fprintln(p.stdout)
	if failed+unsent > 0 {
		return errSaid
	}
	return nil
}

func (p *program) readBody(file string) (json.RawMessage, error) {
	if file == "" {
		return nil, nil
	}
	src := io.Reader(p.stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, cannotRead("the body", file, err)
		}
		defer f.Close()
		src = f
	}
	data, err := io.ReadAll(io.LimitReader(src, 1<<20))
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		var v any
		return nil, millrace.Errorf(millrace.Invalid, "%s is not JSON: %w", file, errors.Join(json.Unmarshal(data, &v)))
	}
	return data, nil
}
