package serve

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// TestBackwardIsBounded reads a log backwards in which large frames lie behind
// many small ones, for which pieces grow: no piece holds more than it may, and
// everything comes once, newest first.
func TestBackwardIsBounded(t *testing.T) {
	t.Parallel()
	const dense, frameRecords, sparse = 60, 1000, 300
	log, id := newLog(t), 0
	frame := func(n int) {
		records := make([]millrace.Record, n)
		for i := range records {
			records[i] = record("web", "identify", fmt.Sprint(id), `{}`)
			id++
		}
		appendAll(t, log, records...)
	}
	for range dense {
		frame(frameRecords)
	}
	for range sparse {
		frame(1)
	}
	s := &server{o: Options{Log: log}}
	_, last, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, keep := range map[string]func(*eventlog.Entry) bool{
		"all": nil, "few": func(e *eventlog.Entry) bool { return e.Position.Index == 0 },
	} {
		next, most := last, 0
		whole, err := s.backward(t.Context(), search{last: last, keep: keep, patience: 1 << 40}, func(entries []eventlog.Entry) bool {
			most = max(most, len(entries))
			if n := len(entries); n > 0 {
				if entries[n-1].Position.After(next) {
					t.Errorf("%s: %s comes after %s", name, entries[n-1].Position, next)
				}
				next = before(entries[0].Position)
			}
			return true
		})
		if err != nil || !whole || next.Seq > 1 || most > maxPieceRecords {
			t.Errorf("%s: whole %v, through %s, %v; a piece had %d records, and may have %d", name, whole, next, err, most, maxPieceRecords)
		}
	}
}
