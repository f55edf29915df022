package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

func TestToFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, shop)
	write(t, dir, map[string]string{".secrets/key": "mine", "notes.parquet": "mine", IgnoreFile: "*.parquet\n"})
	have, err := FromFolder(dir, FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(Limits{})
	for path, text := range map[string]string{"millrace.yaml": "name: shop2\n", "sources/web.yaml": "kind: http\n", "new/deep/run.sh": "#!/bin/sh\n"} {
		if err := b.Add(path, []byte(text), strings.HasSuffix(path, ".sh")); err != nil {
			t.Fatal(err)
		}
	}
	want := b.Tree()
	for range 2 { // the second time nothing is to be done
		if err := ToFolder(dir, have, want); err != nil {
			t.Fatal(err)
		}
		if have, err = FromFolder(dir, FolderOptions{}); err != nil || have.Hash() != want.Hash() {
			t.Fatalf("%s, %v", have.Manifest(), err)
		}
	}
	for name, text := range map[string]string{".secrets/key": "mine", "notes.parquet": "mine"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "models")); err == nil {
		t.Error("an empty folder stays")
	}
	// Nothing that someone wrote meanwhile is lost.
	next, err := want.With(map[string][]byte{"millrace.yaml": []byte("name: shop3\n"), "notes.parquet": []byte("theirs")}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ToFolder(dir, want, next); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "notes.parquet is in the way") {
		t.Errorf("%v", err)
	}
	write(t, dir, map[string]string{"sources/web.yaml": "kind: webhook\n"})
	if err := ToFolder(dir, want, of(t, nil)); millrace.KindOf(err) != millrace.Conflict || err == nil {
		t.Errorf("%v", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "sources/web.yaml")); err != nil || string(got) != "kind: webhook\n" {
		t.Errorf("%q, %v", got, err)
	}
	// And nothing outside is written.
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if err := ToFolder(dir, of(t, nil), of(t, map[string]string{"out/x.md": "x"})); err == nil {
		t.Error("a link out of the folder was followed")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
