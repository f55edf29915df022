package catalogtest

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func testStatements(t *testing.T, p Place) {
	c := open(t, p, Schema)
	for _, sql := range []string{
		"", " -- nothing", "COMMIT", "ROLLBACK", "BEGIN", "PRAGMA foreign_keys = OFF", "SET synchronous_commit = off", "DROP TABLE thing", "CREATE TABLE x (a BIGINT)", "ATTACH 'x' AS y", "COPY thing TO STDOUT",
		"SELECT 1; SELECT 2", "DELETE FROM counter; COMMIT", "SELECT ?", "SELECT :a", "SELECT @a", "SELECT $a", "SELECT $$a$$", "SELECT 1::TEXT", "SELECT `a`", "SELECT [a]", "SELECT $0", "SELECT $1000",
		"SELECT 'a", `SELECT "a`, "SELECT /* a", "SELECT /* /* */ 1 */", "SELECT E'a'", "SELECT x'00'", "SELECT \xff", "SELECT '\x00'",
	} {
		if _, err := exec(t.Context(), c, sql); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q: %v", sql, err)
		}
	}
	for sql, args := range map[string][]any{"SELECT 1": {1}, "SELECT $1": {}, "SELECT $1, $2": {1}, "SELECT $2": {1}} {
		if _, err := exec(t.Context(), c, sql, args...); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q with %v: %v", sql, args, err)
		}
	}
	for _, sql := range []string{"SELECT 1;", " select 1 ; -- done; really", "WITH x AS (SELECT 1) SELECT * FROM x", "/* a */ SELECT 1", "SELECT ';', '--', '/*' -- ''"} {
		if _, err := exec(t.Context(), c, sql); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
	}
}

func testPlaceholders(t *testing.T, p Place) {
	c := open(t, p, Schema)
	mustExec(t, c, "INSERT INTO counter (n, name) VALUES ($2, $1)", "a", 1)
	mustExec(t, c, "INSERT INTO counter (name, n) SELECT name || $2 || $2 || $1, n + $3 FROM counter WHERE n = $3 AND name = $4", "y", "z", 1, "a")
	mustExec(t, c, "INSERT INTO counter (name, n) VALUES ('it''s $1 \"$2\" ?', $1 /* $9 '*/) -- $8 '", 3)
	mustExec(t, c, "INSERT INTO counter (name, n) VALUES ($10, CAST($1 AS BIGINT) + $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9)", 1, 2, 3, 4, 5, 6, 7, 8, 9, "ten")
	got := mustOne[string](t, c, `SELECT (SELECT name FROM counter WHERE n = 2) || ',' || (SELECT "name" FROM "counter" WHERE n = $2) || ',' || (SELECT name FROM counter WHERE n = $1)`, 45, 3)
	if got != `azzy,it's $1 "$2" ?,ten` {
		t.Error(got)
	}
}

// testText shows that both engines agree on order and likeness of text.
func testText(t *testing.T, p Place) {
	c := open(t, p, Schema)
	for i, name := range []string{"b", "B", "a", "ä", "Z", "z", "_", "10", "9", "a b", "a_b", "é", "世"} {
		mustExec(t, c, "INSERT INTO counter (name, n) VALUES ($1, $2)", name, i)
	}
	list := func(sql string, args ...any) string {
		var all []string
		err := c.View(t.Context(), func(tx catalog.Tx) (err error) {
			all, err = catalog.All[string](t.Context(), tx, sql, args...)
			return err
		})
		if err != nil {
			t.Error(sql, err)
		}
		return strings.Join(all, ",")
	}
	for want, got := range map[string]string{
		"10,9,B,Z,_,a,a b,a_b,b,z,ä,é,世": list("SELECT name FROM counter ORDER BY name"),
		"a,a b,a_b":                      list("SELECT name FROM counter WHERE name LIKE $1 ORDER BY name", "a%"),
		"a_b":                            list(`SELECT name FROM counter WHERE name LIKE $1 ESCAPE '!' ORDER BY name`, "a!_%"),
		"z,ä,é":                          list("SELECT name FROM counter WHERE name > $1 AND name < $2 ORDER BY name", "b", "世"),
		"B,b":                            list("SELECT name FROM counter WHERE lower(name) = 'b' ORDER BY name"),
		"世,é,ä":                          list("SELECT name FROM counter ORDER BY name DESC LIMIT $1", 3),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func testRows(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	for i := range 5 {
		mustExec(t, c, "INSERT INTO counter (name, n) VALUES ($1, $2)", string(rune('a'+i)), i)
	}
	var kept catalog.Tx
	err := c.View(ctx, func(tx catalog.Tx) error {
		kept = tx
		rows, err := tx.Query(ctx, "SELECT name, n FROM counter ORDER BY n")
		if err != nil {
			return err
		}
		var name string
		wantKind(t, rows.Scan(&name), millrace.Internal) // before Next
		for i := 0; rows.Next(); i++ {
			var n int
			if err := rows.Scan(&name, &n); err != nil || n != i {
				t.Error(name, n, err)
			}
		}
		if rows.Next() || rows.Err() != nil || rows.Close() != nil || rows.Close() != nil {
			t.Error("after the end")
		}
		for v, err := range catalog.Each[int](ctx, tx, "SELECT n FROM counter ORDER BY n") {
			if err != nil || v != 0 {
				t.Error(v, err)
			}
			break // closes the rows
		}
		if all, err := catalog.All[int](ctx, tx, "SELECT n FROM counter WHERE n > 9"); all != nil || err != nil {
			t.Error(all, err)
		}
		_, err = tx.Query(ctx, "SELECT n FROM counter") // left open
		return err
	})
	if err != nil {
		t.Error(err)
	}
	_, err = kept.Exec(ctx, "SELECT 1")
	wantKind(t, err, millrace.Internal)
	err = c.View(ctx, func(tx catalog.Tx) error {
		if _, err := tx.Query(ctx, "SELECT n FROM counter"); err != nil {
			return err
		}
		_, err := tx.Query(ctx, "SELECT n FROM counter")
		return err
	})
	wantKind(t, err, millrace.Invalid)
}
