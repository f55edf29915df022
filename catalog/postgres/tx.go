package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// View runs f on a snapshot. See catalog.Catalog.
func (c *Catalog) View(ctx context.Context, f func(catalog.Tx) error) error {
	return c.run(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, catalog.Reading, f)
}

// Update runs f in a transaction. See catalog.Catalog.
func (c *Catalog) Update(ctx context.Context, f func(catalog.Tx) error) error {
	return c.run(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable}, catalog.Writing, f)
}

// run runs f until it does not collide.
func (c *Catalog) run(ctx context.Context, o pgx.TxOptions, m catalog.Mode, f func(catalog.Tx) error) error {
	for try := 1; ; try++ {
		collided, err := c.once(ctx, o, m, f)
		if !collided {
			return c.note(err)
		}
		if try == catalog.MaxTries {
			return millrace.Errorf(millrace.Unavailable, "the catalog is busy: a transaction has collided with others %d times: %w", try, err)
		}
		pause := time.NewTimer(time.Duration(rand.IntN(min(2000<<min(try, 10), 100_000))) * time.Microsecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return explain("wait for others", ctx.Err())
		case <-pause.C:
		}
	}
}

func (c *Catalog) once(ctx context.Context, o pgx.TxOptions, m catalog.Mode, f func(catalog.Tx) error) (collided bool, err error) {
	if err := c.enter(); err != nil {
		return false, err
	}
	defer c.leave()
	on, tx, err := c.begin(ctx, o)
	if err != nil {
		return false, err
	}
	defer on.Release()
	defer rollback(ctx, tx) // does nothing after the commit
	if m == catalog.Changing {
		if err := c.alone(ctx, tx); err != nil {
			return false, explain("prepare a migration", err)
		}
	}
	session := c.sessions.New(&engine{tx: tx, changing: m == catalog.Changing}, m)
	if err := session.Do(f); err != nil {
		return isCode(session.Err(), collisions...), err
	}
	if err := ctx.Err(); err != nil {
		return false, explain("commit", err)
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err = tx.Commit(finish)
	return isCode(err, collisions...), explain("commit", err)
}

// commitTimeout bounds a commit, whose result one wants to know also when
// nobody waits for it any more.
const commitTimeout = 30 * time.Second

// begin takes a connection that works. Those in the pool are dead after the server was away.
func (c *Catalog) begin(ctx context.Context, o pgx.TxOptions) (*pgxpool.Conn, pgx.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, explain("begin", err)
	}
	waiting, cancel := context.WithTimeoutCause(ctx, catalog.Patience, errBusy)
	defer cancel()
	for try := 0; ; try++ {
		on, err := c.pool.Acquire(waiting)
		if err != nil {
			return nil, nil, c.waited(waiting, err)
		}
		tx, err := on.BeginTx(ctx, o)
		if err == nil {
			return on, tx, nil
		}
		dead := on.Conn().IsClosed()
		on.Release()
		if !dead || ctx.Err() != nil || try == maxConnections {
			return nil, nil, explain("begin", err)
		}
	}
}

var errBusy = errors.New("busy")

func (c *Catalog) waited(waiting context.Context, err error) error {
	if c.pool.Stat().AcquiredConns() == maxConnections && errors.Is(context.Cause(waiting), errBusy) {
		return millrace.Errorf(millrace.Unavailable, "the catalog is busy: %d transactions have run for %v", maxConnections, catalog.Patience)
	}
	return explain("connect", err)
}

func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // where it fails the connection is closed, and that rolls back
}

// engine runs statements in a transaction.
type engine struct {
	tx       pgx.Tx
	changing bool
}

// Exec runs a statement. See catalog.Engine.
func (e *engine) Exec(ctx context.Context, s *catalog.Statement, args []any) (int64, error) {
	tag, err := e.tx.Exec(ctx, s.Text, e.how(args)...)
	return tag.RowsAffected(), explain("run "+s.Verb, err)
}

// Query runs a statement that returns rows. See catalog.Engine.
func (e *engine) Query(ctx context.Context, s *catalog.Statement, args []any) (catalog.Cursor, error) {
	rows, err := e.tx.Query(ctx, s.Text, e.how(args)...)
	if err != nil {
		return nil, explain("run "+s.Verb, err)
	}
	return &cursor{rows}, nil
}

// how keeps the plans of statements, but not while tables change.
func (e *engine) how(args []any) []any {
	if e.changing {
		return append([]any{pgx.QueryExecModeExec}, args...)
	}
	return args
}

type cursor struct{ rows pgx.Rows }

func (r *cursor) Next() ([]any, error) {
	if !r.rows.Next() {
		return nil, explain("read rows", r.rows.Err())
	}
	row, err := r.rows.Values()
	if err != nil {
		return nil, explain("read rows", err)
	}
	for i, v := range row {
		if row[i], err = plain(v); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// Close ends the query. Rows that nobody wants have no errors.
func (r *cursor) Close() error {
	r.rows.Close()
	return explain("end a query", r.rows.Err())
}

// plain makes one of a catalog's values of what the driver read.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, float64, string, []byte:
		return v, nil
	case int32:
		return int64(v), nil
	case int16:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case pgtype.Numeric: // sum and avg of BIGINT
		if n, err := v.Int64Value(); err == nil && v.Exp >= 0 {
			return n.Int64, nil
		}
		f, err := v.Float64Value()
		if err != nil {
			return nil, millrace.Errorf(millrace.Invalid, "a number of the catalog is too large: %w", err)
		}
		return f.Float64, nil
	}
	return nil, millrace.Errorf(millrace.Invalid, "a column is a %s: CAST it to BIGINT, TEXT or DOUBLE PRECISION", fmt.Sprintf("%T", v))
}
