package warehouse

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millrace/millrace"
)

// place writes a value of the record where its path says.
func (s *shaping) place(r *entry, i int) {
	v := &s.scan.values[i]
	if v.kind == kindNone {
		return
	}
	n := v.node
	if n.container {
		if v.kind != kindNull {
			s.discard(r, r.tableName(), n.key, v, reasonNoObject)
		}
		return
	}
	switch n.role {
	case roleUnknown:
		if v.kind != kindNull {
			s.discard(r, r.tableName(), n.path(), v, reasonUnknown)
		}
	case roleContext:
		s.put(r, rowMain, i)
		s.put(r, rowExtra, i)
	case roleProperty:
		if r.both {
			s.put(r, rowMain, i)
		}
		if r.noTable && v.kind != kindNull {
			s.addOverflow(r, v)
		} else {
			s.put(r, rowExtra, i)
		}
	}
}

// put writes a value into one of the record's rows.
func (s *shaping) put(r *entry, which, i int) {
	row := r.row[which]
	if row < 0 {
		return
	}
	t, v := r.table(which), &s.scan.values[i]
	to := &v.node.targets[which]
	if v.kind == kindNull {
		s.putNull(r, t, row, v.node, to)
		return
	}
	if to.state == targetUnknown {
		s.resolve(r, t, v, to)
	}
	switch to.state {
	case targetReserved:
		if !s.sameAs(t, row, v) {
			s.discard(r, t.Table, v.node.name, v, reasonReserved)
		}
	case targetOverflow:
		if which == rowMain || !r.both && v.node.role == roleProperty {
			s.addOverflow(r, v)
		}
	case targetColumn:
		c := to.column
		if c.refused != "" {
			s.discard(r, t.Table, c.Name, v, c.refused)
			return
		}
		if c.record == s.scan.record {
			if other := &s.scan.values[c.value]; !bytes.Equal(other.raw, v.raw) {
				s.discard(r, t.Table, c.Name, v, reasonCollision)
			}
			return
		}
		reason := s.fit(t, c, row, v)
		if reason == "" || reason == reasonDirty {
			c.record, c.value = s.scan.record, i
		}
		if reason != "" {
			s.discard(r, t.Table, c.Name, v, reason)
		}
	}
}

// putNull clears a column of users or accounts. Elsewhere null says nothing,
// and nowhere does it make a column.
func (s *shaping) putNull(r *entry, t *table, row int, n *node, to *target) {
	if t.key == "" {
		return
	}
	c := to.column
	if to.state == targetUnknown {
		if n.name == "" {
			n.name, _ = n.columnName()
		}
		if c = t.byName[n.name]; c == nil || n.role == roleProperty && r.reserved(n.name) {
			return
		}
	}
	if c != nil && c.refused == "" && c.record != s.scan.record {
		t.vector(c).clear(row)
	}
}

// resolve decides where the values of a path go in a table, by the first of them.
func (s *shaping) resolve(r *entry, t *table, v *value, to *target) {
	n := v.node
	name, special := n.columnName()
	n.name = name
	if special {
		s.addName(r, "property", n.path(), name)
	}
	if n.role == roleProperty && r.reserved(name) {
		to.state = targetReserved
		return
	}
	forced := r.source.types[t.Table+"."+name]
	c := t.byName[name]
	if c == nil {
		if t.dynamic >= r.source.maxColumns {
			to.state = targetOverflow
			s.notice(r, "columns", t.Table, fmt.Sprintf("table %s.%s has %d columns, as many as it may: what is new in its records is kept in %s (or only in identifies and groups, for users and accounts). Raise limits.columns of the source, then rebuild the warehouse.",
				t.Schema, t.Table, r.source.maxColumns, overflowColumn))
			return
		}
		typ := forced
		if typ == 0 {
			typ = s.typeOf(v)
		}
		c = t.add(name, typ)
		t.dynamic++
	}
	if forced != 0 {
		s.force(r, t, c, forced)
	}
	to.state, to.column = targetColumn, c
}

// force applies the type that the settings give to a column that is there.
func (s *shaping) force(r *entry, t *table, c *column, typ Type) {
	if c.Type == BigInt && typ == Double && c.narrow == "" && !s.big(t, c) {
		s.widen(t, c, "since types: of the source says so")
	}
	c.forced = c.Type == typ
	if !c.forced {
		s.notice(r, "types", t.Table+"."+c.Name, fmt.Sprintf("column %s.%s.%s is %s, not %s as types: says: rebuild the warehouse to change it",
			t.Schema, t.Table, c.Name, c.Type, typ))
	}
}

// sameAs says whether a value that may not have its column is what the column
// holds anyway.
func (s *shaping) sameAs(t *table, row int, v *value) bool {
	c := t.byName[v.node.name]
	if c == nil || c.vec == nil || !c.vec.Valid(row) {
		return false
	}
	switch {
	case c.Type == Text && v.kind == kindString:
		return bytes.Equal(c.vec.Bytes(row), s.inside(v))
	case c.Type == Text:
		return bytes.Equal(c.vec.Bytes(row), v.raw)
	case c.Type == Timestamp && v.kind == kindString:
		micros, exact, ok := parseTime(s.inside(v), false)
		return ok && exact && micros == c.vec.Int(row)
	}
	return false
}

// addOverflow keeps a value that has no column.
func (s *shaping) addOverflow(r *entry, v *value) {
	if r.row[rowMain] < 0 {
		return // it has been kept already
	}
	n := v.node
	if n.name == "" {
		n.name, _ = n.columnName()
	}
	if len(s.overflow) == 0 {
		clear(s.taken)
	}
	if s.taken[n.name] {
		s.discard(r, r.tableName(), n.name, v, reasonCollision)
		return
	}
	s.taken[n.name] = true
	if len(s.overflow) == 0 {
		s.overflow = append(s.overflow, '{')
	} else {
		s.overflow = append(s.overflow, ',')
	}
	s.overflow = append(appendQuoted(s.overflow, n.name), ':')
	if v.flags&flagDirty == 0 {
		s.overflow = append(s.overflow, v.raw...)
		return
	}
	s.overflow = appendCleanJSON(s.overflow, v.raw)
	s.discard(r, r.tableName(), n.name, v, reasonDirty)
}

func (s *shaping) finishOverflow(r *entry) {
	if len(s.overflow) == 0 {
		return
	}
	t := r.main
	c := t.byName[overflowColumn]
	if c == nil {
		c = t.add(overflowColumn, JSON)
	}
	s.overflow = append(s.overflow, '}')
	if c.refused != "" {
		s.discard(r, t.Table, c.Name, &value{kind: kindObject, raw: s.overflow}, c.refused)
		return
	}
	t.vector(c).setBytes(r.row[rowMain], s.overflow)
}

// discard puts a value into discards, unless the table has the row already.
func (s *shaping) discard(r *entry, table, column string, v *value, reason string) {
	if r.counted || r.latestOnly {
		return
	}
	var text []byte
	switch {
	case v.flags&flagDirty != 0:
		text = bytes.ReplaceAll(bytes.ToValidUTF8(v.raw, []byte(replacement)), []byte{0}, []byte(replacement))
	case v.kind == kindString:
		text = s.inside(v)
	default:
		text = v.raw
	}
	s.addDiscard(r.stream.source, discarded{
		at: r.Position, id: r.ID, table: table, column: column, value: text, reason: reason, received: r.Received.UnixMicro(),
	})
}

// takeDiscards makes the source's discards in the step in which its first
// tables are made, so that whoever looks for what was set aside finds a table.
func (s *shaping) takeDiscards(src *source, step *Step, now int64) {
	if t := src.tables["discards"]; src.name == SystemSchema || t != nil && t.engine {
		return
	}
	if step.Buffer(TableName{src.name, "discards"}) != nil ||
		!slices.ContainsFunc(step.Buffers, func(b *Buffer) bool { return b.Schema == src.name }) {
		return
	}
	t := src.table(s, "discards", discardColumns)
	if t.engine {
		return
	}
	t.openBuffer(now)
	t.buffer.Make = true
	step.Buffers = append(step.Buffers, t.takeBuffer())
}

type discarded struct {
	at                        millrace.Position
	id, table, column, reason string
	value                     []byte
	received                  int64
}

func (s *shaping) addDiscard(src *source, d discarded) {
	t := src.table(s, "discards", discardColumns)
	row := s.newRow(t, d.at, "")
	t.setText(fixedID, row, cleanText(d.id))
	t.setText(fixedTableName, row, d.table)
	if d.column != "" {
		t.setText(fixedColumnName, row, cleanText(d.column))
	}
	if d.value != nil {
		t.vector(t.fixed[fixedValue]).setBytes(row, d.value)
	}
	t.setText(fixedReason, row, d.reason)
	t.setMicros(fixedReceived, row, d.received)
	t.setMicros(fixedUUID, row, s.now)
	s.discards++
}
