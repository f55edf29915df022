package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func mustShadow(t *testing.T, w *Warehouse, o warehouse.ShadowOptions) warehouse.Shadow {
	t.Helper()
	s, err := w.Shadow(context.Background(), ws, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 300)
	ctx := context.Background()
	s := mustShadow(t, w, warehouse.ShadowOptions{})
	if _, err := w.Shadow(ctx, ws, warehouse.ShadowOptions{}); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a second rebuild: %v", err)
	}
	if _, err := s.Apply(ctx, tracks(0, 300)); err != nil {
		t.Fatal(err)
	}
	counts, err := s.Compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if want := "[{web discards 0 0} {web event_0 100 100} {web event_1 100 100} {web event_2 100 100} {web tracks 300 300}]"; fmt.Sprint(counts) != want {
		t.Errorf("counts %v, want %s", counts, want)
	}
	if err := s.Swap(ctx, through(299)); err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(ctx); err != nil {
		t.Errorf("Discard after Swap: %v", err)
	}
	if _, err := w.Apply(ctx, ws, tracks(300, 310)); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Apply without Resume after Swap: %v", err)
	}
	stillWorks(t, w, 300)
	mustApply(t, w, tracks(300, 310))
	stillWorks(t, w, 310)
	if got := mustAsk(t, w, "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%rebuild%'"); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

// Only what lies within the bounds is made anew; the rest is taken over.
func TestRebuildWithBounds(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 300)
	ctx := context.Background()
	all := tracks(0, 300)
	s := mustShadow(t, w, warehouse.ShadowOptions{Sources: []string{"web"}, From: all.Entries[100].Time, Until: all.Entries[200].Time})
	if _, err := s.Apply(ctx, all); err != nil {
		t.Fatal(err)
	}
	counts, err := s.Compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		if c.Live != c.Shadow {
			t.Errorf("%+v", c)
		}
	}
	if err := s.Swap(ctx, through(299)); err != nil {
		t.Fatal(err)
	}
	stillWorks(t, w, 300)
	if got := mustAsk(t, w, "SELECT count(*), sum(n) FROM web.event_0")[0]; got != "100|14850" {
		t.Errorf("event_0: %s", got)
	}
}

// A column is not widened when rows that are taken over would be rounded, and
// what the live loader makes meanwhile is kept.
func TestRebuildBesideLoading(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	mustResume(t, w)
	ctx := context.Background()
	old := warehouse.Batch{Entries: []eventlog.Entry{track(0, "Sale", `{"n":9007199254740993,"m":1}`)}, Through: through(0), Flush: true}
	anew := warehouse.Batch{Entries: []eventlog.Entry{track(10, "Sale", `{"n":5,"m":2}`)}, Through: through(10), Flush: true}
	mustApply(t, w, old)
	mustApply(t, w, anew)
	s := mustShadow(t, w, warehouse.ShadowOptions{From: anew.Entries[0].Time, Until: anew.Entries[0].Time.Add(time.Millisecond)})
	changed := anew
	changed.Entries = []eventlog.Entry{track(10, "Sale", `{"n":0.5,"m":2}`)}
	for _, b := range []warehouse.Batch{old, changed} {
		if _, err := s.Apply(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	live := warehouse.Batch{Entries: []eventlog.Entry{track(20, "Sale", `{"m":2.5,"late":"x"}`), track(21, "New", `{"a":1}`)}, Through: through(21), Flush: true}
	mustApply(t, w, live)
	if _, err := s.Apply(ctx, live); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap(ctx, through(21)); err != nil {
		t.Fatal(err)
	}
	got := mustAsk(t, w, "SELECT n, m, late, typeof(n), typeof(m) FROM web.sale ORDER BY _seq")
	if want := "[9007199254740993|1|(null)|BIGINT|DOUBLE (null)|2|(null)|BIGINT|DOUBLE (null)|2.5|x|BIGINT|DOUBLE]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := mustAsk(t, w, "SELECT (SELECT count(*) FROM web.tracks), (SELECT count(*) FROM web.new), (SELECT count(*) FROM web.discards)"); got[0] != "4|1|1" {
		t.Errorf("got %v", got)
	}
}

func TestDiscardedRebuild(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 100)
	ctx := context.Background()
	s := mustShadow(t, w, warehouse.ShadowOptions{})
	if _, err := s.Apply(ctx, tracks(0, 50)); err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(ctx, tracks(50, 60)); err == nil {
		t.Error("Apply after Discard")
	}
	stillWorks(t, w, 100)
	s = mustShadow(t, w, warehouse.ShadowOptions{})
	if err := s.Discard(ctx); err != nil {
		t.Fatal(err)
	}
}

// The child is killed at random moments of a rebuild, the swap above all:
// afterwards there are either the old tables or the new ones.
func TestRebuildKilled(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 2000, func(o *Options) { o.mostBackoff = 50 * time.Millisecond })
	ctx := context.Background()
	swapped := 0
	for round := range 15 {
		stillWorks(t, w, 2000)
		s, err := w.Shadow(ctx, ws, warehouse.ShadowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(ctx, tracks(0, 2000)); err != nil {
			t.Fatal(err)
		}
		pid := pidOf(t, w)
		time.AfterFunc(time.Duration(rand.IntN(12_000))*time.Microsecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		if err := s.Swap(ctx, through(1999)); err == nil {
			swapped++
		} else if millrace.KindOf(err) != millrace.Unavailable {
			t.Fatal(err)
		}
		for w.supervisor.restarts.Load() <= int64(round) {
			time.Sleep(time.Millisecond)
		}
	}
	stillWorks(t, w, 2000)
	if got := mustAsk(t, w, "SELECT count(*) FROM web.event_0 UNION ALL SELECT count(*) FROM web.event_1 UNION ALL SELECT count(*) FROM web.event_2"); fmt.Sprint(got) != "[667 667 666]" {
		t.Errorf("got %v", got)
	}
	if got := mustAsk(t, w, "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%rebuild%'"); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	t.Logf("%d of 15 swapped", swapped)
}
