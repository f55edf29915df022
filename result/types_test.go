package result_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/result"
)

// values are SQL for the values of one column each, by the name of the type.
var values = map[string]string{
	"bool":         "true, false, NULL",
	"tinyint":      "(-128)::TINYINT, 127::TINYINT, NULL",
	"smallint":     "(-32768)::SMALLINT, NULL, 5::SMALLINT",
	"integer":      "-2147483648, 2147483647, NULL",
	"bigint":       "(-9223372036854775808)::BIGINT, 9223372036854775807, NULL",
	"utinyint":     "0::UTINYINT, 255::UTINYINT, NULL",
	"usmallint":    "65535::USMALLINT, NULL, 0::USMALLINT",
	"uinteger":     "4294967295::UINTEGER, NULL, 0::UINTEGER",
	"ubigint":      "18446744073709551615::UBIGINT, NULL, 0::UBIGINT",
	"hugeint":      "(-170141183460469231731687303715884105728)::HUGEINT, 170141183460469231731687303715884105727::HUGEINT, NULL, 7::HUGEINT",
	"float":        "0.1::FLOAT, 'NaN'::FLOAT, '-inf'::FLOAT, NULL, -0.0::FLOAT, 3.4028235e38::FLOAT",
	"double":       "0.1::DOUBLE, 'NaN'::DOUBLE, 'inf'::DOUBLE, '-inf'::DOUBLE, NULL, 5e-324::DOUBLE, 1.7976931348623157e308::DOUBLE, -0.0::DOUBLE",
	"decimal 4":    "-12.34::DECIMAL(4,2), 99.99::DECIMAL(4,2), NULL",
	"decimal 9":    "123456.789::DECIMAL(9,3), NULL, -0.001::DECIMAL(9,3)",
	"decimal 18":   "123456789012345.678::DECIMAL(18,3), NULL, -1::DECIMAL(18,3)",
	"decimal 38":   "12345678901234567890123456789.012345678::DECIMAL(38,9), NULL, -0.000000001::DECIMAL(38,9)",
	"text":         "'', 'a', 'ümlaut 漢字 🙂', 'quote\"s and ''others'' \\ ', e'line\nbreak\ttab', NULL, repeat('long', 1000)",
	"json":         `'{"a": [1, 2.50, null]}'::JSON, '"text"'::JSON, 'null'::JSON, '12345678901234567890'::JSON, NULL`,
	"blob":         `'\x00\xFF'::BLOB, ''::BLOB, NULL`,
	"date":         "DATE '0001-01-01', DATE '2026-11-21', DATE '9999-12-31', NULL",
	"time":         "TIME '00:00:00', TIME '23:59:59.999999', TIME '24:00:00', NULL",
	"timetz":       "'12:34:56+02'::TIMETZ, NULL",
	"timestamp":    "TIMESTAMP '0001-01-01 00:00:00', TIMESTAMP '2026-11-21 10:11:12.123456', NULL",
	"timestamp s":  "'2026-11-21 10:11:12'::TIMESTAMP_S, NULL",
	"timestamp ms": "'2026-11-21 10:11:12.123'::TIMESTAMP_MS, NULL",
	"timestamp ns": "'2026-11-21 10:11:12.123456789'::TIMESTAMP_NS, NULL",
	"timestamptz":  "TIMESTAMPTZ '2026-11-21 10:11:12.5+01', NULL, TIMESTAMPTZ '1969-12-31 23:59:59+00'",
	"endless":      "'infinity'::TIMESTAMP, '-infinity'::TIMESTAMP, TIMESTAMP '2026-11-21 10:11:12', NULL",
	"interval":     "INTERVAL '1 month 2 days 3.5 seconds', NULL, INTERVAL '-1 hour'",
	"uuid":         "'6f1b2c3d-0000-4000-8000-00000000abcd'::UUID, NULL",
	"enum":         "'happy'::ENUM('sad', 'happy'), NULL, 'sad'::ENUM('sad', 'happy')",
	"bit":          "'0101'::BIT, NULL",
	"null":         "NULL, NULL",
	"list":         "[1, 2, NULL], [], NULL, [3]",
	"list of text": "['a', NULL, ''], NULL, []",
	"lists":        "[[1], [], NULL, [2, 3]], NULL, []",
	"array":        "[1, 2, 3]::INTEGER[3], NULL, [4, NULL, 6]::INTEGER[3]",
	"struct":       "{'a': 1, 'b': 'x'}, NULL, {'a': NULL, 'b': NULL}",
	"structs":      "{'a': {'b': [1, 2], 'c': {'d': 1.5::DECIMAL(5,2)}}}, NULL, {'a': {'b': NULL, 'c': NULL}}",
	"odd struct":   `{'a.b': 1, 'ü "x"': 'y'}, NULL`,
	"unnamed":      "row(1, 'x'), NULL, row(2, NULL)",
	"list struct":  "[{'a': 1, 'b': [true]}, {'a': NULL, 'b': NULL}, NULL], NULL, []",
	"map":          "MAP {'a': 1, 'b': NULL}, NULL, MAP {}",
	"number map":   "MAP {1: ['x'], 2: NULL}, NULL",
	"union":        "union_value(n := 1), NULL",
	"json inside":  `{'j': '{"x": 1}'::JSON}, NULL`,
	"uuid inside":  `['6f1b2c3d-0000-4000-8000-00000000abcd'::UUID], NULL`,
	"times inside": "[TIMESTAMPTZ '2026-11-21 10:11:12+00', NULL], [], NULL",
	"list of blob": `['\xAA'::BLOB], NULL`,
	"bigints":      "[9223372036854775807, -1], NULL",
	"huges inside": "[170141183460469231731687303715884105727::HUGEINT], NULL",
}

// Every type comes back as the warehouse gave it, in pages and in a download
// that is stored again.
func TestTypes(t *testing.T) {
	t.Parallel()
	f := open(t)
	for name, list := range values {
		sql := fmt.Sprintf("SELECT unnest([%s]) AS v", list)
		switch name {
		case "list", "list of text", "lists", "list struct", "array", "struct", "structs", "odd struct", "unnamed", "bigints", "huges inside",
			"json inside", "uuid inside", "times inside", "list of blob":
			sql = "SELECT v FROM (VALUES (" + strings.ReplaceAll(splitValues(list), "\x00", "), (") + ")) AS t(v)"
		}
		rows, err := f.w.Query(context.Background(), query(sql))
		if err != nil {
			t.Errorf("%s: %s: %v", name, sql, err)
			continue
		}
		typ := result.TypeName(rows.Schema().Field(0))
		want := texts(t, rows)
		r := f.create(t, sql)
		if len(r.Columns) != 1 || r.Columns[0] != (result.Column{Name: "v", Type: typ}) || r.Rows != int64(len(want)) {
			t.Errorf("%s: described as %+v, of %d rows; the warehouse has %s, of %d", name, r.Columns, r.Rows, typ, len(want))
		}
		got, _ := f.page(t, r.ID, result.View{})
		same(t, name, got, want)
		for _, v := range []result.View{
			{Sort: []result.Sort{{Column: "v"}}}, {Sort: []result.Sort{{Column: "v", Desc: true}}},
			{Filters: []result.Filter{{Column: "v", Op: "not_null"}}}, {Filters: []result.Filter{{Column: "v", Op: "contains", Value: "1"}}},
		} {
			f.page(t, r.ID, v)
		}
		if _, err := f.Stats(context.Background(), r.ID, "v", nil); err != nil {
			t.Errorf("%s: statistics: %v", name, err)
		}
		if _, err := f.Chart(context.Background(), r.ID, result.ChartQuery{Kind: "bar", X: "v", Group: "v"}); err != nil {
			t.Errorf("%s: chart: %v", name, err)
		}
		for _, format := range result.Formats {
			if text := f.export(t, r.ID, result.View{Sort: []result.Sort{{Column: "v"}}}, format); text == "" {
				t.Errorf("%s: %s is empty", name, format)
			}
		}
	}
}

// splitValues puts a zero byte where a comma stands outside of all brackets.
func splitValues(list string) string {
	depth, quoted := 0, false
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\'':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		case r == ',' && depth == 0:
			return 0
		}
		return r
	}, list)
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	f := open(t)
	names := []string{
		`a`, `A`, `a`, `a_2`, `"; DROP TABLE result; --`, `it''s`, "new\nline", `c0`, `r`, `result`, `file_row_number`, `filename`, `FILE_ROW_NUMBER`, `ümlaut 漢字`,
		`a.b.c`, `$1`, `?`, ` `, `'`, `\`, `select`, strings.Repeat("x", 5000), `=1+1`,
	}
	var sql []string
	for i, name := range names {
		sql = append(sql, fmt.Sprintf(`%d AS "%s"`, i, strings.ReplaceAll(name, `"`, `""`)))
	}
	r := f.create(t, "SELECT "+strings.Join(sql, ", "))
	seen := map[string]bool{}
	for i, c := range r.Columns {
		if seen[c.Name] {
			t.Errorf("two columns are called %.50q", c.Name)
		}
		seen[c.Name] = true
		if base := names[i]; c.Name != base && !strings.HasPrefix(c.Name, base+"_") {
			t.Errorf("%.50q is called %.50q", base, c.Name)
		}
		v := result.View{
			Columns: []string{c.Name}, Sort: []result.Sort{{Column: c.Name}}, Filters: []result.Filter{{Column: c.Name, Op: "eq", Value: int64(i)}},
		}
		got, total := f.page(t, r.ID, v)
		if same(t, c.Name, got, []string{fmt.Sprint(i)}); total != 1 {
			t.Errorf("%.50q: %d rows", c.Name, total)
		}
		if s, err := f.Stats(context.Background(), r.ID, c.Name, v.Filters); err != nil || string(s.Min) != fmt.Sprint(i) || s.Column.Name != c.Name {
			t.Errorf("%.50q: %+v, %v", c.Name, s, err)
		}
		if d, err := f.Chart(context.Background(), r.ID, result.ChartQuery{
			Kind: "line", X: c.Name, Group: c.Name, Y: []result.Measure{{Column: c.Name, Fn: "sum"}}, Filters: v.Filters,
		}); err != nil || len(d.Points) != 1 || string(d.Points[0].Y[0]) != fmt.Sprint(i) {
			t.Errorf("%.50q: %+v, %v", c.Name, d, err)
		}
	}
	for _, format := range result.Formats {
		if text := f.export(t, r.ID, result.View{}, format); !strings.Contains(text, "ümlaut 漢字") {
			t.Errorf("%s lacks a name: %.300s", format, text)
		}
	}
	if text := f.export(t, r.ID, result.View{}, "csv"); !strings.Contains(text, ",'=1+1\n") {
		t.Errorf("a name is a formula: %.6000s", text)
	}
}
