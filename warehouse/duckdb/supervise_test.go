package duckdb

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A child that does not move any more costs a query its deadline, and is replaced.
func TestHungChild(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 20, func(o *Options) { o.grace = 100 * time.Millisecond })
	pid := pidOf(t, w)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitStopped(pid)
	began := time.Now()
	if _, _, err := ask(w, warehouse.Query{SQL: "SELECT 1", Timeout: 200 * time.Millisecond}); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("got %v", err)
	}
	stillWorks(t, w, 20)
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// waitStopped waits until all threads of a process stand still, where the
// system tells.
func waitStopped(pid int) {
	for moving := true; moving; time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat") // the pattern is right
		moving = false
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			_, state, _ := strings.Cut(string(stat), ") ")
			moving = moving || err == nil && !strings.HasPrefix(state, "T")
		}
	}
}

// A child that does not move any more is replaced while nobody asks it anything
// but the loader, which would wait for ever.
func TestSilentChild(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 20, func(o *Options) { o.silence = 400 * time.Millisecond })
	pid := pidOf(t, w)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := w.Resume(context.Background(), ws)
	if millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("the loader that waits is told %v", err)
	}
	if now := pidOf(t, w); now == pid {
		t.Error("the child was not replaced")
	}
	stillWorks(t, w, 20)
}

func TestNoChild(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, want string }{
		"nothing there":    {"/nonexistent/millrace", "start the warehouse engine"},
		"ends at once":     {"/bin/true", "before it said hello"},
		"says other words": {"/bin/echo", "before it said hello"},
	} {
		_, err := Open(context.Background(), Options{Dir: t.TempDir(), Command: func() *exec.Cmd { return exec.Command(test.path) }})
		if millrace.KindOf(err) != millrace.Internal || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(context.Background(), Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("without a folder: %v", err)
	}
}

// While the child does not come up, requests are told so, and status says why;
// when it can start again everything is as it was.
func TestChildStaysAway(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	w := loadedTest(t, 20, func(o *Options) {
		o.mostBackoff = 20 * time.Millisecond
		o.Metrics = prometheus.NewRegistry()
		o.Command = func() *exec.Cmd {
			if broken.Load() {
				return exec.Command("/nonexistent/millrace")
			}
			return exec.Command(os.Args[0], childArgument)
		}
	})
	broken.Store(true)
	if err := syscall.Kill(pidOf(t, w), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for w.supervisor.restarts.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	if _, err := w.Apply(t.Context(), ws, tracks(20, 30)); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Apply: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Query(ctx, warehouse.Query{Workspace: ws, SQL: "SELECT 1"}); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Query: %v", err)
	}
	if s, err := w.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "/nonexistent/millrace") {
		t.Errorf("status %+v, %v", s, err)
	}
	broken.Store(false)
	stillWorks(t, w, 20)
	if s, err := w.Status(t.Context()); err != nil || s.Problem != "" {
		t.Errorf("status %+v, %v", s, err)
	}
}

// The child has nothing of the environment of its parent, in which there may
// be secrets.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pidOf(t, w)) + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range strings.Split(strings.Trim(string(data), "\x00"), "\x00") {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.Contains(" HOME TMPDIR TZ LANG MALLOC_ARENA_MAX DUCKDB_JE_MALLOC_CONF GOCOVERDIR ", " "+name+" ") {
			t.Errorf("the child has %s", variable)
		}
	}
}

// Requests leave no files, threads or goroutines behind in the child.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 20)
	count := func(folder string) int {
		entries, err := os.ReadDir("/proc/" + strconv.Itoa(pidOf(t, w)) + "/" + folder)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	round := func(n int) (files, threads int) {
		for i := range n {
			mustAsk(t, w, "SELECT count(*) FROM web.tracks")
			mustApply(t, w, warehouse.Batch{Through: through(20 + i), Flush: true})
		}
		time.Sleep(50 * time.Millisecond)
		return count("fd"), count("task")
	}
	files, threads := round(20)
	filesAfter, threadsAfter := round(200)
	if filesAfter > files+3 || threadsAfter > threads+5 {
		t.Errorf("files %d, then %d; threads %d, then %d", files, filesAfter, threads, threadsAfter)
	}
}
