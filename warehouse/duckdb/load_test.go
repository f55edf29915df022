package duckdb

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func TestApplyAndQuery(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	if after := mustResume(t, w); !after.IsZero() {
		t.Fatalf("a new warehouse resumes after %s", after)
	}
	var entries []eventlog.Entry
	for i := range 100 {
		entries = append(entries, track(i, "Order Completed", fmt.Sprintf(`{"total":%d.5,"note":"a note that is longer than twelve bytes %d","n":%d}`, i, i, i)))
	}
	p := mustApply(t, w, warehouse.Batch{Entries: entries, Through: through(99), Flush: true})
	if p.Scanned != through(99) || p.Committed != through(99) || p.Rows < 200 {
		t.Fatalf("progress %+v", p)
	}
	got := mustAsk(t, w, "SELECT count(*), sum(total), max(note) FROM web.order_completed WHERE n >= ?", int64(50))
	if len(got) != 1 || got[0] != "50|3750|a note that is longer than twelve bytes 99" {
		t.Errorf("got %q", got)
	}
	if after := mustResume(t, w); after != through(99) {
		t.Errorf("resumes after %s", after)
	}
	// The same again changes nothing.
	mustApply(t, w, warehouse.Batch{Entries: entries, Through: through(99), Flush: true})
	if got := mustAsk(t, w, "SELECT count(*) FROM web.tracks"); got[0] != "100" {
		t.Errorf("tracks: %v", got)
	}
}
