package archive

import (
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// keepEntries is for how many records an empty buffer keeps its room.
const keepEntries = 32 << 10

// A buffer holds what was read from the log and is not stored yet, in order.
type buffer struct {
	entries []eventlog.Entry
	bytes   int64
	scanned millrace.Position // read to here, a whole frame
	time    int64             // log time of scanned, ms
	since   time.Time         // when the first of this was read; zero when there is nothing to store
}

func (b *buffer) add(batch eventlog.Batch) {
	for i := range batch.Records {
		b.bytes += sizeOf(&batch.Records[i])
	}
	b.entries = append(b.entries, batch.Records...)
	through := batch.Through
	if n := len(b.entries); n > 0 && b.entries[n-1].Position.After(through) {
		through = b.entries[n-1].Position
	}
	if through.IsZero() || !frameEnd(through).After(b.scanned) {
		return
	}
	b.scanned = frameEnd(through)
	if !batch.Time.IsZero() {
		b.time = max(b.time, batch.Time.UnixMilli())
	}
	if b.since.IsZero() {
		b.since = time.Now()
	}
}

// drop forgets the first n entries, which are stored.
func (b *buffer) drop(n int) {
	for i := range b.entries[:n] {
		b.bytes -= sizeOf(&b.entries[i])
	}
	rest := copy(b.entries, b.entries[n:])
	clear(b.entries[rest:]) // so that the stored records can be freed
	if b.entries = b.entries[:rest]; rest == 0 && cap(b.entries) > keepEntries {
		b.entries = nil
	}
}

// hour is the hour of log time that an entry is stored under: its own, or the
// floor when its log's clock is behind.
func hourOf(e *eventlog.Entry, floor int64) int64 { return max(e.Time.UnixMilli()/hourMs, floor) }

// A piece is what is stored next: the first n entries, up to through.
type piece struct {
	n       int
	through millrace.Position
	hour    int64
	time    int64
}

// first returns the piece that has to be stored before anything else can be:
// the end of an hour, or as much as fits a file. Without either, it is
// everything, and full is false.
func (b *buffer) first(floor, maxBytes int64) (p piece, full bool) {
	p = piece{n: len(b.entries), through: b.scanned, time: b.time}
	if p.n == 0 {
		return p, false
	}
	p.hour = hourOf(&b.entries[0], floor)
	var size int64
	for i := range b.entries {
		e := &b.entries[i]
		newFrame := i > 0 && frameEnd(e.Position) != frameEnd(b.entries[i-1].Position)
		if newFrame && (size >= maxBytes || hourOf(e, floor) != p.hour || e.Position.Epoch != b.entries[i-1].Position.Epoch) {
			return b.upTo(i, floor), true
		}
		size += sizeOf(e)
	}
	return p, size >= maxBytes
}

// upTo is the piece of the first n entries; the next begins a frame.
func (b *buffer) upTo(n int, floor int64) piece {
	last := &b.entries[n-1]
	return piece{n: n, through: frameEnd(last.Position), hour: hourOf(&b.entries[0], floor), time: last.Time.UnixMilli()}
}

// through is the piece that ends exactly at a position, when that is scanned.
func (b *buffer) through(p millrace.Position, floor int64) (piece, bool) {
	if b.scanned.Before(p) {
		return piece{}, false
	}
	n := 0
	for n < len(b.entries) && !b.entries[n].Position.After(p) {
		n++
	}
	if n == 0 {
		return piece{through: p, hour: floor, time: b.time}, true
	}
	out := b.upTo(n, floor)
	out.through = p
	return out, true
}
