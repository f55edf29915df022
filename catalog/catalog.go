// Package catalog is the metadata store of an installation: who may do what,
// secrets, versions, workspaces. Transactions over SQL that two engines
// understand (a SQLite file, a Postgres server), migrations, leases between
// servers, and a backup that either engine restores.
//
// # The SQL
//
// A statement is a SELECT, INSERT, UPDATE, DELETE or one that begins with WITH.
// Values are $1, $2 …, in any order and as often as need be. What is not the
// same on both engines is refused where that can be seen, and is else to be kept
// out by tests, which run on both:
//
//   - Types are BIGINT, DOUBLE PRECISION, TEXT and bytes ({{bytes}} in migrations,
//     in which all else is plain SQL). Times are BIGINT microseconds since 1970 in
//     UTC, bool is BIGINT 0 or 1, JSON is TEXT: Go's time.Time, bool and
//     json.RawMessage are taken and scanned as such.
//   - Text is UTF-8 without NUL. It is compared and ordered byte by byte; LIKE
//     heeds case, and has no escape but the one it names (ESCAPE '\').
//   - NULL sorts first on one engine and last on the other: write NULLS FIRST or LAST.
//   - The first error of a statement ends its transaction: use ON CONFLICT DO
//     NOTHING to try something.
//   - One Rows is open at a time.
//   - The type of $1 is that of what it is compared to or stored in: where there
//     is nothing, say CAST($1 AS BIGINT).
package catalog

import (
	"context"
	"io"
	"time"
)

// A Catalog keeps the metadata of an installation: transactions over SQL, and
// leases. It is safe for concurrent use. After Close its methods fail with
// Unavailable.
//
// Errors have kinds: Conflict (a unique value is there already), Invalid (the
// statement or a value is wrong, or another constraint is violated), Unavailable
// (the store is busy or away: try again), Canceled.
type Catalog interface {
	// View runs f on a consistent snapshot, in which nothing can be written. It
	// may run f again when the engine asks for it.
	View(ctx context.Context, f func(Tx) error) error
	// Update runs f in a serializable transaction, durable (fsynced) when it
	// returns nil. An error of f, or a panic, leaves everything as it was. It may
	// run f again after a collision, so f has no other effects; nor does f wait for
	// anything else, since others may wait for it, and Postgres ends a transaction
	// that does nothing for 5 s. When it fails with
	// Unavailable because the connection broke, it may have been done all the same.
	// One Update at a time runs on SQLite: one within another waits for itself.
	Update(ctx context.Context, f func(Tx) error) error
	// Migrate brings the schema to the newest version, which opening does too
	// unless it was told to leave that for later.
	Migrate(ctx context.Context) error
	// Backup writes a consistent copy in a format that either engine restores
	// (docs/format/catalog.md), while others go on. The reader finds out when
	// it was cut short.
	Backup(ctx context.Context, w io.Writer) error
	// Restore fills an empty catalog with a backup of this or an older version
	// of Millrace: all of it or nothing. Conflict when the catalog is not
	// empty or the backup is of a newer version, Invalid when it is damaged.
	// With a mark, what a Restore with the same mark has put there counts as
	// empty, as long as nobody has held a lease since and Unmark was not called.
	Restore(ctx context.Context, r io.Reader, mark string) error
	// Status says how the store is. It fails only when ctx ends.
	Status(ctx context.Context) (Status, error)
	// Close waits for transactions that run and releases what is held.
	Close() error
}

// A Tx is a transaction. It belongs to one goroutine, and to the function that
// was given it: afterwards every call fails.
type Tx interface {
	// Exec runs a statement and returns how many rows it changed.
	Exec(ctx context.Context, sql string, args ...any) (rows int64, err error)
	// Query runs a statement that returns rows. See One, All and Each.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
}

// Rows are what a query returns, read one by one.
type Rows interface {
	// Next goes to the next row. It returns false after the last and after an error.
	Next() bool
	// Scan stores the columns of the row in what dest points to. NULL needs a
	// pointer to a pointer.
	Scan(dest ...any) error
	// Err returns what ended the rows before their end.
	Err() error
	// Close may be called again. It returns what Err does.
	Close() error
}

// A Status says how the store is.
type Status struct {
	Engine    string // sqlite or postgres
	Version   string // of the engine
	SizeBytes int64  // 0 when it is not known
	Schema    int    // the newest migration
	// Acknowledged says what a returned Update is worth, for people.
	Acknowledged string
	Problem      string // what is wrong at this moment, and what to do; or empty
}

// MaxValuesBytes is how much text and bytes the values of one statement may
// have together: larger things belong into blob.
const MaxValuesBytes = 16 << 20

// MaxTries is how often Update runs a function that collides with others.
const MaxTries = 50

// Patience is how long a transaction waits for its turn before it fails with
// Unavailable, unless its context ends before.
const Patience = 10 * time.Second
