package serve

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
)

// folderFiles are the files of a folder, as app gives them.
type folderFiles struct {
	*project.Folder
	dir   string
	saved int
}

func (f *folderFiles) CheckUses(context.Context, access.Principal, map[string][]byte) error {
	return nil
}

func (f *folderFiles) Check(_ context.Context, _ access.Principal, texts map[string][]byte) []project.Problem {
	return project.Check(os.DirFS(f.dir), texts, nil, project.Options{})
}
func (f *folderFiles) Known(access.Principal) project.Known { return project.Known{} }
func (f *folderFiles) SchemaFor(string) string              { return "" }
func (f *folderFiles) Schemas() (map[string][]byte, error)  { return nil, nil }
func (f *folderFiles) Saved()                               { f.saved++ }

func withFiles(t *testing.T, o *Options) *folderFiles {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"millrace.yaml": "name: shop\n", "notes.yaml": "# ours\na: 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := project.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := &folderFiles{Folder: folder, dir: dir}
	o.Files = files
	return files
}

// body writes a request.
func body(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type readValues struct {
	Values   json.RawMessage
	Places   []FilePlace
	Problems []FileProblem
}

func TestFileValues(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	files := withFiles(t, &o)
	s := start(t, o)
	read := func(text string) readValues {
		t.Helper()
		resp, answer := call(t, "POST", s.URL+"/api/v1/files/values", body(t, map[string]any{"text": text}))
		if resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
		return decode[readValues](t, answer)
	}
	if got := read("z: {b: 1, a: [x]}\r\n"); string(got.Values) != `{"z":{"b":1,"a":["x"]}}` || len(got.Places) != 4 || got.Places[3].Line != 1 {
		t.Errorf("%s %+v", got.Values, got.Places)
	}
	for _, text := range []string{"a: [", "- a\n", "a: *b\n", "a: 1\na: 2\n", "a: \x00", "hello", strings.Repeat("[", 5000)} {
		if got := read(text); len(got.Problems) == 0 || got.Problems[0].Line == 0 || string(got.Values) != "{}" || got.Places == nil {
			t.Errorf("%.20q: %+v", text, got)
		}
	}
	resp, answer := call(t, "POST", s.URL+"/api/v1/files/values", body(t, map[string]any{"text": strings.Repeat("#", 1<<20+1)}))
	if resp.StatusCode < 400 || resp.StatusCode >= 500 {
		t.Errorf("huge: %d %s", resp.StatusCode, answer)
	}
	if files.saved != 0 {
		t.Error("reading saves")
	}
}

// A text that is not saved is changed as a file is, and nothing is written.
func TestTryEdit(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	files := withFiles(t, &o)
	s := start(t, o)
	set := func(value any, path ...any) map[string]any {
		return map[string]any{"op": "set", "path": path, "value": value}
	}
	edit := func(request map[string]any) (int, savedFile, string) {
		resp, answer := call(t, "POST", s.URL+"/api/v1/files/edit", body(t, request))
		if resp.StatusCode != 200 {
			return resp.StatusCode, savedFile{}, answer
		}
		return 200, decode[savedFile](t, answer), answer
	}
	for name, c := range map[string]struct{ text, want string }{
		"comments": {"# ours\na: 1 # one\n\nb:   'x'\n", "# ours\na: 2 # one\n\nb:   'x'\n"},
		"CRLF":     {"a: 1\r\nb: 2\r\n", "a: 2\r\nb: 2\r\n"},
		"flow":     {"{a: 1, b: [1, 2]}\n", "{a: 2, b: [1, 2]}\n"},
		"new":      {"", "a: 2\n"},
		"anchor":   {"c: &x 5\na: 1\nd: *x\n", "c: &x 5\na: 2\nd: *x\n"},
	} {
		status, saved, answer := edit(map[string]any{"path": "notes.yaml", "text": c.text, "dry": true, "changes": []any{set(2, "a")}})
		if status != 200 || saved.Text != c.want {
			t.Errorf("%s: %d %q, want %q: %s", name, status, saved.Text, c.want, answer)
		}
	}
	for name, request := range map[string]map[string]any{
		"not dry":          {"path": "notes.yaml", "text": "a: 1\n", "changes": []any{set(2, "a")}},
		"nothing":          {"path": "notes.yaml", "dry": true, "changes": []any{}},
		"an alias":         {"path": "notes.yaml", "text": "a: &x {b: 1}\nc: *x\n", "dry": true, "changes": []any{set(2, "c", "b")}},
		"unreadable":       {"path": "notes.yaml", "text": "a: [", "dry": true, "changes": []any{set(2, "a")}},
		"step":             {"path": "notes.yaml", "text": "a: 1\n", "dry": true, "changes": []any{set(2, 1.5)}},
		"no etag":          {"path": "notes.yaml", "changes": []any{set(2, "a")}},
		"another etag":     {"path": "notes.yaml", "etag": "x", "changes": []any{set(2, "a")}},
		"outside":          {"path": "../notes.yaml", "changes": []any{set(2, "a")}},
		"absolute":         {"path": "/etc/notes.yaml", "changes": []any{set(2, "a")}},
		"hidden":           {"path": ".secrets/a.yaml", "changes": []any{set(2, "a")}},
		"no text":          {"path": "notes.exe", "changes": []any{set(2, "a")}},
		"too deep a value": {"path": "notes.yaml", "text": "a: 1\n", "dry": true, "changes": []any{set(nested(200), "a")}},
	} {
		if status, _, answer := edit(request); status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if text, _, err := files.Read("notes.yaml"); err != nil || string(text) != "# ours\na: 1\n" || files.saved != 0 {
		t.Errorf("the file is %q, %v; saved %d times", text, err, files.saved)
	}
	// With no change it is checked as it is.
	if status, saved, answer := edit(map[string]any{"path": "millrace.yaml", "text": "nam: shop\n", "dry": true, "changes": []any{}}); status != 200 || len(saved.Problems) == 0 {
		t.Errorf("%d %s", status, answer)
	}
	// Paths that no file may have are no texts to check either.
	if status, saved, answer := edit(map[string]any{"path": "../../x.yaml", "text": "a: 1\n", "dry": true, "changes": []any{set(2, "a")}}); status != 200 || len(saved.Problems) != 0 {
		t.Errorf("%d %s", status, answer)
	}
}

func nested(depth int) any {
	var v any = 1
	for range depth {
		v = []any{v}
	}
	return v
}
