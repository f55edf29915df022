package collect

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
)

// maxPathBytes and maxNameBytes bound a path in a message, and a name in it.
const (
	maxPathBytes = 200
	maxNameBytes = 60
)

// A step is an object or array on the way to a place.
type step struct {
	array    bool
	index    int // of an array
	from, to int // the key of an object
	inValue  bool
}

// pathTo returns the path of what lies at offset at in the value that begins at
// start: "properties.items[3].name". What is there is JSON up to that offset, of
// any depth.
func pathTo(b []byte, start, at int) string {
	var steps []step
	deeper := 0 // than is remembered
	for i := start; i < at && i < len(b); i++ {
		c := b[i]
		if c == '"' {
			end := stringEnd(b, i)
			if n := len(steps); deeper == 0 && n > 0 && !steps[n-1].array && !steps[n-1].inValue {
				steps[n-1].from, steps[n-1].to = i+1, end
			}
			i = end
			continue
		}
		if (c == '{' || c == '[') && len(steps) == maxDepth {
			deeper++
			continue
		}
		if (c == '}' || c == ']') && deeper > 0 {
			deeper--
			continue
		}
		if c == '{' || c == '[' {
			steps = append(steps, step{array: c == '['})
			continue
		}
		if len(steps) == 0 || deeper > 0 {
			continue
		}
		last := &steps[len(steps)-1]
		switch c {
		case '}', ']':
			steps = steps[:len(steps)-1]
		case ':':
			last.inValue = true
		case ',':
			last.inValue = false
			last.index++
		}
	}
	if n := len(steps); n > 0 && at < len(b) && b[at] == '"' && !steps[n-1].array && !steps[n-1].inValue {
		steps[n-1].from, steps[n-1].to = at+1, stringEnd(b, at) // a key itself
	}
	return written(b, steps)
}

// stringEnd returns where the string at i ends: its quote, or the end of b.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i, len(b))
}

func written(b []byte, steps []step) string {
	var path []byte
	for _, s := range steps {
		if len(path) > maxPathBytes {
			return string(path) + "…"
		}
		switch {
		case s.array:
			path = append(path, '[')
			path = strconv.AppendInt(path, int64(s.index), 10)
			path = append(path, ']')
		case s.to > s.from:
			if len(path) > 0 {
				path = append(path, '.')
			}
			path = append(path, clip(string(b[s.from:s.to]), maxNameBytes)...)
		}
	}
	return string(path)
}

// clip keeps text that others sent short and printable.
func clip(s string, most int) string {
	short := s[:min(len(s), most)]
	short = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, short)
	if len(s) > most {
		short = strings.TrimRight(short, "?") + "…"
	}
	return short
}

// place says where the offset at lies in the body: path, line and byte of the
// line, both from 1. start is where the value begins. Offsets of one body have
// to grow from call to call.
func (s *scanner) place(start, at int) string {
	at = min(at, len(s.b))
	s.line += bytes.Count(s.b[s.counted:max(at, s.counted)], []byte{'\n'})
	s.counted = max(at, s.counted)
	where := "line " + strconv.Itoa(s.line+1) + ", byte " + strconv.Itoa(at-bytes.LastIndexByte(s.b[:at], '\n'))
	if path := pathTo(s.b, start, at); path != "" {
		return path + " (" + where + ")"
	}
	return where
}
