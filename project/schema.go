package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/unit"
)

// Docs describe fields that have no `doc` tag: "HTTPSource.WriteKeys" → text.
type Docs map[string]string

func (d Docs) of(t reflect.Type, f reflect.StructField) string {
	if doc := f.Tag.Get("doc"); doc != "" {
		return doc
	}
	return d[t.Name()+"."+f.Name]
}

// Schemas returns a JSON Schema for each kind of file, by the name under which
// docs/reference/schema keeps it: "millrace.json" for millrace.yaml,
// "sources.json" for the files in sources. Editors check and complete with them.
// They are the same at every call.
func Schemas(kinds Kinds, docs Docs) (map[string][]byte, error) {
	out := map[string][]byte{}
	config := DefaultConfig()
	root := docs.object(reflect.TypeOf(config))
	environments := docs.object(reflect.TypeFor[Settings]())
	root["properties"].(schema)["environments"].(schema)["additionalProperties"] = environments
	if err := addSchema(out, "millrace.json", "millrace.yaml", root); err != nil {
		return nil, err
	}
	for folder, ks := range kinds {
		var variants []any
		for _, kind := range slices.Sorted(maps.Keys(ks)) {
			variant := docs.object(reflect.TypeOf(ks[kind]()).Elem())
			properties := variant["properties"].(schema)
			about := "The technology of this resource."
			if own, ok := properties["kind"].(schema); ok {
				if text, ok := own["description"].(string); ok {
					about = text
				}
			}
			properties["kind"] = schema{"const": kind, "description": about}
			required, _ := variant["required"].([]string)
			if !slices.Contains(required, "kind") {
				variant["required"] = append([]string{"kind"}, required...)
			}
			variant["title"] = kind
			properties[environmentsField] = docs.overrides(reflect.TypeOf(ks[kind]()).Elem())
			variants = append(variants, variant)
		}
		s := schema{"type": "object", "required": []string{"kind"}, "oneOf": variants}
		if err := addSchema(out, folder+".json", folder+"/*.yaml", s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// overridesDoc describes the environments of a resource.
const overridesDoc = "Fields of this file that differ by environment: those of staging hold where staging runs. Mappings are laid over field by field, all else is replaced. millrace.yaml names the environments that there are."

// overrides describes the environments of a resource: all of its fields but its kind.
func (d Docs) overrides(t reflect.Type) schema {
	own := d.object(t)
	delete(own["properties"].(schema), "kind")
	relax(own)
	return schema{"type": "object", "description": overridesDoc, "additionalProperties": own, "x-millrace-names": environmentsField}
}

// relax lets fields be left out that stand elsewhere, or have their default there.
func relax(s schema) {
	delete(s, "required")
	properties, _ := s["properties"].(schema)
	for _, p := range properties {
		inner := p.(schema)
		delete(inner, "default")
		if _, isObject := inner["properties"]; isObject {
			relax(inner)
		}
	}
}

type schema map[string]any

func addSchema(out map[string][]byte, name, title string, s schema) error {
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = title
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("schema of %s: %w", title, err)
	}
	out[name] = append(data, '\n')
	return nil
}

func (d Docs) object(t reflect.Type) schema {
	properties := schema{}
	var required []string
	for _, f := range fieldsOf(t) {
		s := d.schema(f.field.Type)
		if doc := d.of(t, f.field); doc != "" {
			s["description"] = doc
		}
		if v := f.field.Tag.Get("default"); v != "" {
			s["default"] = defaultOf(f.field.Type, v)
		}
		narrow(s, "x-millrace-folder", f.field.Tag.Get("ref"))
		if words := f.field.Tag.Get("enum"); words != "" {
			narrow(s, "enum", strings.Split(words, ","))
		}
		if words := f.field.Tag.Get("examples"); words != "" {
			narrow(s, "examples", strings.Split(words, ","))
		}
		if f.field.Tag.Get("required") == "true" {
			required = append(required, f.name)
		}
		properties[f.name] = s
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// narrow says of a field's values, or those in its list or mapping, what they
// may be.
func narrow(s schema, keyword string, what any) {
	if what == "" {
		return
	}
	if items, ok := s["items"].(schema); ok {
		s = items
	} else if others, ok := s["additionalProperties"].(schema); ok {
		s = others
	}
	s[keyword] = what
}

var (
	bytesType        = reflect.TypeFor[unit.Bytes]()
	unitDurationType = reflect.TypeFor[unit.Duration]()
)

const (
	sizePattern     = `^\s*[0-9.]+\s*([KMGT]i?)?B\s*$`
	durationPattern = `^\s*([0-9.]+d|([0-9.]+(h|m|s|ms|us|µs|ns))+)\s*$`
)

func (d Docs) schema(t reflect.Type) schema {
	if t.Kind() == reflect.Pointer && t != valueType {
		t = t.Elem()
	}
	switch {
	case t == valueType:
		return schema{"type": "object"}
	case t == bytesType:
		return schema{"type": "string", "pattern": sizePattern, "examples": []string{"512KiB", "20GiB"}}
	case t == unitDurationType, t == durationType:
		return schema{"type": "string", "pattern": durationPattern, "examples": []string{"30s", "7d"}}
	case t == secretType:
		return schema{"type": "string", "pattern": secretReference.String(), "examples": []string{"${secret:name}"}}
	case reflect.PointerTo(t).Implements(textType):
		return schema{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.object(t)
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Slice:
		return schema{"type": "array", "items": d.schema(t.Elem())}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Interface:
		return schema{}
	}
	return schema{"type": "integer"}
}

// defaultOf reads a default tag as the type's JSON.
func defaultOf(t reflect.Type, text string) any {
	if Docs(nil).schema(t)["type"] == "string" {
		return text
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	return v
}

// Reference returns a page in Markdown of every field of every file.
func Reference(kinds Kinds, docs Docs) []byte {
	var b bytes.Buffer
	b.WriteString("# Configuration\n\nEvery field of every file of a project. Sizes are written as `512KiB`, durations as `30s` or `7d`; `${secret:path}` stands for the secret of that path in the server's vault (`millrace secret set path`), `${secret:path#2}` for its second version; where the vault has none, for the environment variable `MILLRACE_SECRET_PATH` (with `__` for each slash), or the file `path` in the folder that `MILLRACE_SECRETS_DIR` names (default `.secrets` in the project). A secret of the vault stands in signatures and addresses only, and for those resources and hosts that it allows.\n")
	b.WriteString("\n## millrace.yaml\n")
	docs.table(&b, reflect.TypeFor[Config]())
	for _, folder := range slices.Sorted(maps.Keys(kinds)) {
		for _, kind := range slices.Sorted(maps.Keys(kinds[folder])) {
			fmt.Fprintf(&b, "\n## %s/*.yaml, kind: %s\n", folder, kind)
			docs.table(&b, reflect.TypeOf(kinds[folder][kind]()).Elem())
			fmt.Fprintf(&b, "| `%s` | mapping of names to fields |  | %s |\n", environmentsField, overridesDoc)
		}
	}
	return b.Bytes()
}

func (d Docs) table(b *bytes.Buffer, t reflect.Type) {
	b.WriteString("\n| field | type | default | |\n|---|---|---|---|\n")
	d.rows(b, t, "")
}

func (d Docs) rows(b *bytes.Buffer, t reflect.Type, path string) {
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	for _, f := range fieldsOf(t) {
		at := join(path, f.name)
		standard := f.field.Tag.Get("default")
		if standard != "" {
			standard = "`" + standard + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", at, typeWord(f.field.Type), cell(standard), cell(d.of(t, f.field)))
		inner := f.field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != valueType.Elem() && !reflect.PointerTo(inner).Implements(textType) {
			d.rows(b, inner, at)
		}
	}
}

func typeWord(t reflect.Type) string {
	if t.Kind() == reflect.Pointer && t != valueType {
		t = t.Elem()
	}
	switch {
	case t == bytesType:
		return "size"
	case t == unitDurationType, t == durationType:
		return "duration"
	case t == secretType:
		return "reference to a secret"
	case reflect.PointerTo(t).Implements(textType):
		return "text"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + typeWord(t.Elem())
	case reflect.Map:
		if t.Elem() == valueType {
			return "mapping of names to settings"
		}
		return "mapping of names to " + typeWord(t.Elem())
	}
	switch s := Docs(nil).schema(t)["type"]; s {
	case "string":
		return "text"
	case "integer":
		return "whole number"
	case "object":
		return "mapping"
	case "boolean":
		return "true or false"
	default:
		return fmt.Sprint(s)
	}
}
