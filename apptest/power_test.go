package apptest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// TestPowerLoss traces the whole server, its child too. SIGKILL does not lose
// what the kernel holds, a power cut does, so: no acknowledgement leaves before
// the bytes written to the log are synced; what is renamed into place was
// synced before; and what checkpoints rely on, the verdicts, the archive and
// the warehouse's write-ahead file, has nothing left that is not synced.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "trace")
	s := apptest.Start(t, apptest.Options{
		Files: map[string]string{
			"millrace.yaml":    "name: test\narchive_interval: 300ms\n",
			"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
		},
		Wrap: []string{testserver.Strace(t), "-f", "-yy", "-s", "24", "-o", path,
			"-e", "trace=write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2"}})
	last := send(t, s, "traced", 40)
	if got := s.Value("SELECT count(*) FROM web.sent", last); got != "40" {
		t.Errorf("sent has %s rows, want 40", got)
	}
	apptest.Eventually(t, 30*time.Second, func() error {
		if records := s.Job("/api/v1/archive/verifications", nil)["records"]; fmt.Sprint(records) != "40" {
			return fmt.Errorf("the archive has %v records, want 40", records)
		}
		return nil
	})
	s.StopGroup()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trace := &trace{t: t, dirty: map[string]string{}, pending: map[string]string{}}
	for line := range strings.Lines(string(text)) {
		trace.line(strings.TrimSpace(line))
	}
	for _, part := range []string{".blk", "/dedup/verdicts/", "/archive/", ".duckdb.wal"} {
		if trace.synced[part] == 0 {
			t.Errorf("the trace shows no sync of a file of %s: is it read rightly?", part)
		}
		for file, line := range trace.dirty {
			if strings.Contains(file, part) {
				t.Errorf("%s was written and not synced: %s", file, line)
			}
		}
	}
	if trace.answers < 40 || trace.renames == 0 {
		t.Errorf("the trace shows %d answers and %d renames for 40 events: is it read rightly?", trace.answers, trace.renames)
	}
}

var (
	calls   = regexp.MustCompile(`^(\d+)\s+(\w+)\((.*)$`)
	resumed = regexp.MustCompile(`^(\d+)\s+<\.\.\. (\w+) resumed>.*= 0`)
	opened  = regexp.MustCompile(`^\d+<([^>]*)>`)
	renamed = regexp.MustCompile(`^(?:[^<]*<([^>]*)>, )?"([^"]*)"`)
)

// A trace is what strace printed, read line by line. A call that another
// thread interrupts is printed in two halves: a sync counts when it returned, a
// write when it began.
type trace struct {
	t                *testing.T
	dirty            map[string]string // file → its last write that is not synced
	pending          map[string]string // thread → file that it is syncing
	synced           map[string]int    // part → syncs
	answers, renames int
}

func (tr *trace) line(line string) {
	if m := resumed.FindStringSubmatch(line); m != nil {
		if file, ok := tr.pending[m[1]]; ok {
			delete(tr.pending, m[1])
			tr.sync(file)
		}
		return
	}
	m := calls.FindStringSubmatch(line)
	if m == nil {
		return
	}
	thread, call, rest := m[1], m[2], m[3]
	switch {
	case strings.HasPrefix(call, "rename"):
		tr.rename(rest, line)
	case strings.Contains(call, "sync"):
		file := fileOf(rest)
		if strings.Contains(rest, "unfinished") {
			tr.pending[thread] = file
		} else if strings.HasSuffix(rest, "= 0") {
			tr.sync(file)
		}
	case strings.Contains(rest, `"HTTP/1.1 200 OK`):
		tr.answers++
		for file, write := range tr.dirty {
			if strings.Contains(file, "/msgs/") && strings.HasSuffix(file, ".blk") {
				tr.t.Fatalf("an answer leaves before the log is synced:\n%s\n%s", write, line)
			}
		}
	default:
		if file := fileOf(rest); strings.HasPrefix(file, "/") {
			tr.dirty[file] = line
		}
	}
}

func fileOf(arguments string) string {
	if m := opened.FindStringSubmatch(arguments); m != nil {
		return m[1]
	}
	return ""
}

func (tr *trace) sync(file string) {
	delete(tr.dirty, file)
	if tr.synced == nil {
		tr.synced = map[string]int{}
	}
	for _, part := range []string{".blk", "/dedup/verdicts/", "/archive/", ".duckdb.wal"} {
		if strings.Contains(file, part) {
			tr.synced[part]++
		}
	}
}

// rename wants what is put into place to be synced.
func (tr *trace) rename(arguments, line string) {
	m := renamed.FindStringSubmatch(arguments)
	if m == nil {
		return
	}
	tr.renames++
	old := m[2]
	if m[1] != "" {
		old = filepath.Join(m[1], m[2])
	}
	if write, ok := tr.dirty[old]; ok && strings.Contains(old, "/data/") && !strings.Contains(old, "/jetstream/") {
		tr.t.Errorf("a file is put into place before it is synced:\n%s\n%s", write, line)
	}
}
