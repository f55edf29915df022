package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

// A database is a place on the server that the test shares.
type database struct{ url string }

func (d database) Open(t *testing.T) warehouse.Warehouse {
	t.Helper()
	w, err := postgres.Open(context.Background(), postgres.Options{URL: d.url})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var databases atomic.Int64

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	server := testserver.Postgres(t)
	warehousetest.Run(t, func(t *testing.T) warehousetest.Place {
		mu.Lock() // CREATE DATABASE copies a template that no one else may use
		defer mu.Unlock()
		return database{server.Database(fmt.Sprintf("w%d", databases.Add(1)))}
	})
}
