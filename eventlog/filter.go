package eventlog

import (
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// Match says whether f chooses the record.
func (f Filter) Match(r *millrace.Record) bool {
	if f.Workspace != "" && f.Workspace != r.Workspace {
		return false
	}
	return f.matchSource(r.Source) && f.matchStream(r.Stream)
}

func (f Filter) matchSource(source string) bool {
	return len(f.Sources) == 0 || slices.Contains(f.Sources, source)
}

func (f Filter) matchStream(stream string) bool {
	if len(f.Streams) == 0 {
		return true
	}
	for _, s := range f.Streams {
		if s == stream || strings.HasSuffix(s, ":") && strings.HasPrefix(stream, s) {
			return true
		}
	}
	return false
}

// clone returns a copy that shares no memory with f.
func (f Filter) clone() Filter {
	f.Sources = slices.Clone(f.Sources)
	f.Streams = slices.Clone(f.Streams)
	return f
}
