package apptest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
)

// kills is how often the crash test kills the server.
const kills = 24

// TestKill sends from several clients, two of them real SDKs, while the server
// is killed again and again, at random moments and in the middle of everything
// that it does, and then counts: what is acknowledged is in log, archive and
// warehouse exactly once, in order for each client.
func TestKill(t *testing.T) {
	t.Parallel()
	clock := apptest.NewClock(t)
	s := apptest.Start(t, apptest.Options{Clock: clock, Files: map[string]string{
		"millrace.yaml":    "name: test\narchive_interval: 300ms\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\ndedup: forever\n",
	}})
	l := startLoad(t, s, "dev_web", 5, 0)
	for i := range 2 {
		l.startSDK(fmt.Sprintf("sdk%d", i))
	}
	k := &killer{t: t, s: s, clock: clock, random: rand.New(rand.NewPCG(1, 2)), hit: map[string]int{}}
	aims := []func() string{k.anywhere, k.inClose, k.inPublish, k.inRebuild, k.inStop, k.inCommit}
	for i := range kills {
		time.Sleep(time.Duration(50+k.random.IntN(700)) * time.Millisecond)
		moment := aims[i%len(aims)]()
		s.Kill()
		k.count(moment)
		s.Run()
	}
	s.WaitReady(time.Minute)
	l.more(1)
	l.stop()
	for _, c := range l.clients {
		if c.acked.Load() < kills {
			t.Errorf("%s sent only %d events", c.name, c.acked.Load())
		}
	}
	t.Logf("%d requests acknowledged through %d kills: %v", l.answers(), kills, k.hit)
	for _, moment := range []string{"close", "publish", "rebuild", "stop", "commit"} {
		if k.hit[moment] == 0 {
			t.Errorf("no kill was in the middle of a %s", moment)
		}
	}
	last := l.last(t)
	checkWarehouse(t, s, last, l.clients)
	readLog(s, "0-0-0").check(t, "the log", l.clients)
	stored(t, s)
	s.Kill() // nothing waits for a stop to be stored
	readArchive(t, localArchive(t, s)).check(t, "the archive", l.clients)
	clock.Move(3 * time.Hour) // all hours are over
	s.Run()
	s.WaitReady(time.Minute)
	published(t, s)
	s.Kill()
	readArchive(t, localArchive(t, s)).check(t, "the published archive", l.clients)
	readPublished(t, filepath.Join(s.Data, "archive")).check(t, "the published hours", l.clients)
}

// A killer waits for the moment to kill.
type killer struct {
	t      *testing.T
	s      *apptest.Server
	clock  *apptest.Clock
	random *rand.Rand
	hit    map[string]int
}

// moment waits until now says that it is there; a moment that does not come is
// not waited for long.
func (k *killer) moment(name string, now func() bool) string {
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Microsecond) {
		if now() {
			return name
		}
	}
	return "another"
}

func (k *killer) anywhere() string {
	k.clock.Move(time.Duration(k.random.IntN(90)) * time.Minute)
	time.Sleep(time.Duration(k.random.IntN(600)) * time.Millisecond)
	return "anywhere"
}

// manifest says what the archive's newest step is: begin, cut, publish …
func (k *killer) manifest() string {
	names, _ := filepath.Glob(filepath.Join(k.s.Data, "archive", "_manifest", "log", "*-delta.json"))
	if len(names) == 0 {
		return ""
	}
	text, _ := os.ReadFile(slices.Max(names))
	_, content, _ := bytes.Cut(text, []byte("\n"))
	var said map[string]any
	_ = json.Unmarshal(content, &said) // nothing said is no step
	for step := range said {
		if step != "generation" && step != "session" {
			return step
		}
	}
	return ""
}

// inClose is in the middle of storing a range.
func (k *killer) inClose() string {
	return k.moment("close", func() bool { return k.manifest() == "begin" })
}

// inPublish is in the middle of publishing an hour.
func (k *killer) inPublish() string {
	k.clock.Move(time.Hour + time.Duration(k.random.IntN(30))*time.Minute)
	moment := k.moment("publish", func() bool { return k.manifest() == "publish" })
	time.Sleep(time.Duration(k.random.IntN(4)) * time.Millisecond)
	return moment
}

// inRebuild is in the middle of making the warehouse anew.
func (k *killer) inRebuild() string {
	k.ready()
	moment := "another"
	if status, _, err := k.s.Do("POST", "/api/v1/warehouse/rebuilds", map[string]any{}); err == nil && status == 202 {
		moment = "rebuild"
	}
	time.Sleep(time.Duration(k.random.IntN(60)) * time.Millisecond)
	return moment
}

// ready waits until the server is: nothing can be asked of it before.
func (k *killer) ready() {
	k.s.WaitReady(30 * time.Second)
}

// inStop is in the middle of an orderly stop, while the index of IDs is
// checkpointed.
func (k *killer) inStop() string {
	k.ready()
	time.Sleep(300 * time.Millisecond)
	index := filepath.Join(k.s.Data, "dedup", "index", "*.run")
	before, _ := filepath.Glob(index)
	k.s.Signal(syscall.SIGTERM)
	return k.moment("stop", func() bool {
		now, _ := filepath.Glob(index)
		return len(now) > len(before) || k.s.Exited(0)
	})
}

// inCommit is in the middle of the loader's commit.
func (k *killer) inCommit() string {
	k.ready()
	wal := filepath.Join(k.s.Data, "warehouse", "default.duckdb.wal")
	size := func() int64 {
		if info, err := os.Stat(wal); err == nil {
			return info.Size()
		}
		return 0
	}
	before := size()
	return k.moment("commit", func() bool { return size() > before })
}

// count looks at what the kill has left, where that tells in what it was.
func (k *killer) count(moment string) {
	step := map[string]string{"close": "begin", "publish": "publish"}[moment]
	if step != "" && k.manifest() != step {
		moment = "another"
	}
	k.hit[moment]++
}

// TestChildEndsWithItsParent kills the parent and looks for children left.
func TestChildEndsWithItsParent(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	s.Value("SELECT 1", "")
	children := descendants(t, s.Pid())
	if len(children) == 0 {
		t.Fatal("the server has no child process: where does DuckDB live?")
	}
	s.Kill()
	apptest.Eventually(t, 30*time.Second, func() error {
		for _, pid := range children {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(text), ") Z ") {
				return fmt.Errorf("process %d outlives its parent", pid)
			}
		}
		return nil
	})
}

func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(stats)
	var all []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		var child, parent int
		var state string
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		if _, err := fmt.Sscanf(rest, "%s %d", &state, &parent); err == nil && parent == pid {
			if _, err := fmt.Sscanf(string(text), "%d", &child); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}
