package archive

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Run archives until ctx ends, which is no error. While the bucket does not
// answer it goes on trying and Stats says so. It returns an error when going
// on would lose records or mix two archives: the log has trimmed what is not
// archived, the log is older than the archive, or another process writes here.
func (a *Archive) Run(ctx context.Context) error {
	if a.opts.Log == nil {
		return millrace.Errorf(millrace.Invalid, "this archive was opened to be read only: it has no log to run on")
	}
	a.mu.Lock()
	if a.running {
		a.mu.Unlock()
		return millrace.Errorf(millrace.Conflict, "the archive is running already")
	}
	a.running = true
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.running = false
		a.mu.Unlock()
	}()
	w := &worker{Archive: a}
	defer w.stopReading()
	err := w.run(ctx)
	// That another process writes here is said also when ctx has just ended.
	if err != nil && ctx.Err() != nil && millrace.KindOf(err) != millrace.Conflict {
		return nil
	}
	return err
}

// A worker is one Run: the only writer of the archive. Its goroutine collects
// records, stores them as fresh files, and publishes one slice of an hour
// between two steps of that.
type worker struct {
	*Archive
	encoder encoder
	buffer  buffer
	reading *reading
	// publishing is the hour that is being published, or nil.
	publishing *hourWork
	flushing   []request // answered when everything before them is stored
	atEnd      bool      // the log had nothing more when last asked
	readSince  time.Time // when it was opened to be asked, by Options.Now
	reopen     bool      // it has to be asked anew
	checked    time.Time // when nobody else was writing here
	// nextDrop and nextPublish are when to look again.
	nextDrop, nextPublish time.Time
}

// run is Run between its bookkeeping.
func (w *worker) run(ctx context.Context) error {
	if err := w.retry(ctx, func() error { return w.store.take(ctx) }); err != nil {
		return err
	}
	w.forget(w.store.snapshot().purgedSet())
	for _, workspace := range w.store.snapshot().Purging { // begun before a crash
		if err := w.purge(ctx, workspace); err != nil {
			return err
		}
	}
	if err := w.startReading(ctx); err != nil {
		return err
	}
	defer w.answer(millrace.Errorf(millrace.Unavailable, "the archive stopped before it was flushed"))
	for {
		if err := w.step(ctx); err != nil {
			return err
		}
		if err := w.cutDue(ctx); err != nil {
			return err
		}
		if err := w.publishDue(ctx); err != nil {
			return err
		}
		if err := w.dropDue(ctx); err != nil {
			return err
		}
	}
}

// step waits for a batch, a request, or until something may be due.
func (w *worker) step(ctx context.Context) error {
	select {
	case <-w.unpaused():
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.reopen {
		return w.startReading(ctx)
	}
	wait := time.NewTimer(w.patience())
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-w.requests:
		if r.purge != "" {
			err := w.purge(ctx, r.purge)
			r.done <- err
			if k := millrace.KindOf(err); err != nil && ctx.Err() == nil && (k == millrace.Invalid || k == millrace.NotFound) {
				w.failed(err) // of a day that is damaged: archiving goes on
				return nil
			}
			return err
		}
		w.flushing = append(w.flushing, r)
		return w.startReading(ctx) // anew, so that it says when it is at the end
	case got := <-w.reading.batches:
		return w.take(ctx, got)
	case <-wait.C:
		return nil
	}
}

// patience is how long nothing can be due.
func (w *worker) patience() time.Duration {
	if w.publishing != nil {
		return 0
	}
	wait := min(w.opts.Interval, time.Second)
	if !w.buffer.since.IsZero() {
		wait = min(wait, time.Until(w.buffer.since.Add(w.opts.Interval)))
	}
	return max(wait, time.Millisecond)
}

// take puts a batch into the buffer.
func (w *worker) take(ctx context.Context, got readResult) error {
	if got.err == nil {
		w.buffer.add(got.batch)
		w.buffer.filter(*w.purged.Load())
		w.atEnd = got.batch.AtEnd
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.failed(got.err)
	switch millrace.KindOf(got.err) {
	case millrace.Gone, millrace.Ahead:
		return w.startReading(ctx) // which decides what that means
	}
	if err := sleep(ctx, w.retryMin); err != nil {
		return err
	}
	return w.startReading(ctx)
}

// retry calls step until it succeeds, with growing waits. It gives up when ctx
// ends, or when another process has taken the archive.
func (w *worker) retry(ctx context.Context, step func() error) error {
	wait := w.retryMin
	for {
		err := step()
		if err == nil {
			w.recovered()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch millrace.KindOf(err) {
		case millrace.Conflict, millrace.Invalid:
			w.failed(err)
			return err
		}
		w.failed(err)
		if err := sleep(ctx, wait/2+rand.N(wait/2+1)); err != nil {
			return err
		}
		wait = min(2*wait, w.retryMax)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit stores a step of the manifest, and now and then the whole of it.
func (w *worker) commit(ctx context.Context, d delta) error {
	if w.store.sinceBase >= deltasPerBase {
		if err := w.retry(ctx, func() error { return w.store.rebase(ctx) }); err != nil {
			return err
		}
	}
	p, err := w.store.prepare(d)
	if err != nil {
		return err
	}
	return w.retry(ctx, func() error { return w.store.put(ctx, p) })
}

// A reading pulls batches from the log in a goroutine of its own.
type reading struct {
	batches chan readResult
	cancel  context.CancelFunc
	done    chan struct{}
}

type readResult struct {
	batch eventlog.Batch
	err   error
}

// startReading reads the log after what the buffer holds.
func (w *worker) startReading(ctx context.Context) error {
	w.stopReading()
	w.reopen, w.readSince = false, w.opts.Now()
	r, err := w.openLog(ctx)
	if err != nil {
		return err
	}
	rctx, cancel := context.WithCancel(ctx)
	reading := &reading{batches: make(chan readResult), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(reading.done)
		defer r.Close()
		for {
			b, err := r.Next(rctx)
			select {
			case reading.batches <- readResult{b, err}:
			case <-rctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	w.reading = reading
	w.atEnd = false
	return nil
}

func (w *worker) stopReading() {
	if w.reading == nil {
		return
	}
	w.reading.cancel()
	<-w.reading.done
	w.reading = nil
}

// openLog opens the log after what has been collected, and decides what it
// means when the log does not know that place.
func (w *worker) openLog(ctx context.Context) (eventlog.Reader, error) {
	s := w.store.snapshot()
	from := s.Through
	if s.Intent != nil {
		from = later(from, s.Intent.From)
	}
	if w.buffer.scanned.Before(from) {
		w.buffer = buffer{scanned: from, time: s.Time}
	}
	var reader eventlog.Reader
	err := w.retryLog(ctx, func() (err error) {
		reader, err = w.opts.Log.Open(ctx, w.buffer.scanned, eventlog.Filter{})
		return err
	})
	if err == nil {
		return reader, nil
	}
	var e *millrace.Error
	if !errors.As(err, &e) {
		return nil, err
	}
	switch e.Kind {
	case millrace.Gone:
		return w.openFirst(ctx, e)
	case millrace.Ahead:
		if e.Last.Epoch <= w.buffer.scanned.Epoch {
			return nil, millrace.Errorf(millrace.Ahead, "the archive ends at %s, the log at %s: this is not the log that was archived here, or an older copy of it; give the archive an empty folder or bucket, or put the newer log back: %w", w.buffer.scanned, e.Last, err)
		}
		w.opts.Logger.Info("the log has begun anew: the archive goes on with it", "archived", s.Through.String(), "epoch", e.Last.Epoch)
		return w.openAt(ctx, millrace.Position{Epoch: e.Last.Epoch})
	}
	return nil, err
}

// openAt forgets what was collected and opens the log elsewhere.
func (w *worker) openAt(ctx context.Context, after millrace.Position) (eventlog.Reader, error) {
	// What is collected and not stored is lost in that log: store it first.
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	w.buffer.scanned = after
	var reader eventlog.Reader
	err := w.retryLog(ctx, func() (err error) {
		reader, err = w.opts.Log.Open(ctx, after, eventlog.Filter{})
		return err
	})
	var e *millrace.Error
	if errors.As(err, &e) && e.Kind == millrace.Gone && beforeFrame(e.First).After(after) {
		return w.openFirst(ctx, e)
	}
	return reader, err
}

// openFirst goes on where the log begins after it said Gone, if nothing is
// lost by that or the gap was accepted.
func (w *worker) openFirst(ctx context.Context, gone *millrace.Error) (eventlog.Reader, error) {
	s := w.store.snapshot()
	whole := gone.First.Epoch > s.Through.Epoch && gone.First.Seq <= 1
	if !s.Through.IsZero() && !whole && !w.opts.AcceptGap {
		return nil, millrace.Errorf(millrace.Gone, "the log begins at %s, the archive ends at %s: what lies between was trimmed before it was archived; restore the log, or accept the gap in the archive's options to go on without: %w", gone.First, s.Through, gone)
	}
	w.opts.Logger.Warn("the archive goes on where the log begins: the log has trimmed what was before", "first", gone.First.String())
	return w.openAt(ctx, beforeFrame(gone.First))
}

// retryLog is retry for the log: Gone and Ahead are answers.
func (w *worker) retryLog(ctx context.Context, step func() error) error {
	var answer error
	err := w.retry(ctx, func() error {
		answer = nil
		err := step()
		switch millrace.KindOf(err) {
		case millrace.Gone, millrace.Ahead:
			answer = err
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return answer
}
