// Package eventlog is the durable log: every record of every workspace, in one
// total order. It owns the Log interface, the frames that records are stored
// in, and the readers over log and archive that everything downstream uses.
// Backends are packages below it.
package eventlog

import (
	"context"
	"time"

	"github.com/millrace/millrace"
)

// Limits of one Append. They keep a frame below what a backend stores as one message.
const (
	MaxAppendRecords   = 10_000
	MaxAppendSizeBytes = 4 << 20 // sum of Size over the records
)

// An Appender stores records. It is the part of a Log that intake needs.
type Appender interface {
	// Append stores records in order, next to each other in one frame, and
	// returns the position of the last: the n records of one call lie at
	// last.Index-n+1 … last.Index. When it returns nil they survive a crash of
	// the machine. Unavailable means retry; a retry may store them twice, so
	// readers deduplicate by Record.ID. Limited means that the disk is at its
	// reserve or the log refuses for long: retry after Error.RetryAfter.
	// TooLarge means more than MaxAppendRecords or MaxAppendSizeBytes, Gone that
	// the key of a record's workspace was destroyed (see Keys). Append
	// keeps no reference to the records after it returns. A canceled ctx makes
	// it return early with the records' fate unknown.
	Append(ctx context.Context, records []millrace.Record) (last millrace.Position, err error)
}

// An Opener gives readers: a Log, an archive, or the History over both.
type Opener interface {
	// Open returns a Reader of what follows after, oldest first. The zero
	// position means from the very beginning. It fails with Gone (Error.First
	// says where the log begins) when records behind after have been trimmed,
	// with Ahead (Error.Last) when after lies beyond the end or in an epoch
	// that this log does not know.
	Open(ctx context.Context, after millrace.Position, f Filter) (Reader, error)
}

// A Log is a durable, totally ordered sequence of records. It is safe for concurrent use.
type Log interface {
	Appender
	Opener
	// Bounds returns the first position that is still there and the position
	// of the last record, in whole frames: first is {epoch, seq, 0}, last is
	// {epoch, seq, EndOfFrame}. Of an empty log, last lies before first and
	// first is where the next record will be.
	Bounds(ctx context.Context) (first, last millrace.Position, err error)
	// Trim forgets whole frames up to and including through. A position within
	// a frame keeps that frame. Readers in the middle get Gone from Next.
	Trim(ctx context.Context, through millrace.Position) error
	// Close ends all readers and appends (Unavailable) and releases the log.
	Close() error
}

// A Reader pulls batches. It is not safe for concurrent use, except Close.
type Reader interface {
	// Next blocks until there is something to say: records, or only that the
	// scan has moved (a Batch without records when nothing matched), or that
	// the end has been reached (AtEnd, once each time it is reached). The
	// batch is the caller's, but for the bytes of Body and Meta: other readers may
	// have the same, so nobody changes them. Gone means that the log was trimmed
	// under the reader. Unavailable may be said of a key that cannot be had for a
	// moment. After an error other than ctx's, the reader is of no more use:
	// open another where it was. Records whose key was destroyed are passed over.
	Next(ctx context.Context) (Batch, error)
	Close() error
}

// A Batch is what a Reader found in one step: whole frames.
type Batch struct {
	Records []Entry
	Through millrace.Position // scanned to here, including
	Time    time.Time         // log time of Through: monotone maximum of frame stamps
	AtEnd   bool              // nothing more at this moment: flush
}

// An Entry is a record in its place.
type Entry struct {
	Position millrace.Position
	Time     time.Time // log time: the stamp of its frame, milliseconds, never decreasing
	millrace.Record
}

// A Filter chooses records. The zero Filter matches all of them; a non-empty
// field must match, a list matches any of its elements.
type Filter struct {
	Workspace string
	Sources   []string
	// Streams are exact, or prefixes when they end with ":" ("track:" is every
	// track event).
	Streams []string
}

// Verdicts says which positions hold duplicates. What it says of a position
// never changes. It is safe for concurrent use.
type Verdicts interface {
	// Wait blocks until everything up to and including p has been judged and
	// the verdict is durable. p may lie in the middle of a frame.
	Wait(ctx context.Context, p millrace.Position) error
	// Duplicates returns the positions of duplicates in (after, through], in
	// order. Unavailable when through is not judged yet, Gone when the verdicts
	// for part of the range have been trimmed with the log.
	Duplicates(ctx context.Context, after, through millrace.Position) ([]millrace.Position, error)
}

// A Status is what an operator wants to know of a log.
type Status struct {
	Backend string // "nats"
	Version string // of the backend, such as "2.15.2"; "" if it has none
	// Promise says what an acknowledgement is worth: "fsynced on this machine".
	Promise     string
	First, Last millrace.Position
	FirstTime   time.Time // log time of the first frame; zero when empty
	LastTime    time.Time
	SizeBytes   int64
	Frames      uint64
	// FreeBytes and ReserveBytes are of the log's disk; appends are refused
	// when free falls below the reserve. Zero when there is no local disk.
	FreeBytes, ReserveBytes int64
	// Refusing is why appends are refused at this moment, or "".
	Refusing string
}

// A Reporter is a Log that can say how it is.
type Reporter interface {
	Status(ctx context.Context) (Status, error)
}
