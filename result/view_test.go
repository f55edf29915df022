package result_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
)

const people = `SELECT * FROM (VALUES
	(1, 'Ada',   1.50::DECIMAL(10,2), 0.1::DOUBLE, true,  DATE '2026-01-31', TIMESTAMPTZ '2026-01-31 12:00:00+00', 9007199254740993::BIGINT, '{"k": 1}'::JSON, '\x01\x02'::BLOB, 0.1::FLOAT, 170141183460469231731687303715884105727::HUGEINT),
	(2, 'bob',   2.00,                'NaN',       false, DATE '2026-02-01', TIMESTAMPTZ '2026-02-01 00:00:00+00', 9007199254740992,         '[]',             '',              2,          5),
	(3, NULL,    NULL,                NULL,        NULL,  NULL,              NULL,                                 NULL,                     NULL,             NULL,            NULL,       NULL),
	(4, '100%_', -3.25,               'inf',       true,  DATE '1999-12-31', TIMESTAMPTZ '1999-12-31 23:59:59+00', -1,                       '"ADA"',          '\xFF',          -1.5,       -7)
) AS t(id, name, price, ratio, paid, day, seen, big, doc, data, small, huge)`

func TestFilters(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, people)
	type filter = result.Filter
	for name, c := range map[string]struct {
		filter filter
		want   string // ids
	}{
		"integer":             {filter{"id", "eq", int64(2)}, "2"},
		"integer as text":     {filter{"id", "gt", " 2 "}, "3 4"},
		"integer is no half":  {filter{"id", "eq", 1.5}, ""},
		"integer above half":  {filter{"id", "gt", json.Number("1.5")}, "2 3 4"},
		"integer below huge":  {filter{"id", "lt", "99999999999999999999"}, "1 2 3 4"},
		"integer below e":     {filter{"id", "lt", "1e3"}, "1 2 3 4"},
		"integer endless":     {filter{"id", "lt", "Infinity"}, "1 2 3 4"},
		"big is exact":        {filter{"big", "eq", "9007199254740993"}, "1"},
		"big not":             {filter{"big", "ne", int64(9007199254740993)}, "2 3 4"},
		"huge":                {filter{"huge", "eq", "170141183460469231731687303715884105727"}, "1"},
		"huge small":          {filter{"huge", "le", "5"}, "2 4"},
		"huge part":           {filter{"huge", "lt", "5.5"}, "2 4"},
		"decimal":             {filter{"price", "eq", "1.5"}, "1"},
		"decimal is exact":    {filter{"price", "eq", "1.501"}, ""},
		"decimal order":       {filter{"price", "ge", "1.499"}, "1 2"},
		"decimal whole":       {filter{"price", "eq", int64(2)}, "2"},
		"decimal long":        {filter{"price", "lt", "123456789012345678901234567890123456789012345"}, "1 2 4"},
		"decimal sign":        {filter{"price", "lt", "-3"}, "4"},
		"double":              {filter{"ratio", "eq", 0.1}, "1"},
		"NaN":                 {filter{"ratio", "eq", "NaN"}, "2"},
		"endless":             {filter{"ratio", "eq", "Infinity"}, "4"},
		"float as it shows":   {filter{"small", "eq", "0.1"}, "1"},
		"bool":                {filter{"paid", "eq", true}, "1 4"},
		"bool as text":        {filter{"paid", "eq", "False"}, "2"},
		"bool not":            {filter{"paid", "ne", true}, "2 3"},
		"text":                {filter{"name", "eq", "Ada"}, "1"},
		"text case":           {filter{"name", "eq", "ada"}, ""},
		"text not":            {filter{"name", "ne", "Ada"}, "2 3 4"},
		"text is SQL":         {filter{"name", "eq", "' OR 1=1 --"}, ""},
		"text order":          {filter{"name", "lt", "B"}, "1 4"},
		"contains":            {filter{"name", "contains", "AD"}, "1"},
		"contains wildcards":  {filter{"name", "contains", "%_"}, "4"},
		"contains no":         {filter{"name", "contains", "_d"}, ""},
		"not contains":        {filter{"name", "not_contains", "a"}, "2 3 4"},
		"begins":              {filter{"name", "starts_with", "BO"}, "2"},
		"ends":                {filter{"name", "ends_with", "DA"}, "1"},
		"number contains":     {filter{"price", "contains", ".5"}, "1"},
		"time contains":       {filter{"seen", "contains", "2026-01"}, "1"},
		"null":                {filter{"name", "is_null", nil}, "3"},
		"not null":            {filter{"name", "not_null", nil}, "1 2 4"},
		"is nil":              {filter{"price", "eq", nil}, "3"},
		"is not nil":          {filter{"price", "ne", nil}, "1 2 4"},
		"date":                {filter{"day", "eq", "2026-01-31"}, "1"},
		"date before a time":  {filter{"day", "lt", "2026-01-31T00:00:01Z"}, "1 4"},
		"time":                {filter{"seen", "eq", "2026-01-31T12:00:00Z"}, "1"},
		"time in a zone":      {filter{"seen", "eq", "2026-01-31T13:00:00+01:00"}, "1"},
		"time of a day":       {filter{"seen", "ge", "2026-02-01"}, "2"},
		"json":                {filter{"doc", "contains", "ada"}, "4"},
		"blob":                {filter{"data", "eq", "AQI="}, "1"},
		"in":                  {filter{"id", "in", []any{int64(1), "4", 7.5}}, "1 4"},
		"in texts":            {filter{"name", "in", []any{"bob", "Ada"}}, "1 2"},
		"in with nil":         {filter{"name", "in", []any{"bob", nil}}, "2 3"},
		"in many":             {filter{"id", "in", many(1000)}, "1 2 3 4"},
		"in many long values": {filter{"name", "in", []any{strings.Repeat("x", 50_000), "bob"}}, "2"},
	} {
		v := result.View{Columns: []string{"id"}, Filters: []filter{c.filter}}
		got, total := f.page(t, r.ID, v)
		if text := strings.Join(got, " "); text != c.want || total != int64(len(got)) {
			t.Errorf("%s: got %q of %d, want %q", name, text, total, c.want)
		}
	}
}

func many(n int) (values []any) {
	for i := range n {
		values = append(values, int64(i))
	}
	return values
}

func TestRefusedViews(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, people)
	type filter = result.Filter
	for name, v := range map[string]result.View{
		"no such column":    {Columns: []string{"c0"}},
		"number of the row": {Sort: []result.Sort{{Column: "r"}}},
		"sort by SQL":       {Sort: []result.Sort{{Column: "id; DROP TABLE result"}}},
		"no operation":      {Filters: []filter{{"id", "= 1 OR", int64(1)}}},
		"empty operation":   {Filters: []filter{{"id", "", int64(1)}}},
		"no number":         {Filters: []filter{{"id", "eq", "one"}}},
		"no decimal":        {Filters: []filter{{"price", "eq", "1,5"}}},
		"no bool":           {Filters: []filter{{"paid", "eq", "maybe"}}},
		"no date":           {Filters: []filter{{"day", "eq", "yesterday"}}},
		"no such date":      {Filters: []filter{{"day", "eq", "2026-02-30"}}},
		"no time":           {Filters: []filter{{"seen", "lt", "12:00"}}},
		"no base64":         {Filters: []filter{{"data", "eq", "?"}}},
		"no value":          {Filters: []filter{{"id", "lt", nil}}},
		"list":              {Filters: []filter{{"id", "eq", []any{1}}}},
		"no list":           {Filters: []filter{{"id", "in", int64(1)}}},
		"empty list":        {Filters: []filter{{"id", "in", []any{}}}},
		"long list":         {Filters: []filter{{"id", "in", many(1001)}}},
		"object":            {Filters: []filter{{"name", "eq", map[string]any{"a": 1}}}},
		"many filters":      {Filters: make([]filter, 51)},
		"many sorts":        {Sort: make([]result.Sort, 11)},
		"negative":          {Offset: -1},
		"large page":        {Limit: result.MaxPageRows + 1},
		"not UTF-8":         {Filters: []filter{{"name", "eq", "\xff"}}},
	} {
		_, err := f.Page(context.Background(), r.ID, v)
		kindIs(t, name, err, millrace.Invalid)
		if name != "large page" {
			kindIs(t, name+" of a download", f.Export(context.Background(), r.ID, v, "csv", &strings.Builder{}), millrace.Invalid)
		}
	}
	for _, id := range []string{"", "../x", "aaaaaaaaaaaaaaaaaaaaaaaaaa", r.ID + "/", strings.ToUpper(r.ID)} {
		_, err := f.Page(context.Background(), id, result.View{})
		kindIs(t, id, err, millrace.NotFound)
		_, err = f.Get(id)
		kindIs(t, id, err, millrace.NotFound)
		kindIs(t, id, f.Delete(id), millrace.NotFound)
	}
}

// Pages in any order are pieces of what the warehouse gives in that order.
func TestPages(t *testing.T) {
	t.Parallel()
	f := open(t)
	const rows = 200_000 // several row groups
	sql := fmt.Sprintf("SELECT i AS id, hash(i) %% 1000 AS h, CASE WHEN i %% 10 = 0 THEN NULL ELSE 'n' || (hash(i + 1) %% 50) END AS name, (i * 7) %% 1000 / 4.0::DOUBLE AS d FROM range(%d) t(i)", rows)
	r := f.create(t, sql)
	if r.Rows != rows || r.Truncated {
		t.Fatalf("%+v", r)
	}
	for name, c := range map[string]struct {
		v         result.View
		order, by string
	}{
		"as it came": {result.View{}, "id", ""},
		"texts down": {result.View{Sort: []result.Sort{{Column: "name", Desc: true}}}, "name DESC NULLS LAST, id", ""},
		"texts up":   {result.View{Sort: []result.Sort{{Column: "name"}}}, "name NULLS LAST, id", ""},
		"two":        {result.View{Sort: []result.Sort{{Column: "h"}, {Column: "d", Desc: true}}}, "h, d DESC, id", ""},
		"filtered":   {result.View{Filters: []result.Filter{{Column: "h", Op: "lt", Value: int64(100)}}}, "id", "WHERE h < 100"},
		"both": {
			result.View{Filters: []result.Filter{{Column: "name", Op: "eq", Value: "n7"}}, Sort: []result.Sort{{Column: "d"}}}, "d, id", "WHERE name = 'n7'",
		},
	} {
		want := texts(t, f.ask(t, fmt.Sprintf("SELECT * FROM (%s) %s ORDER BY %s", sql, c.by, c.order)))
		for _, offset := range []int{0, 1, 199, 65_500, len(want) - 3, len(want), len(want) + 10} {
			c.v.Offset, c.v.Limit = int64(max(offset, 0)), 100
			got, total := f.page(t, r.ID, c.v)
			if total != int64(len(want)) {
				t.Errorf("%s: %d rows, want %d", name, total, len(want))
			}
			from := min(int(c.v.Offset), len(want))
			same(t, fmt.Sprintf("%s at %d", name, offset), got, want[from:min(from+100, len(want))])
		}
		c.v.Offset, c.v.Limit = 10, 1000
		lines := strings.Split(strings.TrimSuffix(f.export(t, r.ID, c.v, "csv"), "\n"), "\n")[1:]
		from := min(10, len(want))
		if wanted := want[from:min(from+1000, len(want))]; len(lines) != len(wanted) || lines[0] != csvOf(wanted[0]) || lines[len(lines)-1] != csvOf(wanted[len(wanted)-1]) {
			t.Errorf("%s: download of %d lines, want %d: %q, want %q", name, len(lines), len(wanted), lines[0], csvOf(wanted[0]))
		}
	}
}

func csvOf(row string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(row, "null", ""), `"`, ""), " ", ",")
}

func TestFilterOfJSON(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, people)
	var filters []result.Filter
	if err := json.Unmarshal([]byte(`[{"column":"big","op":"eq","value":9007199254740993},{"column":"id","op":"in","value":[1,2.5,null]}]`), &filters); err != nil {
		t.Fatal(err)
	}
	got, _ := f.page(t, r.ID, result.View{Columns: []string{"id"}, Filters: filters})
	same(t, "digits are kept", got, []string{"1"})
}
