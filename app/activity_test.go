package app

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"
)

func TestASourceThatFellSilentIsNoticed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	received := map[string]receipt{}
	file := filepath.Join(t.TempDir(), "habits.json")
	open := func() *activity {
		return openActivity(file, func() map[string]receipt { return received }, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	}
	a := open()
	for range 20 {
		now = now.Add(time.Minute)
		received["web"] = receipt{at: now}
		a.look()
	}
	if _, silent := a.last("web"); silent {
		t.Error("a source that has just received is silent")
	}
	if err := a.save(); err != nil {
		t.Fatal(err)
	}
	received = map[string]receipt{} // a restart: intake has seen nothing yet
	a = open()
	now = now.Add(50 * time.Minute)
	if _, silent := a.last("web"); silent {
		t.Error("silent after less than an hour")
	}
	now = now.Add(20 * time.Minute)
	last, silent := a.last("web")
	if !silent {
		t.Error("a source that received every minute and nothing for 70 minutes is not silent")
	}
	if want := now.Add(-70 * time.Minute); !last.at.Equal(want) {
		t.Errorf("last received %v, want %v", last.at, want)
	}
	if _, silent := a.last("never"); silent {
		t.Error("a source that never received is silent")
	}
	// It pauses at night: once seen, that is a habit.
	received["web"] = receipt{at: now}
	a.look()
	now = now.Add(2 * time.Hour)
	if _, silent := a.last("web"); silent {
		t.Error("a pause as long as an earlier one is no silence")
	}
}
