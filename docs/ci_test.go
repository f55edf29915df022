package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/apptest"
)

// TestCIWorkflows: the examples for CI can be read, and what they call exists,
// with the flags that they give.
func TestCIWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("ci/*.yml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	call := regexp.MustCompile(`millrace ([a-z]+)([^\n]*)`)
	flag := regexp.MustCompile(`(?:^|\s)(--?[a-z][a-z-]*)`)
	page, err := os.ReadFile("deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var read map[string]any
		if err := yaml.Unmarshal(text, &read); err != nil || len(read) < 3 {
			t.Errorf("%s cannot be read: %v", file, err)
		}
		if !strings.Contains(string(page), "("+file+")") {
			t.Errorf("deploy.md does not name %s", file)
		}
		calls := 0
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") || !strings.HasPrefix(line, "- millrace ") && !strings.HasPrefix(line, "run: millrace ") {
				continue
			}
			calls++
			found := call.FindStringSubmatch(line)
			help, err := exec.Command(apptest.Binary(t), found[1], "--help").CombinedOutput()
			if err != nil {
				t.Errorf("%s: millrace %s: %v", file, found[1], err)
			}
			for _, f := range flag.FindAllStringSubmatch(found[2], -1) {
				if !regexp.MustCompile(`(?m)^\s.*` + f[1] + `\b`).Match(help) {
					t.Errorf("%s: millrace %s has no flag %s", file, found[1], f[1])
				}
			}
		}
		if calls < 2 {
			t.Errorf("%s calls millrace %d times", file, calls)
		}
	}
}
