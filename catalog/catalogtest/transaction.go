package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func testDurable(t *testing.T, p Place) {
	for i := range 3 {
		c := open(t, p, Schema)
		if got := mustOne[int](t, c, "SELECT count(*) FROM thing"); got != i {
			t.Fatalf("%d rows, want %d", got, i)
		}
		mustExec(t, c, "INSERT INTO thing (id, name) VALUES ($1, $2)", i, fmt.Sprint(i))
		if i == 1 {
			continue // a second one beside the first, which is not closed
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// testSnapshot reads the same while others write.
func testSnapshot(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	mustExec(t, c, "INSERT INTO counter (name, n) VALUES ('a', 1), ('b', 1)")
	count := func(tx catalog.Tx) int {
		n, err := catalog.One[int](ctx, tx, "SELECT CAST(sum(n) AS BIGINT) FROM counter")
		if err != nil {
			t.Error(err)
		}
		return n
	}
	err := c.View(ctx, func(tx catalog.Tx) error {
		before := count(tx)
		mustExec(t, c, "UPDATE counter SET n = 5")
		mustExec(t, c, "INSERT INTO counter (name, n) VALUES ('c', 1)")
		if after := count(tx); before != 2 || after != 2 {
			t.Errorf("a View saw %d and then %d", before, after)
		}
		return nil
	})
	if got := mustOne[int](t, c, "SELECT CAST(sum(n) AS BIGINT) FROM counter"); err != nil || got != 11 {
		t.Error(got, err)
	}
	// What an Update has not committed is seen by itself alone.
	err = c.Update(ctx, func(tx catalog.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE counter SET n = 100"); err != nil {
			return err
		}
		if own := count(tx); own != 300 {
			t.Errorf("an Update sees %d of its own", own)
		}
		if got := mustOne[int](t, c, "SELECT CAST(sum(n) AS BIGINT) FROM counter"); got != 11 {
			t.Errorf("a View beside it saw %d", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func testErrors(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	mine := errors.New("mine")
	insert := func(tx catalog.Tx, id int) error {
		_, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES ($1)", id)
		return err
	}
	err := c.Update(ctx, func(tx catalog.Tx) error { return errors.Join(insert(tx, 1), fmt.Errorf("wrapped: %w", mine)) })
	if !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	if err := c.View(ctx, func(catalog.Tx) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("got %v", err)
	}
	mustExec(t, c, "INSERT INTO thing (id) VALUES (7)")
	// An error of a statement that f hides ends the transaction all the same.
	err = c.Update(ctx, func(tx catalog.Tx) error {
		if err := insert(tx, 2); err != nil {
			return err
		}
		wantKind(t, insert(tx, 7), millrace.Conflict)
		wantKind(t, insert(tx, 3), millrace.Conflict)
		_, err := catalog.One[int](ctx, tx, "SELECT 1")
		wantKind(t, err, millrace.Conflict)
		return nil
	})
	wantKind(t, err, millrace.Conflict)
	// No row is no error of a statement.
	err = c.Update(ctx, func(tx catalog.Tx) error {
		_, err := catalog.One[int](ctx, tx, "SELECT id FROM thing WHERE id = $1", 99)
		wantKind(t, err, millrace.NotFound)
		if _, found, err := catalog.Find[int](ctx, tx, "SELECT id FROM thing WHERE id = $1", 99); found || err != nil {
			t.Error(found, err)
		}
		return insert(tx, 8)
	})
	if got := mustOne[string](t, c, "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(CAST(sum(id) AS BIGINT) AS TEXT) FROM thing"); err != nil || got != "2 15" {
		t.Error(got, err)
	}
}

func testPanic(t *testing.T, p Place) {
	c := open(t, p, Schema)
	for name, run := range map[string]func(context.Context, func(catalog.Tx) error) error{"Update": c.Update, "View": c.View} {
		func() {
			defer func() {
				if got := recover(); got != "mine" {
					t.Errorf("%s: the panic is %v", name, got)
				}
			}()
			_ = run(t.Context(), func(tx catalog.Tx) error {
				if name == "Update" {
					if _, err := tx.Exec(t.Context(), "INSERT INTO thing (id) VALUES (1)"); err != nil {
						t.Error(err)
					}
				}
				if _, err := tx.Query(t.Context(), "SELECT 1"); err != nil {
					t.Error(err)
				}
				panic("mine")
			})
		}()
	}
	for range 10 { // no connection is lost, nothing is locked
		mustExec(t, c, "INSERT INTO counter (name, n) SELECT 'x' || CAST(count(*) AS TEXT), 1 FROM counter")
	}
	if got := mustOne[int](t, c, "SELECT count(*) FROM thing"); got != 0 {
		t.Errorf("%d rows of what panicked", got)
	}
}

// testCounters counts with many at once, through two openings of one place.
func testCounters(t *testing.T, p Place) {
	catalogs := []catalog.Catalog{open(t, p, Schema), open(t, p, Schema)}
	mustExec(t, catalogs[0], "INSERT INTO counter (name, n) VALUES ('c', 0)")
	ctx := t.Context()
	const workers, each = 6, 12
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for range each {
				err := catalogs[w%2].Update(ctx, func(tx catalog.Tx) error {
					n, err := catalog.One[int](ctx, tx, "SELECT n FROM counter WHERE name = $1", "c")
					if err != nil {
						return fmt.Errorf("reading: %w", err)
					}
					_, err = tx.Exec(ctx, "UPDATE counter SET n = $1 WHERE name = $2", n+1, "c")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := mustOne[int](t, catalogs[1], "SELECT n FROM counter"); got != workers*each {
		t.Errorf("counted to %d, want %d", got, workers*each)
	}
}

// testSkew has each of two transactions read what the other writes: in some
// order, one sees the other. At most one may go off duty.
func testSkew(t *testing.T, p Place) {
	catalogs := []catalog.Catalog{open(t, p, Schema), open(t, p, Schema)}
	ctx := t.Context()
	for round := range 5 {
		mustExec(t, catalogs[0], "DELETE FROM counter")
		mustExec(t, catalogs[0], "INSERT INTO counter (name, n) VALUES ('0', 1), ('1', 1)")
		var both sync.WaitGroup
		for i, c := range catalogs {
			both.Go(func() {
				err := c.Update(ctx, func(tx catalog.Tx) error {
					on, err := catalog.One[int](ctx, tx, "SELECT CAST(sum(n) AS BIGINT) FROM counter")
					if err != nil || on < 2 {
						return err
					}
					time.Sleep(10 * time.Millisecond)
					_, err = tx.Exec(ctx, "UPDATE counter SET n = 0 WHERE name = $1", fmt.Sprint(i))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if got := mustOne[int](t, catalogs[0], "SELECT CAST(sum(n) AS BIGINT) FROM counter"); got != 1 {
			t.Fatalf("round %d: %d are on duty", round, got)
		}
	}
}

func testCanceled(t *testing.T, p Place) {
	c := open(t, p, Schema)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	called := func(catalog.Tx) error { t.Error("f was called"); return nil }
	wantKind(t, c.View(gone, called), millrace.Canceled)
	wantKind(t, c.Update(gone, called), millrace.Canceled)
	// In the middle: what was done is undone, also when f says that all is well.
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Update(ctx, func(tx catalog.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES (1)"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	wantKind(t, err, millrace.Canceled)
	// A statement that runs for long is stopped.
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err = one[int](short, c, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) SELECT count(*) FROM n")
	wantKind(t, err, millrace.Canceled)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("stopped after %v", took)
	}
	if got := mustOne[int](t, c, "SELECT count(*) FROM thing"); got != 0 {
		t.Errorf("%d rows of what was canceled", got)
	}
	mustExec(t, c, "INSERT INTO thing (id) VALUES (1)")
}

func testClosed(t *testing.T, p Place) {
	c := open(t, p, Schema)
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	called := func(catalog.Tx) error { t.Error("f was called"); return nil }
	for name, err := range map[string]error{
		"View": c.View(t.Context(), called), "Update": c.Update(t.Context(), called),
	} {
		if wantKind(t, err, millrace.Unavailable); err != nil && !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := c.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "closed") {
		t.Errorf("%+v, %v", s, err)
	}
}

func testCloseWaits(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	var ran atomic.Bool
	inside, result := make(chan bool), make(chan error, 1)
	go func() {
		result <- c.Update(ctx, func(tx catalog.Tx) error {
			close(inside)
			time.Sleep(100 * time.Millisecond)
			_, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES (1)")
			ran.Store(true)
			return err
		})
	}()
	<-inside
	if err := c.Close(); err != nil || !ran.Load() {
		t.Error("Close did not wait", err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	if got := mustOne[int](t, open(t, p, Schema), "SELECT count(*) FROM thing"); got != 1 {
		t.Errorf("%d rows", got)
	}
}

// testManyAtOnce asks for more transactions than there are connections.
func testManyAtOnce(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			if i%6 == 0 {
				if _, err := exec(ctx, c, "INSERT INTO thing (id) VALUES ($1)", i); err != nil {
					t.Error(err)
				}
				return
			}
			err := c.View(ctx, func(tx catalog.Tx) error {
				_, err := catalog.All[int](ctx, tx, "SELECT id FROM thing ORDER BY id")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := mustOne[int](t, c, "SELECT count(*) FROM thing"); got != 10 {
		t.Errorf("%d rows", got)
	}
}

func testStatus(t *testing.T, p Place) {
	c := open(t, p, Schema)
	s, err := c.Status(t.Context())
	if err != nil || s.Engine == "" || s.Version == "" || s.SizeBytes <= 0 || s.Schema != 1 || s.Acknowledged == "" || s.Problem != "" {
		t.Errorf("%+v, %v", s, err)
	}
}
