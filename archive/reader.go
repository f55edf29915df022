package archive

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Limits of a batch of a Reader, beyond which it ends at the next frame.
const (
	batchRecords = 4096
	batchBytes   = 4 << 20
)

// skipSpans is how many spans without matching files are passed until the
// reader says how far it is.
const skipSpans = 256

// Open returns a Reader of the archived records that follow after, in the
// order of their positions. It is never Gone. Ahead when after lies beyond
// Through, or in an epoch that is not archived. At Through the reader says
// AtEnd and waits for more. It keeps up to MaxSliceBytes in memory.
func (a *Archive) Open(ctx context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if after.After(s.Through) || !after.IsZero() && !slices.Contains(s.Epochs, after.Epoch) {
		return nil, &millrace.Error{Kind: millrace.Ahead, Last: s.Through,
			Message: "position " + after.String() + " is not in the archive, which ends at " + s.Through.String() + ": it is of another log, or not archived yet"}
	}
	f.Sources, f.Streams = slices.Clone(f.Sources), slices.Clone(f.Streams)
	return &reader{archive: a, after: after, filter: f, closed: make(chan struct{})}, nil
}

type reader struct {
	archive *Archive
	filter  eventlog.Filter
	after   millrace.Position // delivered to here
	time    int64             // log time of after, ms
	pending []eventlog.Entry  // read from a span and not delivered
	span    *span             // that pending is of
	saidEnd bool

	close  sync.Once
	closed chan struct{}
}

func (r *reader) Close() error {
	r.close.Do(func() { close(r.closed) })
	return nil
}

func (r *reader) Next(ctx context.Context) (eventlog.Batch, error) {
	if err := r.stopped(ctx); err != nil {
		return eventlog.Batch{}, err
	}
	if r.span != nil {
		return r.deliver(), nil
	}
	for skipped := 0; ; {
		s, changed := r.archive.store.watch()
		sp, err := r.archive.next(ctx, s, r.after)
		if err != nil {
			return eventlog.Batch{}, err
		}
		switch {
		case sp == nil && (s.Through.After(r.after) || !r.saidEnd):
			r.saidEnd = true
			return r.reach(later(r.after, s.Through), s.Time, true), nil
		case sp == nil:
			select {
			case <-changed:
			case <-r.closed:
			case <-ctx.Done():
			}
			if err := r.stopped(ctx); err != nil {
				return eventlog.Batch{}, err
			}
			continue
		}
		read, err := r.load(ctx, sp)
		if millrace.KindOf(err) == millrace.NotFound && r.archive.moved(ctx, s) {
			continue // published, or republished elsewhere, meanwhile
		}
		if err != nil {
			return eventlog.Batch{}, err
		}
		r.saidEnd = false
		if read {
			return r.deliver(), nil
		}
		if skipped++; skipped >= skipSpans {
			return r.reach(sp.Through, sp.Time, false), nil
		}
		r.after, r.time = sp.Through, max(r.time, sp.Time)
	}
}

func (r *reader) stopped(ctx context.Context) error {
	select {
	case <-r.closed:
		return millrace.Errorf(millrace.Unavailable, "the reader of the archive is closed")
	default:
	}
	return ctx.Err()
}

func later(p, q millrace.Position) millrace.Position {
	if p.After(q) {
		return p
	}
	return q
}

// reach moves the reader and says so.
func (r *reader) reach(through millrace.Position, at int64, end bool) eventlog.Batch {
	r.after, r.time = through, max(r.time, at)
	b := eventlog.Batch{Through: through, AtEnd: end}
	if r.time > 0 {
		b.Time = time.UnixMilli(r.time).UTC()
	}
	return b
}

// load reads the records of the span that follow r.after and match, and says
// whether there are any.
func (r *reader) load(ctx context.Context, s *span) (bool, error) {
	r.pending = nil
	for i := range s.Files {
		f := &s.Files[i]
		if !f.mayMatch(r.filter) {
			continue
		}
		entries, err := readFile(ctx, r.archive.opts.Bucket, s.key(f), f)
		if err != nil {
			return false, err
		}
		kept := entries[:0]
		for j := range entries {
			if entries[j].Position.After(r.after) && r.filter.Match(&entries[j].Record) {
				kept = append(kept, entries[j])
			}
		}
		r.pending = append(r.pending, kept...)
	}
	if len(r.pending) == 0 {
		return false, nil
	}
	slices.SortFunc(r.pending, func(a, b eventlog.Entry) int { return a.Position.Compare(b.Position) })
	r.span = s
	return true, nil
}

// deliver returns the next whole frames of what was loaded, but for what was
// purged since.
func (r *reader) deliver() eventlog.Batch {
	if set := r.archive.purged.Load(); set != nil && len(*set) > 0 {
		r.pending = slices.DeleteFunc(r.pending, func(e eventlog.Entry) bool { return (*set)[e.Workspace] })
	}
	if len(r.pending) == 0 {
		s := r.span
		r.span, r.pending = nil, nil
		return r.reach(s.Through, s.Time, false)
	}
	n, size := 0, int64(0)
	for n < len(r.pending) {
		e := &r.pending[n]
		if n > 0 && (n >= batchRecords || size >= batchBytes) && frameEnd(e.Position) != frameEnd(r.pending[n-1].Position) {
			break
		}
		size += sizeOf(e)
		n++
	}
	records := r.pending[:n:n]
	r.pending = r.pending[n:]
	through, at := frameEnd(records[n-1].Position), records[n-1].Time.UnixMilli()
	if len(r.pending) == 0 {
		through, at = r.span.Through, r.span.Time
		r.span, r.pending = nil, nil
	}
	b := r.reach(through, at, false)
	b.Records = records
	return b
}

// mayMatch says whether a file can hold records that the filter chooses.
func (f *fileInfo) mayMatch(filter eventlog.Filter) bool {
	if filter.Workspace != "" && filter.Workspace != f.Workspace {
		return false
	}
	sources := f.Sources
	if f.Source != "" {
		sources = []string{f.Source}
	}
	if len(filter.Sources) > 0 && sources != nil && !slices.ContainsFunc(filter.Sources, func(s string) bool { return slices.Contains(sources, s) }) {
		return false
	}
	if len(filter.Streams) == 0 || f.Streams == nil {
		return true
	}
	for _, want := range filter.Streams {
		for _, has := range f.Streams {
			if has == want || strings.HasSuffix(want, ":") && strings.HasPrefix(has, want) {
				return true
			}
		}
	}
	return false
}

// next returns the first span that holds positions behind after, or nil.
func (a *Archive) next(ctx context.Context, s *state, after millrace.Position) (*span, error) {
	i := sort.Search(len(s.Days), func(i int) bool { return s.Days[i].Through.After(after) })
	if i < len(s.Days) {
		spans, err := a.readDay(ctx, &s.Days[i])
		if millrace.KindOf(err) == millrace.NotFound {
			if a.moved(ctx, s) {
				return a.next(ctx, a.store.snapshot(), after) // replaced meanwhile
			}
		}
		if err != nil {
			return nil, err
		}
		return nextSpan(spans, after), nil
	}
	return nextSpan(s.Fresh, after), nil
}

func nextSpan(spans []span, after millrace.Position) *span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Through.After(after) })
	if i == len(spans) {
		return nil
	}
	return &spans[i]
}
