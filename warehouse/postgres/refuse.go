package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/warehouse"
)

// refuse sets aside what made a trial fail: rows, columns, or all of a table.
// set is false when the error is none of these's fault.
func (w *Warehouse) refuse(ctx context.Context, conn *pgx.Conn, step *warehouse.Step, at trial, failed error, to target) (set bool, err error) {
	b := at.buffer
	switch {
	case !at.definition && isRowRefusal(failed):
		rows, err := w.findRefused(ctx, conn, b, to)
		if err != nil || len(rows) == 0 { // all of them pass by themselves: it is not the rows' fault
			return false, err
		}
		step.Refuse(b, rows, "Postgres refused the row: "+cause(failed))
		return true, nil
	case !isTableRefusal(failed, at.definition) || b.Schema == warehouse.SystemSchema || to.again(b, failed):
		return false, nil
	case at.definition && !b.Create:
		found, err := w.refuseColumns(ctx, conn, step, b, to)
		if found || err != nil {
			return found, err
		}
	}
	step.RefuseTable(b, refusal(failed))
	return true, nil
}

// refuseColumns finds, in a transaction that is rolled back, the columns that
// the server does not make or widen, and sets them aside.
func (w *Warehouse) refuseColumns(ctx context.Context, conn *pgx.Conn, step *warehouse.Step, b *warehouse.Buffer, to target) (found bool, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, v := range append([]*warehouse.Vector(nil), b.Columns...) {
		sql := alterColumn(to.place(b.TableName), v)
		if sql == "" || b.Idle() {
			continue
		}
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		switch {
		case err == nil:
		case !isTableRefusal(err, true):
			return found, err
		default:
			step.RefuseColumn(b, v, refusal(err))
			found = true
		}
	}
	return found, nil
}

// isTableRefusal says whether the server, which works, does not want a table or
// a column to be made or changed, or to be written to.
func isTableRefusal(err error, definition bool) bool {
	if definition {
		return isCode(err, "0A", "22", "23", "2B", "42", "54", "55000", "P0")
	}
	// Who may not write to a table may write to none, or not for long.
	return isCode(err, "0A", "2B", "42", "55000") && !isCode(err, codePrivilege)
}

// viewPattern finds the view that keeps a column from being changed.
var viewPattern = regexp.MustCompile(`on ((?:materialized )?view .+) depends on column`)

// refusal is what the server said, and for a view what to do.
func refusal(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return cause(err)
	}
	if m := viewPattern.FindStringSubmatch(pg.Detail); m != nil {
		return fmt.Sprintf("Postgres does not change a column of the %s: drop the view, rebuild the warehouse, and make the view again", m[1])
	}
	text := "Postgres says: " + pg.Message
	if pg.Detail != "" {
		text += ". " + pg.Detail
	}
	return fmt.Sprintf("%s (%s)", text, pg.Code)
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
