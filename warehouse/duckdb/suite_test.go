package duckdb

import (
	"context"
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

func TestSuite(t *testing.T) {
	warehousetest.Run(t, func(t *testing.T) warehousetest.Place { return folder(t.TempDir()) })
}
