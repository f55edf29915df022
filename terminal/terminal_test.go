package terminal

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                   "plain",
		"Grüße, 注文完了 👩‍🚀":         "Grüße, 注文完了 👩‍🚀",
		"a\nb\tc\r":               `a\nb\tc\r`,
		"\x1b[31mred\x1b]0;x\x07": `\x1b[31mred\x1b]0;x\x07`,
		"\u009b31m":               `\u009b31m`,
		"\x9b31m":                 `\x9b31m`,
		"user\u202etxt.exe":       `user\u202etxt.exe`,
		"\u2066x\u2069\u200b":     `\u2066x\u2069\u200b`,
		"\U000e0041tag":           `\U000e0041tag`,
		"\x00\x7f":                `\x00\x7f`,
		"\ufeffmark":              `\ufeffmark`,
		"line\u2028end":           `line\u2028end`,
	} {
		if got := Sanitize(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := SanitizeLines("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("%q", got)
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("a\x1b[2J\n\u202e\xff", 3)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		got := Sanitize(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unsafeRune(r) }) {
			t.Errorf("%q became %q", s, got)
		}
		// in pieces it is the same as whole
		cut = max(0, min(cut, len(s)))
		var b bytes.Buffer
		w := NewSafeWriter(&b)
		_, _ = w.Write([]byte(s[:cut]))
		_, _ = w.Write([]byte(s[cut:]))
		_ = w.Close()
		if b.String() != SanitizeLines(s) {
			t.Errorf("%q cut at %d: %q, want %q", s, cut, b.String(), SanitizeLines(s))
		}
	})
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := Table{Columns: []Column{{Name: "name"}, {Name: "n", Right: true}, {Name: "note"}}, Rows: [][]string{
		{"Ann", "5", "a long note that goes on and on and on"}, {"注文", "12,345", "x\x1b[2J"}, {"Bob"}}}
	for name, c := range map[string]struct {
		width, cut int
		want       string
	}{
		"no limit": {0, 0, "" +
			"name       n  note\n" +
			"Ann        5  a long note that goes on and on and on\n" +
			"注文  12,345  x\\x1b[2J\n" +
			"Bob\n"},
		"cut": {40, 1, "" +
			"name       n  note\n" +
			"Ann        5  a long note that goes on …\n" +
			"注文  12,345  x\\x1b[2J\n" +
			"Bob\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := table
			table.Width = c.width
			var b bytes.Buffer
			cut, err := table.Write(&b)
			if err != nil || b.String() != c.want || cut != c.cut {
				t.Errorf("%d cut, %v:\n%s\nwant %d:\n%s", cut, err, b.String(), c.cut, c.want)
			}
			for line := range strings.Lines(b.String()) {
				if c.width > 0 && Columns(strings.TrimSuffix(line, "\n")) > c.width {
					t.Errorf("wider than %d: %q", c.width, line)
				}
			}
		})
	}
}

func TestTableAsRecords(t *testing.T) {
	t.Parallel()
	table := Table{Width: 24, Columns: []Column{{Name: "name"}, {Name: "n"}, {Name: "note"}, {Name: "a"}, {Name: "another column"}}, Rows: [][]string{
		{"Annabella", "5000000", "a long note that goes on", "another", "something"}, {"Bob"}}}
	var b bytes.Buffer
	cut, err := table.Write(&b)
	want := "" +
		"── row 1 ───────────────\n" +
		"name          Annabella\n" +
		"n             5000000\n" +
		"note          a long no…\n" +
		"a             another\n" +
		"another col…  something\n" +
		"── row 2 ───────────────\n" +
		"name          Bob\nn\nnote\na\nanother col…\n"
	if err != nil || b.String() != want || cut != 1 {
		t.Errorf("%d cut, %v:\n%s\nwant\n%s", cut, err, b.String(), want)
	}
}

// TestTableWholeAndWrapped keeps what people copy, and shows all of a text.
func TestTableWholeAndWrapped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		width int
		want  string
	}{
		"room": {60, "" +
			"id            note       reason\n" +
			"0123456789ab  something  the first words and the last ones\n" +
			"b                        注文\n"},
		"wrapped": {40, "" +
			"id            note       reason\n" +
			"0123456789ab  something  the first words\n" +
			"                         and the last\n" +
			"                         ones\n" +
			"b                        注文\n"},
		"records": {24, "" +
			"── row 1 ───────────────\n" +
			"id      0123456789ab\n" +
			"note    something\n" +
			"reason  the first words\n" +
			"        and the last\n" +
			"        ones\n" +
			"── row 2 ───────────────\n" +
			"id      b\nnote\nreason  注文\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := Table{Width: c.width, Columns: []Column{{Name: "id", Whole: true}, {Name: "note"}, {Name: "reason", Wrap: true}},
				Rows: [][]string{{"0123456789ab", "something", "the first words and the last ones"}, {"b", "", "注文"}}}
			var b bytes.Buffer
			if cut, err := table.Write(&b); err != nil || cut != 0 || b.String() != c.want {
				t.Errorf("%d cut, %v:\n%s\nwant\n%s", cut, err, b.String(), c.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		columns int
		want    []string
	}{
		{"", 5, []string{""}},
		{"one two", 7, []string{"one two"}},
		{"one two", 5, []string{"one", "two"}},
		{"one two", 3, []string{"one", "two"}},
		{"abcdefgh ij", 3, []string{"abc", "def", "gh", "ij"}},
		{"注文完了", 5, []string{"注文", "完了"}},
		{"注文", 1, []string{"注", "文"}},
	} {
		if got := Wrap(c.text, c.columns); !slices.Equal(got, c.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		widths []int
		total  int
	}{{[]int{100, 100, 5}, 80}, {[]int{30, 30, 30}, 60}, {[]int{1, 1}, 10}, {[]int{500}, 20}, {[]int{7, 7, 7, 7}, 34}} {
		widths := append([]int{}, c.widths...)
		if !fit(widths, c.total) {
			t.Errorf("%v do not fit %d", c.widths, c.total)
		}
		sum := columnGap * (len(widths) - 1)
		for i, w := range widths {
			sum += w
			if w > c.widths[i] {
				t.Errorf("%v became %v", c.widths, widths)
			}
		}
		if sum > max(c.total, leastTableLine) {
			t.Errorf("%v became %v, over %d", c.widths, widths, c.total)
		}
	}
	if fit(make([]int, 60), 80) {
		t.Error("60 columns fit 80")
	}
}

func TestBarChart(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	chart := BarChart{Width: 40, Bars: []Bar{{Label: "2011-10", Value: 500}, {Label: "2011-11", Value: 1461756.25}, {Label: "2011-12", Value: 730878.13},
		{Label: "loss", Value: -5}, {Label: "none", Value: 0, Text: "–"}, {Label: "odd", Value: math.NaN()}}}
	if err := chart.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := "" +
		"2011-10        500.00\n" +
		"2011-11  1,461,756.25  █████████████████\n" +
		"2011-12    730,878.13  ████████▌\n" +
		"loss            -5.00\n" +
		"none                –\n" +
		"odd               NaN\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Count(54716): "54,716", Count(-1000): "-1,000", Count(999): "999", Count(0): "0", Count(math.MinInt64): "-9,223,372,036,854,775,808",
		Money(18909762.12): "18,909,762.12", Money(-0.001): "0.00", Money(-1234.5): "-1,234.50",
		Size(999): "999 B", Size(1500): "1.5 kB", Size(999_600): "1.0 MB", Size(1 << 40): "1.1 TB",
		Duration(850 * time.Millisecond): "850 ms", Duration(9 * time.Second): "9.0 s", Duration(185 * time.Second): "3 min 5 s",
		Duration(2 * time.Hour): "2 h", Duration(0): "0 s", Duration(51 * time.Hour): "2 d 3 h", Duration(-time.Minute): "-1 min",
		Plural(1, "row", "rows"): "1 row", Plural(2000, "row", "rows"): "2,000 rows",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if s, cut := Cut("注文完了", 5); s != "注文…" || !cut {
		t.Errorf("%q", s)
	}
}

// Without a terminal there are plain lines, without colours or escapes.
func TestPlain(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	s := New(Options{Out: &out, Err: &err, Getenv: func(string) string { return "" }})
	s.Note("hello %s", "\x1b[31mx")
	if s.Width() != 0 || s.OutIsTerminal() || s.Colors().Good("x") != "x" || s.NoteColors().Bad("x") != "x" {
		t.Error("a buffer is taken for a terminal")
	}
	p := s.Progress(ProgressOptions{Label: "a", Total: 10})
	p.Set(5, 0)
	p.Finish()
	p.Finish()
	if got := err.String(); got != "hello \\x1b[31mx\n" {
		t.Errorf("%q", got)
	}
	quiet := New(Options{Out: &out, Err: &err, Quiet: true})
	quiet.Note("nothing")
	q := quiet.Progress(ProgressOptions{})
	q.Set(1, 1)
	q.Message("x")
	q.Finish()
	quiet.Warn("something")
	if got := err.String(); !strings.HasSuffix(got, "x\nsomething\n") {
		t.Errorf("%q", got)
	}
}

func TestProgressText(t *testing.T) {
	t.Parallel()
	s := New(Options{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Quiet: true})
	p := s.Progress(ProgressOptions{Label: "orders.csv", Unit: "rows", Total: 54716})
	p.Start(10000)
	p.samples = []sample{{time.Now().Add(-2 * time.Second), 10000}}
	p.Set(27358, 1_300_000)
	if got := p.text(80); !strings.HasPrefix(got, "orders.csv  ██████████░░░░░░░░░░  50 %  27,358 of 54,716 rows  1.3 MB  8,6") || !strings.HasSuffix(got, "/s  3.0 s left") {
		t.Errorf("%q", got)
	}
	p.Message("waiting 30 s: the log is \x1bfull")
	if got := p.text(0); got != `orders.csv  50 %  27,358 of 54,716 rows  1.3 MB  waiting 30 s: the log is \x1bfull` {
		t.Errorf("%q", got)
	}
	p = s.Progress(ProgressOptions{Label: "rebuild"})
	if got := p.text(0); got != "rebuild  0 s" {
		t.Errorf("of what is not known yet: %q", got)
	}
	p.SetTotal(0, "records")
	p.Set(1200, 0)
	p.SetTotal(0, "") // an older server does not say
	if got := p.text(0); !strings.HasPrefix(got, "rebuild  1,200 records") {
		t.Errorf("%q", got)
	}
}
