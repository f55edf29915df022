package collect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace"
)

func TestStream(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	w := post(h, "/v1/stream/sensor%20readings", "{\"messageId\":\"a\",\"v\":1,\"timestamp\":\"2026-03-04T00:00:00Z\"}\n{broken\n\n7\n\"x\"\n{\"v\":2,\"userId\":9}", "Idempotency-Key", "k")
	got := want(t, w, 200)
	if r := got["rejected"].([]any); len(r) != 1 || r[0].(map[string]any)["index"] != 1.0 {
		t.Errorf("rejected %v", r)
	}
	rs := k.take()
	var seen []string
	for _, r := range rs {
		seen = append(seen, r.ID+"/"+r.Key+"/"+string(r.Body))
		if r.Stream != "stream:sensor readings" && r.Stream != "rejected" {
			t.Errorf("stream %q", r.Stream)
		}
	}
	all := strings.Join(seen[:4], " ")
	if all != `a/a/{"messageId":"a","v":1,"timestamp":"2026-03-04T00:00:00Z"} k-2/k-2/7 k-3/k-3/"x" k-4/9/{"v":2,"userId":9}` {
		t.Errorf("records %s", all)
	}
	if !strings.Contains(string(rs[4].Body), `"type":"stream:sensor readings","raw":"{broken"`) {
		t.Errorf("kept %s", rs[4].Body)
	}
	want(t, post(h, "/v1/stream/x", `[{"a":1}, [2], null]`), 200)
	if rs := k.take(); len(rs) != 3 || string(rs[1].Body) != "[2]" {
		t.Errorf("records %v", rs)
	}
	want(t, post(h, "/v1/stream/x", `[{"a":1}, `), 400)
}

func TestPixel(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(_ *Options, s *HTTPSource) { s.Browser = true })
	event := `{"writeKey":"web_2026","event":"Opened~~~???","userId":"u"}`
	cases := map[string]struct {
		path    string
		records int
	}{
		"base64":        {"track?data=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(event))), 1},
		"base64url":     {"track?data=" + base64.RawURLEncoding.EncodeToString([]byte(event)), 1},
		"plus unquoted": {"track?data=" + base64.StdEncoding.EncodeToString([]byte(event)), 1},
		"plain":         {"track?data=" + url.QueryEscape(event), 1},
		"gif":           {"track.gif?data=" + url.QueryEscape(event), 1},
		"key in query":  {"page?writeKey=web_2026&data=" + url.QueryEscape(`{"userId":"u"}`), 1},
		"rejected":      {"track?writeKey=web_2026&data=" + url.QueryEscape(`{"userId":"u"}`), 1},
		"garbage":       {"track?writeKey=web_2026&data=%21%21", 1},
		"no key":        {"page?data=" + url.QueryEscape(`{"userId":"u"}`), 0},
		"unknown type":  {"batch?writeKey=web_2026&data=e30", 0},
		"bad query":     {"track?data=%zz", 0},
	}
	for name, c := range cases {
		w := send(h, httptest.NewRequest(http.MethodGet, "/v1/pixel/"+c.path, nil))
		if w.Code != 200 || w.Body.String() != string(gif) || w.Header().Get("Content-Type") != "image/gif" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		rs := k.take()
		if len(rs) != c.records {
			t.Errorf("%s: %d records", name, len(rs))
		}
		if c.records == 1 && name != "garbage" && name != "rejected" && !strings.Contains(string(rs[0].Meta), `"ip":"192.0.2.1"`) {
			t.Errorf("%s: meta %s", name, rs[0].Meta)
		}
	}
	k.fail(millrace.Errorf(millrace.Limited, "full"))
	if w := send(h, httptest.NewRequest(http.MethodGet, "/v1/pixel/page?writeKey=web_2026&data=e30", nil)); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

// hooks returns a handler with one webhook of that YAML.
func hooks(t *testing.T, name, text string) (*Handler, *keeper) {
	t.Helper()
	h, k := start(t)
	var c WebhookSource
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if err := h.SetSources([]Source{{Name: name, Webhook: &c}}); err != nil {
		t.Fatal(err)
	}
	return h, k
}

func TestWebhookExpressions(t *testing.T) {
	t.Parallel()
	h, k := hooks(t, "billing", `
kind: webhook
write_keys: [hook_2026]
event: body.type
id: body.id
user: body.data.customer
time: body.created
`)
	body := `{"id": 9007199254740993, "type": "charge.succeeded", "created": 1700000000, "data": {"customer": "c1", "amount": 5}}`
	want(t, post(h, "/v1/webhook/billing?writeKey=hook_2026", body, "Authorization", ""), 200)
	r := k.take()[0]
	if r.Stream != "track:charge.succeeded" || r.ID != "9007199254740993" || r.Key != "c1" || r.Occurred.Unix() != 1700000000 || string(r.Body) != body ||
		string(r.Meta) != `{"messageId":"9007199254740993","event":"charge.succeeded","userId":"c1"}` {
		t.Errorf("%+v %s", r, r.Meta)
	}
	for _, id := range []string{"12345678901234567890", "12345678901234567891"} { // a float64 is the same for both
		want(t, post(h, "/v1/webhook/billing?writeKey=hook_2026", `{"id": `+id+`, "type": "big", "data": {"customer": `+id+`}}`, "Authorization", ""), 200)
		if r := k.take()[0]; r.ID != id || r.Key != id {
			t.Errorf("the ID is %s and the user %s, want %s", r.ID, r.Key, id)
		}
	}
	got := want(t, post(h, "/v1/webhook/billing", `{"type":{"a":1}}`, "Authorization", "Bearer hook_2026"), 400)
	if p := got["rejected"].([]any)[0].(map[string]any); p["field"] != "event" {
		t.Errorf("rejected %v", p)
	}
	if r := k.take()[0]; r.Stream != "rejected" || !strings.Contains(string(r.Body), `"type":"webhook"`) {
		t.Errorf("%+v", r)
	}
	want(t, post(h, "/v1/webhook/billing", `[1]`, "Authorization", "Bearer hook_2026"), 400)
	want(t, post(h, "/v1/webhook/billing", `{"data":"text"}`, "Authorization", "Bearer hook_2026"), 400)
	k.take()
	want(t, post(h, "/v1/webhook/billing", `{}`, "Authorization", "Bearer hook_2026", "Idempotency-Key", "once"), 200)
	if r := k.take()[0]; r.Stream != "track:billing" || r.ID != "once" || !r.Occurred.Equal(testNow) {
		t.Errorf("%+v", r)
	}
	want(t, post(h, "/v1/webhook/billing", `{}`, "Authorization", "Bearer other"), 401)
	want(t, post(h, "/v1/webhook/other", `{}`), 404)
	want(t, post(h, "/v1/track", `{"event":"A","userId":"u"}`, "Authorization", "Bearer hook_2026"), 401)
	if rs := k.take(); len(rs) != 0 {
		t.Errorf("records %v", rs)
	}
}

// TestWebhookNumbersAreNotRounded keeps IDs apart that a float would make one.
func TestWebhookNumbersAreNotRounded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		"0": 0, "-7": -7, "9007199254740993": 9007199254740993, "9223372036854775807": 9223372036854775807,
		"9223372036854775808": "9223372036854775808", "12345678901234567891": "12345678901234567891",
		"0.1": 0.1, "1.50": 1.5, "1e3": 1000.0, "1.7976931348623157e308": 1.7976931348623157e308,
		"0.1000000000000000055": "0.1000000000000000055", "9007199254740993.0": "9007199254740993.0",
		"1e400": "1e400", "1e-400": "1e-400", "-0.0": math.Copysign(0, -1),
	} {
		if got := plainNumber(text); got != want {
			t.Errorf("plainNumber(%s) = %v (%T), want %v", text, got, got, want)
		}
	}
}

func TestWebhookSignatures(t *testing.T) {
	t.Parallel()
	sign := func(s string) []byte {
		mac := hmac.New(sha256.New, []byte("shh"))
		mac.Write([]byte(s))
		return mac.Sum(nil)
	}
	body, stamp, old := `{"a":1}`, fmt.Sprint(testNow.Unix()), fmt.Sprint(testNow.Add(-6*time.Minute).Unix())
	github := "signature: {header: X-Hub-Signature-256, prefix: sha256=, secret: shh}"
	stripe := "signature: {header: Stripe-Signature, prefix: v1=, timestamp_header: Stripe-Signature, secret: shh}"
	slack := "signature: {header: X-Slack-Signature, prefix: v0=, timestamp_header: X-Slack-Request-Timestamp, payload: 'v0:{timestamp}:{body}', tolerance: 1m, secret: shh}"
	svix := "signature: {header: Webhook-Signature, prefix: 'v1,', encoding: base64, timestamp_header: Webhook-Timestamp, payload: '{header:Webhook-Id}.{timestamp}.{body}', secret: shh}"
	h64 := base64.StdEncoding.EncodeToString
	cases := map[string]struct {
		source string
		header []string
		status int
	}{
		"github":           {github, []string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(sign(body))}, 200},
		"github wrong":     {github, []string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(sign(body+" "))}, 401},
		"github no prefix": {github, []string{"X-Hub-Signature-256", hex.EncodeToString(sign(body))}, 401},
		"github none":      {github, nil, 401},
		"github not hex":   {github, []string{"X-Hub-Signature-256", "sha256=zz"}, 401},
		"stripe":           {stripe, []string{"Stripe-Signature", "t=" + stamp + ",v1=00,v1=" + hex.EncodeToString(sign(stamp+"."+body)) + ",v0=1"}, 200},
		"stripe old":       {stripe, []string{"Stripe-Signature", "t=" + old + ",v1=" + hex.EncodeToString(sign(old+"."+body))}, 401},
		"stripe other t":   {stripe, []string{"Stripe-Signature", "t=" + stamp + ",v1=" + hex.EncodeToString(sign(old+"."+body))}, 401},
		"slack":            {slack, []string{"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=" + hex.EncodeToString(sign("v0:"+stamp+":"+body))}, 200},
		"slack no time":    {slack, []string{"X-Slack-Signature", "v0=" + hex.EncodeToString(sign("v0::"+body))}, 401},
		"svix":             {svix, []string{"Webhook-Id", "m1", "Webhook-Timestamp", stamp, "Webhook-Signature", "v1,AAAA v1," + h64(sign("m1."+stamp+"."+body))}, 200},
		"svix other id":    {svix, []string{"Webhook-Id", "m2", "Webhook-Timestamp", stamp, "Webhook-Signature", "v1," + h64(sign("m1."+stamp+"."+body))}, 401},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := hooks(t, "vendor", "kind: webhook\n"+c.source)
			want(t, post(h, "/v1/webhook/vendor", body, append(c.header, "Authorization", "")...), c.status)
			if n := len(k.take()); (n == 1) != (c.status == 200) {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestExpressionLimits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`map(body.a, # + 1)`, `let x = body.a; x + x`, `1..1000000`, `repeat("x", 1000)`, `bodi.type`, `body.type +`,
		strings.Repeat("1 + ", 200) + "1", `"` + strings.Repeat("x", 3000) + `"`, `2 ** 1000`, `now()`, `reduce(body.a, #acc + #)`, `sum(body.a)`,
	} {
		c := WebhookSource{WriteKeys: []string{"hook_2026"}, Event: text}
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "event: ") {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	for _, text := range []string{`body.type`, `headers["x-github-event"]`, `body?.a?.b ?? "none"`, `lower(body.a) + "." + string(body.b)`, `body.a == 1 ? "x" : "y"`, `body.items[0].id`} {
		c := WebhookSource{WriteKeys: []string{"hook_2026"}, Event: text}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestResubmit(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	ctx := context.Background()
	received := testNow.Add(-time.Hour)
	out, err := h.Resubmit(ctx, Resubmission{Source: "web", RejectedID: "r1", Type: "track", Raw: []byte(`{"event":"A","userId":"u","messageId":"m"}`), Received: received})
	if err != nil || out.ID != "m" || out.Accepted != 1 || out.Reason != "" || out.Position.IsZero() {
		t.Fatalf("%+v %v", out, err)
	}
	rs := k.take()
	if len(rs) != 2 || rs[0].Stream != "track:A" || !rs[0].Received.Equal(testNow) || !rs[0].Occurred.Equal(received) ||
		rs[1].Stream != "resent" || string(rs[1].Body) != `{"rejected_id":"r1","id":"m","outcome":"accepted","reason":""}` {
		t.Errorf("%+v %s", rs, rs[1].Body)
	}
	out, err = h.Resubmit(ctx, Resubmission{Source: "web", RejectedID: "r2", Type: "track", Raw: []byte(`{"userId":"u"}`)})
	if err != nil || out.Accepted != 0 || out.Reason != reasonNoEvent || out.Field != "event" {
		t.Errorf("%+v %v", out, err)
	}
	if rs := k.take(); len(rs) != 1 || rs[0].Stream != "resent" || !json.Valid(rs[0].Body) {
		t.Errorf("%+v", rs)
	}
	out, err = h.Resubmit(ctx, Resubmission{Source: "web", RejectedID: "r3", Type: "batch", Raw: []byte(`{"batch":[{"type":"page","userId":"u"},{}]}`)})
	if err != nil || out.Accepted != 1 || out.Reason != reasonNoType {
		t.Errorf("%+v %v", out, err)
	}
	for typ, raw := range map[string]string{"": `{"type":"page","userId":"u"}`, "stream:x": `{}`} {
		if out, err := h.Resubmit(ctx, Resubmission{Source: "web", Type: typ, Raw: []byte(raw)}); err != nil || out.Accepted != 1 {
			t.Errorf("%q: %+v %v", typ, out, err)
		}
	}
	if _, err := h.Resubmit(ctx, Resubmission{Source: "other"}); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("error %v", err)
	}
	if _, err := h.Resubmit(ctx, Resubmission{Source: "web", Type: "webhook"}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("error %v", err)
	}
	k.fail(millrace.Errorf(millrace.Unavailable, "away"))
	if _, err := h.Resubmit(ctx, Resubmission{Source: "web", Type: "page", Raw: []byte(`{}`)}); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("error %v", err)
	}
}
