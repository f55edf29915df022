package collect

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// Import appends records that were recorded before, with the IDs, times and bodies
// that they have: those of an export. No key is asked for, and no rate; whether the
// space takes anything at present is. All of them are appended, or none: NotFound
// is for a source that the space does not have, Invalid for a record that intake
// could not have made, Limited or Forbidden for a space that takes nothing, other
// kinds are the log's. What is there already counts as a duplicate, as ever.
func (h *Handler) Import(ctx context.Context, space string, records []millrace.Record) (last millrace.Position, err error) {
	now := h.now().UTC().Truncate(time.Millisecond)
	events, bytes := 0, 0
	taken := map[*source]amount{}
	for i := range records {
		r := &records[i]
		r.Workspace = space
		src := h.source(space, r.Source)
		if src == nil {
			return last, millrace.Errorf(millrace.NotFound, "there is no source %.80q here: take sources/%.63s.yaml over from the project of the export first, so that its records have a place", r.Source, r.Source)
		}
		if err := importable(r); err != nil {
			return last, err
		}
		a := taken[src]
		a.bytes += len(r.Body)
		if r.Stream != millrace.StreamRejected && r.Stream != millrace.StreamResent {
			a.events++
			events++
		}
		bytes += len(r.Body)
		taken[src] = a
	}
	if ok, wait, reason := h.gate.Admit(space, now, events, bytes); !ok {
		return last, notAdmitted(wait, reason)
	}
	began := time.Now()
	if last, err = h.log.Append(ctx, records); err != nil {
		h.gate.Correct(space, now, -events, -bytes)
		return last, err
	}
	h.metrics.append.Observe(time.Since(began).Seconds())
	for src, a := range taken {
		seen := src.active(h)
		seen.last.Store(now.UnixMilli())
		seen.counters.add(a.events, 0, 0, a.bytes)
	}
	return last, nil
}

// importable refuses what intake would never have made of anything.
func importable(r *millrace.Record) error {
	wrong := func(what string) error {
		return millrace.Errorf(millrace.Invalid, "the record %.80q of source %s %s: it is not as an export has it", r.ID, r.Source, what)
	}
	r.Received, r.Occurred = r.Received.UTC().Truncate(time.Millisecond), r.Occurred.UTC().Truncate(time.Millisecond)
	switch {
	case r.ID == "":
		return wrong("has no id")
	case !importedStream(r.Stream):
		return wrong("has a stream that there is not")
	case r.Received.Year() < 1970 || r.Received.Year() > 9999 || r.Occurred.IsZero() || r.Occurred.Year() > 9999 || r.Occurred.Year() < 1:
		return wrong("has no time, or one that cannot be")
	case len(r.Body) > 0 && !shallow(r.Body), len(r.Meta) > 0 && !shallow(r.Meta):
		return wrong("is no JSON, or nested deeper than 500")
	case len(r.Meta) > 0 && r.Meta[0] != '{':
		return wrong("has meta that is no object")
	}
	return nil
}

func importedStream(stream string) bool {
	switch stream {
	case millrace.StreamIdentify, millrace.StreamPage, millrace.StreamScreen, millrace.StreamGroup, millrace.StreamAlias, millrace.StreamRejected, millrace.StreamResent:
		return true
	}
	if name, ok := strings.CutPrefix(stream, millrace.StreamCustom); ok {
		return validStream(name)
	}
	return strings.HasPrefix(stream, millrace.StreamTrack)
}

// shallow says whether text is JSON that is not nested deeper than intake takes.
func shallow(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth+2 {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return json.Valid(text)
}
