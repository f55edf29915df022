package workspace

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Notice says that so much of a day's quota is used.
type Notice struct {
	Workspace string // id
	Day       int64
	Quota     string // EventsPerDay …
	Percent   int64  // 80 or 100
	Told      time.Time
}

type noteKey struct {
	workspace      string
	day            int64
	quota          string
	percent, limit int64
}

// percents are what is told of.
var percents = []int64{80, 100}

// drain takes what is pending into the counts, and returns it.
func (m *Meter) drain() map[cell]*amounts {
	m.mu.Lock()
	drained := m.pending
	m.pending = map[cell]*amounts{}
	for workspace, day := range m.full {
		if m.total(workspace, day) != nil {
			m.notable[workspace] = true
		}
	}
	clear(m.full)
	m.mu.Unlock()
	spaces := m.o.Store.Spaces()
	for c, a := range drained {
		to := m.counts[c]
		if to == nil {
			to = &amounts{}
			m.counts[c] = to
		}
		to.take(a)
		if sp, ok := spaces.Space(c.space); ok {
			if t := m.total(sp.Workspace, c.day); t != nil {
				t.add(&amounts{queryMicros: a.queryMicros})
				m.notable[sp.Workspace] = true
			}
		}
	}
	return drained
}

// take adds what is not of the log.
func (a *amounts) take(b *amounts) {
	a.queryMicros += b.queryMicros
	if b.measured {
		a.stored, a.measured = b.stored, true
	}
}

// giveBack has what could not be written written later.
func (m *Meter) giveBack(drained map[cell]*amounts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, a := range drained {
		newer := m.pending[c]
		if newer == nil {
			m.pending[c] = a
			continue
		}
		a.take(newer)
		m.pending[c] = a
	}
}

// idleMove is how often the position of an idle log is written.
const idleMove = time.Minute

// write makes durable what was counted, and for the last time also how far.
func (m *Meter) write(ctx context.Context, last bool) error {
	drained := m.drain()
	if len(m.counts)+len(m.notable) == 0 && m.gap.IsZero() && (m.at == m.written || !last && time.Since(m.lastMove) < idleMove) {
		return nil
	}
	began := time.Now()
	var told []noteKey
	var gone []string
	var version int64
	err := m.o.Store.catalog.Update(ctx, func(tx catalog.Tx) (err error) {
		if err := m.move(ctx, tx); err != nil {
			return err
		}
		if version, gone, err = m.goneSince(ctx, tx); err != nil {
			return err
		}
		if err := m.addRows(ctx, tx, gone); err != nil {
			return err
		}
		told, err = m.notices(ctx, tx)
		return err
	})
	if err != nil {
		m.giveBack(drained)
		return err
	}
	m.lastTime, m.lastMove = time.Since(began), time.Now()
	m.written, m.gone = m.at, version
	for _, id := range gone {
		m.buried[id] = true
	}
	for workspace := range m.notable {
		m.raise(workspace, m.today[workspace])
	}
	clear(m.counts)
	clear(m.notable)
	for _, n := range told {
		m.noted[n] = true
		if m.o.Notify != nil {
			m.o.Notify(ctx, Notice{Workspace: n.workspace, Day: n.day, Quota: n.quota, Percent: n.percent, Told: m.o.Store.now()})
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gap.IsZero() {
		m.stats.Gaps, m.gap = append(m.stats.Gaps, m.gap), time.Time{}
	}
	m.stats.Counted = m.written // last: who waits for it finds all that follows from it done
	return nil
}

// move puts the position on, unless someone else has.
func (m *Meter) move(ctx context.Context, tx catalog.Tx) error {
	var rows int64
	var err error
	if m.written.IsZero() {
		rows, err = tx.Exec(ctx, "INSERT INTO usage_reader (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", readerName, m.at.Numbers())
	}
	if err == nil && rows == 0 {
		rows, err = tx.Exec(ctx, "UPDATE usage_reader SET position = $1 WHERE name = $2 AND position = $3", m.at.Numbers(), readerName, m.written.Numbers())
	}
	if err == nil && rows == 0 {
		return millrace.Errorf(millrace.Conflict, "usage was counted by another server meanwhile: what this one counted since is left to it")
	}
	if err != nil || m.gap.IsZero() {
		return err
	}
	if _, err = tx.Exec(ctx, "DELETE FROM usage_reader WHERE name >= $1 AND name < $2", gapPrefix, gapName(m.gap.AddDate(0, 0, -keptGaps))); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO usage_reader (name, position) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", gapName(m.gap), m.at.Numbers())
	return err
}

// Counted returns up to where the log is counted, durably; zero when nothing was.
func (s *Store) Counted(ctx context.Context) (p millrace.Position, err error) {
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		text, found, err := catalog.Find[string](ctx, tx, "SELECT position FROM usage_reader WHERE name = $1", readerName)
		if err == nil && found {
			p, err = millrace.ParsePosition(text)
		}
		return err
	})
	return p, err
}

// goneSince returns spaces that were purged since the last time: nothing is
// written of them, though the log may hold records of them.
func (m *Meter) goneSince(ctx context.Context, tx catalog.Tx) (now int64, gone []string, err error) {
	if now, err = version(ctx, tx); err != nil || now == m.gone {
		return now, nil, err
	}
	gone, err = catalog.All[string](ctx, tx, "SELECT id FROM workspace_gone WHERE version > $1", m.gone)
	return now, gone, err
}

// lastMeasured keeps what was measured before where nothing was since.
var lastMeasured = func() string {
	var set []string
	for _, column := range []string{"storage", "log_bytes", "archive_bytes", "warehouse_bytes", "event_tables"} {
		set = append(set, fmt.Sprintf("%[1]s = CASE WHEN excluded.%[1]s < 0 THEN usage_day.%[1]s ELSE excluded.%[1]s END", column))
	}
	return strings.Join(set, ", ")
}()

// rowsAtOnce bounds the rows of one statement.
const rowsAtOnce = 100

// addRows adds the counts to the rows of their days.
func (m *Meter) addRows(ctx context.Context, tx catalog.Tx, gone []string) error {
	skip := map[string]bool{}
	for _, id := range gone {
		skip[id] = true
	}
	var values []string
	var args []any
	flush := func() error {
		if len(values) == 0 {
			return nil
		}
		_, err := tx.Exec(ctx, "INSERT INTO usage_day ("+usageColumns+") VALUES "+strings.Join(values, ", ")+` ON CONFLICT (space, day) DO UPDATE SET
			events = usage_day.events + excluded.events, rejected = usage_day.rejected + excluded.rejected, bytes = usage_day.bytes + excluded.bytes,
			query_micros = usage_day.query_micros + excluded.query_micros, `+lastMeasured, args...)
		values, args = values[:0], args[:0]
		return err
	}
	for c, a := range m.counts {
		if skip[c.space] || m.buried[c.space] {
			continue
		}
		stored := Unknown
		if a.measured {
			stored = a.stored
		}
		row := []any{c.space, c.day, a.events, a.rejected, a.bytes, a.queryMicros, stored.Bytes(), stored.Log, stored.Archive, stored.Warehouse, stored.EventTables}
		places := make([]string, len(row))
		for i := range row {
			places[i] = place(len(args) + i + 1)
		}
		values, args = append(values, "("+strings.Join(places, ", ")+")"), append(args, row...)
		if len(values) == rowsAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// notices keeps which quotas of the day are used so far, each once, and returns
// those that are new.
func (m *Meter) notices(ctx context.Context, tx catalog.Tx) (told []noteKey, err error) {
	spaces := m.o.Store.Spaces()
	for workspace := range m.notable {
		t, of := m.today[workspace], spaces.Of(workspace)
		if len(of) == 0 || t == nil {
			continue
		}
		l := of[0].limits
		for _, q := range []struct {
			name        string
			used, limit int64
		}{{EventsPerDay, t.events, l.events}, {BytesPerDay, t.bytes, l.bytes}, {QuerySecondsPerDay, t.queryMicros, l.queryMicros},
			{StorageBytes, of[0].use.storage.Load(), l.storage}, {EventTables, of[0].use.tables.Load(), l.tables}} {
			for _, percent := range percents {
				key := noteKey{workspace, t.day, q.name, percent, q.limit}
				if q.limit == none || q.limit == 0 || q.used < part(q.limit, percent) || m.noted[key] {
					continue
				}
				if _, err := tx.Exec(ctx, "DELETE FROM usage_notice WHERE workspace = $1 AND day < $2", workspace, t.day-keptNotices); err != nil {
					return nil, err
				}
				rows, err := tx.Exec(ctx, "INSERT INTO usage_notice (workspace, day, quota, percent, told) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace, day, quota, percent) DO NOTHING",
					workspace, t.day, q.name, percent, m.o.Store.now())
				if err != nil {
					return nil, err
				}
				if rows == 1 {
					told = append(told, key)
				}
			}
		}
	}
	return told, nil
}

// keptNotices is for how many days notices are kept.
const keptNotices = 30

// part is so many per cent of n, rounded up.
func part(n, percent int64) int64 {
	return n/100*percent + (n%100*percent+99)/100
}

// Notices returns which quotas of a workspace were used to 80 or 100 per cent in
// the last 30 days, the newest first.
func (s *Store) Notices(ctx context.Context, workspace string) (list []Notice, err error) {
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		list, err = catalog.All[Notice](ctx, tx, "SELECT workspace, day, quota, percent, told FROM usage_notice WHERE workspace = $1 ORDER BY told DESC, quota, percent DESC LIMIT 500", workspace)
		return err
	})
	return list, err
}
