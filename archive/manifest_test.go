package archive

import (
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// TestPublishesByTheClock: an hour without a successor is published by itself.
func TestPublishesByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Interval = 5 * time.Millisecond
	w.mustOpen()
	w.append(events("default", "web", 0, 10)...)
	eventually(t, "stored", func() bool { return w.Stats().Records == 10 })
	w.clock.Add(time.Hour)
	time.Sleep(30 * time.Millisecond)
	if s := w.Stats(); s.Files != 0 {
		t.Errorf("published before the delay is over: %+v", s)
	}
	w.clock.Add(publishDelay)
	eventually(t, "published", func() bool { return w.Stats().Files == 1 })
	w.check()
}

// TestYearsStaySmall: what a step writes does not grow with the archive.
func TestYearsStaySmall(t *testing.T) {
	t.Parallel()
	s := &state{Session: "s"}
	for d := range 3650 {
		hour := int64(d * 24)
		p := millrace.Position{Epoch: 1_700_000_000_000, Seq: uint64(d+1) * 1_000_000, Index: millrace.EndOfFrame}
		for _, step := range []delta{
			{Begin: &intent{Span: span{Through: p, Hour: hour, Fresh: true}}},
			{Cut: &span{Through: p, Hour: hour, Fresh: true, Files: []fileInfo{{Workspace: "default", Rows: 1, Bytes: 1}}}},
			{Publish: &publication{Hour: hour}},
			{Published: &published{Hour: hour, Day: dayRef{Date: dateOf(hour), Key: dayKey(hour), Through: p, Files: 1, Rows: 1}}},
		} {
			step.Generation, step.Session = s.Generation+1, s.Session
			next, err := s.apply(&step)
			if err != nil {
				t.Fatal(err)
			}
			s = next
			if data, _, err := encodeManifest(&step); err != nil || len(data) > 800 {
				t.Fatalf("a step of %d bytes, %v", len(data), err)
			}
		}
		drop := delta{Generation: s.Generation + 1, Session: s.Session, Dropped: []string{s.Garbage[0].Key}}
		next, err := s.apply(&drop)
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	data, _, err := encodeManifest(s)
	if err != nil || len(data) > 3650*300 || len(s.Fresh) != 0 || len(s.Garbage) != 0 {
		t.Errorf("ten years: a base of %d bytes, %d fresh, %d garbage, %v", len(data), len(s.Fresh), len(s.Garbage), err)
	}
}

func FuzzManifest(f *testing.F) {
	good, _, err := encodeManifest(&delta{Generation: 1, Cut: &span{}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, good[:len(good)/2], []byte("{}"), []byte("\n\n"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d delta
		if _, err := decodeManifest("key", data, &d); err != nil {
			if millrace.KindOf(err) != millrace.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		_, _ = (&state{}).apply(&d)
	})
}
