package result_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// A countingEngine counts what is asked of the engine.
type countingEngine struct {
	result.Engine
	asked atomic.Int64
}

func (c *countingEngine) ReadResult(ctx context.Context, file string, q warehouse.Query) (warehouse.Rows, error) {
	c.asked.Add(1)
	return c.Engine.ReadResult(ctx, file, q)
}

func openCounting(t *testing.T, change ...func(*result.Options)) (fixture, *countingEngine) {
	t.Helper()
	var c *countingEngine
	change = append(change, func(o *result.Options) {
		c = &countingEngine{Engine: o.Engine}
		o.Engine = c
	})
	return open(t, change...), c
}

// Who scrolls through a result asks the engine now and then, not for each page.
func TestWindows(t *testing.T) {
	t.Parallel()
	f, c := openCounting(t)
	r := f.create(t, "SELECT i AS id, (i * 7919) % 20000 AS k FROM range(20000) t(i)")
	v := result.View{Sort: []result.Sort{{Column: "k"}}, Columns: []string{"k"}, Limit: 150}
	for v.Offset = 0; v.Offset < 20_000; v.Offset += v.Limit {
		rows, _ := f.page(t, r.ID, v)
		for i, row := range rows {
			if row != fmt.Sprint(v.Offset+int64(i)) {
				t.Fatalf("row %d is %s", v.Offset+int64(i), row)
			}
		}
		if want := min(v.Limit, 20_000-v.Offset); int64(len(rows)) != want {
			t.Fatalf("%d rows at %d", len(rows), v.Offset)
		}
	}
	if n := c.asked.Load(); n != 5 {
		t.Errorf("the engine was asked %d times", n)
	}
	if rows, _ := f.page(t, r.ID, result.View{Limit: 10_000, Offset: 3}); len(rows) != 10_000 || rows[0] != "3 3757" {
		t.Errorf("a page larger than a window: %d rows, %q", len(rows), rows[0])
	}
	if err := f.Delete(r.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.Page(context.Background(), r.ID, v)
	kindIs(t, "deleted", err, millrace.NotFound)
}

// Rows too large for windows are read page by page.
func TestWideRows(t *testing.T) {
	t.Parallel()
	f, c := openCounting(t)
	r := f.create(t, "SELECT i, repeat(md5(i::VARCHAR), 6000) AS m FROM range(120) t(i)")
	for range 2 {
		if rows, total := f.page(t, r.ID, result.View{Offset: 100, Limit: 10}); len(rows) != 10 || total != 120 || len(rows[0]) != 32*6000+6 {
			t.Errorf("%d rows of %d, the first of %d bytes", len(rows), total, len(rows[0]))
		}
	}
	if n := c.asked.Load(); n != 3 {
		t.Errorf("the engine was asked %d times", n)
	}
}

// Many look at once, some leave, and the memory for it is bounded.
func TestManyLook(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *result.Options) { o.CacheBytes = 200_000 })
	r := f.create(t, "SELECT i AS id FROM range(50000) t(i)")
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for range 40 {
				ctx, cancel := context.WithCancel(context.Background())
				leave := random.IntN(4) == 0
				if leave {
					go cancel()
				}
				v := result.View{Offset: random.Int64N(50_000), Limit: 100}
				if random.IntN(2) == 0 {
					v.Sort = []result.Sort{{Column: "id"}}
				}
				p, err := f.Page(ctx, r.ID, v)
				switch {
				case err != nil && (!leave || millrace.KindOf(err) != millrace.Canceled):
					t.Errorf("%+v: %v", v, err)
				case err == nil && !leave:
					if rows := texts(t, p.Rows); len(rows) > 0 && rows[0] != fmt.Sprint(v.Offset) {
						t.Errorf("%+v: %s", v, rows[0])
					}
				case err == nil:
					_ = p.Rows.Close()
				}
				cancel()
			}
		})
	}
	group.Wait()
	if bytes := f.CachedBytes(); bytes < 0 || bytes > 200_000 {
		t.Errorf("%d bytes are cached", bytes)
	}
}

// Whatever is asked of the engine is asked through Options.Around, which knows
// whose result it is and whether more than stored rows are read.
func TestAround(t *testing.T) {
	t.Parallel()
	var seen, plain atomic.Int64
	refuse := millrace.Errorf(millrace.Limited, "enough for today")
	var refused atomic.Bool
	f, c := openCounting(t, func(o *result.Options) {
		o.Around = func(workspace string, asStored bool, run func() (warehouse.Rows, error)) (warehouse.Rows, error) {
			if workspace != "default" {
				t.Errorf("a result of %q is asked", workspace)
			}
			if seen.Add(1); asStored {
				plain.Add(1)
			} else if refused.Load() {
				return nil, refuse
			}
			return run()
		}
	})
	r := f.create(t, "SELECT i AS id, i % 7 AS k FROM range(9000) t(i)")
	do := func(order ...result.Sort) map[string]error {
		page := func(limit int64) error {
			p, err := f.Page(t.Context(), r.ID, result.View{Sort: order, Limit: limit})
			if err == nil {
				err = p.Rows.Close()
			}
			return err
		}
		_, stats := f.Stats(t.Context(), r.ID, "k", nil)
		_, chart := f.Chart(t.Context(), r.ID, result.ChartQuery{Kind: "bar", X: "k"})
		return map[string]error{"page": page(10), "large page": page(9000), "stats": stats, "chart": chart,
			"export": f.Export(t.Context(), r.ID, result.View{Sort: order}, "csv", io.Discard)}
	}
	for name, err := range do(result.Sort{Column: "k"}) {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen.Load() != c.asked.Load() || plain.Load() != 0 {
		t.Errorf("the engine was asked %d times, Around %d times, %d of them for rows as they are", c.asked.Load(), seen.Load(), plain.Load())
	}
	refused.Store(true)
	asked := c.asked.Load()
	for name, err := range do(result.Sort{Column: "id", Desc: true}) {
		if millrace.KindOf(err) != millrace.Limited {
			t.Errorf("%s without time left: %v", name, err)
		}
	}
	if c.asked.Load() != asked {
		t.Error("the engine was asked without time left")
	}
	for name, err := range do() {
		if stored := strings.Contains("large page, export", name); stored != (err == nil) {
			t.Errorf("%s as it is stored: %v", name, err)
		}
	}
}
