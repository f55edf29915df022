package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// TestSourceNames shows that a source may have any name, also one that the
// engine uses for something, in a workspace of any name.
func TestSourceNames(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	sources := strings.Fields(`default memory millrace_ duckdb sqlite_master select table order group user all schema columns tables
		tracks users pending notices localhost file read_csv range json this excluded main_ temp_ default_db x` + " " + strings.Repeat("y", 63))
	mustResume(t, w)
	var entries []eventlog.Entry
	for i, source := range sources {
		e := track(i+1, "A", `{"n":1}`)
		e.Source = source
		entries = append(entries, e)
	}
	mustApply(t, w, warehouse.Batch{Entries: entries, Through: through(len(sources)), Flush: true})
	for _, source := range sources {
		for _, sql := range []string{
			`SELECT n::VARCHAR FROM ` + quote(source) + `.a JOIN ` + quote(source) + `.tracks USING (id)`,
			`SELECT ` + quote(source) + `.a.n::VARCHAR FROM ` + quote(source) + `.a`,
			`SELECT count(*)::VARCHAR FROM information_schema.tables WHERE table_name = 'a' AND table_schema = '` + source + `'`,
		} {
			if rows := mustAsk(t, w, sql); strings.Join(rows, "|") != "1" {
				t.Errorf("%s: %q", sql, rows)
			}
		}
	}
	if got := mustAsk(t, w, "SELECT DISTINCT table_catalog FROM information_schema.tables"); strings.Join(got, "|") != catalog {
		t.Errorf("catalogs: %q", got)
	}
	if files, err := filepath.Glob(filepath.Join(w.o.Dir, ws+".duckdb")); err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(w.o.Dir, ws+".duckdb.wal")); err != nil {
		t.Error(err)
	}
}

// TestWordsOfSQL shows that Identifier puts each word of the engine in quotes
// that needs them.
func TestWordsOfSQL(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	mustResume(t, w)
	words := mustAsk(t, w, "SELECT DISTINCT keyword_name FROM duckdb_keywords()")
	if len(words) < 400 {
		t.Fatalf("%d words", len(words))
	}
	for _, word := range words {
		if _, _, err := ask(w, warehouse.Query{SQL: "SELECT 1 FROM " + warehouse.Identifier(word) + ".tracks"}); err == nil || !strings.Contains(err.Error(), "does not exist") && !strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range []string{"default", "Full"} {
		if _, _, err := ask(w, warehouse.Query{SQL: "SELECT * FROM " + word + ".tracks"}); err == nil || !strings.Contains(err.Error(), `as in "`+strings.ToLower(word)+`".tracks`) {
			t.Errorf("a source that is a word of SQL: %v", err)
		}
	}
}
