package catalogtest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

// Each runs tests of what builds on a catalog, in parallel: each on every
// engine, with an empty catalog of its own that has this program's migrations.
// Call it once in a package, since it starts a server.
func Each(t *testing.T, tests map[string]func(t *testing.T, c catalog.Catalog)) {
	t.Helper()
	server := testserver.Postgres(t)
	var made atomic.Int64
	engines := map[string]func(t *testing.T) (catalog.Catalog, error){
		"sqlite": func(t *testing.T) (catalog.Catalog, error) {
			return sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(t.TempDir(), "catalog.db")})
		},
		"postgres": func(*testing.T) (catalog.Catalog, error) {
			return postgres.Open(context.Background(), postgres.Options{URL: server.URL, Schema: fmt.Sprintf("test_%d", made.Add(1))})
		},
	}
	for engine, open := range engines {
		t.Run(engine, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c, err := open(t)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { _ = c.Close() })
					test(t, c)
				})
			}
		})
	}
}
