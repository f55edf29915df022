package project

import "fmt"

// A Place is where a value stands in a YAML file.
type Place struct {
	Path         []any // names of fields, and numbers of items from 0
	Line, Column int   // from 1, the column in characters; a field's is that of its name
	// Shared says that an alias or a merge repeats the value, or that it is such
	// a repetition: Edit refuses to change it, or writes it a second time.
	Shared bool
}

// maxPlaces is how many places Read tells at most.
const maxPlaces = 20_000

// Read returns what a YAML file says, as Values does, and where: at most
// 20,000 places, those above others first. When the file cannot be read it
// returns why instead.
func Read(text []byte) (Fields, []Place, Problems) {
	r := &report{}
	root, ok := parse(text, r)
	switch {
	case len(r.problems) > 0:
		return nil, nil, r.done()
	case root == nil:
		return Fields{}, nil, nil
	case !ok:
		return nil, nil, Problems{{Line: 1, Column: 1, Message: "is not YAML that can be read"}}
	}
	seen := map[*value]int{}
	if !root.count(seen, new(int)) {
		return nil, nil, Problems{{Line: 1, Column: 1, Message: tooManyValues()}}
	}
	fields, isMap := root.any().(Fields)
	if !isMap {
		return nil, nil, Problems{{Line: root.line, Column: root.column, Message: "a file is a mapping of names to values, not " + root.shape.String()}}
	}
	p := placer{seen: seen}
	p.add(root, nil, false)
	return fields, p.places, nil
}

func tooManyValues() string {
	return fmt.Sprintf("more than %d values when aliases and merges are expanded", maxValues)
}

// count counts how often each value is there: those that are shared, more than
// once. It returns false when there are more than a file may have.
func (v *value) count(seen map[*value]int, visited *int) bool {
	if *visited++; *visited > maxValues {
		return false
	}
	seen[v]++
	for _, item := range v.items {
		if !item.count(seen, visited) {
			return false
		}
	}
	for _, f := range v.fields {
		if !f.value.count(seen, visited) {
			return false
		}
	}
	return true
}

type placer struct {
	seen   map[*value]int
	places []Place
}

func (p *placer) add(v *value, path []any, shared bool) {
	put := func(inner *value, step any, line, column int) {
		if len(p.places) == maxPlaces {
			return
		}
		at := append(path[:len(path):len(path)], step)
		tied := shared || p.seen[inner] > 1
		p.places = append(p.places, Place{Path: at, Line: line, Column: column, Shared: tied})
		p.add(inner, at, tied)
	}
	for i, item := range v.items {
		put(item, i, item.line, item.column)
	}
	for _, f := range v.fields {
		put(f.value, f.name, f.line, f.column)
	}
}
