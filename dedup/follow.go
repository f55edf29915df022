package dedup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

const (
	groupRecords = 64_000                 // verdicts that share an fsync at most
	retryFirst   = 100 * time.Millisecond // pause after an error, doubled each time
	retryMost    = 10 * time.Second
)

// Run judges the log's records until ctx ends, and then checkpoints and returns
// nil. It survives what passes: a log that is unavailable, a full disk. It
// returns Ahead when its folder belongs to another log than this one.
func (f *Follower) Run(ctx context.Context) error {
	f.fail(nil)
	f.begins()
	defer f.ends()
	pause := retryFirst
	for {
		began := f.opts.Now()
		err := guard(func() error { return f.follow(ctx) })
		f.index.settle()
		f.purgeAsked()
		if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
			return nil
		}
		var damaged *damage
		switch {
		case errors.As(err, &damaged):
			f.log.Error("the dedup index is built again", "error", err)
			if err := f.index.discard(); err != nil {
				f.log.Error("the damaged dedup index cannot be removed", "error", err)
			}
		case millrace.KindOf(err) == millrace.Ahead, millrace.KindOf(err) == millrace.Invalid:
			f.fail(err)
			return err
		default:
			f.log.Warn("dedup stopped and tries again", "error", err, "after", pause)
			f.trouble(err)
		}
		if f.opts.Now().Sub(began) > time.Minute {
			pause = retryFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, retryMost)
	}
}

// A pass is one uninterrupted reading of the log.
type pass struct {
	*Follower
	judged millrace.Position // verdicts were durable to here when the pass began
	bases  []segmentHeader   // counts to take over on the way, if the manifest's were lost
	replay bool              // still before judged
	// renewed says that the log goes on in a later epoch than judged.
	renewed bool
	group   group
	proved  chan error // of the runs' checksums; nil when they are known
}

// A group is what was judged and is not yet durable.
type group struct {
	mark    mark
	dups    []millrace.Position
	records int
	began   time.Time // of its first batch; zero when empty
	last    time.Time // when the last group was made durable
}

// follow reads the log from the checkpoint on. Records whose verdict is durable
// are only noted in the index; the others are judged.
func (f *Follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.index.reset()
	p := &pass{Follower: f}
	start, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	if err := p.readPast(ctx, start); err != nil {
		return err
	}
	if err := p.readLost(ctx); err != nil {
		return err
	}
	if p.judged == start && f.verdicts.at().through != start {
		h := segmentHeader{start: start, time: f.verdicts.at().time, beginning: start.Seq == 0 && !f.verdicts.begun(), counts: p.current()}
		if err := f.verdicts.begin(h); err != nil {
			return err
		}
	}
	after := f.index.manifest.Through
	if after.Before(start) {
		after = start
	}
	if p.replay = after.Before(p.judged); !p.replay {
		p.endReplay()
	}
	p.proveRuns(ctx)
	defer func() { // runs stay mapped while they are read
		if cancel(); p.proved != nil {
			<-p.proved
		}
	}()
	if after == start && start.Seq == 0 { // the log's very beginning
		after = millrace.Position{}
	}
	r, err := f.opts.Log.Open(ctx, after, eventlog.Filter{})
	if err != nil {
		return err
	}
	defer r.Close()
	err = p.read(ctx, r)
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) && millrace.KindOf(err) != millrace.Canceled {
		return err
	}
	// An orderly stop: keep what was judged, and start from here next time.
	if cancel(); p.proved != nil {
		<-p.proved
		p.proved = nil
	}
	if err := p.commit(); err != nil {
		return err
	}
	f.index.settle()
	if !p.replay && f.index.records > 0 {
		if err := f.index.flush(f.verdicts.at()); err != nil {
			return err
		}
	}
	f.publish()
	return ctx.Err()
}

// prepare compares log, verdicts and index, and returns the position before the
// log's first record. An index that cannot be of this log is emptied.
func (p *pass) prepare(ctx context.Context) (start millrace.Position, err error) {
	first, last, err := p.opts.Log.Bounds(ctx)
	if err != nil {
		return start, err
	}
	start = millrace.Position{Epoch: first.Epoch, Seq: first.Seq - 1, Index: millrace.EndOfFrame}
	at := p.verdicts.at().through
	switch {
	case !p.verdicts.begun():
		p.judged = start
	case at.Epoch > last.Epoch:
		return start, millrace.Errorf(millrace.Ahead,
			"the verdicts in %s reach to %s, in a later log than this one (epoch %d): restore the log that they belong to, or move the folder away so that this log is judged from its beginning", p.opts.Dir, at, last.Epoch)
	case at.After(last) && at.Epoch == last.Epoch:
		return start, millrace.Errorf(millrace.Ahead,
			"the verdicts in %s reach to %s, and the log ends at %s: the log has lost records, or the folder belongs to another; restore the log, or move the folder away so that this log is judged from its beginning", p.opts.Dir, at, last)
	case at.Before(start):
		if at.Epoch == start.Epoch {
			p.log.Error("records were trimmed from the log before they were judged", "after", at.String(), "through", start.String())
		}
		p.judged = start
	default:
		p.judged = at
	}
	p.renewed = p.judged.Epoch < last.Epoch
	if through := p.index.manifest.Through; through.After(p.judged) {
		p.log.Error("the dedup index is ahead of the verdicts and is built again", "index", through.String(), "verdicts", p.judged.String())
		if err := p.index.discard(); err != nil {
			return start, err
		}
	}
	if p.index.manifest.CountsLost && p.verdicts.begun() {
		p.bases, err = p.verdicts.bases()
		// Those behind the index were taken over before it was written.
		p.bases = slices.DeleteFunc(p.bases, func(h segmentHeader) bool {
			return h.start.Before(start) || h.start.Before(p.index.manifest.Through)
		})
	}
	return start, err
}

// proveRuns reads the checksums of a large index beside the reading of the log.
func (p *pass) proveRuns(ctx context.Context) {
	if !p.index.unproved {
		return
	}
	// Runs are unmapped only when a merge or a drop replaces them: none of that
	// happens until the proof is there.
	runs, done := p.index.all(), make(chan error, 1)
	p.proved = done
	go func() { done <- guard(func() error { return verifyRuns(ctx, runs) }) }()
}

// current returns the counts as Run knows them.
func (p *pass) current() []Count {
	var out []Count
	for _, i := range p.index.spaces.infos() {
		out = append(out, i.Count)
	}
	return out
}

// read pulls batches until something fails, or ctx ends.
func (p *pass) read(ctx context.Context, r eventlog.Reader) error {
	for {
		b, err := p.next(ctx, r)
		if err != nil {
			return err
		}
		if err := p.take(&b); err != nil {
			return err
		}
		if err := p.purge(); err != nil {
			return err
		}
		now := p.opts.Now()
		g := &p.group
		waited := !g.began.IsZero() && now.Sub(g.began) >= p.opts.GroupInterval
		rested := b.AtEnd && now.Sub(g.last) >= p.opts.GroupInterval
		if waited || rested || g.records >= groupRecords {
			if err := p.commit(); err != nil {
				return err
			}
		}
		if err := p.maintain(ctx, b); err != nil {
			return err
		}
	}
}

// next returns the next batch; one without anything when the group has waited
// long enough for others.
func (p *pass) next(ctx context.Context, r eventlog.Reader) (eventlog.Batch, error) {
	if p.group.began.IsZero() {
		limited, done := p.interruptible(ctx)
		defer done()
		b, err := r.Next(limited)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			return eventlog.Batch{}, nil
		}
		return b, err
	}
	wait := min(p.opts.GroupInterval-p.opts.Now().Sub(p.group.last), p.opts.GroupInterval) // the clock may go back
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	b, err := r.Next(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return eventlog.Batch{AtEnd: true}, p.commit()
	}
	return b, err
}

// take notes or judges the records of a batch.
func (p *pass) take(b *eventlog.Batch) error {
	if b.Through.IsZero() {
		return nil
	}
	if g := &p.group; !g.began.IsZero() && g.mark.through.Epoch != b.Through.Epoch {
		if err := p.commit(); err != nil { // a block is of one epoch
			return err
		}
	}
	ix, known := p.index, b.Records
	ix.spaces.batch++
	if p.replay {
		n, _ := slices.BinarySearchFunc(known, p.judged, func(e eventlog.Entry, q millrace.Position) int {
			if e.Position.After(q) {
				return 1
			}
			return -1
		})
		if err := p.note(known[:n]); err != nil {
			return err
		}
		known = known[n:]
		if b.Through.Before(p.judged) {
			return nil
		}
		p.endReplay()
	}
	for i := range known {
		e := &known[i]
		sp := ix.spaces.of(&e.Record)
		duplicate, err := ix.put(sp, e.ID, millis(e))
		if err != nil {
			return err
		}
		sp.count(duplicate)
		if duplicate {
			p.group.dups = append(p.group.dups, e.Position)
		}
	}
	if at := p.verdicts.mark.through; !b.Through.After(at) || p.group.mark.through == b.Through {
		return nil
	}
	if p.group.began.IsZero() {
		p.group.began = p.opts.Now()
	}
	p.group.records += len(known)
	p.group.mark = markOf(b, p.verdicts.mark.time)
	return nil
}

// markOf returns how far a batch goes. A log that cannot say its time yet leaves
// it as it was.
func markOf(b *eventlog.Batch, last int64) mark {
	if b.Time.IsZero() {
		return mark{b.Through, last}
	}
	return mark{b.Through, b.Time.UnixMilli()}
}

// note puts records whose verdict is durable into the index.
func (p *pass) note(entries []eventlog.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	first, last := entries[0].Position, entries[len(entries)-1].Position
	before := first
	if before.Index--; first.Index == 0 {
		before = millrace.Position{Epoch: first.Epoch, Seq: first.Seq - 1, Index: millrace.EndOfFrame}
	}
	if floor := p.verdicts.floor(); before.Before(floor) {
		before = floor // verdicts begin after the log: they were made anew once
	}
	dups, err := p.verdicts.duplicates(before, last)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		for len(p.bases) > 0 && p.bases[0].start.Before(e.Position) {
			p.index.spaces.rebase(p.bases[0].counts)
			p.bases = p.bases[1:]
		}
		sp := p.index.spaces.of(&e.Record)
		p.index.note(sp, e.ID, millis(e))
		for len(dups) > 0 && dups[0].Before(e.Position) { // of a record whose key was destroyed since
			dups = dups[1:]
		}
		duplicate := len(dups) > 0 && dups[0] == e.Position
		if duplicate {
			dups = dups[1:]
		}
		sp.count(duplicate)
	}
	return nil
}

// endReplay says that everything judged before is in the index again.
func (p *pass) endReplay() {
	p.replay = false
	p.index.manifest.CountsLost = false
	for _, b := range p.bases { // the last segment may begin at the end
		if b.start == p.judged {
			p.index.spaces.rebase(b.counts)
		}
	}
	p.bases = nil
	p.publish()
	p.rebuilding(func(s *Status) { s.Rebuilding = false })
}

// commit makes the group's verdicts durable and lets waiters go on.
func (p *pass) commit() error {
	g := &p.group
	g.last = p.opts.Now()
	if g.began.IsZero() {
		return nil
	}
	if at := p.verdicts.at(); p.verdicts.full(g.mark) || at.through.Epoch != g.mark.through.Epoch {
		if at.through.Epoch != g.mark.through.Epoch { // a segment is of one epoch
			at.through = millrace.Position{Epoch: g.mark.through.Epoch, Index: millrace.EndOfFrame}
		}
		if err := p.verdicts.begin(segmentHeader{start: at.through, time: at.time, counts: p.Counts()}); err != nil {
			return err
		}
	}
	if err := p.verdicts.append(g.mark, g.dups, p.publish); err != nil {
		return err
	}
	*g = group{dups: g.dups[:0], last: p.opts.Now()}
	return nil
}

// maintain does what is due of flushing and merging, where everything that is in
// the index has a durable verdict.
func (p *pass) maintain(ctx context.Context, b eventlog.Batch) error {
	if !p.group.began.IsZero() {
		return nil
	}
	at := p.verdicts.at()
	if p.replay {
		if b.Through.IsZero() {
			return nil
		}
		at = markOf(&b, at.time)
		p.rebuilding(func(s *Status) { s.RebuildAt = b.Through; s.RebuildRecords += int64(len(b.Records)) })
	}
	return p.keep(ctx, at)
}

// keep flushes and merges the index, which is up to at.
func (p *pass) keep(ctx context.Context, at mark) error {
	ix := p.index
	if p.proved != nil {
		select {
		case err := <-p.proved:
			if p.proved = nil; err != nil {
				return err
			}
			ix.unproved = false
		default:
			return nil
		}
	}
	if ix.merging != nil {
		select {
		case m := <-ix.merging:
			if err := ix.install(m); err != nil {
				return err
			}
		default:
		}
	}
	if ix.due(at.time) {
		if err := ix.flush(at); err != nil {
			return err
		}
		p.mu.Lock()
		p.reportLocked()
		p.mu.Unlock()
		ix.merge(ctx, at.time)
	}
	return nil
}
