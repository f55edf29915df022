package workspace

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Space is one environment of a workspace as the data plane sees it. It does
// not change: a change makes another.
type Space struct {
	ID          string // that its records carry
	Workspace   string // id
	Name        string // of the workspace
	Title       string
	Environment string
	Main        bool // it is the default environment
	// State is that of the workspace or, where it is worse, of the environment.
	State      State
	Reason     string // why it is suspended
	Since      time.Time
	PurgeAfter time.Time // when it was deleted; else zero
	Quotas     Quotas

	alone    bool // its own state, not that of the workspace
	patience time.Duration
	limits   limits
	use      *use
}

// Address is how people write the space: acme, or acme@staging.
func (sp *Space) Address() string { return Address(sp.Name, sp.Environment, sp.Main) }

// Usable says whether anything can be asked of the space at present: Forbidden
// when it is suspended, NotFound when it was deleted.
func (sp *Space) Usable() error {
	switch sp.State {
	case Suspended:
		return millrace.Errorf(millrace.Forbidden, "workspace %s is suspended%s: nothing can be asked of it until whoever runs this server resumes it", sp.Name, because(sp.Reason))
	case Deleted:
		return millrace.Errorf(millrace.NotFound, "%s was deleted, and is deleted for good after %s: until then %s can undelete it", sp.Address(), atSecond(sp.PurgeAfter), sp.undeleters())
	case Purging:
		return millrace.Errorf(millrace.NotFound, "%s was deleted, and is being deleted for good: nobody can undelete it any more", sp.Address())
	}
	return nil
}

// undeleters are who can have it back.
func (sp *Space) undeleters() string {
	if sp.alone {
		return "an owner or admin of the workspace"
	}
	return "an owner of the workspace"
}

// atSecond is a time as messages say it.
func atSecond(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// Spaces are all spaces at one moment. It does not change.
type Spaces struct {
	patience   time.Duration
	now        func() time.Time
	version    int64
	workspaces map[string][]*Space // by id
	bySpace    map[string]*Space
	byAddress  map[string]named
	names      map[string][]string // addresses of a workspace, by its id
}

// named is what an address means, until then when it is an old one.
type named struct {
	space *Space
	until int64 // ns since 1970; 0: for good
}

func newSpaces(patience time.Duration, now func() time.Time) *Spaces {
	return &Spaces{patience: patience, now: now, workspaces: map[string][]*Space{}, bySpace: map[string]*Space{}, byAddress: map[string]named{}, names: map[string][]string{}}
}

// Spaces returns all spaces as they are now.
func (s *Store) Spaces() *Spaces { return s.spaces.Load() }

// Space returns a space by its id.
func (a *Spaces) Space(id string) (*Space, bool) {
	sp, ok := a.bySpace[id]
	return sp, ok
}

// Find returns the space that an address means: acme, acme@staging, or the id of
// a space. An old name means what it did, until its time is over; Address of the
// space tells the new one.
func (a *Spaces) Find(address string) (*Space, bool) {
	if n, ok := a.byAddress[address]; ok {
		if n.until == 0 || a.now().UnixNano() < n.until {
			return n.space, true
		}
	}
	return a.Space(address)
}

// Workspace returns the id of the workspace that is named by an address of one of
// its spaces, or by its id.
func (a *Spaces) Workspace(name string) (id string, ok bool) {
	if sp, ok := a.Find(name); ok {
		return sp.Workspace, true
	}
	_, ok = a.workspaces[name]
	return name, ok
}

// Of returns the spaces of a workspace by its id, its default environment first.
func (a *Spaces) Of(workspace string) []*Space { return a.workspaces[workspace] }

// All goes through all spaces, in no order.
func (a *Spaces) All() iter.Seq[*Space] { return maps.Values(a.bySpace) }

// Len is how many spaces there are.
func (a *Spaces) Len() int { return len(a.bySpace) }

// Version grows with every change of a workspace on any server.
func (a *Spaces) Version() int64 { return a.version }

// with returns what there is after workspaces have changed and others have gone.
func (a *Spaces) with(version int64, changed []Workspace, gone []string, uses map[string]*use) *Spaces {
	next := &Spaces{patience: a.patience, now: a.now, version: version, workspaces: maps.Clone(a.workspaces), bySpace: maps.Clone(a.bySpace), byAddress: maps.Clone(a.byAddress), names: maps.Clone(a.names)}
	for _, id := range gone {
		next.drop(id)
		delete(next.bySpace, id) // the id of a space, perhaps
		delete(uses, id)
	}
	for i := range changed {
		next.drop(changed[i].ID)
	}
	for i := range changed { // a name may have gone from one to another
		w := &changed[i]
		if uses[w.ID] == nil {
			uses[w.ID] = newUse()
		}
		next.add(w, uses[w.ID])
	}
	return next
}

func (a *Spaces) drop(workspace string) {
	for _, sp := range a.workspaces[workspace] {
		delete(a.bySpace, sp.ID)
	}
	for _, name := range a.names[workspace] {
		if n, ok := a.byAddress[name]; ok && n.space.Workspace == workspace {
			delete(a.byAddress, name)
		}
	}
	delete(a.workspaces, workspace)
	delete(a.names, workspace)
}

func (a *Spaces) add(w *Workspace, u *use) {
	var names []string
	call := func(name string, sp *Space, until int64) {
		a.byAddress[name] = named{sp, until}
		names = append(names, name)
	}
	for i := range w.Environments {
		e := &w.Environments[i]
		sp := &Space{ID: e.Space, Workspace: w.ID, Name: w.Name, Title: w.Title, Environment: e.Name, Main: e.Space == w.Main,
			State: w.State, Reason: w.Reason, Since: w.Since, PurgeAfter: w.PurgeAfter, Quotas: w.Quotas, patience: a.patience, limits: w.Quotas.limits(), use: u}
		if e.State != Active && w.State != Purging {
			sp.State, sp.Reason, sp.Since, sp.PurgeAfter, sp.alone = e.State, "", e.Since, e.PurgeAfter, true
		}
		a.bySpace[sp.ID] = sp
		a.workspaces[w.ID] = append(a.workspaces[w.ID], sp)
		call(w.Name+"@"+e.Name, sp, 0)
		for _, old := range w.OldNames {
			call(old.Name+"@"+e.Name, sp, old.Until.UnixNano())
		}
		if !sp.Main {
			continue
		}
		all := a.workspaces[w.ID]
		all[0], all[len(all)-1] = all[len(all)-1], all[0]
		call(w.Name, sp, 0)
		for _, old := range w.OldNames {
			call(old.Name, sp, old.Until.UnixNano())
		}
	}
	a.names[w.ID] = names
}

// Refresh reads what has changed in the catalog since the last time. Changes
// made through the Store need none.
func (s *Store) Refresh(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	known := s.spaces.Load()
	var changed []Workspace
	var gone []string
	var now int64
	err := s.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		changed, gone = nil, nil
		if now, err = version(ctx, tx); err != nil || now == known.version {
			return err
		}
		if changed, err = s.read(ctx, tx, "WHERE version > $1", known.version); err != nil {
			return err
		}
		gone, err = catalog.All[string](ctx, tx, "SELECT id FROM workspace_gone WHERE version > $1", known.version)
		return err
	})
	if err != nil || now == known.version {
		return err
	}
	s.spaces.Store(known.with(now, changed, gone, s.uses))
	ids := gone
	for i := range changed {
		ids = append(ids, changed[i].ID)
	}
	s.tell(ids)
	return nil
}

// Watch calls f with the ids of workspaces, and of spaces that are gone, whenever
// some have changed, until stop is called: in this process at once, and within
// Options.Poll after another server changed them. f is called by whoever makes
// the change, one call at a time: it only notes that there is something to do.
func (s *Store) Watch(f func(ids []string)) (stop func()) {
	s.told.Lock()
	defer s.told.Unlock()
	s.watched++
	n := s.watched
	s.watch[n] = f
	return func() {
		s.told.Lock()
		defer s.told.Unlock()
		delete(s.watch, n)
	}
}

func (s *Store) tell(ids []string) {
	s.told.Lock()
	defer s.told.Unlock()
	for _, f := range s.watch {
		f(ids)
	}
}
