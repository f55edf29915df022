package collect

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// maxTextBytes bounds IDs and event names.
const maxTextBytes = 1024

// Reasons for which an event is rejected.
const (
	reasonNotObject  = "an event has to be a JSON object"
	reasonNoType     = "type is missing: it has to be track, identify, page, screen, group or alias"
	reasonType       = "type has to be track, identify, page, screen, group or alias"
	reasonNoEvent    = "a track event needs its name in event, as a string"
	reasonNoUser     = "userId or anonymousId is missing"
	reasonNoGroup    = "a group call needs groupId"
	reasonNoPrevious = "an alias call needs previousId"
	reasonNoUserID   = "an alias call needs userId"
	reasonText       = " has to be a string or a number" // behind a field's name
	reasonLong       = " is longer than 1024 bytes"
)

// sharedMeta is the Meta of items that need nothing of their own.
type sharedMeta struct {
	meta []byte
	done bool
}

// clientText is what the request says of the client, as quoted JSON, or nil.
type clientText struct {
	address, userAgent []byte
	done               bool
}

// build makes records of the items: the good ones, then the rejected ones.
func (q *request) build() {
	for i := range q.env.items {
		it := &q.env.items[i]
		known := len(q.problems)
		typ := q.check(it, i)
		switch {
		case len(q.problems) > known:
		case typ == routeWebhook:
			q.addHook(it)
		default:
			q.add(it, i, typ)
		}
	}
	if len(q.problems) > 0 && !q.resubmitted {
		q.reject()
	}
}

// eventTypes are the types of the routes and of items.
var eventTypes = map[route]string{
	routeTrack: "track", routeIdentify: "identify", routePage: "page",
	routeScreen: "screen", routeGroup: "group", routeAlias: "alias",
}

func typeRoute(b []byte) route {
	switch string(b) {
	case "track":
		return routeTrack
	case "identify":
		return routeIdentify
	case "page":
		return routePage
	case "screen":
		return routeScreen
	case "group":
		return routeGroup
	case "alias":
		return routeAlias
	}
	return routeUnknown
}

// problem notes what is wrong with the item at index.
func (q *request) problem(it *item, index int, reason, field string) {
	q.problems = append(q.problems, located{
		index: index, messageID: q.said(it.messageID), problem: problem{reason: reason, field: field},
	})
}

// said returns a short text of the body for an answer.
func (q *request) said(p span) string {
	if p.end-p.start > maxTextBytes {
		return ""
	}
	return string(text(nil, q.body, p))
}

// check validates an item as the tracking API does, notes all its problems, and
// returns its type as a route.
func (q *request) check(it *item, index int) route {
	if it.bad.is() {
		bad := q.explain(it.bad)
		q.problem(it, index, bad.reason, bad.field)
		return routeUnknown
	}
	if it.end-it.start > int(q.src.limits.EventSize) {
		if q.route != routeBatch && q.route != routeStream {
			q.status = http.StatusRequestEntityTooLarge
		}
		large := q.over(limitEventSize, int(q.src.limits.EventSize), it.end-it.start, "")
		q.problem(it, index, large.reason, large.field)
		return routeUnknown
	}
	q.checkText(it, index, it.messageID, "messageId")
	if q.route == routeStream || q.route == routeWebhook {
		return q.route
	}
	if it.kind != kindObject {
		q.problem(it, index, reasonNotObject, "")
		return routeUnknown
	}
	typ := q.route
	if typ == routeBatch || typ == routePixel {
		switch {
		case it.typ.kind == kindAbsent || it.typ.kind == kindNull:
			q.problem(it, index, reasonNoType, "type")
			return routeUnknown
		default:
			if typ = typeRoute(q.inside(it.typ)); typ == routeUnknown {
				q.problem(it, index, reasonType, "type")
				return typ
			}
		}
	}
	q.checkFields(it, index, typ)
	return typ
}

// inside returns the text of a string, unescaped when it has to be.
func (q *request) inside(p span) []byte {
	switch p.kind {
	case kindString:
		return q.body[p.start:p.end]
	case kindEscaped:
		return unescape(nil, q.body[p.start:p.end])
	}
	return nil
}

// checkText says whether p holds text, and notes what is neither text nor missing.
func (q *request) checkText(it *item, index int, p span, field string) bool {
	switch p.kind {
	case kindAbsent, kindNull:
		return false
	case kindString, kindEscaped, kindNumber:
		if p.end-p.start > maxTextBytes {
			q.problem(it, index, field+reasonLong, field)
		}
		return p.end > p.start
	}
	q.problem(it, index, field+reasonText, field)
	return true
}

func (q *request) checkFields(it *item, index int, typ route) {
	user := q.checkText(it, index, it.userID, "userId")
	anonymous := q.checkText(it, index, it.anonID, "anonymousId")
	switch typ {
	case routeTrack:
		switch p := it.event; {
		case !p.isString() || p.end == p.start:
			q.problem(it, index, reasonNoEvent, "event")
		case p.end-p.start > maxTextBytes:
			q.problem(it, index, "event"+reasonLong, "event")
		}
	case routeGroup:
		if !q.checkText(it, index, it.groupID, "groupId") {
			q.problem(it, index, reasonNoGroup, "groupId")
		}
	case routeAlias:
		if !q.checkText(it, index, it.previousID, "previousId") {
			q.problem(it, index, reasonNoPrevious, "previousId")
		}
		if !user {
			q.problem(it, index, reasonNoUserID, "userId")
		}
		return
	}
	if !user && !anonymous {
		q.problem(it, index, reasonNoUser, "userId")
	}
}

// add makes a record of a good item.
func (q *request) add(it *item, index int, typ route) {
	r := millrace.Record{
		Workspace: q.src.workspace, Source: q.src.name,
		Received: q.now, Body: q.body[it.start:it.end:it.end],
	}
	switch typ {
	case routeTrack:
		r.Stream = q.seen.stream(q.inside(it.event))
	case routeStream:
		r.Stream = q.stream
	default:
		r.Stream = eventTypes[typ]
	}
	var m mark
	m.id = len(q.text)
	q.text = text(q.text, q.body, it.messageID)
	made := len(q.text) == m.id
	if made {
		q.text = q.deriveID(q.text, index)
		q.made = append(q.made, madeID{index, len(q.marks)})
	}
	m.idEnd = len(q.text)
	m.key = len(q.text)
	if q.text = text(q.text, q.body, it.userID); len(q.text) == m.key {
		q.text = text(q.text, q.body, it.anonID)
	}
	if m.keyEnd = len(q.text); m.keyEnd == m.key || m.keyEnd-m.key > maxTextBytes {
		m.key, m.keyEnd = m.id, m.idEnd
	}
	said, ok := stamp(q.body, it.original)
	if !ok {
		said, _ = stamp(q.body, it.timestamp)
	}
	sent, ok := stamp(q.body, it.sentAt)
	if !ok {
		sent, _ = stamp(q.body, q.env.sentAt)
	}
	r.Occurred = occurred(q.now, said, sent)
	r.Meta = q.metaOf(it, typ, made, m)
	q.records = append(q.records, r)
	q.marks = append(q.marks, m)
	q.bytes += len(r.Body)
}

// deriveID appends the ID of an item that has none: from Idempotency-Key, so
// that a retry has the same, or a new one.
func (q *request) deriveID(dst []byte, index int) []byte {
	if q.idempotency == "" {
		return appendUUID(dst, q.now)
	}
	dst = append(dst, q.idempotency...)
	if q.route == routeBatch || q.route == routeStream {
		dst = append(dst, '-')
		dst = appendInt(dst, index)
	}
	return dst
}

// appendUUID appends a UUID of version 7: it begins with the time.
func appendUUID(dst []byte, now time.Time) []byte {
	const digits = "0123456789abcdef"
	high := uint64(now.UnixMilli())<<16 | 0x7000 | rand.Uint64()&0x0fff
	low := rand.Uint64()&(1<<62-1) | 1<<63
	for i := 0; i < 32; i++ {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		v := high
		if i >= 16 {
			v = low
		}
		dst = append(dst, digits[v>>(60-4*(i&15))&15])
	}
	return dst
}

// metaOf returns what has to be known beside the body, or nil.
func (q *request) metaOf(it *item, typ route, made bool, m mark) []byte {
	absent := func(p span) bool { return p.kind == kindAbsent || p.kind == kindNull }
	var wantIP, wantAgent bool
	if q.http != nil && (q.src.browser || it.context.direct || q.env.context.direct) {
		q.askClient()
		wantIP = q.client.address != nil && absent(it.context.ip) && absent(q.env.context.ip)
		wantAgent = q.client.userAgent != nil && absent(it.context.userAgent) && absent(q.env.context.userAgent)
	}
	needsType := it.typ.kind == kindAbsent && typ != routeStream
	own := made || needsType
	combination := 0
	if wantIP {
		combination |= 1
	}
	if wantAgent {
		combination |= 2
	}
	if !own && q.shared[combination].done {
		return q.shared[combination].meta
	}
	start := len(q.meta)
	if start > eventlog.MaxAppendSizeBytes {
		return nil // append refuses it
	}
	q.meta = append(q.meta, '{')
	if made {
		q.field("messageId")
		q.meta = appendQuoted(q.meta, string(q.text[m.id:m.idEnd]))
		q.field("madeId")
		q.meta = append(q.meta, "true"...)
	}
	if needsType {
		q.field("type")
		q.meta = appendQuoted(q.meta, eventTypes[typ])
	}
	q.appendEnvelope(wantIP, wantAgent)
	var meta []byte
	if len(q.meta) > start+1 {
		q.meta = append(q.meta, '}')
		meta = q.meta[start:len(q.meta):len(q.meta)]
	} else {
		q.meta = q.meta[:start]
	}
	if !own {
		q.shared[combination] = sharedMeta{meta, true}
	}
	return meta
}

// appendEnvelope appends what the batch or the request said of all items.
func (q *request) appendEnvelope(wantIP, wantAgent bool) {
	if p := q.env.sentAt; p.isString() || p.kind == kindNumber {
		q.field("sentAt")
		q.raw(p)
	}
	if p := q.env.integrations; p.kind == kindObject {
		q.field("integrations")
		q.raw(p)
	}
	whole := q.env.context.whole
	var members []byte
	if whole.kind == kindObject {
		members = trim(q.body[whole.start+1 : whole.end-1])
	}
	if len(members) == 0 && !wantIP && !wantAgent {
		return
	}
	q.field("context")
	q.meta = append(q.meta, '{')
	q.meta = append(q.meta, members...)
	if wantIP {
		q.field("ip")
		q.meta = append(q.meta, q.client.address...)
	}
	if wantAgent {
		q.field("userAgent")
		q.meta = append(q.meta, q.client.userAgent...)
	}
	q.meta = append(q.meta, '}')
}

func trim(b []byte) []byte {
	return []byte(strings.Trim(string(b), " \t\r\n"))
}

// field begins a member of the object under way in meta.
func (q *request) field(name string) {
	if q.meta[len(q.meta)-1] != '{' {
		q.meta = append(q.meta, ',')
	}
	q.meta = append(q.meta, '"')
	q.meta = append(q.meta, name...)
	q.meta = append(q.meta, '"', ':')
}

func (q *request) raw(p span) {
	if p.isString() {
		p.start, p.end = p.start-1, p.end+1
	}
	q.meta = append(q.meta, q.body[p.start:p.end]...)
}

// askClient finds out address and user agent of the client, once.
func (q *request) askClient() {
	if q.client.done {
		return
	}
	q.client.done = true
	if q.src.addresses {
		if addr, ok := q.h.address(q.http); ok {
			q.client.address = append(addr.AppendTo([]byte{'"'}), '"')
		}
	}
	if agent := q.http.UserAgent(); agent != "" && len(agent) <= maxTextBytes {
		q.client.userAgent = appendQuoted(nil, agent)
	}
}
