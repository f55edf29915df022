package dedup

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"os"

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

// A run is an immutable, sorted file of IDs, memory-mapped, with a Bloom filter
// of blocks in front. A block also says where its IDs begin, so that a lookup
// touches one line when the ID is not there and one more place when it is.
type run struct {
	runInfo
	path   string
	data   []byte // the whole file
	blocks []byte
	slots  []byte
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

// openRun maps the run that info describes. It fails when the file is not
// exactly that.
func openRun(path string, info runInfo) (*run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	want := runHeaderSize + info.Blocks*blockSize + info.IDs*slotSize
	if st.Size() != want || info.SizeBytes != want || info.IDs < 1 || info.Blocks < 1 {
		return nil, millrace.Errorf(millrace.Internal, "%s has %d bytes, and %d were written", path, st.Size(), want)
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(want), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	r := &run{runInfo: info, path: path, data: data}
	r.blocks = data[runHeaderSize : runHeaderSize+info.Blocks*blockSize]
	r.slots = data[runHeaderSize+info.Blocks*blockSize:]
	// Lookups are scattered: reading ahead would only fill the page cache.
	_ = unix.Madvise(data, unix.MADV_RANDOM) // advice: no harm when refused
	if string(data[:runHeaderSize]) != string(info.header()) {
		_ = r.close()
		return nil, millrace.Errorf(millrace.Internal, "%s is not the run that the manifest names: its header differs", path)
	}
	return r, nil
}

// verify reads the whole run against its checksums, unless ctx ends.
func (r *run) verify(ctx context.Context) error {
	sum := func(b []byte) (sum uint32) {
		for len(b) > 0 && ctx.Err() == nil {
			n := min(len(b), syncEvery)
			sum, b = crc32.Update(sum, castagnoli, b[:n]), b[n:]
		}
		return sum
	}
	blocks, slots := sum(r.blocks), sum(r.slots)
	if err := ctx.Err(); err != nil {
		return err
	}
	if blocks != r.BlockSum || slots != r.SlotSum {
		return &damage{r.path + " is damaged: its checksum is not that of what was written"}
	}
	return nil
}

// close unmaps the run.
func (r *run) close() error {
	data := r.data
	r.data, r.blocks, r.slots = nil, nil, nil
	if data == nil {
		return nil
	}
	return unix.Munmap(data)
}

// remove unmaps the run and deletes its file.
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

// find returns when the ID was last seen, if the run has it.
func (r *run) find(h hash) (at int64, found bool) {
	block := scale(h.hi, r.Blocks)
	b := r.blocks[block*blockSize : (block+1)*blockSize : (block+1)*blockSize]
	for i := range 6 {
		p := bit(h.lo, i)
		if b[p>>3]&(1<<(p&7)) == 0 {
			return 0, false
		}
	}
	from, to := r.start(block), r.IDs
	if block+1 < r.Blocks {
		to = r.start(block + 1)
	}
	for from < to {
		mid := (from + to) / 2
		s := r.slot(mid)
		switch {
		case s.hash == h:
			return s.at, true
		case s.less(slot{hash: h}):
			from = mid + 1
		default:
			to = mid
		}
	}
	return 0, false
}

// start returns where the IDs of a block begin.
func (r *run) start(block int64) int64 {
	return int64(binary.LittleEndian.Uint32(r.blocks[block*blockSize+blockBits/8:]))
}

func (r *run) slot(i int64) slot {
	b := r.slots[i*slotSize : (i+1)*slotSize : (i+1)*slotSize]
	return slot{
		hash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])},
		int64(binary.LittleEndian.Uint64(b[16:])),
	}
}
