package warehouse

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// idleInterval is how often the checkpoint moves when nothing but the log's
// end has moved.
const idleInterval = 30 * time.Second

// A session is one unbroken run over the log.
type session struct {
	*Loader
	entries []eventlog.Entry // not yet applied
	bytes   int
	through millrace.Position // read to here
	time    time.Time         // log time of through
	atEnd   bool
	caught  bool              // the end was reached since the last tick
	applied millrace.Position // given to the warehouse
	prog    Progress
	last    time.Time // of Apply
	recent  int       // records since the last tick
	tick    bool      // an interval is over
}

// A hold asks a session to commit everything and to wait.
type hold struct {
	at      chan millrace.Position // where the session stands
	lost    chan struct{}          // closed when the session that took it has ended
	release chan struct{}          // closed when it may begin again
}

func newHold() *hold {
	return &hold{at: make(chan millrace.Position), lost: make(chan struct{}), release: make(chan struct{})}
}

type pulled struct {
	eventlog.Batch
	err error
}

func (l *Loader) session(ctx context.Context) error {
	if err := l.reconfigure(ctx); err != nil {
		return err
	}
	after, err := l.o.Warehouse.Resume(ctx, l.o.Workspace)
	if err != nil {
		return err
	}
	reader, err := l.o.Opener.Open(ctx, after, eventlog.Filter{Workspace: l.o.Workspace})
	if err != nil {
		return err
	}
	defer reader.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan pulled)
	go pull(ctx, reader, batches)
	l.care.begin(after)
	s := &session{Loader: l, through: after, applied: after, prog: Progress{Scanned: after, Committed: after}, last: time.Now()}
	l.update(func() {
		if l.stray {
			l.stray, l.state.Problem = false, ""
		}
		l.state.Running, l.state.AtEnd = true, false
		l.state.Scanned, l.state.Committed = after, after
	})
	l.began.Do(func() { l.noticesFrom = after })
	if !l.noticed.Swap(true) {
		l.asking.Go(func() { l.readNotices(ctx) })
	}
	return s.run(ctx, batches)
}

func pull(ctx context.Context, reader eventlog.Reader, out chan<- pulled) {
	for {
		b, err := reader.Next(ctx)
		select {
		case <-ctx.Done():
			return
		case out <- pulled{b, err}:
		}
		if err != nil {
			return
		}
	}
}

func (s *session) run(ctx context.Context, batches <-chan pulled) error {
	ticker := time.NewTicker(s.o.Interval)
	defer ticker.Stop()
	for {
		in := batches
		if len(s.entries) >= s.care.limit || s.bytes >= s.o.MaxBytes {
			in = nil
		}
		var asked *hold
		select {
		case <-ctx.Done():
			return ctx.Err()
		case got := <-in:
			if got.err != nil {
				return got.err
			}
			s.take(got.Batch)
		case <-ticker.C:
			s.tick = true
		case <-s.kick:
		case asked = <-s.holds:
			defer close(asked.lost)
		}
		if err := s.reconfigure(ctx); err != nil {
			return err
		}
		if asked != nil {
			return s.hold(ctx, asked)
		}
		if err := s.applyDue(ctx); err != nil {
			return err
		}
	}
}

func (s *session) take(b eventlog.Batch) {
	s.entries = append(s.entries, b.Records...)
	for i := range b.Records {
		s.bytes += len(b.Records[i].Body) + len(b.Records[i].Meta)
	}
	s.recent += len(b.Records)
	if b.Through.After(s.through) {
		s.through = b.Through
	}
	if !b.Time.IsZero() {
		s.time = b.Time
	}
	s.atEnd = b.AtEnd
	s.caught = s.caught || b.AtEnd
}

// applyDue commits when it is time to.
func (s *session) applyDue(ctx context.Context) error {
	s.mu.Lock()
	want := s.want
	s.mu.Unlock()
	forced := want.After(s.prog.Committed) && !s.through.Before(want)
	full := len(s.entries) >= s.care.limit || s.bytes >= s.o.MaxBytes
	tick := s.tick
	quiet := s.caught && s.recent < s.o.LowLoad
	if tick {
		s.tick, s.recent, s.caught = false, 0, s.atEnd
	}
	held := s.prog.Committed.Before(s.prog.Scanned)
	switch {
	case forced || full:
		return s.apply(ctx, forced)
	case tick && quiet && s.o.Pace != nil && time.Since(s.last) < s.o.Pace():
		return nil // more may come
	case tick && len(s.entries) > 0, tick && held:
		return s.apply(ctx, quiet)
	case tick && s.through.After(s.applied) && time.Since(s.last) >= idleInterval:
		return s.apply(ctx, true)
	case len(s.entries) == 0 && !held:
		// Nothing is missing from any table, whatever the checkpoint says.
		s.update(func() {
			s.state.AtEnd, s.state.ScannedTime = s.atEnd, s.time
			s.state.Scanned, s.state.Committed = s.through, s.through
		})
	}
	return nil
}

// apply gives everything that was read to the warehouse, in parts when a
// record makes trouble.
func (s *session) apply(ctx context.Context, flush bool) error {
	for {
		n := min(len(s.entries), s.care.limit)
		b := Batch{Entries: s.entries[:n:n], Through: s.through, Flush: flush || s.care.careful()}
		if n < len(s.entries) {
			b.Through = s.entries[n-1].Position
		}
		begun := time.Now()
		prog, err := s.o.Warehouse.Apply(ctx, s.o.Workspace, s.care.treat(b))
		if err != nil {
			if ctx.Err() == nil {
				s.care.failed(b, err, s.log)
			}
			return err
		}
		s.care.succeeded(b)
		s.metrics.applied(time.Since(begun), prog)
		if prog.Notices > 0 {
			s.asking.Go(func() { s.readNotices(ctx) })
		}
		s.prog, s.applied, s.last = prog, b.Through, time.Now()
		rest := len(s.entries) - n
		for _, e := range s.entries[:n] {
			s.bytes -= len(e.Body) + len(e.Meta)
		}
		at := s.time
		if rest > 0 {
			at = s.entries[n-1].Time
			s.entries = s.entries[n:]
		} else {
			clear(s.entries)
			s.entries, s.bytes = s.entries[:0], 0
		}
		s.update(func() {
			s.state.Scanned, s.state.Committed = prog.Scanned, prog.Committed
			s.state.ScannedTime, s.state.AtEnd = at, s.atEnd && rest == 0
			s.state.Rows += prog.Rows
			s.state.Discards += prog.Discards
			if prog.EventTables != nil {
				s.state.EventTables = prog.EventTables
			}
			s.state.Problem = ""
		})
		if rest == 0 {
			return nil
		}
	}
}

// hold commits everything, says where that is, and waits; then the session
// begins again.
func (s *session) hold(ctx context.Context, h *hold) error {
	if err := s.apply(ctx, true); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case h.at <- s.prog.Committed:
	case <-h.release: // nobody waits any more
		return errRestart
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-h.release:
		return errRestart
	}
}

// reconfigure hands new settings to the warehouse.
func (l *Loader) reconfigure(ctx context.Context) error {
	l.mu.Lock()
	config := l.config
	l.mu.Unlock()
	if config == nil {
		return nil
	}
	if err := l.o.Warehouse.Configure(ctx, l.o.Workspace, *config); err != nil {
		if millrace.KindOf(err) != millrace.Invalid {
			return err
		}
		l.log.Error("the warehouse refused new settings and goes on with the old ones", "error", err)
	}
	l.update(func() {
		if l.config == config {
			l.config = nil
		}
	})
	return nil
}
