package app

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
)

// spaces are those that are open. Spaces come and go while the server runs.
type spaces struct {
	changing sync.Mutex // held while one is opened, served anew or closed
	mu       sync.RWMutex
	open     map[string]*space // by id
	// run starts what a space runs; nil before the server runs, and when it stops.
	run func(*space)
}

// get returns an open space; nil when there is none.
func (ss *spaces) get(id string) *space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	return ss.open[id]
}

// all returns the open spaces by id, the folder's first.
func (ss *spaces) all() []*space {
	ss.mu.RLock()
	defer ss.mu.RUnlock()
	all := make([]*space, 0, len(ss.open))
	for _, sp := range ss.open {
		all = append(all, sp)
	}
	slices.SortFunc(all, func(a, b *space) int {
		if home := millrace.DefaultWorkspace; a.id == home || b.id == home {
			return boolInt(b.id == home) - boolInt(a.id == home)
		}
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return all
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// put adds a space, and lets it run when the server does.
func (ss *spaces) put(sp *space) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.open[sp.id] = sp
	if ss.run != nil {
		ss.run(sp)
	}
}

// start lets all spaces run, and those that come later.
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

// openSpace serves a project in a space of its own, beside those that are open.
func (a *App) openSpace(id string, p *project.Project) (_ *space, err error) {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	if a.spaces.get(id) != nil {
		return nil, millrace.Errorf(millrace.Conflict, "space %s is open already", id)
	}
	sp := a.newSpace(id, p)
	defer func() {
		if err != nil {
			err = errors.Join(err, sp.close())
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
	if err := a.serveSources(sp, p); err != nil {
		return nil, err
	}
	_, last, err := a.log.Bounds(context.Background())
	if err != nil {
		return nil, err
	}
	sp.bounded.allow(last)
	a.spaces.put(sp)
	return sp, nil
}

// closeSpace ends all that runs of a space. Its records and tables stay.
func (a *App) closeSpace(id string) error {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	sp := a.spaces.get(id)
	if sp == nil || sp == a.home {
		return millrace.Errorf(millrace.NotFound, "space %s is not open beside the folder's", id)
	}
	a.spaces.mu.Lock()
	delete(a.spaces.open, id)
	a.spaces.mu.Unlock()
	return errors.Join(a.serveSources(nil, nil), sp.close())
}

// serveSources gives intake the sources of all spaces, with those of p for the
// one that changes. a.spaces.changing is held.
func (a *App) serveSources(changed *space, p *project.Project) error {
	var all []collect.Source
	for _, sp := range a.spaces.all() {
		if sp != changed {
			all = append(all, sp.sources()...)
		}
	}
	if changed != nil {
		all = append(all, sources(changed.id, p)...)
	}
	return a.collect.SetSources(all)
}

// findSpace finds the space that a path names.
func (a *App) findSpace(_ context.Context, name string) (*serve.Space, error) {
	if sp := a.spaces.get(name); sp != nil {
		return sp.api, nil
	}
	return nil, serve.NoSpace(name)
}
