package duckdb

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// attacks that the guard or the engine refuses at once: by name, the SQL.
var refusedAttacks = map[string]string{
	"empty": "", "comment only": "-- nothing", "semicolons": ";;",
	"copy out": "COPY web.tracks TO '/tmp/x.csv'", "copy in": "COPY web.tracks FROM '/etc/passwd'",
	"copy query": "COPY (SELECT 1) TO '/tmp/x.parquet'", "export": "EXPORT DATABASE '/tmp/x'", "import": "IMPORT DATABASE '/tmp/x'",
	"attach": "ATTACH '/tmp/x.db'", "detach": "DETACH default", "use": "USE web", "install": "INSTALL httpfs", "load": "LOAD '/tmp/x.so'",
	"force install": "FORCE INSTALL httpfs FROM 'http://localhost'", "update extensions": "UPDATE EXTENSIONS",
	"read_csv": "SELECT * FROM read_csv('/etc/passwd')", "read_csv auto": "FROM read_csv_auto('/etc/passwd')",
	"read_text": "SELECT * FROM read_text('/etc/passwd')", "read_blob": "SELECT * FROM read_blob('/etc/passwd')",
	"read_parquet": "SELECT * FROM read_parquet('/x.parquet')", "parquet_scan": "FROM parquet_scan('/x')", "read_json": "FROM read_json('/x')",
	"read_ndjson": "FROM read_ndjson_objects('/x')", "glob": "SELECT * FROM glob('/etc/*')", "sniff": "FROM sniff_csv('/etc/passwd')",
	"parquet metadata": "FROM parquet_metadata('/x')", "read_duckdb": "FROM read_duckdb('/x')",
	"qualified function": "SELECT * FROM system.main.read_text('/etc/passwd')", "upper case": "SELECT * FROM READ_TEXT('/etc/passwd')",
	"quoted function": `SELECT * FROM "read_text"('/etc/passwd')`,
	"file as table":   "SELECT * FROM '/etc/passwd'", "csv as table": "FROM 'file.csv'", "relative file": "FROM './x.parquet'",
	"url as table": "FROM 'https://localhost/x.csv'", "s3 as table": "FROM 's3://b/x.parquet'", "quoted file": `FROM "/etc/passwd"`,
	"glob as table": "FROM 'x*.csv'", "gz as table": "FROM 'x.csv.gz'", "file in join": "SELECT * FROM web.tracks JOIN 'x.csv' USING (id)",
	"file in subquery": "SELECT (SELECT count(*) FROM 'x.csv')", "file in cte": "WITH x AS (FROM '/etc/passwd') SELECT * FROM x",
	"file in exists": "SELECT 1 WHERE EXISTS (FROM '/etc/passwd')", "lateral file": "SELECT * FROM web.tracks t, LATERAL (FROM read_text(t.id))",
	"set": "SET memory_limit='10GB'", "reset": "RESET memory_limit", "set variable": "SET VARIABLE x=1", "set schema": "SET schema='web'",
	"unlock": "SET lock_configuration=false", "pragma": "PRAGMA database_list", "pragma memory": "PRAGMA memory_limit='1GB'",
	"call": "CALL pragma_version()", "call logging": "CALL enable_logging(storage='file', storage_config={'path':'/tmp/x'})",
	"enable_logging": "SELECT * FROM enable_logging()", "disable_logging": "FROM disable_logging()", "truncate logs": "FROM truncate_duckdb_logs()",
	"two statements": "SELECT 1; SELECT 2", "drop behind": "SELECT 1; DROP TABLE web.tracks", "drop before": "DROP TABLE web.tracks; SELECT 1",
	"insert": "INSERT INTO web.tracks SELECT * FROM web.tracks", "update": "UPDATE web.tracks SET id='x'", "delete": "DELETE FROM web.tracks",
	"truncate": "TRUNCATE web.tracks", "merge": "MERGE INTO web.tracks t USING web.tracks s ON t.id=s.id WHEN MATCHED THEN DELETE",
	"create": "CREATE TABLE x AS SELECT 1", "temp table": "CREATE TEMP TABLE x AS SELECT 1", "view": "CREATE VIEW v AS SELECT 1",
	"macro": "CREATE MACRO f(a) AS a", "temp macro": "CREATE TEMP MACRO f(a) AS TABLE FROM read_text(a)", "sequence": "CREATE SEQUENCE s",
	"type": "CREATE TYPE t AS ENUM ('a')", "secret": "CREATE SECRET s (TYPE s3)", "alter": "ALTER TABLE web.tracks ADD COLUMN x INT",
	"comment on": "COMMENT ON TABLE web.tracks IS 'x'", "index": "CREATE INDEX i ON web.tracks(id)", "drop schema": "DROP SCHEMA web CASCADE",
	"insert in cte": "WITH x AS (INSERT INTO web.tracks SELECT * FROM web.tracks RETURNING *) SELECT * FROM x",
	"delete in cte": "WITH x AS (DELETE FROM web.tracks RETURNING *) SELECT * FROM x", "select into": "SELECT 1 INTO x",
	"explain": "EXPLAIN SELECT 1", "explain analyze": "EXPLAIN ANALYZE SELECT 1", "explain analyze dml": "EXPLAIN ANALYZE DELETE FROM web.tracks",
	"prepare": "PREPARE p AS SELECT 1", "execute": "EXECUTE p", "deallocate": "DEALLOCATE p", "begin": "BEGIN", "commit": "COMMIT",
	"rollback": "ROLLBACK", "checkpoint": "CHECKPOINT", "force checkpoint": "FORCE CHECKPOINT", "vacuum": "VACUUM", "analyze": "ANALYZE",
	"checkpoint function": "FROM checkpoint()", "force function": "FROM force_checkpoint()",
	"nextval": "SELECT nextval('s')", "currval": "SELECT currval('s')", "write_log": "SELECT write_log('x')", "setseed": "SELECT setseed(0.5)",
	"getvariable": "SELECT getvariable('x')", "getenv": "SELECT getenv('HOME')", "current_setting": "SELECT current_setting('memory_limit')",
	"current_setting qualified": "SELECT main.current_setting('temp_directory')", "current_setting method": "SELECT 'temp_directory'.current_setting()",
	"sleep": "SELECT sleep_ms(100000)", "pg_sleep": "SELECT pg_sleep(1000)", "serialized": "FROM json_execute_serialized_sql('{}')",
	"query": "SELECT * FROM query('DROP TABLE web.tracks')", "query_table": "SELECT * FROM query_table('/etc/passwd')",
	"secrets": "SELECT * FROM duckdb_secrets()", "settings": "SELECT * FROM duckdb_settings()", "settings view": "FROM duckdb_settings",
	"logs": "SELECT * FROM duckdb_logs", "databases": "FROM duckdb_databases()", "databases view": "FROM duckdb_databases",
	"database list": "FROM pragma_database_list", "extensions": "FROM duckdb_extensions()", "temp files": "FROM duckdb_temporary_files()",
	"variables": "FROM duckdb_variables()", "pg_settings": "FROM pg_catalog.pg_settings", "memory": "FROM duckdb_memory()",
	"storage": "FROM pragma_storage_info('web.tracks')", "vectors": "FROM test_vector_types(NULL::INT)", "repeat table": "FROM repeat('x', 10000000000)",
	"arrow_scan": "FROM arrow_scan(1,2,3)", "seq_scan": "FROM seq_scan()", "show setting": "SHOW memory_limit", "autocomplete": "FROM sql_auto_complete('x')",
	"internal": "SELECT __internal_decompress_string(1::HUGEINT)", "finalize": "SELECT finalize('x'::BLOB)",
	"state": "SELECT sum(1) EXPORT_STATE", "repeat": "SELECT repeat('x',3e9)", "repeat cast": "SELECT repeat('x', 3000000000::BIGINT)", "lpad": "SELECT lpad('x', 2000000000, 'y')",
	"rpad": "SELECT rpad('x', 2000000000, 'y')", "list range": "SELECT list_sort(range(200000000))", "list series": "SELECT len(generate_series(0, 5000000000))",
	"levenshtein": "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
	"nul":         "SELECT 'a\x00b'", "not utf-8": "SELECT '\xff\xfe'", "unbalanced": "SELECT 1) UNION ALL (SELECT 2", "wrapped": "SELECT 1) AS x, (SELECT 2",
	"unterminated": "SELECT 'abc", "open comment": "SELECT 1 /* ", "copy database": "COPY FROM DATABASE a TO b", "pivot": "PIVOT web.tracks ON event",
	"nested calls":       "SELECT " + strings.Repeat("abs(", 900) + "1" + strings.Repeat(")", 900),
	"nested parentheses": "SELECT " + strings.Repeat("(", 20000) + "1" + strings.Repeat(")", 20000),
	"nested subqueries":  strings.Repeat("SELECT * FROM (", 3000) + "SELECT 1" + strings.Repeat(")", 3000),
	"nested lists":       "SELECT " + strings.Repeat("[", 5000) + "1" + strings.Repeat("]", 5000),
	"long sum":           "SELECT 1" + strings.Repeat("+1", 30000), "nested case": "SELECT " + strings.Repeat("CASE WHEN true THEN ", 900) + "1" + strings.Repeat(" END", 900),
	"nested not":         "SELECT " + strings.Repeat("NOT ", 10000) + "true",
	"nested json":        "SELECT '" + strings.Repeat("[", 30000) + "'::JSON",
	"too long":           "SELECT '" + strings.Repeat("x", warehouse.MaxQueryTextBytes) + "'",
	"too few parameters": "SELECT ?", "named parameter": "SELECT $name", "no table": "SELECT * FROM web.nothing", "no column": "SELECT nothing FROM web.tracks",
	"histogram of a file": "FROM histogram('/etc/passwd', x)", "histogram values": "FROM histogram_values('duckdb_secrets', x)",
	"words of a failure": "SELECT error('FATAL Error: database has been invalidated') FROM web.tracks",
	"other file":         "SELECT * FROM other.web.tracks",
	"pivot a file":       "SELECT * FROM (PIVOT '/etc/passwd' ON a)", "pivot a function": "FROM (PIVOT read_text('/etc/passwd') ON filename USING count(*))",
	"unpivot a file": "FROM (UNPIVOT '/etc/passwd' ON a)", "summarize a file": "SUMMARIZE '/etc/passwd'", "summarize a function": "SUMMARIZE read_text('/etc/passwd')",
	"describe a file": "DESCRIBE '/etc/passwd'", "describe a function": "DESCRIBE SELECT * FROM read_text('/etc/passwd')", "describe within": "SELECT * FROM (DESCRIBE '/etc/passwd.csv')",
	"file behind main": `SELECT * FROM main."/etc/passwd.csv"`, "file behind another's cte": `SELECT (WITH "/etc/hosts.csv" AS (SELECT 1) SELECT 1), (SELECT count(*) FROM "/etc/hosts.csv")`,
	"environment behind another's cte": `SELECT (WITH "/proc/self/environ" AS (SELECT 1) SELECT 1), (SELECT count(*) FROM "/proc/self/environ")`,
	"plan of a file":                   "SELECT json_serialize_plan('SELECT * FROM read_text(''/etc/passwd'')')", "aggregate by name": "SELECT list_aggregate([1], 'nextval')",
	"which secret": "FROM which_secret('s3://x', 's3')", "database size": "FROM pragma_database_size()", "database size by call": "CALL pragma_database_size()",
	"metadata": "FROM pragma_metadata_info('default')", "regex of regexes": "SELECT regexp_matches('x', '((a{1,1000}){1,1000}){1,1000}')",
	"structs": "SELECT " + strings.Repeat("{'a':", 200) + "1" + strings.Repeat("}", 200), "pg_database": "SELECT * FROM pg_catalog.pg_database",
}

func TestRefusedAttacks(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 200)
	for name, sql := range refusedAttacks {
		rows, _, err := ask(w, warehouse.Query{SQL: sql, Timeout: 20 * time.Second})
		if err == nil {
			t.Errorf("%s: answered %.200q", name, rows)
		} else if kind := millrace.KindOf(err); kind != millrace.Invalid {
			t.Errorf("%s: %s: %v", name, kind, err)
		}
	}
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
	stillWorks(t, w, 200)
}

// loadedTest opens a warehouse with n events, of which the first half is
// flushed, and the rest committed as it comes.
func loadedTest(t testing.TB, n int, change ...func(*Options)) *Warehouse {
	t.Helper()
	w := openTest(t, change...)
	mustResume(t, w)
	mustApply(t, w, tracks(0, n))
	return w
}

// tracks is a flushed batch of the events [from, to).
func tracks(from, to int) warehouse.Batch {
	b := warehouse.Batch{Through: through(to - 1), Flush: true}
	for i := from; i < to; i++ {
		b.Entries = append(b.Entries, track(i, fmt.Sprintf("Event %d", i%3), fmt.Sprintf(`{"total":%d.25,"n":%d,"label":"label number %d"}`, i, i, i)))
	}
	return b
}

// stillWorks checks that n events are there, and that loading goes on.
func stillWorks(t testing.TB, w *Warehouse, n int) {
	t.Helper()
	for try := 0; ; try++ {
		after, err := w.Resume(context.Background(), ws)
		if err == nil && after != through(n-1) {
			t.Fatalf("resumes after %s, not %s", after, through(n-1))
		}
		if err == nil {
			_, err = w.Apply(context.Background(), ws, warehouse.Batch{Entries: []eventlog.Entry{}, Through: through(n - 1), Flush: true})
		}
		if err == nil {
			break
		}
		if millrace.KindOf(err) != millrace.Unavailable || try > 100 {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := mustAsk(t, w, "SELECT count(*), count(DISTINCT id) FROM web.tracks"); got[0] != fmt.Sprintf("%d|%d", n, n) {
		t.Errorf("tracks: %v, want %d", got, n)
	}
}

// Queries that are let through.
func TestAnswered(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 100)
	tests := map[string]struct {
		sql    string
		params []any
		want   string
	}{
		"semicolon":    {"SELECT 1;", nil, "1"},
		"comment":      {"SELECT 1 -- one", nil, "1"},
		"both":         {"SELECT 1; -- one", nil, "1"},
		"values":       {"VALUES (1),(2)", nil, "1\n2"},
		"from first":   {"FROM web.tracks SELECT count(*)", nil, "100"},
		"cte":          {"WITH x AS (SELECT 1 AS a) SELECT a FROM x", nil, "1"},
		"dotted cte":   {`WITH "a.b" AS (SELECT 1 AS a) SELECT a FROM "a.b"`, nil, "1"},
		"recursion":    {"WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a+1 FROM x WHERE a < 5) SELECT sum(a) FROM x", nil, "15"},
		"order":        {"SELECT n FROM web.event_0 ORDER BY n DESC LIMIT 2", nil, "99\n96"},
		"same names":   {"SELECT 1 AS a, 2 AS a", nil, "1|2"},
		"range":        {"SELECT sum(range) FROM range(10)", nil, "45"},
		"series":       {"SELECT count(*) FROM generate_series(DATE '2024-01-01', DATE '2024-01-31', INTERVAL 1 DAY)", nil, "31"},
		"unnest":       {"SELECT unnest([1,2])", nil, "1\n2"},
		"lambda":       {"SELECT list_transform([1,2], lambda x: x+1)", nil, "[2,3]"},
		"repeat":       {"SELECT repeat('█', 3)", nil, "███"},
		"json":         {"SELECT json_extract_string('{\"a\":\"b\"}', '$.a')", nil, "b"},
		"window":       {"SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY n) AS r FROM web.event_1)", nil, "33"},
		"zone":         {"SELECT strftime(TIMESTAMPTZ '2024-06-01 00:00:00+00' AT TIME ZONE 'Europe/London', '%H')", nil, "01"},
		"tables":       {"SELECT count(*) FROM information_schema.tables WHERE table_schema='web' AND table_name='tracks'", nil, "1"},
		"parameters":   {"SELECT ?, ?, ?, ?, ?", []any{"x", int64(1), 1.5, true, nil}, "x|1|1.5|true|(null)"},
		"numbered":     {"SELECT $2 || $1", []any{"a", "b"}, "ba"},
		"odd numbers":  {"SELECT isnan(?), isinf(?), ?", []any{math.NaN(), math.Inf(-1), int64(math.MaxInt64)}, "true|true|9223372036854775807"},
		"odd text":     {"SELECT ?", []any{"'; DROP TABLE web.tracks; --"}, "'; DROP TABLE web.tracks; --"},
		"union":        {"SELECT 1 UNION ALL SELECT 2", nil, "1\n2"},
		"date":         {"SELECT DATE '2024-01-02'", nil, "2024-01-02"},
		"big sum":      {"SELECT sum(n)::BIGINT FROM web.event_0", nil, "1683"},
		"nothing":      {"SELECT 1 WHERE false", nil, ""},
		"many or":      {"SELECT 1 WHERE 1=0" + strings.Repeat(" OR 1=1", 500), nil, "1"},
		"in list":      {"SELECT count(*) FROM web.event_0 WHERE n IN (0" + strings.Repeat(",3", 5000) + ")", nil, "2"},
		"system table": {"SELECT count(*) FROM millrace.names WHERE source='web'", nil, "3"},
	}
	for name, test := range tests {
		rows, _, err := ask(w, warehouse.Query{SQL: test.sql, Params: test.params})
		if got := strings.Join(rows, "\n"); err != nil || got != test.want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, test.want)
		}
	}
	for name, sql := range map[string]string{"describe": "DESCRIBE web.tracks", "summarize": "SUMMARIZE web.tracks", "show": "SHOW ALL TABLES"} {
		if rows, _, err := ask(w, warehouse.Query{SQL: sql}); err != nil || len(rows) < 2 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}
