package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

// A place is a database on the server that the tests share.
type place struct{ url string }

func (p place) Open(t *testing.T) warehouse.Warehouse {
	t.Helper()
	w, err := postgres.Open(context.Background(), postgres.Options{URL: p.url})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestPostgres runs on one server, with a database for each part.
func TestPostgres(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	var mu sync.Mutex
	made := 0
	database := func() string {
		mu.Lock() // CREATE DATABASE copies a template that no one else may use
		defer mu.Unlock()
		made++
		return server.Database(fmt.Sprintf("w%d", made))
	}
	t.Run("parts", func(t *testing.T) {
		warehousetest.Run(t, func(*testing.T) warehousetest.Place { return place{database()} })
		for name, test := range map[string]func(*testing.T, string){
			"RefusedRows": testRefusedRows, "SwapElsewhere": testSwapElsewhere, "Words": testWords, "Identifier": testIdentifier, "NamesLikeFunctions": testNamesLikeFunctions, "Infinity": testInfinity, "RefusedDefinitions": testRefusedDefinitions, "ForeignSchema": testForeignSchema, "OlderTables": testOlderTables, "TwoLoaders": testTwoLoaders, "IndexNames": testIndexNames, "BlockedByQuery": testBlockedByQuery, "Loader": testLoader,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, database())
			})
		}
	})
}
