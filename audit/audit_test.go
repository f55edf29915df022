package audit_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

// each runs a test on each engine.
func each(t *testing.T, test func(t *testing.T, c catalog.Catalog)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, openSQLite(t, filepath.Join(t.TempDir(), "catalog.db")))
	})
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

func TestAppend(t *testing.T) {
	each(t, func(t *testing.T, c catalog.Catalog) {
		l := newLog(t, c)
		write(t, l, some(10)...)
		all, err := l.After(t.Context(), 0, 100)
		if err != nil || len(all) != 10 {
			t.Fatalf("%d entries, %v", len(all), err)
		}
		for i, k := range all {
			if k.Seq != int64(i+1) || k.Object.ID != fmt.Sprintf("t_%d", i+1) || k.Actor != ann || !k.Time.Equal(monday.Add(time.Duration(i+1)*time.Second).Truncate(time.Microsecond)) {
				t.Errorf("%+v", k)
			}
		}
		if last := all[9]; last.Workspace != "w_a" || last.WorkspaceSeq != 4 || fmt.Sprintf("%s", last.After) != `{"color":"blue","n":11}` {
			t.Errorf("%+v: %s", last, last.After)
		}
		if got, err := l.After(t.Context(), 7, 2); err != nil || len(got) != 2 || got[0].Seq != 8 {
			t.Errorf("%+v, %v", got, err)
		}
		r := verify(t, l, audit.VerifyOptions{})
		if !r.OK() || r.Entries != 10 || r.Head.Number != 10 {
			t.Errorf("%+v", r)
		}
		head, err := l.Head(t.Context(), "w_b")
		if err != nil || head.Number != 3 {
			t.Errorf("%v, %v", head, err)
		}
		r = verify(t, l, audit.VerifyOptions{Workspace: "w_b", Heads: []audit.Head{head}})
		if !r.OK() || r.Entries != 3 || r.Head != head {
			t.Errorf("%+v", r)
		}
	})
}

func TestNothingWithoutItsChange(t *testing.T) {
	each(t, func(t *testing.T, c catalog.Catalog) {
		l := newLog(t, c)
		write(t, l, some(2)...)
		failed := fmt.Errorf("the change failed")
		err := c.Update(t.Context(), func(tx catalog.Tx) error {
			if err := l.Append(t.Context(), tx, entry(3)); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		write(t, l, entry(4))
		if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Entries != 3 {
			t.Errorf("%+v", r)
		}
	})
}
