package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
)

// A marked server has functions that say when they are run, and that no
// query may run.
type marked struct {
	conn *pgx.Conn
	ran  bool
}

var markedNames = serverNames{functions: words("pg_marker lo_marker")}

func newMarked(t *testing.T, url string) *marked {
	t.Helper()
	m := &marked{}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { m.ran = m.ran || n.Message == "marked" }
	if m.conn, err = pgx.ConnectConfig(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.conn.Close(context.Background()) })
	var sql strings.Builder
	for name := range markedNames.functions {
		for _, arguments := range []string{"", "integer", "text"} {
			fmt.Fprintf(&sql, "CREATE FUNCTION %s(%s) RETURNS integer LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'marked'; RETURN 1; END$$;", name, arguments)
		}
	}
	if _, err := m.conn.Exec(context.Background(), sql.String()+"SET statement_timeout = '2s'"); err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs what the guard let through, as Query does, and says whether the
// server took it.
func (m *marked) run(sql string, params int) bool {
	values := make([][]byte, params)
	for i := range values {
		values[i] = []byte("1")
	}
	m.ran = false
	return m.conn.PgConn().ExecParams(context.Background(), sql, values, nil, nil, nil).Read().Err == nil
}

// harmless are queries that hold what may not be run, where it is not run.
var harmless = []string{
	"select 'a'\n' ', E'b'\n'\\\\ ', ' pg_marker() '", "select E'a' -- it's\n'\\' ', pg_marker(), '", "select E'a\\' ', pg_marker() -- ' --'",
	"select 'x $a$, pg_marker(), $1 --', $a$ ' $a$, $1", "select 1 x, $$, pg_marker(), $1 -- $$", "select 1 as x -- , pg_marker(),\n, 2",
	"select 1 /* , pg_marker() /* */ , pg_marker() */ , 2", "select 1 \" ' , pg_marker() -- \", '\"'", "select ?, '?, pg_marker()', $é$ ' $é$, '$é$'",
	"select B'1'\n'0', X'1f', N'pg_marker()', 1e5, '\\', ', pg_marker(), '", "select 1.5 /* ' */, ' /* ', lo_marker, pg_marker from (values (1, 2)) t(lo_marker, pg_marker)",
	"select 1 - -- pg_marker()\n -1, @ -2, 'a' || '-- ', $1", "select lo_marker from (select 1 as lo_marker) as pg_marker where 1 <> 2",
}

// fragments begin, end and go on with texts, names, comments and numbers.
var fragments = []string{
	"pg_marker()", ", pg_marker(1), ", "lo_marker", "()", "'", "''", "\\", "\\'", "\"", "$$", "$a$", "$a", "$é$", "$", "--", "-- '\n", "/*", "*/", "\n", "\r", "\f", "\v",
	"\u00a0", "\u2028", " ", "x", "$1", "?", ";", "é", "e", "E", "B", "X", "N", "U&", "U&'", "E'", "1", "1e5", "0x1e", ".", ",", "||", "+", "-", "@", "::text", "(", ")", "public.",
}

// garble takes a harmless query and puts fragments into it, at the borders of
// what it is made of, moves parts and takes some out.
func garble(r *rand.Rand) string {
	sql := harmless[r.IntN(len(harmless))]
	border := func() int {
		for range 8 {
			if i := r.IntN(len(sql) + 1); i == len(sql) || strings.IndexByte("abcdefghijklmnopqrstuvwxyz_", sql[i]) < 0 {
				return i
			}
		}
		return len(sql)
	}
	for range 1 + r.IntN(3) {
		i, j := border(), border()
		i, j = min(i, j), max(i, j)
		switch r.IntN(6) {
		case 0: // without a part
			if j-i < 8 {
				sql = sql[:i] + sql[j:]
			}
		case 1: // a part twice
			sql = sql[:j] + sql[i:]
		case 2: // another beginning
			other := harmless[r.IntN(len(harmless))]
			sql = sql[:i] + other[min(i, len(other)):]
		default:
			sql = sql[:i] + fragments[r.IntN(len(fragments))] + sql[i:]
		}
	}
	return strings.ToValidUTF8(sql, "")
}

// TestGuardAgainstServer shows that nothing which the guard lets through runs
// what it refuses: it reads a query as the server does.
func TestGuardAgainstServer(t *testing.T) {
	t.Parallel()
	m := newMarked(t, testserver.Postgres(t).URL)
	for _, sql := range []string{
		"select 1 --\r, pg_marker()", "select E'a'\n'\\' ', pg_marker() -- '", "select E'a' -- '\n\f'\\' ', pg_marker() -- '", "select 1 x?$$, pg_marker(), $1 -- $$",
		"select $a? 'x $a$, pg_marker(), $1 --'", "select public . \"pg_marker\" /* */ ()", "select lo_marker --\r()",
	} {
		for params := range 2 {
			if out, err := guard(sql, params, markedNames); err == nil {
				if m.run(out, params); m.ran {
					t.Errorf("%q runs as %q", sql, out)
				}
			}
		}
	}
	if m.run("select pg_marker()", 0); !m.ran {
		t.Fatal("the marker does not tell that it was run")
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	passed, taken := 0, 0
	for begun := time.Now(); time.Since(begun) < 2*time.Second || passed < 500 || taken < 50; {
		sql, params := garble(r), r.IntN(2)
		out, err := guard(sql, params, markedNames)
		if err != nil {
			continue
		}
		passed++
		if m.run(out, params) {
			taken++
		}
		if m.ran {
			t.Fatalf("%q runs as %q (seed %d)", sql, out, seed)
		}
	}
	t.Logf("%d texts passed, of which the server took %d", passed, taken)
}

// TestDeadlineOutlivesSettings shows that a statement which has turned the
// server's timeout off ends at the query's deadline.
func TestDeadlineOutlivesSettings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, err := Open(ctx, Options{URL: testserver.Postgres(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Resume(ctx, millrace.DefaultWorkspace); err != nil {
		t.Fatal(err)
	}
	q := warehouse.Query{Workspace: millrace.DefaultWorkspace, Timeout: 300 * time.Millisecond}
	w.complete(&q)
	limited, cancel := context.WithTimeoutCause(ctx, q.Timeout, errDeadline)
	r := &rows{query: q, ctx: limited, w: w, asked: w.workspace(q.Workspace), release: cancel}
	begun := time.Now()
	// Past the guard, as if it had a hole.
	err = r.open(w.login(q.Workspace), "SELECT pg_catalog.set_config('statement_timeout', '0', false) FROM pg_catalog.generate_series(1, 2) WHERE pg_catalog.pg_sleep(30) IS NOT NULL", 1<<20)
	if err = r.explain(err); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("got %v", err)
	}
	_ = r.Close()
	for running := -1; running != 0; time.Sleep(20 * time.Millisecond) {
		if err := w.pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'millrace query'").Scan(&running); err != nil {
			t.Fatal(err)
		}
		if time.Since(begun) > 5*time.Second {
			t.Fatal("the query goes on at the server")
		}
	}
}
