package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// applyAgain applies as the loader does: what the server did not take is
// given again once, after a Resume.
func applyAgain(t *testing.T, w warehouse.Warehouse, entries ...eventlog.Entry) {
	t.Helper()
	_, err := w.Apply(context.Background(), "default", batch(entries...))
	if millrace.KindOf(err) == millrace.Unavailable {
		resume(t, w)
		_, err = w.Apply(context.Background(), "default", batch(entries...))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// testRefusedDefinitions shows that what others made in the database, and that
// keeps a table or a column from being made, changed or written to, keeps
// nothing else from being loaded.
func testRefusedDefinitions(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	n := 0
	send := func(events ...string) {
		t.Helper()
		var entries []eventlog.Entry
		for _, e := range append(events, `Other {"n":1}`) {
			n++
			name, properties, _ := strings.Cut(e, " {")
			entries = append(entries, event(n, name, "{"+properties))
		}
		applyAgain(t, w, entries...)
	}
	want := func(what, sql, want string) {
		t.Helper()
		if got := exec(t, url, sql); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	discards := func(table string) string {
		return "SELECT string_agg(coalesce(column_name, 'row') || '=' || CASE WHEN column_name IS NULL THEN 'x' ELSE value END, ' ' ORDER BY _seq) FROM web.discards WHERE table_name = '" + table + "'"
	}
	send(`A {"n":1}`, `B {"n":1}`, `C {"n":1}`, `D {"n":1}`, `Order {"total":1}`)
	exec(t, url, `CREATE VIEW web.v AS SELECT n FROM web.a; CREATE INDEX ON web."order" (total);
		CREATE FUNCTION web.no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.n > 5 THEN RAISE EXCEPTION 'too many'; END IF; RETURN NEW; END$$;
		CREATE TRIGGER no BEFORE INSERT ON web.b FOR EACH ROW EXECUTE FUNCTION web.no();
		ALTER TABLE web.c ADD COLUMN twice bigint GENERATED ALWAYS AS (n * 2) STORED;
		CREATE FUNCTION web.never() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN IF current_query() LIKE '%evil%' THEN RAISE EXCEPTION 'no evil'; END IF; END$$;
		CREATE EVENT TRIGGER never ON ddl_command_start EXECUTE FUNCTION web.never()`)

	send(`A {"n":2.5}`, `A {"n":3,"m":"kept"}`, `A {"n":4}`)
	send(`A {"n":5.5}`)
	want("a column of a view", "SELECT string_agg(n::text, ' ' ORDER BY _seq), max(m) FROM web.a", "1 3 4 kept")
	want("what did not fit", discards("a"), "n=2.5 n=5.5")
	want("why", "SELECT count(*) FROM web.discards WHERE table_name = 'a' AND reason LIKE '%make the column wider%view web.v: drop the view%'", "2")
	want("no large numbers", "SELECT count(*) FROM millrace.names WHERE kind = 'large'", "0")
	want("the notice", "SELECT count(*) FROM millrace.notices WHERE message LIKE '%column n of web.a%view web.v: drop the view, rebuild%'", "1")

	send(`Order Total Idx {"x":1}`, `Order {"total":2}`)
	want("an index has the name", discards("order_total_idx"), "row=x")
	want("beside it", `SELECT count(*) FROM web."order"`, "2")
	send(`B {"n":1}`, `B {"n":6}`, `B {"n":2}`)
	want("a trigger", "SELECT count(*) FROM web.b", "3")
	want("a trigger's rows", discards("b"), "row=x")
	resume(t, w) // knows the column that was added
	send(`C {"n":1,"twice":9}`)
	want("a generated column", discards("c"), "row=x")
	send(`D {"n":2,"evil":"e","good":"g"}`, `D {"n":3,"evil":7}`)
	send(`D {"n":4,"evil":8}`, `Evil {"x":1}`)
	want("a column that is refused", "SELECT string_agg(n::text, ' ' ORDER BY _seq), max(good) FROM web.d", "1 2 3 4 g")
	want("its values", discards("d"), "evil=e evil=7 evil=8")
	want("a table that is refused", discards("evil"), "row=x")

	// What others drop is made again.
	exec(t, url, "DROP TABLE web.c; ALTER TABLE web.d DROP COLUMN good")
	send(`C {"n":1}`, `D {"good":"again"}`)
	want("tables made again", "SELECT count(*), (SELECT max(good) FROM web.d) FROM web.c", "1 again")
	want("everything else", "SELECT (SELECT count(*) FROM web.other) - count(*) FILTER (WHERE event = 'other'), count(DISTINCT id) - max(_seq) FROM web.tracks", "0 0")
	want("no other discards", "SELECT string_agg(DISTINCT table_name, ' ' ORDER BY table_name) FROM web.discards", "a b c d evil order_total_idx")
	// Without the view the column is made wider.
	exec(t, url, "DROP VIEW web.v")
	resume(t, w)
	send(`A {"n":6.5}`)
	want("without the view", "SELECT max(n) FROM web.a", "6.5")
}
