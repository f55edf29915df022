// Package postgres is the catalog in a schema of its own on a Postgres server:
// serializable transactions that are run again when they collide, durable when
// they return.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

const (
	// DefaultSchema is where the tables are.
	DefaultSchema = "millrace_catalog"
	// maxConnections is how many transactions run at once; more wait.
	maxConnections = 10
	// idleTimeout ends a transaction that does nothing, so that a process which
	// was stopped in the middle of one does not keep others from its rows.
	idleTimeout = 5 * time.Second
	// closePatience is how long Close waits for a server to say goodbye.
	closePatience = time.Second
)

// Options are what a Catalog needs.
type Options struct {
	// URL is postgres://user:password@host:port/database?sslmode=…. Required.
	// The user may create a schema, or owns the one that is there.
	URL    string
	Schema string // default DefaultSchema
	// AcceptNoFsync takes a server with fsync off, whose storage is durable by
	// other means. A crash of an ordinary one loses what was acknowledged.
	AcceptNoFsync bool
	Version       string // of Millrace, written beside each migration; default development
	// Later leaves an older schema as it is until Migrate is called: a standby
	// does that when it holds its lease, since the server before it still uses the
	// schema.
	Later bool
	// Migrations are those of another program, for tests; default catalog.Migrations().
	Migrations fs.FS
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default discards
}

// A Catalog is a schema on a Postgres server.
type Catalog struct {
	o        Options
	pool     *pgxpool.Pool
	sessions catalog.Sessions
	schema   atomic.Int64 // the newest migration

	mu      sync.Mutex
	problem string // of the last transaction
	running int    // transactions
	closed  bool
	quiet   chan struct{} // closed when closed and nothing runs
}

var _ catalog.Catalog = (*Catalog)(nil)

// Open connects to the server and brings the schema to the newest version.
// Unavailable says that the server is away at this moment, Invalid that the URL
// is wrong or the server does not keep what it acknowledges, Conflict that
// another version of Millrace made the schema.
func Open(ctx context.Context, o Options) (*Catalog, error) {
	if o.URL == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the catalog needs the URL of a Postgres server: postgres://user:password@host:5432/database")
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil { // the error may quote the URL, and that a password
		return nil, millrace.Errorf(millrace.Invalid, "the URL of the catalog's Postgres server cannot be read: write postgres://user:password@host:5432/database")
	}
	o.Schema = cmp.Or(o.Schema, DefaultSchema)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	config.MaxConns, config.MinConns = maxConnections, 0
	config.MaxConnIdleTime = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, 5*time.Second)
	config.ConnConfig.DialFunc = dialer().DialContext
	for name, value := range map[string]string{
		"timezone": "UTC", "application_name": "millrace catalog", "search_path": pgx.Identifier{o.Schema}.Sanitize(),
		"lock_timeout": milliseconds(catalog.Patience), "idle_in_transaction_session_timeout": milliseconds(idleTimeout), "statement_timeout": "0",
		"standard_conforming_strings": "on", "client_min_messages": "warning",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.AfterConnect = durable
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, explain("connect", err)
	}
	c := &Catalog{o: o, pool: pool, quiet: make(chan struct{})}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// durable has commits of this connection wait for the disk, whatever the
// server's default is now or later.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)", pgx.QueryExecModeExec)
	return err
}

func (c *Catalog) open(ctx context.Context) error {
	s, err := c.settings(ctx)
	if err != nil {
		return err
	}
	if problem := s.problem(); problem != "" {
		if !c.o.AcceptNoFsync {
			return millrace.Errorf(millrace.Invalid, "%s: switch it on, or say that the server's storage is durable by other means", problem)
		}
		c.o.Logger.Warn(problem)
	}
	o := c.migrate()
	o.Later = c.o.Later
	newest, err := catalog.Migrate(ctx, store{c}, o)
	c.schema.Store(int64(newest))
	return err
}

func (c *Catalog) migrate() catalog.MigrateOptions {
	return catalog.MigrateOptions{Migrations: c.o.Migrations, Version: c.o.Version, Now: c.o.Now, Logger: c.o.Logger}
}

// settings are what the server is and does.
type settings struct {
	version, fsync, commit, standbys string
	size                             int64
}

func (c *Catalog) settings(ctx context.Context) (s settings, err error) {
	if err := c.enter(); err != nil {
		return s, err
	}
	defer c.leave()
	err = c.pool.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
		(SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r')`,
		c.o.Schema).Scan(&s.version, &s.fsync, &s.commit, &s.standbys, &s.size)
	s.version, _, _ = strings.Cut(s.version, " ") // what follows is whose package it is
	return s, explain("ask the server how it is", err)
}

func (s settings) problem() string {
	if s.fsync == "on" {
		return ""
	}
	return "the catalog's Postgres server runs with fsync = off: a crash of its machine loses what was acknowledged, or damages it"
}

func (s settings) acknowledged() string {
	switch {
	case s.fsync != "on":
		return "written by the server, which does not fsync"
	case s.standbys != "" && s.commit != "local":
		return "fsynced by the server and confirmed by its standbys (synchronous_commit = " + s.commit + ")"
	}
	return "fsynced by the server"
}

// Migrate brings the schema to the newest version. See catalog.Catalog.
func (c *Catalog) Migrate(ctx context.Context) error {
	newest, err := catalog.Migrate(ctx, store{c}, c.migrate())
	if err == nil {
		c.schema.Store(int64(newest))
	}
	return err
}

// Backup writes a consistent copy. See catalog.Catalog.
func (c *Catalog) Backup(ctx context.Context, w io.Writer) error {
	return catalog.WriteBackup(ctx, store{c}, w, c.migrate())
}

// Restore fills an empty catalog. See catalog.Catalog.
func (c *Catalog) Restore(ctx context.Context, r io.Reader, mark string) error {
	return catalog.ReadBackup(ctx, store{c}, r, mark, c.migrate())
}

// Status asks the server how it is. See catalog.Catalog.
func (c *Catalog) Status(ctx context.Context) (catalog.Status, error) {
	out := catalog.Status{Engine: "postgres", Schema: int(c.schema.Load())}
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := c.settings(asking)
	if err == nil {
		out.Version, out.SizeBytes, out.Acknowledged, out.Problem = s.version, s.size, s.acknowledged(), s.problem()
	}
	if ctx.Err() != nil {
		return out, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if out.Problem = cmp.Or(out.Problem, c.problem); err != nil {
		out.Problem = err.Error()
	}
	return out, nil
}

// note keeps what is wrong for Status.
func (c *Catalog) note(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem = ""; millrace.KindOf(err) == millrace.Unavailable {
		c.problem = err.Error()
	}
	return err
}

// enter counts a transaction that begins.
func (c *Catalog) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return catalog.ErrClosed
	}
	c.running++
	return nil
}

func (c *Catalog) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.closed && c.running == 0 {
		close(c.quiet)
	}
}

// Close waits for what runs. A server that does not answer is not waited for.
func (c *Catalog) Close() error {
	c.mu.Lock()
	if !c.closed && c.running == 0 {
		close(c.quiet)
	}
	c.closed = true
	c.mu.Unlock()
	if !within(catalog.Patience, c.quiet) {
		return millrace.Errorf(millrace.Unavailable, "the catalog is not closed: a transaction still runs after %v", catalog.Patience)
	}
	done := make(chan struct{})
	go func() {
		c.pool.Close()
		close(done)
	}()
	if !within(closePatience, done) {
		c.o.Logger.Warn("the catalog's Postgres server does not answer: its connections are left to end by themselves")
	}
	return nil
}

func within(d time.Duration, done chan struct{}) bool {
	patience := time.NewTimer(d)
	defer patience.Stop()
	select {
	case <-done:
		return true
	case <-patience.C:
		return false
	}
}
