package postgres

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

var guardSystem = map[string]bool{"pg_sleep": true, "pg_class": true, "pg_typeof": true}

func TestGuard(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT 1":                                "SELECT 1",
		"SELECT 1;":                               "SELECT 1",
		"SELECT ?, '?', \"?\", $$?$$ -- ?":        "SELECT $1, '?', \"?\", $$?$$ -- ?",
		"SELECT ? /* ? */ + ?":                    "SELECT $1 /* ? */ + $2",
		"SELECT a ? 'b', $1":                      "SELECT a ? 'b', $1",
		"SELECT E'\\'?' || ?":                     "SELECT E'\\'?' || $1",
		"SELECT pg_typeof(1), pg_rating FROM x.a": "SELECT pg_typeof(1), pg_rating FROM x.a",
		"SELECT public FROM x.a":                  "SELECT public FROM x.a",
		"SELECT $a$ ; $b$ ; $a$":                  "SELECT $a$ ; $b$ ; $a$",
		"SELECT pg_sleep(1)":                      "",
		"SELECT \"pg_sleep\"(1)":                  "",
		"SELECT Pg_Sleep/**/(1)":                  "",
		"SELECT pg_catalog . count(1)":            "",
		"SELECT * FROM pg_class":                  "",
		"SELECT lo_import('x')":                   "",
		"SELECT public . f()":                     "",
		"SELECT 1; SELECT 2":                      "",
		"SELECT U&'x'":                            "",
		"SELECT 'x":                               "",
		"SELECT $x$ y":                            "",
		"SELECT /* /* */ 1":                       "",
		"SELECT 1\x00":                            "",
		strings.Repeat("(", 3000):                 "",
	} {
		got, err := guard(sql, 2, guardSystem)
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
		out, err := guard(sql, 0, guardSystem)
		if err != nil {
			return
		}
		tokens := tokens{sql: out}
		for tokens.next() {
			if tokens.kind == tokenSemicolon {
				t.Fatalf("%q keeps a semicolon: %q", sql, out)
			}
		}
		again, err := guard(out, 0, guardSystem)
		if err != nil || again != out {
			t.Fatalf("%q became %q, and that %q, %v", sql, out, again, err)
		}
	})
}
