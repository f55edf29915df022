package duckdb

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

func TestKills(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	k := newKills(4, func() time.Time { return now })
	allowed := func(sql, want string) {
		t.Helper()
		err := k.refuse(sql)
		if want == "" && err != nil || want != "" && (millrace.KindOf(err) != millrace.Limited || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	k.note("SELECT a")
	allowed("SELECT a", "")
	now = now.Add(5 * time.Minute)
	k.note("select  A ;")
	allowed("SELECT a", "wait for 5m0s")
	allowed("SELECT\na;", "2 times")
	allowed("SELECT b", "")
	now = now.Add(5 * time.Minute)
	allowed("SELECT a", "")
	for range 3 {
		k.note("")
		now = now.Add(10 * time.Second)
	}
	allowed("SELECT b", "")
	k.note("SELECT c")
	allowed("SELECT b", "for 30s")
	now = now.Add(30 * time.Second)
	allowed("SELECT b", "")
	now = now.Add(time.Hour)
	allowed("SELECT a", "")
	allowed("SELECT c", "")
	if len(k.culprits) != 0 || len(k.any) != 0 {
		t.Errorf("remembers %d texts and %d kills", len(k.culprits), len(k.any))
	}
}

// A query that ends the child is refused after the second time, and then
// loading goes on.
func TestQueryThatKillsAgain(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 100, func(o *Options) {
		o.MemoryLimitBytes, o.ResidentLimitBytes, o.grace = 128<<20, 500<<20, 200*time.Millisecond
	})
	var kinds []string
	for range 4 {
		_, _, err := ask(w, warehouse.Query{SQL: "SELECT len(range(CASE WHEN true THEN 3000000000 END))", Timeout: 5 * time.Second})
		kinds = append(kinds, millrace.KindOf(err).String())
		stillWorks(t, w, 100)
	}
	if got := strings.Join(kinds, " "); got != "too_large too_large limited limited" {
		t.Errorf("answers: %s", got)
	}
	if n := w.supervisor.restarts.Load(); n != 2 {
		t.Errorf("the engine was restarted %d times", n)
	}
}
