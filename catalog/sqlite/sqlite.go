// Package sqlite is the catalog in one SQLite file: write-ahead logging, every
// commit fsynced, one writer at a time, readers on snapshots beside it. Another
// process on the same machine may have the file open too.
package sqlite

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

const (
	// fileID is the application_id of the files: MRCA.
	fileID = 0x4d524341
	// readers is how many Views run at once.
	readers = 4
	// cachedStatements is how many prepared statements a connection keeps.
	cachedStatements = 200
	// checkedBytes is up to which size a file is checked before it is used;
	// a larger one is checked while it is: 64 MiB take 0.1 s.
	checkedBytes = 64 << 20
)

// Options are what a Catalog needs.
type Options struct {
	File    string // catalog.db in the data folder; made, for its owner alone, when it is missing. Required
	Version string // of Millrace, written beside each migration; default development
	// Later leaves an older schema as it is until Migrate is called: a standby
	// does that when it holds its lease, since the server before it still uses the
	// schema.
	Later bool
	// Migrations are those of another program, for tests; default catalog.Migrations().
	Migrations fs.FS
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default discards
}

// A Catalog is a SQLite file.
type Catalog struct {
	o        Options
	writer   chan *conn // holds the one that writes while nobody does
	readers  chan *conn
	sessions catalog.Sessions
	schema   atomic.Int64 // the newest migration
	closing  sync.Once
	closed   chan struct{}
	checked  chan struct{} // closed when the file was checked
	stop     context.CancelFunc

	mu      sync.Mutex
	problem string // of the last commit
	damage  string // found in the file: it does not go away
}

var _ catalog.Catalog = (*Catalog)(nil)

// Open opens the file and brings it to the newest schema. Conflict says that
// another version of Millrace made it, Invalid that it is no catalog, Internal that it is damaged.
func Open(ctx context.Context, o Options) (*Catalog, error) {
	if o.File == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the catalog needs a file: catalog.db in the data folder")
	}
	file, err := filepath.Abs(o.File)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "the catalog's file %s: %w", o.File, err)
	}
	o.File = file
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Catalog{o: o, writer: make(chan *conn, 1), readers: make(chan *conn, readers),
		closed: make(chan struct{}), checked: make(chan struct{}), stop: func() {}}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.closeAll())
	}
	return c, nil
}

func (c *Catalog) open(ctx context.Context) error {
	size, err := c.create()
	if err != nil {
		return c.explain("make the file", err)
	}
	writer, err := c.connect(ctx, "&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=200")
	if err != nil {
		return err
	}
	c.writer <- writer
	err = c.patiently(ctx, func() error {
		if err := c.identify(ctx, writer); err != nil || size > checkedBytes {
			return err
		}
		return c.check(ctx, writer)
	})
	if err != nil {
		return err
	}
	for range readers {
		one, err := c.connect(ctx, "&_query_only=1&_busy_timeout=5000")
		if err != nil {
			return err
		}
		c.readers <- one
	}
	o := c.migrate()
	o.Later = c.o.Later
	newest, err := catalog.Migrate(ctx, store{c}, o)
	c.schema.Store(int64(newest))
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.checkLarge(background, size)
	return nil
}

func (c *Catalog) migrate() catalog.MigrateOptions {
	return catalog.MigrateOptions{Migrations: c.o.Migrations, Version: c.o.Version, Now: c.o.Now, Logger: c.o.Logger}
}

// create makes the file so that only its owner may read it, and its name
// durable. It returns the size of one that is there.
func (c *Catalog) create() (size int64, err error) {
	f, err := os.OpenFile(c.o.File, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(c.o.File)
		if err != nil {
			return 0, err
		}
		if !info.Mode().IsRegular() {
			return 0, millrace.Errorf(millrace.Invalid, "the catalog's file %s is not a file", c.o.File)
		}
		if info.Mode().Perm()&0o077 != 0 {
			c.o.Logger.Warn("others could read the catalog: now its owner alone can", "file", c.o.File, "mode", info.Mode().Perm().String())
			return info.Size(), os.Chmod(c.o.File, 0o600)
		}
		return info.Size(), nil
	}
	if err != nil {
		return 0, err
	}
	folder, err := os.Open(filepath.Dir(c.o.File))
	if err != nil {
		return 0, errors.Join(err, f.Close())
	}
	return 0, errors.Join(f.Sync(), f.Close(), folder.Sync(), folder.Close())
}

// connect opens the file.
func (c *Catalog) connect(ctx context.Context, parameters string) (*conn, error) {
	address := (&url.URL{Scheme: "file", Path: c.o.File}).String() + "?_foreign_keys=1&_case_sensitive_like=1&_secure_delete=1&_cache_size=-8000&_stmt_cache_size=" +
		strconv.Itoa(cachedStatements) + parameters
	var one *conn
	err := c.patiently(ctx, func() error {
		opened, err := (&sqlite3.SQLiteDriver{}).Open(address)
		if err != nil {
			return c.explain("open the file", err)
		}
		db, ok := opened.(*sqlite3.SQLiteConn)
		if !ok {
			return millrace.Errorf(millrace.Internal, "the SQLite driver made a %T", opened)
		}
		one = &conn{db: db, c: c}
		return nil
	})
	return one, err
}

// patiently runs f until the file is not busy any more, as it is for a moment
// when several processes begin one.
func (c *Catalog) patiently(ctx context.Context, f func() error) error {
	for begun := time.Now(); ; {
		err := f()
		if !isBusy(err) || time.Since(begun) > catalog.Patience {
			return err
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return c.explain("open the file", err)
		}
	}
}

// identify refuses a file of another program, and a place where SQLite is not safe.
func (c *Catalog) identify(ctx context.Context, w *conn) error {
	// One snapshot: another process may begin the file at this moment.
	if err := w.run(ctx, "BEGIN"); err != nil {
		return c.explain("open the file", err)
	}
	defer w.rollback()
	id, err := w.number(ctx, "PRAGMA application_id")
	if err != nil {
		return err
	}
	tables, err := w.number(ctx, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return err
	}
	w.rollback()
	if id != fileID && (id != 0 || tables != 0) {
		return millrace.Errorf(millrace.Invalid, "the file %s is a database of another program: move it away, or name another file for the catalog", c.o.File)
	}
	if id == 0 {
		if err := w.run(ctx, "PRAGMA application_id = "+strconv.Itoa(fileID)); err != nil {
			return c.explain("begin the file", err)
		}
	}
	for _, pragma := range []string{"PRAGMA journal_size_limit = 8388608", "PRAGMA fullfsync = 1"} {
		if err := w.run(ctx, pragma); err != nil {
			return c.explain("prepare the file", err)
		}
	}
	mode, err := w.text(ctx, "PRAGMA journal_mode")
	if err == nil && mode != "wal" {
		err = millrace.Errorf(millrace.Invalid, "the file system of %s cannot hold the catalog (journal mode %s): keep the data folder on a local disk", c.o.File, mode)
	}
	return err
}

// check looks through the file for damage.
func (c *Catalog) check(ctx context.Context, on *conn) error {
	found, err := on.text(ctx, "PRAGMA quick_check(1)")
	if err == nil && found != "ok" {
		err = c.damaged(found)
	}
	return err
}

// checkLarge checks while the file is used.
func (c *Catalog) checkLarge(ctx context.Context, size int64) {
	defer close(c.checked)
	if size <= checkedBytes {
		return
	}
	one, err := c.connect(ctx, "&_query_only=1&_busy_timeout=5000")
	if err != nil {
		return
	}
	defer one.db.Close()
	if err := c.check(ctx, one); err != nil && ctx.Err() == nil {
		c.o.Logger.Error("checking the catalog", "error", err)
	}
}

// note keeps what is wrong for Status.
func (c *Catalog) note(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem = ""; err != nil {
		c.problem = err.Error()
	}
	return err
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

// Status says how the file is. See catalog.Catalog.
func (c *Catalog) Status(ctx context.Context) (catalog.Status, error) {
	version, _, _ := sqlite3.Version()
	s := catalog.Status{Engine: "sqlite", Version: version, Schema: int(c.schema.Load()),
		Acknowledged: "fsynced to the disk of this machine"}
	for _, name := range []string{c.o.File, c.o.File + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			s.SizeBytes += info.Size()
		}
	}
	err := c.View(ctx, func(tx catalog.Tx) error {
		_, err := catalog.One[int64](ctx, tx, "SELECT count(*) FROM schema_version")
		return err
	})
	if ctx.Err() != nil {
		return s, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Problem = cmp.Or(c.damage, c.problem); s.Problem == "" && err != nil {
		s.Problem = err.Error()
	}
	return s, nil
}

// Close waits for what runs and closes the file. See catalog.Catalog.
func (c *Catalog) Close() (err error) {
	c.closing.Do(func() {
		close(c.closed)
		c.stop()
		<-c.checked
		err = c.closeAll()
	})
	return err
}

// closeAll closes every connection, waiting for those in use.
func (c *Catalog) closeAll() error {
	var all []error
	patience := time.NewTimer(catalog.Patience)
	defer patience.Stop()
	for _, from := range []chan *conn{c.readers, c.writer} {
		for range cap(from) {
			select {
			case one := <-from:
				all = append(all, one.db.Close())
				continue
			default:
			}
			if c.stopped() == nil { // it never was opened
				continue
			}
			select {
			case one := <-from:
				all = append(all, one.db.Close())
			case <-patience.C:
				return millrace.Errorf(millrace.Unavailable, "the catalog is not closed: a transaction still runs after %v", catalog.Patience)
			}
		}
	}
	return errors.Join(all...)
}

func (c *Catalog) stopped() error {
	select {
	case <-c.closed:
		return catalog.ErrClosed
	default:
		return nil
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
