package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Resume forgets what is not committed. See warehouse.Warehouse.
func (w *Warehouse) Resume(ctx context.Context, name string) (millrace.Position, error) {
	ws := w.workspace(name)
	ws.shaper = nil
	conn, err := w.own(ctx, ws, true)
	if err != nil {
		return millrace.Position{}, w.noted(failure("connect", err))
	}
	known, err := w.open(ctx, conn, ws)
	if err != nil {
		return millrace.Position{}, w.noted(failure("open the workspace "+name, err))
	}
	shaper, err := warehouse.NewShaper(warehouse.ShaperOptions{
		Settings: ws.settings, Known: known,
		Large: func(n warehouse.TableName, column string) (bool, error) {
			return large(conn, live{ws}.place(n), column)
		},
	})
	if err != nil {
		return millrace.Position{}, err
	}
	ws.shaper, ws.scanned = shaper, known.Scanned
	ws.noteSilent()
	w.noted(nil)
	return shaper.Resume(), nil
}

// largeTimeout bounds the look through a whole table.
const largeTimeout = 10 * time.Minute

// large says whether a column holds whole numbers that a double would round.
func large(c interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, table, column string) (large bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), largeTimeout)
	defer cancel()
	err = c.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s > 9007199254740992 OR %s < -9007199254740992)",
		table, quote(column), quote(column))).Scan(&large)
	return large, err
}

// open makes the system schema if need be and reads what the workspace holds.
func (w *Warehouse) open(ctx context.Context, conn *pgx.Conn, ws *workspace) (warehouse.Known, error) {
	var known warehouse.Known
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		ws.schemas = map[string]bool{}
		// Two servers that open the database at the same moment take turns.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('millrace'), hashtext($1))", ws.name); err != nil {
			return err
		}
		if err := w.makeSchema(ctx, tx, ws, warehouse.SystemSchema); err != nil {
			return err
		}
		system := quote(physical(ws.name, warehouse.SystemSchema))
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			CREATE TABLE IF NOT EXISTS %[1]s.checkpoints (name text CONSTRAINT "checkpoints (name)" PRIMARY KEY, _epoch bigint NOT NULL, _seq bigint NOT NULL, _index integer NOT NULL);
			CREATE TABLE IF NOT EXISTS %[1]s.pending ("schema" text, "table" text, _epoch bigint NOT NULL, _seq bigint NOT NULL, _index integer NOT NULL, CONSTRAINT "pending (table)" PRIMARY KEY ("schema", "table"));
			INSERT INTO %[1]s.checkpoints VALUES ('scanned', 0, 0, 0) ON CONFLICT DO NOTHING;`, system))
		if err != nil {
			return err
		}
		if err := w.renameIndexes(ctx, tx, mark(ws.name, "")); err != nil {
			return err
		}
		if err := makeSystemTables(ctx, tx, ws); err != nil {
			return err
		}
		known, err = readKnown(ctx, tx, ws)
		return err
	})
	if err != nil {
		return known, err
	}
	for _, t := range known.Tables {
		ws.schemas[t.Schema] = true
	}
	return known, w.makeLogin(ctx, conn, ws)
}

// makeSystemTables makes the tables of the system's schema, and columns that
// those of an older version lack.
func makeSystemTables(ctx context.Context, tx pgx.Tx, ws *workspace) error {
	tables, err := readTables(ctx, tx, ws)
	if err != nil {
		return err
	}
	var sql strings.Builder
	for _, t := range warehouse.MissingSystemTables(tables) {
		name := table(physical(ws.name, t.Schema), t.Table)
		if t.Create {
			createTable(&sql, name, t.Table, t.Columns, "")
			continue
		}
		for _, c := range t.Columns {
			fmt.Fprintf(&sql, "ALTER TABLE %s ADD COLUMN %s %s;", name, quote(c.Name), sqlTypes[c.Type])
		}
	}
	if sql.Len() == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, sql.String())
	return err
}

// makeSchema makes a schema that is not there, and refuses one that is not Millrace's.
func (w *Warehouse) makeSchema(ctx context.Context, tx pgx.Tx, ws *workspace, schema string) error {
	if ws.schemas[schema] {
		return nil
	}
	name := physical(ws.name, schema)
	var comment *string
	err := tx.QueryRow(ctx, "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1", name).Scan(&comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		_, err = tx.Exec(ctx, fmt.Sprintf("CREATE SCHEMA %s; COMMENT ON SCHEMA %s IS %s; REVOKE ALL ON SCHEMA %s FROM PUBLIC",
			quote(name), quote(name), literal(mark(ws.name, schema)), quote(name)))
		if err != nil {
			return err
		}
		if role := w.roleOf(ws.name); role != "" {
			_, err = tx.Exec(ctx, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", quote(name), quote(role)))
		}
	case err == nil && (comment == nil || *comment != mark(ws.name, schema)):
		return millrace.Errorf(millrace.Conflict, "the schema %s in the warehouse's database was not made by Millrace: rename the source %s, rename that schema, or give Millrace a database of its own", name, schema)
	}
	if err == nil {
		ws.schemas[schema] = true
	}
	return err
}

func readKnown(ctx context.Context, tx pgx.Tx, ws *workspace) (warehouse.Known, error) {
	known := warehouse.Known{Pending: map[warehouse.TableName]millrace.Position{}}
	var err error
	if known.Tables, err = readTables(ctx, tx, ws); err != nil {
		return known, err
	}
	system := physical(ws.name, warehouse.SystemSchema)
	for _, t := range known.Tables {
		if t.Schema != warehouse.SystemSchema {
			continue
		}
		switch t.Table {
		case "names":
			known.Names, err = query(ctx, tx, func(row pgx.Rows) (n warehouse.Name, err error) {
				return n, row.Scan(&n.Source, &n.Kind, &n.Original, &n.Name)
			}, "SELECT coalesce(source, ''), coalesce(kind, ''), coalesce(original, ''), coalesce(name, '') FROM "+table(system, "names"))
		case "notices":
			known.Notices, err = query(ctx, tx, func(row pgx.Rows) (id string, err error) {
				return id, row.Scan(&id)
			}, "SELECT coalesce(id, '') FROM "+table(system, "notices"))
		}
		if err != nil {
			return known, err
		}
	}
	// The row is locked: a transaction whose end is not known, because its
	// connection was lost, has ended when this returns.
	err = tx.QueryRow(ctx, "SELECT _epoch, _seq, _index FROM "+table(system, "checkpoints")+" WHERE name = 'scanned' FOR UPDATE").
		Scan(&known.Scanned.Epoch, &known.Scanned.Seq, &known.Scanned.Index)
	if err != nil {
		return known, err
	}
	_, err = query(ctx, tx, func(row pgx.Rows) (p millrace.Position, err error) {
		var n warehouse.TableName
		err = row.Scan(&n.Schema, &n.Table, &p.Epoch, &p.Seq, &p.Index)
		known.Pending[n] = p
		return p, err
	}, `SELECT "schema", "table", _epoch, _seq, _index FROM `+table(system, "pending"))
	return known, err
}

// readTables lists the tables of the workspace with their columns.
func readTables(ctx context.Context, tx pgx.Tx, ws *workspace) ([]warehouse.KnownTable, error) {
	type column struct{ comment, table, column, typ string }
	columns, err := query(ctx, tx, func(row pgx.Rows) (c column, err error) {
		return c, row.Scan(&c.comment, &c.table, &c.column, &c.typ)
	}, `SELECT obj_description(n.oid, 'pg_namespace'), c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
		FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
		  AND starts_with(obj_description(n.oid, 'pg_namespace'), $1)
		ORDER BY n.nspname, c.relname, a.attnum`, mark(ws.name, ""))
	if err != nil {
		return nil, err
	}
	var tables []warehouse.KnownTable
	for _, c := range columns {
		schema, ok := unmark(ws.name, c.comment)
		if !ok || schema == warehouse.SystemSchema && (c.table == "checkpoints" || c.table == "pending") {
			continue
		}
		name := warehouse.TableName{Schema: schema, Table: c.table}
		if n := len(tables); n == 0 || tables[n-1].TableName != name {
			tables = append(tables, warehouse.KnownTable{TableName: name})
		}
		t := &tables[len(tables)-1]
		t.Columns = append(t.Columns, warehouse.Column{Name: c.column, Type: typeOf(c.typ)})
	}
	return tables, nil
}

// A querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// query collects the rows of a query.
func query[T any](ctx context.Context, tx querier, scan func(pgx.Rows) (T, error), sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(rows) })
}
