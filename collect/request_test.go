package collect

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
)

const pageEvent = `{"userId":"u","messageId":"m"}`

func TestCORS(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(_ *Options, s *HTTPSource) {})
	r := httptest.NewRequest(http.MethodOptions, "/v1/t", nil)
	w := send(h, r, "Origin", "https://shop.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-retry-count")
	head := w.Header()
	if w.Code != 204 || head.Get("Access-Control-Allow-Origin") != "https://shop.example.com" ||
		head.Get("Access-Control-Allow-Headers") != "authorization,content-type,x-retry-count" || head.Get("Access-Control-Max-Age") != "7200" ||
		!strings.Contains(head.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(head.Get("Vary"), "Origin") {
		t.Errorf("preflight %d %v", w.Code, head)
	}
	k.fail(millrace.Errorf(millrace.Limited, "full"))
	for path, status := range map[string]int{"/v1/page": 429, "/v1/track": 429, "/v1/nothing": 404} {
		w = post(h, path, pageEvent, "Origin", "https://shop.example.com")
		exposed := w.Header().Get("Access-Control-Expose-Headers")
		if w.Code != status || w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example.com" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for _, name := range []string{"Retry-After", "X-RateLimit-Reset", "Millrace-Position"} {
			if !strings.Contains(exposed, name) {
				t.Errorf("%s is not exposed: %q", name, exposed)
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(_ *Options, s *HTTPSource) {
		s.CORSOrigins = []string{"https://www.example.com", "https://*.example.org"}
	})
	for origin, status := range map[string]int{
		"": 200, "https://www.example.com": 200, "https://WWW.example.com": 200, "https://a.b.example.org": 200,
		"http://www.example.com": 403, "https://example.com": 403, "https://evilexample.org": 403, "https://.example.org": 403, "null": 403,
		"http://a.example.org": 403,
	} {
		w := post(h, "/v1/page", pageEvent, "Origin", origin)
		if w.Code != status {
			t.Errorf("%q: %d, want %d", origin, w.Code, status)
		}
		if n := len(k.take()); (n == 1) != (status == 200) {
			t.Errorf("%q: %d records", origin, n)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	now := testNow
	h, k := start(t, func(o *Options, s *HTTPSource) {
		o.Now = func() time.Time { return now }
		s.Limits.Rate, s.Limits.Burst = 10, 20
	})
	w := post(h, "/v1/page", pageEvent)
	want(t, w, 200)
	if w.Header().Get("X-RateLimit-Limit") != "10" || w.Header().Get("X-RateLimit-Remaining") != "19" || w.Header().Get("X-RateLimit-Reset") == "" {
		t.Errorf("headers %v", w.Header())
	}
	want(t, post(h, "/v1/batch", `{"batch":[`+strings.Repeat(`{"type":"page","userId":"u"},`, 28)+`{"type":"page","userId":"u"}]}`), 200)
	k.take()
	w = post(h, "/v1/page", pageEvent)
	want(t, w, 429)
	if w.Header().Get("Retry-After") != "2" || len(k.take()) != 0 {
		t.Errorf("headers %v", w.Header())
	}
	now = now.Add(1200 * time.Millisecond)
	want(t, post(h, "/v1/page", pageEvent), 200)
	want(t, post(h, "/v1/page", pageEvent), 200)
	want(t, post(h, "/v1/page", pageEvent), 429)
	// A clock that is set back does not stop the refill.
	now = now.Add(-time.Hour)
	want(t, post(h, "/v1/page", pageEvent), 429)
	now = now.Add(150 * time.Millisecond)
	want(t, post(h, "/v1/page", pageEvent), 200)
	// A reload that keeps the rate keeps its state.
	s := &HTTPSource{WriteKeys: []string{"web_2026"}, Limits: Limits{Rate: 10, Burst: 20}}
	if err := h.SetSources([]Source{{Name: "web", HTTP: s}}); err != nil {
		t.Fatal(err)
	}
	want(t, post(h, "/v1/page", pageEvent), 429)
	s.Limits.Rate = 0
	if err := h.SetSources([]Source{{Name: "web", HTTP: s}}); err != nil {
		t.Fatal(err)
	}
	want(t, post(h, "/v1/page", pageEvent), 200)
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	no := false
	prefix := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8")}
	cases := map[string]struct {
		browser   bool
		addresses *bool
		proxies   []netip.Prefix
		forwarded string
		body      string
		meta      string
		stored    string // the body, when it is changed
	}{
		"server":            {body: `{"type":"page","userId":"u","messageId":"m"}`},
		"direct":            {body: `{"type":"page","userId":"u","messageId":"m","context":{"direct":true}}`, meta: `{"context":{"ip":"192.0.2.1","userAgent":"UA \"1\""}}`},
		"direct as text":    {body: `{"type":"page","userId":"u","messageId":"m","context":{"direct":"true"}}`},
		"browser":           {browser: true, body: `{"type":"page","userId":"u","messageId":"m"}`, meta: `{"context":{"ip":"192.0.2.1","userAgent":"UA \"1\""}}`},
		"already there":     {browser: true, body: `{"type":"page","userId":"u","messageId":"m","context":{"ip":"1.1.1.1","userAgent":"x"}}`},
		"null is absent":    {browser: true, body: `{"type":"page","userId":"u","messageId":"m","context":{"ip":null,"userAgent":"x"}}`, meta: `{"context":{"ip":"192.0.2.1"}}`},
		"untrusted proxy":   {browser: true, forwarded: "9.9.9.9", body: `{"type":"page","userId":"u","messageId":"m","context":{"userAgent":"x"}}`, meta: `{"context":{"ip":"192.0.2.1"}}`},
		"trusted proxy":     {browser: true, proxies: prefix, forwarded: "6.6.6.6, 9.9.9.9 , 10.1.1.1", body: `{"type":"page","userId":"u","messageId":"m","context":{"userAgent":"x"}}`, meta: `{"context":{"ip":"9.9.9.9"}}`},
		"proxy with port":   {browser: true, proxies: prefix, forwarded: "[2001:db8::1]:443", body: `{"type":"page","userId":"u","messageId":"m","context":{"userAgent":"x"}}`, meta: `{"context":{"ip":"2001:db8::1"}}`},
		"forged garbage":    {browser: true, proxies: prefix, forwarded: "6.6.6.6, <script>", body: `{"type":"page","userId":"u","messageId":"m","context":{"userAgent":"x"}}`, meta: `{"context":{"ip":"192.0.2.1"}}`},
		"all are proxies":   {browser: true, proxies: prefix, forwarded: "10.0.0.2, 10.0.0.1", body: `{"type":"page","userId":"u","messageId":"m","context":{"userAgent":"x"}}`, meta: `{"context":{"ip":"10.0.0.2"}}`},
		"addresses off":     {browser: true, addresses: &no, body: `{"type":"page","userId":"u","messageId":"m"}`, meta: `{"context":{"userAgent":"UA \"1\""}}`},
		"addresses removed": {addresses: &no, body: `{"type":"page","userId":"u","messageId":"m","context":{"ip":"1.2.3.4","\u0069p":"::1","a":1},"context":{"ip":"5.6.7.8"}}`, stored: `{"type":"page","userId":"u","messageId":"m","context":{"ip":null     ,"\u0069p":null ,"a":1},"context":{"ip":null     }}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := start(t, func(o *Options, s *HTTPSource) {
				o.TrustedProxies = c.proxies
				s.Browser, s.Addresses = c.browser, c.addresses
			})
			header := []string{"User-Agent", `UA "1"`}
			if c.forwarded != "" {
				header = append(header, "X-Forwarded-For", c.forwarded)
			}
			want(t, post(h, "/v1/page", c.body, header...), 200)
			r := k.take()[0]
			if c.stored == "" {
				c.stored = c.body
			}
			if string(r.Meta) != c.meta || string(r.Body) != c.stored {
				t.Errorf("meta %s\nwant %s\nbody %s", r.Meta, c.meta, r.Body)
			}
		})
	}
}

func TestBatchContextCounts(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(_ *Options, s *HTTPSource) { s.Browser = true })
	want(t, post(h, "/v1/batch", `{"context":{ "ip":"1.1.1.1" },"batch":[{"type":"page","userId":"u","messageId":"1"},{"type":"page","userId":"u","messageId":"2","context":{"userAgent":"x"}},{"type":"page","userId":"u","messageId":"3"}]}`, "User-Agent", "UA"), 200)
	metas := []string{`{"context":{"ip":"1.1.1.1","userAgent":"UA"}}`, `{"context":{"ip":"1.1.1.1"}}`, `{"context":{"ip":"1.1.1.1","userAgent":"UA"}}`}
	for i, r := range k.take() {
		if string(r.Meta) != metas[i] {
			t.Errorf("meta %d is %s, want %s", i, r.Meta, metas[i])
		}
	}
}

func TestLibraryRoutes(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"standalone.js":    {Data: []byte(`k="__WRITE_KEY__";c="https://cdn.segment.com";a="api.segment.io/v1"`)},
		"x.bundle.12ab.js": {Data: []byte("x")}, "README.txt": {Data: []byte("secret")},
	}
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.Library = files })
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		return send(h, httptest.NewRequest(http.MethodGet, path, nil), header...)
	}
	w := get("/analytics.js/v1/web_2026/analytics.min.js")
	script := w.Body.String()
	if w.Code != 200 || !strings.HasSuffix(script, `k="web_2026";c="http://example.com";a="example.com/v1"`) || strings.Contains(script, "segment.com") {
		t.Errorf("%d %s", w.Code, script)
	}
	if w := get("/analytics.js/v1/web_2026/analytics.min.js", "X-Forwarded-Proto", "https"); !strings.Contains(w.Body.String(), `"https://example.com"`) {
		t.Errorf("%s", w.Body)
	}
	if w := get("/analytics.js/v1/web_2026/analytics.min.js", "If-None-Match", w.Header().Get("Etag")); w.Code != 304 {
		t.Errorf("status %d", w.Code)
	}
	if w := get("/analytics-next/bundles/x.bundle.12ab.js", "Accept-Encoding", "gzip, br"); w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	var settings struct {
		Integrations map[string]struct{ APIKey, APIHost, Protocol string }
		Metrics      struct {
			Host       string
			SampleRate float64
		}
	}
	w = get("/v1/projects/web_2026/settings")
	if err := json.Unmarshal(w.Body.Bytes(), &settings); err != nil || len(settings.Integrations) != 1 || settings.Metrics.Host != "example.com/v1" {
		t.Errorf("%v %s", err, w.Body)
	}
	if s := settings.Integrations["Segment.io"]; s.APIKey != "web_2026" || s.APIHost != "example.com/v1" || s.Protocol != "http" {
		t.Errorf("%+v", s)
	}
	for _, path := range []string{
		"/analytics.js/v1/other_key/analytics.min.js", `/analytics.js/v1/%22;alert(1)/analytics.min.js`, "/analytics.js/v1/web_2026/other.js",
		"/analytics-next/bundles/README.txt", "/analytics-next/bundles/../standalone.js", "/analytics-next/bundles/standalone.js",
		"/v1/projects/other_key/settings", `/v1/projects/%22%3E%3Cscript%3E/settings`, "/v1/projects/web_2026", "/v1/projects/web_2026/x",
	} {
		if w := get(path); w.Code != 404 || strings.Contains(w.Body.String(), "other_key") || strings.Contains(w.Body.String(), "alert") || strings.Contains(w.Body.String(), "<script") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/projects/web_2026/settings", nil)
	r.Host = `x"><script>`
	want(t, send(h, r), 400)
	empty, _ := start(t, func(o *Options, _ *HTTPSource) { o.Library = fstest.MapFS{} })
	if w := send(empty, httptest.NewRequest(http.MethodGet, "/analytics.js/v1/web_2026/analytics.min.js", nil)); w.Code != 404 || !strings.Contains(w.Body.String(), "build.mjs") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	public, _ := start(t, func(o *Options, _ *HTTPSource) { o.Library, o.PublicURL = files, "https://c.example.net/in/" })
	if w := send(public, httptest.NewRequest(http.MethodGet, "/v1/projects/web_2026/settings", nil)); !strings.Contains(w.Body.String(), `"apiHost":"c.example.net/in/v1","protocol":"https"`) {
		t.Errorf("%s", w.Body)
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	h, _ := start(t)
	key := func(k ...string) *HTTPSource { return &HTTPSource{WriteKeys: k} }
	err := h.SetSources([]Source{
		{Name: "a", HTTP: key("same_key")}, {Name: "b", HTTP: key("same_key")}, {Name: "a", HTTP: key("key_3")}, {Name: "c"},
		{Name: "d", HTTP: &HTTPSource{WriteKeys: []string{"x y"}, Dedup: 1, Limits: Limits{Depth: 1}}},
	})
	for _, text := range []string{"source b: write_keys", "source a is there twice", "source c: ", "write_keys[0]: ", "dedup: ", "limits.depth: "} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
	want(t, post(h, "/v1/page", pageEvent), 200)
	if err := h.SetSources([]Source{{Name: "web", HTTP: key("web_2027", "dev_local")}}); err != nil {
		t.Fatal(err)
	}
	want(t, post(h, "/v1/page", pageEvent), 401)
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer web_2027"), 200)
	if got := want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer dev_local"), 401); !strings.Contains(got["message"].(string), "millrace dev") {
		t.Errorf("answer %v", got)
	}
	dev, _ := start(t, func(o *Options, s *HTTPSource) { o.AllowDevKeys, s.WriteKeys = true, []string{"dev_local"} })
	want(t, post(dev, "/v1/page", pageEvent, "Authorization", "Bearer dev_local"), 200)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var s HTTPSource
	text := "kind: http\nwrite_keys: [web_2026]\ndedup: forever\ntypes: {order_completed.total: double}\nlimits: {event_size: 64KiB, rate: 50}\naddresses: false\nbrowser: true\ncors_origins: [https://example.com]\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &s, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil || s.Dedup != Forever || s.Limits.EventSize != 64<<10 || s.Addresses == nil || *s.Addresses {
		t.Errorf("%+v %v", s, err)
	}
	bad := HTTPSource{Dedup: 5, Types: map[string]string{"x": "int"}, CORSOrigins: []string{"example.com/x"}, Limits: Limits{EventSize: 1, Rate: -1, BatchSize: 1 << 30}}
	err := bad.Validate()
	for _, field := range []string{"write_keys: ", "dedup: ", "types.x: ", "cors_origins[0]: ", "limits.event_size: ", "limits.batch_size: ", "limits.rate: "} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%q is not in: %v", field, err)
		}
	}
	hook := WebhookSource{WriteKeys: []string{"hook_2026"}, Signature: &Signature{Algorithm: "md5", Encoding: "x", Tolerance: 1, Payload: "x"}}
	err = hook.Validate()
	for _, field := range []string{"signature: ", "signature.header: ", "signature.secret: ", "signature.algorithm: ", "signature.encoding: ", "signature.tolerance: ", "signature.payload: "} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%q is not in: %v", field, err)
		}
	}
	hook.Signature.Payload = "{header:unclosed{body}" // which would not sign the body
	if err = hook.Validate(); !strings.Contains(err.Error(), "signature.payload: ") {
		t.Errorf("%v", err)
	}
	if _, err := New(Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("error %v", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.Metrics = reg })
	want(t, post(h, "/v1/page", pageEvent), 200)
	want(t, post(h, "/v1/page", "{}"), 400)
	want(t, post(h, "/v1/page", "{}", "Authorization", "Bearer nobody"), 401)
	want(t, post(h, "/v1/m", `{"series":[]}`, "Authorization", ""), 200)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, n := range map[string]float64{
		"millrace_collect_requests_total page 200": 1, "millrace_collect_requests_total page 400": 1, "millrace_collect_requests_total m 200": 1,
		"millrace_collect_events_total accepted web default": 1, "millrace_collect_events_total rejected web default": 1,
		"millrace_collect_append_seconds": 2, "millrace_collect_refused_total unknown_key  ": 1,
	} {
		if got[name] != n {
			t.Errorf("%s is %v, want %v in %v", name, got[name], n, got)
		}
	}
}
