package project

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace"
)

// A document is the text of a YAML file with what it means and where that is.
type document struct {
	src      string
	root     *node
	values   *value
	comments [][2]int
	hand     hand
}

// openDocument reads a file that is to be edited.
func openDocument(src string) (*document, error) {
	r := &report{}
	values, ok := parse([]byte(src), r)
	if len(r.problems) > 0 || !ok {
		return nil, unreadableFile(r)
	}
	root, comments, odd := layout(src)
	if odd != nil {
		return nil, millrace.Errorf(millrace.Invalid, "line %d: %s is written in a way that only a person can edit: edit the text",
			1+strings.Count(src[:min(odd.pos, len(src))], "\n"), odd.what)
	}
	if values == nil {
		values = &value{shape: shapeMap}
	} else if err := root.agree(src, values); err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "%w is written in a way that only a person can edit: edit the text", err)
	}
	return &document{src: src, root: root, values: values, comments: comments, hand: handOf(src, root)}, nil
}

func unreadableFile(r *report) error {
	p := append(r.done(), Problem{Line: 1, Message: "cannot be read"})[0]
	return millrace.Errorf(millrace.Invalid, "line %d: %s: mend that in the text first", max(p.Line, 1), p.Message)
}

// A splice replaces a piece of the text.
type splice struct {
	from, to int
	text     string
}

// make makes an edit and compares what the file says then with what it is to say.
func (d *document) make(e edit) (*document, error) {
	want := d.values.with(e)
	if want == nil {
		return nil, d.missing(e)
	}
	if e.op == "set" && len(e.path) == 0 && want.shape != shapeMap {
		return nil, millrace.Errorf(millrace.Invalid, "a file is a mapping of names to values: it cannot be %s", want.shape)
	}
	splices, err := d.splices(e)
	if err != nil {
		return nil, err
	}
	made, err := openDocument(spliced(d.src, splices))
	if (err != nil || !made.values.same(want)) && !strings.HasSuffix(d.src, "\n") {
		// Without the last line, that before it has no end, which matters to a
		// text behind | or >.
		for i, s := range splices {
			if s.to == len(d.src) && s.from < s.to && s.text == "" {
				splices[i].from = min(d.lineEnd(s.from)+len(d.hand.newline), len(d.src))
			}
		}
		made, err = openDocument(spliced(d.src, splices))
	}
	if err != nil || !made.values.same(want) {
		return nil, millrace.Errorf(millrace.Invalid, "%s: cannot be changed alone: an anchor, an alias or the way it is written ties it to other values: edit the text", pathString(e.path))
	}
	return made, nil
}

// spliced replaces the pieces, from the last to the first.
func spliced(src string, splices []splice) string {
	slices.SortStableFunc(splices, func(a, b splice) int { return cmp.Or(b.from-a.from, b.to-a.to) })
	for _, s := range splices {
		src = src[:s.from] + s.text + src[max(s.from, s.to):]
	}
	return src
}

// missing says why there is no place for an edit.
func (d *document) missing(e edit) error {
	v, at := d.values, "the file"
	for i, s := range e.path {
		next := v.child(s)
		if next == nil && (v.shape == shapeNull || v.shape == shapeMap && s.index < 0 || v.shape == shapeList && s.index >= 0) {
			return millrace.Errorf(millrace.NotFound, "%s: there is no such value in the file", pathString(e.path[:i+1]))
		}
		if next == nil {
			break
		}
		v, at = next, pathString(e.path[:i+1])
	}
	return millrace.Errorf(millrace.Invalid, "%s: is %s, which cannot be changed so: edit the text", at, v.shape)
}

// splices are the pieces of text that an edit replaces.
func (d *document) splices(e edit) ([]splice, error) {
	if len(e.path) == 0 { // the whole file, which says nothing yet or is to say nothing
		return d.replaceRoot(e.value)
	}
	trail := []*node{d.root}
	n := d.root
	for i, s := range e.path {
		k := n.entryOf(s)
		last := i == len(e.path)-1
		if e.op == "insert" && last {
			return d.insert(n, s.index, e.value)
		}
		if k < 0 {
			return d.extend(trail, e, i)
		}
		if last && e.op == "remove" {
			return d.remove(trail, e.path, k)
		}
		n = n.entries[k].value
		trail = append(trail, n)
	}
	container := trail[len(trail)-2]
	if e.op == "append" {
		if n.kind == nodeList && (len(n.entries) > 0 || n.flow) {
			return d.insert(n, len(n.entries), e.value)
		}
		return d.replace(container, n, &value{shape: shapeList, items: []*value{e.value}})
	}
	return d.replace(container, n, e.value)
}

// extend makes what an edit's path does not find from its step i on.
func (d *document) extend(trail []*node, e edit, i int) ([]splice, error) {
	n := trail[i]
	v := e.value
	if e.op == "append" {
		v = &value{shape: shapeList, items: []*value{v}}
	}
	for k := len(e.path) - 1; k > i; k-- {
		v = &value{shape: shapeMap, fields: []field{{name: e.path[k].name, value: v}}}
	}
	made := &value{shape: shapeMap, fields: []field{{name: e.path[i].name, value: v}}}
	switch {
	case e.op == "remove":
		return nil, millrace.Errorf(millrace.Invalid, "%s: comes from an anchor: edit the text", pathString(e.path))
	case n.kind == nodeAlias:
		return nil, millrace.Errorf(millrace.Invalid, "%s: is %s, so it stands elsewhere: edit the text", pathString(e.path[:i]), d.src[n.start:n.end])
	case n.kind == nodeMap && n.flow:
		return d.insertInline(n, len(n.entries), d.hand.key(e.path[i].name, true)+": "+d.hand.inline(v, true, 0)), nil
	case n.kind == nodeMap:
		return d.linesBehind(n.entries[len(n.entries)-1].value.end, d.hand.fieldLines(made, n.indent)), nil
	case i == 0:
		return d.replaceRoot(made)
	}
	return d.replace(trail[i-1], n, made)
}

// replaceRoot writes a file that says nothing yet, or takes everything out.
func (d *document) replaceRoot(v *value) ([]splice, error) {
	var out []splice
	end := len(d.src)
	switch {
	case d.root.kind == nodeNull:
	case d.root.kind == nodeMap && !d.root.flow:
		out = append(out, d.lines(d.root.start, d.root.end))
	default:
		out = append(out, splice{d.root.start, d.root.end, ""})
	}
	if v == nil || len(v.fields) == 0 {
		return out, nil
	}
	text := strings.Join(d.hand.fieldLines(v, 0), d.hand.newline)
	switch {
	case len(out) > 0:
		out[0].text = text + d.hand.newline
	case end > 0 && !strings.HasSuffix(d.src, "\n") && d.src != "\ufeff":
		out = []splice{{end, end, d.hand.newline + text}}
	default:
		out = []splice{{end, end, text + d.hand.newline}}
	}
	return out, nil
}

// lineEnd is the end of a line, before its line break.
func (d *document) lineEnd(pos int) int {
	end := strings.IndexByte(d.src[pos:], '\n')
	if end < 0 {
		return len(d.src)
	}
	if end += pos; end > pos && d.src[end-1] == '\r' {
		end--
	}
	return end
}

func (d *document) lineStart(pos int) int { return (&scanner{src: d.src}).lineStart(pos) }

// lines takes out whole lines, with their line breaks; the last line of a file
// that does not end with one takes that before it.
func (d *document) lines(from, to int) splice {
	from, to = d.lineStart(from), d.lineEnd(to)
	if i := strings.IndexByte(d.src[to:], '\n'); i >= 0 {
		return splice{from, to + i + 1, ""}
	}
	if from > 0 && d.src[from-1] == '\n' {
		if from--; from > 0 && d.src[from-1] == '\r' {
			from--
		}
	}
	return splice{from, len(d.src), ""}
}

// linesBehind puts lines behind the one that holds pos.
func (d *document) linesBehind(pos int, lines []string) []splice {
	if len(lines) == 0 {
		return nil
	}
	end := d.lineEnd(pos)
	return []splice{{end, end, d.hand.newline + strings.Join(lines, d.hand.newline)}}
}

// replace writes another value in place of one.
func (d *document) replace(container, n *node, v *value) ([]splice, error) {
	if container.flow || n.flow && (v.shape == shapeList && len(v.items) > 0) {
		return d.replaceInline(n, d.hand.inline(v, true, n.quote)), nil
	}
	list, mapping := container.indent+d.hand.dashes, container.indent+d.hand.step
	if container.kind == nodeList {
		list, mapping = container.indent+2, container.indent+2
	}
	dashed := container.kind == nodeList && d.src[n.at-1] == '-'
	if column := n.start - d.lineStart(n.start); dashed && n.kind == nodeScalar && column > container.indent {
		list, mapping = column, column
	}
	inline, below := d.hand.lines(v, list, mapping, n.quote)
	if dashed && inline == "" && len(below) > 0 && n.kind <= nodeScalar {
		inline, below = strings.TrimLeft(below[0], " "), below[1:] // on the line of the dash
	}
	if container.kind == nodeList && inline == "" && len(below) == 0 {
		inline = "null" // with nothing behind it, a dash is read in several ways
	}
	block := !n.flow && (n.kind == nodeMap || n.kind == nodeList)
	if !block || d.lineStart(n.start) == d.lineStart(n.at) {
		end := n.end
		if n.quote == '|' || n.quote == '>' {
			end = n.start
		}
		return append(d.linesBehind(end, below), d.replaceInline(n, inline)...), nil
	}
	out := []splice{d.lines(n.start, n.end)}
	if inline != "" {
		out = append(out, splice{n.at, n.at, " " + inline})
	}
	return append(out, d.linesBehind(n.at, below)...), nil
}

// replaceInline writes what stands behind a colon or dash on its line.
func (d *document) replaceInline(n *node, inline string) []splice {
	if n.quote == '|' || n.quote == '>' { // a comment on its first line stays
		sign := n.start + strings.IndexFunc(d.src[n.start:]+" ", unicode.IsSpace)
		head := d.lineEnd(n.start)
		return append(d.replaceInline(&node{kind: nodeScalar, at: n.at, start: n.start, end: sign}, inline), splice{head, max(head, n.end), ""})
	}
	switch {
	case inline == "":
		return []splice{{n.at, n.end, ""}}
	case n.start == n.at && n.at > 0 && strings.IndexByte(":-", d.src[n.at-1]) >= 0, n.kind == nodeNull && n.at > 0:
		return []splice{{n.start, n.end, " " + inline}}
	}
	return []splice{{n.start, n.end, inline}}
}

// insert puts an item into a list, before the one of that number.
func (d *document) insert(n *node, i int, v *value) ([]splice, error) {
	if n.flow {
		return d.insertInline(n, i, d.hand.inline(v, true, 0)), nil
	}
	if n.kind != nodeList {
		return nil, millrace.Errorf(millrace.Invalid, "the list is written in a way that only a person can edit: edit the text")
	}
	lines := d.hand.itemLines(v, n.indent)
	if i > 0 {
		return d.linesBehind(n.entries[i-1].value.end, lines), nil
	}
	start := d.lineStart(n.start)
	if start+n.indent != n.start || strings.Trim(d.src[start:n.start], " ") != "" {
		return nil, millrace.Errorf(millrace.Invalid, "the list begins behind another sign: edit the text")
	}
	return []splice{{start, start, strings.Join(lines, d.hand.newline) + d.hand.newline}}, nil
}

// insertInline puts an item or field into brackets.
func (d *document) insertInline(n *node, i int, text string) []splice {
	switch {
	case len(n.entries) == 0:
		return []splice{{n.start + 1, n.start + 1, text}}
	case i < len(n.entries):
		return []splice{{n.entries[i].start, n.entries[i].start, text + ", "}}
	}
	last := n.entries[i-1]
	start := d.lineStart(last.start)
	indent := d.src[start:last.start]
	own := strings.Trim(indent, " \t") == "" && d.lineStart(n.start) != start && d.lineEnd(last.value.end) < n.end-1
	switch {
	case own && last.comma >= 0: // each on a line of its own
		return []splice{{d.lineEnd(last.comma), d.lineEnd(last.comma), d.hand.newline + indent + text + ","}}
	case own:
		end := d.lineEnd(last.value.end)
		return []splice{{end, end, d.hand.newline + indent + text}, {last.value.end, last.value.end, ","}}
	case last.comma >= 0:
		return []splice{{last.comma + 1, last.comma + 1, " " + text + ","}}
	}
	return []splice{{last.value.end, last.value.end, ", " + text}}
}

// remove takes an entry of the last node of the trail away.
func (d *document) remove(trail []*node, path []step, k int) ([]splice, error) {
	n := trail[len(trail)-1]
	e := n.entries[k]
	if len(n.entries) == 1 && len(trail) > 1 {
		empty := &value{shape: shapeMap}
		if n.kind == nodeList {
			empty.shape = shapeList
		}
		return d.replace(trail[len(trail)-2], n, empty)
	}
	start := d.lineStart(e.start)
	alone := strings.Trim(d.src[start:e.start], " ") == ""
	var s splice
	switch {
	case n.flow:
		s = d.withoutInline(n, k)
	case alone:
		return []splice{d.withoutBlank(d.lines(e.start, e.value.end))}, nil
	default: // behind the dash of a list around it
		s = splice{e.start, n.entries[k+1].start, ""}
	}
	for _, c := range d.comments {
		if c[0] >= s.from && c[0] < s.to && (c[0] < e.start || c[0] > d.lineEnd(e.value.end)) {
			return nil, millrace.Errorf(millrace.Invalid, "%s: a comment stands before what follows it: edit the text", pathString(path))
		}
	}
	return []splice{s}, nil
}

// withoutInline takes an entry out of brackets.
func (d *document) withoutInline(n *node, k int) splice {
	e := n.entries[k]
	switch {
	case k+1 < len(n.entries):
		return splice{e.start, n.entries[k+1].start, ""}
	case k > 0 && e.comma >= 0:
		return splice{n.entries[k-1].comma + 1, e.comma + 1, ""}
	case k > 0:
		return splice{n.entries[k-1].comma, e.value.end, ""}
	}
	return splice{n.start + 1, n.end - 1, ""}
}

// withoutBlank leaves one blank line where two would meet.
func (d *document) withoutBlank(s splice) splice {
	blank := func(line string) bool { return strings.Trim(line, " \t\r\n") == "" }
	before := d.lineStart(max(s.from-1, 0))
	after := d.lineEnd(s.to)
	if s.from > 0 && s.from == d.lineStart(s.from) && blank(d.src[before:s.from]) && (s.to == len(d.src) || blank(d.src[s.to:after])) {
		s.from = before
	}
	return s
}
