package history

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// maxAnswer is how many points all series of an answer may have together.
const maxAnswer = 1_000_000

// A Query asks for series over a range of time.
type Query struct {
	Names []string          // of series; empty: all
	Match map[string]string // labels that a series has to have, others it may have
	From  time.Time         // zero: as far back as there is something
	Until time.Time         // not including it; zero: now
	// Step is how long a point is. It becomes a multiple of a resolution that
	// is kept as far back as From: 10 s, 1 min or 1 h. 0: such that a series has
	// at most MaxPoints.
	Step      time.Duration
	MaxPoints int // default 500
}

// steps are those chosen when none is asked for, in seconds.
var steps = [...]int64{10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400, 91 * 86400, 364 * 86400}

// A window is what a Query comes to: from and until in seconds, on multiples of step.
type window struct {
	from, until, step int64
	level             level
}

// Query returns the series that match, by name and then labels. Steps begin at
// multiples of their length since 1970. It fails with TooLarge when the answer
// would have more than a million points.
func (s *Store) Query(ctx context.Context, q Query) ([]Series, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	if s.read == nil {
		return nil, errClosed
	}
	out, err := s.query(ctx, q)
	return out, s.trouble("reading the charts", err)
}

func (s *Store) query(ctx context.Context, q Query) ([]Series, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one state of the file for all that is read
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	w, err := s.window(ctx, tx, q)
	if err != nil || w.until <= w.from {
		return []Series{}, err
	}
	found, err := s.matching(ctx, tx, q)
	if err != nil || len(found) == 0 {
		return []Series{}, err
	}
	if points := (w.until - w.from) / w.step * int64(len(found)); points > maxAnswer {
		return nil, millrace.Errorf(millrace.TooLarge, "%d series with %d points each are asked for, at most %d in all: ask for longer steps, a shorter time or fewer series",
			len(found), (w.until-w.from)/w.step, maxAnswer)
	}
	points := map[int64]*buckets{}
	for _, one := range found {
		points[one.id] = new(buckets)
	}
	if err := w.chunks(ctx, tx, points); err != nil {
		return nil, err
	}
	if err := w.rounds(ctx, tx, points); err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(found))
	for _, one := range found {
		if bs := *points[one.id]; len(bs) > 0 {
			out = append(out, Series{Name: one.name, Labels: one.labels, Kind: one.kind, Unit: UnitOf(one.name),
				Step: time.Duration(w.step) * time.Second, Points: bs.points(one.kind)})
		}
	}
	return out, nil
}

// window decides from when until when, in which steps, and from which level.
func (s *Store) window(ctx context.Context, tx *sql.Tx, q Query) (window, error) {
	now := s.o.Now()
	w := window{until: now.Unix() + 1}
	if !q.Until.IsZero() {
		w.until = -floor(-q.Until.UnixMilli(), 1000) / 1000
	}
	if q.From.IsZero() {
		var err error
		if w.from, err = first(ctx, tx); err != nil {
			return w, err
		}
	} else {
		w.from = floor(q.From.UnixMilli(), 1000) / 1000
	}
	least := levels[len(levels)-1].step
	for _, l := range levels {
		if l.age == 0 || w.from >= now.Add(-l.age).Unix() {
			least = l.step
			break
		}
	}
	w.step = max(least, int64(q.Step/time.Second))
	if q.Step <= 0 {
		most := int64(q.MaxPoints)
		if most <= 0 {
			most = 500
		}
		w.step = w.fitting(least, most)
	}
	for _, l := range levels {
		if l.step <= w.step {
			w.level = l
		}
	}
	w.step = -floor(-w.step, w.level.step)
	w.from, w.until = floor(w.from, w.step), -floor(-w.until, w.step)
	return w, nil
}

// fitting is the shortest step with which the window has at most so many points.
func (w window) fitting(least, most int64) int64 {
	for _, step := range steps {
		if step >= least && (-floor(-w.until, step)-floor(w.from, step))/step <= most {
			return step
		}
	}
	const week = 7 * 86400
	return -floor(-(w.until-w.from)/max(1, most-1)-1, week)
}

// first is when what is kept begins, to the hour while the minutes of that day
// are kept, later to the day.
func first(ctx context.Context, tx *sql.Tx) (int64, error) {
	var days, minutes, rounds sql.NullInt64
	err := tx.QueryRowContext(ctx, `SELECT (SELECT min(start) FROM span WHERE step = ?), (SELECT min(start) FROM span WHERE step = ?),
		(SELECT min(at) / 1000 FROM round)`, levels[2].step, levels[1].step).Scan(&days, &minutes, &rounds)
	at := days.Int64
	if minutes.Int64-at < levels[2].span {
		at = max(at, minutes.Int64)
	}
	if !days.Valid || rounds.Valid && rounds.Int64 < at {
		at = rounds.Int64
	}
	return at, err
}

// matching returns the series that a query asks for, in order.
func (s *Store) matching(ctx context.Context, tx *sql.Tx, q Query) ([]*series, error) {
	all, err := loadSeries(ctx, tx)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(_ int64, one *series) bool {
		if len(q.Names) > 0 && !slices.Contains(q.Names, one.name) {
			return true
		}
		for k, v := range q.Match {
			if have, ok := one.labels[k]; !ok || have != v {
				return true
			}
		}
		return false
	})
	return slices.SortedFunc(maps.Values(all), func(a, b *series) int {
		return cmp.Or(strings.Compare(a.name, b.name), compareLabels(a.labels, b.labels), cmp.Compare(a.id, b.id))
	}), nil
}

func compareLabels(a, b map[string]string) int {
	keys := maps.Clone(a)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if c := strings.Compare(a[k], b[k]); c != 0 {
			return c
		}
	}
	return 0
}

// add adds what lies in the window.
func (w window) add(to *buckets, b bucket) {
	if b.start >= w.from && b.start < w.until {
		b.start = floor(b.start, w.step)
		to.add(b)
	}
}

// chunks reads what is packed.
func (w window) chunks(ctx context.Context, tx *sql.Tx, points map[int64]*buckets) error {
	ids, err := json.Marshal(slices.Sorted(maps.Keys(points)))
	if err != nil {
		return err
	}
	// The order of the join is that in which it is written: by span, then one look for each series.
	rows, err := tx.QueryContext(ctx, `SELECT c.start, c.series, c.data FROM span s CROSS JOIN json_each(?) w
		CROSS JOIN chunk c ON c.step = s.step AND c.start = s.start AND c.series = w.value
		WHERE s.step = ? AND s.start >= ? AND s.start < ? ORDER BY s.start`,
		string(ids), w.level.step, floor(w.from, w.level.span), w.until)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var start, id int64
		var data sql.RawBytes
		if err := rows.Scan(&start, &id, &data); err != nil {
			return err
		}
		bs, err := decodeChunk(data, start, w.level.step)
		if err != nil {
			return err
		}
		for _, b := range bs {
			w.add(points[id], b)
		}
	}
	return rows.Err()
}

// rounds reads what is not packed yet.
func (w window) rounds(ctx context.Context, tx *sql.Tx, points map[int64]*buckets) error {
	return eachRound(ctx, tx, inHour, []any{w.from * 1000, w.until * 1000}, func(at int64, data []byte) error {
		start := floor(at/1000, levels[0].step)
		return decodeRound(data, func(e entry) {
			if to := points[e.id]; to != nil {
				w.add(to, sampled(start, e.value))
			}
		})
	})
}

// points are what a reader sees of buckets.
func (bs buckets) points(kind Kind) []Point {
	out := make([]Point, len(bs))
	for i, b := range bs {
		out[i].At = time.Unix(b.start, 0).UTC()
		if kind == Gauge {
			out[i].Value, out[i].Min, out[i].Max, out[i].Last = b.sum/b.count, b.min, b.max, b.last
		} else {
			out[i].Value, out[i].Min, out[i].Max, out[i].Last = b.sum, b.sum, b.sum, b.sum
		}
	}
	return out
}
