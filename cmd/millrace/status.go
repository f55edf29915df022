package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) statusCommand() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "status", GroupID: groupOperate, Args: nothing,
		Short: "See how a server is, on one screen",
		Long: `See what runs, what comes in, how far behind anything is, and what is wrong.
Exits with 1 when something is.`,
		Example: "  millrace status\n  millrace status --json | jq .sources",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			raw, err := api.Status(c.Context())
			if err != nil {
				return err
			}
			var s serverStatus
			if err := json.Unmarshal(raw, &s); err != nil {
				return millrace.Errorf(millrace.Internal, "the status that %s gives cannot be read: %w", api.Server(), err)
			}
			screen := p.screen()
			if asJSON {
				var b bytes.Buffer
				if err := json.Indent(&b, raw, "", "  "); err != nil {
					return err
				}
				b.WriteByte('\n')
				_, err = screen.SafeOut().Write(b.Bytes())
			} else {
				err = s.write(screen, api.Server(), time.Now())
			}
			if err == nil && (!s.Ready || len(s.Problems) > 0) {
				return errSaid
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "everything that the server says, as JSON")
	return c
}

// serverStatus is the part of GET /api/v1/status that is shown.
type serverStatus struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Mode        string    `json:"mode"`
	Environment string    `json:"environment"`
	Started     time.Time `json:"started"`
	Ready       bool      `json:"ready"`
	Problems    []string  `json:"problems"`
	Notices     []string  `json:"notices"`
	Lease       *struct {
		Holder  string `json:"holder"`
		Catalog string `json:"catalog"`
	} `json:"lease"`
	Log *struct {
		Backend          string     `json:"backend"`
		Promise          string     `json:"promise"`
		FirstTime        *time.Time `json:"first_time"`
		SizeBytes        int64      `json:"size_bytes"`
		SizeLimitBytes   int64      `json:"size_limit_bytes"`
		RetentionSeconds int64      `json:"retention_seconds"`
		FreeBytes        int64      `json:"free_bytes"`
		ReserveBytes     int64      `json:"reserve_bytes"`
		Refusing         string     `json:"refusing"`
	} `json:"log"`
	Dedup *struct {
		IDs        int64 `json:"ids"`
		SizeBytes  int64 `json:"size_bytes"`
		Duplicates int64 `json:"duplicates"`
	} `json:"dedup"`
	Archive *struct {
		Location  string `json:"location"`
		Files     int64  `json:"files"`
		SizeBytes int64  `json:"size_bytes"`
		Problem   string `json:"problem"`
	} `json:"archive"`
	Warehouse *struct {
		Backend    string  `json:"backend"`
		LagSeconds float64 `json:"lag_seconds"`
		SizeBytes  int64   `json:"size_bytes"`
		RSSBytes   int64   `json:"rss_bytes"`
		Restarts   int64   `json:"restarts"`
		Queries    int     `json:"queries"`
		Problem    string  `json:"problem"`
	} `json:"warehouse"`
	Readers []client.Reader `json:"readers"`
	Sources []struct {
		Name         string     `json:"name"`
		Kind         string     `json:"kind"`
		Accepted     int64      `json:"accepted"`
		Duplicates   int64      `json:"duplicates"`
		Rejected     int64      `json:"rejected"`
		LastReceived *time.Time `json:"last_received"`
		Silent       bool       `json:"silent"`
	} `json:"sources"`
}

// write shows the status on one screen.
func (s serverStatus) write(screen *terminal.Screen, server string, now time.Time) error {
	var b strings.Builder
	colors := screen.Colors()
	state := colors.Good("ready")
	switch n := int64(len(s.Problems)); {
	case !s.Ready:
		state = colors.Bad("not ready")
	case n > 0:
		state = colors.Bad("ready, with " + terminal.Plural(n, "problem", "problems"))
	}
	mode := s.Mode
	if s.Environment != "" {
		mode += " " + s.Environment
	}
	fmt.Fprintf(&b, "%s  %s  %s, %s, at %s, up %s\n", colors.Bold(terminal.Sanitize(s.Name)), state, terminal.Sanitize(s.Version),
		terminal.Sanitize(mode), server, terminal.Duration(now.Sub(s.Started).Round(time.Second)))
	for _, text := range s.Problems {
		fmt.Fprintf(&b, "%s %s\n", colors.Bad("✗"), terminal.Sanitize(text))
	}
	for _, text := range s.Notices {
		fmt.Fprintf(&b, "%s %s\n", colors.Warning("!"), terminal.Sanitize(text))
	}
	b.WriteByte('\n')
	for _, line := range s.parts(now) {
		fmt.Fprintf(&b, "%s  %s\n", colors.Bold(fmt.Sprintf("%-9s", line[0])), terminal.Sanitize(line[1]))
	}
	if err := s.tables(&b, screen, now); err != nil {
		return err
	}
	_, err := io.WriteString(screen.Out(), b.String())
	return err
}

// parts is a line for each part of the server.
func (s serverStatus) parts(now time.Time) (lines [][2]string) {
	add := func(name string, facts ...string) {
		var said []string
		for _, f := range facts {
			if f != "" {
				said = append(said, f)
			}
		}
		lines = append(lines, [2]string{name, strings.Join(said, ", ")})
	}
	unless := func(zero bool, format string, args ...any) string {
		if zero {
			return ""
		}
		return fmt.Sprintf(format, args...)
	}
	if l := s.Log; l != nil {
		since := ""
		if l.FirstTime != nil {
			since = "reaches back " + terminal.Duration(now.Sub(*l.FirstTime).Round(time.Second))
		}
		kept := terminal.Duration(time.Duration(l.RetentionSeconds) * time.Second)
		add("log", l.Backend, l.Promise, terminal.Size(l.SizeBytes)+unless(l.SizeLimitBytes == 0, " of %s", terminal.Size(l.SizeLimitBytes)),
			since, unless(l.RetentionSeconds == 0, "kept for %s", kept),
			unless(l.FreeBytes == 0, "disk %s free, refuses below %s", terminal.Size(l.FreeBytes), terminal.Size(l.ReserveBytes)),
			s.once("REFUSING", l.Refusing))
	}
	if d := s.Dedup; d != nil {
		add("dedup", unless(d.IDs == 0, "%s IDs known", terminal.Count(d.IDs)), terminal.Plural(d.Duplicates, "duplicate dropped", "duplicates dropped"),
			unless(d.SizeBytes == 0, "%s", terminal.Size(d.SizeBytes)))
	}
	if a := s.Archive; a != nil {
		add("archive", a.Location, unless(a.Files == 0, "%s", terminal.Plural(a.Files, "file", "files")), terminal.Size(a.SizeBytes), s.once("failing", a.Problem))
	}
	if l := s.Lease; l != nil {
		add("catalog", l.Catalog, "the log is held by "+l.Holder)
	}
	if w := s.Warehouse; w != nil {
		add("warehouse", w.Backend, terminal.Size(w.SizeBytes), fmt.Sprintf("%s behind", terminal.Duration(time.Duration(w.LagSeconds*float64(time.Second)))),
			unless(w.RSSBytes == 0, "%s memory", terminal.Size(w.RSSBytes)), unless(w.Queries == 0, "%s", terminal.Plural(int64(w.Queries), "query", "queries")),
			unless(w.Restarts == 0, "%s", terminal.Plural(w.Restarts, "restart", "restarts")), s.once("failing", w.Problem))
	}
	return lines
}

// once is a word for a problem that is told above, among all, and otherwise the
// word and the problem.
func (s serverStatus) once(word, problem string) string {
	if problem == "" {
		return ""
	}
	for _, told := range s.Problems {
		_, reason, _ := strings.Cut(told, ": ")
		if strings.Contains(told, problem) || reason != "" && strings.Contains(problem, reason) {
			return word + ", see above"
		}
	}
	return word + ": " + problem
}

func (s serverStatus) tables(b *strings.Builder, screen *terminal.Screen, now time.Time) error {
	if len(s.Readers) > 0 {
		b.WriteByte('\n')
		readers := slices.Clone(s.Readers)
		for i := range readers {
			if s.once("", readers[i].Problem) == ", see above" {
				readers[i].Problem = ""
			}
		}
		t := readerTable(readers)
		t.Width, t.Palette = screen.Width(), screen.Colors()
		if _, err := t.Write(b); err != nil {
			return err
		}
	}
	b.WriteByte('\n')
	if len(s.Sources) == 0 {
		b.WriteString("There are no sources yet: add a file to sources/.\n")
		return nil
	}
	t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{{Name: "source"}, {Name: "kind"},
		{Name: "accepted", Right: true}, {Name: "duplicates", Right: true}, {Name: "rejected", Right: true}, {Name: "last received"}}}
	for _, source := range s.Sources {
		last := "never"
		if at := source.LastReceived; at != nil {
			last = terminal.Duration(now.Sub(*at).Round(time.Second)) + " ago"
		}
		if source.Silent {
			last += " (silent)"
		}
		t.Rows = append(t.Rows, []string{source.Name, source.Kind, terminal.Count(source.Accepted), terminal.Count(source.Duplicates),
			terminal.Count(source.Rejected), last})
	}
	_, err := t.Write(b)
	return err
}
