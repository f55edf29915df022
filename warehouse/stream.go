package warehouse

import (
	"fmt"

	"github.com/millrace/millrace"
)

// stream returns the shape of the record's stream, making it if need be.
func (src *source) stream(s *shaping, r *entry) *stream {
	name := r.Stream
	if st := src.streams[name]; st != nil {
		return st
	}
	kind, original := kindOf(name)
	st := &stream{original: cleanText(original)}
	table := TableName{src.name, kind.main}
	if kind == kindTrack || kind == kindStream {
		st.name = EventTable(src.name, original)
		table.Table = st.name
	}
	full := (kind == kindTrack || kind == kindStream) && src.tables[st.name] == nil && (src.events >= src.maxTables || s.full(src))
	if full {
		// All that are too many share a shape, whatever their number.
		table.Table = ""
		s.noticeTables(src, r, st)
	}
	key := table
	key.Table = kind.main + ":" + table.Table
	st.shape = src.shapes[key]
	if st.shape == nil {
		st.shape = s.newShape(src, kind, table, full)
		src.shapes[key] = st.shape
	}
	if !full && (kind == kindTrack || kind == kindStream) {
		r.stream = st
		s.addName(r, kind.nameKind(), original, st.name)
	}
	if len(src.streams) >= maxStreams {
		clear(src.streams)
	}
	src.streams[name] = st
	return st
}

func (k *shapeKind) nameKind() string {
	if k == kindStream {
		return "stream"
	}
	return "event"
}

func (s *shaping) newShape(src *source, kind *shapeKind, name TableName, full bool) *shape {
	sh := &shape{shapeKind: kind, source: src, noTable: full}
	switch {
	case kind.system:
		sh.main = s.source(SystemSchema).table(s, kind.main, kind.columns)
	case kind == kindTrack:
		sh.main = src.table(s, kind.main, kind.columns)
		if !full {
			sh.extra = src.table(s, name.Table, kind.columns)
		}
	case kind == kindStream:
		if !full {
			sh.main = src.table(s, name.Table, kind.columns)
		}
	default:
		sh.main = src.table(s, kind.main, kind.columns)
		if kind.extra != "" {
			sh.extra = src.table(s, kind.extra, latestColumns)
		}
	}
	sh.reset()
	return sh
}

// addName adds a row to millrace.names, once.
func (s *shaping) addName(r *entry, kind, original, name string) {
	src := r.shape.source
	key := nameKey(src.name, kind, original)
	if s.names[key] || r.counted || !s.system() || src.names >= maxNames {
		return
	}
	s.names[key] = true
	src.names++
	t := s.source(SystemSchema).table(s, "names", nameColumns)
	row := s.newRow(t, r.Position, "")
	t.setText(fixedSource, row, src.name)
	t.setText(fixedKind, row, kind)
	t.setText(fixedOriginalName, row, cleanText(original))
	t.setText(fixedName, row, name)
	t.setTime(fixedReceived, row, r.Received)
}

// full says whether the workspace has as many event tables as it may.
func (s *shaping) full(src *source) bool {
	most := s.options.Settings.MaxTables
	return most != nil && src.name != SystemSchema && s.events >= *most
}

func (s *shaping) noticeTables(src *source, r *entry, st *stream) {
	r.stream = &stream{shape: &shape{source: src}}
	if src.events < src.maxTables {
		s.notice(r, "workspace_tables", "", fmt.Sprintf("the workspace has as many event tables as it may (its quota event_tables): the properties of other events of source %s (the first was %q) are kept in tracks.%s, and every event is in log and archive as it came. Send fewer different names, or have whoever runs the server raise the quota, then rebuild the warehouse.",
			src.name, st.original, overflowColumn))
		return
	}
	s.notice(r, "tables", "", fmt.Sprintf("source %s has %d event tables, as many as it may: the properties of other events (the first was %q) are kept in tracks.%s. Send fewer different names, or raise limits.event_tables of the source, then rebuild the warehouse.",
		src.name, src.maxTables, st.original, overflowColumn))
}

// notice adds a row to millrace.notices, once.
func (s *shaping) notice(r *entry, kind, table, message string) {
	if !r.counted {
		s.addNotice(r.shape.source.name, noticed{
			key: table, kind: kind, table: table, message: message, at: r.Position, received: r.Received.UnixMicro(),
		})
	}
}

type noticed struct {
	key                  string // of a kind in a source, of which there is one row
	kind, table, message string
	at                   millrace.Position
	received             int64
}

// noticeID is the id of a notice: the same on every replay.
func noticeID(source, kind, key string) string {
	return hash8(source + "\x00" + kind + "\x00" + key)
}

func (s *shaping) addNotice(source string, n noticed) {
	id := noticeID(source, n.kind, n.key)
	if s.notices[id] || !s.system() {
		return
	}
	s.notices[id] = true
	s.noticed++
	t := s.source(SystemSchema).table(s, "notices", noticeColumns)
	row := s.newRow(t, n.at, "")
	t.setText(fixedID, row, id)
	t.setText(fixedSource, row, source)
	t.setText(fixedKind, row, n.kind)
	t.setText(fixedTableName, row, n.table)
	t.setText(fixedMessage, row, cleanText(n.message))
	t.setMicros(fixedReceived, row, n.received)
}
