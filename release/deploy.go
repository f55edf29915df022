package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

// A Proposal is what is to run in an environment.
type Proposal struct {
	Target
	// Base is the version that the proposer began from; 0: none ran. When another
	// one runs, the error is a *Stale with what would come of both.
	Base int64
	// Tree becomes a new version; or Version, when there is one already, runs.
	Tree    *tree.Tree
	Version int64
	Origin  Origin // required with Tree
	Source  int64  // see Version.Source
	By      By
	Message string
}

// A Switch is how a server takes a version up.
type Switch struct {
	// Load reads the files with the settings of the environment, and finds every
	// mistake. Required.
	Load func(ctx context.Context, files fs.FS) (*project.Project, error)
	// Allow says why who asks may not deploy files, which are compared with those
	// that run; nil: nothing does. It is asked of all that is deployed, however it
	// came to be, of exactly the files that will run, before anything is stored.
	// Required of a deployment.
	Allow func(ctx context.Context, running, files *tree.Tree) error
	// Check says why a project that was read may not be deployed, beside its
	// mistakes. It is not asked of what runs already. Default: it may.
	Check func(ctx context.Context, p *project.Project) error
	// Apply makes a project run in the place of the one that does: all of it, or
	// nothing with an error. It may be called with what runs already. nil is to
	// run nothing, as before the first version. Required.
	Apply func(ctx context.Context, p *project.Project) error
	// Healthy looks whether the project that was applied works. Default: it does.
	Healthy func(ctx context.Context, p *project.Project) error
	// Time is how long each of Apply and Healthy may take; default 1 minute.
	Time time.Duration
}

func (w *Switch) complete() error {
	if w.Load == nil || w.Apply == nil {
		return millrace.Errorf(millrace.Invalid, "a deployment needs to load and to apply projects")
	}
	if w.Healthy == nil {
		w.Healthy = func(context.Context, *project.Project) error { return nil }
	}
	if w.Time <= 0 {
		w.Time = time.Minute
	}
	return nil
}

var errAllow = millrace.Errorf(millrace.Invalid, "a deployment needs to know what who asks may deploy")

// Deploy makes a version run: all of it or nothing. It stores the files, reads
// them (the error is project.Problems when they have mistakes), gives them a
// number, applies them, looks whether that is healthy, and only then says in the
// catalog that the version runs. What Switch.Allow refuses leaves nothing behind.
// When anything else fails, the version before is
// applied again. One deployment of an environment goes on at a time: a second
// one is a Conflict. From the moment of switching on, the end of ctx is not
// heeded.
func (s *Store) Deploy(ctx context.Context, p Proposal, w Switch) (Deploy, error) {
	if err := w.complete(); err != nil {
		return Deploy{}, err
	}
	if w.Allow == nil {
		return Deploy{}, errAllow
	}
	if err := checkMessage(p.Message); err != nil {
		return Deploy{}, err
	}
	if err := s.abandon(ctx, p.Target); err != nil {
		return Deploy{}, err
	}
	if err := s.apply(ctx, p.Target, w); err != nil { // this deployment may be the way out
		s.o.Logger.Warn("what the catalog says does not run, and a deployment begins", "environment", p.Environment, "error", err)
	}
	d, err := s.propose(ctx, &p, w)
	if err != nil || d.Unchanged {
		return d, err
	}
	defer s.leave(d.ID)
	r := &run{store: s, w: w, d: d, files: p.Tree, by: p.By}
	err = r.do(ctx)
	return r.d, err
}

// allowed asks whether files may be deployed. now is the version that they were
// compared with, and with it that holds.
func (s *Store) allowed(ctx context.Context, t Target, files *tree.Tree, w Switch) (now int64, err error) {
	r, _, err := s.Running(ctx, t)
	if err != nil {
		return 0, err
	}
	var runs *tree.Tree
	if r.Version > 0 {
		if runs, err = s.Tree(ctx, t.Workspace, r.Version); err != nil {
			return 0, err
		}
	}
	return r.Version, w.Allow(ctx, runs, files)
}

// propose stores the files and the deployment, if they may be deployed.
func (s *Store) propose(ctx context.Context, p *Proposal, w Switch) (Deploy, error) {
	d := Deploy{ID: "d_" + strings.ToLower(rand.Text()), Workspace: p.Workspace, Environment: p.Environment, Base: p.Base, Version: p.Version, Source: p.Source,
		Origin: p.Origin, Author: p.By.Actor, Message: p.Message, State: Proposed, Holder: s.o.Holder, Begun: s.o.Now(), Changed: s.o.Now()}
	if p.Version > 0 {
		t, err := s.Tree(ctx, p.Workspace, p.Version)
		if err != nil {
			return Deploy{}, err
		}
		p.Tree = t
	} else if p.Tree == nil || p.Origin == "" {
		return Deploy{}, millrace.Errorf(millrace.Invalid, "a proposal needs files and where they come from")
	}
	compared, err := s.allowed(ctx, p.Target, p.Tree, w)
	if err != nil {
		return Deploy{}, err
	}
	if p.Version == 0 {
		if err := s.Put(ctx, p.Workspace, p.Tree); err != nil {
			return Deploy{}, err
		}
	}
	d.Tree = p.Tree.Hash()
	stale := int64(-1)
	s.enter(d.ID)
	err = s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		stale, d.Unchanged = -1, false
		now, _, err := running(ctx, tx, p.Target)
		if err != nil {
			return err
		}
		if now.Version != p.Base {
			stale = now.Version
			return nil
		}
		if now.Version != compared {
			return millrace.Errorf(millrace.Conflict, "version %d was deployed at this moment: deploy again", now.Version)
		}
		if same, err := runsAlready(ctx, tx, p, now.Version); err != nil || same {
			d.Unchanged, d.Version, d.State = same, now.Version, Healthy
			return err
		}
		return insertDeploy(ctx, tx, &d)
	})
	if err == nil && stale >= 0 {
		err = s.stale(ctx, p, stale)
	}
	if err != nil || d.Unchanged {
		s.leave(d.ID)
	}
	return d, err
}

// runsAlready says whether what is proposed is what runs.
func runsAlready(ctx context.Context, tx catalog.Tx, p *Proposal, now int64) (bool, error) {
	if now == 0 || p.Version > 0 {
		return now > 0 && now == p.Version, nil
	}
	v, err := version(ctx, tx, p.Workspace, now)
	return v.Tree == p.Tree.Hash(), err
}

func insertDeploy(ctx context.Context, tx catalog.Tx, d *Deploy) error {
	open, found, err := openDeploy(ctx, tx, Target{d.Workspace, d.Environment})
	if err != nil {
		return err
	}
	if found {
		return millrace.Errorf(millrace.Conflict, "%s began a deployment at %s and it is %s: wait for its end, which millrace release deploys shows, and deploy again", orSomebody(open.Author), open.Begun.UTC().Format("15:04:05 UTC"), open.State)
	}
	if d.Number, err = catalog.One[int64](ctx, tx, `SELECT coalesce(max(number), 0) + 1 FROM release_deploy WHERE workspace = $1 AND environment = $2`, d.Workspace, d.Environment); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO release_deploy (id, workspace, environment, number, base, version, tree, source, origin, author_kind, author_id, author_name, message, state, error, holder, begun, changed, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', $15, $16, $16, 0)`,
		d.ID, d.Workspace, d.Environment, d.Number, d.Base, d.Version, d.Tree, d.Source, d.Origin, d.Author.Kind, d.Author.ID, d.Author.Name, d.Message, d.State, d.Holder, d.Begun)
	return err
}

func orSomebody(a audit.Actor) string {
	if a.Name == "" {
		return "someone"
	}
	return a.Name
}

func (s *Store) enter(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[id] = true
}

func (s *Store) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, id)
}

// A run is a deployment under way in this process.
type run struct {
	store  *Store
	w      Switch
	d      Deploy
	files  *tree.Tree
	by     By
	before served // what ran
	failed string // what became of the version that is taken back
}

func (r *run) do(ctx context.Context) error {
	s := r.store
	s.step("proposed")
	next, err := r.w.Load(ctx, r.files.FS())
	if err == nil && next == nil {
		err = millrace.Errorf(millrace.Internal, "the files were read to nothing")
	}
	if err == nil && r.w.Check != nil {
		err = r.w.Check(ctx, next)
	}
	if err != nil {
		return r.end(ctx, Refused, err)
	}
	r.before = s.before(ctx, r.d, r.w)
	if err := r.number(ctx); err != nil {
		return r.end(ctx, RolledBack, err)
	}
	s.step("validated")
	if err := r.advance(ctx, Switching); err != nil {
		return r.end(ctx, RolledBack, err)
	}
	s.step("switching")
	ctx = context.WithoutCancel(ctx)
	r.failed = "cannot run here"
	err = r.guarded(ctx, "applying it", next, r.w.Apply)
	s.step("applied")
	if err == nil {
		err = r.advance(ctx, Checking)
	}
	if err == nil {
		s.step("checking")
		r.failed = "was not healthy"
		err = r.guarded(ctx, "the check of its health", next, r.w.Healthy)
	}
	if err == nil {
		s.step("checked")
		r.failed = "could not be written down as what runs"
		err = r.commit(ctx, next)
	}
	if err != nil {
		return r.revert(ctx, err)
	}
	s.step("healthy")
	return nil
}

// before is what runs now, for the way back: as it is read now, since secrets may
// be others than when it was applied; nothing when it cannot be read.
func (s *Store) before(ctx context.Context, d Deploy, w Switch) served {
	p, err := s.load(ctx, d.Workspace, d.Base, w)
	if err == nil {
		return served{d.Base, p}
	}
	s.mu.Lock()
	now, known := s.serving[Target{d.Workspace, d.Environment}]
	s.mu.Unlock()
	if known && now.version == d.Base {
		return now
	}
	s.o.Logger.Warn("a deployment has no way back but to run nothing", "deploy", d.ID, "error", err)
	return served{d.Base, nil}
}

func (s *Store) load(ctx context.Context, workspace string, number int64, w Switch) (*project.Project, error) {
	if number == 0 {
		return nil, nil
	}
	t, err := s.Tree(ctx, workspace, number)
	if err != nil {
		return nil, err
	}
	p, err := w.Load(ctx, t.FS())
	if err != nil {
		return nil, fmt.Errorf("version %d, which runs, cannot be read any more: %w", number, err)
	}
	return p, nil
}

// guarded calls a function of the caller within its time, and takes its panics.
func (r *run) guarded(ctx context.Context, what string, p *project.Project, f func(context.Context, *project.Project) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.w.Time)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			r.store.o.Logger.Error("a deployment panicked", "what", what, "panic", v, "stack", string(debug.Stack()))
			err = millrace.Errorf(millrace.Internal, "%s failed by a mistake of Millrace: %v", what, v)
		}
	}()
	err = f(ctx, p)
	if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return millrace.Errorf(millrace.Unavailable, "%s took longer than %s: %w", what, r.w.Time, err)
	}
	return err
}

// number makes the files a version.
func (r *run) number(ctx context.Context) error {
	if r.d.Version > 0 {
		return r.advance(ctx, Validated)
	}
	var number int64
	err := r.store.o.Catalog.Update(ctx, func(tx catalog.Tx) (err error) {
		if number, err = catalog.One[int64](ctx, tx, `SELECT coalesce(max(number), 0) + 1 FROM release_version WHERE workspace = $1`, r.d.Workspace); err != nil {
			return err
		}
		d := r.d
		if _, err := tx.Exec(ctx, `INSERT INTO release_version (workspace, number, tree, files, size, parent, source, origin, author_kind, author_id, author_name, message, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			d.Workspace, number, d.Tree, len(r.files.Files()), r.files.SizeBytes(), d.Base, d.Source, d.Origin, d.Author.Kind, d.Author.ID, d.Author.Name, d.Message, r.store.o.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE release_deploy SET version = $2 WHERE id = $1`, d.ID, number); err != nil {
			return err
		}
		return r.move(ctx, tx, Validated, "")
	})
	if err == nil {
		r.d.Version, r.d.State = number, Validated
	}
	return err
}

// errTaken ends a deployment that another process has ended.
var errTaken = millrace.Errorf(millrace.Conflict, "another server has taken over meanwhile and ended this deployment: what runs is what it says")

// move changes the state, if this process still has the deployment.
func (r *run) move(ctx context.Context, tx catalog.Tx, to State, message string) error {
	now, ended := r.store.o.Now(), time.UnixMicro(0)
	if to.final() {
		ended = now
	}
	n, err := tx.Exec(ctx, `UPDATE release_deploy SET state = $3, changed = $4, ended = $5, error = $6 WHERE id = $1 AND holder = $2 AND ended = 0 AND state = $7`,
		r.d.ID, r.store.o.Holder, to, now, ended, clip(message), r.d.State)
	if err == nil && n == 0 {
		return errTaken
	}
	return err
}

func (s State) final() bool { return s == Healthy || s == Refused || s == RolledBack || s == Stuck }

// clip keeps an error short in the catalog.
func clip(message string) string {
	message = strings.ReplaceAll(strings.ToValidUTF8(message, "?"), "\x00", "?")
	if len(message) > 8<<10 {
		message = strings.ToValidUTF8(message[:8<<10-3], "") + "..."
	}
	return message
}

func (r *run) advance(ctx context.Context, to State) error {
	err := r.store.o.Catalog.Update(ctx, func(tx catalog.Tx) error { return r.move(ctx, tx, to, "") })
	if err == nil {
		r.d.State = to
	}
	return err
}
