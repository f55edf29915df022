package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// purgeEvery is how often it is looked for what is to be deleted for good.
const purgeEvery = time.Minute

// purgeSteps are what is done, in their order, to delete a space for good. Each
// is done again until it is known to be done, also after a crash. From the key on
// nothing can come back: what the log holds cannot be read any more.
func (a *App) purgeSteps() []workspace.Step {
	return []workspace.Step{
		{Name: "stop", Do: func(_ context.Context, space string) error {
			a.forgetWake(space)
			return a.dropSpace(space)
		}},
		{Name: "key", Do: a.destroyKey},
		{Name: "secrets", Do: a.shredSecrets},
		{Name: "archive", Do: a.archive.Purge},
		{Name: "dedup", Do: a.purgeDedup},
		{Name: "warehouse", Do: a.dropTables},
		{Name: "history", Do: a.purgeHistory},
		{Name: "results", Do: a.purgeResults},
		{Name: "files", Do: a.removeFiles},
		{Name: "backup", Do: a.purgeBackup},
	}
}

// purgeDedup removes what duplicates are known by, and all of what was set aside as
// damaged, which cannot be taken apart.
func (a *App) purgeDedup(ctx context.Context, space string) error {
	if err := a.follower.Purge(ctx, space); err != nil {
		return err
	}
	all, err := os.ReadDir(a.data.path)
	if err != nil {
		return err
	}
	for _, d := range all {
		if strings.HasPrefix(d.Name(), damagedDedup) {
			if err := removed(a.data.sub(d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// destroyKey destroys the keys of what the log holds of a space.
func (a *App) destroyKey(ctx context.Context, space string) error {
	err := a.catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := a.lease.Check(ctx, tx); err != nil {
			return err
		}
		return a.secrets.keys.DestroyData(ctx, tx, space, secret.System())
	})
	if err != nil {
		return err
	}
	a.secrets.keys.Forget(space)
	a.log.Forget(space)
	return nil
}

// shredSecrets deletes the secrets of an environment, and the key that encrypted
// them: those of others of its workspace get another one.
func (a *App) shredSecrets(ctx context.Context, space string) error {
	ws, ok := a.workspaces.store.Spaces().Space(space)
	if !ok {
		return nil // it is erased already
	}
	w, err := a.workspaces.store.Get(ctx, ws.Workspace)
	if err != nil || w.State == workspace.Purging { // the whole workspace: its key goes at the end, and nothing is encrypted anew
		return err
	}
	err = a.catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := a.lease.Check(ctx, tx); err != nil {
			return err
		}
		return a.secrets.vault.ShredEnvironment(ctx, tx, ws.Workspace, space, secret.System())
	})
	if err != nil {
		return err
	}
	if _, err := a.secrets.vault.RotateKey(ctx, ws.Workspace, secret.System()); err != nil {
		return err
	}
	a.secrets.vault.Forget(ws.Workspace)
	return nil
}

func (a *App) dropTables(ctx context.Context, space string) error {
	w, ok := a.warehouse.(warehouse.Dropper)
	if !ok {
		return millrace.Errorf(millrace.Internal, "the warehouse %s cannot delete the tables of a space", a.config().Warehouse)
	}
	return w.Drop(ctx, space)
}

func (a *App) purgeHistory(ctx context.Context, space string) error {
	if a.history == nil {
		return millrace.Errorf(millrace.Unavailable, "the history could not be opened when the server was started: it may hold something; see the log")
	}
	return a.history.Purge(ctx, map[string]string{history.LabelWorkspace: space})
}

func (a *App) purgeResults(ctx context.Context, space string) error {
	if a.results == nil {
		return millrace.Errorf(millrace.Unavailable, "the results of queries could not be opened when the server was started: they may hold something; see the log")
	}
	return a.results.Purge(ctx, space)
}

// removeFiles removes what a space keeps in files of its own.
func (a *App) removeFiles(_ context.Context, space string) error {
	if space == "" || space == millrace.DefaultWorkspace || filepath.Base(space) != space {
		return millrace.Errorf(millrace.Internal, "%.80q has no folder of its own", space)
	}
	all := a.data.sub("spaces")
	if _, err := os.Stat(all); os.IsNotExist(err) {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(all, space)); err != nil {
		return err
	}
	return syncFolder(all)
}

// erase removes what is kept in the catalog of workspaces and environments that
// were purged, in the transaction that ends it.
func (a *App) erase(ctx context.Context, tx catalog.Tx, e workspace.Erased) error {
	if err := a.lease.Check(ctx, tx); err != nil {
		return err
	}
	if !e.Whole {
		for _, environment := range e.Environments {
			if err := a.access.PurgeWorkspace(ctx, tx, e.Workspace, environment.Space); err != nil {
				return err
			}
			if err := a.secrets.vault.ShredEnvironment(ctx, tx, e.Workspace, environment.Space, secret.System()); err != nil {
				return err
			}
			if err := release.PurgeEnvironment(ctx, tx, release.Target{Workspace: e.Workspace, Environment: environment.Space}, environment.Since); err != nil {
				return err
			}
		}
		return nil
	}
	if err := a.access.PurgeWorkspace(ctx, tx, e.Workspace, ""); err != nil {
		return err
	}
	if err := a.secrets.vault.Shred(ctx, tx, e.Workspace, secret.System()); err != nil {
		return err
	}
	if err := release.Purge(ctx, tx, e.Workspace); err != nil {
		return err
	}
	return a.audit.Erase(ctx, tx, e.Workspace, audit.By{Actor: audit.Actor{Kind: audit.System, Name: "millrace"}, Note: "the workspace was deleted for good"})
}

// purgeSpaces deletes for good what is due, until ctx ends.
func (a *App) purgeSpaces(ctx context.Context) error {
	purger, err := workspace.NewPurger(workspace.PurgerOptions{Store: a.workspaces.store, Steps: a.purgeSteps(), Logger: a.logger("purge")})
	if err != nil {
		return err
	}
	unclean := true // the server may have ended before it had cleaned up
	for wait := cleanAgain; ; {
		err := a.purge(ctx, purger, &unclean)
		if err != nil && ctx.Err() == nil {
			a.logger("purge").Error("what was deleted is not gone for good yet: it is tried again", "error", err)
		}
		next := a.o.purgeEvery
		if !unclean {
			wait = cleanAgain
		} else if wait < next {
			next, wait = wait, 2*wait
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

// cleanAgain is after how long it is tried again to clean up what others read at
// that moment; each time after twice as long.
const cleanAgain = time.Second

// purge deletes for good what is due. While unclean, there may be something of
// what was purged in memory, or in the catalog's write-ahead file.
func (a *App) purge(ctx context.Context, purger *workspace.Purger, unclean *bool) error {
	before := a.workspaces.store.Spaces()
	purged, err := purger.Once(ctx)
	if purged > 0 {
		*unclean = true
		now := a.workspaces.store.Spaces()
		for ws := range before.All() {
			if len(now.Of(ws.Workspace)) == 0 {
				a.secrets.vault.Forget(ws.Workspace)
			}
		}
		a.access.Refresh()
	}
	if !*unclean {
		return err
	}
	if tended := a.audit.Tend(ctx); tended != nil {
		return errors.Join(err, fmt.Errorf("the audit trail of what is gone: %w", tended))
	}
	if c, ok := a.catalog.(interface{ Scrub(context.Context) error }); ok {
		if scrubbed := c.Scrub(ctx); scrubbed != nil {
			return errors.Join(err, fmt.Errorf("the metadata of what is gone: %w", scrubbed))
		}
	}
	*unclean = false
	return err
}
