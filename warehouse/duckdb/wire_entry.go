package duckdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// appendEntry writes an entry without its workspace, which a request names once.
func appendEntry(b []byte, e *eventlog.Entry) []byte {
	b = binary.AppendUvarint(b, e.Position.Epoch)
	b = binary.AppendUvarint(b, e.Position.Seq)
	b = binary.AppendUvarint(b, uint64(e.Position.Index))
	b = appendTime(b, e.Time)
	b = appendTime(b, e.Received)
	b = appendTime(b, e.Occurred)
	b = append(b, byte(e.Op))
	b = appendBytes(b, e.ID)
	b = appendBytes(b, e.Source)
	b = appendBytes(b, e.Stream)
	b = appendBytes(b, e.Key)
	b = appendBytes(b, e.Body)
	return appendBytes(b, e.Meta)
}

// zeroTime stands for a time.Time that is zero.
const zeroTime = -1 << 62

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, zeroTime)
	}
	return binary.AppendVarint(b, t.UnixMilli())
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errEntry = errors.New("an entry is cut off or malformed")

// An entryReader reads what appendEntry wrote. It remembers the first failure.
type entryReader struct {
	b      []byte
	failed bool
}

func (r *entryReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *entryReader) time() time.Time {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return time.Time{}
	}
	r.b = r.b[n:]
	if v == zeroTime {
		return time.Time{}
	}
	return time.UnixMilli(v).UTC()
}

func (r *entryReader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// bytes returns the next field; it refers to the reader's memory.
func (r *entryReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// text returns the next field as a string that shares the reader's memory,
// which nobody writes to any more.
func (r *entryReader) text() string {
	v := r.bytes()
	return unsafe.String(unsafe.SliceData(v), len(v))
}

// decodeEntries appends the entries in payload to entries. They refer to payload.
func decodeEntries(entries []eventlog.Entry, payload []byte, workspace string) ([]eventlog.Entry, error) {
	r := entryReader{b: payload}
	for len(r.b) > 0 {
		var e eventlog.Entry
		e.Position.Epoch, e.Position.Seq = r.uvarint(), r.uvarint()
		index := r.uvarint()
		if index > millrace.EndOfFrame {
			return entries, fmt.Errorf("%w: index %d", errEntry, index)
		}
		e.Position.Index = uint32(index)
		e.Time, e.Received, e.Occurred = r.time(), r.time(), r.time()
		e.Op = millrace.Op(r.byte())
		e.Workspace = workspace
		e.ID, e.Source, e.Stream, e.Key = r.text(), r.text(), r.text(), r.text()
		e.Body = r.bytes()
		if e.Meta = r.bytes(); len(e.Meta) == 0 {
			e.Meta = nil
		}
		if r.failed {
			return entries, errEntry
		}
		entries = append(entries, e)
	}
	return entries, nil
}
