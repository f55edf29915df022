package project

import (
	"cmp"
	"maps"
	"slices"
)

// environmentsField is the field of every file of a project that says what
// differs by environment.
const environmentsField = "environments"

// Overrides names the environment whose overrides in the files of resources apply.
func (o Options) Overrides() string { return cmp.Or(o.Environment, o.Own) }

// Path is where the file says a field of a resource: {"write_keys"}, or
// {"environments", "staging", "write_keys"} where an override is in its place.
func (r Resource) Path(field string) []string {
	if slices.Contains(r.Overridden, field) {
		return []string{environmentsField, r.Environment, field}
	}
	return []string{field}
}

// laidOver is a value with an override over it: mappings field by field, all else
// whole; an override that says nothing changes nothing. left bounds how many
// mappings are brought together, since aliases may make many of few: a file that
// has more is refused when it is decoded.
func laidOver(under, over *value, left *int) *value {
	if *left--; *left < 0 || over.shape == shapeNull {
		return under
	}
	if under.shape != shapeMap || over.shape != shapeMap {
		return over
	}
	out := *under
	out.fields = slices.Clone(under.fields)
	for _, f := range over.fields {
		at := slices.IndexFunc(out.fields, func(g field) bool { return g.name == f.name })
		switch {
		case at < 0:
			out.fields = append(out.fields, f)
		case f.value.shape != shapeNull:
			f.value = laidOver(out.fields[at].value, f.value, left)
			out.fields[at] = f
		}
	}
	return &out
}

// A variant is what the file of a resource says for an environment.
type variant struct {
	own       *value            // without its environments
	overrides map[string]*value // mappings, by environment
}

// in is what holds in an environment.
func (v variant) in(environment string) *value {
	over, ok := v.overrides[environment]
	if !ok {
		return v.own
	}
	left := maxValues
	return laidOver(v.own, over, &left)
}

// overridden are the fields that differ in an environment.
func (v variant) overridden(environment string) (fields []string) {
	over, ok := v.overrides[environment]
	if !ok {
		return nil
	}
	for _, f := range over.fields {
		if f.value.shape != shapeNull {
			fields = append(fields, f.name)
		}
	}
	slices.Sort(fields)
	return fields
}

// variants takes a resource's file apart, and reports overrides that cannot be.
func (l *loader) variants(r *report, root *value) variant {
	out := variant{own: root}
	all := root.field(environmentsField)
	if all == nil {
		return out
	}
	own := *root
	own.fields = slices.DeleteFunc(slices.Clone(root.fields), func(f field) bool { return f.name == environmentsField })
	out.own = &own
	if all.value.shape == shapeNull {
		return out
	}
	if all.value.shape != shapeMap {
		r.add(all.value.line, all.value.column, "%s: wants a mapping of environments to fields, not %s", environmentsField, all.value.shape)
		return out
	}
	out.overrides = make(map[string]*value, len(all.value.fields))
	for _, f := range all.value.fields {
		at := join(environmentsField, clip(f.name))
		if l.environmentsKnown && !slices.Contains(l.environmentNames, f.name) {
			r.add(f.line, f.column, "%s: %s names no environment %s under %s; %s", at, ConfigFile, clip(f.name), environmentsField, didYouMean(f.name, l.environmentNames))
			continue
		}
		switch f.value.shape {
		case shapeNull:
		case shapeMap:
			out.overrides[f.name] = l.withoutKind(r, f.value, at)
			r.within(f.value, at, new(int))
		default:
			r.add(f.value.line, f.value.column, "%s: wants a mapping of fields to values, not %s", at, f.value.shape)
		}
	}
	return out
}

// within notes that what stands in a value is said by an override.
func (r *report) within(v *value, path string, visited *int) {
	if *visited++; *visited > maxValues {
		return
	}
	if r.overrides == nil {
		r.overrides = map[fieldPlace]string{}
	}
	r.overrides[fieldPlace{v.line, v.column}] = path
	for _, item := range v.items {
		r.within(item, path, visited)
	}
	for _, f := range v.fields {
		r.overrides[fieldPlace{f.line, f.column}] = path
		r.within(f.value, path, visited)
	}
}

// withoutKind refuses what an override cannot have.
func (l *loader) withoutKind(r *report, over *value, at string) *value {
	out := *over
	out.fields = slices.DeleteFunc(slices.Clone(over.fields), func(f field) bool {
		if f.name == "kind" {
			r.add(f.line, f.column, "%s.kind: a resource is of one kind in all environments: make another file for another kind", at)
		}
		return f.name == "kind"
	})
	return &out
}

// elsewhere checks what a resource's file says for other environments than the
// one that applies, without their secrets.
func (l *loader) elsewhere(r *report, v variant, chosen string, makeConfig func() any) {
	others := slices.Sorted(maps.Keys(v.overrides))
	if _, has := v.overrides[chosen]; has {
		others = append(others, "") // what stands under the override counts elsewhere
	}
	for _, name := range others {
		if name == chosen {
			continue
		}
		d := newDecoder(&report{file: r.file, secrets: &resolver{check: true}, overrides: r.overrides})
		config, says := makeConfig(), v.in(name)
		d.resource(says, config)
		if name != "" { // alone it need not be whole
			d.validate(config, says)
		}
		l.collectReferences(d, config)
		l.problems = append(l.problems, d.done()...)
	}
}
