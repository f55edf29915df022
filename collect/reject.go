package collect

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// maxRawBytes bounds what is kept of a refused body or event, and
// maxRejectedBytes what is kept of the refused events of one request.
const (
	maxRawBytes      = 64 << 10
	maxRejectedBytes = 768 << 10
)

// rejectWhole notes that the body as a whole was refused.
func (q *request) rejectWhole(p problem) {
	q.env.items = append(q.env.items[:0], item{start: 0, end: len(q.body), bad: p})
}

// reject appends rejected records for the items that have problems.
func (q *request) reject() {
	for i := 0; i < len(q.problems); {
		first := i
		for i++; i < len(q.problems) && q.problems[i].index == q.problems[first].index; i++ {
		}
		reasons, fields := joined(q.problems[first:i])
		q.keep(&q.env.items[q.problems[first].index], reasons, fields)
	}
	if q.dropped > 0 {
		q.seen.dropped.Add(int64(q.dropped))
		q.warnDropped()
		return
	}
	if n := q.seen.dropped.Swap(0); n > 0 && q.rejects > 0 {
		notice := appendInt(nil, int(n))
		notice = append(notice, " rejected records before this one were not kept: they came faster than rejected_rate allows"...)
		q.addRejected(string(notice), "", "notice", nil)
	}
}

// maxJoined is how many problems are told in one text. A resent batch has many.
const maxJoined = 20

// joined are the reasons and the fields of problems, each once.
func joined(problems []located) (reasons, fields string) {
	var why, where []string
	for i, p := range problems {
		if i == maxJoined {
			why = append(why, "and more")
			break
		}
		if !slices.Contains(why, p.reason) {
			why = append(why, p.reason)
		}
		if p.field != "" && !slices.Contains(where, p.field) {
			where = append(where, p.field)
		}
	}
	return strings.Join(why, "; "), strings.Join(where, ", ")
}

// keep appends a rejected record when the source does not have too many of them.
func (q *request) keep(it *item, reason, field string) {
	if ok, _ := q.seen.rejected.take(q.now, 1); !ok || q.rejected > maxRejectedBytes {
		q.dropped++
		return
	}
	q.addRejected(reason, field, q.rejectedType(it), q.body[it.start:it.end])
}

// rejectedType says how to take the record in again; see Resubmission.Type.
func (q *request) rejectedType(it *item) string {
	switch {
	case q.route == routeStream:
		return q.stream
	case q.route == routeWebhook:
		return "webhook"
	case q.route == routeBatch && it.kind == kindAbsent:
		return "batch"
	case q.route == routeBatch:
		if t := q.inside(it.typ); typeRoute(t) != routeUnknown {
			return string(t)
		}
		return ""
	}
	return eventTypes[q.route]
}

// addRejected appends a record of the stream rejected.
func (q *request) addRejected(reason, field, typ string, raw []byte) {
	var m mark
	m.id = len(q.text)
	q.text = appendUUID(q.text, q.now)
	m.idEnd = len(q.text)
	m.key, m.keyEnd = m.id, m.idEnd
	body := rejectedBody(string(q.text[m.id:]), q.now, reason, field, typ, raw)
	q.rejected += len(body)
	q.records = append(q.records, millrace.Record{
		Workspace: q.src.workspace, Source: q.src.name, Stream: millrace.StreamRejected,
		Received: q.now, Occurred: q.now, Body: body,
	})
	q.marks = append(q.marks, m)
	q.rejects++
}

// rejectedBody is the body of a rejected record.
func rejectedBody(id string, now time.Time, reason, field, typ string, raw []byte) []byte {
	truncated := len(raw) > maxRawBytes
	if truncated {
		raw = raw[:maxRawBytes]
		for i := 0; i < utf8.UTFMax && len(raw) > 0; i++ { // not within a character
			if r, n := utf8.DecodeLastRune(raw); r != utf8.RuneError || n != 1 {
				break
			}
			raw = raw[:len(raw)-1]
		}
	}
	b := make([]byte, 0, 256+len(reason)+len(raw)+len(raw)/8)
	b = append(b, `{"id":`...)
	b = appendQuoted(b, id)
	b = append(b, `,"received_at":"`...)
	b = now.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","reason":`...)
	b = appendQuoted(b, reason)
	b = append(b, `,"field":`...)
	b = appendQuoted(b, field)
	b = append(b, `,"type":`...)
	b = appendQuoted(b, typ)
	if utf8.Valid(raw) && bytes.IndexByte(raw, 0) < 0 { // no engine stores NUL in a text
		b = append(b, `,"raw":`...)
		b = appendQuoted(b, string(raw))
	} else {
		b = append(b, `,"raw_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, raw)
		b = append(b, '"')
	}
	if truncated {
		b = append(b, `,"truncated":true`...)
	}
	return append(b, '}')
}

// warnDropped logs, at most once a minute of a source, that rejected records are not kept.
func (q *request) warnDropped() {
	last := q.seen.warned.Load()
	if d := q.now.UnixNano() - last; (d > int64(time.Minute) || d < 0) && q.seen.warned.CompareAndSwap(last, q.now.UnixNano()) {
		q.h.logger.Warn("rejected records come faster than rejected_rate allows: some are not kept",
			"workspace", q.src.workspace, "source", q.src.name, "reason", strings.ToValidUTF8(q.problems[0].reason, "?"))
	}
}
