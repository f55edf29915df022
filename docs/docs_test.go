// Package docs_test runs what the documentation shows: commands against the
// real binary, project files, queries; and follows the links between pages.
//
// In a page, an HTML comment before a fenced block says how it is run:
//
//	<!-- not run: needs a bucket -->   it is not, and why
//	<!-- prints: 53,628 -->            its output has to contain this
//	<!-- fails -->                     it has to end with an error
//
// The sh and sql blocks of a page are run in their order in one shell, in an
// empty folder, with a server that has the page's own sources. A page that
// starts a server itself (millrace dev, millrace serve) gets that one.
package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/testserver"
)

var update = flag.Bool("update", false, "write generated pages anew")

func TestMain(m *testing.M) {
	app.ChildMain()
	os.Exit(m.Run())
}

// A block is a fenced piece of a page.
type block struct {
	line     int // of the opening fence
	language string
	text     string
	// What comments before it say.
	notRun, prints string
	fails          bool
}

// first is the block's first line.
func (b block) first() string {
	line, _, _ := strings.Cut(b.text, "\n")
	return line
}

// A page is a file in Markdown.
type page struct {
	path   string // within the repository
	text   string
	blocks []block
}

// root is the repository, seen from this folder.
const root = ".."

// pages are all files in Markdown that git knows or would add.
func pages(t *testing.T) []page {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-co", "--exclude-standard", "*.md")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []page
	for path := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			continue // deleted, not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		p := page{path: path, text: string(text)}
		if path != "docs/benchmarks.md" { // make bench writes it, and its comments are its own
			if err := p.parse(); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, p)
	}
	return all
}

var comment = regexp.MustCompile(`^<!--\s*(not run|prints|fails|archive):?\s*(.*?)\s*-->$`)

func (p *page) parse() error {
	var open *block
	var next block
	for i, line := range strings.Split(p.text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && isFence && strings.TrimSpace(fence) == "":
			p.blocks = append(p.blocks, *open)
			open, next = nil, block{}
		case open != nil:
			open.text += line + "\n"
		case isFence:
			next.line, next.language = i+1, strings.TrimSpace(fence)
			open = &next
		case strings.HasPrefix(line, "<!--"):
			m := comment.FindStringSubmatch(line)
			if m == nil {
				return fmt.Errorf("%s:%d: this comment is none that tests know: %s", p.path, i+1, line)
			}
			switch m[1] {
			case "not run":
				next.notRun = m[2]
			case "prints":
				next.prints = m[2]
			case "fails":
				next.fails = true
			}
		case strings.TrimSpace(line) != "":
			next = block{} // a comment belongs to the block right behind it
		}
	}
	if open != nil {
		return fmt.Errorf("%s:%d: this block has no end", p.path, open.line)
	}
	return nil
}

// runs says whether the page's commands are for users to type.
func (p page) runs() bool {
	if p.path == "docs/reference/cli.md" { // its examples are checked where they are written
		return false
	}
	return p.path == "README.md" || strings.HasPrefix(p.path, "docs/") || strings.HasPrefix(p.path, "examples/")
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		if !p.runs() || !slices.ContainsFunc(p.blocks, isCommand) {
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			t.Parallel()
			newShell(t, p).run()
		})
	}
}

func isCommand(b block) bool {
	return (b.language == "sh" || b.language == "sql" && !isArchiveQuery(b)) && b.notRun == ""
}

// TestProjectFiles loads what pages show as files of a project.
func TestProjectFiles(t *testing.T) {
	for _, p := range pages(t) {
		for i, b := range p.blocks {
			name, ok := fileName(b)
			if !ok {
				continue
			}
			t.Run(fmt.Sprintf("%s:%d", p.path, b.line), func(t *testing.T) {
				files := map[string]string{"millrace.yaml": "name: docs\nenvironments: {staging: {}}\n"}
				files[name] = b.text
				setSecrets(t, b.text)
				dir := writeProject(t, files)
				if _, err := app.Load(dir, ""); err != nil {
					t.Error(err)
				}
				if strings.Contains(p.blocks[i].text, "  production:") {
					if _, err := app.Load(dir, "production"); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// fileName is the file of a project that a block shows.
func fileName(b block) (string, bool) {
	if b.language != "yaml" || b.notRun != "" {
		return "", false
	}
	name, ok := strings.CutPrefix(b.first(), "# ")
	name, _, _ = strings.Cut(name, " ")
	return name, ok && (name == "millrace.yaml" || strings.HasPrefix(name, "sources/"))
}

var secretReference = regexp.MustCompile(`\$\{secret:(\w+)\}`)

// secrets are the environment in which the references in text have a value.
func secrets(text string) map[string]string {
	all := map[string]string{}
	for _, m := range secretReference.FindAllStringSubmatch(text, -1) {
		value := "a secret"
		if strings.HasSuffix(m[1], "_url") {
			value = "postgres://millrace:pw@127.0.0.1:5432/shop"
		}
		all["MILLRACE_SECRET_"+strings.ToUpper(m[1])] = value
	}
	return all
}

func setSecrets(t *testing.T, text string) {
	for name, value := range secrets(text) {
		t.Setenv(name, value)
	}
}

func writeProject(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOtherLanguages parses what is not run.
func TestOtherLanguages(t *testing.T) {
	t.Parallel()
	python := testserver.Install(t, []string{"python3"}, "python3")
	known := []string{"", "sh", "sql", "yaml", "text", "json", "python", "html", "js", "go", "ini", "nginx"}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			where := fmt.Sprintf("%s:%d", p.path, b.line)
			switch b.language {
			case "json":
				if !json.Valid([]byte(b.text)) {
					t.Errorf("%s: this is no JSON", where)
				}
			case "python":
				cmd := exec.Command(python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
				cmd.Stdin = strings.NewReader(b.text)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s", where, out)
				}
			}
			if !slices.Contains(known, b.language) {
				t.Errorf("%s: no test knows what to do with the language %q", where, b.language)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inline  = regexp.MustCompile("`[^`\n]*`")
	notWord = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinks follows the links between pages, to their headings.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	anchors := map[string][]string{}
	for _, p := range all {
		for line := range strings.Lines(p.prose()) {
			if heading := strings.TrimLeft(line, "#"); heading != line {
				id := notWord.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
				anchors[p.path] = append(anchors[p.path], strings.ReplaceAll(id, " ", "-"))
			}
		}
	}
	for _, p := range all {
		for _, m := range link.FindAllStringSubmatch(inline.ReplaceAllString(p.prose(), ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			to, anchor, _ := strings.Cut(m[1], "#")
			target := p.path
			if to != "" {
				target = filepath.Join(filepath.Dir(p.path), to)
			}
			if target == "docs/benchmarks.md" { // make bench writes it
				continue
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", p.path, m[1])
			} else if anchor != "" && !slices.Contains(anchors[target], anchor) {
				t.Errorf("%s: %s has no heading #%s; it has %v", p.path, target, anchor, anchors[target])
			}
		}
	}
}

// prose is the page without its blocks.
func (p page) prose() string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(p.text) {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if !inside {
			b.WriteString(line)
		}
	}
	return b.String()
}
