package duckdb

import (
	"context"
	"fmt"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// TestSizesWhileLoading asks for sizes all the time while tables and columns are
// made, filled, merged and folded in: the engine survives it, and so do the rows.
func TestSizesWhileLoading(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, err := Open(ctx, Options{Dir: t.TempDir(), MemoryLimitBytes: 256 << 20, checkpoint: checkpointPolicy{Quiet: 1, QuietBytes: 1, TryBytes: 1 << 20, ForceBytes: 2 << 20, Every: 20_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Resume(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	asking, stop := context.WithCancel(ctx)
	done := make(chan int)
	go func() {
		answers := 0
		for asking.Err() == nil {
			sizes, err := w.TableSizes(asking, "default")
			if err == nil && len(sizes) > 0 {
				answers++
			} else if err != nil && asking.Err() == nil && millrace.KindOf(err) != millrace.Unavailable {
				t.Errorf("sizes: %v", err)
			}
		}
		done <- answers
	}()
	const batches, each = 24, 200
	for b := range batches {
		var entries []eventlog.Entry
		for i := range each {
			n := b*each + i + 1
			value := "1"
			if b > batches/2 {
				value = "1.5" // widens a column that has rows
			}
			entries = append(entries, eventlog.Entry{Position: millrace.Position{Epoch: 1, Seq: uint64(n)}, Record: millrace.Record{
				ID: fmt.Sprint("m", n), Workspace: "default", Source: "web", Stream: fmt.Sprintf("track:E%d", n%5),
				Body: fmt.Appendf(nil, `{"type":"track","event":"E%d","properties":{"c%d":%d,"v":%s,"text":"some text %d"}}`, n%5, b%20, n, value, n)}})
		}
		if _, err := w.Apply(ctx, "default", warehouse.Batch{Entries: entries, Through: entries[each-1].Position, Flush: true}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if answers := <-done; answers == 0 {
		t.Error("there was never an answer")
	}
	status, err := w.Status(ctx)
	if err != nil || status.Restarts != 0 {
		t.Fatalf("%+v, %v", status, err)
	}
	sizes, err := w.TableSizes(ctx, "default")
	if err != nil || sizes[warehouse.TableName{Schema: "web", Table: "tracks"}] == 0 || sizes[warehouse.TableName{Schema: "web", Table: "e1"}] == 0 {
		t.Errorf("%v, %v", sizes, err)
	}
}
