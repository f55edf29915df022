package workspace

import (
	"context"
	"time"

	"github.com/millrace/millrace/catalog"
)

// Stored is what a space keeps: bytes by where they are, and its tables of
// events. -1: it is not known at present.
type Stored struct{ Log, Archive, Warehouse, EventTables int64 }

// Unknown is of a space of which nothing was measured.
var Unknown = Stored{-1, -1, -1, -1}

// Bytes is the sum of what is known; -1 when nothing is.
func (s Stored) Bytes() int64 {
	if s.Log < 0 && s.Archive < 0 && s.Warehouse < 0 {
		return -1
	}
	return max(s.Log, 0) + max(s.Archive, 0) + max(s.Warehouse, 0)
}

// over returns what was known before where it is not known now.
func (s Stored) over(before Stored) Stored {
	for value, old := range map[*int64]int64{&s.Log: before.Log, &s.Archive: before.Archive, &s.Warehouse: before.Warehouse, &s.EventTables: before.EventTables} {
		if *value < 0 {
			*value = old
		}
	}
	return s
}

// A measure is what was stored when it was measured last.
type measure struct {
	Stored
	day int64
}

// SetStored says what a space keeps, as it was measured. What is not known stays
// as it was measured before, also by an earlier process.
func (m *Meter) SetStored(space string, at time.Time, s Stored) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sp, ok := m.o.Store.Spaces().Space(space)
	if !ok {
		delete(m.stored, space)
		return
	}
	before, known := m.stored[space]
	if !known {
		before.Stored = Unknown
	}
	now := measure{s.over(before.Stored), Day(at)}
	defer func() {
		if l := sp.limits; sp.use.storage.Load() >= part(l.storage, percents[0]) || sp.use.tables.Load() >= part(l.tables, percents[0]) {
			m.full[sp.Workspace] = now.day // also of a quota that was set since
		}
	}()
	if now == before || now.Stored == Unknown || !known && now.Bytes() <= 0 && now.EventTables <= 0 {
		return
	}
	m.stored[space] = now
	c := m.cell(cell{space, now.day})
	c.stored, c.measured = now.Stored, true
	m.sum(sp)
}

// Stored is what was measured of a space last.
func (m *Meter) Stored(space string) Stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, known := m.stored[space]; known {
		return s.Stored
	}
	return Unknown
}

// MostTables is how many tables of events a space may have: what its workspace may
// have, without those of its other environments; nil: there is no limit.
func (m *Meter) MostTables(space string) *int64 {
	sp, ok := m.o.Store.Spaces().Space(space)
	if !ok || sp.limits.tables == none {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	most := sp.limits.tables
	for _, other := range m.o.Store.Spaces().Of(sp.Workspace) {
		if s, known := m.stored[other.ID]; known && other.ID != space {
			most -= max(s.EventTables, 0)
		}
	}
	most = max(most, 0)
	return &most
}

// sum tells the gate what all environments of a workspace keep. m.mu is held.
func (m *Meter) sum(of *Space) {
	var bytes, tables int64
	for _, other := range m.o.Store.Spaces().Of(of.Workspace) {
		if s, known := m.stored[other.ID]; known {
			bytes += max(s.Bytes(), 0)
			tables += max(s.EventTables, 0)
		}
	}
	of.use.storage.Store(bytes)
	of.use.tables.Store(tables)
}

// loadStored takes up what was measured before this process began.
func (m *Meter) loadStored(ctx context.Context, tx catalog.Tx) error {
	rows, err := catalog.All[usageRow](ctx, tx, "SELECT "+usageColumns+` FROM usage_day WHERE storage >= 0 AND day =
		(SELECT max(day) FROM usage_day AS newest WHERE newest.space = usage_day.space AND newest.storage >= 0)`)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rows {
		sp, there := m.o.Store.Spaces().Space(r.Space)
		if !there {
			continue
		}
		if newer, known := m.stored[r.Space]; known {
			m.stored[r.Space] = measure{newer.over(r.stored()), newer.day}
		} else {
			m.stored[r.Space] = measure{r.stored(), r.Day}
		}
		m.sum(sp)
	}
	return nil
}

// Taken returns the bytes that each space took since the beginning of a day.
func (s *Store) Taken(ctx context.Context, since int64) (bytes map[string]int64, err error) {
	type row struct {
		Space string
		Bytes int64
	}
	bytes = map[string]int64{}
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		rows, err := catalog.All[row](ctx, tx, "SELECT space, CAST(sum(bytes) AS BIGINT) FROM usage_day WHERE day >= $1 GROUP BY space", since)
		for _, r := range rows {
			bytes[r.Space] = r.Bytes
		}
		return err
	})
	return bytes, err
}
