// Package testserver starts the real servers that tests talk to, each on a
// private port in a temporary folder, and installs the Debian package of one
// that is missing. A test never skips because a server is not there: it fails
// and says what to install.
package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// installTimeout bounds one apt-get run, waiting for another one included.
const installTimeout = 10 * time.Minute

// Install makes sure that one of the programs is there and returns its path,
// installing the Debian packages (as root, or through sudo) if none is. Globs
// such as /usr/lib/postgresql/*/bin/postgres are understood; the last match wins.
func Install(t testing.TB, programs []string, packages ...string) string {
	t.Helper()
	if path := find(programs); path != "" {
		return path
	}
	unlock := lock(t)
	defer unlock()
	if path := find(programs); path != "" { // another test was faster
		return path
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	t.Logf("installing %v", packages)
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		name := "apt-get"
		if os.Geteuid() != 0 {
			name, args = "sudo", append([]string{"-n", "apt-get"}, args...)
		}
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s is missing and could not be installed: %v\n%s\nInstall it by hand: apt-get install %v", programs[0], err, tail(out), packages)
		}
	}
	path := find(programs)
	if path == "" {
		t.Fatalf("%v were installed, but %v is still not there", packages, programs)
	}
	return path
}

func tail(out []byte) []byte {
	if len(out) > 2000 {
		return out[len(out)-2000:]
	}
	return out
}

func find(programs []string) string {
	for _, program := range programs {
		if filepath.IsAbs(program) {
			matches, err := filepath.Glob(program)
			if err == nil && len(matches) > 0 {
				return matches[len(matches)-1]
			}
			continue
		}
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	return ""
}

// lock keeps test processes from installing at the same time.
func lock(t testing.TB) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "millrace-testserver.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}

// FreeAddress returns a loopback address that nothing listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// waitFor calls ready until it returns nil, or fails the test.
func waitFor(t testing.TB, what string, timeout time.Duration, ready func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was not ready in %v: %v", what, timeout, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stop ends a process group, gently first.
func stop(cmd *exec.Cmd, gentle syscall.Signal, patience time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	if err := syscall.Kill(-cmd.Process.Pid, gentle); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("cannot signal process %d: %w", cmd.Process.Pid, err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
	return nil
}
