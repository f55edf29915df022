package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/catalog"
)

// changePatience is how long a migration waits for another process, and may
// itself wait for what it reads.
const changePatience = 2 * time.Minute

// store is what the catalog's own parts use.
type store struct{ *Catalog }

var _ catalog.Store = store{}

// Change runs f in a transaction that may change tables. See catalog.Store.
// It sees what is committed when each statement begins, so that it sees what
// others did while it waited for its turn.
func (s store) Change(ctx context.Context, f func(catalog.Tx) error) error {
	_, err := s.once(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, catalog.Changing, f)
	return s.note(err)
}

// alone waits until no one else migrates this schema, and makes it.
func (c *Catalog) alone(ctx context.Context, tx pgx.Tx) error {
	for _, sql := range []string{
		"SET LOCAL lock_timeout = " + milliseconds(changePatience),
		"SET LOCAL idle_in_transaction_session_timeout = " + milliseconds(changePatience),
	} {
		if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeExec); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('millrace catalog'), hashtext($1))", pgx.QueryExecModeExec, c.o.Schema); err != nil {
		return err
	}
	var there bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", pgx.QueryExecModeExec, c.o.Schema).Scan(&there)
	if err == nil && !there {
		_, err = tx.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{c.o.Schema}.Sanitize(), pgx.QueryExecModeExec)
	}
	return err
}

// Dialect says how Postgres writes types. Text is ordered byte by byte, as
// SQLite does it, whatever the database's locale is.
func (s store) Dialect() catalog.Dialect {
	return catalog.Dialect{Name: "postgres", Bytes: "BYTEA", Types: map[string]string{"TEXT": `TEXT COLLATE "C"`}}
}

var columnTypes = map[string]string{"bigint": catalog.TypeInteger, "double precision": catalog.TypeFloat, "text": catalog.TypeText, "bytea": catalog.TypeBytes}

// Tables returns the tables. See catalog.Store.
func (s store) Tables(ctx context.Context, tx catalog.Tx) ([]catalog.Table, error) {
	columns, err := catalog.All[struct {
		Table, Name, Type string
		Key               int
	}](ctx, tx, `SELECT c.relname, a.attname, format_type(a.atttypid, NULL),
			coalesce((SELECT k.n FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k (attribute, n) WHERE i.indrelid = c.oid AND i.indisprimary AND k.attribute = a.attnum), 0)
		FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE s.nspname = $1 AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum`, s.o.Schema)
	if err != nil {
		return nil, err
	}
	var tables []catalog.Table
	for _, column := range columns {
		if n := len(tables); n == 0 || tables[n-1].Name != column.Table {
			tables = append(tables, catalog.Table{Name: column.Table})
		}
		t := &tables[len(tables)-1]
		kind, known := columnTypes[column.Type]
		if !known {
			kind = column.Type
		}
		t.Columns = append(t.Columns, catalog.Column{Name: column.Name, Type: kind})
		if column.Key > 0 {
			t.Key = append(t.Key, make([]string, max(0, column.Key-len(t.Key)))...)
			t.Key[column.Key-1] = column.Name
		}
	}
	return tables, nil
}

// Clear drops all tables and what triggers call. See catalog.Store.
func (s store) Clear(ctx context.Context, tx catalog.Tx, allowed func([]catalog.Table) error) error {
	tables, err := s.Tables(ctx, tx)
	if err != nil {
		return err
	}
	all := make([]string, len(tables))
	for i, t := range tables {
		all[i] = pgx.Identifier{t.Name}.Sanitize()
	}
	list := strings.Join(all, ", ")
	if _, err := tx.Exec(ctx, "LOCK TABLE "+list); err != nil {
		return err
	}
	if err := allowed(tables); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DROP TABLE "+list+" CASCADE"); err != nil {
		return err
	}
	functions, err := catalog.All[string](ctx, tx, `SELECT CAST(CAST(p.oid AS regprocedure) AS TEXT)
		FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace WHERE s.nspname = $1`, s.o.Schema)
	if err != nil {
		return err
	}
	for _, f := range functions {
		if _, err := tx.Exec(ctx, "DROP ROUTINE "+f); err != nil {
			return err
		}
	}
	return nil
}

// Load lets rows come in any order. See catalog.Store.
func (s store) Load(ctx context.Context, tx catalog.Tx, f func() error) error {
	references, err := catalog.All[struct{ Table, Name string }](ctx, tx, `SELECT c.relname, k.conname
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = $1 AND k.contype = 'f'`, s.o.Schema)
	if err != nil {
		return err
	}
	alter := func(how string) error {
		for _, r := range references {
			if _, err := tx.Exec(ctx, "ALTER TABLE "+pgx.Identifier{r.Table}.Sanitize()+" ALTER CONSTRAINT "+pgx.Identifier{r.Name}.Sanitize()+" "+how); err != nil {
				return err
			}
		}
		return nil
	}
	if err := alter("DEFERRABLE INITIALLY DEFERRED"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil { // checks them
		return err
	}
	return alter("NOT DEFERRABLE")
}
