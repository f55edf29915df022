package warehouse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// want checks columns: "table.column" or "schema/table.column" to what engine.column says.
func (e *engine) want(t *testing.T, want map[string]string) {
	t.Helper()
	for name, w := range want {
		table, column, _ := strings.Cut(name, ":")
		if got := e.column(table, column); got != w {
			t.Errorf("%s: got %s, want %s", name, got, w)
		}
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	e := newEngine()
	meta := func(entry eventlog.Entry, meta string) eventlog.Entry {
		entry.Meta = []byte(meta)
		return entry
	}
	e.apply(t, Settings{},
		meta(record(1, "track:Order Completed", `{"type":"track","event":"Order Completed","messageId":"m1","userId":13085,"anonymousId":"a1",
			"timestamp":"2026-03-01T10:00:00Z","context":{"ip":"1.2.3.4","app":{"version":"1.0.0"},"list":[1]},
			"properties":{"total":5.5,"productId":{"SKU":"G-32"},"products":[{"id":1}],"nothing":null,"empty":{}},"integrations":{"All":true}}`),
			`{"sentAt":"2026-03-01T10:00:01.123456789Z","context":{"ip":"9.9.9.9","userAgent":"curl"},"receivedAt":"x"}`),
		record(2, "identify", `{"type":"identify","userId":"u1","traits":{"email":"a@x","plan":"free","address":{"city":"Paris"}}}`),
		record(3, "identify", `{"type":"identify","userId":"u1","traits":{"email":null,"age":5}}`),
		record(4, "identify", `{"type":"identify","anonymousId":"a2","traits":{"email":"b@x"}}`),
		record(5, "page", `{"type":"page","name":"Home","anonymousId":"a1","properties":{"title":"T","name":"Home"}}`),
		record(6, "screen", `{"type":"screen","name":"Main","category":"c","properties":{}}`),
		record(7, "group", `{"type":"group","groupId":"g1","userId":"u1","traits":{"name":"Acme","employees":7}}`),
		record(8, "alias", `{"type":"alias","previousId":"a1","userId":"u1"}`),
		record(9, "track:Users", `{"type":"track","event":"Users","properties":{"id":"mine","user_id":null,"contextIp":"x","ok":1}}`),
		record(10, "track:注文完了", `{"type":"track","event":"注文完了","properties":{"金額":5,"a":{"額":1}}}`),
		record(11, "stream:items", `{"id":7,"name":"x","userId":"u9","context":{"k":1}}`),
		record(12, "stream:items", `[1,2]`),
		record(13, "track:order_completed", `{"event":"order_completed","total":5,"userId":null,"properties":{"total":6}}`),
		meta(record(14, "track:Invoice Paid", `{"id":"evt_1","type":"invoice.paid","data":{"amount":5},"userId":"x"}`),
			`{"type":"track","event":"Invoice Paid","userId":"u7"}`),
		record(15, "rejected", `{"id":"r1","received_at":"2026-03-01T10:00:00Z","reason":"too large","field":"f","type":"track","raw":"{}","raw_base64":null,"truncated":true}`),
		record(16, "resent", `{"rejected_id":"r1","id":"m99","outcome":"accepted","reason":""}`),
	)
	e.want(t, map[string]string{
		"tracks:id":                  `text "m1" "m9" "m10" "m13" "m14"`,
		"tracks:user_id":             `text "13085" - - - "u7"`,
		"tracks:event":               `text "order_completed" "users_event" "event_` + hash8("注文完了") + `" "order_completed" "invoice_paid"`,
		"tracks:event_text":          `text "Order Completed" "Users" "注文完了" "order_completed" "Invoice Paid"`,
		"tracks:context_ip":          `text "1.2.3.4" - - - -`,
		"tracks:context_user_agent":  `text "curl" - - - -`,
		"tracks:context_app_version": `text "1.0.0" - - - -`,
		"tracks:context_list":        `json [1] - - - -`,
		"tracks:sent_at":             `timestamptz "2026-03-01T10:00:01.123456Z" - - - -`,
		"tracks:original_timestamp":  `timestamptz "2026-03-01T10:00:00Z" - - - -`,
		"tracks:total":               "no column",

		"order_completed:total":          `double 5.5 6`,
		"order_completed:product_id_sku": `text "G-32" -`,
		"order_completed:products":       `json [{"id":1}] -`,
		"order_completed:nothing":        "no column",
		"order_completed:context_ip":     `text "1.2.3.4" -`,
		"order_completed:timestamp":      `timestamptz "2026-03-01T12:00:01Z" "2026-03-01T12:00:13Z"`,

		"identifies:email":         `text "a@x" - "b@x"`,
		"users:id":                 `text "u1"`,
		"users:email":              `text -`,
		"users:plan":               `text "free"`,
		"users:age":                `bigint 5`,
		"users:address_city":       `text "Paris"`,
		"users:anonymous_id":       "no column",
		"pages:name":               `text "Home"`,
		"pages:title":              `text "T"`,
		"screens:category":         `text "c"`,
		"groups:group_id":          `text "g1"`,
		"accounts:id":              `text "g1"`,
		"accounts:employees":       `bigint 7`,
		"aliases:previous_id":      `text "a1"`,
		"users_event:ok":           `bigint 1`,
		"users_event:id":           `text "m9"`,
		"items:id":                 `text "7" "m12"`,
		"items:user_id":            `text "u9" -`,
		"items:context_k":          `bigint 1 -`,
		"items:value":              `json - [1,2]`,
		"invoice_paid:type":        `text "invoice.paid"`,
		"invoice_paid:data_amount": `bigint 5`,
		"discards:id":              `text "m9" "m9" "m13" "m14" "m14"`,
		"discards:column_name":     `text "id" "context_ip" "total" "id" "user_id"`,
		"discards:value":           `text "mine" "x" "5" "evt_1" "x"`,

		"event_" + hash8("注文完了") + ":property_" + hash8("金額"):  `bigint 5`,
		"event_" + hash8("注文完了") + ":a_property_" + hash8("額"): `bigint 1`,

		"millrace.rejected:rejected_id": `text "r1"`,
		"millrace.rejected:source":      `text "web"`,
		"millrace.rejected:reason":      `text "too large"`,
		"millrace.rejected:truncated":   `bool true`,
		"millrace.resent:id":            `text "m99"`,
		"millrace.resent:rejected_id":   `text "r1"`,
		"millrace.names:original":       `text "Order Completed" "Users" "注文完了" "properties.金額" "properties.a.額" "items" "order_completed" "Invoice Paid"`,
	})
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON": "hello", "empty": "", "array": "[1]", "cut": `{"a":`, "two": `{} {}`, "deep": strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000),
		"deep array": `{"properties":{"a":` + strings.Repeat(`[`, 5000) + strings.Repeat("]", 5000) + "}}", "control": "{\"a\":\"\x01\"}", "NUL": "{\"a\x00\":1}",
		"repeated": `{` + strings.Repeat(`"properties":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6},`, 30_000) + `"x":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine()
			e.apply(t, Settings{}, record(1, "track:A", body), record(2, "track:A", `{"properties":{"ok":1}}`))
			e.want(t, map[string]string{"a:ok": `bigint - 1`, "tracks:id": `text "m1" "m2"`, "discards:id": `text "m1"`})
		})
	}
}

func TestDuplicateNames(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.apply(t, Settings{}, track(`{"a":1,"a":2}`, `{"b":{"x":1,"y":2},"b":{"y":3}}`, `{"c":{"x":1},"c":5}`, `{"fooBar":1,"foo_bar":2,"foo":{"bar":1}}`)...)
	e.apply(t, Settings{}, record(9, "track:Order Completed", `{"properties":{"a":7,"b":{"x":9}},"properties":{"b":{"y":8}}}`))
	e.want(t, map[string]string{
		"order_completed:a":       `bigint 2 - - - -`,
		"order_completed:b_x":     "no column",
		"order_completed:b_y":     `bigint - 3 - - 8`,
		"order_completed:c":       `bigint - - 5 - -`,
		"order_completed:foo_bar": `bigint - - - 1 -`,
		"discards:value":          `text "2"`,
	})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	e := newEngine()
	settings := Settings{Sources: map[string]SourceSettings{"web": {MaxColumns: 2, MaxTables: 2}}}
	e.apply(t, settings,
		record(1, "track:A", `{"properties":{"a":1,"b":2,"c":3,"d":{"e":"x"}},"context":{"x":1}}`),
		record(2, "track:B", `{"properties":{"a":1}}`),
		record(3, "track:C", `{"properties":{"a":1,"b":[2]}}`),
		record(4, "track:D", `{"properties":{"a":1,"aA":2,"a_a":3}}`),
		record(5, "stream:E", `{"a":1}`),
		record(6, "identify", `{"userId":"u","traits":{"a":1,"b":2,"c":3}}`))
	e.apply(t, settings, record(7, "track:C", `{}`), record(8, "track:A", `{"properties":{"z":1}}`))
	e.want(t, map[string]string{
		"tracks:properties_overflow":     `json {"c":3,"d_e":"x"} - {"a":1,"b":[2]} {"a":1,"a_a":2} - {"z":1}`,
		"identifies:properties_overflow": `json {"c":3}`,
		"users:properties_overflow":      "no column",
		"a:c":                            "no column",
		"c:id":                           "no table",
		"discards:value":                 `text "3" "{\"a\":1}"`,
		"millrace.notices:kind":          `text "columns" "tables" "columns" "columns"`,
	})
	if n := len(e.tables[TableName{SystemSchema, "names"}].rows); n != 2 {
		t.Errorf("%d names", n)
	}
}

func TestManyColumnsAreOneStep(t *testing.T) {
	t.Parallel()
	e := newEngine()
	var props []string
	for i := range 500 {
		props = append(props, fmt.Sprintf(`"p%d":%d`, i, i))
	}
	s := e.shaper(t, Settings{Sources: map[string]SourceSettings{"web": {MaxColumns: 600}}})
	s.Add(batch(track("{" + strings.Join(props, ",") + "}")...))
	step := s.Take(true)
	if b := step.Buffer(TableName{"web", "order_completed"}); b == nil || len(b.Columns) != 3+10+500 {
		t.Fatalf("%v", b)
	}
	e.commit(t, step)
}

func TestKeepBigInt(t *testing.T) {
	t.Parallel()
	e := newEngine()
	e.apply(t, Settings{}, track(`{"v":9007199254740993}`)...)
	s, err := NewShaper(ShaperOptions{Known: e.known()}) // of an engine that is asked later
	if err != nil {
		t.Fatal(err)
	}
	s.Add(batch(record(2, "track:Order Completed", `{"properties":{"v":7}}`), record(3, "track:Order Completed", `{"properties":{"v":7.25}}`)))
	step := s.Take(true)
	b := step.Buffer(TableName{"web", "order_completed"})
	v := b.column("v")
	if !v.Widened || v.Type != Double {
		t.Fatal("did not want to widen")
	}
	step.KeepBigInt(b, v)
	e.commit(t, step)
	s.Done(step)
	s.Add(batch(record(4, "track:Order Completed", `{"properties":{"v":1.5}}`)))
	e.commit(t, s.Take(true))
	e.want(t, map[string]string{
		"order_completed:v": `bigint 9007199254740993 7 - -`,
		"discards:value":    `text "7.25" "1.5"`,
		"discards:id":       `text "m3" "m4"`,
	})
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	e := newEngine()
	s := e.shaper(t, Settings{})
	var entries []eventlog.Entry
	for i := range 200 {
		body := fmt.Sprintf(`{"properties":{"n":%d,"s":"x%d"}}`, i, i)
		if i%3 == 0 {
			body = `{}`
		}
		entries = append(entries, record(i+1, "track:A", body))
	}
	s.Add(batch(entries...))
	step := s.Take(true)
	step.Refuse(step.Buffer(TableName{"web", "a"}), []int{0, 1, 64, 100, 199}, "bad\x00 row")
	e.commit(t, step)
	s.Done(step)
	rows := e.tables[TableName{"web", "a"}].rows
	if len(rows) != 195 || len(e.tables[TableName{"web", "discards"}].rows) != 5 {
		t.Fatal(len(rows))
	}
	for _, row := range rows {
		n := int(row["_seq"].(int64)) - 1
		if got, ok := row["n"]; ok != (n%3 != 0) || ok && (got != int64(n) || row["s"] != fmt.Sprintf("x%d", n)) {
			t.Errorf("row %d: %v", n, row)
		}
	}
}

// TestResume commits random steps with held tables, loses random ones, begins
// again, and expects each record once in each table.
func TestResume(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var all []eventlog.Entry
		for i := range 300 {
			all = append(all, record(i/3+1, fmt.Sprintf("track:E%d", rnd.IntN(4)), `{"properties":{"n":1}}`))
			all[i].Position.Index = uint32(i % 3)
		}
		e := newEngine()
		now := testTime
		open := func() *Shaper {
			s, err := NewShaper(ShaperOptions{Known: e.known(), HoldRows: 30, HoldTime: 5 * time.Second, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		at := 0
		for at < len(all) || rnd.IntN(3) > 0 {
			now = now.Add(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			end := min(len(all), (at/3+rnd.IntN(8))*3)
			b := Batch{Entries: all[at:max(at, end)]}
			if end > at {
				b.Through = all[end-1].Position
				b.Through.Index = millrace.EndOfFrame
				at = end
			}
			s.Add(b)
			step := s.Take(rnd.IntN(10) == 0)
			committed := rnd.IntN(5) > 0
			if committed {
				e.commit(t, step)
			}
			if !committed || rnd.IntN(10) == 0 {
				s = open()
				from := s.Resume()
				at = slices.IndexFunc(all, func(e eventlog.Entry) bool { return e.Position.After(from) })
				if at < 0 {
					at = len(all)
				}
				continue
			}
			s.Done(step)
		}
		for s.Resume().Before(all[len(all)-1].Position) || at < len(all) {
			s.Add(Batch{Entries: all[at:], Through: millrace.Position{Epoch: 1, Seq: 100, Index: millrace.EndOfFrame}})
			at = len(all)
			step := s.Take(true)
			if step.Committed != step.Scanned {
				t.Fatal("a flush left something")
			}
			e.commit(t, step)
			s.Done(step)
		}
		for stream, want := range map[string]func(eventlog.Entry) bool{
			"tracks": func(eventlog.Entry) bool { return true },
			"e0":     func(e eventlog.Entry) bool { return e.Stream == "track:E0" },
			"e3":     func(e eventlog.Entry) bool { return e.Stream == "track:E3" },
		} {
			seen := map[string]int{}
			for _, row := range e.tables[TableName{"web", stream}].rows {
				seen[fmt.Sprint(row["_seq"], row["_index"])]++
			}
			n := 0
			for _, entry := range all {
				if want(entry) {
					n++
					if c := seen[fmt.Sprint(float64(entry.Position.Seq), float64(entry.Position.Index))]; c != 1 {
						t.Fatalf("seed %d: %s has %v %d times", seed, stream, entry.Position, c)
					}
				}
			}
			if n != len(seen) {
				t.Fatalf("seed %d: %s has %d rows, want %d", seed, stream, len(seen), n)
			}
		}
	}
}

// TestHoldWhenTheClockIsSetBack shows that rows are not held back for longer
// than they would be.
func TestHoldWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	now := testTime
	s, err := NewShaper(ShaperOptions{HoldTime: 8 * time.Second, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	e, due := newEngine(), 0
	for i := range 30 {
		if now = now.Add(time.Second); i == 2 {
			now = now.Add(-time.Hour)
		}
		s.Add(batch(record(i+1, "track:A", `{}`)))
		step := s.Take(false)
		if step.Buffer(TableName{"web", "a"}) != nil {
			due++
		}
		e.commit(t, step)
		s.Done(step)
	}
	if due < 4 {
		t.Errorf("the rows were committed %d times in 30 s", due)
	}
}
