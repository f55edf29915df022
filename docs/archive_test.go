package docs_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// isArchiveQuery says whether a block reads the archive's files.
func isArchiveQuery(b block) bool { return strings.Contains(b.text, "read_parquet(") }

// TestArchiveQueries runs what pages show for DuckDB on a published hour.
func TestArchiveQueries(t *testing.T) {
	t.Parallel()
	dir := publishedArchive(t)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ran := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "sql" || !isArchiveQuery(b) || b.notRun != "" {
				continue
			}
			query := strings.ReplaceAll(b.text, "'archive/", "'"+dir+"/")
			// The examples name a day and a user; the archive here was made just now.
			query = made.Replace(query)
			rows, err := db.QueryContext(t.Context(), query)
			if err != nil {
				t.Errorf("%s:%d: %v", p.path, b.line, err)
				continue
			}
			n := 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err != nil || n == 0 {
				t.Errorf("%s:%d: %d rows, %v, want some", p.path, b.line, n, err)
			}
			_ = rows.Close()
			ran++
		}
	}
	if ran < 4 {
		t.Errorf("%d queries were run, want those of docs/archive.md and docs/format/archive.md", ran)
	}
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
	send := func(id string) {
		body := fmt.Sprintf(`{"event": "Order Completed", "userId": "ada", "messageId": %q, "properties": {"total": 42.5}}`, id)
		req, err := http.NewRequestWithContext(ctx, "POST", a.URL()+"/v1/track", strings.NewReader(body))
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
			t.Fatalf("track answers %s", resp.Status)
		}
	}
	send("m-1")
	moved.Store(int64(2 * time.Hour))
	send("m-2") // of a later hour: the first one is over
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
