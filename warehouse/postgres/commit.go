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
	// again says whether what failed is worth another attempt after what the
	// server holds has been read anew: someone else may have made or dropped it.
	again(b *warehouse.Buffer, err error) bool
	// forget tells that a step was committed.
	forget()
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

func (l live) again(b *warehouse.Buffer, err error) bool {
	if !isCode(err, codeDuplicateTable, codeDuplicateColumn, codeDuplicateObject, codeNoTable, codeNoColumn, codeNoSchema) {
		return false
	}
	key := b.Schema + "." + b.Table + ": " + cause(err)
	if l.ws.failed[key] {
		return false
	}
	l.ws.failed = map[string]bool{key: true}
	return true
}

func (l live) forget() { l.ws.failed = nil }

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

// A trial is one attempt to write a step.
type trial struct {
	buffer     *warehouse.Buffer   // at which it ended; nil behind the last
	definition bool                // … while its table was made or altered
	keep       []*warehouse.Vector // columns that may not be widened
}

// commit writes a step in one transaction. What the server refuses (rows,
// columns, tables) is found and set aside, and the rest is written.
func (w *Warehouse) commit(ctx context.Context, conn *pgx.Conn, ws *workspace, step *warehouse.Step, to target) error {
	undo := to.begin()
	// Each round sets something aside, or it is the last.
	for {
		at, err := w.try(ctx, conn, step, to)
		if err == nil {
			to.forget()
			return nil
		}
		undo()
		switch {
		case errors.Is(err, errKeep):
			for _, v := range at.keep {
				step.KeepBigInt(at.buffer, v)
			}
			continue
		case isCode(err, codeLockTimeout):
			w.cancelQueries(ctx, ws)
			return err
		case at.buffer == nil:
			return err
		}
		set, refuseErr := w.refuse(ctx, conn, step, at, err, to)
		undo()
		switch {
		case refuseErr != nil:
			return refuseErr
		case !set:
			return err
		}
		w.log.Warn("Postgres refused a part of what is loaded: it is in discards", "table", at.buffer.TableName, "error", err)
	}
}

// try writes a step in one transaction.
func (w *Warehouse) try(ctx context.Context, conn *pgx.Conn, step *warehouse.Step, to target) (at trial, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, b := range step.Buffers {
			if b.Idle() {
				continue
			}
			at = trial{buffer: b, definition: true}
			var err error
			if at.keep, err = w.wider(ctx, tx, b, to); err != nil {
				return err
			}
			if len(at.keep) > 0 {
				return errKeep
			}
			at.definition = false
			if b.Rows == 0 {
				continue
			}
			if err := w.write(ctx, tx, b, to, 0, b.Rows); err != nil {
				return err
			}
		}
		at = trial{}
		return to.finish(ctx, w, tx, step)
	})
	return at, err
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
			return nil, failure("make the schema "+b.Schema, err) // not to be taken for a refused table: discards is in it too
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
		sql.WriteString(alterColumn(name, v))
		if v.Widened && !v.New {
			column, big := quote(v.Name), false
			err := tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s > 9007199254740992 OR %s < -9007199254740992)", name, column, column)).Scan(&big)
			if err != nil {
				return nil, err
			}
			if big {
				keep = append(keep, v)
			}
		}
	}
	if sql.Len() == 0 || len(keep) > 0 {
		return keep, nil
	}
	_, err := tx.Exec(ctx, sql.String())
	return nil, err
}

// alterColumn is the statement that makes a column or widens it, or "".
func alterColumn(place string, v *warehouse.Vector) string {
	switch {
	case v.New:
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;", place, quote(v.Name), sqlTypes[v.Type])
	case v.Widened:
		return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE double precision;", place, quote(v.Name))
	}
	return ""
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
