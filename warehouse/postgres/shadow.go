package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A shadow is a rebuild in progress: tables in schemas of its own, which take
// the place of the live ones when they are swapped.
type shadow struct {
	w       *Warehouse
	ws      *workspace
	options warehouse.ShadowOptions
	shaper  *warehouse.Shaper
	made    map[string]bool // logical schemas that have a shadow
	ended   bool
}

// Shadow begins a rebuild. See warehouse.Warehouse.
func (w *Warehouse) Shadow(ctx context.Context, name string, o warehouse.ShadowOptions) (warehouse.Shadow, error) {
	ws := w.workspace(name)
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.shadow != nil {
		return nil, millrace.Errorf(millrace.Conflict, "a rebuild of the warehouse is running: wait until it is done, or cancel it")
	}
	if _, err := w.own(ctx, ws, false); err != nil { // another server may be in the middle of one
		return nil, failure("begin the rebuild", err)
	}
	s := &shadow{w: w, ws: ws, options: o, made: map[string]bool{}}
	if err := s.prepare(ctx); err != nil {
		return nil, failure("begin the rebuild", err)
	}
	ws.shadow = s
	return s, nil
}

// whole says whether nothing is taken over from the live tables.
func (s *shadow) whole() bool { return s.options.From.IsZero() && s.options.Until.IsZero() }

// covers says whether a live table is among those that are rebuilt.
func (s *shadow) covers(n warehouse.TableName) bool {
	return s.options.Covers(n)
}

// prepare removes what an earlier rebuild left and makes the shaper.
func (s *shadow) prepare(ctx context.Context) error {
	var known warehouse.Known
	err := pgx.BeginFunc(ctx, s.w.pool, func(tx pgx.Tx) error {
		if err := s.dropLeft(ctx, tx); err != nil {
			return err
		}
		if s.whole() {
			return nil
		}
		tables, err := readTables(ctx, tx, s.ws)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if !s.covers(t.TableName) {
				continue
			}
			known.Tables = append(known.Tables, t)
			if err := s.createLike(ctx, tx, t.TableName); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.shaper, err = warehouse.NewShaper(warehouse.ShaperOptions{
		Settings: s.ws.settings, Known: known, Shadow: &s.options, HoldRows: 20_000, HoldBytes: 48 << 20,
		Large: func(n warehouse.TableName, column string) (bool, error) {
			return large(s.w.pool, live{s.ws}.place(n), column)
		},
	})
	return err
}

// dropLeft removes the schemas of an earlier rebuild of this workspace.
func (s *shadow) dropLeft(ctx context.Context, tx pgx.Tx) error {
	left, err := query(ctx, tx, func(row pgx.Rows) (name string, err error) { return name, row.Scan(&name) },
		"SELECT nspname::text FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') = $1", s.mark())
	if err != nil {
		return err
	}
	for _, name := range left {
		if _, err := tx.Exec(ctx, "DROP SCHEMA "+quote(name)+" CASCADE"); err != nil {
			return err
		}
	}
	return nil
}

func (s *shadow) mark() string { return "millrace rebuild:" + s.ws.name }

// createLike makes an empty shadow of a live table.
func (s *shadow) createLike(ctx context.Context, tx pgx.Tx, n warehouse.TableName) error {
	if err := s.prepareSchema(ctx, tx, n.Schema); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", s.place(n), live{s.ws}.place(n))); err != nil {
		return err
	}
	return s.w.renameIndexes(ctx, tx, s.mark()) // the copies of ours have names of Postgres's choice
}

func (s *shadow) place(n warehouse.TableName) string {
	return table(shadowSchema(s.ws.name, n.Schema), n.Table)
}

func (s *shadow) prepareSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	if s.made[schema] {
		return nil
	}
	name := quote(shadowSchema(s.ws.name, schema))
	_, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+name+"; COMMENT ON SCHEMA "+name+" IS "+literal(s.mark()))
	s.made[schema] = err == nil
	return err
}

// prepare and finish make a shadow the target of its steps.
type shadowTarget struct{ *shadow }

func (t shadowTarget) prepare(ctx context.Context, _ *Warehouse, tx pgx.Tx, n warehouse.TableName) error {
	return t.prepareSchema(ctx, tx, n.Schema)
}

func (t shadowTarget) begin() (undo func()) {
	made := maps.Clone(t.made)
	return func() { t.shadow.made = maps.Clone(made) }
}

func (shadowTarget) again(*warehouse.Buffer, error) bool { return false }

func (shadowTarget) forget() {}

func (t shadowTarget) finish(context.Context, *Warehouse, pgx.Tx, *warehouse.Step) error { return nil }

// Apply takes records in order. See warehouse.Shadow.
func (s *shadow) Apply(ctx context.Context, b warehouse.Batch) (warehouse.Progress, error) {
	if s.ended {
		return warehouse.Progress{}, millrace.Errorf(millrace.Invalid, "the rebuild has ended")
	}
	s.shaper.Add(b)
	if err := s.shaper.Err(); err != nil {
		s.end()
		return warehouse.Progress{}, failure("rebuild; the live tables are as they were: begin it again", err)
	}
	step := s.shaper.Take(b.Flush)
	if len(step.Buffers) > 0 {
		err := s.w.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
			return s.w.commit(ctx, conn.Conn(), s.ws, step, shadowTarget{s})
		})
		if err != nil {
			s.end()
			return warehouse.Progress{}, failure("rebuild; the live tables are as they were: begin it again", err)
		}
	}
	s.shaper.Done(step)
	return warehouse.Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows, Discards: step.Discards}, nil
}

// end makes room for another rebuild, which removes what this one left.
func (s *shadow) end() {
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	s.ended = true
	if s.ws.shadow == s {
		s.ws.shadow = nil
	}
}

// outside is the condition for the live rows that are taken over, or "" when none are.
func (s *shadow) outside(n warehouse.TableName) string {
	if s.whole() || n.Table == "users" || n.Table == "accounts" {
		return ""
	}
	low, high := s.shaper.Bounds()
	place := func(p millrace.Position) string {
		return fmt.Sprintf("(%d::bigint, %d::bigint, %d::integer)", min(p.Epoch, 1<<63-1), min(p.Seq, 1<<63-1), min(p.Index, 1<<31-1))
	}
	return fmt.Sprintf("((_epoch, _seq, _index) < %s OR (_epoch, _seq, _index) >= %s)", place(low), place(high))
}

// tables lists the live tables that are rebuilt, and the shadows.
func (s *shadow) tables(ctx context.Context, tx pgx.Tx) (live, shadows []warehouse.KnownTable, err error) {
	tables, err := readTables(ctx, tx, s.ws)
	if err != nil {
		return nil, nil, err
	}
	live = slices.DeleteFunc(tables, func(t warehouse.KnownTable) bool { return !s.covers(t.TableName) })
	type column struct{ schema, table, column, typ string }
	columns, err := query(ctx, tx, func(row pgx.Rows) (c column, err error) {
		return c, row.Scan(&c.schema, &c.table, &c.column, &c.typ)
	}, `SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
		FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND obj_description(n.oid, 'pg_namespace') = $1
		ORDER BY n.nspname, c.relname, a.attnum`, s.mark())
	if err != nil {
		return nil, nil, err
	}
	logical := map[string]string{}
	for schema := range s.made {
		logical[shadowSchema(s.ws.name, schema)] = schema
	}
	for _, c := range columns {
		name := warehouse.TableName{Schema: logical[c.schema], Table: c.table}
		if n := len(shadows); n == 0 || shadows[n-1].TableName != name {
			shadows = append(shadows, warehouse.KnownTable{TableName: name})
		}
		t := &shadows[len(shadows)-1]
		t.Columns = append(t.Columns, warehouse.Column{Name: c.column, Type: typeOf(c.typ)})
	}
	return live, shadows, nil
}

// Compare counts the rows, live and shadow. See warehouse.Shadow.
func (s *shadow) Compare(ctx context.Context) ([]warehouse.TableCount, error) {
	counts := map[warehouse.TableName]*warehouse.TableCount{}
	of := func(n warehouse.TableName) *warehouse.TableCount {
		if counts[n] == nil {
			counts[n] = &warehouse.TableCount{Schema: n.Schema, Table: n.Table}
		}
		return counts[n]
	}
	err := pgx.BeginFunc(ctx, s.w.pool, func(tx pgx.Tx) error {
		tables, shadows, err := s.tables(ctx, tx)
		if err != nil {
			return err
		}
		count := func(table, condition string) (n int64, err error) {
			return n, tx.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE "+condition).Scan(&n)
		}
		for _, t := range tables {
			c := of(t.TableName)
			if c.Live, err = count(live{s.ws}.place(t.TableName), "true"); err != nil {
				return err
			}
			if condition := s.outside(t.TableName); condition != "" {
				if c.Shadow, err = count(live{s.ws}.place(t.TableName), condition); err != nil {
					return err
				}
			}
		}
		for _, t := range shadows {
			n, err := count(s.place(t.TableName), "true")
			if err != nil {
				return err
			}
			of(t.TableName).Shadow += n
		}
		return nil
	})
	if err != nil {
		return nil, failure("count the rows", err)
	}
	var out []warehouse.TableCount
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b warehouse.TableCount) int {
		return strings.Compare(a.Schema+"\x00"+a.Table, b.Schema+"\x00"+b.Table)
	})
	return out, nil
}

// Discard removes the shadow. See warehouse.Shadow.
func (s *shadow) Discard(ctx context.Context) error {
	if s.ended {
		return nil
	}
	s.end()
	return failure("remove the rebuild", pgx.BeginFunc(ctx, s.w.pool, func(tx pgx.Tx) error { return s.dropLeft(ctx, tx) }))
}
