package warehouse

import (
	"time"

	"github.com/millrace/millrace"
)

// SystemSchema holds the tables that Millrace keeps about a workspace:
// rejected, resent, names, notices, checkpoints and pending.
const SystemSchema = "millrace"

// ShaperOptions say how a Shaper begins.
type ShaperOptions struct {
	Settings Settings
	Known    Known
	// Large says whether a BigInt column that Known has holds whole numbers beyond
	// ±2^53, which a double would round. It is asked within Add, once for a
	// column, before the column becomes Double. In a Shadow whose rows are joined
	// by those of the live tables it is asked of these. nil is for an engine
	// that looks when it widens (see Step.KeepBigInt), which is too late for
	// what has come in between.
	Large func(t TableName, column string) (bool, error)
	// Shadow, when not nil, makes the rows of a rebuild: only what it asks
	// for, and none of SystemSchema's own tables unless it says so. Known then holds no
	// positions, and the tables to begin with: none for a rebuild of all
	// times, those of the live schemas when rows are taken over from them.
	Shadow *ShadowOptions
	// HoldRows is how many rows an event table holds back at most; default
	// 2,000. Users and accounts hold back ten times as many.
	HoldRows int
	// HoldBytes is how much memory all of them may take; default 32 MiB.
	HoldBytes int
	// HoldTime is how long a row is held back at most; default 8 s.
	HoldTime time.Duration
	Now      func() time.Time // default time.Now
}

// A Shaper turns the records of one workspace into rows and keeps the account
// of what is committed. A backend calls, for each Warehouse.Apply,
//
//	s.Add(batch)
//	step := s.Take(batch.Flush)
//	… commit step in one transaction …
//	s.Done(step)
//
// and after any failure of the transaction makes a new Shaper from what the
// engine holds (Warehouse.Resume). It is not safe for concurrent use.
//
// The checkpoint scheme: every Step carries Scanned, to which all built-in
// tables are complete. An event table, users or accounts, whose rows are held back over a step
// has a row in millrace.pending: it is complete through that position. So
// reading resumes behind the least of them all (Resume), and each table skips
// what it has already.
type Shaper struct{ shaping shaping }

// NewShaper returns a Shaper. The error is Invalid when Settings are wrong.
func NewShaper(o ShaperOptions) (*Shaper, error) {
	s, err := newShaping(o)
	if err != nil {
		return nil, err
	}
	return &Shaper{*s}, nil
}

// Resume returns the position after which records have to be given.
func (s *Shaper) Resume() millrace.Position { return s.shaping.resume() }

// Configure changes the settings for records that are added from now on.
func (s *Shaper) Configure(settings Settings) error { return s.shaping.configure(settings) }

// Err is what went wrong when the engine was asked something within Add: the
// Shaper has to be thrown away.
func (s *Shaper) Err() error { return s.shaping.err }

// Add shapes records. What does not fit goes to discards. Only asking the
// engine may fail: see Err. It keeps no reference to the records.
func (s *Shaper) Add(b Batch) { s.shaping.add(b) }

// Take returns what is to be committed now: the rows of all built-in tables
// but users and accounts, and of these and the event tables those that have
// been held long enough, all when flush.
// The step has to be committed, or the Shaper thrown away.
func (s *Shaper) Take(flush bool) *Step {
	step := s.shaping.take(flush)
	step.shaper = s
	return step
}

// Done tells that the step is committed. Its buffers are used again.
func (s *Shaper) Done(step *Step) { s.shaping.done(step) }

// EventTables is how many event tables there are, with those that Take has yet to
// make; Millrace's own are not among them.
func (s *Shaper) EventTables() int64 { return s.shaping.events }

// Bounds returns, for a Shadow with From or Until, which positions were shaped
// anew: low <= p < high. Rows of live tables outside are taken over. high is
// the greatest possible position when Until has not been reached.
func (s *Shaper) Bounds() (low, high millrace.Position) { return s.shaping.bounds() }

// Refuse takes rows that the engine refused out of a buffer of the step and
// puts each into discards, whole, as JSON. Rows are in ascending order.
func (s *Step) Refuse(b *Buffer, rows []int, reason string) { s.refuse(b, rows, reason) }

// RefuseTable gives up a table that the engine does not make or alter: its rows
// go to discards whole, those of discards themselves and what the engine said
// to millrace.notices. The next step tries again.
func (s *Step) RefuseTable(b *Buffer, reason string) { s.refuseTable(b, reason) }

// RefuseColumn gives up a column that the engine does not make or widen: its
// values go to discards, now and until the Shaper ends, and a notice says so.
func (s *Step) RefuseColumn(b *Buffer, v *Vector, reason string) { s.refuseColumn(b, v, reason) }

// KeepBigInt undoes the widening of a column because the engine holds values
// in it that a double would round: the step's values with a fraction go to
// discards. A Shaper that was given Large widens no such column.
func (s *Step) KeepBigInt(b *Buffer, v *Vector) { s.keepBigInt(b, v) }
