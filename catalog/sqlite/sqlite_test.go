package sqlite_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
)

type place struct{ file string }

func (p place) Open(migrations fs.FS) (catalog.Catalog, error) {
	return sqlite.Open(context.Background(), sqlite.Options{File: p.file, Version: "9.9-test", Migrations: migrations})
}

func (p place) OpenLater(migrations fs.FS) (catalog.Catalog, error) {
	return sqlite.Open(context.Background(), sqlite.Options{File: p.file, Version: "9.9-test", Migrations: migrations, Later: true})
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, func(t *testing.T) catalogtest.Place { return place{filepath.Join(t.TempDir(), "catalog ?%20#.db")} })
}

func openFile(t *testing.T, file string) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Migrations: catalogtest.Schema})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func fill(t *testing.T, c catalog.Catalog, from, to int) {
	t.Helper()
	err := c.Update(t.Context(), func(tx catalog.Tx) error {
		for i := from; i < to; i++ {
			if _, err := tx.Exec(t.Context(), "INSERT INTO thing (id, name, data) VALUES ($1, $2, $3)", i, strings.Repeat("n", 100)+string(rune(i+0x4000)), make([]byte, 300)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "catalog.db")
	c := openFile(t, file)
	fill(t, c, 0, 10)
	private := func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) == 0 {
			t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
			}
		}
	}
	private()
	c.Close()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	fill(t, openFile(t, file), 10, 20)
	private()
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		make  func(t *testing.T, file string)
		kind  millrace.Kind
		words string
	}{
		"folder":    {func(t *testing.T, file string) { os.Mkdir(file, 0o700) }, millrace.Invalid, "is not a file"},
		"no folder": {func(t *testing.T, file string) { os.Remove(filepath.Dir(file)) }, millrace.Invalid, "whether the folder is there"},
		"text":      {func(t *testing.T, file string) { os.WriteFile(file, bytes.Repeat([]byte("no database "), 1000), 0o600) }, millrace.Internal, "is damaged"},
		"other":     {func(t *testing.T, file string) { other(t, file) }, millrace.Invalid, "another program"},
		"cut":       {func(t *testing.T, file string) { damage(t, file, func(b []byte) []byte { return b[:len(b)/2] }) }, millrace.Internal, "restore the newest backup"},
		"zeros": {func(t *testing.T, file string) {
			damage(t, file, func(b []byte) []byte { clear(b[8192 : len(b)-4096]); return b })
		}, millrace.Internal, "restore the newest backup"},
		"bad header": {func(t *testing.T, file string) { damage(t, file, func(b []byte) []byte { clear(b[:50]); return b }) }, millrace.Internal, "restore the newest backup"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "sub", "catalog.db")
			if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			test.make(t, file)
			before, _ := os.ReadFile(file)
			c, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Migrations: catalogtest.Schema})
			if err == nil {
				c.Close()
			}
			if err == nil || millrace.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), "catalog.db") {
				t.Errorf("got %v", err)
			}
			if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}

// other makes a database that is not Millrace's: one without our application_id.
func other(t *testing.T, file string) {
	damage(t, file, func(b []byte) []byte { copy(b[68:], "GPKG"); return b })
}

// damage changes the bytes of a catalog with rows.
func damage(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	c := openFile(t, file)
	fill(t, c, 0, 500)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamageFoundLater damages a file that is open.
func TestDamageFoundLater(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "catalog.db")
	c := openFile(t, file)
	fill(t, c, 0, 3000)
	c.Close()
	c = openFile(t, file)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 200<<10), 200<<10); err != nil {
		t.Fatal(err)
	}
	err = c.View(t.Context(), func(tx catalog.Tx) error {
		_, err := catalog.All[string](t.Context(), tx, "SELECT name FROM thing WHERE length(data) > 0 ORDER BY id")
		return err
	})
	if millrace.KindOf(err) != millrace.Internal || !strings.Contains(err.Error(), "is damaged") {
		t.Error(err)
	}
	if s, err := c.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "is damaged") {
		t.Errorf("%+v, %v", s, err)
	}
}
