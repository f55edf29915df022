package dedup

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// readPast brings the index up to start, the position before the log's first
// record, from the archive: what the log has trimmed is only there.
func (p *pass) readPast(ctx context.Context, start millrace.Position) error {
	from := p.index.manifest.Through
	if from.IsZero() && p.verdicts.begun() && p.judged.Seq > 0 || from.Before(start) && start.Seq > 0 {
		p.log.Warn("the dedup index is built again from archive and log", "after", from.String(), "through", p.judged.String())
		p.rebuilding(func(s *Status) {
			s.Rebuilding, s.RebuildRecords, s.RebuildAt, s.RebuildTarget = true, 0, from, p.judged
		})
	}
	if !from.Before(start) {
		return nil
	}
	var past eventlog.Past
	if p.opts.Past != nil {
		past = p.opts.Past()
	}
	if past == nil {
		if start.Seq > 0 || !from.IsZero() {
			p.log.Warn("there is no archive: IDs that the log has trimmed are not known as duplicates any more", "through", start.String())
		}
		return nil
	}
	target, err := past.Through(ctx)
	if err != nil {
		return err
	}
	if target.After(start) {
		target = start
	}
	if target.Before(start) && target.Epoch == start.Epoch {
		p.log.Error("the archive ends before the log begins: IDs in between are not known as duplicates any more", "archive", target.String(), "log", start.String())
	}
	if !from.Before(target) {
		return nil
	}
	needed, err := p.firstTime(ctx, start)
	if err != nil {
		return err
	}
	r, err := past.Open(ctx, from, eventlog.Filter{})
	if err != nil {
		return err
	}
	defer r.Close()
	return p.notePast(ctx, r, target, needed)
}

// readLost notes what the archive holds behind judged when the log goes on in a
// later epoch: the log was put back to an earlier state, and IDs that it has
// lost are duplicates when they are sent again.
func (p *pass) readLost(ctx context.Context) error {
	if !p.renewed || p.opts.Past == nil || p.opts.Past() == nil {
		return nil
	}
	past := p.opts.Past()
	target, err := past.Through(ctx)
	if err != nil || !p.judged.Before(target) {
		return err
	}
	r, err := past.Open(ctx, p.judged, eventlog.Filter{})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return err
		}
		p.index.spaces.batch++
		for i := range b.Records {
			e := &b.Records[i]
			sp := p.index.spaces.of(&e.Record)
			sp.count(false)
			p.index.note(sp, e.ID, millis(e))
		}
		if b.AtEnd || !b.Through.Before(target) {
			return nil
		}
		if ix := p.index; ix.records >= 2*ix.memoryIDs { // its place in the log stays where it was
			if err := ix.flush(mark{ix.manifest.Through, ix.manifest.Time}); err != nil {
				return err
			}
		}
	}
}

// firstTime returns the log time of the first record that may have to be judged;
// zero when there is none yet.
func (p *pass) firstTime(ctx context.Context, start millrace.Position) (time.Time, error) {
	if start.Seq == 0 {
		start = millrace.Position{}
	}
	r, err := p.opts.Log.Open(ctx, start, eventlog.Filter{})
	if err != nil {
		return time.Time{}, err
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if len(b.Records) > 0 {
			return b.Records[0].Time, nil
		}
		if b.AtEnd {
			return time.Time{}, nil
		}
	}
}

// notePast puts the archive's records into the index, up to target. Those that
// no window reaches at the time needed are only counted.
func (p *pass) notePast(ctx context.Context, r eventlog.Reader, target millrace.Position, needed time.Time) error {
	ix, noticed := p.index, p.opts.Now()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return err
		}
		ix.spaces.batch++
		for i := range b.Records {
			e := &b.Records[i]
			if e.Position.After(target) {
				break
			}
			sp := ix.spaces.of(&e.Record)
			sp.count(false)
			if needed.IsZero() || needed.UnixMilli()-millis(e) < sp.window {
				ix.note(sp, e.ID, millis(e))
			}
		}
		at := markOf(&b, ix.manifest.Time)
		if at.through.After(target) {
			at.through = target
		}
		p.rebuilding(func(s *Status) { s.RebuildAt = at.through; s.RebuildRecords += int64(len(b.Records)) })
		if now := p.opts.Now(); now.Sub(noticed) > 10*time.Second {
			noticed = now
			p.log.Info("the dedup index is being built again", "at", at.through.String(), "target", p.judged.String())
		}
		if b.AtEnd || !at.through.Before(target) {
			if ix.records == 0 {
				return nil
			}
			return ix.flush(mark{target, at.time})
		}
		if err := p.keep(ctx, at); err != nil {
			return err
		}
	}
}

// rebuilding updates what Status says of building the index again.
func (p *pass) rebuilding(update func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	update(&p.status)
}
