package collect

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

// A test delivery that is signed here is taken, however the vendor signs.
func TestSign(t *testing.T) {
	t.Parallel()
	const secret = "a secret that nobody sees"
	for name, s := range map[string]Signature{
		"github":  {Header: "X-Hub-Signature-256", Prefix: "sha256="},
		"sha1":    {Header: "X-Signature", Algorithm: "sha1"},
		"base64":  {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"},
		"stripe":  {Header: "Stripe-Signature", Prefix: "v1=", TimestampHeader: "Stripe-Signature"},
		"slack":   {Header: "X-Slack-Signature", Prefix: "v0=", TimestampHeader: "X-Slack-Request-Timestamp", Payload: "v0:{timestamp}:{body}"},
		"svix":    {Header: "svix-signature", Prefix: "v1,", Encoding: "base64", TimestampHeader: "svix-timestamp", Payload: "{header:svix-id}.{timestamp}.{body}"},
		"unclear": {Header: "X-S", Algorithm: "sha512", Payload: "{header:}{other}{body}{header:unclosed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := start(t)
			s.Secret = unit.Secret(secret)
			hook := &WebhookSource{Signature: &s}
			if name == "svix" {
				hook.ID = `headers["svix-id"]`
			}
			if err := h.SetSources([]Source{{Name: "hook", Webhook: hook}}); err != nil {
				t.Fatal(err)
			}
			header, body := http.Header{}, `{"test":true}`
			if err := h.Sign(millrace.DefaultWorkspace, "hook", header, []byte(body)); err != nil {
				t.Fatal(err)
			}
			sent := []string{"Authorization", ""}
			for name, values := range header {
				sent = append(sent, name, values[0])
				if strings.Contains(values[0], secret) {
					t.Errorf("%s tells the secret", name)
				}
			}
			want(t, post(h, "/v1/webhook/hook", body, sent...), 200)
			if rs := k.take(); len(rs) != 1 || name == "svix" && !strings.HasPrefix(rs[0].ID, "test-") {
				t.Errorf("%+v", rs)
			}
			want(t, post(h, "/v1/webhook/hook", body+" ", sent...), 401)
		})
	}
	h, _ := start(t)
	if err := h.SetSources([]Source{{Name: "form", Webhook: &WebhookSource{WriteKeys: []string{"form_2026"}}}, {Name: "web", HTTP: &HTTPSource{WriteKeys: []string{"web_2026"}}}}); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]millrace.Kind{"form": millrace.Conflict, "web": millrace.NotFound, "nobody": millrace.NotFound} {
		if err := h.Sign(millrace.DefaultWorkspace, name, http.Header{}, nil); millrace.KindOf(err) != kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of each key it is known when a request last came with it, also across reloads.
func TestKeysSayWhenTheyWereUsed(t *testing.T) {
	t.Parallel()
	h, _ := start(t)
	set := func(keys ...string) {
		t.Helper()
		err := h.SetSources([]Source{{Name: "web", HTTP: &HTTPSource{WriteKeys: keys}}, {Name: "form", Webhook: &WebhookSource{WriteKeys: []string{"form_2026"}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	keys := func(source string) string {
		var out []string
		for _, a := range h.Activity() {
			for key, at := range a.Keys {
				if a.Source == source && !at.IsZero() {
					out = append(out, key)
				} else if a.Source == source {
					out = append(out, "-"+key)
				}
			}
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	set("web_old1", "web_new1")
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer web_old1"), 200)
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer nobody"), 401)
	if got := keys("web"); got != "-web_new1 web_old1" {
		t.Error(got)
	}
	set("web_new1", "web_old1", "web_next")
	want(t, post(h, "/v1/webhook/form", "{}", "Authorization", "Bearer form_2026"), 200)
	want(t, post(h, "/v1/page", "{}", "Authorization", "Bearer web_new1"), 400) // rejected, and yet used
	if got := keys("web") + ", " + keys("form"); got != "-web_next web_new1 web_old1, form_2026" {
		t.Error(got)
	}
	set("web_new1")
	if got := keys("web"); got != "web_new1" {
		t.Error(got)
	}
}

// A test says nothing of who uses a key, and is taken all the same.
func TestProbe(t *testing.T) {
	t.Parallel()
	h, log := start(t)
	if err := h.SetSources([]Source{{Name: "web", HTTP: &HTTPSource{WriteKeys: []string{"web_2026"}}}, {Name: "form", Webhook: &WebhookSource{WriteKeys: []string{"form_2026"}}}}); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{"/v1/page": pageEvent, "/v1/webhook/form": "{}"} {
		for _, where := range []string{"header", "query"} {
			r := httptest.NewRequestWithContext(Probe(t.Context()), "POST", path, strings.NewReader(body))
			key := "web_2026"
			if strings.HasSuffix(path, "form") {
				key = "form_2026"
			}
			if where == "header" {
				r.SetBasicAuth(key, "")
			} else {
				r.URL.RawQuery = "writeKey=" + key
			}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 200 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
	if n := len(log.take()); n != 4 {
		t.Errorf("%d records", n)
	}
	for _, a := range h.Activity() {
		for key, at := range a.Keys {
			if !at.IsZero() || a.LastReceived.IsZero() {
				t.Errorf("%s: used at %s, the source at %s", key, at, a.LastReceived)
			}
		}
	}
}
