package duckdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
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
