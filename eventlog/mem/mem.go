// Package mem is a log in memory, for tests of readers. Nothing survives the process.
package mem

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

var (
	_ eventlog.Log        = (*Log)(nil)
	_ eventlog.Reporter   = (*Log)(nil)
	_ eventlog.Forgetter  = (*Log)(nil)
	_ eventlog.Dispatcher = (*Log)(nil)
)

// Options are the parameters of New. The zero Options are fine.
type Options struct {
	Epoch uint64           // default: the time of New in milliseconds since 1970
	Now   func() time.Time // default time.Now
	Keys  eventlog.Keys    // nil: nothing is encrypted
}

// A Log keeps all its frames in memory, one for each Append.
type Log struct {
	now  func() time.Time
	tail *eventlog.Tail
	keys *eventlog.Keyring

	mu      sync.Mutex
	epoch   uint64
	last    uint64
	stamp   time.Time
	times   []time.Time // of the frames that are there
	sizes   []int64
	size    int64
	builder eventlog.FrameBuilder
	closed  bool
}

// New returns an empty log.
func New(o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Epoch == 0 {
		o.Epoch = uint64(o.Now().UnixMilli())
	}
	keys, err := eventlog.NewKeyring(eventlog.KeyringOptions{Keys: o.Keys})
	if err != nil {
		panic(err) // of metrics, which there are none of
	}
	return &Log{now: o.Now, epoch: o.Epoch, keys: keys, tail: eventlog.NewTail(eventlog.TailOptions{Epoch: o.Epoch, First: 1, Keys: keys})}
}

// Forget drops what is remembered of a workspace's keys.
func (l *Log) Forget(space string) { l.keys.Forget(space) }

// Append stores the records as one frame.
func (l *Log) Append(ctx context.Context, records []millrace.Record) (millrace.Position, error) {
	if err := eventlog.CheckAppend(records); err != nil {
		return millrace.Position{}, err
	}
	if err := ctx.Err(); err != nil {
		return millrace.Position{}, millrace.Errorf(millrace.Canceled, "appending to the log: %w", err)
	}
	seals, err := l.keys.Seals(records)
	if err != nil {
		return millrace.Position{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return millrace.Position{}, millrace.Errorf(millrace.Unavailable, "the log is closed: open it again")
	}
	if now := l.now().UTC().Truncate(time.Millisecond); now.After(l.stamp) {
		l.stamp = now
	}
	l.builder.Reset()
	last := l.builder.AddSealed(records, seals)
	frame, err := eventlog.OpenFrame(l.builder.Encode(nil, l.stamp))
	if err != nil {
		return millrace.Position{}, err
	}
	l.last++
	l.times = append(l.times, l.stamp)
	l.sizes = append(l.sizes, int64(frame.Size()))
	l.size += int64(frame.Size())
	l.tail.Push(frame)
	return millrace.Position{Epoch: l.epoch, Seq: l.last, Index: uint32(last)}, nil
}

// Open returns a reader of what follows after.
func (l *Log) Open(_ context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	return l.tail.Open(after, f)
}

// Spaces says who has records in which frames.
func (l *Log) Spaces(ctx context.Context, after millrace.Position) iter.Seq2[eventlog.FrameSpaces, error] {
	return l.tail.Spaces(ctx, after)
}

// Bounds returns where the log begins and ends.
func (l *Log) Bounds(context.Context) (first, last millrace.Position, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return first, last, millrace.Errorf(millrace.Unavailable, "the log is closed: open it again")
	}
	first, last = l.tail.Bounds()
	return first, last, nil
}

// Trim forgets whole frames up to and including through.
func (l *Log) Trim(_ context.Context, through millrace.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, some, err := l.tail.TrimTo(through)
	if err != nil || !some {
		return err
	}
	for l.last-uint64(len(l.times))+1 < first {
		l.size -= l.sizes[0]
		l.times, l.sizes = l.times[1:], l.sizes[1:]
	}
	l.tail.Trimmed(first)
	return nil
}

// Status says how the log is.
func (l *Log) Status(context.Context) (eventlog.Status, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := eventlog.Status{Backend: "mem", Promise: "kept in memory until the process ends", SizeBytes: l.size, Frames: uint64(len(l.times))}
	s.First, s.Last = l.tail.Bounds()
	if len(l.times) > 0 {
		s.FirstTime, s.LastTime = l.times[0], l.stamp
	}
	return s, nil
}

// Close ends all readers and appends.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.tail.Close()
	return nil
}
