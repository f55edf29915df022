package workspace

import "time"

// A Near is a quota of which much is used.
type Near struct {
	Quota       string // EventsPerDay …
	Used, Limit int64
	Until       time.Time // when the next day begins; zero: it is no quota of a day
}

// Percent is how much is used.
func (n Near) Percent() int64 {
	if n.Limit == 0 {
		return 100
	}
	return int64(100 * float64(n.Used) / float64(n.Limit))
}

// Words say of what there is a limit, as in "events a day".
func (n Near) Words() string { return quotaWords[n.Quota] }

// Near returns the quotas of the workspace of a space of which 80 per cent or more
// are used, as far as it is known in memory.
func (m *Meter) Near(space string, at time.Time) (near []Near) {
	sp, known := m.o.Store.Spaces().Space(space)
	if !known {
		return nil
	}
	l := sp.limits
	add := func(quota string, used, limit int64, until time.Time) {
		if limit != none && limit > 0 && used >= part(limit, percents[0]) {
			near = append(near, Near{quota, used, limit, until})
		}
	}
	if d := sp.use.on(Day(at)); d != nil {
		next := DayStart(Day(at) + 1)
		add(EventsPerDay, d.events.Load(), l.events, next)
		add(BytesPerDay, d.bytes.Load(), l.bytes, next)
		if l.queryMicros < none {
			add(QuerySecondsPerDay, d.queryMicros.Load()/1_000_000, l.queryMicros/1_000_000, next)
		}
	}
	add(StorageBytes, sp.use.storage.Load(), l.storage, time.Time{})
	add(EventTables, sp.use.tables.Load(), l.tables, time.Time{})
	return near
}
