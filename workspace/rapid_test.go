package workspace_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/workspace"
)

// A state is what the model knows of a workspace.
type state struct {
	name         string
	state        workspace.State
	suspended    bool
	due          time.Time
	environments []string
}

// A life is what happens to workspaces, and what should have come of it.
type life struct {
	w      *world
	rt     *rapid.T
	prefix string
	model  map[string]*state // by id
	gone   []string          // ids
	old    map[string]string // names that others cannot have, to their workspace
}

func (l *life) pick(t *rapid.T) (string, *state) {
	for len(l.model) == 0 {
		l.create(t) // there is something to work with
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(l.model))).Draw(t, "workspace")
	return id, l.model[id]
}

func (l *life) name(t *rapid.T) string {
	return l.prefix + rapid.StringMatching(`[acd]{1,2}`).Draw(t, "name")
}

// owner is who has a name, now or of old.
func (l *life) owner(name string) string {
	for id, s := range l.model {
		if s.name == name {
			return id
		}
	}
	return l.old[name]
}

func (l *life) want(t *rapid.T, err error, good bool) {
	if good && err != nil || !good && millrace.KindOf(err) != millrace.Conflict {
		t.Fatalf("%v, should be done: %t", err, good)
	}
}

func (l *life) create(t *rapid.T) {
	name := l.name(t)
	taken := l.owner(name) != ""
	ws, err := l.w.Create(l.w.t.Context(), workspace.New{Name: name}, nil)
	if l.want(t, err, !taken); err == nil {
		l.model[ws.ID] = &state{name: name, state: workspace.Active, environments: []string{ws.Main}}
	}
}

func (l *life) rename(t *rapid.T) {
	id, s := l.pick(t)
	name := l.name(t)
	owner := l.owner(name)
	_, err := l.w.Rename(l.w.t.Context(), id, name)
	if l.want(t, err, name == s.name || (owner == "" || owner == id) && s.state != workspace.Deleted); err == nil && name != s.name {
		if l.old == nil {
			l.old = map[string]string{}
		}
		l.old[s.name] = id
		s.name = name
	}
	// Which old names are kept is for another test: as the catalog has it.
	ws, err := l.w.Get(l.w.t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(l.old, func(_, of string) bool { return of == id })
	for _, old := range ws.OldNames {
		l.old[old.Name] = id
	}
}

func (l *life) suspend(t *rapid.T) {
	id, s := l.pick(t)
	_, err := l.w.Suspend(l.w.t.Context(), id, "because")
	if l.want(t, err, s.state != workspace.Deleted); err == nil {
		s.state = workspace.Suspended
	}
}

func (l *life) resume(t *rapid.T) {
	id, s := l.pick(t)
	_, err := l.w.Resume(l.w.t.Context(), id)
	if l.want(t, err, s.state != workspace.Deleted); err == nil {
		s.state = workspace.Active
	}
}

func (l *life) delete(t *rapid.T) {
	id, s := l.pick(t)
	_, err := l.w.Delete(l.w.t.Context(), id)
	if l.want(t, err, true); s.state != workspace.Deleted {
		s.suspended, s.state, s.due = s.state == workspace.Suspended, workspace.Deleted, l.w.time().Add(7*24*time.Hour)
	}
}

func (l *life) undelete(t *rapid.T) {
	id, s := l.pick(t)
	_, err := l.w.Undelete(l.w.t.Context(), id)
	if l.want(t, err, true); s.state == workspace.Deleted {
		if s.state = workspace.Active; s.suspended {
			s.state = workspace.Suspended
		}
	}
}

func (l *life) add(t *rapid.T) {
	id, s := l.pick(t)
	if len(s.environments) > 3 {
		return // enough
	}
	name := []string{"", "one", "two", "three"}[len(s.environments)]
	ws, err := l.w.AddEnvironment(l.w.t.Context(), id, name)
	if l.want(t, err, s.state != workspace.Deleted); err == nil {
		e, _ := ws.Find(name)
		s.environments = append(s.environments, e.Space)
	}
}

func (l *life) purge(t *rapid.T) {
	if _, err := l.w.purger(step("a", nil)).Once(l.w.t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, s := range l.model {
		if s.state == workspace.Deleted && !s.due.After(l.w.time()) {
			delete(l.model, id)
			l.gone = append(append(l.gone, id), s.environments...)
			maps.DeleteFunc(l.old, func(_, of string) bool { return of == id })
		}
	}
}

func (l *life) check(t *rapid.T) {
	stores := []*workspace.Store{l.w.Store}
	if rapid.IntRange(0, 9).Draw(t, "another server") == 0 {
		stores = append(stores, l.w.again())
	}
	for _, store := range stores {
		for id, s := range l.model {
			ws, err := store.Get(l.w.t.Context(), id)
			if err != nil || ws.Name != s.name || ws.State != s.state || len(ws.Environments) != len(s.environments) {
				t.Fatalf("%+v %v, want %+v", ws, err, s)
			}
			sp, found := store.Spaces().Find(s.name)
			if !found || sp.Workspace != id || sp.State != s.state || sp.ID != s.environments[0] || len(store.Spaces().Of(id)) != len(s.environments) {
				t.Fatalf("%+v, want %+v", sp, s)
			}
		}
		for _, id := range l.gone {
			if _, found := store.Spaces().Space(id); found || store.Spaces().Of(id) != nil {
				t.Fatalf("%s is there again", id)
			}
		}
	}
}
