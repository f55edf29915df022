package duckdb

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/warehousetest"
)

type folder string

func (f folder) Open(t *testing.T) warehouse.Warehouse {
	t.Helper()
	w, err := Open(context.Background(), Options{Dir: string(f), MemoryLimitBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Search looks at the names and the bytes of all files.
func (f folder) Search(t *testing.T, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(string(f), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.Contains(d.Name(), text) {
			found = append(found, path)
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSuite(t *testing.T) {
	warehousetest.Run(t, func(t *testing.T) warehousetest.Place { return folder(t.TempDir()) })
}
