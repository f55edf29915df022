package warehouse

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// record makes an entry at seq; stream "track:X" and so on.
func record(seq int, stream, body string) eventlog.Entry {
	at := testTime.Add(time.Duration(seq) * time.Second)
	return eventlog.Entry{
		Position: millrace.Position{Epoch: 1, Seq: uint64(seq)}, Time: at,
		Record: millrace.Record{
			ID: fmt.Sprintf("m%d", seq), Workspace: "default", Source: "web", Stream: stream,
			Received: at, Occurred: at, Body: []byte(body),
		},
	}
}

func batch(entries ...eventlog.Entry) Batch {
	b := Batch{Entries: entries}
	if n := len(entries); n > 0 {
		b.Through = entries[n-1].Position
	}
	return b
}

// engine is a warehouse made of maps, for tests of shaping alone.
type engine struct {
	tables  map[TableName]*engineTable
	scanned millrace.Position
	pending map[TableName]millrace.Position
}

type engineTable struct {
	columns []Column
	rows    []map[string]any
}

func newEngine() *engine { return &engine{tables: map[TableName]*engineTable{}} }

func (e *engine) known() Known {
	k := Known{Scanned: e.scanned, Pending: maps.Clone(e.pending)}
	for name, t := range e.tables {
		k.Tables = append(k.Tables, KnownTable{name, slices.Clone(t.columns)})
		for _, row := range t.rows {
			switch name {
			case TableName{SystemSchema, "names"}:
				k.Names = append(k.Names, Name{row["source"].(string), row["kind"].(string), row["original"].(string), row["name"].(string)})
			case TableName{SystemSchema, "notices"}:
				k.Notices = append(k.Notices, row["id"].(string))
			}
		}
	}
	return k
}

func (e *engine) shaper(t testing.TB, settings Settings) *Shaper {
	t.Helper()
	s, err := NewShaper(ShaperOptions{Settings: settings, Known: e.known(), Large: e.large, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// large says whether a column holds whole numbers that a double would round.
func (e *engine) large(t TableName, column string) (bool, error) {
	return slices.ContainsFunc(e.tables[t].rows, func(row map[string]any) bool {
		n, ok := row[column].(int64)
		return ok && (n > maxExact || n < -maxExact)
	}), nil
}

func (e *engine) commit(t testing.TB, step *Step) {
	t.Helper()
	for _, b := range step.Buffers {
		e.write(t, b)
	}
	e.scanned, e.pending = step.Scanned, maps.Clone(step.Pending)
}

func (e *engine) write(t testing.TB, b *Buffer) {
	table := e.tables[b.TableName]
	if (table == nil) != b.Create {
		t.Fatalf("%v: create is %v", b.TableName, b.Create)
	}
	if table == nil {
		table = &engineTable{}
		e.tables[b.TableName] = table
	}
	for _, v := range b.Columns {
		i := slices.IndexFunc(table.columns, func(c Column) bool { return c.Name == v.Name })
		switch {
		case (i < 0) != v.New:
			t.Fatalf("%v.%s: new is %v", b.TableName, v.Name, v.New)
		case v.New:
			table.columns = append(table.columns, v.Column)
		case v.Widened:
			table.columns[i].Type = Double
			for _, row := range table.rows {
				if n, ok := row[v.Name].(int64); ok {
					row[v.Name] = float64(n)
				}
			}
		case table.columns[i].Type != v.Type:
			t.Fatalf("%v.%s: %v became %v", b.TableName, v.Name, table.columns[i].Type, v.Type)
		}
	}
	for row := range b.Rows {
		out := map[string]any{}
		if err := json.Unmarshal(b.rowJSON(row), &out); err != nil {
			t.Fatalf("%v: %v: %s", b.TableName, err, b.rowJSON(row))
		}
		for _, v := range b.Columns {
			if v.Type == BigInt && v.Valid(row) { // which JSON would round
				out[v.Name] = v.Int(row)
			}
		}
		var old map[string]any
		if b.Key != "" {
			if i := slices.IndexFunc(table.rows, func(r map[string]any) bool { return r["id"] == out["id"] }); i >= 0 {
				old = table.rows[i]
			}
		}
		if old == nil {
			table.rows = append(table.rows, out)
			continue
		}
		maps.Copy(old, out)
		for _, v := range b.Columns {
			if v.Cleared(row) {
				delete(old, v.Name)
			}
		}
	}
}

// apply runs batches through a fresh shaper and commits them.
func (e *engine) apply(t testing.TB, settings Settings, entries ...eventlog.Entry) {
	t.Helper()
	s := e.shaper(t, settings)
	s.Add(batch(entries...))
	step := s.Take(true)
	e.commit(t, step)
	s.Done(step)
}

// column returns name=value lines of a table's column, and its type.
func (e *engine) column(table, column string) string {
	t := e.tables[TableName{"web", table}]
	if schema, rest, ok := strings.Cut(table, "."); ok {
		t = e.tables[TableName{schema, rest}]
	}
	if t == nil {
		return "no table"
	}
	i := slices.IndexFunc(t.columns, func(c Column) bool { return c.Name == column })
	if i < 0 {
		return "no column"
	}
	out := t.columns[i].Type.String()
	for _, row := range t.rows {
		v, ok := row[column]
		if !ok {
			out += " -"
			continue
		}
		b, _ := json.Marshal(v)
		out += " " + string(b)
	}
	return out
}

func track(props ...string) []eventlog.Entry {
	var out []eventlog.Entry
	for i, p := range props {
		out = append(out, record(i+1, "track:Order Completed", `{"type":"track","event":"Order Completed","userId":"u1","properties":`+p+`}`))
	}
	return out
}

func TestTypes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values []string // of the property v
		types  string   // the column's type in the settings
		want   string
		reason string // of the discarded value, if any
	}{
		"bool":              {values: []string{"true", "false"}, want: `bool true false`},
		"bigint":            {values: []string{"5", "-7"}, want: `bigint 5 -7`},
		"bigint whole":      {values: []string{"5", "6.0", "1e3"}, want: `bigint 5 6 1000`},
		"bigint widens":     {values: []string{"5", "5.5"}, want: `double 5 5.5`},
		"bigint no string":  {values: []string{"5", `"x"`}, want: `bigint 5 -`, reason: reasonType[BigInt]},
		"bigint stays big":  {values: []string{"9007199254740993", "5.5"}, want: `bigint 9007199254740993 -`, reason: reasonWideBigInt},
		"double":            {values: []string{"5.5", "6"}, want: `double 5.5 6`},
		"double exact":      {values: []string{"0.5", "9007199254740993"}, want: `double 0.5 -`, reason: reasonRounded},
		"double range":      {values: []string{"0.5", "1e400"}, want: `double 0.5 -`, reason: reasonRounded},
		"double tiny":       {values: []string{"0.5", "1e-400"}, want: `double 0.5 -`, reason: reasonRounded},
		"double python":     {values: []string{"0.30000000000000004"}, want: `double 0.30000000000000004`},
		"double %.17g":      {values: []string{"0.10000000000000001"}, want: `double 0.1`},
		"too long":          {values: []string{"3.14159265358979323846", "5"}, want: `text "3.14159265358979323846" "5"`},
		"1e400":             {values: []string{"1e400", "5"}, want: `text "1e400" "5"`},
		"beyond int64":      {values: []string{"18446744073709551615"}, want: `text "18446744073709551615"`},
		"beyond int64 even": {values: []string{"10000000000000000000"}, want: `double 10000000000000000000`},
		"text":              {values: []string{`"a\u00e9\n\ud83d\ude00"`, "5.50", "true", "[1, 2]"}, want: `text "aé\n😀" "5.50" "true" "[1, 2]"`},
		"json":              {values: []string{`[1,{"a":2}]`, `"x"`, "5"}, want: `json [1,{"a":2}] "x" 5`},
		"timestamp":         {values: []string{`"2026-01-02T03:04:05.678Z"`, `"2026-01-02T03:04:05+01:00"`}, want: `timestamptz "2026-01-02T03:04:05.678Z" "2026-01-02T02:04:05Z"`},
		"timestamp other":   {values: []string{`"2026-01-02T03:04:05Z"`, `"soon"`}, want: `timestamptz "2026-01-02T03:04:05Z" -`, reason: reasonNotTime},
		"timestamp fine":    {values: []string{`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.1234567Z"`}, want: `timestamptz "2026-01-02T03:04:05Z" -`, reason: reasonTooFine},
		"nanoseconds":       {values: []string{`"2026-01-02T03:04:05.1234567Z"`}, want: `text "2026-01-02T03:04:05.1234567Z"`},
		"a year":            {values: []string{`"2011"`, `"2011-01-02"`}, want: `text "2011" "2011-01-02"`},
		"no zone":           {values: []string{`"2026-01-02T03:04:05"`}, want: `text "2026-01-02T03:04:05"`},
		"31 February":       {values: []string{`"2026-02-31T03:04:05Z"`}, want: `text "2026-02-31T03:04:05Z"`},
		"null":              {values: []string{"null", "5"}, want: `bigint - 5`},
		"override double":   {values: []string{"5", `"5.50"`}, types: "double", want: `double 5 5.5`},
		"override text":     {values: []string{"5", "1.10"}, types: "text", want: `text "5" "1.10"`},
		"override bigint":   {values: []string{"5", "5.5"}, types: "bigint", want: `bigint 5 -`, reason: reasonType[BigInt]},
		"override bool":     {values: []string{`"true"`, `"yes"`}, types: "bool", want: `bool true -`, reason: reasonType[Bool]},
		"override time":     {values: []string{`"2026-01-02"`, `"2026-01-02 03:04"`}, types: "timestamptz", want: `timestamptz "2026-01-02T00:00:00Z" "2026-01-02T03:04:00Z"`},
		"override json":     {values: []string{"5", `"x"`}, types: "json", want: `json 5 "x"`},
		"NUL":               {values: []string{`"a\u0000b"`}, want: `text "a�b"`, reason: reasonDirty},
		"lone surrogate":    {values: []string{`"a\ud800b"`, `"\udc00\ud800"`}, want: `text "a�b" "��"`, reason: reasonDirty},
		"NUL in array":      {values: []string{`["a\u0000\ud834"]`}, want: `json ["a��"]`, reason: reasonDirty},
		"invalid UTF-8":     {values: []string{"\"a\xff\xc0b\""}, want: `text "a��b"`, reason: reasonDirty},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := Settings{}
			if test.types != "" {
				settings.Sources = map[string]SourceSettings{"web": {Types: map[string]string{"order_completed.v": test.types}}}
			}
			var props []string
			for _, v := range test.values {
				props = append(props, `{"v":`+v+`}`)
			}
			once, oneByOne := newEngine(), newEngine()
			once.apply(t, settings, track(props...)...)
			for _, entry := range track(props...) {
				oneByOne.apply(t, settings, entry)
			}
			for _, e := range []*engine{once, oneByOne} {
				got := e.column("order_completed", "v")
				if got != test.want {
					t.Errorf("got %s\nwant %s", got, test.want)
				}
				discards := e.column("discards", "reason")
				if (test.reason == "") != (discards == "text") {
					t.Errorf("discards: %s", discards)
				}
				if test.reason != "" && !strings.Contains(discards, test.reason) {
					t.Errorf("discards: %s", discards)
				}
			}
		})
	}
}
