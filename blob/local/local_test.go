package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/blobtest"
)

func open(t *testing.T, dir string) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t *testing.T) blob.Bucket {
		b, err := Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// TestFsyncOrder shows that nothing is said to be stored before its bytes and
// the names that lead to it are on disk.
func TestFsyncOrder(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "new"))
	var steps []string
	b.trace = func(step, name string) {
		if strings.HasPrefix(name, tempDir+"/") {
			name = "TEMP"
		}
		steps = append(steps, step+" "+name)
	}
	for _, key := range []string{"a/b/1", "a/b/2"} {
		if err := b.Put(t.Context(), key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"write TEMP", "fsync TEMP", "mkdir a", "fsync .", "mkdir a/b", "fsync a", "rename a/b/1", "fsync a/b",
		"write TEMP", "fsync TEMP", "rename a/b/2", "fsync a/b",
	}
	if got := strings.Join(steps, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("steps:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestNothingLeavesTheRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	root := filepath.Join(dir, "root")
	for _, d := range []string{outside, root} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, root)
	for _, key := range []string{"out/secret", "link", "out", "pipe"} {
		if o, err := b.Open(t.Context(), key); err == nil {
			t.Errorf("opened %q (%d bytes)", key, o.Size())
			o.Close()
		}
	}
	if err := b.Put(t.Context(), "out/new", strings.NewReader("x")); err == nil {
		t.Error("wrote through a link")
	}
	if err := b.Delete(t.Context(), "out/secret"); err == nil {
		t.Error("deleted through a link")
	}
	for info, err := range b.List(t.Context(), "") {
		t.Errorf("listed %q, %v", info.Key, err)
	}
	if err := b.Put(t.Context(), "link", strings.NewReader("replaced")); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(outside, "secret")); string(got) != "secret" {
		t.Errorf("the file outside is now %q", got)
	}
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "x", "y")
	b := open(t, dir)
	if err := b.Put(t.Context(), "a/b/c", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, "a": 0o700, "a/b": 0o700, "a/b/c": 0o600, tempDir: 0o700} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestLeftoversAreCleaned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, tempDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, tempDir, "1-1"), []byte("dead"), 0o600); err != nil {
		t.Fatal(err)
	}
	alive, err := b.createLocked(tempDir + "/2-2")
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	open(t, dir)
	entries, err := os.ReadDir(filepath.Join(dir, tempDir))
	if err != nil || len(entries) != 1 || entries[0].Name() != "2-2" {
		t.Errorf("left: %v, %v; want only what a living writer holds", entries, err)
	}
}

// TestOpenLeavesWritersAlone opens the folder again at every step of a Put.
func TestOpenLeavesWritersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.trace = func(step, name string) {
		other, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("after %s of %s: %v", step, name, err)
		}
		_ = other.Close()
	}
	if err := b.Put(t.Context(), "a/b", strings.NewReader("text")); err != nil {
		t.Error(err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), ""); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("empty folder: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(t.Context(), dir); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("a file as folder: %v (%v)", err, millrace.KindOf(err))
		}
	}
	b := open(t, t.TempDir())
	if err := b.Put(t.Context(), "a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "a/b", strings.NewReader("x")); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "folder") {
		t.Errorf("object below an object: %v", err)
	}
	b.Close()
	if err := b.Put(t.Context(), "k", strings.NewReader("x")); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("closed: %v", err)
	}
}

// TestKill kills a writing process many times: what it had reported is there,
// and nothing is half there.
func TestKill(t *testing.T) {
	if dir := os.Getenv("LOCAL_TEST_WRITER"); dir != "" {
		writeForEver(t, dir)
	}
	t.Parallel()
	dir := t.TempDir()
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "LOCAL_TEST_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var n, last int
		for n < 20 {
			if _, err := fmt.Fscanf(out, "%d\n", &last); err != nil {
				t.Fatalf("the writer said nothing: %v", err)
			}
			n++
		}
		cmd.Process.Kill()
		cmd.Wait()
		b := open(t, dir)
		for i := range last {
			want := bytes.Repeat([]byte{byte(i)}, 10_000)
			if got := blobtest.ReadAll(t, b, fmt.Sprintf("d%d/%d", i%7, i)); !bytes.Equal(got, want) {
				t.Fatalf("object %d: %d other bytes", i, len(got))
			}
		}
		if left, _ := os.ReadDir(filepath.Join(dir, tempDir)); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
}

func writeForEver(t *testing.T, dir string) {
	b := open(t, dir)
	for i := 0; ; i++ {
		if err := b.Put(t.Context(), fmt.Sprintf("d%d/%d", i%7, i), bytes.NewReader(bytes.Repeat([]byte{byte(i)}, 10_000))); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%d\n", i)
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"a/b", "../x", ".tmp/x", "%2e", "a\x01b", "注文", "x%"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name, err := escapeKey(key)
		if err != nil {
			return
		}
		if !filepath.IsLocal(name) || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
			t.Fatalf("%q became %q", key, name)
		}
		var back []string
		for _, part := range strings.Split(name, "/") {
			part, ok := unescapePart(part)
			if !ok {
				t.Fatalf("%q became %q, which is not read back", key, name)
			}
			back = append(back, part)
		}
		if strings.Join(back, "/") != key {
			t.Fatalf("%q became %q and then %q", key, name, back)
		}
	})
}

// TestPrune removes folders that are empty, and only those.
func TestPrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	put := func(key string) {
		if err := b.Put(t.Context(), key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"w/a/x/1", "w/a/y/2", "w/b/3", "w2/4"} {
		put(key)
	}
	for _, step := range []struct{ remove, prune, gone, stays string }{
		{"w/a/x/1", "w/", "w/a/x", "w/a/y/2"},
		{"w/a/y/2", "w/a/", "w/a", "w/b/3"},
		{"w/b/3", "w/", "w", "w2/4"},
		{"w/never", "w/", "w", "w2/4"},
	} {
		if err := b.Delete(t.Context(), step.remove); err != nil {
			t.Fatal(err)
		}
		if err := b.Prune(t.Context(), step.prune); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, step.gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", step.gone, err)
		}
		if _, err := os.Stat(filepath.Join(dir, step.stays)); err != nil {
			t.Error(err)
		}
	}
	put("w/a/x/1") // its folders are made again
	if err := b.Prune(t.Context(), "../"); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}
