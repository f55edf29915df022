package project

import (
	"fmt"
	"strings"
)

// A node is a value as it stands in a YAML file: which bytes it has. The
// parser says what a file means, a layout where each part of it is, so that an
// edit leaves all other bytes as they are.
type node struct {
	kind       nodeKind
	flow       bool // [ ] or { }
	quote      byte // of a scalar: ' " | or >; 0 when it is plain
	at         int  // behind the colon or dash, and the anchor: where an inline value is put
	start, end int  // of the value, without its anchor and tag
	indent     int  // columns before the keys or dashes of a block
	entries    []entry
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota // nothing is written
	nodeScalar
	nodeAlias
	nodeMap
	nodeList
)

// An entry is a field of a mapping or an item of a list.
type entry struct {
	key   string // as written, until it is compared with what the parser read
	start int    // of the key or the dash, or of the value in a flow list
	comma int    // behind it in a flow, or -1
	value *node
}

// unusual is why a file, or a part of it, is not laid out.
type unusual struct {
	pos  int
	what string
}

// A scanner lays a file out. What it does not know, it refuses.
type scanner struct {
	src      string
	pos      int
	depth    int
	comments [][2]int
}

// layout finds the places of everything in a file that the parser can read.
func layout(src string) (root *node, comments [][2]int, odd *unusual) {
	s := &scanner{src: src}
	defer func() {
		if p := recover(); p != nil {
			u, ok := p.(unusual)
			if !ok {
				panic(p)
			}
			root, odd = nil, &u
		}
	}()
	root = s.document()
	return root, s.comments, nil
}

func (s *scanner) refuse(what string) { panic(unusual{s.pos, what}) }

func (s *scanner) document() *node {
	if strings.HasPrefix(s.src, "\ufeff") {
		s.pos = len("\ufeff")
	}
	s.skip()
	if s.marker("---") {
		s.pos += 3
		s.lineEnd()
		s.skip()
	}
	if s.pos == len(s.src) {
		return &node{at: s.pos, start: s.pos, end: s.pos}
	}
	root := s.block(-1)
	s.lineEnd()
	s.skip()
	if s.pos < len(s.src) {
		s.refuse("what follows the document")
	}
	return root
}

// marker says whether a line of three signs stands here.
func (s *scanner) marker(signs string) bool {
	rest, ok := strings.CutPrefix(s.src[s.pos:], signs)
	return ok && s.column(s.pos) == 0 && (rest == "" || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// at returns the byte at a place, or a line's end behind the last.
func (s *scanner) at(pos int) byte {
	if pos < len(s.src) {
		return s.src[pos]
	}
	return '\n'
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// ends says whether a line, but for its end, is over here.
func (s *scanner) ends(pos int) bool {
	c := s.at(pos)
	return c == '\n' || c == '\r' && s.at(pos+1) == '\n'
}

func (s *scanner) lineStart(pos int) int {
	start := strings.LastIndexByte(s.src[:pos], '\n') + 1
	if start == 0 && strings.HasPrefix(s.src, "\ufeff") {
		start = len("\ufeff")
	}
	return start
}

func (s *scanner) column(pos int) int { return pos - s.lineStart(pos) }

func (s *scanner) blanks() {
	for isBlank(s.at(s.pos)) {
		s.pos++
	}
}

// commentAt says whether a comment begins here.
func (s *scanner) commentAt(pos int) bool {
	return s.at(pos) == '#' && (pos == 0 || strings.IndexByte(" \t\n", s.src[pos-1]) >= 0 || s.src[:pos] == "\ufeff")
}

func (s *scanner) comment() {
	start := s.pos
	for !s.ends(s.pos) {
		s.pos++
	}
	if n := len(s.comments); n == 0 || s.comments[n-1][0] < start {
		s.comments = append(s.comments, [2]int{start, s.pos})
	}
}

// skip goes over blanks, comments and ends of lines.
func (s *scanner) skip() {
	for s.pos < len(s.src) {
		switch {
		case strings.IndexByte(" \t\r\n", s.src[s.pos]) >= 0:
			s.pos++
		case s.commentAt(s.pos):
			s.comment()
		default:
			return
		}
	}
}

// lineEnd goes to the end of a line on which nothing but a comment follows.
func (s *scanner) lineEnd() {
	s.blanks()
	if s.commentAt(s.pos) {
		s.comment()
	}
	if !s.ends(s.pos) {
		s.refuse("what follows a value")
	}
}

// block reads what begins on a line of its own, deeper than parent.
func (s *scanner) block(parent int) *node {
	if s.depth++; s.depth > 2*maxDepth {
		s.refuse("the nesting")
	}
	defer func() { s.depth-- }()
	before := s.src[s.lineStart(s.pos):s.pos]
	if strings.Trim(before, " -") != "" {
		s.refuse("the indentation")
	}
	at := s.pos
	var n *node
	switch {
	case s.dash(s.pos):
		n = s.list(s.column(s.pos))
	case strings.IndexByte("&!?%@`", s.at(s.pos)) >= 0:
		s.refuse("the sign at the beginning of the line")
	case s.colonOf(s.pos) >= 0:
		n = s.mapping(s.column(s.pos))
	default:
		n = s.scalar(parent)
	}
	n.at = at
	return n
}

func (s *scanner) dash(pos int) bool {
	return s.at(pos) == '-' && (isBlank(s.at(pos+1)) || s.ends(pos+1))
}

// colonOf returns where the colon behind a key is, or -1 when no key is here.
func (s *scanner) colonOf(pos int) int {
	if strings.IndexByte("[{|>", s.at(pos)) >= 0 {
		return -1
	}
	if c := s.at(pos); c == '"' || c == '\'' {
		end := s.closing(pos)
		if end < 0 || strings.Contains(s.src[pos:end], "\n") {
			return -1
		}
		for pos = end; isBlank(s.at(pos)); pos++ {
		}
		if s.at(pos) == ':' && (isBlank(s.at(pos+1)) || s.ends(pos+1)) {
			return pos
		}
		return -1
	}
	for ; !s.ends(pos) && !s.commentAt(pos); pos++ {
		if s.at(pos) == ':' && (isBlank(s.at(pos+1)) || s.ends(pos+1)) {
			return pos
		}
	}
	return -1
}

// closing returns the place behind a text in quotes, or -1.
func (s *scanner) closing(pos int) int {
	quote := s.src[pos]
	for pos++; pos < len(s.src); pos++ {
		switch {
		case quote == '"' && s.src[pos] == '\\':
			pos++
		case s.src[pos] == quote && quote == '\'' && s.at(pos+1) == quote:
			pos++
		case s.src[pos] == quote:
			return pos + 1
		}
	}
	return -1
}

func (s *scanner) mapping(indent int) *node {
	n := &node{kind: nodeMap, start: s.pos, indent: indent}
	for {
		colon := s.colonOf(s.pos)
		if colon <= s.pos || strings.IndexByte("&!?%*@`", s.at(s.pos)) >= 0 {
			s.refuse("the name of the field")
		}
		e := entry{start: s.pos, key: strings.TrimRight(s.src[s.pos:colon], " \t"), comma: -1}
		s.pos = colon + 1
		e.value = s.value(indent, false)
		n.entries = append(n.entries, e)
		if !s.more(indent, e.value) {
			break
		}
	}
	n.end = s.pos
	return n
}

func (s *scanner) list(indent int) *node {
	n := &node{kind: nodeList, start: s.pos, indent: indent}
	for {
		e := entry{start: s.pos, comma: -1}
		s.pos++
		e.value = s.value(indent, true)
		n.entries = append(n.entries, e)
		if !s.more(indent, e.value) || !s.dash(s.pos) {
			break
		}
	}
	s.pos = n.entries[len(n.entries)-1].value.end
	n.end = s.pos
	return n
}

// more goes on to the next entry of a block, if there is one; otherwise it
// stays behind the last.
func (s *scanner) more(indent int, last *node) bool {
	s.lineEnd()
	s.skip()
	if s.pos < len(s.src) && s.column(s.pos) > indent {
		s.refuse("the indentation")
	}
	if s.pos < len(s.src) && s.column(s.pos) == indent && !s.marker("---") && !s.marker("...") {
		return true
	}
	s.pos = last.end
	return false
}

// value reads what stands behind a colon or a dash.
func (s *scanner) value(parent int, dashed bool) *node {
	at := s.pos
	s.blanks()
	for s.at(s.pos) == '&' || s.at(s.pos) == '!' {
		for !isBlank(s.at(s.pos)) && !s.ends(s.pos) {
			s.pos++
		}
		at = s.pos
		s.blanks()
	}
	if s.ends(s.pos) || s.commentAt(s.pos) {
		s.skip()
		column := s.column(s.pos)
		if s.pos == len(s.src) || column < parent || column == parent && (dashed || !s.dash(s.pos)) {
			s.pos = at
			return &node{at: at, start: at, end: at}
		}
		n := s.block(parent)
		n.at = at
		return n
	}
	var n *node
	switch {
	case dashed && s.dash(s.pos), dashed && s.colonOf(s.pos) >= 0:
		if before := s.src[s.lineStart(s.pos):s.pos]; strings.Trim(before, " -") != "" {
			s.refuse("the anchor before a field")
		}
		n = s.block(parent)
	default:
		n = s.scalar(parent)
	}
	n.at = at
	return n
}

// scalar reads one that is in a block: it ends where lines are not deeper than
// parent.
func (s *scanner) scalar(parent int) *node {
	switch s.at(s.pos) {
	case '[', '{':
		return s.flow()
	case '"', '\'':
		return s.quoted()
	case '*':
		n := &node{kind: nodeAlias, start: s.pos}
		for !isBlank(s.at(s.pos)) && !s.ends(s.pos) {
			s.pos++
		}
		n.end = s.pos
		return n
	case '|', '>':
		return s.literal(parent)
	}
	n := &node{kind: nodeScalar, start: s.pos}
	s.plainLine(n)
	for !s.commentAt(s.pos) {
		s.pos = n.end
		for s.pos < len(s.src) && strings.IndexByte(" \t\r\n", s.src[s.pos]) >= 0 {
			s.pos++
		}
		if s.pos == len(s.src) || s.column(s.pos) <= parent || s.commentAt(s.pos) {
			break
		}
		s.plainLine(n)
	}
	s.pos = n.end
	return n
}

// plainLine takes the rest of a line into a plain scalar and stays before what
// ends it.
func (s *scanner) plainLine(n *node) {
	for ; !s.ends(s.pos) && !s.commentAt(s.pos); s.pos++ {
		if !isBlank(s.src[s.pos]) {
			n.end = s.pos + 1
		}
	}
}

func (s *scanner) quoted() *node {
	n := &node{kind: nodeScalar, quote: s.src[s.pos], start: s.pos}
	if n.end = s.closing(s.pos); n.end < 0 {
		s.refuse("the quotes")
	}
	s.pos = n.end
	return n
}

// literal reads a text behind | or >.
func (s *scanner) literal(parent int) *node {
	n := &node{kind: nodeScalar, quote: s.src[s.pos], start: s.pos}
	header := s.pos
	for ; !s.ends(s.pos); s.pos++ {
		if s.commentAt(s.pos) {
			s.comment()
			break
		}
	}
	keep := strings.Contains(strings.SplitN(s.src[header:s.pos], "#", 2)[0], "+")
	n.end = s.pos
	for s.pos < len(s.src) {
		line := s.pos + strings.IndexByte(s.src[s.pos:], '\n') + 1
		if line == s.pos {
			break
		}
		s.pos = line
		for s.at(s.pos) == ' ' {
			s.pos++
		}
		blank := s.ends(s.pos)
		if !blank && s.pos-line <= parent {
			break
		}
		for !s.ends(s.pos) {
			s.pos++
		}
		if !blank || keep && s.pos < len(s.src) {
			n.end = s.pos
		}
	}
	s.pos = n.end
	return n
}

func (s *scanner) flow() *node {
	if s.depth++; s.depth > 2*maxDepth {
		s.refuse("the nesting")
	}
	defer func() { s.depth-- }()
	n := &node{kind: nodeList, flow: true, at: s.pos, start: s.pos}
	end := byte(']')
	if s.src[s.pos] == '{' {
		n.kind, end = nodeMap, '}'
	}
	s.pos++
	for {
		s.skip()
		if s.at(s.pos) == end {
			s.pos++
			n.end = s.pos
			return n
		}
		e := entry{start: s.pos, comma: -1}
		if n.kind == nodeMap {
			e.key = s.flowKey()
		}
		e.value = s.flowValue()
		s.skip()
		switch s.at(s.pos) {
		case ',':
			e.comma = s.pos
			s.pos++
		case end:
		default:
			s.refuse("what follows a value")
		}
		n.entries = append(n.entries, e)
	}
}

func (s *scanner) flowKey() string {
	start, key := s.pos, ""
	if c := s.at(s.pos); c == '"' || c == '\'' {
		s.quoted()
		key = s.src[start:s.pos]
	} else {
		n := s.flowPlain()
		key = s.src[n.start:n.end]
	}
	s.blanks()
	if s.at(s.pos) != ':' {
		s.refuse("a name without a value")
	}
	s.pos++
	return key
}

func (s *scanner) flowValue() *node {
	at := s.pos
	s.skip()
	for s.at(s.pos) == '&' || s.at(s.pos) == '!' {
		for !isBlank(s.at(s.pos)) && !s.ends(s.pos) && strings.IndexByte(",[]{}", s.at(s.pos)) < 0 {
			s.pos++
		}
		at = s.pos
		s.skip()
	}
	var n *node
	switch c := s.at(s.pos); c {
	case ',', ']', '}':
		s.pos = at
		return &node{at: at, start: at, end: at}
	case '[', '{':
		n = s.flow()
	case '"', '\'':
		n = s.quoted()
	default:
		if n = s.flowPlain(); c == '*' {
			n.kind = nodeAlias
		}
	}
	n.at = at
	return n
}

// flowPlain reads a plain text within brackets, on one line.
func (s *scanner) flowPlain() *node {
	n := &node{kind: nodeScalar, start: s.pos, end: s.pos}
	for ; !s.ends(s.pos) && !s.commentAt(s.pos) && strings.IndexByte(",[]{}", s.at(s.pos)) < 0; s.pos++ {
		if s.at(s.pos) == ':' && (s.ends(s.pos+1) || strings.IndexByte(" \t,[]{}", s.at(s.pos+1)) >= 0) {
			break
		}
		if !isBlank(s.src[s.pos]) {
			n.end = s.pos + 1
		}
	}
	if s.pos = n.end; n.start == n.end {
		s.refuse("the brackets")
	}
	return n
}

// agree names the fields as the parser read them, and says whether it read the
// same values in the same places.
func (n *node) agree(src string, v *value) error {
	differs := fmt.Errorf("line %d", 1+strings.Count(src[:n.start], "\n"))
	switch n.kind {
	case nodeAlias:
		return nil
	case nodeNull:
		if v.shape != shapeNull {
			return differs
		}
		return nil
	case nodeScalar:
		if v.shape >= shapeList || n.quote == 0 && !strings.Contains(src[n.start:n.end], "\n") && v.shape != shapeNull && src[n.start:n.end] != v.text {
			return differs
		}
		return nil
	case nodeList:
		if v.shape != shapeList || len(v.items) != len(n.entries) {
			return differs
		}
		for i, e := range n.entries {
			if err := e.value.agree(src, v.items[i]); err != nil {
				return err
			}
		}
		return nil
	}
	own, merged := 0, false
	for i := range n.entries {
		e := &n.entries[i]
		if e.key == "<<" {
			merged = true
			continue
		}
		if v.shape != shapeMap || own >= len(v.fields) || e.key[0] != '"' && e.key[0] != '\'' && e.key != v.fields[own].name {
			return differs
		}
		e.key = v.fields[own].name
		if err := e.value.agree(src, v.fields[own].value); err != nil {
			return err
		}
		own++
	}
	if v.shape != shapeMap || !merged && own != len(v.fields) {
		return differs
	}
	return nil
}
