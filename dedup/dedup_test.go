package dedup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// A clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// event is a record of source with that ID.
func event(source, id string) millrace.Record {
	return millrace.Record{ID: id, Workspace: "default", Source: source, Stream: "track:x", Body: []byte("{}")}
}

func events(source string, ids ...string) []millrace.Record {
	var out []millrace.Record
	for _, id := range ids {
		out = append(out, event(source, id))
	}
	return out
}

// A rig is a log and the folder of its follower.
type rig struct {
	t       testing.TB
	clock   *clock
	log     *mem.Log
	options dedup.Options
	windows map[string]time.Duration // by source; 24h for others
	mu      *sync.Mutex
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, clock: newClock(), windows: map[string]time.Duration{}, mu: &sync.Mutex{}}
	r.log = mem.New(mem.Options{Now: r.clock.Now})
	r.options = dedup.Options{
		Log: r.log, Dir: t.TempDir(), GroupInterval: time.Millisecond,
		Window: func(_, source string) time.Duration {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.windows[source]
		},
	}
	return r
}

func (r *rig) window(source string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[source] = d
}

func (r *rig) append(records ...millrace.Record) millrace.Position {
	r.t.Helper()
	last, err := r.log.Append(context.Background(), records)
	if err != nil {
		r.t.Fatal(err)
	}
	return last
}

// run starts the follower; stop ends it in order and closes it.
func (r *rig) run() (f *dedup.Follower, stop func()) {
	r.t.Helper()
	f, err := dedup.Open(r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return f, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
		if err := f.Close(); err != nil {
			r.t.Errorf("Close: %v", err)
		}
	})
}

// settled waits until everything in the log is judged.
func (r *rig) settled(f *dedup.Follower) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, last, err := r.log.Bounds(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := f.Wait(ctx, last); err != nil {
		r.t.Fatalf("waiting for %s: %v", last, err)
	}
}

// judge runs a follower over the log and returns the duplicates and counts.
func (r *rig) judge() ([]millrace.Position, []dedup.Count) {
	r.t.Helper()
	f, stop := r.run()
	defer stop()
	r.settled(f)
	return r.duplicates(f), f.Counts()
}

func (r *rig) duplicates(f *dedup.Follower) []millrace.Position {
	r.t.Helper()
	dups, err := f.Duplicates(context.Background(), millrace.Position{}, f.Through())
	if err != nil {
		r.t.Fatal(err)
	}
	return dups
}

// marks returns which of n records, appended one a frame, are duplicates: "-" or "d".
func marks(dups []millrace.Position, n int) string {
	out := []byte{}
	for seq := range n {
		m := byte('-')
		if slices.ContainsFunc(dups, func(p millrace.Position) bool { return p.Seq == uint64(seq+1) }) {
			m = 'd'
		}
		out = append(out, m)
	}
	return string(out)
}

func TestWindow(t *testing.T) {
	t.Parallel()
	type at struct {
		after  time.Duration
		record millrace.Record
	}
	rejected := event("web", "a")
	rejected.Stream = millrace.StreamRejected
	resent := event("web", "a")
	resent.Stream = millrace.StreamResent
	other := event("web", "a")
	other.Workspace = "other"
	page := event("web", "a")
	page.Stream = millrace.StreamPage
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		records []at
		want    string
	}{
		"at once":                {[]at{{0, event("web", "a")}, {0, event("web", "a")}}, "-d"},
		"just within":            {[]at{{0, event("web", "a")}, {day - time.Millisecond, event("web", "a")}}, "-d"},
		"just beyond":            {[]at{{0, event("web", "a")}, {day, event("web", "a")}}, "--"},
		"a duplicate extends":    {[]at{{0, event("web", "a")}, {20 * time.Hour, event("web", "a")}, {20 * time.Hour, event("web", "a")}}, "-dd"},
		"after a pause":          {[]at{{0, event("web", "a")}, {20 * time.Hour, event("web", "a")}, {25 * time.Hour, event("web", "a")}}, "-d-"},
		"two sources":            {[]at{{0, event("web", "a")}, {0, event("ios", "a")}, {0, event("ios", "a")}}, "--d"},
		"two workspaces":         {[]at{{0, event("web", "a")}, {0, other}, {0, other}}, "--d"},
		"streams share IDs":      {[]at{{0, event("web", "a")}, {0, page}}, "-d"},
		"rejected is apart":      {[]at{{0, rejected}, {0, event("web", "a")}, {0, resent}, {0, rejected}, {0, resent}}, "---dd"},
		"forever":                {[]at{{0, event("shop", "a")}, {3 * 365 * day, event("shop", "a")}, {0, event("shop", "b")}}, "-d-"},
		"a short window is 24h":  {[]at{{0, event("short", "a")}, {23 * time.Hour, event("short", "a")}}, "-d"},
		"names do not run over":  {[]at{{0, event("ab", "c")}, {0, event("a", "bc")}}, "--"},
		"the clock is set back":  {[]at{{0, event("web", "a")}, {-5 * day, event("web", "a")}}, "-d"},
		"long and odd IDs":       {[]at{{0, event("web", "\x00")}, {0, event("web", "\x00\x00")}, {0, event("web", "\x00")}}, "--d"},
		"rejected lives 24h too": {[]at{{0, rejected}, {day, rejected}}, "--"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.window("shop", dedup.Forever)
			r.window("short", time.Minute)
			for _, a := range test.records {
				r.clock.add(a.after)
				r.append(a.record)
			}
			dups, _ := r.judge()
			if got := marks(dups, len(test.records)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			again, counts := r.judge()
			if !reflect.DeepEqual(again, dups) {
				t.Errorf("after a restart %v, before %v", again, dups)
			}
			var distinct, duplicates int64
			for _, c := range counts {
				distinct, duplicates = distinct+c.Distinct, duplicates+c.Duplicates
			}
			if int(duplicates) != len(dups) || int(distinct+duplicates) != len(test.records) {
				t.Errorf("counts %+v do not fit %d duplicates of %d", counts, len(dups), len(test.records))
			}
		})
	}
}

func TestWithinOneFrame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	last := r.append(slices.Concat(events("web", "a", "b", "a", "a"), events("ios", "a"), events("web", "b"))...)
	f, stop := r.run()
	defer stop()
	r.settled(f)
	var got []uint32
	for _, p := range r.duplicates(f) {
		got = append(got, p.Index)
	}
	if want := []uint32{2, 3, 5}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	judged, dups, err := f.CountDuplicates(t.Context(), []dedup.Range{{Last: last, Count: 2}, {Last: millrace.Position{Epoch: last.Epoch, Seq: 1, Index: 2}, Count: 3}})
	if judged != 5 || dups != 2 || err != nil {
		t.Errorf("CountDuplicates = %d, %d, %v; want 5, 2", judged, dups, err)
	}
	for _, bad := range []dedup.Range{{Last: last, Count: 0}, {Last: last, Count: 7}, {Last: last, Count: -1}, {Count: 1}} {
		if _, _, err := f.CountDuplicates(t.Context(), []dedup.Range{bad}); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("CountDuplicates(%+v) = %v, want Invalid", bad, err)
		}
	}
}

func TestVerdictsAreNotThereYet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.append(events("web", "a")...)
	f, err := dedup.Open(r.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Duplicates(t.Context(), millrace.Position{}, p); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Duplicates = %v, want Unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Wait(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait = %v, want the deadline", err)
	}
	done := make(chan error)
	go func() { done <- f.Wait(t.Context(), p) }()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Wait over Close = %v, want Unavailable", err)
	}
}

// lose removes part of the follower's folder.
func (r *rig) lose(pattern string) {
	r.t.Helper()
	names, err := filepath.Glob(filepath.Join(r.options.Dir, pattern))
	if err != nil || len(names) == 0 {
		r.t.Fatalf("nothing matches %s: %v", pattern, err)
	}
	for _, n := range names {
		if err := os.RemoveAll(n); err != nil {
			r.t.Fatal(err)
		}
	}
}

var _ eventlog.Verdicts = (*dedup.Follower)(nil)
