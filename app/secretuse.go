package app

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/secret"
)

// A spaceVault is the vault as a space sees it.
type spaceVault struct {
	vault                  *secret.Vault
	workspace, environment string
	looking                bool             // nothing is used: it is looked at what could be
	server                 *secret.Redactor // learns what the settings of the whole server use; nil: they are not this space's
}

var _ project.Vault = spaceVault{}

func (v spaceVault) ref(ref secret.Reference) secret.Ref {
	return secret.Ref{Workspace: v.workspace, Environment: v.environment, Reference: ref}
}

// Peek returns a value so that it can be told where it would be sent.
func (v spaceVault) Peek(ref secret.Reference) (secret.Value, error) {
	return v.vault.Peek(context.Background(), v.ref(ref))
}

// Use refuses what may not use a secret.
func (v spaceVault) Use(ref secret.Reference, by secret.By) error {
	if v.looking {
		return v.vault.Check(context.Background(), v.ref(ref), by)
	}
	value, err := v.vault.Use(context.Background(), v.ref(ref), by)
	if err == nil && v.server != nil && !strings.Contains(by.Resource, "/") { // a setting, which only who runs the server makes
		v.server.Add(value)
	}
	return err
}

// secretsInto says where the secrets of the space are. looking says that the
// project that is read is not about to be served: its secrets are not used.
func (sp *space) secretsInto(o *project.Options, looking bool) {
	a, workspace := sp.app, sp.tenant()
	vault := spaceVault{vault: a.secrets.vault, workspace: workspace, environment: sp.id, looking: looking}
	if sp == a.home {
		vault.server = a.secrets.redactors.Own()
	}
	o.Secrets.Vault = vault
	o.Secrets.Redactor = a.secrets.redactors.Own()
	if ws, ok := a.workspaces.store.Spaces().Space(sp.id); ok && sp != a.home {
		o.Secrets.Address = ws.Address()
	}
	o.Secrets.NoPlain = workspace != a.home.tenant() // they are of who runs the server
}

// lookingOptions are how a project is read that the space is not about to serve.
func (sp *space) lookingOptions() project.Options {
	o := sp.projectOptions()
	sp.secretsInto(&o, true)
	return o
}

// openProject reads the folder's project again, with the secrets of the vault.
// Versions are read so anyway.
func (a *App) openProject(context.Context) error {
	if a.home.versioned() {
		return nil
	}
	p, err := project.Load(os.DirFS(a.o.Dir), Kinds(), a.home.projectOptions())
	if err == nil {
		a.home.project.Store(&served{Project: p, loaded: a.o.Now()})
	}
	return err
}

// secretChanged has the spaces of a workspace that run use what its secrets are
// now, as far as that is possible while the server runs.
func (a *App) secretChanged(workspace string) {
	for _, sp := range a.spaces.known() {
		if sp.tenant() != workspace {
			continue
		}
		old, err := sp.project.Load(), error(nil)
		if sp.versioned() {
			err = sp.takeAgain(context.Background())
		} else {
			err = a.reload()
		}
		if err != nil {
			a.logger("secrets").Warn("what runs goes on with the secrets that it had", "workspace", sp.id, "error", err)
			continue
		}
		now := a.spaces.get(sp.id)
		if now == nil {
			continue // it was deleted
		}
		for _, field := range plan.NeedRestart(old.Config.Settings, now.project.Load().Config.Settings) {
			a.logger("secrets").Warn("a secret was changed that is taken up when the server is started again", "setting", field)
		}
	}
}

// takeAgain applies the version that runs with its secrets as they are now.
func (sp *space) takeAgain(ctx context.Context) error {
	a := sp.app
	turn := a.spaces.turn(sp.id)
	turn.Lock()
	defer turn.Unlock()
	now, runs, err := a.versions.Running(ctx, sp.target())
	if err != nil || !runs {
		return err
	}
	files, err := a.versions.Tree(ctx, sp.tenant(), now.Version)
	if err != nil {
		return err
	}
	p, err := project.Load(files.FS(), Kinds(), sp.projectOptions())
	if err != nil {
		return err
	}
	return a.applyAgain(sp.id, p)
}

// applyAgain applies a project to a space, which may have been opened or closed
// meanwhile, if it is another one.
func (a *App) applyAgain(id string, p *project.Project) error {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	sp := a.spaces.get(id)
	if sp == nil || reflect.DeepEqual(sp.project.Load().Project, p) {
		return nil
	}
	return a.applyLocked(sp, p)
}

// checkUses refuses a project in which a secret would be used as it is not in the
// old one, unless the vault allows that use or who asks may allow it. It is asked
// before files are saved or deployed: else who writes them could have a secret sent
// to a host of their own.
func (a *App) checkUses(ctx context.Context, who access.Principal, sp *space, old, next []project.SecretUse) error {
	for _, use := range next {
		if use.Among(old) || use.InVault && a.allowed(ctx, sp, use) {
			continue
		}
		if err := who.Allow(access.SecretUse, sp.tenant(), sp.id); err != nil {
			at := use.File
			if use.Line > 0 {
				at = fmt.Sprintf("%s:%d:%d", use.File, use.Line, use.Column)
			}
			return millrace.Errorf(millrace.Forbidden, "%s: this is a new use of the secret %s by %s: %w; or have someone who may allow it in the vault, with millrace secret allow %s --resource %s",
				at, use.Path, use.Resource, err, use.Path, use.Resource)
		}
	}
	return nil
}

// checkSettings refuses a text of millrace.yaml in the server's own environment by
// which the whole server would be set up otherwise, when who asks may not do that:
// else who edits one workspace could have the mail and the records of all sent
// elsewhere.
func (a *App) checkSettings(who access.Principal, sp *space, old, next []byte) error {
	if sp != a.home {
		return nil // what it says of the server does not hold
	}
	var fields []string
	for _, environment := range []string{a.o.Environment, sp.environment()} {
		fields = append(fields, plan.ServerSettings(old, next, environment)...)
	}
	if len(fields) == 0 {
		return nil
	}
	if !who.Can(access.ServerConfigure, "", "") {
		return millrace.Errorf(millrace.Forbidden, "%s: %.200s is a setting of the whole server, and to change it needs the permission %s: an owner of the server changes it in the page, or whoever runs the server in the folder that it is started with, and starts it again",
			project.ConfigFile, fields[0], access.ServerConfigure)
	}
	return nil
}

// allowed says whether the vault lets a secret be used so.
func (a *App) allowed(ctx context.Context, sp *space, use project.SecretUse) bool {
	all := use.By()
	for _, by := range all {
		if a.secrets.vault.Check(ctx, secret.Ref{Workspace: sp.tenant(), Environment: sp.id, Reference: use.Reference}, by) != nil {
			return false
		}
	}
	return len(all) > 0
}
