package warehouse

import (
	"math"
	"slices"

	"github.com/millrace/millrace"
)

// A Type is the type of a column. Both backends have the same ones.
type Type uint8

// The types of columns. What a column takes:
//
//   - Bool takes true and false.
//   - BigInt takes numbers that are whole and fit 64 bits (5, 5.0, 1e3).
//   - Double takes numbers that a double gives back as they were written: 0.1
//     and 9007199254740992, not 9007199254740993, 1e400 or 20 digits of pi.
//   - Timestamp takes ISO 8601 date-times with seconds and zone, to the microsecond.
//   - Text takes everything: numbers keep the text they were sent with, arrays
//     are JSON text.
//   - JSON takes everything, as JSON text.
//
// A BigInt column that is given a number with a fraction becomes Double,
// unless it holds or held whole numbers beyond ±2^53, which a double would round: then
// it stays and the new value goes to discards. Nothing else widens.
const (
	Bool Type = iota + 1
	BigInt
	Double
	Timestamp // with time zone, microseconds
	Text
	JSON
	Integer // 32 bits; of the column _index only
)

var typeNames = [...]string{"", "bool", "bigint", "double", "timestamptz", "text", "json", "integer"}

// String returns the name as `types:` in a source's file has it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// ParseType reads bool, bigint, double, timestamptz, text or json.
func ParseType(s string) (Type, error) {
	for t := Bool; t < Integer; t++ {
		if typeNames[t] == s {
			return t, nil
		}
	}
	return 0, millrace.Errorf(millrace.Invalid, "%.40q is not a column type: use bool, bigint, double, timestamptz, text or json", s)
}

// A Column has a name in snake_case, at most MaxNameBytes long, and a type.
type Column struct {
	Name string
	Type Type
}

// A TableName is the logical place of a table. Schema is the source's name, or
// SystemSchema; a backend maps it to what its engine calls it.
type TableName struct{ Schema, Table string }

// OfEvent says whether the table is of one event or stream, of which a source
// makes as many as it sends. Those of Millrace itself are not.
func (n TableName) OfEvent() bool { return n.Schema != SystemSchema && !builtIn(n.Schema, n.Table) }

// Known is what an engine holds of one workspace: where a Shaper begins.
type Known struct {
	Tables  []KnownTable // all but checkpoints and pending
	Names   []Name       // the rows of millrace.names
	Notices []string     // the ids in millrace.notices
	// Scanned and Pending are the rows of millrace.checkpoints and millrace.pending.
	Scanned millrace.Position
	Pending map[TableName]millrace.Position
}

// A KnownTable is a table of the engine.
type KnownTable struct {
	TableName
	Columns []Column
}

// A Name is a row of the name catalogue: how a name that was sent is called here.
type Name struct{ Source, Kind, Original, Name string }

// A Buffer holds rows of one table, column by column, until the backend writes
// them. It is not safe for concurrent use.
type Buffer struct {
	TableName
	// Create says that the engine does not have the table yet.
	Create bool
	// Make says that the table is made even when it has no rows: discards,
	// beside the first tables of a source.
	Make bool
	// Key is "id" for users and accounts, whose rows are merged into the row
	// with the same id: a value replaces, a cleared column becomes null
	// (Vector.Cleared), anything else stays as it is. No two rows of a Buffer
	// have the same id. Otherwise Key is "" and rows are appended.
	Key string
	// Columns are all columns that the table has after this write, in the
	// order in which they were made; those that the engine lacks are New.
	Columns []*Vector
	Rows    int
	// SizeBytes is about the memory that the rows take.
	SizeBytes int

	arena    []byte
	table    *table
	messages []uint64 // of a keyed table: the id of the last record of each row, as texts are kept
}

// Idle says whether there is nothing to write, and nothing to make.
func (b *Buffer) Idle() bool { return b.Rows == 0 && !b.Make }

// Position returns the position of the record that made the row.
func (b *Buffer) Position(row int) millrace.Position {
	at := b.table.position
	return millrace.Position{
		Epoch: uint64(b.Columns[at[0]].Int(row)), Seq: uint64(b.Columns[at[1]].Int(row)), Index: uint32(b.Columns[at[2]].Int(row)),
	}
}

// A Vector is one column of a Buffer.
type Vector struct {
	Column
	// New says that the engine lacks the column.
	New bool
	// Widened says that the engine's column is BigInt and has to become
	// Double. It holds no values beyond ±2^53 if ShaperOptions.Large says so;
	// without that, ask the engine, and call Step.KeepBigInt if it does.
	Widened bool

	buffer  *Buffer
	bits    []uint64 // numbers; of text, where it is in the arena (see setBytes)
	valid   []uint64 // bitmap
	cleared []uint64 // bitmap, of keyed tables
}

// Valid says whether the row has a value.
func (v *Vector) Valid(row int) bool {
	return row>>6 < len(v.valid) && v.valid[row>>6]&(1<<(row&63)) != 0
}

// Empty says whether no row has a value or is cleared.
func (v *Vector) Empty() bool { return len(v.bits) == 0 && len(v.cleared) == 0 }

// Full says whether all of that many rows have a value.
func (v *Vector) Full(rows int) bool {
	for row := range rows {
		if !v.Valid(row) {
			return false
		}
	}
	return true
}

// Cleared says whether the row sets the column to null (keyed tables only).
func (v *Vector) Cleared(row int) bool {
	return row>>6 < len(v.cleared) && v.cleared[row>>6]&(1<<(row&63)) != 0
}

// AnyCleared says whether Cleared is true of any row.
func (v *Vector) AnyCleared() bool { return len(v.cleared) > 0 }

// Int is the value of a valid BigInt, Integer or Timestamp (microseconds since
// 1970 UTC) row.
func (v *Vector) Int(row int) int64 { return int64(v.bits[row]) }

// Float is the value of a valid Double row.
func (v *Vector) Float(row int) float64 { return math.Float64frombits(v.bits[row]) }

// Bool is the value of a valid Bool row.
func (v *Vector) Bool(row int) bool { return v.bits[row] != 0 }

// Bytes is the value of a valid Text or JSON row: valid UTF-8 without NUL. The
// memory is the buffer's.
func (v *Vector) Bytes(row int) []byte {
	b := v.bits[row]
	off, n := b>>lengthBits, b&MaxTextBytes
	return v.buffer.arena[off : off+n : off+n]
}

// A Step is what a backend commits in one transaction: first the tables and
// columns that are missing, then the rows, then the checkpoint.
type Step struct {
	// Buffers are the tables with rows or to be made, built-in ones first. One
	// that is Idle, because Refuse has emptied it, is to be left alone: its
	// table and columns are not made.
	Buffers []*Buffer
	// Scanned is the checkpoint of the workspace from now on.
	Scanned millrace.Position
	// Pending is the whole content of millrace.pending from now on: tables
	// that miss rows behind their position. PendingChanged says whether it
	// differs from what the engine holds.
	Pending        map[TableName]millrace.Position
	PendingChanged bool
	// Committed is the position through which every table is complete once
	// the step is committed.
	Committed millrace.Position
	Rows      int64 // sum over the Buffers, without discards
	Discards  int64 // rows of discards
	Notices   int64 // rows of millrace.notices

	shaper *Shaper
}

// Buffer returns the step's buffer of that table, or nil.
func (s *Step) Buffer(name TableName) *Buffer {
	i := slices.IndexFunc(s.Buffers, func(b *Buffer) bool { return b.TableName == name })
	if i < 0 {
		return nil
	}
	return s.Buffers[i]
}
