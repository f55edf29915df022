package warehouse

import (
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace"
)

// Reasons in discards.
const (
	reasonReserved   = "the name is reserved: the column holds something else"
	reasonCollision  = "another member of the same record has the same column name"
	reasonDirty      = "kept with U+FFFD in the place of NUL, a lone surrogate or invalid UTF-8"
	reasonUnknown    = "the protocol has no such field: put it into properties, traits or context"
	reasonNoObject   = "is not an object"
	reasonNotTime    = "is not an ISO 8601 date-time with seconds and zone"
	reasonTooFine    = "is finer than a microsecond, which timestamptz would round"
	reasonWideBigInt = "is no whole number, and the column holds whole numbers that double would round"
	reasonRounded    = "double would round it"
	reasonTooLong    = "is longer than 1,024 bytes, which no key can be"
	reasonNoTable    = "the source has as many tables as it may"
)

var reasonType = [...]string{
	Bool:      "does not fit the column's type bool",
	BigInt:    "does not fit the column's type bigint",
	Double:    "does not fit the column's type double",
	Timestamp: "does not fit the column's type timestamptz",
	Text:      "does not fit the column's type text",
	JSON:      "does not fit the column's type json",
	Integer:   "does not fit the column's type integer",
}

// typeOf decides the type of a new column by its first value.
func (s *shaping) typeOf(v *value) Type {
	switch v.kind {
	case kindTrue, kindFalse:
		return Bool
	case kindNumber:
		if _, ok := parseInt(v.raw); ok {
			return BigInt
		}
		if _, ok := parseDouble(v.raw); ok {
			return Double
		}
	case kindString:
		if looksLikeTime(v.raw) {
			if _, exact, ok := parseTime(s.inside(v), false); ok && exact {
				return Timestamp
			}
		}
	case kindArray:
		return JSON
	}
	return Text
}

// looksLikeTime spares most strings the parsing.
func looksLikeTime(raw []byte) bool { return len(raw) >= 22 && raw[5] == '-' && raw[11] == 'T' }

// inside returns what a string says, good until the next call.
func (s *shaping) inside(v *value) []byte {
	raw := v.raw[1 : len(v.raw)-1]
	if v.flags == 0 {
		return raw
	}
	s.room = appendText(s.room[:0], raw)
	return s.room
}

// fit writes a value into a row, or says why it does not fit. A BigInt column
// may become Double by it. A value that had to be cleaned is written, and the
// reason is reasonDirty.
func (s *shaping) fit(t *table, c *column, row int, v *value) (reason string) {
	switch c.Type {
	case Text:
		return s.fitText(t, c, row, v)
	case JSON:
		return s.fitJSON(t, c, row, v)
	}
	k, raw := v.kind, v.raw
	if c.forced && k == kindString && c.Type != Timestamp {
		k, raw = literal(s.inside(v)) // the project says so: "5.50" is a number here
	}
	switch {
	case c.Type == Bool && (k == kindTrue || k == kindFalse):
		bits := uint64(0)
		if k == kindTrue {
			bits = 1
		}
		t.vector(c).set(row, bits)
		return ""
	case c.Type == BigInt && k == kindNumber:
		return s.fitBigInt(t, c, row, raw)
	case c.Type == Double && k == kindNumber:
		f, ok := parseDouble(raw)
		if !ok {
			return reasonRounded
		}
		t.vector(c).set(row, math.Float64bits(f))
		return ""
	case c.Type == Timestamp && k == kindString:
		return s.fitTime(t, c, row, v, c.forced)
	}
	return reasonType[c.Type]
}

func (s *shaping) fitTime(t *table, c *column, row int, v *value, lenient bool) string {
	micros, exact, ok := parseTime(s.inside(v), lenient)
	switch {
	case !ok:
		return reasonNotTime
	case !exact && !lenient:
		return reasonTooFine
	}
	t.vector(c).set(row, uint64(micros))
	return ""
}

func (s *shaping) fitText(t *table, c *column, row int, v *value) string {
	b := v.raw
	if v.kind == kindString {
		b = s.inside(v)
	} else if v.flags&flagDirty != 0 {
		s.room = appendCleanJSON(s.room[:0], v.raw)
		b = s.room
	}
	t.vector(c).setBytes(row, b)
	if v.flags&flagDirty != 0 {
		return reasonDirty
	}
	return ""
}

func (s *shaping) fitJSON(t *table, c *column, row int, v *value) string {
	if v.flags&flagDirty == 0 {
		t.vector(c).setBytes(row, v.raw)
		return ""
	}
	s.room = appendCleanJSON(s.room[:0], v.raw)
	t.vector(c).setBytes(row, s.room)
	return reasonDirty
}

// literal reads the text of a string as a JSON scalar.
func literal(b []byte) (kind, []byte) {
	if len(b) == 0 {
		return kindString, b
	}
	s := scanner{data: b}
	if k, _, ok := s.skip(1); ok && s.i == len(b) {
		return k, b
	}
	return kindString, b
}

// fitBigInt writes a number into a BigInt column, which becomes Double when
// the number asks for it and no value would be rounded.
func (s *shaping) fitBigInt(t *table, c *column, row int, raw []byte) string {
	if n, ok := parseWhole(raw); ok {
		if n > maxExact || n < -maxExact {
			c.big = true
		}
		t.vector(c).set(row, uint64(n))
		return ""
	}
	f, ok := parseDouble(raw)
	switch {
	case c.forced:
		return reasonType[BigInt]
	case !ok:
		return reasonRounded
	case c.narrow != "":
		return c.narrow
	case s.big(t, c):
		return reasonWideBigInt
	}
	s.widen(t, c, "when "+string(raw[:min(len(raw), maxNoticed)])+" came")
	t.vector(c).set(row, math.Float64bits(f))
	return ""
}

// big says whether a BigInt column holds whole numbers that a double would
// round, or did.
func (s *shaping) big(t *table, c *column) bool {
	if c.unasked && !c.big && s.options.Large != nil {
		c.unasked = false
		large, err := s.options.Large(t.TableName, c.Name)
		if err != nil {
			s.err = fmt.Errorf("ask what the column %s of %s.%s holds: %w", c.Name, t.Schema, t.Table, err)
		}
		c.big = large || err != nil
	}
	return c.big
}

// kindLarge marks in millrace.names the columns of users and accounts that held
// whole numbers which a double would round: such a value may be replaced, and
// the column has to stay what a rebuild would make it.
const kindLarge = "large"

// noteLarge marks such columns of a table whose rows the step has.
func (s *shaping) noteLarge(t *table, step *Step) {
	for _, c := range t.columns {
		if !c.big || c.noted || !s.system() {
			continue
		}
		c.noted = true
		column := t.Table + "." + c.Name
		s.names[nameKey(t.Schema, kindLarge, column)] = true
		names := s.source(SystemSchema).table(s, "names", nameColumns)
		step.more(names, func() {
			row := s.newRow(names, s.through, "")
			names.setText(fixedSource, row, t.Schema)
			names.setText(fixedKind, row, kindLarge)
			names.setText(fixedOriginalName, row, column)
			names.setText(fixedName, row, c.Name)
			names.setMicros(fixedReceived, row, s.now)
		})
		step.Rows++
	}
}

// maxNoticed is how much of a value a notice quotes, in bytes.
const maxNoticed = 40

// kindWidened marks in millrace.notices that a column became Double.
const kindWidened = "widened"

// A widening is what made a column Double.
type widening struct {
	why      string
	at       millrace.Position
	received int64
}

// widen makes a BigInt column Double by the record that is being shaped, and
// keeps for noteWidened what that was. It is the same record on every replay.
func (s *shaping) widen(t *table, c *column, why string) {
	c.widen()
	if t.Schema != SystemSchema {
		c.widening = &widening{why: why, at: s.entry.Position, received: s.entry.Received.UnixMicro()}
	}
}

// noteWidened adds a notice for every column that a buffer of the step makes
// wider, or that became wider before it was made. It is committed with the
// column itself; a shadow that leaves the notices alone keeps it for its swap.
func (s *shaping) noteWidened(t *table, step *Step) {
	for _, c := range t.columns {
		w := c.widening
		if c.widening = nil; w == nil {
			continue
		}
		name := t.Table + "." + c.Name
		n := noticed{key: name, kind: kindWidened, table: name, at: w.at, received: w.received, message: fmt.Sprintf(
			"column %s.%s.%s was bigint and became double %s; its whole numbers are as they were", t.Schema, t.Table, c.Name, w.why)}
		if !s.system() {
			s.widened[noticeID(t.Schema, n.kind, n.key)] = Notice{Source: t.Schema, Kind: n.kind, Table: n.table, Message: cleanText(n.message),
				Position: n.at, Received: time.UnixMicro(n.received).UTC()}
			continue
		}
		step.more(s.source(SystemSchema).table(s, "notices", noticeColumns), func() { s.addNotice(t.Schema, n) })
	}
}

// forgetWidened takes back the notice on a column that stays BigInt after all.
func (s *Step) forgetWidened(t *table, c *column) {
	name := t.Table + "." + c.Name
	id := noticeID(t.Schema, kindWidened, name)
	delete(s.shaper.shaping.widened, id)
	b := s.Buffer(TableName{SystemSchema, "notices"})
	if b == nil || !s.shaper.shaping.notices[id] {
		return
	}
	ids := b.column("id")
	for row := range b.Rows {
		if ids.Valid(row) && string(ids.Bytes(row)) == id {
			b.drop([]int{row})
			delete(s.shaper.shaping.notices, id)
			s.Notices--
			return
		}
	}
}

// widen makes a BigInt column Double, with the rows that wait in it.
func (c *column) widen() {
	c.Type = Double
	c.widened = c.engine
	if c.vec == nil {
		return
	}
	c.vec.Type = Double
	for row := range c.vec.bits {
		if c.vec.Valid(row) {
			c.vec.bits[row] = math.Float64bits(float64(c.vec.Int(row)))
		}
	}
}
