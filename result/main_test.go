package result_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func TestMain(m *testing.M) {
	duckdb.ChildMain()
	if dir := os.Getenv("MILLRACE_TEST_RESULTS"); dir != "" {
		createForEver(dir)
	}
	os.Exit(m.Run())
}

// A fixture is a store whose results are those of queries on an empty warehouse.
type fixture struct {
	*result.Store
	w   *duckdb.Warehouse
	dir string
}

func openWarehouse(t testing.TB, dir string) *duckdb.Warehouse {
	t.Helper()
	w, err := duckdb.Open(context.Background(), duckdb.Options{
		Dir: filepath.Join(dir, "warehouse"), ResultsDir: filepath.Join(dir, "results"), MemoryLimitBytes: 512 << 20, IdleTimeout: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func open(t testing.TB, change ...func(*result.Options)) fixture {
	t.Helper()
	dir := t.TempDir()
	return openIn(t, dir, openWarehouse(t, dir), change...)
}

func openIn(t testing.TB, dir string, w *duckdb.Warehouse, change ...func(*result.Options)) fixture {
	t.Helper()
	o := result.Options{Dir: filepath.Join(dir, "results"), Engine: w, ReserveBytes: 1}
	for _, c := range change {
		c(&o)
	}
	s, err := result.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return fixture{Store: s, w: w, dir: o.Dir}
}

func query(sql string) warehouse.Query {
	return warehouse.Query{Workspace: millrace.DefaultWorkspace, SQL: sql, Limit: warehouse.MaxQueryRows, MaxBytes: 8 << 30, Timeout: time.Minute}
}

// question is what a result of a query is stored as.
func question(q warehouse.Query) result.Question {
	return result.Question{Workspace: q.Workspace, SQL: q.SQL}
}

// ask runs a query on the warehouse.
func (f fixture) ask(t testing.TB, sql string) warehouse.Rows {
	t.Helper()
	rows, err := f.w.Query(context.Background(), query(sql))
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

// create stores the result of a query.
func (f fixture) create(t testing.TB, sql string) result.Result {
	t.Helper()
	r, err := f.Create(context.Background(), question(query(sql)), f.ask(t, sql), nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return r
}

// texts reads rows to their end, as JSON, and closes them.
func texts(t testing.TB, rows warehouse.Rows) []string {
	t.Helper()
	defer rows.Close()
	var out []string
	for {
		batch, err := rows.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		cells := result.Cells(batch)
		for i := range int(batch.NumRows()) {
			var line []byte
			for j, c := range cells {
				if j > 0 {
					line = append(line, ' ')
				}
				line = c(line, i)
			}
			out = append(out, string(line))
		}
		batch.Release()
	}
}

// page reads a page as JSON.
func (f fixture) page(t testing.TB, id string, v result.View) ([]string, int64) {
	t.Helper()
	p, err := f.Page(context.Background(), id, v)
	if err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	return texts(t, p.Rows), p.Total
}

func (f fixture) export(t testing.TB, id string, v result.View, format string) string {
	t.Helper()
	var out bytes.Buffer
	if err := f.Export(context.Background(), id, v, format, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func same(t testing.TB, name string, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s: got\n%.2000s\nwant\n%.2000s", name, g, w)
	}
}

func kindIs(t testing.TB, name string, err error, want millrace.Kind) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != want {
		t.Errorf("%s: got %v (%s), want %s", name, err, millrace.KindOf(err), want)
	}
}
