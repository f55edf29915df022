package history

import (
	"context"
	"time"
)

const (
	// beforeEnd is how much of a step is left when it is sampled, one part of
	// so many: late enough for it to be the step's, early enough for a slow machine.
	beforeEnd = 5
	// lastTimeout is how long the last sample, when Run ends, may take.
	lastTimeout = 3 * time.Second
)

// Run records what sample returns: at once, then two seconds before the end of
// every ten, and when ctx ends. What cannot be kept is told to the log once
// until it works again; Run goes on. It returns nil when ctx ends. sample is
// never called twice at the same time; when it has not returned three seconds
// after the end of ctx, it is left alone.
func (s *Store) Run(ctx context.Context, sample func() []Sample) error {
	failed := false
	round := func(ctx context.Context) {
		samples := sample()
		err := s.Record(ctx, s.o.Now(), samples)
		switch {
		case err == nil && failed:
			s.logger.Info("the history of the charts goes on")
		case ctx.Err() != nil: // what was interrupted is tried again, once
			return
		case err != nil && !failed:
			s.logger.Warn("the history of the charts has a gap: a sample could not be kept; records are not affected", "error", err)
		}
		failed = err != nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			round(ctx)
			timer.Reset(s.untilNext())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
			done := make(chan struct{})
			go func() {
				defer cancel()
				defer close(done)
				round(last)
			}()
			select {
			case <-done:
			case <-last.Done():
			}
			return nil
		}
	}
}

// untilNext is how long it is until the next sample.
func (s *Store) untilNext() time.Duration {
	now := s.o.Now()
	due := now.Truncate(s.every).Add(s.every - s.every/beforeEnd)
	if !due.After(now) {
		due = due.Add(s.every)
	}
	return due.Sub(now)
}
