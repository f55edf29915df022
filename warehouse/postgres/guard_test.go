package postgres

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

var guardNames = serverNames{relations: words("pg_class pg_tables"), functions: words("pg_sleep pg_typeof lo_import lo_get")}

func TestGuard(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT 1":                                "SELECT 1",
		"SELECT 1;":                               "SELECT 1 ",
		"SELECT ?, '?', \"?\", $$?$$ -- ?":        "SELECT  $1 , '?', \"?\", $$?$$ -- ?",
		"SELECT ? /* ? */ + ?":                    "SELECT  $1  /* ? */ +  $2 ",
		"SELECT a ? 'b', $1":                      "SELECT a ? 'b', $1",
		"SELECT E'\\'?' || ?":                     "SELECT E'\\'?' ||  $1 ",
		"SELECT pg_typeof(1), pg_rating FROM x.a": "SELECT pg_typeof(1), pg_rating FROM x.a",
		"SELECT public FROM x.a":                  "SELECT public FROM x.a",
		"SELECT $a$ ; $b$ ; $a$":                  "SELECT $a$ ; $b$ ; $a$",
		"SELECT 'a'\n'\\', 1 -- '":                "SELECT 'a'\n'\\', 1 -- '",
		"SELECT 1 --\r, 2":                        "SELECT 1 --\r, 2",
		"SELECT 1e5, .5, 0x1F, 1_000, a[1:2]":     "SELECT 1e5, .5, 0x1F, 1_000, a[1:2]",
		// What only looks like a function.
		"SELECT lo_price, \"pg_sleep\", dblink FROM x.lo_fi_played": "SELECT lo_price, \"pg_sleep\", dblink FROM x.lo_fi_played",
		"SELECT t.pg_class, t.regtype FROM x.pg_class t":            "SELECT t.pg_class, t.regtype FROM x.pg_class t",
		"SELECT set_config, public FROM x.dblink_used":              "SELECT set_config, public FROM x.dblink_used",
		"WITH lo_x(a) AS (VALUES (1)) SELECT a FROM lo_x":           "WITH lo_x(a) AS (VALUES (1)) SELECT a FROM lo_x",

		"SELECT pg_sleep(1)":                            "",
		"SELECT \"pg_sleep\"(1)":                        "",
		"SELECT Pg_Sleep/**/(1)":                        "",
		"SELECT pg_sleep --\r --\n (1)":                 "",
		"SELECT x.\"pg_sleep\" (1)":                     "",
		"SELECT 1 --\r, pg_sleep(3)":                    "",
		"SELECT E'a'\n'\\' ', pg_sleep(2) -- '":         "",
		"SELECT E'a' -- '\r \f'\\' ', pg_sleep(2), ' '": "",
		"SELECT $a? 'x $a$, pg_sleep(3), $1 --'":        "SELECT $a $1  'x $a$, pg_sleep(3), $1 --'",
		"SELECT 1 x?$$, pg_sleep(3), $1 -- $$":          "SELECT 1 x $1 $$, pg_sleep(3), $1 -- $$",
		"SELECT 1e5e'\\', pg_sleep(3) -- '":             "",
		"SELECT $1e'\\', pg_sleep(3) -- '":              "",
		"SELECT 1a":                                     "",
		"SELECT pg_catalog . count(1)":                  "",
		"SELECT db.pg_catalog.count(1)":                 "",
		"SELECT * FROM pg_class":                        "",
		"SELECT 1::regclass":                            "",
		"SELECT CAST(1 AS \"regclass\")":                "",
		"SELECT regclassout(1)":                         "",
		"SELECT to_regclass('x')":                       "",
		"SELECT has_table_privilege('x', 'y')":          "",
		"SELECT lo_import('x')":                         "",
		"SELECT dblink_exec('x')":                       "",
		"SELECT public . f()":                           "",
		"SELECT 1; SELECT 2":                            "",
		"SELECT 1; \u00a0":                              "",
		"SELECT U&'x'":                                  "",
		"SELECT 'x":                                     "",
		"SELECT $x$ y":                                  "",
		"SELECT /* /* */ 1":                             "",
		"SELECT 1\x00":                                  "",
		strings.Repeat("(", 3000):                       "",
	} {
		got, err := guard(sql, 2, guardNames)
		if (err == nil) != (want != "") || got != want {
			t.Errorf("%.80q: got %q, %v, want %q", sql, got, err, want)
		}
		if err != nil && millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%.80q: %v", sql, err)
		}
	}
}

// FuzzGuard shows that what passes has one statement: no semicolon outside of
// texts, names and comments.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"SELECT 1; SELECT 2", "SELECT $a$;$a$;", "SELECT E'\\';", "/*/**/;*/;", "\"\"\";\"", "U&'", "$", "1$a$;$a$", "e'", "-- \n;;x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		out, err := guard(sql, 0, guardNames)
		if err != nil {
			return
		}
		checkOne(t, sql, out)
		if out, err = guard(sql, 1, guardNames); err != nil {
			t.Fatalf("%q is refused with a parameter: %v", sql, err)
		}
		checkOne(t, sql, out)
	})
}

// checkOne shows that what the guard lets through is one statement, which it
// lets through again as it is.
func checkOne(t *testing.T, sql, out string) {
	t.Helper()
	if strings.Contains(sql, ";") {
		for tokens := (tokens{sql: out}); tokens.next(); {
			if tokens.kind == tokenSemicolon && strings.TrimSpace(out[tokens.end:]) != "" && out != sql {
				t.Fatalf("%q keeps a semicolon: %q", sql, out)
			}
		}
	}
	again, err := guard(out, 0, guardNames)
	if err != nil || again != out {
		t.Fatalf("%q became %q, and that %q, %v", sql, out, again, err)
	}
}
