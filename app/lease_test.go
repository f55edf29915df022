package app_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/testserver"
)

// TestALostLeaseStopsTheServer takes the lease away from a server that runs.
func TestALostLeaseStopsTheServer(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	a, err := app.Open(t.Context(), app.Options{Dir: project(t, small), Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(context.Background()) }()
	thief, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(data, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	err = thief.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE lease SET holder = 'another', token = token + 1, beat = beat + 1 WHERE name = 'log'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := thief.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err = <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on without the lease")
	}
	if err == nil || !strings.Contains(err.Error(), "another server has taken it over: start it again") {
		t.Errorf("it stops with %v", err)
	}
	if resp, err := http.Get(a.URL() + "/healthz"); err == nil {
		_ = resp.Body.Close()
		t.Error("it answers without the lease")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// TestACommandWaitsForTheLease: a command on a data folder does not wait for ever
// while another server has the log, or the metadata store takes no changes, and says so.
func TestACommandWaitsForTheLease(t *testing.T) {
	t.Parallel()
	take := func(t *testing.T, o app.Options) error {
		t.Helper()
		to := app.BackupTarget{To: filepath.Join(t.TempDir(), "backups"), Key: backup.NewKey()}
		_, err := app.BackUpFolder(t.Context(), o, &to, func(job.Progress) {})
		return err
	}
	begun := func(t *testing.T) (app.Options, *postgres.Catalog) {
		t.Helper()
		url := testserver.Postgres(t).Database("shop")
		files := map[string]string{"sources/web.yaml": small["sources/web.yaml"], "millrace.yaml": "name: small\ncatalog: " + url + "\n"}
		o := app.Options{Dir: project(t, files), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev}
		startWith(t, o).stop()
		store, err := postgres.Open(t.Context(), postgres.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return o, store
	}
	t.Run("a store that takes no changes", func(t *testing.T) {
		t.Parallel()
		o, store := begun(t)
		err := store.Update(t.Context(), func(tx catalog.Tx) error {
			if _, err := tx.Exec(t.Context(), "UPDATE lease SET beat = beat + 1 WHERE name = 'log'"); err != nil {
				return err
			}
			return take(t, o.WithPatience(time.Second))
		})
		if millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "does not answer, or takes no changes: see that it runs") {
			t.Errorf("it says %v", err)
		}
		if err := take(t, o); err != nil {
			t.Errorf("when it takes them again: %v", err)
		}
	})
	t.Run("another server", func(t *testing.T) {
		t.Parallel()
		o, store := begun(t)
		held, err := catalog.Hold(t.Context(), store, "log", "process 1 on elsewhere", catalog.LeaseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = take(t, o.WithPatience(time.Second))
		if millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "process 1 on elsewhere has the log") || !strings.Contains(err.Error(), "ask that server instead") {
			t.Errorf("it says %v", err)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := take(t, o); err != nil {
			t.Errorf("when it is free again: %v", err)
		}
	})
}
