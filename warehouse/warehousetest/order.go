package warehousetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// columns are the names of a table's columns, in order.
func (b *bench) columns(schema, table string) string {
	return strings.ReplaceAll(b.ask(warehouse.Query{SQL: fmt.Sprintf(
		"SELECT column_name FROM information_schema.columns WHERE table_schema = '%s' AND table_name = '%s' ORDER BY ordinal_position", schema, table)}), " | ", " ")
}

func testColumnOrder(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(append(b.track(`{"b":1,"a":2}`), b.next("identify", `{"userId":"u","traits":{"z":1}}`), b.next("group", `{"groupId":"g","traits":{"y":1}}`),
		b.next("alias", `{"previousId":"p","userId":"u"}`), b.next("stream:items", `{"x":1}`), b.next("track:Bad", `{"properties":{"id":5}}`))...)
	const who, when, position = "id anonymous_id user_id ", "received_at sent_at original_timestamp timestamp uuid_ts ", "_epoch _seq _index"
	check := func() {
		t.Helper()
		for table, want := range map[string]string{
			"web.tracks": who + "event event_text " + when + position, "web.identifies": who + when + position + " z",
			"web.a": who + "event event_text " + when + position + " b a", "web.users": "id received_at uuid_ts " + position + " z",
			"web.groups": who + "group_id " + when + position + " y", "web.accounts": "id received_at uuid_ts " + position + " y",
			"web.aliases": who + "previous_id " + when + position, "web.items": "id received_at uuid_ts " + position + " x",
			"web.discards":   "id table_name column_name value reason received_at uuid_ts " + position,
			"millrace.names": "source kind original name received_at " + position,
		} {
			schema, name, _ := strings.Cut(table, ".")
			if got := b.columns(schema, name); got != want {
				t.Errorf("%s: %s\nwant %s", table, got, want)
			}
		}
	}
	check()
	b.reopen()
	b.apply(append(b.track(`{"b":3,"a":4}`), b.next("identify", `{"userId":"u","traits":{"z":2}}`))...)
	check()
	b.want(map[string]string{
		"SELECT id, user_id, event, _epoch, _seq, _index, b, a FROM web.a ORDER BY _seq": "m1 u a 7 1 0 1 2 | m7 u a 7 7 0 3 4",
		"SELECT id, _epoch, _seq, _index, z FROM web.users":                              "u 7 8 0 2",
	})
}

// testSystemTables shows that the system's tables are there before their first row.
func testSystemTables(t *testing.T, place Place) {
	b := open(t, place)
	b.want(map[string]string{
		"SELECT rejected_id, source, received_at, reason, field, type, raw, raw_base64, truncated, _epoch, _seq, _index FROM millrace.rejected": "",
		"SELECT rejected_id, id, source, received_at, outcome, reason, _seq FROM millrace.resent":                                               "",
		"SELECT source, kind, original, name, received_at, _seq FROM millrace.names":                                                            "",
		"SELECT id, source, kind, table_name, message, received_at, _seq FROM millrace.notices":                                                 "",
	})
	b.apply(b.next("rejected", `{"id":"r1","reason":"too large"}`), b.next("resent", `{"rejected_id":"r1","id":"m","outcome":"accepted"}`))
	check := func() {
		t.Helper()
		b.want(map[string]string{"SELECT r.rejected_id, reason, outcome FROM millrace.rejected r JOIN (SELECT rejected_id, outcome FROM millrace.resent) s ON s.rejected_id = r.rejected_id": "r1 too large accepted"})
	}
	check()
	b.reopen()
	check()
}

func testNoEvents(t *testing.T, place Place) {
	b := open(t, place)
	b.configure(warehouse.SourceSettings{})
	for _, sql := range []string{"SELECT * FROM web.tracks", "SELECT count(*) FROM web.a JOIN web.tracks t ON t.id = a.id"} {
		if got := b.ask(warehouse.Query{SQL: sql}); !strings.HasPrefix(got, "error invalid: source web has no events yet") {
			t.Errorf("%s: %s", sql, got)
		}
	}
	if got := b.ask(warehouse.Query{SQL: "SELECT * FROM ios.tracks"}); !strings.HasPrefix(got, "error invalid") || strings.Contains(got, "no events yet") {
		t.Errorf("a source that nobody knows: %s", got)
	}
	b.apply(b.track(`{}`)...)
	b.want(map[string]string{"SELECT count(*) FROM web.tracks": "1"})
	if got := b.ask(warehouse.Query{SQL: "SELECT * FROM web.nothing"}); !strings.HasPrefix(got, "error invalid") || strings.Contains(got, "no events yet") {
		t.Errorf("a table that is not there: %s", got)
	}
}

// testLatestHeld shows that rows of users may be held back, and are merged once
// whatever was committed when the engine was lost.
func testLatestHeld(t *testing.T, place Place) {
	b := open(t, place)
	var all []eventlog.Entry
	for i := range 6 {
		all = append(all, b.next("identify", fmt.Sprintf(`{"userId":"u%d","traits":{"n":%d,"at%d":true}}`, i%2, i, i)))
	}
	for i := range all {
		b.applied(through(all[i:i+1], false))
		b.want(map[string]string{"SELECT count(*) FROM web.identifies": fmt.Sprint(i + 1)})
		if i%2 == 1 {
			from := b.reopen()
			for j := range all[:i+1] {
				if all[j].Position.After(from) {
					b.applied(through(all[j:j+1], false))
				}
			}
		}
	}
	b.applied(warehouse.Batch{Through: at(6), Flush: true})
	b.want(map[string]string{
		"SELECT id, n, at0, at1, at2, at3, at4, at5 FROM web.users ORDER BY id": "u0 4 true - true - true - | u1 5 - true - true - true",
		"SELECT count(*) FROM web.identifies":                                   "6",
	})
}

// testNoDiscards shows that a source has discards as soon as it has a table,
// and keeps them in a rebuild.
func testNoDiscards(t *testing.T, place Place) {
	b := open(t, place)
	const sql = "SELECT id, table_name, column_name, value, reason, received_at, uuid_ts, _epoch, _seq, _index FROM web.discards"
	b.apply(b.next("identify", `{"userId":"u"}`))
	b.want(map[string]string{sql: "", "SELECT count(*) FROM web.identifies": "1"})
	items := b.next("stream:items", `{"x":1}`)
	items.Source = "ios"
	b.apply(items)
	b.want(map[string]string{"SELECT count(*) FROM ios.discards": "0"})
	b.reopen()
	ctx := context.Background()
	rebuild, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{Sources: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rebuild.Apply(ctx, through([]eventlog.Entry{entry(1, "identify", `{"userId":"u"}`)}, true)); err != nil {
		t.Fatal(err)
	}
	if err := rebuild.Swap(ctx, at(b.seq)); err != nil {
		t.Fatal(err)
	}
	b.resume()
	b.want(map[string]string{sql: "", "SELECT count(*) FROM ios.discards": "0", "SELECT count(*) FROM web.identifies": "1"})
	b.apply(b.track(`{"v":1}`, `{"v":"x"}`)...)
	b.want(map[string]string{"SELECT column_name, value FROM web.discards": "v x"})
}

// testMissingTables shows that a query on a table that is not there says what
// to do.
func testMissingTables(t *testing.T, place Place) {
	b := open(t, place)
	settings := warehouse.Settings{Sources: map[string]warehouse.SourceSettings{"web": {}, "ios": {}}}
	if err := b.Configure(context.Background(), "default", settings); err != nil {
		t.Fatal(err)
	}
	b.apply(append(b.track(`{"n":1}`), b.next("track:Order Completed", `{"userId":"u"}`))...)
	for sql, want := range map[string]string{
		"SELECT * FROM web.identifies":                             "no identify has arrived for source web yet: the table web.identifies is made with the first one (web has tracks, a, order_completed)",
		"SELECT id FROM web.tracks UNION SELECT id FROM web.users": "no identify with a userId has arrived for source web yet",
		"WITH x AS (SELECT 1) SELECT * FROM x, web.pages":          "no page has arrived for source web yet",
		"SELECT * FROM web.order_complete":                         "there is no table web.order_complete: the nearest is web.order_completed",
		"SELECT * FROM WEB.Track":                                  "there is no table web.track: the nearest is web.tracks",
		"SELECT * FROM web.user":                                   "there is no table web.user: if users is meant, it is made when the first identify with a userId arrives",
		"SELECT * FROM web.something_else":                         "there is no table web.something_else: a table is made with the first event of its name, and SHOW TABLES lists",
		"SELECT * FROM ios.tracks":                                 "source ios has no events yet",
		"SELECT * FROM wob.tracks":                                 "there is no source wob: the nearest is web, as in web.tracks",
		"SELECT * FROM warehouse.tracks":                           "there is no source warehouse, so that there is no table warehouse.tracks: SHOW TABLES lists those that are there (there is web.tracks)",
		"SELECT * FROM tracks":                                     "tables are named with their source: write web.tracks for tracks",
		"SELECT * FROM order_complete":                             "there is no such table: the nearest is web.order_completed",
		"SELECT * FROM nowhere_at_all":                             "there is no table nowhere_at_all: tables are named with their source",
		"SELECT * FROM millrace.notice":                            "there is no table millrace.notice: the nearest is millrace.notices",
		"DESCRIBE web.track":                                       "the nearest is web.tracks",
		"SUMMARIZE tracks":                                         "write web.tracks",
		"SELECT (SELECT count(*) FROM web.tracks), nix FROM web.a": "nix",
		"EXPLAIN SELECT 1":                                         "only a SELECT can be run here: the warehouse is read-only",
		"PRAGMA show_tables":                                       warehouse.ListTables,
	} {
		if got := b.ask(warehouse.Query{SQL: sql}); !strings.HasPrefix(got, "error invalid: ") || !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

// testShorthands shows that what people type first to see what there is works.
func testShorthands(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(append(b.track(`{"n":1,"s":"x"}`, `{"n":5}`), b.next("identify", `{"userId":"u"}`))...)
	web := "web a | web discards | web identifies | web tracks | web users"
	for _, sql := range []string{"SHOW TABLES", "show all tables;", " Show\n\tTables ; ", `\dt`, "SHOW", "DESCRIBE"} {
		if got := b.ask(warehouse.Query{SQL: sql}); !strings.HasSuffix(got, web) || !strings.Contains(got, "millrace rejected | ") || strings.Contains(got, "information_schema") {
			t.Errorf("%q: %s", sql, got)
		}
	}
	const columns = "id anonymous_id user_id received_at sent_at original_timestamp timestamp uuid_ts _epoch _seq _index"
	for _, sql := range []string{"DESCRIBE web.identifies", "desc WEB . Identifies;", `DESCRIBE "web"."identifies"`, "SHOW web.identifies", "SHOW COLUMNS FROM web.identifies", `\d web.identifies`} {
		got := b.ask(warehouse.Query{SQL: sql})
		var names []string
		for _, row := range strings.Split(got, " | ") {
			name, typ, _ := strings.Cut(row, " ")
			if names = append(names, name); typ == "" {
				t.Errorf("%q: %s has no type", sql, name)
			}
		}
		if strings.Join(names, " ") != columns {
			t.Errorf("%q: %s", sql, got)
		}
	}
	b.want(map[string]string{
		"SHOW TABLES FROM web": web,
		"SHOW SCHEMAS":         "millrace | web",
		"SHOW DATABASES":       "millrace | web",
		warehouse.ListTables + " WHERE table_schema = 'web' ORDER BY table_name": web,
	})
	if got := b.ask(warehouse.Query{SQL: "SUMMARIZE web.a"}); strings.Count(got, " | ") != 14 || !strings.Contains(got, "n bigint") && !strings.Contains(got, "n BIGINT") {
		t.Errorf("SUMMARIZE: %s", got)
	}
	for _, sql := range []string{"SHOW memory_limit", "SHOW TABLES; DROP TABLE web.a", `DESCRIBE "web.a" AS x`, "DESCRIBE web.a; SELECT 1", `DESCRIBE "x'; DROP TABLE web.a; --".y`, `SUMMARIZE web."a; DROP TABLE web.a"`} {
		if got := b.ask(warehouse.Query{SQL: sql}); !strings.HasPrefix(got, "error invalid") {
			t.Errorf("%q: %s", sql, got)
		}
	}
	b.works()
}
