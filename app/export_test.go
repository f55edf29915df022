package app

import (
	"context"
	"time"
)

// SettleWarehouse is what a server does with its warehouse when it stops at
// that time.
func (a *App) SettleWarehouse(until time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	_, last, err := a.log.Bounds(context.Background())
	if err != nil {
		return err
	}
	return a.settleWarehouse(ctx, last)
}

// WithoutLogCheck returns options for a log whose blocks are not checked when
// it is opened, as older blocks are not.
func (o Options) WithoutLogCheck() Options {
	o.logCheckBytes = -1
	return o
}
