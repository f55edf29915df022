package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	"github.com/millrace/millrace/workspace"
)

// SettleWarehouse is what a server does with its warehouse when it stops at
// that time.
func (a *App) SettleWarehouse(until time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	_, last, err := a.log.Bounds(context.Background())
	if err != nil {
		return err
	}
	return a.home.settle(ctx, last)
}

// OpenSpace serves the project in a folder in a workspace of that name.
func (a *App) OpenSpace(name, dir string) error {
	p, err := Load(dir, "")
	if err != nil {
		return err
	}
	store := a.workspaces.store
	ws, ok := store.Spaces().Find(name)
	if ok {
		_, err = store.Undelete(context.Background(), ws.Workspace)
	} else {
		_, err = store.Create(context.Background(), workspace.New{Name: name}, nil)
		ws, _ = store.Spaces().Find(name)
	}
	if err != nil {
		return err
	}
	if _, err := a.serveSpace(context.Background(), ws); err != nil {
		return err
	}
	a.spaces.changing.Lock()
	defer a.spaces.changing.Unlock()
	sp := a.spaces.get(ws.ID)
	if sp == nil {
		return fmt.Errorf("space %s is not served any more", ws.ID)
	}
	sp.project.Store(&served{Project: p})
	return a.serveSources(sp, p)
}

// FollowSpaces compares the spaces that are served with the workspaces there are.
func (a *App) FollowSpaces() error { return a.serveSpaces(context.Background()) }

// SwapManifests puts another list of files in the place of that of all versions
// of a workspace, and returns the one before.
func (a *App) SwapManifests(name string, manifest []byte) (before []byte, err error) {
	ws, _ := a.workspaces.store.Spaces().Find(name)
	err = a.catalog.Update(context.Background(), func(tx catalog.Tx) (err error) {
		if before, err = catalog.One[[]byte](context.Background(), tx, "SELECT manifest FROM release_tree WHERE workspace = $1", ws.Workspace); err != nil {
			return err
		}
		_, err = tx.Exec(context.Background(), "UPDATE release_tree SET manifest = $1 WHERE workspace = $2", manifest, ws.Workspace)
		return err
	})
	return before, err
}

// CloseSpace deletes the workspace of that name.
func (a *App) CloseSpace(name string) error {
	ws, _ := a.workspaces.store.Spaces().Find(name)
	_, err := a.workspaces.store.Delete(context.Background(), ws.Workspace)
	return err
}

// ProjectOf is the version that runs in an environment.
func (a *App) ProjectOf(ctx context.Context, tenant, space string) (*project.Project, error) {
	return a.projectOf(ctx, &workspace.Space{ID: space, Workspace: tenant})
}

// WithoutLogCheck returns options for a log whose blocks are not checked when
// it is opened, as older blocks are not.
func (o Options) WithoutLogCheck() Options {
	o.logCheckBytes = -1
	return o
}

// WithIdle returns options with which spaces are closed that were idle for so long.
func (o Options) WithIdle(d time.Duration) Options {
	o.idle = d
	return o
}

// WithMostOpen returns options with which so many spaces should be open at once.
func (o Options) WithMostOpen(n int) Options {
	o.mostOpen = n
	return o
}

// OpenSpaces is how many spaces are open.
func (a *App) OpenSpaces() int { return a.spaces.lenOpen() }

// WithGrace returns options with which what was deleted is soon gone for good.
func (o Options) WithGrace(d time.Duration) Options {
	o.grace, o.purgeEvery = d, d
	return o
}

// WithPatience returns options with which commands wait so long for the lease.
func (o Options) WithPatience(d time.Duration) Options {
	o.leasePatience = d
	return o
}

// SpaceOf is the id of the space that an address means.
func (a *App) SpaceOf(address string) string {
	ws, _ := a.workspaces.store.Spaces().Find(address)
	return ws.ID
}

// PurgeSecrets is the step of a purge that destroys the key of a space's records.
func (a *App) PurgeSecrets(ctx context.Context, space string) error {
	return a.destroyKey(ctx, space)
}

// Deploy makes a workspace of that name whose project has these files.
func (a *App) Deploy(name string, files map[string]string) error {
	ctx := context.Background()
	if _, err := a.workspaces.store.Create(ctx, workspace.New{Name: name}, nil); err != nil {
		return err
	}
	ws, _ := a.workspaces.store.Spaces().Find(name)
	sp, err := a.serveSpace(ctx, ws)
	if err != nil {
		return err
	}
	t, err := tree.Of(files)
	if err != nil {
		return err
	}
	w := sp.switchTo()
	w.Allow = func(context.Context, *tree.Tree, *tree.Tree) error { return nil }
	w.Healthy = nil
	_, err = a.versions.Deploy(ctx, release.Proposal{Target: sp.target(), Tree: t, Origin: release.FromFolder, By: system(), Message: "test"}, w)
	return err
}

// ForgetAuditRecords has the server that follows believe that no entry of the
// audit trail is in the log yet, as one that was killed in between would.
func (a *App) ForgetAuditRecords(ctx context.Context) error { return a.storeAuditMarks(ctx, nil) }

// Audited is the number of the newest entry of the audit trail, and that of the
// newest that is in the log.
func (a *App) Audited(ctx context.Context) (newest, stored int64, err error) {
	head, err := a.audit.Head(ctx, "")
	if err != nil {
		return 0, 0, err
	}
	marks, err := a.auditMarks(ctx)
	if n := len(marks); n > 0 {
		stored = marks[n-1].Number
	}
	return head.Number, stored, err
}

// CountQueries counts from now on what DuckDB is asked by those who ask a space.
// Call it before Run.
func (a *App) CountQueries() *atomic.Int64 {
	c := &countingWarehouse{Warehouse: a.warehouse.(*duckdb.Warehouse)}
	a.warehouse = c
	return &c.asked
}

type countingWarehouse struct {
	*duckdb.Warehouse
	asked atomic.Int64
}

func (c *countingWarehouse) Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
	c.asked.Add(1)
	return c.Warehouse.Query(ctx, q)
}

// QueryTime is how long queries of a space's workspace ran today.
func (a *App) QueryTime(space string) time.Duration {
	return a.workspaces.meter.QueryTime(space, a.o.Now())
}

// Measure measures what all spaces keep.
func (a *App) Measure(ctx context.Context) { a.measure(ctx) }

// MayHave is how many event tables the loader of a space was told to make at most;
// -1 when it was told none.
func (a *App) MayHave(address string) int64 {
	sp := a.spaces.opened(a.SpaceOf(address))
	if sp == nil || sp.tables.Load() == nil {
		return -1
	}
	return *sp.tables.Load()
}
