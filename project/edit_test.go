package project_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// TestEdit makes the changes of the files in testdata/edit, each of which
// holds a file before and after, or the error. "crlf" gives it lines that end
// as on Windows, "cut" a last line without an end.
func TestEdit(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/edit/*.txt")
	if err != nil || len(cases) < 40 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil || len(archive.Files) != 2 {
				t.Fatalf("%d parts, %v", len(archive.Files), err)
			}
			text := archive.Files[0].Data
			var changes []project.Change
			crlf, cut := false, false
			for line := range strings.Lines(string(archive.Comment)) {
				change, ok := strings.CutPrefix(line, "change: ")
				crlf, cut = crlf || line == "crlf\n", cut || line == "cut\n"
				if !ok {
					continue
				}
				var c project.Change
				if err := json.Unmarshal([]byte(change), &c); err != nil {
					t.Fatal(err)
				}
				changes = append(changes, c)
			}
			if crlf {
				text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
			}
			if cut {
				text = bytes.TrimRight(text, "\r\n")
			}
			got := edited(t, text, changes, crlf, cut)
			if *update {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(archive.Files[1].Data); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if isError := strings.HasPrefix(filepath.Base(name), "error-"); isError != strings.HasPrefix(got, "error: ") {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// edited returns the text as the golden files have it.
func edited(t *testing.T, text []byte, changes []project.Change, crlf, cut bool) string {
	t.Helper()
	before := string(text)
	out, err := project.Edit(text, changes...)
	if string(text) != before {
		t.Error("the text that was given has changed")
	}
	if err != nil {
		if out != nil {
			t.Errorf("an error and a text: %q", out)
		}
		return "error: " + millrace.KindOf(err).String() + ": " + err.Error() + "\n"
	}
	if crlf {
		if bytes.Count(out, []byte("\n")) != bytes.Count(out, []byte("\r\n")) {
			t.Errorf("lines end in both ways: %q", out)
		}
		out = bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))
	}
	if cut {
		if bytes.HasSuffix(out, []byte("\n")) {
			t.Errorf("there is a line end: %q", out)
		}
		out = append(out, '\n')
	}
	return string(out)
}

// Large files are edited and completed in a time that can be waited for.
func TestEditLarge(t *testing.T) {
	t.Parallel()
	var fields strings.Builder
	for i := range 1_500 {
		fmt.Fprintf(&fields, "k%d: v # c\n", i)
	}
	for name, text := range map[string]string{
		"fields":   fields.String(),
		"one line": "a: " + strings.Repeat("#", 1<<18) + "\n",
		"comment":  "a: b # " + strings.Repeat("# ", 1<<17) + "\n",
		"list":     "a: [" + strings.Repeat("b, ", 8_000) + "b]\n",
		"dashes":   strings.Repeat("- - - - - - -\n", 1_500),
		"blank":    "a: b\n" + strings.Repeat(" \n", 1<<17) + "c: d\n",
		"quotes":   strings.Repeat("a'\"[{", 1<<15),
		"literal":  "a: |\n" + strings.Repeat(" b\n", 1<<16),
	} {
		start := time.Now()
		_, err := project.Edit([]byte(text), project.Change{Op: "set", Path: []any{"k7"}, Value: "x"})
		half := time.Now()
		schemas, _ := project.Schemas(sourceKinds, nil)
		_, _ = project.Complete(schemas["sources.json"], []byte(text), 1+strings.Count(text, "\n"), 1, project.Known{})
		_, _ = project.Complete(schemas["sources.json"], []byte(text), 1, 1<<20, project.Known{})
		t.Logf("%s: edited in %s (%.80v), completed in %s", name, half.Sub(start), err, time.Since(half))
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%s took %s", name, d)
		}
	}
	changes := make([]project.Change, 501)
	var fields501 project.Fields
	for i := range changes {
		changes[i] = project.Change{Op: "set", Path: []any{"a"}, Value: i}
		fields501 = append(fields501, project.Field{Name: fmt.Sprint("a", i), Value: i})
	}
	if _, err := project.Edit([]byte("a: 1\n"), changes...); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("501 changes: %v", err)
	}
	if _, err := project.Edit([]byte("a: 1\n"), project.Change{Op: "set", Value: fields501}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("501 places: %v", err)
	}
}

// A value's fields are written in the order that they were sent in.
func TestChangeJSON(t *testing.T) {
	t.Parallel()
	var c project.Change
	if err := json.Unmarshal([]byte(`{"op":"set","path":["z",0],"value":{"b":9007199254740993,"a":[{"d":1.50,"c":null}],"e":"x"}}`), &c); err != nil {
		t.Fatal(err)
	}
	out, err := project.Edit([]byte("z:\n  - 1\n"), c)
	if want := "z:\n  - b: 9007199254740993\n    a:\n      - d: 1.5\n        c:\n    e: x\n"; err != nil || string(out) != want {
		t.Errorf("%s %v", out, err)
	}
	for _, wrong := range []string{`{"op":"set","path":["a"],"value":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, `{"op":1}`, `{"path":"a"}`, `[]`} {
		if err := json.Unmarshal([]byte(wrong), &c); err == nil {
			t.Errorf("%.40s was read", wrong)
		}
	}
	for _, value := range []any{math.NaN(), math.Inf(1), "a\x00", "\xff", map[string]any{"": 1}, project.Fields{{"a", 1}, {"a", 2}}, make(chan int), struct{}{}} {
		if _, err := project.Edit([]byte("a: 1\n"), project.Change{Op: "set", Path: []any{"a"}, Value: value}); err == nil {
			t.Errorf("%v was written", value)
		}
	}
}

// Values are what is written, in order; written again they change nothing.
func TestValues(t *testing.T) {
	t.Parallel()
	text := "z: 1 # one\na: &x [b, 0x1F, 2.50, -.5, ~, 'yes', yes, True, .inf]\nc:\n  secret: ${secret:x}\n  d: *x\n\"e\": |\n  f\n"
	values, err := project.Values([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(values)
	want := `{"z":1,"a":["b",31,2.5,-0.5,null,"yes","yes",true,".inf"],"c":{"secret":"${secret:x}","d":["b",31,2.5,-0.5,null,"yes","yes",true,".inf"]},"e":"f\n"}`
	if err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
	for text, want := range map[string]string{"": "{}", "# a\n": "{}", "- a\n": "line 1: a file is a mapping of names to values, not a list", "a: [\n": "line 1: the list", "a: 1\na: 2\n": "line 2: a: is there twice"} {
		values, err := project.Values([]byte(text))
		got, _ := json.Marshal(values)
		if err != nil {
			got = []byte(err.Error())
		}
		if !strings.HasPrefix(string(got), want) {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, file := range []string{"shop/sources/shop.yaml", "website/sources/site.yaml", "webhook/sources/github.yaml", "webhook/sources/stripe.yaml", "shop/millrace.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "examples", file))
		if err != nil {
			t.Fatal(err)
		}
		values, err := project.Values(text)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := project.Edit(text, project.Change{Op: "set", Value: values}); err != nil || string(out) != string(text) {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
