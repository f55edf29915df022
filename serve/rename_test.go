package serve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/project"
)

// quickFolder has another text as soon as a file was read.
type quickFolder struct {
	folder
	then string
}

func (f *quickFolder) Read(path string) ([]byte, string, error) {
	text, etag, err := f.folder.Read(path)
	if err == nil {
		err = os.WriteFile(filepath.Join(f.dir, path), []byte(f.then), 0o600)
	}
	return text, etag, err
}

// TestRenameOfAnotherText: the text that is renamed is the one that was asked about,
// also when the file is saved at that moment.
func TestRenameOfAnotherText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for path, text := range map[string]string{"millrace.yaml": "name: shop\n", "notes.md": "Nothing.\n"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := project.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	const stolen = "kind: '${secret:stolen}'\n"
	o := newWorld().options(t)
	o.Files = &quickFolder{folder{Folder: f, dir: dir}, stolen}
	s := start(t, o)
	resp, body := call(t, "POST", s.URL+"/api/v1/files/rename", `{"from":"notes.md","to":"sources/web.yaml","etag":"`+project.ETagOf([]byte(stolen))+`"}`)
	wantProblem(t, resp, body, 409, "conflict", "has changed meanwhile")
	if _, err := os.Stat(filepath.Join(dir, "sources", "web.yaml")); err == nil {
		t.Error("a text that nobody asked about was renamed")
	}
}
