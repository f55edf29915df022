package millrace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace"

const (
	maxFileLines     = 600
	maxFunctionLines = 70
)

// backends are the packages that only app may import: <stage>/<technology>.
var backends = []string{
	"eventlog/nats", "eventlog/mem", "blob/local", "blob/s3", "warehouse/duckdb", "warehouse/postgres",
	"catalog/sqlite", "catalog/postgres",
}

type goPackage struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestLayering(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		for _, path := range p.Imports {
			own := strings.HasPrefix(path, module)
			imported := strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
			switch {
			case name == "" && strings.Contains(path, "."):
				t.Errorf("the root package imports %s: it may use the standard library only", path)
			case !own:
			case slices.Contains(backends, imported) && name != "app" && name != "catalog/catalogtest": // it opens them for others' tests
				t.Errorf("%s imports backend %s: only app may", name, imported)
			case imported == "app" && !strings.HasPrefix(name, "cmd/"):
				t.Errorf("%s imports app: only cmd may", name)
			case slices.Contains(backends, name) && imported != "" && imported != "unit" && imported != filepath.Dir(name) && !allowedBelow(name, imported):
				t.Errorf("backend %s imports %s: it may import the root package and %s only", name, imported, filepath.Dir(name))
			}
		}
	}
}

// allowedBelow lets a warehouse read records: its interface speaks of eventlog's entries.
func allowedBelow(backend, imported string) bool {
	return strings.HasPrefix(backend, "warehouse/") && imported == "eventlog"
}

func TestSizes(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	for path := range sources(t, ".go", ".ts", ".tsx", ".mjs") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text[:min(len(text), 500)], []byte("DO NOT EDIT")) {
			continue
		}
		if n := bytes.Count(text, []byte("\n")); n > maxFileLines {
			t.Errorf("%s has %d lines: split it where its parts are, at most %d", path, n, maxFileLines)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d", fset.Position(f.Pos()), f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestNoUnfinishedWork(t *testing.T) {
	t.Parallel()
	// Spelled apart, so that this file does not find itself.
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK|not imple` + `mented)\b`)
	for path := range sources(t, ".go", ".ts", ".tsx", ".mjs", ".md", ".yaml", ".sh") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if unfinished.Match(line) {
				t.Errorf("%s:%d: %s", path, i+1, bytes.TrimSpace(line))
			}
		}
	}
}

func TestArchitectureNamesEveryFolder(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name != "" && !bytes.Contains(text, []byte("`"+name+"/`")) {
			t.Errorf("ARCHITECTURE.md does not say what `%s/` is for", name)
		}
		if len(p.GoFiles) > 0 && !hasPackageComment(t, p) {
			t.Errorf("package %s has no package comment", name)
		}
	}
}

func hasPackageComment(t *testing.T, p goPackage) bool {
	t.Helper()
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if file.Doc != nil {
			return true
		}
	}
	return false
}

// sources yields the files with one of the endings that git knows or would add.
func sources(t *testing.T, endings ...string) func(func(string) bool) {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(string) bool) {
		for path := range strings.Lines(string(out)) {
			path = strings.TrimSpace(path)
			if !slices.Contains(endings, filepath.Ext(path)) {
				continue
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				continue // deleted, not committed yet
			}
			if !yield(path) {
				return
			}
		}
	}
}
