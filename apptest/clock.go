package apptest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Clock is the clock of the servers that are started with it. They are built
// from the same source, but for the one line that reads the machine's clock:
// log time, and with it hours of the archive, windows and retention, goes by
// this one. What waits or measures goes by the machine's. It is safe for
// concurrent use.
type Clock struct {
	t      testing.TB
	path   string
	offset atomic.Int64
}

// clockEnv names the file with the clock's offset in nanoseconds.
const clockEnv = "MILLRACE_TEST_CLOCK"

// NewClock returns a clock that shows the machine's time.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t: t, path: filepath.Join(t.TempDir(), "clock")}
	if err := os.WriteFile(c.path, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// Move moves the clock forward, or back. Running servers see it at once.
func (c *Clock) Move(by time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(c.offset.Add(int64(by)))), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// clockRead is the one line of app/app.go that clockSource replaces.
const clockRead = "o.Now = time.Now\n"

// clockSource is added to package app.
const clockSource = `package app

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// clockOffset is mapped, so that a change is seen without reading the file.
var clockOffset = sync.OnceValue(func() *int64 {
	f, err := os.Open(os.Getenv("` + clockEnv + `"))
	if err != nil {
		panic(err)
	}
	defer f.Close()
	mapped, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&mapped[0]))
})

func movedNow() time.Time { return time.Now().Add(time.Duration(atomic.LoadInt64(clockOffset()))) }
`

var clockBuild struct {
	once sync.Once
	path string
	err  error
}

// clockBinary returns the path of a binary whose clock is a Clock.
func clockBinary(t testing.TB) string {
	t.Helper()
	clockBuild.once.Do(func() { clockBuild.path, clockBuild.err = buildWithClock() })
	if clockBuild.err != nil {
		t.Fatal(clockBuild.err)
	}
	return clockBuild.path
}

func buildWithClock() (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	app := filepath.Join(strings.TrimSpace(string(module)), "app")
	source, err := os.ReadFile(filepath.Join(app, "app.go"))
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), clockRead) != 1 {
		return "", fmt.Errorf("app/app.go does not have the line %q once: say here where the server's clock comes from now", clockRead)
	}
	dir := buildDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	replace := map[string]string{
		filepath.Join(app, "app.go"):   strings.Replace(string(source), clockRead, "o.Now = movedNow\n", 1),
		filepath.Join(app, "moved.go"): clockSource,
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range replace {
		overlay.Replace[path] = filepath.Join(dir, filepath.Base(path)+".txt")
		if err := os.WriteFile(overlay.Replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "millrace-moved")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-overlay", file, "-o", binary, "github.com/millrace/millrace/cmd/millrace")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}
