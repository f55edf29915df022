package main

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millrace/millrace/app"
)

// freeAddress is one that nobody listens on at this moment.
func freeAddress(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

var update = flag.Bool("update", false, "write golden files and generated documents again")

func TestMain(m *testing.M) {
	app.ChildMain()
	testscript.Main(m, map[string]func(){
		"millrace": func() {
			p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, version: "test", notice: "NOTICE of the test\n"}
			os.Exit(p.run(context.Background(), os.Args[1:]))
		},
	})
}

// workflow are the commands of a job that are Millrace's, in GitHub's form or GitLab's.
func workflow(ts *testscript.TestScript, file, job string) (commands []string) {
	type steps struct {
		Steps  []struct{ Run string }
		Script []string
	}
	var whole struct{ Jobs map[string]steps }
	ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(file)), &whole))
	one, ok := whole.Jobs[job]
	if !ok {
		var jobs map[string]any
		ts.Check(yaml.Unmarshal([]byte(ts.ReadFile(file)), &jobs))
		text, err := yaml.Marshal(jobs[job])
		ts.Check(err)
		ts.Check(yaml.Unmarshal(text, &one))
	}
	for _, s := range one.Steps {
		one.Script = append(one.Script, s.Run)
	}
	for _, command := range one.Script {
		if strings.HasPrefix(command, "millrace ") {
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		ts.Fatalf("%s: the job %s runs nothing of Millrace", file, job)
	}
	return commands
}

// TestScripts runs the commands as a person does, against a fake of the API.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			f := newFakeServer(env.T().(testing.TB))
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("<html>something else</html>"))
			}))
			env.Defer(other.Close)
			env.Values["fake"] = f
			data, err := filepath.Abs("../../examples/shop/data")
			env.Setenv("MILLRACE_SERVER", f.URL)
			env.Setenv("OTHER_SERVER", other.URL)
			env.Setenv("DATA", data)
			workflows, absErr := filepath.Abs("../../docs/ci")
			if absErr != nil {
				return absErr
			}
			env.Setenv("CI", workflows)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("FREE", freeAddress(env.T().(testing.TB)))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// fails CODE COMMAND…: it ends with that exit code
			"fails": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				var exit *exec.ExitError
				if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
					ts.Fatalf("%v: %v, want exit code %s", args[1:], err, args[0])
				}
			},
			// wait-for URL: until it answers 200
			"wait-for": func(ts *testscript.TestScript, _ bool, args []string) {
				for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
					resp, err := http.Get(args[0])
					if err == nil {
						_ = resp.Body.Close()
						if resp.StatusCode == http.StatusOK {
							return
						}
					}
					if time.Now().After(deadline) {
						ts.Fatalf("%s does not answer: %v", args[0], err)
					}
				}
			},
			// env-file NAME FILE: the variable has what the file says
			"env-file": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
			},
			// ci FILE JOB: what an example workflow runs of Millrace in a job, with the
			// shell, as CI does
			"ci": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, command := range workflow(ts, args[0], args[1]) {
					ts.Check(ts.Exec("sh", "-ec", command))
				}
			},
			// busy N: the next N batches are refused for a moment
			"busy": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				f := ts.Value("fake").(*fakeServer)
				f.set(func() { f.refuse = n })
			},
			// behind: the warehouse is
			"behind": func(ts *testscript.TestScript, _ bool, _ []string) {
				f := ts.Value("fake").(*fakeServer)
				f.set(func() { f.behind = true })
			},
			// token T: the API asks for it
			"token": func(ts *testscript.TestScript, _ bool, args []string) {
				f := ts.Value("fake").(*fakeServer)
				f.set(func() { f.token = args[0] })
			},
			// distinct N: so many distinct events are there
			"distinct": func(ts *testscript.TestScript, _ bool, args []string) {
				if n := len(ts.Value("fake").(*fakeServer).distinct()); strconv.Itoa(n) != args[0] {
					ts.Fatalf("%d distinct events, want %s", n, args[0])
				}
			},
		},
	})
}
