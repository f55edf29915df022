package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// A retention trims the log: whole frames that are older than the age or lie
// over the size, and that the follower and the archive have. When the disk
// comes near its reserve, everything that both have may go.
type retention struct {
	log     retainedLog
	age     time.Duration // how long records stay in the log
	size    int64         // bytes that the log may take; 0 is unbounded
	holders func() []millrace.Position
	trimmed func(through millrace.Position) error // after the log was trimmed
	now     func() time.Time
	logger  *slog.Logger
}

// A retainedLog is what retention needs of a log.
type retainedLog interface {
	eventlog.Log
	eventlog.Reporter
	// Find returns the position of the last frame that was stamped before t,
	// or the zero position when there is none.
	Find(ctx context.Context, t time.Time) (millrace.Position, error)
	// FindSize returns the position of the last frame of those that have to
	// go so that at most size bytes stay, or the zero position.
	FindSize(ctx context.Context, size int64) (millrace.Position, error)
}

const (
	retentionInterval = time.Minute
	// nearReserve is how close to the reserve, as a part of it, retention
	// begins to free everything that the archive has.
	nearReserve = 1.5
)

// Run trims every minute until ctx ends.
func (r *retention) Run(ctx context.Context) error {
	for {
		if err := r.trim(ctx); err != nil && ctx.Err() == nil {
			r.logger.Warn("the log could not be trimmed; it is tried again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retentionInterval):
		}
	}
}

func (r *retention) trim(ctx context.Context) error {
	through, err := r.wanted(ctx)
	if err != nil {
		return err
	}
	for _, held := range r.holders() {
		if held.Before(through) {
			through = held
		}
	}
	first, _, err := r.log.Bounds(ctx)
	if err != nil || through.Before(first) {
		return err
	}
	if err := r.log.Trim(ctx, through); err != nil {
		return err
	}
	first, _, err = r.log.Bounds(ctx)
	if err != nil {
		return err
	}
	r.logger.Info("the log was trimmed", "begins", first.String())
	return r.trimmed(through)
}

// wanted is where the log should begin, whatever its readers hold.
func (r *retention) wanted(ctx context.Context) (millrace.Position, error) {
	through, err := r.log.Find(ctx, r.now().Add(-r.age))
	if err != nil {
		return through, err
	}
	status, err := r.log.Status(ctx)
	if err != nil {
		return through, err
	}
	if r.size > 0 && status.SizeBytes > r.size {
		p, err := r.log.FindSize(ctx, r.size)
		if err != nil {
			return through, err
		}
		if p.After(through) {
			through = p
		}
	}
	if status.ReserveBytes > 0 && float64(status.FreeBytes) < nearReserve*float64(status.ReserveBytes) {
		through = status.Last
	}
	return through, nil
}
