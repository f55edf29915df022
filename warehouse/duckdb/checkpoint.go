package duckdb

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// checkpointPolicy says when the write-ahead file is folded into the database.
// A checkpoint holds up commits for seconds when there are many tables, and
// fails while a query runs; opening a file takes 10 to 20 ms for each MB of
// write-ahead file. So it is made when nothing happens, tried when the file is
// large, and forced (queries wait) before it is too large.
type checkpointPolicy struct {
	Quiet      time.Duration // without commits before QuietBytes counts
	QuietBytes int64
	TryBytes   int64
	ForceBytes int64
	Every      time.Duration // how often to look; a checkpoint at most every second time
}

// defaultCheckpointPolicy bounds reopening to 4 to 9 s.
var defaultCheckpointPolicy = checkpointPolicy{Quiet: 3 * time.Second, QuietBytes: 4 << 20, TryBytes: 320 << 20, ForceBytes: 448 << 20, Every: 500 * time.Millisecond}

// checkpointReserve is what has to stay free beside what a checkpoint writes.
const checkpointReserve = 64 << 20

// maintain makes checkpoints as long as the process lives.
func (s *store) maintain() {
	var lastTry time.Time
	policy := s.config.Checkpoint
	for range time.Tick(policy.Every) {
		size := fileSize(s.path + ".wal")
		s.life.Lock()
		open, quiet := s.db != nil, time.Since(s.wrote) >= policy.Quiet
		s.life.Unlock()
		switch {
		case !open || time.Since(lastTry) < 2*policy.Every:
		case size >= policy.ForceBytes:
			s.gate.Lock() // waits for running queries, whose deadline bounds it; new ones wait
			lastTry = time.Now()
			s.checkpoint()
			s.gate.Unlock()
		case size >= policy.TryBytes, quiet && size >= policy.QuietBytes:
			if s.gate.TryLock() {
				lastTry = time.Now()
				s.checkpoint()
				s.gate.Unlock()
			}
		}
	}
}

// checkpoint folds the write-ahead file into the database. s.gate is held for
// writing: no query runs.
func (s *store) checkpoint() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A checkpoint that runs out of disk breaks the engine until it is
	// restarted; so it waits until there is room for what it may write.
	if s.loader == nil || freeBytes(s.config.Dir) < 2*fileSize(s.path+".wal")+checkpointReserve {
		return
	}
	// A checkpoint that fails changes nothing: the next one does it.
	if err := s.loader.conn.exec("CHECKPOINT"); err != nil && isFatal(err) {
		endProcess(err)
	}
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
