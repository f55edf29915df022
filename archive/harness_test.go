package archive

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

var tenOClock = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// A clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A world is a log, a bucket, and an archive between them.
type world struct {
	*Archive
	t      *testing.T
	clock  *clock
	log    *mem.Log
	bucket blob.Bucket
	opts   Options
	want   []eventlog.Entry
	stop   func() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := &clock{now: tenOClock}
	b, err := local.Open(t.Context(), memoryDir(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	w := &world{t: t, clock: c, log: mem.New(mem.Options{Now: c.Now}), bucket: b}
	w.opts = Options{Interval: time.Hour, Now: c.Now}
	return w
}

// memoryDir is a temporary folder that costs no fsync, where there is one:
// these tests write thousands of files.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "millrace-archive-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// open opens the archive and runs it.
func (w *world) open(bucket blob.Bucket) error {
	opts := w.opts
	opts.Bucket, opts.Log = bucket, w.log
	a, err := Open(context.Background(), opts)
	if err != nil {
		return err
	}
	a.retryMin, a.retryMax = time.Millisecond, 5*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		done <- a.Run(ctx)
	}()
	<-started
	for !a.Stats().Running { // so that FlushNow finds it
		select {
		case err := <-done:
			cancel()
			return err
		case <-time.After(100 * time.Microsecond):
		}
	}
	w.Archive = a
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() { w.stop() })
	return nil
}

func (w *world) mustOpen() {
	w.t.Helper()
	if err := w.open(w.bucket); err != nil {
		w.t.Fatal(err)
	}
}

// append gives records to the log and remembers what has to be archived.
func (w *world) append(records ...millrace.Record) {
	w.t.Helper()
	_, before, err := w.log.Bounds(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log.Append(context.Background(), records); err != nil {
		w.t.Fatal(err)
	}
	w.want = append(w.want, readAll(w.t, w.log, before, eventlog.Filter{})...)
}

func (w *world) flush() {
	w.t.Helper()
	if err := w.FlushNow(w.t.Context()); err != nil {
		w.t.Fatalf("FlushNow: %v", err)
	}
}

func (w *world) publish() {
	w.t.Helper()
	if err := w.Publish(w.t.Context()); err != nil {
		w.t.Fatalf("Publish: %v", err)
	}
}

// event makes a record, different for each n.
func event(workspace, source string, n int) millrace.Record {
	at := tenOClock.Add(time.Duration(n) * time.Millisecond)
	name := []string{"track:Order Completed", "identify", "page", "track:Ünïcödé", "stream:orders"}[n%5]
	r := millrace.Record{
		ID: fmt.Sprintf("id-%s-%s-%d", workspace, source, n), Workspace: workspace, Source: source, Stream: name,
		Op: millrace.Op(n % 4), Key: fmt.Sprintf("user-%d", n%7), Received: at, Occurred: at.Add(-time.Hour),
		Body: fmt.Appendf(nil, `{"n":%d,"userId":"user-%d","anonymousId":"anon-%d"}`, n, n%7, n),
	}
	if n%3 == 0 {
		r.Meta = []byte(`{"receivedAt":"x"}`)
	}
	return r
}

func events(workspace, source string, from, n int) []millrace.Record {
	out := make([]millrace.Record, n)
	for i := range out {
		out[i] = event(workspace, source, from+i)
	}
	return out
}

// readAll reads from after to the end.
func readAll(t *testing.T, o eventlog.Opener, after millrace.Position, f eventlog.Filter) []eventlog.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := o.Open(ctx, after, f)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	var out []eventlog.Entry
	for {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		for _, e := range b.Records {
			if !e.Position.After(after) || e.Position.After(b.Through) {
				t.Fatalf("%s in a batch from %s through %s", e.Position, after, b.Through)
			}
		}
		if b.Through.Before(after) {
			t.Fatalf("from %s back to %s", after, b.Through)
		}
		after = b.Through
		out = append(out, b.Records...)
		if b.AtEnd {
			return out
		}
	}
}

func same(t *testing.T, got, want []eventlog.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d records, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("record %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

// check reads and verifies everything.
func (w *world) check() {
	w.t.Helper()
	same(w.t, readAll(w.t, w.Archive, millrace.Position{}, eventlog.Filter{}), w.want)
	report, err := w.Verify(w.t.Context(), nil)
	if err != nil || len(report.Problems) > 0 {
		w.t.Errorf("Verify: %+v, %v", report.Problems, err)
	}
	if report.Records != int64(len(w.want)) {
		w.t.Errorf("verified %d records, want %d", report.Records, len(w.want))
	}
}

// published reads what anyone finds who lists the folders of the workspaces.
func (w *world) published() []eventlog.Entry {
	w.t.Helper()
	var out []eventlog.Entry
	for info, err := range w.bucket.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(info.Key, "_") {
			continue
		}
		data, err := readObject(w.t.Context(), w.bucket, info.Key)
		if err != nil {
			w.t.Fatal(err)
		}
		entries, err := decode(data)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, entries...)
	}
	slices.SortFunc(out, func(a, b eventlog.Entry) int { return a.Position.Compare(b.Position) })
	return out
}

// A faulty bucket lets n operations through, and then its process is dead: the
// last one did or did not happen, and all later ones fail.
type faulty struct {
	blob.Bucket
	mu      sync.Mutex
	left    int  // operations until the fault
	happens bool // the last one takes effect
	dead    chan struct{}
	count   int
	steps   []string
}

func newFaulty(b blob.Bucket, n int, happens bool) *faulty {
	return &faulty{Bucket: b, left: n, happens: happens, dead: make(chan struct{})}
}

var errDead = millrace.Errorf(millrace.Unavailable, "the process is dead")

// step says whether the operation takes effect, and what it returns.
func (f *faulty) step(name string) (does bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	f.steps = append(f.steps, name)
	f.left--
	switch {
	case f.left > 0:
		return true, nil
	case f.left == 0:
		close(f.dead)
		return f.happens, errDead
	}
	return false, errDead
}

func (f *faulty) Put(ctx context.Context, key string, r io.Reader) error {
	does, err := f.step("put " + key)
	if does {
		if perr := f.Bucket.Put(ctx, key, r); perr != nil {
			return perr
		}
	}
	return err
}

func (f *faulty) Open(ctx context.Context, key string) (blob.Object, error) {
	if _, err := f.step("open " + key); err != nil {
		return nil, err
	}
	return f.Bucket.Open(ctx, key)
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	does, err := f.step("delete " + key)
	if does {
		if derr := f.Bucket.Delete(ctx, key); derr != nil {
			return derr
		}
	}
	return err
}

func (f *faulty) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	if _, err := f.step("list " + prefix); err != nil {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, err) }
	}
	return f.Bucket.List(ctx, prefix)
}
