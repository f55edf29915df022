package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// TestDropKilled: the child is killed again and again while workspaces are
// destroyed under load; each is gone, and the others are not.
func TestDropKilled(t *testing.T) {
	t.Parallel()
	w := openTest(t, func(o *Options) { o.mostBackoff = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	load := func(workspace string) error {
		if _, err := w.Resume(ctx, workspace); err != nil {
			return err
		}
		at := millrace.Position{Epoch: 1, Seq: 1}
		e := eventlog.Entry{Position: at, Time: time.UnixMilli(1), Record: millrace.Record{ID: "canary", Workspace: workspace, Source: "web", Stream: "track:A", Body: []byte(`{"properties":{"canary":"canary"}}`)}}
		_, err := w.Apply(ctx, workspace, warehouse.Batch{Entries: []eventlog.Entry{e}, Through: at, Flush: true})
		return err
	}
	if err := load("kept"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		name := fmt.Sprint("doomed", i)
		for load(name) != nil && ctx.Err() == nil { // the child was just killed
			time.Sleep(10 * time.Millisecond)
		}
		busy := make(chan struct{})
		go func() {
			defer close(busy)
			for millrace.KindOf(load(name)) != millrace.Gone && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		}()
		p, err := w.supervisor.process(ctx, restartWait)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(rand.IntN(10))*time.Millisecond, func() { _ = syscall.Kill(p.pid, syscall.SIGKILL) })
		if err := w.Drop(ctx, name); err != nil {
			t.Fatal(err)
		}
		<-busy
		files, err := filepath.Glob(filepath.Join(w.o.Dir, name+"*"))
		if err != nil || files != nil {
			t.Errorf("%v, %v", files, err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(w.o.Dir, "kept.duckdb")); err != nil || len(files) != 1 {
		t.Error(files, err)
	}
	if err := w.Drop(ctx, "../kept"); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}

// TestDropBesideWork destroys workspaces while they are loaded, asked, measured,
// checkpointed, and closed and opened again: each drop ends, and nothing comes back.
func TestDropBesideWork(t *testing.T) {
	t.Parallel()
	w := openTest(t, func(o *Options) {
		o.IdleTimeout = 30 * time.Millisecond
		o.checkpoint = checkpointPolicy{Every: time.Millisecond, Quiet: time.Hour, QuietBytes: 1, TryBytes: 1, ForceBytes: 1 << 30, FullEvery: time.Hour, FullBytes: 1, FullMostBytes: 1}
	})
	for i := range 6 {
		name := fmt.Sprint("doomed", i)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		var all sync.WaitGroup
		untilGone := func(f func() error) {
			all.Go(func() {
				for millrace.KindOf(f()) != millrace.Gone && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
			})
		}
		loaded := make(chan struct{})
		var once sync.Once
		untilGone(func() error {
			at, err := w.Resume(ctx, name)
			for err == nil {
				at = millrace.Position{Epoch: 1, Seq: at.Seq + 1}
				e := track(1, "A", `{}`)
				e.Position, e.Record.Workspace = at, name
				_, err = w.Apply(ctx, name, warehouse.Batch{Entries: []eventlog.Entry{e}, Through: at, Flush: true})
				if at.Seq > 3 {
					once.Do(func() { close(loaded) })
				}
			}
			return err
		})
		untilGone(func() error {
			_, _, err := ask(w, warehouse.Query{Workspace: name, SQL: "SELECT count(*) FROM web.a"})
			return err
		})
		untilGone(func() error { _, err := w.TableSizes(ctx, name); return err })
		select {
		case <-loaded:
		case <-ctx.Done():
			t.Fatal("nothing is loaded")
		}
		if err := w.Drop(ctx, name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all.Wait()
		if files, err := filepath.Glob(filepath.Join(w.o.Dir, name+".*")); err != nil || files != nil {
			t.Errorf("%v, %v", files, err)
		}
		cancel()
	}
}
