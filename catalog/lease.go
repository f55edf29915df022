package catalog

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// A Lease says who may do what one server at a time does.
type Lease struct {
	Name   string
	Holder string // empty when it is free
	// Token grows with each holder. What outlives a holder compares it, so that
	// one who lost the lease without knowing cannot write (see Held.Check).
	Token int64
	// Until is when it ends unless it is renewed, by the clock of the holder:
	// for people, nothing depends on it.
	Until time.Time
}

// LeaseOptions say how a lease is held.
type LeaseOptions struct {
	// TTL is how long it lasts when its holder is gone; default 6 s. Others take
	// over within that and a second.
	TTL time.Duration
	// Renew is how often it is renewed; default a quarter of TTL, at most a third.
	Renew time.Duration
	// Dead says that a holder surely has ended, so that nobody waits for its
	// TTL; default never. See ProcessEnded.
	Dead func(holder string) bool
	// Now is a clock of which only differences count; default one that goes on
	// while the machine sleeps.
	Now    func() time.Time
	Logger *slog.Logger // default discards
}

func (o *LeaseOptions) complete() error {
	if o.TTL == 0 {
		o.TTL = 6 * time.Second
	}
	if o.Renew == 0 {
		o.Renew = o.TTL / 4
	}
	if o.TTL < 0 || o.Renew <= 0 || o.Renew > o.TTL/3 {
		return millrace.Errorf(millrace.Invalid, "a lease of %v cannot be renewed every %v: renew it at least three times in its time", o.TTL, o.Renew)
	}
	if o.Dead == nil {
		o.Dead = func(string) bool { return false }
	}
	if o.Now == nil {
		o.Now = uptime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// A leaseRow is a lease as it is stored. The clocks of two hosts are never
// compared: a waiter watches beat for as long as ttl lasts.
type leaseRow struct {
	Holder      string
	Token, Beat int64
	TTL         int64 // microseconds
}

// Leases returns all leases by name.
func Leases(ctx context.Context, tx Tx) ([]Lease, error) {
	return All[Lease](ctx, tx, "SELECT name, holder, token, renewed + ttl FROM lease ORDER BY name")
}

// Hold waits until the lease is free and takes it. A holder that does not renew
// it for its TTL, by the clock of whoever waits, has lost it. While the store is
// away Hold goes on waiting; it fails when ctx ends or the catalog is closed.
// The lease is renewed until it is released or lost, also when ctx ends.
func Hold(ctx context.Context, c Catalog, name, holder string, o LeaseOptions) (*Held, error) {
	if name == "" || holder == "" {
		return nil, millrace.Errorf(millrace.Invalid, "a lease needs a name and a holder, not %q and %q", name, holder)
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	w := waiter{c: c, o: o, name: name, holder: holder}
	look := time.NewTicker(min(max(o.TTL/12, 10*time.Millisecond), 500*time.Millisecond))
	defer look.Stop()
	for {
		held, err := w.look(ctx)
		switch {
		case held != nil:
			return held, nil
		case errors.Is(err, ErrClosed):
			return nil, err
		case err != nil && !w.failing:
			o.Logger.Warn("waiting for a lease: the catalog does not answer", "lease", name, "error", err)
		}
		w.failing = err != nil
		select {
		case <-ctx.Done():
			return nil, millrace.Errorf(millrace.Canceled, "gave up waiting for the lease %s: %w", name, ctx.Err())
		case <-look.C:
		}
	}
}

// A waiter wants a lease.
type waiter struct {
	c            Catalog
	o            LeaseOptions
	name, holder string
	last         leaseRow  // as it was seen last
	since        time.Time // when last was seen first
	told         string    // the holder that was written to the log
	failing      bool
}

// look takes the lease if it is free.
func (w *waiter) look(ctx context.Context) (*Held, error) {
	asking, cancel := context.WithTimeout(ctx, max(w.o.TTL/2, time.Second))
	defer cancel()
	var row leaseRow
	var found bool
	err := w.c.View(asking, func(tx Tx) (err error) {
		row, found, err = Find[leaseRow](asking, tx, "SELECT holder, token, beat, ttl FROM lease WHERE name = $1", w.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	now := w.o.Now() // after what was seen was written
	if row != w.last || w.since.IsZero() {
		w.last, w.since = row, now
	}
	expired := now.Sub(w.since) >= time.Duration(row.TTL)*time.Microsecond
	if found && row.Holder != "" && !expired && !w.o.Dead(row.Holder) {
		if w.told != row.Holder {
			w.told = row.Holder
			w.o.Logger.Info("waiting for a lease", "lease", w.name, "holder", row.Holder)
		}
		return nil, nil
	}
	return w.take(asking, row, found)
}

// take takes the lease if nobody was faster.
func (w *waiter) take(ctx context.Context, row leaseRow, found bool) (*Held, error) {
	sent := w.o.Now() // before others see it
	var taken int64
	err := w.c.Update(ctx, func(tx Tx) (err error) {
		if !found {
			taken, err = tx.Exec(ctx, "INSERT INTO lease (name, holder, token, beat, ttl, renewed) VALUES ($1, $2, 1, 1, $3, $4) ON CONFLICT DO NOTHING",
				w.name, w.holder, w.o.TTL.Microseconds(), time.Now())
			return err
		}
		taken, err = tx.Exec(ctx, "UPDATE lease SET holder = $1, token = token + 1, beat = beat + 1, ttl = $2, renewed = $3 WHERE name = $4 AND token = $5 AND beat = $6",
			w.holder, w.o.TTL.Microseconds(), time.Now(), w.name, row.Token, row.Beat)
		return err
	})
	if err != nil || taken == 0 {
		return nil, err
	}
	h := &Held{c: w.c, o: w.o, name: w.name, token: row.Token + 1, lost: make(chan struct{}), done: make(chan struct{})}
	h.extend(sent)
	w.o.Logger.Info("holding a lease", "lease", w.name, "holder", w.holder, "token", h.token)
	go h.renew(context.WithoutCancel(ctx))
	return h, nil
}

// A Held is a lease that was taken. It is safe for concurrent use.
type Held struct {
	c     Catalog
	o     LeaseOptions
	name  string
	token int64
	lost  chan struct{}
	done  chan struct{} // closed when it is renewed no more

	mu      sync.Mutex
	until   time.Time // by Now
	err     error     // why it is not held any more
	trouble error     // of the last renewal
}

// Token is the fencing token. See Lease.Token.
func (h *Held) Token() int64 { return h.token }

// Lost is closed when the lease is held no longer. A process that was stopped
// for a while finds that out a moment after it goes on: ask Err right before
// what only the holder may do.
func (h *Held) Lost() <-chan struct{} { return h.lost }

// Err returns nil while the lease is surely held, and then why it is not. It
// reads a clock, and asks nobody.
func (h *Held) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil && !h.o.Now().Before(h.until) {
		switch {
		case h.trouble != nil:
			h.end(millrace.Errorf(millrace.Unavailable, "the lease %s is lost, since the catalog could not be asked to renew it for %v: %w", h.name, h.o.TTL, h.trouble))
		default:
			h.end(millrace.Errorf(millrace.Unavailable, "the lease %s is lost, since this process stood still for longer than %v", h.name, h.o.TTL))
		}
	}
	return h.err
}

// Check fails with Conflict when another has the lease, as of this transaction:
// in an Update what it writes is committed only while the lease is held.
func (h *Held) Check(ctx context.Context, tx Tx) error {
	token, _, err := Find[int64](ctx, tx, "SELECT token FROM lease WHERE name = $1 AND holder <> ''", h.name)
	if err == nil && token != h.token {
		err = h.taken()
	}
	return err
}

func (h *Held) taken() error {
	return millrace.Errorf(millrace.Conflict, "the lease %s is lost: another server has taken it over", h.name)
}

// Release gives the lease to whoever waits. When the store is away it is free after its TTL.
func (h *Held) Release(ctx context.Context) error {
	h.mu.Lock()
	held := h.err == nil
	h.end(millrace.Errorf(millrace.Unavailable, "the lease %s was released", h.name))
	h.mu.Unlock()
	<-h.done
	if !held {
		return nil
	}
	return h.c.Update(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, "UPDATE lease SET holder = '', beat = beat + 1 WHERE name = $1 AND token = $2", h.name, h.token)
		return err
	})
}

// end needs mu. The first reason stays.
func (h *Held) end(why error) {
	if h.err == nil {
		h.err = why
		close(h.lost)
	}
}

func (h *Held) lose(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end(why)
}

// extend says that a renewal succeeded which was sent at that time: others wait
// for at least a TTL from when they see it, so ours is over an eighth before.
func (h *Held) extend(sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until, h.trouble = sent.Add(h.o.TTL-h.o.TTL/8), nil
}

// renew renews the lease until it is lost.
func (h *Held) renew(ctx context.Context) {
	defer close(h.done)
	next := h.o.Renew
	for h.Err() == nil {
		h.mu.Lock()
		left := h.until.Sub(h.o.Now())
		h.mu.Unlock()
		pause := time.NewTimer(max(min(next, left), time.Millisecond))
		select {
		case <-h.lost:
			pause.Stop()
			return
		case <-pause.C:
		}
		if h.Err() != nil {
			break
		}
		next = h.o.Renew
		if !h.once(ctx) {
			next /= 4 // soon again
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.o.Logger.Warn("a lease is held no longer", "lease", h.name, "token", h.token, "error", h.err)
}

// once renews the lease, and says whether that succeeded.
func (h *Held) once(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, h.o.TTL/4)
	defer cancel()
	sent := h.o.Now()
	var renewed int64
	err := h.c.Update(ctx, func(tx Tx) (err error) {
		renewed, err = tx.Exec(ctx, "UPDATE lease SET beat = beat + 1, renewed = $1 WHERE name = $2 AND token = $3 AND holder <> ''", time.Now(), h.name, h.token)
		return err
	})
	switch {
	case err != nil:
		h.mu.Lock()
		h.trouble = err
		h.mu.Unlock()
		h.o.Logger.Warn("renewing a lease", "lease", h.name, "error", err)
	case renewed == 0:
		h.lose(h.taken())
	default:
		h.extend(sent)
	}
	return err == nil
}
