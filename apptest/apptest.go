// Package apptest starts the real binary and talks to it from outside, as its
// users do: over HTTP, with signals, with files.
package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/testserver"
)

var build struct {
	once sync.Once
	path string
	err  error
}

// Binary returns the path of a binary built from this source.
func Binary(t testing.TB) string {
	t.Helper()
	build.once.Do(func() {
		if build.path = os.Getenv("MILLRACE_TEST_BINARY"); build.path != "" {
			return
		}
		build.path = filepath.Join(buildDir(), "millrace")
		cmd := exec.Command("go", "build", "-o", build.path, "github.com/millrace/millrace/cmd/millrace")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// buildDir is where binaries are built: of its own for each source folder.
func buildDir() string {
	here, _ := os.Getwd()
	return filepath.Join(os.TempDir(), fmt.Sprintf("millrace-apptest-%d-%08x", os.Getuid(), crc32.ChecksumIEEE([]byte(here))))
}

// Options say what a Server serves. The zero value is an empty project.
type Options struct {
	// Files are the project's, by path; a project with one http source named
	// web and the key dev_web when there are none.
	Files map[string]string
	// Dir is an existing project folder, instead of Files.
	Dir string
	// Data is the data folder; default a temporary one.
	Data string
	// Command is "dev" (default) or "serve".
	Command string
	Args    []string // more arguments
	Env     []string // more environment
	// Clock is the server's clock; default the machine's.
	Clock *Clock
	// Wrap is put before the command: strace -DD and its arguments, so that
	// the process that is started is the server and not its tracer.
	Wrap []string
}

// DefaultFiles is a small project.
var DefaultFiles = map[string]string{
	"millrace.yaml":    "name: test\n",
	"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
}

// A Server is a running millrace. Its methods fail the test when they cannot
// do what they say.
type Server struct {
	URL  string
	Dir  string // project folder
	Data string // data folder
	// Token is sent as the admin token when it is not empty.
	Token string

	t       testing.TB
	options Options
	address string
	cmd     *exec.Cmd
	done    chan struct{}
	mu      sync.Mutex
	output  bytes.Buffer
}

// New prepares a server that Run starts. It ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{t: t, options: o, Dir: o.Dir, Data: o.Data, address: testserver.FreeAddress(t)}
	s.URL = "http://" + s.address
	if s.Dir == "" {
		s.Dir = t.TempDir()
		files := o.Files
		if files == nil {
			files = DefaultFiles
		}
		for name, text := range files {
			s.Write(name, text)
		}
	}
	if s.Data == "" {
		s.Data = filepath.Join(t.TempDir(), "data")
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("server output:\n%s", s.Output())
		}
	})
	return s
}

// Start starts a server and waits until it is ready. It ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(t, o)
	s.Run()
	s.WaitReady(30 * time.Second)
	return s
}

// Write writes a file of the project.
func (s *Server) Write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Run starts the process without waiting for it to be ready.
func (s *Server) Run() {
	s.t.Helper()
	command := s.options.Command
	if command == "" {
		command = "dev"
	}
	env := append(os.Environ(), s.options.Env...)
	var binary string
	if clock := s.options.Clock; clock != nil {
		binary, env = clockBinary(s.t), append(env, clockEnv+"="+clock.path)
	} else {
		binary = Binary(s.t)
	}
	args := append(append([]string{}, s.options.Wrap...), binary, command, s.Dir, "--listen", s.address, "--data", s.Data)
	args = append(args, s.options.Args...)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = env
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := writer(func(p []byte) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.output.Write(p)
	})
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// Output returns what the process printed so far.
func (s *Server) Output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

// Pid returns the process's id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Kill ends the process, and others of its group, with SIGKILL; its child has
// to end by itself.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
	s.cmd = nil
}

// Stop ends the process as an operator does and waits for it.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	if !s.Exited(30 * time.Second) {
		s.t.Fatal("the server did not stop in 30 s after SIGTERM")
	}
	s.cmd = nil
}

// Signal sends a signal to the process.
func (s *Server) Signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Exited waits for the process to end by itself.
func (s *Server) Exited(timeout time.Duration) bool {
	select {
	case <-s.done:
		return true
	default:
	}
	select {
	case <-s.done:
		return true
	case <-time.After(timeout):
		return false
	}
}

// WaitReady waits until the server says that it is ready.
func (s *Server) WaitReady(timeout time.Duration) {
	s.t.Helper()
	Eventually(s.t, timeout, func() error {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended:\n%s", s.Output())
		default:
		}
		status, body, err := s.Do("GET", "/readyz", nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("/readyz answers %d %s", status, body)
		}
		return nil
	})
}

// Do makes a request and returns status and body.
func (s *Server) Do(method, path string, body any) (int, []byte, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		r = bytes.NewReader(b)
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return 0, nil, err
		}
		r = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// Eventually calls f until it returns nil, or fails the test.
func Eventually(t testing.TB, timeout time.Duration, f func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %v", timeout, err)
		}
		time.Sleep(wait)
	}
}
