package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/millrace/millrace"
)

// salvageBytes is how much of the newest blocks is checked at each start: that
// is what was written last, and takes a fraction of a second.
const salvageBytes = 64 << 20

// A salvage checks the newest blocks before the server opens them. The server
// would cut a block off at the first record that it finds damaged; a salvage
// puts an empty frame in the place of each damaged one, so that the frames
// behind it stay, at their positions. A copy of the block as it was found is
// set aside first.
type salvage struct {
	o    Options
	id   *identity // nil: not known
	dir  string    // of the blocks
	lost lostFrames
}

// A block is a file of blocks.
type block struct {
	number uint64
	path   string
	size   int64
	oldest bool // there is none before it
}

func blocksDir(dir string) string {
	return filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", streamName, "msgs")
}

// run returns which frames are lost, with those that it gave up.
func (s *salvage) run() (lostFrames, error) {
	var err error
	if s.lost, err = readLost(s.o.Dir); err != nil || s.o.CheckBytes < 0 {
		return s.lost, err
	}
	blocks, err := s.newest()
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "checking the log's files: %w", err)
	}
	before := uint64(0) // last frame of the block before; 0: not known
	for i, b := range blocks {
		if i == 0 && b.oldest && s.id != nil {
			before = s.id.First - 1
		}
		known := i > 0 || b.oldest && s.id != nil
		if before, err = s.block(b, before, known, s.end(blocks[i+1:])); err != nil {
			return nil, millrace.Errorf(millrace.Internal, "checking %s of the log: %w", b.path, err)
		}
	}
	return s.lost, nil
}

// newest returns the newest blocks, oldest first: two at least.
func (s *salvage) newest() ([]block, error) {
	names, err := os.ReadDir(s.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	var all []block
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(name.Name(), ".blk"), 10, 64)
		if err != nil || !strings.HasSuffix(name.Name(), ".blk") {
			continue
		}
		info, err := name.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, block{number: n, path: filepath.Join(s.dir, name.Name()), size: info.Size()})
	}
	slices.SortFunc(all, func(a, b block) int { return int(int64(a.number) - int64(b.number)) })
	if len(all) > 0 {
		all[0].oldest = true
	}
	from, size := len(all), int64(0)
	for from > 0 && (len(all)-from < 2 || size+all[from-1].size <= s.o.CheckBytes) {
		from--
		size += all[from].size
	}
	return all[from:], nil
}

// end returns the last frame that a block has to hold when those follow it; 0
// is not known.
func (s *salvage) end(following []block) uint64 {
	if len(following) == 0 {
		if s.id == nil {
			return 0
		}
		return s.id.Last // what came later may be a record that a crash tore
	}
	buf, err := os.ReadFile(following[0].path)
	if err != nil {
		return 0
	}
	b, err := newBlockReader(following[0].number, buf)
	if err != nil {
		return 0
	}
	if r, ok := b.record(0); ok && r.seq > 0 {
		return r.seq - 1
	}
	return 0
}

// block checks one. before is the last frame of the one before it, end the last
// that it has to hold. It returns its last frame.
func (s *salvage) block(at block, before uint64, known bool, end uint64) (last uint64, err error) {
	buf, err := os.ReadFile(at.path)
	if err != nil {
		return 0, err
	}
	b, err := newBlockReader(at.number, buf)
	if err != nil {
		return 0, err
	}
	final, holes := b.read()
	if last = before; final != nil {
		last = final.seq
	}
	aside := ""
	for _, h := range holes {
		first, through := before+1, end
		if h.before != nil {
			first = h.before.seq + 1
		}
		if h.after != nil {
			through = h.after.seq - 1
		}
		tail := h.after == nil
		torn := tail && through < first // by a crash: nobody was told that it is there
		if torn && !b.complete(h) {
			continue
		}
		if aside == "" {
			if aside, err = s.setAside(at, buf); err != nil {
				return 0, err
			}
		}
		if torn {
			s.o.Logger.Error("the last record of the log is damaged, and is cut off", "file", at.path, "copy", aside)
			continue
		}
		if !known && h.before == nil {
			s.o.Logger.Error("a block of the log is damaged at its beginning, what it held cannot be told", "file", at.path, "copy", aside)
			continue
		}
		if err := s.fill(b, at, h, first, through, aside); err != nil {
			return 0, err
		}
		if tail {
			last = through
		}
	}
	return last, nil
}

// fill puts empty frames into a hole.
func (s *salvage) fill(b *blockReader, at block, h hole, first, last uint64, aside string) error {
	stamp, ok := stampOf(h.before, s.lost)
	if !ok {
		if stamp, ok = stampOf(h.after, s.lost); !ok && s.id != nil {
			stamp = s.id.time()
		}
	}
	when := uint64(time.Now().UnixNano())
	if h.before != nil {
		when = h.before.time
	} else if h.after != nil {
		when = h.after.time
	}
	patch := b.patch(h.size, first, last, when, stamp)
	if patch == nil || first > last && h.before == nil {
		s.o.Logger.Error("a block of the log is damaged and cannot be mended: the frames behind the damage are lost", "file", at.path, "at", h.at, "copy", aside)
		return nil
	}
	if first <= last {
		s.lost = s.lost.with(lostRange{First: first, Last: last, Stamp: stamp.UnixMilli(), At: s.o.Now().UnixMilli(), Aside: aside})
		if err := s.lost.write(s.o.Dir); err != nil {
			return err
		}
		s.o.Logger.Error("frames of the log were damaged on disk and are lost; those behind them are kept", "first", first, "last", last, "copy", aside)
	}
	f, err := os.OpenFile(at.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(patch, int64(h.at))
	return errors.Join(err, f.Sync(), f.Close())
}

// setAside keeps a copy of a block as it was found, and returns its path in
// the log's folder.
func (s *salvage) setAside(at block, buf []byte) (string, error) {
	name := filepath.Join(fmt.Sprintf("damaged-%d", s.o.Now().UnixMilli()), filepath.Base(at.path))
	path := filepath.Join(s.o.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if err := writeSynced(path, buf); err != nil {
		return "", fmt.Errorf("setting a copy aside: %w", err)
	}
	return name, syncPath(s.o.Dir)
}
