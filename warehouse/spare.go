package warehouse

import (
	"fmt"

	"github.com/millrace/millrace/eventlog"
)

// addSpared notes what is left out of a record, and returns what is left of
// it, or nil. known says that the built-in tables have the record already.
func (s *shaping) addSpared(src *source, e *eventlog.Entry, known bool) *eventlog.Entry {
	reason := "the warehouse failed on the record again and again, "
	switch s.spare {
	case SpareBody:
		reason += "so that it has no more columns than the envelope fills: the body is in log and archive: " + s.reason
	case SpareRows:
		reason += "so that no other table has it: it is in log and archive: " + s.reason
	default:
		if !known {
			s.addNotice(src.name, noticed{
				key: e.Position.String(), kind: "record", at: e.Position, received: e.Received.UnixMicro(),
				message: fmt.Sprintf("the record %.100q of source %s at %s is in no table of the warehouse, only in log and archive, since the warehouse failed on it again and again: %s", cleanText(e.ID), src.name, e.Position, s.reason),
			})
		}
		return nil
	}
	if !known {
		s.addDiscard(src, discarded{at: e.Position, id: e.ID, table: tableOf(src.name, e.Stream), reason: reason, received: e.Received.UnixMicro()})
	}
	if s.spare == SpareRows {
		return nil
	}
	bare := *e
	bare.Body, bare.Meta = []byte("{}"), nil
	return &bare
}

// tableOf is what discards call the table of a record.
func tableOf(schema, stream string) string {
	kind, original := kindOf(stream)
	if kind == kindTrack || kind == kindStream {
		return EventTable(schema, original)
	}
	return kind.main
}
