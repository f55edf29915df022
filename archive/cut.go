package archive

import (
	"bytes"
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// cutDue stores what is due: a range that was announced before a crash, full
// hours and files, and everything when it has waited long enough or is asked for.
func (w *worker) cutDue(ctx context.Context) error {
	for {
		s := w.store.snapshot()
		if s.Intent != nil {
			p, ok := w.buffer.through(s.Intent.Span.Through, s.Intent.Span.Hour)
			if !ok {
				return nil // not read that far yet
			}
			if err := w.write(ctx, s.Intent, p); err != nil {
				return err
			}
			continue
		}
		p, full := w.buffer.first(s.Floor, w.opts.MaxFileBytes)
		asked := len(w.flushing) > 0 && w.atEnd
		due := !w.buffer.since.IsZero() && time.Since(w.buffer.since) >= w.opts.Interval
		if !full && !due && !asked {
			return nil
		}
		if p.through.After(s.Through) {
			if err := w.cut(ctx, s, p); err != nil {
				return err
			}
		}
		if full {
			continue
		}
		w.buffer.since = time.Time{}
		if asked && !w.publishAsked() {
			w.answer(nil)
		}
		return nil
	}
}

// cut announces a piece and writes it; without records there is nothing to write.
func (w *worker) cut(ctx context.Context, s *state, p piece) error {
	if p.n == 0 {
		return w.commit(ctx, delta{Advance: &advance{Through: p.through, Time: p.time}})
	}
	from := beforeFrame(w.buffer.entries[0].Position)
	i := &intent{From: from, Span: span{After: s.spanEnd(), Through: p.through, Hour: p.hour, Time: p.time, Fresh: true}}
	if i.Span.After.IsZero() {
		i.Span.After = from
	}
	if time.Since(w.checked) >= w.opts.Interval { // a second server is told before much is stored apart
		if err := w.alone(ctx); err != nil {
			return err
		}
		w.checked = time.Now()
	}
	if err := w.commit(ctx, delta{Begin: i}); err != nil {
		return err
	}
	return w.write(ctx, i, p)
}

// write stores the files of an announced range, one a workspace, and commits them.
func (w *worker) write(ctx context.Context, i *intent, p piece) error {
	done := i.Span
	done.Time = max(done.Time, p.time)
	var order []string
	byWorkspace := map[string][]*eventlog.Entry{}
	for j := range w.buffer.entries[:p.n] {
		e := &w.buffer.entries[j]
		if byWorkspace[e.Workspace] == nil {
			order = append(order, e.Workspace)
		}
		byWorkspace[e.Workspace] = append(byWorkspace[e.Workspace], e)
	}
	for _, workspace := range order {
		info, err := w.putFile(ctx, &done, byWorkspace[workspace])
		if err != nil {
			return err
		}
		done.Files = append(done.Files, info)
	}
	if err := w.commit(ctx, delta{Cut: &done}); err != nil {
		return err
	}
	w.buffer.drop(p.n)
	w.metrics.stored(&done)
	return nil
}

// putFile encodes and stores a file of the span.
func (w *worker) putFile(ctx context.Context, s *span, entries []*eventlog.Entry) (fileInfo, error) {
	data, info, err := w.encoder.encode(entries, s)
	if err != nil {
		return info, millrace.Errorf(millrace.Internal, "encoding %s of the archive: %w", s.key(&info), err)
	}
	key := s.key(&info)
	err = w.retry(ctx, func() error { return w.opts.Bucket.Put(ctx, key, bytes.NewReader(data)) })
	return info, err
}

// settle stores what the buffer holds when the log that it came from is gone,
// and adopts the files of a range that was announced and cannot be read again.
func (w *worker) settle(ctx context.Context) error {
	s := w.store.snapshot()
	if s.Intent != nil {
		if err := w.adopt(ctx, s.Intent); err != nil {
			return err
		}
		w.buffer = buffer{}
		return nil
	}
	for len(w.buffer.entries) > 0 {
		s = w.store.snapshot()
		p, _ := w.buffer.first(s.Floor, w.opts.MaxFileBytes)
		if err := w.cut(ctx, s, p); err != nil {
			return err
		}
	}
	w.buffer = buffer{}
	return nil
}

// adopt commits the files of an announced range that were written before the
// log lost it: they may be the only copy of their records.
func (w *worker) adopt(ctx context.Context, i *intent) error {
	done := i.Span
	suffix := "/" + rangeName(i.Span.After, i.Span.Through)
	err := w.retry(ctx, func() error {
		done.Files = nil
		for object, err := range w.opts.Bucket.List(ctx, freshPrefix) {
			if err != nil {
				return err
			}
			if len(object.Key) < len(suffix) || object.Key[len(object.Key)-len(suffix):] != suffix {
				continue
			}
			info, err := describe(ctx, w.opts.Bucket, object.Key)
			if err != nil {
				return err
			}
			done.Files = append(done.Files, info)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.opts.Logger.Warn("the log lost a range while it was being archived: the files that were written are kept",
		"after", i.From.String(), "through", i.Span.Through.String(), "files", len(done.Files))
	return w.commit(ctx, delta{Cut: &done})
}

// answer tells those who asked for a flush how it went.
func (w *worker) answer(err error) {
	for _, r := range w.flushing {
		r.done <- err
	}
	w.flushing = nil
}
