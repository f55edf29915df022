package result

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

var onlyOurs = regexp.MustCompile(`^[A-Za-z0-9_ $(),<>=]*$`)

// FuzzFilter checks that no name and no value that is given becomes SQL.
func FuzzFilter(f *testing.F) {
	for _, op := range append([]string{"", "= 1 OR"}, Ops...) {
		for _, v := range []string{`1`, `"x' OR 1=1 --"`, `"2026-11-21"`, `"$1"`, `true`, `null`, `["a", 1, null]`, `1e400`, `"NaN"`, `"99999999999999999999999999"`, `{}`, `"12:00"`, `"AQI="`} {
			f.Add(op, v, "b; DROP TABLE result")
		}
	}
	f.Fuzz(func(t *testing.T, op, value, name string) {
		var v any
		d := json.NewDecoder(strings.NewReader(value))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return
		}
		columns := []stored{{Column: Column{Name: name}, SQL: "VARCHAR", Class: classText}}
		for _, s := range plainTypes {
			columns = append(columns, s)
		}
		columns = append(columns, stored{SQL: "DECIMAL(10,2)", Class: classDecimal}, stored{SQL: "DECIMAL(38,0)", Class: classDecimal},
			stored{SQL: "TIMESTAMPTZ", Class: classMoment}, stored{Class: classNested}, stored{SQL: "VARCHAR", Class: classJSON, JSON: true})
		for i := range columns {
			if i > 0 {
				columns[i].Name = name + string(columns[i].Class) + columns[i].SQL
			}
			e := entry{columns: columns}
			b := e.builder()
			sql, err := b.where([]Filter{{columns[i].Name, op, v}})
			if err != nil {
				if millrace.KindOf(err) != millrace.Invalid {
					t.Errorf("%v", err)
				}
				continue
			}
			if !onlyOurs.MatchString(sql) || strings.Count(sql, "$") != len(b.params) {
				t.Errorf("%q with %d parameters", sql, len(b.params))
			}
		}
	})
}

// FuzzManifest opens folders whose descriptions somebody has written to.
func FuzzManifest(f *testing.F) {
	const id = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
	f.Add(`{"version":1,"id":"` + id + `","bytes":4,"columns":[{"name":"a","type":"text","sql":"VARCHAR","class":"text"}]}`)
	f.Add(`{"version":1,"id":"` + id + `","bytes":4,"columns":[{}],"created":"9999-12-31T00:00:00Z"}`)
	f.Add(`{"version":2}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		for name, text := range map[string]string{id + manifestEnding: text, id + fileEnding: "PAR1"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(Options{Dir: dir, Engine: noEngine{}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := s.Get(id); err == nil && (r.ID != id || r.Bytes != 4 || len(r.Columns) == 0) {
			t.Errorf("%+v", r)
		}
	})
}

func TestHarmlessCSV(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "a": "a", "=1+1": "'=1+1", "+1": "+1", "-1.5": "-1.5", "-1+1": "'-1+1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "|cmd": "'|cmd", "＝1": "'＝1", "1=1": "1=1",
	} {
		if got := HarmlessCSV(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestFormatsHaveMediaTypes(t *testing.T) {
	t.Parallel()
	for _, f := range Formats {
		if MediaTypes[f] == "" {
			t.Errorf("%s has none", f)
		}
	}
}

// Text without quotes is what a JSON decoder makes of it.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{"", "a", `"`, "\\", "\n", "ü🙂", "\x00", "</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		if got := unquote(AppendText(nil, s)); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
