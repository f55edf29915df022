package duckdb

import (
	"context"
	"path/filepath"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

var _ warehouse.Sizer = (*Warehouse)(nil)

// sizesTimeout bounds the asking for all tables of a workspace.
const sizesTimeout = 10 * time.Second

// TableSizes says which share of the file each table has, about: by its rows and
// columns. See warehouse.Sizer. Counting blocks (pragma_storage_info) would be
// exact, and ends the engine when something is written meanwhile.
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

// WorkspaceSize is the size of the file of a workspace, with what is to be
// written into it. See warehouse.Sizer.
func (w *Warehouse) WorkspaceSize(_ context.Context, workspace string) (int64, error) {
	file := filepath.Join(w.o.Dir, workspace+".duckdb")
	return fileSize(file) + fileSize(file+".wal"), nil
}

// sizes shares the size of the file, and of what is to be written into it, among
// the tables.
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
	rows, err := conn.texts("SELECT schema_name, table_name, (estimated_size * column_count)::VARCHAR FROM duckdb_tables() WHERE NOT internal AND schema_name <> 'main' AND table_name NOT LIKE '% (rebuild)'")
	if err != nil {
		return nil, millrace.Errorf(millrace.Unavailable, "the warehouse does not say how large its tables are: %s", cleanMessage(err.Error()))
	}
	sizes, all := make([]tableSize, len(rows)), int64(0)
	for i, row := range rows {
		cells, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			cells = 0
		}
		sizes[i] = tableSize{Schema: row[0], Table: row[1], Bytes: cells}
		all += cells
	}
	file := fileSize(s.path) + fileSize(s.path+".wal")
	for i := range sizes {
		sizes[i].Bytes = int64(float64(file) * float64(sizes[i].Bytes) / float64(max(all, 1)))
	}
	return sizes, nil
}
