package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestWhatHangsIsLeftAlone stops a server in which something does not end.
func TestWhatHangsIsLeftAlone(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	hangs := make(chan struct{})
	defer close(hangs)
	a := &App{o: Options{Logger: slog.New(slog.NewTextHandler(&out, nil)), Drain: time.Hour}, spaces: &spaces{}}
	ctx, cancel := a.end(time.Now().Add(-endPatience))
	defer cancel()
	if err := a.ended(ctx, func() error { <-hangs; return nil }); err != nil || !strings.Contains(out.String(), "did not end in time") {
		t.Errorf("%v; %s", err, &out)
	}
	closing, cancel := a.closing()
	defer cancel()
	if by, ok := closing.Deadline(); !ok || time.Until(by) > closePatience {
		t.Errorf("closing has until %s", by)
	}
	if err := a.ended(context.Background(), func() error { return context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Errorf("what ends says %v", err)
	}
}
