package app

import (
	"context"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
)

var _ serve.Releases = releases{}

// releases are the versions of a space, for the API.
type releases struct{ *space }

func (r releases) store() *release.Store { return r.app.versions }

// Plan plans files, or a version, against what runs.
func (r releases) Plan(ctx context.Context, files *tree.Tree, version int64, facts plan.Facts) (*plan.Plan, error) {
	o := plan.Options{New: files, To: version, Kinds: Kinds(), Project: r.lookingOptions(), Facts: facts, Holder: r.holder()}
	if r.space != r.app.home {
		server := r.app.config().Query
		o.Server = &server
	}
	return r.store().Plan(ctx, r.target(), o)
}

// CheckUses refuses files, or those of a version, by which a secret would be used
// as it is not yet, or the whole server be set up otherwise, when who asks may not
// allow that. With neither it is asked of the version that ran before, which has
// used its secrets here already.
func (r releases) CheckUses(ctx context.Context, who access.Principal, files *tree.Tree, version int64) error {
	now, _, err := r.Running(ctx)
	if err != nil {
		return err
	}
	back := files == nil && version == 0
	if back {
		if version = now.Previous; version == 0 {
			return nil // there is none, which Rollback says
		}
	}
	if files == nil {
		if files, err = r.Tree(ctx, version); err != nil {
			return err
		}
	}
	if !back {
		if err := r.app.checkUses(ctx, who, r.space, r.project.Load().Secrets, project.SecretUses(files.FS(), nil, Kinds(), r.lookingOptions())); err != nil {
			return err
		}
	}
	if r.space != r.app.home || now.Version == 0 {
		return nil
	}
	runs, err := r.Tree(ctx, now.Version)
	if err != nil {
		return err
	}
	return r.app.checkSettings(who, r.space, textOf(runs), textOf(files))
}

// textOf is what the settings of a version say.
func textOf(files *tree.Tree) []byte {
	text, _ := files.Read(project.ConfigFile)
	return text
}

// Deploy deploys in the space.
func (r releases) Deploy(ctx context.Context, p release.Proposal) (release.Deploy, error) {
	p.Target = r.target()
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Deploy(ctx, p, r.switchTo()))
}

// Rollback deploys the files of an earlier version.
func (r releases) Rollback(ctx context.Context, to, base int64, by release.By, message string) (release.Deploy, error) {
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Rollback(ctx, r.target(), to, base, by, message, r.switchTo()))
}

// Promote runs a version of the workspace in the space.
func (r releases) Promote(ctx context.Context, version int64, by release.By, message string) (release.Deploy, error) {
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Promote(ctx, r.target(), version, by, message, r.switchTo()))
}

// done tells of a deployment that is healthy.
func (r releases) done(d release.Deploy, err error) (release.Deploy, error) {
	if err == nil && !d.Unchanged {
		r.switched(d)
	}
	return d, err
}

// Running is what runs in the space.
func (r releases) Running(ctx context.Context) (release.Running, bool, error) {
	return r.store().Running(ctx, r.target())
}

// Everywhere is what runs in each environment of the workspace.
func (r releases) Everywhere(ctx context.Context) (map[string]release.Running, error) {
	all, err := r.store().Environments(ctx, r.tenant())
	out := map[string]release.Running{}
	for _, ws := range r.app.workspaces.store.Spaces().Of(r.tenant()) {
		if now, ok := all[ws.ID]; ok {
			out[ws.Environment] = now
		}
	}
	return out, err
}

// Version is a version of the workspace.
func (r releases) Version(ctx context.Context, number int64) (release.Version, error) {
	return r.store().Version(ctx, r.tenant(), number)
}

// Versions are those of the workspace.
func (r releases) Versions(ctx context.Context, cursor string, limit int) ([]release.Version, string, error) {
	return r.store().Versions(ctx, r.tenant(), cursor, limit)
}

// Deploys are those of the space.
func (r releases) Deploys(ctx context.Context, cursor string, limit int) ([]release.Deploy, string, error) {
	return r.store().Deploys(ctx, r.target(), cursor, limit)
}

// Diff compares two versions.
func (r releases) Diff(ctx context.Context, from, to int64) ([]diff.File, error) {
	return r.store().Diff(ctx, r.tenant(), from, to)
}

// Tree are the files of a version.
func (r releases) Tree(ctx context.Context, number int64) (*tree.Tree, error) {
	return r.store().Tree(ctx, r.tenant(), number)
}

// versionStatus says which version runs, and how the folder differs from it.
func (sp *space) versionStatus(ctx context.Context, s *serve.ProjectStatus) {
	if !sp.versioned() {
		return
	}
	now, _, err := sp.app.versions.Running(ctx, sp.target())
	if err != nil {
		sp.app.logger("release").Warn("the catalog does not say which version runs", "error", err)
	}
	s.Version = now.Version
	if sp == sp.app.home {
		s.Folder = sp.app.folder.get()
	}
}
