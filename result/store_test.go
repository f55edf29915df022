package result_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// A clock stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	_, err := result.Open(result.Options{Engine: &duckdb.Warehouse{}})
	kindIs(t, "no folder", err, millrace.Invalid)
	_, err = result.Open(result.Options{Dir: t.TempDir()})
	kindIs(t, "no engine", err, millrace.Invalid)
}

func TestCreateDescribes(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := open(t, func(o *result.Options) { o.Metrics = registry })
	sql := "SELECT i AS id, 'x' || i AS name FROM range(70000) t(i)"
	calls, last := 0, int64(0)
	r, err := f.Create(context.Background(), question(query(sql)), f.ask(t, sql), func(rows, bytes int64) {
		if calls++; rows < last || bytes < 0 {
			t.Errorf("progress went from %d to %d rows, %d bytes", last, rows, bytes)
		}
		last = rows
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 || last != 70000 {
		t.Errorf("progress was told %d times, to %d", calls, last)
	}
	info, err := os.Stat(filepath.Join(f.dir, r.ID+".parquet"))
	if err != nil || info.Size() != r.Bytes || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	got, err := f.Get(r.ID)
	if err != nil || got.SQL != sql || got.Workspace != "default" || got.Rows != 70000 || got.Truncated || got.Elapsed <= 0 || len(got.Columns) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if u := f.Usage(); u.Results != 1 || u.Bytes != r.Bytes {
		t.Errorf("%+v", u)
	}
	if families, err := registry.Gather(); err != nil || len(families) != 2 {
		t.Errorf("%v, %v", families, err)
	}
	// Another start has it.
	again := openIn(t, filepath.Dir(f.dir), f.w)
	rows, total := again.page(t, r.ID, result.View{Offset: 69_999})
	if same(t, "after a start", rows, []string{`69999 "x69999"`}); total != 70000 {
		t.Errorf("%d rows", total)
	}
	if err := again.Delete(r.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 0 {
		t.Errorf("what is left: %v, %v", left, err)
	}
	_, err = again.Get(r.ID)
	kindIs(t, "deleted", err, millrace.NotFound)
}

func TestEmptyResult(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, "SELECT 1 AS a, 'x' AS b, [1] AS c WHERE false")
	for _, v := range []result.View{{}, {Sort: []result.Sort{{Column: "b"}}}, {Filters: []result.Filter{{Column: "a", Op: "eq", Value: "1"}}}, {Offset: 7}} {
		if rows, total := f.page(t, r.ID, v); len(rows) != 0 || total != 0 {
			t.Errorf("%v of %d", rows, total)
		}
	}
	for format, want := range map[string]string{"csv": "a,b,c\n", "json": "[\n\n]\n", "ndjson": ""} {
		if got := f.export(t, r.ID, result.View{}, format); got != want {
			t.Errorf("%s: %q", format, got)
		}
	}
	if _, err := f.Stats(context.Background(), r.ID, "a", nil); err != nil {
		t.Error(err)
	}
}

// A result is cut at its caps, says so, and what there is of it is whole.
func TestCaps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql         string
		rows, bytes int64
		want        int64 // rows, 0 is some
		cut         bool
	}{
		"rows":           {"SELECT i FROM range(10000) t(i)", 3000, 0, 3000, true},
		"exactly":        {"SELECT i FROM range(3000) t(i)", 3000, 0, 3000, false},
		"rows of chunks": {"SELECT i FROM range(10000) t(i)", 4096, 0, 4096, true},
		"bytes":          {"SELECT i, md5(i::VARCHAR) || md5((i+1)::VARCHAR) AS m FROM range(100000) t(i)", 0, 500_000, 0, true},
		"wide rows":      {"SELECT repeat(md5(i::VARCHAR), 10000) AS m FROM range(100) t(i)", 0, 1_000_000, 0, true},
		"one is too big": {"SELECT repeat('x', 1000000) || repeat('y', 1000000) AS m", 0, 1_000_000, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, func(o *result.Options) { o.MaxRows, o.MaxBytes = c.rows, c.bytes })
			r := f.create(t, c.sql)
			if r.Truncated != c.cut || c.want > 0 && r.Rows != c.want {
				t.Errorf("%+v", r)
			}
			if c.bytes > 0 && r.Bytes > c.bytes+10_000 {
				t.Errorf("%d bytes are over the cap of %d", r.Bytes, c.bytes)
			}
			if name == "bytes" && (r.Bytes < c.bytes/2 || r.Rows < 3000) {
				t.Errorf("only %d rows in %d bytes", r.Rows, r.Bytes)
			}
			rows := strings.Count(f.export(t, r.ID, result.View{}, "ndjson"), "\n")
			if int64(rows) != r.Rows {
				t.Errorf("%d rows can be read, not %d", rows, r.Rows)
			}
		})
	}
	f := open(t)
	q := query("SELECT i FROM range(100) t(i)")
	q.Limit = 10
	rows, err := f.w.Query(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := f.Create(context.Background(), question(q), rows, nil); err != nil || !r.Truncated || r.Rows != 10 {
		t.Errorf("cut by the query: %+v, %v", r, err)
	}
}

// The result that was unused for longest makes room.
func TestMakingRoom(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Now()}
	f := open(t, func(o *result.Options) { o.Now, o.TotalBytes = now.Now, 17<<20 })
	var ids []string
	for i := range 4 {
		r := f.create(t, fmt.Sprintf("SELECT md5((i + %d)::VARCHAR) AS m, md5((i + 7)::VARCHAR) AS n FROM range(10000) t(i)", i))
		ids = append(ids, r.ID)
		now.move(time.Second)
		if i == 2 {
			f.page(t, ids[0], result.View{}) // it is used
		}
		now.move(time.Second)
	}
	if _, err := f.Get(ids[1]); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("the one unused for longest is still there: %v", err)
	}
	for _, i := range []int{0, 2, 3} {
		if _, err := f.Get(ids[i]); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if u := f.Usage(); u.Bytes > 17<<20 || u.Results != 3 {
		t.Errorf("%+v", u)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	now := &clock{now: time.Now()}
	f := open(t, func(o *result.Options) { o.Now = now.Now })
	used, unused := f.create(t, "SELECT 1 AS a"), f.create(t, "SELECT 2 AS a")
	now.move(20 * time.Hour)
	f.page(t, used.ID, result.View{})
	now.move(5 * time.Hour)
	_, err := f.Get(unused.ID)
	kindIs(t, "unused", err, millrace.NotFound)
	dir := filepath.Dir(f.dir)
	f = openIn(t, dir, f.w, func(o *result.Options) { o.Now = now.Now })
	if _, err := f.Get(used.ID); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(f.dir, unused.ID+"*")); err != nil || len(left) != 0 {
		t.Errorf("it is still there: %v, %v", left, err)
	}
}

// What is read stays until it has been read, also when it is deleted.
func TestDeletedWhileRead(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, "SELECT i FROM range(100000) t(i)")
	p, err := f.Page(context.Background(), r.ID, result.View{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(r.ID); err != nil {
		t.Fatal(err)
	}
	if rows := texts(t, p.Rows); len(rows) != 10 {
		t.Errorf("%d rows", len(rows))
	}
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// What is not whole is removed at the start, and nothing else.
func TestTornResults(t *testing.T) {
	t.Parallel()
	f := open(t)
	const other = "notes.txt"
	whole := f.create(t, "SELECT i FROM range(1000) t(i)")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(f.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	torn := 0
	damage := func(do func(id string)) {
		torn++
		do(f.create(t, "SELECT i FROM range(1000) t(i)").ID)
	}
	damage(func(id string) { write(id+".parquet", read(id + ".parquet")[:100]) })
	damage(func(id string) { write(id+".json", "{") })
	damage(func(id string) { write(id+".json", "") })
	damage(func(id string) { write(id+".json", strings.Replace(read(id+".json"), `"version":1`, `"version":2`, 1)) })
	damage(func(id string) { write(id+".json", read(whole.ID+".json")) })
	damage(func(id string) { _ = os.Remove(filepath.Join(f.dir, id+".json")) })
	damage(func(id string) { _ = os.Remove(filepath.Join(f.dir, id+".parquet")) })
	damage(func(id string) {
		_ = os.Remove(filepath.Join(f.dir, id+".parquet"))
		_ = os.Symlink("/etc/passwd", filepath.Join(f.dir, id+".parquet"))
	})
	write("aaaaaaaaaaaaaaaaaaaaaaaaaa.parquet.new", "PAR1")
	write(whole.ID+".json.new", "{")
	write(other, "mine")
	f = openIn(t, filepath.Dir(f.dir), f.w)
	if u := f.Usage(); u.Results != 1 {
		t.Errorf("%d of %d are taken over", u.Results, torn+1)
	}
	left, err := os.ReadDir(f.dir)
	if err != nil || len(left) != 3 {
		t.Errorf("left are %v, %v", left, err)
	}
	if rows, _ := f.page(t, whole.ID, result.View{}); len(rows) != 200 {
		t.Errorf("%d rows", len(rows))
	}
}

// An error of the rows, or an asker that leaves, leaves nothing behind.
func TestFailedCreate(t *testing.T) {
	t.Parallel()
	f := open(t)
	sql := "SELECT CASE WHEN i = 190000 THEN error('no more') ELSE i END AS v FROM range(200000) t(i)"
	rows, err := f.w.Query(context.Background(), query(sql))
	if err == nil {
		_, err = f.Create(context.Background(), question(query(sql)), rows, nil)
	}
	kindIs(t, "rows fail", err, millrace.Invalid)
	ctx, cancel := context.WithCancel(context.Background())
	sql = "SELECT i FROM range(5000000) t(i)"
	_, err = f.Create(ctx, question(query(sql)), f.ask(t, sql), func(rows, _ int64) {
		if rows > 100_000 {
			cancel()
		}
	})
	kindIs(t, "left", err, millrace.Canceled)
	if left, err := os.ReadDir(f.dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if u := f.Usage(); u != (result.Usage{}) {
		t.Errorf("%+v", u)
	}
}

// createForEver is what the process does that TestKilled kills.
func createForEver(dir string) {
	w, err := duckdb.Open(context.Background(), duckdb.Options{Dir: filepath.Join(dir, "warehouse"), MemoryLimitBytes: 256 << 20})
	if err != nil {
		panic(err)
	}
	s, err := result.Open(result.Options{Dir: filepath.Join(dir, "results"), Engine: w, ReserveBytes: 1})
	if err != nil {
		panic(err)
	}
	for n := 1; ; n = n%7 + 1 {
		q := query(fmt.Sprintf("SELECT i, md5(i::VARCHAR) AS m FROM range(%d) t(i)", 5000*n))
		rows, err := w.Query(context.Background(), q)
		if err != nil {
			panic(err)
		}
		r, err := s.Create(context.Background(), question(q), rows, nil)
		if err != nil {
			panic(err)
		}
		fmt.Println(r.ID)
	}
}

// A process that is killed at any moment leaves whole results, those that it
// told of among them, and nothing else.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openWarehouse(t, dir)
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "MILLRACE_TEST_RESULTS="+dir+fmt.Sprintf("/%d", round))
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprint(round)), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(700*time.Millisecond+time.Duration(round)*137*time.Millisecond, func() { _ = cmd.Process.Kill() })
		told, err := io.ReadAll(out)
		if err != nil && !errors.Is(err, os.ErrClosed) {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		results := filepath.Join(dir, "results")
		if err := os.RemoveAll(results); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, fmt.Sprint(round), "results"), results); errors.Is(err, os.ErrNotExist) {
			continue // it was killed before it began
		} else if err != nil {
			t.Fatal(err)
		}
		f := openIn(t, dir, w)
		ids := strings.Fields(string(told))
		t.Logf("round %d: %d results", round, len(ids))
		for _, id := range ids {
			r, err := f.Get(id)
			if err != nil {
				t.Errorf("a result that was told of is gone: %v", err)
				continue
			}
			if rows := strings.Count(f.export(t, id, result.View{}, "ndjson"), "\n"); int64(rows) != r.Rows || r.Rows%5000 != 0 {
				t.Errorf("%d rows can be read, of %d", rows, r.Rows)
			}
		}
		left, err := os.ReadDir(results)
		if u := f.Usage(); err != nil || len(left) != 2*u.Results || u.Results > len(ids)+1 {
			t.Errorf("%d files of %d results, %d told: %v", len(left), u.Results, len(ids), err)
		}
	}
}

// Many results at once stay within what all may have, and each is whole.
func TestManyCreate(t *testing.T) {
	t.Parallel()
	const total = 20 << 20
	f := open(t, func(o *result.Options) { o.TotalBytes = total })
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 5 {
				sql := fmt.Sprintf("SELECT md5((i * %d)::VARCHAR) AS m, i FROM range(60000) t(i)", g*10+i+1)
				q := query(sql)
				rows, err := f.w.Query(context.Background(), q)
				if err != nil {
					t.Error(err)
					return
				}
				r, err := f.Create(context.Background(), question(q), rows, nil)
				if err != nil && millrace.KindOf(err) != millrace.Limited {
					t.Error(err)
				}
				if err == nil && r.Rows != 60000 {
					t.Errorf("%+v", r)
				}
				if u := f.Usage(); u.Bytes > total+16<<20 {
					t.Errorf("%+v", u)
				}
			}
		})
	}
	group.Wait()
	if u := f.Usage(); u.Bytes > total || u.Results == 0 {
		t.Errorf("%+v", u)
	}
}

// A result whose file somebody removed or wrote over is no result, and says so.
func TestFileGone(t *testing.T) {
	t.Parallel()
	f := open(t)
	gone, broken := f.create(t, "SELECT 1 AS a"), f.create(t, "SELECT 2 AS a")
	if err := os.Remove(filepath.Join(f.dir, gone.ID+".parquet")); err != nil {
		t.Fatal(err)
	}
	_, err := f.Page(context.Background(), gone.ID, result.View{})
	kindIs(t, "gone", err, millrace.NotFound)
	_, err = f.Get(gone.ID)
	kindIs(t, "forgotten", err, millrace.NotFound)
	if err := os.WriteFile(filepath.Join(f.dir, broken.ID+".parquet"), []byte("no Parquet at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = f.Page(context.Background(), broken.ID, result.View{})
	kindIs(t, "broken", err, millrace.Unavailable)
}
