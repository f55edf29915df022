package main

import (
	"context"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write golden files and generated documents again")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"millrace": func() {
			p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, version: "test", notice: "NOTICE of the test\n"}
			os.Exit(p.run(context.Background(), os.Args[1:]))
		},
	})
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
			env.Setenv("HOME", env.WorkDir)
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
