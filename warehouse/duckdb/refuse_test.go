package duckdb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// TestRefusedDefinitions shows that a table or a column that the engine does
// not make costs nothing but itself: its values are in discards, with a notice.
func TestRefusedDefinitions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := folder(dir).Open(t)
	if _, err := first.Resume(context.Background(), ws); err != nil {
		t.Fatal(err)
	}
	b := warehouse.Batch{Entries: []eventlog.Entry{track(1, "A", `{"n":1}`)}, Through: at(1), Flush: true}
	if _, err := first.Apply(context.Background(), ws, b); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	withDatabase(t, dir, `CREATE INDEX by_hand ON web.a (id); ALTER TABLE web.a ADD COLUMN "S" VARCHAR; CREATE VIEW web.b AS SELECT 1 AS x; CREATE SCHEMA ios; CREATE VIEW ios.tracks AS SELECT 1 AS x;
		CREATE VIEW ios.discards AS SELECT 1 AS x`)
	w := openTest(t, func(o *Options) { o.Dir = dir })
	mustResume(t, w)
	ios := track(5, "C", `{"n":5}`)
	ios.Source = "ios"
	entries := []eventlog.Entry{track(2, "A", `{"n":2,"s":"x"}`), track(3, "B", `{"n":3}`), track(4, "A", `{"n":4.5}`), ios}
	p := mustApply(t, w, warehouse.Batch{Entries: entries, Through: at(5), Flush: true})
	if p.Committed != at(5) || p.Notices < 4 {
		t.Errorf("progress: %+v", p)
	}
	mustApply(t, w, warehouse.Batch{Entries: []eventlog.Entry{track(6, "A", `{"n":6,"s":"y"}`)}, Through: at(6), Flush: true})
	for sql, want := range map[string]string{
		"SELECT id FROM web.tracks ORDER BY id":                                                                  "m1 m2 m3 m4 m6",
		"SELECT id || '=' || coalesce(n::VARCHAR, 'null') FROM web.a ORDER BY id":                                "m1=1 m2=2 m4=null m6=6",
		"SELECT id || '.' || column_name || '=' || value FROM web.discards WHERE table_name = 'a' ORDER BY ALL":  "m2.s=x m4.n=4.5 m6.s=y",
		"SELECT id FROM web.discards WHERE table_name = 'b' AND value LIKE '%\"n\":3%' AND reason LIKE '%View%'": "m3",
		"SELECT id FROM ios.c": "m5",
		"SELECT DISTINCT source || '.' || table_name FROM millrace.notices WHERE kind = 'refused' ORDER BY ALL":                                 "ios.discards ios.tracks web.a web.b",
		"SELECT count(*)::VARCHAR FROM millrace.notices WHERE source = 'ios' AND table_name = 'discards' AND message LIKE '1 values and rows%'": "1",
	} {
		if got := strings.Join(mustAsk(t, w, sql), " "); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
	}
}

func TestIsRefusal(t *testing.T) {
	t.Parallel()
	var refusals []string
	for _, text := range []string{
		"IO Error: could not write", "write to web.a: IO Error: no space", "FATAL Error: x", "Out of Memory Error: x",
		"TransactionContext Error: Catalog write-write conflict", "Conversion Error: could not convert 'IO Error: x'",
		"write to web.a: Invalid Input Error: x", "the table has 4 columns, the rows have 5", "Catalog Error: x",
	} {
		if isRefusal(errors.New(text)) {
			refusals = append(refusals, text)
		}
	}
	if len(refusals) != 4 || slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(s, "FATAL") }) {
		t.Errorf("%q", refusals)
	}
}
