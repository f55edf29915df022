package send

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readCSV returns each row as "line: a|b|c", or "line: ! reason".
func readCSV(t testing.TB, src io.Reader) (rows []string) {
	t.Helper()
	c := newCSVReader(src, ',')
	for {
		row, err := c.next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.broken != nil {
			rows = append(rows, fmt.Sprintf("%d: ! %v", row.line, row.broken))
			continue
		}
		rows = append(rows, fmt.Sprintf("%d: %s", row.line, bytes.Join(row.fields, []byte("|"))))
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"empty":                  {"", nil},
		"no newline at the end":  {"a,b\n1,2", []string{"1: a|b", "2: 1|2"}},
		"line ends of Windows":   {"a,b\r\n1,2\r\n", []string{"1: a|b", "2: 1|2"}},
		"blank lines":            {"a\n\n\r\nb\n", []string{"1: a", "4: b"}},
		"empty values":           {"a,,\n,\n", []string{"1: a||", "2: |"}},
		"quotes":                 {`"a ""x""",",","",b` + "\n", []string{`1: a "x"|,||b`}},
		"newlines in quotes":     {"a,\"b\r\nc\n\nd\"\ne,f\n", []string{"1: a|b\r\nc\n\nd", "5: e|f"}},
		"quote in the middle":    {"a\"b,5\" pipe\n", []string{`1: a"b|5" pipe`}},
		"text behind a quote":    {"\"a\"b,c\nd,e\n", []string{`1: ! there is text after a closing quote: a quote inside a quoted value is written twice ("")`, "2: d|e"}},
		"a quote never closes":   {"a,\"b\nc,d\ne,f\n", []string{"1: ! a quote opens here that does not close", "2: c|d", "3: e|f"}},
		"quote closes at an end": {"a,\"b\"", []string{"1: a|b"}},
		"open quote at an end":   {"a,\"b", []string{"1: ! a quote opens here that does not close"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := readCSV(t, strings.NewReader(c.in)); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if got := readCSV(t, iotest.OneByteReader(strings.NewReader(c.in))); !slices.Equal(got, c.want) {
				t.Errorf("byte by byte: got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCSVLongRows(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRowBytes)
	got := readCSV(t, strings.NewReader("a\n"+long+"x\nb\n\""+long+"\nc\n"))
	if len(got) != 5 || got[0] != "1: a" || got[2] != "3: b" || got[4] != "5: c" ||
		!strings.Contains(got[1], "! the row is longer") || !strings.Contains(got[3], "!") {
		for _, row := range got {
			t.Errorf("%.80s", row)
		}
	}
	// a quote that opens on every line does not make reading quadratic
	many := strings.Repeat("\"a,b\nc,d\n", 3)
	if got := readCSV(t, strings.NewReader(many)); len(got) < 4 {
		t.Errorf("%q", got)
	}
}

func TestCSVPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	c := newCSVReader(io.MultiReader(strings.NewReader("a,b\n1"), iotest.ErrReader(broken)), ',')
	if _, err := c.next(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.next(); !errors.Is(err, broken) {
		t.Errorf("%v, want the source's error", err)
	}
}

// FuzzCSV compares with encoding/csv where that accepts the input, and checks
// everywhere that reading ends, loses no line, and does not depend on how the
// bytes arrive.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\"\"b\",c\r\n", "a,\"b\nc\"\n", "\"", "\"\"\"", "\"a\"b\n", "\n\n,\n", "\r", "a\"b\n", "\xff,\x00\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := readCSV(t, strings.NewReader(in))
		if bytewise := readCSV(t, iotest.OneByteReader(strings.NewReader(in))); !slices.Equal(got, bytewise) {
			t.Fatalf("%q: %q, byte by byte %q", in, got, bytewise)
		}
		if strings.Contains(in, "\r") {
			return // encoding/csv changes line ends inside values
		}
		r := csv.NewReader(strings.NewReader(in))
		r.FieldsPerRecord = -1
		var want []string
		for {
			fields, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			line, _ := r.FieldPos(0)
			want = append(want, fmt.Sprintf("%d: %s", line, strings.Join(fields, "|")))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	})
}
