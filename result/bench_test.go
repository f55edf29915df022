package result_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/result"
)

// million is a result as analysts have them: ten columns of ids, times, texts
// that repeat, texts that do not, and numbers.
const million = `SELECT i AS id, md5(i::VARCHAR) AS message, 'user ' || (hash(i) % 50000) AS customer, ['page', 'order', 'search', 'login'][1 + (hash(i + 1) % 4)::INTEGER] AS event,
	TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_milliseconds(i * 1700) AS at, ((hash(i + 2) % 100000) / 100.0)::DECIMAL(12,2) AS total, random() AS ratio,
	hash(i + 3) % 2 = 0 AS paid, CASE WHEN hash(i + 4) % 3 = 0 THEN NULL ELSE ['de', 'fr', 'uk', 'us', 'jp'][1 + (hash(i + 5) % 5)::INTEGER] END AS country,
	'https://shop.example/products/' || (hash(i + 6) % 2000) || '?ref=' || (hash(i + 7) % 10) AS url FROM range(1000000) t(i)`

// cpu is what the process and the engine's have used of the processors, in seconds.
func cpu(b *testing.B) (own, engine float64) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	own = float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, _ := os.ReadFile(path) // it may have ended
		_, rest, ok := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, f := range fields[11:13] {
			ticks, _ := strconv.ParseFloat(f, 64)
			engine += ticks / 100
		}
	}
	return own, engine
}

func BenchmarkMillion(b *testing.B) {
	f := open(b)
	ctx := context.Background()
	measure := func(name string, do func(b *testing.B, n int)) {
		b.Run(name, func(b *testing.B) {
			own, engine := cpu(b)
			for n := 0; b.Loop(); n++ {
				do(b, n)
			}
			own2, engine2 := cpu(b)
			b.ReportMetric((own2-own)/float64(b.N), "own-cpu-s/op")
			b.ReportMetric((engine2-engine)/float64(b.N), "engine-cpu-s/op")
		})
	}
	measure("query", func(b *testing.B, _ int) {
		rows := f.ask(b, million)
		defer rows.Close()
		for {
			batch, err := rows.Next(ctx)
			if err != nil {
				break
			}
			batch.Release()
		}
	})
	var id string
	measure("create", func(b *testing.B, _ int) {
		r := f.create(b, million)
		id = r.ID
		b.ReportMetric(float64(r.Bytes)/1e6, "MB")
	})
	if id == "" {
		id = f.create(b, million).ID
	}
	page := func(v result.View) func(*testing.B, int) {
		return func(b *testing.B, n int) {
			v := v
			v.Offset += int64(n % 50 * 200) // nobody asks for the same page twice
			p, err := f.Page(ctx, id, v)
			if err != nil {
				b.Fatal(err)
			}
			texts(b, p.Rows)
		}
	}
	measure("page/first", page(result.View{}))
	measure("page/deep", page(result.View{Offset: 900_000}))
	measure("page/sort number", page(result.View{Sort: []result.Sort{{Column: "total", Desc: true}}}))
	measure("page/sort number deep", page(result.View{Sort: []result.Sort{{Column: "total"}}, Offset: 500_000}))
	measure("page/sort text", page(result.View{Sort: []result.Sort{{Column: "message"}}}))
	measure("page/sort text deep", page(result.View{Sort: []result.Sort{{Column: "message"}}, Offset: 500_000}))
	measure("page/filter", page(result.View{Filters: []result.Filter{{Column: "country", Op: "eq", Value: "jp"}}}))
	measure("page/search", page(result.View{Filters: []result.Filter{{Column: "url", Op: "contains", Value: "products/19"}}}))
	for _, column := range []string{"id", "message", "customer", "event", "at", "total", "ratio"} {
		measure("stats/"+column, func(b *testing.B, _ int) {
			if _, err := f.Stats(ctx, id, column, nil); err != nil {
				b.Fatal(err)
			}
		})
	}
	for name, q := range map[string]result.ChartQuery{
		"line":   {Kind: "line", X: "at", Y: []result.Measure{{Column: "total", Fn: "sum"}}},
		"groups": {Kind: "line", X: "at", Group: "country"},
		"bars":   {Kind: "bar", X: "customer", Y: []result.Measure{{Column: "total", Fn: "sum"}}},
		"number": {Kind: "number", Y: []result.Measure{{Column: "customer", Fn: "distinct"}}},
	} {
		measure("chart/"+name, func(b *testing.B, _ int) {
			if _, err := f.Chart(ctx, id, q); err != nil {
				b.Fatal(err)
			}
		})
	}
	for _, format := range result.Formats {
		for name, v := range map[string]result.View{"": {}, " sorted": {Sort: []result.Sort{{Column: "total"}}}} {
			measure(fmt.Sprintf("export/%s%s", format, name), func(b *testing.B, _ int) {
				if err := f.Export(ctx, id, v, format, io.Discard); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkSmall is what most questions cost: a thousand rows, stored and looked at.
func BenchmarkSmall(b *testing.B) {
	f := open(b)
	const sql = "SELECT i AS id, 'x' || i AS name, i / 7.0 AS share FROM range(1000) t(i)"
	b.Run("query", func(b *testing.B) {
		for b.Loop() {
			texts(b, f.ask(b, sql))
		}
	})
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			f.create(b, sql)
		}
	})
	b.Run("create and page", func(b *testing.B) {
		for b.Loop() {
			p, err := f.Page(context.Background(), f.create(b, sql).ID, result.View{})
			if err != nil {
				b.Fatal(err)
			}
			texts(b, p.Rows)
		}
	})
}
