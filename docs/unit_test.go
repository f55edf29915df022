package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestUnit starts the server without an admin token: the link in the journal
// makes the first owner. What the unit calls are commands and flags that exist.
func TestUnit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "scripts", "millrace.service"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?i)admin.token`).Match(text) {
		t.Error("the unit has an admin token")
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/millrace (.*)$`).FindSubmatch(text)
	if start == nil {
		t.Fatal("the unit starts no millrace")
	}
	words := strings.Fields(string(start[1]))
	reference, err := os.ReadFile(filepath.Join(root, "docs", "reference", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, of, found := strings.Cut(string(reference), "\n## millrace "+words[0]+"\n")
	of, _, _ = strings.Cut(of, "\n## ")
	if !found {
		t.Fatalf("the reference has no command %s", words[0])
	}
	for _, word := range words {
		if strings.HasPrefix(word, "--") && !strings.Contains(of, word) {
			t.Errorf("millrace %s has no %s", words[0], word)
		}
	}
}
