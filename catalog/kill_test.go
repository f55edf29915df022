package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

// TestOnPostgres runs on one server what others run on files.
func TestOnPostgres(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	t.Run("Away", func(t *testing.T) { testStandbyOfServerThatIsAway(t, server) })
	t.Run("parts", func(t *testing.T) {
		t.Run("Standby", func(t *testing.T) { testStandby(t, server.URL+" standby_") })
		t.Run("KilledUpdate", func(t *testing.T) { t.Parallel(); testKilledUpdate(t, server.URL+" update") })
		t.Run("Backup", func(t *testing.T) { t.Parallel(); testBackups(t, server.URL+" backup_") })
		t.Run("Upgrade", func(t *testing.T) { t.Parallel(); testUpgrade(t, server.URL+" upgrade_", false) })
		t.Run("KilledMigration", func(t *testing.T) { t.Parallel(); testKilledMigration(t, server.URL+" migration_") })
	})
}

func TestKilledUpdate(t *testing.T) {
	t.Parallel()
	testKilledUpdate(t, filepath.Join(t.TempDir(), "catalog.db"))
}

func TestKilledMigration(t *testing.T) {
	t.Parallel()
	testKilledMigration(t, filepath.Join(t.TempDir(), "catalog.db"))
}

// countUntilKilled adds rows to two tables at a time, and prints what is acknowledged.
func countUntilKilled(ctx context.Context, where string) error {
	c, err := openAt(ctx, where, sqlite.Options{Migrations: catalogtest.Schema})
	if err != nil {
		return err
	}
	for {
		var n int
		err := c.Update(ctx, func(tx catalog.Tx) (err error) {
			if n, err = catalog.One[int](ctx, tx, "SELECT coalesce(max(n), 0) + 1 FROM counter"); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO counter (name, n) VALUES ($1, $2)", fmt.Sprint(n), n)
			for i := range 3 {
				_, more := tx.Exec(ctx, "INSERT INTO thing (id, data) VALUES ($1, $2)", n*3+i, make([]byte, rand.IntN(5000)))
				err = errors.Join(err, more)
			}
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println("done", n)
	}
}

func testKilledUpdate(t *testing.T, where string) {
	acknowledged := int64(0)
	for round := range 6 {
		writers := []*child{start(t, "count", where)}
		if round%2 == 1 { // two of them at once
			writers = append(writers, start(t, "count", where))
		}
		for range 1 + rand.IntN(10) {
			n, _ := writers[0].until(t, "done", 20*time.Second)
			acknowledged = max(acknowledged, n)
		}
		time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
		for _, w := range writers {
			w.signal(t, syscall.SIGKILL)
		}
		for _, w := range writers {
			_ = w.Process.Release()
			for line := range w.lines {
				var n int64
				if _, err := fmt.Sscanf(line, "done %d", &n); err == nil { // a last one may be cut
					acknowledged = max(acknowledged, n)
				}
			}
		}
		c, err := openAt(t.Context(), where, sqlite.Options{Migrations: catalogtest.Schema})
		if err != nil {
			t.Fatal(err)
		}
		type counted struct{ N, Last, Things int64 }
		var got counted
		err = c.View(t.Context(), func(tx catalog.Tx) (err error) {
			got, err = catalog.One[counted](t.Context(), tx, "SELECT count(*), max(n), (SELECT count(*) FROM thing) FROM counter")
			return err
		})
		// What was not acknowledged any more may be there, but whole.
		if err != nil || got.N != got.Last || got.Things != 3*got.N || got.N < acknowledged {
			t.Errorf("%+v, acknowledged were %d; %v", got, acknowledged, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// slow is a migration of many steps.
func slow() fstest.MapFS {
	files := maps.Clone(catalogtest.Schema)
	text := "CREATE TABLE more (id BIGINT PRIMARY KEY, name TEXT);\nUPDATE thing SET name = name || '!';\nALTER TABLE counter ADD COLUMN text TEXT NOT NULL DEFAULT 'x';\n"
	for i := range 20 {
		text += fmt.Sprintf("INSERT INTO more (id, name) WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 1000) SELECT i + %d, 'n' FROM r;\n", i*1000)
	}
	files["0002_slow.sql"] = &fstest.MapFile{Data: []byte(text + "DROP TABLE counter;\n")}
	return files
}

func migrateUntilKilled(ctx context.Context, where string) error {
	fmt.Println("begin 1")
	c, err := openAt(ctx, where, sqlite.Options{Migrations: slow()})
	if err != nil {
		return err
	}
	fmt.Println("done 1")
	return c.Close()
}

func testKilledMigration(t *testing.T, where string) {
	half, whole := 0, 0
	for round := range 6 {
		where := where + fmt.Sprint(round)
		c, err := openAt(t.Context(), where, sqlite.Options{Migrations: catalogtest.Schema})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Update(t.Context(), func(tx catalog.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO thing (id, name) WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5000) SELECT i, 'name ' || CAST(i AS TEXT) FROM r")
			return err
		})
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
		migrating := start(t, "migrate", where)
		migrating.until(t, "begin", 20*time.Second)
		time.Sleep(time.Duration(rand.IntN(120_000)) * time.Microsecond)
		migrating.signal(t, syscall.SIGKILL)
		_ = migrating.Wait()
		// It is as it was, or as it should be: nothing between.
		c, err = openAt(t.Context(), where, sqlite.Options{Migrations: catalogtest.Schema})
		if err == nil {
			half++
			want(t, c, "SELECT (SELECT count(*) FROM counter) + count(*) FROM thing WHERE name NOT LIKE '%!'", 5000)
			if err := c.Update(t.Context(), func(tx catalog.Tx) error {
				_, err := catalog.All[int](t.Context(), tx, "SELECT id FROM more")
				return err
			}); millrace.KindOf(err) != millrace.Invalid {
				t.Errorf("half of a migration is there: %v", err)
			}
			c.Close()
		} else if !strings.Contains(err.Error(), "0002_slow") {
			t.Fatal(err)
		} else {
			whole++
		}
		if c, err = openAt(t.Context(), where, sqlite.Options{Migrations: slow()}); err != nil {
			t.Fatal(err)
		}
		want(t, c, "SELECT (SELECT count(*) FROM more) + count(*) FROM thing WHERE name LIKE '%!'", 25_000)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("killed %d times before the end of the migration, %d times after", half, whole)
}

func want(t *testing.T, c catalog.Catalog, sql string, want int64) {
	t.Helper()
	err := c.View(t.Context(), func(tx catalog.Tx) error {
		got, err := catalog.One[int64](t.Context(), tx, sql)
		if got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
