package collect

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// maxKeptBytes bounds the memory that an idle request keeps for the next one.
const maxKeptBytes = 1 << 20

// A request is one intake request under way, with all the memory it needs. It
// is reused: nothing of it may be kept after end.
type request struct {
	h      *Handler
	route  route
	tail   string // of the path
	stream string // of the records of routeStream
	now    time.Time
	src    *source
	seen   *activity // of src
	bucket *bucket
	http   *http.Request // nil when it is not from HTTP
	ctx    context.Context
	last   millrace.Position // of what was appended
	status int               // when nothing is accepted
	// resubmitted says that what is refused is on record already.
	resubmitted bool
	asked       amount // what the gate was asked for
	held        int64  // bytes counted in Handler.inFlight
	limit       int    // bytes that the body may have

	body, packed []byte
	scan         scanner
	env          envelope
	idempotency  string

	records  []millrace.Record
	marks    []mark
	text     []byte // IDs and keys of records
	meta     []byte // Meta of records
	shared   [4]sharedMeta
	made     []madeID
	problems []located
	rejects  int // records that are rejected ones; they come last
	rejected int // bytes of their bodies
	dropped  int // rejected and not kept
	bytes    int // of the bodies of accepted records
	out      []byte
	client   clientText
}

// A mark says where in text the ID and the Key of a record lie.
type mark struct{ id, idEnd, key, keyEnd int }

// madeID is an ID that the item at index did not have.
type madeID struct{ index, mark int }

// located is a problem of the item at index.
type located struct {
	index     int
	messageID string
	problem
}

func (q *request) begin(h *Handler, to route, tail string) {
	q.h, q.route, q.tail = h, to, tail
	if to == routeStream {
		q.stream = millrace.StreamCustom + tail
	}
	q.now = h.now().UTC().Truncate(time.Millisecond)
	q.held = int64(cap(q.body) + cap(q.packed))
	h.inFlight.Add(q.held)
}

// end gives the memory back.
func (q *request) end() {
	h := q.h
	h.inFlight.Add(-q.held)
	if cap(q.body) > maxKeptBytes {
		q.body = nil
	}
	if cap(q.packed) > maxKeptBytes {
		q.packed = nil
	}
	if cap(q.meta) > maxKeptBytes {
		q.meta = nil
	}
	clear(q.records)
	clear(q.made)
	clear(q.problems)
	q.h, q.src, q.seen, q.bucket, q.http, q.ctx = nil, nil, nil, nil, nil, nil
	q.asked = amount{}
	q.tail, q.stream, q.idempotency = "", "", ""
	q.records, q.marks, q.made, q.problems = q.records[:0], q.marks[:0], q.made[:0], q.problems[:0]
	q.text, q.meta, q.out = q.text[:0], q.meta[:0], q.out[:0]
	q.shared = [4]sharedMeta{}
	q.resubmitted = false
	q.packed = q.packed[:0]
	q.client = clientText{}
	q.rejects, q.rejected, q.dropped, q.bytes, q.held, q.status = 0, 0, 0, 0, 0, 0
	q.env.reset()
	q.scan = scanner{}
	h.requests.Put(q)
}

// serve answers an intake request.
func (q *request) serve(a *answer, r *http.Request) {
	h := q.h
	q.http, q.ctx = r, r.Context()
	if keys, ok := r.Header["Idempotency-Key"]; ok && keys[0] != "" {
		if q.idempotency = keys[0]; !validIdempotencyKey(q.idempotency) {
			a.refuse(http.StatusBadRequest, "Idempotency-Key has to be 1 to 255 printable ASCII characters")
			return
		}
	}
	switch {
	case q.route == routeWebhook:
		q.serveWebhook(a, r)
		return
	case q.route == routeStream && !validStream(q.tail):
		a.refuse(http.StatusNotFound, "a stream has a name of 1 to 200 bytes without control characters: the path is /v1/stream/{stream}")
		return
	}
	var buf [192]byte
	key, inHeader := headerKey(buf[:0], r)
	if inHeader && !q.authorize(a, key) {
		return
	}
	q.limit = int(max(h.limits.BatchSize, h.limits.EventSize))
	if q.src != nil {
		q.limit = int(q.src.limits.BatchSize)
	}
	err := q.read(a, r, q.limit)
	if q.src == nil && !q.authorizeBody(a, r, err) {
		return
	}
	if err == nil && len(q.body) > int(q.src.limits.BatchSize) { // the key was in the body
		q.limit, err = int(q.src.limits.BatchSize), errTooLarge
	}
	if !q.src.allows(r) {
		q.src.refuse(h, refusedOrigin, q.now)
		a.refuse(http.StatusForbidden, "this origin is not in cors_origins of the source")
		return
	}
	q.take(a, err)
}

// authorizeBody finds the key in the query or in the body that was read.
func (q *request) authorizeBody(a *answer, r *http.Request, err *bodyError) bool {
	if k := queryKey(r); k != "" {
		return q.authorize(a, []byte(k))
	}
	if err != nil && (err.status == http.StatusRequestTimeout || err.status == http.StatusServiceUnavailable) {
		q.unreadable(a, err)
		return false
	}
	p := findKey(q.body)
	if !p.isString() && err != nil {
		q.unreadable(a, err)
		return false
	}
	return q.authorize(a, text(nil, q.body, p))
}

// authorize sets the source that the key belongs to, or answers.
func (q *request) authorize(a *answer, key []byte) bool {
	k, ok := q.h.keys.findBytes(key)
	if !ok {
		a.unauthorized(key, q.h.devKeys)
		return false
	}
	q.use(k)
	return true
}

// unreadable answers that the body could not be had and that nothing is kept.
func (q *request) unreadable(a *answer, e *bodyError) {
	if e.status == http.StatusServiceUnavailable {
		a.later(e.status, e.reason, time.Second)
		return
	}
	if e.status != http.StatusBadRequest {
		a.header["Connection"] = headerClose
	}
	reason := e.reason
	if e == errTooLarge {
		reason = q.tooLargeBody().reason
	}
	a.refuse(e.status, reason)
}

// take scans the body, makes records of it and appends them.
func (q *request) take(a *answer, e *bodyError) {
	q.status = http.StatusBadRequest
	switch {
	case e != nil && !e.keep:
		q.unreadable(a, e)
		return
	case e != nil:
		q.status = e.status
		whole := problem{reason: e.reason}
		if e == errTooLarge {
			whole = q.tooLargeBody()
		}
		q.rejectWhole(whole)
	default:
		if whole := q.parse(); whole.is() {
			if q.env.tooMany > 0 {
				q.status = http.StatusRequestEntityTooLarge
			}
			q.env.items = q.env.items[:0]
			q.rejectWhole(whole)
		}
	}
	if q.bucket != nil {
		ok, wait := q.bucket.take(q.now, max(1, len(q.env.items)))
		a.rate(q.bucket, q.now)
		if !ok {
			a.later(http.StatusTooManyRequests, "this write key is over its rate: send again a little later", wait)
			return
		}
	}
	if ok, wait, reason := q.admitted(); !ok {
		a.notAdmitted(wait, reason)
		return
	}
	q.build()
	q.finish(a)
}

const reasonNotJSON = "the body is not JSON that can be read: "

// parse reads the body into env. It returns a problem of the whole body.
func (q *request) parse() problem {
	q.scan.reset(q.body, q.src.scan())
	q.scan.blankAddress = !q.src.addresses
	ok := false
	switch q.route {
	case routeBatch:
		if ok = q.scan.batch(&q.env, q.src.limits.BatchEvents); ok && !q.env.isBatch {
			return problem{reason: "there is no batch array in the body", field: "batch"}
		}
	case routeStream:
		ok = q.scan.lines(&q.env, q.src.limits.BatchEvents)
	default:
		ok = q.scan.one(&q.env)
	}
	switch {
	case q.env.tooMany > 0:
		field := ""
		if q.route == routeBatch {
			field = "batch"
		}
		return q.over(limitBatchEvents, q.src.limits.BatchEvents, q.env.tooMany, field)
	case q.env.bad.is():
		return q.explain(q.env.bad)
	case !ok:
		return problem{reason: reasonNotJSON + q.scan.err, field: q.scan.place(0, q.scan.i)}
	}
	return problem{}
}

// finish appends what build made and answers.
func (q *request) finish(a *answer) {
	if err := q.append(); err != nil {
		a.failed(err)
		return
	}
	if len(q.records) > 0 {
		a.position(q.last)
	}
	status := q.status
	accepted := len(q.records) - q.rejects
	switch {
	case len(q.problems) == 0 && len(q.made) == 0:
		a.write(http.StatusOK, successBody)
		return
	case accepted > 0 || len(q.problems) == 0:
		status = http.StatusOK
		q.out = append(q.out[:0], `{"success":true`...)
	default:
		message := "nothing of this was taken: see rejected"
		if len(q.problems) == 1 {
			message = q.problems[0].reason
			if strings.HasPrefix(message, reasonNotJSON) {
				message += ", at " + q.problems[0].field
			}
		}
		q.out = refusal(q.out[:0], status, message)
	}
	q.describe()
	if a.route == routePixel {
		return
	}
	a.write(status, q.out)
}

// describe adds to out which IDs were made, what was rejected and why, and how
// many records were stored when that is more than what was accepted.
func (q *request) describe() {
	out := q.out
	if len(q.made) > 0 {
		out = append(out, `,"messageIds":[`...)
		for i, m := range q.made {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, `{"index":`...)
			out = appendInt(out, m.index)
			out = append(out, `,"messageId":`...)
			out = appendQuoted(out, q.records[m.mark].ID)
			out = append(out, '}')
		}
		out = append(out, ']')
	}
	if len(q.problems) > 0 {
		out = append(out, `,"rejected":[`...)
		for i, p := range q.problems {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, `{"index":`...)
			out = appendInt(out, p.index)
			out = append(out, `,"messageId":`...)
			out = appendQuoted(out, p.messageID)
			out = append(out, `,"reason":`...)
			out = appendQuoted(out, p.reason)
			out = append(out, `,"field":`...)
			out = appendQuoted(out, p.field)
			out = append(out, '}')
		}
		out = append(out, ']')
		if q.dropped > 0 {
			out = append(out, `,"rejectedNotKept":`...)
			out = appendInt(out, q.dropped)
		}
		if q.rejects > 0 { // and a notice of those before, perhaps
			out = append(out, `,"records":`...)
			out = appendInt(out, len(q.records))
		}
	}
	q.out = append(out, '}')
}

// append gives IDs and keys to the records, appends them to the log, and tells
// the gate what became of the request.
func (q *request) append() error {
	err := q.appendRecords()
	if err != nil {
		q.settle(amount{})
		return err
	}
	q.settle(amount{len(q.records) - q.rejects, q.bytes + q.rejected})
	return nil
}

func (q *request) appendRecords() error {
	if len(q.records) == 0 {
		return nil
	}
	all := string(q.text)
	size := 0
	for i := range q.records {
		r, m := &q.records[i], q.marks[i]
		r.ID, r.Key = all[m.id:m.idEnd], all[m.key:m.keyEnd]
		size += eventlog.Size(r)
	}
	if size = max(size, len(q.meta)); size > eventlog.MaxAppendSizeBytes || len(q.records) > eventlog.MaxAppendRecords {
		return &millrace.Error{Kind: millrace.TooLarge, Message: "too much for one append"}
	}
	h, seen := q.h, q.seen
	began := time.Now()
	last, err := h.log.Append(q.ctx, q.records)
	if err != nil {
		return err
	}
	h.metrics.append.Observe(time.Since(began).Seconds())
	if h.failing.Load() != 0 {
		h.failing.Store(0)
	}
	seen.last.Store(q.now.UnixMilli())
	if q.resubmitted {
		seen.counters.add(len(q.records)-q.rejects, 0, 0, q.bytes)
	} else {
		seen.counters.add(len(q.records)-q.rejects, q.rejects, q.dropped, q.bytes)
	}
	q.last = last
	return nil
}

func validIdempotencyKey(s string) bool {
	return len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
}

// validStream says whether name may name a stream of its own.
func validStream(name string) bool {
	return name != "" && len(name) <= 200 && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '/' }) < 0
}
