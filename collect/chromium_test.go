package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/testserver"
)

// library returns the folder of the browser library, filled when it is not.
func libraryDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("browser")
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, testserver.Node(t, dir), "build.mjs")
	return dir
}

func run(t *testing.T, dir string, in io.Reader, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return out
}

// pages serves the page that was put there, from an origin of its own.
func pages() http.Handler {
	var mu sync.Mutex
	var page []byte
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPut {
			page, _ = io.ReadAll(r.Body)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write(page)
	})
}

type scenario struct {
	Collect string `json:"collect"`
	Page    string `json:"page"`
	HTML    any    `json:"html"`
	Key     string `json:"key"`
	Calls   int    `json:"calls"`
}

type proof struct {
	URLs    []string
	Errors  []string
	Answers []struct {
		URL, Retry, Position string
		Status               int
	}
}

// A refuser is a log that is full until it is not.
type refuser struct {
	*mem.Log
	full atomic.Bool
}

func (r *refuser) Append(ctx context.Context, rs []millrace.Record) (millrace.Position, error) {
	if r.full.Load() {
		return millrace.Position{}, &millrace.Error{Kind: millrace.Limited, Message: "full", RetryAfter: time.Second}
	}
	return r.Log.Append(ctx, rs)
}

// A visit is one scenario with the server that it speaks to.
type visit struct {
	log        *refuser
	preflights atomic.Int64 // that asked for x-retry-count
	server     *httptest.Server
	page       *httptest.Server
}

// newVisit starts a server whose log refuses the first request for a second.
func newVisit(t *testing.T, dir string, secure bool) *visit {
	v := &visit{log: &refuser{Log: mem.New(mem.Options{})}}
	v.log.full.Store(true)
	h, _ := start(t, func(o *Options, s *HTTPSource) {
		o.Log, o.Library, o.Now = v.log, os.DirFS(filepath.Join(dir, "dist")), nil
		s.Browser = true
	})
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && strings.Contains(r.Header.Get("Access-Control-Request-Headers"), "x-retry-count") {
			v.preflights.Add(1)
		}
		h.ServeHTTP(w, r)
		if r.Method == http.MethodPost {
			v.log.full.Store(false)
		}
	})
	v.server, v.page = httptest.NewUnstartedServer(counting), httptest.NewUnstartedServer(pages())
	for _, s := range []*httptest.Server{v.server, v.page} {
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
	}
	return v
}

// docsSnippet is the snippet of docs/collect.md, for this server.
func docsSnippet(t *testing.T, base string) string {
	t.Helper()
	b, err := os.ReadFile("../docs/collect.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```html\n")
	html, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("docs/collect.md has no html block")
	}
	return "<!doctype html><title>Shop</title>" + strings.ReplaceAll(html, "https://collect.example.com", base)
}

// TestChromium proves in a real browser that the published snippet works with
// only its host changed, that retries pass CORS, and that no other service is reached.
func TestChromium(t *testing.T) {
	t.Parallel()
	chromium := testserver.Chromium(t)
	dir := libraryDir(t)
	visits := []*visit{newVisit(t, dir, false), newVisit(t, dir, true), newVisit(t, dir, false)}
	var scenarios []scenario
	for i, v := range visits {
		s := scenario{
			Collect: v.server.URL, Page: strings.Replace(v.page.URL, "127.0.0.1", "localhost", 1) + "/shop",
			Key: "web_2026", Calls: 5,
		}
		if i == 2 {
			s.HTML = docsSnippet(t, v.server.URL)
		}
		scenarios = append(scenarios, s)
	}
	in, err := json.Marshal(map[string]any{"chromium": chromium, "scenarios": scenarios})
	if err != nil {
		t.Fatal(err)
	}
	var proofs []proof
	if err := json.Unmarshal(run(t, dir, bytes.NewReader(in), "node", "prove.mjs"), &proofs); err != nil {
		t.Fatal(err)
	}
	for i, p := range proofs {
		checkProof(t, visits[i], scenarios[i], p)
	}
}

func checkProof(t *testing.T, v *visit, s scenario, p proof) {
	t.Helper()
	for _, url := range p.URLs {
		if !strings.HasPrefix(url, s.Collect+"/") && !strings.HasPrefix(url, strings.TrimSuffix(s.Page, "/shop")+"/") {
			t.Errorf("%s: another service was asked for: %s", s.Collect, url)
		}
	}
	refused, retried := 0, 0
	for _, a := range p.Answers {
		switch {
		case a.Status == 429:
			refused++
		case a.Status != 200 || a.Position == "":
			t.Errorf("%s: %+v", s.Collect, a)
		case a.Retry != "" && a.Retry != "0":
			retried++
		}
	}
	if refused == 0 || retried == 0 || v.preflights.Load() == 0 {
		t.Errorf("%s: %d answers 429, %d retries taken, %d preflights for a retry: want each", s.Collect, refused, retried, v.preflights.Load())
	}
	streams := map[string]millrace.Record{}
	for _, r := range readAll(t, v.log) {
		streams[r.Stream] = r
	}
	for _, stream := range []string{"page", "identify", "track:Order Completed", "group", "alias"} {
		r, ok := streams[stream]
		if !ok {
			t.Errorf("%s: no record of stream %s; errors in the page: %q; answers %+v", s.Collect, stream, p.Errors, p.Answers)
			continue
		}
		if !bytes.Contains(r.Meta, []byte(`"ip":"127.0.0.1"`)) {
			t.Errorf("%s: meta %s", stream, r.Meta)
		}
	}
}
