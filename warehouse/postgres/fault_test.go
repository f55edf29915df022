package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

func openURL(t *testing.T, o postgres.Options) *postgres.Warehouse {
	t.Helper()
	w, err := postgres.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// event is the nth track event of a test.
func event(n int, name, properties string) eventlog.Entry {
	when := time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC)
	return eventlog.Entry{Position: millrace.Position{Epoch: 1, Seq: uint64(n)}, Time: when, Record: millrace.Record{
		ID: fmt.Sprintf("m%d", n), Workspace: "default", Source: "web", Stream: "track:" + name, Received: when, Occurred: when,
		Body: []byte(`{"userId":"u","properties":` + properties + `}`),
	}}
}

func batch(entries ...eventlog.Entry) warehouse.Batch {
	return warehouse.Batch{Entries: entries, Through: entries[len(entries)-1].Position, Flush: true}
}

func apply(t *testing.T, w warehouse.Warehouse, entries ...eventlog.Entry) {
	t.Helper()
	if _, err := w.Apply(context.Background(), "default", batch(entries...)); err != nil {
		t.Fatal(err)
	}
}

func resume(t *testing.T, w warehouse.Warehouse) millrace.Position {
	t.Helper()
	p, err := w.Resume(context.Background(), "default")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// exec runs SQL as the superuser.
func exec(t *testing.T, url, sql string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, row := range results[len(results)-1].Rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, string(c))
		}
		out = append(out, strings.Join(cells, " "))
	}
	return strings.Join(out, " | ")
}

// count asks for one number through Query.
func count(w warehouse.Warehouse, sql string) (string, error) {
	rows, err := w.Query(context.Background(), warehouse.Query{Workspace: "default", SQL: sql})
	if err != nil {
		return "", err
	}
	defer rows.Close()
	b, err := rows.Next(context.Background())
	if errors.Is(err, io.EOF) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer b.Release()
	return b.Column(0).ValueStr(0), nil
}

// TestDeadServer kills the server while a loader loads, many times.
func TestDeadServer(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	w := openURL(t, postgres.Options{URL: server.URL})
	stop := make(chan bool)
	var loading sync.WaitGroup
	loaded := 0
	loading.Go(func() {
		from, resumed := millrace.Position{}, false
		for n := 0; ; {
			select {
			case <-stop:
				if resumed && n >= 30 {
					loaded = n
					return
				}
			default:
			}
			var err error
			if !resumed {
				if from, err = w.Resume(context.Background(), "default"); err == nil {
					resumed, n = true, int(from.Seq)
				}
			} else {
				b := batch(event(n+1, "A", `{"n":1}`), event(n+2, "B", `{"n":1}`), event(n+3, fmt.Sprintf("C%d", n%5), `{"n":1}`))
				b.Flush = n%2 == 0
				if _, err = w.Apply(context.Background(), "default", b); err == nil {
					n += 3
				}
			}
			if err != nil {
				if kind := millrace.KindOf(err); kind != millrace.Unavailable || strings.Contains(err.Error(), "password") {
					t.Errorf("%s: %v", kind, err)
				}
				resumed = false
				time.Sleep(20 * time.Millisecond)
			}
		}
	})
	for range 4 {
		time.Sleep(400 * time.Millisecond)
		server.Kill()
		if _, err := count(w, "SELECT 1"); err == nil {
			t.Error("a dead server answered")
		}
		if s, err := w.Status(context.Background()); err != nil || s.Problem == "" {
			t.Errorf("status of a dead server: %+v, %v", s, err)
		}
		server.Start()
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	loading.Wait()
	from := resume(t, w)
	for n := int(from.Seq) + 1; n <= loaded; n++ { // held rows again; the loader would do this
		name := map[int]string{1: "A", 2: "B", 0: fmt.Sprintf("C%d", (n-3)%5)}[n%3]
		apply(t, w, event(n, name, `{"n":1}`))
	}
	if _, err := w.Apply(context.Background(), "default", warehouse.Batch{Through: millrace.Position{Epoch: 1, Seq: uint64(loaded)}, Flush: true}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d %d %d %d", loaded, loaded, loaded/3, loaded/3)
	got := exec(t, server.URL, `SELECT (SELECT count(*) FROM web.tracks), (SELECT count(DISTINCT id) FROM web.tracks), (SELECT count(DISTINCT id) FROM web.a), (SELECT count(*) FROM web.b)`)
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func testRefusedRows(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":1,"s":"x"}`))
	// Someone adds what a row may not be.
	exec(t, url, "ALTER TABLE web.a ADD CHECK (n < 100); ALTER TABLE web.tracks ADD CHECK (user_id <> 'bad')")
	var entries []eventlog.Entry
	for n := 2; n < 200; n++ {
		e := event(n, "A", fmt.Sprintf(`{"n":%d,"s":"it's","new%d":1}`, map[bool]int{true: 1000, false: n % 100}[n%50 == 0], n%3))
		if n == 77 {
			e.Body = []byte(`{"userId":"bad","properties":{"n":1}}`)
		}
		entries = append(entries, e)
	}
	apply(t, w, entries...)
	apply(t, w, event(200, "A", `{"n":5}`))
	got := exec(t, url, "SELECT (SELECT count(*) FROM web.a), (SELECT count(*) FROM web.tracks), (SELECT string_agg(id, ' ' ORDER BY _seq) FROM web.discards), (SELECT count(*) FROM web.discards WHERE (value::json->>'_epoch') = '1' AND reason LIKE '%check%')")
	if got != "197 199 m50 m77 m100 m150 4" {
		t.Error(got)
	}
}

func testForeignSchema(t *testing.T, url string) {
	exec(t, url, "CREATE SCHEMA web; CREATE TABLE web.tracks (id int); INSERT INTO web.tracks VALUES (1)")
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	_, err := w.Apply(context.Background(), "default", batch(event(1, "A", `{}`)))
	if millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "not made by Millrace") {
		t.Errorf("a schema of someone else: %v", err)
	}
	if got := exec(t, url, "SELECT * FROM web.tracks"); got != "1" {
		t.Error(got)
	}
}

// testOlderTables shows that a warehouse of before sources had discards from
// the start gets them when it is opened.
func testOlderTables(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":1}`))
	exec(t, url, "DROP TABLE web.discards")
	w.Close()
	w = openURL(t, postgres.Options{URL: url})
	resume(t, w)
	if got, err := count(w, "SELECT count(*) FROM web.discards"); got != "0" {
		t.Error(got, err)
	}
	apply(t, w, event(2, "A", `{"n":"x"}`))
	if got, err := count(w, "SELECT value FROM web.discards"); got != "x" {
		t.Error(got, err)
	}
}

// testTwoLoaders shows that one server at a time loads a workspace, and that
// the next one goes on when the first is gone.
func testTwoLoaders(t *testing.T, url string) {
	ctx := context.Background()
	first, second := openURL(t, postgres.Options{URL: url}), openURL(t, postgres.Options{URL: url})
	resume(t, first)
	apply(t, first, event(1, "A", `{}`))
	refused := func() {
		t.Helper()
		_, err := second.Resume(ctx, "default")
		who := fmt.Sprintf("another Millrace (process %d on ", os.Getpid())
		if millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), who) || !strings.Contains(err.Error(), "a database of its own") {
			t.Errorf("a second loader: %v", err)
		}
		if _, err := second.Apply(ctx, "default", batch(event(1, "A", `{}`))); millrace.KindOf(err) != millrace.Unavailable {
			t.Errorf("a second loader applies: %v", err)
		}
		if _, err := second.Shadow(ctx, "default", warehouse.ShadowOptions{}); millrace.KindOf(err) != millrace.Conflict {
			t.Errorf("a second server rebuilds: %v", err)
		}
		if s, err := second.Status(ctx); err != nil || !strings.Contains(s.Problem, "another Millrace") {
			t.Errorf("status %+v, %v", s, err)
		}
	}
	refused()
	resume(t, first) // keeps it
	apply(t, first, event(2, "A", `{}`))
	refused()
	if _, err := second.Resume(ctx, "other"); err != nil {
		t.Errorf("another workspace: %v", err)
	}
	// Its connection breaks: it cannot commit before it has the lock again.
	exec(t, url, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = hashtext('default')::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	if from := resume(t, second); from.Seq != 2 {
		t.Errorf("resumed at %v", from)
	}
	if _, err := first.Apply(ctx, "default", batch(event(3, "A", `{}`))); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("the first loader without its lock: %v", err)
	}
	if _, err := first.Resume(ctx, "default"); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("the first loader: %v", err)
	}
	apply(t, second, event(3, "A", `{}`))
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if from := resume(t, first); from.Seq != 3 {
		t.Errorf("resumed at %v", from)
	}
	apply(t, first, event(4, "A", `{}`))
	if got := exec(t, url, "SELECT count(*), count(DISTINCT id) FROM web.tracks"); got != "4 4" {
		t.Error(got)
	}
}

// testBlockedByQuery shows that a query which keeps a table from being changed
// does not keep the loader for long.
func testBlockedByQuery(t *testing.T, url string) {
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":1}`))
	rows, err := w.Query(context.Background(), warehouse.Query{Workspace: "default", SQL: "SELECT * FROM web.a"})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() // open, with its lock on the table
	begun := time.Now()
	for {
		if _, err = w.Apply(context.Background(), "default", batch(event(2, "A", `{"m":1}`))); err == nil {
			break
		}
		if time.Since(begun) > 20*time.Second {
			t.Fatal(err)
		}
		resume(t, w)
	}
	if got := exec(t, url, "SELECT count(m) FROM web.a"); got != "1" {
		t.Error(got)
	}
}

// TestLogin shows that queries run as a login that can do nothing else, with a
// password that is asked for.
func TestLogin(t *testing.T) {
	t.Parallel()
	server := testserver.Postgres(t)
	exec(t, server.URL, "ALTER ROLE postgres PASSWORD 'super'; CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'own'; GRANT CREATE ON DATABASE postgres TO owner; CREATE ROLE reader LOGIN PASSWORD 'read'; CREATE ROLE plain LOGIN PASSWORD 'plain'; GRANT CREATE ON DATABASE postgres TO plain")
	server.Database("second")
	hba := exec(t, server.URL, "SHOW hba_file")
	if err := os.WriteFile(hba, []byte("host all all 127.0.0.1/32 scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exec(t, server.URL, "SELECT pg_reload_conf()")
	as := func(user, password string) string {
		return strings.Replace(server.URL, "postgres@", user+":"+password+"@", 1)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the reload takes effect
		conn, err := pgx.Connect(context.Background(), as("postgres", "wrong"))
		if err != nil {
			break
		}
		conn.Close(context.Background())
		if time.Now().After(deadline) {
			t.Fatal("the server does not ask for passwords")
		}
	}
	wrong := openURL(t, postgres.Options{URL: as("postgres", "secret-word")})
	if _, err := wrong.Resume(context.Background(), "default"); millrace.KindOf(err) != millrace.Unavailable || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("a wrong password: %v", err)
	}
	w := openURL(t, postgres.Options{URL: as("owner", "own")})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":7}`))
	resume(t, w)
	if got, err := count(w, "SELECT n FROM web.a"); got != "7" {
		t.Errorf("%s, %v", got, err)
	}
	role := exec(t, as("postgres", "super"), "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolinherit FROM pg_roles WHERE rolname LIKE 'millrace%'")
	if !strings.HasSuffix(role, " f f f f") {
		t.Error(role)
	}
	if got, err := count(w, "SELECT current_user"); !strings.HasPrefix(role, got) {
		t.Errorf("queries run as %s, %v", got, err)
	}
	// One who may not make roles is told so, and gives a login.
	exec(t, as("postgres", "super"), "ALTER DATABASE second OWNER TO plain")
	second := strings.Replace(as("plain", "plain"), "/postgres?", "/second?", 1)
	w = openURL(t, postgres.Options{URL: second})
	if _, err := w.Resume(context.Background(), "default"); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "CREATEROLE") {
		t.Errorf("without CREATEROLE: %v", err)
	}
	w.Close()
	w = openURL(t, postgres.Options{URL: second, QueryURL: strings.Replace(as("reader", "read"), "/postgres?", "/second?", 1)})
	resume(t, w)
	apply(t, w, event(1, "A", `{"n":8}`))
	if got, err := count(w, "SELECT n FROM web.a"); got != "8" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := count(w, "SELECT current_user"); got != "reader" {
		t.Errorf("queries run as %s, %v", got, err)
	}
}

// What keeps a server from being reached is said once, in one line.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	w, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://nobody:secret@" + address + "/none"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = w.Resume(t.Context(), millrace.DefaultWorkspace)
	if millrace.KindOf(err) != millrace.Unavailable {
		t.Fatal(err)
	}
	text := err.Error()
	if strings.Contains(text, "\n") || strings.Contains(text, "secret") || strings.Count(text, "refused") != 1 || strings.Count(text, address) != 1 {
		t.Error(text)
	}
}
