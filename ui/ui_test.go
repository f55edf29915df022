package ui

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func page() fstest.MapFS {
	return fstest.MapFS{
		"index.html":          {Data: []byte("<!doctype html>the page")},
		"index.html.br":       {Data: []byte("brotli of the page")},
		"index.html.gz":       {Data: []byte("gzip of the page")},
		"favicon.svg":         {Data: []byte("<svg/>")},
		"assets/a-1f2e.js":    {Data: []byte("script")},
		"assets/a-1f2e.js.br": {Data: []byte("brotli of script")},
		"assets/a-1f2e.js.gz": {Data: []byte("gzip of script")},
	}
}

func ask(t *testing.T, h http.Handler, method, path string, headers map[string]string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestServes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, path, accept string
		status               int
		body, encoding, kind string
		cache                string
	}{
		"the page":                    {path: "/", status: 200, body: "<!doctype html>the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"a view of the page":          {path: "/warehouse/web/tracks", status: 200, body: "<!doctype html>the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"a view with a dot":           {path: "/files/sources/web.yaml", status: 200, body: "<!doctype html>the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"in brotli":                   {path: "/live", accept: "gzip, deflate, br", status: 200, body: "brotli of the page", encoding: "br", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"in gzip":                     {path: "/", accept: "gzip", status: 200, body: "gzip of the page", encoding: "gzip", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"brotli refused":              {path: "/", accept: "br;q=0, gzip", status: 200, body: "gzip of the page", encoding: "gzip", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"anything":                    {path: "/", accept: "*", status: 200, body: "brotli of the page", encoding: "br", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"anything but":                {path: "/", accept: "*, br;q=0", status: 200, body: "gzip of the page", encoding: "gzip", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"an asset":                    {path: "/assets/a-1f2e.js", accept: "br", status: 200, body: "brotli of script", encoding: "br", kind: "text/javascript; charset=utf-8", cache: "public, max-age=31536000, immutable"},
		"an asset of another version": {path: "/assets/b-9999.js", status: 404, cache: "no-store"},
		"a compressed form by name":   {path: "/index.html.br", status: 200, body: "<!doctype html>the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"no way up":                   {path: "/assets/../../../etc/passwd", status: 200, body: "<!doctype html>the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		"a file that is not hashed":   {path: "/favicon.svg", accept: "br", status: 200, body: "<svg/>", kind: "image/svg+xml", cache: "no-cache"},
		"head":                        {method: "HEAD", path: "/", status: 200, kind: "text/html; charset=utf-8", cache: "no-cache"},
		"post":                        {method: "POST", path: "/", status: 405},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := test.method
			if method == "" {
				method = http.MethodGet
			}
			answer, body := ask(t, handler(page()), method, test.path, map[string]string{"Accept-Encoding": test.accept})
			if answer.StatusCode != test.status {
				t.Fatalf("%d %q, not %d", answer.StatusCode, body, test.status)
			}
			for header, want := range map[string]string{"Cache-Control": test.cache, "Content-Encoding": test.encoding} {
				if got := answer.Header.Get(header); got != want {
					t.Errorf("%s is %q, not %q", header, got, want)
				}
			}
			if got := answer.Header.Get("Content-Type"); test.kind != "" && got != test.kind {
				t.Errorf("Content-Type is %q, not %q", got, test.kind)
			}
			if test.status == 200 && body != test.body {
				t.Errorf("answered %q, not %q", body, test.body)
			}
			if got := answer.Header.Get("Content-Security-Policy"); got != policy {
				t.Errorf("the policy is %q", got)
			}
			if got := answer.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options is %q", got)
			}
		})
	}
}

func TestAsksAgainOnlyForWhatChanged(t *testing.T) {
	t.Parallel()
	h := handler(page())
	first, _ := ask(t, h, "GET", "/", nil)
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	again, body := ask(t, h, "GET", "/", map[string]string{"If-None-Match": tag})
	if again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("%d %q: it has not changed", again.StatusCode, body)
	}
	compressed, _ := ask(t, h, "GET", "/", map[string]string{"If-None-Match": tag, "Accept-Encoding": "br"})
	if compressed.StatusCode != http.StatusOK || compressed.Header.Get("ETag") == tag {
		t.Error("another encoding has another tag")
	}
}

func TestPolicyIsStrict(t *testing.T) {
	t.Parallel()
	for _, loose := range []string{"unsafe-inline", "unsafe-eval", "http:", "https:", "*", "blob:"} {
		if strings.Contains(policy, loose) {
			t.Errorf("the policy allows %s", loose)
		}
	}
}

func TestWithoutABuild(t *testing.T) {
	t.Parallel()
	empty := fstest.MapFS{"README.txt": {Data: []byte("a placeholder")}}
	if built(empty) {
		t.Error("a placeholder is not a build")
	}
	answer, body := ask(t, handler(empty), "GET", "/live", nil)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, "make build") {
		t.Errorf("%d %q does not say how to build the page", answer.StatusCode, body)
	}
	if strings.Contains(body, "<style") || strings.Contains(body, "<script") || strings.Contains(body, "style=") {
		t.Error("the policy forbids what the placeholder has inline")
	}
}

// What is embedded keeps the policy too, when it has been built.
func TestBuiltPage(t *testing.T) {
	t.Parallel()
	answer, body := ask(t, Handler(), "GET", "/", nil)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%d", answer.StatusCode)
	}
	if !Built() {
		return
	}
	for _, inline := range []string{"<style", " style=", " onload=", "javascript:"} {
		if strings.Contains(body, inline) {
			t.Errorf("the page has %q inline, which its policy forbids", inline)
		}
	}
	err := fs.WalkDir(dist(), "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
			return err
		}
		answer, _ := ask(t, Handler(), "GET", "/"+name, map[string]string{"Accept-Encoding": "br"})
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", name, answer.StatusCode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
