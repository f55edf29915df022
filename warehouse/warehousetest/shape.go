package warehousetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func testShape(t *testing.T, place Place) {
	b := open(t, place)
	first := b.next("track:Order Completed", `{"type":"track","event":"Order Completed","userId":13085,"anonymousId":"a1","timestamp":"2026-03-01T10:00:00Z",
		"context":{"ip":"1.2.3.4","app":{"version":"1.0.0"}},"properties":{"total":5.5,"count":3,"gift":true,"productId":{"SKU":"G-32"},"products":[{"id":1}],"at":"2026-01-02T03:04:05.678901Z","none":null}}`)
	first.Meta = []byte(`{"sentAt":"2026-03-01T10:00:01.123456789Z","context":{"ip":"9.9.9.9","userAgent":"curl"}}`)
	b.apply(first,
		b.next("identify", `{"type":"identify","userId":"u1","traits":{"email":"a@x"}}`),
		b.next("page", `{"type":"page","name":"Home","properties":{"title":"T"}}`),
		b.next("screen", `{"type":"screen","name":"Main"}`),
		b.next("group", `{"type":"group","groupId":"g1","traits":{"name":"Acme"}}`),
		b.next("alias", `{"type":"alias","previousId":"a1","userId":"u1"}`),
		b.next("stream:items", `{"id":7,"name":"x"}`),
		b.next("rejected", `{"id":"r1","reason":"too large","field":"f","type":"track","raw":"{}","truncated":false}`),
		b.next("resent", `{"rejected_id":"r1","id":"m99","outcome":"accepted"}`))
	b.want(map[string]string{
		"SELECT id, user_id, anonymous_id, event, event_text, context_ip, context_user_agent, context_app_version FROM web.tracks": "m1 13085 a1 order_completed Order Completed 1.2.3.4 curl 1.0.0",
		`SELECT received_at, sent_at, original_timestamp, "timestamp" FROM web.tracks`:                                             "2026-03-01T12:00:01Z 2026-03-01T10:00:01.123456Z 2026-03-01T10:00:00Z 2026-03-01T12:00:01Z",
		`SELECT total, "count", gift, product_id_sku, products, "at", event FROM web.order_completed`:                              `5.5 3 true G-32 [{"id":1}] 2026-01-02T03:04:05.678901Z order_completed`,
		"SELECT _epoch, _seq, _index FROM web.order_completed":                                                                     "7 1 0",
		"SELECT user_id, email FROM web.identifies":                                                                                "u1 a@x",
		"SELECT id, email FROM web.users":                                                                                          "u1 a@x",
		"SELECT name, title FROM web.pages":                                                                                        "Home T",
		"SELECT name FROM web.screens":                                                                                             "Main",
		"SELECT group_id, name FROM web.groups":                                                                                    "g1 Acme",
		"SELECT id, name FROM web.accounts":                                                                                        "g1 Acme",
		"SELECT previous_id, user_id FROM web.aliases":                                                                             "a1 u1",
		"SELECT id, name FROM web.items":                                                                                           "7 x",
		"SELECT rejected_id, source, reason, field, type, raw, truncated FROM millrace.rejected":                                   "r1 web too large f track {} false",
		"SELECT rejected_id, id, outcome FROM millrace.resent":                                                                     "r1 m99 accepted",
		"SELECT source, kind, original, name FROM millrace.names ORDER BY name":                                                    "web stream items items | web event Order Completed order_completed",
		"SELECT count(*) FROM web.tracks":                                                                                          "1",
	})
}

func testTypes(t *testing.T, place Place) {
	b := open(t, place)
	b.configure(warehouse.SourceSettings{Types: map[string]string{"a.forced": "double"}})
	for _, properties := range []string{
		`{"i":5,"d":0.5,"b":true,"t":"x","j":[1],"ts":"2026-01-02T03:04:05Z","forced":"5.50","n":null}`,
		`{"i":5.5,"d":"no","b":1,"t":1.10,"j":"x","ts":"soon","forced":"x"}`,
		`{"i":6,"d":9007199254740993,"b":false,"t":true,"j":null,"ts":"2026-01-02T03:04:05+01:00","late":1e400}`,
	} {
		b.apply(b.track(properties)...)
	}
	b.want(map[string]string{
		"SELECT i, d, b, t, j, ts, forced, late FROM web.a ORDER BY _seq":                                                                     `5 0.5 true x [1] 2026-01-02T03:04:05Z 5.5 - | 5.5 - - 1.10 "x" - - - | 6 - false true - 2026-01-02T02:04:05Z - 1e400`,
		"SELECT column_name, value FROM web.discards ORDER BY column_name, _seq":                                                              "b 1 | d no | d 9007199254740993 | forced x | ts soon",
		"SELECT DISTINCT table_name FROM web.discards":                                                                                        "a",
		"SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'web' AND table_name = 'a' AND column_name = 'n'": "",
		"SELECT sum(i), avg(d) FROM web.a":                                                                                                    "16.5 0.5",
	})
	b.reopen()
	b.apply(b.track(`{"i":7.25,"late":5}`)...)
	b.want(map[string]string{"SELECT i, late FROM web.a WHERE _seq = 4": "7.25 5"})
}

func testBigInts(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"v":9007199254740993}`, `{"v":-9223372036854775808}`)...)
	b.reopen() // the engine has to be asked what the column holds
	b.apply(b.track(`{"v":1.5}`, `{"v":7}`)...)
	b.apply(b.track(`{"v":2.5}`)...)
	b.want(map[string]string{
		"SELECT v FROM web.a ORDER BY _seq":                             "9007199254740993 | -9223372036854775808 | - | 7 | -",
		"SELECT id, column_name, value FROM web.discards ORDER BY _seq": "m3 v 1.5 | m5 v 2.5",
	})
}

func testLatest(t *testing.T, place Place) {
	b := open(t, place)
	identify := func(user, traits string) eventlog.Entry {
		return b.next("identify", `{"type":"identify","userId":`+user+`,"traits":`+traits+`}`)
	}
	b.apply(identify(`"u1"`, `{"email":"a","plan":"free","n":1,"tags":[1],"ok":true,"since":"2026-01-02T03:04:05Z","f":0.5}`), identify(`"u2"`, `{"email":"b"}`))
	b.apply(identify(`"u1"`, `{"email":null,"plan":"pro"}`), identify(`"u1"`, `{"age":5}`), identify(`null`, `{"email":"nobody"}`), identify(`""`, `{"email":"nobody"}`))
	b.apply(identify(`"u1"`, `{"n":2.5,"unknown":null}`), identify(`"u2"`, `{"email":null}`), identify(`"u2"`, `{"email":"c"}`), identify(`3`, `{"email":"d"}`))
	b.apply(identify(`"`+strings.Repeat("x", 1500)+`"`, `{"email":"long"}`))
	b.want(map[string]string{
		"SELECT id, email, plan, n, tags, ok, since, f, age FROM web.users ORDER BY id": "3 d - - - - - - - | u1 - pro 2.5 [1] true 2026-01-02T03:04:05Z 0.5 5 | u2 c - - - - - - -",
		"SELECT count(*), count(email) FROM web.identifies":                             "11 7",
		"SELECT table_name, column_name FROM web.discards":                              "users id",
		"SELECT _seq FROM web.users WHERE id = 'u1'":                                    "7",
	})
}

func testNames(t *testing.T, place Place) {
	b := open(t, place)
	long := strings.Repeat("LongName ", 20)
	b.apply(
		b.next("track:注文完了", `{"properties":{"金額":5}}`),
		b.next("track:"+long, `{"properties":{"`+long+`":1,"`+long+`x":2}}`),
		b.next(`track:"; DROP TABLE web.tracks; --`, `{"properties":{"a\"b'c; --":1,"select":2,"order":3,"_seq":4,"end":5,"user":6}}`),
		b.next("track:Tracks", `{"properties":{"id":"mine","timestamp":"t","fine":1}}`),
		b.next("track:tracks_event", `{"properties":{"fine":2}}`),
		b.next("track:Select", `{"properties":{"from":1}}`))
	b.want(map[string]string{
		"SELECT fine FROM web.tracks_event ORDER BY fine":                                    "1 | 2",
		"SELECT column_name, value FROM web.discards ORDER BY column_name":                   "id mine | timestamp t",
		`SELECT a_b_c, "select", "order", seq, "end", "user" FROM web.drop_table_web_tracks`: "1 2 3 4 5 6",
		`SELECT "from" FROM web."select"`:                                                    "1",
		"SELECT event_text FROM web.tracks ORDER BY _seq LIMIT 1":                            "注文完了",
		"SELECT count(*) FROM web.tracks":                                                    "6",
	})
	event := b.ask(warehouse.Query{SQL: "SELECT name FROM millrace.names WHERE original = '注文完了'"})
	property := b.ask(warehouse.Query{SQL: "SELECT name FROM millrace.names WHERE original LIKE '%金額'"})
	if !strings.HasPrefix(event, "event_") || !strings.HasPrefix(property, "property_") {
		t.Fatalf("names are %s and %s", event, property)
	}
	b.want(map[string]string{`SELECT "` + property + `" FROM web."` + event + `"`: "5"})
	table := b.ask(warehouse.Query{SQL: "SELECT name FROM millrace.names WHERE original LIKE 'LongName%'"})
	if len(table) > warehouse.MaxNameBytes || !strings.HasPrefix(table, "long_name_long_name") {
		t.Fatalf("name is %s", table)
	}
	b.want(map[string]string{"SELECT count(*) FROM information_schema.columns WHERE table_name = '" + table + "' AND column_name LIKE 'long_name%'": "2"})
}

func testHostile(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"a":"x\u0000y","b":"\ud800","c":["\u0000","\udfff\ud800"],"d":"` + "\xff\xfe" + `"}`)...)
	deep := strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000)
	for _, body := range []string{
		"", "null", "not JSON", `{"properties":` + deep + `}`, `{"properties":5}`, `{"properties":{"a":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + `}}`,
		`{"properties":{"a":"` + strings.Repeat("y", 1<<20) + `"}}`, `{"properties":{"` + strings.Repeat("k", 100_000) + `":1}}`, `{"properties":{"":1,"_":2,"$":3}}`,
		`{"properties":{"a":1,"a":2,"A":"3"}}`, `{"userId":{"a":1},"anonymousId":[1],"context":5}`,
	} {
		b.apply(b.next("track:A", body))
	}
	b.apply(b.next("track:", `{}`), b.next("identify", `{"userId":"`+"\xff"+`","traits":{"x":"\u0000"}}`))
	odd := b.next("track:\xff\x00", `{}`)
	odd.ID, odd.Meta = "\xff\x00", []byte("broken")
	b.apply(odd)
	b.apply(b.track(`{"ok":true}`)...)
	b.want(map[string]string{
		"SELECT a, b, c, d FROM web.a WHERE _seq = 1": `x` + "\uFFFD" + `y ` + "\uFFFD" + ` ["\ufffd","\ufffd\ufffd"] ` + "\uFFFD\uFFFD",
		"SELECT count(*) FROM web.tracks":             fmt.Sprint(b.seq - 1),
		"SELECT ok FROM web.a WHERE ok":               "true",
		"SELECT length(a) FROM web.a WHERE _seq = 8":  fmt.Sprint(1 << 20),
		"SELECT id FROM web.users":                    "\uFFFD",
	})
	if got := b.ask(warehouse.Query{SQL: "SELECT count(*) FROM web.discards"}); len(got) != 2 {
		t.Errorf("%s discards", got)
	}
}

func testLimits(t *testing.T, place Place) {
	b := open(t, place)
	b.configure(warehouse.SourceSettings{MaxColumns: 2, MaxTables: 2})
	b.apply(
		b.next("track:A", `{"properties":{"a":1,"b":2,"c":3,"d":{"e":"x"}}}`),
		b.next("track:B", `{"properties":{"a":1}}`),
		b.next("track:C", `{"properties":{"a":1,"b":[2]}}`),
		b.next("identify", `{"userId":"u","traits":{"a":1,"b":2,"c":3}}`))
	b.reopen()
	b.configure(warehouse.SourceSettings{MaxColumns: 2, MaxTables: 2})
	b.apply(b.next("track:C", `{"properties":{"z":1}}`), b.next("track:A", `{"properties":{"a":2,"z":1}}`))
	b.want(map[string]string{
		"SELECT id, properties_overflow FROM web.tracks ORDER BY _seq":            `m1 {"c":3,"d_e":"x"} | m2 - | m3 {"a":1,"b":[2]} | m5 {"z":1} | m6 {"z":1}`,
		"SELECT a, b, properties_overflow FROM web.identifies":                    `1 2 {"c":3}`,
		"SELECT a, b FROM web.a ORDER BY _seq":                                    "1 2 | 2 -",
		"SELECT kind, count(*) FROM millrace.notices GROUP BY kind ORDER BY kind": "columns 3 | tables 1",
	})
	b.configure(warehouse.SourceSettings{})
	b.apply(b.next("track:C", `{"properties":{"z":1}}`), b.next("track:A", `{"properties":{"z":1}}`))
	b.want(map[string]string{"SELECT z FROM web.c": "1", "SELECT z FROM web.a WHERE z = 1": "1"})
}

// testLimitOfAll: beyond the event tables of all sources together nothing is lost,
// those that there are go on, and Millrace's own are none of them.
func testLimitOfAll(t *testing.T, place Place) {
	b := open(t, place)
	most := func(n int64) { b.configureAll(warehouse.Settings{MaxTables: &n}) }
	most(2)
	first, other, own := b.next("track:A", `{"properties":{"a":1}}`), b.next("track:B", `{"properties":{"b":1}}`), b.next("stream:audit", `{"action":"x"}`)
	other.Source, own.Source = "app", warehouse.SystemSchema
	b.apply(first, other, own, b.next("track:C", `{"properties":{"c":1}}`), b.next("track:C", `{"properties":{"c":2}}`))
	b.reopen()
	most(1)
	last := b.next("track:B", `{"properties":{"b":2}}`)
	last.Source = "app"
	b.apply(last, b.next("track:A", `{"properties":{"a":2}}`), b.next("track:D", `{"properties":{"d":1}}`))
	b.want(map[string]string{
		"SELECT id, properties_overflow FROM web.tracks ORDER BY _seq": `m1 - | m4 {"c":1} | m5 {"c":2} | m7 - | m8 {"d":1}`,
		"SELECT a FROM web.a ORDER BY _seq":                            "1 | 2",
		"SELECT b FROM app.b ORDER BY _seq":                            "1 | 2",
		"SELECT count(*) FROM millrace.audit":                          "1",
		"SELECT source, kind FROM millrace.notices ORDER BY 1":         "web workspace_tables",
	})
	most(3)
	b.apply(b.next("track:C", `{"properties":{"c":3}}`))
	b.want(map[string]string{"SELECT c FROM web.c": "3"})
}

// testSharedTable shows that what a call says of itself is not lost when a
// stream has given its columns other types.
func testSharedTable(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.next("stream:orders", `{"timestamp":5,"event":7,"event_text":[1],"user_id":true,"anonymous_id":"x","sent_at":"soon"}`))
	check := func(id string) {
		t.Helper()
		b.apply(b.next("track:Orders", `{"userId":"u","anonymousId":"a","event":"Orders","sentAt":"2026-03-01T12:00:00Z","properties":{}}`))
		b.want(map[string]string{
			"SELECT id, timestamp, event, event_text, user_id, anonymous_id, sent_at FROM web.orders WHERE id = '" + id + "'":                     id + ` - - "Orders" - a -`,
			"SELECT column_name FROM web.discards WHERE table_name = 'orders' AND id = '" + id + "' ORDER BY 1":                                   "event | sent_at | timestamp | user_id",
			"SELECT value FROM web.discards WHERE table_name = 'orders' AND id = '" + id + "' AND column_name IN ('event', 'user_id') ORDER BY 1": "orders | u",
		})
	}
	check("m2")
	b.reopen()
	check("m3")
	b.want(map[string]string{"SELECT value FROM web.discards WHERE id = 'm2' AND column_name = 'timestamp'": start.Add(2 * time.Second).Format(time.RFC3339)})
}

func testManyColumns(t *testing.T, place Place) {
	b := open(t, place)
	b.configure(warehouse.SourceSettings{MaxColumns: 600})
	b.apply(b.track(`{"p0":0}`)...)
	var members []string
	for i := range 500 {
		members = append(members, fmt.Sprintf(`"p%d":%d`, i, i))
	}
	b.apply(b.track("{" + strings.Join(members, ",") + "}")...)
	b.want(map[string]string{"SELECT p0, p250, p499 FROM web.a ORDER BY _seq": "0 - - | 0 250 499"})
}

func testWebhook(t *testing.T, place Place) {
	b := open(t, place)
	hook := b.next("track:Invoice Paid", `{"id":"evt_1","type":"invoice.paid","data":{"amount":5}}`)
	hook.Meta = []byte(`{"messageId":"evt_1","event":"Invoice Paid","userId":"u7"}`)
	hook.ID = "evt_1"
	b.apply(hook)
	b.want(map[string]string{
		"SELECT id, user_id, event FROM web.tracks":                   "evt_1 u7 invoice_paid",
		"SELECT id, type, data_amount, user_id FROM web.invoice_paid": "evt_1 invoice.paid 5 u7",
	})
}
