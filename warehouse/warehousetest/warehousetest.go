// Package warehousetest is the conformance suite of warehouse.Warehouse: what
// every backend does, shown through Apply and Query alone.
package warehousetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// A Place is empty storage for one test. Open opens a Warehouse on it, again
// after the last one was closed: what was committed is there.
type Place interface {
	Open(t *testing.T) warehouse.Warehouse
}

// Run shows that a backend fits. place makes an empty Place.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"Shape":            testShape,
		"ColumnOrder":      testColumnOrder,
		"SystemTables":     testSystemTables,
		"NoEvents":         testNoEvents,
		"NoDiscards":       testNoDiscards,
		"MissingTables":    testMissingTables,
		"Shorthands":       testShorthands,
		"LatestHeld":       testLatestHeld,
		"Types":            testTypes,
		"BigInts":          testBigInts,
		"BigIntsAgain":     testBigIntsAgain,
		"Fickle":           testFickle,
		"Widened":          testWidened,
		"WidenedAnew":      testWidenedAnew,
		"TableSizes":       testTableSizes,
		"Latest":           testLatest,
		"Names":            testNames,
		"EngineNames":      testEngineNames,
		"Hostile":          testHostile,
		"Limits":           testLimits,
		"Limit of all":     testLimitOfAll,
		"SharedTable":      testSharedTable,
		"ManyColumns":      testManyColumns,
		"Webhook":          testWebhook,
		"Hold":             testHold,
		"Again":            testAgain,
		"Reopen":           testReopen,
		"NotResumed":       testNotResumed,
		"Workspaces":       testWorkspaces,
		"Drop":             testDrop,
		"Rebuild":          testRebuild,
		"RebuildBounded":   testRebuildBounded,
		"RebuildGivenUp":   testRebuildGivenUp,
		"RebuildSystem":    testRebuildSystem,
		"Query":            testQuery,
		"QueryLimits":      testQueryLimits,
		"QueryDeadline":    testQueryDeadline,
		"QueryCanceled":    testQueryCanceled,
		"Attacks":          testAttacks,
		"QueriesWhileLoad": testQueriesWhileLoading,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

// A bench is a warehouse under test.
type bench struct {
	warehouse.Warehouse
	t     *testing.T
	place Place
	seq   int
}

func open(t *testing.T, place Place) *bench {
	b := &bench{t: t, place: place}
	b.reopen()
	t.Cleanup(func() { b.Close() })
	return b
}

// reopen closes the warehouse, if it is open, opens it again, and resumes.
func (b *bench) reopen() millrace.Position {
	b.t.Helper()
	if b.Warehouse != nil {
		if err := b.Close(); err != nil {
			b.t.Fatal(err)
		}
	}
	b.Warehouse = b.place.Open(b.t)
	return b.resume()
}

func (b *bench) resume() millrace.Position {
	b.t.Helper()
	p, err := b.Resume(context.Background(), "default")
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *bench) configure(s warehouse.SourceSettings) {
	b.t.Helper()
	b.configureAll(warehouse.Settings{Sources: map[string]warehouse.SourceSettings{"web": s}})
}

func (b *bench) configureAll(s warehouse.Settings) {
	b.t.Helper()
	if err := b.Configure(context.Background(), "default", s); err != nil {
		b.t.Fatal(err)
	}
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is the position with that number.
func at(seq int) millrace.Position { return millrace.Position{Epoch: 7, Seq: uint64(seq)} }

// next makes the next record of the source web.
func (b *bench) next(stream, body string) eventlog.Entry {
	b.seq++
	return entry(b.seq, stream, body)
}

func entry(seq int, stream, body string) eventlog.Entry {
	when := start.Add(time.Duration(seq) * time.Second)
	return eventlog.Entry{Position: at(seq), Time: when, Record: millrace.Record{
		ID: fmt.Sprintf("m%d", seq), Workspace: "default", Source: "web", Stream: stream, Received: when, Occurred: when, Body: []byte(body),
	}}
}

// track makes track events A with these properties.
func (b *bench) track(properties ...string) []eventlog.Entry {
	var out []eventlog.Entry
	for _, p := range properties {
		out = append(out, b.next("track:A", `{"type":"track","event":"A","userId":"u","properties":`+p+`}`))
	}
	return out
}

func through(entries []eventlog.Entry, flush bool) warehouse.Batch {
	batch := warehouse.Batch{Entries: entries, Flush: flush}
	if n := len(entries); n > 0 {
		batch.Through = entries[n-1].Position
	}
	return batch
}

// apply applies and flushes.
func (b *bench) apply(entries ...eventlog.Entry) warehouse.Progress {
	b.t.Helper()
	return b.applied(through(entries, true))
}

func (b *bench) applied(batch warehouse.Batch) warehouse.Progress {
	b.t.Helper()
	p, err := b.Apply(context.Background(), "default", batch)
	if err != nil {
		b.t.Fatal(err)
	}
	if batch.Flush && p.Committed != batch.Through {
		b.t.Fatalf("flushed through %v, but committed is %v", batch.Through, p.Committed)
	}
	return p
}

// want runs queries and compares their rows: cells joined by spaces, rows by
// " | ", null as "-".
func (b *bench) want(queries map[string]string) {
	b.t.Helper()
	for sql, want := range queries {
		if got := b.ask(warehouse.Query{SQL: sql}); got != want {
			b.t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

// ask returns the rows of a query as text, or its error.
func (b *bench) ask(q warehouse.Query) string {
	if q.Workspace == "" {
		q.Workspace = "default"
	}
	out, _, err := ask(context.Background(), b.Warehouse, q)
	if err != nil {
		return "error " + millrace.KindOf(err).String() + ": " + err.Error()
	}
	return out
}

func ask(ctx context.Context, w warehouse.Warehouse, q warehouse.Query) (text string, truncated bool, err error) {
	rows, err := w.Query(ctx, q)
	if err != nil {
		return "", false, err
	}
	defer rows.Close()
	var lines []string
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, " | "), rows.Truncated(), nil
		}
		if err != nil {
			return "", false, err
		}
		for row := range int(batch.NumRows()) {
			cells := make([]string, batch.NumCols())
			for i := range cells {
				cells[i] = cell(batch.Column(i), row)
			}
			lines = append(lines, strings.Join(cells, " "))
		}
		batch.Release()
	}
}

// cell is a value as text, the same for every backend.
func cell(a arrow.Array, row int) string {
	if a.IsNull(row) {
		return "-"
	}
	switch a := a.(type) {
	case array.ExtensionArray:
		return cell(a.Storage(), row)
	case *array.Timestamp:
		return a.Value(row).ToTime(a.DataType().(*arrow.TimestampType).Unit).UTC().Format(time.RFC3339Nano)
	case *array.String:
		return a.Value(row)
	case *array.LargeString:
		return a.Value(row)
	case *array.StringView:
		return a.Value(row)
	}
	return a.ValueStr(row)
}
