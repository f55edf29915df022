package app

import (
	"context"
	"time"

	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/workspace"
)

// workspaces are the tenants of the server, and what they may use.
type workspaces struct {
	store   *workspace.Store
	meter   *workspace.Meter
	changed chan struct{} // has one when some have changed
}

// openWorkspaces opens what is known of workspaces.
func (a *App) openWorkspaces(ctx context.Context) (err error) {
	a.workspaces.store, err = workspace.Open(ctx, workspace.Options{
		Catalog: a.catalog, Record: a.recordWorkspace, Erase: a.erase, Grace: a.o.grace, Now: a.o.Now, Logger: a.logger("workspaces"),
	})
	if err != nil {
		return err
	}
	a.workspaces.changed = make(chan struct{}, 1)
	a.workspaces.store.Watch(func([]string) {
		select {
		case a.workspaces.changed <- struct{}{}:
		default: // it is known that there is something to do
		}
	})
	return nil
}

// recordWorkspace writes down, in its transaction, what was changed of a workspace.
func (a *App) recordWorkspace(ctx context.Context, tx catalog.Tx, c workspace.Change) error {
	e := audit.Entry{Actor: audit.Actor{Kind: audit.System, Name: "millrace"}, Action: c.Action, Object: audit.Object{Kind: "workspace", ID: c.ID, Name: c.Name},
		Workspace: c.Workspace, Before: c.Before, After: c.After}
	if c.Environment != "" {
		e.Object.Kind, e.Environment = "environment", c.ID
	}
	if c.Note != "" && e.After == nil {
		e.After = map[string]string{"note": c.Note}
	} else if c.Note != "" {
		e.After = map[string]any{"is": c.After, "note": c.Note}
	}
	if by, ok := serve.CallerOf(ctx); ok {
		e.Actor = serve.ActorOf(by.Principal)
		e.From = audit.From{Agent: by.Agent, Request: by.Request}
		if by.Address.IsValid() {
			e.From.Address = by.Address.String()
		}
	}
	return a.audit.Append(ctx, tx, e)
}

// openMeter begins to count what workspaces use, before intake takes anything.
func (a *App) openMeter(ctx context.Context) (err error) {
	a.workspaces.meter, err = workspace.NewMeter(workspace.MeterOptions{
		Store: a.workspaces.store, Log: a.log, Notify: a.noticeQuota, Now: a.o.Now, Logger: a.logger("usage"),
	})
	if err != nil {
		return err
	}
	return a.workspaces.meter.Begin(ctx)
}

// noticeQuota tells that much of a quota is used.
func (a *App) noticeQuota(_ context.Context, n workspace.Notice) {
	a.logger("usage").Warn("a workspace has used much of a quota", "workspace", n.Workspace, "quota", n.Quota, "percent", n.Percent)
}

// findAddress returns the space of intake that an address in a path means.
func (a *App) findAddress(address string) (space string, ok bool) {
	sp, ok := a.workspaces.store.Spaces().Find(address)
	if !ok {
		return "", false
	}
	return sp.ID, true
}

// runWorkspaces follows changes of workspaces, counts, and purges, until ctx ends.
func (a *App) runWorkspaces(ctx context.Context, do func(func() error)) {
	do(func() error { return a.workspaces.store.Run(ctx) })
	do(func() error { return a.workspaces.meter.Run(ctx) })
	do(func() error { return a.followWorkspaces(ctx) })
	do(func() error { return a.wakeSpaces(ctx) })
	do(func() error { return a.restSpaces(ctx) })
	do(func() error { return a.measureSpaces(ctx) })
	do(func() error { return a.shareTables(ctx) })
	do(func() error { return a.purgeSpaces(ctx) })
}

// followAnyway is how often spaces are compared with workspaces though nothing
// is said to have changed: what failed is tried again.
const followAnyway = time.Minute

// followWorkspaces serves the spaces that come, and those no more that go.
func (a *App) followWorkspaces(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.workspaces.changed:
		case <-time.After(followAnyway):
		}
		_ = a.serveSpaces(ctx) // what fails is in the log, and tried again
	}
}
