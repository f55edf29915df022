package archive

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob/local"
)

// TestDuckDB reads published hours as docs/format/archive.md says.
func TestDuckDB(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t)
	b, err := local.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	w.bucket = b
	w.mustOpen()
	w.append(events("default", "web", 0, 500)...)
	w.append(millrace.Record{
		ID: "hostile\xff", Workspace: "default", Source: "web", Stream: "track:\x00\xfe", Key: "k\xff",
		Received: tenOClock, Occurred: time.Time{}, Body: []byte("\x00\xff{"), Meta: []byte("\xfe"),
	})
	w.clock.Add(time.Hour)
	w.append(events("default", "ios", 500, 100)...)
	w.append(millrace.Record{ID: "empty", Workspace: "default", Source: "ios", Stream: "page", Received: tenOClock, Occurred: tenOClock})
	w.clock.Add(15 * time.Hour)
	w.publish()

	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	from := fmt.Sprintf("read_parquet('%s/default/*/date=*/hour=*/*.parquet', hive_partitioning = true)", dir)
	tests := map[string]struct{ query, want string }{
		"count":          {"SELECT count(*), count(DISTINCT id), count(DISTINCT (epoch, seq, index)) FROM %s", "602 602 602"},
		"hive":           {"SELECT source, hour, count(*) FROM %s WHERE date = DATE '2026-11-21' GROUP BY ALL ORDER BY ALL", "ios 11 101;web 10 501"},
		"types":          {"SELECT typeof(received_at), typeof(id), typeof(body), typeof(seq), typeof(index) FROM %s LIMIT 1", "TIMESTAMP WITH TIME ZONE VARCHAR BLOB BIGINT INTEGER"},
		"json":           {"SELECT sum((try(decode(body))::JSON ->> '$.n')::INT) FROM %s WHERE type = 'track' AND event = 'Order Completed'", "35700"},
		"user, bloom":    {"SELECT count(*), min(anonymous_id) FROM %s WHERE user_id = 'user-3' AND id = 'id-default-web-3'", "1 anon-3"},
		"no user":        {"SELECT count(*) FROM %s WHERE user_id = 'nobody'", "0"},
		"bytes":          {"SELECT body = '\\x00\\xFF{'::BLOB, meta = '\\xFE'::BLOB, exact IS NOT NULL, id = 'hostile' || chr(65533) FROM %s WHERE id LIKE 'hostile%%'", "true true true true"},
		"bloom says no":  {"SELECT count(*) > 0 AND bool_and(bloom_filter_excludes) FROM parquet_bloom_probe('" + dir + "/default/*/*/*/*.parquet', 'user_id', 'nobody') -- %s", "true"},
		"bloom says yes": {"SELECT bool_or(bloom_filter_excludes) FROM parquet_bloom_probe('" + dir + "/default/*/*/*/*.parquet', 'user_id', 'user-3') -- %s", "false"},
		"nulls":          {"SELECT body IS NULL, meta IS NULL, user_id IS NULL, event IS NULL FROM %s WHERE id = 'empty'", "true true true true"},
		"time":           {"SELECT epoch_ms(min(received_at)), epoch_ms(max(log_time)) FROM %s WHERE source = 'ios' AND id <> 'empty'", fmt.Sprint(tenOClock.UnixMilli()+500, " ", tenOClock.UnixMilli()+3_600_000)},
	}
	for name, test := range tests {
		rows, err := db.QueryContext(t.Context(), fmt.Sprintf(test.query, from))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := table(t, rows); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func table(t *testing.T, rows *sql.Rows) string {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		var cells []string
		for _, v := range values {
			cells = append(cells, fmt.Sprint(*v.(*any)))
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	return strings.Join(lines, ";")
}
