package catalog_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
)

var update = flag.Bool("update", false, "write testdata/*.golden again")

// Each migration NNNN_name.sql has two files in testdata:
//
// NNNN_name.sql are statements that put rows into the tables as they are when
// that migration is the newest: each table has a row, and each column a value.
//
// NNNN_name.golden is what the tables hold then that are not as they were
// before: with it one sees what the migration makes of the rows of all before it.
// Write it with go test ./catalog -run Upgrade -update, and read it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	testUpgrade(t, filepath.Join(t.TempDir(), "catalog"), true)
}

// testUpgrade goes through all versions of the schema, each with the rows of the
// one before, and restores the backup of each into the newest.
func testUpgrade(t *testing.T, where string, first bool) {
	names, err := fs.Glob(catalog.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	files, before := fstest.MapFS{}, map[string][]string{}
	for _, name := range names {
		text, err := fs.ReadFile(catalog.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
		fixture, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("migration %s has no rows to be tested with: write catalog/testdata/%s, and then run go test ./catalog -run Upgrade -update", name, name)
			continue
		}
		c := openVersion(t, where+"all", files)
		load(t, c, string(fixture))
		copied := backup(t, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		now := tables(t, copied)
		filled(t, name, now)
		golden(t, name, text, before, now, first)
		before = now
		if first || len(files) == len(names)-1 { // on Postgres tables take long to make
			testRestoredUpgrade(t, where+name, maps.Clone(files), copied)
		}
	}
}

// testRestoredUpgrade compares the backup of an older version restored into the
// newest with that version restored and then upgraded.
func testRestoredUpgrade(t *testing.T, where string, files fstest.MapFS, copied []byte) {
	where = strings.TrimSuffix(where, ".sql")
	older := openVersion(t, where+"_old", files)
	restore(t, older, copied)
	if got, want := body(backup(t, older)), body(copied); got != want {
		t.Errorf("%s: restored it differs: %s", where, difference(got, want))
	}
	older.Close()
	upgraded, restored := openVersion(t, where+"_old", nil), openVersion(t, where+"_new", nil)
	restore(t, restored, copied)
	if got, want := body(backup(t, restored)), body(backup(t, upgraded)); got != want {
		t.Errorf("%s: restored by the newest version it differs: %s", where, difference(got, want))
	}
}

func openVersion(t *testing.T, where string, files fstest.MapFS) catalog.Catalog {
	t.Helper()
	o := sqlite.Options{Version: "1.0-test", Now: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }}
	if files != nil {
		o.Migrations = files
	}
	c, err := openAt(t.Context(), where, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// load runs the statements of a fixture. {{bytes}} is the type of bytes, for CAST.
func load(t *testing.T, c catalog.Catalog, text string) {
	t.Helper()
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	statements, err := catalog.SplitStatements(strings.ReplaceAll(text, "{{bytes}}", map[string]string{"sqlite": "BLOB", "postgres": "BYTEA"}[s.Engine]))
	if err != nil {
		t.Fatal(err)
	}
	err = c.Update(t.Context(), func(tx catalog.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				return fmt.Errorf("%.200s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tables are the lines of a backup by table, the first one names the columns.
func tables(t *testing.T, b []byte) map[string][]string {
	t.Helper()
	all, table := map[string][]string{}, ""
	for line := range strings.Lines(body(b)) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "{") {
			var head struct{ Table string }
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				t.Fatal(err)
			}
			table = head.Table
		}
		all[table] = append(all[table], line)
	}
	return all
}

// filled fails when a table has no rows, or a column no values.
func filled(t *testing.T, name string, all map[string][]string) {
	t.Helper()
	for table, lines := range all {
		if len(lines) == 1 {
			t.Errorf("catalog/testdata/%s puts no row into table %s", name, table)
			continue
		}
		var head struct{ Columns []string }
		if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
			t.Fatal(err)
		}
		some := make([]bool, len(head.Columns))
		for _, line := range lines[1:] {
			var row []any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			for i, v := range row {
				some[i] = some[i] || v != nil
			}
		}
		for i, column := range head.Columns {
			if !some[i] {
				t.Errorf("catalog/testdata/%s puts no value into column %s of table %s", name, column, table)
			}
		}
	}
}

// golden compares the tables that changed with what is written down.
func golden(t *testing.T, name string, migration []byte, before, now map[string][]string, write bool) {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %x\n", name, sha256.Sum256(migration))
	for _, table := range slices.Sorted(maps.Keys(now)) {
		if !slices.Equal(now[table], before[table]) {
			fmt.Fprintln(&out, strings.Join(now[table], "\n"))
		}
	}
	for _, table := range slices.Sorted(maps.Keys(before)) {
		if now[table] == nil {
			fmt.Fprintln(&out, "dropped", table)
		}
	}
	file := filepath.Join("testdata", strings.TrimSuffix(name, ".sql")+".golden")
	if *update && write {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("%v: run go test ./catalog -run Upgrade -update", err)
	}
	if got, want := out.String(), string(want); got != want {
		t.Errorf("%s is not what migration %s makes of the rows before it. A released migration never changes; before its release run go test ./catalog -run Upgrade -update and read what changed. %s", file, name, difference(got, want))
	}
}
