package app_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/serve"
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
