package collect

import "bytes"

// An item is one event of a request: where its envelope lies in the body.
type item struct {
	start, end int // the whole value
	kind       byte
	bad        problem
	typ        span
	event      span
	messageID  span
	userID     span
	anonID     span
	groupID    span
	previousID span
	timestamp  span
	original   span // originalTimestamp
	sentAt     span
	writeKey   span
	context    contextFields
}

// contextFields are what intake needs of an event's context.
type contextFields struct {
	whole     span // the object
	ip        span
	userAgent span
	direct    bool
}

// An envelope is what a body said about all of its items.
type envelope struct {
	items        []item
	writeKey     span
	sentAt       span
	integrations span
	context      contextFields
	isBatch      bool    // there was a batch array
	tooMany      int     // how many items there are when that is more than maxItems; they were not read
	bad          problem // of what is not in an item
}

func (e *envelope) reset() { *e = envelope{items: e.items[:0]} }

// event reads the value at i as an event.
func (s *scanner) event(it *item, depth int) bool {
	*it = item{}
	s.members, s.bad = 0, problem{}
	if !s.space() {
		return s.fail("it is empty")
	}
	it.start, s.start = s.i, s.i
	var ok bool
	if s.b[s.i] == '{' {
		it.kind = kindObject
		ok = s.eventMembers(it, depth)
	} else {
		var p span
		p, ok = s.capture(depth)
		it.kind = p.kind
	}
	it.end, it.bad = s.i, s.bad
	return ok
}

func (s *scanner) eventMembers(it *item, depth int) bool {
	in, ok := s.enter(depth)
	if !in {
		return ok
	}
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok || !more {
			return ok
		}
		field := it.field(key)
		switch {
		case field != nil:
			*field, ok = s.capture(depth + 1)
		case string(key) == "context":
			ok = s.context(&it.context, depth+1)
		default:
			ok = s.value(depth + 1)
		}
		if !ok {
			return false
		}
	}
}

// field returns the place for the value of a key, or nil.
func (it *item) field(key []byte) *span {
	switch string(key) {
	case "type":
		return &it.typ
	case "event":
		return &it.event
	case "messageId":
		return &it.messageID
	case "userId":
		return &it.userID
	case "anonymousId":
		return &it.anonID
	case "groupId":
		return &it.groupID
	case "previousId":
		return &it.previousID
	case "timestamp":
		return &it.timestamp
	case "originalTimestamp":
		return &it.original
	case "sentAt":
		return &it.sentAt
	case "writeKey":
		return &it.writeKey
	}
	return nil
}

// context reads a context object. A second one of the same event replaces the first.
func (s *scanner) context(c *contextFields, depth int) bool {
	*c = contextFields{}
	if !s.space() || s.b[s.i] != '{' {
		return s.value(depth)
	}
	start := s.i
	in, ok := s.enter(depth)
	for first := true; in; first = false {
		var key []byte
		key, in, ok = s.member(first)
		if !ok {
			return false
		}
		if !in {
			break
		}
		var p span
		switch string(key) {
		case "ip":
			if p, ok = s.capture(depth + 1); ok && s.blankAddress {
				p = s.blank(p)
			}
			c.ip = p
		case "userAgent":
			c.userAgent, ok = s.capture(depth + 1)
		case "direct":
			p, ok = s.capture(depth + 1)
			c.direct = p.kind == kindTrue
		default:
			ok = s.value(depth + 1)
		}
		if !ok {
			return false
		}
	}
	c.whole = span{start: start, end: s.i, kind: kindObject}
	return ok
}

// blank overwrites the value at p with null and spaces. Values too short for
// that are too short for an address.
func (s *scanner) blank(p span) span {
	if p.isString() {
		p.start, p.end = p.start-1, p.end+1
	}
	v := s.b[p.start:p.end]
	if len(v) < 4 {
		return span{}
	}
	n := copy(v, "null")
	for i := n; i < len(v); i++ {
		v[i] = ' '
	}
	return span{start: p.start, end: p.start + 4, kind: kindNull}
}

// one reads a body that is one event.
func (s *scanner) one(e *envelope) bool {
	e.items = append(e.items, item{})
	return s.event(&e.items[0], 0) && s.done()
}

// done says whether nothing follows.
func (s *scanner) done() bool {
	if s.space() {
		return s.fail("something follows the value")
	}
	return true
}

// batch reads a body {"batch": [...], ...}. The items are sub-slices of it.
func (s *scanner) batch(e *envelope, maxItems int) bool {
	if !s.space() {
		return s.fail("it is empty")
	}
	if s.b[s.i] != '{' {
		return s.fail("it is not an object with a batch array")
	}
	s.i++
	for first := true; ; first = false {
		s.members, s.bad, s.start = 0, problem{}, 0
		key, more, ok := s.member(first)
		if !ok {
			return false
		}
		if !more {
			return s.done()
		}
		if string(key) == "batch" {
			if !s.space() || s.b[s.i] != '[' {
				return s.fail("batch is not an array")
			}
			e.items, e.isBatch = e.items[:0], true
			if !s.list(e, maxItems) {
				return false
			}
			continue
		}
		switch string(key) {
		case "context":
			ok = s.context(&e.context, 1)
		case "sentAt":
			e.sentAt, ok = s.capture(1)
		case "integrations":
			e.integrations, ok = s.capture(1)
		case "writeKey":
			e.writeKey, ok = s.capture(1)
		default:
			ok = s.value(1)
		}
		if !ok {
			return false
		}
		if e.bad = s.bad; e.bad.is() {
			return false
		}
	}
}

// list reads the array at i as events.
func (s *scanner) list(e *envelope, maxItems int) bool {
	s.i++
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok || !more {
			return ok
		}
		if len(e.items) == maxItems {
			e.tooMany = maxItems + s.rest(true)
			return false
		}
		e.items = append(e.items, item{})
		if !s.event(&e.items[len(e.items)-1], 0) {
			return false
		}
	}
}

// rest counts the values from i on, of an array or one after the other, as far
// as they can be read.
func (s *scanner) rest(array bool) int {
	for n := 1; ; n++ {
		if !s.value(0) {
			return n
		}
		if array {
			if more, ok := s.element(false); !ok || !more {
				return n
			}
		} else if !s.space() {
			return n
		}
	}
}

// lines reads values that follow each other (NDJSON), or one array of them. A
// line that is not JSON spoils only itself.
func (s *scanner) lines(e *envelope, maxItems int) bool {
	if s.space() && s.b[s.i] == '[' {
		return s.list(e, maxItems) && s.done()
	}
	for s.space() {
		if len(e.items) == maxItems {
			e.tooMany = maxItems + s.rest(false)
			return false
		}
		e.items = append(e.items, item{})
		it := &e.items[len(e.items)-1]
		start := s.i
		if s.event(it, 0) {
			continue
		}
		end := len(s.b)
		if n := bytes.IndexByte(s.b[start:], '\n'); n >= 0 {
			end = start + n
		}
		*it = item{start: start, end: end, bad: problem{reason: "not JSON: " + s.err, field: s.place(start, s.i)}}
		s.i, s.err = end, ""
	}
	return true
}

// findKey returns the writeKey of a body that has not been read yet: its own,
// or that of the first item of its batch. It stops at what it cannot read.
func findKey(b []byte) span {
	var s scanner
	s.reset(b, scanLimits{depth: 64, keyLength: len(b), members: len(b)})
	if !s.space() || s.b[s.i] != '{' {
		return span{}
	}
	s.i++
	var own, of span
	for first := true; ; first = false {
		key, more, ok := s.member(first)
		if !ok || !more {
			break
		}
		switch string(key) {
		case "writeKey":
			own, ok = s.capture(1)
		case "batch":
			var it item
			start := s.i
			if s.space() && s.b[s.i] == '[' {
				s.i++
				if more, ok := s.element(true); ok && more && s.event(&it, 0) {
					of = it.writeKey
				}
				s.i = start
			}
			ok = s.value(1)
		default:
			ok = s.value(1)
		}
		if !ok {
			break
		}
	}
	if own.isString() {
		return own
	}
	return of
}
