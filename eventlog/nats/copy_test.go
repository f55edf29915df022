package nats

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

func copied(t *testing.T, l *Log, after uint64) (Copy, [][]byte) {
	t.Helper()
	first, last, err := l.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after = max(after, first.Seq-1)
	c := Copy{Eras: l.Eras(), First: after + 1, Last: last.Seq, Stamp: l.tail.Time()}
	var frames [][]byte
	for f, err := range l.Frames(t.Context(), after, last.Seq) {
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, slices.Clone(f))
	}
	return c, frames
}

func given(frames [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, f := range frames {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func TestACopyIsTheLogInANewEpoch(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]uint64{"all of it": 0, "its end": 25, "nothing of it": 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := Open(t.Context(), Options{Dir: t.TempDir(), ReserveBytes: -1, RollBytes: 8 << 10})
			if err != nil {
				t.Fatal(err)
			}
			var at []millrace.Position
			for i := range 40 {
				p, err := l.Append(t.Context(), []millrace.Record{{ID: fmt.Sprint(i), Workspace: "w", Source: "s", Stream: "track:x", Received: time.Now(), Occurred: time.Now(), Body: make([]byte, 500)}})
				if err != nil {
					t.Fatal(err)
				}
				at = append(at, p)
			}
			c, frames := copied(t, l, after)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			o := Options{Dir: dir, ReserveBytes: -1, RollBytes: 8 << 10}
			if err := Restore(t.Context(), o, c, given(frames)); err != nil {
				t.Fatal(err)
			}
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			// What was there has the positions it had; what comes has others.
			next, err := r.Append(t.Context(), []millrace.Record{{ID: "next", Workspace: "w", Source: "s", Stream: "track:x", Received: time.Now(), Occurred: time.Now()}})
			if err != nil || next.Epoch <= at[0].Epoch || next.Seq != 41 {
				t.Fatal(next, err)
			}
			start := millrace.Position{}
			if after > 0 {
				start = at[after-1]
				start.Index = millrace.EndOfFrame
			}
			in, err := r.Open(t.Context(), start, eventlog.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			want := append(slices.Clone(at[after:]), next)
			for len(want) > 0 {
				b, err := in.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range b.Records {
					if len(want) == 0 || e.Position != want[0] {
						t.Fatalf("%s, want %v", e.Position, want[:min(1, len(want))])
					}
					want = want[1:]
				}
			}
		})
	}
}

func TestACopyThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 10 {
		if _, err := l.Append(t.Context(), []millrace.Record{{ID: fmt.Sprint(i), Workspace: "w", Source: "s", Stream: "track:x", Received: time.Now(), Occurred: time.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	c, frames := copied(t, l, 0)
	damaged := slices.Clone(frames)
	damaged[3] = slices.Clone(damaged[3])
	damaged[3][20] ^= 1
	for name, frames := range map[string][][]byte{"too few": frames[:9], "damaged": damaged} {
		if err := Restore(t.Context(), Options{Dir: t.TempDir(), ReserveBytes: -1}, c, given(frames)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	dir := t.TempDir()
	if err := Restore(t.Context(), Options{Dir: dir, ReserveBytes: -1}, c, given(frames)); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), Options{Dir: dir, ReserveBytes: -1}, c, given(frames)); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("over a log that is there: %v", err)
	}
}
