package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// settle lets the archive and the warehouse store everything that the log
// holds, when nothing more comes in. What is not done in time is done after
// the next start: the log has it.
func (a *App) settle(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	_, last, err := a.log.Bounds(ctx)
	if err != nil {
		a.o.Logger.Warn("the log does not say where it ends: what archive and warehouse lack they get after the next start", "error", err)
		return
	}
	var both sync.WaitGroup
	stores := map[*slog.Logger]func() error{a.logger("archive"): func() error { return a.settleArchive(ctx, last) }}
	for _, sp := range a.spaces.all() {
		stores[a.logger("warehouse").With("workspace", sp.id)] = func() error { return sp.settle(ctx, last) }
	}
	for logger, store := range stores {
		both.Go(func() {
			if err := store(); err != nil {
				logger.Warn("not everything is stored before the stop: the log has it, and it goes on from there after the next start", "error", err)
			}
		})
	}
	both.Wait()
}

const (
	// endPatience is how long all that still runs when the drain is over has
	// together, to end and to write down what it knows.
	endPatience = 1500 * time.Millisecond
	// closePatience is what closing has at least.
	closePatience = 500 * time.Millisecond
)

// end returns the deadline of everything that follows the drain. Nothing but
// that ends it.
func (a *App) end(until time.Time) (context.Context, context.CancelFunc) {
	a.endBy = until.Add(endPatience)
	return context.WithDeadline(context.Background(), a.endBy)
}

// closing returns the deadline of closing something.
func (a *App) closing() (context.Context, context.CancelFunc) {
	if a.endBy.IsZero() { // it never ran
		return context.WithTimeout(context.Background(), a.o.Drain)
	}
	by := time.Now().Add(closePatience)
	if by.Before(a.endBy) {
		by = a.endBy
	}
	return context.WithDeadline(context.Background(), by)
}

// ended waits for what runs, which was told to end. What hangs, such as a
// statement on a server that does not answer, is left alone when ctx ends: it
// loses nothing that the log does not have.
func (a *App) ended(ctx context.Context, readers func() error) error {
	a.spaces.stop()
	done := make(chan error, 1)
	go func() {
		for _, sp := range a.spaces.all() {
			sp.running.Wait()
		}
		done <- readers()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		a.o.Logger.Warn("something did not end in time and is left alone: nothing that was acknowledged is lost, and it goes on after the next start")
		return nil
	}
}

// settleArchive does nothing while the archive is paused or its bucket fails:
// it is not waited for what is known to be away.
func (a *App) settleArchive(ctx context.Context, last millrace.Position) error {
	s := a.archive.Stats()
	if s.Paused || !s.Running || !last.After(s.Through) {
		return nil
	}
	if !s.FailingSince.IsZero() {
		return millrace.Errorf(millrace.Unavailable, "the archive fails since %s: %s", s.FailingSince.UTC().Format(time.RFC3339), s.LastError)
	}
	return a.archive.FlushNow(ctx)
}

// settle lets the space's tables take everything up to last.
func (sp *space) settle(ctx context.Context, last millrace.Position) error {
	s := sp.loader.Stats()
	if s.Paused {
		return nil
	}
	if s.Problem != "" {
		return millrace.Errorf(millrace.Unavailable, "the warehouse is not loaded: %s", s.Problem)
	}
	err := sp.loader.WaitFor(ctx, last)
	if err == nil || ctx.Err() == nil {
		return err
	}
	reached := sp.loader.Stats().Committed
	if !last.After(reached) {
		return nil // in the last moment
	}
	return millrace.Errorf(millrace.Canceled, "the warehouse only reached %s in time, the log ends at %s", reached, last)
}
