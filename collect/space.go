package collect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace"
)

// A space is the sources of one environment of a workspace.
type space struct {
	id      string
	sources atomic.Pointer[[]*source] // in order of their names; they do not change
	making  sync.Mutex                // of activities
	labels  labels
}

// source returns the source of that name, or nil.
func (sp *space) source(name string) *source {
	all := *sp.sources.Load()
	i, ok := slices.BinarySearchFunc(all, name, func(s *source, name string) int { return cmp.Compare(s.name, name) })
	if !ok {
		return nil
	}
	return all[i]
}

func (h *Handler) source(space, name string) *source {
	if sp, ok := h.spaces.find(space); ok {
		return sp.source(name)
	}
	return nil
}

// webhook returns the source of that name when it is of kind webhook, or nil.
func (h *Handler) webhook(space, name string) *source {
	if src := h.source(space, name); src != nil && src.webhook != nil {
		return src
	}
	return nil
}

// A change is what a space is to have from now on.
type change struct {
	space   *space
	sources []*source
	keys    map[string]*keyed // of sources of kind http
	hooks   map[string]*keyed // of webhooks, where several may have the same
}

// SetSpace replaces the sources of one space: its work depends on them alone,
// however many spaces there are. Requests under way keep the ones that they
// began with. When anything is wrong it changes nothing and returns all
// problems. Counts and rates of sources that stay are kept. Keys that begin
// with dev_ are left out without AllowDevKeys. A key that another space has is
// refused, and whose it is is not told. The Workspace of sources is space.
func (h *Handler) SetSpace(space string, sources []Source) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	c, errs := h.plan(space, sources)
	errs = append(errs, c.foreign(func(key string) bool { return h.elsewhere(space, key) })...)
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	h.apply(c)
	return nil
}

// elsewhere says whether another space has the key.
func (h *Handler) elsewhere(space, key string) bool {
	_, _, ok := h.Holder(key, func(id string) bool { return id != space })
	return ok
}

// Holder returns the source that has a write key in one of some spaces.
func (h *Handler) Holder(key string, among func(space string) bool) (space, source string, ok bool) {
	for _, keys := range []*index[*keyed]{h.keys, h.hooks} {
		if k, ok := keys.find(key); ok && among(k.src.workspace) {
			return k.src.workspace, k.src.name, true
		}
	}
	return "", "", false
}

// RemoveSpace forgets a space: its keys are unknown from now on, and what was
// counted of it, in metrics too, is gone. An unknown one is nothing to forget.
func (h *Handler) RemoveSpace(space string) {
	h.setting.Lock()
	defer h.setting.Unlock()
	h.remove(space)
}

func (h *Handler) remove(space string) {
	sp, ok := h.spaces.find(space)
	if !ok {
		return
	}
	h.apply(&change{space: sp})
	h.spaces.drop(space)
	h.metrics.forget(sp)
}

// SetSources replaces the sources of all spaces, as SetSpace does for one: a
// space without sources in the list is removed.
func (h *Handler) SetSources(list []Source) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	bySpace := map[string][]Source{millrace.DefaultWorkspace: nil} // is emptied, and not removed
	for _, s := range list {
		if s.Workspace == "" {
			s.Workspace = millrace.DefaultWorkspace
		}
		bySpace[s.Workspace] = append(bySpace[s.Workspace], s)
	}
	var errs []error
	var changes []*change
	claimed := map[string]string{} // key to space
	for _, id := range slices.Sorted(maps.Keys(bySpace)) {
		c, problems := h.plan(id, bySpace[id])
		errs = append(errs, problems...)
		errs = append(errs, c.foreign(func(key string) bool {
			other, ok := claimed[key]
			claimed[key] = id
			return ok && other != id
		})...)
		changes = append(changes, c)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	var gone []string
	h.spaces.all(func(id string, _ *space) bool {
		if _, stays := bySpace[id]; !stays {
			gone = append(gone, id)
		}
		return true
	})
	for _, id := range gone {
		h.remove(id)
	}
	for _, c := range changes {
		h.apply(c)
	}
	return nil
}

// plan makes the sources of a space ready, and finds what is wrong within it.
func (h *Handler) plan(id string, list []Source) (*change, []error) {
	sp, ok := h.spaces.find(id)
	if !ok {
		sp = &space{id: id}
		sp.sources.Store(&[]*source{})
	}
	c := &change{space: sp, sources: make([]*source, 0, len(list)), keys: make(map[string]*keyed, len(list)), hooks: map[string]*keyed{}}
	var errs []error
	names := make(map[string]bool, len(list))
	for _, s := range list {
		s.Workspace = id
		src, err := h.prepare(s, sp.source(s.Name))
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name, err))
			continue
		}
		if names[src.name] {
			errs = append(errs, millrace.Errorf(millrace.Invalid, "source %s is there twice", s.Name))
			continue
		}
		names[src.name] = true
		src.space = sp
		c.sources = append(c.sources, src)
		for i := range src.keys {
			k := &src.keys[i]
			if src.webhook != nil {
				c.hooks[k.key] = k
				continue
			}
			if other, ok := c.keys[k.key]; ok {
				errs = append(errs, millrace.Errorf(millrace.Invalid, "source %s: write_keys: one of its keys is also a key of source %s: a key belongs to one source", src.name, other.src.name))
			}
			c.keys[k.key] = k
		}
	}
	slices.SortFunc(c.sources, byName)
	return c, errs
}

// foreign returns an error for each source with a key that is taken.
func (c *change) foreign(taken func(key string) bool) (errs []error) {
	for _, src := range c.sources {
		for i := range src.keys {
			if taken(src.keys[i].key) {
				errs = append(errs, millrace.Errorf(millrace.Conflict, "source %s: write_keys: one of its keys cannot be had, since it is in use on this server already: choose another", src.name))
				break
			}
		}
	}
	return errs
}

// dropOwn drops a key unless another space has got it meanwhile.
func dropOwn(keys *index[*keyed], key, space string) {
	if k, ok := keys.find(key); ok && k.src.workspace == space {
		keys.drop(key)
	}
}

// apply makes a change visible: what is new first, so that a key that stays
// works all the time.
func (h *Handler) apply(c *change) {
	sp := c.space
	before := *sp.sources.Load()
	for _, src := range c.sources {
		src.keep()
	}
	for key, k := range c.keys {
		h.keys.set(key, k)
	}
	for key, k := range c.hooks {
		h.hooks.set(key, k)
	}
	sp.sources.Store(&c.sources)
	if _, known := h.spaces.find(sp.id); !known {
		h.spaces.set(sp.id, sp)
	}
	for _, src := range before {
		for i := range src.keys {
			key := src.keys[i].key
			if src.webhook != nil && c.hooks[key] == nil {
				dropOwn(h.hooks, key, sp.id)
			} else if src.webhook == nil && c.keys[key] == nil {
				dropOwn(h.keys, key, sp.id)
			}
		}
		if now := sp.source(src.name); now != nil && !now.admitsAs(src) {
			now.forgive()
		}
	}
	if sp.id == millrace.DefaultWorkspace { // charts of it begin with 0
		for _, src := range c.sources {
			src.active(h)
		}
	}
}
