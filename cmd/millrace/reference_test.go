package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const referenceFile = "../../docs/reference/cli.md"

// reference writes the help of all commands as one document.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# The command line\n\n")
	b.WriteString("Generated from the program by `make generate`. `millrace COMMAND --help` says the same.\n\n")
	b.WriteString("Exit codes: 0 done, 1 failed, 2 the command line was not understood. Results go to standard output, messages and progress to standard error. " +
		"Colours are left out when `NO_COLOR` is set or the output is no terminal; `--quiet` leaves out progress and notes.\n")
	var write func(c *cobra.Command)
	write = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Parent() != nil && c.Parent().Name() == "completion" {
			return
		}
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n", c.CommandPath())
		if c.Name() == "completion" { // its text is cobra's, with each shell's on a page of its own
			fmt.Fprintf(&b, "%s: `millrace completion bash|zsh|fish|powershell`, each with `--help`.\n", c.Short)
			return
		}
		fmt.Fprintf(&b, "%s\n\n```\n%s\n```\n", c.Short, c.UseLine())
		if c.Long != "" {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", text)
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", strings.TrimRight(unindent(c.Example), "\n"))
		}
		if flags := c.LocalFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.TrimRight(flags.FlagUsages(), "\n"))
		}
		for _, sub := range c.Commands() {
			write(sub)
		}
	}
	write(root)
	return b.String()
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

func testProgram(out *bytes.Buffer) *program {
	return &program{stdin: os.Stdin, stdout: out, stderr: out, getenv: func(string) string { return "" }, version: "test"}
}

func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	root := testProgram(&bytes.Buffer{}).root()
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpFlag()
	got := reference(root)
	if *update {
		if err := os.MkdirAll(filepath.Dir(referenceFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(referenceFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(referenceFile)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what the program says (%v): run `make generate`", referenceFile, err)
	}
}

// Every command has a short text, and an example that names commands and flags
// that exist.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	root := testProgram(&bytes.Buffer{}).root()
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" || c.Hidden {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its short text is %q", c.CommandPath(), c.Short)
		}
		if !strings.Contains(c.Example, "millrace ") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if root.PersistentFlags().Lookup(f.Name) != nil {
				t.Errorf("%s: its --%s takes the place of the flag that all commands have", c.CommandPath(), f.Name)
			}
		})
		for line := range strings.Lines(c.Example) {
			for word := range strings.FieldsSeq(line) {
				name, isFlag := strings.CutPrefix(word, "--")
				name, _, _ = strings.Cut(name, "=")
				if isFlag && name != "" && c.Flag(name) == nil && c.InheritedFlags().Lookup(name) == nil && !knownElsewhere(root, name) {
					t.Errorf("%s: its example has a flag --%s that does not exist", c.CommandPath(), name)
				}
			}
		}
		for line := range strings.Lines(c.Long) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
				t.Errorf("%s: a line of its text is %d wide: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(root)
}

// knownElsewhere says whether a subcommand has the flag: the example of a
// command with subcommands shows theirs.
func knownElsewhere(c *cobra.Command, name string) bool {
	for _, sub := range c.Commands() {
		if sub.Flag(name) != nil || knownElsewhere(sub, name) {
			return true
		}
	}
	return false
}

func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                                "Look after a server:",
		"--help":                          "Look after a server:",
		"help send":                       "--time-zone",
		"send --help":                     "millrace send orders.csv --source shop",
		"completion bash":                 "__start_millrace",
		"__complete query --form":         "--format",
		"__complete reader ":              "pause\tMake a reader stand still",
		"__complete query --format ":      "parquet",
		"--version":                       "millrace test (go",
		"completion --help":               "source <(millrace completion bash)",
		"__complete dev --log-level ":     "warn",
		"__complete send --encoding ":     "windows-1252",
		"__complete send --input-format ": "ndjson",
		"__complete reader pause ":        "warehouse",
		"serve --help":                    "archive and warehouse to store what the log holds",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			args := strings.Split(line, " ")
			if line == "" {
				args = []string{}
			}
			if code := testProgram(&out).run(t.Context(), args); code != exitOK || !strings.Contains(out.String(), want) {
				t.Errorf("exit code %d:\n%s", code, out.String())
			}
		})
	}
}

// A project's sources complete where no server answers; commands that ask no
// server have no flags that say which.
func TestWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.MkdirAll("sources", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web.yaml", "ios.yaml"} {
		if err := os.WriteFile(filepath.Join("sources", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(line string) (string, int) {
		var out bytes.Buffer
		p := testProgram(&out)
		p.getenv = func(name string) string { return map[string]string{"MILLRACE_SERVER": "http://127.0.0.1:1"}[name] }
		code := p.run(t.Context(), strings.Fields(line))
		return out.String(), code
	}
	if text, _ := run("__complete send --source w"); !strings.Contains(text, "web") || strings.Contains(text, "ios") {
		t.Errorf("sources complete to:\n%s", text)
	}
	for _, name := range []string{"init", "dev", "serve", "check", "version", "completion"} {
		if text, _ := run(name + " --help"); strings.Contains(text, "--server string") || strings.Contains(text, "--token string") {
			t.Errorf("%s shows:\n%s", name, text)
		}
	}
	if text, _ := run("status --help"); !strings.Contains(text, "--server") {
		t.Errorf("status shows:\n%s", text)
	}
	for line, want := range map[string]string{
		"check --server http://x":               `"millrace check" asks no server`,
		"dev --token x":                         `"millrace dev" asks no server`,
		"stauts":                                "status",
		"init sources/web.yaml":                 "sources/web.yaml is a file: name a folder",
		"init sources/web.yaml/x":               "sources/web.yaml is a file: name a folder",
		"query --output /nonexist/x.csv SELECT": "cannot write /nonexist/x.csv: there is no folder /nonexist",
		"owner recover":                         "say whose password",
	} {
		if text, code := run(line); code == exitOK || !strings.Contains(text, want) || strings.Contains(text, ".x.csv") {
			t.Errorf("%s: %d\n%s", line, code, text)
		}
	}
	if text, _ := run("foo"); strings.Contains(text, "Did you mean") {
		t.Errorf("foo: %s", text)
	}
}
