package plan

import (
	"context"
	"time"
)

// Facts tells what an environment has and receives. It is asked only about
// sources that a plan changes, each at most once a question. An error means
// that it is not known at this moment, and the plan says so.
type Facts interface {
	// Tables returns the tables of a source; none when it has received nothing.
	Tables(ctx context.Context, source string) ([]Table, error)
	// Received says what came lately.
	Received(ctx context.Context, source string) (Received, error)
	// Retype says what another type would make of the values of a column, as a
	// rebuild would.
	Retype(ctx context.Context, source, table, column, to string) (Retype, error)
}

// A Table is a table of the warehouse.
type Table struct {
	Name    string
	Columns map[string]string // name → type, as `types:` has it
	Rows    int64             // -1: not known
}

// Received is what came from a source lately.
type Received struct {
	Days []Day     // the last ones, at most 30, the newest last; none: not known
	Last time.Time // the last event; zero: none that is known
	// Keys are those that were used, by the key itself.
	Keys map[string]KeyUse
	// Largest is the largest that came, by the name of the limit ("event_size" in
	// bytes, "rate" in events a second …). What is absent is not known.
	Largest map[string]float64
}

// A Day is what came on one.
type Day struct {
	Date   string // 2026-11-21
	Events int64
}

// KeyUse says how a write key was used.
type KeyUse struct {
	Last   time.Time
	Events int64 // lately; -1: not known
}

// Retype is what another type makes of a column.
type Retype struct {
	Kept, Lost, Regained int64    // values
	Examples             []string // of those lost; none for whoever may not see data
}

// known asks facts, and remembers the answers.
type known struct {
	from     Facts
	ctx      context.Context
	tables   map[string]answer[[]Table]
	received map[string]answer[Received]
}

type answer[T any] struct {
	value T
	ok    bool
}

func (k *known) tablesOf(source string) ([]Table, bool) {
	if k.tables == nil {
		k.tables = map[string]answer[[]Table]{}
	}
	return ask(k, k.tables, source, func() ([]Table, error) { return k.from.Tables(k.ctx, source) })
}

func (k *known) receivedFrom(source string) (Received, bool) {
	if k.received == nil {
		k.received = map[string]answer[Received]{}
	}
	return ask(k, k.received, source, func() (Received, error) { return k.from.Received(k.ctx, source) })
}

func ask[T any](k *known, had map[string]answer[T], source string, question func() (T, error)) (T, bool) {
	a, asked := had[source]
	if !asked && k.from != nil {
		v, err := question()
		a = answer[T]{v, err == nil}
		had[source] = a
	}
	return a.value, a.ok
}

func (k *known) retype(source, table, column, to string) (Retype, bool) {
	if k.from == nil {
		return Retype{}, false
	}
	r, err := k.from.Retype(k.ctx, source, table, column, to)
	return r, err == nil
}

// lately is how many of the last days count as lately.
const lately = 7

// flow is how many events came on the last days, and how many days those are.
func (r Received) flow() (events int64, days int) {
	last := r.Days[max(0, len(r.Days)-lately):]
	for _, d := range last {
		events += d.Events
	}
	return events, len(last)
}
