package history

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"slices"
	"time"
)

const (
	// maxKey is how many bytes the name and labels of a series may have.
	maxKey = 2000
	// maxValue is the greatest number that is a sample: sums of many still are numbers.
	maxValue = 1e300
)

// A round is the samples of one moment on their way into the file.
type round struct {
	entries []entry
	of      []*series // of each entry
	values  []float64 // and its absolute value
	fresh   []*series // that the file does not have
	evicted []*series
}

// Record keeps the samples of one moment. When it returns nil they survive a
// crash of the machine. When it fails nothing was kept, and what counters grew
// by is in the next round. A time before that of the round before is taken as
// it is: its step then has both.
//
// The first of several samples of one series counts. A sample that is not a
// number, or has no name, is left out. A counter that was not sampled since
// Open grew from zero, a Total is only taken note of. With more series than
// Options.MaxSeries the ones not sampled for longest lose their points; those
// that find no room even so are left out, with a warning.
func (s *Store) Record(ctx context.Context, at time.Time, samples []Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged.Load() == nil {
		err := s.record(ctx, at.UnixMilli(), samples)
		if s.damaged.Load() == nil {
			return err
		}
	}
	if err := s.moveAside(); err != nil {
		return err
	}
	return s.record(ctx, at.UnixMilli(), samples)
}

func (s *Store) record(ctx context.Context, at int64, samples []Sample) error {
	s.files.RLock()
	defer s.files.RUnlock()
	if s.write == nil {
		return errClosed
	}
	r := s.take(samples)
	if len(r.entries) > 0 || len(r.fresh) > 0 {
		err := inTx(ctx, s.write, func(tx *sql.Tx) error { return s.keep(ctx, tx, at, r) })
		if err != nil {
			for _, one := range r.fresh {
				one.id = 0
			}
			return s.trouble("keeping a sample of the charts", err)
		}
		s.kept(at, r)
	}
	return s.trouble("packing an hour of the charts", s.packOld(ctx, at))
}

// take finds the series of samples and makes room for new ones, without
// changing what the store knows.
func (s *Store) take(samples []Sample) *round {
	r := &round{entries: make([]entry, 0, len(samples)), of: make([]*series, 0, len(samples)), values: make([]float64, 0, len(samples))}
	seen := make(map[*series]bool, len(samples))
	added := map[string]*series{}
	var key []byte
	for _, sample := range samples {
		key = appendKey(key[:0], sample.Kind, sample.Name, sample.Labels)
		if sample.Name == "" || len(key) > maxKey || sample.Kind > Total || !(math.Abs(sample.Value) <= maxValue) || sample.Kind != Gauge && sample.Value < 0 {
			if finite(sample.Value) {
				s.warn("a sample of the charts is left out: it needs a name, at most 2,000 bytes of name and labels, and as a counter a value of at least 0", "name", sample.Name)
			}
			continue
		}
		one := s.series[string(key)]
		if one == nil {
			one = added[string(key)]
		}
		if one == nil {
			one = &series{key: string(key), name: sample.Name, labels: sample.Labels, kind: sample.Kind}
			added[one.key] = one
		}
		if seen[one] {
			continue
		}
		seen[one] = true
		r.of, r.values = append(r.of, one), append(r.values, sample.Value)
		r.entries = append(r.entries, entry{id: one.id, total: one.kind == Total, value: one.grown(sample.Value), absolute: sample.Value})
	}
	s.makeRoom(r, seen, added)
	return r
}

// grown is what a sample of the series is in a round: the value of a gauge,
// the increase of a counter.
func (one *series) grown(value float64) float64 {
	switch {
	case one.kind == Gauge:
		return value
	case one.kind == Counter && (!one.has || value < one.last):
		return value
	case one.kind == Total && (!one.has || value < one.last):
		return 0
	}
	return value - one.last
}

// makeRoom chooses which series leave, and leaves out of the round the new ones
// that find no room.
func (s *Store) makeRoom(r *round, seen map[*series]bool, added map[string]*series) {
	over := len(s.series) + len(added) - s.o.MaxSeries
	if over > 0 {
		var idle []*series
		for _, one := range s.series {
			if !seen[one] {
				idle = append(idle, one)
			}
		}
		slices.SortFunc(idle, func(a, b *series) int { return cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.id, b.id)) })
		r.evicted = idle[:min(over, len(idle))]
		over -= len(r.evicted)
	}
	for i := len(r.of) - 1; i >= 0 && over > 0; i-- {
		if added[r.of[i].key] != nil {
			over--
			r.of, r.values, r.entries = slices.Delete(r.of, i, i+1), slices.Delete(r.values, i, i+1), slices.Delete(r.entries, i, i+1)
			s.warn("there are more series than the charts have room for: new ones are left out", "series", s.o.MaxSeries)
		}
	}
	for _, one := range r.of {
		if one.id == 0 {
			r.fresh = append(r.fresh, one)
		}
	}
}

// keep writes a round.
func (s *Store) keep(ctx context.Context, tx *sql.Tx, at int64, r *round) error {
	for _, one := range r.evicted {
		if _, err := tx.ExecContext(ctx, "DELETE FROM series WHERE id = ?", one.id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO gone (series) VALUES (?)", one.id); err != nil {
			return err
		}
	}
	for _, one := range r.fresh {
		labels := []byte("{}")
		if len(one.labels) > 0 {
			var err error
			if labels, err = json.Marshal(one.labels); err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, "INSERT INTO series (kind, name, labels, seen, last) VALUES (?, ?, ?, ?, 0)", one.kind, one.name, string(labels), at)
		if err != nil {
			return err
		}
		if one.id, err = res.LastInsertId(); err != nil {
			return err
		}
	}
	for i, one := range r.of {
		r.entries[i].id = one.id
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO round (at, data) VALUES (?, ?)", at, appendRound(nil, r.entries))
	return err
}

// kept takes note of what was written.
func (s *Store) kept(at int64, r *round) {
	s.tick++
	for _, one := range r.evicted {
		delete(s.series, one.key)
	}
	if n := len(r.evicted); n > 0 {
		s.evicted += int64(n)
		s.warn("there are more series than the charts have room for: those not sampled for longest lose their points", "series", s.o.MaxSeries, "lost", n)
	}
	for i, one := range r.of {
		s.series[one.key] = one
		one.seen = s.tick
		if one.kind == Counter || !one.has || r.values[i] > one.last {
			one.last = r.values[i]
		}
		one.has = true
	}
	s.hours[floor(at/1000, hour)] = true
}
