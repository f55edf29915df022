package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/warehouse"
)

var _ warehouse.Sizer = (*Warehouse)(nil)

// TableSizes says what each table takes with its indexes and long values. See
// warehouse.Sizer.
func (w *Warehouse) TableSizes(ctx context.Context, workspace string) (map[warehouse.TableName]int64, error) {
	type size struct {
		comment, table string
		bytes          int64
	}
	all, err := query(ctx, w.pool, func(row pgx.Rows) (s size, err error) {
		return s, row.Scan(&s.comment, &s.table, &s.bytes)
	}, `SELECT obj_description(n.oid, 'pg_namespace'), c.relname::text, pg_total_relation_size(c.oid)
		FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
		WHERE c.relkind IN ('r', 'p', 'm') AND starts_with(obj_description(n.oid, 'pg_namespace'), $1)`, mark(workspace, ""))
	if err != nil {
		return nil, failure("ask how large the tables are", err)
	}
	sizes := map[warehouse.TableName]int64{}
	for _, s := range all {
		if schema, ok := unmark(workspace, s.comment); ok {
			sizes[warehouse.TableName{Schema: schema, Table: s.table}] += s.bytes
		}
	}
	return sizes, nil
}

// WorkspaceSize is the sum of TableSizes. See warehouse.Sizer.
func (w *Warehouse) WorkspaceSize(ctx context.Context, workspace string) (total int64, err error) {
	sizes, err := w.TableSizes(ctx, workspace)
	for _, bytes := range sizes {
		total += bytes
	}
	return total, err
}
