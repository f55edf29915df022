package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// RebuildOptions say what is made anew.
type RebuildOptions struct {
	Source      string    // one source; all when empty
	From, Until time.Time // log time; zero is unbounded
	Yes         bool      // also when a table would have fewer rows
	// Progress is told now and then how far it is; nil for no one.
	Progress func(RebuildProgress)
}

// RebuildProgress says how far a rebuild is.
type RebuildProgress struct {
	Records int64             // read so far
	Rows    int64             // made so far
	Through millrace.Position // read to here
	Time    time.Time         // log time of Through
	Target  millrace.Position // where the live tables are
}

// RebuildResult says what a rebuild did.
type RebuildResult struct {
	Records, Rows, Discards int64
	At                      millrace.Position // the boundary: everything through here is anew
	Tables                  []TableCount
	Elapsed                 time.Duration
}

// Rebuild makes tables anew from the whole history beside the live ones and
// swaps them in. Loading goes on meanwhile, and waits only at the end, at the
// boundary. Conflict when a rebuild is running, the loader is paused, or a
// table would have fewer rows than now and Yes is false.
func (l *Loader) Rebuild(ctx context.Context, o RebuildOptions) (RebuildResult, error) {
	begun := time.Now()
	if !o.From.IsZero() && !o.Until.IsZero() && !o.From.Before(o.Until) {
		return RebuildResult{}, millrace.Errorf(millrace.Invalid, "--from %s lies behind --until %s: nothing lies between them", o.From, o.Until)
	}
	if err := l.beginRebuild(); err != nil {
		return RebuildResult{}, err
	}
	defer l.update(func() { l.rebuild = false })
	if err := l.settled(ctx); err != nil {
		return RebuildResult{}, err
	}
	result, err := l.rebuildOnce(ctx, o)
	if errors.Is(err, errStrayed) { // now that it is known, all of it is made anew
		result, err = l.rebuildOnce(ctx, o)
	}
	result.Elapsed = time.Since(begun)
	return result, err
}

// errStrayed ends a rebuild during which it turned out that the history does not
// know the place of the warehouse: the tables of SystemSchema are needed as well.
var errStrayed = millrace.Errorf(millrace.Conflict, "the warehouse turned out to be loaded from another log, so the tables are as they were: run the rebuild again")

func (l *Loader) rebuildOnce(ctx context.Context, o RebuildOptions) (RebuildResult, error) {
	options := ShadowOptions{From: o.From, Until: o.Until, System: l.strays()}
	if options.System {
		if err := refusePart(o); err != nil {
			return RebuildResult{}, err
		}
	}
	if o.Source != "" {
		options.Sources = []string{o.Source}
	}
	shadow, err := l.beginShadow(ctx, options)
	if err != nil {
		return RebuildResult{}, err
	}
	defer func() { // no effect after a swap
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if err := shadow.Discard(ctx); err != nil {
			l.log.Warn("removing a rebuild that was given up failed: the next one will", "error", err)
		}
	}()
	reader, err := l.o.Opener.Open(ctx, millrace.Position{}, eventlog.Filter{Workspace: l.o.Workspace, Sources: options.Sources})
	if err != nil {
		return RebuildResult{}, err
	}
	defer reader.Close()
	parts, stop := l.readAhead(ctx, reader)
	defer stop()
	r := &rebuilding{loader: l, o: o, shadow: shadow, parts: parts, system: options.System}
	err = r.run(ctx)
	return r.result, err
}

// refusePart refuses to make a part of the tables anew in a warehouse whose
// place the history does not know: it would be taken for complete.
func refusePart(o RebuildOptions) error {
	if o.Source == "" && o.From.IsZero() && o.Until.IsZero() {
		return nil
	}
	return millrace.Errorf(millrace.Conflict, "this log and its archive do not know how far the warehouse is, as it was loaded from another log: all of it has to be made anew: millrace warehouse rebuild, without --source, --from and --until")
}

// shadowWait is how long a rebuild waits for a warehouse that does not take it
// yet: the loader resumes after a start, and after the swap of the last rebuild.
const shadowWait = 10 * time.Second

func (l *Loader) beginShadow(ctx context.Context, o ShadowOptions) (Shadow, error) {
	for deadline := l.o.Now().Add(shadowWait); ; pause(ctx, 50*time.Millisecond) {
		shadow, err := l.o.Warehouse.Shadow(ctx, l.o.Workspace, o)
		if millrace.KindOf(err) != millrace.Unavailable || ctx.Err() != nil || l.o.Now().After(deadline) {
			return shadow, err
		}
	}
}

// settled waits until the warehouse has the last settings, since a rebuild shapes
// by them. One that is away does not take a rebuild either.
func (l *Loader) settled(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, shadowWait)
	defer cancel()
	err := l.await(wait, func() (bool, error) { return l.config == nil || l.stray, nil })
	if err != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func (l *Loader) beginRebuild() (err error) {
	l.update(func() {
		switch {
		case l.rebuild:
			err = millrace.Errorf(millrace.Conflict, "a rebuild of this warehouse is running: wait for its end, or cancel it")
		case l.paused:
			err = millrace.Errorf(millrace.Conflict, "the warehouse's loader is paused: resume it, since a rebuild ends where it stands")
		default:
			l.rebuild = true
		}
	})
	return err
}

type rebuilding struct {
	loader  *Loader
	o       RebuildOptions
	shadow  Shadow
	parts   <-chan pulled
	system  bool              // the tables of SystemSchema are made anew as well
	through millrace.Position // given to the shadow
	time    time.Time         // log time of through
	result  RebuildResult
	told    time.Time
}

func (r *rebuilding) run(ctx context.Context) error {
	for near := false; !near; { // catch up with the live tables
		b, err := r.next(ctx)
		if err != nil {
			return err
		}
		near = b.AtEnd || !r.loader.strays() && !b.Through.Before(r.loader.Stats().Scanned)
		if err := r.give(ctx, b); err != nil {
			return err
		}
	}
	if err := r.caughtUp(ctx); err != nil {
		return err
	}
	at, release, err := r.loader.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	return r.finish(ctx, at)
}

// caughtUp waits until the live tables have what was read, which those that
// stray cannot. The warehouse took the shadow: what the loader last found wrong
// with it may be over, so it is asked to look again.
func (r *rebuilding) caughtUp(ctx context.Context) error {
	for deadline := r.loader.o.Now().Add(shadowWait); ; pause(ctx, 50*time.Millisecond) {
		if r.loader.strays() {
			return r.checkStrayed()
		}
		err := r.loader.WaitFor(ctx, r.through)
		switch over := r.loader.o.Now().After(deadline); {
		case err == nil || ctx.Err() != nil:
			return err
		case !r.loader.strays() && (over || !r.loader.isStuck()):
			return err
		}
	}
}

// checkStrayed is an error when the warehouse strays and this rebuild has begun
// without knowing that.
func (r *rebuilding) checkStrayed() error {
	if r.loader.strays() && !r.system {
		return errStrayed
	}
	return nil
}

// hold stops the live loader with everything committed.
func (l *Loader) hold(ctx context.Context) (at millrace.Position, release func(), err error) {
	for {
		h := newHold()
		select {
		case <-ctx.Done():
			return at, nil, ctx.Err()
		case l.holds <- h:
		}
		select {
		case <-ctx.Done():
			close(h.release)
			return at, nil, ctx.Err()
		case at = <-h.at:
			return at, func() { close(h.release) }, nil
		case <-h.lost: // the session has failed: ask the next one
		}
	}
}

// finish gives the shadow what lies before the boundary, and swaps.
func (r *rebuilding) finish(ctx context.Context, at millrace.Position) error {
	for r.through.Before(at) {
		b, err := r.next(ctx)
		if err != nil {
			return err
		}
		cut := eventlog.Batch{Through: b.Through, Time: b.Time}
		for _, e := range b.Records {
			if !e.Position.After(at) {
				cut.Records = append(cut.Records, e)
			}
		}
		if cut.Through.After(at) {
			cut.Through = at
		}
		if err := r.give(ctx, cut); err != nil {
			return err
		}
	}
	if err := r.checkStrayed(); err != nil {
		return err
	}
	at = r.through // further than the live tables when those cannot go on
	prog, err := r.shadow.Apply(ctx, Batch{Through: at, Flush: true})
	if err != nil {
		return err
	}
	r.result.Rows += prog.Rows
	r.result.Discards += prog.Discards
	if r.result.Tables, err = r.shadow.Compare(ctx); err != nil {
		return err
	}
	if err := r.refuseFewer(); err != nil {
		return err
	}
	r.result.At = at
	r.tell(true)
	if err := r.shadow.Swap(ctx, at); err != nil {
		return err
	}
	r.loader.update(func() {
		if r.loader.stray {
			r.loader.stray, r.loader.state.Problem = false, ""
		}
	})
	return nil
}

func (r *rebuilding) refuseFewer() error {
	var fewer []string
	for _, t := range r.result.Tables {
		if t.Table == "discards" && t.Schema != SystemSchema {
			continue // what found its column again, with another type
		}
		if t.Shadow < t.Live && (t.Schema != SystemSchema || t.Table != "names" && t.Table != "notices") {
			fewer = append(fewer, fmt.Sprintf("%s.%s would have %d rows instead of %d", t.Schema, t.Table, t.Shadow, t.Live))
		}
	}
	if len(fewer) == 0 || r.o.Yes {
		return nil
	}
	if len(fewer) > 10 {
		fewer = append(fewer[:10], fmt.Sprintf("and %d more", len(fewer)-10))
	}
	return millrace.Errorf(millrace.Conflict, "the rebuild would lose rows, so the tables are as they were: %s. Is the history complete (millrace archive verify)? To swap anyway, run it again with --yes", strings.Join(fewer, "; "))
}

// readAhead reads parts of what one commit may hold, the next one while the
// last is written. stop ends it, and has to be called before reader is closed.
func (l *Loader) readAhead(ctx context.Context, reader eventlog.Reader) (parts <-chan pulled, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out, done := make(chan pulled), make(chan struct{})
	go func() {
		defer close(done)
		for {
			part, err := l.readPart(ctx, reader)
			select {
			case <-ctx.Done():
				return
			case out <- pulled{part, err}:
			}
			if err != nil {
				return
			}
		}
	}()
	return out, func() { cancel(); <-done }
}

// readPart reads until there is as much as one commit may hold, or no more at
// this moment.
func (l *Loader) readPart(ctx context.Context, reader eventlog.Reader) (part eventlog.Batch, err error) {
	for size := 0; len(part.Records) < 2*l.o.MaxRecords && size < l.o.MaxBytes && !part.AtEnd; {
		b, err := reader.Next(ctx)
		if err != nil {
			return part, err
		}
		for i := range b.Records {
			size += len(b.Records[i].Body) + len(b.Records[i].Meta)
		}
		part.Records = append(part.Records, b.Records...)
		part.Through, part.AtEnd = maxPosition(part.Through, b.Through), b.AtEnd
		if !b.Time.IsZero() {
			part.Time = b.Time
		}
	}
	return part, nil
}

func (r *rebuilding) next(ctx context.Context) (eventlog.Batch, error) {
	select {
	case <-ctx.Done():
		return eventlog.Batch{}, ctx.Err()
	case p := <-r.parts:
		return p.Batch, p.err
	}
}

// give hands a part to the shadow.
func (r *rebuilding) give(ctx context.Context, b eventlog.Batch) error {
	for try := 0; ; try++ {
		prog, err := r.shadow.Apply(ctx, Batch{Entries: b.Records, Through: b.Through})
		if err == nil {
			r.result.Rows += prog.Rows
			r.result.Discards += prog.Discards
			break
		}
		if millrace.KindOf(err) != millrace.Limited || try > 5 {
			if errors.Is(err, context.Canceled) {
				return millrace.Errorf(millrace.Canceled, "the rebuild was canceled: the tables are as they were")
			}
			return err
		}
		pause(ctx, time.Second)
	}
	r.result.Records += int64(len(b.Records))
	r.through = maxPosition(r.through, b.Through)
	if !b.Time.IsZero() {
		r.time = b.Time
	}
	r.tell(false)
	return nil
}

func (r *rebuilding) tell(now bool) {
	if r.o.Progress == nil || !now && time.Since(r.told) < 200*time.Millisecond {
		return
	}
	r.told = time.Now()
	r.o.Progress(RebuildProgress{
		Records: r.result.Records, Rows: r.result.Rows, Through: r.through, Time: r.time, Target: r.loader.Stats().Committed,
	})
}
