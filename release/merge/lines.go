package merge

import (
	"bytes"
	"slices"
	"strings"

	"github.com/millrace/millrace/release/diff"
)

// A chunk is a piece of three texts, line by line: what all have, or where a
// side differs from the base.
type chunk struct{ base, ours, theirs []string }

// merged returns the chunk's lines; false when the sides differ in different ways.
func (c chunk) merged() ([]string, bool) {
	switch {
	case slices.Equal(c.ours, c.theirs), slices.Equal(c.theirs, c.base):
		return c.ours, true
	case slices.Equal(c.ours, c.base):
		return c.theirs, true
	}
	return nil, false
}

// chunks takes three texts apart. Changes of both sides without an unchanged
// line between them are in one chunk.
func chunks(base, ours, theirs []string) (out []chunk) {
	inOurs, inTheirs := partners(base, ours), partners(base, theirs)
	i, x, y := 0, 0, 0
	for i < len(base) || x < len(ours) || y < len(theirs) {
		end := i
		for end < len(base) && inOurs[end] == x+end-i && inTheirs[end] == y+end-i {
			end++
		}
		if end > i {
			n := end - i
			out = append(out, chunk{base[i:end], ours[x : x+n], theirs[y : y+n]})
			i, x, y = end, x+n, y+n
			continue
		}
		next := i
		for next < len(base) && (inOurs[next] < x || inTheirs[next] < y) {
			next++
		}
		nx, ny := len(ours), len(theirs)
		if next < len(base) {
			nx, ny = inOurs[next], inTheirs[next]
		}
		out = append(out, chunk{base[i:next], ours[x:nx], theirs[y:ny]})
		i, x, y = next, nx, ny
	}
	return out
}

// partners gives each line the number of the one that it is in the other text, or -1.
func partners(from, to []string) []int {
	out := make([]int, len(from))
	for i := range out {
		out[i] = -1
	}
	for _, m := range diff.Matches(from, to) {
		for k := range m.N {
			out[m.A+k] = m.B + k
		}
	}
	return out
}

// byLines merges three lists of lines; false when there is a conflict.
func byLines(base, ours, theirs []string) ([]string, bool) {
	var out []string
	for _, c := range chunks(base, ours, theirs) {
		lines, ok := c.merged()
		if !ok {
			return nil, false
		}
		out = append(out, lines...)
	}
	return out, true
}

// textConflicts are the places where the sides differ in different ways.
func textConflicts(base, ours, theirs string) (out []Conflict) {
	line := 1
	for _, c := range chunks(diff.Lines(base), diff.Lines(ours), diff.Lines(theirs)) {
		if _, ok := c.merged(); !ok {
			out = append(out, Conflict{Line: line, Why: "both sides changed these lines",
				Base: joined(c.base), Ours: joined(c.ours), Theirs: joined(c.theirs)})
		}
		line += len(c.ours)
	}
	return out
}

func joined(lines []string) *string {
	text := strings.Join(lines, "")
	return &text
}

// Marks of the sides in a text that a person is to finish.
const (
	markOurs   = "<<<<<<< yours\n"
	markBase   = "||||||| before\n"
	markTheirs = "=======\n"
	markEnd    = ">>>>>>> theirs\n"
)

// FirstMark is the line, from 1, at which a text has the first mark that Marked
// makes; 0: it has none.
func FirstMark(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		if n++; string(bytes.TrimRight(line, "\r\n")) == strings.TrimSuffix(markOurs, "\n") {
			return n
		}
	}
	return 0
}

// Marked merges three texts, with both sides and the base of a conflict between
// marks. There is always one: where the lines go together, and what they say does
// not, it is everything.
func Marked(base, ours, theirs string) string {
	if text := marked(base, ours, theirs); strings.Contains(text, markOurs) || ours == theirs {
		return text
	}
	return marked("", ours, theirs)
}

func marked(base, ours, theirs string) string {
	var b strings.Builder
	put := func(lines []string) {
		for _, l := range lines {
			b.WriteString(l)
		}
		if len(lines) > 0 && !strings.HasSuffix(lines[len(lines)-1], "\n") {
			b.WriteByte('\n')
		}
	}
	all := chunks(diff.Lines(base), diff.Lines(ours), diff.Lines(theirs))
	for i, c := range all {
		if lines, ok := c.merged(); ok {
			if i < len(all)-1 {
				put(lines)
			} else {
				b.WriteString(strings.Join(lines, ""))
			}
			continue
		}
		b.WriteString(markOurs)
		put(c.ours)
		b.WriteString(markBase)
		put(c.base)
		b.WriteString(markTheirs)
		put(c.theirs)
		b.WriteString(markEnd)
	}
	return b.String()
}
