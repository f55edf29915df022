package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// View runs f on a snapshot. See catalog.Catalog.
func (c *Catalog) View(ctx context.Context, f func(catalog.Tx) error) error {
	on, err := c.take(ctx, c.readers)
	if err != nil {
		return err
	}
	defer func() { c.readers <- on }()
	if err := on.run(context.Background(), "BEGIN"); err != nil {
		return c.explain("begin to read", err)
	}
	defer on.rollback()
	return c.sessions.New(on, catalog.Reading).Do(f)
}

// Update runs f in a transaction. See catalog.Catalog.
func (c *Catalog) Update(ctx context.Context, f func(catalog.Tx) error) error {
	return c.write(ctx, catalog.Patience, catalog.Writing, f)
}

// changePatience is how long a migration waits for another process.
const changePatience = 2 * time.Minute

func (c *Catalog) write(ctx context.Context, patience time.Duration, m catalog.Mode, f func(catalog.Tx) error) error {
	on, err := c.take(ctx, c.writer)
	if err != nil {
		return err
	}
	defer func() { c.writer <- on }()
	if err := on.begin(ctx, patience); err != nil {
		return err
	}
	defer on.rollback() // does nothing after the commit
	if err := c.sessions.New(on, m).Do(f); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return c.explain("commit", err)
	}
	return c.note(c.explain("commit", on.run(context.Background(), "COMMIT")))
}

// take waits for a connection.
func (c *Catalog) take(ctx context.Context, from chan *conn) (*conn, error) {
	if err := c.stopped(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, c.explain("begin", err)
	}
	select {
	case on := <-from:
		return on, nil
	default:
	}
	patience := time.NewTimer(catalog.Patience)
	defer patience.Stop()
	select {
	case on := <-from:
		return on, nil
	case <-ctx.Done():
		return nil, c.explain("wait for others", ctx.Err())
	case <-c.closed:
		return nil, c.stopped()
	case <-patience.C:
		return nil, millrace.Errorf(millrace.Unavailable, "the catalog is busy: other transactions have run for %v (a transaction within an Update waits for itself)", catalog.Patience)
	}
}

// A conn is a connection, used by one goroutine at a time.
type conn struct {
	db *sqlite3.SQLiteConn
	c  *Catalog
}

// begin waits until no other process writes.
func (n *conn) begin(ctx context.Context, patience time.Duration) error {
	for begun := time.Now(); ; {
		err := n.run(context.Background(), "BEGIN IMMEDIATE")
		switch {
		case err == nil:
			return nil
		case !isBusy(err):
			return n.c.explain("begin", err)
		case time.Since(begun) > patience:
			return millrace.Errorf(millrace.Unavailable, "the catalog %s is busy: another process has written to it for %v", n.c.o.File, patience)
		}
		if err := wait(ctx, time.Duration(rand.IntN(10))*time.Millisecond); err != nil {
			return n.c.explain("wait for another process", err)
		}
	}
}

// rollback ends a transaction that is open.
func (n *conn) rollback() {
	if n.db.AutoCommit() {
		return
	}
	if err := n.run(context.Background(), "ROLLBACK"); err != nil && !n.db.AutoCommit() {
		n.c.o.Logger.Error("rolling back in the catalog", "error", err)
	}
}

// run runs a statement without values.
func (n *conn) run(ctx context.Context, sql string) error {
	_, err := n.db.ExecContext(ctx, sql, nil)
	return err
}

func (n *conn) number(ctx context.Context, sql string) (v int64, err error) {
	return v, n.value(ctx, sql, func(got any) (ok bool) { v, ok = got.(int64); return ok })
}

func (n *conn) text(ctx context.Context, sql string) (v string, err error) {
	return v, n.value(ctx, sql, func(got any) (ok bool) { v, ok = got.(string); return ok })
}

// value asks for one value outside of a transaction.
func (n *conn) value(ctx context.Context, sql string, take func(any) bool) error {
	rows, err := n.Query(ctx, &catalog.Statement{Text: sql, Ordinal: sql}, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	row, err := rows.Next()
	if err == nil && (row == nil || !take(row[0])) {
		err = millrace.Errorf(millrace.Internal, "SQLite answers %s with %v", sql, row)
	}
	return err
}

// Exec runs a statement. See catalog.Engine.
func (n *conn) Exec(ctx context.Context, s *catalog.Statement, args []any) (int64, error) {
	result, err := n.db.ExecContext(ctx, s.Ordinal, named(args))
	if err != nil {
		return 0, n.c.explain("run "+s.Verb, err)
	}
	return result.RowsAffected()
}

// Query runs a statement that returns rows. See catalog.Engine.
func (n *conn) Query(ctx context.Context, s *catalog.Statement, args []any) (catalog.Cursor, error) {
	rows, err := n.db.QueryContext(ctx, s.Ordinal, named(args))
	if err != nil {
		return nil, n.c.explain("run "+s.Verb, err)
	}
	width := len(rows.Columns())
	return &cursor{rows: rows, conn: n, raw: make([]driver.Value, width), row: make([]any, width)}, nil
}

func named(args []any) []driver.NamedValue {
	if len(args) == 0 {
		return nil
	}
	out := make([]driver.NamedValue, len(args))
	for i, v := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out
}

type cursor struct {
	rows driver.Rows
	conn *conn
	raw  []driver.Value
	row  []any
}

func (r *cursor) Next() ([]any, error) {
	switch err := r.rows.Next(r.raw); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, r.conn.c.explain("read rows", err)
	}
	for i, v := range r.raw {
		r.row[i] = v
	}
	return r.row, nil
}

func (r *cursor) Close() error { return r.conn.c.explain("end a query", r.rows.Close()) }

// store is what the catalog's own parts use.
type store struct{ *Catalog }

var _ catalog.Store = store{}

// Change runs f in a transaction that may change tables. See catalog.Store.
func (s store) Change(ctx context.Context, f func(catalog.Tx) error) error {
	return s.write(ctx, changePatience, catalog.Changing, f)
}

// Dialect says how SQLite writes types. STRICT makes it check them.
func (s store) Dialect() catalog.Dialect {
	return catalog.Dialect{Name: "sqlite", Bytes: "BLOB", Table: " STRICT", Types: map[string]string{"BIGINT": "INTEGER", "DOUBLE": "REAL", "PRECISION": ""}}
}

var columnTypes = map[string]string{"INTEGER": catalog.TypeInteger, "REAL": catalog.TypeFloat, "TEXT": catalog.TypeText, "BLOB": catalog.TypeBytes}

// Tables returns the tables. See catalog.Store.
func (s store) Tables(ctx context.Context, tx catalog.Tx) ([]catalog.Table, error) {
	names, err := catalog.All[string](ctx, tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite=_%' ESCAPE '=' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	tables := make([]catalog.Table, len(names))
	for i, name := range names {
		columns, err := catalog.All[struct {
			Name, Type string
			Key        int
		}](ctx, tx, "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid", name)
		if err != nil {
			return nil, err
		}
		t := catalog.Table{Name: name, Key: make([]string, 0, len(columns))}
		for n := 1; n <= len(columns); n++ {
			for _, column := range columns {
				if column.Key == n {
					t.Key = append(t.Key, column.Name)
				}
			}
		}
		for _, column := range columns {
			kind, known := columnTypes[column.Type]
			if !known { // a table of someone else
				kind = column.Type
			}
			t.Columns = append(t.Columns, catalog.Column{Name: column.Name, Type: kind})
		}
		tables[i] = t
	}
	return tables, nil
}

// Clear drops all tables. See catalog.Store.
func (s store) Clear(ctx context.Context, tx catalog.Tx, allowed func([]catalog.Table) error) error {
	tables, err := s.Tables(ctx, tx)
	if err != nil {
		return err
	}
	if err := allowed(tables); err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := tx.Exec(ctx, `DROP TABLE "`+strings.ReplaceAll(t.Name, `"`, `""`)+`"`); err != nil {
			return err
		}
	}
	return nil
}

// Load lets rows come in any order. See catalog.Store.
func (s store) Load(ctx context.Context, tx catalog.Tx, f func() error) error {
	if _, err := tx.Exec(ctx, "PRAGMA defer_foreign_keys = ON"); err != nil {
		return err
	}
	return f()
}
