// Package eventlogtest is the conformance suite of eventlog.Log: it holds a
// backend to every sentence of the interface's documentation.
package eventlogtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Run runs the suite. open returns a new, empty log, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) eventlog.Log) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, eventlog.Log){
		"Empty":          testEmpty,
		"Adjacent":       testAdjacent,
		"RoundTrip":      testRoundTrip,
		"NoReference":    testNoReference,
		"Refused":        testRefused,
		"Limits":         testLimits,
		"Canceled":       testCanceled,
		"MiddleOfFrame":  testMiddleOfFrame,
		"AtEnd":          testAtEnd,
		"Blocks":         testBlocks,
		"Filters":        testFilters,
		"FilterMoves":    testFilterMoves,
		"LogTime":        testLogTime,
		"Trim":           testTrim,
		"TrimAll":        testTrimAll,
		"TrimUnderRead":  testTrimUnderReader,
		"TrimRefused":    testTrimRefused,
		"Ahead":          testAhead,
		"Concurrent":     testConcurrent,
		"ManyReaders":    testManyReaders,
		"Behind":         testBehind,
		"CloseReader":    testCloseReader,
		"CloseLog":       testCloseLog,
		"Status":         testStatus,
		"BatchIsCallers": testBatchIsCallers,
		"Spaces":         testSpaces,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test(t, log)
		})
	}
}

// Timeout is how long the suite waits for what should happen at once.
const Timeout = 30 * time.Second

// Context returns a context that ends with the test or after Timeout.
func Context(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Timeout)
	t.Cleanup(cancel)
	return ctx
}

// Record returns a record of the default workspace with that ID.
func Record(id string) millrace.Record {
	return millrace.Record{
		ID: id, Workspace: millrace.DefaultWorkspace, Source: "web", Stream: "track:Test", Key: "key-" + id,
		Received: time.UnixMilli(1_760_000_000_123).UTC(), Occurred: time.UnixMilli(1_760_000_000_001).UTC(),
		Body: []byte(`{"id":"` + id + `"}`), Meta: []byte(`{"m":1}`),
	}
}

// Records returns n records with the IDs prefix-0, prefix-1 …
func Records(prefix string, n int) []millrace.Record {
	rs := make([]millrace.Record, n)
	for i := range rs {
		rs[i] = Record(fmt.Sprintf("%s-%d", prefix, i))
	}
	return rs
}

// Append appends and fails the test on an error.
func Append(t *testing.T, log eventlog.Appender, records ...millrace.Record) millrace.Position {
	t.Helper()
	last, err := log.Append(Context(t), records)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	return last
}

// Open opens a reader, which is closed with the test.
func Open(t *testing.T, log eventlog.Opener, after millrace.Position, f eventlog.Filter) eventlog.Reader {
	t.Helper()
	r, err := log.Open(Context(t), after, f)
	if err != nil {
		t.Fatalf("Open(%v): %v", after, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Next returns the next batch, checked for what every batch promises.
func Next(t *testing.T, r eventlog.Reader) eventlog.Batch {
	t.Helper()
	b, err := r.Next(Context(t))
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	CheckBatch(t, b)
	return b
}

// CheckBatch checks what every batch promises.
func CheckBatch(t *testing.T, b eventlog.Batch) {
	t.Helper()
	for i, e := range b.Records {
		if i > 0 && !b.Records[i-1].Position.Before(e.Position) {
			t.Fatalf("record at %v follows one at %v", e.Position, b.Records[i-1].Position)
		}
		if i > 0 && e.Time.Before(b.Records[i-1].Time) {
			t.Fatalf("log time went back from %v to %v at %v", b.Records[i-1].Time, e.Time, e.Position)
		}
		if e.Position.After(b.Through) || e.Time.After(b.Time) {
			t.Fatalf("record at %v, %v lies behind Through %v, %v", e.Position, e.Time, b.Through, b.Time)
		}
		if e.Time.Nanosecond()%1e6 != 0 {
			t.Fatalf("log time %v has more than milliseconds", e.Time)
		}
	}
}

// ReadToEnd reads until AtEnd and returns all entries and where it is now.
func ReadToEnd(t *testing.T, r eventlog.Reader) ([]eventlog.Entry, millrace.Position) {
	t.Helper()
	var entries []eventlog.Entry
	for {
		b := Next(t, r)
		entries = append(entries, b.Records...)
		if b.AtEnd {
			return entries, b.Through
		}
	}
}

// ReadN reads until n entries have come.
func ReadN(t *testing.T, r eventlog.Reader, n int) []eventlog.Entry {
	t.Helper()
	var entries []eventlog.Entry
	for len(entries) < n {
		entries = append(entries, Next(t, r).Records...)
	}
	if len(entries) > n {
		t.Fatalf("%d records, want %d", len(entries), n)
	}
	return entries
}

// IDs returns the IDs of the entries.
func IDs(entries []eventlog.Entry) []string {
	ids := make([]string, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	return ids
}

func wantKind(t *testing.T, what string, err error, kind millrace.Kind) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != kind {
		t.Fatalf("%s: got %v (%v), want %v", what, err, millrace.KindOf(err), kind)
	}
}
