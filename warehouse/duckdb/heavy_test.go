package duckdb

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Queries that are let through and would take all memory, disk or time.
var heavyQueries = map[string]struct {
	sql   string
	kinds []millrace.Kind // any of these
}{
	"endless recursion":  {"WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a+1 FROM x) SELECT sum(a) FROM x", kinds(millrace.Canceled, millrace.TooLarge)},
	"cross join":         {"SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range+b.range+c.range = 7", kinds(millrace.Canceled)},
	"sort beyond memory": {"SELECT * FROM (SELECT range, md5(range::VARCHAR) AS m, repeat(md5(range::VARCHAR), 10) AS t FROM range(20000000) ORDER BY m) OFFSET 19999999", kinds(millrace.Canceled, millrace.TooLarge)},
	"group beyond disk":  {"SELECT count(*) FROM (SELECT md5(range::VARCHAR) m, count(*) FROM range(100000000) GROUP BY m)", kinds(millrace.Canceled, millrace.TooLarge)},
	"large result":       {"SELECT range, repeat('x', 1000) FROM range(100000000)", kinds(millrace.TooLarge, millrace.Canceled)},
	"large value":        {"SELECT repeat(repeat('x', 1000000), n::INT) FROM (SELECT 3000 AS n)", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"computed repeat":    {"SELECT length(repeat('x', (30 * 100000000)::BIGINT))", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"computed list":      {"SELECT list_sort(range((2 * 100000000)::BIGINT))[1]", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"list of all":        {"SELECT length(list(repeat('abcdefghijklmnop', 100))) FROM range(100000000)", kinds(millrace.TooLarge, millrace.Canceled)},
	"string_agg":         {"SELECT length(string_agg(repeat('abcdefghijklmnop', 100), '')) FROM range(100000000)", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"distance":           {"SELECT levenshtein(t, t || 'x') FROM (SELECT string_agg('ab', '') AS t FROM range(500000))", kinds(millrace.Canceled)},
	"lambda":             {"SELECT list_sum(list_transform(range(1000000), lambda x: list_sum(list_transform(range(1000000), lambda y: x*y))))", kinds(millrace.TooLarge, millrace.Canceled)},
	"format":             {"SELECT length(printf('%2000000000d', 1))", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"list_resize":        {"SELECT len(list_resize([1], 2000000000+1))", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"bits":               {"SELECT length(bitstring('1', 2000000000))", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"many columns":       {"SELECT * FROM (SELECT 1" + strings.Repeat(",1", 20000) + ")", kinds(millrace.TooLarge, millrace.Canceled, millrace.Invalid)},
	"huge limit":         {"SELECT count(*) FROM (SELECT unnest(range(1000000)) FROM range(1000000))", kinds(millrace.Canceled, millrace.TooLarge)},
}

func kinds(k ...millrace.Kind) []millrace.Kind { return k }

func TestHeavyQueries(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 200, func(o *Options) {
		o.MemoryLimitBytes, o.SpillLimitBytes, o.ResidentLimitBytes = 128<<20, 64<<20, 600<<20
		o.grace, o.mostKills = 300*time.Millisecond, 1000
	})
	n := 200
	for name, q := range heavyQueries {
		began := time.Now()
		_, _, err := ask(w, warehouse.Query{SQL: q.sql, Timeout: time.Second, MaxBytes: 16 << 20})
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: took %s", name, took)
		}
		ok := false
		for _, k := range q.kinds {
			ok = ok || err != nil && millrace.KindOf(err) == k
		}
		if !ok {
			t.Errorf("%s: %v: %v", name, millrace.KindOf(err), err)
		}
		t.Logf("%-20s %5d ms, %d restarts: %v: %.150v", name, time.Since(began).Milliseconds(), w.supervisor.restarts.Load(), millrace.KindOf(err), err)
		for w.slots.running() > 0 { // until the child has let go of it
			time.Sleep(5 * time.Millisecond)
		}
		stillWorks(t, w, n)
		mustApply(t, w, tracks(n, n+10)) // and loads go on
		n += 10
	}
}

// A query whose asker leaves gives its slot back.
func TestCancelledQuery(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err := w.Query(ctx, warehouse.Query{Workspace: ws, SQL: heavyQueries["cross join"].sql})
		cancel()
		if millrace.KindOf(err) != millrace.Canceled {
			t.Fatalf("got %v", err)
		}
	}
	for began := time.Now(); w.slots.running() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%d queries run on", w.slots.running())
		}
	}
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
}

// A reader that stops in the middle, and one that never reads.
func TestUnreadRows(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	ctx := context.Background()
	q := warehouse.Query{Workspace: ws, SQL: "SELECT range, repeat('x', 100) FROM range(1000000)", Timeout: 700 * time.Millisecond, Limit: 1000000}
	rows, err := w.Query(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	record, err := rows.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	record.Release()
	rows.Close()
	if _, err := rows.Next(ctx); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Next after Close: %v", err)
	}
	idle, err := w.Query(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond)
	if w.slots.running() != 0 {
		t.Error("a query that nobody reads outlives its deadline")
	}
	if _, err := idle.Next(ctx); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Next after the deadline: %v", err)
	}
	idle.Close()
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
}

func TestQueryLimits(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	got, truncated, err := ask(w, warehouse.Query{SQL: "SELECT range FROM range(10000)", Limit: 5000})
	if err != nil || len(got) != 5000 || !truncated || got[4999] != "4999" {
		t.Errorf("%d rows, truncated %v, %v", len(got), truncated, err)
	}
	if got, truncated, err = ask(w, warehouse.Query{SQL: "SELECT range FROM range(5000)", Limit: 5000}); err != nil || len(got) != 5000 || truncated {
		t.Errorf("%d rows, truncated %v, %v", len(got), truncated, err)
	}
	if _, _, err = ask(w, warehouse.Query{SQL: "SELECT range FROM range(10000000)", Limit: 10000000, MaxBytes: 1 << 20}); millrace.KindOf(err) != millrace.TooLarge {
		t.Errorf("over MaxBytes: %v", err)
	}
	for len(w.slots.wait) > 0 { // the child has let go of the last one
		time.Sleep(time.Millisecond)
	}
	// Two run, sixteen wait, the next is refused.
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 18)
	for range 18 {
		go func() {
			_, err := w.Query(ctx, warehouse.Query{Workspace: ws, SQL: heavyQueries["cross join"].sql})
			errs <- err
		}()
	}
	for len(w.slots.wait) < 18 {
		time.Sleep(time.Millisecond)
	}
	_, err = w.Query(context.Background(), warehouse.Query{Workspace: ws, SQL: "SELECT 1"})
	var e *millrace.Error
	if !errors.As(err, &e) || e.Kind != millrace.Limited || e.RetryAfter == 0 {
		t.Errorf("the nineteenth: %v", err)
	}
	cancel()
	for range 18 {
		if err := <-errs; err == nil || errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}
