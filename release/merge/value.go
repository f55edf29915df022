package merge

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/project"
)

// none is a field that is not there.
type none struct{}

// same says whether two values read alike; the order of fields does not matter.
func same(a, b any) bool {
	switch a := a.(type) {
	case project.Fields:
		other, ok := b.(project.Fields)
		if !ok || len(a) != len(other) {
			return false
		}
		var byName map[string]any
		for i, f := range a {
			v := other[i].Value
			if other[i].Name != f.Name {
				if byName == nil {
					byName = index(other)
				}
				if v, ok = byName[f.Name]; !ok {
					return false
				}
			}
			if !same(f.Value, v) {
				return false
			}
		}
		return true
	case []any:
		other, ok := b.([]any)
		if !ok || len(a) != len(other) {
			return false
		}
		for i := range a {
			if !same(a[i], other[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case project.Fields, []any:
		return false
	}
	return a == b
}

func index(fields project.Fields) map[string]any {
	out := make(map[string]any, len(fields))
	for _, f := range fields {
		out[f.Name] = f.Value
	}
	return out
}

func get(fields map[string]any, name string) any {
	if v, ok := fields[name]; ok {
		return v
	}
	return none{}
}

// A meaning merges what three YAML files say, apart from how they say it.
type meaning struct {
	conflicts []Conflict
	changes   []project.Change // that make theirs' changes in ours
}

// merge merges a value at a path.
func (m *meaning) merge(at []any, base, ours, theirs any) any {
	switch {
	case same(ours, theirs), same(theirs, base):
		return ours
	case same(ours, base):
		m.change(at, theirs)
		return theirs
	}
	if b, ok := fieldsOrNone(base); ok {
		o, isOurs := ours.(project.Fields)
		t, isTheirs := theirs.(project.Fields)
		if isOurs && isTheirs {
			return m.mergeFields(at, b, o, t)
		}
	}
	if out, ok := mergeSets(base, ours, theirs); ok {
		m.change(at, out)
		return out
	}
	m.conflicts = append(m.conflicts, Conflict{Field: fieldPath(at), Why: whyOf(ours, theirs), Base: shown(base), Ours: shown(ours), Theirs: shown(theirs)})
	return ours
}

func whyOf(ours, theirs any) string {
	switch {
	case ours == none{}:
		return "we removed it, they changed it"
	case theirs == none{}:
		return "they removed it, we changed it"
	}
	return "both sides changed it"
}

func fieldsOrNone(v any) (project.Fields, bool) {
	if v == (none{}) {
		return nil, true
	}
	f, ok := v.(project.Fields)
	return f, ok
}

func (m *meaning) change(at []any, to any) {
	if to == (none{}) {
		m.changes = append(m.changes, project.Change{Op: "remove", Path: at})
		return
	}
	m.changes = append(m.changes, project.Change{Op: "set", Path: at, Value: to})
}

func (m *meaning) mergeFields(at []any, base, ours, theirs project.Fields) project.Fields {
	out := project.Fields{}
	add := func(name string, v any) {
		if v != (none{}) {
			out = append(out, project.Field{Name: name, Value: v})
		}
	}
	inBase, inOurs, inTheirs := index(base), index(ours), index(theirs)
	for _, f := range ours {
		add(f.Name, m.merge(below(at, f.Name), get(inBase, f.Name), f.Value, get(inTheirs, f.Name)))
	}
	for _, f := range theirs {
		if _, has := inOurs[f.Name]; !has {
			add(f.Name, m.merge(below(at, f.Name), get(inBase, f.Name), none{}, f.Value))
		}
	}
	return out
}

func below(at []any, step any) []any { return append(at[:len(at):len(at)], step) }

// mergeSets merges lists of different texts and numbers, such as write keys:
// what a side took away is gone, what a side added is there, in our order. Where
// both put something else in the place of the same, a person has to say.
func mergeSets(base, ours, theirs any) ([]any, bool) {
	if base == (none{}) {
		base = []any{}
	}
	b, okBase := setOf(base)
	o, okOurs := setOf(ours)
	t, okTheirs := setOf(theirs)
	if !okBase || !okOurs || !okTheirs {
		return nil, false
	}
	var replaced, addedOurs, addedTheirs bool
	for v := range b {
		replaced = replaced || !o[v] && !t[v]
	}
	out := []any{}
	for _, v := range ours.([]any) {
		addedOurs = addedOurs || !b[v]
		if !b[v] || t[v] {
			out = append(out, v)
		}
	}
	for _, v := range theirs.([]any) {
		addedTheirs = addedTheirs || !b[v]
		if !b[v] && !o[v] {
			out = append(out, v)
		}
	}
	return out, !replaced || !addedOurs || !addedTheirs
}

func setOf(v any) (map[any]bool, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	set := make(map[any]bool, len(list))
	for _, item := range list {
		switch item.(type) {
		case project.Fields, []any, nil:
			return nil, false
		}
		if set[item] {
			return nil, false
		}
		set[item] = true
	}
	return set, true
}

// fieldPath writes a path as messages do: "limits.event_size".
func fieldPath(at []any) string {
	var b strings.Builder
	for _, s := range at {
		switch s := s.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, s)
		}
	}
	return b.String()
}

// shown is a value as a conflict shows it.
func shown(v any) *string {
	switch v := v.(type) {
	case none:
		return nil
	case string:
		return &v
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(fmt.Sprint(v))
	}
	s := string(text)
	return &s
}
