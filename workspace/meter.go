package workspace

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/eventlog"
)

// MeterOptions say how a Meter works.
type MeterOptions struct {
	Store *Store       // required
	Log   eventlog.Log // required
	// Every is how often counts are written; default 1 s. With many spaces at
	// once it is longer, so that writing takes at most a tenth of the time.
	Every time.Duration
	// Notify is told of each quota that is used to 80 and to 100 per cent, once a
	// day, after it is durable in Notices; default nobody. A crash at that moment
	// keeps it from being told.
	Notify func(ctx context.Context, n Notice)
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default discards
}

// A Meter counts what workspaces use and says what they may. Events and bytes
// are counted from the log, by position: counts and the position up to which
// they count are one transaction, so that each record counts once whatever
// happens. What queries ran is known in memory and written with them: a crash
// loses at most what was not written. It is safe for concurrent use.
type Meter struct {
	o MeterOptions

	mu      sync.Mutex
	pending map[cell]*amounts  // of queries and storage, not written yet
	stored  map[string]measure // by space
	full    map[string]int64   // workspaces that keep nearly what they may, and the day
	stats   Stats

	// of the goroutine that follows the log:
	at       millrace.Position  // counted to here, in memory
	written  millrace.Position  // and in the catalog
	base     millrace.Position  // where the log ended when the gate began to count
	added    millrace.Position  // to here, and at most to base, the gate was told
	loaded   bool               // the gate knows what was counted before this start
	counts   map[cell]*amounts  // from written to at
	today    map[string]*totals // of workspaces, on the newest day
	notable  map[string]bool    // workspaces of today that have changed
	gone     int64              // version up to which purged spaces are known
	buried   map[string]bool
	noted    map[noteKey]bool // notices of the newest day that are durable
	gap      time.Time        // when it was passed over what the log no longer has; zero: that is durable
	lastTime time.Duration    // that writing took
	lastMove time.Time        // of the position in the catalog
}

// A cell is a row of usage.
type cell struct {
	space string
	day   int64
}

type amounts struct {
	events, rejected, bytes, queryMicros int64
	stored                               Stored
	measured                             bool // stored is known
}

// totals of a workspace on a day.
type totals struct {
	day                        int64
	events, bytes, queryMicros int64
}

// Stats say how a Meter is.
type Stats struct {
	Counted millrace.Position // up to here, durably
	Problem string            // what keeps it from counting, or ""
	Gaps    []time.Time       // when the log no longer had what was to be counted, oldest first, of 30 days
}

// NewMeter returns a Meter for one server: the one that has the log. It does
// nothing until Run.
func NewMeter(o MeterOptions) (*Meter, error) {
	if o.Store == nil || o.Log == nil {
		return nil, millrace.Errorf(millrace.Invalid, "a meter needs a store of workspaces and a log: set MeterOptions.Store and Log")
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Meter{o: o, pending: map[cell]*amounts{}, stored: map[string]measure{}, full: map[string]int64{}, buried: map[string]bool{}, noted: map[noteKey]bool{}}, nil
}

// Begin is called before intake takes the first request: what the log holds now
// is counted by Run, what comes is counted by Admit.
func (m *Meter) Begin(ctx context.Context) error {
	_, last, err := m.o.Log.Bounds(ctx)
	if err != nil {
		return err
	}
	m.base = last
	return m.o.Store.catalog.View(ctx, func(tx catalog.Tx) error { return errors.Join(m.loadGaps(ctx, tx), m.loadStored(ctx, tx)) })
}

// Stats returns how it is.
func (m *Meter) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Gaps = slices.Clone(s.Gaps)
	return s
}

// Queried counts a query that ran for so long.
func (m *Meter) Queried(space string, at time.Time, took time.Duration) {
	if took <= 0 {
		return
	}
	m.mu.Lock()
	m.cell(cell{space, Day(at)}).queryMicros += took.Microseconds()
	m.mu.Unlock()
	if sp, ok := m.o.Store.Spaces().Space(space); ok {
		if d := sp.use.on(Day(at)); d != nil {
			d.queryMicros.Add(took.Microseconds())
		}
	}
}

func (m *Meter) cell(c cell) *amounts {
	a := m.pending[c]
	if a == nil {
		a = &amounts{}
		m.pending[c] = a
	}
	return a
}

// Run counts until ctx ends, and then writes what it has counted.
func (m *Meter) Run(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		began := time.Now()
		err := m.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		m.problem(err)
		if time.Since(began) > time.Minute {
			wait = time.Second
		}
		m.o.Logger.Warn("usage is not counted at this moment: it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (m *Meter) problem(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stats.Problem = ""; err != nil {
		m.stats.Problem = err.Error()
	}
}

// Rows of usage_reader: how far the log is counted, and a row for each time that
// it no longer had what was to be counted.
const (
	readerName = "usage"
	gapPrefix  = "gap "
)

// keptGaps is for how many days it is known that records were not counted.
const keptGaps = 30

func gapName(at time.Time) string { return gapPrefix + at.UTC().Format(time.RFC3339) }

// loadGaps reads when records were not counted.
func (m *Meter) loadGaps(ctx context.Context, tx catalog.Tx) error {
	names, err := catalog.All[string](ctx, tx, "SELECT name FROM usage_reader WHERE name >= $1 AND name < $2 ORDER BY name", gapName(m.o.Now().AddDate(0, 0, -keptGaps)), gapPrefix+"~")
	if err != nil {
		return err
	}
	var gaps []time.Time
	for _, name := range names {
		if at, err := time.Parse(time.RFC3339, strings.TrimPrefix(name, gapPrefix)); err == nil {
			gaps = append(gaps, at)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Gaps = gaps
	return nil
}

// load begins again at what is durable.
func (m *Meter) load(ctx context.Context) error {
	m.counts, m.today, m.notable, m.lastMove = map[cell]*amounts{}, map[string]*totals{}, map[string]bool{}, time.Now()
	day := Day(m.o.Now())
	spaces := m.o.Store.Spaces()
	err := m.o.Store.catalog.View(ctx, func(tx catalog.Tx) error {
		text, found, err := catalog.Find[string](ctx, tx, "SELECT position FROM usage_reader WHERE name = $1", readerName)
		if err != nil {
			return err
		}
		m.written = millrace.Position{}
		if found {
			if m.written, err = millrace.ParsePosition(text); err != nil {
				return err
			}
		}
		m.at, m.gap = m.written, time.Time{}
		clear(m.today)
		if err := m.loadGaps(ctx, tx); err != nil {
			return err
		}
		rows, err := catalog.All[usageRow](ctx, tx, "SELECT "+usageColumns+" FROM usage_day WHERE day = $1", day)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if sp, ok := spaces.Space(r.Space); ok {
				m.total(sp.Workspace, day).add(&amounts{events: r.Events, bytes: r.Bytes, queryMicros: r.QueryMicros})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for workspace, t := range m.today {
		if m.loaded {
			m.raise(workspace, t)
		} else {
			m.tell(workspace, t)
		}
	}
	m.loaded = true
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Counted = m.written
	return nil
}

// total returns the totals of a workspace on the newest day, nil for an older one.
func (m *Meter) total(workspace string, day int64) *totals {
	t := m.today[workspace]
	switch {
	case t == nil || t.day < day:
		t = &totals{day: day}
		m.today[workspace] = t
	case t.day > day:
		return nil
	}
	return t
}

func (t *totals) add(a *amounts) {
	t.events += a.events
	t.bytes += a.bytes
	t.queryMicros += a.queryMicros
}

// dayOf is what the gate knows of a workspace's day; nil: nothing.
func (m *Meter) dayOf(workspace string, day int64) *dayUse {
	spaces := m.o.Store.Spaces().Of(workspace)
	if len(spaces) == 0 {
		return nil
	}
	return spaces[0].use.on(day)
}

// tell adds to what the gate knows what was counted before it began.
func (m *Meter) tell(workspace string, t *totals) {
	if d := m.dayOf(workspace, t.day); d != nil {
		d.events.Add(t.events)
		d.bytes.Add(t.bytes)
		d.queryMicros.Add(t.queryMicros)
	}
}

// raise lets the gate know of what was counted and not admitted by it.
func (m *Meter) raise(workspace string, t *totals) {
	if d := m.dayOf(workspace, t.day); d != nil {
		atLeast(&d.events, t.events)
		atLeast(&d.bytes, t.bytes)
		atLeast(&d.queryMicros, t.queryMicros)
	}
}

// follow counts until something fails.
func (m *Meter) follow(ctx context.Context) error {
	if err := m.load(ctx); err != nil {
		return err
	}
	reader, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer reader.Close()
	m.problem(nil)
	for last := time.Now(); ; {
		every := max(m.o.Every, 10*m.lastTime)
		next, cancel := context.WithDeadline(ctx, last.Add(every))
		batch, err := reader.Next(next)
		waited := next.Err() != nil
		cancel()
		if err == nil {
			m.count(batch)
		} else if ctx.Err() == nil && !waited {
			return err
		}
		if ctx.Err() == nil && time.Since(last) < every {
			continue
		}
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		err = m.write(write, ctx.Err() != nil)
		cancel()
		if err != nil || ctx.Err() != nil {
			return err
		}
		last = time.Now()
	}
}

// open opens the log where the counts end. Where it no longer has what follows,
// it goes on with the first that is there, and says so.
func (m *Meter) open(ctx context.Context) (eventlog.Reader, error) {
	reader, err := m.o.Log.Open(ctx, m.at, eventlog.Filter{})
	var e *millrace.Error
	if !errors.As(err, &e) {
		return reader, err
	}
	at := m.at
	switch e.Kind {
	case millrace.Gone:
		at = millrace.Position{Epoch: e.First.Epoch}
		if e.First.Seq > 0 {
			at.Seq, at.Index = e.First.Seq-1, millrace.EndOfFrame
		}
	case millrace.Ahead: // a log from before the counts: what it had at the start was counted already
		at = m.base
	default:
		return nil, err
	}
	if reader, err = m.o.Log.Open(ctx, at, eventlog.Filter{}); err != nil {
		return nil, err // such as: more was trimmed meanwhile
	}
	m.o.Logger.Error("the log does not have what follows the counts of usage: some records are not counted", "counted", m.at, "from", at)
	m.at, m.gap = at, m.o.Now()
	return reader, nil
}

// count adds what a batch holds. Records of one space mostly lie together.
func (m *Meter) count(b eventlog.Batch) {
	spaces := m.o.Store.Spaces()
	var known cell
	var a *amounts
	var sp *Space
	for i := range b.Records {
		r := &b.Records[i]
		if r.Stream == millrace.StreamResent || r.Source == millrace.SourceMillrace {
			continue
		}
		if c := (cell{r.Workspace, Day(r.Received)}); a == nil || c != known {
			known = c
			if a = m.counts[c]; a == nil {
				a = &amounts{}
				m.counts[c] = a
			}
			sp, _ = spaces.Space(c.space)
		}
		one := amounts{bytes: int64(len(r.Body))}
		if r.Stream == millrace.StreamRejected {
			one.rejected = 1
		} else {
			one.events = 1
		}
		a.events, a.rejected, a.bytes = a.events+one.events, a.rejected+one.rejected, a.bytes+one.bytes
		if sp == nil {
			continue
		}
		if t := m.total(sp.Workspace, known.day); t != nil {
			t.add(&one)
			m.notable[sp.Workspace] = true
		}
		if !r.Position.After(m.base) && r.Position.After(m.added) { // the gate did not see it
			if d := sp.use.on(known.day); d != nil {
				d.events.Add(one.events)
				d.bytes.Add(one.bytes)
			}
		}
	}
	if m.at = b.Through; m.at.After(m.added) {
		m.added = m.at
	}
}
