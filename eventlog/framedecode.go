package eventlog

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/millrace/millrace"
)

// unset marks the place of a record that the filter did not choose.
const unset = millrace.EndOfFrame

// Decode appends those records of the frame that lie behind index after (-1 for
// all of them) and that the filter chooses to dst, in their order in the frame.
// at gives epoch and sequence of the frame. Only the sections that the filter
// can match are read; their checksums are checked. The entries share no memory
// with the frame, but those of a Tail with what other readers of it get: nobody
// changes Body and Meta. What was encrypted with a key that was destroyed is passed
// over. An Internal error says what is broken, an Unavailable one that a key
// cannot be had for a moment.
func (f Frame) Decode(dst []Entry, at millrace.Position, after int, filter Filter) ([]Entry, error) {
	wanted, only, records := 0, -1, 0
	for i := range f.sections {
		if filter.Workspace == "" || filter.Workspace == f.sections[i].workspace {
			wanted++
			only = i
			records += f.sections[i].records
		}
	}
	d := decoder{frame: &f, at: at, time: f.Time(), after: after, filter: &filter}
	switch wanted {
	case 0:
		return dst, nil
	case 1:
		d.out = slices.Grow(dst, records)
		err := d.pass(&f.sections[only])
		return d.out, err
	}
	// The records of several sections are put at their places, and those that
	// were not chosen are taken out afterwards.
	base := len(dst)
	d.out = slices.Grow(dst, f.records)[:base+f.records]
	d.places = d.out[base:]
	for i := range d.places {
		d.places[i].Position.Index = unset
	}
	for i := range f.sections {
		s := &f.sections[i]
		if filter.Workspace != "" && filter.Workspace != s.workspace {
			continue
		}
		if err := d.pass(s); err != nil {
			return dst, err
		}
	}
	chosen := slices.DeleteFunc(d.places, func(e Entry) bool { return e.Position.Index == unset })
	return d.out[:base+len(chosen)], nil
}

// A decoder reads sections of one frame.
type decoder struct {
	frame  *Frame
	at     millrace.Position
	time   time.Time
	after  int
	filter *Filter
	out    []Entry
	places []Entry // by index in frame, or nil: append to out
}

// checksum checks what is stored.
func (s *section) checksum() error {
	if got := crc32.Checksum(s.data, castagnoli); got != s.crc {
		return brokenFrame("crc32c of the section of workspace %q is %08x, stored is %08x", s.workspace, got, s.crc)
	}
	return nil
}

// unpack returns the section's bytes decrypted and decompressed. Nobody changes
// them: readers of a Tail share them. Gone means that its key was destroyed.
func (s *section) unpack(keys *Keyring) ([]byte, error) {
	if s.shared == nil {
		return s.unpackOwn(keys)
	}
	if s.key != 0 { // what is there unpacked ends with its key
		if _, err := keys.open(s.workspace, s.key); err != nil {
			return nil, err
		}
	}
	return s.shared.get(func() ([]byte, error) { return s.unpackOwn(keys) })
}

// unpackOwn unpacks into memory of its own.
func (s *section) unpackOwn(keys *Keyring) ([]byte, error) {
	if err := s.checksum(); err != nil {
		return nil, err
	}
	data := s.data
	if s.key != 0 {
		var err error
		if data, err = s.decrypt(keys); err != nil {
			return nil, err
		}
	}
	switch {
	case s.compression == compressNone && s.key != 0:
		return data, nil
	case s.compression == compressNone:
		return slices.Clone(data), nil
	}
	size, err := s2.DecodedLen(data)
	if err != nil || size != s.rawSize {
		return nil, brokenFrame("the section of workspace %q decompresses to %d bytes, expected %d (%v)", s.workspace, size, s.rawSize, err)
	}
	raw, err := s2.Decode(make([]byte, size), data)
	if err != nil || len(raw) != size {
		return nil, brokenFrame("the section of workspace %q does not decompress: %v", s.workspace, err)
	}
	return raw, nil
}

// pass is section, and passes over one whose key was destroyed.
func (d *decoder) pass(s *section) error {
	err := d.section(s)
	if err != nil && s.key != 0 && millrace.KindOf(err) == millrace.Gone {
		d.frame.keys.pass(s)
		return nil
	}
	return err
}

// section reads one section into d.out.
func (d *decoder) section(s *section) error {
	raw, err := s.unpack(d.frame.keys)
	if err != nil {
		return err
	}
	sr := sectionReaders.Get().(*sectionReader)
	defer func() {
		*sr = sectionReader{} // what it points to is the entries' now
		sectionReaders.Put(sr)
	}()
	sr.rest, sr.workspace = raw, s.workspace
	if err := sr.head(s.records, d.frame.records); err != nil {
		return err
	}
	if err := sr.names(); err != nil {
		return err
	}
	return d.records(s, sr)
}

// records reads the table, with strings and bytes from behind it.
func (d *decoder) records(s *section, sr *sectionReader) error {
	if sr.tableSize > len(sr.rest) || sr.stringsSize > len(sr.rest)-sr.tableSize {
		return brokenFrame("the table and the strings of the section of workspace %q are longer than the section", s.workspace)
	}
	c := cursor{rest: sr.rest[:sr.tableSize]}
	text := string(sr.rest[sr.tableSize : sr.tableSize+sr.stringsSize])
	bytes := sr.rest[sr.tableSize+sr.stringsSize:]
	sources, streams := &sr.sources, &sr.streams
	text, ok := sources.cut(text)
	if ok {
		text, ok = streams.cut(text)
	}
	if !ok {
		return brokenFrame("the names of the section of workspace %q are longer than its text", s.workspace)
	}
	for i, name := range sources.list {
		sources.chosen[i] = d.filter.matchSource(name)
	}
	for i, name := range streams.list {
		streams.chosen[i] = d.filter.matchStream(name)
	}
	received, index, left, runs := int64(0), -1, 0, sr.runs
	for range s.records {
		if left == 0 {
			index, left, runs = runs[0].first-1, runs[0].count, runs[1:]
		}
		index++
		left--
		source, stream := c.uint(), c.uint()
		op := millrace.Op(c.byte())
		id, key, body, meta := c.uint(), c.uint(), c.uint(), c.uint()
		received += c.int()
		occurred := received + c.int()
		if source >= len(sources.list) || stream >= len(streams.list) || op > millrace.OpDelete ||
			id > len(text) || key > len(text)-id || body > len(bytes) || meta > len(bytes)-body {
			return brokenFrame("record %d in the section of workspace %q reaches beyond its section", index, s.workspace)
		}
		if index > d.after && sources.chosen[source] && streams.chosen[stream] {
			e := d.place(index)
			if e == nil {
				return brokenFrame("two records claim place %d", index)
			}
			e.Position = millrace.Position{Epoch: d.at.Epoch, Seq: d.at.Seq, Index: uint32(index)}
			e.Time = d.time
			e.ID, e.Key = text[:id], text[id:id+key]
			e.Workspace, e.Source, e.Stream, e.Op = s.workspace, sources.list[source], streams.list[stream], op
			e.Received, e.Occurred = time.UnixMilli(received).UTC(), time.UnixMilli(occurred).UTC()
			e.Body, e.Meta = nil, nil
			if body > 0 {
				e.Body = bytes[:body:body]
			}
			if meta > 0 {
				e.Meta = bytes[body : body+meta : body+meta]
			}
		}
		text, bytes = text[id+key:], bytes[body+meta:]
	}
	if c.failed || len(c.rest) != 0 || len(text) != 0 || len(bytes) != 0 {
		return brokenFrame("the section of workspace %q has %d bytes that belong to no record", s.workspace, len(c.rest)+len(text)+len(bytes))
	}
	return nil
}

// place returns where the record with that index in the frame goes, or nil when it is taken.
func (d *decoder) place(index int) *Entry {
	if d.places == nil {
		d.out = d.out[:len(d.out)+1] // Decode made room
		return &d.out[len(d.out)-1]
	}
	if d.places[index].Position.Index != unset {
		return nil
	}
	return &d.places[index]
}

var sectionReaders = sync.Pool{New: func() any { return new(sectionReader) }}

// A sectionReader reads what comes before the table of a decompressed section.
type sectionReader struct {
	workspace   string
	rest        []byte
	runs        []run
	sources     words
	streams     words
	stringsSize int
	tableSize   int
	runBuffer   [4]run // the usual few need no memory of their own
}

// head reads the runs.
func (sr *sectionReader) head(records, frameRecords int) error {
	c := cursor{rest: sr.rest}
	n := c.uint()
	if c.failed || n > records {
		return brokenFrame("the section of workspace %q has %d runs for %d records", sr.workspace, n, records)
	}
	sr.runs = sr.runBuffer[:min(n, len(sr.runBuffer))]
	if n > len(sr.runBuffer) {
		sr.runs = make([]run, n)
	}
	end, total := 0, 0
	for i := range sr.runs {
		gap, count := c.uint(), c.uint()
		if c.failed || gap > frameRecords || count == 0 || count > frameRecords || end+gap+count > frameRecords {
			return brokenFrame("run %d of the section of workspace %q lies beyond the frame's %d records", i, sr.workspace, frameRecords)
		}
		sr.runs[i] = run{first: end + gap, count: count}
		end += gap + count
		total += count
	}
	if total != records {
		return brokenFrame("the runs of the section of workspace %q hold %d records, its directory says %d", sr.workspace, total, records)
	}
	sr.rest = c.rest
	return nil
}

// words are the distinct sources or streams of a section.
type words struct {
	sizes  []int
	list   []string
	chosen []bool // by the filter
	buffer struct {
		sizes  [8]int
		list   [8]string
		chosen [8]bool
	}
}

// resize makes room for n words.
func (w *words) resize(n int) {
	if n <= len(w.buffer.sizes) {
		w.sizes, w.list, w.chosen = w.buffer.sizes[:n], w.buffer.list[:n], w.buffer.chosen[:n]
		return
	}
	w.sizes, w.list, w.chosen = make([]int, n), make([]string, n), make([]bool, n)
}

// names reads how long the names are, which follow the table.
func (sr *sectionReader) names() error {
	c := cursor{rest: sr.rest}
	for _, w := range [...]*words{&sr.sources, &sr.streams} {
		n := c.uint()
		if c.failed || n > len(c.rest) {
			return brokenFrame("the section of workspace %q says %d names in %d bytes", sr.workspace, n, len(c.rest))
		}
		w.resize(n)
		for i := range w.sizes {
			w.sizes[i] = c.uint()
		}
	}
	sr.stringsSize, sr.tableSize = c.uint(), c.uint()
	if c.failed {
		return brokenFrame("the names of the section of workspace %q end early", sr.workspace)
	}
	sr.rest = c.rest
	return nil
}

// cut takes the words from the beginning of text.
func (w *words) cut(text string) (rest string, ok bool) {
	for i, size := range w.sizes {
		if size > len(text) {
			return "", false
		}
		w.list[i] = text[:size]
		text = text[size:]
	}
	return text, true
}

// A cursor reads numbers; once it failed it returns zeros.
type cursor struct {
	rest   []byte
	failed bool
}

// uint reads an unsigned varint that fits into a section.
func (c *cursor) uint() int {
	if len(c.rest) > 0 && c.rest[0] < 0x80 {
		v := c.rest[0]
		c.rest = c.rest[1:]
		return int(v)
	}
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || v > MaxFrameSizeBytes {
		c.failed, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return int(v)
}

func (c *cursor) int() int64 {
	v, n := binary.Varint(c.rest)
	if n <= 0 {
		c.failed, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		c.failed = true
		return 0
	}
	v := c.rest[0]
	c.rest = c.rest[1:]
	return v
}
