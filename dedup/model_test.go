package dedup_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
)

// A shelf is an archive in memory: the distinct records, in order.
type shelf struct {
	mu      sync.Mutex
	entries []eventlog.Entry
	through millrace.Position
	time    time.Time
}

func (s *shelf) Through(context.Context) (millrace.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.through, nil
}

func (s *shelf) Open(_ context.Context, after millrace.Position, _ eventlog.Filter) (eventlog.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batches []eventlog.Batch
	for _, e := range s.entries {
		if !e.Position.After(after) {
			continue
		}
		through := e.Position
		through.Index = millrace.EndOfFrame
		if n := len(batches); n == 0 || batches[n-1].Through != through {
			batches = append(batches, eventlog.Batch{Through: through, Time: e.Time})
		}
		b := &batches[len(batches)-1]
		b.Records = append(b.Records, e)
	}
	return &shelfReader{append(batches, eventlog.Batch{Through: s.through, Time: s.time, AtEnd: true})}, nil
}

type shelfReader struct{ batches []eventlog.Batch }

func (r *shelfReader) Close() error { return nil }

func (r *shelfReader) Next(ctx context.Context) (eventlog.Batch, error) {
	if len(r.batches) == 0 {
		<-ctx.Done()
		return eventlog.Batch{}, ctx.Err()
	}
	b := r.batches[0]
	r.batches = r.batches[1:]
	return b, nil
}

// A model is what the follower is meant to be, made of maps.
type model struct {
	seen    map[string][]time.Time // by workspace, source, space, ID
	entries []eventlog.Entry       // of the whole log
	judged  int                    // how many of entries
	dups    map[millrace.Position]bool
	counts  map[string]dedup.Count
}

func newModel() *model {
	return &model{seen: map[string][]time.Time{}, dups: map[millrace.Position]bool{}, counts: map[string]dedup.Count{}}
}

func (m *model) decide(window func(workspace, source string) time.Duration) {
	for _, e := range m.entries[m.judged:] {
		space := ""
		if e.Stream == millrace.StreamRejected || e.Stream == millrace.StreamResent || e.Source == millrace.SourceMillrace {
			space = e.Stream
		}
		w := 24 * time.Hour
		if space == "" {
			w = max(w, window(e.Workspace, e.Source))
		}
		key := fmt.Sprintf("%q %q %q %q", e.Workspace, e.Source, space, e.ID)
		duplicate := slices.ContainsFunc(m.seen[key], func(t time.Time) bool { return e.Time.Sub(t) < w })
		m.seen[key] = append(m.seen[key], e.Time)
		name := fmt.Sprintf("%q %q %q", e.Workspace, e.Source, space)
		c := m.counts[name]
		c.Workspace, c.Source, c.Space = e.Workspace, e.Source, space
		if duplicate {
			m.dups[e.Position] = true
			c.Duplicates++
		} else {
			c.Distinct++
		}
		m.counts[name] = c
	}
	m.judged = len(m.entries)
}

// A machine is a log, its follower's folder, an archive, and the model.
type machine struct {
	*rig
	*model
	shelf  *shelf
	trimed millrace.Position
	n      int
	// inexact: the index was lost after the log was trimmed, so that duplicates
	// of before the oldest verdict segment are not counted any more.
	inexact bool
}

func (m *machine) check(t *rapid.T, f *dedup.Follower, counts bool) {
	m.settled(f)
	got, err := f.Duplicates(context.Background(), m.trimed, f.Through())
	if err != nil {
		t.Fatal(err)
	}
	want := slices.SortedFunc(maps.Keys(m.dups), millrace.Position.Compare)
	want = slices.DeleteFunc(want, func(p millrace.Position) bool { return !p.After(m.trimed) })
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("duplicates\n got %v\nwant %v", got, want)
	}
	if !counts {
		return
	}
	// After a crash the counts are exact when the log was read up to Through again.
	var have map[string]dedup.Count
	for range 2000 {
		have = map[string]dedup.Count{}
		for _, c := range f.Counts() {
			if c.Distinct+c.Duplicates > 0 {
				have[fmt.Sprintf("%q %q %q", c.Workspace, c.Source, c.Space)] = c
			}
		}
		if reflect.DeepEqual(have, m.counts) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("counts\n got %v\nwant %v", have, m.counts)
}

// grow appends frames of records whose IDs often repeat, while the clock moves.
func (m *machine) grow(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "frames") {
		switch rapid.IntRange(0, 9).Draw(t, "clock") {
		case 0:
			m.clock.add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(60*time.Hour)).Draw(t, "step")))
		case 1:
			m.clock.add(24 * time.Hour)
		case 2:
			m.clock.add(24*time.Hour - time.Millisecond)
		default:
			m.clock.add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pause")) * time.Second)
		}
		var records []millrace.Record
		for range rapid.IntRange(1, 30).Draw(t, "records") {
			r := event(rapid.SampledFrom([]string{"web", "ios", "shop", "millrace"}).Draw(t, "source"), "")
			r.Stream = rapid.SampledFrom([]string{"track:x", "page", "identify", "rejected", "resent"}).Draw(t, "stream")
			r.Workspace = rapid.SampledFrom([]string{"default", "default", "other"}).Draw(t, "workspace")
			if m.n++; rapid.Bool().Draw(t, "new") {
				r.ID = fmt.Sprint("id-", m.n)
			} else {
				r.ID = fmt.Sprint("id-", rapid.IntRange(max(0, m.n-300), m.n).Draw(t, "id"))
			}
			records = append(records, r)
		}
		m.append(records...)
	}
	m.read(t)
}

// read takes what is new in the log over into the model.
func (m *machine) read(t *rapid.T) {
	after := millrace.Position{}
	if n := len(m.entries); n > 0 {
		after = m.entries[n-1].Position
	}
	r, err := m.log.Open(context.Background(), after, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		m.entries = append(m.entries, b.Records...)
		if b.AtEnd {
			return
		}
	}
}

// archive puts everything judged on the shelf and trims the log, but for what
// lies within the longest window and what the follower still needs.
func (m *machine) archive(t *rapid.T, checkpoint millrace.Position) {
	if m.judged == 0 {
		return
	}
	s := m.shelf
	s.entries = nil
	for _, e := range m.entries[:m.judged] {
		if !m.dups[e.Position] {
			s.entries = append(s.entries, e)
		}
	}
	last := m.entries[m.judged-1]
	s.through, s.time = last.Position, last.Time
	s.through.Index = millrace.EndOfFrame
	through := millrace.Position{}
	for _, e := range m.entries[:m.judged] {
		if last.Time.Sub(e.Time) > 72*time.Hour && !e.Position.After(checkpoint) {
			through = e.Position
		}
	}
	if through.IsZero() || rapid.Bool().Draw(t, "keep one") {
		return
	}
	through.Seq, through.Index = through.Seq-1, millrace.EndOfFrame
	if err := m.log.Trim(context.Background(), through); err != nil {
		t.Fatal(err)
	}
	if through.After(m.trimed) {
		m.trimed = through
	}
}

// crash runs the follower over new records and leaves its folder as a SIGKILL or
// a power loss could: the index as it was before, the verdicts cut anywhere
// behind what was there before, perhaps with nonsense at their end.
func (m *machine) crash(t *rapid.T, scratch string) {
	before, after := filepath.Join(scratch, "before"), filepath.Join(scratch, "after")
	copyDir(t, m.options.Dir, before)
	f, stop := m.run()
	m.settled(f)
	stop()
	copyDir(t, m.options.Dir, after)
	copyDir(t, before, m.options.Dir)
	old, _ := filepath.Glob(filepath.Join(before, "verdicts", "*.verdicts"))
	now, _ := filepath.Glob(filepath.Join(after, "verdicts", "*.verdicts"))
	if len(now) == 0 || len(now) != len(old) {
		return // verdicts began, or a segment did: as if killed before
	}
	name := filepath.Base(now[len(now)-1])
	had, err1 := os.ReadFile(filepath.Join(before, "verdicts", name))
	has, err2 := os.ReadFile(filepath.Join(after, "verdicts", name))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	cut := has[:rapid.IntRange(len(had), len(has)).Draw(t, "cut")]
	if rapid.Bool().Draw(t, "nonsense") {
		cut = append(slices.Clone(cut), rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")...)
	}
	if err := os.WriteFile(filepath.Join(m.options.Dir, "verdicts", name), cut, 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t *rapid.T, from, to string) {
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(scratch, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &machine{rig: newRig(t), model: newModel(), shelf: &shelf{}}
		m.options.Dir = filepath.Join(dir, "dedup")
		if err := os.Mkdir(m.options.Dir, 0o700); err != nil {
			rt.Fatal(err)
		}
		m.options.MemoryIDs = rapid.SampledFrom([]int{7, 40, 1000}).Draw(rt, "memory")
		m.options.Past = func() eventlog.Past { return m.shelf }
		m.window("shop", dedup.Forever)
		m.window("ios", 48*time.Hour)
		for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
			m.grow(rt)
			if rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
				m.crash(rt, dir)
			}
			f, stop := m.run()
			m.decide(m.options.Window)
			m.check(rt, f, !m.inexact)
			if rapid.Bool().Draw(rt, "live") { // appended while it follows
				m.grow(rt)
				m.settled(f)
				m.decide(m.options.Window)
				m.check(rt, f, !m.inexact)
			}
			stop()
			switch rapid.IntRange(0, 7).Draw(rt, "then") {
			case 0:
				m.window("ios", 24*time.Hour) // shorter
			case 1:
				m.window("shop", 24*time.Hour) // forever and back
			case 2, 3:
				m.archive(rt, f.Checkpoint())
				m.lose(rapid.SampledFrom([]string{"index", "index/key", "index/manifest"}).Draw(rt, "lost"))
				m.inexact = !m.trimed.IsZero()
			case 4:
				m.archive(rt, f.Checkpoint())
			}
			m.trimVerdicts(rt)
		}
	})
}

// trimVerdicts trims the verdicts with the log.
func (m *machine) trimVerdicts(t *rapid.T) {
	f, err := dedup.Open(m.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Trim(m.trimed); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
