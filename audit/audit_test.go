package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
)

var (
	ann    = audit.Actor{Kind: audit.Person, ID: "p_ann", Name: "Ann"}
	monday = time.Date(2026, 3, 2, 9, 0, 0, 123456789, time.UTC)
)

// openSQLite opens a catalog in a file.
func openSQLite(t testing.TB, file string) catalog.Catalog {
	t.Helper()
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// newLog returns a log whose clock goes on by a second with each entry.
func newLog(t testing.TB, c catalog.Catalog) *audit.Log {
	t.Helper()
	at := monday
	l, err := audit.New(audit.Options{Catalog: c, Now: func() time.Time { at = at.Add(time.Second); return at }})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t testing.TB, l *audit.Log, all ...audit.Entry) {
	t.Helper()
	for _, e := range all {
		if err := l.Write(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// entry is one of many: every third concerns no workspace.
func entry(i int) audit.Entry {
	e := audit.Entry{Actor: ann, Action: "thing.change", Object: audit.Object{Kind: "thing", ID: fmt.Sprintf("t_%d", i)},
		Workspace: []string{"", "w_a", "w_b"}[i%3], Before: map[string]any{"n": i}, After: map[string]any{"n": i + 1, "color": "blue"}}
	if e.Workspace != "" {
		e.Environment = "production"
	}
	return e
}

func some(n int) []audit.Entry {
	all := make([]audit.Entry, n)
	for i := range all {
		all[i] = entry(i + 1)
	}
	return all
}

func verify(t testing.TB, l *audit.Log, o audit.VerifyOptions) *audit.Report {
	t.Helper()
	r, err := l.Verify(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
