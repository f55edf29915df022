package eventlog

import (
	"context"
	"time"

	"github.com/millrace/millrace"
)

// waitingBytes is how much is read at most to find the time of a frame.
const waitingBytes = 64 << 10

// Waiting returns the log time of the first frame that follows after and is
// still there: since when what a reader at after has not read waits. It is the
// zero time when nothing follows. Unlike a reader it does not mind that more
// followed and was trimmed; of what followed and was all trimmed it returns the
// time of the newest. It fails with Ahead, and when storage does not
// answer before ctx ends.
func (t *Tail) Waiting(ctx context.Context, after millrace.Position) (time.Time, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return time.Time{}, errLogClosed()
	}
	next := t.eras[0].First
	if !after.IsZero() {
		if err := t.known(after); err != nil {
			t.mu.Unlock()
			return time.Time{}, err
		}
		next, _ = t.behind(after)
	}
	seq, stamp := max(t.first, next), t.stamp
	last, inMemory := t.last, t.last-uint64(len(t.frames))
	if seq > inMemory && seq <= last {
		at := t.frames[seq-inMemory-1].Time()
		t.mu.Unlock()
		return at, nil
	}
	t.mu.Unlock()
	switch {
	case next > last:
		return time.Time{}, nil
	case seq > last:
		return stamp, nil
	}
	frames, err := t.fetch(ctx, seq, min(inMemory, last), waitingBytes)
	for _, f := range frames {
		if at := f.Time(); at.UnixMilli() > 0 { // of a frame that was lost the time may not be known
			return at, nil
		}
	}
	return time.Time{}, err
}
