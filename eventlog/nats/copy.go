package nats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// copyBytes is how much of the log is read at once to be copied.
const copyBytes = 4 << 20

// A Copy says which log frames were copied from, for Restore.
type Copy struct {
	Eras  []eventlog.Era `json:"eras"`
	First uint64         `json:"first"` // the first frame that was copied; Last+1 when none was
	Last  uint64         `json:"last"`
	Stamp time.Time      `json:"stamp"` // log time of Last
}

// Frames yields the frames behind after, up to and including through, as they
// lie on disk: what is encrypted stays so. A frame that was given up is an empty
// one. Gone means that some were trimmed.
func (l *Log) Frames(ctx context.Context, after, through uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for seq := after + 1; seq <= through; {
			frames, err := l.fetch(ctx, seq, through, copyBytes)
			if err == nil && len(frames) == 0 {
				err = millrace.Errorf(millrace.Gone, "frame %d has left the log while it was copied: try again", seq)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, f := range frames[:min(uint64(len(frames)), through-seq+1)] {
				if !yield(f.Bytes(), nil) {
					return
				}
				seq++
			}
		}
	}
}

// Restore makes a log in an empty folder that has the frames of a copy, with
// their numbers, and goes on in a new epoch behind them. The folder is a log
// only when it returns nil; then it is durable.
func Restore(ctx context.Context, o Options, c Copy, frames iter.Seq2[[]byte, error]) (err error) {
	if o.Dir == "" || len(c.Eras) == 0 || c.First == 0 || c.Last+1 < c.First {
		return millrace.Errorf(millrace.Invalid, "the copy of the log does not say what it is: it cannot be restored")
	}
	if o, err = o.completed(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "jetstream")); !errors.Is(err, fs.ErrNotExist) {
		return millrace.Errorf(millrace.Conflict, "there is a log in %s already: restore into an empty folder", o.Dir)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return err
	}
	r := restorer{o: o, copied: c, store: &store{dir: o.Dir, logger: o.Logger, lost: &lostList{}, acks: make(chan *nats.Msg, 16), hurt: make(chan struct{}, 1)}}
	err = r.store.start(o)
	if err == nil {
		err = r.store.connect()
	}
	if err == nil {
		err = r.begin(ctx)
	}
	if err == nil {
		err = r.frames(ctx, frames)
	}
	r.store.close()
	if err != nil {
		return fmt.Errorf("restoring the log: %w", err)
	}
	return r.identify()
}

// A restorer makes a log.
type restorer struct {
	o      Options
	copied Copy
	store  *store
	rolled bool
}

// begin makes the first stream, which begins with the first frame of the copy.
func (r *restorer) begin(ctx context.Context) error {
	g := newSegment(r.o.Dir, r.copied.First)
	if err := r.store.openSegment(ctx, &g); err != nil {
		return err
	}
	row := []segment{g}
	r.store.row.Store(&row)
	r.rolled = g.rolled()
	if !r.rolled {
		r.store.marked = true
		return nil
	}
	return r.store.mark(r.o, emptyFrame(r.copied.Stamp))
}

func (r *restorer) frames(ctx context.Context, frames iter.Seq2[[]byte, error]) error {
	s, last := r.store, r.copied.First-1
	for data, err := range frames {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			_, err = eventlog.OpenFrame(data)
		}
		if err != nil {
			return err
		}
		if r.rolled && s.full(r.o.RollBytes, last) { // the stream "log" has no marker: it takes all
			if err := s.roll(ctx, last); err != nil {
				return err
			}
			if err := s.mark(r.o, emptyFrame(r.copied.Stamp)); err != nil {
				return err
			}
		}
		seq, err := s.publish(data, r.o.PublishTimeout)
		if err != nil {
			return err
		}
		if last++; seq != last {
			return millrace.Errorf(millrace.Internal, "frame %d was stored as number %d", last, seq)
		}
		s.stored(len(data))
		if err := s.syncNewBlock(); err != nil {
			return err
		}
	}
	if last != r.copied.Last {
		return millrace.Errorf(millrace.Invalid, "the copy ends with frame %d, not %d", last, r.copied.Last)
	}
	return s.syncNewest()
}

// identify writes down what the log is: it goes on in a new epoch.
func (r *restorer) identify() error {
	newest := r.copied.Eras[len(r.copied.Eras)-1].Epoch
	id := identity{Format: formatOne, Epoch: newest, First: r.copied.First, Last: r.copied.Last, Stamp: r.copied.Stamp.UnixMilli(), Eras: slices.Clone(r.copied.Eras)}
	if r.rolled {
		id.Format = formatRow
	}
	next := id.renewed(r.o, r.copied.Last, 0)
	next.First = r.copied.First
	return next.write(r.o.Dir)
}
