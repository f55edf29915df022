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
// followed and was trimmed. It fails with Ahead, and when storage does not
// answer before ctx ends.
func (t *Tail) Waiting(ctx context.Context, after millrace.Position) (time.Time, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return time.Time{}, errLogClosed()
	}
	seq := t.first
	if !after.IsZero() {
		if err := t.known(after); err != nil {
			t.mu.Unlock()
			return time.Time{}, err
		}
		next, _ := t.behind(after)
		seq = max(seq, next)
	}
	last, inMemory := t.last, t.last-uint64(len(t.frames))
	if seq > inMemory && seq <= last {
		at := t.frames[seq-inMemory-1].Time()
		t.mu.Unlock()
		return at, nil
	}
	t.mu.Unlock()
	if seq > last {
		return time.Time{}, nil
	}
	frames, err := t.fetch(ctx, seq, min(inMemory, last), waitingBytes)
	for _, f := range frames {
		if at := f.Time(); at.UnixMilli() > 0 { // of a frame that was lost the time may not be known
			return at, nil
		}
	}
	return time.Time{}, err
}
