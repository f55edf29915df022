package logring

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestRing(t *testing.T) {
	t.Parallel()
	var next bytes.Buffer
	r := New(3)
	log := slog.New(r.Handler(slog.NewTextHandler(&next, &slog.HandlerOptions{Level: slog.LevelWarn})))
	part := log.With("part", "archive", "file", 7)
	part.Debug("not kept")
	part.Info("written", "error", errors.New("oh"), slog.Group("at", "n", 1))
	log.WithGroup("http").Warn("slow", "took", 5)
	lines := r.Lines(0)
	if len(lines) != 2 {
		t.Fatalf("%+v", lines)
	}
	if l := lines[0]; l.Part != "archive" || l.Level != "info" || l.Message != "written" || fmt.Sprint(l.Attrs) != "[{file 7} {error oh} {at.n 1}]" {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.Part != "" || l.Level != "warn" || fmt.Sprint(l.Attrs) != "[{http.took 5}]" || l.Seq != 2 {
		t.Errorf("%+v", l)
	}
	if got := next.String(); strings.Contains(got, "written") || !strings.Contains(got, "msg=slow http.took=5") {
		t.Errorf("passed on: %s", got)
	}
	for i := range 5 {
		log.Error(strings.Repeat("x", 3000), "i", i)
	}
	lines = r.Lines(0)
	if len(lines) != 3 || lines[0].Seq != 5 || lines[2].Seq != 7 || len(lines[2].Message) > maxTextBytes+30 || lines[2].Level != "error" {
		t.Errorf("%+v", lines)
	}
	if got := r.Lines(6); len(got) != 1 || got[0].Seq != 7 {
		t.Errorf("behind 6: %+v", got)
	}
	if got := r.Lines(100); len(got) != 0 {
		t.Errorf("behind the end: %+v", got)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	r := New(10)
	log := slog.New(r.Handler(slog.DiscardHandler))
	log.Info("before")
	old, f := r.Follow(0)
	if len(old) != 1 || old[0].Message != "before" {
		t.Fatalf("%+v", old)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range maxWaiting / 2 {
				log.Info("after")
			}
		})
	}
	all.Wait()
	if got := f.Missed(); got != maxWaiting || len(f.Lines()) != maxWaiting || f.Missed() != 0 {
		t.Errorf("missed %d, %d wait", got, len(f.Lines()))
	}
	if l := <-f.Lines(); l.Seq != 2 {
		t.Errorf("%+v", l)
	}
	f.Close()
	log.Info("closed")
	if len(f.Lines()) != maxWaiting-1 {
		t.Error("a closed follower is told")
	}
}
