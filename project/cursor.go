package project

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A cursor is a place in a YAML file that is being written, found by
// indentation, since such a file is seldom one that a parser can read.
type cursor struct {
	nothing  bool     // a comment, or text behind | or >: nothing is offered
	path     []string // names, and "" for the items of a list
	key      bool     // a field is being written, not a value
	dashed   bool     // behind a dash, where it may be either
	tight    bool     // behind a colon without a space
	colon    bool     // the field has its colon already
	flow     bool     // within [ ] or { }
	word     string   // what is written up to the cursor
	from, to int      // of the word, in characters from 0
	indent   int      // of the field
	siblings func() []string
	after    []string // the lines below
}

// A linePart is a line taken apart: its dashes, its key and what follows.
type linePart struct {
	dashes []int // columns
	column int   // of what follows the dashes
	key    string
	rest   string // behind the colon, or the whole when there is no key
}

// parts takes a line apart; ok is false when there is nothing on it.
func parts(line string) (p linePart, ok bool) {
	s := &scanner{src: line}
	s.blanks()
	for s.dash(s.pos) && s.pos < len(line) {
		p.dashes = append(p.dashes, s.pos)
		s.pos++
		s.blanks()
	}
	if s.pos == len(line) || s.commentAt(s.pos) {
		p.column = s.pos
		return p, len(p.dashes) > 0
	}
	p.column, p.rest = s.pos, line[s.pos:]
	if colon := s.colonOf(s.pos); colon > s.pos {
		p.key = strings.Trim(strings.TrimRight(line[s.pos:colon], " "), `"'`)
		p.rest = line[colon+1:]
	}
	return p, true
}

// bytesOf returns how many bytes so many characters have, at most all.
func bytesOf(line string, characters int) int {
	for i := range line {
		if characters == 0 {
			return i
		}
		characters--
	}
	return len(line)
}

// cursorAt finds out what is being written at the column of a line.
func cursorAt(above []string, line string, column int) *cursor {
	at := bytesOf(line, column-1)
	c := &cursor{}
	if inComment(line[:at]) || inLiteral(above, line) {
		c.nothing = true
		return c
	}
	if first, flow := openFlow(above, line[:at]); len(flow) > 0 {
		c.inFlow(above, line, at, first, flow)
		return c
	}
	p, _ := parts(line[:at])
	if p.column > at {
		p.column = at
	}
	c.indent = utf8.RuneCountInString(line[:p.column])
	c.path = pathAbove(above, p.dashes, p.column)
	start := p.column
	if p.key != "" {
		c.path = append(c.path, p.key)
		start = at - len(strings.TrimLeft(p.rest, " "))
		c.tight = p.rest == ""
	} else {
		c.key, c.dashed = true, len(p.dashes) > 0
	}
	end := at + wordEnd(line[at:], c.key)
	c.colon = c.key && strings.HasPrefix(strings.TrimLeft(line[end:], " "), ":")
	c.word = line[start:at]
	c.from, c.to = utf8.RuneCountInString(line[:start]), utf8.RuneCountInString(line[:end])
	c.siblings = func() []string { return siblings(above, c.after, p.column, len(p.dashes) > 0) }
	return c
}

// wordEnd is how far the word under the cursor goes.
func wordEnd(rest string, key bool) int {
	if key {
		if i := strings.IndexAny(rest, ": "); i >= 0 {
			return i
		}
		return len(rest)
	}
	rest, _, _ = strings.Cut(rest, " #")
	return len(strings.TrimRight(rest, " "))
}

// inComment says whether a line's beginning ends in a comment.
func inComment(before string) bool {
	quote := byte(0)
	for i := range len(before) {
		switch ch := before[i]; {
		case quote != 0:
			if ch == quote {
				quote = 0
			}
		case (ch == '"' || ch == '\'') && (i == 0 || strings.IndexByte(" [{,", before[i-1]) >= 0):
			quote = ch
		case ch == '#' && (i == 0 || isBlank(before[i-1])):
			return true
		}
	}
	return false
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// inLiteral says whether a line belongs to a text behind | or >.
func inLiteral(above []string, line string) bool {
	indent := indentOf(line)
	for _, l := range slices.Backward(above) {
		if strings.TrimSpace(l) == "" {
			continue
		}
		if indentOf(l) < indent {
			p, _ := parts(l)
			rest, _, _ := strings.Cut(strings.TrimSpace(p.rest), " #")
			if len(rest) > 0 && len(rest) <= 3 && (rest[0] == '|' || rest[0] == '>') {
				return true
			}
			indent = indentOf(l)
		}
	}
	return false
}

// pathAbove is the path of what stands behind such dashes, at such a column,
// below these lines.
func pathAbove(above []string, dashes []int, column int) (path []string) {
	limit := column
	up := func(dashes []int) { // out of lists that begin on this line
		for _, d := range slices.Backward(dashes) {
			if d < limit {
				path = append(path, "")
				limit = d
			}
		}
	}
	up(dashes)
	inList := len(path) > 0
	for _, line := range slices.Backward(above) {
		p, ok := parts(line)
		if !ok {
			continue
		}
		switch {
		case p.key != "" && (p.column < limit || inList && p.column == limit && len(p.dashes) == 0):
			path = append(path, p.key)
			limit, inList = p.column, false
		case p.key != "" && p.column == limit && len(p.dashes) > 0, p.key == "" && len(p.dashes) > 0 && p.dashes[len(p.dashes)-1] < limit && p.rest == "":
		default:
			continue
		}
		n := len(path)
		if up(p.dashes); len(path) > n {
			inList = true
		}
		if limit == 0 && !inList {
			break
		}
	}
	slices.Reverse(path)
	return path
}

// siblings are the fields of the same mapping, above and below a line.
func siblings(above, below []string, column int, dashed bool) (names []string) {
	take := func(line string, up bool) (on bool) {
		p, ok := parts(line)
		first := p.column
		if len(p.dashes) > 0 {
			first = p.dashes[0]
		}
		switch {
		case !ok || first > column:
			return true
		case p.column == column && p.key != "" && (len(p.dashes) == 0 || up):
			names = append(names, p.key)
			return len(p.dashes) == 0
		}
		return p.column == column && len(p.dashes) == 0
	}
	if !dashed {
		for _, line := range slices.Backward(above) {
			if !take(line, true) {
				break
			}
		}
	}
	for _, line := range below {
		if !take(line, false) {
			break
		}
	}
	return names
}

// A bracket is one that is open at the cursor.
type bracket struct {
	sign  byte
	key   string   // whose value is being written, in { }
	keys  []string // before it
	token int      // where the entry under the cursor begins, in the line
}

// openFlow returns the brackets that are open at the end of a line's beginning,
// and the line, from 0, with the first of them.
func openFlow(above []string, before string) (first int, open []*bracket) {
	quote := byte(0)
	for n := range len(above) + 1 {
		line := before
		if n < len(above) {
			line = above[n]
		}
		for _, b := range open {
			b.token = 0
		}
		last := byte(0) // before what is looked at, but for blanks
		for i := 0; i < len(line); i++ {
			ch := line[i]
			value := last == 0 || strings.IndexByte(":-,[{", last) >= 0
			switch {
			case quote != 0:
				if ch == quote {
					quote = 0
				}
			case isBlank(ch):
				continue
			case ch == '#' && (i == 0 || isBlank(line[i-1])):
				i = len(line)
				continue
			case (ch == '"' || ch == '\'') && value:
				quote = ch
			case (ch == '[' || ch == '{') && value:
				if len(open) == 0 {
					first = n
				}
				open = append(open, &bracket{sign: ch, token: i + 1})
			case len(open) > 0:
				open = flowSign(open, line, i)
			}
			last = ch
		}
		if len(open) == 0 {
			quote = 0 // a text that goes over lines is not looked into
		}
	}
	return first, open
}

// flowSign takes a sign within brackets.
func flowSign(open []*bracket, line string, i int) []*bracket {
	b := open[len(open)-1]
	switch line[i] {
	case ']', '}':
		return open[:len(open)-1]
	case ',':
		b.key, b.token = "", i+1
	case ':':
		if b.sign == '{' && b.key == "" && (i+1 == len(line) || strings.IndexByte(" ,]}[{\"'", line[i+1]) >= 0) {
			b.key = strings.Trim(line[min(b.token, i):i], ` "'`)
			b.keys, b.token = append(b.keys, b.key), i+1
		}
	}
	return open
}

// inFlow finds out what is being written within brackets.
func (c *cursor) inFlow(above []string, line string, at, first int, open []*bracket) {
	begins := line
	if first < len(above) {
		begins = above[first]
	}
	p, _ := parts(begins)
	c.flow = true
	c.path = pathAbove(above[:first], p.dashes, p.column)
	if p.key != "" {
		c.path = append(c.path, p.key)
	}
	for i, b := range open {
		switch {
		case b.sign == '[':
			c.path = append(c.path, "")
		case b.key != "":
			c.path = append(c.path, b.key)
		case i == len(open)-1:
			c.key = true
		}
	}
	last := open[len(open)-1]
	start := min(last.token, at)
	start += len(line[start:at]) - len(strings.TrimLeft(line[start:at], " "))
	end := at
	for end < len(line) && strings.IndexByte(",]}", line[end]) < 0 && !(line[end] == ':' && c.key) {
		end++
	}
	c.colon = c.key && end < len(line) && line[end] == ':'
	c.tight = !c.key && last.sign == '{' && start > 0 && line[start-1] == ':'
	end = at + len(strings.TrimRight(line[at:end], " "))
	c.word = line[start:at]
	c.from, c.to = utf8.RuneCountInString(line[:start]), utf8.RuneCountInString(line[:end])
	keys := last.keys
	c.siblings = func() []string { return keys }
}
