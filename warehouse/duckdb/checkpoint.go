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
// commits, for about as long as opening would take; it is made when nothing
// happens, and while the write-ahead file is small. One beside commits holds up
// none but those that make tables or columns; it is made under load. Only a
// full one drops row groups that merging has emptied.
type checkpointPolicy struct {
	Quiet      time.Duration // without commits before QuietBytes counts
	QuietBytes int64         // a full one when it is quiet
	TryBytes   int64         // one beside commits
	ForceBytes int64         // a full one at any time
	Every      time.Duration // how often to look; a checkpoint at most every second time
	// ReopenEvery is how long there is at least between two reopenings.
	ReopenEvery time.Duration
	// FullEvery is how long there may be none but those beside commits. Then a
	// full one comes when the write-ahead file has FullBytes to FullMostBytes.
	FullEvery                time.Duration
	FullBytes, FullMostBytes int64
}

// defaultCheckpointPolicy bounds reopening to 4 to 9 s.
var defaultCheckpointPolicy = checkpointPolicy{
	Quiet: 3 * time.Second, QuietBytes: 16 << 20, TryBytes: 320 << 20, ForceBytes: 448 << 20, Every: 500 * time.Millisecond,
	FullEvery: 10 * time.Minute, FullBytes: 32 << 20, FullMostBytes: 96 << 20,
	ReopenEvery: 10 * time.Minute,
}

// checkpointReserve is what has to stay free beside what a checkpoint writes.
const checkpointReserve = 64 << 20

// A checkpointKind is one of the two, or none.
type checkpointKind int

const (
	noCheckpoint checkpointKind = iota
	fullCheckpoint
	checkpointBesideCommits
)

// kind says which checkpoint is due. sinceFull is since the last full one.
func (p checkpointPolicy) kind(size int64, quiet bool, sinceFull time.Duration) checkpointKind {
	switch {
	case size >= p.ForceBytes:
		return fullCheckpoint
	case quiet && size >= p.QuietBytes && size > p.FullMostBytes:
		return checkpointBesideCommits // they may begin again
	case quiet && size >= p.QuietBytes,
		size >= p.FullBytes && size <= p.FullMostBytes && sinceFull >= p.FullEvery:
		return fullCheckpoint
	case size >= p.TryBytes:
		return checkpointBesideCommits
	}
	return noCheckpoint
}

// maintain makes checkpoints and merges row groups as long as the process lives.
func (s *store) maintain() {
	m := maintenance{store: s, lastFull: time.Now(), lastOpen: time.Now()}
	for range time.Tick(s.config.Checkpoint.Every) {
		if s.isDropped() {
			return
		}
		// What fails changes nothing: the next time does it.
		if err := m.look(); err != nil && isFatal(err) {
			endProcess(err)
		}
	}
}

// maintenance is what maintain knows.
type maintenance struct {
	store                       *store
	lastTry, lastFull, lastOpen time.Time
	nextMerge                   time.Time
	merged                      bool // since the last full checkpoint
}

// look makes a checkpoint or a merge when one is due.
func (m *maintenance) look() error {
	s, policy := m.store, m.store.config.Checkpoint
	size := fileSize(s.path + ".wal")
	s.life.Lock()
	open, quiet := s.db != nil, time.Since(s.wrote) >= policy.Quiet
	s.life.Unlock()
	// A checkpoint that runs out of disk breaks the engine until it is
	// restarted; so it waits until there is room for what it may write.
	free := freeBytes(s.config.Dir) - 2*size - checkpointReserve
	if !open || free < 0 {
		return nil
	}
	mayTry := time.Since(m.lastTry) >= 2*policy.Every
	if kind := policy.kind(size, quiet, time.Since(m.lastFull)); kind != noCheckpoint && mayTry {
		return m.checkpoint(kind)
	}
	if !quiet && time.Now().Before(m.nextMerge) || free < 4*s.config.Merge.Bytes {
		return nil
	}
	began := time.Now()
	merged, err := s.merge()
	m.nextMerge = time.Now().Add(time.Duration(s.config.Merge.Pause) * time.Since(began))
	m.merged = m.merged || merged
	if quiet && m.merged && !merged && err == nil && mayTry {
		return m.checkpoint(fullCheckpoint) // what is empty goes
	}
	return err
}

// checkpoint makes one, and opens the file anew when the process has become large.
func (m *maintenance) checkpoint(kind checkpointKind) error {
	s := m.store
	defer func() { m.lastTry = time.Now() }()
	resident := residentBytes(os.Getpid()) // most of all before a checkpoint
	if kind == checkpointBesideCommits {
		if err := s.checkpointBeside(); err != nil {
			return err
		}
	} else {
		if err := s.checkpoint(); err != nil {
			return err
		}
		m.lastFull, m.merged = time.Now(), false
	}
	if resident <= s.config.MemoryLimitBytes || time.Since(m.lastOpen) < s.config.Checkpoint.ReopenEvery {
		return nil
	}
	done, err := s.reopen()
	if done && err == nil {
		m.lastOpen = time.Now()
	}
	return err
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
	return s.foldIn()
}

// foldIn does the same. s.mu is held.
func (s *store) foldIn() error {
	if s.loader == nil {
		return nil
	}
	if err := s.loader.conn.exec("CHECKPOINT"); err != nil {
		return err
	}
	return s.sealed(s.loader.conn, s.fresh)
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
	fresh := s.takeFresh()
	defer s.giveBack(fresh) // what is not sealed by then
	if err := older.exec("BEGIN TRANSACTION READ ONLY; FROM millrace.format"); err != nil {
		return err
	}
	defer older.rollback()
	if err := conn.exec("UPDATE millrace.format SET version = version"); err != nil { // a state that is newer
		return err
	}
	for range besideTries {
		if err = conn.exec("CHECKPOINT"); err == nil {
			return s.sealed(conn, fresh)
		}
		if !strings.Contains(err.Error(), "other write transactions") {
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
