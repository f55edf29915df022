package serve

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/access"
)

func cookieOf(t *testing.T, resp *http.Response) *http.Cookie {
	t.Helper()
	all := resp.Cookies()
	if len(all) != 1 {
		t.Fatalf("cookies %v", all)
	}
	return all[0]
}

func TestSession(t *testing.T) {
	t.Parallel()
	now := time.Now()
	o := newWorld().guarded(t, adminToken, func(o *access.Options) { o.Now = func() time.Time { return now } })
	o.Mode, o.Now = Production, func() time.Time { return now }
	s := start(t, o)
	_, body := call(t, "GET", s.URL+sessionPath, "")
	if v := decode[Session](t, body); v.Authenticated || v.Login != "token" || v.Mode != "serve" || v.Reason == "" {
		t.Errorf("before the login %s", body)
	}
	resp, body := call(t, "POST", s.URL+sessionPath, `{"token":"wrong-wrong-wrong"}`)
	wantProblem(t, resp, body, 401, "unauthorized", "nor this server's admin token")
	resp, body = call(t, "POST", s.URL+sessionPath, `{"token":"`+testToken+`"}`, "Sec-Fetch-Site", "cross-site")
	wantProblem(t, resp, body, 403, "forbidden", "another site")
	resp, body = call(t, "POST", s.URL+sessionPath, `{"token":"`+testToken+`"}`, "Sec-Fetch-Site", "same-origin")
	c := cookieOf(t, resp)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Name != sessionCookie || !decode[Session](t, body).Authenticated {
		t.Fatalf("cookie %+v, %s", c, body)
	}
	cookie := c.Name + "=" + c.Value
	for name, want := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"read":                 {"GET", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"typed":                {"GET", []string{"Sec-Fetch-Site", "none"}, 200},
		"by a program":         {"GET", nil, 200},
		"read from elsewhere":  {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"from a sibling":       {"GET", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"change":               {"POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"change, old browser":  {"POST", []string{"Origin", s.URL}, 200},
		"change, nothing said": {"POST", nil, 403},
		"change, typed":        {"POST", []string{"Sec-Fetch-Site", "none"}, 403},
		"change, foreign":      {"POST", []string{"Origin", "https://evil.example"}, 403},
		"change, opaque":       {"POST", []string{"Origin", "null"}, 403},
	} {
		path := "/api/v1/status"
		if want.method == "POST" {
			path = "/api/v1/readers/warehouse/pause"
		}
		resp, body := call(t, want.method, s.URL+path, "", append([]string{"Cookie", cookie}, want.headers...)...)
		if resp.StatusCode != want.status {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
	for name, bad := range map[string]string{"changed": c.Name + "=" + c.Value[:len(c.Value)-2] + "AA", "empty": c.Name + "=", "long": c.Name + "=" + strings.Repeat("A", 4000), "other": "x=" + c.Value} {
		if resp, _ := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", bad); resp.StatusCode != 401 {
			t.Errorf("%s cookie: %d", name, resp.StatusCode)
		}
	}
	if resp, _ := call(t, "DELETE", s.URL+sessionPath, "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 403 {
		t.Errorf("logged out from elsewhere: %d", resp.StatusCode)
	}
	resp, body = call(t, "DELETE", s.URL+sessionPath, "", "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	if gone := cookieOf(t, resp); gone.MaxAge >= 0 || decode[Session](t, body).Authenticated {
		t.Errorf("logged out: %+v %s", gone, body)
	}
	if resp, _ := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", cookie); resp.StatusCode != 401 {
		t.Errorf("after the logout: %d", resp.StatusCode)
	}
	resp, _ = call(t, "POST", s.URL+sessionPath, `{"token":"`+testToken+`"}`)
	cookie = sessionCookie + "=" + cookieOf(t, resp).Value
	now = now.Add(8*time.Hour - time.Minute)
	if resp, _ := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", cookie); resp.StatusCode != 200 {
		t.Errorf("before its end: %d", resp.StatusCode)
	}
	now = now.Add(8 * time.Hour)
	if resp, _ := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", cookie); resp.StatusCode != 401 {
		t.Errorf("after its end: %d", resp.StatusCode)
	}
}

// A session holds across a restart, and no longer when the token is another one.
func TestSessionOverHTTPS(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t, adminToken)
	o.Mode = Production
	o.Secure = func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Proto") == "https" }
	s := start(t, o)
	resp, _ := call(t, "POST", s.URL+sessionPath, `{"token":"`+testToken+`"}`, "X-Forwarded-Proto", "https")
	c := cookieOf(t, resp)
	if !c.Secure || c.Name != secureSessionCookie || c.Domain != "" || c.Path != "/" {
		t.Errorf("%+v", c)
	}
	if resp, body := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", c.Name+"="+c.Value, "X-Forwarded-Proto", "https"); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for name, cookie := range map[string][2]string{"over http": {"http", c.Name}, "a cookie that any host can set": {"https", sessionCookie}} {
		if resp, _ := call(t, "GET", s.URL+"/api/v1/status", "", "Cookie", cookie[1]+"="+c.Value, "X-Forwarded-Proto", cookie[0]); resp.StatusCode != 401 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestSessionInDev(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().options(t))
	_, body := call(t, "GET", s.URL+sessionPath, "")
	if v := decode[Session](t, body); !v.Authenticated || v.Login != "none" || v.Mode != "dev" {
		t.Errorf("%s", body)
	}
	resp, body := call(t, "POST", s.URL+sessionPath, `{"token":"anything"}`)
	if resp.StatusCode != 200 || len(resp.Cookies()) != 0 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t, adminToken)
	o.Mode = Production
	o.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Page", r.URL.Path)
	})
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for path, page := range map[string]bool{"/": true, "/sources/web": true, "/assets/index-x.js": true, "/api/docs": true, "/api/docs/x": true, "/apix": true,
		"/api": false, "/api/": false, "/api/v1/status": false, "/api/v1/nothing": false, "/api/openapi.json": false, "/metrics": false, "/readyz": false, "/v1/track": false, "/analytics.js/v1/x/y": false} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if got := rec.Header().Get("Page") != ""; got != page {
			t.Errorf("%s: page %v, %d %s", path, got, rec.Code, rec.Body)
		}
		if page && (rec.Header().Get("Cache-Control") != "no-cache" || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "script-src 'self'")) {
			t.Errorf("%s: %v", path, rec.Header())
		}
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("POST", "/sources/web", nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST to the page: %d", rec.Code)
	}
}
