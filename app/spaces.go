package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/workspace"
)

// spaces are those that are served. Spaces come and go while the server runs. Of
// each its project is known, for intake and for duplicates. What loads its
// tables and answers questions is opened when there is something to do, and
// closed when there was nothing for a while. The folder's is always open.
type spaces struct {
	changing sync.Mutex // held while one is served, opened or closed
	mu       sync.RWMutex
	served   map[string]*space // by id
	open     map[string]*space // those of them that are
	failed   map[string]bool   // those whose project cannot be read at this moment
	failures atomic.Int64      // how many that are
	crowd    chan struct{}     // 1: too many are open
	turns    sync.Map          // *sync.RWMutex by id: see turn
	// run starts what a space runs; nil before the server runs, and when it stops.
	run func(*space)
}

// openingAtOnce is how many spaces open their tables at once: many that get records
// in one moment would leave nothing of the processors to intake.
const openingAtOnce = 2

// turn is held, to read, by whatever gives a space another version, from reading
// the version to the end, and, to write, by what applies the one that runs again
// with other secrets: neither takes for what runs what the other is about to change.
func (ss *spaces) turn(id string) *sync.RWMutex {
	turn, _ := ss.turns.LoadOrStore(id, &sync.RWMutex{})
	return turn.(*sync.RWMutex)
}

// get returns a space that is served; nil when there is none.
func (ss *spaces) get(id string) *space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return ss.served[id]
}

// opened returns a space that is open; nil when it is not.
func (ss *spaces) opened(id string) *space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return ss.open[id]
}

// unread says whether the project of a space cannot be read at this moment; with
// "", of any.
func (ss *spaces) unread(id string) bool {
	if ss.failures.Load() == 0 || id == "" {
		return ss.failures.Load() > 0
	}
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return ss.failed[id]
}

// note notes whether the project of a space can be read.
func (ss *spaces) note(id string, failed bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if delete(ss.failed, id); failed {
		ss.failed[id] = true
	}
	ss.failures.Store(int64(len(ss.failed)))
}

// len is how many are served.
func (ss *spaces) len() int {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return len(ss.served)
}

// lenOpen is how many are open.
func (ss *spaces) lenOpen() int {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return len(ss.open)
}

// all returns the open spaces by id, the folder's first.
func (ss *spaces) all() []*space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	all := make([]*space, 0, len(ss.open))
	for _, sp := range ss.open {
		all = append(all, sp)
	}
	place := func(sp *space) string {
		if sp.id == millrace.DefaultWorkspace {
			return ""
		}
		return sp.id
	}
	slices.SortFunc(all, func(a, b *space) int { return cmp.Compare(place(a), place(b)) })
	return all
}

// known returns the spaces that are served, also those that are not open.
func (ss *spaces) known() []*space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return slices.Collect(maps.Values(ss.served))
}

// start lets all spaces run that are open, and those that are opened later.
func (ss *spaces) start(run func(*space)) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.run = run
	for _, sp := range ss.open {
		run(sp)
	}
}

// stop lets no other space run.
func (ss *spaces) stop() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.run = nil
}

// openSpaces serves all spaces, so that intake knows their keys and the follower
// how long their IDs count. One that fails does not keep the others.
func (a *App) openSpaces(ctx context.Context) error {
	_ = a.serveSpaces(ctx) // what fails is in the log, and tried again
	for _, text := range a.revivedNotices() {
		a.logger("spaces").Error(text)
	}
	return ctx.Err()
}

// serveSpaces serves what spaces there are, and no others. One that fails is
// tried again.
func (a *App) serveSpaces(ctx context.Context) error {
	var errs []error
	now := a.workspaces.store.Spaces()
	var come errgroup.Group
	come.SetLimit(2 * runtime.GOMAXPROCS(0)) // half of them wait for the catalog
	var failing sync.Mutex
	for ws := range now.All() {
		if ws.State == workspace.Purging || a.spaces.get(ws.ID) != nil {
			continue
		}
		come.Go(func() error {
			if _, err := a.serveSpace(ctx, ws); err != nil && a.there(ws.ID) {
				a.logger("spaces").Error("a space cannot be served; it is tried again", "space", ws.ID, "error", err)
				failing.Lock()
				defer failing.Unlock()
				errs = append(errs, err)
			}
			return nil
		})
	}
	_ = come.Wait() // errs has them
	a.spaces.mu.RLock()
	var gone []string
	for id := range a.spaces.served {
		if id != a.home.id && !a.there(id) {
			gone = append(gone, id)
		}
	}
	for id := range a.spaces.failed {
		if !a.there(id) {
			gone = append(gone, id)
		}
	}
	a.spaces.mu.RUnlock()
	for _, id := range gone {
		errs = append(errs, a.dropGone(id))
	}
	return errors.Join(errs...)
}

// serveSpace takes up a space: its sources are taken from now on.
func (a *App) serveSpace(ctx context.Context, ws *workspace.Space) (*space, error) {
	if sp := a.spaces.get(ws.ID); sp != nil {
		return sp, nil
	}
	p, err := a.projectOf(ctx, ws)
	if err != nil {
		err = fmt.Errorf("the project of space %s cannot be read: %w", ws.ID, err)
	} else if sp, failed := a.serveProject(ws.ID, p); failed == nil {
		return sp, nil
	} else {
		err = failed
	}
	if ctx.Err() == nil && a.there(ws.ID) {
		a.spaces.note(ws.ID, true) // from now on its keys may be any that are unknown
	}
	return nil, err
}

func (a *App) serveProject(id string, p *project.Project) (*space, error) {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	if sp := a.spaces.get(id); sp != nil {
		return sp, nil
	}
	if !a.there(id) { // it was deleted for good while its project was read
		return nil, serve.NoSpace(id)
	}
	sp := a.newSpace(id, p)
	if err := a.serveSources(sp, p); err != nil {
		return nil, err
	}
	a.spaces.mu.Lock()
	defer a.spaces.mu.Unlock()
	a.spaces.served[id] = sp
	delete(a.spaces.failed, id)
	a.spaces.failures.Store(int64(len(a.spaces.failed)))
	return sp, nil
}

// there says whether there is a space at this moment, and it is not being
// deleted for good. What was known of it a moment ago does not count: spaces
// come and go while others are opened.
func (a *App) there(id string) bool {
	ws, ok := a.workspaces.store.Spaces().Space(id)
	return ok && ws.State != workspace.Purging
}

// serveSources gives intake the sources of p for a space.
func (a *App) serveSources(sp *space, p *project.Project) error {
	if err := a.checkKeys(sp, p); err != nil {
		return err
	}
	return a.collect.SetSpace(sp.id, sources(sp.id, p))
}

// dropSpace takes a space out: nothing of it is taken or answered any more.
func (a *App) dropSpace(id string) error {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	return a.dropLocked(id)
}

// dropGone is dropSpace if the space is gone.
func (a *App) dropGone(id string) error {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	if a.there(id) {
		return nil
	}
	return a.dropLocked(id)
}

// dropLocked is dropSpace while a.spaces.changing is held.
func (a *App) dropLocked(id string) error {
	a.collect.RemoveSpace(id)
	a.spaces.note(id, false)
	a.spaces.mu.Lock()
	sp := a.spaces.open[id]
	delete(a.spaces.open, id)
	delete(a.spaces.served, id)
	a.spaces.mu.Unlock()
	a.spaces.turns.Delete(id)
	a.versions.Forget(id)
	if sp == nil {
		return nil
	}
	return sp.close(context.Background())
}

// use opens a space if it is not, and keeps it open until release is called.
func (a *App) use(id string) (sp *space, release func(), err error) {
	if sp := a.spaces.opened(id); sp != nil && sp.enter(a.o.Now()) {
		return sp, sp.leave, nil
	}
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	if sp := a.spaces.opened(id); sp != nil && sp.enter(a.o.Now()) {
		return sp, sp.leave, nil
	}
	if sp, err = a.openSpace(id); err != nil {
		return nil, nil, err
	}
	sp.enter(a.o.Now())
	return sp, sp.leave, nil
}

// openSpace opens a space that is served. a.spaces.changing is held.
func (a *App) openSpace(id string) (_ *space, err error) {
	known := a.spaces.get(id)
	if known == nil {
		return nil, millrace.Errorf(millrace.Unavailable, "this environment is not served yet: ask again in a moment; if that goes on, the server's log says why")
	}
	sp := a.newSpace(id, known.project.Load().Project)
	sp.project.Store(known.project.Load())
	defer func() {
		if err != nil {
			err = errors.Join(err, sp.close(context.Background()))
		}
	}()
	sp.metrics = prometheus.NewRegistry()
	if err := sp.openLoader(sp.metrics); err != nil {
		return nil, err
	}
	if err := sp.openAPI(nil); err != nil {
		return nil, err
	}
	if err := a.metrics.Register(sp.metrics); err != nil {
		return nil, err
	}
	sp.bounded.inherit(known.bounded, a.begins)
	defer a.crowded()
	a.spaces.mu.Lock()
	defer a.spaces.mu.Unlock()
	a.spaces.served[id], a.spaces.open[id] = sp, sp
	if a.spaces.run != nil {
		a.spaces.run(sp)
	}
	return sp, nil
}

// enter notes that the space is in use; false when it is being closed.
func (sp *space) enter(now time.Time) bool {
	sp.using.Lock()
	defer sp.using.Unlock()
	if sp.closing {
		return false
	}
	sp.users++
	sp.used = now
	return true
}

// leave notes that a use is over.
func (sp *space) leave() {
	sp.using.Lock()
	defer sp.using.Unlock()
	sp.users--
	sp.used = sp.app.o.Now()
}

// findSpace finds the space that an address names: it is opened when who asks
// may ask something.
func (a *App) findSpace(_ context.Context, name string) (*serve.Space, error) {
	spaces := a.workspaces.store.Spaces()
	ws, ok := spaces.Find(name)
	if of := spaces.Of(name); !ok && len(of) > 0 { // the id of a workspace means its default environment
		ws, ok = of[0], true
	}
	if !ok {
		return nil, serve.NoSpace(name)
	}
	return a.door(ws), nil
}

// findEnvironment finds the space of an environment by its name.
func (a *App) findEnvironment(_ context.Context, id, name string) (*serve.Space, error) {
	var names []string
	for _, ws := range a.workspaces.store.Spaces().Of(id) {
		if ws.Environment == name || ws.ID == name {
			return a.door(ws), nil
		}
		names = append(names, ws.Environment)
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no environment %.80q of this workspace: there are %s", name, sentence(names))
}

// door is a space that is opened when somebody comes in.
func (a *App) door(ws *workspace.Space) *serve.Space {
	return &serve.Space{ID: ws.ID, Workspace: ws.Workspace, Open: func(ctx context.Context) (*serve.Space, func(), error) { return a.enterSpace(ctx, ws.ID) }}
}

// enterSpace opens a space for a request.
func (a *App) enterSpace(ctx context.Context, id string) (*serve.Space, func(), error) {
	ws, ok := a.workspaces.store.Spaces().Space(id)
	if !ok {
		return nil, nil, serve.NoSpace(id)
	}
	if err := ws.Usable(); err != nil {
		return nil, nil, err
	}
	if err := a.usable(ws); err != nil {
		return nil, nil, err
	}
	if id == a.home.id {
		return a.home.api, func() {}, nil
	}
	if _, err := a.serveSpace(ctx, ws); err != nil { // it has just been made
		return nil, nil, err
	}
	sp, release, err := a.use(id)
	if err != nil {
		return nil, nil, err
	}
	return sp.api, release, nil
}
