package app

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/workspace"
)

// wakes know which spaces have records in the log that their tables may lack.
type wakes struct {
	mu      sync.Mutex
	scanned millrace.Position            // the log was looked through up to here
	last    map[string]millrace.Position // ends of the last frames with records of each space
	failed  map[string]bool              // spaces that could not be opened
	stored  string                       // what is in the catalog
}

// loadedFact is, in the catalog, what of the log is in the tables.
const loadedFact = "loaded"

// A loaded says that all spaces have in their tables what the log has up to and
// including Through, but those that are behind.
type loaded struct {
	Through millrace.Position `json:"through"`
	Behind  []string          `json:"behind,omitempty"`
}

const (
	// restEvery is how often idle spaces are looked for, and it is written down
	// what is loaded.
	restEvery = 15 * time.Second
	wakeRetry = 5 * time.Second
)

// wakeSpaces opens each space that has records in the log which are not in its
// tables, until ctx ends.
func (a *App) wakeSpaces(ctx context.Context) error {
	for {
		err := a.wake(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.logger("spaces").Warn("spaces that have new records are not opened at this moment; it is tried again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wakeRetry):
		}
	}
}

// wake looks through the log from where that ended last.
func (a *App) wake(ctx context.Context) error {
	from, err := a.wakeBehind(ctx)
	if err != nil {
		return err
	}
	for frame, err := range a.log.Spaces(ctx, from) {
		if err != nil {
			kind := millrace.KindOf(err)
			if kind == millrace.Gone || kind == millrace.Ahead { // not the log that was looked through: any space may lack something
				return errors.Join(err, a.wakeAll(ctx))
			}
			return err
		}
		for _, id := range frame.Spaces {
			a.room(ctx, id)
			a.wakeSpace(id, frame.Through)
		}
		a.wakes.mu.Lock()
		a.wakes.scanned = frame.Through
		a.wakes.mu.Unlock()
	}
	return ctx.Err()
}

// wakeBehind opens what was behind when that was last written down, and returns
// from where the log is to be looked through.
func (a *App) wakeBehind(ctx context.Context) (from millrace.Position, err error) {
	a.wakes.mu.Lock()
	from = a.wakes.scanned
	a.wakes.mu.Unlock()
	if !from.IsZero() {
		return from, nil
	}
	var text string
	var known bool
	err = a.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		text, known, err = catalog.Find[string](ctx, tx, "SELECT value FROM server_fact WHERE name = $1", loadedFact)
		return err
	})
	if err != nil {
		return from, err
	}
	var l loaded
	if known {
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			a.logger("spaces").Error("what is loaded is not known: all of the log is looked through", "error", err)
		}
	} else if a.workspaces.store.Spaces().Len() == 1 { // there is the folder's only, which is always open
		if _, l.Through, err = a.log.Bounds(ctx); err != nil {
			return from, err
		}
	}
	for _, id := range l.Behind {
		a.room(ctx, id)
		a.wakeSpace(id, l.Through)
	}
	return l.Through, nil
}

// wakeAll opens all spaces, and has the log looked through from where it begins.
func (a *App) wakeAll(ctx context.Context) error {
	first, last, err := a.log.Bounds(ctx)
	if err != nil {
		return err
	}
	a.logger("spaces").Warn("the log is not the one that was looked through last: all spaces are opened", "first", first, "last", last)
	for ws := range a.workspaces.store.Spaces().All() {
		a.room(ctx, ws.ID)
		a.wakeSpace(ws.ID, last)
	}
	a.wakes.mu.Lock()
	defer a.wakes.mu.Unlock()
	a.wakes.scanned = last
	return nil
}

// wakeSpace opens a space that has records up to a position, if it is not open.
func (a *App) wakeSpace(id string, through millrace.Position) {
	if id == a.home.id {
		return
	}
	a.wakes.mu.Lock()
	if a.wakes.last == nil {
		a.wakes.last, a.wakes.failed = map[string]millrace.Position{}, map[string]bool{}
	}
	if through.After(a.wakes.last[id]) {
		a.wakes.last[id] = through
	}
	a.wakes.mu.Unlock()
	ws, ok := a.workspaces.store.Spaces().Space(id)
	if !ok || ws.State == workspace.Purging {
		a.forgetWake(id)
		return
	}
	_, release, err := a.use(id)
	if err == nil {
		release()
	} else {
		a.logger("spaces").Error("a space that has new records cannot be opened; it is tried again", "space", id, "error", err)
	}
	a.wakes.mu.Lock()
	defer a.wakes.mu.Unlock()
	if delete(a.wakes.failed, id); err != nil {
		a.wakes.failed[id] = true
	}
}

// forgetWake forgets a space.
func (a *App) forgetWake(id string) {
	a.wakes.mu.Lock()
	defer a.wakes.mu.Unlock()
	delete(a.wakes.last, id)
	delete(a.wakes.failed, id)
}

// restSpaces closes spaces that were not used for a while, and writes down what
// is loaded, until ctx ends.
func (a *App) restSpaces(ctx context.Context) error {
	for {
		tick := time.After(min(restEvery, a.o.idle/2))
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick:
				due = true
			case <-a.spaces.crowd:
				a.restAll()
				time.Sleep(roomEvery)
			}
		}
		a.wakes.mu.Lock()
		failed := slices.Collect(maps.Keys(a.wakes.failed))
		a.wakes.mu.Unlock()
		for _, id := range failed {
			a.wakeSpace(id, millrace.Position{})
		}
		a.restAll()
		a.storeLoaded(ctx)
	}
}

// rest closes a space when it was idle for so long: it takes part in the next that
// happens to it as if it had been open all the time.
func (a *App) rest(sp *space, patience time.Duration) (closed bool, err error) {
	if sp == a.home || !sp.idle(patience) {
		return false, nil
	}
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	if !sp.idle(patience) || !sp.shut() {
		return false, nil
	}
	light := a.newSpace(sp.id, sp.project.Load().Project)
	light.project.Store(sp.project.Load())
	light.bounded = sp.bounded // for its limit
	a.spaces.mu.Lock()
	if a.spaces.open[sp.id] != sp {
		a.spaces.mu.Unlock()
		return false, nil
	}
	delete(a.spaces.open, sp.id)
	a.spaces.served[sp.id] = light
	a.spaces.mu.Unlock()
	return true, sp.close(context.Background())
}

// idle says whether there is nothing to do in a space, and was nothing for so long.
func (sp *space) idle(patience time.Duration) bool {
	sp.using.Lock()
	since := sp.app.o.Now().Sub(sp.used)
	quiet := sp.users == 0 && since >= patience
	sp.using.Unlock()
	return quiet && !sp.behind() && !slices.ContainsFunc(sp.jobs.List(), func(j job.Job) bool { return j.State == job.Running })
}

// shut lets nobody in any more, when nobody is.
func (sp *space) shut() bool {
	sp.using.Lock()
	defer sp.using.Unlock()
	sp.closing = sp.users == 0
	return sp.closing
}

// behind says whether the space's tables may lack what the log has.
func (sp *space) behind() bool {
	sp.app.wakes.mu.Lock()
	last := sp.app.wakes.last[sp.id]
	sp.app.wakes.mu.Unlock()
	s := sp.loader.Stats()
	return s.Paused || last.After(s.Committed)
}

// storeLoaded writes down what is loaded, if that is something new.
func (a *App) storeLoaded(ctx context.Context) {
	a.wakes.mu.Lock()
	l := loaded{Through: a.wakes.scanned, Behind: slices.Collect(maps.Keys(a.wakes.failed))}
	before := a.wakes.stored
	a.wakes.mu.Unlock()
	if l.Through.IsZero() {
		return
	}
	for _, sp := range a.spaces.all() {
		if sp != a.home && sp.behind() {
			l.Behind = append(l.Behind, sp.id)
		}
	}
	slices.Sort(l.Behind)
	text, err := json.Marshal(l)
	if err == nil && string(text) != before {
		err = a.catalog.Update(ctx, func(tx catalog.Tx) error {
			if err := a.lease.Check(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO server_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", loadedFact, string(text))
			return err
		})
	}
	if err != nil {
		a.logger("spaces").Warn("what is loaded cannot be written down; the next start looks through more of the log", "error", err)
		return
	}
	a.wakes.mu.Lock()
	defer a.wakes.mu.Unlock()
	a.wakes.stored = string(text)
}
