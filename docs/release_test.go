package docs_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stub stands for the binary in the test of the release, which is about what
// is put around it.
const stub = `package main

import ("fmt"; "os")

func main() {
	if os.Args[1] == "version" { fmt.Println("millrace v9.8.7 (stub)"); return }
	fmt.Println("#", os.Args[1:])
}
`

// TestRelease makes a release twice and looks at what is in it.
func TestRelease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "stub.go"), filepath.Join(dir, "millrace")
	if err := os.WriteFile(source, []byte(stub), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var sums []string
	for _, dist := range []string{"one", "two"} {
		out, err := release(filepath.Join(dir, dist), "v9.8.7", binary)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		sum, err := os.ReadFile(filepath.Join(dir, dist, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(sum))
	}
	if sums[0] != sums[1] {
		t.Errorf("two releases of one binary differ:\n%s%s", sums[0], sums[1])
	}
	_, file, _ := strings.Cut(strings.TrimSpace(sums[0]), "  ")
	if !strings.HasPrefix(file, "millrace_9.8.7_linux_") {
		t.Errorf("the release is called %s", file)
	}
	check := exec.Command("sha256sum", "-c", "SHA256SUMS")
	check.Dir = filepath.Join(dir, "one")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	names := contents(t, filepath.Join(dir, "one", file))
	for _, want := range []string{"millrace", "LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "millrace.service",
		"completions/millrace.bash", "completions/_millrace", "completions/millrace.fish"} {
		if !slices.Contains(names, want) {
			t.Errorf("the release has no %s: %v", want, names)
		}
	}
	if out, err := release(filepath.Join(dir, "other"), "v9.9.9", binary); err == nil || !strings.Contains(out, "not version v9.9.9") {
		t.Errorf("a binary of another version: %v %s", err, out)
	}
}

// TestReleaseIsOptimised shows that make builds releases, and what benchmarks
// measure, with the profile.
func TestReleaseIsOptimised(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"release", "bench"} {
		cmd := exec.Command("make", "--dry-run", target)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, profile, _ := strings.Cut(string(out), " -pgo=")
		profile, _, _ = strings.Cut(profile, " ")
		if info, err := os.Stat(filepath.Join(root, profile)); err != nil || info.IsDir() {
			t.Errorf("make %s builds without a profile:\n%s", target, out)
		}
	}
}

func release(dist, version, binary string) (string, error) {
	cmd := exec.Command("bash", "scripts/release.sh", version, binary)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "DIST="+dist)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// contents lists what is below the only folder of a tarball, and checks who
// owns it and when it was made.
func contents(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r, times := tar.NewReader(unpacked), map[int64]bool{}; ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		names = append(names, name)
		times[h.ModTime.Unix()] = true
		if h.Uid != 0 || h.Gid != 0 || len(times) > 1 {
			t.Errorf("%s belongs to %d:%d and is of %v, want 0:0 and one time for all", h.Name, h.Uid, h.Gid, h.ModTime)
		}
	}
}
