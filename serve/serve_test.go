package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

const testToken = "0123456789abcdef-test-token"

// A world is what a server under test stands in.
type world struct {
	mu       sync.Mutex
	query    func(ctx context.Context, q warehouse.Query) (warehouse.Rows, error)
	waitFor  func(ctx context.Context, p millrace.Position) error
	parts    []Part
	problem  error // of every dependency that has no function of its own
	resent   []Resubmission
	resubmit func(Resubmission) (Resubmitted, error)
	reset    *millrace.Position
	ranges   []Range
	rebuild  job.Work
	readers  []Reader
}

func (w *world) Status(context.Context) (Status, error) {
	return Status{Name: "shop", Mode: "dev", Workspace: "default"}, w.problem
}

func (w *world) Parts(context.Context) []Part { return w.parts }

func (w *world) Sources(_ context.Context, workspace string) ([]Source, error) {
	if workspace != "default" {
		return nil, millrace.Errorf(millrace.NotFound, "no workspace")
	}
	return []Source{{Name: "ios", Kind: "http"}, {Name: "web", Kind: "http", WriteKeys: []string{"web_2026"}, Accepted: 7}}, w.problem
}

func (w *world) Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
	if w.query == nil {
		return nil, millrace.Errorf(millrace.Invalid, "no table")
	}
	return w.query(ctx, q)
}

func (w *world) WaitFor(ctx context.Context, p millrace.Position) error {
	if w.waitFor == nil {
		return w.problem
	}
	return w.waitFor(ctx, p)
}

func (w *world) Readers(context.Context) ([]Reader, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.readers), w.problem
}

func (w *world) Shared(name string) bool { return name == "archive" }

func (w *world) set(name, state string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.readers {
		if w.readers[i].Name == name {
			w.readers[i].State = state
			return nil
		}
	}
	return millrace.Errorf(millrace.NotFound, "there is no reader %q: there are warehouse", name)
}

func (w *world) Pause(_ context.Context, name string) error  { return w.set(name, "paused") }
func (w *world) Resume(_ context.Context, name string) error { return w.set(name, "running") }
func (w *world) Reset(_ context.Context, name string, after *millrace.Position) error {
	w.reset = after
	return w.set(name, "running")
}

func (w *world) CountDuplicates(_ context.Context, ranges []Range) (int64, int64, error) {
	w.ranges = ranges
	var n int64
	for _, r := range ranges {
		n += r.Count
	}
	return n, 1, w.problem
}

func (w *world) Resubmit(_ context.Context, r Resubmission) (Resubmitted, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resent = append(w.resent, r)
	return w.resubmit(r)
}

func (w *world) Rebuild(ctx context.Context, _ string, _ Rebuild, progress func(job.Progress)) (any, error) {
	return w.rebuild(ctx, progress)
}

func newWorld() *world {
	return &world{
		parts:   []Part{{Name: "log", Ready: true, Required: true}},
		readers: []Reader{{Name: "warehouse", State: "running"}},
		rebuild: func(context.Context, func(job.Progress)) (any, error) { return map[string]int{"rows": 5}, nil },
		resubmit: func(r Resubmission) (Resubmitted, error) {
			return Resubmitted{ID: "new", Outcome: OutcomeAccepted, Position: millrace.Position{Epoch: 1, Seq: 2}}, nil
		},
	}
}

// options of a server in w; its log is in memory.
func (w *world) options(t testing.TB) Options {
	t.Helper()
	jobs := job.NewRegistry(job.Options{})
	t.Cleanup(func() {
		if err := jobs.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return Options{
		Mode: Dev, Version: "test", Collect: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Collected", r.URL.Path)
		}),
		Space: &Space{System: w, Querier: w, Waiter: w, Readers: w, Duplicates: w, Resubmitter: w, Rebuilder: w, Jobs: jobs},
		Parts: w.Parts,
		VerifyArchive: func(ctx context.Context, progress func(job.Progress)) (any, error) {
			progress(job.Progress{Done: 1, Total: 2, Unit: "files"})
			<-ctx.Done()
			return nil, ctx.Err()
		},
		VerifyLog: func(context.Context, func(job.Progress)) (any, error) {
			return nil, millrace.Errorf(millrace.Internal, "frame 7 is damaged: restore it")
		},
		Log: newLog(t),
	}
}

func newLog(t testing.TB) *mem.Log {
	t.Helper()
	log := mem.New(mem.Options{})
	t.Cleanup(func() { _ = log.Close() })
	return log
}

func start(t testing.TB, o Options) *httptest.Server {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// call makes a request and returns the answer with its whole body.
func call(t testing.TB, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequest(method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

// decode reads an answer of the type that is expected.
func decode[T any](t testing.TB, body string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func wantProblem(t testing.TB, resp *http.Response, body string, status int, kind, detail string) {
	t.Helper()
	if resp.StatusCode != status || resp.Header.Get("Content-Type") != problemType {
		t.Fatalf("status %d %s: %s; want %d", resp.StatusCode, resp.Header.Get("Content-Type"), body, status)
	}
	p := decode[Problem](t, body)
	if p.Kind != kind || !strings.Contains(p.Detail, detail) || p.Status != status || p.Title == "" {
		t.Errorf("problem %s; want kind %s, detail with %q", body, kind, detail)
	}
	if p.RequestID == "" || p.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("request ID %q in %s", resp.Header.Get("X-Request-Id"), body)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Querier") {
		t.Errorf("empty options: %v", err)
	}
	o := newWorld().options(t)
	o.Mode = Production
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "Access") {
		t.Errorf("nobody can be let in: %v", err)
	}
	if err := CheckAdminToken("short"); err == nil || !strings.Contains(err.Error(), "too short") {
		t.Errorf("short token: %v", err)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().options(t))
	for path, want := range map[string]struct {
		method string
		status int
		text   string
	}{
		"/":                   {"GET", 200, "millrace query"},
		"/healthz":            {"GET", 200, `{"status":"ok"}`},
		"/metrics":            {"GET", 200, "promhttp_metric"},
		"/api/openapi.json":   {"GET", 200, `"openapi": "3.1.0"`},
		"/api/v1/nothing":     {"GET", 404, "/api/openapi.json lists"},
		"/%1b[31m":            {"GET", 404, `\\x1b[31m`},
		"/api/v1/query":       {"GET", 405, "takes POST"},
		"/healthz?x=1":        {"GET", 422, "x is no parameter that is known here"},
		"/api/v1/status?y=%0": {"GET", 200, ""},
	} {
		if strings.HasSuffix(path, "%0") {
			continue // the client refuses to send it
		}
		resp, body := call(t, want.method, s.URL+path, "")
		if resp.StatusCode != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"} {
			if resp.Header.Get(name) != value {
				t.Errorf("%s: header %s is %q", path, name, resp.Header.Get(name))
			}
		}
	}
	for _, path := range []string{"/v1/batch", "/analytics.js/v1/k/analytics.min.js", "/analytics-next/bundles/a.js"} {
		resp, _ := call(t, "POST", s.URL+path, "{}", "Origin", "https://shop.example", "Host", "events.example")
		if resp.Header.Get("Collected") != path || resp.Header.Get("X-Request-Id") != "" {
			t.Errorf("%s did not go straight to intake", path)
		}
	}
	resp, _ := call(t, "GET", s.URL+"/healthz", "", "X-Request-Id", "abc-123")
	if resp.Header.Get("X-Request-Id") != "abc-123" {
		t.Error("the request's ID is not taken over")
	}
	resp, _ = call(t, "GET", s.URL+"/healthz", "", "X-Request-Id", "a b<script>")
	if id := resp.Header.Get("X-Request-Id"); id == "" || strings.Contains(id, "script") {
		t.Errorf("request ID %q", id)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.parts = append(w.parts, Part{Name: "archive", Reason: "S3 does not answer"})
	s := start(t, w.options(t))
	resp, body := call(t, "GET", s.URL+"/readyz", "")
	if h := decode[Health](t, body); resp.StatusCode != 200 || !h.Ready || len(h.Parts) != 2 {
		t.Errorf("an optional part: %d %s", resp.StatusCode, body)
	}
	w.parts[0] = Part{Name: "log", Required: true, Reason: "the disk is full"}
	resp, body = call(t, "GET", s.URL+"/readyz", "")
	if h := decode[Health](t, body); resp.StatusCode != 503 || h.Ready || h.Parts[0].Reason != "the disk is full" {
		t.Errorf("a required part: %d %s", resp.StatusCode, body)
	}
	resp, body = call(t, "GET", s.URL+"/readyz", "", "Host", "elsewhere.test")
	if h := decode[Health](t, body); resp.StatusCode != 503 || h.Ready || h.Parts[0].Reason != "" {
		t.Errorf("asked by another name: %d %s", resp.StatusCode, body)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(context.Context, warehouse.Query) (warehouse.Rows, error) { panic("a bug") }
	s := start(t, w.options(t))
	resp, body := call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`)
	wantProblem(t, resp, body, 500, "internal", "log says what")
	if strings.Contains(body, "a bug") {
		t.Error("what a panic says is shown")
	}
}

// TestKinds maps every kind of error to its status.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, status := range map[millrace.Kind]int{
		millrace.Internal: 500, millrace.Invalid: 400, millrace.Unauthorized: 401, millrace.Forbidden: 403, millrace.NotFound: 404,
		millrace.Conflict: 409, millrace.TooLarge: 413, millrace.Limited: 429, millrace.Unavailable: 503, millrace.Gone: 410,
		millrace.Ahead: 409, millrace.Canceled: 504,
	} {
		w := newWorld()
		w.problem = &millrace.Error{Kind: kind, Message: "what it is", RetryAfter: 1500 * time.Millisecond, Last: millrace.Position{Epoch: 1, Seq: 2}}
		s := start(t, w.options(t))
		resp, body := call(t, "GET", s.URL+"/api/v1/status", "")
		wantProblem(t, resp, body, status, kind.String(), "what it is")
		if resp.Header.Get("Retry-After") != "2" || !strings.Contains(body, `"last":"1-2-0"`) {
			t.Errorf("%s: Retry-After %q, %s", kind, resp.Header.Get("Retry-After"), body)
		}
	}
	w := newWorld()
	w.problem = io.ErrUnexpectedEOF
	s := start(t, w.options(t))
	resp, body := call(t, "GET", s.URL+"/api/v1/status", "")
	wantProblem(t, resp, body, 500, "internal", "log says what")
	if strings.Contains(body, "EOF") {
		t.Error("an error without a kind is shown")
	}
}

// rows is a result of fixed batches, and then an error or the end.
type rows struct {
	schema    *arrow.Schema
	batches   []arrow.RecordBatch
	err       error
	truncated bool
	closed    bool
	wait      bool // before the error, for the client to leave
}

func (r *rows) Schema() *arrow.Schema { return r.schema }
func (r *rows) Truncated() bool       { return r.truncated }
func (r *rows) Close() error {
	r.closed = true
	return nil
}

func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if len(r.batches) > 0 {
		b := r.batches[0]
		r.batches = r.batches[1:]
		return b, nil
	}
	if r.wait {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, io.EOF
}

func compact(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(s)); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return b.String()
}

// TestWhatIsWrongIsInOrder: fields that are wrong are told in the order in which they
// are described, those that are not known last.
func TestWhatIsWrongIsInOrder(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	for range 20 { // the library goes through maps
		for _, wrong := range []struct{ method, path, body, want string }{
			{"POST", "/api/v1/keys", `{"zeta":1,"expires":"never","alpha":1,"permissions":["a:b",7,"c:d",8],"beta":1}`,
				"name is missing; permissions[1] is to be of the type string; permissions[3] is to be of the type string; expires expected string to be RFC 3339 date-time; alpha is no field that is known here; and 2 more"},
			{"POST", "/api/v1/members/invitations", `{"mail":3,"days":99,"role":"root","email":1}`,
				"email is to be of the type string; role expected value to be one of \"owner, admin, editor, analyst, viewer\"; days is at most 30; mail is to be of the type boolean"},
			{"GET", "/api/v1/keys?zeta=1&alpha=2&beta=3&gamma=4", "",
				"alpha is no parameter that is known here; beta is no parameter that is known here; gamma is no parameter that is known here; zeta is no parameter that is known here"},
		} {
			resp, text := call(t, wrong.method, s.URL+wrong.path, wrong.body)
			if got := decode[Problem](t, text).Detail; resp.StatusCode != http.StatusUnprocessableEntity || got != "the request is not valid: "+wrong.want {
				t.Fatalf("%s %s: %d %s\nwant %s", wrong.path, wrong.body, resp.StatusCode, got, wrong.want)
			}
		}
	}
}
