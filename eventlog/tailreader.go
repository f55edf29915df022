package eventlog

import (
	"context"

	"github.com/millrace/millrace"
)

// Limits of one batch. A single frame may be larger.
const (
	maxBatchRecords = 10_000
	maxBatchBytes   = 1 << 20 // as stored
	maxBatchFrames  = 4_096
)

// A tailReader reads a Tail, and storage while it is behind.
type tailReader struct {
	tail   *Tail
	filter Filter
	seq    uint64 // next frame
	index  int    // read in it already up to here; -1: nothing
	told   bool   // AtEnd was said and nothing came since
	frames []Frame
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
}

// Close ends a Next that waits.
func (r *tailReader) Close() error {
	r.cancel()
	return nil
}

// Next is Reader.Next.
func (r *tailReader) Next(ctx context.Context) (Batch, error) {
	b, last, err := r.step(ctx)
	if err != nil || b.AtEnd {
		return b, err
	}
	return r.decode(last)
}

// next returns the next frames and the last that there is, for who has been
// told of the end.
func (r *tailReader) next(ctx context.Context) ([]Frame, uint64, error) {
	_, last, err := r.step(ctx)
	return r.frames, last, err
}

// step fills r.frames, or returns a batch that says AtEnd.
func (r *tailReader) step(ctx context.Context) (b Batch, last uint64, err error) {
	for {
		if r.ctx.Err() != nil {
			return Batch{}, 0, millrace.Errorf(millrace.Canceled, "the log reader is closed")
		}
		if err := ctx.Err(); err != nil {
			return Batch{}, 0, millrace.Errorf(millrace.Canceled, "reading the log: %w", err)
		}
		b, last, wait, err := r.look()
		if err != nil || b.AtEnd {
			return b, last, err
		}
		if wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
			case <-r.ctx.Done():
			}
			continue
		}
		if len(r.frames) == 0 {
			if err := r.fetch(ctx, last); err != nil {
				return Batch{}, 0, err
			}
		}
		if len(r.frames) > 0 {
			return Batch{}, last, nil
		}
	}
}

// look finds out what there is to do: it fills r.frames from memory, or returns
// a batch that says AtEnd, or something to wait for, or (none of these) that
// storage has the next frame.
func (r *tailReader) look() (b Batch, last uint64, wait <-chan struct{}, err error) {
	t := r.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	r.frames = r.frames[:0]
	switch {
	case t.closed:
		return b, 0, nil, errLogClosed()
	case r.seq < t.first:
		return b, 0, nil, t.gone(r.seq - 1)
	case r.seq > t.last && r.told:
		return b, 0, t.wait(r.filter.Workspace), nil
	case r.seq > t.last:
		r.told = true
		_, through := t.bounds()
		return Batch{Through: through, Time: t.stamp, AtEnd: true}, 0, nil, nil
	}
	inMemory := t.last - uint64(len(t.frames)) // last frame that is not in memory
	if r.seq <= inMemory {
		return b, min(inMemory, t.last), nil, nil
	}
	records, size := 0, 0
	for _, f := range t.frames[r.seq-inMemory-1:] {
		if len(r.frames) > 0 && (records+f.Len() > maxBatchRecords || size+f.Size() > maxBatchBytes || len(r.frames) == maxBatchFrames) {
			break
		}
		records += f.Len()
		size += f.Size()
		r.frames = append(r.frames, f)
	}
	return b, t.last, nil, nil
}

// fetch fills r.frames from storage.
func (r *tailReader) fetch(ctx context.Context, last uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	frames, err := r.tail.fetch(ctx, r.seq, last, maxBatchBytes)
	if err != nil && ctx.Err() == nil {
		return err
	}
	r.frames = append(r.frames, frames...)
	return nil
}

// decode makes the batch of r.frames, up to one that cannot be decoded.
func (r *tailReader) decode(last uint64) (Batch, error) {
	var b Batch
	epoch, end := r.tail.Era(r.seq)
	for i, f := range r.frames {
		if r.seq > end { // a batch is of one epoch
			break
		}
		at := millrace.Position{Epoch: epoch, Seq: r.seq}
		records, err := f.With(r.tail.keys).Decode(b.Records, at, r.index, r.filter)
		if err != nil && i > 0 { // the next call says it
			break
		}
		if err != nil {
			return Batch{}, r.explain(err, at)
		}
		b.Records = records
		at.Index = millrace.EndOfFrame
		b.Through, b.Time = at, f.Time()
		r.seq, r.index = r.seq+1, -1
	}
	clear(r.frames) // the frames' memory is not ours to keep
	r.frames = r.frames[:0]
	r.told = false
	if r.seq > last {
		r.atEnd(&b)
	}
	return b, nil
}

// explain says which frame cannot be decoded, and how to go on without it when
// that is the only way.
func (r *tailReader) explain(err error, at millrace.Position) error {
	if kind := millrace.KindOf(err); kind != millrace.Internal {
		return millrace.Errorf(kind, "frame %d of the log: %w", at.Seq, err)
	}
	at.Index = millrace.EndOfFrame
	return millrace.Errorf(millrace.Internal, "frame %d of the log: %w; %s", at.Seq, err, HowToSkip(at))
}

// atEnd says AtEnd when nothing came while the batch was decoded.
func (r *tailReader) atEnd(b *Batch) {
	r.tail.mu.Lock()
	defer r.tail.mu.Unlock()
	b.AtEnd = r.seq > r.tail.last
	r.told = b.AtEnd
}
