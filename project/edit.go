package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// A Change is one change of a YAML file.
type Change struct {
	// Op is "set", "append" or "remove".
	Op string `json:"op"`
	// Path leads to the value: names of fields, and numbers of items from 0.
	// An empty one is the whole file.
	Path []any `json:"path"`
	// Value is what a file may hold: nil, bool, string, numbers, []any,
	// map[string]any, or Fields, which have an order.
	Value any `json:"value,omitempty"`
}

// Edit makes changes in the text of a YAML file, one after another. Comments,
// order, blank lines, quotes and ends of lines stay as they are; only comments
// within what is removed, or behind it on its line, go with it.
//
//   - set gives a value, and makes the fields on the way to it that are missing.
//     A mapping or list in place of another one changes only what differs.
//   - append adds an item to a list, and makes the list if there is none.
//   - remove takes a field or item away, and is NotFound when there is none.
//
// No other value of the file is ever changed: what cannot be done without that,
// such as an edit of what an alias repeats, is Invalid, as is a file that
// cannot be read. Then the text is for a person to edit.
func Edit(text []byte, changes ...Change) ([]byte, error) {
	src := string(text)
	if len(changes) > maxSteps || len(changes)*len(src) > maxReadBytes {
		return nil, tooMany()
	}
	for _, c := range changes {
		path, err := stepsOf(c.Path)
		if err != nil {
			return nil, err
		}
		var v *value
		if c.Op != "remove" {
			if v, err = valueOf(c.Value, 0); err != nil {
				return nil, err
			}
		}
		if src, err = change(src, c.Op, path, v); err != nil {
			return nil, err
		}
	}
	return []byte(src), nil
}

// maxSteps is how many places are changed at once, and maxReadBytes how much
// may be read for that: after each, the file is read again.
const (
	maxSteps     = 500
	maxReadBytes = 16 << 20
)

func tooMany() error {
	return millrace.Errorf(millrace.Invalid, "more than %d changes at once, or too many for so large a file: edit the text", maxSteps)
}

// UnmarshalJSON reads a change; the fields of its value keep their order.
func (c *Change) UnmarshalJSON(data []byte) error {
	var raw struct {
		Op    string          `json:"op"`
		Path  []any           `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*c = Change{Op: raw.Op, Path: raw.Path}
	if raw.Value == nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw.Value))
	d.UseNumber()
	var err error
	c.Value, err = ordered(d, 0)
	return err
}

// ordered reads the next value.
func ordered(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, millrace.Errorf(millrace.Invalid, "the value is nested deeper than %d levels", maxDepth)
	}
	switch t {
	case json.Delim('['):
		items := []any{}
		for d.More() {
			item, err := ordered(d, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		_, err = d.Token()
		return items, err
	case json.Delim('{'):
		fields := Fields{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			inner, err := ordered(d, depth+1)
			if err != nil {
				return nil, err
			}
			fields = append(fields, Field{name.(string), inner})
		}
		_, err = d.Token()
		return fields, err
	}
	return t, nil
}

// change makes one change, in as many steps as keep most of what is there.
func change(src, op string, path []step, v *value) (string, error) {
	d, err := openDocument(src)
	if err != nil {
		return "", err
	}
	steps := []edit{{op, path, v}}
	switch op {
	case "set":
		old, n := d.values, d.root
		for _, s := range path {
			if n != nil {
				n = n.child(s)
			}
			if old != nil {
				old = old.child(s)
			}
		}
		steps = differences(path, old, n, v)
	case "append", "remove":
		if len(path) == 0 {
			return "", millrace.Errorf(millrace.Invalid, "the path is empty: name the field")
		}
	default:
		return "", millrace.Errorf(millrace.Invalid, "there is no change %.40q: it is set, append or remove", op)
	}
	if len(steps) > maxSteps || len(steps)*len(src) > maxReadBytes {
		return "", tooMany()
	}
	for i, e := range steps {
		if i > 0 {
			if d, err = openDocument(d.src); err != nil {
				return "", err
			}
		}
		if d, err = d.make(e); err != nil {
			return "", err
		}
	}
	return d.src, nil
}

// An edit is one step of a change; it may be "insert" too, which puts an item
// before the one that its path names.
type edit struct {
	op    string
	path  []step
	value *value
}

// A step leads into a mapping by name or into a list by number.
type step struct {
	name  string
	index int // -1 when it is a name
}

func (s step) String() string {
	if s.index >= 0 {
		return fmt.Sprintf("[%d]", s.index)
	}
	return clip(s.name)
}

func pathString(path []step) string {
	var b strings.Builder
	for _, s := range path {
		if b.Len() > 0 && s.index < 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.String())
	}
	return b.String()
}

func stepsOf(path []any) ([]step, error) {
	if len(path) > maxDepth {
		return nil, millrace.Errorf(millrace.Invalid, "the path is longer than %d steps", maxDepth)
	}
	steps := make([]step, len(path))
	for i, p := range path {
		number := -1.0
		switch p := p.(type) {
		case string:
			if _, err := textValue(p); err != nil || p == "" {
				return nil, millrace.Errorf(millrace.Invalid, "path[%d]: %.80q cannot be the name of a field", i, p)
			}
			steps[i] = step{p, -1}
			continue
		case int:
			number = float64(p)
		case float64:
			number = p
		case json.Number:
			number, _ = p.Float64()
		}
		if number < 0 || number != math.Trunc(number) || number > maxValues {
			return nil, millrace.Errorf(millrace.Invalid, "path[%d]: write the name of a field, or the number of an item from 0", i)
		}
		steps[i] = step{"", int(number)}
	}
	return steps, nil
}

func (v *value) child(s step) *value {
	switch {
	case s.index >= 0 && v.shape == shapeList && s.index < len(v.items):
		return v.items[s.index]
	case s.index < 0 && v.shape == shapeMap:
		if f := v.field(s.name); f != nil {
			return f.value
		}
	}
	return nil
}

// entryOf returns the number of an entry, or -1.
func (n *node) entryOf(s step) int {
	switch {
	case s.index >= 0 && n.kind == nodeList && s.index < len(n.entries):
		return s.index
	case s.index < 0 && n.kind == nodeMap:
		return slices.IndexFunc(n.entries, func(e entry) bool { return e.key == s.name })
	}
	return -1
}

func (n *node) child(s step) *node {
	if i := n.entryOf(s); i >= 0 {
		return n.entries[i].value
	}
	return nil
}

// longestDiff is the longest list that is compared item by item, mostFields
// the largest mapping that is compared field by field.
const (
	longestDiff = 500
	mostFields  = 5000
)

// differences are the steps that make one value of another: of mappings and
// lists, only of those parts that differ.
func differences(path []step, old *value, n *node, v *value) []edit {
	whole := []edit{{"set", path, v}}
	switch {
	case old == nil || n == nil:
		return whole
	case old.same(v):
		return nil
	case n.kind == nodeMap && v.shape == shapeMap && len(v.fields) > 0 && len(v.fields)+len(old.fields) <= mostFields:
		var out []edit
		for _, f := range v.fields {
			s := step{f.name, -1}
			out = append(out, differences(below(path, s), old.child(s), n.child(s), f.value)...)
		}
		for _, f := range old.fields {
			if v.field(f.name) == nil {
				out = append(out, edit{"remove", below(path, step{f.name, -1}), nil})
			}
		}
		return out
	case n.kind == nodeList && v.shape == shapeList && len(v.items) > 0 && len(n.entries) > 0 && len(v.items)+len(old.items) <= 2*longestDiff:
		return listDifferences(path, old, n, v)
	}
	return whole
}

func below(path []step, s step) []step { return append(slices.Clip(path), s) }

// listDifferences goes from the end, so that the numbers before stay.
func listDifferences(path []step, old *value, n *node, v *value) (out []edit) {
	kept := common(old.items, v.items)
	i, j := len(old.items), len(v.items)
	for k := len(kept); k >= 0; k-- {
		from := [2]int{-1, -1}
		if k > 0 {
			from = kept[k-1]
		}
		gone, come := i-from[0]-1, j-from[1]-1
		replace := 0
		if gone == come && (gone == 1 || gone > 0 && old.items[i-1].shape == shapeMap) {
			replace = gone
		}
		for r := range replace {
			at := below(path, step{"", i - 1 - r})
			out = append(out, differences(at, old.items[i-1-r], n.entries[i-1-r].value, v.items[j-1-r])...)
		}
		for c := range come - replace {
			out = append(out, edit{"insert", below(path, step{"", i}), v.items[j-1-c]})
		}
		for g := range gone - replace {
			out = append(out, edit{"remove", below(path, step{"", i - 1 - g}), nil})
		}
		i, j = from[0], from[1]
	}
	return out
}

// common are the pairs of items that both lists have, in order, as many as
// there can be.
func common(a, b []*value) (pairs [][2]int) {
	lengths := make([][]int, len(a)+1)
	for i := range lengths {
		lengths[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].same(b[j]) {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].same(b[j]):
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case lengths[i+1][j] >= lengths[i][j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// with returns the value that an edit is to make; v itself is not changed,
// since aliases share values. It returns nil when there is no such place.
func (v *value) with(e edit) *value {
	if len(e.path) == 0 {
		switch {
		case e.op == "set":
			return e.value
		case e.op == "append" && v.shape == shapeNull:
			return &value{shape: shapeList, items: []*value{e.value}}
		case e.op == "append" && v.shape == shapeList:
			return &value{shape: shapeList, items: append(slices.Clip(v.items), e.value)}
		}
		return nil
	}
	s, rest := e.path[0], edit{e.op, e.path[1:], e.value}
	last := len(rest.path) == 0
	switch {
	case s.index >= 0 && v.shape == shapeList:
		out := &value{shape: shapeList, items: slices.Clone(v.items)}
		switch {
		case last && e.op == "insert" && s.index <= len(v.items):
			out.items = slices.Insert(out.items, s.index, e.value)
			return out
		case s.index >= len(v.items):
			return nil
		case last && e.op == "remove":
			out.items = slices.Delete(out.items, s.index, s.index+1)
			return out
		}
		out.items[s.index] = v.items[s.index].with(rest)
		if out.items[s.index] == nil {
			return nil
		}
		return out
	case s.index < 0 && (v.shape == shapeMap || v.shape == shapeNull):
		return v.withField(s.name, rest, last)
	}
	return nil
}

func (v *value) withField(name string, rest edit, last bool) *value {
	out := &value{shape: shapeMap, fields: slices.Clone(v.fields)}
	i := slices.IndexFunc(out.fields, func(f field) bool { return f.name == name })
	if last && rest.op == "remove" {
		if i < 0 {
			return nil
		}
		out.fields = slices.Delete(out.fields, i, i+1)
		return out
	}
	inner := &value{}
	if i >= 0 {
		inner = out.fields[i].value
	} else {
		i = len(out.fields)
		out.fields = append(out.fields, field{name: name})
	}
	if out.fields[i].value = inner.with(rest); out.fields[i].value == nil {
		return nil
	}
	return out
}
