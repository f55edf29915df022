package docs_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// isArchiveQuery says whether a block reads the archive's files.
func isArchiveQuery(b block) bool { return strings.Contains(b.text, "read_parquet(") }

// calls are what the archive's hour was sent, one of them twice.
var calls = []struct{ path, body string }{
	{"track", `{"event": "Order Completed", "userId": "ada", "messageId": "m-1", "properties": {"total": 42.5}}`},
	{"track", `{"event": "Order Completed", "userId": "bob", "messageId": "m-2", "properties": {"total":   7.25}}`},
	{"track", `{"event": "Order Completed", "userId": "ada", "messageId": "m-1", "properties": {"total": 42.5}}`},
	{"track", `{"event": "Signed Up", "anonymousId": "x", "messageId": "m-3", "properties": {}}`},
	{"identify", `{"userId": "ada", "messageId": "m-4", "traits": {"name": "Ada \u00c5"}}`},
}

// answers are the rows of the queries on that hour, by how the query begins,
// in the order of their text; T is a time while it was sent.
var answers = map[string][]string{
	"SELECT source, event, count(*) AS events, min(received_at) AS first, max(received_at) AS last": {
		"web, Order Completed, 2, T, T", "web, Signed Up, 1, T, T"},
	"SELECT occurred_at, user_id, (try(decode(body))": {"T, ada, 42.5", "T, bob, 7.25"},
	"SELECT received_at, stream, decode(body) AS body": {
		"T, identify, " + calls[4].body, "T, track:Order Completed, " + calls[0].body},
	"SELECT source, event, count(*) AS events\n": {"web, Order Completed, 2", "web, Signed Up, 1"},
	"SELECT id, try(decode(body))::JSON":         {"m-1, 42.5"},
}

// TestArchiveQueries runs what pages show for DuckDB on a published hour, and
// compares every value.
func TestArchiveQueries(t *testing.T) {
	t.Parallel()
	began := time.Now().Add(-time.Millisecond)
	dir := publishedArchive(t)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ran := map[string]bool{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "sql" || !isArchiveQuery(b) || b.notRun != "" {
				continue
			}
			begins := ""
			for known := range answers {
				if strings.HasPrefix(b.text, known) {
					begins = known
				}
			}
			if begins == "" {
				t.Errorf("%s:%d: what does this query answer? Add its rows to this test", p.path, b.line)
				continue
			}
			ran[begins] = true
			query := strings.ReplaceAll(b.text, "'archive/", "'"+dir+"/")
			// The examples name a day and a user; the archive here was made just now.
			got, err := ask(t.Context(), db, made.Replace(query), began)
			if want := answers[begins]; err != nil || !slices.Equal(got, want) {
				t.Errorf("%s:%d: the rows are\n%s\n%v, want\n%s", p.path, b.line, strings.Join(got, "\n"), err, strings.Join(want, "\n"))
			}
		}
	}
	for begins := range answers {
		if !ran[begins] {
			t.Errorf("no page has the query %s …", begins)
		}
	}
}

// ask returns the rows of a query, a line each, sorted.
func ask(ctx context.Context, db *sql.DB, query string, began time.Time) (lines []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		var words []string
		for _, value := range values {
			switch v := value.(type) {
			case time.Time:
				if value = v; v.After(began) && v.Before(time.Now()) {
					value = "T"
				}
			case duckdb.Decimal:
				value = v.Float64()
			}
			words = append(words, fmt.Sprint(value))
		}
		lines = append(lines, strings.Join(words, ", "))
	}
	slices.Sort(lines)
	return lines, rows.Err()
}

var made = strings.NewReplacer(
	"date=2026-11-21", "date=*", "= DATE '2026-11-21'", ">= DATE '2026-01-01'", "'u-17'", "'ada'")

// publishedArchive returns the folder of an archive with an hour that is over.
func publishedArchive(t *testing.T) string {
	t.Helper()
	var moved atomic.Int64
	data := t.TempDir()
	a, err := app.Open(t.Context(), app.Options{
		Dir:  writeProject(t, map[string]string{"millrace.yaml": "name: docs\narchive_interval: 200ms\n", "sources/web.yaml": defaultSources}),
		Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev,
		Now: func() time.Time { return time.Now().Add(time.Duration(moved.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	send := func(path, body string) {
		req, err := http.NewRequestWithContext(ctx, "POST", a.URL()+"/v1/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("web_2026", "")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %s", path, resp.Status)
		}
	}
	for _, c := range calls {
		send(c.path, c.body)
	}
	moved.Store(int64(2 * time.Hour))
	send("track", `{"event": "Later", "userId": "ada", "messageId": "m-5"}`) // of a later hour: the first one is over
	dir := filepath.Join(data, "archive")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(dir, "default", "web", "date=*", "hour=*", "*.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			if _, err := os.Stat(files[0]); err == nil {
				return dir
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the hour was not published in 30 s")
		}
	}
}
