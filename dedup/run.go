package dedup

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"os"
	"slices"
	"sort"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
)

// The layout of a run file; docs/format/dedup-index.md specifies it.
const (
	runMagic      = "MLRDRUN1"
	runHeaderSize = 4096
	blockSize     = 64 // bytes: a cache line
	blockBits     = 480
	blockIDs      = 40 // IDs a block is made for: 12 bits each
	slotSize      = 24 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A run is an immutable, sorted file of IDs with a Bloom filter of blocks in
// front. A block also says where its IDs begin, so that a lookup touches one
// line when the ID is not there and one more place when it is. Every lookup asks
// the filter, so that is memory-mapped. Slots are read: mapped, each lookup that
// passes the filter would leave 64 KiB more of them in this process's memory.
type run struct {
	runInfo
	path   string
	file   *os.File
	data   []byte // header and blocks
	blocks []byte
	near   []byte // the slots of one block; only for find
}

// A runInfo is what the manifest and a run's header say of it.
type runInfo struct {
	File      string `json:"file"`
	Family    family `json:"family"`
	Partition int64  `json:"partition"` // start of its span of log time, ms since 1970; 0 for forever
	IDs       int64  `json:"ids"`
	Blocks    int64  `json:"blocks"`
	Min       int64  `json:"min_ms"` // log time of the earliest ID
	Max       int64  `json:"max_ms"` // and of the latest
	SizeBytes int64  `json:"size_bytes"`
	BlockSum  uint32 `json:"blocks_crc32c"`
	SlotSum   uint32 `json:"slots_crc32c"`
}

// header returns the first page of the run's file.
func (r runInfo) header() []byte {
	b := make([]byte, runHeaderSize)
	copy(b, runMagic)
	b[8] = byte(r.Family)
	for i, v := range []int64{r.Partition, r.IDs, r.Blocks, r.Min, r.Max, int64(r.BlockSum), int64(r.SlotSum)} {
		binary.LittleEndian.PutUint64(b[16+8*i:], uint64(v))
	}
	binary.LittleEndian.PutUint32(b[runHeaderSize-4:], crc32.Checksum(b[:runHeaderSize-4], castagnoli))
	return b
}

// slotsAt is where the slots begin in the file.
func (r *runInfo) slotsAt() int64 { return runHeaderSize + r.Blocks*blockSize }

// openRun opens the run that info describes. It fails when the file is not
// exactly that.
func openRun(path string, info runInfo) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &run{runInfo: info, path: path, file: f}
	if err := r.mapBlocks(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// mapBlocks maps header and blocks, after a look at whether they are those.
func (r *run) mapBlocks() error {
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	want := r.slotsAt() + r.IDs*slotSize
	if st.Size() != want || r.SizeBytes != want || r.IDs < 1 || r.Blocks < 1 {
		return millrace.Errorf(millrace.Internal, "%s has %d bytes, and %d were written", r.path, st.Size(), want)
	}
	if r.data, err = unix.Mmap(int(r.file.Fd()), 0, int(r.slotsAt()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("map %s: %w", r.path, err)
	}
	r.blocks = r.data[runHeaderSize:]
	// Lookups are scattered: reading ahead would only fill the page cache.
	_ = unix.Madvise(r.data, unix.MADV_RANDOM) // advice: no harm when refused
	if string(r.data[:runHeaderSize]) != string(r.header()) {
		return millrace.Errorf(millrace.Internal, "%s is not the run that the manifest names: its header differs", r.path)
	}
	return nil
}

// readSize is how much of a run is read at a time from front to back.
const readSize = 256 << 10

// verify reads the whole run against its checksums, unless ctx ends.
func (r *run) verify(ctx context.Context) error {
	f, err := os.Open(r.path) // its own, so that reading ahead is for it alone
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, readSize)
	blocks, err := r.sum(ctx, f, runHeaderSize, r.slotsAt(), buf)
	if err != nil {
		return err
	}
	slots, err := r.sum(ctx, f, r.slotsAt(), r.SizeBytes, buf)
	if err != nil {
		return err
	}
	if blocks != r.BlockSum || slots != r.SlotSum {
		return &damage{r.path + " is damaged: its checksum is not that of what was written"}
	}
	return nil
}

// sum returns the checksum of [from, to) of the run's file.
func (r *run) sum(ctx context.Context, f *os.File, from, to int64, buf []byte) (sum uint32, err error) {
	for from < to && ctx.Err() == nil {
		b := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(b, from); err != nil {
			return 0, r.unreadable(err)
		}
		sum = crc32.Update(sum, castagnoli, b)
		from += int64(len(b))
	}
	return sum, ctx.Err()
}

// unreadable is the damage of a file of which a part cannot be read.
func (r *run) unreadable(err error) error {
	return &damage{fmt.Sprintf("%s cannot be read: %v", r.path, err)}
}

// close lets go of the file.
func (r *run) close() error {
	data, f := r.data, r.file
	r.data, r.blocks, r.file = nil, nil, nil
	var err error
	if data != nil {
		err = unix.Munmap(data)
	}
	if f != nil {
		err = errors.Join(err, f.Close())
	}
	return err
}

// remove closes the run and deletes its file.
func (r *run) remove() error {
	if err := r.close(); err != nil {
		return err
	}
	return os.Remove(r.path)
}

// scale maps hi evenly, and in order, to 0 … n-1.
func scale(hi uint64, n int64) int64 {
	q, _ := bits.Mul64(hi, uint64(n))
	return int64(q)
}

// bit returns the i-th of the six bits of an ID in its block.
func bit(lo uint64, i int) uint64 {
	return (lo >> (10 * i) & 1023) * blockBits >> 10
}

// find returns when the ID was last seen, if the run has it. One goroutine at a
// time may call it.
func (r *run) find(h hash) (at int64, found bool, err error) {
	block := scale(h.hi, r.Blocks)
	b := r.blocks[block*blockSize : (block+1)*blockSize : (block+1)*blockSize]
	for i := range 6 {
		p := bit(h.lo, i)
		if b[p>>3]&(1<<(p&7)) == 0 {
			return 0, false, nil
		}
	}
	from, to := r.start(block), r.IDs
	if block+1 < r.Blocks {
		to = r.start(block + 1)
	}
	if from > to || to > r.IDs {
		return 0, false, &damage{r.path + " is damaged: a block says that its IDs lie where none are"}
	}
	n := int(to - from)
	r.near = slices.Grow(r.near[:0], n*slotSize)[:n*slotSize]
	if _, err := r.file.ReadAt(r.near, r.slotsAt()+from*slotSize); err != nil && n > 0 {
		return 0, false, r.unreadable(err)
	}
	i, found := sort.Find(n, func(i int) int { return h.compare(slotOf(r.near[i*slotSize:]).hash) })
	if !found {
		return 0, false, nil
	}
	return slotOf(r.near[i*slotSize:]).at, true, nil
}

// start returns where the IDs of a block begin.
func (r *run) start(block int64) int64 {
	return int64(binary.LittleEndian.Uint32(r.blocks[block*blockSize+blockBits/8:]))
}

// slotOf decodes the slot that b begins with.
func slotOf(b []byte) slot {
	b = b[:slotSize:slotSize]
	return slot{
		hash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		int64(binary.LittleEndian.Uint64(b[16:])),
	}
}

// A slotReader reads a run's slots from front to back.
type slotReader struct {
	run  *run
	file *os.File
	in   *bufio.Reader
}

// read opens the run's slots for reading beside find.
func (r *run) read() (*slotReader, error) {
	f, err := os.Open(r.path)
	if err != nil {
		return nil, err
	}
	return &slotReader{r, f, bufio.NewReaderSize(io.NewSectionReader(f, r.slotsAt(), r.IDs*slotSize), readSize)}, nil
}

// next returns the next slot; false at the end.
func (s *slotReader) next() (slot, bool, error) {
	b, err := s.in.Peek(slotSize)
	if err == io.EOF && len(b) == 0 {
		return slot{}, false, nil
	}
	if err != nil {
		return slot{}, false, s.run.unreadable(err)
	}
	out := slotOf(b)
	_, err = s.in.Discard(slotSize)
	return out, true, err
}

func (s *slotReader) close() error { return s.file.Close() }
