package duckdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A store is one workspace's file in the child.
type store struct {
	config    *childConfig
	workspace string
	path      string

	// mu is held by whoever loads: one at a time.
	mu     sync.Mutex
	loader *loader // nil before resume
	// resumed says that resume went well in this life of the process and
	// nothing failed since, so that a file closed when idle opens by itself.
	resumed  bool
	settings warehouse.Settings
	sources  atomic.Pointer[warehouse.Settings] // the same, for queries
	shadow   *shadow
	shadows  uint64    // number of the last shadow
	noted    time.Time // when a checkpoint was last committed
	fresh    freshRows // since the last checkpoint

	// merging is held while row groups are merged, and by what must not be in
	// the middle of that; after mu and gate. It guards what follows.
	merging     sync.Mutex
	unmerged    bool // there may be row groups to merge
	unmergeable map[warehouse.TableName]time.Time
	rebuilding  atomic.Bool // a shadow is being made

	// gate is held for reading by what uses the file without mu: queries, and a
	// checkpoint beside commits; for writing by what closes it.
	gate sync.RWMutex

	life    sync.Mutex // guards what follows
	db      *database
	opening *opening // nil while nobody opens the file
	dropped bool     // it is never opened again
	users   int      // queries that hold db
	used    time.Time
	wrote   time.Time // the last commit with rows
}

func newStore(config *childConfig, workspace string) *store {
	return &store{
		config: config, workspace: workspace, path: filepath.Join(config.Dir, workspace+".duckdb"), used: time.Now(),
		fresh: freshRows{}, unmerged: true, unmergeable: map[warehouse.TableName]time.Time{},
	}
}

// An opening is the file being opened, which may take seconds.
type opening struct {
	done chan struct{}
	err  error
}

// open opens the file if it is closed. s.mu is held.
func (s *store) open() error {
	db, err := s.openFile(nil)
	if err != nil || s.loader != nil {
		return err
	}
	l, err := newLoader(db, s.fresh, &s.merging)
	if err != nil {
		return s.failed(err)
	}
	s.loader = l
	return nil
}

// openFile returns the open database. Opening goes on when stop is closed.
func (s *store) openFile(stop <-chan struct{}) (*database, error) {
	s.life.Lock()
	if s.db != nil {
		defer s.life.Unlock()
		return s.db, nil
	}
	if s.dropped {
		s.life.Unlock()
		return nil, warehouse.Dropped(s.workspace)
	}
	o := s.opening
	if o == nil {
		o = &opening{done: make(chan struct{})}
		s.opening = o
		go func() {
			db, err := s.openNow()
			s.life.Lock()
			s.db, s.opening, s.used, o.err = db, nil, time.Now(), err
			s.wrote = s.used // what the loader has waiting comes before a checkpoint
			s.life.Unlock()
			close(o.done)
		}()
	}
	s.life.Unlock()
	select {
	case <-o.done:
	case <-stop:
		return nil, errStopped
	}
	if o.err != nil {
		return nil, o.err
	}
	return s.openFile(stop)
}

var errStopped = errors.New("the query was stopped before it began")

func (s *store) openNow() (*database, error) {
	for _, dir := range []string{s.config.Dir, s.spillDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, millrace.Errorf(millrace.Unavailable, "make the folder of the warehouse: %w", err)
		}
	}
	if err := dropFailedMarkers(s.path + ".wal"); err != nil {
		return nil, s.openFailed(err)
	}
	db, err := openDatabase(s.path, s.databaseSettings())
	if err != nil {
		return nil, s.openFailed(err)
	}
	if err := prepareDatabase(db); err != nil {
		db.close()
		return nil, s.openFailed(err)
	}
	return db, nil
}

func (s *store) spillDir() string { return filepath.Join(s.config.SpillDir, s.workspace) }

// databaseSettings are the engine's settings. The block size counts when the
// file is made: small blocks keep many small tables small.
func (s *store) databaseSettings() map[string]string {
	settings := engineSettings(s.config, s.spillDir())
	settings["default_block_size"] = "16384"
	settings["checkpoint_threshold"] = "1TB" // explicit: see maintain
	settings["auto_checkpoint_skip_wal_threshold"] = "1099511627776"
	settings["max_vacuum_tasks"] = "0" // see merge
	return settings
}

// engineSettings are those of every engine in the child.
func engineSettings(config *childConfig, spill string) map[string]string {
	return map[string]string{
		"threads":                      strconv.Itoa(config.Threads),
		"memory_limit":                 bytesSetting(config.EngineMemoryBytes),
		"temp_directory":               spill,
		"max_temp_directory_size":      bytesSetting(config.SpillLimitBytes),
		"allow_community_extensions":   "false",
		"allow_persistent_secrets":     "false",
		"autoinstall_known_extensions": "false",
		"autoload_known_extensions":    "false",
		"extension_directory":          filepath.Join(spill, "extensions"),
		"secret_directory":             filepath.Join(spill, "secrets"),
		"max_expression_depth":         "100",
	}
}

func bytesSetting(n int64) string { return strconv.FormatInt(n, 10) + "B" }

// prepareDatabase makes the system tables, removes what a rebuild left behind,
// and locks the configuration.
func prepareDatabase(db *database) error {
	c, err := db.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if err := prepareSystemTables(c); err != nil {
		return err
	}
	if err := dropShadows(c); err != nil {
		return err
	}
	return c.exec("PRAGMA disable_checkpoint_on_shutdown; SET GLOBAL TimeZone='UTC'; SET enable_external_access=false; SET lock_configuration=true")
}

// openFailed explains why a file does not open.
func (s *store) openFailed(err error) error {
	message := strings.TrimSpace(err.Error())
	lower := strings.ToLower(message)
	switch {
	case strings.Contains(lower, "could not set lock"), strings.Contains(lower, "conflicting lock"):
		return millrace.Errorf(millrace.Unavailable, "the warehouse file %s is open in another process: close that one: %s", s.path, message)
	case strings.Contains(lower, "newer version"), strings.Contains(lower, "version number"), strings.Contains(lower, "storage version"),
		errors.Is(err, errNewerFormat):
		return millrace.Errorf(millrace.Internal, "the warehouse file %s was written by a newer version: run that version of Millrace, or move the file away and it is rebuilt from the archive: %s", s.path, message)
	default:
		return millrace.Errorf(millrace.Internal, "the warehouse file %s cannot be opened: move it and %s.wal* away and start again, and it is rebuilt from the archive: %s", s.path, filepath.Base(s.path), message)
	}
}

// failed turns an error of the engine while loading into Unavailable, and
// makes the loader begin anew. An engine that declares itself broken ends the
// process: the next one opens the file as the last commit left it.
func (s *store) failed(err error) error {
	s.forgetLoader()
	if isFatal(err) {
		endProcess(err)
	}
	var e *millrace.Error
	if errors.As(err, &e) {
		return err
	}
	return millrace.Errorf(millrace.Unavailable, "the warehouse did not take a batch: %w", err)
}

// isFatal says whether the engine is of no more use in this process.
func isFatal(err error) bool {
	text := err.Error()
	return strings.Contains(text, "FATAL Error") || strings.Contains(text, "database has been invalidated") ||
		strings.Contains(text, "INTERNAL Error")
}

// brokeEngine says the same of an error that a query got, in which its author
// may have put words.
func brokeEngine(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "FATAL Error") || strings.HasPrefix(text, "INTERNAL Error")
}

// endProcess ends the child when the answer to the asker has had time to leave.
func endProcess(err error) {
	fmt.Fprintln(os.Stderr, "millrace: warehouse engine: ending after:", err)
	time.AfterFunc(100*time.Millisecond, func() { os.Exit(3) })
}

// forgetLoader throws away what is not committed. s.mu is held.
func (s *store) forgetLoader() {
	if s.loader != nil {
		s.loader.close()
		s.loader = nil
	}
	s.resumed = false
}

// resume begins anew from what is committed. s.mu is held, the file open.
func (s *store) resume() (millrace.Position, error) {
	s.forgetLoader()
	if err := s.open(); err != nil {
		return millrace.Position{}, err
	}
	after, err := s.loader.resume(s.settings)
	if err != nil {
		return millrace.Position{}, s.failed(err)
	}
	s.resumed = true
	return after, nil
}

func (s *store) configure(settings warehouse.Settings) error {
	s.settings = settings
	s.sources.Store(&settings)
	if s.loader == nil || s.loader.shaper == nil {
		return nil
	}
	return s.loader.shaper.Configure(settings)
}

// apply loads a batch. s.mu is held, the file open.
func (s *store) apply(b warehouse.Batch) (warehouse.Progress, error) {
	if !s.resumed {
		return warehouse.Progress{}, millrace.Errorf(millrace.Unavailable, "the warehouse engine was restarted, and loading begins again from what is committed")
	}
	if s.loader.shaper == nil {
		if _, err := s.loader.resume(s.settings); err != nil {
			return warehouse.Progress{}, s.failed(err)
		}
	}
	progress, err := s.loader.apply(b)
	if err != nil {
		failed := s.failed(err)
		if isFatal(err) || isRefusal(err) || isOutOfMemory(err) {
			failed = suspectError{failed}
		}
		return warehouse.Progress{}, failed
	}
	s.noted = time.Now()
	if progress.Rows > 0 {
		s.noteWrite()
	}
	return progress, nil
}

// noteWrite notes that rows were committed just now: it is not quiet.
func (s *store) noteWrite() {
	s.life.Lock()
	s.wrote = time.Now()
	s.life.Unlock()
}

// noteInterval is how often an idle workspace's file is opened to note that the
// log has moved on.
const noteInterval = time.Hour

// idleProgress answers a batch without records for a workspace whose file is
// closed, without opening it: all of nothing is committed. What a crash makes
// of that is a longer scan.
func (s *store) idleProgress(b warehouse.Batch) (warehouse.Progress, bool) {
	s.life.Lock()
	defer s.life.Unlock()
	if s.db != nil || s.opening != nil || !s.resumed || time.Since(s.noted) > noteInterval {
		return warehouse.Progress{}, false
	}
	return warehouse.Progress{Scanned: b.Through, Committed: b.Through}, true
}

// isDropped says whether the workspace was dropped.
func (s *store) isDropped() bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.dropped
}

// touch notes that the store was used just now.
func (s *store) touch() {
	s.life.Lock()
	s.used = time.Now()
	s.life.Unlock()
}

// acquire gives the open database to a query, until release. It waits for the
// file to open, until stop is closed.
func (s *store) acquire(stop <-chan struct{}) (*database, error) {
	for !s.gate.TryRLock() {
		select {
		case <-stop:
			return nil, errStopped
		case <-time.After(2 * time.Millisecond):
		}
	}
	for {
		db, err := s.openFile(stop)
		if err != nil {
			s.gate.RUnlock()
			return nil, err
		}
		s.life.Lock()
		same := s.db == db // not closed in between
		if same {
			s.users++
		}
		s.life.Unlock()
		if same {
			return db, nil
		}
	}
}

func (s *store) release() {
	s.life.Lock()
	s.users--
	s.used = time.Now()
	s.life.Unlock()
	s.gate.RUnlock()
}

// closeIfIdle closes a file that nobody has used for so long, and says whether it
// did. Rows that are held back stay: such a file is not idle.
func (s *store) closeIfIdle(patience time.Duration) bool {
	if !s.idle(patience) || !s.mu.TryLock() {
		return false
	}
	defer s.mu.Unlock()
	if s.shadow != nil || s.loader != nil && s.loader.holds || !s.gate.TryLock() {
		return false
	}
	defer s.gate.Unlock()
	// What a checkpoint cannot do now it does after the next opening.
	_ = s.foldIn()
	if !s.idle(patience) {
		return false
	}
	if s.loader != nil {
		s.loader.close()
		s.loader = nil
	}
	s.life.Lock()
	db := s.db
	s.db = nil
	s.life.Unlock()
	db.close()
	return true
}

// idle says whether the file is open and nobody has used it for so long.
func (s *store) idle(patience time.Duration) bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.db != nil && s.users == 0 && time.Since(s.used) >= patience
}

// lastUsed says when the file was used last, if it is open.
func (s *store) lastUsed() (at time.Time, open bool) {
	s.life.Lock()
	defer s.life.Unlock()
	return s.used, s.db != nil
}
