package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// A keeper is an Appender that keeps deep copies, and fails when told to.
type keeper struct {
	mu      sync.Mutex
	seq     uint64
	records []millrace.Record
	err     error
}

func (k *keeper) Append(_ context.Context, rs []millrace.Record) (millrace.Position, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return millrace.Position{}, k.err
	}
	for _, r := range rs {
		r.ID, r.Key = strings.Clone(r.ID), strings.Clone(r.Key)
		r.Body, r.Meta = bytes.Clone(r.Body), bytes.Clone(r.Meta)
		k.records = append(k.records, r)
	}
	k.seq++
	return millrace.Position{Epoch: 7, Seq: k.seq, Index: uint32(len(rs) - 1)}, nil
}

func (k *keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// take returns the records since the last call.
func (k *keeper) take() []millrace.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	rs := k.records
	k.records = nil
	return rs
}

var testNow = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

// start returns a handler with the source web (key web_2026).
func start(t testing.TB, change ...func(*Options, *HTTPSource)) (*Handler, *keeper) {
	t.Helper()
	k := &keeper{}
	o := Options{Log: k, Now: func() time.Time { return testNow }}
	s := &HTTPSource{Kind: "http", WriteKeys: []string{"web_2026"}}
	for _, c := range change {
		c(&o, s)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetSources([]Source{{Name: "web", HTTP: s}}); err != nil {
		t.Fatal(err)
	}
	return h, k
}

// post sends body with the key web_2026, and header pairs.
func post(h http.Handler, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.SetBasicAuth("web_2026", "")
	return send(h, r, header...)
}

func send(h http.Handler, r *http.Request, header ...string) *httptest.ResponseRecorder {
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func want(t *testing.T, w *httptest.ResponseRecorder, status int) map[string]any {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d: %s", w.Code, status, w.Body)
	}
	var v map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatalf("answer is not JSON: %v: %s", err, w.Body)
		}
	}
	return v
}

func TestTrack(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	body := `{"event": "Order Completed", "messageId":"m1","userId":"u1","properties":{"total": 12.50, "名前":"é\ud83d\ude00"}, "timestamp":"2026-03-04T05:05:00.000Z"}`
	w := post(h, "/v1/track", body)
	if got := want(t, w, 200); len(got) != 1 || got["success"] != true {
		t.Errorf("answer %v", got)
	}
	if got := w.Header().Get("Millrace-Position"); got != "7-1-0" {
		t.Errorf("position %q", got)
	}
	rs := k.take()
	if len(rs) != 1 {
		t.Fatalf("%d records", len(rs))
	}
	r := rs[0]
	if r.ID != "m1" || r.Key != "u1" || r.Stream != "track:Order Completed" || r.Workspace != "default" || r.Source != "web" ||
		string(r.Body) != body || string(r.Meta) != `{"type":"track"}` || !r.Received.Equal(testNow) ||
		!r.Occurred.Equal(time.Date(2026, 3, 4, 5, 5, 0, 0, time.UTC)) {
		t.Errorf("record %+v\nbody %s\nmeta %s", r, r.Body, r.Meta)
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		path, body, stream, key string
		fields                  string // of the problems, in order
	}{
		"track short":         {"/v1/t", `{"event":"A","userId":"u"}`, "track:A", "u", ""},
		"track anonymous":     {"/v1/track", `{"event":"A","anonymousId":"a"}`, "track:A", "a", ""},
		"user as number":      {"/v1/track", `{"event":"A","userId":13085}`, "track:A", "13085", ""},
		"escaped event":       {"/v1/track", `{"event":"A\u0020B","userId":"\u00fc"}`, "track:A B", "ü", ""},
		"escaped key":         {"/v1/track", `{"\u0065vent":"A","userId":"u"}`, "track:A", "u", ""},
		"last key wins":       {"/v1/track", `{"event":"A","event":"B","userId":"u","userId":"v"}`, "track:B", "v", ""},
		"null user":           {"/v1/track", `{"event":"A","userId":null,"anonymousId":"a"}`, "track:A", "a", ""},
		"BOM and spaces":      {"/v1/track", "\xef\xbb\xbf \r\n\t{ \"event\" : \"A\" , \"userId\" : \"u\" } \n", "track:A", "u", ""},
		"identify":            {"/v1/identify", `{"userId":"u","traits":{"a":1}}`, "identify", "u", ""},
		"page":                {"/v1/p", `{"anonymousId":"a","name":"Home"}`, "page", "a", ""},
		"screen":              {"/v1/s", `{"anonymousId":"a","name":"Home"}`, "screen", "a", ""},
		"group":               {"/v1/g", `{"userId":"u","groupId":"g"}`, "group", "u", ""},
		"alias":               {"/v1/a", `{"userId":"u","previousId":"p"}`, "alias", "u", ""},
		"no event":            {"/v1/track", `{"userId":"u"}`, "", "", "event"},
		"event as number":     {"/v1/track", `{"event":5,"userId":"u"}`, "", "", "event"},
		"nobody":              {"/v1/track", `{"event":"A"}`, "", "", "userId"},
		"nobody and no event": {"/v1/track", `{"userId":""}`, "", "", "event userId"},
		"user as object":      {"/v1/identify", `{"userId":{}}`, "", "", "userId"},
		"no group":            {"/v1/group", `{"userId":"u"}`, "", "", "groupId"},
		"no previous":         {"/v1/alias", `{"userId":"u"}`, "", "", "previousId"},
		"array":               {"/v1/track", `[]`, "", "", ""},
		"long ID":             {"/v1/page", `{"userId":"` + strings.Repeat("x", 1025) + `"}`, "", "", "userId"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := start(t)
			w := post(h, c.path, c.body)
			rs := k.take()
			if len(rs) != 1 {
				t.Fatalf("%d records: %s", len(rs), w.Body)
			}
			if c.stream != "" {
				want(t, w, 200)
				if rs[0].Stream != c.stream || rs[0].Key != c.key {
					t.Errorf("stream %q key %q", rs[0].Stream, rs[0].Key)
				}
				return
			}
			got := want(t, w, 400)
			var fields []string
			for _, p := range got["rejected"].([]any) {
				fields = append(fields, p.(map[string]any)["field"].(string))
			}
			if strings.Join(fields, " ") != c.fields || rs[0].Stream != "rejected" {
				t.Errorf("fields %q, stream %q", fields, rs[0].Stream)
			}
			var kept struct{ ID, Reason, Raw string }
			if err := json.Unmarshal(rs[0].Body, &kept); err != nil || kept.Raw != c.body || kept.ID != rs[0].ID || kept.Reason == "" {
				t.Errorf("kept %s", rs[0].Body)
			}
		})
	}
}

func TestBatchKeepsTheGood(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	first := `{ "type":"track", "event":"A","userId":"u","messageId":"1" }`
	last := `{"type":"page","anonymousId":"x","timestamp":"2026-03-04T05:00:00Z"}`
	w := post(h, "/v1/batch", `{"sentAt":"2026-03-04T05:01:00Z","batch":[`+first+`, {"type":"track","messageId":"2","userId":"u"},`+
		"{\"type\":\"page\",\"userId\":\"\xff\"},7,"+last+`],"context":{"app":{"name":"x"}},"integrations":{"All":true}}`)
	got := want(t, w, 200)
	rejected := got["rejected"].([]any)
	if len(rejected) != 3 || rejected[0].(map[string]any)["messageId"] != "2" || rejected[1].(map[string]any)["reason"] != reasonUTF8 {
		t.Errorf("rejected %v", rejected)
	}
	rs := k.take()
	if len(rs) != 5 || string(rs[0].Body) != first || string(rs[1].Body) != last || rs[2].Stream != "rejected" {
		t.Fatalf("records %+v", rs)
	}
	if w.Header().Get("Millrace-Position") != "7-1-4" {
		t.Errorf("position %s", w.Header().Get("Millrace-Position"))
	}
	if string(rs[0].Meta) != `{"sentAt":"2026-03-04T05:01:00Z","integrations":{"All":true},"context":{"app":{"name":"x"}}}` {
		t.Errorf("meta %s", rs[0].Meta)
	}
	var meta struct {
		MessageID string
		MadeID    bool
	}
	if err := json.Unmarshal(rs[1].Meta, &meta); err != nil || meta.MessageID != rs[1].ID || !meta.MadeID || len(rs[1].ID) != 36 {
		t.Errorf("meta %s", rs[1].Meta)
	}
	if made := got["messageIds"].([]any)[0].(map[string]any); made["index"] != 4.0 || made["messageId"] != rs[1].ID {
		t.Errorf("made %v", made)
	}
	if !rs[1].Occurred.Equal(testNow.Add(-time.Minute)) {
		t.Errorf("occurred %v", rs[1].Occurred)
	}
	if !bytes.Contains(rs[3].Body, []byte(`"raw_base64"`)) || !json.Valid(rs[3].Body) {
		t.Errorf("kept %s", rs[3].Body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	for range 2 {
		post(h, "/v1/track", `{"event":"A","userId":"u"}`, "Idempotency-Key", "once")
		post(h, "/v1/batch", `{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u","messageId":"own"}]}`, "Idempotency-Key", "twice")
	}
	var ids []string
	for _, r := range k.take() {
		ids = append(ids, r.ID)
	}
	if got := strings.Join(ids, " "); got != "once twice-0 own once twice-0 own" {
		t.Errorf("IDs %s", got)
	}
	want(t, post(h, "/v1/track", `{"event":"A","userId":"u"}`, "Idempotency-Key", "a b"), 400)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	event := `{"event":"A","userId":"u"`
	cases := map[string]struct {
		path, body, auth string
		status           int
	}{
		"basic":            {"/v1/track", event + "}", "Basic d2ViXzIwMjY6", 200},
		"basic unpadded":   {"/v1/track", event + "}", "basic d2ViXzIwMjY", 200},
		"basic password":   {"/v1/track", event + "}", "Basic d2ViXzIwMjY6eA==", 200},
		"bearer":           {"/v1/track", event + "}", "Bearer web_2026", 200},
		"body":             {"/v1/track", event + `,"writeKey":"web_2026"}`, "", 200},
		"batch body":       {"/v1/batch", `{"batch":[` + event + `,"type":"track"}],"writeKey":"web_2026"}`, "", 200},
		"batch item":       {"/v1/batch", `{"batch":[` + event + `,"type":"track","writeKey":"web_2026"}]}`, "", 200},
		"query":            {"/v1/track?writeKey=web_2026", event + "}", "", 200},
		"none":             {"/v1/track", event + "}", "", 401},
		"unknown":          {"/v1/track", event + "}", "Bearer other_key", 401},
		"unknown in body":  {"/v1/track", event + `,"writeKey":"<script>"}`, "", 401},
		"not base64":       {"/v1/track", event + "}", "Basic !!!", 401},
		"unknown scheme":   {"/v1/track", event + "}", "Digest x", 401},
		"dev key":          {"/v1/track", event + "}", "Bearer dev_x", 401},
		"API key":          {"/v1/track", event + "}", "Bearer mr_key_other_key", 401},
		"garbage no key":   {"/v1/track", "garbage", "", 401},
		"garbage with key": {"/v1/track", "garbage", "Bearer web_2026", 400},
	}
	for name, c := range cases {
		w := post(h, c.path, c.body, "Authorization", c.auth)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
		}
		if secret := strings.Contains(w.Body.String(), "this is an API key, a secret"); secret != (name == "API key") {
			t.Errorf("%s: %s", name, w.Body)
		}
		if n := len(k.take()); (n == 1) != (c.status != 401) {
			t.Errorf("%s: %d records", name, n)
		}
		if strings.Contains(w.Body.String(), "script") || strings.Contains(w.Body.String(), "other_key") {
			t.Errorf("%s: the key is in the answer: %s", name, w.Body)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	now := testNow
	h, k := start(t, func(o *Options, _ *HTTPSource) { o.Now = func() time.Time { return now } })
	body := `{"event":"A","userId":"u"}`
	k.fail(millrace.Errorf(millrace.Unavailable, "away"))
	w := post(h, "/v1/track", body)
	want(t, w, 503)
	if after := w.Header().Get("Retry-After"); after < "1" || after > "3" {
		t.Errorf("Retry-After %q", after)
	}
	now = now.Add(20 * time.Second)
	want(t, post(h, "/v1/track", body), 503)
	now = now.Add(20 * time.Second)
	checkOutage(t, post(h, "/v1/track", body))
	now = now.Add(time.Hour) // nobody tried in between: it may have been back
	want(t, post(h, "/v1/track", body), 503)
	k.fail(nil)
	want(t, post(h, "/v1/track", body), 200)
	k.fail(millrace.Errorf(millrace.Unavailable, "away"))
	want(t, post(h, "/v1/track", body), 503)
	k.fail(millrace.Errorf(millrace.Limited, "disk full"))
	checkOutage(t, post(h, "/v1/track", body))
	k.fail(io.ErrUnexpectedEOF)
	want(t, post(h, "/v1/track", body), 503)
}

func checkOutage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	want(t, w, 429)
	after, err := time.ParseDuration(w.Header().Get("Retry-After") + "s")
	if err != nil || after < 240*time.Second || after > 301*time.Second || w.Header().Get("X-RateLimit-Reset") == "" {
		t.Errorf("headers %v", w.Header())
	}
}
