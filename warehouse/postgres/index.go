package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// renameIndexes gives our indexes in schemas whose comment begins with mark the
// names that no table can have. Those of an older version, and the copies that
// a rebuild makes, have names of Postgres's choice, such as order_received_at_idx,
// which are in the way of an event called Order Received At Idx.
func (w *Warehouse) renameIndexes(ctx context.Context, tx pgx.Tx, mark string) error {
	type index struct{ schema, name, table, column string }
	indexes, err := query(ctx, tx, func(row pgx.Rows) (i index, err error) {
		return i, row.Scan(&i.schema, &i.name, &i.table, &i.column)
	}, `SELECT n.nspname::text, i.relname::text, t.relname::text, a.attname::text
		FROM pg_namespace n
		JOIN pg_class i ON i.relnamespace = n.oid AND i.relkind = 'i'
		JOIN pg_index x ON x.indexrelid = i.oid
		JOIN pg_class t ON t.oid = x.indrelid AND t.relkind IN ('r', 'p')
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[x.indnatts - 1]
		JOIN pg_am m ON m.oid = i.relam
		WHERE starts_with(obj_description(n.oid, 'pg_namespace'), $1) AND position(' ' in i.relname) = 0
		  AND (x.indisprimary OR m.amname = 'brin' AND x.indnatts = 1 AND a.attname = 'received_at')`, mark)
	if err != nil {
		return err
	}
	for _, i := range indexes {
		sql := fmt.Sprintf("ALTER INDEX %s RENAME TO %s", table(i.schema, i.name), quote(objectName(i.table, i.column)))
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		switch {
		case isCode(err, "42", "55"): // someone else's, or in use: the next opening tries again
			w.log.Warn("an index could not be renamed", "index", table(i.schema, i.name), "error", err)
		case err != nil:
			return err
		}
	}
	return nil
}
