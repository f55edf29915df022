package serve

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A query that ran over the deadline it was given is no fault of the server.
func TestOwnDeadlineIsNoWarning(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		if q.SQL == "slow" {
			return nil, millrace.Errorf(millrace.Canceled, "the query ran over its deadline")
		}
		return nil, millrace.Errorf(millrace.Internal, "broken")
	}
	o := w.options(t)
	var log safeBuffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := start(t, o)
	call(t, "POST", s.URL+"/api/v1/query", `{"sql":"slow"}`)
	if text := log.String(); !strings.Contains(text, "level=INFO") || strings.Contains(text, "level=WARN") {
		t.Errorf("the log says %s", text)
	}
	call(t, "POST", s.URL+"/api/v1/query", `{"sql":"broken"}`)
	if text := log.String(); !strings.Contains(text, "level=WARN") {
		t.Errorf("the log says %s", text)
	}
}

// leaving is a store of results whose pages wait until who asked has left.
type leaving struct {
	Results
	asked chan struct{}
}

// Get implements Results.
func (l leaving) Get(id string) (result.Result, error) {
	return result.Result{ID: id, Workspace: "default"}, nil
}

// Page implements Results.
func (l leaving) Page(ctx context.Context, _ string, _ result.View) (result.Page, error) {
	l.asked <- struct{}{}
	<-ctx.Done()
	return result.Page{}, millrace.Errorf(millrace.Canceled, "the query was cancelled")
}

// Who scrolls on and no longer wants a page is no failure: neither the log nor
// the metrics have one.
func TestLeavingIsNoFailure(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	store := leaving{asked: make(chan struct{})}
	var log safeBuffer
	o.Results, o.Logger = store, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := start(t, o)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-store.asked
		leave()
	}()
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v1/results/abc/rows", strings.NewReader(`{"offset":0}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Fatalf("status %d", resp.StatusCode)
	}
	for end := time.Now().Add(5 * time.Second); !strings.Contains(log.String(), "status=") && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	text := log.String()
	if !strings.Contains(text, "request left") || !strings.Contains(text, "status=499") || strings.Contains(text, "level=WARN") || strings.Contains(text, "level=INFO") {
		t.Errorf("the log says %s", text)
	}
}
