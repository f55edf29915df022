package postgres_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/testserver"
)

// A place is a schema on the server that the tests share.
type place struct{ url, schema string }

func (p place) Open(migrations fs.FS) (catalog.Catalog, error) {
	return postgres.Open(context.Background(), postgres.Options{URL: p.url, Schema: p.schema, Version: "9.9-test", Migrations: migrations})
}

func (p place) OpenLater(migrations fs.FS) (catalog.Catalog, error) {
	return postgres.Open(context.Background(), postgres.Options{URL: p.url, Schema: p.schema, Version: "9.9-test", Migrations: migrations, Later: true})
}

// TestPostgres runs on one server, with a schema for each part.
func TestPostgres(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	var made atomic.Int64
	t.Run("parts", func(t *testing.T) {
		catalogtest.Run(t, func(*testing.T) catalogtest.Place { return place{server.URL, fmt.Sprintf("Part %d", made.Add(1))} })
		t.Run("Stuck", func(t *testing.T) { testStuckTransaction(t, server.URL) })
		t.Run("Schema", func(t *testing.T) { testSchema(t, server.URL) })
		t.Run("ChangedTable", func(t *testing.T) { testChangedTable(t, server.URL) })
		t.Run("Silent", func(t *testing.T) { testSilentNetwork(t, server.URL) })
	})
	t.Run("Settings", func(t *testing.T) { testSettings(t, server.URL) })
	t.Run("DeadServer", func(t *testing.T) { testDeadServer(t, server) })
}
