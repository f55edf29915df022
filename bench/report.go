package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A row is a figure beside its limit.
type row struct{ what, value, limit, aim, verdict string }

const (
	met    = "met"
	missed = "**missed**"
	// notJudged stands beside an aim that a quick run cannot say anything about.
	notJudged = "not judged"
	quickNote = "**A quick run with small sizes: it shows that the measurement works. Do not quote it.**"
)

// A section is a group of figures that were measured together.
type section struct {
	id, title, how string
	rows           []row
	notes          []string
	profile        []share // where the server's CPU goes; nil when not taken
	taken          time.Time
	quick          bool // small sizes: nothing is judged by them on the page
}

// add adds a figure that has no aim.
func (s *section) add(what, value, limit string) {
	s.rows = append(s.rows, row{what: what, value: value, limit: limit})
}

// judge adds a figure with an aim.
func (s *section) judge(what, value, limit, aim string, ok bool) {
	r := row{what, value, limit, aim, missed}
	if ok {
		r.verdict = met
	}
	s.rows = append(s.rows, r)
}

func (s *section) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// print writes the section for a terminal.
func (s *section) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", s.title)
	rows := append([]row{{"", "measured", "limit", "aim", ""}}, s.rows...)
	var width [4]int
	for _, r := range rows {
		for i, text := range []string{r.what, r.value, r.limit, r.aim} {
			width[i] = max(width[i], utf8.RuneCountInString(text))
		}
	}
	for _, r := range rows {
		line := "  "
		for i, text := range []string{r.what, r.value, r.limit, r.aim} {
			line += text + strings.Repeat(" ", width[i]-utf8.RuneCountInString(text)+2)
		}
		fmt.Fprintln(w, strings.TrimRight(line+strings.Trim(r.verdict, "*"), " "))
	}
	for _, note := range s.notes {
		fmt.Fprintln(w, "  "+note)
	}
	for _, p := range s.profile {
		fmt.Fprintf(w, "  %5.1f %%  %s\n", p.percent, p.what)
	}
}

// markdown is the section for the document.
func (s *section) markdown(machine string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n| | measured | limit in the same run | aim | |\n|---|---|---|---|---|\n", s.title, s.how)
	for _, r := range s.rows {
		if s.quick && r.verdict != "" {
			r.verdict = notJudged
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.value, r.limit, r.aim, r.verdict)
	}
	b.WriteByte('\n')
	for _, note := range s.notes {
		fmt.Fprintf(&b, "%s\n\n", note)
	}
	if len(s.profile) > 0 {
		b.WriteString("Where the server's CPU goes (a profile of the parent process, taken after the figures; the rows overlap where one part calls another):\n\n| part | share |\n|---|---|\n")
		for _, p := range s.profile {
			fmt.Fprintf(&b, "| %s | %.0f %% |\n", p.what, p.percent)
		}
		b.WriteByte('\n')
	}
	if s.quick {
		b.WriteString(quickNote + "\n\n")
	}
	fmt.Fprintf(&b, "Measured %s: %s.\n", s.taken.UTC().Format("2006-01-02 15:04 UTC"), machine)
	return b.String()
}

const preamble = `# Benchmarks

` + "`make bench`" + ` measures all of this with the real binary and writes this page. The
binary is built as for a release: optimised by a profile of such loads
(` + "`make profile`" + `), which the limits are not. The server runs as a process of its
own with its data in a temporary folder, and is driven over HTTP by a load
generator that shares the machine with it. Events are
about 800 bytes of JSON with thirteen properties, and no two are the same. CPU is
user and system time of the server's two processes: the parent (intake, log,
dedup, archive, and shaping rows) and the child that DuckDB lives in. A limit is
what the machine could do at best for the same work, measured in the same run.
` + "`-run`" + ` measures some sections only and leaves the others as they are here.

`

// document puts sections into the text of a page that may hold older ones.
func document(old, machine string, sections []*section, order []string) string {
	parts := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)<!-- section (\w+) -->\n(.*?)<!-- end -->\n`).FindAllStringSubmatch(old, -1) {
		parts[m[1]] = m[2]
	}
	for _, s := range sections {
		parts[s.id] = s.markdown(machine)
	}
	var body strings.Builder
	for _, id := range order {
		if text, ok := parts[id]; ok {
			fmt.Fprintf(&body, "<!-- section %s -->\n%s<!-- end -->\n\n", id, text)
		}
	}
	comments := "<!-- comments: kept as they are -->\n<!-- end of comments -->\n"
	if m := regexp.MustCompile(`(?s)<!-- comments.*?<!-- end of comments -->\n`).FindString(old); m != "" {
		comments = m
	}
	return preamble + aims(body.String()) + comments + "\n" + strings.TrimRight(body.String(), "\n") + "\n"
}

// aims says which are missed.
func aims(body string) string {
	var failed []string
	held, title := 0, ""
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, "## "); ok {
			title = strings.TrimSpace(text)
		}
		cells := strings.Split(line, " | ")
		switch {
		case strings.HasSuffix(line, "| "+met+" |\n"):
			held++
		case strings.HasSuffix(line, "| "+missed+" |\n") && len(cells) > 3:
			failed = append(failed, fmt.Sprintf("- %s, %s: %s; the aim is %s", title, strings.TrimPrefix(cells[0], "| "), cells[1], cells[3]))
		}
	}
	if len(failed)+held == 0 {
		return "No aim was judged.\n\n"
	}
	if len(failed) == 0 {
		return fmt.Sprintf("All %d aims are met.\n\n", held)
	}
	return fmt.Sprintf("%d aims are met, %d are missed:\n\n%s\n\n", held, len(failed), strings.Join(failed, "\n"))
}

func writeDocument(path, machine string, sections []*section, order []string) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, []byte(document(string(old), machine, sections, order)), 0o644) // #nosec G306 -- a document
}

// count writes 12345 as 12,345.
func count[N int | int64 | float64](n N) string {
	text := fmt.Sprintf("%.0f", float64(n))
	var groups []string
	for len(text) > 3 {
		groups = append(groups, text[len(text)-3:])
		text = text[:len(text)-3]
	}
	groups = append(groups, text)
	slices.Reverse(groups)
	return strings.Join(groups, ",")
}

func perSecond(n float64) string { return count(n) + " events/s" }
func perEvent(us float64) string { return fmt.Sprintf("%.1f µs", us) }

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
