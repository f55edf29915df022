package warehouse

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
)

// mapsWarehouse is a Warehouse of maps whose Apply fails on request. Queries are the
// business of real backends.
type mapsWarehouse struct {
	t        testing.TB
	mu       sync.Mutex
	settings Settings
	engine   *engine
	shaper   *Shaper
	// fail is asked before and after a commit.
	fail  func(b Batch, committed bool) error
	fewer bool // Compare says that rows would be lost
	swaps int
	gone  bool   // swapped, and not resumed since: nothing else works until then
	stray bool   // loaded from another log, until swapped
	shade func() // called before a shadow is made
}

func (w *mapsWarehouse) Resume(context.Context, string) (millrace.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shaper, w.gone = w.engine.shaper(w.t, w.settings), false
	if w.stray {
		return millrace.Position{}, millrace.Errorf(millrace.Ahead, "it is of another log")
	}
	return w.shaper.Resume(), nil
}

func (w *mapsWarehouse) Configure(_ context.Context, _ string, s Settings) error {
	w.settings = s
	return nil
}

func (w *mapsWarehouse) Apply(_ context.Context, _ string, b Batch) (Progress, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.fail(b, false); err != nil {
		return Progress{}, err
	}
	w.shaper.Add(b)
	step := w.shaper.Take(b.Flush)
	w.engine.commit(w.t, step)
	if err := w.fail(b, true); err != nil {
		return Progress{}, err
	}
	w.shaper.Done(step)
	return Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows, Discards: step.Discards}, nil
}

func (w *mapsWarehouse) Query(context.Context, Query) (Rows, error) {
	return nil, millrace.Errorf(millrace.Invalid, "there is no SQL here")
}
func (w *mapsWarehouse) Status(context.Context) (Status, error) { return Status{}, nil }
func (w *mapsWarehouse) Close() error                           { return nil }

func (w *mapsWarehouse) Shadow(_ context.Context, _ string, o ShadowOptions) (Shadow, error) {
	if w.shade != nil {
		w.shade()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return nil, millrace.Errorf(millrace.Unavailable, "resume first")
	}
	s, err := NewShaper(ShaperOptions{Shadow: &o})
	return &mapsShadow{w: w, engine: newEngine(), shaper: s}, err
}

type mapsShadow struct {
	w      *mapsWarehouse
	engine *engine
	shaper *Shaper
}

func (s *mapsShadow) Apply(_ context.Context, b Batch) (Progress, error) {
	s.shaper.Add(b)
	step := s.shaper.Take(b.Flush)
	s.engine.commit(s.w.t, step)
	s.shaper.Done(step)
	return Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows}, nil
}

func (s *mapsShadow) Compare(context.Context) ([]TableCount, error) {
	var out []TableCount
	for name, t := range s.engine.tables {
		live := 0
		if l := s.w.engine.tables[name]; l != nil {
			live = len(l.rows)
		}
		if s.w.fewer {
			live++
		}
		out = append(out, TableCount{name.Schema, name.Table, int64(live), int64(len(t.rows))})
	}
	return out, nil
}

func (s *mapsShadow) Swap(_ context.Context, at millrace.Position) error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.swaps++
	s.w.gone, s.w.stray = true, false
	maps.Copy(s.w.engine.tables, s.engine.tables)
	s.w.engine.scanned, s.w.engine.pending = at, nil
	return nil
}

func (s *mapsShadow) Discard(context.Context) error { return nil }

type loaderTest struct {
	log    *mem.Log
	wh     *mapsWarehouse
	loader *Loader
	sent   int
}

func startLoader(t *testing.T, fail func(Batch, bool) error) *loaderTest {
	t.Helper()
	if fail == nil {
		fail = func(Batch, bool) error { return nil }
	}
	lt := &loaderTest{log: mem.New(mem.Options{}), wh: &mapsWarehouse{t: t, engine: newEngine(), fail: fail}}
	var err error
	lt.loader, err = NewLoader(LoaderOptions{Warehouse: lt.wh, Opener: lt.log, Workspace: "default", Interval: 10 * time.Millisecond, MaxRecords: 100})
	if err != nil {
		t.Fatal(err)
	}
	lt.loader.care.patience = time.Second
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- lt.loader.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return lt
}

// startFailing is startLoader with a warehouse that fails so as long as told.
func startFailing(t *testing.T, err error) (*loaderTest, *atomic.Bool) {
	t.Helper()
	fails := new(atomic.Bool)
	return startLoader(t, func(Batch, bool) error {
		if fails.Load() {
			return err
		}
		return nil
	}), fails
}

// send appends n events and returns the last position.
func (lt *loaderTest) send(t *testing.T, n int) millrace.Position {
	t.Helper()
	var rs []millrace.Record
	for range n {
		lt.sent++
		r := record(lt.sent, fmt.Sprintf("track:E%d", lt.sent%3), `{"properties":{"n":1}}`).Record
		r.Received = time.Now()
		rs = append(rs, r)
	}
	last, err := lt.log.Append(context.Background(), rs)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func (lt *loaderTest) wait(t *testing.T, p millrace.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := lt.loader.WaitFor(ctx, p); err != nil {
		t.Fatal(err)
	}
}

// exactlyOnce checks that each event is in tracks and in its table once.
func (lt *loaderTest) exactlyOnce(t *testing.T) {
	t.Helper()
	lt.wh.mu.Lock()
	defer lt.wh.mu.Unlock()
	seen := map[string]int{}
	for name, table := range lt.wh.engine.tables {
		if name.Schema == "web" && name.Table != "discards" {
			for _, row := range table.rows {
				if strings.HasPrefix(row["id"].(string), "m") {
					seen[fmt.Sprintf("%v %v", row["id"], name.Table == "tracks")]++
				}
			}
		}
	}
	for i := range lt.sent {
		for _, tracks := range []bool{true, false} {
			if n := seen[fmt.Sprintf("m%d %v", i+1, tracks)]; n != 1 {
				t.Fatalf("m%d is there %d times (tracks: %v)", i+1, n, tracks)
			}
		}
	}
}

func TestLoaderLoads(t *testing.T) {
	t.Parallel()
	lt := startLoader(t, nil)
	lt.wait(t, lt.send(t, 5))
	lt.exactlyOnce(t)
	lt.send(t, 450)
	lt.wait(t, lt.send(t, 5))
	lt.exactlyOnce(t)
	lt.send(t, 1) // visible without anyone waiting
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s := lt.loader.Stats(); s.AtEnd && s.Rows == 2*int64(lt.sent)+4 { // names and both rows
			break
		}
	}
	lt.exactlyOnce(t)
}

func TestLoaderAfterFailures(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	lt := startLoader(t, func(_ Batch, _ bool) error {
		if rnd.IntN(8) == 0 {
			return Suspect(millrace.Errorf(millrace.Unavailable, "away"))
		}
		return nil
	})
	var last millrace.Position
	for range 20 {
		last = lt.send(t, 37)
	}
	lt.wait(t, last)
	lt.exactlyOnce(t)
}

func TestLoaderIsNotStoppedByPoison(t *testing.T) {
	t.Parallel()
	for with, least := range map[string]Spare{"body": SpareBody, "rows": SpareRows, "record": SpareAll} {
		t.Run(with, func(t *testing.T) {
			t.Parallel()
			lt := startLoader(t, func(b Batch, _ bool) error {
				for _, e := range b.Entries {
					if strings.HasPrefix(e.ID, "poison") && b.Spare < least {
						return Suspect(millrace.Errorf(millrace.Unavailable, "the engine died"))
					}
				}
				return nil
			})
			lt.send(t, 30)
			for i := range 3 { // the others of the same kind cost less time
				poison := record(0, "track:E0", `{"bad":1}`).Record
				poison.ID = fmt.Sprint("poison", i)
				if _, err := lt.log.Append(context.Background(), []millrace.Record{poison}); err != nil {
					t.Fatal(err)
				}
				lt.send(t, 10)
			}
			lt.wait(t, lt.send(t, 30))
			lt.exactlyOnce(t)
			rows := map[string]string{}
			for name, table := range lt.wh.engine.tables {
				for _, row := range table.rows {
					text := fmt.Sprint(row["id"], row["message"], row["reason"])
					if name.Table != "names" && strings.Contains(text, "poison") {
						rows[name.Table] += "x"
						if name.Table != "tracks" && name.Table != "e0" && !strings.Contains(text, "the engine died") {
							t.Errorf("%s: %s", name.Table, text)
						}
					}
				}
			}
			want := map[Spare]map[string]string{
				SpareBody: {"tracks": "xxx", "e0": "xxx", "discards": "xxx"}, SpareRows: {"discards": "xxx"}, SpareAll: {"notices": "xxx"},
			}[least]
			if !maps.Equal(rows, want) {
				t.Errorf("rows: %v", rows)
			}
		})
	}
}

// TestLoaderLosesNothingToAFullDisk fails for long in a way that is no record's doing.
func TestLoaderLosesNothingToAFullDisk(t *testing.T) {
	t.Parallel()
	lt, full := startFailing(t, Suspect(millrace.Errorf(millrace.Unavailable, "IO Error: could not write: No space left on device")))
	lt.wait(t, lt.send(t, 3))
	full.Store(true)
	p := lt.send(t, 30)
	time.Sleep(4 * time.Second)
	full.Store(false)
	lt.wait(t, p)
	lt.exactlyOnce(t)
	if got := lt.wh.engine.column("discards", "id"); got != "text" {
		t.Errorf("discards: %s", got)
	}
}

func TestLoaderPause(t *testing.T) {
	t.Parallel()
	lt := startLoader(t, nil)
	lt.wait(t, lt.send(t, 5))
	lt.loader.Pause()
	p := lt.send(t, 5)
	if err := lt.loader.WaitFor(context.Background(), p); millrace.KindOf(err) != millrace.Unavailable {
		t.Fatal(err)
	}
	lt.loader.Resume()
	lt.wait(t, p)
	lt.exactlyOnce(t)
	p.Seq += 100
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := lt.loader.WaitFor(ctx, p); millrace.KindOf(err) != millrace.Unavailable {
		t.Fatal(err)
	}
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	lt := startLoader(t, nil)
	lt.wait(t, lt.send(t, 500))
	stop, stopped := make(chan bool), make(chan bool)
	go func() { // live traffic
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				lt.send(t, 7)
				time.Sleep(time.Millisecond)
			}
		}
	}()
	progress := 0
	for range 5 {
		result, err := lt.loader.Rebuild(context.Background(), RebuildOptions{Progress: func(RebuildProgress) { progress++ }})
		if err != nil {
			t.Fatal(err)
		}
		if result.Records < 500 || result.Rows < 1000 || len(result.Tables) == 0 {
			t.Fatalf("%+v", result)
		}
	}
	close(stop)
	<-stopped
	lt.wait(t, lt.send(t, 1))
	lt.exactlyOnce(t)
	if progress == 0 || lt.wh.swaps != 5 {
		t.Error(progress, lt.wh.swaps)
	}
	lt.wh.fewer = true
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{}); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "--yes") {
		t.Error(err)
	}
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{Yes: true}); err != nil {
		t.Error(err)
	}
	lt.wait(t, lt.send(t, 3))
	lt.exactlyOnce(t)
	lt.loader.Pause()
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{}); millrace.KindOf(err) != millrace.Conflict {
		t.Error(err)
	}
}

// becomeStray lets the loader find a warehouse that another log has filled.
func (lt *loaderTest) becomeStray(t *testing.T) {
	lt.wh.mu.Lock()
	lt.wh.stray = true
	lt.wh.engine.tables = map[TableName]*engineTable{}
	lt.wh.mu.Unlock()
	lt.loader.Pause()
	lt.loader.Resume()
	if _, err := lt.log.Append(context.Background(), []millrace.Record{record(0, "rejected", `{"id":"r1"}`).Record}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !lt.loader.strays() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
}

// TestRebuildOfAnotherLog shows that a warehouse which another log has filled is
// made anew as a whole, with the system's tables, and not in part.
func TestRebuildOfAnotherLog(t *testing.T) {
	t.Parallel()
	lt := startLoader(t, nil)
	lt.wait(t, lt.send(t, 5))
	lt.wh.shade = func() { // it turns out when the rebuild has begun
		lt.becomeStray(t)
		lt.wh.shade = nil
	}
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{Source: "web", Yes: true}); millrace.KindOf(err) != millrace.Conflict || lt.wh.swaps > 0 {
		t.Fatal(err)
	}
	for _, o := range []RebuildOptions{{Source: "web", Yes: true}, {From: testTime}, {Until: testTime}} {
		if _, err := lt.loader.Rebuild(context.Background(), o); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "without --source") {
			t.Fatal(err)
		}
	}
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	lt.wait(t, lt.send(t, 3))
	lt.exactlyOnce(t)
	lt.wh.mu.Lock()
	defer lt.wh.mu.Unlock()
	if got := lt.wh.engine.column("millrace.rejected", "rejected_id"); got != `text "r1"` {
		t.Errorf("rejected: %s", got)
	}
	if got := lt.wh.engine.column("millrace.names", "name"); strings.Count(got, "e0") != 1 || strings.Count(got, "e1") != 1 {
		t.Errorf("names: %s", got)
	}
}

// A rebuild of everything during which that turns out takes the system's tables as well.
func TestRebuildFindsAnotherLog(t *testing.T) {
	t.Parallel()
	lt := startLoader(t, nil)
	lt.wait(t, lt.send(t, 5))
	lt.wh.shade = func() {
		lt.becomeStray(t)
		lt.wh.shade = nil
	}
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	lt.wait(t, lt.send(t, 3))
	lt.exactlyOnce(t)
	lt.wh.mu.Lock()
	defer lt.wh.mu.Unlock()
	if got := lt.wh.engine.column("millrace.rejected", "rejected_id"); got != `text "r1"` {
		t.Errorf("rejected: %s", got)
	}
}

// What has failed for long, and is over when a rebuild is asked, is not its end.
func TestRebuildLooksAgain(t *testing.T) {
	t.Parallel()
	lt, broken := startFailing(t, millrace.Errorf(millrace.Unavailable, "another server has the tables"))
	lt.wait(t, lt.send(t, 5))
	broken.Store(true)
	lt.send(t, 5)
	for deadline := time.Now().Add(time.Minute); !lt.loader.isStuck() && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	lt.wh.shade = func() { broken.Store(false) }
	if _, err := lt.loader.Rebuild(context.Background(), RebuildOptions{}); err != nil {
		t.Fatal(err)
	}
	lt.wait(t, lt.send(t, 3))
	lt.exactlyOnce(t)
}

// A rebuild whose boundary meets a session that fails asks the next one at once.
func TestRebuildOutlivesSessions(t *testing.T) {
	t.Parallel()
	var failures atomic.Int32
	lt := startLoader(t, func(b Batch, committed bool) error {
		if b.Flush && !committed && failures.Add(-1) >= 0 {
			return millrace.Errorf(millrace.Unavailable, "the engine is away")
		}
		return nil
	})
	p := lt.send(t, 50)
	lt.wait(t, p)
	failures.Store(2) // of the flushes that the holds ask for
	begun := time.Now()
	at, release, err := lt.loader.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 15*time.Second || at.Before(p) {
		t.Errorf("holds at %s after %s", at, took)
	}
	release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := lt.loader.hold(ctx); err == nil {
		t.Error("a hold that nobody wants any more")
	}
	lt.wait(t, lt.send(t, 5))
	lt.exactlyOnce(t)
}

// TestLoaderThatKeepsFailing tries less and less often, logs what is new, and
// answers those who wait at once.
func TestLoaderThatKeepsFailing(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	var broken atomic.Bool
	broken.Store(true)
	var out bytes.Buffer
	lt := &loaderTest{log: mem.New(mem.Options{}), wh: &mapsWarehouse{t: t, engine: newEngine(), fail: func(Batch, bool) error {
		if broken.Load() {
			return millrace.Errorf(millrace.Internal, "try %d: file x is missing", tries.Add(1))
		}
		return nil
	}}}
	var err error
	lt.loader, err = NewLoader(LoaderOptions{
		Warehouse: lt.wh, Opener: lt.log, Workspace: "default", Interval: 5 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- lt.loader.Run(ctx) }()
	p := lt.send(t, 3)
	begun := time.Now()
	if err := lt.loader.WaitFor(t.Context(), p); millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "file x is missing") {
		t.Error(err)
	}
	if waited := time.Since(begun); waited > 20*time.Second {
		t.Errorf("waited for %s", waited)
	}
	if n := tries.Load(); n > 12 {
		t.Errorf("%d tries in %s", n, time.Since(begun))
	}
	begun = time.Now()
	if err := lt.loader.WaitFor(t.Context(), p); err == nil || time.Since(begun) > 15*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	broken.Store(false)
	for deadline := time.Now().Add(10 * time.Second); lt.loader.WaitFor(t.Context(), p) != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not go on")
		}
	}
	lt.exactlyOnce(t)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "trying again"); n != 1 {
		t.Errorf("logged %d times: %s", n, &out)
	}
}
