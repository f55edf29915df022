package warehouse

import (
	"math"

	"github.com/millrace/millrace"
)

// refuse takes rows out of a buffer of the step and puts them into discards.
func (s *Step) refuse(b *Buffer, rows []int, reason string) {
	if len(rows) == 0 {
		return
	}
	s.addDiscards(b, len(rows), func(i int) discarded {
		d := b.discarded(rows[i])
		d.value, d.reason = b.rowJSON(rows[i]), cleanText(reason)
		return d
	})
	b.drop(rows)
	if b.Table != "discards" {
		s.Rows -= int64(len(rows))
	}
}

// keepBigInt makes a widened column BigInt again.
func (s *Step) keepBigInt(b *Buffer, v *Vector) {
	c := b.table.byName[v.Name]
	c.Type, c.big, c.widened = BigInt, true, false
	var rows []int
	for row := range v.bits {
		if !v.Valid(row) {
			continue
		}
		if f := v.Float(row); f == math.Trunc(f) && math.Abs(f) <= maxExact {
			v.bits[row] = uint64(int64(f))
		} else {
			rows = append(rows, row)
		}
	}
	s.addDiscards(b, len(rows), func(i int) discarded {
		d := b.discarded(rows[i])
		d.column, d.value, d.reason = v.Name, appendFloat(nil, v.Float(rows[i])), reasonWideBigInt
		return d
	})
	for _, row := range rows {
		v.unset(row)
	}
	v.Type, v.Widened = BigInt, false
}

// discarded describes a row for discards.
func (b *Buffer) discarded(row int) discarded {
	d := discarded{at: b.Position(row), table: b.Table, received: math.MinInt64}
	if id := b.column("id"); id != nil && id.Type == Text && id.Valid(row) {
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
	t := src.table(sh, "discards", discardColumns)
	taken := s.Buffer(TableName{b.Schema, "discards"})
	if taken != nil { // open it again
		t.buffer = taken
		for i, v := range taken.Columns {
			t.columns[i].vec = v
		}
	}
	for i := range n {
		sh.addDiscard(src, row(i))
	}
	opened := t.takeBuffer()
	if taken == nil {
		s.Buffers = append(s.Buffers, opened)
	}
	s.Discards += sh.discards
	sh.discards = 0
}

func maxPosition(a, b millrace.Position) millrace.Position {
	if a.After(b) {
		return a
	}
	return b
}
