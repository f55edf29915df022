package nats

import (
	"context"
	"time"

	"github.com/millrace/millrace"
)

// Waiting returns since when, in log time, what follows after waits for a
// reader that is there; the zero time when nothing follows.
func (l *Log) Waiting(ctx context.Context, after millrace.Position) (time.Time, error) {
	return l.tail.Waiting(ctx, after)
}
