package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
)

// One server at a time loads a workspace: it holds a lock of Postgres on the
// connection that it loads over. So a server that lost the lock cannot commit
// either, and the lock of one that died is free when its connection ends.

// ownPrefix begins the name by which a loader's connection tells whose it is.
const ownPrefix = "millrace loader "

// ownName names this process to others on the server: machine, process, and
// which Warehouse of it. Postgres keeps 63 bytes.
func ownName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, host)
	return fmt.Sprintf("%s%.24s %d %s", ownPrefix, host, os.Getpid(), rand.Text()[:10])
}

// ownWait is how long Resume waits for an earlier loader's connection to end.
const ownWait = time.Second

// own returns the connection that holds the workspace's lock, connecting and
// taking the lock if need be. Conflict when another server holds it. Only who
// loads may use the connection, and so ask to have it checked.
func (w *Warehouse) own(ctx context.Context, ws *workspace, checked bool) (*pgx.Conn, error) {
	ws.owning.Lock()
	defer ws.owning.Unlock()
	if err := w.refuseDropped(ws.name); err != nil {
		return nil, err
	}
	if c := ws.conn.Load(); c != nil {
		if !checked || !c.IsClosed() && c.Ping(ctx) == nil {
			return c, nil
		}
		w.disown(ws)
	}
	config := w.config.Copy()
	config.RuntimeParams["application_name"] = w.name
	// The server notices within a minute that this machine is gone, and frees the lock.
	for name, value := range map[string]string{"tcp_keepalives_idle": "20", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"} {
		config.RuntimeParams[name] = value
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	var other error
	for since := time.Now(); ; {
		var locked bool
		err := c.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtext('millrace loader'), hashtext($1))", ws.name).Scan(&locked)
		if err == nil && locked {
			ws.conn.Store(c)
			return c, nil
		}
		if err == nil {
			err = w.otherOwner(ctx, c, ws)
		}
		owned := millrace.KindOf(err) == millrace.Conflict
		if owned {
			other = err
		} else if other != nil && ctx.Err() != nil {
			err = other // which says more than that the time is over
		}
		if !owned || time.Since(since) > ownWait {
			goodbye(c)
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// otherOwner says who holds the lock. A connection of this Warehouse that was
// given up and goes on at the server is ended.
func (w *Warehouse) otherOwner(ctx context.Context, c *pgx.Conn, ws *workspace) error {
	var pid int
	var name string
	var since time.Time
	err := c.QueryRow(ctx, `SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.backend_start, now())
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		  AND l.classid = hashtext('millrace loader')::oid AND l.objid = hashtext($1)::oid LIMIT 1`, ws.name).Scan(&pid, &name, &since)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // it is free by now
	case err != nil:
		return err
	case name == w.name:
		if _, err := c.Exec(ctx, "SELECT pg_terminate_backend($1)", pid); err != nil {
			return err
		}
	}
	who := ""
	if parts := strings.Fields(strings.TrimPrefix(name, ownPrefix)); strings.HasPrefix(name, ownPrefix) && len(parts) == 3 {
		who = fmt.Sprintf(" (process %s on %s, since %s)", parts[1], parts[0], since.UTC().Format(time.RFC3339))
	}
	return millrace.Errorf(millrace.Conflict, "another Millrace%s loads this warehouse: stop it, or give this project a database of its own (warehouse: in millrace.yaml), as a copy of its data folder needs. Nothing is loaded here until then; intake, log and archive go on", who)
}

// Release lets another server load the workspace until the next Resume or
// Shadow: for one whose log is not what the tables hold. Nothing happens while
// a Shadow is open. Call it where Resume may be called.
func (w *Warehouse) Release(name string) {
	ws := w.workspace(name)
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.shadow == nil {
		ws.shaper = nil
		w.disown(ws)
	}
}

// disown gives the lock free. Only the loader's goroutine, or Close, calls it.
func (w *Warehouse) disown(ws *workspace) {
	if c := ws.conn.Swap(nil); c != nil {
		goodbye(c)
	}
}

// goodbye ends a connection without waiting long for the server.
func goodbye(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = c.Close(ctx) // it is of no more use either way
}
