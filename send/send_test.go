package send

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/terminal"
)

// A testServer is the real intake and the real follower over a log in memory,
// behind the few routes of the API that sending needs.
type testServer struct {
	*httptest.Server
	log      *mem.Log
	follower *dedup.Follower

	mu       sync.Mutex
	requests int
	// fault is asked before each batch, with its number from 1; it may answer
	// in place of intake.
	fault func(n int, w http.ResponseWriter, r *http.Request, intake http.Handler) bool
}

func newTestServer(t *testing.T, limits collect.Limits) *testServer {
	t.Helper()
	s := &testServer{log: mem.New(mem.Options{})}
	var err error
	s.follower, err = dedup.Open(dedup.Options{Log: s.log, Dir: t.TempDir(), Window: func(string, string) time.Duration { return dedup.Forever }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = s.follower.Run(ctx)
	}()
	intake, err := collect.New(collect.Options{Log: s.log, AllowDevKeys: true})
	if err == nil {
		err = intake.SetSources([]collect.Source{{Name: "shop", HTTP: &collect.HTTPSource{Kind: "http", WriteKeys: []string{"dev_shop"}, Dedup: collect.Forever, Limits: limits}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/batch", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		n, fault := s.requests, s.fault
		s.mu.Unlock()
		if fault == nil || !fault(n, w, r, intake) {
			intake.ServeHTTP(w, r)
		}
	})
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, r *http.Request) {
		_, last, _ := s.log.Bounds(r.Context())
		answer(w, map[string]any{"log": map[string]any{"last": last}})
	})
	mux.HandleFunc("GET /api/v1/sources/shop", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, client.Source{Name: "shop", Kind: "http", WriteKeys: []string{"dev_shop"}})
	})
	mux.HandleFunc("POST /api/v1/duplicates", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Ranges []dedup.Range }
		err := json.NewDecoder(r.Body).Decode(&in)
		judged, duplicates, countErr := s.follower.CountDuplicates(r.Context(), in.Ranges)
		if err = errors.Join(err, countErr); err != nil {
			t.Error(err)
		}
		answer(w, map[string]any{"judged": judged, "duplicates": duplicates})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		cancel()
		<-followed
		_ = s.follower.Close()
		_ = s.log.Close()
	})
	return s
}

// options sends to the server, and remembers in a folder of the test.
func (s *testServer) options(t *testing.T) Options {
	t.Helper()
	c, err := client.New(client.Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return Options{Client: c, Screen: terminal.New(terminal.Options{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Quiet: true}),
		Source: "shop", StateDir: t.TempDir(), Patience: 20 * time.Second}
}

// records returns what is in the log: the properties of each event, in order,
// with a "=" before those that the follower found to be duplicates.
func (s *testServer) records(t *testing.T) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, last, err := s.log.Bounds(ctx)
	if err == nil {
		err = s.follower.Wait(ctx, last)
	}
	if err != nil {
		t.Fatal(err)
	}
	duplicates, err := s.follower.Duplicates(ctx, millrace.Position{}, last)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.log.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			text := string(member(e.Body, "properties").Raw)
			if e.Stream == millrace.StreamRejected {
				text = "rejected"
			}
			if slices.Contains(duplicates, e.Position) {
				text = "=" + text
			}
			all = append(all, text)
		}
		if b.AtEnd {
			return all
		}
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// numbers is a CSV of rows 0 … n-1, and what their properties are.
func numbers(n int) (csv string, properties []string) {
	var b strings.Builder
	b.WriteString("n\n")
	for i := range n {
		fmt.Fprintf(&b, "%d\n", i)
		properties = append(properties, fmt.Sprintf(`{"n":%d}`, i))
	}
	return b.String(), properties
}

func TestSendInOrder(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{})
	csv, want := numbers(100)
	o := s.options(t)
	o.Batch = 7
	r, err := File(t.Context(), o, writeFile(t, "n.csv", csv))
	if err != nil || r.Accepted != 100 || r.Sent != 100 || !r.Judged || !r.Complete {
		t.Errorf("%+v, %v", r, err)
	}
	if got := s.records(t); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestGzipMarkAndEncoding(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{})
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte("\xef\xbb\xbfn,t\r\n1,\"a\r\nb\"\r\n"))
	_ = w.Close()
	o := s.options(t)
	if _, err := File(t.Context(), o, writeFile(t, "a.csv.gz", z.String())); err != nil {
		t.Fatal(err)
	}
	latin := writeFile(t, "b.csv", "n\ncaf\xe9\n")
	r, err := File(t.Context(), o, latin)
	if err != nil || r.Unsent != 1 || !strings.Contains(r.Faults[0].Reason, "--encoding latin1") || r.Faults[0].Line != 2 {
		t.Errorf("%+v, %v; want line 2 not to be UTF-8", r, err)
	}
	o.Encoding = "latin1"
	if r, err = File(t.Context(), o, latin); err != nil || r.Accepted != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if got := s.records(t); !slices.Equal(got, []string{`{"n":1,"t":"a\r\nb"}`, `{"n":"café"}`}) {
		t.Errorf("%q", got)
	}
	for name, text := range map[string]string{"cut off": z.String()[:z.Len()-9], "UTF-16": "\xff\xfen\x00\n\x00", "header": "caf\xe9,b\n1,2\n",
		"JSON array": `[{"a":1},{"a":`} {
		o.Encoding = ""
		if _, err := File(t.Context(), o, writeFile(t, "c.csv", text)); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%s: %v, want Invalid", name, err)
		}
	}
}

// Whatever happens to requests, the log holds every row, in order, once but
// for duplicates that the follower finds.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(n int, w http.ResponseWriter, r *http.Request, intake http.Handler) bool{
		"busy for a moment": func(n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n%3 != 0 {
				return false
			}
			w.Header().Set("Retry-After", "0.05")
			w.WriteHeader(503)
			return true
		},
		"too fast": func(n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n != 2 {
				return false
			}
			w.Header().Set("Retry-After", "0.1")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(429)
			_, _ = w.Write([]byte(`{"success":false,"kind":"limited","message":"this write key is over its rate"}`))
			return true
		},
		"answer lost": func(n int, _ http.ResponseWriter, r *http.Request, intake http.Handler) bool {
			if n != 3 {
				return false
			}
			intake.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
		"broken proxy": func(n int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if n != 1 {
				return false
			}
			http.Error(w, "<html>Bad Gateway", http.StatusBadGateway)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, collect.Limits{})
			s.fault = fault
			csv, want := numbers(60)
			o := s.options(t)
			o.Batch = 10
			r, err := File(t.Context(), o, writeFile(t, "n.csv", csv))
			if err != nil || r.Accepted+r.Duplicates != 60 || r.Duplicates != r.Repeated && name == "answer lost" {
				t.Errorf("%+v, %v", r, err)
			}
			got := s.records(t)
			got = slices.DeleteFunc(got, func(p string) bool { return p[0] == '=' })
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestTooLargeIsSplit(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{BatchEvents: 8})
	csv, want := numbers(30)
	o := s.options(t)
	r, err := File(t.Context(), o, writeFile(t, "n.csv", csv))
	if err != nil || r.Accepted != 30 || r.Rejected != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	all := s.records(t)
	got := slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == "rejected" })
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	// once found, the size is kept: 30, 15 are refused, and no more
	if refused := len(all) - len(got); refused != 2 {
		t.Errorf("%d requests were refused, want 2", refused)
	}
}

func TestRejectedRows(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{EventSize: 2000})
	long := strings.Repeat("x", 3000)
	o := s.options(t)
	r, err := File(t.Context(), o, writeFile(t, "n.csv", "n,t\n1,a\n2,"+long+"\n3,b\n3,b\n"))
	if err != nil || r.Accepted != 3 || r.Rejected != 1 || r.Duplicates != 0 || len(r.Faults) != 1 || r.Faults[0].Line != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	// all of a request: that is an answer too
	r, err = File(t.Context(), o, writeFile(t, "m.csv", "n,t\n1,"+long+"\n2,"+long+"\n"))
	if err != nil || r.Rejected != 2 || r.Accepted != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A file that is stopped again and again ends with every row in the log once,
// whether or not it remembers how far it got.
func TestStoppedAndStartedAgain(t *testing.T) {
	t.Parallel()
	for name, remembers := range map[string]bool{"with a state": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, collect.Limits{})
			csv, want := numbers(300)
			path := writeFile(t, "n.csv", csv+"299\n299\n") // equal rows, each of them counts
			want = append(want, `{"n":299}`, `{"n":299}`)
			o := s.options(t)
			o.Batch = 10
			if !remembers {
				o.StateDir = ""
			}
			var r Result
			for run := 1; ; run++ {
				if run > 40 {
					t.Fatal("it does not end")
				}
				ctx, cancel := context.WithCancel(t.Context())
				stopAt := 3
				if !remembers {
					stopAt = 5 * run
				}
				first := 0
				s.mu.Lock()
				first = s.requests
				s.fault = func(n int, _ http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
					if n == first+stopAt {
						cancel()
					}
					return false
				}
				s.mu.Unlock()
				var err error
				r, err = File(ctx, o, path)
				cancel()
				if err == nil {
					break
				}
				if millrace.KindOf(err) != millrace.Canceled || !strings.Contains(err.Error(), "of 302 rows") {
					t.Fatalf("%+v, %v", r, err)
				}
			}
			got := s.records(t)
			if remembers && (r.Accepted != 302 || r.Duplicates != 0 || len(got) != 302) {
				t.Errorf("%+v; %d records in the log", r, len(got))
			}
			got = slices.DeleteFunc(got, func(p string) bool { return p[0] == '=' })
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			// and once more there is nothing to do
			if again, err := File(t.Context(), o, path); err != nil || remembers && again.Earlier != 302 || !remembers && again.Duplicates != 302 {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

func TestAnotherLogGetsEverything(t *testing.T) {
	t.Parallel()
	csv, want := numbers(20)
	path := writeFile(t, "n.csv", csv)
	dir := t.TempDir()
	for range 2 {
		s := newTestServer(t, collect.Limits{})
		o := s.options(t)
		o.StateDir = dir
		if r, err := File(t.Context(), o, path); err != nil || r.Earlier != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if got := s.records(t); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		time.Sleep(2 * time.Millisecond) // the epoch of a log is its millisecond
	}
}

func TestServerAway(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{})
	csv, _ := numbers(20)
	path := writeFile(t, "n.csv", csv)
	o := s.options(t)
	o.Patience = 300 * time.Millisecond
	s.fault = func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.WriteHeader(503)
		return true
	}
	if r, err := File(t.Context(), o, path); millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "gave up") || r.Rows != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	s.Close()
	if _, err := File(t.Context(), o, path); !client.IsNoServer(err) {
		t.Errorf("%v, want that no server answers", err)
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{})
	csv, _ := numbers(60)
	o := s.options(t)
	o.Rate, o.Batch = 100, 20
	begin := time.Now()
	if _, err := File(t.Context(), o, writeFile(t, "n.csv", csv)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 350*time.Millisecond {
		t.Errorf("60 rows at 100 a second took %v", took)
	}
}

func TestParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, collect.Limits{})
	csv, want := numbers(500)
	o := s.options(t)
	o.Parallel, o.Batch = 4, 10
	if r, err := File(t.Context(), o, writeFile(t, "n.csv", csv)); err != nil || r.Accepted != 500 {
		t.Errorf("%+v, %v", r, err)
	}
	got := s.records(t)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows", len(got))
	}
}
