package archive

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// An hourWork is an hour on its way from fresh to published.
type hourWork struct {
	hour     int64
	maxSlice int64
	fresh    []span // what is left to publish
	out      []span // what is published and not in the manifest yet
	again    bool   // an attempt before this one may have left files
}

// publishDue begins the next hour that is over, or publishes one more slice of
// the one that was begun.
func (w *worker) publishDue(ctx context.Context) error {
	asked := w.publishAsked() && w.atEnd && w.buffer.since.IsZero()
	if !asked && time.Now().Before(w.nextPublish) {
		return nil
	}
	for {
		if w.publishing == nil {
			if err := w.beginHour(ctx); err != nil {
				return err
			}
		}
		if w.publishing == nil {
			if asked {
				w.answer(nil)
			}
			return nil
		}
		err := w.publishSlice(ctx)
		switch millrace.KindOf(err) {
		case millrace.Invalid, millrace.NotFound:
			// What it needs is damaged: archiving goes on, this waits.
			w.failed(err)
			w.opts.Logger.Error("an hour cannot be published", "error", err)
			w.publishing = nil
			w.nextPublish = time.Now().Add(publishDelay)
			if asked {
				w.answer(err)
			}
			return nil
		}
		if err != nil || !asked {
			return err
		}
	}
}

// publishAsked says whether a caller waits for the hours that are over.
func (w *worker) publishAsked() bool {
	return slices.ContainsFunc(w.flushing, func(r request) bool { return r.publish })
}

// beginHour announces the oldest fresh hour when it is over.
func (w *worker) beginHour(ctx context.Context) error {
	s := w.store.snapshot()
	again := s.Publication != nil
	if !again {
		if len(s.Fresh) == 0 || s.Intent != nil || !w.over(s, s.Fresh[0].Hour) {
			return nil
		}
		if err := w.alone(ctx); err != nil {
			return err
		}
		err := w.commit(ctx, delta{Publish: &publication{Hour: s.Fresh[0].Hour, MaxSlice: w.opts.MaxSliceBytes}})
		if err != nil {
			return err
		}
		s = w.store.snapshot()
	}
	work := &hourWork{hour: s.Publication.Hour, maxSlice: s.Publication.MaxSlice, again: again}
	for _, f := range s.Fresh {
		if f.Hour == work.hour {
			work.fresh = append(work.fresh, f)
		}
	}
	w.publishing = work
	w.mu.Lock()
	w.health.publishing = time.UnixMilli(work.hour * hourMs).UTC().Format(time.RFC3339)
	w.mu.Unlock()
	return nil
}

// alone makes sure that nobody else writes here, before anything is published
// or deleted.
func (w *worker) alone(ctx context.Context) error {
	return w.retry(ctx, func() error { return w.store.alone(ctx) })
}

// over says whether no record will come for the hour any more, or whether the
// floor can be raised above it because nothing is waiting to be stored there.
func (w *worker) over(s *state, hour int64) bool {
	if s.Floor > hour {
		return true
	}
	if len(w.buffer.entries) > 0 {
		return hourOf(&w.buffer.entries[0], s.Floor) > hour
	}
	if w.buffer.time/hourMs > hour {
		return true
	}
	end := time.UnixMilli((hour + 1) * hourMs).Add(publishDelay)
	if !w.atEnd || w.opts.Now().Before(end) {
		return false
	}
	if w.readSince.Before(end) {
		// What it said may be old: records of this hour may be on their way.
		w.reopen = true
		return false
	}
	return true
}

// publishSlice publishes the next slice of the hour, or ends the hour.
func (w *worker) publishSlice(ctx context.Context) error {
	work := w.publishing
	if len(work.fresh) == 0 {
		return w.endHour(ctx)
	}
	n, size := 0, int64(0)
	for n < len(work.fresh) && (n == 0 || size+work.fresh[n].raw() <= work.maxSlice) {
		size += work.fresh[n].raw()
		n++
	}
	slice := span{After: work.fresh[0].After, Through: work.fresh[n-1].Through, Hour: work.hour, Time: work.fresh[n-1].Time}
	var entries []eventlog.Entry
	for i := range work.fresh[:n] {
		f := &work.fresh[i]
		for j := range f.Files {
			err := w.retryRead(ctx, func() error {
				got, err := readFile(ctx, w.opts.Bucket, f.key(&f.Files[j]), &f.Files[j])
				entries = append(entries, got...)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	for _, group := range sorted(entries) {
		info, err := w.putFile(ctx, &slice, group)
		if err != nil {
			return err
		}
		slice.Files = append(slice.Files, info)
	}
	work.fresh = work.fresh[n:]
	work.out = append(work.out, slice)
	return nil
}

// retryRead is retry for what needs objects that are there: one that is
// damaged or gone is an answer.
func (w *worker) retryRead(ctx context.Context, step func() error) error {
	var answer error
	err := w.retry(ctx, func() error {
		answer = nil
		err := step()
		if k := millrace.KindOf(err); err != nil && (k == millrace.Invalid || k == millrace.NotFound) {
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

// sorted returns the records of each workspace and source, in the order of
// published files: by stream, then log time, then position.
func sorted(entries []eventlog.Entry) [][]*eventlog.Entry {
	all := make([]*eventlog.Entry, len(entries))
	for i := range entries {
		all[i] = &entries[i]
	}
	slices.SortFunc(all, func(a, b *eventlog.Entry) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Stream, b.Stream),
			a.Time.Compare(b.Time), a.Position.Compare(b.Position))
	})
	var out [][]*eventlog.Entry
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Workspace == all[0].Workspace && all[n].Source == all[0].Source {
			n++
		}
		out = append(out, all[:n:n])
		all = all[n:]
	}
	return out
}

// endHour puts the published files into the manifest in the place of the fresh ones.
func (w *worker) endHour(ctx context.Context) error {
	work := w.publishing
	if work.again {
		if err := w.alone(ctx); err != nil {
			return err
		}
		if err := w.retry(ctx, func() error { return w.sweep(ctx, work) }); err != nil {
			return err
		}
	}
	var day dayRef
	err := w.retryRead(ctx, func() (err error) {
		day, err = w.putDay(ctx, work)
		return err
	})
	if err != nil {
		return err
	}
	err = w.commit(ctx, delta{Published: &published{Hour: work.hour, Day: day, At: w.opts.Now().UnixMilli()}})
	if err != nil {
		return err
	}
	w.metrics.published.Inc()
	w.publishing = nil
	w.mu.Lock()
	w.health.publishing = ""
	w.mu.Unlock()
	return nil
}

// sweep deletes files that an attempt before a crash left in the folders of the
// hour and that this attempt does not have: readers that list see them.
func (w *worker) sweep(ctx context.Context, work *hourWork) error {
	keep := map[string]bool{}
	prefixes := map[string]bool{}
	for i := range work.out {
		s := &work.out[i]
		for j := range s.Files {
			keep[s.key(&s.Files[j])] = true
			prefixes[hourPrefix(s.Files[j].Workspace, s.Files[j].Source, s.Hour)] = true
		}
	}
	for prefix := range prefixes {
		var strays []string
		for info, err := range w.opts.Bucket.List(ctx, prefix) {
			if err != nil {
				return err
			}
			if !keep[info.Key] {
				strays = append(strays, info.Key)
			}
		}
		for _, key := range strays {
			if err := w.opts.Bucket.Delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// putDay stores the manifest of the day with the hour added, as a new object.
func (w *worker) putDay(ctx context.Context, work *hourWork) (dayRef, error) {
	s := w.store.snapshot()
	day := dayRef{Date: dateOf(work.hour)}
	var spans []span
	if last := len(s.Days) - 1; last >= 0 && s.Days[last].Date == day.Date {
		before, err := w.readDay(ctx, &s.Days[last])
		if err != nil {
			return day, err
		}
		spans = append(slices.Clip(before), work.out...)
	} else {
		spans = work.out
	}
	day.After, day.Through = spans[0].After, spans[len(spans)-1].Through
	day.count(spans)
	data, sum, err := encodeManifest(dayManifest{Date: day.Date, Spans: spans})
	if err != nil {
		return day, err
	}
	day.CRC32C = sum
	day.Key = dayKey(work.hour)
	if err := w.opts.Bucket.Put(ctx, day.Key, bytes.NewReader(data)); err != nil {
		return day, err
	}
	return day, nil
}

// count says how much the spans hold.
func (d *dayRef) count(spans []span) {
	d.Files, d.Rows, d.Bytes, d.Raw = 0, 0, 0, 0
	for i := range spans {
		for _, f := range spans[i].Files {
			d.Files++
			d.Rows += f.Rows
			d.Bytes += f.Bytes
			d.Raw += f.Raw
		}
	}
}

// dropDue deletes what the manifest has stopped naming, once the grace is over.
func (w *worker) dropDue(ctx context.Context) error {
	if time.Now().Before(w.nextDrop) {
		return nil
	}
	w.nextDrop = time.Now().Add(min(w.opts.Grace/4, 30*time.Second))
	return w.drop(ctx, w.opts.Now().Add(-w.opts.Grace))
}

func (w *worker) drop(ctx context.Context, before time.Time) error {
	var keys []string
	for _, g := range w.store.snapshot().Garbage {
		if g.At <= before.UnixMilli() {
			keys = append(keys, g.Key)
		}
	}
	if len(keys) > 0 {
		if err := w.alone(ctx); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if err := w.opts.Bucket.Delete(ctx, key); err != nil {
			w.failed(err) // the next time
			return ctx.Err()
		}
	}
	if err := w.store.dropOld(ctx, before); err != nil {
		w.failed(err)
		return ctx.Err()
	}
	if len(keys) == 0 {
		return nil
	}
	return w.commit(ctx, delta{Dropped: keys})
}
