package diff

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/release/tree"
)

func of(t testing.TB, texts map[string]string) *tree.Tree {
	t.Helper()
	made, err := tree.Of(texts)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestUnified(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\n", 20)
	old := of(t, map[string]string{"a.md": "one\n" + long + "two\n", "gone.md": "g\n", "same.md": "s\n", "b.bin": "\x00", "end.md": "end"})
	next := of(t, map[string]string{"a.md": "ONE\n" + long + "two\nthree\n", "new.md": "n\n", "same.md": "s\n", "b.bin": "\x01", "end.md": "end\n"})
	want := `diff --git a/a.md b/a.md
--- a/a.md
+++ b/a.md
@@ -1,4 +1,4 @@
-one
+ONE
 x
 x
 x
@@ -20,3 +20,4 @@
 x
 x
 two
+three
diff --git a/b.bin b/b.bin
Binary files a/b.bin and b/b.bin differ
diff --git a/end.md b/end.md
--- a/end.md
+++ b/end.md
@@ -1 +1 @@
-end
\ No newline at end of file
+end
diff --git a/gone.md b/gone.md
deleted file mode 100644
--- a/gone.md
+++ /dev/null
@@ -1 +0,0 @@
-g
diff --git a/new.md b/new.md
new file mode 100644
--- /dev/null
+++ b/new.md
@@ -0,0 +1 @@
+n
`
	if got := Unified(Trees(old, next)); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := Trees(old, old); len(got) > 0 {
		t.Errorf("a tree differs from itself by %v", got)
	}
}

// What is told makes the one tree of the other, as git reads it.
func TestGitAppliesWhatIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		texts := func(label string) map[string]string {
			lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "d", "\n"}), 0, 15)
			out := map[string]string{}
			for _, name := range []string{"x.md", "s/y.md"} {
				if text := strings.Join(lines.Draw(r, label+name), ""); text != "" {
					out[name] = text
				}
			}
			return out
		}
		old, next := of(t, texts("old")), of(t, texts("new"))
		files := Trees(old, next)
		if len(files) == 0 {
			return
		}
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range old.Files() {
			text, _ := old.Read(f.Path)
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Path), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		apply := exec.Command("git", "apply", "--unidiff-zero", "-")
		apply.Dir, apply.Stdin = dir, strings.NewReader(Unified(files))
		if out, err := apply.CombinedOutput(); err != nil {
			r.Fatalf("%v: %s\n%s", err, out, Unified(files))
		}
		got, err := tree.FromFolder(dir, tree.FolderOptions{})
		if err != nil || got.Hash() != next.Hash() {
			r.Fatalf("became\n%s\n%v", got.Manifest(), err)
		}
	})
}

func TestMatchesAreTrueAndBounded(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for name, words := range map[string]int{"all alike": 1, "few": 3, "many": 100_000} {
		var a, b []string
		for range 20_000 {
			a, b = append(a, fmt.Sprintln(rng.IntN(words))), append(b, fmt.Sprintln(rng.IntN(words)))
		}
		begun := time.Now()
		at, bt := 0, 0
		for _, m := range Matches(a, b) {
			if m.A < at || m.B < bt || m.N < 1 {
				t.Fatalf("%s: out of order", name)
			}
			for k := range m.N {
				if a[m.A+k] != b[m.B+k] {
					t.Fatalf("%s: no match", name)
				}
			}
			at, bt = m.A+m.N, m.B+m.N
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("%s: %s", name, took)
		}
	}
}

func FuzzHunks(f *testing.F) {
	f.Add("a\nb\nc", "a\nc\n")
	f.Fuzz(func(t *testing.T, old, next string) {
		for _, h := range Hunks(old, next) {
			oldN, newN := 0, 0
			for _, l := range h.Lines {
				if l.Op != "+" {
					oldN++
				}
				if l.Op != "-" {
					newN++
				}
			}
			if oldN != h.OldN || newN != h.NewN {
				t.Fatalf("%+v", h)
			}
		}
	})
}
