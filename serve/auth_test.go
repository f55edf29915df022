package serve

import (
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares with a file of the documentation.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "docs", "reference", file)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != string(got) {
		t.Errorf("docs/reference/%s is not what the code makes: run go test ./serve -update (%v)", file, err)
	}
}

type openAPI struct {
	Paths map[string]map[string]struct {
		OperationID string
		Summary     string
		Tags        []string
		Security    []map[string][]string
		Parameters  []struct{ Name, Description string }
		Responses   map[string]any
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	data, err := OpenAPI("")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi.json", data)
	var api openAPI
	if err := json.Unmarshal(data, &api); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for path, methods := range api.Paths {
		for method, op := range methods {
			if op.Summary == "" || len(op.Tags) != 1 || op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: summary %q, tags %q, ID %q", method, path, op.Summary, op.Tags, op.OperationID)
			}
			ids[op.OperationID] = true
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s %s: parameter %s is not described", method, path, p.Name)
				}
			}
			anyone := open(path) || slices.Contains([]string{"sdk-metrics", "settings", "library", "library-bundle"}, op.OperationID)
			if (len(op.Security) == 0) != anyone {
				t.Errorf("%s %s: security %v", method, path, op.Security)
			}
		}
	}
}

// TestTokenEverywhere asks for every operation of the API without the token,
// with a wrong one, and with the right one.
func TestTokenEverywhere(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t, adminToken)
	o.Mode = Production
	var count atomic.Uint32
	o.ClientIP = func(*http.Request) netip.Addr { // each from elsewhere: nobody is throttled
		asked := count.Add(1)
		return netip.AddrFrom4([4]byte{10, 1, byte(asked >> 8), byte(asked)})
	}
	s := start(t, o)
	data, err := OpenAPI("")
	if err != nil {
		t.Fatal(err)
	}
	var api openAPI
	if err := json.Unmarshal(data, &api); err != nil {
		t.Fatal(err)
	}
	routes := [][2]string{{"get", "/metrics"}, {"get", "/"}, {"get", "/api/openapi.json"}, {"get", "/nothing"}, {"options", "/api/v1/query"}, {"get", "/v1/../api/v1/status"}, {"post", "/healthz/../api/v1/query"}}
	for path, methods := range api.Paths {
		for method := range methods {
			routes = append(routes, [2]string{method, path})
		}
	}
	if len(routes) < 25 {
		t.Fatalf("only %d routes", len(routes))
	}
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, route := range routes {
		method, path := strings.ToUpper(route[0]), route[1]
		for name, header := range map[string]string{"none": "", "wrong": "Bearer " + testToken + "x", "prefix": "Bearer " + testToken[:20],
			"basic": "Basic " + testToken, "empty": "Bearer ", "bare": testToken, "right": "Bearer " + testToken} {
			r, err := http.NewRequest(method, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Opaque = path // as it is, dots and all
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			if path == "/api/v1/tail" && name == "right" {
				continue
			}
			resp, err := noRedirect.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			let := name == "right" || open(path) || isCollect(path)
			if (resp.StatusCode == 401) == let {
				t.Errorf("%s %s, token %s: %d", method, path, name, resp.StatusCode)
			}
			if resp.StatusCode == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s: no WWW-Authenticate", method, path)
			}
		}
	}
}

func TestGuessing(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t, adminToken)
	o.Mode = Production
	s := start(t, o)
	for range 10 {
		if resp, body := call(t, "GET", s.URL+"/api/v1/status", "", "Authorization", "Bearer guess"); resp.StatusCode != 401 {
			t.Fatalf("%d %s", resp.StatusCode, body)
		}
	}
	for _, token := range []string{"guess", testToken} {
		resp, body := call(t, "GET", s.URL+"/api/v1/status", "", "Authorization", "Bearer "+token)
		wantProblem(t, resp, body, 429, "limited", "too many wrong keys or links")
		if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 10 {
			t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
		}
	}
	if resp, _ := call(t, "GET", s.URL+"/healthz", ""); resp.StatusCode != 200 {
		t.Error("health is throttled")
	}
}

// TestLoopback is about what a browser or another machine may make of a
// server that asks for no login.
func TestLoopback(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	o.AllowedHosts = []string{"shop.test"}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	o2 := newWorld().guarded(t, adminToken)
	withToken, err := New(o2)
	if err != nil {
		t.Fatal(err)
	}
	const local, far = "127.0.0.1:5555", "192.168.1.7:5555"
	for name, test := range map[string]struct {
		peer, host string
		headers    []string
		want       int
	}{
		"plain":                  {local, "127.0.0.1:8080", nil, 200},
		"localhost":              {local, "localhost:8080", nil, 200},
		"LOCALHOST.":             {local, "LOCALHOST.:8080", nil, 200},
		"v6":                     {"[::1]:5555", "[::1]:8080", nil, 200},
		"mapped v6":              {"[::ffff:127.0.0.1]:5555", "127.0.0.1:8080", nil, 200},
		"allowed host":           {local, "shop.test:8080", nil, 200},
		"rebound host":           {local, "evil.example:8080", nil, 403},
		"host like localhost":    {local, "localhost.evil.example:8080", nil, 403},
		"numbers in a name":      {local, "127.0.0.1.evil.example", nil, 403},
		"no host":                {local, "", nil, 403},
		"every address":          {local, "0.0.0.0:8080", nil, 403},
		"same origin":            {local, "localhost:8080", []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 200},
		"typed in":               {local, "localhost:8080", []string{"Sec-Fetch-Site", "none"}, 200},
		"other origin":           {local, "localhost:8080", []string{"Origin", "https://evil.example"}, 403},
		"other port":             {local, "localhost:8080", []string{"Origin", "http://localhost:3000"}, 403},
		"other scheme":           {local, "localhost:8080", []string{"Origin", "https://localhost:8080"}, 403},
		"null origin":            {local, "localhost:8080", []string{"Origin", "null"}, 403},
		"empty origin":           {local, "localhost:8080", []string{"Origin", ""}, 403},
		"cross-site":             {local, "localhost:8080", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same-site":              {local, "localhost:8080", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"from elsewhere":         {far, "localhost:8080", nil, 403},
		"through a proxy":        {local, "localhost:8080", []string{"X-Forwarded-For", "203.0.113.9"}, 403},
		"through a tunnel":       {local, "localhost:8080", []string{"Forwarded", "for=203.0.113.9"}, 403},
		"broken peer":            {"@", "localhost:8080", nil, 403},
		"token without need":     {local, "localhost:8080", []string{"Authorization", "Bearer anything"}, 200},
		"far, token not wanted":  {far, "localhost:8080", []string{"Authorization", "Bearer " + testToken}, 403},
		"token: local":           {local, "localhost:8080", nil, 200},
		"token: far without":     {far, "shop.test", nil, 401},
		"token: far":             {far, "shop.test", []string{"Authorization", "Bearer " + testToken}, 200},
		"token: proxy":           {local, "shop.test", []string{"X-Forwarded-For", "203.0.113.9"}, 401},
		"token: local but wrong": {local, "localhost:8080", []string{"Authorization", "Bearer wrong-wrong-wrong"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := h
			if strings.HasPrefix(name, "token: ") {
				handler = withToken
			}
			for path, want := range map[string]int{"/api/v1/status": test.want, "/metrics": test.want, "/": test.want, "/readyz": 200, "/v1/batch": 200} {
				r := httptest.NewRequest("GET", path, nil)
				r.RemoteAddr, r.Host = test.peer, test.host
				for i := 0; i < len(test.headers); i += 2 {
					r.Header.Set(test.headers[i], test.headers[i+1])
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s: %d %s; want %d", path, w.Code, w.Body, want)
				}
				if name == "rebound host" && want == 403 && !strings.Contains(w.Body.String(), "use localhost or 127.0.0.1, or run millrace serve") {
					t.Errorf("%s: %s does not say what can be done", path, w.Body)
				}
			}
		})
	}
}

// TestSlowHeaders checks that a client that never finishes its headers is
// dropped.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	h, err := New(newWorld().options(t))
	if err != nil {
		t.Fatal(err)
	}
	server := NewHTTPServer(h, nil)
	server.ReadHeaderTimeout = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l) //nolint:errcheck // ends with Close
	defer server.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: local")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("half a request is answered or kept: %v", err)
	}
}
