package nats

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// run is the committer: it writes one frame after another until ctx ends. The
// next frame fills while the last is on its way to the disk.
func (l *Log) run(ctx context.Context) {
	defer close(l.stopped)
	defer l.failQueue(errClosed())
	var scratch []byte
	for appends := 0; ; {
		l.gather(ctx, appends)
		b := l.next()
		if b == nil {
			appends = 0
			select {
			case <-l.kick:
				continue
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			b.finish(0, errClosed())
			return
		}
		appends = b.appends
		var broken bool
		scratch, broken = l.commit(b, scratch[:0])
		if broken {
			l.failQueue(millrace.Errorf(millrace.Unavailable, "the log's disk did not answer, the log is being opened again: try again in a moment"))
			l.metrics.reopened()
		} else if !l.unsealable() {
			continue
		} else {
			l.restarted = true
			l.logger.Info("the log's first stream is full: the log is opened again, so that its state is written down")
		}
		if !l.reopen(ctx) {
			return
		}
	}
}

// gatherMost is how long a frame waits at most for those who are about to
// append.
const gatherMost = time.Millisecond

// gather waits a moment before the next frame when several append at once:
// whoever was in the last frame is likely to come again, and a frame costs the
// same for one as for all of them. It waits until most are here, at most
// gatherMost, and not at all for one who appends alone.
func (l *Log) gather(ctx context.Context, last int) {
	l.mu.Lock()
	most := last + l.queued
	if last < 2 && l.queued < 2 || len(l.queue) > 1 || l.queued >= most*3/4 {
		l.mu.Unlock()
		return
	}
	l.wanted = most * 3 / 4
	l.mu.Unlock()
	timer := time.NewTimer(gatherMost)
	defer timer.Stop()
	select {
	case <-l.gathered:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	if l.wanted == 0 { // reached at the same moment
		<-l.gathered
	}
	l.wanted = 0
	l.mu.Unlock()
}

// next takes the oldest batch from the queue.
func (l *Log) next() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	b := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	l.queuedBytes -= b.size
	l.queued -= b.appends
	return b
}

// finish tells everyone who waits for the batch.
func (b *batch) finish(seq uint64, err error) {
	b.seq, b.err = seq, err
	close(b.done)
}

// failQueue fails everything that waits; none of it was written.
func (l *Log) failQueue(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.down = true
	}
	for _, b := range l.queue {
		b.finish(0, err)
	}
	l.queue, l.queuedBytes, l.queued = nil, 0, 0
}

// recycle keeps the builder for the next frame, unless it has grown large.
func (l *Log) recycle(b *batch) {
	fb, size := b.builder, b.builder.Size()
	b.builder = nil
	if size > 2*frameTargetBytes {
		return
	}
	fb.Reset()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) < 4 {
		l.free = append(l.free, fb)
	}
}

// commit writes the batch as one frame and answers those who wait for it. It
// says whether the store is broken. data is scratch, and is returned as such.
func (l *Log) commit(b *batch, data []byte) (_ []byte, broken bool) {
	start := time.Now()
	stamp := l.o.Now().UTC().Truncate(time.Millisecond)
	if last := l.tail.Time(); stamp.Before(last) {
		stamp = last // the clock was set back
	}
	records := b.builder.Len()
	data = b.builder.Encode(data, stamp)
	l.recycle(b)
	err := l.o.Fence()
	if err == nil {
		err = l.refuse(l.space.full(start, len(data)))
	}
	if err != nil {
		b.finish(0, err)
		return data, false
	}
	frame, err := eventlog.OpenFrame(append(make([]byte, 0, len(data)), data...))
	if err != nil { // cannot happen; better no answer than a frame that nobody can read
		b.finish(0, err)
		return data, false
	}
	_, last := l.tail.Bounds()
	var seq uint64
	if err = l.makeRoom(last.Seq, stamp); err == nil {
		seq, err = l.store.publish(data, l.o.PublishTimeout)
	}
	if err == nil && seq != last.Seq+1 {
		err = millrace.Errorf(millrace.Internal, "frame %d was stored as number %d", last.Seq+1, seq)
	}
	if err == nil {
		err = l.store.syncNewBlock()
	}
	if err != nil {
		l.logger.Error("the log's disk did not take a frame, opening the log again", "frame", last.Seq+1, "error", err)
		b.finish(0, millrace.Errorf(millrace.Unavailable, "the log's disk did not answer, whether the records were stored is not known: try again in a moment: %w", err))
		return nil, true
	}
	l.sizeBytes.Add(l.store.stored(len(data)))
	l.tail.Push(frame)
	b.finish(seq, l.o.Fence())
	l.metrics.committed(records, len(data), time.Since(start))
	if cap(data) > 4*frameTargetBytes {
		data = nil
	}
	return data, false
}

// unsealable says whether the newest stream is full, has no marker to purge,
// and its state is not written down. An orderly stop of the server does that,
// before the next stream is begun: once in the life of a log.
func (l *Log) unsealable() bool {
	_, last := l.tail.Bounds()
	g := l.store.newest()
	return !l.restarted && !g.rolled() && l.store.full(l.o.RollBytes, last.Seq) && !g.stateIsCurrent()
}

// makeRoom begins the next stream when the newest is full. last is the last
// frame of the log.
func (l *Log) makeRoom(last uint64, stamp time.Time) error {
	s := l.store
	if s.marked && s.full(l.o.RollBytes, last) && !l.unsealable() {
		if err := l.markFormat(); err != nil {
			return err
		}
		if err := s.roll(context.Background(), last); err != nil {
			return err
		}
	}
	if s.marked {
		return nil
	}
	return s.mark(l.o, emptyFrame(stamp))
}

// markFormat writes down that the log has more than one stream.
func (l *Log) markFormat() error {
	if l.format.Load() == formatRow {
		return nil
	}
	l.trimMu.Lock()
	defer l.trimMu.Unlock()
	id := l.identity()
	id.Format = formatRow
	if err := id.write(l.o.Dir); err != nil {
		return err
	}
	l.format.Store(formatRow)
	return nil
}

// reopen closes the store and opens it again, as often as it takes. It returns
// false when ctx ended. Meanwhile Append is Unavailable and readers who need
// the store wait.
func (l *Log) reopen(ctx context.Context) bool {
	l.store.disconnect() // ends the reads that wait for an answer
	l.storeMu.Lock()
	old := l.store
	l.store = nil
	l.storeMu.Unlock()
	closed := make(chan struct{})
	go func() { // a server whose disk hangs may hang too
		old.close()
		close(closed)
	}()
	for waiting := true; waiting; {
		select {
		case <-closed:
			waiting = false
		case <-time.After(10 * time.Second):
			l.logger.Error("still waiting for the log's disk, so that the log can be opened again")
		case <-ctx.Done():
			select { // whoever opens the folder next should find it released
			case <-closed:
			case <-time.After(10 * time.Second):
			}
			return false
		}
	}
	id := l.identity()
	if since := time.Since(l.resumed); since < reopenEvery && !pause(ctx, reopenEvery-since) { // it did not last
		return false
	}
	for attempt := 0; ; attempt++ {
		s, _, err := openStore(ctx, l.o, &id, &l.lost)
		if err == nil {
			l.resume(s)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		l.failQueue(millrace.Errorf(millrace.Unavailable, "the log cannot be opened again: try again in a moment: %w", err))
		if attempt%30 == 0 {
			l.logger.Error("the log could not be opened again, trying each second", "error", err)
		}
		if !pause(ctx, reopenEvery) {
			return false
		}
	}
}

// pause waits; it returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// resume goes on with the store that was opened again. Frames whose fate was
// unknown may be in it.
func (l *Log) resume(s *store) {
	l.resumed = time.Now()
	l.tail.Skip(s.last, s.stamp)
	l.sizeBytes.Store(s.size)
	l.storeMu.Lock()
	l.store = s
	l.storeMu.Unlock()
	l.mu.Lock()
	l.down = false
	l.mu.Unlock()
	l.logger.Info("the log is open again", "last", s.last)
}
