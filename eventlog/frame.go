package eventlog

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/millrace/millrace"
)

// FrameVersion is the newest version of the frame format that this program
// writes. It reads that version and every earlier one; a frame has the least
// version that can say what it holds. docs/format/frame.md specifies them.
const FrameVersion = 2

// The versions.
const (
	framePlain  = 1 // no section is encrypted
	frameSealed = 2 // sections with a key id are encrypted
)

// Limits of one frame, stored or decompressed. A frame beyond them is broken.
const (
	MaxFrameRecords   = 1<<16 - 1
	MaxFrameSizeBytes = 8 << 20
)

const (
	frameMagic       = "MRFR"
	frameHeaderSize  = 28 // fixed part, before the directory
	frameSectionSize = 26 // directory entry, before the workspace's name
	frameCRCSize     = 4
	minRecordSize    = 9 // bytes of the smallest record in a section's table

	compressNone = 0
	compressS2   = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Frame is a group of records as it lies in the log: a header with a
// directory, then one section per workspace. OpenFrame reads the header;
// sections are read by Decode. A Frame is immutable and safe for concurrent use.
type Frame struct {
	data     []byte
	stamp    int64
	records  int
	sections []section
	keys     *Keyring
}

// A section is where the records of one workspace lie.
type section struct {
	workspace   string
	data        []byte // as stored
	storedSize  int
	rawSize     int
	records     int
	crc         uint32
	key         uint32
	compression uint8
	shared      *unpacked // of one of the newest frames of a Tail
}

func brokenFrame(format string, args ...any) error {
	return millrace.Errorf(millrace.Internal, "log frame is broken: "+format, args...)
}

// OpenFrame reads the header and the directory of a frame and checks their
// checksum. The Frame keeps a reference to data. An Internal error says what is
// broken, an Invalid one that the frame was written by a newer version.
func OpenFrame(data []byte) (Frame, error) {
	if len(data) < frameHeaderSize+frameCRCSize {
		return Frame{}, brokenFrame("%d bytes are less than a header", len(data))
	}
	if len(data) > MaxFrameSizeBytes {
		return Frame{}, brokenFrame("%d bytes are more than the limit of %d", len(data), MaxFrameSizeBytes)
	}
	if string(data[:4]) != frameMagic {
		return Frame{}, brokenFrame("it begins with %q, not with %q", data[:4], frameMagic)
	}
	le := binary.LittleEndian
	version := le.Uint16(data[4:])
	if version < framePlain || version > FrameVersion {
		return Frame{}, millrace.Errorf(millrace.Invalid, "log frame has format version %d, this program reads up to version %d: run a newer version of Millrace", version, FrameVersion)
	}
	sections := int(le.Uint16(data[6:]))
	f := Frame{data: data, stamp: int64(le.Uint64(data[8:]))}
	records, headerSize, size := le.Uint32(data[16:]), le.Uint32(data[20:]), le.Uint32(data[24:])
	if int64(size) != int64(len(data)) {
		return Frame{}, brokenFrame("it has %d bytes, its header says %d", len(data), size)
	}
	if int64(headerSize) > int64(len(data)) || headerSize < frameHeaderSize+frameCRCSize {
		return Frame{}, brokenFrame("its header says that it has %d bytes itself", headerSize)
	}
	header := data[:headerSize]
	end := len(header) - frameCRCSize
	if got, want := crc32.Checksum(header[:end], castagnoli), le.Uint32(header[end:]); got != want {
		return Frame{}, brokenFrame("crc32c of the header is %08x, stored is %08x", got, want)
	}
	if records > MaxFrameRecords {
		return Frame{}, brokenFrame("%d records are more than the limit of %d", records, MaxFrameRecords)
	}
	f.records = int(records)
	if err := f.readDirectory(header[frameHeaderSize:end], sections, version); err != nil {
		return Frame{}, err
	}
	return f, nil
}

func (f *Frame) readDirectory(dir []byte, sections int, version uint16) error {
	if sections*(frameSectionSize+1) > len(dir) {
		return brokenFrame("%d sections do not fit into a directory of %d bytes", sections, len(dir))
	}
	le := binary.LittleEndian
	f.sections = make([]section, sections)
	offset, records, rawSize := frameHeaderSize+len(dir)+frameCRCSize, 0, 0
	for i := range f.sections {
		if len(dir) < frameSectionSize {
			return brokenFrame("its directory ends within section %d", i)
		}
		s := section{
			rawSize: int(le.Uint32(dir[8:])), records: int(le.Uint32(dir[12:])),
			crc: le.Uint32(dir[16:]), key: le.Uint32(dir[20:]), compression: dir[24],
		}
		at, size, name := int(le.Uint32(dir)), int(le.Uint32(dir[4:])), int(dir[25])
		if name == 0 || len(dir) < frameSectionSize+name {
			return brokenFrame("its directory ends within the name of section %d", i)
		}
		s.workspace = string(dir[frameSectionSize : frameSectionSize+name])
		dir = dir[frameSectionSize+name:]
		if at != offset || size > len(f.data)-at || at < 0 {
			return brokenFrame("section %d (workspace %q) lies at %d and has %d bytes, expected at %d of %d", i, s.workspace, at, size, offset, len(f.data))
		}
		s.data, s.storedSize = f.data[at:at+size], size
		offset += size
		records += s.records
		rawSize += s.rawSize
		if err := s.check(i, version); err != nil {
			return err
		}
		if records > f.records || rawSize > MaxFrameSizeBytes {
			return brokenFrame("its sections hold more than it says: %d records, %d bytes decompressed", records, rawSize)
		}
		f.sections[i] = s
	}
	if len(dir) != 0 || offset != len(f.data) || records != f.records {
		return brokenFrame("its sections end at byte %d with %d records and %d bytes of directory unused, expected byte %d and %d records", offset, records, len(dir), len(f.data), f.records)
	}
	return nil
}

// check returns what is impossible in the directory entry.
func (s *section) check(i int, version uint16) error {
	plain := len(s.data)
	if s.key != 0 {
		plain -= sealSize
	}
	switch {
	case s.key != 0 && version < frameSealed:
		return brokenFrame("section %d (workspace %q) is encrypted with key %d, which version %d does not know", i, s.workspace, s.key, version)
	case plain < 0:
		return brokenFrame("section %d (workspace %q) is encrypted and has %d bytes", i, s.workspace, len(s.data))
	case s.compression > compressS2:
		return brokenFrame("section %d (workspace %q) has the unknown compression %d", i, s.workspace, s.compression)
	case s.compression == compressNone && s.rawSize != plain:
		return brokenFrame("section %d (workspace %q) is not compressed but says %d bytes for %d", i, s.workspace, s.rawSize, plain)
	case s.rawSize > MaxFrameSizeBytes:
		return brokenFrame("section %d (workspace %q) decompresses to %d bytes, more than the limit of %d", i, s.workspace, s.rawSize, MaxFrameSizeBytes)
	case s.records == 0 || s.records > s.rawSize/minRecordSize:
		return brokenFrame("section %d (workspace %q) says %d records in %d bytes", i, s.workspace, s.records, s.rawSize)
	}
	return nil
}

// With returns the frame with keys, so that its encrypted sections can be read.
func (f Frame) With(keys *Keyring) Frame {
	f.keys = keys
	return f
}

// Time returns the log time of the frame: milliseconds, UTC.
func (f Frame) Time() time.Time { return time.UnixMilli(f.stamp).UTC() }

// Len returns how many records the frame holds.
func (f Frame) Len() int { return f.records }

// Size returns the bytes of the frame as stored.
func (f Frame) Size() int { return len(f.data) }

// Bytes returns the frame as it is stored. Nobody changes it.
func (f Frame) Bytes() []byte { return f.data }

// Workspaces returns the names of the workspaces that have records in the frame.
func (f Frame) Workspaces() []string {
	names := make([]string, len(f.sections))
	for i := range f.sections {
		names[i] = f.sections[i].workspace
	}
	return names
}
