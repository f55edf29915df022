package workspace

import (
	"context"
	"strconv"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func place(n int) string { return "$" + strconv.Itoa(n) }

// The first workspace, and the name of its environment.
const (
	firstName          = "default"
	DefaultEnvironment = "production" // what the first environment of a workspace is called
)

// update changes the catalog, and then what is known in memory here.
func (s *Store) update(ctx context.Context, f func(tx catalog.Tx) error) error {
	if err := s.catalog.Update(ctx, f); err != nil {
		return err
	}
	if err := s.Refresh(context.WithoutCancel(ctx)); err != nil { // it is done all the same, and Run sees it
		s.o.Logger.Warn("a change of a workspace is not seen yet", "error", err)
	}
	return nil
}

// change runs f on a workspace that is not being purged, in a transaction that
// ends with the record of what it returns.
func (s *Store) change(ctx context.Context, id string, f func(tx catalog.Tx, w *Workspace) (Change, error)) (w Workspace, err error) {
	err = s.update(ctx, func(tx catalog.Tx) error {
		if w, err = s.get(ctx, tx, id); err != nil {
			return err
		}
		if w.State == Purging {
			return millrace.Errorf(millrace.Conflict, "workspace %s is being deleted for good: nothing of it can be changed any more", w.Name)
		}
		c, err := f(tx, &w)
		if err != nil || c.Action == "" { // nothing had to change
			return err
		}
		if c.Workspace == "" {
			c.Workspace = w.ID
		}
		if c.ID == "" {
			c.ID, c.Name = w.ID, w.Name
		}
		if err := touch(ctx, tx, w.ID); err != nil {
			return err
		}
		if w, err = s.get(ctx, tx, w.ID); err != nil {
			return err
		}
		return s.o.Record(ctx, tx, c)
	})
	return w, err
}

// first makes the first workspace when there is none of that space.
func (s *Store) first(ctx context.Context) error {
	return s.catalog.Update(ctx, func(tx catalog.Tx) error {
		_, there, err := catalog.Find[string](ctx, tx, "SELECT workspace FROM environment WHERE space = $1", millrace.DefaultWorkspace)
		if err != nil || there {
			return err
		}
		return s.insert(ctx, tx, newWorkspace{id: millrace.DefaultWorkspace, space: millrace.DefaultWorkspace, name: firstName, title: "Default", environment: DefaultEnvironment})
	})
}

// A New is what a workspace begins as.
type New struct {
	Name        string
	Title       string // default the name
	Environment string // the first one; default DefaultEnvironment
}

// Create makes a workspace with one environment. also, when it is not nil, runs
// in the same transaction: it may run again with it. Conflict: the name is taken,
// or looks like one that is.
func (s *Store) Create(ctx context.Context, n New, also func(tx catalog.Tx, w Workspace) error) (w Workspace, err error) {
	if n.Title == "" {
		n.Title = n.Name
	}
	if n.Environment == "" {
		n.Environment = DefaultEnvironment
	}
	for _, err := range []error{CheckName(n.Name), checkText("title", n.Title, maxTitleLength), CheckEnvironment(n.Environment)} {
		if err != nil {
			return Workspace{}, err
		}
	}
	made := newWorkspace{newID(), newSpace(), n.Name, n.Title, n.Environment}
	err = s.update(ctx, func(tx catalog.Tx) error {
		if err := s.insert(ctx, tx, made); err != nil {
			return err
		}
		if w, err = s.get(ctx, tx, made.id); err != nil || also == nil {
			return err
		}
		return also(tx, w)
	})
	return w, err
}

type newWorkspace struct{ id, space, name, title, environment string }

func (s *Store) insert(ctx context.Context, tx catalog.Tx, n newWorkspace) error {
	now := s.now()
	if err := s.claim(ctx, tx, n.id, n.name); err != nil {
		return err
	}
	v, err := nextVersion(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO workspace ("+rowColumns+") VALUES ($1, $2, $3, 'active', '', $4, 0, NULL, $5, $6, $4, $7)",
		n.id, n.name, n.title, now, n.space, s.o.Quotas.encode(), v)
	if err != nil {
		return err
	}
	if err := s.insertEnvironment(ctx, tx, n.id, n.space, n.environment); err != nil {
		return err
	}
	return s.o.Record(ctx, tx, Change{Action: "workspace.create", Workspace: n.id, ID: n.id, Name: n.name,
		After: map[string]any{"name": n.name, "title": n.title, "environment": n.environment, "space": n.space, "quotas": s.o.Quotas}})
}

func (s *Store) insertEnvironment(ctx context.Context, tx catalog.Tx, workspace, space, name string) error {
	_, gone, err := catalog.Find[string](ctx, tx, "SELECT id FROM workspace_gone WHERE id = $1", space)
	if err == nil && gone {
		err = millrace.Errorf(millrace.Conflict, "the id %s was that of an environment which was deleted: it is never used again", space)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO environment ("+environmentColumns+") VALUES ($1, $2, $3, 'active', $4, NULL, '', $4)", space, workspace, name, s.now())
	if millrace.KindOf(err) == millrace.Conflict {
		return millrace.Errorf(millrace.Conflict, "there is an environment %s already, or one that was deleted and can still be had back: choose another name", name)
	}
	return err
}

// claim makes name the name of a workspace, if no other has it or one like it.
func (s *Store) claim(ctx context.Context, tx catalog.Tx, workspace, name string) error {
	now := s.now()
	if _, err := tx.Exec(ctx, "DELETE FROM workspace_name WHERE looks = $1 AND until <= $2", looks(name), now); err != nil {
		return err
	}
	_, taken, err := catalog.Find[string](ctx, tx, "SELECT name FROM workspace_name WHERE looks = $1 AND workspace <> $2 LIMIT 1", looks(name), workspace)
	if err != nil {
		return err
	}
	if taken {
		return millrace.Errorf(millrace.Conflict, "the name %s is taken, or looks like one that is: choose another", name)
	}
	_, err = tx.Exec(ctx, "INSERT INTO workspace_name (name, looks, workspace, until) VALUES ($1, $2, $3, NULL) ON CONFLICT (name) DO UPDATE SET until = NULL", name, looks(name), workspace)
	return err
}

// maxOldNames bounds the names that one workspace keeps from others.
const maxOldNames = 5

// Rename gives a workspace another name. The old one goes on meaning it for
// Options.NameHold, and nobody else can have it in that time. A title that is
// nothing but the name goes with it.
func (s *Store) Rename(ctx context.Context, id, name string) (Workspace, error) {
	if err := CheckName(name); err != nil {
		return Workspace{}, err
	}
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if w.Name == name {
			return Change{}, nil
		}
		if err := usable(w); err != nil {
			return Change{}, err
		}
		if err := s.claim(ctx, tx, w.ID, name); err != nil {
			return Change{}, err
		}
		if _, err := tx.Exec(ctx, "UPDATE workspace SET name = $1, title = CASE WHEN title = name THEN $1 ELSE title END WHERE id = $2", name, w.ID); err != nil {
			return Change{}, err
		}
		if _, err := tx.Exec(ctx, "UPDATE workspace_name SET until = $1 WHERE name = $2", s.now().Add(s.o.NameHold), w.Name); err != nil {
			return Change{}, err
		}
		return Change{Action: "workspace.rename", ID: w.ID, Name: name, Before: map[string]string{"name": w.Name}, After: map[string]string{"name": name}},
			forgetNames(ctx, tx, w.ID)
	})
}

// forgetNames frees the oldest of too many old names.
func forgetNames(ctx context.Context, tx catalog.Tx, id string) error {
	old, err := catalog.All[string](ctx, tx, "SELECT name FROM workspace_name WHERE workspace = $1 AND until IS NOT NULL ORDER BY until DESC, name", id)
	if err != nil {
		return err
	}
	for _, name := range old[min(len(old), maxOldNames):] {
		if _, err := tx.Exec(ctx, "DELETE FROM workspace_name WHERE name = $1", name); err != nil {
			return err
		}
	}
	return nil
}

// SetTitle changes what people see as the name of a workspace.
func (s *Store) SetTitle(ctx context.Context, id, title string) (Workspace, error) {
	if title == "" {
		return Workspace{}, millrace.Errorf(millrace.Invalid, "a workspace needs a title")
	}
	if err := checkText("title", title, maxTitleLength); err != nil {
		return Workspace{}, err
	}
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if w.Title == title {
			return Change{}, nil
		}
		_, err := tx.Exec(ctx, "UPDATE workspace SET title = $1 WHERE id = $2", title, w.ID)
		return Change{Action: "workspace.retitle", Before: map[string]string{"title": w.Title}, After: map[string]string{"title": title}}, err
	})
}

// SetQuotas changes what a workspace may use, from the next request on.
func (s *Store) SetQuotas(ctx context.Context, id string, q Quotas) (Workspace, error) {
	if err := q.Validate(); err != nil {
		return Workspace{}, err
	}
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if q.encode() == w.Quotas.encode() {
			return Change{}, nil
		}
		_, err := tx.Exec(ctx, "UPDATE workspace SET quotas = $1 WHERE id = $2", q.encode(), w.ID)
		return Change{Action: "workspace.set_quotas", Before: w.Quotas, After: q}, err
	})
}

// usable says that a workspace which was deleted is to be had back first.
func usable(w *Workspace) error {
	if w.State == Deleted {
		return millrace.Errorf(millrace.Conflict, "workspace %s was deleted, and is deleted for good after %s: undelete it first", w.Name, atSecond(w.PurgeAfter))
	}
	return nil
}
