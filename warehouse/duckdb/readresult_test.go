package duckdb

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// storeResult writes what a SELECT gives to a file of results.
func storeResult(t testing.TB, dir, file, sql string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.exec("COPY (" + sql + ") TO " + literal(filepath.Join(dir, file)) + " (FORMAT parquet, ROW_GROUP_SIZE 10000)"); err != nil {
		t.Fatal(err)
	}
}

type resultEngine interface {
	ReadResult(ctx context.Context, file string, q warehouse.Query) (warehouse.Rows, error)
}

func readResult(e resultEngine, file string, q warehouse.Query) ([]string, error) {
	rows, err := e.ReadResult(context.Background(), file, q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return readAll(rows)
}

func readAll(rows warehouse.Rows) ([]string, error) {
	var out []string
	for {
		record, err := rows.Next(context.Background())
		if record == nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return out, err
		}
		out = append(out, textRows(record)...)
		record.Release()
	}
}

const numbers = `SELECT i AS "odd "" name", 'x' || i AS "c0", i % 10 AS "odd "" NAME" FROM range(100000) t(i)`

func withResults(o *Options) {
	o.ResultsDir = filepath.Join(o.Dir, "results")
}

func TestReadResult(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 20, withResults)
	storeResult(t, w.o.ResultsDir, "numbers.parquet", numbers)
	for sql, want := range map[string]string{
		"SELECT * FROM result WHERE r = 12345":                                             "12345|x12345|5|12345",
		"SELECT count(*), max(c0), min(c2), max(r) FROM result":                            "100000|99999|0|99999",
		"SELECT c1 FROM result WHERE r IN (SELECT r FROM result ORDER BY c0 DESC LIMIT 1)": "x99999",
	} {
		rows, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: sql})
		if got := strings.Join(rows, "\n"); err != nil || got != want {
			t.Errorf("%s: %q, %v", sql, got, err)
		}
	}
	rows, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: "SELECT c0 FROM result WHERE c1 = $1 AND r < $2", Params: []any{"x7", int64(100)}})
	if err != nil || len(rows) != 1 || rows[0] != "7" {
		t.Errorf("with parameters: %q, %v", rows, err)
	}
	stillWorks(t, w, 20)
}

// The engine of results reads what it is told to, whatever the guard lets through.
func TestReadResultRefuses(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 20, withResults)
	storeResult(t, w.o.ResultsDir, "numbers.parquet", numbers)
	storeResult(t, filepath.Dir(w.o.ResultsDir), "outside.parquet", numbers)
	for _, file := range []string{"", ".", "..", "../outside.parquet", "/etc/passwd", "NUMBERS.parquet", "numbers", "*.parquet", "numbers.parquet\x00", "x/numbers.parquet", strings.Repeat("a", 65) + ".parquet"} {
		_, err := readResult(w, file, warehouse.Query{SQL: "SELECT 1 FROM result"})
		if millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q: %v", file, err)
		}
	}
	_, err := readResult(w, "gone.parquet", warehouse.Query{SQL: "SELECT 1 FROM result"})
	if err == nil || millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("a file that is not there: %v", err)
	}
	for name, sql := range refusedAttacks {
		if rows, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: sql, Timeout: 20 * time.Second}); err == nil {
			t.Errorf("%s: answered %.200q", name, rows)
		}
	}
	for _, sql := range []string{"SELECT * FROM web.tracks", "SELECT * FROM _warehouse.web.tracks"} {
		if rows, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: sql}); err == nil {
			t.Errorf("%s: answered %.200q", sql, rows)
		}
	}
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
	stillWorks(t, w, 20)
}

// Without the guard, too, the engine sees nothing but its folder, and cannot be
// told to.
func TestShelfSeesOneFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := childConfig{ResultsDir: filepath.Join(dir, "results"), SpillDir: filepath.Join(dir, "spill"), ResultMemoryBytes: 64 << 20, SpillLimitBytes: 1 << 20, Threads: 1}
	storeResult(t, config.ResultsDir, "numbers.parquet", numbers)
	storeResult(t, dir, "outside.parquet", numbers)
	s := shelf{config: &config}
	db, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeIfIdle()
	defer s.release()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	inside, outside := literal(filepath.Join(config.ResultsDir, "numbers.parquet")), literal(filepath.Join(dir, "outside.parquet"))
	if err := c.exec("SELECT count(*) FROM read_parquet(" + inside + ")"); err != nil {
		t.Error(err)
	}
	for _, sql := range []string{
		"SELECT * FROM read_parquet(" + outside + ")", "SELECT * FROM " + outside, "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
		"SELECT * FROM read_parquet(" + literal(config.ResultsDir+"/../outside.parquet") + ")", "COPY (SELECT 1) TO " + literal(filepath.Join(dir, "x.csv")),
		"ATTACH " + literal(filepath.Join(dir, "x.db")), "SELECT * FROM read_csv('https://localhost/x')", "INSTALL httpfs", "LOAD '/tmp/x.duckdb_extension'",
		"SET enable_external_access=true", "SET allowed_directories=['/']", "SET memory_limit='10GB'", "RESET lock_configuration",
		"CREATE PERSISTENT SECRET s (TYPE http)", "EXPORT DATABASE " + literal(filepath.Join(dir, "x")),
	} {
		if err := c.exec(sql); err == nil {
			t.Errorf("%s went through", sql)
		}
	}
}

func TestReadResultLimits(t *testing.T) {
	t.Parallel()
	w := openTest(t, withResults, func(o *Options) { o.IdleTimeout = 200 * time.Millisecond })
	storeResult(t, w.o.ResultsDir, "numbers.parquet", numbers)
	_, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: "SELECT count(*) FROM result a, result b WHERE a.c0 + b.c0 = 5", Timeout: 300 * time.Millisecond})
	if millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("over its deadline: %v", err)
	}
	_, err = readResult(w, "numbers.parquet", warehouse.Query{SQL: "SELECT * FROM result", MaxBytes: 100_000})
	if millrace.KindOf(err) != millrace.TooLarge {
		t.Errorf("over its size: %v", err)
	}
	// What is larger than memory is sorted on disk, and the engine that was closed opens again.
	for range 2 {
		rows, err := readResult(w, "numbers.parquet", warehouse.Query{SQL: "SELECT c1 FROM result ORDER BY hash(c1) LIMIT 5 OFFSET 99990"})
		if err != nil || len(rows) != 5 {
			t.Errorf("sorted: %q, %v", rows, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func TestResultReader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := OpenResults(Options{ResultsDir: dir, IdleTimeout: 300 * time.Millisecond, MemoryLimitBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	storeResult(t, dir, "numbers.parquet", numbers)
	ask := func() {
		t.Helper()
		rows, err := readResult(r, "numbers.parquet", warehouse.Query{SQL: "SELECT count(*) FROM result"})
		if err != nil || len(rows) != 1 || rows[0] != "100000" {
			t.Errorf("%q, %v", rows, err)
		}
	}
	if r.ResidentBytes() != 0 {
		t.Error("there is a child before anything is read")
	}
	ask()
	if r.ResidentBytes() == 0 {
		t.Error("there is no child")
	}
	deadline := time.Now().Add(10 * time.Second)
	for r.ResidentBytes() != 0 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	if r.ResidentBytes() != 0 {
		t.Error("the idle child is still there")
	}
	ask() // it comes back
	rows, err := r.ReadResult(context.Background(), "numbers.parquet", warehouse.Query{SQL: "SELECT * FROM result"})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(600 * time.Millisecond) // longer than idle: it is in use
	if all, err := readAll(rows); err != nil || len(all) != 100000 {
		t.Errorf("%d rows, %v", len(all), err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := readResult(r, "numbers.parquet", warehouse.Query{SQL: "SELECT 1"}); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("closed: %v", err)
	}
	if _, err := OpenResults(Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("no folder: %v", err)
	}
}

// An asker who leaves at any moment, the first included, leaves nothing behind.
func TestAskerLeavesEarly(t *testing.T) {
	t.Parallel()
	w := openTest(t, withResults)
	storeResult(t, w.o.ResultsDir, "numbers.parquet", numbers)
	for i := range 300 {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
		rows, err := w.ReadResult(ctx, "numbers.parquet", warehouse.Query{SQL: "SELECT count(*) FROM result"})
		if err == nil {
			err = rows.Close()
		}
		if err != nil && millrace.KindOf(err) != millrace.Canceled {
			t.Fatal(err)
		}
		cancel()
	}
	for deadline := time.Now().Add(10 * time.Second); w.reads.running() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d still run", w.reads.running())
		}
	}
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
}

// The end of the child is the end of what it reads, and of nothing else.
func TestReadResultAfterKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := OpenResults(Options{ResultsDir: dir, MemoryLimitBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	storeResult(t, dir, "numbers.parquet", numbers)
	for range 2 {
		if rows, err := readResult(r, "numbers.parquet", warehouse.Query{SQL: "SELECT count(*) FROM result"}); err != nil || rows[0] != "100000" {
			t.Fatalf("%q, %v", rows, err)
		}
		pid := pidOf(t, r.w)
		time.AfterFunc(200*time.Millisecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		_, err = readResult(r, "numbers.parquet", warehouse.Query{SQL: "SELECT count(*) FROM result a, result b WHERE a.c0 + b.c0 = 5"})
		if millrace.KindOf(err) != millrace.Unavailable {
			t.Errorf("killed: %v", err)
		}
	}
}
