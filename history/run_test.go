package history

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	var text bytes.Buffer
	s, err := Open(Options{File: file, Logger: slog.New(slog.NewTextHandler(&text, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.every = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var calls atomic.Int64
	sample := func() []Sample {
		n := calls.Add(1)
		switch n {
		case 3:
			_ = s.Close()
		case 6:
			if err := s.open(); err != nil {
				t.Error(err)
			}
		case 10:
			cancel()
		}
		return []Sample{{Name: "n", Kind: Counter, Value: float64(n)}}
	}
	if err := s.Run(ctx, sample); err != nil {
		t.Fatal(err)
	}
	all := calls.Load()
	if all < 11 {
		t.Errorf("%d samples: the last one, at the end, is missing", all)
	}
	if n, m := strings.Count(text.String(), "has a gap"), strings.Count(text.String(), "goes on"); n != 1 || m != 1 {
		t.Errorf("told %d and %d times: %s", n, m, &text)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Options{File: file}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Query(t.Context(), Query{})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	sum := 0.0
	for _, p := range got[0].Points {
		sum += p.Value
	}
	// The store that was opened again counts from zero again: what it knew were 2.
	if want := float64(2 + all); sum != want {
		t.Errorf("the counter grew by %v, want %v", sum, want)
	}
}

func TestRunEndsThoughSamplingHangs(t *testing.T) {
	t.Parallel()
	s, err := Open(Options{File: filepath.Join(t.TempDir(), "history.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	hang := make(chan struct{})
	defer close(hang)
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func() []Sample {
			if ctx.Err() != nil {
				<-hang
			}
			cancel()
			return nil
		})
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Run does not end")
	}
}

func TestWhenItSamples(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := &Store{o: Options{Now: func() time.Time { return now }}, every: sampleEvery}
	for ms, want := range map[int]time.Duration{0: 8 * time.Second, 7_999: time.Millisecond, 8_000: 10 * time.Second, 8_003: 9_997 * time.Millisecond, 9_999: 8_001 * time.Millisecond} {
		now = now.Truncate(sampleEvery).Add(time.Duration(ms) * time.Millisecond)
		if got := s.untilNext(); got != want {
			t.Errorf("%d ms into a step the next sample is in %v, want %v", ms, got, want)
		}
	}
}
