package warehouse

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxDepth is how deeply objects and arrays may nest; what is deeper is not
// read. Intake has a smaller limit.
const maxDepth = 1000

// maxForgotten bounds the work that names repeated in one object may make.
const maxForgotten = 100_000

// A kind is what a JSON value is.
type kind uint8

const (
	kindNone kind = iota // was overwritten
	kindNull
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject // of scanRaw only: objects are flattened
)

// Flags of a value.
const (
	flagEscape uint8 = 1 << iota // a string that has to be unescaped
	flagDirty                    // holds NUL, a lone surrogate or invalid UTF-8
)

// A value is a JSON value as it was sent, and the node that it belongs to.
type value struct {
	node  *node
	raw   []byte
	kind  kind
	flags uint8
}

// A scanner reads JSON documents in one pass, validates them, and collects the
// values that are not objects under the nodes of their paths. Of two members
// with the same name in one object the last one counts, as in JSON.parse.
type scanner struct {
	data    []byte
	i       int
	problem string // why the document is not valid
	record  uint64 // number of the record, so that nodes know what is current
	objects uint64 // number of the last object
	values  []value
	scratch []byte
	nodes   int // made since the last reset
	// forgotten is the work that repeated names have made in this record.
	forgotten int
}

// begin starts a new record.
func (s *scanner) begin() {
	s.record++
	s.values = s.values[:0]
	s.forgotten = 0
}

// scan reads one document, whose members go below root. A document that is no
// object is the value of the node loose, or a problem when that is nil.
func (s *scanner) scan(data []byte, root, loose *node) bool {
	s.data, s.i, s.problem = data, 0, ""
	s.space()
	ok := false
	switch {
	case s.peek() == '{':
		ok = s.members(root, 1)
	case loose == nil:
		return s.fail("is not a JSON object")
	default:
		ok = s.value(loose, 1)
	}
	if !ok {
		return false
	}
	s.space()
	if s.i < len(s.data) {
		return s.fail("has something behind its end")
	}
	return true
}

func (s *scanner) fail(problem string) bool {
	if s.problem == "" {
		s.problem = problem
	}
	return false
}

func (s *scanner) peek() byte {
	if s.i < len(s.data) {
		return s.data[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.data) {
		switch s.data[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return
		}
	}
}

// members reads an object; s.i is at its brace.
func (s *scanner) members(n *node, depth int) bool {
	if depth > maxDepth {
		return s.fail("is nested too deeply")
	}
	s.i++
	s.objects++
	object := s.objects
	s.space()
	if s.peek() == '}' {
		s.i++
		return true
	}
	hint := 0
	for {
		key, ok := s.key()
		if !ok {
			return false
		}
		child := n.child(s, key, &hint)
		if child.object == object {
			if s.forget(child); s.problem != "" {
				return false
			}
		}
		child.object = object
		if !s.colon() || !s.value(child, depth) {
			return false
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case '}':
			s.i++
			return true
		default:
			return s.fail("misses a comma or brace in an object")
		}
	}
}

func (s *scanner) colon() bool {
	s.space()
	if s.peek() != ':' {
		return s.fail("misses a colon in an object")
	}
	s.i++
	s.space()
	return true
}

// key reads the name of a member. It is good until the next key.
func (s *scanner) key() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, s.fail("misses a name in an object")
	}
	start := s.i
	flags, ok := s.str()
	if !ok {
		return nil, false
	}
	raw := s.data[start+1 : s.i-1]
	if flags != 0 {
		s.scratch = appendText(s.scratch[:0], raw)
		return s.scratch, true
	}
	return raw, true
}

// value reads any value and collects it under n.
func (s *scanner) value(n *node, depth int) bool {
	if n.role == roleIgnored {
		_, _, ok := s.skip(depth)
		return ok
	}
	if s.peek() == '{' {
		return s.members(n, depth+1)
	}
	start := s.i
	k, flags, ok := s.skip(depth)
	if ok {
		s.put(value{node: n, raw: s.data[start:s.i:s.i], kind: k, flags: flags})
	}
	return ok
}

func (s *scanner) put(v value) {
	n := v.node
	if n.record == s.record {
		s.values[n.at] = v
		return
	}
	n.record, n.at = s.record, len(s.values)
	s.values = append(s.values, v)
}

// forget drops what an earlier member of the same name said.
func (s *scanner) forget(n *node) {
	if n.record == s.record {
		s.values[n.at].kind = kindNone
	}
	s.forgotten += 1 + len(n.children)
	if s.forgotten > maxForgotten {
		s.fail("repeats names too often")
		return
	}
	for _, c := range n.children {
		s.forget(c)
	}
}

// skip reads any value.
func (s *scanner) skip(depth int) (kind, uint8, bool) {
	switch c := s.peek(); c {
	case '"':
		flags, ok := s.str()
		return kindString, flags, ok
	case '{', '[':
		return s.skipNested(c, depth+1)
	case 't':
		return kindTrue, 0, s.word("true")
	case 'f':
		return kindFalse, 0, s.word("false")
	case 'n':
		return kindNull, 0, s.word("null")
	default:
		return kindNumber, 0, s.number()
	}
}

func (s *scanner) word(w string) bool {
	if len(s.data)-s.i < len(w) || string(s.data[s.i:s.i+len(w)]) != w {
		return s.fail("has a word that is not true, false or null")
	}
	s.i += len(w)
	return true
}

// skipNested reads an object or array without looking at its members.
func (s *scanner) skipNested(open byte, depth int) (kind, uint8, bool) {
	if depth > maxDepth {
		return 0, 0, s.fail("is nested too deeply")
	}
	k, end := kindArray, byte(']')
	if open == '{' {
		k, end = kindObject, '}'
	}
	s.i++
	s.space()
	if s.peek() == end {
		s.i++
		return k, 0, true
	}
	var all uint8
	for {
		if open == '{' {
			if s.peek() != '"' {
				return 0, 0, s.fail("misses a name in an object")
			}
			flags, ok := s.str()
			if !ok || !s.colon() {
				return 0, 0, false
			}
			all |= flags
		}
		_, flags, ok := s.skip(depth)
		if !ok {
			return 0, 0, false
		}
		all |= flags
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case end:
			s.i++
			return k, all, true
		default:
			return 0, 0, s.fail("misses a comma or the end of an array or object")
		}
	}
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.data) && s.data[s.i]-'0' < 10 {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("has something that is no JSON value")
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return s.fail("has a number without digits behind the point")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return s.fail("has a number without exponent")
		}
	}
	return true
}

const (
	eachByte = 0x0101010101010101
	topBits  = 0x8080808080808080
)

// plain returns how many bytes from i on need no attention: no quote,
// backslash, control character, or byte of a longer UTF-8 sequence.
func plain(data []byte, i int) int {
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^(eachByte*'"'), w^(eachByte*'\\')
		if (w|(w-eachByte*0x20)|(quote-eachByte)|(slash-eachByte))&topBits != 0 {
			break
		}
	}
	for i < len(data) && data[i] >= 0x20 && data[i] < 0x80 && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

// str reads a string; s.i is at its first quote.
func (s *scanner) str() (flags uint8, ok bool) {
	start := s.i + 1
	wide := false
	for s.i = plain(s.data, start); s.i < len(s.data); s.i = plain(s.data, s.i) {
		switch c := s.data[s.i]; {
		case c == '"':
			if wide && !utf8.Valid(s.data[start:s.i]) {
				flags |= flagDirty
			}
			s.i++
			return flags, true
		case c == '\\':
			flags |= flagEscape
			clean, size := escape(s.data[s.i:])
			if size == 0 {
				return 0, s.fail("has a string with a wrong escape")
			}
			if !clean {
				flags |= flagDirty
			}
			s.i += size
		case c < 0x20:
			return 0, s.fail("has a control character in a string")
		default:
			wide = true
			for s.i < len(s.data) && s.data[s.i] >= 0x80 {
				s.i++
			}
		}
	}
	return 0, s.fail("has a string without end")
}

// escape measures the escape at the start of b, a surrogate pair together.
// size is 0 when it is wrong; clean is false for NUL and lone surrogates.
func escape(b []byte) (clean bool, size int) {
	if len(b) < 2 {
		return false, 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true, 2
	case 'u':
	default:
		return false, 0
	}
	r, ok := hex4(b[2:])
	if !ok {
		return false, 0
	}
	switch {
	case r == 0:
		return false, 6
	case r < 0xD800 || r > 0xDFFF:
		return true, 6
	case r < 0xDC00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u':
		if low, ok := hex4(b[8:]); ok && low >= 0xDC00 && low <= 0xDFFF {
			return true, 12
		}
	}
	return false, 6
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' < 10:
			r = r<<4 | rune(c-'0')
		case c|0x20-'a' < 6:
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
