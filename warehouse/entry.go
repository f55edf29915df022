package warehouse

import (
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// An entry is the record that is being shaped.
type entry struct {
	*eventlog.Entry
	*stream
	counted    bool // the built-in tables have it already
	latestOnly bool // only users and accounts are to have it
	row        [2]int
	bodyAt     int // the first value that is of the body
}

// The rows of an entry, and their tables.
const (
	rowMain = iota
	rowExtra
)

func (r *entry) table(which int) *table {
	if which == rowMain {
		return r.main
	}
	return r.extra
}

// addEntry shapes one record.
func (s *shaping) addEntry(e *eventlog.Entry, counted, latestOnly bool) {
	src := s.source(e.Source)
	if s.spare != SpareNothing {
		if e = s.addSpared(src, e, counted || latestOnly); e == nil {
			return
		}
	}
	r := &s.entry
	*r = entry{Entry: e, counted: counted, latestOnly: latestOnly, row: [2]int{-1, -1}}
	r.stream = src.stream(s, r)
	if r.main == nil { // a custom stream without a table
		s.discard(r, r.name, "", &value{kind: kindArray, raw: e.Body, flags: flagDirty}, reasonNoTable)
		return
	}
	if !s.wanted(r, rowMain) && !s.wanted(r, rowExtra) {
		return
	}
	s.read(r)
	s.begin(r)
	s.overflow = s.overflow[:0]
	for i := r.bodyAt; i < len(s.scan.values); i++ {
		s.place(r, i)
	}
	for i := range r.bodyAt {
		s.place(r, i)
	}
	s.finishOverflow(r)
	if r.nodes += s.scan.nodes; r.nodes > 2*src.maxColumns+1000 {
		r.reset()
	}
	s.scan.nodes = 0
}

// wanted says whether a table is to have a row of the record and lacks it.
func (s *shaping) wanted(r *entry, which int) bool {
	t := r.table(which)
	switch {
	case t == nil || r.latestOnly && t.key == "":
		return false
	case t.behind:
		return r.Position.After(t.after)
	default:
		return !r.counted
	}
}

// read scans Meta and the body. A document that cannot be read goes to
// discards whole; the row is made from the rest.
func (s *shaping) read(r *entry) {
	s.scan.begin()
	meta := s.scan.scanMeta(r)
	if s.scan.problem != "" {
		s.discard(r, r.tableName(), "", &value{kind: kindArray, raw: r.Meta, flags: flagDirty}, "what intake added "+s.scan.problem)
	}
	root, loose := r.root, (*node)(nil)
	// What a vendor posted to a webhook has its event's name in Meta.
	webhook := r.shapeKind == kindTrack && meta && r.fields[fixedEvent].record == s.scan.record
	if webhook || r.bare {
		root, loose = r.whole, r.loose
	}
	if s.scan.scan(r.Body, root, loose) {
		return
	}
	s.discard(r, r.tableName(), "", &value{kind: kindArray, raw: r.Body, flags: flagDirty}, "the body "+s.scan.problem)
	s.scan.begin()
	s.scan.scanMeta(r)
}

// scanMeta reads what intake added, or nothing when it cannot be read.
func (s *scanner) scanMeta(r *entry) bool {
	s.problem = ""
	if len(r.Meta) > 0 && !s.scan(r.Meta, r.root, nil) {
		problem := s.problem
		s.begin()
		s.problem = problem
		return false
	}
	r.bodyAt = len(s.values)
	return true
}

// tableName is what discards call the table of the whole record.
func (st *stream) tableName() string {
	if st.shapeKind == kindTrack {
		return st.name
	}
	return st.main.Table
}

// field returns the value of a field of the call, or nil.
func (s *shaping) field(r *entry, f fixed) *value {
	n := r.fields[f]
	if n == nil || n.record != s.scan.record {
		return nil
	}
	if v := &s.scan.values[n.at]; v.kind != kindNone && v.kind != kindNull {
		return v
	}
	return nil
}

// begin makes the rows and writes the columns that they have from the start.
func (s *shaping) begin(r *entry) {
	for which := range r.row {
		if !s.wanted(r, which) {
			continue
		}
		t := r.table(which)
		if t.key != "" {
			s.beginLatest(r, t)
			continue
		}
		r.row[which] = s.newRow(t, r.Position, "")
		s.writeFixed(r, t, r.row[which])
	}
}

func (s *shaping) newRow(t *table, p millrace.Position, id string) int {
	if t.buffer == nil && t.held() && !t.behind {
		t.after = maxPosition(s.start, s.scanned)
	}
	return t.newRow(p, id, s.now)
}

// beginLatest makes the row of users or accounts; none without an id.
func (s *shaping) beginLatest(r *entry, t *table) {
	f := fixedUser
	if r.shapeKind == kindGroup {
		f = fixedGroup
	}
	v := s.field(r, f)
	if v == nil {
		return
	}
	id := v.raw
	if v.kind == kindString {
		id = s.inside(v)
	}
	if len(id) == 0 {
		return
	}
	if len(id) > maxKeyBytes {
		s.discard(r, t.Table, "id", v, reasonTooLong)
		return
	}
	key := string(id)
	row := s.newRow(t, r.Position, key)
	r.row[rowExtra] = row
	t.buffer.setMessage(row, r.ID)
	t.setText(fixedID, row, key)
	t.setTime(fixedReceived, row, r.Received)
	t.setMicros(fixedUUID, row, s.now)
}

// writeFixed writes the columns that every call of the kind has.
func (s *shaping) writeFixed(r *entry, t *table, row int) {
	for _, f := range r.columns {
		switch f {
		case fixedID, fixedRejected:
			if v := s.field(r, f); v != nil {
				s.fitField(r, t, f, row, v)
			} else if f == fixedRejected && r.shapeKind == kindRejected || f == fixedID && r.shapeKind != kindResent {
				s.fitOwn(r, t, f, row, cleanText(r.ID))
			}
		case fixedAnonymous, fixedUser, fixedGroup, fixedPrevious:
			if v := s.field(r, f); v != nil {
				s.fitField(r, t, f, row, v)
			}
		case fixedEvent:
			s.fitOwn(r, t, f, row, r.name)
		case fixedEventText:
			s.fitOwn(r, t, f, row, r.original)
		case fixedReceived:
			s.fitMoment(r, t, f, row, r.Received)
		case fixedTimestamp:
			s.fitMoment(r, t, f, row, r.Occurred)
		case fixedUUID:
			t.setMicros(f, row, s.now)
		case fixedSent:
			s.fitClock(r, t, f, row, s.field(r, f))
		case fixedOriginal:
			v := s.field(r, f)
			if v == nil {
				v = s.field(r, fixedTimestamp)
			}
			s.fitClock(r, t, f, row, v)
		case fixedSource:
			s.fitOwn(r, t, f, row, r.Source)
		}
	}
}

// fitOwn writes what the record itself says. A stream's member may have given
// the column another type, when the stream and an event share a table.
func (s *shaping) fitOwn(r *entry, t *table, f fixed, row int, text string) {
	switch c := t.fixed[f]; c.Type {
	case Text:
		t.setText(f, row, text)
	case JSON:
		t.vector(c).setBytes(row, appendQuoted(nil, text))
	default:
		s.discard(r, t.Table, c.Name, &value{kind: kindString, raw: appendQuoted(nil, text), flags: flagEscape}, reasonType[c.Type])
	}
}

// fitMoment does the same for a time.
func (s *shaping) fitMoment(r *entry, t *table, f fixed, row int, at time.Time) {
	micros := at.UnixMicro()
	if t.fixed[f].Type == Timestamp && micros >= minMicros && micros <= maxMicros {
		t.setMicros(f, row, micros)
		return
	}
	s.fitOwn(r, t, f, row, at.UTC().Format(time.RFC3339Nano))
}

func (s *shaping) fitField(r *entry, t *table, f fixed, row int, v *value) {
	c := t.fixed[f]
	reason := s.fit(t, c, row, v)
	if reason == "" || reason == reasonDirty {
		c.record, c.value = s.scan.record, v.node.at
	}
	if reason != "" {
		s.discard(r, t.Table, c.Name, v, reason)
	}
}

// fitClock writes a time of the sender's clock, cut to microseconds.
func (s *shaping) fitClock(r *entry, t *table, f fixed, row int, v *value) {
	if v == nil {
		return
	}
	c := t.fixed[f]
	reason := reasonNotTime
	if v.kind == kindString && c.Type == Timestamp {
		reason = s.fitTime(t, c, row, v, true)
	}
	if reason != "" {
		s.discard(r, t.Table, c.Name, v, reason)
	}
}

func (t *table) setTime(f fixed, row int, at time.Time) { t.setMicros(f, row, at.UnixMicro()) }

func (t *table) setMicros(f fixed, row int, micros int64) {
	if c := t.fixed[f]; c.Type == Timestamp && micros >= minMicros && micros <= maxMicros {
		t.vector(c).set(row, uint64(micros))
	}
}

func (t *table) setText(f fixed, row int, s string) {
	if c := t.fixed[f]; c.Type == Text {
		t.vector(c).setString(row, s)
	}
}

func appendInt(out []byte, n int64) []byte { return strconv.AppendInt(out, n, 10) }

func appendFloat(out []byte, f float64) []byte { return strconv.AppendFloat(out, f, 'g', -1, 64) }

func formatMicros(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
