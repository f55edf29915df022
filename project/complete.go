package project

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// Known is what completion offers apart from what a schema says.
type Known struct {
	Names   map[string][]string // of resources, by folder; "environments": those of millrace.yaml
	Secrets []string            // names
}

// Completions are what may be written at a place of a line, in place of the
// characters from From up to, not with, To.
type Completions struct {
	From, To int // in characters, from 1, as in a Problem
	Items    []Completion
}

// A Completion is one of the things that may be written.
type Completion struct {
	Label  string
	Insert string // may have several lines, with the indentation that they need
	Doc    string // one paragraph, or ""
	Kind   string // "field", "value", "resource" or "secret"
}

// Complete offers what may be written in a YAML file at a place: fields, their
// values, resources and secrets. Line and column count from 1, the column in
// characters. The schema is one of Schemas. The text may be unfinished, as it
// is while someone writes. What is written already does not narrow the offers.
func Complete(schema, text []byte, line, column int, known Known) (Completions, error) {
	var root schemaNode
	if err := json.Unmarshal(schema, &root); err != nil {
		return Completions{}, fmt.Errorf("the schema cannot be read: %w", err)
	}
	if len(text) > MaxFileSizeBytes {
		return Completions{}, millrace.Errorf(millrace.TooLarge, "the text is larger than 1MiB")
	}
	lines := strings.Split(strings.TrimPrefix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\ufeff"), "\n")
	if line < 1 || line > len(lines) || column < 1 {
		return Completions{}, millrace.Errorf(millrace.Invalid, "there is no line %d, column %d in the text", line, column)
	}
	c := cursorAt(lines[:line-1], lines[line-1], column)
	c.after = lines[line:]
	if c.nothing {
		return Completions{From: column, To: column}, nil
	}
	nodes := root.variants(kindIn(lines))
	for _, s := range c.path {
		nodes = stepInto(nodes, s)
	}
	out := Completions{From: c.from + 1, To: c.to + 1}
	if c.key {
		out.Items = append(c.fields(nodes), c.names(nodes, known)...)
		if c.dashed {
			out.Items = append(out.Items, c.values(nodes, known)...)
		}
	} else {
		out.Items = c.values(nodes, known)
	}
	for i := range out.Items {
		if c.tight {
			out.Items[i].Insert = " " + out.Items[i].Insert
		}
	}
	return out, nil
}

// A schemaNode is what completion reads of a JSON Schema.
type schemaNode struct {
	Type                 string
	Description, Pattern string
	Default, Const       any
	Enum, Examples       []any
	Properties           map[string]*schemaNode
	AdditionalProperties json.RawMessage
	Required             []string
	OneOf                []*schemaNode
	Items                *schemaNode
	Ref                  string `json:"x-millrace-folder"`
	Keys                 string `json:"x-millrace-names"` // of what the names of its fields are
}

// variants are the schemas that a file of that kind may have; all of them when
// its kind is unknown.
func (n *schemaNode) variants(kind string) []*schemaNode {
	if len(n.OneOf) == 0 {
		return []*schemaNode{n}
	}
	for _, v := range n.OneOf {
		if p := v.Properties["kind"]; p != nil && p.Const == kind {
			one := *v
			one.Properties = maps.Clone(v.Properties)
			all := *p
			all.Const = nil
			for _, other := range n.OneOf {
				if k := other.Properties["kind"]; k != nil {
					all.Enum = append(all.Enum, k.Const)
				}
			}
			one.Properties["kind"] = &all
			return []*schemaNode{&one}
		}
	}
	return n.OneOf
}

// stepInto goes into a field, or with "" into the items of a list.
func stepInto(nodes []*schemaNode, name string) (out []*schemaNode) {
	for _, n := range nodes {
		switch {
		case name == "":
			if n.Items != nil {
				out = append(out, n.Items)
			}
		case n.Properties[name] != nil:
			out = append(out, n.Properties[name])
		default:
			var other schemaNode
			if len(n.AdditionalProperties) > 0 && n.AdditionalProperties[0] == '{' && json.Unmarshal(n.AdditionalProperties, &other) == nil {
				out = append(out, &other)
			}
		}
	}
	return out
}

// kindIn returns what a file says of its kind.
func kindIn(lines []string) string {
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "kind:"); ok {
			rest, _, _ = strings.Cut(rest, " #")
			return strings.Trim(rest, ` "'`)
		}
	}
	return ""
}

// fields offers the fields that are not there yet.
func (c *cursor) fields(nodes []*schemaNode) (out []Completion) {
	siblings := c.siblings()
	seen := map[string]bool{}
	var required []string
	for _, n := range nodes {
		required = append(required, n.Required...)
		for name, p := range n.Properties {
			if seen[name] || slices.Contains(siblings, name) && name != c.word {
				continue
			}
			seen[name] = true
			out = append(out, Completion{Label: name, Insert: c.fieldText(name, p), Doc: p.doc(), Kind: "field"})
		}
	}
	rank := func(c Completion) int { // those that have to be there first
		if i := slices.Index(required, c.Label); i >= 0 {
			return i
		}
		return len(required)
	}
	slices.SortFunc(out, func(a, b Completion) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Label, b.Label))
	})
	return out
}

// names offers names of a mapping that is by something known.
func (c *cursor) names(nodes []*schemaNode, known Known) (out []Completion) {
	siblings := c.siblings()
	for _, n := range nodes {
		if n.Keys == "" {
			continue
		}
		for _, name := range known.Names[n.Keys] {
			if !slices.Contains(siblings, name) || name == c.word {
				out = append(out, Completion{Label: name, Insert: c.fieldText(name, &schemaNode{Type: "object"}), Kind: "field"})
			}
		}
		return out // the kinds of a file have the same
	}
	return nil
}

func (c *cursor) fieldText(name string, p *schemaNode) string {
	deeper := "\n" + strings.Repeat(" ", c.indent+2)
	switch {
	case c.colon:
		return name
	case c.flow:
		return name + ": "
	case p.Type == "object":
		return name + ":" + deeper
	case p.Type == "array":
		return name + ":" + deeper + "- "
	}
	return name + ": "
}

func (n *schemaNode) doc() string {
	if n.Default == nil || strings.Contains(n.Description, "Default") {
		return n.Description
	}
	return strings.TrimSpace(fmt.Sprintf("%s Default: %v.", n.Description, n.Default))
}

// values offers what a field or item may be.
func (c *cursor) values(nodes []*schemaNode, known Known) (out []Completion) {
	seen := map[string]bool{}
	offer := func(kind, doc, text string) {
		if !seen[text] {
			seen[text] = true
			out = append(out, Completion{Label: text, Insert: text, Doc: doc, Kind: kind})
		}
	}
	text := func(v any) string {
		if s, ok := v.(string); ok {
			return quoteText(s, c.flow, 0)
		}
		data, _ := json.Marshal(v)
		return string(data)
	}
	for _, n := range nodes {
		if n.Const != nil {
			offer("value", n.Description, text(n.Const))
		}
		for _, v := range n.Enum {
			offer("value", n.Description, text(v))
		}
		if n.Type == "boolean" {
			offer("value", n.Description, "true")
			offer("value", n.Description, "false")
		}
		if n.Default != nil {
			offer("value", "Default. "+n.Description, text(n.Default))
		}
		secret := n.Pattern == secretReference.String()
		for _, v := range n.Examples {
			if !secret {
				offer("value", n.Description, text(v))
			}
		}
		for _, name := range known.Names[n.Ref] {
			if n.Ref != "" {
				offer("resource", n.Ref+"/"+name+".yaml", text(name))
			}
		}
		if secret || n.Type == "string" && strings.HasPrefix(strings.TrimLeft(c.word, `"'`), "$") {
			for _, name := range known.Secrets {
				offer("secret", "The environment variable MILLRACE_SECRET_"+strings.ToUpper(name)+" or the file "+SecretsFolder+"/"+name+".", text("${secret:"+name+"}"))
			}
		}
	}
	return out
}
