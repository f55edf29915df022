package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// testWords shows what people are told who send something else than a SELECT.
func testWords(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":1}`))
	for _, sql := range []string{
		"drop", "DROP TABLE web.a", "set", "set x = 1", "explain", "explain select 1", "show", "show server_version", "SHOW ALL", "copy web.a to stdout", "\\x",
		"/* c */ delete from web.a", "-- c\r drop table web.a", "WITH x AS (DELETE FROM web.a RETURNING n) SELECT * FROM x", "WITH x AS (INSERT INTO web.a (n) VALUES (1) RETURNING n) SELECT * FROM x",
		"SELECT 1 INTO x", "SELECT * FROM web.a FOR UPDATE", "call f()", "vacuum", "begin",
	} {
		got, err := count(w, sql)
		if strings.EqualFold(sql, "show") { // lists the tables
			if err != nil {
				t.Errorf("%s: %v", sql, err)
			}
			continue
		}
		if millrace.KindOf(err) != millrace.Invalid || err.Error() != warehouse.OnlySelect {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
	for sql, want := range map[string]string{
		"SELECT * FROM nosuch": "tables are named with their source", "SELECT * FROM web.nosuch": "there is no table web.nosuch", "SELECT * FROM wbe.a": "there is no source wbe",
		"SELECT pg_sleep(1)": `the function "pg_sleep" may not be used`, "SELECT 1::regclass": "the type regclass may not be used", "SELECT 1e": "a letter follows the number",
		"SELECT * FROM user.tracks": `as in "user".tracks`, "SELECT * FROM Order.tracks": `as in "order".tracks`,
	} {
		if got, err := count(w, sql); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
	for sql, want := range map[string]string{
		"SELECT nothing FROM web.a": "(line 1, column 8)", "SELECT 'ü',\n  nothing, n FROM web.a;": "(line 2, column 3)", "SELECT *\nFROM web.nosuch": "(line 2, column 6)",
		"SELECT 1 +\n\n* 2 FROM web.a": "(line 3, column 1)", "SELECT length(n) FROM web.a": "(line 1, column 8)",
	} {
		if _, err := count(w, sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %s", sql, err, want)
		}
	}
}

// testIdentifier shows that Identifier puts each word of Postgres in quotes that
// needs them.
func testIdentifier(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	words := strings.Fields(exec(t, url, "SELECT string_agg(word, ' ') FROM pg_get_keywords()"))
	if len(words) < 400 {
		t.Fatalf("%d words", len(words))
	}
	for _, word := range words {
		if got, err := count(w, "SELECT 1 FROM "+warehouse.Identifier(word)+".tracks"); err == nil || !strings.Contains(err.Error(), "there is no source") {
			t.Errorf("%s: %s, %v", word, got, err)
		}
	}
}

// testNamesLikeFunctions asks for tables and columns that are called like what
// a query may not use.
func testNamesLikeFunctions(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	apply(t, w, event(1, "Lo Fi Played", `{"lo_price":1,"lo_get":2,"dblink":3,"pg_sleep":4,"set_config":5,"pg_class":6,"regtype":7,"public":8,"pg_catalog":9}`), event(2, "Dblink Used", `{"n":1}`),
		event(3, "Pg Class", `{"n":11}`), event(4, "Pg Sleep", `{"n":12}`))
	for sql, want := range map[string]string{
		"SELECT lo_price FROM web.lo_fi_played": "1", `SELECT "lo_price" FROM "web"."lo_fi_played"`: "1", "SELECT lo_get FROM web.lo_fi_played": "2", "SELECT dblink FROM web.lo_fi_played": "3",
		"SELECT pg_sleep FROM web.lo_fi_played": "4", "SELECT set_config FROM web.lo_fi_played": "5", "SELECT t.pg_class FROM web.lo_fi_played t": "6", "SELECT t.regtype FROM web.lo_fi_played t": "7",
		"SELECT public FROM web.lo_fi_played": "8", "SELECT pg_catalog FROM web.lo_fi_played": "9", "SELECT n FROM web.dblink_used": "1", "SELECT n FROM web.pg_class": "11", "SELECT n FROM web.pg_sleep": "12",
		"SELECT (SELECT count(*) FROM web.lo_fi_played WHERE lo_get IN (2))": "1",
	} {
		if got, err := count(w, sql); err != nil || got != want {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
	// What is another workspace's is not told of by numbers either.
	for _, sql := range []string{
		"SELECT g::regclass::text FROM generate_series(16384, 17000) g", "SELECT CAST(16384 AS \"regclass\")", "SELECT format_type(16384, NULL)", "SELECT obj_description(16384, 'pg_namespace')",
		"SELECT a FROM json_to_record('{\"a\":16384}') AS x(a regclass)", "SELECT regclassout(16384)", "SELECT lo_get(1)", "SELECT \"lo_get\" /**/ (1)", "SELECT has_table_privilege('x', 'SELECT')",
		"SELECT lo_import FROM lo_import('/etc/passwd')", "SELECT pg_sleep FROM pg_sleep(1)", "SELECT * FROM pg_tables", "SELECT * FROM ROWS FROM (pg_ls_dir('.'))",
	} {
		if got, err := count(w, sql); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "may not be used in a query") {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
}

// testInfinity asks for times and numbers that have no end.
func testInfinity(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	for sql, want := range map[string]string{
		"SELECT 'infinity'::timestamptz":                                         "infinity",
		"SELECT '-infinity'::timestamp":                                          "-infinity",
		"SELECT 'infinity'::date":                                                "infinity",
		"SELECT 'NaN'::numeric(10, 2)":                                           "NaN",
		"SELECT 'infinity'::numeric":                                             "+Inf",
		"SELECT '2026-03-01 12:00:00.5'::timestamp":                              "2026-03-01T12:00:00.5",
		"SELECT 'infinity'::timestamptz - now()":                                 "",
		"SELECT NULL::timestamptz":                                               "(null)",
		"SELECT max(t) FROM (VALUES ('infinity'::timestamptz), (now())) AS x(t)": "infinity",
		"SELECT t FROM (VALUES ('2026-03-01 12:00:00.5+01'::timestamptz), ('-infinity')) AS x(t) ORDER BY t DESC": "2026-03-01T11:00:00.5Z",
		"SELECT t FROM (VALUES ('1969-02-28'::date), ('-infinity')) AS x(t) ORDER BY t DESC":                      "1969-02-28",
		"SELECT t FROM (VALUES ('0001-01-01'::date), ('infinity')) AS x(t) ORDER BY t":                            "0001-01-01",
	} {
		if got, err := count(w, sql); got != want || err != nil && want != "" {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
	rows, err := w.Query(context.Background(), warehouse.Query{Workspace: "default", SQL: "SELECT CASE WHEN g < 1000 THEN now() ELSE 'infinity' END FROM generate_series(1, 1000) AS g"})
	for err == nil {
		_, err = rows.Next(context.Background())
	}
	if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "cast the column to text") {
		t.Errorf("infinity behind the first rows: %v", err)
	}
	if rows != nil {
		_ = rows.Close()
	}
}
