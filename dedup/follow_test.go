package dedup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// following runs a follower until the test ends.
func following(t *testing.T, f *Follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func appendIDs(t *testing.T, log *mem.Log, from, to int) millrace.Position {
	t.Helper()
	var rs []millrace.Record
	for i := from; i < to; i++ {
		rs = append(rs, millrace.Record{ID: fmt.Sprint(i), Workspace: "default", Source: "web", Stream: "page", Body: []byte("{}")})
	}
	p, err := log.Append(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	o := Options{Log: log, Dir: t.TempDir(), MemoryIDs: 10, Window: func(_, _ string) time.Duration { return Forever }}
	open := func() *Follower {
		f, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open()
	stop := following(t, f)
	if err := f.Wait(within(t), appendIDs(t, log, 0, 30)); err != nil {
		t.Fatal(err)
	}
	stop()

	// The file of verdicts fails once: it is opened anew and cut.
	f = open()
	name := f.verdicts.file.Name()
	if err := f.verdicts.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+"x", nil, 0o600); err != nil { // not ours: left alone
		t.Fatal(err)
	}
	stop = following(t, f)
	if err := f.Wait(within(t), appendIDs(t, log, 20, 40)); err != nil {
		t.Fatal(err)
	}
	stop()

	// The index cannot be written for a while: nothing is judged wrongly, Status
	// says what is the matter, and it goes on when there is room again.
	f = open()
	index := filepath.Join(o.Dir, "index")
	if err := os.Rename(index, index+"-away"); err != nil {
		t.Fatal(err)
	}
	stop = following(t, f)
	last := appendIDs(t, log, 30, 60)
	for {
		s, err := f.Status(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if s.Failure != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(index+"-away", index); err != nil {
		t.Fatal(err)
	}
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	last = appendIDs(t, log, 0, 61)
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	dups, err := f.Duplicates(t.Context(), millrace.Position{}, last)
	if want := 10 + 10 + 60; err != nil || len(dups) != want {
		t.Errorf("%d duplicates, %v; want %d", len(dups), err, want)
	}
	if c := f.Counts(); len(c) != 1 || c[0].Distinct != 61 || c[0].Duplicates != 80 {
		t.Errorf("counts %+v", c)
	}
	if s, err := f.Status(t.Context()); err != nil || s.Failure != "" || s.LagFrames != 0 || s.Runs == 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	stop()
}

func TestDamageInALargeIndexIsFoundBesideTheWork(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	o := Options{Log: log, Dir: t.TempDir(), MemoryIDs: 100, verifyAtOpen: 1, Window: func(_, _ string) time.Duration { return 0 }}
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := following(t, f)
	for i := range 9 {
		if err := f.Wait(within(t), appendIDs(t, log, i*100, i*100+100)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	names, _ := filepath.Glob(filepath.Join(o.Dir, "index", "*.run"))
	if len(names) == 0 {
		t.Fatal("no runs")
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 1
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(o); err != nil {
		t.Fatal(err)
	}
	stop = following(t, f)
	defer stop()
	var last millrace.Position
	for i := 0; ; i++ { // the index empties and fills again
		last = appendIDs(t, log, 1000+i, 1001+i)
		if err := f.Wait(within(t), last); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(names[0]); os.IsNotExist(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	before := last
	last = appendIDs(t, log, 0, 900)
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	if dups, err := f.Duplicates(t.Context(), before, last); err != nil || len(dups) != 900 {
		t.Errorf("%d duplicates, %v; want 900", len(dups), err)
	}
}

func TestFileThatVanishesIsDamage(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(r *run) error{
		"read":   func(r *run) error { return r.verify(t.Context()) },
		"mapped": func(r *run) error { _, _, err := r.find(hash{1 << 54, 1}); return err },
		"merged": func(r *run) error {
			_, err := merge(t.Context(), r.path+"m", []*run{r}, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "r")
			w, err := newRunWriter(file, recent, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint64(1000) {
				if err := w.add(slot{hash{i << 54, 1}, 5}); err != nil {
					t.Fatal(err)
				}
			}
			r, err := w.finish()
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if _, found, err := r.find(hash{1 << 54, 1}); !found || err != nil {
				t.Fatalf("find: %v, %v", found, err)
			}
			if err := os.Truncate(file, r.slotsAt()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.find(hash{1 << 54, 1}); err == nil {
				t.Error("slots that are gone were found")
			}
			if err := os.Truncate(file, 0); err != nil {
				t.Fatal(err)
			}
			err = guard(func() error { return use(r) })
			if found := new(damage); !errors.As(err, &found) {
				t.Errorf("got %v, want damage", err)
			}
		})
	}
}

// A cutLog shows a log up to a frame and then says nothing more.
type cutLog struct {
	*mem.Log
	frames uint64
	held   chan struct{} // closed when a reader asks for more
	once   sync.Once
}

type cutReader struct {
	eventlog.Reader
	log *cutLog
	end bool
}

func (l *cutLog) Open(ctx context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	r, err := l.Log.Open(ctx, after, f)
	return &cutReader{Reader: r, log: l}, err
}

func (r *cutReader) Next(ctx context.Context) (eventlog.Batch, error) {
	if r.end {
		r.log.once.Do(func() { close(r.log.held) })
		<-ctx.Done()
		return eventlog.Batch{}, ctx.Err()
	}
	b, err := r.Reader.Next(ctx)
	if err == nil && b.Through.Seq >= r.log.frames {
		r.end, b.AtEnd = true, false
		b.Through.Seq, b.Through.Index = r.log.frames, millrace.EndOfFrame
		b.Records = slices.DeleteFunc(b.Records, func(e eventlog.Entry) bool { return e.Position.Seq > r.log.frames })
	}
	return b, err
}

// A follower that lost its index takes the counts of each segment over. When it
// is killed in the middle of one, after it wrote down how far it was, the next
// one goes on from there: nothing is counted twice and nothing is left out.
func TestCountsOfASegmentTakenOverInTwoParts(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	o := Options{Log: log, Dir: t.TempDir(), MemoryIDs: 10, Window: func(_, _ string) time.Duration { return Forever }}
	open := func(o Options) *Follower {
		f, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open(o)
	stop := following(t, f)
	var last millrace.Position
	for _, part := range [][2]int{{0, 20}, {10, 30}, {20, 40}, {5, 45}} { // a frame each, all in one segment
		last = appendIDs(t, log, part[0], part[1])
		if err := f.Wait(within(t), last); err != nil {
			t.Fatal(err)
		}
	}
	want := Count{Workspace: "default", Source: "web", Distinct: 45, Duplicates: 10 + 10 + 35}
	if got := f.Counts(); len(got) != 1 || got[0] != want {
		t.Fatalf("counts %+v, want %+v", got, want)
	}
	stop()

	for cut := uint64(1); cut < last.Seq; cut++ {
		// The index is lost, and the follower killed when it was made anew up to
		// the cut: what is on disk then is all that the next one has.
		lost := o
		lost.Dir = t.TempDir()
		if err := os.CopyFS(filepath.Join(lost.Dir, "verdicts"), os.DirFS(filepath.Join(o.Dir, "verdicts"))); err != nil {
			t.Fatal(err)
		}
		short := &cutLog{Log: log, frames: cut, held: make(chan struct{})}
		lost.Log = short
		f = open(lost)
		stop = following(t, f)
		select {
		case <-short.held:
		case <-within(t).Done():
			t.Fatal("the log was not read up to the cut")
		}
		killed := o
		killed.Dir = filepath.Join(t.TempDir(), "killed")
		if err := os.CopyFS(killed.Dir, os.DirFS(lost.Dir)); err != nil {
			t.Fatal(err)
		}
		stop()
		m, err := loadManifest(filepath.Join(killed.Dir, "index"))
		if err != nil || m == nil || m.Through.Seq != cut || !m.CountsLost {
			t.Fatalf("the index was written down as %+v, %v: want it up to frame %d, its counts not yet whole", m, err, cut)
		}
		f = open(killed)
		stop = following(t, f)
		want.Distinct++ // a new record: when it is judged, all before it is read again
		if err := f.Wait(within(t), appendIDs(t, log, 1000+int(cut), 1001+int(cut))); err != nil {
			t.Fatal(err)
		}
		stop()
		if got := f.Counts(); len(got) != 1 || got[0] != want {
			t.Errorf("killed at frame %d: counts %+v, want %+v", cut, got, want)
		}
	}
}
