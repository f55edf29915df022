package docs_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// A shell runs the commands of one page as a reader would type them.
type shell struct {
	t       *testing.T
	page    page
	dir     string // where it works
	bin     string // programs that are found first
	address string // of the server, in place of 127.0.0.1:8080
	env     []string
}

// The programs of a reader, with what a test needs of them: an address of its
// own, data in a temporary folder, servers that go on in the background, and
// requests that fail when they are refused.
const (
	millraceShim = `#!/bin/bash
case "$1" in
dev|serve)
  stop
  n=$(ls "$DOCS_RUN" | wc -l)
  args=("$@")
  [[ " $* " == *" --listen "* ]] || args+=(--listen "$DOCS_ADDRESS")
  if [[ "$2" == examples/* ]]; then
    args+=(--data "$DOCS_RUN/data")
  elif [ -f "$2/millrace.yaml" ] && ! grep -q archive_interval "$2/millrace.yaml"; then
    echo 'archive_interval: 200ms' >>"$2/millrace.yaml" # a reader has a minute, a test has not
  fi
  "$DOCS_BINARY" "${args[@]}" >"$DOCS_RUN/$n.log" 2>&1 &
  echo $! >"$DOCS_RUN/pid"
  for i in $(seq 300); do
    for scheme in http https; do
      if $DOCS_CURL -ksf -o /dev/null "$scheme://$DOCS_ADDRESS/readyz"; then cat "$DOCS_RUN/$n.log"; exit 0; fi
    done
    kill -0 "$(cat "$DOCS_RUN/pid")" 2>/dev/null || break
    sleep 0.1
  done
  cat "$DOCS_RUN/$n.log" >&2; exit 1 ;;
esac
exec "$DOCS_BINARY" "$@"
`
	stopShim = `#!/bin/bash
# Ends the page's server, in order.
if [ -f "$DOCS_RUN/pid" ]; then
  pid=$(cat "$DOCS_RUN/pid"); rm "$DOCS_RUN/pid"
  kill "$pid" 2>/dev/null || true
  for i in $(seq 200); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
  kill -9 "$pid"
fi
`
	curlShim = `#!/bin/bash
exec "$DOCS_CURL" --fail-with-body -sS "$@"
`
)

const defaultSources = "kind: http\nwrite_keys: [web_2026, server_2026, dev_web]\nbrowser: true\n"

func newShell(t *testing.T, p page) *shell {
	t.Helper()
	s := &shell{t: t, page: p, dir: t.TempDir(), bin: t.TempDir()}
	run := t.TempDir()
	for name, text := range map[string]string{"millrace": millraceShim, "stop": stopShim, "systemctl": stopShim, "curl": curlShim} {
		if err := os.WriteFile(filepath.Join(s.bin, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.link(s.bin, "bin")
	s.link(filepath.Join(repository(t), "examples"), "examples")
	curl, err := exec.LookPath("curl")
	if err != nil {
		curl = testserver.Install(t, []string{"curl"}, "curl")
	}
	testserver.Install(t, []string{"jq"}, "jq")
	secret := secrets(p.text)
	if p.startsServer() {
		s.address = testserver.FreeAddress(t)
		t.Cleanup(func() {
			cmd := exec.Command("bash", filepath.Join(s.bin, "stop"))
			cmd.Env = append(os.Environ(), "DOCS_RUN="+run)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("stopping the server: %v %s", err, out)
			}
		})
	} else {
		files := map[string]string{"millrace.yaml": "name: docs\narchive_interval: 200ms\n"}
		for _, b := range p.blocks {
			if name, ok := fileName(b); ok && name != "millrace.yaml" {
				files[name] = b.text
			}
		}
		if _, ok := files["sources/web.yaml"]; !ok {
			files["sources/web.yaml"] = defaultSources
		}
		var env []string
		for name, value := range secret {
			env = append(env, name+"="+value)
		}
		server := apptest.Start(t, apptest.Options{Files: files, Env: env})
		s.address = strings.TrimPrefix(server.URL, "http://")
	}
	s.env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "MILLRACE_SERVER=http://"+s.address,
		"XDG_STATE_HOME="+filepath.Join(run, "state"), "DOCS_RUN="+run, "DOCS_ADDRESS="+s.address,
		"DOCS_BINARY="+apptest.Binary(t), "DOCS_CURL="+curl, "NO_COLOR=1")
	for _, name := range slices.Sorted(maps.Keys(secret)) {
		s.env = append(s.env, name+"="+secret[name])
	}
	return s
}

func (s *shell) link(to, name string) {
	s.t.Helper()
	if err := os.Symlink(to, filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// startsServer says whether the page starts its own server.
func (p page) startsServer() bool {
	return slices.ContainsFunc(p.blocks, func(b block) bool {
		return b.language == "sh" && b.notRun == "" && serverCommand.MatchString(b.text)
	})
}

var serverCommand = regexp.MustCompile(`(?m)^(\w+=\S+ )*(bin/)?millrace (dev|serve)\b`)

const blockMark = "\x1eblock "

// run runs the page's blocks in order.
func (s *shell) run() {
	var script strings.Builder
	script.WriteString("set -eo pipefail\n")
	var blocks []block
	for _, b := range s.page.blocks {
		if !isCommand(b) {
			continue
		}
		text := strings.ReplaceAll(b.text, "127.0.0.1:8080", s.address)
		text = strings.ReplaceAll(text, "localhost:8080", s.address)
		if b.language == "sql" {
			text = "millrace query --after last <<'END_OF_SQL'\n" + text + "END_OF_SQL\n"
		}
		fmt.Fprintf(&script, "echo $'\\036block %d'\n", len(blocks))
		if b.fails {
			fmt.Fprintf(&script, "if (\n%s) ; then echo this should have failed; exit 9; fi\n", text)
		} else {
			script.WriteString(text)
		}
		blocks = append(blocks, b)
	}
	cmd := exec.CommandContext(s.t.Context(), "bash", "-c", script.String())
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.WaitDelay = time.Second // a server in the background holds no pipe, but be sure
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%v", err)
	}
	parts := strings.Split(string(out), blockMark)[1:]
	for i, part := range parts {
		_, text, _ := strings.Cut(part, "\n")
		b := blocks[i]
		if err != nil && i == len(parts)-1 {
			s.t.Errorf("%s:%d: %s\n%s", s.page.path, b.line, b.text, text)
		} else if !strings.Contains(text, b.prints) {
			s.t.Errorf("%s:%d: the output does not contain %q:\n%s", s.page.path, b.line, b.prints, text)
		}
		if testing.Verbose() {
			s.t.Logf("%s:%d\n%s%s", s.page.path, b.line, b.text, text)
		}
	}
}
