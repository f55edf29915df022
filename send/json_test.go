package send

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// readRows returns each row of an input as "line: event", or "line: ! reason".
func readRows(t testing.TB, format, in string, o Options) (rows []string, err error) {
	t.Helper()
	o.Delimiter = ','
	p := &plan{options: o, event: "e", zone: time.UTC, format: format, input: &input{}}
	p.times, err = newTimeFormat("iso8601", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.open(bufio.NewReader(strings.NewReader(in)))
	if err != nil {
		return nil, err
	}
	p.columns = r.columns
	e := p.encoder()
	for {
		event, line, refused, err := r.next(e, nil)
		switch {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return rows, err
		case refused != nil:
			rows = append(rows, fmt.Sprintf("%d: ! %v", line, refused))
		case !json.Valid(event):
			t.Fatalf("line %d: the event is not JSON: %q", line, event)
		default:
			rows = append(rows, fmt.Sprintf("%d: %s", line, event))
		}
	}
}

func TestJSONRows(t *testing.T) {
	t.Parallel()
	const head = `{"type":"track","event":"e","messageId":`
	o := Options{ID: "id", User: "user.id", Time: "at"}
	for name, c := range map[string]struct {
		format, in string
		want       []string
		err        string
	}{
		"NDJSON": {FormatNDJSON, "{\"id\":1,\"at\":\"2026-01-01\",\"user\":{\"id\":13085.0}}\r\n\n {\"id\":\"b\", \"at\":\"2026-01-01\"} ", []string{
			`1: ` + head + `"1","userId":"13085","timestamp":"2026-01-01T00:00:00Z","properties":{"id":1,"at":"2026-01-01","user":{"id":13085.0}}}`,
			`3: ` + head + `"b","anonymousId":"b","timestamp":"2026-01-01T00:00:00Z","properties":{"id":"b", "at":"2026-01-01"}}`}, ""},
		"lines that are no rows": {FormatNDJSON, "[1]\n{\"id\":\n\"x\"\n{\"id\":{}}\n{\"at\":1}\n{\"id\":1}\n{\"id\":1,\"at\":\"soon\"}\n{\"id\":\"\xff\"}\n", []string{
			`1: ! not a JSON object: write each row as {"column": value, …}`, "2: ! not JSON: unexpected end of JSON input", `3: ! not a JSON object: write each row as {"column": value, …}`,
			`4: ! "id" is no single value`, `5: ! it has no value in "id", which --id names`, `6: ! it has no value in "at", which --time names`,
			`7: ! "at": "soon" is not a time of the form iso8601`, "8: ! it is not UTF-8"}, ""},
		"array": {FormatJSON, `[ {"id":1,"at":"2026-01-01"}, 5 ]`, []string{
			`1: ` + head + `"1","anonymousId":"1","timestamp":"2026-01-01T00:00:00Z","properties":{"id":1,"at":"2026-01-01"}}`,
			`2: ! not a JSON object: write each row as {"column": value, …}`}, ""},
		"objects over several lines": {FormatJSON, "{\n \"id\": 1,\n \"at\": \"2026-01-01\"\n}\n{}", []string{
			`1: ` + head + `"1","anonymousId":"1","timestamp":"2026-01-01T00:00:00Z","properties":{"id":1,"at":"2026-01-01"}}`,
			`2: ! it has no value in "id", which --id names`}, ""},
		"array cut off": {FormatJSON, `[{"id":1,"at":"2026-01-01"},{"id"`, []string{
			`1: ` + head + `"1","anonymousId":"1","timestamp":"2026-01-01T00:00:00Z","properties":{"id":1,"at":"2026-01-01"}}`}, "ends in the middle, after item 1"},
		"array with more behind it": {FormatJSON, `[] []`, nil, "more after the end of the array"},
		"empty array":               {FormatJSON, `[]`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readRows(t, c.format, c.in, o)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}

// FuzzRows checks that whatever a file holds, what is sent is JSON, and the
// same each time.
func FuzzRows(f *testing.F) {
	for _, s := range []string{"id,at,x\n1,2026-01-01,\"a\"\"b\"\n", `{"id":1,"at":"2026-01-01","user":{"id":5.0}}`, "[{\"id\":\"a\\u0000\"}]", "a\n\x00\n", "{}{}", "[[[[", "\"\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, format := range []string{FormatCSV, FormatNDJSON, FormatJSON} {
			for _, o := range []Options{{}, {ID: "id", User: "user.id", Time: "at"}} {
				first, err := readRows(t, format, in, o)
				again, errAgain := readRows(t, format, in, o)
				if !slices.Equal(first, again) || (err == nil) != (errAgain == nil) {
					t.Errorf("%s %q: %q, %v; again %q, %v", format, in, first, err, again, errAgain)
				}
			}
		}
	})
}
