package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/warehouse"
)

// The real loader over a log, with rebuilds while events come and the child is
// killed now and then: at the end each record is there exactly once.
func TestLoaderWithRebuildsAndKills(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := mem.New(mem.Options{})
	w := openTest(t, func(o *Options) { o.mostBackoff = 50 * time.Millisecond })
	loader, err := warehouse.NewLoader(warehouse.LoaderOptions{Warehouse: w, Opener: log, Workspace: ws, Interval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- loader.Run(run) }()
	sent := 0
	send := func(n int) (last millrace.Position) {
		var records []millrace.Record
		for range n {
			sent++
			records = append(records, track(sent, fmt.Sprintf("E%d", sent%7), fmt.Sprintf(`{"n":%d}`, sent)).Record)
		}
		if last, err = log.Append(ctx, records); err != nil {
			t.Fatal(err)
		}
		return last
	}
	send(1000)
	rebuilds := 0
	for round := 0; rebuilds < 3 || round < 8; round++ {
		if err := loader.WaitFor(ctx, send(1)); err != nil {
			t.Fatal(err)
		}
		rebuilt := make(chan error, 1)
		go func() {
			options := warehouse.RebuildOptions{}
			if round%2 == 1 {
				options.From, options.Source = time.Now().Add(-time.Minute), "web"
			}
			_, err := loader.Rebuild(ctx, options)
			rebuilt <- err
		}()
		if round < 5 {
			pid := pidOf(t, w)
			time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		}
		for waiting := true; waiting; {
			select {
			case err := <-rebuilt:
				if err == nil {
					rebuilds++
				} else if kind := millrace.KindOf(err); kind != millrace.Unavailable {
					t.Fatalf("%s: %v", kind, err)
				}
				waiting = false
			default:
				send(20)
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	if err := loader.WaitFor(ctx, send(3)); err != nil {
		t.Fatal(err)
	}
	e1 := 0
	for n := 1; n <= sent; n += 7 {
		e1 += n
	}
	got := mustAsk(t, w, "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM web.e0), (SELECT sum(n)::BIGINT FROM web.e1) FROM web.tracks")[0]
	if want := fmt.Sprintf("%d|%d|%d|%d", sent, sent, sent/7, e1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	t.Logf("%d events, %d rebuilds, %d restarts", sent, rebuilds, w.supervisor.restarts.Load())
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
