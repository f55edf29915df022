package tree

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
)

func of(t testing.TB, texts map[string]string) *Tree {
	t.Helper()
	made, err := Of(texts)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

var shop = map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\n", "models/a/b.sql": "select 1\n", "empty.txt": ""}

func TestTree(t *testing.T) {
	t.Parallel()
	a := of(t, shop)
	if a.Hash() != of(t, shop).Hash() || a.Hash() != HashOf(a.Manifest()) {
		t.Error("the same files have two names")
	}
	// The format is for ever: docs/format/tree.md has this example.
	if want := Hash("fa8db3c9354805822d0c9e3c8e0fb6c0ce03171ddfba402dede5765711dbc0bd"); of(t, map[string]string{"millrace.yaml": "name: shop\n"}).Hash() != want {
		t.Errorf("the tree of one file is %s, not %s", of(t, map[string]string{"millrace.yaml": "name: shop\n"}).Hash(), want)
	}
	if (*Tree)(nil).Hash() != of(t, nil).Hash() {
		t.Error("no tree and an empty one differ")
	}
	files, err := ReadManifest(a.Manifest())
	if err != nil || len(files) != 4 || files[1].Path != "millrace.yaml" || files[1].SizeBytes != 11 {
		t.Errorf("the manifest says %v, %v", files, err)
	}
	again, err := Join(a.Manifest(), func(h Hash) ([]byte, error) { data, _ := a.Blob(h); return data, nil })
	if err != nil || again.Hash() != a.Hash() || again.SizeBytes() != a.SizeBytes() {
		t.Errorf("joined to %v, %v", again, err)
	}
	if _, err := Join(a.Manifest(), func(Hash) ([]byte, error) { return []byte("else"), nil }); millrace.KindOf(err) != millrace.Internal || err == nil {
		t.Errorf("took other bytes: %v", err)
	}
	b, err := a.With(map[string][]byte{"empty.txt": nil, "sources/web.yaml": []byte("kind: webhook\n"), "x.md": []byte("x")}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := b.Read("sources/web.yaml"); !ok || string(text) != "kind: webhook\n" {
		t.Errorf("changed to %q", text)
	}
	if _, ok := b.Read("empty.txt"); ok || len(b.Files()) != 4 || a.Hash() == b.Hash() {
		t.Errorf("the files are %v", b.Files())
	}
	if err := fstest.TestFS(a.FS(), "millrace.yaml", "sources/web.yaml", "models/a/b.sql"); err != nil {
		t.Error(err)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "sources/web.yaml", "a b/ü.md", "con_text.md", "commander.md", "a/b/c/d"} {
		if err := CheckPath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "a/", `a\b`, `\\host\x`, `C:\x`, "c:x", "a\x00b", "a\nb", "a\x1b[0m",
		"a\u202eb", "nul", "NUL.txt", "a/com1", "COM¹.md", "lpt9.yaml", "conin$", "a.", "a ", " a", "a /b", strings.Repeat("a", 201), strings.Repeat("a/", 16) + "a",
		strings.Repeat("aaaaaaaaa/", 101), "a\xffb", "a*b", "a?b", "a|b", "<a", `"a"`} {
		if err := CheckPath(bad); millrace.KindOf(err) != millrace.Invalid || err == nil {
			t.Errorf("%q is taken: %v", bad, err)
		} else if strings.ContainsFunc(err.Error(), func(c rune) bool { return c < ' ' }) {
			t.Errorf("%q is shown with control characters: %q", bad, err)
		}
	}
}

func TestCollisions(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{{"a", "A"}, {"a", "a"}, {"a", "a/b"}, {"a/b", "a"}, {"A/b", "a/c"}, {"straße", "STRASSE"}, {"é", "e\u0301"}, {"A", "a/b/c"}, {"x/Y/z", "x/y/w"}} {
		b := NewBuilder(Limits{})
		if err := b.Add(c[0], nil, false); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(c[1], nil, false); millrace.KindOf(err) != millrace.Invalid || err == nil {
			t.Errorf("%q beside %q: %v", c[1], c[0], err)
		}
	}
	if _, err := Of(map[string]string{"a/b": "", "a/c": "", "ab": "", "a.md": ""}); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	limits := Limits{FileBytes: 10, Files: 3, TotalBytes: 20}
	for name, files := range map[string][]int{"a file": {11}, "all files": {10, 10, 1}, "the number": {1, 1, 1, 1}} {
		b := NewBuilder(limits)
		var err error
		for i, size := range files {
			if err == nil {
				err = b.Add(fmt.Sprint(i), make([]byte, size), false)
			}
		}
		if millrace.KindOf(err) != millrace.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFromFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, shop)
	write(t, dir, map[string]string{".secrets/key": "CANARY", ".millrace/x": "CANARY", ".git/config": "CANARY", ".env": "CANARY", "data/log": "CANARY", "tls.key": "CANARY",
		"a/.hidden": "CANARY", "node_modules/x/y.js": "", "big/items.csv": "CANARY", "x.parquet": "CANARY", "a/y.parquet": "CANARY", "a.md~": "", IgnoreFile: "# data\nbig/\n*.parquet\n"})
	if err := os.Chmod(filepath.Join(dir, "models/a/b.sql"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := FromFolder(dir, FolderOptions{Private: []string{filepath.Join(dir, "data")}})
	if err != nil {
		t.Fatal(err)
	}
	want := NewBuilder(Limits{})
	for name, text := range shop {
		if err := want.Add(name, []byte(text), name == "models/a/b.sql"); err != nil {
			t.Fatal(err)
		}
	}
	if got.Hash() != want.Tree().Hash() {
		t.Errorf("took\n%s", got.Manifest())
	}
}

func TestFromFolderWithLinks(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "CANARY", "folder/x.yaml": ""})
	for name, c := range map[string]struct {
		link, to, want string // want: of the error
	}{
		"a file within, as mounted config maps have": {"sources/web.yaml", "..data/web.yaml", ""},
		"a file outside":   {"sources/web.yaml", filepath.Join(outside, "secret"), "leads out of the project"},
		"a file above":     {"sources/web.yaml", "../../" + filepath.Base(outside) + "/secret", "leads out of the project"},
		"a folder":         {"models", "sources", "a symbolic link to a folder"},
		"a folder outside": {"models", filepath.Join(outside, "folder"), "leads out of the project"},
		"nowhere":          {"a.md", "gone", "leads nowhere"},
		"itself":           {"a.md", "a.md", "cannot be taken"},
		"a hidden one":     {".x", "/etc", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"millrace.yaml": "name: a\n", "sources/..data/web.yaml": "kind: http\n"})
			if err := os.Symlink(c.to, filepath.Join(dir, c.link)); err != nil {
				t.Fatal(err)
			}
			got, err := FromFolder(dir, FolderOptions{})
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("took %s, %v", got.Manifest(), err)
			case err == nil && bytes.Contains(got.Manifest(), []byte("CANARY")):
				t.Errorf("took %s", got.Manifest())
			}
			if text, _ := got.Read("sources/web.yaml"); strings.Contains(name, "within") && string(text) != "kind: http\n" {
				t.Errorf("the link is %q", text)
			}
		})
	}
}

func TestPackIsDeterministicAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b := NewBuilder(Limits{})
		for name, text := range rapid.MapOf(rapid.StringMatching(`[a-c]{1,2}(/[x-z]{1,2}){0,2}\.md`), rapid.String()).Draw(r, "files") {
			if err := b.Add(name, []byte(text), len(text)%2 == 0); err != nil {
				r.Skip(err)
			}
		}
		made := b.Tree()
		var one, two bytes.Buffer
		if err := Pack(&one, made); err != nil {
			r.Fatal(err)
		}
		if err := Pack(&two, made); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			r.Fatal("two packs of one tree differ")
		}
		got, left, err := Unpack(&one, Limits{})
		if err != nil || got.Hash() != made.Hash() || len(left) > 0 {
			r.Fatalf("back came %v, %v, %v", got, left, err)
		}
	})
}

type tarEntry struct {
	name string
	kind byte
	text string
}

func tarOf(t testing.TB, entries ...tarEntry) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.text)), Linkname: "x"}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := a.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, entries ...tarEntry) []byte {
	var b bytes.Buffer
	a := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(0o644)
		if e.kind == tar.TypeSymlink {
			h.SetMode(fs.ModeSymlink | 0o777)
		}
		w, err := a.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	good := tarEntry{name: "millrace.yaml", text: "name: a\n"}
	for name, c := range map[string]struct {
		packed []byte
		kind   millrace.Kind
	}{
		"zip slip":                {zipOf(t, good, tarEntry{name: "../../etc/cron.d/x"}), millrace.Invalid},
		"tar slip":                {tarOf(t, good, tarEntry{name: "../x"}), millrace.Invalid},
		"slip within":             {tarOf(t, good, tarEntry{name: "a/../../x"}), millrace.Invalid},
		"windows slip":            {zipOf(t, good, tarEntry{name: `..\x`}), millrace.Invalid},
		"absolute":                {tarOf(t, good, tarEntry{name: "/etc/passwd"}), millrace.Invalid},
		"a drive":                 {zipOf(t, good, tarEntry{name: "C:/x"}), millrace.Invalid},
		"symbolic link":           {tarOf(t, good, tarEntry{name: "a.md", kind: tar.TypeSymlink}), millrace.Invalid},
		"symbolic link in a zip":  {zipOf(t, good, tarEntry{name: "a.md", kind: tar.TypeSymlink, text: "/etc/passwd"}), millrace.Invalid},
		"hard link":               {tarOf(t, good, tarEntry{name: "a.md", kind: tar.TypeLink}), millrace.Invalid},
		"device":                  {tarOf(t, good, tarEntry{name: "a.md", kind: tar.TypeChar}), millrace.Invalid},
		"pipe":                    {tarOf(t, good, tarEntry{name: "a.md", kind: tar.TypeFifo}), millrace.Invalid},
		"a folder outside":        {tarOf(t, good, tarEntry{name: "../x/", kind: tar.TypeDir}), millrace.Invalid},
		"case":                    {tarOf(t, good, tarEntry{name: "Millrace.yaml"}), millrace.Invalid},
		"twice":                   {tarOf(t, good, good), millrace.Invalid},
		"twice in a zip":          {zipOf(t, good, good), millrace.Invalid},
		"a device's name":         {zipOf(t, good, tarEntry{name: "sources/nul.yaml"}), millrace.Invalid},
		"a file as folder":        {zipOf(t, good, tarEntry{name: "millrace.yaml/x"}), millrace.Invalid},
		"a secret outside":        {zipOf(t, good, tarEntry{name: ".secrets/../../x"}), millrace.Invalid},
		"too many":                {tarOf(t, good, tarEntry{name: "a"}, tarEntry{name: "b"}, tarEntry{name: "c"}), millrace.TooLarge},
		"too many hidden":         {tarOf(t, good, tarEntry{name: ".a"}, tarEntry{name: ".b"}, tarEntry{name: ".c"}, tarEntry{name: ".d"}, tarEntry{name: ".e"}, tarEntry{name: ".f"}), millrace.TooLarge},
		"a bomb":                  {tarOf(t, good, tarEntry{name: "a", text: strings.Repeat("\x00", 1<<20)}), millrace.TooLarge},
		"a bomb in a zip":         {zipOf(t, good, tarEntry{name: "a", text: strings.Repeat("\x00", 1<<20)}), millrace.TooLarge},
		"a bomb of a hidden file": {tarOf(t, good, tarEntry{name: ".a", text: strings.Repeat("\x00", 1<<20)}), millrace.TooLarge},
		"together too large":      {tarOf(t, good, tarEntry{name: "a", text: strings.Repeat("a", 999)}, tarEntry{name: "b", text: strings.Repeat("a", 999)}), millrace.TooLarge},
		"cut":                     {tarOf(t, good)[:60], millrace.Invalid},
		"nothing":                 {nil, millrace.Invalid},
		"text":                    {[]byte("name: shop\n"), millrace.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := Unpack(bytes.NewReader(c.packed), Limits{FileBytes: 1000, Files: 3, TotalBytes: 1500})
			if err == nil || millrace.KindOf(err) != c.kind {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestUnpackLeavesOut(t *testing.T) {
	t.Parallel()
	entries := []tarEntry{{name: "shop-main/millrace.yaml", text: "name: shop\n"}, {name: "shop-main/sources/web.yaml", text: "kind: http\n"},
		{name: "shop-main/.secrets/key", text: "CANARY"}, {name: "shop-main/.git/config", text: "CANARY"}, {name: "shop-main/tls.pem", text: "CANARY"}, {name: "__MACOSX/._a", text: "x"}}
	want := of(t, map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\n"})
	for name, packed := range map[string][]byte{"tar": tarOf(t, append(entries, tarEntry{name: "shop-main/", kind: tar.TypeDir})...), "zip": zipOf(t, entries...)} {
		got, left, err := Unpack(bytes.NewReader(packed), Limits{})
		if err != nil || got.Hash() != want.Hash() || len(left) != 4 {
			t.Errorf("%s: %s, left %v, %v", name, got.Manifest(), left, err)
		}
	}
	got, _, err := Unpack(bytes.NewReader(tarOf(t, tarEntry{name: "./", kind: tar.TypeDir}, tarEntry{name: "./millrace.yaml", text: "name: shop\n"}, tarEntry{name: "./sources/web.yaml", text: "kind: http\n"})), Limits{})
	if err != nil || got.Hash() != want.Hash() {
		t.Errorf("as tar -C dir . makes it: %v, %v", got, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tarEntry{name: "millrace.yaml", text: "name: a\n"}, tarEntry{name: "a/b.md", text: "b"}))
	f.Add(zipOf(f, tarEntry{name: "millrace.yaml", text: "name: a\n"}, tarEntry{name: "../b.md", text: "b"}))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, packed []byte) {
		limits := Limits{FileBytes: 1 << 10, Files: 10, TotalBytes: 1 << 12}
		got, _, err := Unpack(bytes.NewReader(packed), limits)
		if err != nil {
			if k := millrace.KindOf(err); k != millrace.Invalid && k != millrace.TooLarge {
				t.Fatalf("%v is %s", err, k)
			}
			return
		}
		if len(got.Files()) > 10 || got.SizeBytes() > 1<<12 {
			t.Fatal("over the limits")
		}
		for _, file := range got.Files() {
			if CheckPath(file.Path) != nil || !filepath.IsLocal(file.Path) {
				t.Fatalf("took %q", file.Path)
			}
		}
		var b bytes.Buffer
		if err := Pack(&b, got); err != nil {
			t.Fatal(err)
		}
		if again, _, err := Unpack(&b, limits); err != nil || again.Hash() != got.Hash() {
			t.Fatalf("packed again: %v", err)
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	f.Add((&Tree{}).Manifest())
	f.Add([]byte(manifestHead + strings.Repeat("a", 64) + " 1 x a b\n"))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		files, err := ReadManifest(manifest)
		if err == nil && !bytes.Equal((&Tree{files: files}).Manifest(), manifest) {
			t.Fatalf("%q reads as another one", manifest)
		}
	})
}
