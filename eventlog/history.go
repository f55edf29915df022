package eventlog

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace"
)

// A Past holds what the log may have trimmed: the archive. Its records are
// distinct already. It is safe for concurrent use.
type Past interface {
	Opener
	// Through returns the position up to which everything is in the past, in
	// whole frames; zero when there is nothing yet.
	Through(ctx context.Context) (millrace.Position, error)
}

// How long a History waits for an archive that is behind the log's beginning,
// and how often it looks again.
const (
	historyPatience = 30 * time.Second
	historyRetry    = 100 * time.Millisecond
)

// History returns the Opener of everything that ever happened: readers of the
// log where it still has what follows, and of past before that, distinct in
// both and without a seam. A reader that falls behind the log's beginning goes
// on in past and rejoins the log at its end. Epochs older than the log's newest
// are read from past as far as it goes, then the log follows.
//
// Open and Next fail with Unavailable when past does not reach the log's
// beginning even after half a minute, with Ahead when after lies beyond the
// end, or in an epoch that neither knows. past may be nil: then what the log
// has trimmed is Gone. AtEnd is only ever said at the log's end.
func History(log Log, past Past, v Verdicts) Opener {
	return &history{log: log, past: past, verdicts: v, patience: historyPatience, retry: historyRetry}
}

type history struct {
	log      Log
	past     Past
	verdicts Verdicts
	patience time.Duration // how long to wait for past
	retry    time.Duration // how long between two looks
}

func (h *history) Open(ctx context.Context, after millrace.Position, f Filter) (Reader, error) {
	r := &historyReader{history: h, filter: f, after: after}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// A historyReader reads from one of the two at a time.
type historyReader struct {
	*history
	filter  Filter
	after   millrace.Position // delivered to here
	current closingReader     // empty between two readers
	inPast  bool              // current is of past
	// stuckAt and stuck count how often the log took a reader at a position
	// and then said Gone without giving anything.
	stuckAt millrace.Position
	stuck   int
}

func (r *historyReader) Close() error { return r.current.close() }

func (r *historyReader) Next(ctx context.Context) (Batch, error) {
	for {
		current := r.current.get()
		if current == nil {
			if err := r.open(ctx); err != nil {
				return Batch{}, err
			}
			if current = r.current.get(); current == nil {
				return Batch{}, errReaderClosed
			}
		}
		b, err := current.Next(ctx)
		switch {
		case err == nil:
		case millrace.KindOf(err) == millrace.Gone && ctx.Err() == nil:
			if err := r.gone(ctx, err); err != nil {
				return Batch{}, err
			}
			continue
		case millrace.KindOf(err) == millrace.Internal && r.fallBack(ctx):
			continue
		default:
			return Batch{}, err
		}
		moved := b.Through.After(r.after)
		if moved {
			r.after, r.stuck = b.Through, 0
		}
		if !r.inPast {
			return b, nil
		}
		if b.AtEnd { // the end of past is not the end: the log follows
			b.AtEnd = false
			r.current.drop()
		}
		if moved || len(b.Records) > 0 {
			return b, nil
		}
		if r.stuck++; r.stuck > 1 { // past says more in Through than its reader gives
			if err := sleep(ctx, r.retry); err != nil {
				return Batch{}, err
			}
		}
	}
}

// fallBack reads on in past when the log holds what follows but cannot give
// it: its disk is damaged, and past may have it already.
func (r *historyReader) fallBack(ctx context.Context) bool {
	if r.inPast || r.past == nil {
		return false
	}
	through, err := r.past.Through(ctx)
	if err != nil || !r.after.Before(through) {
		return false
	}
	r.current.drop()
	return r.openPast(ctx) == nil
}

// gone lets go of a reader whose records were trimmed, so that the next look
// finds them in past. The log is trimmed before its verdicts: a log that takes
// the reader again and again while the verdicts are gone is broken.
func (r *historyReader) gone(ctx context.Context, cause error) error {
	r.current.drop()
	if r.inPast {
		return cause
	}
	if r.stuckAt != r.after {
		r.stuckAt, r.stuck = r.after, 0
	}
	r.stuck++
	if r.stuck > 3 {
		return millrace.Errorf(millrace.Internal,
			"the log still holds what follows %s, but the verdicts about its duplicates are gone: stop the server, move the dedup folder's verdicts away and start again, so that they are made anew from the log: %w", r.after, cause)
	}
	if r.stuck > 1 {
		return sleep(ctx, r.retry)
	}
	return nil
}

// open finds who has what follows r.after, and waits for past where that is
// about to be written.
func (r *historyReader) open(ctx context.Context) error {
	var waited time.Duration
	for {
		err := r.openOnce(ctx)
		var behind *behindError
		if err == nil || !errors.As(err, &behind) {
			return err
		}
		if waited >= r.patience {
			return &millrace.Error{Kind: millrace.Unavailable, Message: behind.Error(), First: behind.first, Last: behind.through, RetryAfter: r.patience}
		}
		if err := sleep(ctx, r.retry); err != nil {
			return err
		}
		waited += r.retry
	}
}

// A behindError says that past ends before the log begins.
type behindError struct {
	after, through, first millrace.Position
}

func (e *behindError) Error() string {
	return "what follows " + e.after.String() + " is no longer in the log, which begins at " + e.first.String() +
		", and not yet in the archive, which ends at " + e.through.String() +
		": the archive is stuck; see its state in status and bring it going again"
}

func (r *historyReader) openOnce(ctx context.Context) error {
	first, last, err := r.log.Bounds(ctx)
	if err != nil {
		return err
	}
	if r.past == nil {
		return r.openLog(ctx, r.after)
	}
	if damaged, err := r.damaged(ctx); err != nil || damaged {
		if err != nil {
			return err
		}
		return r.openPast(ctx)
	}
	if r.after.Epoch >= last.Epoch {
		err := r.openLog(ctx, r.after)
		if millrace.KindOf(err) != millrace.Gone || ctx.Err() != nil {
			return err
		}
	}
	through, err := r.past.Through(ctx)
	if err != nil {
		return err
	}
	if r.after.Before(through) { // of an earlier epoch, past may hold what the log has lost
		err := r.openPast(ctx)
		if millrace.KindOf(err) == millrace.Ahead {
			return r.unknown(first, through)
		}
		return err
	}
	if r.after.Epoch < last.Epoch {
		err := r.openLog(ctx, r.after)
		if millrace.KindOf(err) == millrace.Ahead { // it is of another log
			if r.after != through {
				return r.unknown(first, through)
			}
			err = r.openLog(ctx, millrace.Position{}) // past is read: this log follows
		}
		if millrace.KindOf(err) != millrace.Gone || ctx.Err() != nil {
			return err
		}
	}
	return &behindError{after: r.after, through: through, first: first}
}

// damaged says whether the log has given up a frame that is still to be read
// and that past has.
func (r *historyReader) damaged(ctx context.Context) (bool, error) {
	log, ok := r.log.(Skipper)
	if !ok {
		return false, nil
	}
	lost, ok := log.FirstLost(r.after)
	if !ok {
		return false, nil
	}
	through, err := r.past.Through(ctx)
	return err == nil && !through.Before(lost), err
}

// unknown says that after lies in an epoch before the log's and beyond what
// the archive has of it.
func (r *historyReader) unknown(first, through millrace.Position) error {
	err := millrace.Errorf(millrace.Ahead,
		"position %s is of another log than this one (epoch %d), and neither that nor the archive, which ends at %s, knows it: the reader saw records that are not here; reset the reader (millrace warehouse rebuild makes tables anew), or restore the log and archive that it belongs to",
		r.after, first.Epoch, through)
	var e *millrace.Error
	if errors.As(err, &e) {
		e.First, e.Last = first, through
	}
	return err
}

func (r *historyReader) openLog(ctx context.Context, after millrace.Position) error {
	reader, err := r.log.Open(ctx, after, r.filter)
	if err != nil {
		return err
	}
	r.inPast = false
	return r.current.set(Distinct(reader, r.verdicts))
}

func (r *historyReader) openPast(ctx context.Context) error {
	reader, err := r.past.Open(ctx, r.after, r.filter)
	if err != nil {
		return err
	}
	r.inPast = true
	return r.current.set(reader)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
