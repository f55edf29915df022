package merge

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// A block is a mapping whose fields have lines of their own, taken apart so that
// all its lines are in one of its pieces.
type block struct {
	head   []string // before the first field
	fields []piece
}

// A piece is a field with the comments right above it.
type piece struct {
	name     string
	comments []string
	line     string   // the one of its name
	rest     []string // the other lines of its value
	gap      []string // blank lines and other comments behind it

	number int // of its line, from 0
	column int
}

func (p *piece) own() []string {
	return slices.Concat(p.comments, []string{p.line}, p.rest)
}

// A sheet is a text with the places of its fields.
type sheet struct {
	lines  []string
	places map[string][]project.Place // of the fields of a mapping, by the path of that
}

// sheetOf reads a text; false when it has to be left whole.
func sheetOf(text string) (*sheet, bool) {
	_, places, problems := project.Read([]byte(text))
	if len(problems) > 0 || len(places) >= 20_000 {
		return nil, false
	}
	s := &sheet{lines: diff.Lines(text), places: map[string][]project.Place{}}
	if n := len(s.lines); n > 0 && !strings.HasSuffix(s.lines[n-1], "\n") {
		s.lines[n-1] += "\n"
	}
	for _, p := range places {
		last := len(p.Path) - 1
		if p.Shared {
			return nil, false // an anchor: lines say more than their own field
		}
		if _, ok := p.Path[last].(string); ok {
			parent := fieldPath(p.Path[:last])
			s.places[parent] = append(s.places[parent], p)
		}
	}
	return s, true
}

// mostFields is the largest mapping that is merged field by field; a larger one
// is merged by lines, or by a person.
const mostFields = 2000

// block takes a mapping apart that stands in lines from to to, below a field in
// column above (0 for the file itself).
func (s *sheet) block(at []any, from, to, above int) (block, bool) {
	places := slices.Clone(s.places[fieldPath(at)])
	if len(places) > mostFields {
		return block{}, false
	}
	slices.SortFunc(places, func(a, b project.Place) int { return a.Line - b.Line })
	var b block
	start := from
	for i, p := range places {
		line := p.Line - 1
		switch {
		case len(p.Path) != len(at)+1, line < start, line >= to, p.Column <= above, p.Column != places[0].Column:
			return block{}, false
		case strings.TrimLeft(s.lines[line][:min(p.Column-1, len(s.lines[line]))], " ") != "":
			return block{}, false // behind a dash, or in brackets
		}
		first := line
		for first > start && s.isComment(first-1, p.Column) {
			first--
		}
		if i == 0 {
			b.head = s.lines[from:first]
		} else {
			b.fields[i-1].end(s, first)
		}
		b.fields = append(b.fields, piece{name: p.Path[len(at)].(string), comments: s.lines[first:line], line: s.lines[line], number: line, column: p.Column})
		start = line + 1
	}
	if len(b.fields) == 0 {
		return block{}, false
	}
	b.fields[len(b.fields)-1].end(s, to)
	return b, true
}

// isComment says whether a line is a comment that can belong to no value of a
// field in that column, such as a text behind |.
func (s *sheet) isComment(line, column int) bool {
	text := strings.TrimLeft(s.lines[line], " ")
	return strings.HasPrefix(text, "#") && len(s.lines[line])-len(text) < column
}

// end gives a piece its lines up to the one before.
func (p *piece) end(s *sheet, before int) {
	last := before
	for last > p.number+1 && (strings.TrimSpace(s.lines[last-1]) == "" || s.isComment(last-1, p.column)) {
		last--
	}
	p.rest, p.gap = s.lines[p.number+1:last], s.lines[last:before]
}

func (b *block) find(name string) *piece {
	for i := range b.fields {
		if b.fields[i].name == name {
			return &b.fields[i]
		}
	}
	return nil
}

// order is the names in the order that they are to have: that of ours, unless
// only theirs has changed it, and new ones behind what they stand behind.
func order(base, ours, theirs *block) []string {
	names := func(b *block) (out []string) {
		for _, p := range b.fields {
			out = append(out, p.name)
		}
		return out
	}
	first, second := names(ours), names(theirs)
	both := func(list, in []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(n string) bool { return !slices.Contains(in, n) })
	}
	b := names(base)
	if slices.Equal(both(b, first), both(first, b)) && !slices.Equal(both(b, second), both(second, b)) {
		first, second = second, first
	}
	out := slices.Clone(first)
	for i, name := range second {
		if slices.Contains(out, name) {
			continue
		}
		at := 0
		if i > 0 {
			at = slices.Index(out, second[i-1]) + 1
		}
		out = slices.Insert(out, at, name)
	}
	return out
}

// A weaver merges the texts of three files field by field.
type weaver struct {
	base, ours, theirs *sheet
	meant              [3]any // what they say
	changes            []project.Change
}

// weave merges three blocks; false when that cannot be done by lines.
func (w *weaver) weave(at []any, b, o, t block) ([]string, bool) {
	out, ok := byLines(b.head, o.head, t.head)
	if !ok {
		return nil, false
	}
	for _, name := range order(&b, &o, &t) {
		lines, ok := w.field(below(at, name), b.find(name), o.find(name), t.find(name))
		if !ok {
			return nil, false
		}
		out = append(out, lines...)
	}
	return out, true
}

// field merges one field.
func (w *weaver) field(at []any, b, o, t *piece) ([]string, bool) {
	switch {
	case o == nil && t == nil:
		return nil, true
	case t == nil && b == nil, t != nil && b != nil && o == nil && slices.Equal(b.own(), t.own()):
		return lone(o), true
	case o == nil && b == nil, o != nil && b != nil && t == nil && slices.Equal(b.own(), o.own()):
		return lone(t), true
	case o == nil || t == nil:
		return nil, false
	}
	none := piece{}
	if b == nil {
		b = &none
	}
	gap, ok := byLines(b.gap, o.gap, t.gap)
	if !ok {
		return nil, false
	}
	own, ok := byLines(b.own(), o.own(), t.own())
	if b == &none {
		ok = slices.Equal(o.own(), t.own())
	}
	if !ok {
		own, ok = w.inside(at, b, o, t)
	}
	return append(own, gap...), ok
}

// lone is a field that one side alone has, or nothing where it was removed.
func lone(p *piece) []string {
	if p == nil {
		return nil
	}
	return append(p.own(), p.gap...)
}

// inside merges a field that both changed: its comments, and then its fields,
// or its value as the last resort.
func (w *weaver) inside(at []any, b, o, t *piece) ([]string, bool) {
	comments, ok := byLines(b.comments, o.comments, t.comments)
	if !ok {
		return nil, false
	}
	bb, okBase := w.base.below(at, b)
	ob, okOurs := w.ours.below(at, o)
	tb, okTheirs := w.theirs.below(at, t)
	if okBase && okOurs && okTheirs {
		if line, ok := byLines(lineOf(b), lineOf(o), lineOf(t)); ok {
			if inner, ok := w.weave(at, bb, ob, tb); ok && len(inner) > 0 {
				return slices.Concat(comments, line, inner), true
			}
		}
	}
	m := &meaning{}
	m.merge(at, valueAt(w.meant[0], at), valueAt(w.meant[1], at), valueAt(w.meant[2], at))
	if len(m.conflicts) > 0 {
		return nil, false
	}
	w.changes = append(w.changes, m.changes...)
	return slices.Concat(comments, []string{o.line}, o.rest), true
}

func lineOf(p *piece) []string {
	if p.line == "" {
		return nil
	}
	return []string{p.line}
}

// below is the mapping that a field holds; an absent field has an empty one.
func (s *sheet) below(at []any, p *piece) (block, bool) {
	if p.line == "" {
		return block{}, true
	}
	return s.block(at, p.number+1, p.number+1+len(p.rest), p.column)
}

func valueAt(v any, at []any) any {
	for _, step := range at {
		fields, ok := v.(project.Fields)
		if !ok {
			return none{}
		}
		v = get(index(fields), step.(string))
	}
	return v
}
