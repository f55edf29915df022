package warehouse

import (
	"math"
	"slices"

	"github.com/millrace/millrace"
)

// A table is what the shaper knows of one table, and its rows that wait.
type table struct {
	TableName
	key      string
	event    bool // of one event or stream, not built in
	engine   bool // the engine has it
	columns  []*column
	byName   map[string]*column
	fixed    [fixedCount]*column
	position [3]int // where in columns _epoch, _seq and _index are; 0 before they are made
	dynamic  int    // columns beside the fixed ones

	buffer *Buffer
	rows   map[string]int // of a keyed buffer, by id
	since  int64          // when the oldest waiting row came, microseconds
	// after is the position through which the table is complete without the
	// rows that wait; behind is true when that lies before the checkpoint.
	after  millrace.Position
	behind bool
	spare  *Buffer
}

// A column of a table.
type column struct {
	Column
	engine   bool      // the engine has it
	widened  bool      // the engine's is BigInt, and has to become Double
	widening *widening // what made it Double, until a notice says so
	big      bool      // BigInt with values beyond ±2^53, now or before they were replaced
	unasked  bool      // what the engine holds of it has not been looked at
	noted    bool      // of users and accounts: millrace.names says that it is big
	forced   bool      // the settings gave the type
	narrow   string    // BigInt: why the engine does not make it Double
	refused  string    // why the engine does not make it; then it is not among the table's columns
	vec      *Vector
	spare    *Vector
	record   uint64 // the last record that set it …
	value    int    // … and which of its values did
}

func (t *table) add(name string, typ Type) *column {
	c := &column{Column: Column{Name: name, Type: typ}}
	t.columns = append(t.columns, c)
	t.byName[name] = c
	return c
}

// held says whether rows may be held back over a step: those of event tables,
// and of users and accounts, where merging a row costs a look through the
// whole table.
func (t *table) held() bool { return t.event || t.key != "" }

// positionColumns are the columns that say which record made the row.
var positionColumns = [3]Column{{"_epoch", BigInt}, {"_seq", BigInt}, {"_index", Integer}}

// addPosition makes the columns that say which record made the row, behind
// those that the table begins with.
func (t *table) addPosition() {
	for i, p := range positionColumns {
		if c := t.byName[p.Name]; c == nil {
			t.position[i] = len(t.columns)
			t.add(p.Name, p.Type)
		}
	}
}

// vector returns the column's vector of the rows that wait.
func (t *table) vector(c *column) *Vector {
	if c.vec == nil {
		c.vec, c.spare = c.spare, nil
		if c.vec == nil {
			c.vec = &Vector{}
		}
		c.vec.Column, c.vec.buffer = c.Column, t.buffer
	}
	return c.vec
}

// openBuffer makes the buffer of the rows that wait, if there is none.
func (t *table) openBuffer(now int64) {
	if t.buffer != nil {
		return
	}
	t.buffer, t.spare = t.spare, nil
	if t.buffer == nil {
		t.buffer = &Buffer{TableName: t.TableName, Key: t.key, table: t}
	}
	t.since = now
}

// newRow begins a row for the record at p; of a keyed table the row with that
// id goes on.
func (t *table) newRow(p millrace.Position, id string, now int64) int {
	t.openBuffer(now)
	row, known := 0, false
	if t.key != "" {
		if t.rows == nil {
			t.rows = map[string]int{}
		}
		if row, known = t.rows[id]; !known {
			t.rows[id] = t.buffer.Rows
		}
	}
	if !known {
		row = t.buffer.Rows
		t.buffer.Rows++
	}
	for i, bits := range [3]uint64{p.Epoch, p.Seq, uint64(p.Index)} {
		t.vector(t.columns[t.position[i]]).set(row, bits)
	}
	return row
}

// set writes the bits of a value.
func (v *Vector) set(row int, bits uint64) {
	if len(v.bits) == row {
		v.bits = append(v.bits, bits)
	} else {
		for len(v.bits) <= row {
			v.bits = append(v.bits, 0)
		}
		v.bits[row] = bits
	}
	v.valid = setBit(v.valid, row)
	if len(v.cleared) > row>>6 {
		v.cleared[row>>6] &^= 1 << (row & 63)
	}
	v.buffer.SizeBytes += 9
}

// Text is stored in the arena at bits>>lengthBits, with a length of the low bits.
const lengthBits = 28

// MaxTextBytes is the longest text of a cell.
const MaxTextBytes = 1<<lengthBits - 1

func (v *Vector) setBytes(row int, b []byte) {
	b = b[:min(len(b), MaxTextBytes)] // records are far smaller: eventlog.MaxAppendSizeBytes
	v.set(row, uint64(len(v.buffer.arena))<<lengthBits|uint64(len(b)))
	v.buffer.arena = append(v.buffer.arena, b...)
	v.buffer.SizeBytes += len(b)
}

// setMessage notes whose row it is in a keyed table.
func (b *Buffer) setMessage(row int, id string) {
	for len(b.messages) <= row {
		b.messages = append(b.messages, 0)
	}
	id = id[:min(len(id), maxKeyBytes)]
	b.messages[row] = uint64(len(b.arena))<<lengthBits | uint64(len(id))
	b.arena = append(b.arena, id...)
	b.SizeBytes += len(id)
}

func (v *Vector) setString(row int, s string) {
	v.set(row, uint64(len(v.buffer.arena))<<lengthBits|uint64(len(s)))
	v.buffer.arena = append(v.buffer.arena, s...)
	v.buffer.SizeBytes += len(s)
}

// unset makes a row null.
func (v *Vector) unset(row int) {
	if v.Valid(row) {
		v.valid[row>>6] &^= 1 << (row & 63)
	}
}

// clear makes a row null and says so.
func (v *Vector) clear(row int) {
	v.unset(row)
	v.cleared = setBit(v.cleared, row)
}

func setBit(bitmap []uint64, i int) []uint64 {
	for len(bitmap) <= i>>6 {
		bitmap = append(bitmap, 0)
	}
	bitmap[i>>6] |= 1 << (i & 63)
	return bitmap
}

// takeBuffer ends the waiting buffer and returns it for a step.
func (t *table) takeBuffer() *Buffer {
	b := t.buffer
	b.Create = !t.engine
	b.Columns = b.Columns[:0]
	for _, c := range t.columns {
		v := t.vector(c)
		v.Type, v.New, v.Widened = c.Type, !c.engine, c.widened
		b.Columns = append(b.Columns, v)
		c.vec = nil
	}
	t.buffer = nil
	clear(t.rows)
	return b
}

// maxSpareBytes is the most memory that a table keeps for its next rows.
const maxSpareBytes = 4 << 20

// commit tells that a buffer is in the engine, and keeps its memory. A buffer
// whose rows were all refused has changed nothing there.
func (t *table) commit(b *Buffer) {
	if b.Idle() {
		return
	}
	t.engine = true
	keep := b.SizeBytes <= maxSpareBytes
	for i, v := range b.Columns {
		c := t.columns[i]
		c.engine, c.widened = true, false
		if keep && c.spare == nil {
			v.bits, v.valid, v.cleared = v.bits[:0], v.valid[:0], v.cleared[:0]
			c.spare = v
		}
	}
	if keep {
		*b = Buffer{TableName: t.TableName, Key: t.key, table: t, arena: b.arena[:0], Columns: b.Columns[:0], messages: b.messages[:0]}
		t.spare = b
	}
}

// drop takes rows, in ascending order, out of a buffer.
func (b *Buffer) drop(rows []int) {
	if len(rows) == 0 {
		return
	}
	for _, v := range b.Columns {
		to, next := 0, 0
		for row := range b.Rows {
			if next < len(rows) && rows[next] == row {
				next++
				continue
			}
			v.move(row, to)
			to++
		}
		v.truncate(to)
	}
	for i, row := range rows {
		if row-i < len(b.messages) {
			b.messages = slices.Delete(b.messages, row-i, row-i+1)
		}
	}
	b.Rows -= len(rows)
}

// move copies a row to an earlier one.
func (v *Vector) move(from, to int) {
	if from == to {
		return
	}
	if from < len(v.bits) {
		v.bits[to] = v.bits[from]
	}
	moveBit(v.valid, from, to)
	moveBit(v.cleared, from, to)
}

func moveBit(bitmap []uint64, from, to int) {
	if to>>6 >= len(bitmap) {
		return
	}
	bitmap[to>>6] &^= 1 << (to & 63)
	if from>>6 < len(bitmap) && bitmap[from>>6]&(1<<(from&63)) != 0 {
		bitmap[to>>6] |= 1 << (to & 63)
	}
}

func (v *Vector) truncate(rows int) {
	v.bits = v.bits[:min(rows, len(v.bits))]
	for _, bitmap := range [][]uint64{v.valid, v.cleared} {
		for i := range bitmap {
			switch first := i << 6; {
			case first >= rows:
				bitmap[i] = 0
			case first+64 > rows:
				bitmap[i] &= 1<<(rows&63) - 1
			}
		}
	}
}

// rowJSON writes a row as an object, for discards.
func (b *Buffer) rowJSON(row int) []byte {
	out := []byte{'{'}
	for _, v := range b.Columns {
		if !v.Valid(row) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(appendQuoted(out, v.Name), ':')
		out = v.appendJSON(out, row)
	}
	return append(out, '}')
}

func (v *Vector) appendJSON(out []byte, row int) []byte {
	switch v.Type {
	case Bool:
		if v.Bool(row) {
			return append(out, "true"...)
		}
		return append(out, "false"...)
	case JSON:
		return append(out, v.Bytes(row)...)
	case Text:
		return appendQuoted(out, string(v.Bytes(row)))
	case Double:
		return appendFloat(out, math.Float64frombits(v.bits[row]))
	case Timestamp:
		return appendQuoted(out, formatMicros(v.Int(row)))
	default:
		return appendInt(out, v.Int(row))
	}
}
