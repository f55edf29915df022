package catalogtest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
)

// Each runs tests of what builds on a catalog, in parallel: each on every
// engine, with an empty catalog of its own that has this program's migrations.
func Each(t *testing.T, tests map[string]func(t *testing.T, c catalog.Catalog)) {
	t.Helper()
	engines := map[string]func(t *testing.T) (catalog.Catalog, error){
		"sqlite": func(t *testing.T) (catalog.Catalog, error) {
			return sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(t.TempDir(), "catalog.db")})
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
