package dedup

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/millrace/millrace"
)

// syncEvery is how many bytes of a large run are written between two syncs, so
// that the log's own syncs never wait behind a mountain.
const syncEvery = 16 << 20

// maxRunIDs is the most that a run may hold: its blocks count in 32 bits.
const maxRunIDs = math.MaxUint32

// A runWriter writes a run from slots in the order of their hashes. It needs no
// memory: blocks and slots are both written from front to back.
type runWriter struct {
	info   runInfo
	path   string
	file   *os.File
	blocks *bufio.Writer
	slots  *bufio.Writer
	block  [blockSize]byte
	at     int64 // index of block
	dirty  int   // bytes since the last sync
}

// newRunWriter begins a run of at most limit IDs.
func newRunWriter(path string, f family, partition, limit int64) (*runWriter, error) {
	if limit > maxRunIDs {
		return nil, millrace.Errorf(millrace.Internal, "a run of %d IDs is beyond what its format holds", limit)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w := &runWriter{path: path, file: file}
	w.info = runInfo{
		File: filepath.Base(path), Family: f, Partition: partition,
		Blocks: (limit + blockIDs - 1) / blockIDs, Min: math.MaxInt64, Max: math.MinInt64,
	}
	slotsAt := runHeaderSize + w.info.Blocks*blockSize
	w.blocks = bufio.NewWriterSize(io.NewOffsetWriter(file, runHeaderSize), 64<<10)
	w.slots = bufio.NewWriterSize(io.NewOffsetWriter(file, slotsAt), 256<<10)
	return w, nil
}

// add writes the next slot; the one before it had a smaller hash.
func (w *runWriter) add(s slot) error {
	for block := scale(s.hi, w.info.Blocks); w.at < block; {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	for i := range 6 {
		p := bit(s.lo, i)
		w.block[p>>3] |= 1 << (p & 7)
	}
	w.info.IDs++
	w.info.Min, w.info.Max = min(w.info.Min, s.at), max(w.info.Max, s.at)
	var b [slotSize]byte
	binary.LittleEndian.PutUint64(b[:], s.hi)
	binary.LittleEndian.PutUint64(b[8:], s.lo)
	binary.LittleEndian.PutUint64(b[16:], uint64(s.at))
	w.info.SlotSum = crc32.Update(w.info.SlotSum, castagnoli, b[:])
	if w.dirty += slotSize; w.dirty >= syncEvery {
		w.dirty = 0
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
	_, err := w.slots.Write(b[:])
	return err
}

// endBlock writes the current block and begins the next, whose IDs begin here.
func (w *runWriter) endBlock() error {
	w.info.BlockSum = crc32.Update(w.info.BlockSum, castagnoli, w.block[:])
	if _, err := w.blocks.Write(w.block[:]); err != nil {
		return err
	}
	w.at++
	w.block = [blockSize]byte{}
	binary.LittleEndian.PutUint32(w.block[blockBits/8:], uint32(w.info.IDs))
	return nil
}

// finish completes the file, durably but for its name in the folder, and maps it.
func (w *runWriter) finish() (*run, error) {
	for w.at < w.info.Blocks {
		if err := w.endBlock(); err != nil {
			return nil, errors.Join(err, w.abort())
		}
	}
	info := &w.info
	info.SizeBytes = runHeaderSize + info.Blocks*blockSize + info.IDs*slotSize
	err := errors.Join(w.blocks.Flush(), w.slots.Flush())
	if err == nil {
		_, err = w.file.WriteAt(info.header(), 0)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, w.abort())
	}
	if err := w.file.Close(); err != nil {
		return nil, err
	}
	return openRun(w.path, w.info)
}

// abort removes what was written.
func (w *runWriter) abort() error {
	return errors.Join(w.file.Close(), os.Remove(w.path))
}
