package collect

import (
	"fmt"
	"math/bits"
	"strconv"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/unit"
)

// A limit is a setting that bounds what is taken, as people know it.
type limit struct {
	setting string // below limits
	exceeds string // what is wrong, up to the setting's name
	pronoun string
	most    int // that can be set
	size    bool
}

var (
	limitEventSize   = limit{"event_size", "the event is larger than", "it", maxBodySizeBytes, true}
	limitBatchSize   = limit{"batch_size", "the body is larger than", "it", maxBodySizeBytes, true}
	limitBatchEvents = limit{"batch_events", "there are more events at once than", "them", maxBatchEvents, false}
	limitDepth       = limit{"depth", "this is nested deeper than", "it", maxDepth, false}
	limitKeyLength   = limit{"key_length", "the key is longer than", "it", maxKeyLength, false}
	limitProperties  = limit{"properties", "the event has more properties than", "them", maxProperties, false}
)

// The most that limits can be set to.
const (
	maxBatchEvents = eventlog.MaxAppendRecords / 2
	maxDepth       = 500
	maxKeyLength   = 1 << 16
	maxProperties  = 1 << 20
)

func (l limit) write(n int) string {
	if l.size {
		return unit.Bytes(n).String()
	}
	return strconv.Itoa(n)
}

// over says that a limit was exceeded, which value would do, and where it is
// set. That value is a power of two, so that there are few reasons to group
// by. found 0 means that nobody knows.
func (l limit) over(value, found int, where string) string {
	said := fmt.Sprintf("%s %s allows, which is %s", l.exceeds, l.setting, l.write(value))
	enough := 0
	if found > 0 {
		enough = min(1<<bits.Len(uint(found-1)), l.most)
	}
	switch {
	case value >= l.most || found > l.most:
		return said + ": no more than " + l.write(l.most) + " can be set, so send less at once"
	case found == 0:
		return said + ": send less at once, or change " + where
	}
	return fmt.Sprintf("%s: %s would hold %s; send less, or change %s", said, l.write(enough), l.pronoun, where)
}

// over is limit.over for the source of the request; field is where it lies.
func (q *request) over(l limit, value, found int, field string) problem {
	return problem{reason: l.over(value, found, "limits."+l.setting+" in "+q.src.file()), field: field}
}

// file is where people change the source.
func (s *source) file() string { return "sources/" + s.name + ".yaml" }

// explain puts the limits of the source into what the scanner found.
func (q *request) explain(p problem) problem {
	lim := q.src.scan()
	switch p.reason {
	case reasonDepth:
		return q.over(limitDepth, lim.depth, p.found, p.field)
	case reasonKey:
		return q.over(limitKeyLength, lim.keyLength, p.found, p.field)
	case reasonCount:
		return q.over(limitProperties, lim.members, p.found, p.field)
	}
	return p
}

// tooLargeBody says which limit a body is over: that of the source, or, where
// the key was in the body and came too late for that, that of all sources.
func (q *request) tooLargeBody() problem {
	found := 0
	if q.http != nil && len(q.packed) == 0 {
		found = int(max(0, min(q.http.ContentLength, 1<<40)))
	} else if q.http == nil {
		found = len(q.body)
	}
	switch {
	case q.src == nil:
		return problem{reason: limitBatchSize.over(q.limit, found, "collect.limits.batch_size in millrace.yaml")}
	case q.limit == int(q.src.limits.BatchSize):
		return q.over(limitBatchSize, q.limit, found, "")
	}
	return problem{reason: limitBatchSize.over(q.limit, found, "collect.limits.batch_size in millrace.yaml, or send the key in a header, for the limits of "+q.src.file())}
}
