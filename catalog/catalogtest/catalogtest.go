// Package catalogtest proves that a catalog keeps what catalog.Catalog promises,
// and opens both engines for tests of what builds on it.
package catalogtest

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Place is where a catalog is, empty at first. Open opens it, as often as a
// test wants, with these migrations; nil means those of the program.
type Place interface {
	Open(migrations fs.FS) (catalog.Catalog, error)
	// OpenLater leaves migrations for later.
	OpenLater(migrations fs.FS) (catalog.Catalog, error)
}

// Schema are migrations with tables for tests.
var Schema = fstest.MapFS{"0001_test.sql": {Data: []byte(`
CREATE TABLE thing (
	id     BIGINT PRIMARY KEY,
	name   TEXT UNIQUE,
	data   {{bytes}}, -- it's any
	number DOUBLE PRECISION,
	parent BIGINT REFERENCES thing (id),
	CHECK (name <> 'refused; as' || CAST(1 AS TEXT))
);
CREATE TABLE counter (name TEXT PRIMARY KEY, n BIGINT NOT NULL); -- the end;
`)}}

// Run proves it, each part in a place of its own.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for name, test := range map[string]func(*testing.T, Place){
		"Durable": testDurable, "Snapshot": testSnapshot, "Errors": testErrors, "Panic": testPanic, "Counters": testCounters,
		"Skew": testSkew, "Violations": testViolations, "Kinds": testKinds, "Values": testValues, "WrongValues": testWrongValues,
		"Scans": testScans, "Statements": testStatements, "Placeholders": testPlaceholders, "Text": testText, "Rows": testRows,
		"Canceled": testCanceled, "Closed": testClosed, "CloseWaits": testCloseWaits, "ManyAtOnce": testManyAtOnce, "Status": testStatus,
		"Migrations": testMigrations, "RefusedSchemas": testRefusedSchemas, "LeaseIsExclusive": testLeaseIsExclusive, "LeaseIsTakenOver": testLeaseIsTakenOver, "LeaseOutlivesTrouble": testLeaseOutlivesTrouble, "LeaseTaken": testLeaseTaken,
		"BrokenMigration": testBrokenMigration, "MigratedLater": testMigratedLater, "MigratedByTwo": testMigratedByTwo,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

func open(t *testing.T, p Place, migrations fs.FS) catalog.Catalog {
	t.Helper()
	c, err := p.Open(migrations)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// exec runs one statement in an Update.
func exec(ctx context.Context, c catalog.Catalog, sql string, args ...any) (rows int64, err error) {
	err = c.Update(ctx, func(tx catalog.Tx) error {
		rows, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return rows, err
}

func mustExec(t *testing.T, c catalog.Catalog, sql string, args ...any) {
	t.Helper()
	if _, err := exec(t.Context(), c, sql, args...); err != nil {
		t.Fatal(err)
	}
}

// one asks for one value in a View.
func one[T any](ctx context.Context, c catalog.Catalog, sql string, args ...any) (v T, err error) {
	err = c.View(ctx, func(tx catalog.Tx) error {
		v, err = catalog.One[T](ctx, tx, sql, args...)
		return err
	})
	return v, err
}

func mustOne[T any](t *testing.T, c catalog.Catalog, sql string, args ...any) T {
	t.Helper()
	v, err := one[T](t.Context(), c, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantKind(t *testing.T, err error, want millrace.Kind) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != want {
		t.Errorf("got %v (%s), want %s", err, millrace.KindOf(err), want)
	}
}
