package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

var _ warehouse.Dropper = (*Warehouse)(nil)

// Drop destroys a workspace: its schemas, with checkpoints and those of a
// rebuild, and the role that its queries ran as. See warehouse.Dropper. What the
// server keeps besides, its write-ahead log and backups, is the server's.
func (w *Warehouse) Drop(ctx context.Context, name string) error {
	if name == "" {
		return millrace.Errorf(millrace.Invalid, "name the workspace that is to be destroyed")
	}
	w.mu.Lock()
	w.dropped[name] = true
	delete(w.logins, name)
	for r, stop := range w.asking {
		if r.asked.name == name {
			stop(warehouse.Dropped(name))
		}
	}
	w.mu.Unlock()
	err := w.drop(ctx, name)
	if err != nil {
		return failure("destroy the workspace "+name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.workspaces, name)
	return nil
}

func (w *Warehouse) drop(ctx context.Context, name string) error {
	ws := w.workspace(name)
	// Whoever loads at this moment loses the connection, and gets no other.
	ws.owning.Lock()
	loading := ws.conn.Swap(nil)
	ws.owning.Unlock()
	if loading != nil {
		if _, err := w.pool.Exec(ctx, "SELECT pg_terminate_backend($1)", loading.PgConn().PID()); err != nil {
			return err
		}
	}
	role := w.queryRole(name)
	if err := w.endQueries(ctx, role); err != nil {
		return err
	}
	schemas, err := query(ctx, w.pool, func(row pgx.Rows) (name string, err error) { return name, row.Scan(&name) },
		`SELECT nspname::text FROM pg_namespace WHERE starts_with(obj_description(oid, 'pg_namespace'), $1) OR obj_description(oid, 'pg_namespace') = $2`,
		mark(name, ""), (&shadow{ws: ws}).mark())
	if err != nil {
		return err
	}
	for _, schema := range schemas { // each by itself: a transaction holds only so many locks
		if _, err := w.pool.Exec(ctx, "DROP SCHEMA IF EXISTS "+quote(schema)+" CASCADE"); err != nil {
			return err
		}
	}
	return w.dropRole(ctx, role)
}

// queryRole is the name of the role that was made for a workspace's queries.
func (w *Warehouse) queryRole(workspace string) string {
	return "millrace_query_" + hash(w.config.Database+"\x00"+workspace)
}

// endQueries ends what still runs as a role. A user that may not do that has
// stopped its own queries already.
func (w *Warehouse) endQueries(ctx context.Context, role string) error {
	_, err := w.pool.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
	if isCode(err, codePrivilege) {
		return nil
	}
	return err
}

func (w *Warehouse) dropRole(ctx context.Context, role string) error {
	var exists bool
	if err := w.pool.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", role).Scan(&exists); err != nil || !exists {
		return err
	}
	_, err := w.pool.Exec(ctx, fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM %s; DROP ROLE IF EXISTS %s", quote(w.config.Database), quote(role), quote(role)))
	return err
}

// refuseDropped fails with Gone for a workspace that was dropped.
func (w *Warehouse) refuseDropped(workspace string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dropped[workspace] {
		return warehouse.Dropped(workspace)
	}
	return nil
}

// asks takes note of a query that runs.
func (w *Warehouse) asks(r *rows, stop context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asking[r] = stop; w.dropped[r.asked.name] {
		stop(warehouse.Dropped(r.asked.name))
	}
}

// left forgets it.
func (w *Warehouse) left(r *rows) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asking, r)
}
