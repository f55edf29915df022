package project_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
)

var sourceKinds = project.Kinds{"sources": {
	"http":    func() any { return new(collect.HTTPSource) },
	"webhook": func() any { return new(collect.WebhookSource) },
}}

// Check finds in what is being typed what Load finds in files.
func TestCheck(t *testing.T) {
	t.Parallel()
	saved := fstest.MapFS{
		"millrace.yaml":    {Data: []byte("name: shop\n")},
		"sources/web.yaml": {Data: []byte("kind: http\nwrite_keys: [web_2026]\n")},
	}
	for name, test := range map[string]struct {
		texts map[string][]byte
		want  string
	}{
		"nothing changed": {nil, ""},
		"still right":     {map[string][]byte{"sources/web.yaml": []byte("kind: http\nwrite_keys: [web_2027]\n")}, ""},
		"a mistake":       {map[string][]byte{"sources/web.yaml": []byte("kind: http\nwrite_key: [a]\n")}, "sources/web.yaml:2:1: write_key: unknown field; did you mean write_keys?"},
		"a new file":      {map[string][]byte{"sources/app.yaml": []byte("kind: http\nwrite_keys: [web_2026]\n")}, "sources/web.yaml:2:14: write_keys[0]: sources/app.yaml:2 already has this write key: make a new one"},
		"the config":      {map[string][]byte{"millrace.yaml": []byte("name: shop\nlog: {retention: x}\n")}, "millrace.yaml:2:18: log.retention: \"x\" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d"},
		"removed config":  {map[string][]byte{"millrace.yaml": nil}, "millrace.yaml: there is no such file, so this folder is not a project: run millrace init, or name the project's folder"},
		"moved":           {map[string][]byte{"sources/web.yaml": nil, "sources/app.yaml": []byte("kind: http\nwrite_keys: [web_2026]\n")}, ""},
		"a new folder":    {map[string][]byte{"destinations/x.yaml": []byte("a: 1\n")}, "destinations: this version does not know a folder of that name; known: sources"},
		"not ours":        {map[string][]byte{"queries/x.sql": []byte("SELECT"), "models/y.yaml": []byte("[")}, ""},
		"empty":           {map[string][]byte{"sources/web.yaml": {}}, "sources/web.yaml:1:1: kind: is missing; known: http, webhook"},
		"outside":         {map[string][]byte{"../x.yaml": []byte("["), "/etc/x.yaml": []byte("[")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := project.Check(saved, test.texts, sourceKinds, project.Options{}); got.Error() != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got.Error(), test.want)
			}
		})
	}
	empty := project.Check(fstest.MapFS{}, map[string][]byte{"millrace.yaml": []byte("name: shop\n"), "sources/web.yaml": []byte("kind: htp\n")}, sourceKinds, project.Options{})
	if want := `sources/web.yaml:1:7: kind: "htp" is not known; did you mean http?`; empty.Error() != want {
		t.Errorf("in an empty folder: %s", empty.Error())
	}
}

// The files of a new project name schemas that are there, and are right.
func TestWriteSchemas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := project.Init(dir, "shop"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := project.WriteSchemas(dir, sourceKinds, project.SourceDocs()); err != nil {
			t.Fatal(err)
		}
	}
	want, err := project.Schemas(sourceKinds, project.SourceDocs())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"millrace.yaml", "sources/web.yaml"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		path, ok := strings.CutPrefix(first, "# yaml-language-server: $schema=")
		if !ok {
			t.Fatalf("%s begins with %s", file, first)
		}
		schema, err := os.ReadFile(filepath.Join(dir, filepath.Dir(file), path))
		if err != nil || string(schema) != string(want[project.SchemaFor(file, sourceKinds)]) {
			t.Errorf("%s: the schema is another one: %v", file, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, ".millrace")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, project.SchemaFolder))
	if err != nil || len(entries) != len(want) {
		t.Errorf("%v %v", entries, err)
	}
	for file, name := range map[string]string{"queries/x.sql": "", "models/a.yaml": "", "sources/a.yml": "", "sources/deep/a.yaml": "", "README.md": ""} {
		if got := project.SchemaFor(file, sourceKinds); got != name {
			t.Errorf("%s: %q", file, got)
		}
	}
	outside := t.TempDir()
	linked := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(linked, ".millrace")); err != nil {
		t.Fatal(err)
	}
	if err := project.WriteSchemas(linked, sourceKinds, nil); err == nil {
		t.Error("schemas were written outside of the project")
	}
}

// Names are told, values are not, and neither are other files.
func TestSecretNames(t *testing.T) {
	t.Setenv("MILLRACE_SECRET_FROM_ENVIRONMENT", "hunter2")
	dir := t.TempDir()
	for _, name := range []string{"db", ".gitignore", "Not-a-name", "from_environment", "folder/x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(project.Secrets{Dir: dir}.Names(), " "); got != "db from_environment" {
		t.Error(got)
	}
	none := func(string) (string, bool) { return "", false }
	if got := (project.Secrets{Dir: filepath.Join(dir, "none"), Getenv: none}).Names(); len(got) != 0 {
		t.Error(got)
	}
}
