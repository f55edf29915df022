package history

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace"
)

const (
	// format is the newest schema; the file says its own in user_version.
	format = 2
	// fileID is the application_id of the files: MRHI.
	fileID = 0x4d524849
	// readers is how many queries run at once.
	readers = 3
)

//go:embed schema/*.sql
var schemas embed.FS

// errDamaged is the cause of an error of a file that does not hold what it should.
var errDamaged = errors.New("the file does not hold what was written")

func isDamage(err error) bool {
	var e sqlite3.Error
	return errors.Is(err, errDamaged) || errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB)
}

// open opens the file and reads what is known of it.
func (s *Store) open() error {
	if err := s.create(); err != nil {
		return fmt.Errorf("cannot make the history file: %w", err)
	}
	path, err := filepath.Abs(s.o.File)
	if err != nil {
		return err
	}
	address := (&url.URL{Scheme: "file", Path: path}).String() + "?_busy_timeout=10000&_cache_size=-2000"
	s.files.Lock()
	defer s.files.Unlock()
	if s.write, err = sql.Open("sqlite3", address+"&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite3", address+"&_query_only=1"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err = s.migrate(ctx); err == nil {
		err = s.load(ctx)
	}
	if err != nil {
		err = fmt.Errorf("the history file %s cannot be opened: %w", s.o.File, err)
		return errors.Join(err, s.closeFiles())
	}
	return nil
}

// create makes the file so that only its owner may read it, and its name durable.
func (s *Store) create() error {
	f, err := os.OpenFile(s.o.File, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncFolder(filepath.Dir(s.o.File)))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// migrate brings the file to the newest format, one transaction a step.
func (s *Store) migrate(ctx context.Context) error {
	if _, err := s.write.ExecContext(ctx, "PRAGMA journal_size_limit = 8388608"); err != nil {
		return err
	}
	var version, id, tables int
	if err := s.write.QueryRowContext(ctx, "SELECT (SELECT user_version FROM pragma_user_version), "+
		"(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)").Scan(&version, &id, &tables); err != nil {
		return err
	}
	if id != fileID && (version != 0 || tables != 0) {
		return millrace.Errorf(millrace.Invalid, "it is a database of another program: move it away, the charts begin anew")
	}
	if version > format {
		return millrace.Errorf(millrace.Invalid, "it has format %d, this program knows format %d: run a newer version of Millrace, or move the file away and the charts begin anew", version, format)
	}
	for next := version + 1; next <= format; next++ {
		text, err := schemas.ReadFile(fmt.Sprintf("schema/%d.sql", next))
		if err != nil {
			return err
		}
		err = inTx(ctx, s.write, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version = %d; PRAGMA application_id = %d", text, next, fileID))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads which series there are, and what the rounds that are not packed
// yet say of them.
func (s *Store) load(ctx context.Context) error {
	byID, err := loadSeries(ctx, s.write)
	if err != nil {
		return err
	}
	tick, hours := int64(len(byID)), map[int64]bool{}
	err = eachRound(ctx, s.write, "", nil, func(at int64, data []byte) error {
		tick++
		hours[floor(at/1000, hour)] = true
		return decodeRound(data, func(e entry) {
			if one := byID[e.id]; one != nil {
				one.seen = tick
				if e.total {
					one.last = max(one.last, e.absolute)
				}
			}
		})
	})
	if err != nil {
		return err
	}
	s.series, s.hours, s.tick = map[string]*series{}, hours, tick
	for _, one := range byID {
		s.series[one.key] = one
	}
	return nil
}

func loadSeries(ctx context.Context, db querier) (map[int64]*series, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, kind, name, labels, last FROM series ORDER BY seen, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	byID := map[int64]*series{}
	for rows.Next() {
		one := &series{}
		var labels []byte
		if err := rows.Scan(&one.id, &one.kind, &one.name, &labels, &one.last); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(labels, &one.labels); err != nil {
			return nil, fmt.Errorf("%w: labels of series %d: %w", errDamaged, one.id, err)
		}
		one.seen, one.has = int64(len(byID)), one.kind == Total
		one.key = string(appendKey(nil, one.kind, one.name, one.labels))
		byID[one.id] = one
	}
	return byID, rows.Err()
}

// eachRound calls do with the rounds that where selects, in the order in which they came.
func eachRound(ctx context.Context, db querier, where string, args []any, do func(at int64, data []byte) error) error {
	rows, err := db.QueryContext(ctx, "SELECT at, data FROM round "+where+" ORDER BY seq", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var data sql.RawBytes
		if err := rows.Scan(&at, &data); err != nil {
			return err
		}
		if err := do(at, data); err != nil {
			return err
		}
	}
	return rows.Err()
}

// A querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func inTx(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *Store) close() error {
	s.files.Lock()
	defer s.files.Unlock()
	return s.closeFiles()
}

// closeFiles needs files held.
func (s *Store) closeFiles() error {
	if s.write == nil {
		return nil
	}
	err := s.write.Close()
	if s.read != nil {
		err = errors.Join(s.read.Close(), err)
	}
	s.write, s.read = nil, nil
	return err
}

// A damage is what was found of a file, and whether that was moved aside.
type damage struct {
	err   error
	moved bool
}

// moveAside moves a damaged file away and begins a new one. What is in memory
// goes on: series get into the new file when they are sampled next.
func (s *Store) moveAside() error {
	d := s.damaged.Load()
	if err := s.close(); err != nil {
		s.logger.Warn("closing the damaged history file", "error", err)
	}
	if !d.moved {
		aside := s.o.File + ".damaged"
		if err := moveFile(s.o.File, aside); err != nil {
			return fmt.Errorf("the history file %s is damaged and cannot be moved aside: %w: move it away", s.o.File, err)
		}
		d.moved = true
		s.logger.Warn("the history of the charts was damaged and begins anew; no record is affected", "moved_to", aside, "error", d.err)
	}
	known, tick := s.series, s.tick
	if err := s.open(); err != nil {
		return err
	}
	s.damaged.Store(nil)
	s.tick = tick
	for _, one := range known {
		one.id = 0
		s.series[one.key] = one
	}
	return nil
}

// moveFile moves a database with its write-ahead file, over what was moved there before.
func moveFile(file, aside string) error {
	for _, end := range []string{"-wal", ""} {
		err := os.Rename(file+end, aside+end)
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Remove(aside + end)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Remove(file + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// trouble says what went wrong with the file, to the program by its kind, and
// remembers damage. While the store is closed there is nothing else to say.
func (s *Store) trouble(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case isDamage(err):
		s.damaged.CompareAndSwap(nil, &damage{err: err})
		return millrace.Errorf(millrace.Internal, "%s: the history file is damaged: it is moved aside with the next sample, and the charts begin anew: %w", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return millrace.Errorf(millrace.Canceled, "%s: %w", doing, err)
	case errors.As(err, new(*millrace.Error)):
		return err
	}
	return millrace.Errorf(millrace.Unavailable, "%s: %w: look whether the disk of the data folder is full", doing, err)
}

var errClosed = millrace.Errorf(millrace.Unavailable, "the history is closed: the server is stopping")
