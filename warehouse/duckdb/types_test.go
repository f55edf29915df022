package duckdb

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Every type of the engine can be asked for, or is refused with a reason; none
// takes the child down.
func TestTypes(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	ctx := context.Background()
	types := map[string]string{
		"TRUE": "true", "1::TINYINT": "1", "1::SMALLINT": "1", "1::INTEGER": "1", "1::BIGINT": "1", "1::HUGEINT": "1", "1::UHUGEINT": "1",
		"1::UTINYINT": "1", "1::USMALLINT": "1", "1::UINTEGER": "1", "1::UBIGINT": "1", "1.5::FLOAT": "1.5", "1.5::DOUBLE": "1.5",
		"12.34::DECIMAL(4,2)": "12.34", "12.34::DECIMAL(38,10)": "12.34", "'x'": "x", "'x'::BLOB": "eA==", "'101'::BIT": "", "DATE '2024-01-02'": "2024-01-02",
		"TIME '01:02:03'": "01:02:03.000000", "TIMETZ '01:02:03+01'": "", "TIMESTAMP '2024-01-02 03:04:05'": "2024-01-02T03:04:05", "'2024-01-02 03:04:05'::TIMESTAMP_S": "2024-01-02T03:04:05",
		"'2024-01-02 03:04:05'::TIMESTAMP_NS": "2024-01-02T03:04:05", "TIMESTAMPTZ '2024-01-02 03:04:05+00'": "2024-01-02T03:04:05Z", "INTERVAL 1 MONTH": "",
		"uuid()": "", "[1,2]": "[1,2]", "[[1],[2,3]]": "", "{'a':1,'b':'x'}": "", "MAP {'a':1}": "", "'a'::ENUM('a','b')": "a", "'{\"a\":1}'::JSON": `{"a":1}`,
		"[1,2]::INTEGER[2]": "", "union_value(n := 1)": "", "NULL": "(null)", "ROW(1,2)": "", "123456789012345678901234567890::BIGNUM": "",
		"{'a':1}::VARIANT": "", "'POINT(1 2)'::GEOMETRY": "", "sum(1)": "1", "avg(1)": "1", "count(*)": "1", "x'00ff'::BLOB": "", "chr(0)": "",
	}
	for sql, want := range types {
		rows, err := w.Query(ctx, warehouse.Query{Workspace: ws, SQL: "SELECT " + sql + " AS v"})
		if err != nil {
			if millrace.KindOf(err) != millrace.Invalid || want != "" {
				t.Errorf("%s: %s: %v", sql, millrace.KindOf(err), err)
			}
			continue
		}
		record, err := rows.Next(ctx)
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			rows.Close()
			continue
		}
		if got := record.Column(0).ValueStr(0); want != "" && got != want {
			t.Errorf("%s: got %s, want %s (%s)", sql, got, want, rows.Schema().Field(0).Type)
		}
		record.Release()
		if _, err := rows.Next(ctx); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v at the end", sql, err)
		}
		rows.Close()
	}
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
}

// TestTypesAsText shows that what Arrow cannot hold is given as text, whole, in
// its place and its order.
func TestTypesAsText(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	for sql, want := range map[string]string{
		"340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455", "170141183460469231731687303715884105728::UHUGEINT": "170141183460469231731687303715884105728",
		"0::UHUGEINT": "0", "NULL::UHUGEINT": "(null)", "TIMETZ '10:00:00+02'": "10:00:00+02", "'101'::BIT": "101", "union_value(n := 7)": "7",
		"'123456789012345678901234567890123456789012'::BIGNUM": "123456789012345678901234567890123456789012", "{'a':1}::VARIANT": "{'a': 1}",
		"[TIMETZ '10:00:00+02']": "['10:00:00+02']", "{'b': '01'::BIT}": "{'b': 01}", "MAP {'k': 5::UHUGEINT}": "{k=5}", "[1::UHUGEINT]::UHUGEINT[1]": "[1]",
		"18446744073709551615::UBIGINT": "18446744073709551615",
	} {
		rows, _, err := ask(w, warehouse.Query{SQL: "SELECT " + sql + " AS v -- the end"})
		if got := strings.Join(rows, " "); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", sql, got, err, want)
		}
	}
	rows, more, err := ask(w, warehouse.Query{SQL: "SELECT g::UHUGEINT FROM range(100000) AS x(g) ORDER BY hash(g), g;", Limit: 90_000})
	if err != nil || len(rows) != 90_000 || !more {
		t.Fatal(len(rows), more, err)
	}
	plain, _, err := ask(w, warehouse.Query{SQL: "SELECT g FROM range(100000) AS x(g) ORDER BY hash(g), g", Limit: 90_000})
	if err != nil || !slices.Equal(rows, plain) {
		t.Errorf("in another order: %v… instead of %v…, %v", rows[:3], plain[:3], err)
	}
	_, _, err = ask(w, warehouse.Query{SQL: "SELECT 'x'::BIT, 1 AS v,\n nosuch"})
	if err == nil || !strings.Contains(err.Error(), "LINE 2") {
		t.Errorf("a mistake: %v", err)
	}
	_, _, err = ask(w, warehouse.Query{SQL: "SELECT 5::UHUGEINT,\n CASE WHEN range > 5 THEN error('no') ELSE 'x' END FROM range(10)"})
	if err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("an error while it runs: %v", err)
	}
}

// TestEndlessTimes shows that infinity is infinity, not a year that is far off.
func TestEndlessTimes(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	for sql, want := range map[string]string{
		"'infinity'::TIMESTAMP": "infinity", "'-infinity'::TIMESTAMP": "-infinity", "'infinity'::TIMESTAMPTZ": "infinity", "'-infinity'::TIMESTAMPTZ": "-infinity",
		"'infinity'::DATE": "infinity", "'-infinity'::DATE": "-infinity",
		"unnest(['infinity', '2026-03-01 12:00:00.5+01', NULL]::TIMESTAMPTZ[])": "infinity 2026-03-01T11:00:00.5Z (null)",
		"unnest(['2026-03-01 12:00:00', 'infinity']::TIMESTAMP[])":              "2026-03-01T12:00:00 infinity",
		"unnest(['1969-02-28', '-infinity']::DATE[])":                           "1969-02-28 -infinity",
		"NULL::TIMESTAMPTZ": "(null)", "'2026-03-01'::DATE": "2026-03-01",
	} {
		rows, _, err := ask(w, warehouse.Query{SQL: "SELECT " + sql + " AS v"})
		if got := strings.Join(rows, " "); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", sql, got, err, want)
		}
	}
	late := "SELECT CASE WHEN g < 9000 THEN now() ELSE 'infinity' END FROM range(10000) AS x(g)"
	if _, _, err := ask(w, warehouse.Query{SQL: late}); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "isfinite") {
		t.Errorf("a late one: %v", err)
	}
	if rows, more, err := ask(w, warehouse.Query{SQL: "SELECT 'infinity'::TIMESTAMP, range FROM range(10000)", Limit: 5000}); err != nil || len(rows) != 5000 || !more {
		t.Errorf("%d rows, %v, %v", len(rows), more, err)
	}
}
