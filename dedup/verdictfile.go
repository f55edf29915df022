package dedup

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/millrace/millrace"
)

// The layout of a verdict segment; docs/format/verdicts.md specifies it.
const (
	verdictMagic     = "MLRVERD1"
	verdictFixedSize = 8 + 4 + 8 + 8 + 8 + 1 // magic, size of the rest, epoch, seq, time, flags
	maxVerdictHeader = 16 << 20
	blockHeadSize    = 8 // length and crc32c
)

// A segmentHeader begins a verdict segment.
type segmentHeader struct {
	start     millrace.Position // the segment judges what follows; a whole frame
	time      int64             // log time of start, ms since 1970
	beginning bool              // nothing was ever judged before start
	counts    []Count           // of everything up to start
}

// encode returns the header's bytes: magic, length, body, crc32c of all before.
func (h segmentHeader) encode() ([]byte, error) {
	counts, err := json.Marshal(h.counts)
	if err != nil {
		return nil, err
	}
	b := append([]byte(nil), verdictMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(verdictFixedSize-12+len(counts)))
	b = binary.LittleEndian.AppendUint64(b, h.start.Epoch)
	b = binary.LittleEndian.AppendUint64(b, h.start.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.time))
	var flags byte
	if h.beginning {
		flags = 1
	}
	b = append(b, flags)
	b = append(b, counts...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// decodeHeader reads a segment's header and returns what follows it.
func decodeHeader(b []byte) (h segmentHeader, rest []byte, err error) {
	if len(b) < verdictFixedSize+4 {
		return h, nil, fmt.Errorf("its header is incomplete")
	}
	if string(b[:7]) != verdictMagic[:7] {
		return h, nil, fmt.Errorf("it does not begin like a verdict segment")
	}
	if b[7] != verdictMagic[7] {
		return h, nil, fmt.Errorf("it has format version %q, and this program knows %q: %w", b[7], verdictMagic[7], errNewerVerdicts)
	}
	n := int64(binary.LittleEndian.Uint32(b[8:]))
	if n < verdictFixedSize-12 || n > maxVerdictHeader || 12+n+4 > int64(len(b)) {
		return h, nil, fmt.Errorf("its header is incomplete")
	}
	end := 12 + n
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return h, nil, fmt.Errorf("its header is damaged")
	}
	h.start = millrace.Position{
		Epoch: binary.LittleEndian.Uint64(b[12:]), Seq: binary.LittleEndian.Uint64(b[20:]), Index: millrace.EndOfFrame,
	}
	h.time = int64(binary.LittleEndian.Uint64(b[28:]))
	h.beginning = b[36]&1 != 0
	if err := json.Unmarshal(b[verdictFixedSize:end], &h.counts); err != nil {
		return h, nil, fmt.Errorf("its header is damaged: %w", err)
	}
	return h, b[end+4:], nil
}

// A mark is a place in the log up to which everything is judged.
type mark struct {
	through millrace.Position // a whole frame
	time    int64             // its log time, ms since 1970
}

// appendBlock appends the block that moves the mark from prev to next and names
// the duplicates between them, all of one epoch.
func appendBlock(b []byte, prev, next mark, dups []millrace.Position) []byte {
	at := len(b)
	b = append(b, make([]byte, blockHeadSize)...)
	b = binary.AppendUvarint(b, next.through.Seq-prev.through.Seq)
	b = binary.AppendVarint(b, next.time-prev.time)
	b = binary.AppendUvarint(b, uint64(len(dups)))
	last := prev.through
	for _, d := range dups {
		delta := d.Seq - last.Seq
		b = binary.AppendUvarint(b, delta)
		if delta == 0 {
			b = binary.AppendUvarint(b, uint64(d.Index-last.Index))
		} else {
			b = binary.AppendUvarint(b, uint64(d.Index))
		}
		last = d
	}
	payload := b[at+blockHeadSize:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// decodeBlock reads one block, appends its duplicates to dups and returns the
// mark it moves to and its size in bytes; 0 when b does not begin with a whole,
// sound block.
func decodeBlock(b []byte, prev mark, dups []millrace.Position) (mark, []millrace.Position, int) {
	if len(b) < blockHeadSize {
		return prev, dups, 0
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > int64(len(b)-blockHeadSize) {
		return prev, dups, 0
	}
	payload := b[blockHeadSize : blockHeadSize+n]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return prev, dups, 0
	}
	d := decoder{b: payload}
	next := prev
	next.through.Seq += d.uvarint()
	next.time += d.varint()
	count := d.uvarint()
	if d.bad || count > uint64(len(payload)) {
		return prev, dups, 0
	}
	out, last := dups, prev.through
	for range count {
		delta, index := d.uvarint(), d.uvarint()
		if delta == 0 {
			index += uint64(last.Index)
		}
		p := millrace.Position{Epoch: prev.through.Epoch, Seq: last.Seq + delta, Index: uint32(index)}
		if d.bad || index >= millrace.EndOfFrame || !p.After(last) || p.After(next.through) {
			return prev, dups, 0
		}
		out, last = append(out, p), p
	}
	if len(d.b) != 0 || next.through.Before(prev.through) || next.time == math.MinInt64 {
		return prev, dups, 0
	}
	return next, out, int(blockHeadSize + n)
}

// A decoder takes varints off the front of b; bad when there was none.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}
