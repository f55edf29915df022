package warehouse

import (
	"fmt"
	"math"
	"slices"

	"github.com/millrace/millrace"
)

// refuse takes rows out of a buffer of the step and puts them into discards.
func (s *Step) refuse(b *Buffer, rows []int, reason string) {
	if len(rows) == 0 {
		return
	}
	if b.Table == "discards" { // there is nowhere else to go
		first, last := b.Position(rows[0]), b.Position(rows[len(rows)-1])
		s.addNotice(b, first.String(), fmt.Sprintf("%d values and rows that were set aside, of records from %s to %s, could not be written to %s.discards: they are in log and archive: %s",
			len(rows), first, last, b.Schema, reason))
		s.Discards -= int64(len(rows))
		b.drop(rows)
		return
	}
	s.addDiscards(b, len(rows), func(i int) discarded {
		d := b.discarded(rows[i])
		d.value, d.reason = b.rowJSON(rows[i]), cleanText(reason)
		return d
	})
	b.drop(rows)
	s.Rows -= int64(len(rows))
}

// refuseTable takes all rows out of a buffer whose table the engine refuses.
func (s *Step) refuseTable(b *Buffer, reason string) {
	s.addNotice(b, b.Table, fmt.Sprintf("the table %s.%s cannot be made or changed, so that its rows are in %s.discards: %s",
		b.Schema, b.Table, b.Schema, reason))
	rows := make([]int, b.Rows)
	for i := range rows {
		rows[i] = i
	}
	s.refuse(b, rows, "the warehouse refused the table: "+reason)
	b.Make = false
}

// refuseColumn takes a column out of a buffer and its table, or leaves it as
// narrow as it is.
func (s *Step) refuseColumn(b *Buffer, v *Vector, reason string) {
	t := b.table
	i := slices.Index(b.Columns, v)
	c := t.columns[i]
	if !v.New && v.Widened {
		s.addNotice(b, b.Table+"."+v.Name, fmt.Sprintf("the column %s of %s.%s cannot be made wider, so that its numbers with a fraction are in %s.discards: %s",
			v.Name, b.Schema, b.Table, b.Schema, reason))
		c.narrow = "the warehouse refused to make the column wider: " + cleanText(reason)
		s.stayBigInt(b, v, c.narrow)
		return
	}
	if slices.Contains(t.fixed[:], c) || slices.Contains(t.position[:], i) {
		s.refuseTable(b, reason) // nothing does without it
		return
	}
	s.addNotice(b, b.Table+"."+v.Name, fmt.Sprintf("the column %s of %s.%s cannot be made, so that its values are in %s.discards: %s",
		v.Name, b.Schema, b.Table, b.Schema, reason))
	c.refused = "the warehouse refused the column: " + cleanText(reason)
	s.addValues(b, v, func(int) bool { return true }, c.refused)
	b.Columns, t.columns = slices.Delete(b.Columns, i, i+1), slices.Delete(t.columns, i, i+1)
	for j, at := range t.position {
		if at > i {
			t.position[j]--
		}
	}
	c.vec, c.spare, c.engine = nil, nil, false
	t.dynamic--
}

// keepBigInt makes a widened column BigInt again, for its large numbers.
func (s *Step) keepBigInt(b *Buffer, v *Vector) {
	b.table.byName[v.Name].big = true
	s.stayBigInt(b, v, reasonWideBigInt)
}

// stayBigInt makes a widened column BigInt again.
func (s *Step) stayBigInt(b *Buffer, v *Vector, reason string) {
	c := b.table.byName[v.Name]
	c.Type, c.widened = BigInt, false
	s.forgetWidened(b.table, c)
	exact := func(row int) bool {
		f := v.Float(row)
		return f == math.Trunc(f) && math.Abs(f) <= maxExact
	}
	s.addValues(b, v, func(row int) bool { return !exact(row) }, reason)
	for row := range v.bits {
		switch {
		case !v.Valid(row):
		case exact(row):
			v.bits[row] = uint64(int64(v.Float(row)))
		default:
			v.unset(row)
		}
	}
	v.Type, v.Widened = BigInt, false
}

// addValues adds values of a column to discards.
func (s *Step) addValues(b *Buffer, v *Vector, which func(row int) bool, reason string) {
	var rows []int
	for row := range b.Rows {
		if v.Valid(row) && which(row) {
			rows = append(rows, row)
		}
	}
	s.addDiscards(b, len(rows), func(i int) discarded {
		d := b.discarded(rows[i])
		d.column, d.value, d.reason = v.Name, v.text(rows[i]), reason
		return d
	})
}

// text is a value as discards have it.
func (v *Vector) text(row int) []byte {
	switch v.Type {
	case Text, JSON:
		return slices.Clone(v.Bytes(row))
	case Timestamp:
		return []byte(formatMicros(v.Int(row)))
	}
	return v.appendJSON(nil, row)
}

// discarded describes a row for discards.
func (b *Buffer) discarded(row int) discarded {
	d := discarded{at: b.Position(row), table: b.Table, received: math.MinInt64}
	if b.Key != "" {
		if row < len(b.messages) {
			at := b.messages[row]
			d.id = string(b.arena[at>>lengthBits : at>>lengthBits+at&MaxTextBytes])
		}
	} else if id := b.column("id"); id != nil && id.Type == Text && id.Valid(row) {
		d.id = string(id.Bytes(row))
	}
	if at := b.column("received_at"); at != nil && at.Type == Timestamp && at.Valid(row) {
		d.received = at.Int(row)
	}
	return d
}

func (b *Buffer) column(name string) *Vector {
	for _, v := range b.Columns {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// addDiscards adds rows to the step's buffer of discards, making it if need be.
func (s *Step) addDiscards(b *Buffer, n int, row func(i int) discarded) {
	if n == 0 || b.Table == "discards" {
		return
	}
	sh := &s.shaper.shaping
	src := sh.source(b.Schema)
	s.more(src.table(sh, "discards", discardColumns), func() {
		for i := range n {
			sh.addDiscard(src, row(i))
		}
	})
	s.Discards += sh.discards
	sh.discards = 0
}

// addNotice adds a row about a buffer to the step's notices. There is one of a
// source and a key.
func (s *Step) addNotice(b *Buffer, key, message string) {
	sh := &s.shaper.shaping
	at, received := s.Scanned, sh.now
	if b.Rows > 0 {
		at = b.Position(0)
	}
	n := noticed{key: key, kind: "refused", table: b.Table, message: message, at: at, received: received}
	s.more(sh.source(SystemSchema).table(sh, "notices", noticeColumns), func() { sh.addNotice(b.Schema, n) })
	s.Notices += sh.noticed
	sh.noticed = 0
}

// more adds rows to a table that is not held back, whose buffer the step may
// have already.
func (s *Step) more(t *table, add func()) {
	taken := s.Buffer(t.TableName)
	if taken != nil { // open it again
		t.buffer = taken
		for i, v := range taken.Columns {
			t.columns[i].vec = v
		}
	}
	add()
	if t.buffer == nil {
		return
	}
	opened := t.takeBuffer()
	if taken == nil {
		s.Buffers = append(s.Buffers, opened)
	}
}

func maxPosition(a, b millrace.Position) millrace.Position {
	if a.After(b) {
		return a
	}
	return b
}
