package warehouse

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// LoaderOptions say what a Loader loads.
type LoaderOptions struct {
	Warehouse Warehouse       // required
	Opener    eventlog.Opener // required; gives no duplicates
	Workspace string          // required
	Settings  Settings
	// Interval is the time between two commits; default 1 s.
	Interval time.Duration
	// Pace is how long few records may wait for more, where that is longer than
	// Interval: with many workspaces each commits its few less often. Whoever waits
	// for a position is not kept waiting. It is asked each Interval; nil: not at all.
	Pace func() time.Duration
	// MaxRecords and MaxBytes (of bodies) bound one commit, when there is much
	// to catch up with; default 20,000 and 24 MiB.
	MaxRecords int
	MaxBytes   int
	// LowLoad is how many records an interval may bring for every table to be
	// committed with it; default 200. With more, event tables, users and
	// accounts wait for more rows.
	LowLoad int
	Logger  *slog.Logger          // default discard
	Metrics prometheus.Registerer // nil for none
	Now     func() time.Time      // default time.Now
}

// A Loader moves the records of one workspace from the log into a warehouse.
// It is safe for concurrent use.
type Loader struct {
	o       LoaderOptions
	log     *slog.Logger
	metrics loaderMetrics
	kick    chan struct{} // something was asked for
	holds   chan *hold

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when the state changes
	state   LoaderStats
	want    millrace.Position // someone waits for it
	paused  bool
	restart context.CancelFunc // ends the session that runs
	rebuild bool
	stray   bool      // the warehouse is at a place that the history does not know
	stuck   bool      // it has failed for long, and no session runs
	config  *Settings // to be given to the warehouse

	care care

	noticed     atomic.Bool       // the notices have been asked for
	noticing    sync.Mutex        // held while they are
	asking      sync.WaitGroup    // for them
	began       sync.Once         // sets noticesFrom
	noticesFrom millrace.Position // what lies before was told by an earlier process
}

// LoaderStats say how a Loader is.
type LoaderStats struct {
	Scanned   millrace.Position // built-in tables but users and accounts have everything through here
	Committed millrace.Position // every table has
	// ScannedTime is the log time of Scanned.
	ScannedTime time.Time
	AtEnd       bool  // nothing more in the log
	Rows        int64 // written since the start
	Discards    int64
	// EventTables is how many event tables there are; nil: not known yet.
	EventTables *int64
	Paused      bool
	Running     bool // connected to log and warehouse
	// Notices are the newest rows of millrace.notices, at most 50, newest first:
	// what whoever runs this has to know. They are known a moment after the start.
	Notices []Notice
	// Problem is why nothing is loaded at this moment, or "".
	Problem string
}

// NewLoader returns a Loader; Run starts it.
func NewLoader(o LoaderOptions) (*Loader, error) {
	if o.Warehouse == nil || o.Opener == nil || o.Workspace == "" {
		return nil, millrace.Errorf(millrace.Invalid, "a loader needs a Warehouse, an Opener and a Workspace")
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = 20_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 24 << 20
	}
	if o.LowLoad == 0 {
		o.LowLoad = 200
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Loader{
		o: o, log: o.Logger.With("workspace", o.Workspace), kick: make(chan struct{}, 1), holds: make(chan *hold),
		changed: make(chan struct{}), config: &o.Settings, restart: func() {}, care: care{limit: o.MaxRecords, most: o.MaxRecords, patience: defaultPatience},
	}
	return l, l.metrics.register(o, l)
}

// Run loads until ctx is done. It never gives up: what fails is tried again.
func (l *Loader) Run(ctx context.Context) error {
	defer l.asking.Wait()
	var f failing
	for ctx.Err() == nil {
		if !l.unpaused(ctx) {
			return nil
		}
		before, begun := l.Stats().Scanned, time.Now()
		sessionCtx, cancel := context.WithCancel(ctx)
		l.update(func() {
			if l.restart = cancel; l.paused {
				cancel()
			}
		})
		err := l.session(sessionCtx)
		asked := sessionCtx.Err() != nil || errors.Is(err, errRestart)
		cancel()
		if asked || l.Stats().Scanned.After(before) || time.Since(begun) > longSession {
			f = failing{logged: f.logged, text: f.text}
		}
		l.update(func() { l.state.Running, l.restart = false, func() {} })
		if ctx.Err() != nil {
			return nil
		}
		if asked {
			continue
		}
		wait, log := f.again(err)
		if log {
			l.log.Warn("loading into the warehouse failed: trying again", "error", err, "after", wait)
		}
		l.update(func() {
			l.state.Problem, l.stray, l.stuck = err.Error(), millrace.KindOf(err) == millrace.Ahead, f.stuck()
		})
		l.rest(ctx, wait/2+rand.N(wait))
	}
	return nil
}

// errRestart ends a session that is to begin again.
var errRestart = errors.New("begin again")

// rest waits before the next session. A rebuild need not wait for that when no
// session can begin before the tables are made anew.
func (l *Loader) rest(ctx context.Context, d time.Duration) {
	holds := l.holds
	if !l.strays() {
		holds = nil
	}
	timer, soon := time.NewTimer(d), time.NewTimer(min(d, restWhenAsked))
	defer timer.Stop()
	defer soon.Stop()
	var kick chan struct{} // someone who asks is a reason to try earlier
	for {
		select {
		case <-soon.C:
			kick = l.kick
			continue
		case <-ctx.Done():
		case <-timer.C:
		case <-kick:
		case h := <-holds:
			l.rebuilt(ctx, h)
		}
		return
	}
}

// rebuilt waits while a rebuild swaps its tables in.
func (l *Loader) rebuilt(ctx context.Context, h *hold) {
	defer close(h.lost)
	select {
	case <-ctx.Done():
		return
	case h.at <- millrace.Position{}:
	case <-h.release:
	}
	select {
	case <-ctx.Done():
	case <-h.release:
	}
}

// strays says whether the warehouse is at a place that the history does not
// know: then nothing is loaded until its tables are made anew.
func (l *Loader) strays() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stray
}

// isStuck says whether loading has failed for long.
func (l *Loader) isStuck() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stuck && !l.state.Running
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// update changes the state and tells those who wait for it.
func (l *Loader) update(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// await blocks until done says so, which is called with the state locked.
func (l *Loader) await(ctx context.Context, done func() (bool, error)) error {
	for {
		l.mu.Lock()
		ok, err := done()
		changed := l.changed
		l.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (l *Loader) unpaused(ctx context.Context) bool {
	return l.await(ctx, func() (bool, error) { return !l.paused, nil }) == nil
}

func (l *Loader) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// WaitFor returns when every table has everything through p. It makes the
// loader commit at once what it holds. Unavailable when that is not so by the
// end of ctx, or cannot become so because the loader is paused.
func (l *Loader) WaitFor(ctx context.Context, p millrace.Position) error {
	err := l.await(ctx, func() (bool, error) {
		if !p.After(l.state.Committed) {
			return true, nil
		}
		if l.paused {
			return false, millrace.Errorf(millrace.Unavailable, "the warehouse's loader is paused at %s: resume it to see %s", l.state.Committed, p)
		}
		if l.stray {
			return false, millrace.Errorf(millrace.Unavailable, "the warehouse does not go on: %s", l.state.Problem)
		}
		if l.stuck && !l.state.Running {
			l.wake()
			return false, millrace.Errorf(millrace.Unavailable, "the warehouse is at %s, not yet at %s, and is not loaded: %s", l.state.Committed, p, l.state.Problem)
		}
		if p.After(l.want) {
			l.want = p
			l.wake()
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil {
		s := l.Stats()
		return millrace.Errorf(millrace.Unavailable, "the warehouse has reached %s, not yet %s: ask again, or without a position%s", s.Committed, p, because(s.Problem))
	}
	return err
}

func because(problem string) string {
	if problem == "" {
		return ""
	}
	return "; " + problem
}

// Configure changes how records are shaped from the next commit on.
func (l *Loader) Configure(s Settings) {
	l.update(func() { l.config = &s })
	l.wake()
}

// Pause stops loading after the current commit.
func (l *Loader) Pause() {
	l.update(func() { l.paused, l.state.Paused = true, true; l.restart() })
}

// Resume ends a Pause.
func (l *Loader) Resume() { l.update(func() { l.paused, l.state.Paused = false, false }) }

// Reset makes all tables anew from the whole history, even when fewer rows result.
func (l *Loader) Reset(ctx context.Context) error {
	_, err := l.Rebuild(ctx, RebuildOptions{Yes: true})
	return err
}

// Stats says how the loader is.
func (l *Loader) Stats() LoaderStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}
