package nats_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/testserver"
)

const smallDisk = 24 << 20 // bytes

// smallDisks are file systems of that size.
var smallDisks = map[string]func(*testing.T) string{
	"tmpfs": func(t *testing.T) string {
		dir := t.TempDir()
		mount(t, dir, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", smallDisk), "tmpfs", dir)
		return dir
	},
	"ext4": func(t *testing.T) string {
		dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, smallDisk); err != nil {
			t.Fatal(err)
		}
		mkfs := testserver.Install(t, []string{"mkfs.ext4", "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"}, "e2fsprogs")
		if out, err := exec.Command(mkfs, "-q", "-m", "0", image).CombinedOutput(); err != nil {
			t.Fatalf("mkfs.ext4: %v: %s\nthis test needs a small ext4 file system: install e2fsprogs", err, out)
		}
		mount(t, dir, "mount", "-o", "loop", image, dir)
		return dir
	},
}

func mount(t *testing.T, dir string, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s\nthis test fills a small file system of its own: run it as root where mounting is allowed (docker run --privileged)", command, err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
}

// noise returns a record whose body of that many bytes does not compress.
func noise(id string, size int) millrace.Record {
	r := eventlogtest.Record(id)
	rnd := rand.New(rand.NewPCG(uint64(size), uint64(len(id))))
	r.Body = make([]byte, size)
	for i := range r.Body {
		r.Body[i] = byte(rnd.Uint32())
	}
	return r
}

// ballast writes a file that takes space away, until it is removed.
func ballast(t *testing.T, dir string, size int) (remove func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		syscall.Sync()
	}
}

func freeBytes(t *testing.T, dir string) int64 {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}

// TestReserve fills the disk to the reserve: appends are Limited long before
// the disk is full, and go on when there is room.
func TestReserve(t *testing.T) {
	t.Parallel()
	for name, disk := range smallDisks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := disk(t)
			remove := ballast(t, dir, 4<<20)
			const reserve = 8 << 20
			log := open(t, nats.Options{Dir: filepath.Join(dir, "log"), ReserveBytes: reserve})
			ctx := eventlogtest.Context(t)
			n := 0
			fill := func() error {
				for {
					if _, err := log.Append(ctx, []millrace.Record{noise(fmt.Sprint(n), 50_000)}); err != nil {
						return err
					}
					n++
				}
			}
			err := fill()
			var e *millrace.Error
			if !errors.As(err, &e) || e.Kind != millrace.Limited || e.RetryAfter < 4*time.Minute || e.RetryAfter > 5*time.Minute {
				t.Fatalf("got %v", err)
			}
			if free := freeBytes(t, dir); free < reserve-1<<20 || free > reserve+1<<20 {
				t.Errorf("refused with %d bytes free, the reserve is %d", free, reserve)
			}
			if st, err := log.Status(ctx); err != nil || st.Refusing == "" || st.ReserveBytes != reserve {
				t.Errorf("Status %+v, %v", st, err)
			}
			before := n
			remove()
			eventually(t, func() bool { _ = fill(); return n > before })

			// Trimming makes room too.
			_, last, _ := log.Bounds(ctx)
			last.Seq -= 5
			if err := log.Trim(ctx, last); err != nil {
				t.Fatal(err)
			}
			before = n
			eventually(t, func() bool { _ = fill(); return n > before })
		})
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(eventlogtest.Timeout); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// TestFullDisk lets the disk run full under concurrent appends, without any
// reserve: they are Unavailable, the log is opened again and goes on when there
// is room, and everything acknowledged is there, in order.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, disk := range smallDisks {
		for _, roll := range []int64{0, 300_000} {
			t.Run(fmt.Sprintf("%s, roll %d", name, roll), func(t *testing.T) {
				t.Parallel()
				testFullDisk(t, disk, roll)
			})
		}
	}
}

func testFullDisk(t *testing.T, disk func(*testing.T) string, roll int64) {
	dir := disk(t)
	remove := ballast(t, dir, 10<<20)
	log := open(t, nats.Options{Dir: filepath.Join(dir, "log"), ReserveBytes: -1, RollBytes: roll, PublishTimeout: 2 * time.Second, CacheBytes: 1 << 20, Logger: logger(t)})
	r := eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{})
	ctx, cancel := context.WithTimeout(context.Background(), 2*eventlogtest.Timeout)
	defer cancel()

	var refused, after atomic.Int64
	var roomy atomic.Bool
	var mu sync.Mutex
	acked := map[string]millrace.Position{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; after.Load() < 40 && ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				p, err := log.Append(ctx, []millrace.Record{noise(id, 20_000)})
				if err != nil {
					if k := millrace.KindOf(err); k != millrace.Unavailable {
						t.Errorf("append: %v (%v)", err, k)
					}
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
					continue
				}
				if roomy.Load() {
					after.Add(1)
				}
				mu.Lock()
				acked[id] = p
				mu.Unlock()
			}
		})
	}
	eventually(t, func() bool { return refused.Load() > 20 })
	time.Sleep(1500 * time.Millisecond) // opening again fails meanwhile, or fills up once more
	roomy.Store(true)
	remove()
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatalf("the log did not recover: %d appends refused", refused.Load())
	}
	checkAcked(t, r, acked)
}

// checkAcked checks that everything acknowledged is where the answer said, and
// that the reader sees positions in order.
func checkAcked(t *testing.T, r eventlog.Reader, acked map[string]millrace.Position) {
	t.Helper()
	got, _ := eventlogtest.ReadToEnd(t, r)
	if !slices.IsSortedFunc(got, func(a, b eventlog.Entry) int { return a.Position.Compare(b.Position) }) {
		t.Error("records are not in the order of their positions")
	}
	at := map[millrace.Position]string{}
	for _, e := range got {
		if old, ok := at[e.Position]; ok {
			t.Errorf("%s and %s are both at %v", old, e.ID, e.Position)
		}
		at[e.Position] = e.ID
	}
	for id, p := range acked {
		if at[p] != id {
			t.Errorf("%s was acknowledged at %v, there is %q", id, p, at[p])
		}
	}
	t.Logf("%d acknowledged, %d in the log", len(acked), len(got))
}
