package workspace

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func (s *Store) setState(ctx context.Context, tx catalog.Tx, id string, to State, reason string, suspended bool, purge *time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE workspace SET state = $1, reason = $2, since = $3, suspended = $4, purge_after = $5 WHERE id = $6",
		to, reason, s.now(), suspended, purge, id)
	return err
}

func stateChange(action string, from, to State, note string) Change {
	return Change{Action: action, Before: map[string]State{"state": from}, After: map[string]State{"state": to}, Note: note}
}

// Suspend stops a workspace: its senders are told to come back later, and after
// Options.Patience to give up; nothing can be asked of it. Nothing is lost of what
// it has, and Resume undoes it. The reason is shown to its people and senders.
func (s *Store) Suspend(ctx context.Context, id, reason string) (Workspace, error) {
	if err := checkText("reason", reason, maxReasonLength); err != nil {
		return Workspace{}, err
	}
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if err := usable(w); err != nil {
			return Change{}, err
		}
		if w.State == Suspended && w.Reason == reason {
			return Change{}, nil
		}
		since := s.now()
		if w.State == Suspended { // another reason does not begin it anew
			since = w.Since
		}
		_, err := tx.Exec(ctx, "UPDATE workspace SET state = $1, reason = $2, since = $3 WHERE id = $4", Suspended, reason, since, w.ID)
		return stateChange("workspace.suspend", w.State, Suspended, reason), err
	})
}

// Resume ends a suspension.
func (s *Store) Resume(ctx context.Context, id string) (Workspace, error) {
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if err := usable(w); err != nil {
			return Change{}, err
		}
		if w.State == Active {
			return Change{}, nil
		}
		return stateChange("workspace.resume", w.State, Active, ""), s.setState(ctx, tx, w.ID, Active, "", false, nil)
	})
}

// Delete stops a workspace as Suspend does, and has it purged after
// Options.Grace; until then Undelete has it back. Its name stays its own. The
// workspace of the space default cannot be deleted: the server itself is in it.
func (s *Store) Delete(ctx context.Context, id string) (Workspace, error) {
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		for _, e := range w.Environments {
			if e.Space == millrace.DefaultWorkspace {
				return Change{}, millrace.Errorf(millrace.Conflict, "workspace %s is this server's own and cannot be deleted: suspend it instead", w.Name)
			}
		}
		if w.State == Deleted {
			return Change{}, nil
		}
		purge := s.now().Add(s.o.Grace)
		return stateChange("workspace.delete", w.State, Deleted, "purged after "+atSecond(purge)),
			s.setState(ctx, tx, w.ID, Deleted, w.Reason, w.State == Suspended, &purge)
	})
}

// Undelete has a deleted workspace back as it was, suspended if it was. Conflict
// when its purge has begun.
func (s *Store) Undelete(ctx context.Context, id string) (Workspace, error) {
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if w.State != Deleted {
			return Change{}, nil
		}
		suspended, err := catalog.One[bool](ctx, tx, "SELECT suspended FROM workspace WHERE id = $1", w.ID)
		if err != nil {
			return Change{}, err
		}
		to := Active
		if suspended {
			to = Suspended
		}
		return stateChange("workspace.undelete", Deleted, to, ""), s.setState(ctx, tx, w.ID, to, w.Reason, false, nil)
	})
}

// changeEnvironment is change for an environment of a workspace that is not deleted.
func (s *Store) changeEnvironment(ctx context.Context, space string, f func(tx catalog.Tx, w *Workspace, e *Environment) (Change, error)) (Workspace, error) {
	sp, ok := s.Spaces().Space(space)
	if !ok {
		if err := s.Refresh(ctx); err != nil {
			return Workspace{}, err
		}
		if sp, ok = s.Spaces().Space(space); !ok {
			return Workspace{}, millrace.Errorf(millrace.NotFound, "there is no environment of space %.80q", space)
		}
	}
	return s.change(ctx, sp.Workspace, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if err := usable(w); err != nil {
			return Change{}, err
		}
		for i := range w.Environments {
			e := &w.Environments[i]
			if e.Space != space {
				continue
			}
			if e.State == Purging {
				return Change{}, millrace.Errorf(millrace.Conflict, "environment %s is being deleted for good", e.Name)
			}
			c, err := f(tx, w, e)
			if c.Action != "" {
				c.Environment, c.ID, c.Name = e.Name, e.Space, e.Name
			}
			return c, err
		}
		return Change{}, millrace.Errorf(millrace.NotFound, "there is no environment of space %.80q", space)
	})
}

// maxEnvironments bounds the environments of a workspace.
const maxEnvironments = 20

// AddEnvironment gives a workspace another environment.
func (s *Store) AddEnvironment(ctx context.Context, id, name string) (Workspace, error) {
	if err := CheckEnvironment(name); err != nil {
		return Workspace{}, err
	}
	space := newSpace()
	return s.change(ctx, id, func(tx catalog.Tx, w *Workspace) (Change, error) {
		if err := usable(w); err != nil {
			return Change{}, err
		}
		if len(w.Environments) >= maxEnvironments {
			return Change{}, millrace.Errorf(millrace.TooLarge, "a workspace has at most %d environments, deleted ones that can be had back among them", maxEnvironments)
		}
		return Change{Action: "environment.create", Environment: name, ID: space, Name: name, After: map[string]string{"name": name, "space": space}},
			s.insertEnvironment(ctx, tx, w.ID, space, name)
	})
}

// RenameEnvironment changes the name of an environment. The old one means
// nothing from then on.
func (s *Store) RenameEnvironment(ctx context.Context, space, name string) (Workspace, error) {
	if err := CheckEnvironment(name); err != nil {
		return Workspace{}, err
	}
	return s.changeEnvironment(ctx, space, func(tx catalog.Tx, w *Workspace, e *Environment) (Change, error) {
		if e.Name == name {
			return Change{}, nil
		}
		if _, taken := w.Find(name); taken {
			return Change{}, millrace.Errorf(millrace.Conflict, "there is an environment %s already: choose another name", name)
		}
		_, err := tx.Exec(ctx, "UPDATE environment SET name = $1 WHERE space = $2", name, space)
		return Change{Action: "environment.rename", Before: map[string]string{"name": e.Name}, After: map[string]string{"name": name}}, err
	})
}

// SetMain makes an environment the default one of its workspace: the one that
// the name of the workspace alone means.
func (s *Store) SetMain(ctx context.Context, space string) (Workspace, error) {
	return s.changeEnvironment(ctx, space, func(tx catalog.Tx, w *Workspace, e *Environment) (Change, error) {
		if w.Main == space {
			return Change{}, nil
		}
		if e.State != Active {
			return Change{}, millrace.Errorf(millrace.Conflict, "environment %s was deleted, and is deleted for good after %s: undelete it first", e.Name, atSecond(e.PurgeAfter))
		}
		_, err := tx.Exec(ctx, "UPDATE workspace SET main = $1 WHERE id = $2", space, w.ID)
		return Change{Action: "environment.set_main", Before: map[string]string{"main": w.Main}, After: map[string]string{"main": space}}, err
	})
}

// DeleteEnvironment is Delete for one environment. The default one cannot be
// deleted, nor the space default.
func (s *Store) DeleteEnvironment(ctx context.Context, space string) (Workspace, error) {
	return s.changeEnvironment(ctx, space, func(tx catalog.Tx, w *Workspace, e *Environment) (Change, error) {
		switch {
		case space == millrace.DefaultWorkspace:
			return Change{}, millrace.Errorf(millrace.Conflict, "environment %s is this server's own and cannot be deleted", e.Name)
		case w.Main == space:
			return Change{}, millrace.Errorf(millrace.Conflict, "environment %s is the default one of its workspace: make another the default first, or delete the workspace", e.Name)
		case e.State == Deleted:
			return Change{}, nil
		}
		now := s.now()
		purge := now.Add(s.o.Grace)
		_, err := tx.Exec(ctx, "UPDATE environment SET state = $1, since = $2, purge_after = $3 WHERE space = $4", Deleted, now, purge, space)
		return stateChange("environment.delete", e.State, Deleted, "purged after "+atSecond(purge)), err
	})
}

// UndeleteEnvironment has a deleted environment back. Conflict when its purge
// has begun.
func (s *Store) UndeleteEnvironment(ctx context.Context, space string) (Workspace, error) {
	return s.changeEnvironment(ctx, space, func(tx catalog.Tx, _ *Workspace, e *Environment) (Change, error) {
		if e.State != Deleted {
			return Change{}, nil
		}
		_, err := tx.Exec(ctx, "UPDATE environment SET state = $1, since = $2, purge_after = NULL WHERE space = $3", Active, s.now(), space)
		return stateChange("environment.undelete", Deleted, Active, ""), err
	})
}
