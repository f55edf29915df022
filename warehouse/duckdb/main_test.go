package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func TestMain(m *testing.M) {
	ChildMain()
	os.Exit(m.Run())
}

// openTest opens a warehouse in a temporary folder.
func openTest(t testing.TB, change ...func(*Options)) *Warehouse {
	t.Helper()
	o := Options{Dir: t.TempDir(), MemoryLimitBytes: 256 << 20, MaxConcurrentQueries: 2}
	for _, c := range change {
		c(&o)
	}
	w, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

const ws = millrace.DefaultWorkspace

// at is the position of the nth record of a test's log: ten in a frame.
func at(n int) millrace.Position {
	return millrace.Position{Epoch: 1, Seq: uint64(n/10) + 1, Index: uint32(n % 10)}
}

// through covers every frame up to that of the nth record.
func through(n int) millrace.Position {
	p := at(n)
	p.Index = millrace.EndOfFrame
	return p
}

// track makes the nth record.
func track(n int, event, properties string) eventlog.Entry {
	when := time.UnixMilli(1_700_000_000_000 + int64(n)).UTC()
	body := fmt.Sprintf(`{"type":"track","event":%q,"messageId":"m%d","userId":"u%d","properties":%s}`, event, n, n%100, properties)
	return eventlog.Entry{Position: at(n), Time: when, Record: millrace.Record{
		ID: fmt.Sprintf("m%d", n), Workspace: ws, Source: "web", Stream: millrace.StreamTrack + event,
		Key: fmt.Sprintf("u%d", n%100), Received: when, Occurred: when, Body: []byte(body),
	}}
}

func mustResume(t testing.TB, w *Warehouse) millrace.Position {
	t.Helper()
	after, err := w.Resume(context.Background(), ws)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func mustApply(t testing.TB, w *Warehouse, b warehouse.Batch) warehouse.Progress {
	t.Helper()
	p, err := w.Apply(context.Background(), ws, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask runs a query and returns its rows as text, cells separated by "|".
func ask(w *Warehouse, q warehouse.Query) ([]string, bool, error) {
	ctx := context.Background()
	if q.Workspace == "" {
		q.Workspace = ws
	}
	rows, err := w.Query(ctx, q)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var out []string
	for {
		record, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, rows.Truncated(), nil
		}
		if err != nil {
			return out, false, err
		}
		out = append(out, textRows(record)...)
		record.Release()
	}
}

func textRows(record arrow.RecordBatch) []string {
	var out []string
	for row := range int(record.NumRows()) {
		var cells []string
		for _, column := range record.Columns() {
			cells = append(cells, column.ValueStr(row))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

func mustAsk(t testing.TB, w *Warehouse, sql string, params ...any) []string {
	t.Helper()
	rows, _, err := ask(w, warehouse.Query{SQL: sql, Params: params})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// pidOf is the process id of the child.
func pidOf(t testing.TB, w *Warehouse) int {
	t.Helper()
	p, err := w.supervisor.process(context.Background(), restartWait)
	if err != nil {
		t.Fatal(err)
	}
	return p.pid
}
