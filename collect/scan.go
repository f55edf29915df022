package collect

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A problem is why something was refused: a reason that is the same text for
// the same cause, and the field it lies in, or "".
type problem struct {
	reason, field string
	found         int // of what there is too much, or 0
}

func (p problem) is() bool { return p.reason != "" }

// The problems that the scanner finds and can read on behind.
const (
	reasonUTF8    = "a string is not valid UTF-8"
	reasonControl = "a string holds a control character that is not escaped"
	reasonEscape  = "a string holds an unknown escape"
	reasonDepth   = "depth" // limits are put into words by request.explain
	reasonKey     = "key_length"
	reasonCount   = "properties"
)

// The kinds of a span.
const (
	kindAbsent byte = iota
	kindString
	kindEscaped // a string with escapes
	kindNumber
	kindTrue
	kindFalse
	kindNull
	kindObject
	kindArray
)

// A span is a value in the body: of a string what lies between the quotes.
type span struct {
	start, end int
	kind       byte
}

func (p span) isString() bool { return p.kind == kindString || p.kind == kindEscaped }

// scanLimits bound what one event may hold.
type scanLimits struct {
	depth     int // nested objects and arrays, the event itself is 1
	keyLength int // bytes
	members   int // members of all objects of an event
}

// A scanner reads JSON once, front to back, and validates all of it. What
// breaks the structure ends the scan (err); what is wrong inside a value is
// noted in bad, so that one bad event does not hide its neighbours.
type scanner struct {
	b       []byte
	i       int
	lim     scanLimits
	members int     // of the event under way
	bad     problem // first of the event under way
	err     string  // what broke the structure, or ""
	start   int     // of the event under way
	// line is how many lines end before counted.
	line, counted int
	// blankAddress overwrites context.ip with null where it is found.
	blankAddress bool
}

func (s *scanner) reset(b []byte, lim scanLimits) {
	*s = scanner{b: b, lim: lim}
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		s.i = 3
	}
}

func (s *scanner) fail(what string) bool {
	if s.err == "" {
		s.err = what
	}
	return false
}

// note notes the first problem of an event; it lies at offset at.
func (s *scanner) note(reason string, at, found int) {
	if s.bad.reason == "" {
		s.bad = problem{reason: reason, field: pathTo(s.b, s.start, at), found: found}
	}
}

// space skips white space and says whether something follows.
func (s *scanner) space() bool {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return true
	}
	return s.skipSpace()
}

func (s *scanner) skipSpace() bool {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return true
		}
	}
	return false
}

// value skips any value. depth is how many objects and arrays it lies in.
func (s *scanner) value(depth int) bool {
	if !s.space() {
		return s.fail("it ends in the middle of a value")
	}
	switch c := s.b[s.i]; c {
	case '"':
		_, ok := s.str()
		return ok
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// capture skips any value and returns where it lies.
func (s *scanner) capture(depth int) (span, bool) {
	if !s.space() {
		return span{}, s.fail("it ends in the middle of a value")
	}
	p := span{start: s.i}
	switch s.b[s.i] {
	case '"':
		return s.str()
	case '{':
		p.kind = kindObject
	case '[':
		p.kind = kindArray
	case 't':
		p.kind = kindTrue
	case 'f':
		p.kind = kindFalse
	case 'n':
		p.kind = kindNull
	default:
		p.kind = kindNumber
	}
	ok := s.value(depth)
	p.end = s.i
	return p, ok
}

// enter goes into the object or array at i. It says no when that is too deep:
// then it has skipped it without looking inside.
func (s *scanner) enter(depth int) (in, ok bool) {
	if depth >= s.lim.depth {
		first := !s.bad.is()
		s.note(reasonDepth, s.i, 0)
		deepest, ok := s.balanced()
		if first {
			s.bad.found = depth + deepest
		}
		return false, ok
	}
	s.i++
	return true, true
}

func (s *scanner) object(depth int) bool {
	in, ok := s.enter(depth)
	if !in {
		return ok
	}
	for first := true; ; first = false {
		_, more, ok := s.member(first)
		if !ok || !more {
			return ok
		}
		if !s.value(depth + 1) {
			return false
		}
	}
}

// member goes to the next member of an object and behind its colon. At the end
// of the object, more is false.
func (s *scanner) member(first bool) (key []byte, more, ok bool) {
	if !s.space() {
		return nil, false, s.fail("it ends in the middle of an object")
	}
	c := s.b[s.i]
	if c == '}' {
		s.i++
		return nil, false, true
	}
	if !first {
		if c != ',' {
			return nil, false, s.fail("a comma or } is missing in an object")
		}
		s.i++
		if !s.space() {
			return nil, false, s.fail("it ends in the middle of an object")
		}
		c = s.b[s.i]
	}
	if c != '"' {
		return nil, false, s.fail("a key is not a string")
	}
	p, ok := s.str()
	if !ok {
		return nil, false, false
	}
	if p.end-p.start > s.lim.keyLength {
		s.note(reasonKey, p.start-1, p.end-p.start)
	}
	if s.members++; s.members > s.lim.members {
		s.tooMany()
	}
	if !s.space() || s.b[s.i] != ':' {
		return nil, false, s.fail("a colon is missing behind a key")
	}
	s.i++
	key = s.b[p.start:p.end]
	if p.kind == kindEscaped && len(key) <= 128 {
		key = unescape(nil, key)
	}
	return key, true, true
}

func (s *scanner) array(depth int) bool {
	in, ok := s.enter(depth)
	if !in {
		return ok
	}
	for first := true; ; first = false {
		more, ok := s.element(first)
		if !ok || !more {
			return ok
		}
		if !s.value(depth + 1) {
			return false
		}
	}
}

// element goes to the next element of an array. At its end, more is false.
func (s *scanner) element(first bool) (more, ok bool) {
	if !s.space() {
		return false, s.fail("it ends in the middle of an array")
	}
	switch c := s.b[s.i]; {
	case c == ']' && first:
		s.i++
		return false, true
	case first:
		return true, true
	case c == ']':
		s.i++
		return false, true
	case c == ',':
		s.i++
		return true, true
	}
	return false, s.fail("a comma or ] is missing in an array")
}

// tooMany notes that the event has too many members, and how many so far.
func (s *scanner) tooMany() {
	if s.bad.is() && s.bad.reason != reasonCount {
		return
	}
	s.bad = problem{reason: reasonCount, found: s.members}
}

// balanced skips an object or array of any depth in constant memory, and
// returns that depth.
func (s *scanner) balanced() (deepest int, ok bool) {
	depth := 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if _, ok := s.str(); !ok {
				return deepest, false
			}
			continue
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			if depth--; depth == 0 {
				s.i++
				return deepest, true
			}
		}
		s.i++
	}
	return deepest, s.fail("it ends in the middle of a value")
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns the first index from i on at which b holds a quote, a
// backslash, a control character or a byte that is not ASCII, or len(b).
func plain(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		m := (x | (x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 || c >= 0x80 {
			return i
		}
		i++
	}
	return i
}

// str reads the string at i.
func (s *scanner) str() (span, bool) {
	b := s.b
	p := span{start: s.i + 1, kind: kindString}
	i := s.i + 1
	for {
		i = plain(b, i)
		if i >= len(b) {
			return p, s.fail("it ends in the middle of a string")
		}
		switch c := b[i]; {
		case c == '"':
			p.end, s.i = i, i+1
			return p, true
		case c == '\\':
			p.kind = kindEscaped
			i += s.escape(b[i:])
		case c < 0x20:
			s.note(reasonControl, s.i, 0)
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				s.note(reasonUTF8, s.i, 0)
			}
			i += n
		}
	}
}

// escape returns the length of the escape that b begins with.
func (s *scanner) escape(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && hex4(b[2:6]) >= 0 {
			return 6
		}
	}
	s.note(reasonEscape, s.i, 0)
	return 2
}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return s.fail("there is a word that is not true, false or null")
	}
	s.i += len(word)
	return true
}

func digit(c byte) bool { return c-'0' <= 9 }

// number reads a number of any size: its text is kept, never its value.
func (s *scanner) number() bool {
	b, i := s.b, s.i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || !digit(b[i]):
		return s.fail("there is something that is not a value")
	case b[i] == '0':
		i++
	default:
		for i < len(b) && digit(b[i]) {
			i++
		}
	}
	if i < len(b) && b[i] == '.' {
		i++
		if i >= len(b) || !digit(b[i]) {
			return s.fail("a number has no digits behind its point")
		}
		for i < len(b) && digit(b[i]) {
			i++
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) || !digit(b[i]) {
			return s.fail("a number has no digits in its exponent")
		}
		for i < len(b) && digit(b[i]) {
			i++
		}
	}
	s.i = i
	return true
}

// text appends what the value at p says as text: strings unescaped, numbers as
// they are written, nothing for anything else.
func text(dst, b []byte, p span) []byte {
	switch p.kind {
	case kindString, kindNumber:
		return append(dst, b[p.start:p.end]...)
	case kindEscaped:
		return unescape(dst, b[p.start:p.end])
	}
	return dst
}

// unescape appends the string that raw is the inside of. Halves of surrogate
// pairs that stand alone, and unknown escapes, become U+FFFD.
func unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' || i+1 >= len(raw) {
			dst = append(dst, c)
			i++
			continue
		}
		switch e := raw[i+1]; e {
		case '"', '\\', '/':
			dst = append(dst, e)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var n int
			dst, n = unescapeRune(dst, raw[i:])
			i += n
			continue
		default:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i += 2
	}
	return dst
}

// unescapeRune appends the rune that raw begins with as \uXXXX, or as a pair of
// them, and returns how long that is.
func unescapeRune(dst, raw []byte) ([]byte, int) {
	if len(raw) < 6 {
		return utf8.AppendRune(dst, utf8.RuneError), 2
	}
	r := hex4(raw[2:6])
	if r < 0 {
		return utf8.AppendRune(dst, utf8.RuneError), 2
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(raw[8:12])); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), 12
		}
	}
	return utf8.AppendRune(dst, utf8.RuneError), 6
}

// appendQuoted appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < 0x20 || c == '<' || c == '>' || c == '&':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == 0x2028 || r == 0x2029 {
				dst = append(dst, "\\u202"...)
				dst = append(dst, digits[r&15])
			} else {
				dst = utf8.AppendRune(dst, r)
			}
			i += n
		}
	}
	return append(dst, '"')
}

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }
