package nats

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millrace/millrace"
)

const minReserveBytes = 2 << 30

// A space watches the free space of the log's disk.
type space struct {
	dir     string
	reserve int64 // bytes; 0 until the first look: the default

	checked atomic.Int64 // when, ns since 1970
	isFull  atomic.Bool
	free    atomic.Int64 // bytes

	mu      sync.Mutex
	written int64 // since the last look
}

// look asks the system how much is free.
func (s *space) look(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &fs); err != nil {
		return millrace.Errorf(millrace.Internal, "asking for the free space of %s: %w", s.dir, err)
	}
	if s.reserve == 0 {
		s.reserve = max(minReserveBytes, int64(fs.Blocks)*int64(fs.Bsize)/20)
	}
	free := int64(min(fs.Bavail, math.MaxInt64/uint64(fs.Bsize))) * int64(fs.Bsize)
	s.free.Store(free)
	threshold := s.reserve
	if s.isFull.Load() {
		threshold += s.reserve / 64 // so that it does not flutter
	}
	s.isFull.Store(free < threshold)
	s.written = 0
	s.checked.Store(now.UnixNano())
	return nil
}

// check says whether the disk is at its reserve. It looks at most once a second.
func (s *space) check(now time.Time) bool {
	if age := now.UnixNano() - s.checked.Load(); age < 0 || age >= int64(spaceCheckEvery) {
		if s.checked.Swap(now.UnixNano()) != now.UnixNano() {
			_ = s.look(now) // a system that does not answer leaves what was known
		}
	}
	return s.isFull.Load()
}

// full says whether size more bytes would go below the reserve, with a new look
// when that is near or much was written.
func (s *space) full(now time.Time, size int) bool {
	if s.reserve < 0 {
		return false
	}
	s.mu.Lock()
	s.written += int64(size)
	written := s.written
	s.mu.Unlock()
	if written > spaceCheckBytes || s.free.Load()-written < s.reserve {
		_ = s.look(now)
		if s.free.Load()-int64(size) < s.reserve {
			s.isFull.Store(true)
		}
	}
	return s.isFull.Load()
}

// why says that the disk is full.
func (s *space) why() string {
	return fmt.Sprintf("the log's disk has %d MB free, %d MB are its reserve: free space on %s, or keep less with log.retention and log.size; appends go on by themselves then",
		s.free.Load()>>20, s.reserve>>20, s.dir)
}
