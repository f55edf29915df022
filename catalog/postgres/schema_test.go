package postgres_test

import (
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
)

// testSchema shows that this program's migrations use the four types, and order
// text by its bytes.
func testSchema(t *testing.T, url string) {
	t.Parallel()
	c, err := postgres.Open(t.Context(), postgres.Options{URL: url, Schema: "types"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.View(t.Context(), func(tx catalog.Tx) error {
		wrong, err := catalog.All[string](t.Context(), tx, `SELECT c.relname || '.' || a.attname || ' is ' || format_type(a.atttypid, NULL) || ' ' || coalesce(l.collname, '')
			FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace s ON s.oid = c.relnamespace LEFT JOIN pg_collation l ON l.oid = a.attcollation
			WHERE s.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
				AND (format_type(a.atttypid, NULL) NOT IN ('bigint', 'double precision', 'text', 'bytea') OR format_type(a.atttypid, NULL) = 'text' AND l.collname <> 'C')
			ORDER BY 1`, "types")
		for _, column := range wrong {
			t.Errorf("%s: columns are BIGINT, DOUBLE PRECISION, TEXT (by bytes) or {{bytes}}", column)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// testChangedTable has another process change a table whose plans are kept.
func testChangedTable(t *testing.T, url string) {
	t.Parallel()
	c := openOn(t, postgres.Options{URL: url, Schema: "changed"})
	if err := insert(t.Context(), c, 1); err != nil {
		t.Fatal(err)
	}
	read := func() (got any) {
		err := c.View(t.Context(), func(tx catalog.Tx) (err error) {
			got, err = catalog.One[any](t.Context(), tx, "SELECT id FROM thing WHERE id = $1", 1)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	before := read()
	exec(t, url, "ALTER TABLE changed.thing DROP CONSTRAINT thing_parent_fkey", "ALTER TABLE changed.thing ALTER COLUMN id TYPE DOUBLE PRECISION")
	if after := read(); before != int64(1) || after != 1.0 {
		t.Errorf("%v and then %v", before, after)
	}
}
