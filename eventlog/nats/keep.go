package nats

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// firstTime is the log time of the first frame.
type firstTime struct {
	seq  uint64
	time time.Time
}

// opened returns the store, to be used until release is called. It fails with
// Unavailable while the store is being opened again.
func (l *Log) opened() (s *store, release func(), err error) {
	l.storeMu.RLock()
	if l.store != nil {
		return l.store, l.storeMu.RUnlock, nil
	}
	defer l.storeMu.RUnlock()
	if l.isClosed() {
		return nil, nil, errClosed()
	}
	return nil, nil, millrace.Errorf(millrace.Unavailable, "the log is being opened again after its disk did not answer: try again in a moment")
}

// Trim forgets whole frames up to and including through. It is durable before
// anything is forgotten, so that a crash does not bring back a part.
func (l *Log) Trim(_ context.Context, through millrace.Position) error {
	l.trimMu.Lock()
	defer l.trimMu.Unlock()
	first, some, err := l.tail.TrimTo(through)
	if err != nil {
		return err
	}
	s, release, err := l.opened()
	if err != nil || !some {
		if err == nil {
			release()
		}
		return err
	}
	defer release()
	id := l.identity()
	id.First = first
	if err := id.write(l.o.Dir); err != nil {
		return err
	}
	l.tail.Trimmed(first) // readers get Gone rather than a hole
	if err := s.purge(first); err != nil {
		return err
	}
	l.sizeBytes.Store(s.bytes())
	return nil
}

// saveIdentity writes down how far the log has come.
func (l *Log) saveIdentity() error {
	id := l.identity()
	return id.write(l.o.Dir)
}

// Status says how the log is.
func (l *Log) Status(ctx context.Context) (eventlog.Status, error) {
	st := eventlog.Status{Backend: "nats", Version: server.VERSION, Promise: "fsynced on this machine", SizeBytes: l.sizeBytes.Load()}
	full := l.space.check(time.Now())
	st.First, st.Last = l.tail.Bounds()
	st.Frames = st.Last.Seq + 1 - st.First.Seq
	st.FreeBytes, st.ReserveBytes = l.space.free.Load(), l.space.reserve
	if full {
		st.Refusing = l.space.why()
	}
	s, release, err := l.opened()
	if err != nil && !l.isClosed() {
		st.Refusing = err.Error()
		return st, nil
	}
	if err != nil {
		return st, err
	}
	defer release()
	if st.Frames == 0 {
		return st, nil
	}
	st.LastTime = l.tail.Time()
	if known := l.firstTime.Load(); known != nil && known.seq == st.First.Seq {
		st.FirstTime = known.time
		return st, nil
	}
	st.FirstTime, err = s.timeOf(ctx, st.First.Seq)
	switch {
	case err == nil:
		l.firstTime.Store(&firstTime{st.First.Seq, st.FirstTime})
	case millrace.KindOf(err) == millrace.Internal:
		return st, nil // it is damaged, and its readers say so: the log takes records
	case millrace.KindOf(err) == millrace.Unavailable:
		return st, nil // it was trimmed, or the store is about to be opened again
	}
	return st, err
}

// Eras returns the epochs of the log, oldest first. A second one began where
// the log had lost frames, or was put back to an earlier state.
func (l *Log) Eras() []eventlog.Era { return l.tail.Eras() }

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// FirstAfter returns the position of the first frame whose log time is not before t.
func (l *Log) FirstAfter(ctx context.Context, t time.Time) (millrace.Position, error) {
	s, release, err := l.opened()
	if err != nil {
		return millrace.Position{}, err
	}
	defer release()
	first, last := l.tail.Bounds()
	low, high := first.Seq, last.Seq+1
	if known := l.firstTime.Load(); known != nil && known.seq == low && !known.time.Before(t) {
		return l.tail.At(low, 0), nil
	}
	// The first in [low, high) that is not before t, or high. Each look takes a
	// block of the store into memory, 8 MiB, for some seconds; and retention asks
	// each minute for what lies near the beginning. So strides begin small there.
	for stride := uint64(1); low < high; stride *= 2 {
		look := min(low+(high-low)/2, low+stride-1)
		stamp, err := s.timeOf(ctx, look)
		if err != nil {
			return millrace.Position{}, err
		}
		if stamp.Before(t) {
			low = look + 1
		} else {
			high = look
		}
	}
	return l.tail.At(low, 0), nil
}

// Expired returns the last position that is beyond the retention.
func (l *Log) Expired(ctx context.Context, r eventlog.Retention) (millrace.Position, error) {
	first, last := l.tail.Bounds()
	keep := first.Seq
	if r.Age > 0 {
		p, err := l.FirstAfter(ctx, l.o.Now().Add(-r.Age))
		if err != nil {
			return millrace.Position{}, err
		}
		keep = p.Seq
	}
	if size := l.sizeBytes.Load(); r.SizeBytes > 0 && size > r.SizeBytes {
		// Frames differ in size: this is right on average, and a second round
		// takes what is left.
		frames := float64(last.Seq + 1 - first.Seq)
		excess := uint64(math.Ceil(frames * float64(size-r.SizeBytes) / float64(size)))
		keep = max(keep, min(first.Seq+excess, last.Seq+1))
	}
	if keep == first.Seq {
		return millrace.Position{}, nil
	}
	return l.tail.At(keep-1, millrace.EndOfFrame), nil
}

// Verify reads every frame and checks checksums and order.
func (l *Log) Verify(ctx context.Context, progress func(done, total int64)) (eventlog.Verification, error) {
	var v eventlog.Verification
	v.First, v.Last = l.tail.Bounds()
	total := int64(v.Last.Seq + 1 - v.First.Seq)
	var before time.Time
	problem := func(format string, args ...any) {
		v.Broken++
		if len(v.Problems) < eventlog.MaxProblems {
			v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
		}
	}
	lost := l.lost.get()
	for _, r := range l.Lost() {
		if r.Last >= v.First.Seq {
			v.Lost = append(v.Lost, r.String())
		}
	}
	for seq := v.First.Seq; seq <= v.Last.Seq; {
		if r := lost.find(seq); r != nil {
			seq = r.Last + 1
			continue
		}
		messages, err := l.verifyRead(ctx, seq, v.Last.Seq)
		if err != nil && !errors.Is(err, errUnreadable) {
			return v, err
		}
		if first, _ := l.tail.Bounds(); first.Seq > seq { // trimmed meanwhile
			v.First, seq = first, first.Seq
			continue
		}
		if err != nil {
			problem("frame %d: %v", seq, errUnreadable)
			seq++
			continue
		}
		for _, m := range messages {
			if lost.find(seq) != nil {
				break
			}
			if m.seq > seq {
				end := min(m.seq, lost.next(seq)) - 1
				problem("%s missing", nameFrames(seq, end, "is", "are"))
				seq = end + 1
				break
			}
			seq++
			v.Frames++
			v.SizeBytes += int64(len(m.data))
			f, err := l.verifyFrame(m, &v)
			if err != nil {
				problem("frame %d: %v", m.seq, err)
				continue
			}
			if f.Time().Before(before) {
				problem("frame %d: its log time %v lies before that of an earlier frame, %v", m.seq, f.Time(), before)
			}
			before = f.Time()
		}
		if progress != nil {
			progress(int64(seq-v.First.Seq), total)
		}
	}
	return v, nil
}

// verifyFrame checks one frame and counts what is in it.
func (l *Log) verifyFrame(m message, v *eventlog.Verification) (eventlog.Frame, error) {
	f, err := eventlog.OpenFrame(m.data)
	if err != nil {
		return f, err
	}
	found, err := f.With(l.keys).Verify()
	if err != nil {
		return f, err
	}
	v.Records += uint64(f.Len())
	v.Destroyed += uint64(found.Destroyed)
	v.Locked += uint64(found.Locked)
	return f, nil
}

func (l *Log) verifyRead(ctx context.Context, seq, last uint64) ([]message, error) {
	s, release, err := l.opened()
	if err != nil {
		return nil, err
	}
	defer release()
	return s.messages(ctx, seq, int(min(fetchFrames, last-seq+1)), 4<<20)
}
