package nats

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace"
)

// salvageBytes is how much of the newest blocks is checked at each start: that
// is what was written last, and takes a fraction of a second.
const salvageBytes = 64 << 20

// salvageMost is how much is checked, from the newest on, of what the server
// will read through at this start.
const salvageMost = 512 << 20

// A salvage checks the newest blocks before the server opens them, and those
// that it is about to read through. The server would cut a block off at the
// first record that it finds damaged; a salvage puts an empty frame in the
// place of each damaged one, so that the frames behind it stay, at their
// positions. A copy of the block as it was found is set aside first.
type salvage struct {
	o    Options
	id   *identity // nil: not known
	lost lostFrames

	buf  []byte // of the block at path: who checks one looks into the next
	path string
}

// run returns which frames are lost, with those that it gave up.
func (s *salvage) run() (lostFrames, error) {
	var err error
	if s.lost, err = readLost(s.o.Dir); err != nil || s.o.CheckBytes < 0 {
		return s.lost, err
	}
	blocks, err := s.chosen()
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "checking the log's files: %w", err)
	}
	before := uint64(0) // last frame of the block before; 0: not known
	for i, b := range blocks {
		known := i > 0 && !b.oldest || b.known
		if b.oldest {
			before = b.segment.begin - 1
			if s.id != nil {
				before = max(before, s.id.First-1)
			}
		}
		if before, err = s.block(b, before, known, blocks[i+1:]); err != nil {
			return nil, millrace.Errorf(millrace.Internal, "checking %s of the log: %w", b.path, err)
		}
	}
	return s.lost, nil
}

// chosen returns the blocks to check, oldest first: the newest, two at least,
// and before them those that the server will read through.
func (s *salvage) chosen() ([]block, error) {
	row, err := findSegments(s.o.Dir)
	if err != nil {
		return nil, err
	}
	var all []block
	through := map[string]bool{} // by segment: the server will read it through
	for i := range row {
		if s.id != nil && i+1 < len(row) && row[i+1].begin <= s.id.First {
			continue // it was trimmed, and is about to be removed
		}
		blocks, err := row[i].blocks()
		if err != nil {
			return nil, err
		}
		if len(blocks) > 0 {
			blocks[0].known = s.id != nil || len(all) > 0
			through[row[i].name] = !row[i].stateIsCurrent()
		}
		all = append(all, blocks...)
	}
	from, size := len(all), int64(0)
	for from > 0 {
		next, limit := &all[from-1], s.o.CheckBytes
		if through[next.segment.name] {
			limit = max(limit, salvageMost)
		}
		if len(all)-from >= 2 && size+next.size > limit {
			break
		}
		from--
		size += next.size
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
	next := following[0]
	if next.oldest {
		return next.segment.begin - 1
	}
	buf, err := s.read(&next)
	if err != nil {
		return 0
	}
	b, err := newBlockReader(next.segment, next.number, buf)
	if err != nil {
		return 0
	}
	if r, ok := b.record(0); ok && r.seq > 0 {
		return r.seq - 1
	}
	return 0
}

// read returns what is in a block.
func (s *salvage) read(b *block) ([]byte, error) {
	if s.path == b.path {
		return s.buf, nil
	}
	buf, err := os.ReadFile(b.path)
	if err == nil {
		s.buf, s.path = buf, b.path
	}
	return buf, err
}

// block checks one. before is the last frame of the one before it. It returns
// its last frame.
func (s *salvage) block(at block, before uint64, known bool, following []block) (last uint64, err error) {
	buf, err := s.read(&at)
	if err != nil {
		return 0, err
	}
	b, err := newBlockReader(at.segment, at.number, buf)
	if err != nil {
		return 0, err
	}
	end := s.end(following)
	final, holes := b.read()
	if last = before; final != nil {
		last = max(last, final.seq)
	}
	aside := ""
	for _, h := range holes {
		first, through := before+1, end
		if h.before != nil {
			first = max(first, h.before.seq+1)
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
	from := first
	if h.before == nil && at.oldest && at.segment.rolled() && first == at.segment.begin {
		from-- // the marker was there, or the server's note before it
	}
	patch := b.patch(h.size, from, last, when, stamp)
	if patch == nil || from > last && h.before == nil && h.after == nil {
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
	name := filepath.Base(at.path)
	if at.segment.rolled() {
		name = at.segment.name + "-" + name
	}
	name = filepath.Join(fmt.Sprintf("damaged-%d", s.o.Now().UnixMilli()), name)
	path := filepath.Join(s.o.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if err := writeSynced(path, buf); err != nil {
		return "", fmt.Errorf("setting a copy aside: %w", err)
	}
	return name, syncPath(s.o.Dir)
}
