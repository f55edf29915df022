package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/minio/highwayhash"

	"github.com/millrace/millrace/eventlog"
)

// How a record lies in a block file of the server: length (4; the highest bit
// says that there are headers), sequence (8), time (8), length of the subject
// (2), subject, message, checksum (8). The server cuts a block off at the first
// record that it finds damaged, and drops what lies behind.
const (
	recordHeader   = 22
	recordChecksum = 8
	recordEmpty    = recordHeader + recordChecksum
	recordMost     = 32 << 20
	recordSpecial  = 3 << 62 // of a sequence: erased, or a note that something was erased
)

// A record is a whole one in a block.
type record struct {
	at, size int
	seq      uint64 // 0: no frame
	time     uint64
	message  []byte
}

// A hole is what lies between two whole records of a block, or behind the last.
type hole struct {
	at, size int
	before   *record // the last frame before it; nil: none in the block
	after    *record // the first frame behind it; nil: none in the block
}

// A blockReader reads the records of one block.
type blockReader struct {
	hash    *highwayhash.Digest64
	subject string
	buf     []byte
}

func newBlockReader(g *segment, number uint64, buf []byte) (*blockReader, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", g.name, number))
	hash, err := highwayhash.NewDigest64(key[:])
	return &blockReader{hash: hash, subject: g.subject, buf: buf}, err
}

// record returns the whole record at a place, if there is one.
func (b *blockReader) record(at int) (r record, ok bool) {
	rest := b.buf[at:]
	if len(rest) < recordEmpty {
		return r, false
	}
	le := binary.LittleEndian
	size, name := int(le.Uint32(rest)), int(le.Uint16(rest[20:]))
	plain := name == len(b.subject) && size > recordEmpty+name
	if size > len(rest) || size > recordMost || !plain && (name != 0 || size < recordEmpty) {
		return r, false
	}
	if !plain && size > recordEmpty && le.Uint64(rest[4:]) != 0 { // only patch makes those
		return r, false
	}
	if plain && string(rest[recordHeader:recordHeader+name]) != b.subject {
		return r, false
	}
	end := size - recordChecksum
	if !bytes.Equal(b.checksum(rest[:end]), rest[end:size]) {
		return r, false
	}
	r = record{at: at, size: size, time: le.Uint64(rest[12:])}
	if seq := le.Uint64(rest[4:]); plain && seq&recordSpecial == 0 {
		r.seq, r.message = seq, rest[recordHeader+name:end]
	}
	return r, true
}

// checksum is that of a record without its checksum and without headers.
func (b *blockReader) checksum(data []byte) []byte {
	b.hash.Reset()
	// A hash takes everything.
	_, _ = b.hash.Write(data[4:20])
	_, _ = b.hash.Write(data[recordHeader:])
	return b.hash.Sum(nil)
}

// read returns the last frame of the block and its holes.
func (b *blockReader) read() (last *record, holes []hole) {
	var open []int // holes that have nothing behind them yet
	for at := 0; at < len(b.buf); {
		r, ok := b.record(at)
		if !ok {
			begin := at
			for at++; at < len(b.buf); at++ {
				if _, ok := b.record(at); ok {
					break
				}
			}
			open = append(open, len(holes))
			holes = append(holes, hole{at: begin, size: at - begin, before: last})
			continue
		}
		at += r.size
		if r.seq == 0 {
			continue
		}
		last = &r
		for _, i := range open {
			holes[i].after = last
		}
		open = open[:0]
	}
	return last, holes
}

// patch returns what fills a hole of that size: a record for each of the
// frames first to last, empty, at the log time stamp. It is nil when they do
// not fit.
func (b *blockReader) patch(size int, first, last, at uint64, stamp time.Time) []byte {
	if first > last { // nothing was there but the server's notes
		return b.encode(nil, size, 0, at, "", nil)
	}
	empty := emptyFrame(stamp)
	n := last - first + 1
	each := uint64(size) / n
	if each < uint64(recordEmpty+len(b.subject)+len(empty)) {
		return nil
	}
	var out []byte
	for seq := first; seq <= last; seq++ {
		if seq == last {
			each = uint64(size - len(out))
		}
		out = b.encode(out, int(each), seq, at, b.subject, empty)
	}
	return out
}

// encode appends a record of that size.
func (b *blockReader) encode(out []byte, size int, seq, at uint64, name string, message []byte) []byte {
	if size < recordEmpty+len(name)+len(message) {
		return nil
	}
	data := make([]byte, size-recordChecksum) // what is left is zero
	le := binary.LittleEndian
	le.PutUint32(data, uint32(size))
	le.PutUint64(data[4:], seq)
	le.PutUint64(data[12:], at)
	le.PutUint16(data[20:], uint16(len(name)))
	copy(data[recordHeader:], name)
	copy(data[recordHeader+len(name):], message)
	out = append(out, data...)
	return append(out, b.checksum(data)...)
}

// emptyFrame stands for a frame that is lost: readers pass over it.
func emptyFrame(stamp time.Time) []byte {
	var b eventlog.FrameBuilder
	return b.Encode(nil, stamp)
}

// complete says whether a hole has the shape of records that were written
// whole: one that a crash tore ends early.
func (b *blockReader) complete(h hole) bool {
	rest := b.buf[h.at : h.at+h.size]
	if len(rest) < recordEmpty {
		return false
	}
	size := int(binary.LittleEndian.Uint32(rest))
	return size >= recordEmpty && size <= len(rest) && bytes.HasPrefix(rest[recordHeader:], []byte(b.subject))
}

// stampOf returns the log time of a frame in a block.
func stampOf(r *record, lost lostFrames) (time.Time, bool) {
	if r == nil {
		return time.Time{}, false
	}
	if known := lost.find(r.seq); known != nil {
		return known.stamp(), true
	}
	f, err := eventlog.OpenFrame(r.message)
	return f.Time(), err == nil
}
