package catalog_test

import (
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

// engines opens a catalog with 10,000 rows on each engine.
func engines(b *testing.B, bench func(b *testing.B, c catalog.Catalog)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			where := filepath.Join(b.TempDir(), "catalog.db")
			if engine == "postgres" {
				where = testserver.Postgres(b).URL + " bench"
			}
			c, err := openAt(b.Context(), where, sqlite.Options{Migrations: catalogtest.Schema})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			if _, err := execute(b.Context(), c, "INSERT INTO thing (id, name) WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 10000) SELECT i, 'name ' || CAST(i AS TEXT) FROM r"); err != nil {
				b.Fatal(err)
			}
			bench(b, c)
		})
	}
}

// BenchmarkUpdate changes a row, durably, from one goroutine.
func BenchmarkUpdate(b *testing.B) {
	engines(b, func(b *testing.B, c catalog.Catalog) {
		n := 0
		for b.Loop() {
			n++
			if _, err := execute(b.Context(), c, "UPDATE thing SET number = $1 WHERE id = $2", n, n%10_000+1); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
}

// BenchmarkUpdates is with eight goroutines.
func BenchmarkUpdates(b *testing.B) {
	engines(b, func(b *testing.B, c catalog.Catalog) {
		b.SetParallelism(4)
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for n := 0; p.Next(); n++ {
				if _, err := execute(b.Context(), c, "INSERT INTO counter (name, n) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET n = counter.n + 1", string(rune('a'+n%1000)), n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.StopTimer()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	})
}

// BenchmarkView reads a row by its key, as a request does that asks who it is.
func BenchmarkView(b *testing.B) {
	engines(b, func(b *testing.B, c catalog.Catalog) {
		n := 0
		for b.Loop() {
			n++
			err := c.View(b.Context(), func(tx catalog.Tx) error {
				_, err := catalog.One[string](b.Context(), tx, "SELECT name FROM thing WHERE id = $1", n%10_000+1)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "views/s")
	})
}
