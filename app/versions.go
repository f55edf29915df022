package app

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/workspace"
)

// readFolder reads the folder that is served. A server in production whose
// folder has mistakes may begin all the same, when a version runs already: then
// the project has the settings of millrace.yaml and nothing else. takeFolder
// tells of the mistakes. Without settings there is no server.
func readFolder(o Options) (*project.Project, error) {
	p, err := Load(o.Dir, o.Environment)
	if err == nil || o.Mode == serve.Dev {
		return p, err
	}
	text, readErr := os.ReadFile(filepath.Join(o.Dir, project.ConfigFile))
	alone, treeErr := tree.Of(map[string]string{project.ConfigFile: string(text)})
	if readErr != nil || treeErr != nil {
		return nil, err
	}
	options := projectOptions(o.Dir, o.Environment)
	options.Secrets.Later = true // the vault is not open yet
	p, aloneErr := project.Load(alone.FS(), Kinds(), options)
	if aloneErr != nil {
		return nil, err
	}
	return p, nil
}

// openVersions opens the versions of projects, and takes up the one that runs:
// its settings are those that all else is opened with.
func (a *App) openVersions(ctx context.Context) (err error) {
	a.versions, err = release.New(release.Options{Catalog: a.catalog, Record: a.audit.Append, Now: a.o.Now, Logger: a.logger("release")})
	if err != nil || a.o.Mode == serve.Dev { // there the folder alone is the truth
		return err
	}
	settled := a.versions.Settle(ctx, a.home.target(), a.home.switchTo())
	if settled != nil {
		a.logger("release").Error("the version that runs cannot be taken up", "error", settled)
	}
	return a.takeFolder(ctx, settled)
}

// target is the environment whose versions the space runs.
func (sp *space) target() release.Target {
	return release.Target{Workspace: sp.tenant(), Environment: sp.id}
}

// projectOptions are how a project is read for the space.
func (sp *space) projectOptions() project.Options {
	o := projectOptions(sp.app.o.Dir, sp.app.o.Environment)
	if sp != sp.app.home { // its own environment's, where millrace.yaml knows that
		o.Environment, o.MayLack = sp.environment(), true
	} else if sp.app.o.Mode != serve.Dev {
		o.Own = sp.environment() // its settings are those that the server was started with
	}
	o.Cache = &sp.app.cache
	sp.secretsInto(&o, false)
	return o
}

// switchTo is how the space takes a version up, and goes back to the one before.
func (sp *space) switchTo() release.Switch {
	before := sp.health(context.Background())
	return release.Switch{
		Load: func(_ context.Context, files fs.FS) (*project.Project, error) {
			return project.Load(files, Kinds(), sp.projectOptions())
		},
		Check:   sp.checkQuota,
		Apply:   func(ctx context.Context, p *project.Project) error { return sp.app.apply(ctx, sp, p) },
		Healthy: func(ctx context.Context, p *project.Project) error { return sp.checkHealth(ctx, before, p) },
	}
}

// checkQuota refuses more sources than the workspace may have in all its
// environments. What has no more than runs is taken, also when that is too many.
func (sp *space) checkQuota(_ context.Context, p *project.Project) error {
	count := int64(len(p.In("sources")))
	if now := sp.app.spaces.get(sp.id); now != nil && count <= int64(len(now.project.Load().In("sources"))) {
		return nil
	}
	var quotas workspace.Quotas
	for _, ws := range sp.app.workspaces.store.Spaces().Of(sp.tenant()) {
		quotas = ws.Quotas
		if other := sp.app.spaces.get(ws.ID); other != nil && ws.ID != sp.id {
			count += int64(len(other.project.Load().In("sources")))
		}
	}
	return quotas.Check(workspace.Sources, count)
}

// projectOf is the version that runs in a space; one in which nothing runs yet
// has an empty project with the installation's settings.
func (a *App) projectOf(ctx context.Context, s *workspace.Space) (p *project.Project, err error) {
	sp := a.newSpace(s.ID, nil)
	w := sp.switchTo()
	w.Load = func(_ context.Context, files fs.FS) (*project.Project, error) { // once: the cache is for what is edited
		o := sp.projectOptions()
		o.Cache = nil
		return project.Load(files, Kinds(), o)
	}
	w.Apply = func(_ context.Context, next *project.Project) error { p = next; return nil }
	w.Healthy = nil
	t := release.Target{Workspace: s.Workspace, Environment: s.ID}
	if err := a.versions.Settle(ctx, t, w); err != nil {
		return nil, err
	}
	now, runs, err := a.versions.Running(ctx, t)
	switch {
	case err != nil:
		return nil, err
	case !runs:
		return a.nothing(), nil
	case p != nil:
		return p, nil
	}
	files, err := a.versions.Tree(ctx, t.Workspace, now.Version) // this process has run it before
	if err != nil {
		return nil, err
	}
	return w.Load(ctx, files.FS())
}

// nothing is a project without resources.
func (a *App) nothing() *project.Project {
	return &project.Project{Config: a.config(), Environment: a.o.Environment}
}

// apply makes a project run in a space in the place of the one that does: all of
// it, or nothing with an error. Applied again it changes nothing. A nil project
// is to run nothing.
func (a *App) apply(_ context.Context, sp *space, p *project.Project) error {
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	return a.applyLocked(sp, p)
}

// applyLocked is apply while a.spaces.changing is held.
func (a *App) applyLocked(sp *space, p *project.Project) error {
	if p == nil {
		p = a.nothing()
	}
	before := sp.project.Load()
	next := &served{Project: p, loaded: a.o.Now()}
	if a.collect == nil { // it is being opened: what follows is opened with it
		sp.project.Store(next)
		return nil
	}
	// An event is taken only when all that follows knows how to treat it.
	sp.serve(next)
	if err := a.serveSources(sp, p); err != nil {
		sp.serve(before)
		return err
	}
	return nil
}

// serve makes a project that of the space, and of its tables if it is open.
func (sp *space) serve(next *served) {
	sp.project.Store(next)
	if sp.loader != nil {
		sp.loader.Configure(sp.settings(next.Project))
	}
}

const (
	// healthLook is how long a version that was just applied is looked at.
	healthLook  = 400 * time.Millisecond
	healthEvery = 50 * time.Millisecond
)

// health is what does not work in a space, by part.
func (sp *space) health(ctx context.Context) map[string]string {
	ill := map[string]string{}
	if sp.parts == nil { // it is being opened
		return ill
	}
	for _, part := range sp.partsOf(ctx) {
		if !part.Ready && part.Name != usagePart { // no version has to do with that
			ill[part.Name] = part.Reason
		}
	}
	if problem := sp.loader.Stats().Problem; problem != "" {
		ill["warehouse"] = problem
	}
	return ill
}

// checkHealth says what of a version does not work that did before: a source
// that intake does not have, a part that fails. What failed before may be what
// the version is to mend.
func (sp *space) checkHealth(ctx context.Context, before map[string]string, p *project.Project) error {
	if sp.parts == nil {
		return nil
	}
	for until := time.Now().Add(healthLook); ; {
		if err := sp.checkSources(p); err != nil {
			return err
		}
		for name, reason := range sp.health(ctx) {
			if _, was := before[name]; !was {
				return millrace.Errorf(millrace.Unavailable, "%s has stopped to work: %s", name, reason)
			}
		}
		if !time.Now().Before(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(healthEvery):
		}
	}
}

// checkSources says which source of a project intake does not take.
func (sp *space) checkSources(p *project.Project) error {
	taken := map[string]map[string]time.Time{}
	for _, s := range sp.app.collect.ActivityOf(sp.id) {
		taken[s.Source] = s.Keys
	}
	for _, s := range sources(sp.id, p) {
		keys, ok := taken[s.Name]
		if !ok {
			return millrace.Errorf(millrace.Internal, "source %s is not taken by intake", s.Name)
		}
		for _, key := range keysOf(s) {
			if _, ok := keys[key]; !ok && !(strings.HasPrefix(key, "dev_") && sp.app.o.Mode != serve.Dev) {
				return millrace.Errorf(millrace.Internal, "a key of source %s is not taken by intake", s.Name)
			}
		}
	}
	return nil
}

func keysOf(s collect.Source) []string {
	if s.HTTP != nil {
		return s.HTTP.WriteKeys
	}
	return s.Webhook.WriteKeys
}

// system is the server itself, as it does something by itself.
func system() release.By {
	return release.By{Actor: audit.Actor{Kind: audit.System, Name: "millrace serve"}}
}
