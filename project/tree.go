package project

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a project's files, so that none can exhaust the machine.
const (
	MaxFileSizeBytes = 1 << 20
	MaxFiles         = 10_000
	maxTokens        = 200_000
	maxFields        = 10_000 // of one file: the parser's time grows with their square
	maxDepth         = 64
	maxValues        = 100_000 // of one file, with aliases expanded
)

type shape uint8

const (
	shapeNull shape = iota
	shapeString
	shapeBool
	shapeInt
	shapeFloat
	shapeList
	shapeMap
)

var shapeNames = [...]string{"nothing", "text", "true or false", "a whole number", "a number", "a list", "a mapping"}

func (s shape) String() string { return shapeNames[s] }

// A value is a piece of a YAML file: where it stands and what it is. Aliases
// share the value of their anchor.
type value struct {
	line, column int
	shape        shape
	text         string // of a scalar, as written
	items        []*value
	fields       []field
}

type field struct {
	name         string
	line, column int
	value        *value
}

func (v *value) field(name string) *field {
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i]
		}
	}
	return nil
}

// parse reads a YAML file of one document. It returns nil when the file is
// empty or cannot be read at all, and then has told r why.
func parse(data []byte, r *report) (root *value, ok bool) {
	if len(data) > MaxFileSizeBytes {
		r.add(0, 0, "is larger than 1MiB: split it, or move what is not configuration elsewhere")
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if line, column, what := unreadable(data); what != "" {
		r.add(line, column, "%s: save the file as UTF-8 text", what)
		return nil, false
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) // the parser counts lines with comments twice otherwise
	defer func() {                                              // the parser is a library and the file is anyone's
		if p := recover(); p != nil {
			r.add(1, 1, "is not YAML that can be read")
			root, ok = nil, false
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if t, what := tooDeep(tokens); what != "" {
		r.add(t.Position.Line, t.Position.Column, "%s", what)
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil, false
	}
	t := &tree{report: r, anchors: map[string]*value{}, left: maxValues}
	for _, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		case *ast.DirectiveNode:
			r.at(body, "remove this directive: files are YAML 1.2 as it is")
			return nil, false
		default:
			if root != nil {
				r.at(body, "a second document: a file holds one; put each resource into a file of its own")
				return nil, false
			}
			root = t.value(body, 0)
		}
	}
	return root, t.left > 0
}

func unreadable(data []byte) (line, column int, what string) {
	line, column = 1, 1
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			return line, column, "a byte that is not UTF-8"
		case c == 0:
			return line, column, "a NUL byte"
		case c == '\n':
			line, column = line+1, 0
		}
		column++
		i += n
	}
	return 0, 0, ""
}

// tooDeep looks at tokens before the parser recurses over them.
func tooDeep(tokens token.Tokens) (*token.Token, string) {
	depth, line, onLine, fields := 0, 0, 0, 0
	for i, t := range tokens {
		if t.Position.Line != line {
			line, onLine = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			onLine++
		case token.MappingValueType:
			fields++
		}
		switch {
		case depth > maxDepth || onLine > maxDepth:
			return t, fmt.Sprintf("is nested deeper than %d levels", maxDepth)
		case fields > maxFields:
			return t, fmt.Sprintf("more than %d fields: split the file", maxFields)
		case i > maxTokens:
			return t, fmt.Sprintf("more than %d words and signs: the file is too long", maxTokens)
		}
	}
	return nil, ""
}

func (r *report) at(n ast.Node, format string, args ...any) {
	line, column := place(n)
	r.add(line, column, format, args...)
}

func (r *report) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		r.add(1, 1, "is not YAML that can be read")
		return
	}
	p := e.GetToken().Position
	r.add(max(p.Line, 1), max(p.Column, 1), "%s", plainly(e.GetMessage()))
}

// place returns where a node begins; a mapping begins at its first key.
func place(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return place(m.Values[0].Key)
	}
	if n == nil || n.GetToken() == nil {
		return 1, 1
	}
	p := n.GetToken().Position
	return max(p.Line, 1), max(p.Column, 1)
}

type tree struct {
	report  *report
	anchors map[string]*value
	left    int // values that may still be made
}

// spend counts a value and says whether there is one left.
func (t *tree) spend(n ast.Node) bool {
	t.left--
	if t.left == 0 {
		t.report.at(n, "more than %d values when aliases and merges are expanded", maxValues)
	}
	return t.left > 0
}

func (t *tree) value(n ast.Node, depth int) *value {
	line, column := place(n)
	v := &value{line: line, column: column}
	if !t.spend(n) {
		return v
	}
	if depth > maxDepth {
		t.report.at(n, "is nested deeper than %d levels", maxDepth)
		t.left = 0
		return v
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		t.mapping(v, n.Values, depth)
	case *ast.MappingValueNode:
		t.mapping(v, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		v.shape = shapeList
		for _, item := range n.Values {
			v.items = append(v.items, t.value(item, depth+1))
		}
	case *ast.AnchorNode:
		v = t.value(n.Value, depth+1)
		t.anchors[n.Name.GetToken().Value] = v
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		anchored, ok := t.anchors[name]
		if !ok {
			t.report.at(n, "*%s: there is no anchor &%s above", name, name)
			return v
		}
		return anchored
	case *ast.TagNode:
		v = t.value(n.Value, depth+1)
		if n.Start.Value == "!!str" && v.shape < shapeList {
			return &value{line: v.line, column: v.column, shape: shapeString, text: v.text}
		}
		t.report.at(n, "%s: tags are not used here; remove it", n.Start.Value)
	default:
		t.scalar(v, n)
	}
	return v
}

func (t *tree) scalar(v *value, n ast.Node) {
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.StringNode:
		v.shape, v.text = shapeString, n.Value
	case *ast.LiteralNode:
		v.shape, v.text = shapeString, n.Value.Value
	case *ast.BoolNode:
		v.shape, v.text = shapeBool, n.Token.Value
	case *ast.IntegerNode:
		v.shape, v.text = shapeInt, n.Token.Value
	case *ast.FloatNode:
		v.shape, v.text = shapeFloat, n.Token.Value
	case *ast.InfinityNode:
		v.shape, v.text = shapeFloat, n.Token.Value
	case *ast.NanNode:
		v.shape, v.text = shapeFloat, n.Token.Value
	default:
		t.report.at(n, "is not understood here: write plain text, numbers, lists and mappings")
	}
}

func (t *tree) mapping(v *value, pairs []*ast.MappingValueNode, depth int) {
	v.shape = shapeMap
	seen := make(map[string]int, len(pairs)) // index in v.fields
	var merged []*value
	for _, pair := range pairs {
		if _, ok := pair.Key.(*ast.MergeKeyNode); ok {
			merged = append(merged, t.value(pair.Value, depth+1))
			continue
		}
		name, ok := keyText(pair.Key)
		if !ok {
			t.report.at(pair.Key, "a key has to be plain text")
			continue
		}
		line, column := place(pair.Key)
		if i, twice := seen[name]; twice {
			t.report.add(line, column, "%s: is there twice, first in line %d: keep one", clip(name), v.fields[i].line)
			continue
		}
		seen[name] = len(v.fields)
		v.fields = append(v.fields, field{name: name, line: line, column: column, value: t.value(pair.Value, depth+1)})
	}
	for _, m := range merged {
		t.merge(v, m, seen)
	}
}

// merge adds the fields of a "<<" that v does not have itself.
func (t *tree) merge(v, from *value, seen map[string]int) {
	switch from.shape {
	case shapeList:
		for _, item := range from.items {
			if item.shape == shapeMap {
				t.merge(v, item, seen)
			}
		}
	case shapeMap:
		for _, f := range from.fields {
			if t.left <= 0 {
				return
			}
			if t.left--; t.left == 0 {
				t.report.add(v.line, v.column, "more than %d values when aliases and merges are expanded", maxValues)
			}
			if _, ok := seen[f.name]; !ok {
				seen[f.name] = len(v.fields)
				v.fields = append(v.fields, f)
			}
		}
	case shapeNull:
	default:
		t.report.add(from.line, from.column, "<<: wants a mapping, not %s", from.shape)
	}
}

func keyText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return n.GetToken().Value, true
	case *ast.MappingKeyNode:
		return keyText(n.Value)
	}
	return "", false
}

// printable keeps what files hold from reaching a terminal as control characters.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n', c == '\t':
			return ' '
		case !unicode.IsPrint(c):
			return '?'
		}
		return c
	}, s)
}

// clip keeps a name from a file short and printable in a message.
func clip(s string) string {
	s = printable(s)
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}
