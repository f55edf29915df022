// Package merge brings together what two people made of one version: file by
// file, YAML key by key with its comments and order, other text by lines. What
// both changed in different ways is a conflict, told with both sides; neither
// side is ever taken over the other.
package merge

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/tree"
)

// A How says where a file of the result comes from.
type How string

// Where a file comes from.
const (
	Ours       How = "ours"     // only we changed it
	Theirs     How = "theirs"   // only they did
	Both       How = "both"     // both made the same of it
	Merged     How = "merged"   // it has the changes of both
	InConflict How = "conflict" // a person has to say
)

// A Conflict is a place that both sides changed in different ways. Base, Ours
// and Theirs are what stands there; nil: nothing.
type Conflict struct {
	Path   string  `json:"path"`            // of the file
	Field  string  `json:"field,omitempty"` // of a YAML file: "limits.event_size"
	Line   int     `json:"line,omitempty"`  // of our text, from 1
	Why    string  `json:"why"`
	Base   *string `json:"base"`
	Ours   *string `json:"ours"`
	Theirs *string `json:"theirs"`
}

// A File is a file that a side changed.
type File struct {
	Path      string     `json:"path"`
	How       How        `json:"how"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
	// Marked is the text of a conflict with both sides between marks, for an
	// editor; "" when it is no text, or one side removed it.
	Marked string `json:"marked,omitempty"`
}

// A Result is what became of a merge.
type Result struct {
	Files []File `json:"files"` // those that a side changed, by path

	tree   *tree.Tree
	parts  map[string]part // that have no conflict
	limits tree.Limits
}

type part struct {
	data       []byte
	executable bool
}

// Tree is the merged tree, or nil while there are conflicts.
func (r *Result) Tree() *tree.Tree { return r.tree }

// Conflicts lists all of them, by file.
func (r *Result) Conflicts() []Conflict {
	var out []Conflict
	for _, f := range r.Files {
		out = append(out, f.Conflicts...)
	}
	return out
}

// Trees merges what ours and theirs made of base, which may be nil when they
// have nothing in common. The error is of the limits of a tree only.
func Trees(base, ours, theirs *tree.Tree, limits tree.Limits) (*Result, error) {
	r := &Result{parts: map[string]part{}, limits: limits}
	for _, name := range paths(base, ours, theirs) {
		b, o, t := side(base, name), side(ours, name), side(theirs, name)
		f, merged := mergeFile(name, b, o, t)
		if len(f.Conflicts) == 0 && merged != nil {
			r.parts[name] = *merged
		}
		if f.How != "" {
			r.Files = append(r.Files, f)
		}
	}
	if len(r.Conflicts()) > 0 {
		return r, nil
	}
	built, err := r.build(nil)
	if millrace.KindOf(err) == millrace.Invalid { // two paths that cannot be beside each other
		r.Files = append(r.Files, File{Path: ".", How: InConflict, Conflicts: []Conflict{{Path: ".", Why: err.Error()}}})
		return r, nil
	}
	r.tree = built
	return r, err
}

// Resolve makes the tree with what a person decided about the files in
// conflict: their bytes, or nil where a file is to be removed. Those that are
// left out are named by the error, which is a Conflict.
func (r *Result) Resolve(decided map[string][]byte) (*tree.Tree, error) {
	var open []string
	for _, f := range r.Files {
		if _, ok := decided[f.Path]; f.How == InConflict && !ok && f.Path != "." {
			open = append(open, f.Path)
		}
	}
	if len(open) > 0 {
		return nil, millrace.Errorf(millrace.Conflict, "both sides changed %s: say what it is to be", strings.Join(open, ", "))
	}
	return r.build(decided)
}

func (r *Result) build(decided map[string][]byte) (*tree.Tree, error) {
	b := tree.NewBuilder(r.limits)
	for _, name := range slices.Sorted(maps.Keys(r.parts)) {
		p := r.parts[name]
		data, is := decided[name]
		if is && data == nil {
			continue
		}
		if is {
			p.data = data
		}
		if err := b.Add(name, p.data, p.executable); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(decided)) {
		if _, is := r.parts[name]; is || decided[name] == nil {
			continue
		}
		if err := b.Add(name, decided[name], false); err != nil {
			return nil, err
		}
	}
	return b.Tree(), nil
}

func paths(trees ...*tree.Tree) []string {
	var all []string
	for _, t := range trees {
		for _, f := range t.Files() {
			all = append(all, f.Path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// side is what a tree has at a path, or nil.
func side(t *tree.Tree, name string) *part {
	f, ok := t.File(name)
	if !ok {
		return nil
	}
	data, _ := t.Blob(f.Hash)
	return &part{data, f.Executable}
}

func (p *part) same(other *part) bool {
	if p == nil || other == nil {
		return p == other
	}
	return p.executable == other.executable && bytes.Equal(p.data, other.data)
}

// text is what a conflict shows of a side.
func (p *part) text() *string {
	if p == nil {
		return nil
	}
	text := string(p.data)
	if !diff.IsText(p.data) {
		text = fmt.Sprintf("(%d bytes that are no text)", len(p.data))
	}
	return &text
}

// mergeFile merges a file. It returns nil when it is to be removed.
func mergeFile(name string, b, o, t *part) (File, *part) {
	f := File{Path: name}
	conflict := func(why string) (File, *part) {
		f.How = InConflict
		f.Conflicts = []Conflict{{Path: name, Why: why, Base: b.text(), Ours: o.text(), Theirs: t.text()}}
		return f, nil
	}
	switch {
	case o.same(t):
		if !o.same(b) {
			f.How = Both
		}
		return f, o
	case o.same(b):
		f.How = Theirs
		return f, t
	case t.same(b):
		f.How = Ours
		return f, o
	case o == nil:
		return conflict("we removed the file, they changed it")
	case t == nil:
		return conflict("they removed the file, we changed it")
	case b == nil && !bytes.Equal(o.data, t.data):
		if diff.IsText(o.data) && diff.IsText(t.data) {
			f.Marked = Marked("", string(o.data), string(t.data))
		}
		return conflict("both sides added a file of that name")
	case b == nil:
		f.How = Merged
		return f, &part{o.data, o.executable || t.executable}
	}
	out := &part{executable: o.executable}
	if o.executable == b.executable {
		out.executable = t.executable
	}
	f.How = Merged
	switch {
	case bytes.Equal(o.data, t.data), bytes.Equal(t.data, b.data):
		out.data = o.data
	case bytes.Equal(o.data, b.data):
		out.data = t.data
	case !diff.IsText(b.data) || !diff.IsText(o.data) || !diff.IsText(t.data):
		return conflict("both sides changed the file, and it is no text")
	default:
		merged, conflicts := Text(name, string(b.data), string(o.data), string(t.data))
		if len(conflicts) > 0 {
			f.How, f.Conflicts, f.Marked = InConflict, conflicts, Marked(string(b.data), string(o.data), string(t.data))
			return f, nil
		}
		out.data = []byte(merged)
	}
	return f, out
}

// Text merges what two sides made of the text of a file: key by key when its
// name ends as YAML, otherwise by lines.
func Text(name, base, ours, theirs string) (merged string, conflicts []Conflict) {
	switch {
	case ours == theirs, theirs == base:
		return ours, nil
	case ours == base:
		return theirs, nil
	}
	if ending := path.Ext(name); ending == ".yaml" || ending == ".yml" {
		merged, conflicts = mergeYAML(base, ours, theirs)
	} else if lines, ok := byLines(diff.Lines(base), diff.Lines(ours), diff.Lines(theirs)); ok {
		return strings.Join(lines, ""), nil
	} else {
		conflicts = textConflicts(base, ours, theirs)
	}
	for i := range conflicts {
		conflicts[i].Path = name
	}
	return merged, conflicts
}
