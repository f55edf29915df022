package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// fieldChanges are the fields in which two files differ, by what they say.
func fieldChanges(old, next project.Fields) []FieldChange {
	var out []FieldChange
	compareFields(&out, "", old, next)
	return out
}

func compareFields(out *[]FieldChange, path string, old, next project.Fields) {
	had, has := map[string]bool{}, make(map[string]any, len(next))
	for _, f := range next {
		has[f.Name] = f.Value
	}
	for _, f := range old {
		had[f.Name] = true
		at := join(path, f.Name)
		v, has := has[f.Name]
		switch {
		case !has:
			*out = append(*out, FieldChange{Path: at, Op: diff.Removed, Old: f.Value})
		default:
			compareValues(out, at, f.Value, v)
		}
	}
	for _, f := range next {
		if !had[f.Name] {
			*out = append(*out, FieldChange{Path: join(path, f.Name), Op: diff.Added, New: f.Value})
		}
	}
}

func compareValues(out *[]FieldChange, at string, old, next any) {
	a, isA := old.(project.Fields)
	b, isB := next.(project.Fields)
	switch {
	case isA && isB:
		compareFields(out, at, a, b)
	case !same(old, next):
		*out = append(*out, FieldChange{Path: at, Op: diff.Changed, Old: old, New: next})
	}
}

func find(fields project.Fields, name string) (any, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f.Value, true
		}
	}
	return nil, false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// same says whether two values read alike; the order of fields does not matter.
func same(old, next any) bool {
	switch a := old.(type) {
	case project.Fields:
		b, ok := next.(project.Fields)
		if !ok {
			return false
		}
		var out []FieldChange
		compareFields(&out, "", a, b)
		return len(out) == 0
	case []any:
		b, ok := next.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	switch next.(type) {
	case project.Fields, []any:
		return false
	}
	return old == next
}

// overlaid lays an environment's settings over those of all, as the project's
// reader does: mappings field by field, all else whole.
func overlaid(under, over project.Fields) project.Fields {
	out := append(project.Fields{}, under...)
	for _, f := range over {
		at := -1
		for i := range out {
			if out[i].Name == f.Name {
				at = i
			}
		}
		if at < 0 {
			out = append(out, f)
			continue
		}
		below, isBelow := out[at].Value.(project.Fields)
		above, isAbove := f.Value.(project.Fields)
		switch {
		case f.Value == nil: // nothing: what is under it stays
		case isBelow && isAbove:
			out[at].Value = overlaid(below, above)
		default:
			out[at].Value = f.Value
		}
	}
	return out
}

// written is a value as text, for a person.
func written(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return clip(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = written(item)
		}
		return clip("[" + strings.Join(items, ", ") + "]")
	case project.Fields:
		items := make([]string, len(v))
		for i, f := range v {
			items[i] = f.Name + ": " + written(f.Value)
		}
		return clip("{" + strings.Join(items, ", ") + "}")
	case map[string]any: // of a plan that was read from JSON
		var fields project.Fields
		for _, name := range slices.Sorted(maps.Keys(v)) {
			fields = append(fields, project.Field{Name: name, Value: v[name]})
		}
		return written(fields)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

// clip keeps a text from a file short and printable.
func clip(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c == '\n', c == '\t':
			return ' '
		case !unicode.IsPrint(c):
			return '?'
		}
		return c
	}, s)
	if r := []rune(s); len(r) > maxValueRunes {
		s = string(r[:maxValueRunes-1]) + "…"
	}
	return s
}
