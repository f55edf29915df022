package collect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// rejected returns reason and field of the first rejected event of an answer.
func rejected(t *testing.T, answer map[string]any) (reason, field string) {
	t.Helper()
	list, _ := answer["rejected"].([]any)
	if len(list) == 0 {
		t.Fatalf("nothing is rejected: %v", answer)
	}
	p := list[0].(map[string]any)
	return p["reason"].(string), p["field"].(string)
}

// A limit is told with its value, one that would do, its setting and its file.
func TestLimitsTold(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string { return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth) }
	pages := strings.Repeat(`{"type":"page","userId":"u"},`, 10)
	for name, c := range map[string]struct {
		path, body    string
		status        int
		reason, field string
	}{
		"event": {"/v1/page", `{"userId":"` + strings.Repeat("x", 1500) + `"}`, 413,
			"the event is larger than event_size allows, which is 1KiB: 2KiB would hold it; send less, or change limits.event_size in sources/web.yaml", ""},
		"much too large an event": {"/v1/page", `{"userId":"` + strings.Repeat("x", 1<<14) + `"}`, 413,
			"the body is larger than batch_size allows, which is 4KiB: 32KiB would hold it; send less, or change limits.batch_size in sources/web.yaml", ""},
		"packed body": {"/v1/page", packed([]byte(`{"userId":"` + strings.Repeat("x", 1<<14) + `"}`)), 413,
			"the body is larger than batch_size allows, which is 4KiB: send less at once, or change limits.batch_size in sources/web.yaml", ""},
		"events": {"/v1/batch", `{"batch":[` + pages + `{}]}`, 413,
			"there are more events at once than batch_events allows, which is 5: 16 would hold them; send less, or change limits.batch_events in sources/web.yaml", "batch"},
		"lines": {"/v1/stream/a", strings.Repeat("{}\n", 6), 413,
			"there are more events at once than batch_events allows, which is 5: 8 would hold them; send less, or change limits.batch_events in sources/web.yaml", ""},
		"depth": {"/v1/page", `{"userId":"u","properties":{"items":[1,` + nested(5) + `]}}`, 400,
			"this is nested deeper than depth allows, which is 6: 8 would hold it; send less, or change limits.depth in sources/web.yaml", "properties.items[1].a.a.a"},
		"hopeless depth": {"/v1/page", `{"userId":"u","a":` + nested(600) + `}`, 400,
			"this is nested deeper than depth allows, which is 6: no more than 500 can be set, so send less at once", "a.a.a.a.a.a"},
		"depth beside a batch": {"/v1/batch", `{"context":` + nested(7) + `,"batch":[]}`, 400,
			"this is nested deeper than depth allows, which is 6: 8 would hold it; send less, or change limits.depth in sources/web.yaml", "context.a.a.a.a.a"},
		"key": {"/v1/page", `{"userId":"u","properties":{"` + strings.Repeat("k", 100) + `":1}}`, 400,
			"the key is longer than key_length allows, which is 16: 128 would hold it; send less, or change limits.key_length in sources/web.yaml", "properties." + strings.Repeat("k", 60) + "…"},
		"properties": {"/v1/page", `{"userId":"u","a":{` + strings.Repeat(`"k":1,`, 30) + `"z":1}}`, 400,
			"the event has more properties than properties allows, which is 16: 64 would hold them; send less, or change limits.properties in sources/web.yaml", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := start(t, func(_ *Options, s *HTTPSource) {
				s.Limits = Limits{EventSize: 1 << 10, BatchSize: 4 << 10, BatchEvents: 5, Depth: 6, KeyLength: 16, Properties: 16}
			})
			got := want(t, post(h, c.path, c.body), c.status)
			if reason, field := rejected(t, got); reason != c.reason || field != c.field {
				t.Errorf("%q in %q", reason, field)
			}
			if got["message"] != c.reason {
				t.Errorf("message %v", got["message"])
			}
			var kept struct{ Reason, Field string }
			if err := json.Unmarshal(k.take()[0].Body, &kept); err != nil || kept.Reason != c.reason || kept.Field != c.field {
				t.Errorf("kept %+v %v", kept, err)
			}
		})
	}
}

// A key in the body comes too late for the limits of its source to bound the
// reading; the smaller one holds all the same.
func TestLimitOfKeyInBody(t *testing.T) {
	t.Parallel()
	body := func(size int) string {
		return `{"writeKey":"web_2026","userId":"` + strings.Repeat("x", size) + `"}`
	}
	h, _ := start(t, func(_ *Options, s *HTTPSource) { s.Limits = Limits{EventSize: 1 << 10, BatchSize: 4 << 10} })
	reason, _ := rejected(t, want(t, post(h, "/v1/page", body(5000), "Authorization", ""), 413))
	if !strings.HasPrefix(reason, "the body is larger than batch_size allows, which is 4KiB: 8KiB would hold it;") {
		t.Error(reason)
	}
	h, _ = start(t, func(o *Options, s *HTTPSource) {
		o.Limits = Limits{EventSize: 1 << 10, BatchSize: 4 << 10}
		s.Limits = Limits{BatchSize: 1 << 20}
	})
	reason, _ = rejected(t, want(t, post(h, "/v1/page", body(5000), "Authorization", ""), 413))
	if !strings.HasSuffix(reason, "8KiB would hold it; send less, or change collect.limits.batch_size in millrace.yaml, or send the key in a header, for the limits of sources/web.yaml") {
		t.Error(reason)
	}
	got := want(t, post(h, "/v1/page", strings.Repeat("x", 5000), "Authorization", ""), 413)
	if got["message"] != "the body is larger than batch_size allows, which is 4KiB: 8KiB would hold it; send less, or change collect.limits.batch_size in millrace.yaml" {
		t.Error(got)
	}
}

// What is wrong is told with its place: the field, and where it breaks JSON.
func TestPlaces(t *testing.T) {
	t.Parallel()
	h, _ := start(t)
	for name, c := range map[string]struct{ path, body, reason, field string }{
		"text":       {"/v1/page", `{"userId":{"a":1}}`, "userId has to be a string or a number", "userId"},
		"long":       {"/v1/page", `{"userId":"` + strings.Repeat("x", 1025) + `"}`, "userId is longer than 1024 bytes", "userId"},
		"word":       {"/v1/page", "{\"userId\":\"u\",\n \"properties\":{\"a\":[1,nul]}}", "the body is not JSON that can be read: there is a word that is not true, false or null", "properties.a[1] (line 2, byte 23)"},
		"in a batch": {"/v1/batch", `{"batch":[{"a":1},{"b":tru}]}`, "the body is not JSON that can be read: there is a word that is not true, false or null", "batch[1].b (line 1, byte 24)"},
		"line":       {"/v1/stream/s", "{\"a\":1}\n{\"a\":x}\n{\"a\":\n", "not JSON: there is something that is not a value", "a (line 2, byte 6)"},
		"comma":      {"/v1/page", `{"a":1 "b":2}`, "the body is not JSON that can be read: a comma or } is missing in an object", "a (line 1, byte 8)"},
		"end":        {"/v1/page", `{"a":[1,`, "the body is not JSON that can be read: it ends in the middle of a value", "a[1] (line 1, byte 9)"},
		"empty":      {"/v1/page", ``, "the body is not JSON that can be read: it is empty", "line 1, byte 1"},
		"UTF-8":      {"/v1/page", "{\"userId\":\"u\",\"properties\":{\"x\":[{},{\"y\\\"\":\"\xff\"}]}}", reasonUTF8, `properties.x[1].y\"`},
		"UTF-8 key":  {"/v1/page", "{\"userId\":\"u\",\"a\":{\"b\":1,\"\xff\x1b\":1}}", reasonUTF8, "a.??"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := post(h, c.path, c.body)
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if reason, field := rejected(t, got); reason != c.reason || field != c.field {
				t.Errorf("%q in %q", reason, field)
			}
			if message, _ := got["message"].(string); w.Code == 400 && strings.Contains(c.reason, "the body") && message != c.reason+", at "+c.field {
				t.Errorf("message %q", message)
			}
		})
	}
}

// Many broken lines cost no more than their bytes, and paths are short.
func TestPathsBounded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"deep":     strings.Repeat(`{"`+strings.Repeat("k", 100)+`":[`, 400),
		"deeper":   strings.Repeat("[", 1000) + strings.Repeat("]", 990) + `{"a`,
		"unclosed": `{"a\`,
		"closing":  `]]}}{"a":1`,
	} {
		for at := range len(body) + 2 {
			if path := pathTo([]byte(body), 0, at); len(path) > maxPathBytes+maxNameBytes+10 {
				t.Fatalf("%s: at %d: %s", name, at, path)
			}
			if name == "deep" && at > 2000 {
				break
			}
		}
	}
}

// What is stored is said when it is more than what was accepted.
func TestRecordsTold(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(_ *Options, s *HTTPSource) { s.Limits.RejectedRate = 0.5 })
	body := `{"batch":[{"type":"page","userId":"u"},` + strings.Repeat("{},", 5) + `{}]}`
	got := want(t, post(h, "/v1/batch", body), 200)
	if rs := k.take(); got["records"] != float64(len(rs)) || got["rejectedNotKept"] != 1.0 || len(rs) != 6 {
		t.Errorf("%d records: %v", len(rs), got)
	}
	h, k = start(t, func(_ *Options, s *HTTPSource) { s.Limits.RejectedRate = 1 })
	h.source("default", "web").seen.Load().dropped.Store(3)
	got = want(t, post(h, "/v1/batch", `{"batch":[{"type":"page","userId":"u"},{}]}`), 200)
	if rs := k.take(); len(rs) != 3 || got["records"] != 3.0 {
		t.Errorf("%d records: %v", len(rs), got)
	}
	if got = want(t, post(h, "/v1/page", `{"userId":"u"}`), 200); got["records"] != nil {
		t.Error(got)
	}
}

func TestConfigTellsSizes(t *testing.T) {
	t.Parallel()
	err := Limits{EventSize: 10 << 30, BatchSize: 1, Depth: 1}.Validate()
	for _, part := range []string{"event_size: 10GiB is out of range: choose 128B to 3MiB", "batch_size: 1B is out of range: choose 128B to 3MiB", "depth: 1 is out of range: choose 4 to 500"} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

// Columns that the warehouse makes keep their types.
func TestTypesOfFixedColumns(t *testing.T) {
	t.Parallel()
	for name, fixed := range map[string]bool{
		"tracks.id": true, "order_completed.received_at": true, "tracks.event": true, "groups.group_id": true, "pages.user_id": true,
		"order_completed.total": false, "order_completed.user_id": false, "users.email": false, "groups.previous_id": false, "tracks.context_ip": false,
	} {
		err := (&HTTPSource{WriteKeys: []string{"web_2026"}, Types: map[string]string{name: "double"}}).Validate()
		if table, column, _ := strings.Cut(name, "."); fixed {
			if want := fmt.Sprintf("types.%s: %s has a type of its own in %q: types are for columns that events bring, such as order_completed.total", name, column, table); fmt.Sprint(err) != want {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
