package archive

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// restart puts another log in the place of the one that was.
func (w *world) restart(log *mem.Log) {
	w.t.Helper()
	w.stop()
	w.log = log
	w.mustOpen()
}

func TestNewLogFollowsTheOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	w.append(events("default", "web", 0, 10)...)
	w.flush()
	first, _ := w.Through(t.Context())
	w.clock.Add(-30 * time.Minute) // the new log's clock is behind
	w.restart(mem.New(mem.Options{Epoch: uint64(tenOClock.UnixMilli()) + 5, Now: w.clock.Now}))
	w.append(events("default", "web", 10, 10)...)
	w.flush()
	w.check()
	w.clock.Add(5 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	same(t, readAll(t, w.Archive, first, eventlog.Filter{}), w.want[10:])
	// A third one that has trimmed its beginning: lost records are said.
	log := mem.New(mem.Options{Epoch: uint64(tenOClock.UnixMilli()) + 9, Now: w.clock.Now})
	for range 2 {
		last, err := log.Append(t.Context(), events("default", "web", 20, 1))
		if err != nil {
			t.Fatal(err)
		}
		if last.Seq == 1 {
			if err := log.Trim(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLostIntent: the log lost a range after it was announced; the files that
// were written of it are kept.
func TestLostIntent(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 14; n++ {
		w := newWorld(t)
		f := newFaulty(w.bucket, n, true)
		if w.open(f) != nil {
			continue
		}
		w.append(events("default", "web", 0, 10)...)
		w.append(events("other", "web", 10, 10)...)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_ = w.FlushNow(ctx)
		cancel()
		w.stop()
		wrote := 0
		for info, err := range w.bucket.List(t.Context(), freshPrefix) {
			if err != nil {
				t.Fatal(err)
			}
			wrote++
			_ = info
		}
		w.want = w.want[:10*wrote]
		w.restart(mem.New(mem.Options{Epoch: uint64(tenOClock.UnixMilli()) + 5, Now: w.clock.Now}))
		w.append(events("default", "web", 20, 10)...)
		w.flush()
		w.check()
		w.clock.Add(5 * time.Hour)
		w.publish()
		w.check()
		w.stop()
	}
}

// run opens and returns what Run says.
func (w *world) run(log eventlog.Opener, acceptGap bool) error {
	w.t.Helper()
	opts := w.opts
	opts.Bucket, opts.Log, opts.AcceptGap = w.bucket, log, acceptGap
	a, err := Open(w.t.Context(), opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 500*time.Millisecond)
	defer cancel()
	return a.Run(ctx)
}

func TestWrongLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	for i := range 4 {
		w.append(events("default", "web", i, 1)...)
	}
	w.flush()
	w.stop()
	epoch := w.want[0].Position.Epoch
	older := mem.New(mem.Options{Epoch: epoch, Now: w.clock.Now})
	if err := w.run(older, false); millrace.KindOf(err) != millrace.Ahead {
		t.Errorf("an older copy of the log: %v", err)
	}
	another := mem.New(mem.Options{Epoch: epoch - 1, Now: w.clock.Now})
	if err := w.run(another, true); millrace.KindOf(err) != millrace.Ahead {
		t.Errorf("an older log: %v", err)
	}
	// The log has trimmed what is not archived.
	for i := range 4 {
		w.append(events("default", "web", 4+i, 1)...)
	}
	if err := w.log.Trim(t.Context(), w.want[5].Position); err != nil {
		t.Fatal(err)
	}
	_, end, _ := w.log.Bounds(t.Context())
	if err := w.log.Trim(t.Context(), millrace.Position{Epoch: epoch, Seq: 6, Index: millrace.EndOfFrame}); err != nil {
		t.Fatal(err)
	}
	if err := w.run(w.log, false); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("a gap: %v", err)
	}
	w.opts.AcceptGap = true
	w.mustOpen()
	w.flush()
	w.want = append(w.want[:4:4], w.want[6:]...)
	w.check()
	if through, _ := w.Through(t.Context()); through != end {
		t.Errorf("Through() = %s, want %s", through, end)
	}
}

func TestBeginsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.append(events("default", "web", i, 1)...)
	}
	if err := w.log.Trim(t.Context(), millrace.Position{Epoch: w.want[0].Position.Epoch, Seq: 2, Index: millrace.EndOfFrame}); err != nil {
		t.Fatal(err)
	}
	w.want = w.want[2:]
	w.mustOpen()
	w.flush()
	w.check()
}

func TestPositions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	same(t, readAll(t, w.Archive, millrace.Position{}, eventlog.Filter{}), nil)
	w.append(events("default", "web", 0, 10)...)
	w.flush()
	through, _ := w.Through(t.Context())
	for name, p := range map[string]millrace.Position{
		"beyond the end": {Epoch: through.Epoch, Seq: through.Seq + 1}, "later epoch": {Epoch: through.Epoch + 1}, "earlier epoch": {Epoch: through.Epoch - 1, Seq: 5},
	} {
		_, err := w.Open(t.Context(), p, eventlog.Filter{})
		if e := new(millrace.Error); !errors.As(err, &e) || e.Kind != millrace.Ahead || e.Last != through {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, readAll(t, w.Archive, through, eventlog.Filter{}), nil)
	same(t, readAll(t, w.Archive, millrace.Position{Epoch: through.Epoch}, eventlog.Filter{}), w.want)
}

// TestOnlyDuplicates: the log goes on without records; so does Through.
func TestScansWithoutRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none := openerFunc(func(ctx context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
		return w.log.Open(ctx, after, eventlog.Filter{Workspace: "nobody"})
	})
	w.append(events("default", "web", 0, 10)...)
	w.want = nil
	w.opts.Interval = 10 * time.Millisecond
	opts := w.opts
	opts.Bucket, opts.Log = w.bucket, none
	a, err := Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	_, last, _ := w.log.Bounds(t.Context())
	for deadline := time.Now().Add(5 * time.Second); ; {
		if p, err := a.Through(t.Context()); err == nil && p == last {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Through does not move")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w.Archive = a
	w.check()
}

type openerFunc func(context.Context, millrace.Position, eventlog.Filter) (eventlog.Reader, error)

func (f openerFunc) Open(ctx context.Context, after millrace.Position, filter eventlog.Filter) (eventlog.Reader, error) {
	return f(ctx, after, filter)
}
