package warehousetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

func testQuery(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":1,"s":"a"}`, `{"n":2,"s":"b"}`, `{"n":3,"s":"it's"}`)...)
	b.want(map[string]string{
		"SELECT 1":                   "1",
		"SELECT 1;":                  "1",
		"SELECT 1 -- done":           "1",
		"SELECT 1; -- done":          "1",
		"/* a; b */ SELECT ';' ":     ";",
		"VALUES (1, 'x'), (2, NULL)": "1 x | 2 -",
		"WITH x AS (SELECT n FROM web.a) SELECT sum(n), count(*) FROM x":                                            "6 3",
		"SELECT n FROM web.a WHERE n > 1 ORDER BY n DESC":                                                           "3 | 2",
		"SELECT s, count(*) FROM web.a GROUP BY s HAVING count(*) > 5":                                              "",
		"SELECT a.n FROM web.a a JOIN web.tracks t ON t.id = a.id WHERE t.event = 'a' ORDER BY a.n":                 "1 | 2 | 3",
		"SELECT n, row_number() OVER (ORDER BY n DESC) FROM web.a ORDER BY n LIMIT 1":                               "1 3",
		"SELECT CAST(1.25 AS DECIMAL(10,2)), CAST('2026-01-02' AS DATE), true, NULL, CAST(0.5 AS DOUBLE PRECISION)": "1.25 2026-01-02 true - 0.5",
		"SELECT CAST(9223372036854775807 AS BIGINT)":                                                                "9223372036854775807",
	})
	for want, q := range map[string]warehouse.Query{
		"2 b":   {SQL: "SELECT n, s FROM web.a WHERE n = ?", Params: []any{int64(2)}},
		"3":     {SQL: "SELECT n FROM web.a WHERE s = $1 AND n > $2", Params: []any{"it's", float64(0.5)}},
		"1 | 2": {SQL: "SELECT n FROM web.a WHERE s <> $1 AND $2 ORDER BY n", Params: []any{"it's", true}},
		"":      {SQL: "SELECT n FROM web.a WHERE s = ?", Params: []any{nil}},
		"x ? y": {SQL: "SELECT 'x ? y' WHERE 1 = ?", Params: []any{int64(1)}},
	} {
		if got := b.ask(q); got != want {
			t.Errorf("%s: got %s, want %s", q.SQL, got, want)
		}
	}
	for _, sql := range []string{"", ";", "SELEC 1", "SELECT * FROM web.nothing", "SELECT nothing FROM web.a", "SELECT 1 +", "SELECT CAST('x' AS INTEGER)", "SELECT ?", "SELECT 'open", "\x00", "SELECT '\xff'"} {
		if got := b.ask(warehouse.Query{SQL: sql}); !strings.HasPrefix(got, "error invalid") {
			t.Errorf("%q: %s", sql, got)
		}
	}
	for _, test := range []struct {
		params []any
		says   string
	}{{nil, "takes one parameter ($1 or ?), and none was given"}, {[]any{int64(1), "x"}, "and 2 were given"}} {
		if got := b.ask(warehouse.Query{SQL: "SELECT n FROM web.a WHERE n = $1", Params: test.params}); !strings.HasPrefix(got, "error invalid") || !strings.Contains(got, test.says) {
			t.Errorf("%v: %s, want %s", test.params, got, test.says)
		}
	}
	long := b.ask(warehouse.Query{SQL: "SELECT '" + strings.Repeat("x", warehouse.MaxQueryTextBytes) + "'"})
	if !strings.HasPrefix(long, "error invalid") && !strings.HasPrefix(long, "error too_large") {
		t.Errorf("a long query: %.100s", long)
	}
}

func testQueryLimits(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":1}`)...)
	for _, test := range []struct {
		rows, limit int
		truncated   bool
	}{{10, 20, false}, {10, 10, false}, {10, 9, true}, {5000, 4999, true}, {5000, 0, false}, {100_001, 0, true}} {
		sql := fmt.Sprintf("SELECT g FROM generate_series(1, %d) AS t(g)", test.rows)
		text, truncated, err := ask(context.Background(), b.Warehouse, warehouse.Query{Workspace: "default", SQL: sql, Limit: test.limit})
		if err != nil {
			t.Fatal(err)
		}
		limit := test.limit
		if limit == 0 {
			limit = warehouse.DefaultQueryRows
		}
		if n := strings.Count(text, "|") + 1; n != min(test.rows, limit) || truncated != test.truncated {
			t.Errorf("%+v: %d rows, truncated %v", test, n, truncated)
		}
	}
	got := b.ask(warehouse.Query{SQL: "SELECT g, 'some text to make it large' FROM generate_series(1, 90000) AS t(g)", MaxBytes: 500_000})
	if !strings.HasPrefix(got, "error too_large") {
		t.Errorf("a large result: %.200s", got)
	}
}

// endless runs for hours if nobody stops it.
const endless = "SELECT count(*) FROM generate_series(1, 100000) AS a(x), generate_series(1, 100000) AS b(y), generate_series(1, 1000) AS c(z) WHERE x * y + z = 7"

func testQueryDeadline(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":1}`)...)
	begun := time.Now()
	got := b.ask(warehouse.Query{SQL: endless, Timeout: 500 * time.Millisecond})
	if !strings.HasPrefix(got, "error canceled") || time.Since(begun) > 15*time.Second {
		t.Errorf("after %s: %s", time.Since(begun), got)
	}
	b.works()
}

// works shows that loading and asking go on.
func (b *bench) works() {
	b.t.Helper()
	for try := 0; ; try++ { // an engine that was restarted wants a Resume
		b.resume()
		_, err := b.Apply(context.Background(), "default", through(b.track(`{"n":2}`), true))
		if err == nil {
			break
		}
		if try == 5 || millrace.KindOf(err) != millrace.Unavailable {
			b.t.Fatal(err)
		}
	}
	b.want(map[string]string{"SELECT count(*) FROM web.a WHERE n = 1": "1"})
}

func testQueryCanceled(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":1}`)...)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	begun := time.Now()
	_, _, err := ask(ctx, b.Warehouse, warehouse.Query{Workspace: "default", SQL: endless})
	if millrace.KindOf(err) != millrace.Canceled || time.Since(begun) > 15*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
	// Results that are closed early, read by no one, or read after the end.
	for range 20 {
		rows, err := b.Query(context.Background(), warehouse.Query{Workspace: "default", SQL: "SELECT g FROM generate_series(1, 90000) AS t(g)"})
		if err != nil {
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	b.works()
}

// attacks are statements that must be refused, or do nothing. Each runs on
// every backend, whatever it means there.
var attacks = []string{
	"INSERT INTO web.a (n) VALUES (99)", "UPDATE web.a SET n = 99", "DELETE FROM web.a", "TRUNCATE web.a", "DROP TABLE web.a", "DROP SCHEMA web CASCADE",
	"CREATE TABLE web.evil (x int)", "CREATE TEMP TABLE evil (x int)", "CREATE VIEW web.evil AS SELECT 1", "CREATE SCHEMA evil", "CREATE FUNCTION evil() RETURNS int AS 'SELECT 1' LANGUAGE sql",
	"ALTER TABLE web.a ADD COLUMN evil int", "ALTER TABLE web.a RENAME TO evil", "CREATE INDEX evil ON web.a (n)", "COMMENT ON TABLE web.a IS 'evil'", "GRANT ALL ON web.a TO PUBLIC",
	"SELECT 1; DROP TABLE web.a", "SELECT 1; SELECT 2", "SELECT 1;; DELETE FROM web.a", "BEGIN; DELETE FROM web.a; COMMIT", "COMMIT", "ROLLBACK", "BEGIN",
	"WITH x AS (DELETE FROM web.a RETURNING *) SELECT * FROM x", "WITH x AS (INSERT INTO web.a (n) VALUES (99) RETURNING n) SELECT * FROM x", "WITH x AS (UPDATE web.a SET n = 99 RETURNING n) SELECT n FROM x",
	"SELECT * INTO web.evil FROM web.a", "SELECT * INTO TEMP evil FROM web.a", "EXPLAIN ANALYZE DELETE FROM web.a", "PREPARE p AS DELETE FROM web.a", "EXECUTE p", "DEALLOCATE ALL",
	"COPY web.a TO '/tmp/millrace-evil'", "COPY web.a FROM '/etc/passwd'", "COPY (SELECT 1) TO PROGRAM 'touch /tmp/millrace-evil'", "COPY (SELECT 1) TO STDOUT", "COPY web.a FROM PROGRAM 'id'",
	"SET statement_timeout = 0", "SET ROLE postgres", "RESET ROLE", "SET SESSION AUTHORIZATION postgres", "RESET ALL", "SET memory_limit = '100GB'", "SHOW ALL",
	"SELECT set_config('default_transaction_read_only', 'off', false)", "SELECT set_config('role', 'postgres', false)", "SELECT current_setting('config_file')",
	"SELECT pg_read_file('/etc/passwd')", "SELECT pg_read_binary_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT pg_stat_file('/etc/passwd')", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/millrace-evil')",
	"SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT lo_unlink(1)", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "SELECT pg_cancel_backend(1)", "SELECT pg_reload_conf()", "SELECT pg_rotate_logfile()",
	"SELECT pg_sleep(1000)", "SELECT PG_SLEEP (1000)", `SELECT "pg_sleep"(1000)`, "SELECT pg_catalog.pg_sleep(1000)", "SELECT pg_advisory_lock(1)", "SELECT pg_notify('a', 'b')", "SELECT pg_logical_emit_message(false, 'a', repeat('x', 1000000))",
	`SELECT U&"pg\005fsleep"(1000)`, "SELECT pg_switch_wal()", "SELECT pg_create_restore_point('x')", "SELECT pg_promote()", "SELECT pg_export_snapshot()", "SELECT pg_backend_pid()",
	"SELECT query_to_xml('DELETE FROM web.a', true, true, '')", "SELECT database_to_xml(true, true, '')", "SELECT * FROM ts_stat('DELETE FROM web.a RETURNING 1')", "SELECT dblink('host=127.0.0.1', 'SELECT 1')", "SELECT dblink_connect('x')",
	"SELECT * FROM pg_shadow", "SELECT rolpassword FROM pg_authid", "SELECT * FROM pg_stat_activity", "SELECT * FROM pg_file_settings", "SELECT * FROM pg_class",
	"DO $$ BEGIN DELETE FROM web.a; END $$", "CALL evil()", "LISTEN x", "NOTIFY x", "LOCK TABLE web.a", "VACUUM", "ANALYZE", "CHECKPOINT", "CLUSTER", "REINDEX TABLE web.a", "DISCARD ALL", "LOAD 'evil'", "CREATE EXTENSION dblink", "CREATE EXTENSION adminpack",
	"DECLARE c CURSOR FOR SELECT 1", "FETCH 1 FROM result", "CLOSE ALL", "MOVE 1 FROM result", "SELECT 1 FOR UPDATE", "SELECT n FROM web.a FOR UPDATE", "SELECT nextval('x')", "SELECT setval('x', 1)", "SELECT txid_current()",
	"ATTACH '/tmp/millrace-evil.db' AS evil", "DETACH evil", "INSTALL httpfs", "LOAD httpfs", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('/etc/passwd')", "SELECT * FROM glob('/*')",
	"SELECT * FROM '/etc/passwd'", "SELECT * FROM 'evil.csv'", "SELECT * FROM 'https://example.com/x.parquet'", "EXPORT DATABASE '/tmp/millrace-evil'", "IMPORT DATABASE '/tmp/millrace-evil'", "PRAGMA database_list", "PRAGMA enable_logging", "CALL enable_logging(storage = 'file')",
	"SELECT * FROM duckdb_secrets()", "SELECT getenv('HOME')", "SELECT * FROM sniff_csv('/etc/passwd')", "SELECT * FROM query('DELETE FROM web.a')", "SELECT * FROM query_table('web.a')", "CREATE SECRET evil (TYPE s3)", "SET VARIABLE x = 1", "CREATE MACRO evil() AS 1", "FORCE CHECKPOINT", "USE evil",
	"SELECT public.evil()", "SELECT 1) q; DROP TABLE web.a; --", "*/ SELECT 1", "SELECT 1 /*", "\\copy web.a to '/tmp/millrace-evil'", "SELECT 1 \\; DROP TABLE web.a",
	"SELECT $$ $$; DROP TABLE web.a; SELECT $$ $$", "SELECT E'\\''; DROP TABLE web.a; --'", "SELECT '\\'; DROP TABLE web.a; --'", "SELECT 1 -- \n; DROP TABLE web.a", "SELECT /* /* */ ; */ 1; DROP TABLE web.a", "SELECT $a$ ; $b$ ; $a$; DROP TABLE web.a",
}

func testAttacks(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":1}`)...)
	catalog := func() string {
		return b.ask(warehouse.Query{SQL: "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns WHERE table_schema IN ('web', 'millrace', 'main', 'public', 'evil') ORDER BY table_schema, table_name, column_name"})
	}
	before := catalog()
	for _, sql := range attacks {
		begun := time.Now()
		got := b.ask(warehouse.Query{SQL: sql, Timeout: 5 * time.Second})
		if took := time.Since(begun); took > 8*time.Second {
			t.Errorf("%s took %s", sql, took)
		}
		if strings.Contains(got, "root:") || strings.Contains(got, "/bin/") || strings.HasPrefix(got, "error internal") || strings.HasPrefix(got, "error unavailable") {
			t.Errorf("%s: %.300s", sql, got)
		}
		if !strings.HasPrefix(got, "error ") {
			t.Logf("harmless: %s gives %.60q", sql, got)
		}
	}
	if after := catalog(); after != before {
		t.Errorf("the catalog was\n%s\nand is\n%s", before, after)
	}
	b.want(map[string]string{"SELECT n FROM web.a": "1", "SELECT count(*) FROM web.tracks": "1"})
	b.works()
}

func testQueriesWhileLoading(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"n":0}`)...)
	stop := make(chan bool)
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Each event is in both tables at the same time: this one flushes always.
				got := b.ask(warehouse.Query{SQL: "SELECT (SELECT count(*) FROM web.tracks) - (SELECT count(*) FROM web.a)"})
				if got != "0" {
					t.Errorf("asked while loading: %s", got)
					return
				}
			}
		})
	}
	for i := range 30 {
		b.apply(b.track(fmt.Sprintf(`{"n":1,"p%d":%d}`, i%7, i), `{"n":1}`)...)
	}
	close(stop)
	asking.Wait()
	b.want(map[string]string{"SELECT count(*) FROM web.a": "61"})
}
