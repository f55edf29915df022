package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace"
)

const adminToken = "bench-only-0123456789abcdef0123456789abcdef"

// engineMemory is DuckDB's limit in all measurements.
const engineMemory = "1GiB"

// A server is a millrace under measurement: the real binary with its data in a
// folder of its own.
type server struct {
	binary  string
	address string
	profile string // where it gives profiles
	dir     string // holds project and data
	cmd     *exec.Cmd
	done    chan struct{}
	output  output
}

// An output is what a process printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// tail is its end.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.text.String()
	return text[max(0, len(text)-4000):]
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// newServer starts a server with an empty folder; interval is how often the
// archive writes.
func (b *bench) newServer(ctx context.Context, interval time.Duration) (*server, error) {
	dir, err := os.MkdirTemp(b.dir, "server-")
	if err != nil {
		return nil, err
	}
	s := &server{binary: b.binary, dir: dir}
	files := map[string]string{
		"millrace.yaml": fmt.Sprintf("name: bench\narchive_interval: %s\nquery: {memory: %s}\n", interval, engineMemory),
		"web.yaml":      "kind: http\nwrite_keys: [" + writeKey + "]\n",
	}
	if err := os.MkdirAll(s.project("sources"), 0o700); err != nil {
		return nil, err
	}
	for name, text := range files {
		path := s.project(name)
		if name == "web.yaml" {
			path = s.project("sources/web.yaml")
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if s.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.profile, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	b.last = s
	return s, s.ready(ctx)
}

func (s *server) project(name string) string { return filepath.Join(s.dir, "project", name) }
func (s *server) data(name string) string    { return filepath.Join(s.dir, "data", name) }

func (s *server) start() error {
	s.cmd = exec.Command(s.binary, "serve", s.project(""), "--data", s.data(""), "--listen", s.address, "--log-level", "info")
	s.cmd.Env = append(os.Environ(), "MILLRACE_ADMIN_TOKEN="+adminToken, "MILLRACE_PPROF="+s.profile)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w: build it with make build", s.binary, err)
	}
	s.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its output
		close(done)
	}(s.cmd, s.done)
	return nil
}

// ready waits until the server takes work.
func (s *server) ready(ctx context.Context) error {
	return s.eventually(ctx, time.Minute, func() error {
		return s.api(ctx, http.MethodGet, "/readyz", nil, nil)
	})
}

// eventually calls f until it returns nil.
func (s *server) eventually(ctx context.Context, timeout time.Duration, f func() error) error {
	for deadline := time.Now().Add(timeout); ; {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended: %s", s.output.tail())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not in %v: %w", timeout, err)
		}
		if !sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// kill ends the server as a crash does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// end stops the server and removes its folder.
func (s *server) end() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.kill()
	}
	_ = os.RemoveAll(s.dir) // the folder around it is removed too
}

// api makes a request that only the owner may make.
func (s *server) api(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s answers %d: %s", method, path, resp.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// query asks in SQL and returns the rows.
func (s *server) query(ctx context.Context, sql, after string) ([][]any, error) {
	in := map[string]any{"sql": sql}
	if after != "" {
		in["after"] = after
	}
	var out struct {
		Rows  [][]any
		Error json.RawMessage
	}
	if err := s.api(ctx, http.MethodPost, "/api/v1/query", in, &out); err != nil {
		return nil, err
	}
	if out.Error != nil {
		return nil, fmt.Errorf("%s: %s", sql, out.Error)
	}
	return out.Rows, nil
}

// number is the one number that a query returns.
func (s *server) number(ctx context.Context, sql string) (int64, error) {
	rows, err := s.query(ctx, sql, "")
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return 0, fmt.Errorf("%s returned %v, not one number", sql, rows)
	}
	switch v := rows[0][0].(type) {
	case float64:
		return int64(v), nil
	case string: // a bigint that JSON cannot hold
		var n int64
		_, err := fmt.Sscan(v, &n)
		return n, err
	}
	return 0, nil
}

func (s *server) reader(ctx context.Context, action string, names ...string) error {
	for _, name := range names {
		if err := s.api(ctx, http.MethodPost, "/api/v1/readers/"+name+"/"+action, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// A state is what the server says of itself, as far as the measurements need it.
type state struct {
	Log struct {
		Last millrace.Position
	}
	Readers []readerState
}

type readerState struct {
	Name       string
	State      string
	Position   millrace.Position
	LagSeconds float64 `json:"lag_seconds"`
}

func (s *server) state(ctx context.Context) (out state, err error) {
	return out, s.api(ctx, http.MethodGet, "/api/v1/status", nil, &out)
}

func (s state) of(name string) readerState {
	for _, r := range s.Readers {
		if r.Name == name {
			return r
		}
	}
	return readerState{}
}

// drained waits until the named readers have all that was in the log at the call.
func (s *server) drained(ctx context.Context, names ...string) error {
	now, err := s.state(ctx)
	if err != nil {
		return err
	}
	last := now.Log.Last
	last.Index = 0
	return s.eventually(ctx, 20*time.Minute, func() error {
		st, err := s.state(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if r := st.of(name); r.Position.Before(last) {
				time.Sleep(100 * time.Millisecond)
				return fmt.Errorf("%s is at %v, the log ends at %v", name, r.Position, last)
			}
		}
		return nil
	})
}

// A usage is CPU time by process.
type usage struct{ parent, child time.Duration }

func (u usage) minus(v usage) usage { return usage{u.parent - v.parent, u.child - v.child} }

// per is CPU by event, in µs.
func (u usage) per(events int64) (parent, child float64) {
	return micro(u.parent, events), micro(u.child, events)
}

func (u usage) sum(events int64) float64 { return micro(u.parent+u.child, events) }

func micro(d time.Duration, events int64) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(max(events, 1))
}

func (s *server) usage() usage {
	u := usage{parent: processCPU(s.cmd.Process.Pid)}
	if child := childOf(s.cmd.Process.Pid); child != 0 {
		u.child = processCPU(child)
	}
	return u
}

func (s *server) memory() (parent, child memory) {
	parent = processMemory(s.cmd.Process.Pid)
	if pid := childOf(s.cmd.Process.Pid); pid != 0 {
		child = processMemory(pid)
	}
	return parent, child
}

// measure sends a load and returns the CPU that the server used meanwhile.
func (s *server) measure(ctx context.Context, l load) (sent, usage, error) {
	l.address = s.address
	before := s.usage()
	out, err := send(ctx, l)
	if out.refused > 0 {
		err = errors.Join(err, fmt.Errorf("%d requests were refused", out.refused))
	}
	return out, s.usage().minus(before), err
}
