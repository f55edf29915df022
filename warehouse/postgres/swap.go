package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Swap puts the shadow in the place of the live tables. See warehouse.Shadow.
func (s *shadow) Swap(ctx context.Context, at millrace.Position) error {
	if s.ended {
		return millrace.Errorf(millrace.Invalid, "the rebuild has ended")
	}
	s.ws.shaper = nil // the loader resumes
	err := pgx.BeginFunc(ctx, s.w.pool, func(tx pgx.Tx) error {
		if err := s.inPlace(ctx, tx, at); err != nil {
			return err
		}
		tables, shadows, err := s.tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if s.outside(t.TableName) == "" {
				continue
			}
			i := slices.IndexFunc(shadows, func(o warehouse.KnownTable) bool { return o.TableName == t.TableName })
			if i < 0 { // made since the rebuild began
				if err := s.createLike(ctx, tx, t.TableName); err != nil {
					return err
				}
				shadows = append(shadows, t)
				i = len(shadows) - 1
			}
			if err := s.takeOver(ctx, tx, t, shadows[i]); err != nil {
				return err
			}
		}
		return s.replace(ctx, tx, tables, shadows, at)
	})
	if isCode(err, codeDependent) {
		return millrace.Errorf(millrace.Conflict, "the tables cannot be replaced because something depends on them (%s): drop it, and make it again after the rebuild", dependents(err))
	}
	if isCode(err, codeLockTimeout) {
		s.w.cancelQueries(ctx, s.ws)
	}
	if err != nil {
		return failure("swap the tables", err)
	}
	s.end()
	return nil
}

// dependents is what the server says that depends on a table.
func dependents(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Detail != "" {
		return strings.ReplaceAll(pg.Detail, "\n", ", ")
	}
	return cause(err)
}

// inPlace refuses a boundary at which what is not made anew is not: the tables
// of other sources and of the system share the checkpoint that the swap sets.
func (s *shadow) inPlace(ctx context.Context, tx pgx.Tx, at millrace.Position) error {
	if s.options.System {
		return nil
	}
	system := physical(s.ws.name, warehouse.SystemSchema)
	var live millrace.Position
	var pending bool
	err := tx.QueryRow(ctx, fmt.Sprintf("SELECT _epoch, _seq, _index, EXISTS (SELECT 1 FROM %s) FROM %s WHERE name = 'scanned' FOR UPDATE", table(system, "pending"), table(system, "checkpoints"))).
		Scan(&live.Epoch, &live.Seq, &live.Index, &pending)
	switch {
	case err != nil:
		return err
	case pending:
		return millrace.Errorf(millrace.Conflict, "the live tables are not committed through %s: flush them first", at)
	case live != at:
		return millrace.Errorf(millrace.Conflict, "the live tables are at %s and the rebuild is at %s, so that what is not made anew would miss records, or have them twice: run the rebuild again", live, at)
	}
	return nil
}

// takeOver copies the live rows outside of the rebuild's bounds.
func (s *shadow) takeOver(ctx context.Context, tx pgx.Tx, from, to warehouse.KnownTable) error {
	source, dest := live{s.ws}.place(from.TableName), s.place(to.TableName)
	columns := make([]string, len(from.Columns))
	for i, c := range from.Columns {
		columns[i] = quote(c.Name)
		j := slices.IndexFunc(to.Columns, func(o warehouse.Column) bool { return o.Name == c.Name })
		switch {
		case j < 0:
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", dest, columns[i], sqlTypes[c.Type])); err != nil {
				return err
			}
		case to.Columns[j].Type == c.Type:
		case c.Type == warehouse.Double && to.Columns[j].Type == warehouse.BigInt:
			if err := exact(ctx, tx, dest, columns[i]); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE double precision", dest, columns[i])); err != nil {
				return err
			}
		case c.Type == warehouse.BigInt && to.Columns[j].Type == warehouse.Double:
			if err := exact(ctx, tx, source, columns[i]); err != nil {
				return err
			}
		default:
			return millrace.Errorf(millrace.Conflict, "column %s of %s is %s in the live table and %s in the rebuild: rebuild without bounds of time", c.Name, source, c.Type, to.Columns[j].Type)
		}
	}
	list := strings.Join(columns, ", ")
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s", dest, list, list, source, s.outside(from.TableName)))
	return err
}

// exact refuses a column whose whole numbers a double would round.
func exact(ctx context.Context, tx pgx.Tx, table, column string) error {
	var big bool
	err := tx.QueryRow(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s > 9007199254740992 OR %s < -9007199254740992)", table, column, column)).Scan(&big)
	if err == nil && big {
		return millrace.Errorf(millrace.Conflict, "column %s of %s holds whole numbers that double would round: rebuild without bounds of time", column, table)
	}
	return err
}

// replace drops the live tables, moves the shadows to their places and sets
// the checkpoint.
func (s *shadow) replace(ctx context.Context, tx pgx.Tx, tables, shadows []warehouse.KnownTable, at millrace.Position) error {
	var sql strings.Builder
	for _, t := range tables {
		drop := "DROP TABLE %s;"
		if t.Schema == warehouse.SystemSchema && !slices.ContainsFunc(shadows, func(o warehouse.KnownTable) bool { return o.TableName == t.TableName }) {
			drop = "DELETE FROM %s;" // these are always there
		}
		fmt.Fprintf(&sql, drop, live{s.ws}.place(t.TableName))
	}
	if _, err := tx.Exec(ctx, sql.String()); err != nil {
		return err
	}
	sql.Reset()
	for _, t := range shadows {
		if err := s.w.makeSchema(ctx, tx, s.ws, t.Schema); err != nil {
			return err
		}
		fmt.Fprintf(&sql, "ALTER TABLE %s SET SCHEMA %s;", s.place(t.TableName), quote(physical(s.ws.name, t.Schema)))
		s.w.grant(&sql, s.ws, t.TableName)
	}
	for schema := range s.made {
		fmt.Fprintf(&sql, "DROP SCHEMA %s CASCADE;", quote(shadowSchema(s.ws.name, schema)))
	}
	system := physical(s.ws.name, warehouse.SystemSchema)
	sql.WriteString(s.shaper.NoticesSQL(table(system, "notices")))
	fmt.Fprintf(&sql, "DELETE FROM %s; UPDATE %s SET _epoch = %d, _seq = %d, _index = %d WHERE name = 'scanned';",
		table(system, "pending"), table(system, "checkpoints"), at.Epoch, at.Seq, at.Index)
	_, err := tx.Exec(ctx, sql.String())
	return err
}
