package main

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/unit"
)

// A quotaName is a quota as people know it.
type quotaName struct {
	name, flag, words string
	show              func(int64) string
	read              func(string) (int64, error)
}

func readNumber(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }

func readBytes(text string) (int64, error) {
	var b unit.Bytes
	err := b.UnmarshalText([]byte(text))
	return int64(b), err
}

func readSeconds(text string) (int64, error) {
	var d unit.Duration
	err := d.UnmarshalText([]byte(text))
	return int64(time.Duration(d).Seconds()), err
}

func showSeconds(n int64) string { return terminal.Duration(time.Duration(n) * time.Second) }

var quotaNames = []quotaName{
	{"events_per_day", "events-per-day", "events a day", terminal.Count, readNumber},
	{"bytes_per_day", "bytes-per-day", "of events a day", terminal.Size, readBytes},
	{"query_seconds_per_day", "query-time-per-day", "of queries a day", showSeconds, readSeconds},
	{"storage_bytes", "storage", "stored", terminal.Size, readBytes},
	{"sources", "sources", "sources", terminal.Count, readNumber},
	{"event_tables", "event-tables", "event tables", terminal.Count, readNumber},
	{"members", "members", "members", terminal.Count, readNumber},
}

func (p *program) workspaceQuota() *cobra.Command {
	values := map[string]*string{}
	asJSON := false
	c := &cobra.Command{
		Use: "quota [NAME]", Args: atMostOne("name", ""), Short: "Show or set what a workspace may use",
		Long: `Without flags the quotas are shown. A flag sets one, and none takes it away.
They hold for all environments of the workspace together. A day begins at 0:00
UTC.

At 80 per cent of a quota a notice is told. Beyond one of a day senders, or
queries, are answered 429 until the next day; beyond that of storage senders
are, until there is less; beyond that of event tables events keep their
properties in tracks.`,
		Example: "  millrace workspace quota acme --events-per-day 1000000 --storage 100GiB\n  millrace workspace quota acme --events-per-day none",
		RunE: func(c *cobra.Command, args []string) error {
			changes, taken := client.Quotas{}, map[string]bool{}
			for _, q := range quotaNames {
				text := *values[q.flag]
				if !c.Flags().Changed(q.flag) {
					continue
				}
				if taken[q.name] = text == "none"; taken[q.name] {
					continue
				}
				n, err := q.read(text)
				if err != nil || n < 0 {
					return usagef("--%s: %.40q is neither an amount, such as %s, nor none", q.flag, text, quotaExample[q.flag])
				}
				changes[q.name] = n
			}
			return p.quota(c, args, changes, taken, asJSON)
		},
	}
	for _, q := range quotaNames {
		values[q.flag] = c.Flags().String(q.flag, "", "most "+q.words+", such as "+quotaExample[q.flag]+", or none")
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the quotas as JSON")
	return c
}

var quotaExample = map[string]string{"events-per-day": "1000000", "bytes-per-day": "10GiB", "query-time-per-day": "2h", "storage": "100GiB", "sources": "20", "event-tables": "500", "members": "10"}

// quota sets quotas, where there is something to set, and shows them.
func (p *program) quota(c *cobra.Command, args []string, changes client.Quotas, taken map[string]bool, asJSON bool) error {
	api, err := p.client()
	if err != nil {
		return err
	}
	name, err := p.subject(c.Context(), api, args)
	if err != nil {
		return err
	}
	w, err := api.Workspace(c.Context(), name)
	if err != nil {
		return err
	}
	if len(changes)+len(taken) > 0 {
		next := client.Quotas{}
		maps.Copy(next, w.Quotas)
		maps.Copy(next, changes)
		maps.DeleteFunc(next, func(name string, _ int64) bool { return taken[name] })
		if w, err = api.SetQuotas(c.Context(), name, next); err != nil {
			return err
		}
	}
	if asJSON {
		return p.writeJSON(w.Quotas)
	}
	screen := p.screen()
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{{Name: "quota"}, {Name: "at most", Right: true}}}
	for _, q := range quotaNames {
		limit := "no limit"
		if n, ok := w.Quotas[q.name]; ok {
			limit = q.show(n)
		}
		t.Rows = append(t.Rows, []string{q.words, limit})
	}
	_, err = t.Write(screen.Out())
	return err
}

func (p *program) workspaceUsage() *cobra.Command {
	var o client.UsageOptions
	format := ""
	c := &cobra.Command{
		Use: "usage [NAME]", Args: atMostOne("name", ""), Short: "Show or export what a workspace used, by day",
		Long: `Events and bytes are counted from the log, each record once; duplicates are
among them. What is stored is measured every minute: the share of the log,
the files of the archive and those of the warehouse. A day begins at 0:00 UTC.`,
		Example: "  millrace workspace usage acme\n  millrace workspace usage acme --from 2026-01-01 --to 2026-12-31 --format csv > usage.csv",
		RunE: func(c *cobra.Command, args []string) error {
			if format != "" && format != "csv" && format != "ndjson" {
				return usagef("--format %q is neither csv nor ndjson", format)
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			name, err := p.subject(c.Context(), api, args)
			if err != nil {
				return err
			}
			if format != "" {
				return api.ExportUsage(c.Context(), name, o, format, p.stdout)
			}
			today, days, err := api.Usage(c.Context(), name, o)
			if err != nil {
				return err
			}
			return p.showUsage(today, days)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Environment, "environment", "", "only of this one")
	f.StringVar(&o.From, "from", "", "first day, such as 2026-11-01 (default 29 days before the last)")
	f.StringVar(&o.To, "to", "", "last day (default today)")
	f.StringVar(&format, "format", "", "csv or ndjson instead of a table")
	completeWords(c, "format", "csv", "ndjson")
	return c
}

func (p *program) showUsage(today []client.QuotaUse, days []client.Usage) error {
	screen := p.screen()
	for _, use := range today {
		i := slices.IndexFunc(quotaNames, func(q quotaName) bool { return q.name == use.Quota })
		if i < 0 || use.Limit == nil {
			continue
		}
		q := quotaNames[i]
		screen.Note("%s of %s %s are used (%d %%).", q.show(int64(math.Round(use.Used))), q.show(*use.Limit), q.words, use.Percent)
	}
	if len(days) == 0 {
		screen.Note("Nothing was used in these days.")
		return nil
	}
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{{Name: "day"}, {Name: "environment"}, {Name: "events", Right: true},
		{Name: "rejected", Right: true}, {Name: "bytes", Right: true}, {Name: "queries", Right: true}, {Name: "stored", Right: true}, {Name: "log", Right: true}, {Name: "archive", Right: true}, {Name: "warehouse", Right: true}}}
	for _, d := range days {
		stored := func(bytes *int64) string {
			if bytes == nil {
				return ""
			}
			return terminal.Size(*bytes)
		}
		t.Rows = append(t.Rows, []string{d.Day, d.Environment, terminal.Count(d.Events), terminal.Count(d.Rejected), terminal.Size(d.Bytes),
			terminal.Duration(time.Duration(d.QuerySeconds * float64(time.Second)).Round(time.Millisecond)), stored(d.StorageBytes), stored(d.LogBytes), stored(d.ArchiveBytes), stored(d.WarehouseBytes)})
	}
	_, err := t.Write(screen.Out())
	return err
}
