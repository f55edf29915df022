package project_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
