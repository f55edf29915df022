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
	log      retainedLog
	settings func() eventlog.Retention
	holders  []holder // what they do not have stays
	trimmed  func(through millrace.Position) error
	now      func() time.Time
	logger   *slog.Logger
}

// A holder returns the position through which it needs the log no more.
type holder func(context.Context) (millrace.Position, error)

// A retainedLog is what retention needs of a log.
type retainedLog interface {
	eventlog.Log
	eventlog.Reporter
	eventlog.Retainer
}

const (
	retentionInterval = time.Minute
	// nearReserve is how close to the reserve, as a part of it, everything
	// that the archive has is freed.
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
	if err != nil || through.IsZero() {
		return err
	}
	before, last, err := r.log.Bounds(ctx)
	if err != nil {
		return err
	}
	for _, held := range r.holders {
		p, err := held(ctx)
		if err != nil {
			return err
		}
		if p.After(last) { // what it has is not what this log holds
			return millrace.Errorf(millrace.Ahead, "a reader that the log waits for is at %s, and the log ends at %s: it follows another log, so that nothing is trimmed", p, last)
		}
		if p.Before(through) {
			through = p
		}
	}
	if through.Before(before) {
		return nil
	}
	if err := r.log.Trim(ctx, through); err != nil {
		return err
	}
	first, _, err := r.log.Bounds(ctx)
	if err != nil || first == before {
		return err
	}
	r.logger.Info("the log was trimmed", "begins", first.String())
	return r.trimmed(through)
}

// wanted is through where the log may forget, whatever its readers hold.
func (r *retention) wanted(ctx context.Context) (millrace.Position, error) {
	status, err := r.log.Status(ctx)
	if err != nil {
		return millrace.Position{}, err
	}
	if status.ReserveBytes > 0 && float64(status.FreeBytes) < nearReserve*float64(status.ReserveBytes) {
		return status.Last, nil
	}
	return r.log.Expired(ctx, r.settings())
}
