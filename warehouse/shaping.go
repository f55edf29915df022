package warehouse

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Limits that settings do not raise, and their defaults.
const (
	defaultMaxColumns = 400
	defaultMaxTables  = 200
	maxMaxColumns     = 1500 // Postgres has 1,600 columns a table
	maxStreams        = 50_000
	maxNames          = 10_000 // rows of one source in millrace.names
	maxKeyBytes       = 1024   // of the id of users and accounts: Postgres's index takes 2,700
)

// shaping is the inside of a Shaper.
type shaping struct {
	options  ShaperOptions
	sources  map[string]*source
	known    map[TableName]KnownTable // not yet taken up
	names    map[string]bool          // rows of millrace.names, by nameKey
	notices  map[string]bool
	widened  map[string]Notice // by id: of a shadow that leaves the tables of SystemSchema alone
	scanned  millrace.Position // the checkpoint that is committed
	through  millrace.Position // given so far
	start    millrace.Position // through when the current batch began
	pending  map[TableName]millrace.Position
	discards int64
	noticed  int64
	events   int64 // event tables of all sources
	spare    Spare // of the current batch, and why
	reason   string
	err      error             // of asking the engine
	low      millrace.Position // bounds of a shadow
	high     millrace.Position
	lowSet   bool
	highSet  bool

	scan     scanner
	entry    entry
	overflow []byte
	taken    map[string]bool // names in overflow
	room     []byte
	now      int64 // microseconds, of the current batch
}

// A source is what the shaper keeps about a source: one schema.
type source struct {
	name       string
	types      map[string]Type
	maxColumns int
	maxTables  int
	streams    map[string]*stream
	shapes     map[TableName]*shape
	tables     map[string]*table
	events     int // event tables
	names      int // rows of millrace.names
}

var endOfTime = millrace.Position{Epoch: math.MaxInt64, Seq: math.MaxInt64, Index: millrace.EndOfFrame}

func newShaping(o ShaperOptions) (*shaping, error) {
	if o.HoldRows == 0 {
		o.HoldRows = 2000
	}
	if o.HoldBytes == 0 {
		o.HoldBytes = 32 << 20
	}
	if o.HoldTime == 0 {
		o.HoldTime = 8 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &shaping{
		options: o, sources: map[string]*source{}, known: map[TableName]KnownTable{}, names: map[string]bool{},
		notices: map[string]bool{}, widened: map[string]Notice{}, scanned: o.Known.Scanned, pending: maps.Clone(o.Known.Pending), taken: map[string]bool{},
	}
	if s.pending == nil {
		s.pending = map[TableName]millrace.Position{}
	}
	if err := s.configure(o.Settings); err != nil {
		return nil, err
	}
	for _, t := range o.Known.Tables {
		s.known[t.TableName] = t
	}
	for _, n := range o.Known.Names {
		s.names[nameKey(n.Source, n.Kind, n.Original)] = true
	}
	for name, after := range s.pending {
		t := s.source(name.Schema).table(s, name.Table, nil)
		t.behind, t.after = true, after
	}
	for name := range s.known {
		s.source(name.Schema) // counts its tables
	}
	for _, n := range o.Known.Names {
		if src := s.source(n.Source); n.Kind != kindLarge {
			src.names++
		}
	}
	for _, id := range o.Known.Notices {
		s.notices[id] = true
	}
	s.through = s.resume()
	return s, nil
}

func nameKey(source, kind, original string) string { return source + "\x00" + kind + "\x00" + original }

func (s *shaping) resume() millrace.Position {
	at := s.scanned
	for _, p := range s.pending {
		if p.Before(at) {
			at = p
		}
	}
	return at
}

func (s *shaping) configure(settings Settings) error {
	for name, src := range settings.Sources {
		for column, typ := range src.Types {
			if _, err := ParseType(typ); err != nil {
				return fmt.Errorf("sources/%s.yaml: types: %s: %w", name, column, err)
			}
			if table, column, ok := strings.Cut(column, "."); !ok || table == "" || column == "" || strings.Contains(column, ".") {
				return millrace.Errorf(millrace.Invalid, "sources/%s.yaml: types: %.60q is no column: write table.column, as in order_completed.total", name, table)
			}
		}
	}
	s.options.Settings = settings
	for _, src := range s.sources {
		src.configure(settings.Sources[src.name])
	}
	return nil
}

// configure takes settings over; streams find their columns anew.
func (src *source) configure(o SourceSettings) {
	src.maxColumns, src.maxTables = o.MaxColumns, o.MaxTables
	if src.maxColumns <= 0 {
		src.maxColumns = defaultMaxColumns
	}
	src.maxColumns = min(src.maxColumns, maxMaxColumns)
	if src.maxTables <= 0 {
		src.maxTables = defaultMaxTables
	}
	src.types = map[string]Type{}
	for column, name := range o.Types {
		src.types[column], _ = ParseType(name)
	}
	src.streams, src.shapes = map[string]*stream{}, map[TableName]*shape{}
}

// source returns the state of a source, making it if need be.
func (s *shaping) source(name string) *source {
	src := s.sources[name]
	if src == nil {
		src = &source{name: name, tables: map[string]*table{}}
		src.configure(s.options.Settings.Sources[name])
		s.sources[name] = src
		for t := range s.known {
			if t.Schema == name && !builtIn(name, t.Table) {
				src.table(s, t.Table, nil).event = true
			}
		}
	}
	return src
}

// table returns a table with at least these fixed columns, making it if need be.
func (src *source) table(s *shaping, name string, columns []fixed) *table {
	t := src.tables[name]
	if t == nil {
		t = &table{TableName: TableName{src.name, name}, byName: map[string]*column{}}
		src.tables[name] = t
		if !builtIn(src.name, name) {
			t.event = true
			src.events++
			if src.name != SystemSchema {
				s.events++
			}
		} else if name == "users" || name == "accounts" {
			t.key = "id"
		}
		if known, ok := s.known[t.TableName]; ok {
			t.takeUp(known)
			for _, c := range t.columns {
				c.noted = t.key != "" && s.names[nameKey(src.name, kindLarge, name+"."+c.Name)]
				c.big, c.unasked = c.noted, c.Type == BigInt
			}
			delete(s.known, t.TableName)
		}
	}
	for _, f := range columns {
		if t.fixed[f] == nil {
			c := t.byName[fixedColumns[f].Name]
			if c == nil {
				c = t.add(fixedColumns[f].Name, fixedColumns[f].Type)
			} else if c.engine {
				t.dynamic--
			}
			t.fixed[f] = c
		}
	}
	if len(columns) > 0 || t.engine {
		t.addPosition()
	}
	return t
}

// takeUp takes the columns that the engine has.
func (t *table) takeUp(known KnownTable) {
	t.engine = true
	for _, k := range known.Columns {
		t.add(k.Name, k.Type).engine = true
		place := slices.IndexFunc(positionColumns[:], func(p Column) bool { return p.Name == k.Name })
		switch {
		case place >= 0:
			t.position[place] = len(t.columns) - 1
		case k.Name != overflowColumn:
			t.dynamic++
		}
	}
}

// add shapes a batch.
func (s *shaping) add(b Batch) {
	s.now = s.options.Now().UnixMicro()
	s.start = s.through
	s.spare, s.reason = b.Spare, cleanText(b.Reason)
	for i := range b.Entries {
		e := &b.Entries[i]
		if !e.Position.After(s.through) {
			continue
		}
		if s.options.Shadow != nil {
			s.addToShadow(e)
		} else {
			s.addEntry(e, !e.Position.After(s.scanned), false)
		}
		s.through = e.Position
	}
	if b.Through.After(s.through) {
		s.through = b.Through
	}
}

// addToShadow shapes what the shadow asks for: the rows of its time, and users
// and accounts of all times.
func (s *shaping) addToShadow(e *eventlog.Entry) {
	o := s.options.Shadow
	if !s.lowSet && (o.From.IsZero() || !e.Time.Before(o.From)) {
		s.low, s.lowSet = e.Position, true
		if o.From.IsZero() {
			s.low = millrace.Position{}
		}
	}
	if !s.highSet && !o.Until.IsZero() && !e.Time.Before(o.Until) {
		s.high, s.highSet = e.Position, true
	}
	if len(o.Sources) > 0 && !slices.Contains(o.Sources, e.Source) {
		return
	}
	if (e.Source == SystemSchema || e.Stream == millrace.StreamRejected || e.Stream == millrace.StreamResent) && !s.system() {
		return
	}
	inside := s.lowSet && !s.highSet
	if !inside && e.Stream != millrace.StreamIdentify && e.Stream != millrace.StreamGroup {
		return
	}
	s.addEntry(e, false, !inside)
}

// system says whether the tables of SystemSchema get rows.
func (s *shaping) system() bool { return s.options.Shadow == nil || s.options.Shadow.System }

func (s *shaping) bounds() (low, high millrace.Position) {
	low, high = endOfTime, endOfTime
	if o := s.options.Shadow; o != nil && o.From.IsZero() {
		low = millrace.Position{}
	}
	if s.lowSet {
		low = s.low
	}
	if s.highSet {
		high = s.high
	}
	return low, high
}

// take makes the step that is to be committed.
func (s *shaping) take(flush bool) *Step {
	step := &Step{Scanned: maxPosition(s.scanned, s.through), Pending: map[TableName]millrace.Position{}}
	now := s.options.Now().UnixMicro()
	flush = flush || s.held() > s.options.HoldBytes
	for _, src := range s.sources {
		for _, t := range src.tables {
			s.takeTable(t, step, flush, now)
		}
		s.takeDiscards(src, step, now)
	}
	for _, b := range slices.Clone(step.Buffers) {
		if b.Key != "" {
			s.noteLarge(b.table, step)
		}
		s.noteWidened(b.table, step)
	}
	slices.SortFunc(step.Buffers, func(a, b *Buffer) int {
		if ae, be := a.table.event, b.table.event; ae != be {
			if be {
				return -1
			}
			return 1
		}
		if c := strings.Compare(a.Schema, b.Schema); c != 0 {
			return c
		}
		return strings.Compare(a.Table, b.Table)
	})
	step.Committed = step.Scanned
	for _, p := range step.Pending {
		if p.Before(step.Committed) {
			step.Committed = p
		}
	}
	step.PendingChanged = !maps.Equal(step.Pending, s.pending)
	step.Discards, step.Notices = s.discards, s.noticed
	s.discards, s.noticed = 0, 0
	return step
}

// takeTable takes a table's rows when they are due, or notes that they wait.
func (s *shaping) takeTable(t *table, step *Step, flush bool, now int64) {
	if b := t.buffer; b != nil {
		age := now - t.since // less than nothing when the clock was set back
		due := !t.held() || flush || b.Rows >= s.holdRows(t) || age < 0 || age >= s.holdTime(t)
		if !due {
			step.Pending[t.TableName] = t.after
			return
		}
		step.Buffers = append(step.Buffers, t.takeBuffer())
		if t.Table != "discards" {
			step.Rows += int64(b.Rows)
		}
	}
	if t.behind { // reading again what it missed
		if t.behind = s.through.Before(s.scanned); t.behind {
			t.after = maxPosition(t.after, s.through)
			step.Pending[t.TableName] = t.after
		}
	}
}

// holdRows is how many rows of a table wait: more in users and accounts, where
// a merge costs the same for one row and for many.
func (s *shaping) holdRows(t *table) int {
	if t.key != "" {
		return 10 * s.options.HoldRows
	}
	return s.options.HoldRows
}

// holdTime is how long the rows of a table wait, in microseconds: three
// quarters of HoldTime and up to a quarter more, by the table's name, so that
// tables that began together are not all committed together.
func (s *shaping) holdTime(t *table) int64 {
	most := s.options.HoldTime.Microseconds()
	spread := uint32(2_166_136_261)
	for i := range len(t.Table) {
		spread = (spread ^ uint32(t.Table[i])) * 16_777_619
	}
	return most*3/4 + most/4*int64(spread%64)/64
}

func (s *shaping) held() (sizeBytes int) {
	for _, src := range s.sources {
		for _, t := range src.tables {
			if t.buffer != nil {
				sizeBytes += t.buffer.SizeBytes
			}
		}
	}
	return sizeBytes
}

// done takes over that a step is committed.
func (s *shaping) done(step *Step) {
	for _, b := range step.Buffers {
		b.table.commit(b)
	}
	s.scanned, s.pending = step.Scanned, step.Pending
}
