package eventlog

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/millrace/millrace"
)

// A FrameBuilder makes frames. Add copies records into it, Encode writes the
// frame, Reset makes it ready for the next. The zero FrameBuilder is ready for
// use. It is not safe for concurrent use.
type FrameBuilder struct {
	sections []*sectionBuilder // one per workspace, in order of appearance
	used     int               // how many of sections this frame uses
	index    map[string]*sectionBuilder
	last     *sectionBuilder // of the last record
	records  int
	size     int
	sealed   bool              // a section is encrypted
	names    map[string]string // strings of workspaces, sources and streams seen before
	raw      []byte            // scratch of Encode
}

// What a FrameBuilder keeps from frame to frame.
const (
	maxNames     = 4096
	maxKeptBytes = 4 << 20 // of buffers
)

// A sectionBuilder collects the records of one workspace.
type sectionBuilder struct {
	workspace       string
	records         int
	next            int // index in frame that would continue the run
	runs            []run
	sources         dictionary
	streams         dictionary
	table           []byte  // the fixed fields
	strings         []byte  // IDs and keys
	bytes           []byte  // bodies and metas
	received        int64   // of the record before, ms
	sealer          *sealer // nil: not encrypted
	storedSize, raw int     // set by Encode
	crc             uint32
	compression     uint8
}

// A run is records of one section that lie next to each other in the frame.
type run struct{ first, count int }

// A dictionary numbers the distinct strings of a section.
type dictionary struct {
	values []string
	last   int
	index  map[string]int // when there are many
}

// Len returns how many records were added since Reset.
func (b *FrameBuilder) Len() int { return b.records }

// Size returns about how many bytes the records added since Reset take before compression.
func (b *FrameBuilder) Size() int { return b.size }

// Add is AddSealed without keys.
func (b *FrameBuilder) Add(records []millrace.Record) (last int) {
	return b.AddSealed(records, Seals{})
}

// AddSealed copies the records to the end of the frame and returns the index in
// the frame of the last. A section is encrypted with the key that its workspace
// had when the first of its records was added. The caller keeps within MaxFrameRecords and
// MaxFrameSizeBytes; what CheckAppend accepts always fits into an empty frame.
func (b *FrameBuilder) AddSealed(records []millrace.Record, seals Seals) (last int) {
	for i := range records {
		r := &records[i]
		s := b.last
		if s == nil || s.workspace != r.Workspace {
			s = b.section(r.Workspace, &seals)
			b.last = s
		}
		if s.next != b.records || s.records == 0 {
			s.runs = append(s.runs, run{first: b.records})
		}
		s.runs[len(s.runs)-1].count++
		b.records++
		s.next = b.records
		b.size += s.add(b, r)
	}
	return b.records - 1
}

func (b *FrameBuilder) section(workspace string, seals *Seals) *sectionBuilder {
	if s, ok := b.index[workspace]; ok {
		return s
	}
	if b.used == len(b.sections) {
		b.sections = append(b.sections, &sectionBuilder{})
	}
	s := b.sections[b.used]
	b.used++
	s.workspace = b.name(workspace)
	if b.index == nil {
		b.index = make(map[string]*sectionBuilder)
	}
	b.index[s.workspace] = s
	b.size += frameSectionSize + len(workspace)
	if s.sealer = seals.of(workspace); s.sealer != nil {
		b.size += sealSize
		b.sealed = true
	}
	return s
}

// name returns a copy of s that belongs to the builder.
func (b *FrameBuilder) name(s string) string {
	if known, ok := b.names[s]; ok {
		return known
	}
	if b.names == nil || len(b.names) >= maxNames {
		b.names = make(map[string]string)
	}
	s = strings.Clone(s)
	b.names[s] = s
	return s
}

// add appends one record to the section and returns the bytes it took.
func (s *sectionBuilder) add(b *FrameBuilder, r *millrace.Record) int {
	before := len(s.table)
	received, occurred := r.Received.UnixMilli(), r.Occurred.UnixMilli()
	t := binary.AppendUvarint(s.table, uint64(s.sources.number(b, r.Source)))
	t = binary.AppendUvarint(t, uint64(s.streams.number(b, r.Stream)))
	t = append(t, byte(r.Op))
	t = binary.AppendUvarint(t, uint64(len(r.ID)))
	t = binary.AppendUvarint(t, uint64(len(r.Key)))
	t = binary.AppendUvarint(t, uint64(len(r.Body)))
	t = binary.AppendUvarint(t, uint64(len(r.Meta)))
	t = binary.AppendVarint(t, received-s.received)
	t = binary.AppendVarint(t, occurred-received)
	s.table = t
	s.received = received
	s.strings = append(s.strings, r.ID...)
	s.strings = append(s.strings, r.Key...)
	s.bytes = append(s.bytes, r.Body...)
	s.bytes = append(s.bytes, r.Meta...)
	s.records++
	return len(t) - before + len(r.ID) + len(r.Key) + len(r.Body) + len(r.Meta)
}

// number returns the number of v, which it adds when it is new.
func (d *dictionary) number(b *FrameBuilder, v string) int {
	if d.last < len(d.values) && d.values[d.last] == v {
		return d.last
	}
	if len(d.values) <= 8 {
		for i, known := range d.values {
			if known == v {
				d.last = i
				return i
			}
		}
	} else if i, ok := d.index[v]; ok {
		d.last = i
		return i
	}
	v = b.name(v)
	d.last = len(d.values)
	d.values = append(d.values, v)
	b.size += len(v) + 2
	if len(d.values) <= 8 {
		return d.last
	}
	if len(d.index) == 0 {
		d.index = make(map[string]int)
		for i, known := range d.values {
			d.index[known] = i
		}
	}
	d.index[v] = d.last
	return d.last
}

func (d *dictionary) reset() {
	d.values = d.values[:0]
	d.last = 0
	clear(d.index)
}

// Encode appends the frame with that log time, rounded down to a millisecond, to dst.
func (b *FrameBuilder) Encode(dst []byte, stamp time.Time) []byte {
	start := len(dst)
	headerSize := frameHeaderSize + frameCRCSize
	for _, s := range b.sections[:b.used] {
		headerSize += frameSectionSize + len(s.workspace)
	}
	dst = append(dst, make([]byte, headerSize)...)
	for _, s := range b.sections[:b.used] {
		dst = b.encodeSection(dst, s)
	}
	le := binary.LittleEndian
	h := dst[start:start:len(dst)]
	h = append(h, frameMagic...)
	version := uint16(framePlain)
	if b.sealed {
		version = frameSealed
	}
	h = le.AppendUint16(h, version)
	h = le.AppendUint16(h, uint16(b.used))
	h = le.AppendUint64(h, uint64(stamp.UnixMilli()))
	h = le.AppendUint32(h, uint32(b.records))
	h = le.AppendUint32(h, uint32(headerSize))
	h = le.AppendUint32(h, uint32(len(dst)-start))
	offset := headerSize
	for _, s := range b.sections[:b.used] {
		h = le.AppendUint32(h, uint32(offset))
		h = le.AppendUint32(h, uint32(s.storedSize))
		h = le.AppendUint32(h, uint32(s.raw))
		h = le.AppendUint32(h, uint32(s.records))
		h = le.AppendUint32(h, s.crc)
		h = le.AppendUint32(h, s.keyID())
		h = append(h, s.compression, byte(len(s.workspace)))
		h = append(h, s.workspace...)
		offset += s.storedSize
	}
	_ = le.AppendUint32(h, crc32.Checksum(h, castagnoli))
	return dst
}

// encodeSection appends the section as it is stored.
func (b *FrameBuilder) encodeSection(dst []byte, s *sectionBuilder) []byte {
	raw := binary.AppendUvarint(b.raw[:0], uint64(len(s.runs)))
	end := 0
	for _, r := range s.runs {
		raw = binary.AppendUvarint(raw, uint64(r.first-end))
		raw = binary.AppendUvarint(raw, uint64(r.count))
		end = r.first + r.count
	}
	size := len(s.strings)
	for _, d := range [...]*dictionary{&s.sources, &s.streams} {
		raw = binary.AppendUvarint(raw, uint64(len(d.values)))
		for _, v := range d.values {
			raw = binary.AppendUvarint(raw, uint64(len(v)))
			size += len(v)
		}
	}
	raw = binary.AppendUvarint(raw, uint64(size))
	raw = binary.AppendUvarint(raw, uint64(len(s.table)))
	raw = append(raw, s.table...)
	for _, d := range [...]*dictionary{&s.sources, &s.streams} {
		for _, v := range d.values {
			raw = append(raw, v...)
		}
	}
	raw = append(raw, s.strings...)
	raw = append(raw, s.bytes...)
	b.raw = raw

	start := len(dst)
	at := start // of the section, behind the nonce
	if s.sealer != nil {
		at += sealNonceSize
		dst = slices.Grow(dst, sealSize)[:at]
	}
	s.raw, s.compression = len(raw), compressNone
	if s.records > 1 {
		if need := at + s2.MaxEncodedLen(len(raw)) + sealTagSize; cap(dst) < need {
			dst = append(make([]byte, 0, need), dst...)
		}
		if n := len(s2.Encode(dst[at:cap(dst)], raw)); n < len(raw) {
			dst, s.compression = dst[:at+n], compressS2
		}
	}
	if s.compression == compressNone {
		dst = append(dst, raw...)
	}
	if s.sealer != nil {
		dst = s.sealer.seal(dst, start, s.entry(len(dst)+sealTagSize-start).associated())
	}
	s.storedSize = len(dst) - start
	s.crc = crc32.Checksum(dst[start:], castagnoli)
	return dst
}

// keyID returns which key encrypts the section, 0 for none.
func (s *sectionBuilder) keyID() uint32 {
	if s.sealer == nil {
		return 0
	}
	return s.sealer.id
}

// entry returns what the directory will say of the section.
func (s *sectionBuilder) entry(stored int) *section {
	return &section{workspace: s.workspace, storedSize: stored, rawSize: s.raw, records: s.records, key: s.keyID(), compression: s.compression}
}

// Reset forgets the records and keeps the memory, up to a limit.
func (b *FrameBuilder) Reset() {
	kept := cap(b.raw)
	for i, s := range b.sections {
		kept += cap(s.table) + cap(s.strings) + cap(s.bytes)
		if kept > maxKeptBytes && i > 0 {
			clear(b.sections[i:])
			b.sections = b.sections[:i]
			break
		}
		s.reset()
	}
	clear(b.index)
	b.used, b.records, b.size, b.last, b.sealed = 0, 0, 0, nil, false
}

func (s *sectionBuilder) reset() {
	s.workspace, s.sealer = "", nil
	s.records, s.next, s.received = 0, 0, 0
	s.runs = s.runs[:0]
	s.sources.reset()
	s.streams.reset()
	s.table, s.strings, s.bytes = s.table[:0], s.strings[:0], s.bytes[:0]
}
