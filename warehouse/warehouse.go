// Package warehouse turns records into tables that are asked about in SQL. It
// owns the Warehouse interface, the shaping of events into Segment's schema,
// and the loader that moves records from the log into a backend. Backends are
// packages below it.
package warehouse

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// A Warehouse holds the tables of many workspaces, apart from each other. It
// is safe for concurrent use; calls of Resume, Configure, Apply and Swap for
// one workspace come from one goroutine at a time.
type Warehouse interface {
	// Resume forgets what is not committed and returns the position after
	// which records have to be given to Apply, so that no table misses one.
	// The zero position means from the beginning.
	Resume(ctx context.Context, workspace string) (after millrace.Position, err error)
	// Configure sets how records of the workspace are shaped from the next
	// Apply on. It may be called again at any time.
	Configure(ctx context.Context, workspace string, s Settings) error
	// Apply takes records that follow the last ones, in order, without
	// duplicates. When it returns nil, tracks and the other built-in tables
	// are committed with the position (Progress.Scanned) in one transaction.
	// Rows of event tables, users and accounts may be held in memory until
	// they are many or old, or until Batch.Flush; Progress.Committed says through where every table
	// is committed. It is idempotent by position: each table skips what it has
	// already. A row that the engine refuses is set aside in discards and
	// never fails the batch. Unavailable means that the engine is away (its
	// process died, no connection): call Resume and begin again from there;
	// marked with Suspect when the batch itself may be the cause.
	Apply(ctx context.Context, workspace string, b Batch) (Progress, error)
	// Query runs one read-only statement. See Query for its limits and errors.
	Query(ctx context.Context, q Query) (Rows, error)
	// Shadow begins a rebuild beside the live tables.
	Shadow(ctx context.Context, workspace string, s ShadowOptions) (Shadow, error)
	// Status says how the engine is.
	Status(ctx context.Context) (Status, error)
	// Close commits nothing more and releases the engine.
	Close() error
}

// A Sizer is a Warehouse that knows how large its tables are.
type Sizer interface {
	// TableSizes returns, in bytes, what the tables of a workspace take on disk
	// with their indexes, about. It is cheap, and safe beside loading.
	TableSizes(ctx context.Context, workspace string) (map[TableName]int64, error)
	// WorkspaceSize returns what a workspace takes on disk, in bytes. Nothing is
	// opened for it.
	WorkspaceSize(ctx context.Context, workspace string) (int64, error)
}

// A Batch is a step of the log for one workspace.
type Batch struct {
	Entries []eventlog.Entry
	Through millrace.Position // everything up to here has been given
	Flush   bool              // commit every table through Through
	// Spare says what of the entries is not given to the engine, because it has
	// failed on them again and again, and Reason why that is.
	Spare  Spare
	Reason string
}

// Spare says how much of a record is left out. What is left out is in log and
// archive, and a row says so.
type Spare uint8

// What is left out of a record.
const (
	SpareNothing Spare = iota
	SpareBody          // its rows have what its envelope says, and discards says why
	SpareRows          // only discards has a row
	SpareAll           // only millrace.notices has one
)

// Progress is what Apply reached.
type Progress struct {
	Scanned   millrace.Position // built-in tables but users and accounts are committed through here
	Committed millrace.Position // every table is committed through here
	Rows      int64             // rows written to tables by this call
	Discards  int64             // values and rows set aside by this call
	Notices   int64             // rows of millrace.notices that this call wrote
	// EventTables is how many event tables the workspace has now; nil: it is not
	// known, as its file is closed.
	EventTables *int64
}

// Settings say how a workspace's records are shaped.
type Settings struct {
	Sources map[string]SourceSettings // by source; a source not named has the defaults
	// MaxTables is how many event tables all sources may have together, Millrace's
	// own aside; nil: as many as they may have each. Those that there are stay.
	MaxTables *int64
}

// SourceSettings say how the records of one source are shaped.
type SourceSettings struct {
	// Types fixes column types: "table.column" to bool, bigint, double,
	// timestamptz, text or json, as `types:` in the source's file.
	Types      map[string]string
	MaxColumns int // per table; default 400
	MaxTables  int // event tables; default 200
}

// A Query is one SELECT on a workspace's tables.
type Query struct {
	Workspace string
	SQL       string
	Params    []any         // string, bool, int64, float64 or nil, for ? or $1 …
	Limit     int           // rows; 0 means DefaultQueryRows
	MaxBytes  int64         // of the result; 0 means DefaultQueryBytes
	Timeout   time.Duration // 0 means DefaultQueryTimeout
}

// Defaults and maxima of a Query.
const (
	DefaultQueryRows    = 100_000
	MaxQueryRows        = 10_000_000
	DefaultQueryBytes   = 256 << 20
	DefaultQueryTimeout = 60 * time.Second
	MaxQueryTextBytes   = 64 << 10
)

// Rows is the result of a query, to be closed. Errors: Invalid is the query's
// fault (the message is for its author), Canceled when the deadline passed or
// the asker left, TooLarge when the result is over MaxBytes, Limited when too many queries wait,
// Unavailable when the engine was restarted under it.
type Rows interface {
	Schema() *arrow.Schema
	// Next returns the next rows, which the caller releases, or io.EOF.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Truncated says, after io.EOF, whether there were more rows than Limit.
	Truncated() bool
	Close() error
}

// ShadowOptions say what is rebuilt.
type ShadowOptions struct {
	Sources []string // all when empty
	// From and Until bound the log time of the records that are shaped anew;
	// zero is unbounded. Rows outside are taken over from the live tables,
	// except of users and accounts, which are always made anew from the whole
	// history: give Apply the identify and group records of all times.
	From, Until time.Time
	// System makes the tables of SystemSchema anew as well, but its checkpoints:
	// for a warehouse that was loaded from another log. Only without bounds.
	System bool
}

// A Shadow is a rebuild in progress: tables beside the live ones. Only one at
// a time in a workspace (Conflict). A Shadow that was left behind by a crash
// is removed when the next one begins.
type Shadow interface {
	// Apply takes records in order; what lies outside the options is ignored.
	Apply(ctx context.Context, b Batch) (Progress, error)
	// Compare counts the rows of each table, live and shadow, as they are now.
	Compare(ctx context.Context) ([]TableCount, error)
	// Swap puts the shadow in the place of the live tables and sets the
	// checkpoint of every table to at, in one transaction. The caller has
	// stopped the live loader with everything committed through at, and has
	// given the shadow everything through at.
	Swap(ctx context.Context, at millrace.Position) error
	// Discard removes the shadow; no effect after Swap.
	Discard(ctx context.Context) error
}

// TableCount compares a live table with its shadow.
type TableCount struct {
	Schema, Table string
	Live, Shadow  int64 // rows
}

// Status says how an engine is.
type Status struct {
	Backend   string // "duckdb", "postgres"
	Version   string // of the engine, such as "17.2"; "" if unknown
	SizeBytes int64  // tables and write-ahead files, 0 if unknown
	RSSBytes  int64  // of the child process, 0 if there is none
	Restarts  int64  // of the child process since the start
	Queries   int    // running now
	Problem   string // what is wrong at this moment, or ""
}
