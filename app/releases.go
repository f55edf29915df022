package app

import (
	"context"
	"io/fs"

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

// Plan plans files, or a version, against what runs. Who may not allow new uses of
// secrets is told which there are, and nothing of their values.
func (r releases) Plan(ctx context.Context, who access.Principal, files *tree.Tree, version int64, facts plan.Facts) (*plan.Plan, error) {
	o := plan.Options{New: files, To: version, Kinds: Kinds(), Project: r.showingOptions(who), Facts: facts, Holder: r.holder()}
	o.Refused = func(old, next *tree.Tree) ([]project.SecretUse, func(string) bool) {
		return r.refusedUses(ctx, who, func() (_, _ []project.SecretUse) { return r.usesOf(old), r.usesOf(next) })
	}
	if r.space != r.app.home {
		server := r.app.config().Query
		o.Server = &server
	}
	return r.store().Plan(ctx, r.target(), o)
}

// switchFor is how the space takes up what someone deploys: nothing by which a
// secret would be used as it is not yet, or the whole server be set up otherwise,
// when who asks may not allow that. back says that it is the version that ran
// before, which has used its secrets here already.
func (r releases) switchFor(who access.Principal, back bool) release.Switch {
	w := r.switchTo()
	w.Load = func(_ context.Context, files fs.FS) (*project.Project, error) { // whoever sees deployments reads its mistakes
		o := r.projectOptions()
		o.Secrets.Untold = true
		return project.Load(files, Kinds(), o)
	}
	w.Allow = func(ctx context.Context, running, files *tree.Tree) error {
		if !back {
			if err := r.checkUsesOf(ctx, who, running, files); err != nil {
				return err
			}
		}
		return r.app.checkSettings(who, r.space, textOf(running), textOf(files))
	}
	return w
}

// checkUsesOf refuses files by which a secret would be used as it is not by those
// that run, when who asks may not allow that.
func (sp *space) checkUsesOf(ctx context.Context, who access.Principal, running, files *tree.Tree) error {
	next := sp.usesOf(files)
	if len(next) == 0 {
		return nil
	}
	return sp.app.checkUses(ctx, who, sp, sp.usesOf(running), next)
}

// usesOf are the uses of secrets in the space by files.
func (sp *space) usesOf(files *tree.Tree) []project.SecretUse {
	if files == nil {
		return nil
	}
	return project.SecretUses(files.FS(), nil, Kinds(), sp.lookingOptions())
}

// textOf is what the settings of a version say.
func textOf(files *tree.Tree) []byte {
	if files == nil {
		return nil
	}
	text, _ := files.Read(project.ConfigFile)
	return text
}

// Deploy deploys in the space.
func (r releases) Deploy(ctx context.Context, who access.Principal, p release.Proposal) (release.Deploy, error) {
	p.Target = r.target()
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Deploy(ctx, p, r.switchFor(who, false)))
}

// Rollback deploys the files of an earlier version.
func (r releases) Rollback(ctx context.Context, who access.Principal, to, base int64, by release.By, message string) (release.Deploy, error) {
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Rollback(ctx, r.target(), to, base, by, message, r.switchFor(who, to == 0)))
}

// Promote runs a version of the workspace in the space.
func (r releases) Promote(ctx context.Context, who access.Principal, version int64, by release.By, message string) (release.Deploy, error) {
	turn := r.app.spaces.turn(r.id)
	turn.RLock()
	defer turn.RUnlock()
	return r.done(r.store().Promote(ctx, r.target(), version, by, message, r.switchFor(who, false)))
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
