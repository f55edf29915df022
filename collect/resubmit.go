package collect

import (
	"context"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// A Resubmission is a rejected record that is to be taken in again.
type Resubmission struct {
	Workspace  string // default millrace.DefaultWorkspace
	Source     string
	RejectedID string // id of the rejected record
	// Type is the type of the rejected record: that of an event, "batch",
	// "stream:<name>" or "webhook". Empty means that Raw says its type.
	Type string
	Raw  []byte // the body, as it was or repaired
	// Received is when the rejected record was received; it takes the place of
	// the time of receipt in the correction of clocks. Default now.
	Received time.Time
}

// An Outcome is what became of a Resubmission.
type Outcome struct {
	ID       string            // of the first record taken
	Accepted int               // records taken
	Reason   string            // why it was rejected again, or ""; reasons are joined by "; "
	Field    string            // where the reasons lie, joined by ", "
	Position millrace.Position // of the last record appended
}

// Resubmit takes a rejected record in again, without key and rate, and appends
// what became of it to the stream resent, in the same append as the record. What
// has no ID gets one from RejectedID, so that it counts once however often. A
// record that is rejected again is not kept a second time. The error is
// NotFound for an unknown source, Invalid for an unknown type, Limited or
// Forbidden when the space takes nothing at present, or the log's.
func (h *Handler) Resubmit(ctx context.Context, s Resubmission) (Outcome, error) {
	if s.Workspace == "" {
		s.Workspace = millrace.DefaultWorkspace
	}
	src := h.source(s.Workspace, s.Source)
	if src == nil {
		return Outcome{}, millrace.Errorf(millrace.NotFound, "there is no source %.80q of kind http or webhook any more: add it to sources/ to send its rejected records again", s.Source)
	}
	to, tail, err := resubmitRoute(s.Type, src)
	if err != nil {
		return Outcome{}, err
	}
	if len(s.Raw) > int(src.limits.BatchSize) {
		where := "limits.batch_size in " + src.file()
		return Outcome{}, millrace.Errorf(millrace.TooLarge, "%s", limitBatchSize.over(int(src.limits.BatchSize), len(s.Raw), where))
	}
	q := h.requests.Get().(*request)
	q.begin(h, to, tail)
	defer q.end()
	q.ctx = ctx
	q.from(src)
	q.body = append(q.body[:0], s.Raw...)
	appended := q.now
	if !s.Received.IsZero() {
		q.now = s.Received.UTC().Truncate(time.Millisecond)
	}
	q.resubmitted = true
	q.idempotency = s.RejectedID // what has no ID of its own has the same each time
	if whole := q.parse(); whole.is() {
		q.env.items = q.env.items[:0]
		q.rejectWhole(whole)
	}
	received := q.now
	q.now = appended
	if ok, wait, reason := q.admitted(); !ok {
		return Outcome{}, notAdmitted(wait, reason)
	}
	q.now = received
	q.build()
	q.now = appended
	for i := range q.records {
		q.records[i].Received = appended
	}
	var out Outcome
	out.Accepted = len(q.records)
	out.Reason, out.Field = joined(q.problems)
	if out.Accepted > 0 {
		out.ID = string(q.text[q.marks[0].id:q.marks[0].idEnd])
	}
	q.addResent(s.RejectedID, out)
	if err := q.append(); err != nil {
		return Outcome{}, err
	}
	out.Position = q.last
	return out, nil
}

// resubmitRoute returns the route that a rejected record came in by.
func resubmitRoute(typ string, src *source) (route, string, error) {
	if name, ok := strings.CutPrefix(typ, millrace.StreamCustom); ok && src.webhook == nil && validStream(name) {
		return routeStream, name, nil
	}
	switch {
	case src.webhook != nil && (typ == "webhook" || typ == ""):
		return routeWebhook, src.name, nil
	case src.webhook != nil:
	case typ == "":
		return routePixel, "", nil // an event that says its type itself
	case typ == "batch":
		return routeBatch, "", nil
	default:
		if to := typeRoute([]byte(typ)); to != routeUnknown {
			return to, "", nil
		}
	}
	return routeUnknown, "", millrace.Errorf(millrace.Invalid, "a record of type %.40q cannot be sent again to source %s", typ, src.name)
}

// addResent appends what became of a rejected record.
func (q *request) addResent(rejectedID string, out Outcome) {
	m := mark{id: len(q.text)}
	q.text = appendUUID(q.text, q.now)
	m.idEnd = len(q.text)
	m.key, m.keyEnd = m.id, m.idEnd
	outcome := "accepted"
	switch {
	case out.Accepted == 0:
		outcome = "rejected"
	case out.Reason != "":
		outcome = "partly accepted"
	}
	b := append([]byte(nil), `{"rejected_id":`...)
	b = appendQuoted(b, rejectedID)
	b = append(b, `,"id":`...)
	b = appendQuoted(b, out.ID)
	b = append(b, `,"outcome":`...)
	b = appendQuoted(b, outcome)
	b = append(b, `,"reason":`...)
	b = appendQuoted(b, out.Reason)
	b = append(b, '}')
	q.records = append(q.records, millrace.Record{
		Workspace: q.src.workspace, Source: q.src.name, Stream: millrace.StreamResent,
		Received: q.now, Occurred: q.now, Body: b,
	})
	q.marks = append(q.marks, m)
	q.rejects++
}
