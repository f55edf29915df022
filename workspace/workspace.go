// Package workspace keeps the tenants of an installation: workspaces and their
// environments, their names and life cycle, what they may use and what they
// used. It tells the data plane in nanoseconds which space an address means and
// whether it takes records and queries at present, counts what the log holds,
// and purges what was deleted, step by step.
//
// An environment of a workspace is a space: the id that records carry. Ids never
// change and are never used again. Names change.
package workspace

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A State is where a workspace or an environment is in its life.
type State string

// The states. Deleted is undone by Undelete until its time is over; Purging is
// not. What was purged has no state: there is no such thing any more.
const (
	Active    State = "active"
	Suspended State = "suspended" // workspaces only
	Deleted   State = "deleted"
	Purging   State = "purging"
)

// A Workspace is a tenant.
type Workspace struct {
	ID         string // never changes
	Name       string // see CheckName
	Title      string
	State      State
	Reason     string // why it is suspended
	Since      time.Time
	PurgeAfter time.Time // when it was deleted; else zero
	Created    time.Time
	Main       string // the space of its default environment
	Quotas     Quotas
	// Environments are all of them, in order of their names; OldNames those that
	// still lead here, the newest first.
	Environments []Environment
	OldNames     []OldName
}

// An Environment has data, keys and secrets of its own.
type Environment struct {
	Space      string // the id that its records carry; never changes
	Name       string
	State      State // of its own: that of the workspace holds besides
	Since      time.Time
	PurgeAfter time.Time
	Created    time.Time
	Problem    string // what stops its purge
}

// An OldName still means its workspace, and nobody else can have it.
type OldName struct {
	Name  string
	Until time.Time
}

// Find returns the environment of that name.
func (w *Workspace) Find(name string) (Environment, bool) {
	for _, e := range w.Environments {
		if e.Name == name {
			return e, true
		}
	}
	return Environment{}, false
}

// A Change is what happened to a workspace or one of its environments, for the
// audit log.
type Change struct {
	Action      string // workspace.create, environment.delete …
	Workspace   string // its id; empty when nothing is left of it
	Environment string // its name; empty when the workspace as a whole is meant
	ID, Name    string // of what was changed: an id, or a space, and its name then
	Before      any    // what changed of it, as JSON; nil when there is nothing to say
	After       any
	Note        string
}

// Erased is what was purged: a whole workspace, or environments of one that goes on.
type Erased struct {
	Workspace    string // id
	Whole        bool
	Environments []Environment
}

// Options say how a Store works.
type Options struct {
	Catalog catalog.Catalog // required
	// Record is called in the transaction of every change; required. It may run
	// again with the transaction.
	Record func(ctx context.Context, tx catalog.Tx, c Change) error
	// Erase removes what others keep in the catalog of what was purged, in the
	// transaction that ends the purge; default: nobody keeps anything.
	Erase func(ctx context.Context, tx catalog.Tx, e Erased) error
	// Quotas are those of new workspaces; default none.
	Quotas Quotas
	// Grace is how long a deleted workspace or environment can be had back;
	// default 7 days.
	Grace time.Duration
	// NameHold is how long an old name leads to its workspace and is kept from
	// others; default 90 days.
	NameHold time.Duration
	// Patience is how long a suspended or deleted workspace tells senders to keep
	// what they have (429) before it tells them to give up (403); default 24 h.
	Patience time.Duration
	// Poll is how often Run looks for what other servers changed; default 1 s.
	Poll   time.Duration
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default discards
}

func (o *Options) complete() error {
	if o.Catalog == nil || o.Record == nil {
		return millrace.Errorf(millrace.Invalid, "a store of workspaces needs a catalog and a record of changes: set Options.Catalog and Options.Record")
	}
	if err := o.Quotas.Validate(); err != nil {
		return err
	}
	for d, value := range map[*time.Duration]time.Duration{
		&o.Grace: 7 * 24 * time.Hour, &o.NameHold: 90 * 24 * time.Hour, &o.Patience: 24 * time.Hour, &o.Poll: time.Second,
	} {
		if *d <= 0 {
			*d = value
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// A Store keeps workspaces in a catalog, and a view of all of them in memory. It
// is safe for concurrent use.
type Store struct {
	o       Options
	catalog catalog.Catalog
	now     func() time.Time // in microseconds, as the catalog keeps it

	spaces  atomic.Pointer[Spaces]
	loading sync.Mutex // of spaces
	uses    map[string]*use
	told    sync.Mutex // of watchers
	watch   map[int]func(workspaces []string)
	watched int
}

// Open reads the workspaces of a catalog. When there is none yet it makes the
// first, called default, with an environment of the space default.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Store{o: o, catalog: o.Catalog, uses: map[string]*use{}, watch: map[int]func([]string){}}
	s.now = func() time.Time { return o.Now().UTC().Truncate(time.Microsecond) }
	s.spaces.Store(newSpaces(o.Patience, o.Now))
	if err := s.first(ctx); err != nil {
		return nil, err
	}
	return s, s.Refresh(ctx)
}

// Run sees what other servers change, within Options.Poll, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.Refresh(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			s.o.Logger.Warn("workspaces that other servers change are not seen", "error", err)
		}
		failed = err != nil
	}
}
