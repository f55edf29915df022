package collect

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A failing expression is told with its text, why and where to change it; each
// field is named, and no reason twice.
func TestWebhookFailures(t *testing.T) {
	t.Parallel()
	h, k := hooks(t, "bad", "kind: webhook\nwrite_keys: [hook_2026]\nevent: body.items[0].name + 5\nid: 'body.list'\nuser: int(body.user)\n")
	got := want(t, post(h, "/v1/webhook/bad", `{"list":[1],"user":"`+strings.Repeat("x", 5000)+`"}`, "Authorization", "Bearer hook_2026"), 400)
	wanted := []string{
		"event: `body.items[0].name + 5` fails on this body: cannot add nil and int; change it in sources/bad.yaml",
		"id: `body.list` gives a list on this body, and it has to be text or a number; change it in sources/bad.yaml",
		"user: `int(body.user)` fails on this body: invalid operation: int(xxx",
	}
	for i, p := range got["rejected"].([]any) {
		reason, field := p.(map[string]any)["reason"].(string), p.(map[string]any)["field"]
		if !strings.HasPrefix(reason, wanted[i]) || field != strings.Split(wanted[i], ":")[0] || len(reason) > 300 {
			t.Errorf("%q in %v", reason, field)
		}
	}
	var kept struct{ Reason, Field string }
	if err := json.Unmarshal(k.take()[0].Body, &kept); err != nil || !strings.HasPrefix(kept.Reason, wanted[0]+"; "+wanted[1]+"; "+wanted[2]) || kept.Field != "event, id, user" {
		t.Errorf("%+v %v", kept, err)
	}
	same := problem{reason: "same", field: "a"}
	if reasons, fields := joined([]located{{problem: same}, {problem: same}, {problem: problem{reason: "same", field: "b"}}, {problem: problem{reason: "other"}}}); reasons != "same; other" || fields != "a, b" {
		t.Errorf("%q in %q", reasons, fields)
	}
	if reasons, _ := joined(make([]located, 1000)); reasons != "; and more" {
		t.Errorf("%q", reasons)
	}
}

// Deliveries that are refused are counted by source and reason, and logged once a minute.
func TestRefusedDeliveries(t *testing.T) {
	t.Parallel()
	now, logged := testNow, &bytes.Buffer{}
	h, k := start(t, func(o *Options, _ *HTTPSource) {
		o.Now = func() time.Time { return now }
		o.Logger = slog.New(slog.NewTextHandler(logged, nil))
	})
	sources := func(prefix string) []Source {
		return []Source{
			{Name: "web", HTTP: &HTTPSource{WriteKeys: []string{"web_2026"}, CORSOrigins: []string{"https://a.example"}}},
			{Name: "github", Webhook: &WebhookSource{Signature: &Signature{Header: "X-Signature", Secret: "shh", Prefix: prefix}}},
			{Name: "form", Webhook: &WebhookSource{WriteKeys: []string{"form_2026"}}},
		}
	}
	if err := h.SetSources(sources("a=")); err != nil {
		t.Fatal(err)
	}
	if list := h.Refusals(); len(list) != 0 {
		t.Fatalf("%+v", list)
	}
	for range 12 {
		want(t, post(h, "/v1/webhook/github", "{}", "Authorization", "", "X-Signature", "a=00"), 401)
		now = now.Add(10 * time.Second)
	}
	want(t, post(h, "/v1/webhook/github", "{}", "Authorization", ""), 401)
	want(t, post(h, "/v1/webhook/form", "{}", "Authorization", ""), 401)
	want(t, post(h, "/v1/webhook/form", "{}"), 401)
	want(t, post(h, "/v1/page", pageEvent, "Origin", "https://b.example"), 403)
	got := map[string]Refusal{}
	for _, r := range h.Refusals() {
		got[r.Source+" "+r.Reason] = r
	}
	r := got["github signature"]
	if r.Count != 12 || r.String() != "12 deliveries with a signature that does not match" || !r.Since.Equal(testNow) || !r.Last.Equal(testNow.Add(110*time.Second)) || r.Workspace != "default" {
		t.Errorf("%+v", r)
	}
	for name, text := range map[string]string{
		"github no_signature": "1 delivery without a signature", "form no_key": "1 delivery without a write key",
		"form unknown_key": "1 delivery with a write key that is not the source's", "web origin": "1 request from an origin that is not in cors_origins",
	} {
		if got[name].String() != text {
			t.Errorf("%s: %+v", name, got[name])
		}
	}
	if lines := strings.Count(logged.String(), "source=github"); lines != 2 { // at once, and behind a minute
		t.Errorf("%d lines: %s", lines, logged)
	}
	if rs := k.take(); len(rs) != 0 {
		t.Errorf("%d records are kept", len(rs))
	}
	// A reload keeps the counts; another signature begins anew.
	if err := h.SetSources(sources("a=")); err != nil || len(h.Refusals()) != 5 {
		t.Errorf("%v %+v", err, h.Refusals())
	}
	if err := h.SetSources(sources("b=")); err != nil || len(h.Refusals()) != 3 {
		t.Errorf("%v %+v", err, h.Refusals())
	}
}
