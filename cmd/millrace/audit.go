package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "audit", GroupID: groupOperate, Short: "See, export and verify who did what",
		Long: `Every change that someone makes on a server is written down: who, what, to
which object, from where and when. Entries are never changed, and each holds the
hash of the one before, so that a change behind the server's back shows.`,
		Example: "  millrace audit list --action key\n  millrace audit verify",
	}
	c.AddCommand(p.auditList(), p.auditExport(), p.verifyCommand("audit", "Check that no entry was changed, taken out, put in or moved"))
	return c
}

// auditFlags are what entries are chosen by.
func auditFlags(c *cobra.Command, o *client.AuditOptions, from, until *string) {
	f := c.Flags()
	f.StringVar(&o.Action, "action", "", "only what was done so, such as key.create, or to such objects: key")
	f.StringVar(&o.Actor, "actor", "", "only by this person or key, by id")
	f.StringVar(&o.Object, "object", "", "only to this object, by id")
	f.StringVar(&o.Text, "text", "", "only entries with these words")
	f.StringVar(from, "from", "", "only at this time or later (RFC 3339, or a date in UTC)")
	f.StringVar(until, "until", "", "only before this time")
	f.BoolVar(&o.Server, "of-server", false, "of the whole server, not of the workspace alone")
}

// chosen completes o with the times.
func chosen(o client.AuditOptions, from, until string) (client.AuditOptions, error) {
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", from, &o.From}, {"--until", until, &o.Until}} {
		at, err := instant(t.flag, t.text)
		if err != nil {
			return o, err
		}
		if at != nil {
			*t.to = *at
		}
	}
	return o, nil
}

// auditLine is what the list shows of an entry.
type auditLine struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"actor_kind"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	ID      string    `json:"object_id"`
	Object  string    `json:"object"`
	Address string    `json:"address"`
}

func (p *program) auditList() *cobra.Command {
	var o client.AuditOptions
	var from, until string
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List who did what, the newest first",
		Example: "  millrace audit list\n  millrace audit list --action key --from 2026-01-01",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := atLeast(c, "limit", o.Limit, 1); err != nil {
				return err
			}
			want, err := chosen(o, from, until)
			if err != nil {
				return err
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			all, err := api.Audit(c.Context(), want)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]json.RawMessage{}, all...))
			}
			return p.showAudit(all)
		},
	}
	auditFlags(c, &o, &from, &until)
	c.Flags().IntVar(&o.Limit, "limit", 50, "at most so many entries")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array, with what was before and after")
	return c
}

func (p *program) showAudit(all []json.RawMessage) error {
	screen := p.screen()
	if len(all) == 0 {
		screen.Note("Nothing was done, as far as was asked.")
		return nil
	}
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{
		{Name: "time"}, {Name: "who"}, {Name: "did"}, {Name: "to", Wrap: true}, {Name: "from"}}}
	for _, text := range all {
		var e auditLine
		if err := json.Unmarshal(text, &e); err != nil {
			return millrace.Errorf(millrace.Internal, "what the server says of an entry cannot be read: %w", err)
		}
		to := e.ID
		if e.Object != "" {
			to = e.Object + " (" + e.ID + ")"
		}
		t.Rows = append(t.Rows, []string{e.Time.UTC().Format(time.DateTime), e.Kind + " " + e.Actor, e.Action, to, e.Address})
	}
	_, err := t.Write(screen.Out())
	return err
}

func (p *program) auditExport() *cobra.Command {
	var o client.AuditOptions
	var from, until, output string
	format := "ndjson"
	c := &cobra.Command{
		Use: "export", Args: nothing, Short: "Export entries with their hashes, oldest first",
		Long:    "Export entries, oldest first, with the hashes that it takes to verify them\nanywhere: docs/format/audit.md says how, in twenty lines.",
		Example: "  millrace audit export --output audit.ndjson\n  millrace audit export --format csv --from 2026-01-01",
		RunE: func(c *cobra.Command, _ []string) error {
			if format != "ndjson" && format != "csv" {
				return usagef("--format: %q: choose ndjson or csv", format)
			}
			want, err := chosen(o, from, until)
			if err != nil {
				return err
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			if output == "" {
				return api.ExportAudit(c.Context(), want, format, p.stdout)
			}
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return millrace.Errorf(millrace.Invalid, "cannot write %s: %w", output, err)
			}
			err = api.ExportAudit(c.Context(), want, format, f)
			if closed := f.Close(); err == nil {
				err = closed
			}
			return err
		},
	}
	auditFlags(c, &o, &from, &until)
	c.Flags().StringVar(&format, "format", "ndjson", "ndjson or csv")
	c.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	return c
}
