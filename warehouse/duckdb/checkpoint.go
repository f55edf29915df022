package duckdb

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// checkpointPolicy says when the write-ahead file is folded into the database.
// Opening a file takes 10 to 20 ms for each MB of write-ahead file, so that has
// to stay small. There are two kinds of checkpoints. A full one holds up
// commits for seconds when there are many tables; it is made when nothing
// happens. One beside commits holds up none but those that make tables or
// columns, and leaves the file a little larger than need be; it is made under load.
type checkpointPolicy struct {
	Quiet      time.Duration // without commits before QuietBytes counts
	QuietBytes int64         // a full one when it is quiet
	TryBytes   int64         // one beside commits
	ForceBytes int64         // a full one at any time
	Every      time.Duration // how often to look; a checkpoint at most every second time
	// ReopenEvery is how long there is at least between two reopenings.
	ReopenEvery time.Duration
	// FullEvery is how long there may be none but those beside commits.
	FullEvery time.Duration
}

// defaultCheckpointPolicy bounds reopening to 4 to 9 s.
var defaultCheckpointPolicy = checkpointPolicy{
	Quiet: 3 * time.Second, QuietBytes: 4 << 20, TryBytes: 320 << 20, ForceBytes: 448 << 20, Every: 500 * time.Millisecond, FullEvery: time.Hour,
	ReopenEvery: 10 * time.Minute,
}

// checkpointReserve is what has to stay free beside what a checkpoint writes.
const checkpointReserve = 64 << 20

// maintain makes checkpoints as long as the process lives.
func (s *store) maintain() {
	var lastTry time.Time
	lastFull, lastOpen := time.Now(), time.Now()
	policy := s.config.Checkpoint
	for range time.Tick(policy.Every) {
		size := fileSize(s.path + ".wal")
		s.life.Lock()
		open, quiet := s.db != nil, time.Since(s.wrote) >= policy.Quiet
		s.life.Unlock()
		// A checkpoint that runs out of disk breaks the engine until it is
		// restarted; so it waits until there is room for what it may write.
		if !open || time.Since(lastTry) < 2*policy.Every || freeBytes(s.config.Dir) < 2*size+checkpointReserve {
			continue
		}
		resident := residentBytes(os.Getpid()) // most of all before a checkpoint
		var err error
		switch {
		case size >= policy.ForceBytes, quiet && size >= policy.QuietBytes, size >= policy.TryBytes && time.Since(lastFull) >= policy.FullEvery:
			if err = s.checkpoint(); err == nil {
				lastFull = time.Now()
			}
		case size >= policy.TryBytes:
			err = s.checkpointBeside()
		default:
			continue
		}
		if err == nil && resident > s.config.MemoryLimitBytes && time.Since(lastOpen) >= policy.ReopenEvery {
			var done bool
			if done, err = s.reopen(); done {
				lastOpen = time.Now()
			}
		}
		lastTry = time.Now()
		// A checkpoint that fails changes nothing: the next one does it.
		if err != nil && isFatal(err) {
			endProcess(err)
		}
	}
}

// reopen closes the file and opens it again, unless it is in use; done says
// whether it did. The engine keeps a description of each piece of the file that
// it wrote, 8 % of the size of the piece, and gives it back only so. Rows that
// are held back stay. After an error the workspace has to be resumed.
func (s *store) reopen() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loader == nil || s.shadow != nil || !s.gate.TryLock() {
		return false, nil
	}
	defer s.gate.Unlock()
	s.life.Lock()
	db := s.db
	s.life.Unlock()
	if db == nil {
		return false, nil
	}
	// What came since the checkpoint is read again from the write-ahead file.
	s.loader.close()
	s.life.Lock()
	s.db = nil
	s.life.Unlock()
	db.close()
	db, err = s.openNow()
	if err == nil {
		s.loader.conn, err = db.connect()
	}
	if err != nil {
		s.loader, s.resumed = nil, false
		if db != nil {
			db.close()
		}
		return true, err
	}
	s.life.Lock()
	s.db, s.used = db, time.Now()
	s.life.Unlock()
	return true, nil
}

// checkpoint folds the write-ahead file into the database; commits wait.
func (s *store) checkpoint() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loader == nil {
		return nil
	}
	return s.loader.conn.exec("CHECKPOINT")
}

// besideTries bounds how often a checkpoint is tried that meets a commit at
// the moment at which it begins.
const besideTries = 100

// checkpointBeside folds the write-ahead file into the database while commits
// go on. The engine does so when a transaction is open that sees an older state.
func (s *store) checkpointBeside() error {
	if !s.gate.TryRLock() { // it is being closed
		return nil
	}
	defer s.gate.RUnlock()
	s.life.Lock()
	db := s.db // stays open as long as the gate is held
	s.life.Unlock()
	if db == nil {
		return nil
	}
	older, err := db.connect()
	if err != nil {
		return err
	}
	defer older.close()
	conn, err := db.connect()
	if err != nil {
		return err
	}
	defer conn.close()
	if err := older.exec("BEGIN TRANSACTION READ ONLY; FROM millrace.format"); err != nil {
		return err
	}
	defer older.rollback()
	if err := conn.exec("UPDATE millrace.format SET version = version"); err != nil { // a state that is newer
		return err
	}
	for range besideTries {
		if err = conn.exec("CHECKPOINT"); err == nil || !strings.Contains(err.Error(), "other write transactions") {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// freeBytes is the room on a folder's disk, or a great deal when that is not known.
func freeBytes(dir string) int64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 1 << 62
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
