package docs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An openAPI is the part of an OpenAPI document that the page shows.
type openAPI struct {
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]*schema }
}

type operation struct {
	Summary, Description string
	Tags                 []string
	Parameters           []struct {
		Name, In, Description string
		Required              bool
		Schema                *schema
	}
	RequestBody *body
	Responses   map[string]body
}

type body struct {
	Content map[string]struct{ Schema *schema }
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any
	Description string
	Properties  map[string]*schema
	Required    []string
	Items       *schema
	AnyOf       []*schema
	Enum        []any
	Minimum     *float64
	Maximum     *float64
	Default     any
	Format      string
}

// tagTitles are the groups of the page, in its order.
var tagTitles = []struct{ tag, title string }{
	{"intake", "Sending events"}, {"query", "Asking"}, {"records", "Records"}, {"sources", "Sources"},
	{"readers", "Readers"}, {"jobs", "Jobs"}, {"status", "Status"}, {"health", "Health"},
}

const httpHead = "# HTTP API\n\nGenerated from [openapi.json](openapi.json), which a running server gives at `/api/openapi.json`.\n\n" +
	"`millrace dev` answers the machine that it runs on without a login. `millrace serve` wants `Authorization: Bearer TOKEN` " +
	"with an API key for everything but sending events, `/healthz` and `/readyz`. Errors are `application/problem+json` (RFC 9457) with a `kind` for programs " +
	"and a `detail` for people. What sending events means is told in [Sending events](../collect.md), queries in [Asking questions](../query.md).\n"

// TestHTTPReference keeps docs/reference/http.md as openapi.json is.
func TestHTTPReference(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("reference", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var api openAPI
	if err := json.Unmarshal(data, &api); err != nil {
		t.Fatal(err)
	}
	text := api.page(t)
	path := filepath.Join("reference", "http.md")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(path); err != nil || string(have) != text {
		t.Errorf("docs/reference/http.md is not what openapi.json says: run go test ./docs -update (%v)", err)
	}
}

func (api openAPI) page(t *testing.T) string {
	var b strings.Builder
	b.WriteString(httpHead)
	groups := map[string][]string{}
	texts := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(api.Paths[path])) {
			o := api.Paths[path][method]
			if len(o.Tags) != 1 {
				t.Errorf("%s %s has the tags %v, want one", method, path, o.Tags)
				continue
			}
			at := strings.ToUpper(method) + " " + path
			groups[o.Tags[0]] = append(groups[o.Tags[0]], at)
			texts[at] = api.operation(at, o)
		}
	}
	titles := map[string]string{}
	var order []string
	for _, g := range tagTitles {
		titles[g.tag] = g.title
		order = append(order, g.tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(groups)) {
		if titles[tag] == "" {
			titles[tag] = strings.ToUpper(tag[:1]) + tag[1:]
			order = append(order, tag)
		}
	}
	for _, tag := range order {
		if len(groups[tag]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n", titles[tag])
		for _, at := range groups[tag] {
			b.WriteString(texts[at])
		}
	}
	b.WriteString("\n## Objects\n")
	for _, name := range slices.Sorted(maps.Keys(api.Components.Schemas)) {
		if s := api.Components.Schemas[name]; len(s.Properties) > 0 {
			fmt.Fprintf(&b, "\n### %s\n", name)
			s.fields(&b)
		}
	}
	return b.String()
}

func (api openAPI) operation(at string, o operation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### `%s`\n\n%s.", at, strings.TrimSuffix(o.Summary, "."))
	if o.Description != "" {
		fmt.Fprintf(&b, " %s", o.Description)
	}
	b.WriteString("\n")
	if len(o.Parameters) > 0 {
		b.WriteString("\n| parameter | in | type | |\n|---|---|---|---|\n")
		for _, p := range o.Parameters {
			text := p.Description
			if text == "" {
				text = p.Schema.Description
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.In, p.Schema.word(), cell(text))
		}
	}
	if o.RequestBody != nil {
		b.WriteString("\nTakes " + o.RequestBody.text() + ".")
	}
	var answers []string
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if text := o.Responses[status].text(); status < "300" {
			answers = append(answers, strings.TrimSpace("`"+status+"` "+text))
		}
	}
	if len(answers) > 0 {
		fmt.Fprintf(&b, "\nAnswers %s.", strings.Join(answers, ", "))
	}
	var others []string
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		if status >= "300" {
			others = append(others, "`"+status+"`")
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, " Errors: %s.", strings.Join(others, ", "))
	}
	b.WriteString("\n")
	return b.String()
}

func (c body) text() string {
	var all []string
	for _, media := range slices.Sorted(maps.Keys(c.Content)) {
		text := "`" + media + "`"
		if word := c.Content[media].Schema.word(); strings.Contains(word, "](#") {
			text = word + " as " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, " or ")
}

func (s *schema) fields(b *strings.Builder) {
	b.WriteString("\n| field | type | |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if name == "$schema" {
			continue
		}
		p := s.Properties[name]
		text := p.Description
		if slices.Contains(s.Required, name) && text == "" {
			text = "Always there."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, p.word(), cell(text))
	}
}

// word is the schema in a word or two.
func (s *schema) word() string {
	if s == nil {
		return "anything"
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	if len(s.Enum) > 0 {
		var all []string
		for _, v := range s.Enum {
			all = append(all, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(all, ", ")
	}
	if len(s.AnyOf) > 0 {
		var all []string
		for _, v := range s.AnyOf {
			all = append(all, v.word())
		}
		return strings.Join(all, " or ")
	}
	var types []string
	switch t := s.Type.(type) {
	case string:
		types = []string{t}
	case []any:
		for _, v := range t {
			types = append(types, fmt.Sprint(v))
		}
	}
	for i, name := range types {
		switch {
		case name == "array":
			types[i] = "list of " + s.Items.word()
		case s.Format == "date-time" && name == "string":
			types[i] = "time"
		case name == "string":
			types[i] = "text"
		case name == "integer":
			types[i] = "whole number"
		case name == "boolean":
			types[i] = "true or false"
		}
	}
	if len(types) == 0 {
		return "anything"
	}
	return strings.Join(types, " or ")
}

func cell(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", "\\|") }
