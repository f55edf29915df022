// Package postgres is the warehouse on a Postgres server: a schema per source,
// bulk loading with COPY, rows and checkpoint in one transaction. Queries run
// under a login of their own that can do nothing but read a workspace's tables.
package postgres

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Options say how a Warehouse is opened.
type Options struct {
	// URL is postgres://user:password@host:port/database?sslmode=…. Required.
	// The user owns the tables, and may create schemas and, without QueryURL, roles.
	URL string
	// QueryURL is the login that queries of the workspace default run under,
	// when the user of URL may not create roles. It must not be a superuser.
	// It is granted what it has to read. Default: a role that is made.
	QueryURL string
	// QueryTimeout is the deadline of queries that name none; default
	// warehouse.DefaultQueryTimeout.
	QueryTimeout time.Duration
	// MaxConcurrentQueries run at a time, eight times as many wait, any more
	// are refused with Limited; default 4.
	MaxConcurrentQueries int
	// QueryWorkMemoryBytes is what one sort or hash of a query may take before
	// it spills; default 16 MiB.
	QueryWorkMemoryBytes int64
	// QuerySpillBytes bounds what a query spills, where the user of URL may
	// set that (a superuser may); default 1 GiB.
	QuerySpillBytes int64
	Logger          *slog.Logger          // default discard
	Metrics         prometheus.Registerer // nil is none
}

// A Warehouse is a database on a Postgres server.
type Warehouse struct {
	o      Options
	pool   *pgxpool.Pool // for all but loading
	config *pgx.ConnConfig
	name   string // of the connections that load; see ownName
	slots  chan struct{}
	queue  chan struct{}
	log    *slog.Logger

	mu         sync.Mutex
	workspaces map[string]*workspace
	logins     map[string]*login
	dropped    map[string]bool // workspaces
	asking     map[*rows]context.CancelCauseFunc
	problem    string
}

// A workspace is what is loaded for one workspace. Its loader is one
// goroutine; mu guards what others see too.
type workspace struct {
	name     string
	settings warehouse.Settings
	shaper   *warehouse.Shaper
	scanned  millrace.Position                 // as the engine has it
	owning   sync.Mutex                        // held while conn is made
	conn     atomic.Pointer[pgx.Conn]          // over which is loaded; nil before it is had
	schemas  map[string]bool                   // logical names of schemas that are there
	silents  atomic.Pointer[map[string]string] // sources without a schema, by the name that it would have
	failed   map[string]bool                   // what may have been out of date; see target.again
	mu       sync.Mutex
	shadow   *shadow
}

var _ warehouse.Warehouse = (*Warehouse)(nil)

// Open connects to the server. The error is Invalid for a wrong URL; a server
// that is away at this moment is no error: Resume says Unavailable then.
func Open(ctx context.Context, o Options) (*Warehouse, error) {
	if o.URL == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the Postgres warehouse needs a URL: postgres://user:password@host:5432/database")
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil { // the error may quote the URL, and that a password
		return nil, millrace.Errorf(millrace.Invalid, "the URL of the Postgres warehouse cannot be read: write postgres://user:password@host:5432/database")
	}
	if o.QueryURL != "" {
		if _, err := pgx.ParseConfig(o.QueryURL); err != nil {
			return nil, millrace.Errorf(millrace.Invalid, "the URL of the warehouse's query login cannot be read: write postgres://user:password@host:5432/database")
		}
	}
	o.complete()
	config.MaxConns, config.MinConns = 8, 0
	config.MaxConnIdleTime = 5 * time.Minute
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	config.ConnConfig.DialFunc = dialer().DialContext
	for name, value := range map[string]string{
		"synchronous_commit": "on", "timezone": "UTC", "application_name": "millrace loader",
		"lock_timeout": "5s", "idle_in_transaction_session_timeout": "120s", "statement_timeout": "0",
		"search_path": "pg_catalog", "standard_conforming_strings": "on", "client_min_messages": "warning",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, failure("connect", err)
	}
	w := &Warehouse{
		o: o, pool: pool, config: config.ConnConfig, name: ownName(), log: o.Logger,
		slots: make(chan struct{}, o.MaxConcurrentQueries), queue: make(chan struct{}, 9*o.MaxConcurrentQueries),
		workspaces: map[string]*workspace{}, logins: map[string]*login{}, dropped: map[string]bool{}, asking: map[*rows]context.CancelCauseFunc{},
	}
	return w, w.register()
}

func (o *Options) complete() {
	def(&o.QueryTimeout, warehouse.DefaultQueryTimeout)
	def(&o.MaxConcurrentQueries, 4)
	def(&o.QueryWorkMemoryBytes, 16<<20)
	def(&o.QuerySpillBytes, 1<<30)
	def(&o.Logger, slog.New(slog.DiscardHandler))
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (w *Warehouse) register() error {
	if w.o.Metrics == nil {
		return nil
	}
	gauge := func(name, help string, f func() float64) error {
		return w.o.Metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	if err := gauge("millrace_postgres_connections", "Connections of the warehouse's loader.", func() float64 { return float64(w.pool.Stat().TotalConns()) }); err != nil {
		return err
	}
	return gauge("millrace_postgres_queries_running", "Queries that run at this moment.", func() float64 { return float64(len(w.slots)) })
}

// workspace returns the state of a workspace, making it if need be.
func (w *Warehouse) workspace(name string) *workspace {
	w.mu.Lock()
	defer w.mu.Unlock()
	ws := w.workspaces[name]
	if ws == nil {
		ws = &workspace{name: name}
		w.workspaces[name] = ws
	}
	return ws
}

// Configure sets how records are shaped. See warehouse.Warehouse.
func (w *Warehouse) Configure(_ context.Context, name string, s warehouse.Settings) error {
	if err := w.refuseDropped(name); err != nil {
		return err
	}
	ws := w.workspace(name)
	if ws.shaper != nil {
		if err := ws.shaper.Configure(s); err != nil {
			return err
		}
	} else if _, err := warehouse.NewShaper(warehouse.ShaperOptions{Settings: s}); err != nil {
		return err
	}
	ws.settings = s
	ws.noteSilent()
	return nil
}

// Apply takes records. See warehouse.Warehouse.
func (w *Warehouse) Apply(ctx context.Context, name string, b warehouse.Batch) (warehouse.Progress, error) {
	if err := w.refuseDropped(name); err != nil {
		return warehouse.Progress{}, err
	}
	ws := w.workspace(name)
	conn := ws.conn.Load()
	if ws.shaper == nil || conn == nil {
		return warehouse.Progress{}, millrace.Errorf(millrace.Unavailable, "the warehouse has lost its place and reads it again from Postgres")
	}
	ws.shaper.Add(b)
	if err := ws.shaper.Err(); err != nil {
		ws.shaper = nil
		return warehouse.Progress{}, w.noted(failure("load", err))
	}
	step := ws.shaper.Take(b.Flush)
	var err error
	if step.Scanned != ws.scanned || len(step.Buffers) > 0 || step.PendingChanged {
		err = w.commit(ctx, conn, ws, step, live{ws})
	}
	if err != nil {
		ws.shaper = nil // whether it was committed is not known
		return warehouse.Progress{}, w.noted(failure("load", err))
	}
	w.noted(nil)
	created := slices.ContainsFunc(step.Buffers, func(b *warehouse.Buffer) bool { return b.Create })
	ws.shaper.Done(step)
	if ws.scanned = step.Scanned; created {
		ws.noteSilent()
	}
	tables := ws.shaper.EventTables()
	return warehouse.Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows, Discards: step.Discards, Notices: step.Notices, EventTables: &tables}, nil
}

// noted keeps what is wrong for Status.
func (w *Warehouse) noted(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = ""
	if err != nil {
		w.problem = err.Error()
	}
	return err
}

// Status says how the server is. See warehouse.Warehouse.
func (w *Warehouse) Status(ctx context.Context) (warehouse.Status, error) {
	s := warehouse.Status{Backend: "postgres", Queries: len(w.slots)}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var fsync, version string
	err := w.pool.QueryRow(ctx, "SELECT pg_database_size(current_database()), current_setting('fsync'), current_setting('server_version')").Scan(&s.SizeBytes, &fsync, &version)
	s.Version, _, _ = strings.Cut(version, " ") // what follows is whose package it is
	w.mu.Lock()
	s.Problem = w.problem
	w.mu.Unlock()
	switch {
	case err != nil:
		s.Problem = failure("ask the server how it is", err).Error()
	case fsync != "on" && s.Problem == "":
		s.Problem = "the server runs with fsync = off: a crash of its machine may lose or damage the tables (a rebuild makes them anew)"
	}
	return s, nil
}

// closePatience is how long Close waits for a server to say goodbye.
const closePatience = time.Second

// Close releases the connections. What is not committed is not lost: the log
// has it. A server that does not answer is not waited for.
func (w *Warehouse) Close() error {
	w.mu.Lock()
	all := slices.Collect(maps.Values(w.workspaces))
	w.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, ws := range all {
			w.disown(ws)
		}
		w.pool.Close()
	}()
	select {
	case <-done:
	case <-time.After(closePatience):
		w.log.Warn("Postgres does not answer: its connections are left to end by themselves")
	}
	return nil
}
