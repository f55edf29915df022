package duckdb

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// withDatabase runs statements on a file that no warehouse has open.
func withDatabase(t *testing.T, dir string, statements ...string) {
	t.Helper()
	db, err := openDatabase(filepath.Join(dir, ws+".duckdb"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	c, err := db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, sql := range statements {
		if err := c.exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// Rows that the engine refuses are set aside one by one, and the others stay.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openTest(t, func(o *Options) { o.Dir = dir })
	mustResume(t, w)
	mustApply(t, w, tracks(0, 10))
	sql := mustAsk(t, w, "SELECT sql FROM duckdb_tables() WHERE schema_name='web' AND table_name='event_0'")[0]
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sql = strings.TrimSuffix(strings.Replace(sql, "web.event_0", "web.checked", 1), ");") + ", CHECK (n NOT IN (12, 300, 1500)));"
	withDatabase(t, dir, sql, "INSERT INTO web.checked FROM web.event_0", "DROP TABLE web.event_0", "ALTER TABLE web.checked RENAME TO event_0")
	w = openTest(t, func(o *Options) { o.Dir = dir })
	if after := mustResume(t, w); after != through(9) {
		t.Fatalf("resumes after %s", after)
	}
	if p := mustApply(t, w, tracks(10, 3000)); p.Committed != through(2999) {
		t.Fatalf("progress %+v", p)
	}
	if got := mustAsk(t, w, "SELECT (SELECT count(*) FROM web.tracks), (SELECT count(*) FROM web.event_0)")[0]; got != "3000|997" {
		t.Errorf("rows: %s", got)
	}
	got := mustAsk(t, w, "SELECT DISTINCT table_name, reason FROM web.discards WHERE reason LIKE '%refused%'")
	if len(got) != 1 || !strings.HasPrefix(got[0], "event_0|") {
		t.Errorf("discards: %q", got)
	}
	if got := mustAsk(t, w, "SELECT count(*) FROM web.discards")[0]; got != "3" {
		t.Errorf("%s discards", got)
	}
}

// A file of before sources had discards from the start gets them when it is opened.
func TestOlderTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := openTest(t, func(o *Options) { o.Dir = dir })
	mustResume(t, w)
	mustApply(t, w, tracks(0, 10))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	withDatabase(t, dir, "DROP TABLE web.discards")
	w = openTest(t, func(o *Options) { o.Dir = dir })
	mustResume(t, w)
	if got := mustAsk(t, w, "SELECT count(*) FROM web.discards")[0]; got != "0" {
		t.Error(got)
	}
	mustApply(t, w, tracks(10, 20))
}

func TestWidening(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	mustResume(t, w)
	batch := func(from int, values ...string) {
		b := warehouse.Batch{Through: through(from + len(values) - 1), Flush: true}
		for i, v := range values {
			b.Entries = append(b.Entries, track(from+i, "Sale", v))
		}
		mustApply(t, w, b)
	}
	batch(0, `{"a":1,"big":9007199254740993}`)
	batch(10, `{"a":2.5,"big":0.5}`, `{"a":3,"big":7}`)
	got := mustAsk(t, w, "SELECT a, big, typeof(a), typeof(big) FROM web.sale ORDER BY _seq, _index")
	if want := "[1|9007199254740993|DOUBLE|BIGINT 2.5|(null)|DOUBLE|BIGINT 3|7|DOUBLE|BIGINT]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := mustAsk(t, w, "SELECT column_name, value FROM web.discards"); fmt.Sprint(got) != "[big|0.5]" {
		t.Errorf("discards %v", got)
	}
}

// 500 columns come at once, in one transaction, as far as the limit allows.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	ctx := context.Background()
	if err := w.Configure(ctx, ws, warehouse.Settings{Sources: map[string]warehouse.SourceSettings{"web": {MaxColumns: 600}}}); err != nil {
		t.Fatal(err)
	}
	mustResume(t, w)
	mustApply(t, w, warehouse.Batch{Entries: []eventlog.Entry{track(0, "Wide", `{"a":1}`)}, Through: through(0), Flush: true})
	var properties []string
	for i := range 500 {
		properties = append(properties, fmt.Sprintf(`"c%d":%d`, i, i))
	}
	mustApply(t, w, warehouse.Batch{Entries: []eventlog.Entry{track(10, "Wide", "{"+strings.Join(properties, ",")+"}")}, Through: through(10), Flush: true})
	if got := mustAsk(t, w, "SELECT c0, c499, a FROM web.wide ORDER BY _seq"); fmt.Sprint(got) != "[(null)|(null)|1 0|499|(null)]" {
		t.Errorf("got %v", got)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	mustResume(t, w)
	identify := func(n int, user, traits string) {
		e := track(n, "x", "{}")
		e.Stream = millrace.StreamIdentify
		e.Body = []byte(fmt.Sprintf(`{"type":"identify","messageId":"i%d","userId":%q,"traits":%s}`, n, user, traits))
		mustApply(t, w, warehouse.Batch{Entries: []eventlog.Entry{e}, Through: through(n), Flush: true})
	}
	identify(0, "ann", `{"name":"Ann","plan":"free","age":30}`)
	identify(10, "bob", `{"name":"Bob"}`)
	identify(20, "ann", `{"plan":"paid","city":"Oslo"}`)
	identify(30, "ann", `{"age":null,"city":"Rome"}`)
	got := mustAsk(t, w, "SELECT id, name, plan, age, city FROM web.users ORDER BY id")
	if want := "[ann|Ann|paid|(null)|Rome bob|Bob|(null)|(null)|(null)]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := mustAsk(t, w, "SELECT count(*) FROM web.identifies")[0]; got != "4" {
		t.Errorf("%s identifies", got)
	}
}

// A workspace's file is closed when idle and opened on demand, and another
// workspace's tables are out of reach.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	w := openTest(t, func(o *Options) { o.IdleTimeout = 300 * time.Millisecond })
	ctx := context.Background()
	for _, name := range []string{"one", "two"} {
		if _, err := w.Resume(ctx, name); err != nil {
			t.Fatal(err)
		}
		b := tracks(0, 10)
		if name == "two" {
			b = tracks(0, 20)
		}
		if _, err := w.Apply(ctx, name, b); err != nil {
			t.Fatal(err)
		}
	}
	count := func(name, want string) {
		t.Helper()
		got, _, err := ask(w, warehouse.Query{Workspace: name, SQL: "SELECT count(*) FROM web.tracks"})
		if err != nil || got[0] != want {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
	}
	count("one", "10")
	count("two", "20")
	for _, sql := range []string{"FROM two.web.tracks", `FROM "two.duckdb"`, `FROM 'two.duckdb'`} {
		if _, _, err := ask(w, warehouse.Query{Workspace: "one", SQL: sql}); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%s: %v", sql, err)
		}
	}
	time.Sleep(time.Second)
	withClosed, err := openDatabase(filepath.Join(w.o.Dir, "one.duckdb"), nil) // not locked any more
	if err != nil {
		t.Fatalf("the idle file is still open: %v", err)
	}
	withClosed.close()
	// That the log moves on does not open it.
	if p, err := w.Apply(ctx, "one", warehouse.Batch{Through: through(500), Flush: true}); err != nil || p.Committed != through(500) {
		t.Fatalf("%+v, %v", p, err)
	}
	if withClosed, err = openDatabase(filepath.Join(w.o.Dir, "one.duckdb"), nil); err != nil {
		t.Fatalf("the idle file is open again: %v", err)
	}
	withClosed.close()
	count("one", "10")
	b := tracks(1000, 1010)
	if p, err := w.Apply(ctx, "one", b); err != nil || p.Committed != through(1009) {
		t.Fatalf("%+v, %v", p, err)
	}
	count("one", "20")
	for _, name := range []string{"", "../x", "a/b", "A", ".hidden", "default.duckdb"} {
		if _, err := w.Resume(ctx, name); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("workspace %q: %v", name, err)
		}
	}
}

// More workspaces than the engine has memory for: the files of those that were used
// least lately are closed for the others, and opened again when they are asked for.
func TestMoreWorkspacesThanMemory(t *testing.T) {
	t.Parallel()
	const workspaces, most = 8, 3
	w := openTest(t, func(o *Options) { o.IdleTimeout, o.mostOpen = time.Hour, most })
	for n := range workspaces {
		name := fmt.Sprintf("w%d", n)
		if _, err := w.Resume(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Apply(t.Context(), name, tracks(0, 10+n)); err != nil {
			t.Fatal(err)
		}
	}
	open := func() (n int) {
		for i := range workspaces {
			db, err := openDatabase(filepath.Join(w.o.Dir, fmt.Sprintf("w%d.duckdb", i)), nil)
			if err != nil { // the child has it
				n++
				continue
			}
			db.close()
		}
		return n
	}
	for began := time.Now(); ; time.Sleep(300 * time.Millisecond) {
		n := open()
		if n == most {
			break
		}
		if n < most || time.Since(began) > time.Minute {
			t.Fatalf("%d files are open, not %d", n, most)
		}
	}
	for n := range workspaces {
		got, _, err := ask(w, warehouse.Query{Workspace: fmt.Sprintf("w%d", n), SQL: "SELECT count(*) FROM web.tracks"})
		if err != nil || got[0] != fmt.Sprint(10+n) {
			t.Errorf("w%d: %v, %v", n, got, err)
		}
	}
}
