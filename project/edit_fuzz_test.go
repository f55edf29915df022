package project_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// read reads a file without any of our code.
func read(text []byte) (any, bool) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, false
	}
	return generic(v), true
}

// generic makes values comparable: whole numbers are of one type.
func generic(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = generic(inner)
		}
		return v
	case []any:
		for i, inner := range v {
			v[i] = generic(inner)
		}
		return v
	case uint64:
		return fmt.Sprint(v)
	case int64:
		return fmt.Sprint(v)
	case int:
		return fmt.Sprint(v)
	case float64:
		return fmt.Sprint(v)
	case nil:
		return nil
	}
	return v
}

// places are all paths in a value.
func places(v any, path []any, out *[][]any) {
	*out = append(*out, path)
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			places(v[name], append(slices.Clip(path), name), out)
		}
	case []any:
		for i, inner := range v {
			places(inner, append(slices.Clip(path), i), out)
		}
	}
}

// changed makes a change in a value, in the simplest way.
func changed(v any, c project.Change) any {
	if len(c.Path) == 0 {
		if c.Op == "append" {
			list, _ := v.([]any)
			return append(slices.Clip(list), c.Value)
		}
		return c.Value
	}
	rest := project.Change{Op: c.Op, Path: c.Path[1:], Value: c.Value}
	remove := c.Op == "remove" && len(rest.Path) == 0
	switch s := c.Path[0].(type) {
	case int:
		list := slices.Clone(v.([]any))
		if remove {
			return slices.Delete(list, s, s+1)
		}
		list[s] = changed(list[s], rest)
		return list
	default:
		out := map[string]any{}
		if fields, ok := v.(map[string]any); ok {
			for k, inner := range fields {
				out[k] = inner
			}
		}
		if remove {
			delete(out, s.(string))
			return out
		}
		out[s.(string)] = changed(out[s.(string)], rest)
		return out
	}
}

// commentsIn are the comments of a file, as another reader finds them.
func commentsIn(text []byte) (out []string) {
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.CommentType {
			out = append(out, strings.TrimSpace(t.Value))
		}
	}
	slices.Sort(out)
	return out
}

// try makes a change and looks whether anything else has changed. It returns
// the error of Edit.
func try(t *testing.T, text []byte, c project.Change) error {
	t.Helper()
	before, ok := read(text)
	if !ok {
		_, err := project.Edit(text, c)
		return err
	}
	out, err := project.Edit(text, c)
	if err != nil {
		if kind := millrace.KindOf(err); kind != millrace.Invalid && kind != millrace.NotFound {
			t.Fatalf("%s: %v", kind, err)
		}
		return err
	}
	after, ok := read(out)
	if !ok {
		t.Fatalf("%+v made of\n%s\nwhat cannot be read:\n%s", c, text, out)
	}
	want := generic(changed(before, c))
	if m, ok := want.(map[string]any); ok && len(m) == 0 {
		want = nil // a file without a field
	}
	if m, ok := after.(map[string]any); ok && len(m) == 0 {
		after = nil
	}
	if !reflect.DeepEqual(after, want) {
		t.Fatalf("%+v made of\n%s\nthis:\n%s\nwhich says %#v and not %#v", c, text, out, after, want)
	}
	// A line behind a text of several lines whose last has no end gives it one.
	ends := bytes.HasSuffix(out, []byte("\n")) || !bytes.ContainsAny(out, "|>")
	if _, err := project.Edit(out, project.Change{Op: "set", Path: []any{"edited_again"}, Value: true}); err != nil && ends {
		t.Fatalf("what %+v made cannot be edited:\n%s\n%v", c, out, err)
	}
	if scalar(before, c.Path) && c.Op == "set" || c.Op == "append" {
		if a, b := commentsIn(text), commentsIn(out); !slices.Equal(a, b) {
			t.Fatalf("%+v made of\n%s\nthis:\n%s\nand comments %q of %q", c, text, out, b, a)
		}
	}
	return nil
}

// scalar says whether there is nothing that could hold comments at a path.
func scalar(v any, path []any) bool {
	switch valueAt(v, path).(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// valueAt goes along a path as far as there is something.
func valueAt(v any, path []any) any {
	for _, s := range path {
		switch at := v.(type) {
		case map[string]any:
			name, _ := s.(string)
			v = at[name]
		case []any:
			if i, ok := s.(int); ok && i < len(at) {
				v = at[i]
			}
		}
	}
	return v
}

// anyValue is one that a page may send.
func anyValue(n uint, text string) any {
	switch n % 7 {
	case 0:
		return text
	case 1:
		return []any{text, "b"}
	case 2:
		return map[string]any{"a": text, "b": []any{"c", map[string]any{"d": text}}}
	case 3:
		return true
	case 4:
		return fmt.Sprint(n)
	case 5:
		return map[string]any{}
	}
	return nil
}

// FuzzEdit changes any file anywhere: what it then says is what it said, but
// for the change, or there is an error.
func FuzzEdit(f *testing.F) {
	cases, _ := filepath.Glob("testdata/edit/*.txt")
	for i, name := range cases {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		text := string(txtar.Parse(data).Files[0].Data)
		for n := range uint(12) {
			f.Add(text, n*7+uint(i), n, "te: xt #"+fmt.Sprint(n))
		}
		f.Add(strings.ReplaceAll(text, "\n", "\r\n"), uint(i), uint(i), "x\ny")
		f.Add(strings.TrimSuffix(text, "\n"), uint(i), uint(1), "'")
	}
	f.Fuzz(func(t *testing.T, text string, at, what uint, word string) {
		v, ok := read([]byte(text))
		if !ok {
			v = nil
		}
		var all [][]any
		places(v, nil, &all)
		path := slices.Clone(all[at%uint(len(all))])
		c := project.Change{Op: []string{"set", "set", "append", "remove"}[what%4], Path: path, Value: anyValue(what/4, word)}
		if what%3 == 0 && word != "" {
			c.Path = append(c.Path, word)
		}
		if c.Op == "remove" {
			c.Value = nil
		}
		_ = try(t, []byte(text), c)
	})
}

// A writer makes files in the styles that people have.
type writer struct {
	*rand.Rand
	strings.Builder
	serial int
	step   int
	dashes int
}

func (w *writer) word() string {
	w.serial++
	return fmt.Sprintf([]string{"a%d", "Wort_%d", "größe%d", "x-%d", "with space %d"}[w.IntN(5)], w.serial)
}

func (w *writer) quoted(s string) string {
	return []string{s, s, "'" + s + "'", `"` + s + `"`}[w.IntN(4)]
}

func (w *writer) remark() string {
	w.serial++
	return []string{"", "", "", fmt.Sprintf(" # remark %d", w.serial), fmt.Sprintf("   # it's: \"%d\" [", w.serial)}[w.IntN(5)]
}

func (w *writer) between(indent int) {
	for w.IntN(4) == 0 {
		w.serial++
		w.WriteString([]string{"\n", fmt.Sprintf("%s# between %d\n", strings.Repeat(" ", indent), w.serial)}[w.IntN(2)])
	}
}

func (w *writer) scalar() string {
	return []string{w.quoted(w.word()), "12", "true", "1.5", "https://x.example/y?z=1"}[w.IntN(5)]
}

func (w *writer) flow(depth int) string {
	var parts []string
	for range w.IntN(4) {
		switch item := w.scalar(); {
		case depth == 0:
			parts = append(parts, item)
		default:
			parts = append(parts, w.quoted(w.word())+": "+item)
		}
	}
	sep := []string{", ", ",  ", " , "}[w.IntN(3)]
	if depth == 0 {
		return "[" + strings.Join(parts, sep) + "]"
	}
	pad := []string{"", " "}[w.IntN(2)]
	return "{" + pad + strings.Join(parts, sep) + pad + "}"
}

func (w *writer) mapping(indent, depth int) {
	for range 1 + w.IntN(3) {
		w.between(indent)
		w.WriteString(strings.Repeat(" ", indent))
		w.field(indent, depth)
	}
}

func (w *writer) field(indent, depth int) {
	w.WriteString(w.quoted(w.word()) + ":")
	w.value(indent+w.step, indent+w.dashes, depth)
}

func (w *writer) value(indent, dashes, depth int) {
	kind := w.IntN(8)
	if depth == 0 {
		kind %= 4
	}
	switch kind {
	case 0:
		w.WriteString(" " + w.flow(w.IntN(2)) + w.remark() + "\n")
	case 1:
		w.WriteString(w.remark() + "\n")
	case 2, 3, 4:
		w.WriteString(" " + w.scalar() + w.remark() + "\n")
	case 5:
		fmt.Fprintf(w, " |\n%stext: one\n\n%s# two\n", strings.Repeat(" ", indent), strings.Repeat(" ", indent))
	case 6:
		w.WriteString(w.remark() + "\n")
		w.mapping(indent, depth-1)
	case 7:
		w.WriteString(w.remark() + "\n")
		for range 1 + w.IntN(3) {
			w.between(dashes)
			w.WriteString(strings.Repeat(" ", dashes) + "-")
			if w.IntN(3) == 0 {
				w.WriteString(" ")
				w.field(dashes+2, 0)
				if w.IntN(2) == 0 {
					w.WriteString(strings.Repeat(" ", dashes+2))
					w.field(dashes+2, depth-1)
				}
				continue
			}
			if w.dashes == 0 { // where the reader does not take a dash alone for nothing
				w.WriteString(" " + w.scalar() + w.remark() + "\n")
				continue
			}
			w.value(dashes+2, dashes+2, 0)
		}
	}
}

// TestEditStyles edits files of many styles, all of which can be edited.
func TestEditStyles(t *testing.T) {
	t.Parallel()
	const rounds = 600
	refused := 0
	for seed := range uint64(rounds) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 4)), step: 2}
		w.step = []int{2, 2, 4, 1, 3}[w.IntN(5)]
		w.dashes = []int{0, w.step}[w.IntN(2)]
		w.mapping(0, 3)
		text := w.String()
		if w.IntN(4) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if w.IntN(4) == 0 {
			text = strings.TrimRight(text, "\r\n")
		}
		v, ok := read([]byte(text))
		if !ok {
			t.Fatalf("seed %d cannot be read:\n%s", seed, text)
		}
		var all [][]any
		places(v, nil, &all)
		c := project.Change{Op: "set", Path: all[w.IntN(len(all))], Value: anyValue(uint(w.IntN(100)), "new "+w.word())}
		switch valueAt(v, c.Path).(type) {
		case []any:
			c.Op = []string{"set", "append", "remove"}[w.IntN(3)]
		case map[string]any:
			if w.IntN(3) > 0 || len(c.Path) == 0 {
				c.Path = append(slices.Clip(c.Path), []string{w.word(), "new: name"}[w.IntN(2)])
			}
		case nil:
			c.Op = []string{"set", "append", "remove"}[w.IntN(3)]
		default:
			c.Op = []string{"set", "set", "remove"}[w.IntN(3)]
		}
		if c.Op == "remove" {
			c.Value = nil
		}
		open := !strings.HasSuffix(text, "\n") && strings.Contains(text, "|") // see try
		if err := try(t, []byte(text), c); err != nil && !open {
			if refused++; refused <= 5 {
				t.Logf("seed %d: %+v: %v\n%s", seed, c, err, text)
			}
		}
	}
	if refused > 0 {
		t.Errorf("%d of %d edits are refused", refused, rounds)
	}
}
