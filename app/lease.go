package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
)

// logLease is held by the one server that has the log.
const logLease = "log"

// Where the lock of the data folder decides who has the log, the lease does not
// run out while the server lives.
const (
	lockTTL   = 10 * 365 * 24 * time.Hour
	lockRenew = 1500 * time.Millisecond
)

// catalogs are the technologies of the metadata store, by scheme.
var catalogs = map[string]func(ctx context.Context, a *App, engine project.Engine) (catalog.Catalog, error){
	"sqlite": func(ctx context.Context, a *App, _ project.Engine) (catalog.Catalog, error) {
		return sqlite.Open(ctx, sqlite.Options{File: a.data.sub("catalog.db"), Version: a.o.Version, Later: true, Now: a.o.Now, Logger: a.logger("catalog")})
	},
	"postgres":   openPostgresCatalog,
	"postgresql": openPostgresCatalog,
}

func openPostgresCatalog(ctx context.Context, a *App, engine project.Engine) (catalog.Catalog, error) {
	return postgres.Open(ctx, postgres.Options{URL: engine.Reveal(), Version: a.o.Version, Later: true, Now: a.o.Now, Logger: a.logger("catalog")})
}

// openData locks the data folder and opens the metadata store, when this server
// is the one that has the log: until then it waits, and takes over from the one
// that has. With the metadata in the folder, its lock decides. Else the lease
// does, since a folder may be mounted on several machines.
func (a *App) openData(ctx context.Context) (err error) {
	if a.config().Catalog.Scheme() == "sqlite" {
		if err := a.lockData(ctx); err != nil {
			return err
		}
		// Who had the lease had the lock, and who has the lock has the lease, also
		// while the disk is full and nothing can be renewed.
		return a.openCatalog(ctx, catalog.LeaseOptions{TTL: lockTTL, Renew: lockRenew, Dead: func(string) bool { return true }})
	}
	if err := a.openCatalog(ctx, catalog.LeaseOptions{Dead: catalog.ProcessEnded}); err != nil {
		return err
	}
	if err := a.lockData(ctx); err != nil {
		return err
	}
	return a.checkFolder(ctx)
}

// lockData locks the data folder. In production it waits for who has it.
func (a *App) lockData(ctx context.Context) error {
	patience := lockPatience
	for a.data == nil {
		data, err := openData(ctx, a.o.Data, patience)
		var used *inUse
		switch {
		case err == nil:
			a.data = data
		case a.o.Mode != serve.Production || ctx.Err() != nil || !errors.As(err, &used):
			return err
		default:
			a.stand("process " + used.holder + " has the data folder " + used.path)
			patience = time.Second
		}
	}
	a.closers = append(a.closers, a.data)
	if err := checkWhole(a.data.path); err != nil {
		return err
	}
	if err := removed(a.data.sub(backupFolder)); err != nil { // of a backup that was killed
		a.logger("backup").Error("what a backup has left could not be removed: remove it", "folder", a.data.sub(backupFolder), "error", err)
	}
	return nil
}

// openCatalog opens the metadata store, and waits for the lease. Only who holds
// it changes the schema, since the server before it still uses the one there is.
func (a *App) openCatalog(ctx context.Context, o catalog.LeaseOptions) (err error) {
	engine := a.config().Catalog
	if a.catalog, err = catalogs[engine.Scheme()](ctx, a, engine); err != nil {
		return fmt.Errorf("cannot open the metadata store %s: %w", engine, err)
	}
	a.closers = append(a.closers, a.catalog)
	held := make(chan error, 1)
	waiting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go func() {
		var err error
		o.Logger = a.logger("lease")
		a.lease, err = catalog.Hold(waiting, a.catalog, logLease, catalog.Process(), o)
		held <- err
	}()
	select {
	case err = <-held:
	case <-time.After(holdPatience):
		err = a.waitHeld(ctx, held, giveUp)
	}
	if err != nil {
		return err
	}
	a.closers = append(a.closers, closer(func() error {
		ctx, cancel := a.closing()
		defer cancel()
		if err := a.lease.Release(ctx); err != nil {
			a.logger("lease").Warn("the lease could not be given back: others take it over when its time is over", "error", err)
		}
		return nil
	}))
	return a.catalog.Migrate(ctx)
}

// holdPatience is how long the lease is waited for before that is told.
const holdPatience = time.Second

// leasePatience is how long a command waits for the lease: longer than one lasts
// whose server was killed.
const leasePatience = 20 * time.Second

// waitHeld waits for the lease when it is not free at once: a server as standby, a
// command for some time, unless it has the folder's lock, so that nobody else has
// the log and it is only the store that is slow.
func (a *App) waitHeld(ctx context.Context, held <-chan error, giveUp context.CancelFunc) error {
	if a.listener != nil {
		a.stand(a.holder(ctx) + " has the log")
	}
	if a.listener != nil || a.data != nil {
		return <-held
	}
	select {
	case err := <-held:
		return err
	case <-time.After(a.o.leasePatience):
	}
	l := a.leaseStatus(ctx)
	giveUp()
	if err := <-held; millrace.KindOf(err) != millrace.Canceled {
		return err
	}
	if l == nil || l.Holder == "" {
		return millrace.Errorf(millrace.Unavailable, "the metadata store %s does not answer, or takes no changes: see that it runs and can be written, then try again", a.config().Catalog)
	}
	return millrace.Errorf(millrace.Conflict, "%s has the log, so nothing else can use what it has: ask that server instead, or stop it first", l.Holder)
}

// holder names who has the log, for people.
func (a *App) holder(ctx context.Context) string {
	l := a.leaseStatus(ctx)
	if l == nil || l.Holder == "" {
		return "another server"
	}
	return l.Holder
}

// leaseStatus says who has the log; nil when that is not known.
func (a *App) leaseStatus(ctx context.Context) *serve.LeaseStatus {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	var all []catalog.Lease
	err := a.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		all, err = catalog.Leases(ctx, tx)
		return err
	})
	if err != nil {
		a.logger("lease").Warn("who has the log is not known", "error", err)
		return nil
	}
	for _, l := range all {
		if l.Name == logLease {
			// What the fingerprint in brackets says is for programs.
			name, _, _ := strings.Cut(l.Holder, " [")
			return &serve.LeaseStatus{Holder: name, Token: l.Token, Catalog: a.config().Catalog.String()}
		}
	}
	return nil
}

// whileHeld returns a context that ends with ctx, and when the lease is lost:
// from then on nothing is answered, and another server may have the log.
func (a *App) whileHeld(ctx context.Context) context.Context {
	held, lose := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-ctx.Done():
			lose(nil)
		case <-a.lease.Lost():
			if ctx.Err() != nil {
				return
			}
			a.front.Store(nil)
			a.waiting.Store("this server does not have the log any more")
			lose(a.lease.Err())
		}
	}()
	return held
}

// lostLease is why a server stopped that was not asked to.
func lostLease(ctx, held context.Context) error {
	if ctx.Err() != nil || held.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: start it again, and it waits as standby", context.Cause(held))
}

// dataFact is the data folder that a catalog belongs to.
const dataFact = "data_folder"

// ownerOf returns the id of the data folder that a catalog belongs to.
func ownerOf(ctx context.Context, c catalog.Catalog) (id string, known bool, err error) {
	err = c.View(ctx, func(tx catalog.Tx) (err error) {
		id, known, err = catalog.Find[string](ctx, tx, "SELECT value FROM server_fact WHERE name = $1", dataFact)
		return err
	})
	return id, known, err
}

// checkFolder refuses a data folder that is not the one of the catalog: the log
// in it would be another. The first one that is used with a catalog is its own.
func (a *App) checkFolder(ctx context.Context) error {
	file := a.data.sub("id")
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read which catalog the data folder belongs to: %w", err)
	}
	id := strings.TrimSpace(string(text))
	own, known, err := ownerOf(ctx, a.catalog)
	switch {
	case err != nil:
		return err
	case known && own != id:
		return millrace.Errorf(millrace.Conflict, "the catalog %s belongs to another data folder than %s: the log is there. Name that one with --data; several machines share it on network storage. "+
			"When it is lost for good, make this one its successor: echo %s > %s. Archive and warehouse have what they have; what only the log held is gone",
			a.config().Catalog, a.data.path, own, filepath.Join(a.data.path, "id"))
	case known:
		return nil
	case id == "":
		id = "d_" + strings.ToLower(rand.Text())
		if err := writeFile(file, []byte(id+"\n")); err != nil {
			return fmt.Errorf("cannot write which catalog the data folder belongs to: %w", err)
		}
	}
	return a.catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := a.lease.Check(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO server_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", dataFact, id)
		return err
	})
}
