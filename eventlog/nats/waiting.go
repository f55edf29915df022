package nats

import (
	"context"
	"iter"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Spaces says who has records in which frames, and waits for more.
func (l *Log) Spaces(ctx context.Context, after millrace.Position) iter.Seq2[eventlog.FrameSpaces, error] {
	return l.tail.Spaces(ctx, after)
}

// Waiting returns since when, in log time, what follows after waits for a
// reader that is there; the zero time when nothing follows.
func (l *Log) Waiting(ctx context.Context, after millrace.Position) (time.Time, error) {
	return l.tail.Waiting(ctx, after)
}
