package project_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestReference keeps the page and the schemas of docs/reference as the code is.
func TestReference(t *testing.T) {
	t.Parallel()
	kinds := project.Kinds{"sources": {
		"http":    func() any { return new(collect.HTTPSource) },
		"webhook": func() any { return new(collect.WebhookSource) },
	}}
	files, err := project.Schemas(kinds, project.SourceDocs())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{"config.md": project.Reference(kinds, project.SourceDocs())}
	for name, data := range files {
		out[filepath.Join("schema", name)] = data
	}
	for name, data := range out {
		path := filepath.Join("..", "docs", "reference", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != string(data) {
			t.Errorf("docs/reference/%s is not what the code makes: run make generate (%v)", name, err)
		}
	}
	for line := range strings.Lines(string(out["config.md"])) {
		if strings.HasSuffix(line, "|  |\n") {
			t.Errorf("a field is not described: %s", line)
		}
	}
}
