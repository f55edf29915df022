package duckdb

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
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

// TestLoaderTellsNotices shows that what was done otherwise is in the loader's
// statistics, also after a restart, and in the log of the process once.
func TestLoaderTellsNotices(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), mem.New(mem.Options{})
	var out bytes.Buffer
	for round := range 2 {
		w, err := Open(t.Context(), Options{Dir: dir, MemoryLimitBytes: 256 << 20})
		if err != nil {
			t.Fatal(err)
		}
		loader, err := warehouse.NewLoader(warehouse.LoaderOptions{
			Warehouse: w, Opener: log, Workspace: ws, Interval: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&out, nil)),
			Settings: warehouse.Settings{Sources: map[string]warehouse.SourceSettings{"web": {MaxTables: 2, MaxColumns: 3}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan error, 1)
		go func() { done <- loader.Run(ctx) }()
		var records []millrace.Record
		for n := range 4 {
			records = append(records, track(10*round+n, fmt.Sprint("E", n), fmt.Sprintf(`{"a%d":1,"b%d":1}`, n, n)).Record)
		}
		last, err := log.Append(ctx, append(records, track(20, "E1", `{"x":1,"y":2,"z":3}`).Record))
		if err != nil {
			t.Fatal(err)
		}
		if err := loader.WaitFor(ctx, last); err != nil {
			t.Fatal(err)
		}
		for len(loader.Stats().Notices) < 2 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		notices := loader.Stats().Notices
		if len(notices) != 2 || !strings.Contains(notices[0].Message+notices[1].Message, "2 event tables") || notices[0].Source != "web" ||
			notices[0].Position.Seq != 1 || notices[0].Received.IsZero() || notices[0].Table+notices[1].Table != "e1" {
			t.Fatalf("%+v", notices)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(out.String(), "has a notice"); n != 2 {
		t.Errorf("%d lines: %s", n, &out)
	}
}
