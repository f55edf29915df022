package duckdb

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
)

// A shelf reads the stored results of queries: an engine in memory that sees
// the folder they are in and nothing else, and is closed when it is idle.
type shelf struct {
	config *childConfig

	mu    sync.Mutex
	db    *database
	users int
	used  time.Time
}

// resultPattern is what the files of results are called.
var resultPattern = regexp.MustCompile(`^[a-z0-9]{1,64}\.parquet$`)

// acquire opens the engine, until release.
func (s *shelf) acquire() (*database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		db, err := s.open()
		if err != nil {
			return nil, millrace.Errorf(millrace.Unavailable, "open the engine that reads results: %w", err)
		}
		s.db = db
	}
	s.users++
	return s.db, nil
}

func (s *shelf) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	s.used = time.Now()
}

func (s *shelf) closeIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil && s.users == 0 && time.Since(s.used) >= s.config.IdleTimeout {
		s.db.close()
		s.db = nil
	}
}

// shelfSpill is its folder among those of workspaces, none of which begins so.
const shelfSpill = "_results"

func (s *shelf) open() (*database, error) {
	spill := filepath.Join(s.config.SpillDir, shelfSpill)
	if err := os.MkdirAll(spill, 0o700); err != nil {
		return nil, err
	}
	settings := engineSettings(s.config, spill)
	settings["memory_limit"] = bytesSetting(s.config.ResultMemoryBytes)
	db, err := openDatabase(":memory:", settings)
	if err != nil {
		return nil, err
	}
	c, err := db.connect()
	if err == nil {
		// There are few files, and they are asked about again and again.
		err = c.exec("SET GLOBAL TimeZone='UTC'; SET GLOBAL parquet_metadata_cache=true; SET allowed_directories=[" + literal(s.config.ResultsDir) + "]; SET enable_external_access=false; SET lock_configuration=true")
		c.close()
	}
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// readResult runs a query over one file.
func (s *shelf) readResult(w *wire, watch *watch, req *request) (result, error) {
	if s.config.ResultsDir == "" || !resultPattern.MatchString(req.File) {
		return result{}, millrace.Errorf(millrace.Invalid, "%.60q is not a stored result", req.File)
	}
	db, err := s.acquire()
	if err != nil {
		return result{}, err
	}
	defer s.release()
	conn, err := db.connect()
	if err != nil {
		return result{}, millrace.Errorf(millrace.Unavailable, "the engine gives no connection: %w", err)
	}
	watch.attach(conn)
	defer conn.close()
	defer watch.attach(nil)
	if err := showResult(conn, filepath.Join(s.config.ResultsDir, req.File)); err != nil {
		if brokeEngine(err) {
			return result{}, err
		}
		return result{}, millrace.Errorf(millrace.Unavailable, "the stored result cannot be read: %s", cleanMessage(err.Error()))
	}
	return answer(w, conn, req.Query, nil)
}

// showResult makes a file the table result: its columns have numbers for names,
// c0, c1 …, so that no name of a column is ever in a query, and the last one, r,
// is the number of the row.
func showResult(conn *connection, path string) error {
	file := "read_parquet(" + literal(path) + ")"
	columns, err := columnCount(conn, "SELECT * FROM "+file)
	if err != nil {
		return err
	}
	var names strings.Builder
	for i := range columns {
		names.WriteString("c" + strconv.Itoa(i) + ", ")
	}
	return conn.exec("CREATE TEMP VIEW result(" + names.String() + "r) AS SELECT *, file_row_number FROM " + file)
}

func columnCount(conn *connection, sql string) (int, error) {
	stmt, err := prepareQuery(conn, sql, nil)
	if err != nil {
		return 0, err
	}
	defer duck.DestroyPrepare(&stmt)
	return int(duck.PreparedStatementColumnCount(stmt)), nil
}
