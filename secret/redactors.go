package secret

import (
	"sync"
	"time"
)

// Redactors keep apart whose values are hidden from whom. What is told to a
// workspace is without its own values and those of who runs the server; the values
// of another workspace are not looked for in it: who chooses a value could
// otherwise hide texts of others, or find out from what is hidden what their
// values are. It is safe for concurrent use. The zero Redactors are ready.
type Redactors struct {
	all Redactor
	mu  sync.RWMutex
	of  map[string]*Redactor // by workspace, "" for who runs the server
}

// All hides the values of everybody: before what only who runs the server sees,
// such as its log.
func (r *Redactors) All() *Redactor { return &r.all }

// Own hides and learns the values of who runs the server.
func (r *Redactors) Own() *Redactor { return r.in("", true) }

// Add has a value of a workspace hidden from now on.
func (r *Redactors) Add(workspace string, v Value) { r.in(workspace, true).Add(v) }

// String hides in s the values of a workspace, and those of who runs the server.
func (r *Redactors) String(workspace, s string) string {
	s = r.Own().String(s)
	if of := r.in(workspace, false); of != nil && of != r.Own() {
		s = of.String(s)
	}
	return s
}

// Expire forgets values that were not added again since a time.
func (r *Redactors) Expire(before time.Time) {
	r.all.Expire(before)
	r.mu.Lock()
	defer r.mu.Unlock()
	for workspace, of := range r.of {
		if of.Expire(before); of.Len() == 0 && workspace != "" {
			delete(r.of, workspace)
		}
	}
}

// in returns what a workspace's values are in.
func (r *Redactors) in(workspace string, create bool) *Redactor {
	r.mu.RLock()
	of := r.of[workspace]
	r.mu.RUnlock()
	if of != nil || !create {
		return of
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]*Redactor{}
	}
	if of = r.of[workspace]; of == nil {
		of = &Redactor{above: &r.all}
		r.of[workspace] = of
	}
	return of
}
