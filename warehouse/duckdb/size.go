package duckdb

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

var _ warehouse.Sizer = (*Warehouse)(nil)

// sizesTimeout bounds the asking for all tables of a workspace.
const sizesTimeout = 20 * time.Second

// TableSizes says how much of the file each table takes. See warehouse.Sizer.
func (w *Warehouse) TableSizes(ctx context.Context, workspace string) (map[warehouse.TableName]int64, error) {
	p, err := w.supervisor.process(ctx, 0)
	if err != nil {
		return nil, err
	}
	res, err := w.call(ctx, p, request{Op: opSizes, Workspace: workspace}, nil)
	if err != nil {
		return nil, err
	}
	sizes := map[warehouse.TableName]int64{}
	for _, s := range res.Sizes {
		sizes[warehouse.TableName{Schema: s.Schema, Table: s.Table}] = s.Bytes
	}
	return sizes, nil
}

// sizes counts the blocks of the file that hold each table. Small tables share
// blocks: each counts for its part of one. Rows that are only in the write-ahead
// file have no blocks yet, and count by how wide their values are, about.
func (c *child) sizes(w *wire, workspace string) ([]tableSize, error) {
	if _, err := receiveBatch(w, &request{Workspace: workspace}); err != nil { // there is none
		return nil, millrace.Errorf(millrace.Canceled, "the request was cut off: %w", err)
	}
	watch := startWatch(w, sizesTimeout)
	defer watch.end()
	s := c.store(workspace)
	db, err := s.acquire(watch.stopped)
	if err != nil {
		return nil, err
	}
	defer s.release()
	conn, err := db.connect()
	if err != nil {
		return nil, millrace.Errorf(millrace.Unavailable, "the warehouse gives no connection: %w", err)
	}
	watch.attach(conn)
	defer conn.close()
	defer watch.attach(nil)
	tables, err := conn.texts("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND schema_name <> 'main' AND table_name NOT LIKE '% (rebuild)' ORDER BY 1, 2")
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	sizes := make([]tableSize, 0, len(tables))
	for part := range slices.Chunk(tables, tablesAtOnce) {
		found, err := conn.texts(sizesQuery(part))
		if err != nil {
			return nil, millrace.Errorf(millrace.Unavailable, "the warehouse does not say how large its tables are: %s", cleanMessage(err.Error()))
		}
		for _, row := range found {
			i, err := strconv.Atoi(row[0])
			if err != nil || i < 0 || i >= len(part) {
				continue
			}
			bytes, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				continue
			}
			sizes = append(sizes, tableSize{Schema: part[i][0], Table: part[i][1], Bytes: bytes})
		}
	}
	return sizes, nil
}

// tablesAtOnce is how many tables one query counts the blocks of.
const tablesAtOnce = 100

// sizesQuery counts the blocks of tables, by their place in the list.
func sizesQuery(tables [][]string) string {
	var sql strings.Builder
	sql.WriteString("WITH s AS (")
	for i, t := range tables {
		if i > 0 {
			sql.WriteString(" UNION ALL ")
		}
		name := literal(quote(t[0]) + "." + quote(t[1]))
		sql.WriteString("SELECT " + strconv.Itoa(i) + " AS t, block_id, additional_block_ids, persistent, segment_type, count FROM pragma_storage_info(" + name + ")")
	}
	sql.WriteString(`), b AS (
		SELECT t, block_id AS block, count(*) AS n FROM s WHERE persistent AND block_id >= 0 GROUP BY ALL
		UNION ALL SELECT DISTINCT t, unnest(additional_block_ids) AS block, 1 AS n FROM s WHERE persistent
	), sizes AS (
		SELECT t, n / sum(n) OVER (PARTITION BY block) * (SELECT block_size FROM pragma_database_size() LIMIT 1) AS bytes FROM b
		UNION ALL SELECT t, count * CASE segment_type WHEN 'VALIDITY' THEN 0.125 WHEN 'BOOLEAN' THEN 1 WHEN 'INTEGER' THEN 4 WHEN 'VARCHAR' THEN 24 ELSE 8 END FROM s WHERE NOT persistent
	)
	SELECT t::VARCHAR, CAST(sum(bytes) AS BIGINT)::VARCHAR FROM sizes GROUP BY t`)
	return sql.String()
}
