package workspace

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Step removes something of a space for good. Do is idempotent: it runs again
// when the server stopped before it was known to be done, and also where there
// is nothing of the space any more.
type Step struct {
	Name string // never changes: what is done is remembered by it
	Do   func(ctx context.Context, space string) error
}

// PurgerOptions say how a Purger works.
type PurgerOptions struct {
	Store  *Store        // required
	Steps  []Step        // in their order; required
	Every  time.Duration // how often Run looks for something to do; default 1 minute
	Logger *slog.Logger  // default discards
}

// A Purger removes what was deleted when its time is over: every step for every
// space of it, and then its rows. What is done is durable, so that it goes on
// where it was after a crash. One runs at a time, on the server that has the log.
type Purger struct {
	o PurgerOptions
}

// NewPurger returns a Purger.
func NewPurger(o PurgerOptions) (*Purger, error) {
	if o.Store == nil || len(o.Steps) == 0 {
		return nil, millrace.Errorf(millrace.Invalid, "a purge needs a store of workspaces and steps: set PurgerOptions.Store and Steps")
	}
	for i, step := range o.Steps {
		if step.Name == "" || step.Do == nil || slices.ContainsFunc(o.Steps[:i], func(other Step) bool { return other.Name == step.Name }) {
			return nil, millrace.Errorf(millrace.Invalid, "step %d of a purge needs a name of its own and something to do", i+1)
		}
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Purger{o}, nil
}

// Run purges what is due until ctx ends. What fails is tried again.
func (p *Purger) Run(ctx context.Context) error {
	for {
		if _, err := p.Once(ctx); err != nil && ctx.Err() == nil {
			p.o.Logger.Error("a purge did not end: it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.o.Every):
		}
	}
}

// A doomed is a workspace, or one environment of it, that is to be purged.
type doomed struct{ Erased }

// Once purges what is due, and returns of how many workspaces and environments
// nothing is left. One that fails does not keep the others.
func (p *Purger) Once(ctx context.Context) (purged int, err error) {
	due, err := p.due(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, d := range due {
		if err := p.purge(ctx, d); err != nil {
			errs = append(errs, err)
			continue
		}
		purged++
	}
	return purged, errors.Join(errs...)
}

// due returns what is to be purged now, and sees to it that nothing of it is had
// back from now on.
func (p *Purger) due(ctx context.Context) (all []doomed, err error) {
	s := p.o.Store
	err = s.update(ctx, func(tx catalog.Tx) error {
		all = nil
		list, err := s.read(ctx, tx, "WHERE state = 'purging' OR state = 'deleted' AND purge_after <= $1", s.now())
		if err != nil {
			return err
		}
		for i := range list {
			d := doomed{Erased{Workspace: list[i].ID, Whole: true, Environments: list[i].Environments}}
			all = append(all, d)
			if list[i].State == Deleted {
				if err := s.setState(ctx, tx, d.Workspace, Purging, "", false, nil); err != nil {
					return err
				}
				if err := s.begun(ctx, tx, d.Workspace, Change{Action: "workspace.purge", ID: d.Workspace, Name: list[i].Name}); err != nil {
					return err
				}
			}
		}
		environments, err := catalog.All[environmentRow](ctx, tx, "SELECT "+environmentColumns+` FROM environment WHERE (state = 'purging' OR state = 'deleted' AND purge_after <= $1)
			AND workspace IN (SELECT id FROM workspace WHERE state <> 'purging')`, s.now())
		if err != nil {
			return err
		}
		for _, e := range environments {
			all = append(all, doomed{Erased{Workspace: e.Workspace, Environments: []Environment{e.environment()}}})
			if e.State != Deleted {
				continue
			}
			if _, err := tx.Exec(ctx, "UPDATE environment SET state = 'purging', since = $1, purge_after = NULL WHERE space = $2", s.now(), e.Space); err != nil {
				return err
			}
			if err := s.begun(ctx, tx, e.Workspace, Change{Action: "environment.purge", Environment: e.Name, ID: e.Space, Name: e.Name}); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

func (s *Store) begun(ctx context.Context, tx catalog.Tx, workspace string, c Change) error {
	c.Workspace = workspace
	if err := touch(ctx, tx, workspace); err != nil {
		return err
	}
	return s.o.Record(ctx, tx, c)
}

func (p *Purger) purge(ctx context.Context, d doomed) error {
	var errs []error
	for _, e := range d.Environments {
		if err := p.steps(ctx, e.Space); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := p.o.Store.bury(ctx, d); err != nil {
		return err
	}
	p.o.Logger.Info("purged", "workspace", d.Workspace, "whole", d.Whole, "environments", len(d.Environments))
	return nil
}

// steps does what is not done of a space yet.
func (p *Purger) steps(ctx context.Context, space string) error {
	s := p.o.Store
	var done []string
	err := s.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		done, err = catalog.All[string](ctx, tx, "SELECT name FROM purge_step WHERE space = $1", space)
		return err
	})
	if err != nil {
		return err
	}
	for _, step := range p.o.Steps {
		if slices.Contains(done, step.Name) {
			continue
		}
		err := step.Do(ctx, space)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			err = millrace.Errorf(millrace.KindOf(err), "purging space %s: %s: %w", space, step.Name, err)
			return errors.Join(err, s.catalog.Update(ctx, func(tx catalog.Tx) error {
				_, failed := tx.Exec(ctx, "UPDATE environment SET problem = $1 WHERE space = $2", clip(err.Error()), space)
				return failed
			}))
		}
		err = s.catalog.Update(ctx, func(tx catalog.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE environment SET problem = '' WHERE space = $1", space); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO purge_step (space, name, done) VALUES ($1, $2, $3) ON CONFLICT (space, name) DO NOTHING", space, step.Name, s.now())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bury removes the rows of what was purged, all at once. Its ids are kept, so
// that they are never used again, and nothing else.
func (s *Store) bury(ctx context.Context, d doomed) error {
	return s.update(ctx, func(tx catalog.Tx) error {
		v, err := nextVersion(ctx, tx)
		if err != nil {
			return err
		}
		if s.o.Erase != nil {
			if err := s.o.Erase(ctx, tx, d.Erased); err != nil {
				return err
			}
		}
		var ids []string
		for _, e := range d.Environments {
			ids = append(ids, e.Space)
		}
		if d.Whole {
			ids = append(ids, d.Workspace)
		}
		for _, id := range ids {
			for _, sql := range []string{
				"DELETE FROM environment WHERE space = $1", "DELETE FROM purge_step WHERE space = $1", "DELETE FROM usage_day WHERE space = $1",
				"DELETE FROM workspace WHERE id = $1", "DELETE FROM workspace_name WHERE workspace = $1", "DELETE FROM usage_notice WHERE workspace = $1",
			} {
				if _, err := tx.Exec(ctx, sql, id); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, "INSERT INTO workspace_gone (id, version) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", id, v); err != nil {
				return err
			}
		}
		if d.Whole { // of what is gone nothing is told but its id
			return s.o.Record(ctx, tx, Change{Action: "workspace.purged", ID: d.Workspace})
		}
		return s.begun(ctx, tx, d.Workspace, Change{Action: "environment.purged", ID: d.Environments[0].Space})
	})
}

// A Purge is something that is being purged.
type Purge struct {
	Workspace, Space string
	Done             []string // steps
	Problem          string   // what stops it, and is tried again
}

// Purges returns what is being purged, by space.
func (s *Store) Purges(ctx context.Context) (list []Purge, err error) {
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		list = nil
		environments, err := catalog.All[environmentRow](ctx, tx, "SELECT "+environmentColumns+` FROM environment
			WHERE state = 'purging' OR workspace IN (SELECT id FROM workspace WHERE state = 'purging') ORDER BY workspace, space`)
		if err != nil {
			return err
		}
		for _, e := range environments {
			done, err := catalog.All[string](ctx, tx, "SELECT name FROM purge_step WHERE space = $1 ORDER BY done, name", e.Space)
			if err != nil {
				return err
			}
			list = append(list, Purge{Workspace: e.Workspace, Space: e.Space, Done: done, Problem: e.Problem})
		}
		return nil
	})
	return list, err
}

// clip bounds a text for people, and keeps it storable.
func clip(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "")
	}
	return text
}
