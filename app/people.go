package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/workspace"
)

// newAccess knows who may do what, over the catalog.
func (a *App) newAccess(store catalog.Catalog, words ...string) (*access.Access, error) {
	return access.New(access.Options{
		Catalog: store, Record: a.record, MayAdd: a.mayAddMember, WorkspaceName: a.workspaceName, EnvironmentName: a.environmentName, Words: append([]string{"millrace"}, words...), AdminToken: a.o.AdminToken,
		Now: a.o.Now, Logger: a.logger("access"), Metrics: a.metrics,
	})
}

// mayAddMember holds a workspace to its quota of members.
func (a *App) mayAddMember(id string, members int64) error {
	if a.workspaces.store == nil { // a command on the server's machine
		return nil
	}
	for _, ws := range a.workspaces.store.Spaces().Of(id) {
		return ws.Quotas.Check(workspace.Members, members)
	}
	return nil
}

// workspaceName is what people call the workspace with an id; "" when that is not known.
func (a *App) workspaceName(id string) string {
	if a.workspaces.store != nil {
		for _, ws := range a.workspaces.store.Spaces().Of(id) {
			return ws.Name
		}
	}
	return ""
}

// environmentName is what people call the environment of a space; "" when that is not known.
func (a *App) environmentName(space string) string {
	if a.workspaces.store != nil {
		if ws, ok := a.workspaces.store.Spaces().Space(space); ok {
			return ws.Environment
		}
	}
	return ""
}

// openPeople makes the link that makes the first owner, when a server for
// production has none. Links of earlier starts hold no longer.
func (a *App) openPeople(ctx context.Context) error {
	for _, notice := range a.access.Notices() {
		a.logger("access").Warn(notice)
	}
	if a.o.Mode != serve.Production {
		return nil
	}
	l, needed, err := a.access.Setup(ctx)
	if err != nil || !needed {
		return err
	}
	a.setup = serve.LinkURL(a.base(), serve.SetupPage, l.Token)
	// Not in what the page shows of the log: whoever reads that would be the owner.
	a.own.Warn("nobody owns this server yet: open this link, which works once, or make an owner with millrace owner create", "link", a.setup, "until", l.Expires.UTC().Format(time.RFC3339))
	return nil
}

// SetupURL is where the first owner is made, or "" when there is one.
func (a *App) SetupURL() string { return a.setup }

// base is where people find the page.
func (a *App) base() string {
	if u := a.config().Collect.PublicURL; u != "" {
		return u
	}
	return a.URL()
}

// People is who may do what in a data folder, for commands on its machine: the
// server may run meanwhile, and sees within 2 seconds what is changed.
type People struct {
	*access.Access
	// Base is where the page is, as far as the project says; else "".
	Base      string
	Workspace string // id of the first

	store catalog.Catalog
}

// OpenPeople opens the metadata store of a data folder. NotFound when no server has
// been started with it.
func OpenPeople(ctx context.Context, o Options) (*People, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p, err := Load(o.Dir, o.Environment)
	if err != nil {
		return nil, err
	}
	if o.Data, err = filepath.Abs(o.Data); err != nil {
		return nil, err
	}
	engine := p.Config.Catalog
	if engine.Scheme() == "sqlite" {
		if _, err := os.Stat(filepath.Join(o.Data, "catalog.db")); err != nil {
			return nil, millrace.Errorf(millrace.NotFound, "there is no metadata store in %s: start the server once, or name its data folder with --data", o.Data)
		}
	}
	a := &App{o: o, data: &dataDir{path: o.Data}, metrics: prometheus.NewRegistry()}
	if a.catalog, err = catalogs[engine.Scheme()](ctx, a, engine); err != nil {
		return nil, err
	}
	store := a.catalog
	out := &People{Base: p.Config.Collect.PublicURL, Workspace: millrace.DefaultWorkspace, store: store}
	if a.audit, err = audit.New(audit.Options{Catalog: store, Now: o.Now, Logger: o.Logger}); err == nil {
		out.Access, err = a.newAccess(store, p.Config.Name)
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return out, nil
}

// Close releases the store.
func (p *People) Close() error { return p.store.Close() }
