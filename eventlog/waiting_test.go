package eventlog

import (
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// TestWaiting asks since when what follows a position waits, also when it has
// left the log meanwhile.
func TestWaiting(t *testing.T) {
	t.Parallel()
	at := func(i int) time.Time { return time.UnixMilli(1_760_000_000_000 + int64(i)*1000) }
	tail := NewTail(TailOptions{Epoch: 7, First: 1, Last: 0})
	for i := 1; i <= 4; i++ {
		var b FrameBuilder
		b.Add([]millrace.Record{{ID: "a", Workspace: "w", Source: "s", Stream: "t", Received: at(i), Occurred: at(i)}})
		f, err := OpenFrame(b.Encode(nil, at(i)))
		if err != nil {
			t.Fatal(err)
		}
		tail.Push(f)
	}
	done := func(seq uint64) millrace.Position {
		return millrace.Position{Epoch: 7, Seq: seq, Index: millrace.EndOfFrame}
	}
	check := func(when string, after millrace.Position, want time.Time) {
		t.Helper()
		if got, err := tail.Waiting(t.Context(), after); err != nil || !got.Equal(want) {
			t.Errorf("%s: what follows %s waits since %v, %v; want %v", when, after, got, err, want)
		}
	}
	check("all there", millrace.Position{}, at(1))
	check("all there", done(2), at(3))
	check("all there", done(4), time.Time{})
	tail.Trimmed(3)
	check("two trimmed", millrace.Position{}, at(3))
	check("two trimmed", done(1), at(3))
	tail.Trimmed(5)
	check("all trimmed", millrace.Position{}, at(4))
	check("all trimmed", done(3), at(4))
	check("all trimmed", done(4), time.Time{})
}
