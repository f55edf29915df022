package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A target is where steps are written to: the live tables, or a rebuild's.
type target interface {
	// place returns the server's name of a table.
	place(warehouse.TableName) string
	// prepare makes the schema of a table that is created.
	prepare(context.Context, *Warehouse, pgx.Tx, warehouse.TableName) error
	// begin returns what undoes, after a transaction is rolled back, what
	// prepare noted.
	begin() (undo func())
	// finish writes what belongs to the step beside its rows.
	finish(context.Context, *Warehouse, pgx.Tx, *warehouse.Step) error
}

// live is the target of the loader.
type live struct{ ws *workspace }

func (l live) place(n warehouse.TableName) string {
	return table(physical(l.ws.name, n.Schema), n.Table)
}

func (l live) prepare(ctx context.Context, w *Warehouse, tx pgx.Tx, n warehouse.TableName) error {
	return w.makeSchema(ctx, tx, l.ws, n.Schema)
}

func (l live) begin() (undo func()) {
	schemas := maps.Clone(l.ws.schemas)
	return func() { l.ws.schemas = maps.Clone(schemas) }
}

// finish grants what was made and moves the checkpoint, if it is where it was
// read: another server that loads the same workspace makes this one start over.
func (l live) finish(ctx context.Context, w *Warehouse, tx pgx.Tx, step *warehouse.Step) error {
	var sql strings.Builder
	for _, b := range step.Buffers {
		if b.Create && !b.Idle() {
			w.grant(&sql, l.ws, b.TableName)
		}
	}
	system := physical(l.ws.name, warehouse.SystemSchema)
	if step.PendingChanged {
		fmt.Fprintf(&sql, "DELETE FROM %s;", table(system, "pending"))
		separator := "INSERT INTO " + table(system, "pending") + " VALUES "
		for n, p := range step.Pending {
			fmt.Fprintf(&sql, "%s(%s, %s, %d, %d, %d)", separator, literal(n.Schema), literal(n.Table), p.Epoch, p.Seq, p.Index)
			separator = ", "
		}
	}
	if sql.Len() > 0 {
		if _, err := tx.Exec(ctx, sql.String()); err != nil {
			return err
		}
	}
	from, to := l.ws.scanned, step.Scanned
	tag, err := tx.Exec(ctx, "UPDATE "+table(system, "checkpoints")+" SET _epoch = $1, _seq = $2, _index = $3 WHERE name = 'scanned' AND _epoch = $4 AND _seq = $5 AND _index = $6",
		int64(to.Epoch), int64(to.Seq), int32(to.Index), int64(from.Epoch), int64(from.Seq), int32(from.Index))
	if err == nil && tag.RowsAffected() != 1 {
		return millrace.Errorf(millrace.Unavailable, "the checkpoint in Postgres is not where it was: if another Millrace loads this database too, stop one of them")
	}
	return err
}

// errKeep ends a transaction in which a column proved to be unfit for widening.
var errKeep = errors.New("the column holds values that double would round")

// commit writes a step in one transaction. Rows that the server refuses are
// found and set aside, and the rest is written.
func (w *Warehouse) commit(ctx context.Context, conn *pgx.Conn, ws *workspace, step *warehouse.Step, to target) error {
	undo := to.begin()
	var keep []*warehouse.Vector // columns that may not be widened
	// Each round keeps a column or sets at least one row aside, or it is the last.
	for {
		var refused *warehouse.Buffer
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			for _, b := range step.Buffers {
				if b.Idle() {
					continue
				}
				refused = b
				var err error
				if keep, err = w.wider(ctx, tx, b, to); err != nil {
					return err
				}
				if len(keep) > 0 {
					return errKeep
				}
				if b.Rows == 0 {
					continue
				}
				if err := w.write(ctx, tx, b, to, 0, b.Rows); err != nil {
					return err
				}
			}
			refused = nil
			return to.finish(ctx, w, tx, step)
		})
		if err == nil {
			return nil
		}
		undo()
		switch {
		case errors.Is(err, errKeep):
			for _, v := range keep {
				step.KeepBigInt(refused, v)
			}
			continue
		case isCode(err, codeLockTimeout):
			w.cancelQueries(ctx, ws)
			return err
		case refused == nil || !isRowRefusal(err):
			return err
		}
		rows, findErr := w.findRefused(ctx, conn, refused, to)
		if findErr != nil {
			return findErr
		}
		if len(rows) == 0 { // all of them pass by themselves: it is not the rows' fault
			return err
		}
		step.Refuse(refused, rows, "Postgres refused the row: "+cause(err))
		undo()
		w.log.Warn("Postgres refused rows: they are in discards", "table", refused.TableName, "rows", len(rows))
	}
}

// cancelQueries ends the queries that keep a table from being changed.
func (w *Warehouse) cancelQueries(ctx context.Context, ws *workspace) {
	if role := w.roleOf(ws.name); role != "" {
		_, err := w.pool.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND xact_start < now() - interval '4 seconds'", role)
		if err != nil {
			w.log.Warn("ending queries that block the loader failed", "error", err)
		}
	}
}

// wider makes the table and the columns that are missing, and widens columns.
// It returns those that hold values which a double would round.
func (w *Warehouse) wider(ctx context.Context, tx pgx.Tx, b *warehouse.Buffer, to target) ([]*warehouse.Vector, error) {
	name := to.place(b.TableName)
	var sql strings.Builder
	if b.Create {
		if err := to.prepare(ctx, w, tx, b.TableName); err != nil {
			return nil, err
		}
		columns := make([]warehouse.Column, len(b.Columns))
		for i, v := range b.Columns {
			columns[i] = v.Column
		}
		createTable(&sql, name, b.Table, columns, b.Key)
		_, err := tx.Exec(ctx, sql.String())
		return nil, err
	}
	var keep []*warehouse.Vector
	for _, v := range b.Columns {
		column := quote(v.Name)
		switch {
		case v.New:
			fmt.Fprintf(&sql, "ALTER TABLE %s ADD COLUMN %s %s;", name, column, sqlTypes[v.Type])
		case v.Widened:
			big := false
			err := tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s > 9007199254740992 OR %s < -9007199254740992)", name, column, column)).Scan(&big)
			if err != nil {
				return nil, err
			}
			if big {
				keep = append(keep, v)
			}
			fmt.Fprintf(&sql, "ALTER TABLE %s ALTER COLUMN %s TYPE double precision;", name, column)
		}
	}
	if sql.Len() == 0 || len(keep) > 0 {
		return keep, nil
	}
	_, err := tx.Exec(ctx, sql.String())
	return nil, err
}

// createTable writes the statements that make a table; place is where.
func createTable(sql *strings.Builder, place, name string, columns []warehouse.Column, key string) {
	fmt.Fprintf(sql, "CREATE TABLE %s (", place)
	received := false
	for i, c := range columns {
		if i > 0 {
			sql.WriteString(", ")
		}
		fmt.Fprintf(sql, "%s %s", quote(c.Name), sqlTypes[c.Type])
		received = received || c.Name == "received_at"
	}
	if key != "" {
		fmt.Fprintf(sql, ", CONSTRAINT %s PRIMARY KEY (%s)", quote(objectName(name, key)), quote(key))
	}
	sql.WriteString(");")
	if received {
		// A few pages for any number of rows, which come in this order.
		fmt.Fprintf(sql, "CREATE INDEX %s ON %s USING brin (received_at);", quote(objectName(name, "received_at")), place)
	}
}

// findRefused finds by bisection the rows that the server refuses, in a
// transaction that is rolled back, and sets them aside.
func (w *Warehouse) findRefused(ctx context.Context, conn *pgx.Conn, b *warehouse.Buffer, to target) ([]int, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := w.wider(ctx, tx, b, to); err != nil {
		return nil, err
	}
	var refused []int
	var search func(from, end int) error
	search = func(from, end int) error {
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return w.write(ctx, tx, b, to, from, end) })
		switch {
		case err == nil:
			return nil
		case !isRowRefusal(err):
			return err
		case end-from == 1:
			refused = append(refused, from)
			return nil
		}
		middle := (from + end) / 2
		if err := search(from, middle); err != nil {
			return err
		}
		return search(middle, end)
	}
	return refused, search(0, b.Rows)
}
