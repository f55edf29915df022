package project_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// folder makes a project with such files, by path and text.
func folder(t *testing.T, pairs ...string) (*project.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(dir, filepath.FromSlash(pairs[i]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := project.NewFolder(dir, "vault", filepath.Join(dir, "data"), "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// TestPrivateThroughLinks has a project, its data and its secrets that are
// reached by other paths than they were named by.
func TestPrivateThroughLinks(t *testing.T) {
	t.Parallel()
	_, dir := folder(t, "millrace.yaml", "name: shop\n", "vault/db", "hunter2", "data/lock", "x")
	link := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]struct {
		dir     string
		private []string
	}{
		"the project by a link": {link, []string{filepath.Join(dir, "vault"), filepath.Join(dir, "data")}},
		"the others by a link":  {dir, []string{filepath.Join(link, "vault"), filepath.Join(link, "data")}},
		"all by a link":         {link, []string{"vault", filepath.Join(link, "data")}},
		"one of them not there": {link, []string{filepath.Join(dir, "vault"), filepath.Join(dir, "data"), filepath.Join(dir, "later", "on")}},
	} {
		f, err := project.NewFolder(at.dir, at.private...)
		if err != nil {
			t.Fatal(name, err)
		}
		files, _, err := f.Files()
		if err != nil || len(files) != 1 || files[0].Path != "millrace.yaml" {
			t.Errorf("%s: %v, %v", name, files, err)
		}
		if text, _, err := f.Read("vault/db"); err == nil {
			t.Errorf("%s: the vault is read: %s", name, text)
		}
		if strings.HasSuffix(name, "not there") {
			if _, err := f.Save("later/on/x.yaml", []byte("a: 1\n"), ""); err == nil {
				t.Errorf("%s: saved into a private folder", name)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f, dir := folder(t,
		"millrace.yaml", "name: shop\n", "sources/web.yaml", "kind: http\n", "queries/top/ten.sql", "SELECT 1\n", "README", "x",
		".secrets/db", "hunter2", ".env", "KEY=hunter2", ".git/config", "x", ".millrace/lock", "x", "vault/db", "hunter2", "data/lock", "x",
		"node_modules/a/index.js", "x", "target/run.sql", "x", "server.pem", "hunter2", "prod.env", "hunter2", "sources/#web.yaml#", "x", "sources/web.yaml~", "x",
		"seeds/big.csv", strings.Repeat("a,b\n", project.MaxFileSizeBytes/4+1), "logo.png", "\x89PNG\x00", "binary.csv", "a\x00b", "latin.md", "gr\xfc\xdf",
	)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "passwd.txt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "etc")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, all, err := f.Files()
	if err != nil || !all {
		t.Fatal(all, err)
	}
	var got []string
	for _, file := range files {
		got = append(got, fmt.Sprintf("%s %s %s %t", file.Path, file.Folder, file.Kind, file.Editable))
		if file.Editable != (file.ETag != "") {
			t.Errorf("%+v", file)
		}
		text, etag, err := f.Read(file.Path)
		if (err == nil) != file.Editable || etag != file.ETag || err == nil && int64(len(text)) != file.SizeBytes {
			t.Errorf("%+v reads as %d bytes with %s, %v", file, len(text), etag, err)
		}
	}
	want := []string{
		"README  txt true", "binary.csv   false", "latin.md   false", "logo.png   false", "millrace.yaml  yaml true",
		"queries/top/ten.sql queries sql true", "seeds/big.csv seeds  false", "sources/web.yaml sources yaml true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

// What must not be read or written is not, whatever it is called by.
func TestForbiddenFiles(t *testing.T) {
	t.Parallel()
	f, dir := folder(t, "millrace.yaml", "name: shop\n", ".secrets/db", "hunter2", "vault/db.txt", "hunter2", "data/x.txt", "hunter2", "real/a.yaml", "a: 1\n", "file.txt", "x")
	outside := filepath.Join(t.TempDir(), "outside.txt")
	if err := os.WriteFile(outside, []byte("hunter2"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link.txt": outside, "within.yaml": "real/a.yaml", "folder": "real", "out": filepath.Dir(outside), "dangling.txt": "nowhere.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.txt"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for path, kind := range map[string]millrace.Kind{
		"": millrace.Invalid, ".": millrace.Invalid, "/etc/hosts.txt": millrace.Invalid, "../outside.txt": millrace.Invalid, "real/../file.txt": millrace.Invalid,
		"real/./a.yaml": millrace.Invalid, "real//a.yaml": millrace.Invalid, "real/a.yaml/": millrace.Invalid, `real\a.yaml`: millrace.Invalid, `..\outside.txt`: millrace.Invalid,
		"a\x00.txt": millrace.Invalid, "a\n.txt": millrace.Invalid, "a\u202e.txt": millrace.Invalid, "gr\xfc.txt": millrace.Invalid, " a.txt": millrace.Invalid, "a /b.txt": millrace.Invalid, "a./b.txt": millrace.Invalid,
		"con:x.txt": millrace.Invalid, "a.exe": millrace.Invalid, "a.png": millrace.Invalid, "script": millrace.Invalid, "file.txt.": millrace.Invalid,
		strings.Repeat("a", 201) + ".txt": millrace.Invalid, strings.Repeat("a/", 16) + "b.txt": millrace.Invalid, strings.Repeat(strings.Repeat("a", 150)+"/", 8) + "b.txt": millrace.Invalid,
		".secrets/db": millrace.Invalid, ".secrets/db.txt": millrace.Forbidden, ".SECRETS/db.txt": millrace.Forbidden, ".hidden.txt": millrace.Forbidden, "a/.b/c.txt": millrace.Forbidden,
		"vault/db.txt": millrace.Forbidden, "VAULT/db.txt": millrace.Forbidden, "vault/new.txt": millrace.Forbidden, "data/x.txt": millrace.Forbidden, "node_modules/a.js": millrace.Forbidden, "id_rsa.txt": millrace.Forbidden,
		"link.txt": millrace.Forbidden, "within.yaml": millrace.Forbidden, "folder/a.yaml": millrace.Forbidden, "folder/new.yaml": millrace.Forbidden, "out/outside.txt": millrace.Forbidden, "out/new.txt": millrace.Forbidden,
		"dangling.txt": millrace.Forbidden, "pipe.txt": millrace.Forbidden, "file.txt/a.txt": millrace.Conflict,
	} {
		for what, do := range map[string]func() error{
			"read":        func() error { _, _, err := f.Read(path); return err },
			"save":        func() error { _, err := f.Save(path, []byte("mine"), ""); return err },
			"save over":   func() error { _, err := f.Save(path, []byte("mine"), project.ETagOf([]byte("hunter2"))); return err },
			"remove":      func() error { return f.Remove(path, project.ETagOf([]byte("hunter2"))) },
			"rename":      func() error { return f.Rename(path, "free.txt", project.ETagOf([]byte("hunter2"))) },
			"rename over": func() error { return f.Rename("real/a.yaml", path, project.ETagOf([]byte("a: 1\n"))) },
		} {
			err := do()
			if got := millrace.KindOf(err); err == nil || got != kind && !(what == "rename over" && got == millrace.Conflict) {
				t.Errorf("%s %q: %s: %v", what, path, got, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s %q: a secret is shown: %v", what, path, err)
			}
		}
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the folder was:\n%s\nand is:\n%s", before, after)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "hunter2" {
		t.Errorf("%q %v", text, err)
	}
}

// tree is everything in a folder, with what files say.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprint(&b, path, " ", e.Type())
		if e.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			fmt.Fprintf(&b, " %q", text)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSave(t *testing.T) {
	t.Parallel()
	f, dir := folder(t, "millrace.yaml", "name: shop\n")
	etag, err := f.Save("sources/deep/web.yaml", []byte("kind: http\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sources/deep/web.yaml")
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, "sources/deep/.millrace-new-abc")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	next, err := f.Save("sources/deep/web.yaml", []byte("kind: webhook\n"), etag)
	if err != nil || next == etag {
		t.Fatal(next, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o664 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if text, got, err := f.Read("sources/deep/web.yaml"); err != nil || got != next || string(text) != "kind: webhook\n" {
		t.Errorf("%q %s %v", text, got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v: files are left", entries, err)
	}

	conflict := func(what string, err error, theirs, yours string) {
		t.Helper()
		var c *project.FileConflict
		if !errors.As(err, &c) || millrace.KindOf(err) != millrace.Conflict || string(c.Theirs) != theirs || string(c.Yours) != yours ||
			c.ETag != "" && c.ETag != project.ETagOf(c.Theirs) || (c.ETag == "") != (theirs == "") {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	_, err = f.Save("sources/deep/web.yaml", []byte("mine"), etag)
	conflict("an old ETag", err, "kind: webhook\n", "mine")
	_, err = f.Save("sources/deep/web.yaml", []byte("mine"), "")
	conflict("a new file that is there", err, "kind: webhook\n", "mine")
	_, err = f.Save("gone.yaml", []byte("mine"), etag)
	conflict("a file that is gone", err, "", "mine")
	conflict("removed with an old ETag", f.Remove("sources/deep/web.yaml", etag), "kind: webhook\n", "")
	conflict("renamed with an old ETag", f.Rename("sources/deep/web.yaml", "a.yaml", etag), "kind: webhook\n", "")

	for what, c := range map[string]struct {
		err  error
		kind millrace.Kind
	}{
		"too large":      {second(f.Save("a.txt", bytes.Repeat([]byte("a"), project.MaxFileSizeBytes+1), "")), millrace.TooLarge},
		"no text":        {second(f.Save("a.txt", []byte("a\x00"), "")), millrace.Invalid},
		"no UTF-8":       {second(f.Save("a.txt", []byte("a\xff"), "")), millrace.Invalid},
		"a folder":       {second(f.Save("sources", nil, "")), millrace.Invalid},
		"remove none":    {f.Remove("none.yaml", "x"), millrace.NotFound},
		"rename none":    {f.Rename("none.yaml", "b.yaml", "x"), millrace.NotFound},
		"remove project": {f.Remove("millrace.yaml", project.ETagOf([]byte("name: shop\n"))), millrace.Forbidden},
		"rename project": {f.Rename("millrace.yaml", "b.yaml", project.ETagOf([]byte("name: shop\n"))), millrace.Forbidden},
		"rename onto":    {f.Rename("sources/deep/web.yaml", "millrace.yaml", next), millrace.Forbidden},
	} {
		if millrace.KindOf(c.err) != c.kind || c.err == nil {
			t.Errorf("%s: %s: %v", what, millrace.KindOf(c.err), c.err)
		}
	}
	if err := f.Rename("sources/deep/web.yaml", "sources/app.yaml", next); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Save("b.yaml", []byte("b"), ""); err != nil {
		t.Fatal(err)
	}
	if err := f.Rename("sources/app.yaml", "b.yaml", next); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("renamed over another: %v", err)
	}
	if err := f.Remove("sources/app.yaml", next); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Read("sources/app.yaml"); millrace.KindOf(err) != millrace.NotFound {
		t.Error(err)
	}
	if os.Geteuid() == 0 { // files of others stay theirs; who may write anything is told all the same
		if err := os.Chown(filepath.Join(dir, "millrace.yaml"), 1234, 4321); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Save("millrace.yaml", []byte("name: store\n"), project.ETagOf([]byte("name: shop\n"))); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "millrace.yaml"))
		if owner, ok := info.Sys().(*syscall.Stat_t); err != nil || !ok || owner.Uid != 1234 || owner.Gid != 4321 {
			t.Errorf("the owner is %+v, %v", owner, err)
		}
		if err := os.Chmod(filepath.Join(dir, "b.yaml"), 0o444); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Save("b.yaml", []byte("c"), project.ETagOf([]byte("b"))); millrace.KindOf(err) != millrace.Forbidden {
			t.Errorf("a read-only file: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Of many who save at once, each over what they read, none is lost.
func TestSaveTogether(t *testing.T) {
	t.Parallel()
	f, dir := folder(t, "millrace.yaml", "name: shop\n", "log.txt", "")
	other, err := project.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const writers, lines = 8, 10
	made := make(chan bool, writers)
	for w := range writers {
		wg.Go(func() {
			for line := 0; line < lines; {
				text, etag, err := f.Read("log.txt")
				if millrace.KindOf(err) == millrace.Unavailable && err != nil {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				_, err = f.Save("log.txt", fmt.Appendf(text, "%d %d\n", w, line), etag)
				var c *project.FileConflict
				switch {
				case err == nil:
					line++
				case !errors.As(err, &c):
					t.Error(err)
					return
				}
			}
			which := f
			if w%2 == 0 {
				which = other
			}
			_, err := which.Save("new.txt", fmt.Append(nil, w), "")
			made <- err == nil
		})
	}
	wg.Wait()
	close(made)
	first := 0
	for ok := range made {
		if ok {
			first++
		}
	}
	text, _, err := f.Read("log.txt")
	if err != nil || bytes.Count(text, []byte("\n")) != writers*lines || first != 1 {
		t.Errorf("%d lines, %d made the new file, %v", bytes.Count(text, []byte("\n")), first, err)
	}
}
