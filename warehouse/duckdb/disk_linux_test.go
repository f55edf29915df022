package duckdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/warehouse"
)

// smallDisk mounts a file system of that size.
func smallDisk(t *testing.T, sizeBytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", sizeBytes)); err != nil {
		t.Fatalf("cannot mount a small file system: %v: run the tests as root, or in a user namespace: unshare -rm make test", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return dir
}

// fillDisk writes a file that leaves that much room on its disk.
func fillDisk(t *testing.T, path string, leaveBytes int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for free := freeBytes(filepath.Dir(path)); free > leaveBytes; free = freeBytes(filepath.Dir(path)) {
		if _, err := f.Write(make([]byte, min(free-leaveBytes, 1<<20))); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// The disk is full again and again while events come, in the middle of commits
// and of checkpoints: what was committed can be asked about meanwhile, and when
// there is room again each record is there exactly once, whole.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	disk := smallDisk(t, 96<<20)
	log := mem.New(mem.Options{})
	w := openTest(t, func(o *Options) {
		o.Dir = filepath.Join(disk, "warehouse")
		o.mostBackoff = 100 * time.Millisecond
		o.checkpoint = checkpointPolicy{Quiet: 20 * time.Millisecond, QuietBytes: 1, TryBytes: 1, ForceBytes: 1 << 20, Every: 20 * time.Millisecond}
	})
	loader, err := warehouse.NewLoader(warehouse.LoaderOptions{Warehouse: w, Opener: log, Workspace: ws, Interval: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- loader.Run(run) }()
	sent := 0
	send := func(n int) (last millrace.Position) {
		var records []millrace.Record
		for range n {
			records = append(records, track(sent, fmt.Sprintf("E%d", sent%3), fmt.Sprintf(`{"n":%d,"text":"%x"}`, sent, strings.Repeat(fmt.Sprint(sent*7919), 20))).Record)
			sent++
		}
		if last, err = log.Append(ctx, records); err != nil {
			t.Fatal(err)
		}
		return last
	}
	if err := loader.WaitFor(ctx, send(500)); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	for round, leave := range []int64{0, 100 << 10, 700 << 10, 3 << 20} {
		committed := sent
		fillDisk(t, ballast, leave)
		p, refused := send(100), false
		for began := time.Now(); time.Since(began) < 10*time.Second && !refused; time.Sleep(20 * time.Millisecond) {
			p = send(100)
			refused = loader.Stats().Problem != ""
		}
		if !refused {
			t.Fatalf("round %d: the loader does not notice that the disk is full", round)
		}
		t.Logf("round %d: %s", round, loader.Stats().Problem)
		for try := 0; ; try++ { // the engine may be on its way back
			rows, _, err := ask(w, warehouse.Query{SQL: fmt.Sprintf("SELECT count(*) FROM web.tracks WHERE _seq < %d", committed)})
			if err == nil && len(rows) == 1 {
				break
			}
			if millrace.KindOf(err) != millrace.Unavailable || try == 50 {
				t.Fatalf("round %d: a query while the disk is full: %v", round, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := loader.WaitFor(ctx, p); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: caught up with %d events in %s, %d restarts", round, sent-committed, time.Since(began).Round(time.Millisecond), w.supervisor.restarts.Load())
	}
	sum := 0
	for n := range sent {
		sum += n
	}
	got := mustAsk(t, w, "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM web.e0), (SELECT count(*) FROM web.discards) FROM web.tracks")[0]
	if want := fmt.Sprintf("%d|%d|%d|0", sent, sent, (sent+2)/3); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = mustAsk(t, w, "SELECT sum(n)::BIGINT, count(text) FROM (FROM web.e0 UNION ALL BY NAME FROM web.e1 UNION ALL BY NAME FROM web.e2)")[0]
	if want := fmt.Sprintf("%d|%d", sum, sent); got != want {
		t.Errorf("the events' numbers: got %s, want %s", got, want)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil { // before the disk is taken away
		t.Error(err)
	}
}
