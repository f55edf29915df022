package project

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// uniqueFields hold values that may be there once among all files of a folder.
var uniqueFields = map[string]map[string]string{
	"sources": {"write_keys": "write key"},
}

// collectUnique reports values that another file has already in an environment.
func (l *loader) collectUnique(d *decoder, folder string, v variant) {
	chosen := l.options.Overrides()
	l.uniqueIn(d, folder, v.in(chosen), chosen)
	for _, name := range l.environmentNames {
		if name != chosen {
			l.uniqueIn(d, folder, v.in(name), name)
		}
	}
}

func (l *loader) uniqueIn(d *decoder, folder string, root *value, environment string) {
	for name, what := range uniqueFields[folder] {
		f := root.field(name)
		if f == nil {
			continue
		}
		for i, item := range f.value.items {
			// As it was expanded before: it is no other use. Secrets of other
			// environments are not known here.
			look := &resolver{secrets: l.options.Secrets, check: environment != l.options.Overrides()}
			text, known, err := look.expand(item.text, SecretUse{Resource: resourceOf(d.file, name), Place: SecretShown})
			if err != nil || !known || item.shape != shapeString {
				continue
			}
			id := environment + "\x00" + folder + "\x00" + name + "\x00" + text
			where, taken := l.unique[id]
			if file, _, _ := strings.Cut(where, ":"); file == d.file {
				continue // the resource's own Validate says so
			}
			if taken {
				d.add(item.line, item.column, "%s[%d]: %s already has this %s: make a new one", name, i, where, what)
				continue
			}
			l.unique[id] = fmt.Sprintf("%s:%d", d.file, item.line)
		}
	}
}

// collectReferences notes the names in fields tagged `ref:"folder"`.
func (l *loader) collectReferences(d *decoder, config any) {
	into := reflect.ValueOf(config).Elem()
	for _, f := range fieldsOf(into.Type()) {
		folder := f.field.Tag.Get("ref")
		if folder == "" {
			continue
		}
		switch v := into.FieldByIndex(f.index); v.Kind() {
		case reflect.String:
			if v.String() != "" {
				l.refs = append(l.refs, reference{d.report, d.places[f.name], f.name, folder, v.String()})
			}
		case reflect.Slice:
			for i := range v.Len() {
				path := fmt.Sprintf("%s[%d]", f.name, i)
				l.refs = append(l.refs, reference{d.report, d.places[path], path, folder, v.Index(i).String()})
			}
		}
	}
}

// references reports names that no file has.
func (l *loader) references() {
	for _, ref := range l.refs {
		if slices.Contains(l.names[ref.folder], ref.name) {
			continue
		}
		r := &report{file: ref.report.file, secrets: l.secrets, overrides: ref.report.overrides}
		r.add(ref.at.line, ref.at.column, "%s: there is no %s/%s.yaml; %s", ref.path, ref.folder, clip(ref.name),
			didYouMean(ref.name, l.names[ref.folder]))
		l.problems = append(l.problems, r.problems...)
	}
}
