package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) rebuildCommand() *cobra.Command {
	var r client.Rebuild
	var from, until string
	asJSON := false
	c := &cobra.Command{
		Use: "rebuild", Args: nothing, Short: "Make the tables anew from archive and log",
		Long: `Make the tables anew from archive and log, beside the live ones, and put them in
their place in one transaction. Queries and intake go on meanwhile.

With --from and --until only what was received between is shaped anew. If fewer
rows would result, nothing is changed unless --yes is given. Ctrl-C asks the
server to stop; the live tables stay as they are.

It ends with the rows of each table before and after.`,
		Example: `  millrace warehouse rebuild
  millrace warehouse rebuild --source web --from 2026-01-01 --until 2026-02-01T12:00:00Z`,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if r.From, err = instant("--from", from); err != nil {
				return err
			}
			if r.Until, err = instant("--until", until); err != nil {
				return err
			}
			if r.From != nil && r.Until != nil && !r.From.Before(*r.Until) {
				return usagef("--from %s is not before --until %s", r.From.Format(time.RFC3339), r.Until.Format(time.RFC3339))
			}
			show := func(result json.RawMessage) error { return p.rebuilt(result, r) }
			if asJSON {
				show = func(result json.RawMessage) error { return p.writeJSON(result) }
			}
			return p.runJob(c.Context(), "rebuild", func(ctx context.Context, api *client.Client) (client.Job, error) {
				return api.StartRebuild(ctx, r)
			}, show)
		},
	}
	f := c.Flags()
	f.StringVar(&r.Source, "source", "", "only the tables of this source")
	f.StringVar(&from, "from", "", "only what was received at this time or later (RFC 3339, or a date in UTC)")
	f.StringVar(&until, "until", "", "only what was received before this time")
	f.BoolVar(&r.Yes, "yes", false, "also when fewer rows result")
	f.BoolVar(&asJSON, "json", false, "what came of it as JSON")
	p.completeSources(c, "source")
	return c
}

// instant reads a time of a flag.
func instant(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			t = t.UTC()
			return &t, nil
		}
	}
	return nil, usagef("%s %q is not a time: write it as 2026-01-31 or 2026-01-31T15:04:05Z", flag, text)
}

// rebuilt says in how many rows a rebuild has ended.
func (p *program) rebuilt(result json.RawMessage, asked client.Rebuild) error {
	var r struct {
		Received int64   `json:"received"`
		Discards int64   `json:"discards"`
		Seconds  float64 `json:"seconds"`
		Tables   []struct {
			Table  string `json:"table"`
			Before int64  `json:"rows_before"`
			After  int64  `json:"rows_after"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		return millrace.Errorf(millrace.Internal, "what the server says of the rebuild cannot be read: %w", err)
	}
	if r.Received == 0 {
		when := ""
		if asked.From != nil || asked.Until != nil {
			when = " in that time"
		}
		_, err := fmt.Fprintf(p.stdout, "nothing was received%s: the tables are as they were\n", when)
		return err
	}
	screen := p.screen()
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{
		{Name: "table", Whole: true}, {Name: "rows before", Right: true}, {Name: "rows after", Right: true}}}
	for _, table := range r.Tables {
		t.Rows = append(t.Rows, []string{table.Table, terminal.Count(table.Before), terminal.Count(table.After)})
	}
	if _, err := t.Write(screen.Out()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "made anew from %s in %s\n", terminal.Plural(r.Received, "record", "records"),
		terminal.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
