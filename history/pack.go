package history

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"
)

// hour is what is packed at once, in seconds.
const hour = 3600

// A level is a resolution.
type level struct {
	step int64         // seconds
	span int64         // seconds in a chunk
	keep int           // spans kept; 0: all
	age  time.Duration // how far back it surely reaches; 0: to the beginning
}

// levels are the resolutions, finest first. A few more spans are kept than an
// age needs: of an hour that is not packed yet, and of a clock that jumped.
var levels = [...]level{
	{step: 10, span: hour, keep: 8, age: 6 * time.Hour},
	{step: 60, span: hour, keep: 30*24 + 4, age: 30 * 24 * time.Hour},
	{step: hour, span: 24 * hour},
}

// sampleEvery is how often Run samples.
const sampleEvery = 10 * time.Second

// packGroup is how many series are packed at once: it bounds the memory for an hour.
const packGroup = 512

// packOld packs all hours that have rounds but the one that is.
func (s *Store) packOld(ctx context.Context, now int64) error {
	for _, start := range slices.Sorted(maps.Keys(s.hours)) {
		if start == floor(now/1000, hour) {
			continue
		}
		if err := inTx(ctx, s.write, func(tx *sql.Tx) error { return s.pack(ctx, tx, start) }); err != nil {
			return err
		}
		delete(s.hours, start)
	}
	return nil
}

// pack moves the rounds of an hour into chunks of every level, and drops the
// chunks that are no longer kept.
func (s *Store) pack(ctx context.Context, tx *sql.Tx, start int64) error {
	ids := map[int64]bool{}
	err := eachRound(ctx, tx, inHour, hourArgs(start), func(_ int64, data []byte) error {
		return decodeRound(data, func(e entry) { ids[e.id] = true })
	})
	if err != nil {
		return err
	}
	kinds, err := kindsOf(ctx, tx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(ids, func(id int64, _ bool) bool { _, ok := kinds[id]; return !ok })
	for group := range slices.Chunk(slices.Sorted(maps.Keys(ids)), packGroup) {
		if err := packSeries(ctx, tx, start, group, kinds); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM round "+inHour, hourArgs(start)...); err != nil {
		return err
	}
	for _, l := range levels {
		if err := l.drop(ctx, tx, floor(start, l.span)); err != nil {
			return err
		}
	}
	return sweep(ctx, tx)
}

const inHour = "WHERE at >= ? AND at < ?"

func hourArgs(start int64) []any { return []any{start * 1000, (start + hour) * 1000} }

// kindsOf returns the kinds of all series that the file has.
func kindsOf(ctx context.Context, tx *sql.Tx) (map[int64]Kind, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, kind FROM series")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	kinds := map[int64]Kind{}
	for rows.Next() {
		var id int64
		var kind Kind
		if err := rows.Scan(&id, &kind); err != nil {
			return nil, err
		}
		kinds[id] = kind
	}
	return kinds, rows.Err()
}

// packSeries packs the hour of some series, ids in order.
func packSeries(ctx context.Context, tx *sql.Tx, start int64, ids []int64, kinds map[int64]Kind) error {
	fine, last, seen := make([]buckets, len(ids)), make([]float64, len(ids)), make([]int64, len(ids))
	err := eachRound(ctx, tx, inHour, hourArgs(start), func(at int64, data []byte) error {
		slot := floor(at/1000, levels[0].step)
		return decodeRound(data, func(e entry) {
			if i, ok := slices.BinarySearch(ids, e.id); ok {
				fine[i].add(sampled(slot, e.value))
				seen[i] = at
				if e.total {
					last[i] = max(last[i], e.absolute)
				}
			}
		})
	})
	if err != nil {
		return err
	}
	update, err := tx.PrepareContext(ctx, "UPDATE series SET seen = ?, last = max(last, ?) WHERE id = ?")
	if err != nil {
		return err
	}
	defer update.Close()
	for i, id := range ids {
		if _, err := update.ExecContext(ctx, seen[i], last[i], id); err != nil {
			return err
		}
	}
	for _, l := range levels {
		if err := l.merge(ctx, tx, floor(start, l.span), ids, kinds, fine); err != nil {
			return err
		}
	}
	return nil
}

// merge adds buckets of series to the chunks of a span.
func (l level) merge(ctx context.Context, tx *sql.Tx, start int64, ids []int64, kinds map[int64]Kind, fine []buckets) error {
	get, err := tx.PrepareContext(ctx, "SELECT data FROM chunk WHERE step = ? AND start = ? AND series = ?")
	if err != nil {
		return err
	}
	defer get.Close()
	put, err := tx.PrepareContext(ctx, "INSERT INTO chunk (step, start, series, data) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET data = excluded.data")
	if err != nil {
		return err
	}
	defer put.Close()
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM chunk WHERE step = ? AND start = ?)", l.step, start).Scan(&there); err != nil {
		return err
	}
	var out []byte
	room := make(buckets, 0, l.span/l.step)
	for i, id := range ids {
		all := room[:0]
		if there {
			var data []byte
			err := get.QueryRowContext(ctx, l.step, start, id).Scan(&data)
			if err == nil {
				all, err = decodeChunk(data, start, l.step)
			}
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		for _, b := range fine[i] {
			b.start = floor(b.start, l.step)
			all.add(b)
		}
		out = appendChunk(out[:0], all, start, l.step, kinds[id] == Gauge)
		if _, err := put.ExecContext(ctx, l.step, start, id, out); err != nil {
			return err
		}
	}
	return nil
}

// drop takes note of a packed span, and drops those packed longest ago. Their
// order is that of packing, so that a wrong clock makes nothing old.
func (l level) drop(ctx context.Context, tx *sql.Tx, start int64) error {
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO span (step, start, packed) VALUES (?, ?, (SELECT coalesce(max(packed), 0) + 1 FROM span))", l.step, start)
	if err != nil || l.keep == 0 {
		return err
	}
	starts, err := spans(ctx, tx, "SELECT start FROM span WHERE step = ? ORDER BY packed DESC LIMIT -1 OFFSET ?", l.step, l.keep)
	if err != nil {
		return err
	}
	for _, start := range starts {
		for _, statement := range []string{"DELETE FROM chunk WHERE step = ? AND start = ?", "DELETE FROM span WHERE step = ? AND start = ?"} {
			if _, err := tx.ExecContext(ctx, statement, l.step, start); err != nil {
				return err
			}
		}
	}
	return nil
}

func spans(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var starts []int64
	for rows.Next() {
		var start int64
		if err := rows.Scan(&start); err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, rows.Err()
}

// sweep drops the chunks of series that had to leave.
func sweep(ctx context.Context, tx *sql.Tx) error {
	var some bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM gone)").Scan(&some); err != nil || !some {
		return err
	}
	for _, l := range levels {
		starts, err := spans(ctx, tx, "SELECT start FROM span WHERE step = ?", l.step)
		if err != nil {
			return err
		}
		for _, start := range starts {
			if _, err := tx.ExecContext(ctx, "DELETE FROM chunk WHERE step = ? AND start = ? AND series IN (SELECT series FROM gone)", l.step, start); err != nil {
				return err
			}
		}
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM gone")
	return err
}
