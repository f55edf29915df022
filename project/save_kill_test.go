package project_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/project"
)

// TestSaveForEver is what TestKilledWhileSaving kills.
func TestSaveForEver(t *testing.T) {
	dir := os.Getenv("MILLRACE_TEST_SAVE_DIR")
	if dir == "" {
		return
	}
	f, err := project.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, etag, err := f.Read("sources/web.yaml")
	for n := 0; err == nil; n++ {
		if n == 1 {
			_, _ = os.Stdout.WriteString("saving\n")
		}
		etag, err = f.Save("sources/web.yaml", large(n%2), etag)
	}
	t.Fatal(err)
}

func large(n int) []byte {
	return bytes.Repeat([]byte([]string{"a: 1 # one\n", "b: 22\n"}[n]), 20_000)
}

// A process that is killed while it saves leaves the old text or the new one.
func TestKilledWhileSaving(t *testing.T) {
	t.Parallel()
	f, dir := folder(t, "millrace.yaml", "name: shop\n", "sources/web.yaml", "kind: http\n")
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSaveForEver$")
		cmd.Env = append(os.Environ(), "MILLRACE_TEST_SAVE_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "saving\n" {
			t.Errorf("%q %v", line, err)
		}
		time.Sleep(time.Duration(round*7) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		text, etag, err := f.Read("sources/web.yaml")
		if err != nil || !bytes.Equal(text, large(0)) && !bytes.Equal(text, large(1)) {
			t.Fatalf("round %d: %d bytes, %v", round, len(text), err)
		}
		if _, err := f.Save("sources/web.yaml", []byte("kind: http\n"), etag); err != nil {
			t.Fatal(err)
		}
		files, _, err := f.Files()
		if err != nil || len(files) != 2 {
			t.Errorf("%v %v", files, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "sources"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "web.yaml" && !strings.HasPrefix(e.Name(), ".millrace-new-") {
			t.Errorf("%s is left", e.Name())
		}
	}
}
