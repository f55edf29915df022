package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	c, err := New(Options{Server: s.URL + "/", Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"localhost:8080", "ftp://x", "http://", "://", "http://user:pass@/"} {
		if _, err := New(Options{Server: bad}); millrace.KindOf(err) != millrace.Invalid || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v, want Invalid", bad, err)
		}
	}
	c, err := New(Options{})
	if err != nil || c.Server() != DefaultServer {
		t.Errorf("%v, %v", c, err)
	}
	c, err = New(Options{Server: "https://user:pass@example.com/base/?x=1"})
	if err != nil || c.Server() != "https://user:xxxxx@example.com/base" {
		t.Errorf("%v, %v", c.Server(), err)
	}
}

// Each way in which a server can fail has its kind, and words that help.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    millrace.Kind
		words   string
	}{
		"problem": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(409)
			_, _ = io.WriteString(w, `{"title":"Conflict","detail":"a rebuild runs already","kind":"conflict"}`)
		}, millrace.Conflict, "a rebuild runs already"},
		"validation": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(422)
			_, _ = io.WriteString(w, `{"detail":"validation failed","errors":[{"message":"expected a number","location":"body.limit"}]}`)
		}, millrace.Invalid, "validation failed; body.limit: expected a number"},
		"gone": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(410)
			_, _ = io.WriteString(w, `{"detail":"trimmed","kind":"gone","first":"1-5-0"}`)
		}, millrace.Gone, "trimmed"},
		"no login":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, millrace.Unauthorized, "--token or MILLRACE_TOKEN"},
		"not found":   {http.NotFound, millrace.Invalid, "is not a Millrace server"},
		"a page":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, millrace.Invalid, "is not a Millrace server"},
		"bad gateway": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, millrace.Unavailable, "502"},
		"broken":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, millrace.Unavailable, "ended the connection without an answer"},
		"too many":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, millrace.Limited, "429"},
		"not a position": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`)
		}, millrace.Unavailable, "does not say where its log ends"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, c.handler).LastPosition(t.Context())
			if millrace.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v: %v; want %v: %s", millrace.KindOf(err), err, c.kind, c.words)
			}
			var e *millrace.Error
			if errors.As(err, &e) && c.kind == millrace.Gone && e.First.Seq != 5 {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestRedirects: what is meant for one server goes to no other that it names.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path+"?x=1", status)
		})
		_, err := c.LastPosition(t.Context())
		if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "sends you to "+other.URL+",") {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := c.CreateKey(t.Context(), NewKey{Name: "x", Role: "viewer"}); err == nil || !strings.Contains(err.Error(), "sends you to "+other.URL+",") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(nil)
	url := s.URL
	s.Close()
	for server, words := range map[string]string{url: "start one with `millrace dev`", "http://nowhere.invalid": `the name "nowhere.invalid" is not known`} {
		c, err := New(Options{Server: server})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); millrace.KindOf(err) != millrace.Unavailable || !IsNoServer(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", server, err)
		}
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	c, err := New(Options{Server: strings.Replace(plain.URL, "http", "https", 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); !strings.Contains(err.Error(), "does not speak TLS") {
		t.Error(err)
	}
}

// Only calls that change nothing are repeated.
func TestRepeats(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(401)
			return
		}
		if calls.Add(1) == 1 {
			w.WriteHeader(503)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"readers":[{"name":"archive"}]}`)
	})
	if readers, err := c.Readers(t.Context()); err != nil || len(readers) != 1 || calls.Load() != 2 {
		t.Errorf("%v, %v after %d calls", readers, err, calls.Load())
	}
	calls.Store(0)
	if err := c.ReaderAction(t.Context(), "archive", "reset", nil); millrace.KindOf(err) != millrace.Unavailable || calls.Load() != 1 {
		t.Errorf("%v after %d calls; a reset is not repeated", err, calls.Load())
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		rows   int
		kind   millrace.Kind // of the error; Internal is none
	}{
		"whole":      {`{"columns":[{"name":"n","type":"bigint"}],"rows":[[1],[9007199254740993],[null]],"row_count":3,"truncated":true,"elapsed_ms":1.5}`, 3, 0},
		"no rows":    {`{"columns":[],"rows":[],"row_count":0,"truncated":true,"elapsed_ms":1.5,"later":{"a":1}}`, 0, 0},
		"cut off":    {`{"columns":[{"name":"n","type":"bigint"}],"rows":[[1],`, 1, millrace.Unavailable},
		"with error": {`{"columns":[{"name":"n","type":"bigint"}],"rows":[[1],[2]],"error":{"kind":"canceled","detail":"too slow"},"row_count":2}`, 2, millrace.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, func(w http.ResponseWriter, r *http.Request) {
				var q Query
				if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.SQL != "SELECT 1" {
					t.Errorf("%+v, %v", q, err)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, c.answer)
			})
			result, err := api.Query(t.Context(), Query{SQL: "SELECT 1"})
			if err != nil {
				t.Fatal(err)
			}
			defer result.Close()
			rows := 0
			for {
				_, err = result.Next()
				if err != nil {
					break
				}
				rows++
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if rows != c.rows || millrace.KindOf(err) != c.kind || (err == nil) != (c.kind == 0) {
				t.Errorf("%d rows, %v", rows, err)
			}
			if err == nil && (!result.Truncated || result.Elapsed != 1500*time.Microsecond || result.RowCount != int64(c.rows)) {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestBatchAnswers(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if key, _, _ := r.BasicAuth(); key != "dev_key" {
				t.Errorf("the write key is %q", key)
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Millrace-Position", "1767225600000-7-2")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		status             int
		body               string
		accepted, appended int64
		rejected           string
		kind               millrace.Kind
	}{
		"all":        {200, `{"success":true}`, 3, 3, "[]", 0},
		"some":       {200, `{"success":true,"rejected":[{"index":1,"reason":"a","field":"f"},{"index":1,"reason":"b","field":""}]}`, 2, 3, "[{1 f: a; b}]", 0},
		"none":       {400, `{"success":false,"message":"nothing","rejected":[{"index":0,"reason":"a"},{"index":1,"reason":"a"},{"index":2,"reason":"a"}],"rejectedNotKept":1}`, 0, 2, "[{0 a} {1 a} {2 a}]", 0},
		"a notice":   {200, `{"success":true,"rejected":[{"index":1,"reason":"a"}],"records":4}`, 2, 4, "[{1 a}]", 0},
		"the body":   {400, `{"success":false,"kind":"invalid","message":"no JSON","rejected":[{"index":0,"reason":"no JSON"}]}`, 0, 0, "", millrace.Invalid},
		"too large":  {413, `{"success":false,"kind":"too_large","message":"too large"}`, 0, 0, "", millrace.TooLarge},
		"wrong key":  {401, `{"success":false,"kind":"unauthorized","message":"this write key is not known"}`, 0, 0, "", millrace.Unauthorized},
		"overloaded": {429, `{"success":false,"kind":"limited","message":"later"}`, 0, 0, "", millrace.Limited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := serve(t, answer(c.status, c.body)).Batch(t.Context(), "dev_key", []byte("{}"), "", 3)
			if millrace.KindOf(err) != c.kind || (err == nil) != (c.kind == 0) {
				t.Fatalf("%v", err)
			}
			var e *millrace.Error
			if errors.As(err, &e) && e.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			if err != nil {
				return
			}
			rejected := []string{}
			for _, r := range a.Rejected {
				rejected = append(rejected, fmt.Sprintf("{%d %s}", r.Index, r.Text()))
			}
			if got := "[" + strings.Join(rejected, " ") + "]"; a.Accepted != c.accepted || a.Appended() != c.appended || got != c.rejected || a.Position.Seq != 7 {
				t.Errorf("%+v: %s", a, got)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, Query{SQL: "SELECT 1"}); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("%v, want Canceled", err)
	}
}

// A server of https that is spoken to in plain HTTP.
func TestSpeaksTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	address := strings.Replace(s.URL, "https:", "http:", 1)
	c, err := New(Options{Server: address})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "write the address as "+s.URL) {
		t.Errorf("error %v", err)
	}
}
