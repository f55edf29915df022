package serve

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace"
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
