package nats

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace"
)

// rollBytes is how large a stream grows: as much is read again, at about
// 1 GB/s, when the log is opened after a crash.
const rollBytes = 256 << 20

// When the server opens a stream it reads the block that has the last frame,
// into memory of one of a few sizes. A full stream grows on until that block is
// in the smallest, by half of rollMargin at most, then until it is in the next.
const (
	rollMargin     = 32 << 20
	rollBlock      = 256 << 10
	rollLargeBlock = 1 << 20
)

// duplicateWindow is the least that the server takes. When it opens a stream it
// reads what came within the window, to look for message IDs, which the log
// does not use.
const duplicateWindow = 100 * time.Millisecond

// A segment is one of the server's streams. The log is a row of them: the
// newest takes frames, the others never change but for being trimmed. After a
// crash the server reads a stream that has changed since it last wrote down
// its state, and no other.
//
// Every segment but the first begins with a marker: an empty frame that has
// the number of the frame before begin. Nobody reads it. It is there to be
// purged when the segment is full, because a purge makes the server write down
// the state of the stream at once.
type segment struct {
	name, subject string
	begin         uint64 // the first frame that it can hold
	dir           string // of its blocks

	first, last uint64        // frames, when it was opened; last of the newest is not kept up to date
	marked      bool          // the marker's number was taken, when it was opened
	marker      bool          // the marker was there, when it was opened
	bytes       *atomic.Int64 // stored
}

func newSegment(dir string, begin uint64) segment {
	g := segment{name: streamName, subject: subject, begin: begin, last: begin - 1, first: begin, bytes: new(atomic.Int64)}
	if begin > 1 {
		number := strconv.FormatUint(begin, 10)
		g.name, g.subject = streamName+"-"+number, subject+"."+number
	}
	g.dir = filepath.Join(streamsDir(dir), g.name, "msgs")
	return g
}

func streamsDir(dir string) string {
	return filepath.Join(dir, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams")
}

// rolled says whether another segment was before it.
func (g *segment) rolled() bool { return g.begin > 1 }

func (g *segment) blockPath(n uint64) string {
	return filepath.Join(g.dir, strconv.FormatUint(n, 10)+".blk")
}

// indexPath is where the server writes down the state of the stream.
func (g *segment) indexPath() string { return filepath.Join(g.dir, "index.db") }

// blockNumber returns the number in a block's file name.
func blockNumber(name string) (uint64, bool) {
	number, ok := strings.CutSuffix(name, ".blk")
	n, err := strconv.ParseUint(number, 10, 64)
	return n, ok && err == nil
}

// findSegments returns the segments whose folders are there, oldest first.
func findSegments(dir string) ([]segment, error) {
	names, err := os.ReadDir(streamsDir(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []segment
	for _, name := range names {
		if name.Name() == streamName {
			found = append(found, newSegment(dir, 1))
			continue
		}
		number, ok := strings.CutPrefix(name.Name(), streamName+"-")
		begin, err := strconv.ParseUint(number, 10, 64)
		if ok && err == nil && begin > 1 && begin < math.MaxInt64 && number[0] != '0' {
			found = append(found, newSegment(dir, begin))
		}
	}
	slices.SortFunc(found, func(a, b segment) int { return cmp.Compare(a.begin, b.begin) })
	return found, nil
}

// A block is a file of records.
type block struct {
	segment *segment
	number  uint64
	path    string
	size    int64
	oldest  bool // there is none before it in its segment
	known   bool // the frame before its first is known; for the oldest
}

// blocks returns the blocks of a segment, oldest first.
func (g *segment) blocks() ([]block, error) {
	names, err := os.ReadDir(g.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	var all []block
	for _, name := range names {
		n, ok := blockNumber(name.Name())
		if !ok {
			continue
		}
		info, err := name.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, block{segment: g, number: n, path: g.blockPath(n), size: info.Size()})
	}
	slices.SortFunc(all, func(a, b block) int { return cmp.Compare(a.number, b.number) })
	if len(all) > 0 {
		all[0].oldest = true
	}
	return all, nil
}

// stateIsCurrent says whether the server wrote down the state of the stream
// when its last block was as it is now: index.db ends with the checksum of the
// last record then, and its own.
func (g *segment) stateIsCurrent() bool {
	var then, now [recordChecksum]byte
	blocks, err := g.blocks()
	if err != nil || len(blocks) == 0 {
		return false
	}
	last := blocks[len(blocks)-1]
	state, err := os.ReadFile(g.indexPath())
	if err != nil || len(state) < 2*recordChecksum || last.size < recordChecksum {
		return false
	}
	copy(then[:], state[len(state)-2*recordChecksum:])
	f, err := os.Open(last.path)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.ReadAt(now[:], last.size-recordChecksum)
	return err == nil && then == now
}

// segments returns them, oldest first. The slice is never changed.
func (s *store) segments() []segment { return *s.row.Load() }

// replace puts another row in place of the one that there is.
func (s *store) replace(change func([]segment) []segment) {
	for {
		before := s.row.Load()
		after := change(slices.Clone(*before))
		if s.row.CompareAndSwap(before, &after) {
			return
		}
	}
}

func (s *store) newest() *segment {
	row := s.segments()
	return &row[len(row)-1]
}

// bytes returns how much is stored in all segments.
func (s *store) bytes() (sum int64) {
	for _, g := range s.segments() {
		sum += g.bytes.Load()
	}
	return sum
}

// at returns the segment that has a frame, and the frame to ask it for: a later
// one when none has it.
func (s *store) at(seq uint64) (*segment, uint64) {
	row := s.segments()
	i, _ := slices.BinarySearchFunc(row, seq, func(g segment, seq uint64) int {
		if g.begin <= seq {
			return -1
		}
		return 1
	})
	i = max(i-1, 0)
	if i < len(row)-1 && seq > row[i].last {
		i++
	}
	return &row[i], max(seq, row[i].begin)
}

// openSegments opens the streams that there are, or makes the first.
func (s *store) openSegments(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	row, err := findSegments(s.dir)
	if err != nil {
		return millrace.Errorf(millrace.Internal, "looking at the log's files: %w", err)
	}
	if len(row) == 0 {
		row = append(row, newSegment(s.dir, 1))
	}
	for i := range row {
		if err := s.openSegment(ctx, &row[i]); err != nil {
			return err
		}
	}
	s.row.Store(&row)
	s.marked = row[len(row)-1].marked
	return nil
}

// openSegment finds the stream of a segment, or makes it, and notes its state.
func (s *store) openSegment(ctx context.Context, g *segment) error {
	js, err := s.reader.JetStream(nats.Context(ctx))
	if err != nil {
		return err
	}
	want := nats.StreamConfig{
		Name: g.name, Subjects: []string{g.subject}, Storage: nats.FileStorage, Retention: nats.LimitsPolicy, Discard: nats.DiscardOld,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1, Replicas: 1,
		DenyDelete: true, AllowDirect: true, Duplicates: duplicateWindow,
	}
	info, err := js.StreamInfo(g.name)
	switch {
	case errors.Is(err, nats.ErrStreamNotFound): // also of one whose making or removing was cut short
		info, err = js.AddStream(&want)
	case err == nil && !sameStream(&info.Config, &want): // nothing but this package ever changes it
		info, err = js.UpdateStream(&want)
	}
	if err != nil {
		return millrace.Errorf(millrace.Unavailable, "opening the log's stream %s: %w", g.name, err)
	}
	state := info.State
	g.bytes.Store(int64(state.Bytes))
	g.last = max(state.LastSeq, g.begin-1)
	g.first = max(state.FirstSeq, g.begin)
	g.marked = !g.rolled() || state.LastSeq >= g.begin-1
	g.marker = g.rolled() && state.FirstSeq < g.begin && state.Msgs > 0
	if state.Msgs == 0 {
		g.first = g.last + 1
	}
	return nil
}

// full says whether the newest segment, which ends with frame last, is to be
// followed by another.
func (s *store) full(limit int64, last uint64) bool {
	g := s.newest()
	size := g.bytes.Load()
	if size < limit || last < g.begin {
		return false
	}
	margin, block := min(limit, rollMargin), int64(rollBlock)
	if size >= limit+margin/2 {
		block = rollLargeBlock
	}
	info, err := os.Lstat(g.blockPath(s.block))
	return size >= limit+margin || err == nil && info.Size() < block
}

// roll begins a segment behind frame last. After an error the store must be
// opened again: the stream may be there or not.
func (s *store) roll(ctx context.Context, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	next := newSegment(s.dir, last+1)
	if err := s.openSegment(ctx, &next); err != nil {
		return err
	}
	full := *s.newest()
	s.replace(func(row []segment) []segment {
		row[len(row)-1].last = last
		return append(row, next)
	})
	s.marked = next.marked
	s.logger.Debug("the log goes on in another stream", "full", full.name, "bytes", full.bytes.Load(), "next", next.name)
	s.seal(full)
	return nil
}

// mark stores the marker of the newest segment, and brings its folders to the
// disk, before its first frame.
func (s *store) mark(o Options, marker []byte) error {
	g := s.newest()
	if err := s.purgeStream(g.name, g.begin-1); err != nil { // so that the marker gets the number before begin
		return err
	}
	seq, err := s.publish(marker, o.PublishTimeout)
	if err == nil && seq != g.begin-1 {
		err = millrace.Errorf(millrace.Internal, "the marker of the log's stream %s was stored as number %d", g.name, seq)
	}
	if err == nil {
		err = s.syncNewest()
	}
	s.marked = err == nil
	return err
}

// seal purges the marker of a full segment, so that the server writes down the
// state that the stream has from now on. That is for the next start after a
// crash alone: an error only makes it slower.
func (s *store) seal(g segment) {
	if !g.rolled() {
		return // it has no marker: the server writes its state within minutes
	}
	s.sealing.Add(1)
	go func() {
		defer s.sealing.Done()
		err := s.purgeStream(g.name, g.begin)
		if err == nil {
			err = syncPath(g.indexPath())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, nats.ErrStreamNotFound) && !s.writer.IsClosed() {
			s.logger.Warn("the state of a full stream of the log could not be written down: after a crash it is read again", "stream", g.name, "error", err)
		}
	}()
}

// sealOpened seals what a process that was killed had not sealed yet.
func (s *store) sealOpened() {
	row := s.segments()
	for _, g := range row[:len(row)-1] {
		if g.marker {
			s.seal(g)
		}
	}
}

// purge forgets the frames before first.
func (s *store) purge(first uint64) error {
	for row := s.segments(); len(row) > 1 && row[1].begin <= first; row = s.segments() {
		js, err := s.reader.JetStream(nats.MaxWait(apiTimeout))
		if err == nil {
			err = js.DeleteStream(row[0].name)
		}
		if err != nil && !errors.Is(err, nats.ErrStreamNotFound) {
			return millrace.Errorf(millrace.Unavailable, "trimming the log's stream %s: %w", row[0].name, err)
		}
		s.replace(func(row []segment) []segment { return row[1:] })
	}
	g := s.segments()[0]
	if first <= g.begin {
		return nil
	}
	if err := s.purgeStream(g.name, first); err != nil {
		return err
	}
	js, err := s.reader.JetStream(nats.MaxWait(apiTimeout))
	if err != nil {
		return nil
	}
	if info, err := js.StreamInfo(g.name); err == nil {
		g.bytes.Store(int64(info.State.Bytes))
	}
	return nil
}

// purgeStream forgets what a stream has before first.
func (s *store) purgeStream(name string, first uint64) error {
	js, err := s.reader.JetStream(nats.MaxWait(apiTimeout))
	if err == nil {
		err = js.PurgeStream(name, &nats.StreamPurgeRequest{Sequence: first})
	}
	if err != nil {
		return millrace.Errorf(millrace.Unavailable, "trimming the log's stream %s before frame %d: %w", name, first, err)
	}
	return nil
}

// stored counts a frame of that size that was stored, and returns the bytes
// that it takes.
func (s *store) stored(size int) int64 {
	g := s.newest()
	n := int64(recordEmpty + len(g.subject) + size)
	g.bytes.Add(n)
	return n
}
