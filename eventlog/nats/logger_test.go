package nats_test

import (
	"log/slog"
	"sync"
	"testing"
)

// logger returns a logger whose lines show when the test fails.
func logger(t *testing.T) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = true
	})
	return slog.New(slog.NewTextHandler(w, nil))
}

// A testWriter writes to the test's log while the test runs.
type testWriter struct {
	t    *testing.T
	mu   sync.Mutex
	done bool
}

// Write writes a line.
func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}
