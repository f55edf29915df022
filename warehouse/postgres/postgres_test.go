package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

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

// Search reads every table of the database and every name, comment and role of
// the server's catalogs, as a dump does.
func (p place) Search(t *testing.T, text string) (found []string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	rows, err := c.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_shdescription', 'pg_database', 'pg_shdepend', 'pg_db_role_setting')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var n int
		if err := c.QueryRow(ctx, "SELECT count(*) FROM "+table+" AS t WHERE strpos(t::text, $1) > 0", text).Scan(&n); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		if n > 0 {
			found = append(found, table)
		}
	}
	return found
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
