package duckdb

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// The child is killed at random moments under load, also in the middle of
// checkpoints of either kind, merges and queries; at the end each record is there
// exactly once.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]checkpointPolicy{
		"full":   {Quiet: time.Millisecond, QuietBytes: 1, TryBytes: 1, ForceBytes: 1 << 20, Every: 10 * time.Millisecond},
		"beside": {Quiet: time.Hour, QuietBytes: 1, TryBytes: 1, ForceBytes: 1 << 40, Every: 10 * time.Millisecond},
		"both":   {Quiet: 30 * time.Millisecond, QuietBytes: 1, TryBytes: 1, ForceBytes: 1 << 40, Every: 10 * time.Millisecond, FullEvery: 100 * time.Millisecond, FullBytes: 1, FullMostBytes: 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testKilledUnderLoad(t, policy)
		})
	}
}

func testKilledUnderLoad(t *testing.T, policy checkpointPolicy) {
	w := openTest(t, func(o *Options) {
		o.checkpoint, o.merge, o.mostBackoff = policy, smallMerges, 50*time.Millisecond
	})
	const kills = 10
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range kills {
			time.Sleep(time.Duration(20+rand.IntN(250)) * time.Millisecond)
			p, err := w.supervisor.process(context.Background(), time.Second)
			if err == nil {
				_ = syscall.Kill(p.pid, syscall.SIGKILL)
			}
			_, _, _ = ask(w, warehouse.Query{SQL: fmt.Sprintf("SELECT count(*) FROM web.event_%d", i%3)}) // it may fail
		}
	}()
	n := loadUntil(t, w, done)
	stillWorks(t, w, n)
	want := make([]int, 3)
	for i := range n {
		want[i%3]++
	}
	for i, rows := range want {
		got := mustAsk(t, w, fmt.Sprintf("SELECT count(*), count(DISTINCT id), sum(n) = sum(_seq*10-10+_index) FROM web.event_%d", i))
		if got[0] != fmt.Sprintf("%d|%d|true", rows, rows) {
			t.Errorf("event_%d: %s, want %d", i, got[0], rows)
		}
	}
	if got := w.supervisor.restarts.Load(); got < kills*3/4 {
		t.Errorf("only %d restarts", got)
	}
	t.Logf("%d events, %d restarts", n, w.supervisor.restarts.Load())
}

// loadUntil loads batches like the loader does, resuming where it has to, and
// returns how many events there are.
func loadUntil(t *testing.T, w *Warehouse, done <-chan struct{}) int {
	t.Helper()
	ctx := context.Background()
	next, resumed, highest := 0, false, 0
	for {
		select {
		case <-done:
			if resumed && next > 0 && next == highest {
				if _, err := w.Apply(ctx, ws, warehouse.Batch{Through: through(next - 1), Flush: true}); err == nil {
					return next
				}
			}
		default:
		}
		if !resumed {
			after, err := w.Resume(ctx, ws)
			if millrace.KindOf(err) == millrace.Unavailable {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			// Positions cover whole frames of ten.
			if next = int(after.Seq) * 10; next > highest {
				t.Fatalf("resumes at %d, beyond %d", next, highest)
			}
			resumed = true
		}
		size := (1 + rand.IntN(40)) * 10
		b := tracks(next, next+size)
		b.Flush = rand.IntN(5) == 0
		if _, err := w.Apply(ctx, ws, b); err != nil {
			if millrace.KindOf(err) != millrace.Unavailable {
				t.Fatal(err)
			}
			resumed = false
		}
		highest = max(highest, next+size)
		if resumed {
			next += size
		}
	}
}

const parentVariable = "MILLRACE_TEST_PARENT_DIR"

// TestParent is a process that opens a warehouse and loads, for TestParentDies.
func TestParent(t *testing.T) {
	dir := os.Getenv(parentVariable)
	if dir == "" {
		return
	}
	w, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	n := int(mustResume(t, w).Seq) * 10
	fmt.Printf("child %d\n", pidOf(t, w))
	for ; ; n += 100 {
		b := tracks(n, n+100)
		b.Flush = n%1000 == 0
		mustApply(t, w, b)
	}
}

// startParent runs TestParent and returns it with its child's process id.
func startParent(t *testing.T, dir string) (*exec.Cmd, int) {
	t.Helper()
	parent := exec.Command(os.Args[0], "-test.run=^TestParent$", "-test.v")
	parent.Env = append(os.Environ(), parentVariable+"="+dir)
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			return parent, pid
		}
	}
	t.Fatal("the parent said nothing")
	return nil, 0
}

// The child ends with its parent, and each record is there exactly once.
func TestParentDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		parent, child := startParent(t, dir)
		time.Sleep(time.Duration(100+rand.IntN(400)) * time.Millisecond)
		if err := parent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = parent.Wait() // it was killed
		for began := time.Now(); syscall.Kill(child, 0) == nil; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("the child %d outlives its parent", child)
			}
		}
	}
	w := openTest(t, func(o *Options) { o.Dir = dir })
	n := int(mustResume(t, w).Seq) * 10
	scanned, err := strconv.Atoi(mustAsk(t, w, "SELECT count(*) FROM web.tracks")[0])
	if err != nil || scanned < n {
		t.Fatalf("%d tracks, resumes at %d: %v", scanned, n, err)
	}
	mustApply(t, w, tracks(n, scanned+100))
	stillWorks(t, w, scanned+100)
	if got := mustAsk(t, w, "SELECT (SELECT count(*) FROM web.event_0) + (SELECT count(*) FROM web.event_1) + (SELECT count(*) FROM web.event_2)")[0]; got != strconv.Itoa(scanned+100) {
		t.Errorf("%s rows of events, want %d", got, scanned+100)
	}
}

// headerChecksum is DuckDB's checksum of a block.
func headerChecksum(b []byte) uint64 {
	sum := uint64(5381)
	for ; len(b) >= 8; b = b[8:] {
		sum ^= binary.LittleEndian.Uint64(b) * 0xbf58476d1ce4e5b9
	}
	return sum
}

func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	good := t.TempDir()
	w := loadedTest(t, 10, func(o *Options) { o.Dir = good })
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"not a database": {func([]byte) []byte { return []byte(strings.Repeat("this is no database ", 1000)) }, "move it"},
		"newer version": {func(b []byte) []byte {
			b = append([]byte(nil), b...)
			b[12] = 250 // the storage version, behind checksum and magic
			binary.LittleEndian.PutUint64(b, headerChecksum(b[8:4096]))
			return b
		}, "newer version"},
		"cut off": {func(b []byte) []byte { return b[:100] }, "move it"},
		"damaged": {func(b []byte) []byte {
			b = append([]byte(nil), b...)
			for i := 4096; i < len(b); i++ {
				b[i] ^= 0x55
			}
			return b
		}, "move it"},
	}
	data, err := os.ReadFile(good + "/" + ws + ".duckdb")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/"+ws+".duckdb", test.damage(data), 0o600); err != nil {
			t.Fatal(err)
		}
		w := openTest(t, func(o *Options) { o.Dir = dir })
		_, err := w.Resume(context.Background(), ws)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

// After a crash, what is in the write-ahead file waits for a quiet moment: the
// loader is not held up by a checkpoint before it has begun.
func TestOpeningIsNoQuietMoment(t *testing.T) {
	t.Parallel()
	w := openTest(t, func(o *Options) {
		o.checkpoint = checkpointPolicy{Quiet: time.Minute, QuietBytes: 1, TryBytes: 1 << 40, ForceBytes: 1 << 40, Every: 5 * time.Millisecond}
	})
	mustResume(t, w)
	mustApply(t, w, tracks(0, 100))
	p, err := w.supervisor.process(context.Background(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := w.Resume(context.Background(), ws); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	wal := filepath.Join(w.o.Dir, ws+".duckdb.wal")
	time.Sleep(300 * time.Millisecond) // sixty looks
	if fileSize(wal) == 0 {
		t.Error("a checkpoint came before the loader")
	}
}
