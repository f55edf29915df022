package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/millrace/millrace"
)

// Fields are a mapping whose order matters, as the Value of a Change.
type Fields []Field

// A Field is a name and its value.
type Field struct {
	Name  string
	Value any
}

// valueOf takes a Go value for what a file would hold.
func valueOf(v any, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, millrace.Errorf(millrace.Invalid, "the value is nested deeper than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return &value{}, nil
	case string:
		return textValue(v)
	case bool:
		return &value{shape: shapeBool, text: strconv.FormatBool(v)}, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return &value{shape: shapeInt, text: strconv.FormatInt(n, 10)}, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, millrace.Errorf(millrace.Invalid, "%.40q is not a number", v.String())
		}
		return floatValue(f)
	case float64:
		return floatValue(v)
	case Fields:
		out := &value{shape: shapeMap}
		for _, f := range v {
			if err := addField(out, f.Name, f.Value, depth); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := &value{shape: shapeMap}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := addField(out, name, v[name], depth); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return reflected(reflect.ValueOf(v), depth)
}

func addField(to *value, name string, v any, depth int) error {
	if _, err := textValue(name); err != nil || name == "" {
		return millrace.Errorf(millrace.Invalid, "%.80q cannot be the name of a field", name)
	}
	if to.field(name) != nil {
		return millrace.Errorf(millrace.Invalid, "the field %.80q is there twice", name)
	}
	inner, err := valueOf(v, depth+1)
	if err != nil {
		return err
	}
	to.fields = append(to.fields, field{name: name, value: inner})
	return nil
}

func textValue(text string) (*value, error) {
	if _, _, what := unreadable([]byte(text)); what != "" || len(text) > MaxFileSizeBytes {
		return nil, millrace.Errorf(millrace.Invalid, "a text cannot be written: it has to be UTF-8 without NUL, of at most 1MiB")
	}
	return &value{shape: shapeString, text: text}, nil
}

func floatValue(f float64) (*value, error) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, millrace.Errorf(millrace.Invalid, "a number has to be finite")
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return &value{shape: shapeInt, text: strconv.FormatInt(int64(f), 10)}, nil
	case math.Abs(f) < 1e21 && math.Abs(f) >= 1e-6:
		return &value{shape: shapeFloat, text: strconv.FormatFloat(f, 'f', -1, 64)}, nil
	}
	return &value{shape: shapeFloat, text: strconv.FormatFloat(f, 'e', -1, 64)}, nil
}

// reflected takes lists and numbers of other types.
func reflected(v reflect.Value, depth int) (*value, error) {
	switch {
	case v.CanInt():
		return &value{shape: shapeInt, text: strconv.FormatInt(v.Int(), 10)}, nil
	case v.CanUint():
		return &value{shape: shapeInt, text: strconv.FormatUint(v.Uint(), 10)}, nil
	case v.Kind() == reflect.Slice:
		out := &value{shape: shapeList}
		for i := range v.Len() {
			item, err := valueOf(v.Index(i).Interface(), depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	}
	return nil, millrace.Errorf(millrace.Internal, "a %s cannot be written to a file", v.Type())
}

// same says whether two values read alike. The order of fields does not matter.
func (v *value) same(other *value) bool {
	if v.shape != other.shape || len(v.items) != len(other.items) || len(v.fields) != len(other.fields) {
		return false
	}
	for i, item := range v.items {
		if !item.same(other.items[i]) {
			return false
		}
	}
	var byName map[string]*value
	for i, f := range v.fields {
		o := other.fields[i].value
		if other.fields[i].name != f.name {
			if byName == nil {
				byName = make(map[string]*value, len(other.fields))
				for _, of := range other.fields {
					byName[of.name] = of.value
				}
			}
			o = byName[f.name]
		}
		if o == nil || !f.value.same(o) {
			return false
		}
	}
	return v.shape == shapeNull || v.shape >= shapeList || v.text == other.text
}

// A hand is how someone writes their files; new lines are written likewise.
type hand struct {
	newline string
	step    int  // columns of a mapping within a mapping
	dashes  int  // columns of a list within a mapping
	blocks  bool // lists have a line for each item
}

// handOf looks how a file is written.
func handOf(src string, root *node) hand {
	h := hand{newline: "\n", step: 2, dashes: 2}
	if i := strings.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		h.newline = "\r\n"
	}
	step, dashes := 0, -1
	var look func(n *node, parent int)
	look = func(n *node, parent int) {
		block := !n.flow && len(n.entries) > 0
		switch {
		case block && n.kind == nodeMap && parent >= 0 && step == 0 && n.indent > parent:
			step = n.indent - parent
		case block && n.kind == nodeList && parent >= 0 && dashes < 0:
			dashes = n.indent - parent
		}
		h.blocks = h.blocks || block && n.kind == nodeList
		below := -1
		if block && n.kind == nodeMap {
			below = n.indent
		}
		for _, e := range n.entries {
			look(e.value, below)
		}
	}
	look(root, -1)
	if step > 0 {
		h.step, h.dashes = step, step
	}
	if dashes >= 0 {
		h.dashes = dashes
	}
	return h
}

// longestInline is how long a list may be that is written on one line.
const longestInline = 60

// lines returns how a value is written behind a colon or dash in a block: what
// follows on the same line, and the lines below. Lists and mappings in it have
// that many columns before them.
func (h hand) lines(v *value, list, mapping int, quote byte) (inline string, below []string) {
	switch {
	case v.shape == shapeMap && len(v.fields) > 0:
		return "", h.fieldLines(v, mapping)
	case v.shape == shapeList && len(v.items) > 0:
		if !h.blocks && !slices.ContainsFunc(v.items, func(i *value) bool { return i.shape >= shapeList }) {
			if inline = h.inline(v, true, 0); len(inline) <= longestInline {
				return inline, nil
			}
		}
		for _, item := range v.items {
			below = append(below, h.itemLines(item, list)...)
		}
		return "", below
	}
	return h.inline(v, false, quote), nil
}

func (h hand) fieldLines(v *value, indent int) (lines []string) {
	for _, f := range v.fields {
		inline, below := h.lines(f.value, indent+h.dashes, indent+h.step, 0)
		line := strings.Repeat(" ", indent) + h.key(f.name, false) + ":"
		if inline != "" {
			line += " " + inline
		}
		lines = append(append(lines, line), below...)
	}
	return lines
}

func (h hand) itemLines(v *value, indent int) []string {
	spaces := strings.Repeat(" ", indent)
	inline, below := h.lines(v, indent+2, indent+2, 0)
	switch {
	case inline != "":
		return []string{spaces + "- " + inline}
	case len(below) == 0:
		return []string{spaces + "- null"}
	}
	below[0] = spaces + "- " + below[0][indent+2:]
	return below
}

// inline writes a value on one line.
func (h hand) inline(v *value, flow bool, quote byte) string {
	switch v.shape {
	case shapeNull:
		if flow {
			return "null"
		}
		return ""
	case shapeString:
		return quoteText(v.text, flow, quote)
	case shapeList:
		items := make([]string, len(v.items))
		for i, item := range v.items {
			items[i] = h.inline(item, true, 0)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case shapeMap:
		fields := make([]string, len(v.fields))
		for i, f := range v.fields {
			fields[i] = h.key(f.name, true) + ": " + h.inline(f.value, true, 0)
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return v.text
}

func (h hand) key(name string, flow bool) string {
	return quoteText(name, flow || strings.Contains(name, ":"), 0)
}

var (
	// plainText is what needs no quotes for any reader of YAML; more does not.
	plainText = regexp.MustCompile(`^[\pL\pN_/.][\pL\pN\pM_/.@+*=()?;~^&%:# -]*$`)
	// otherTypes are what readers, some of older YAML, take for no text.
	otherTypes = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|\.inf|\.nan|0[xob][0-9a-f_]*|[0-9._]+(e[-+]?[0-9]*)?|[0-9][0-9:._]*|[0-9]{4}-[0-9].*)$`)
	references = regexp.MustCompile(`\$\{secret:[a-z0-9_]+\}`)
)

// quoteText writes a text: plain where that reads back, else in quotes, in
// those that were there if it had some.
func quoteText(text string, flow bool, quote byte) string {
	if quote != '"' && quote != '\'' && isPlain(text, flow) {
		return text
	}
	printed := strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
	if printed && quote != '"' {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// isPlain says whether a text can stand without quotes.
func isPlain(text string, flow bool) bool {
	if !flow {
		text = references.ReplaceAllString(text, "x")
	}
	switch {
	case !plainText.MatchString(text), otherTypes.MatchString(text):
		return false
	case strings.HasSuffix(text, " "), strings.HasSuffix(text, ":"), strings.Contains(text, ": "), strings.Contains(text, " #"):
		return false
	}
	return !flow || !strings.Contains(text, ":") || strings.Contains(text, "://")
}

// MarshalJSON writes the fields as an object, in order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(field.Name)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(field.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Values returns what a YAML file says, as it is written: references to
// secrets stay references. It is what a Change would hold: nil, bool, string,
// json.Number, []any and Fields. It fails with Invalid when the file cannot be
// read.
func Values(text []byte) (Fields, error) {
	r := &report{}
	root, ok := parse(text, r)
	return valuesOf(root, ok, r)
}

func valuesOf(root *value, ok bool, r *report) (Fields, error) {
	if len(r.problems) > 0 || !ok && root != nil {
		return nil, unreadableFile(r)
	}
	if root == nil {
		return Fields{}, nil
	}
	if !root.count(map[*value]int{}, new(int)) {
		return nil, millrace.Errorf(millrace.Invalid, "%s", tooManyValues())
	}
	fields, isMap := root.any().(Fields)
	if !isMap {
		return nil, millrace.Errorf(millrace.Invalid, "line %d: a file is a mapping of names to values, not %s", root.line, root.shape)
	}
	return fields, nil
}

func (v *value) any() any {
	switch v.shape {
	case shapeNull:
		return nil
	case shapeBool:
		return strings.EqualFold(v.text, "true")
	case shapeList:
		items := make([]any, len(v.items))
		for i, item := range v.items {
			items[i] = item.any()
		}
		return items
	case shapeMap:
		fields := make(Fields, len(v.fields))
		for i, f := range v.fields {
			fields[i] = Field{f.name, f.value.any()}
		}
		return fields
	case shapeInt:
		if n, err := strconv.ParseInt(v.text, 0, 64); err == nil {
			return json.Number(strconv.FormatInt(n, 10))
		}
	case shapeFloat:
		if f, err := strconv.ParseFloat(v.text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		}
	}
	return v.text
}
