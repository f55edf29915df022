package release

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

// commit says that the version runs.
func (r *run) commit(ctx context.Context, next *project.Project) error {
	d, s := r.d, r.store
	err := s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		now, t := s.o.Now(), Target{d.Workspace, d.Environment}
		was, _, err := running(ctx, tx, t)
		if err != nil {
			return err
		}
		if was.Version != d.Base {
			return errTaken
		}
		if err := r.move(ctx, tx, Healthy, ""); err != nil {
			return err
		}
		if err := nowRuns(ctx, tx, &d, now); err != nil {
			return err
		}
		if d.Origin == FromFolder {
			if err := markFolder(ctx, tx, t, d.Version, d.Tree, now); err != nil {
				return err
			}
		}
		return r.record(ctx, tx, "release.deploy", "")
	})
	if err == nil || s.committed(ctx, d, err) {
		r.d.State, r.d.Changed, r.d.Ended = Healthy, s.o.Now(), s.o.Now()
		s.serves(Target{d.Workspace, d.Environment}, served{d.Version, next})
		return nil
	}
	return err
}

func nowRuns(ctx context.Context, tx catalog.Tx, d *Deploy, now time.Time) error {
	if _, err := tx.Exec(ctx, `INSERT INTO release_running (workspace, environment, version, previous, deploy, since) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (workspace, environment) DO UPDATE SET version = $3, previous = $4, deploy = $5, since = $6`, d.Workspace, d.Environment, d.Version, d.Base, d.ID, now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE release_run SET ended = $3 WHERE workspace = $1 AND environment = $2 AND ended = 0`, d.Workspace, d.Environment, now); err != nil {
		return err
	}
	number, err := catalog.One[int64](ctx, tx, `SELECT coalesce(max(number), 0) + 1 FROM release_run WHERE workspace = $1 AND environment = $2`, d.Workspace, d.Environment)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO release_run (workspace, environment, number, version, deploy, began, ended) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		d.Workspace, d.Environment, number, d.Version, d.ID, now)
	return err
}

// commitPatience is how long a store that went away in the middle of a commit is
// asked whether it has it.
const commitPatience = 20 * time.Second

// committed finds out whether a commit that failed was made all the same, as it
// may be when the connection broke.
func (s *Store) committed(ctx context.Context, d Deploy, failed error) bool {
	if millrace.KindOf(failed) != millrace.Unavailable {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		now, found, err := s.Running(ctx, Target{d.Workspace, d.Environment})
		if err == nil {
			return found && now.Deploy == d.ID
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

func (s *Store) serves(t Target, now served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving[t] = now
}

// Forget says that this process does not serve an environment any more: Settle
// applies what runs there again.
func (s *Store) Forget(environment string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.serving, func(t Target, _ served) bool { return t.Environment == environment })
}

// end ends a deployment that switched nothing.
func (r *run) end(ctx context.Context, to State, why error) error {
	r.d.Error = why.Error()
	if errors.Is(why, errTaken) {
		return why
	}
	ctx = context.WithoutCancel(ctx) // its asker may have gone
	err := r.store.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := r.move(ctx, tx, to, r.d.Error); err != nil {
			return err
		}
		return r.record(ctx, tx, "release.refuse", r.d.Error)
	})
	if err != nil {
		r.store.o.Logger.Warn("the end of a deployment is not written down: the next one does it", "deploy", r.d.ID, "error", err)
		return why
	}
	r.d.State, r.d.Changed, r.d.Ended = to, r.store.o.Now(), r.store.o.Now()
	return why
}

// revertTries is how often the version before is applied.
const revertTries = 3

// revert applies the version before again.
func (r *run) revert(ctx context.Context, why error) error {
	s, t := r.store, Target{r.d.Workspace, r.d.Environment}
	r.d.Error = why.Error()
	if err := s.o.Catalog.Update(ctx, func(tx catalog.Tx) error { return r.move(ctx, tx, Reverting, r.d.Error) }); err == nil {
		r.d.State = Reverting
	} else {
		s.o.Logger.Warn("a deployment goes back without having written that down", "deploy", r.d.ID, "error", err)
	}
	s.step("reverting")
	var failed error
	for try := range revertTries {
		if try > 0 {
			time.Sleep(time.Duration(try) * 200 * time.Millisecond)
		}
		if failed = r.guarded(ctx, "applying the version before", r.before.project, r.w.Apply); failed == nil {
			break
		}
	}
	s.step("reverted")
	to, action := RolledBack, "release.revert"
	before := "no version runs, as before"
	if r.before.version > 0 {
		before = fmt.Sprintf("version %d goes on", r.before.version)
	}
	result := fmt.Errorf("version %d %s, so %s: %w", r.d.Version, r.failed, before, why)
	s.serves(t, r.before)
	if failed != nil {
		to, action = Stuck, "release.stuck"
		result = millrace.Errorf(millrace.Internal, "version %d %s (%w), and version %d could not be applied again (%w): restart the server, which begins with version %d", r.d.Version, r.failed, why, r.before.version, failed, r.before.version)
		s.Forget(t.Environment)
	}
	r.d.Error = result.Error()
	err := s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := r.move(ctx, tx, to, r.d.Error); err != nil {
			return err
		}
		return r.record(ctx, tx, action, r.d.Error)
	})
	if err != nil {
		s.o.Logger.Warn("the end of a deployment is not written down: the next one does it", "deploy", r.d.ID, "error", err)
		return result
	}
	r.d.State, r.d.Changed, r.d.Ended = to, s.o.Now(), s.o.Now()
	return result
}

// record writes an audit entry about the deployment.
func (r *run) record(ctx context.Context, tx catalog.Tx, action, note string) error {
	return r.store.record(ctx, tx, action, r.d, r.by, note)
}

func (s *Store) record(ctx context.Context, tx catalog.Tx, action string, d Deploy, by By, note string) error {
	if note == "" {
		note = d.Message
	}
	return s.o.Record(ctx, tx, audit.Entry{
		Time: s.o.Now(), Actor: by.Actor, From: by.From, Action: action, Workspace: d.Workspace, Environment: d.Environment, Note: note,
		Object: audit.Object{Kind: "release", ID: strconv.FormatInt(d.Version, 10)},
		Before: map[string]any{"version": d.Base},
		After:  map[string]any{"version": d.Version, "tree": d.Tree, "origin": d.Origin, "source": d.Source, "deploy": d.ID},
	})
}

type deployRow struct {
	ID, Workspace, Environment string
	Number, Base, Version      int64
	Tree                       tree.Hash
	Source                     int64
	Origin                     Origin
	Kind, Actor, Name          string
	Message                    string
	State                      State
	Error, Holder              string
	Begun, Changed, Ended      time.Time
}

const deployColumns = `id, workspace, environment, number, base, version, tree, source, origin, author_kind, author_id, author_name, message, state, error, holder, begun, changed, ended`

func openDeploy(ctx context.Context, tx catalog.Tx, t Target) (Deploy, bool, error) {
	r, found, err := catalog.Find[deployRow](ctx, tx, `SELECT `+deployColumns+` FROM release_deploy WHERE workspace = $1 AND environment = $2 AND ended = 0`, t.Workspace, t.Environment)
	return r.deploy(), found, err
}

func (r deployRow) deploy() Deploy {
	return Deploy{ID: r.ID, Workspace: r.Workspace, Environment: r.Environment, Number: r.Number, Base: r.Base, Version: r.Version, Tree: r.Tree, Source: r.Source,
		Origin: r.Origin, Author: audit.Actor{Kind: r.Kind, ID: r.Actor, Name: r.Name}, Message: r.Message, State: r.State, Error: r.Error, Holder: r.Holder,
		Begun: r.Begun, Changed: r.Changed, Ended: orZero(r.Ended)}
}

// Deploys lists the deployments of an environment, those that failed too, the
// newest first. See Versions.
func (s *Store) Deploys(ctx context.Context, t Target, cursor string, limit int) (list []Deploy, next string, err error) {
	before, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		list = list[:0]
		rows, err := catalog.All[deployRow](ctx, tx, `SELECT `+deployColumns+` FROM release_deploy WHERE workspace = $1 AND environment = $2 AND number < $3 ORDER BY number DESC LIMIT $4`,
			t.Workspace, t.Environment, before, limit+1)
		for _, r := range rows {
			list = append(list, r.deploy())
		}
		return err
	})
	list, next = more(list, limit, func(d Deploy) int64 { return d.Number })
	return list, next, err
}

// Settle brings a process and the catalog together: at its start, before
// anything is deployed, and whenever that may have failed. A deployment that
// another process or an error left in the middle is ended as rolled back, since
// nothing of it was ever said to run; then what the catalog says runs is
// applied, unless this process has done that. The caller is the only one for the
// environment: it holds the lease of the log.
func (s *Store) Settle(ctx context.Context, t Target, w Switch) error {
	if err := w.complete(); err != nil {
		return err
	}
	if err := s.abandon(ctx, t); err != nil {
		return err
	}
	return s.apply(ctx, t, w)
}

// apply applies what the catalog says runs, unless this process has.
func (s *Store) apply(ctx context.Context, t Target, w Switch) error {
	now, _, err := s.Running(ctx, t)
	if err != nil {
		return err
	}
	s.mu.Lock()
	has, known := s.serving[t]
	s.mu.Unlock()
	if known && has.version == now.Version || !known && now.Version == 0 {
		return nil
	}
	p, err := s.load(ctx, t.Workspace, now.Version, w)
	if err != nil {
		return err
	}
	if err := (&run{store: s, w: w}).guarded(ctx, fmt.Sprintf("applying version %d", now.Version), p, w.Apply); err != nil {
		return err
	}
	s.serves(t, served{now.Version, p})
	return nil
}

// leftAt says of a state what a deployment had done that was left there.
var leftAt = map[State]string{
	Proposed: "before its files were read", Validated: "before it was switched to", Switching: "while it was applied",
	Checking: "while its health was checked", Reverting: "while the version before was applied again",
}

// abandon ends a deployment that nobody is at.
func (s *Store) abandon(ctx context.Context, t Target) error {
	var left Deploy
	find := func(tx catalog.Tx) (found bool, err error) {
		left, found, err = openDeploy(ctx, tx, t)
		s.mu.Lock()
		defer s.mu.Unlock()
		return found && !s.busy[left.ID], err
	}
	var found bool
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) { found, err = find(tx); return err })
	if err != nil || !found {
		return err
	}
	return s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		if found, err := find(tx); err != nil || !found {
			return err
		}
		why := fmt.Sprintf("the server ended %s: what ran before runs. Deploy it again", leftAt[left.State])
		if left.Error != "" {
			why += " (" + left.Error + ")"
		}
		if _, err := tx.Exec(ctx, `UPDATE release_deploy SET state = $2, error = $3, ended = $4, changed = $4 WHERE id = $1 AND ended = 0`, left.ID, RolledBack, clip(why), s.o.Now()); err != nil {
			return err
		}
		s.o.Logger.Warn("a deployment that was left in the middle is ended", "deploy", left.ID, "version", left.Version, "state", string(left.State))
		return s.record(ctx, tx, "release.revert", left, By{Actor: audit.Actor{Kind: audit.System, Name: "millrace"}}, why)
	})
}
