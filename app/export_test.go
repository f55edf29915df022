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
	return a.home.settle(ctx, last)
}

// OpenSpace serves the project in a folder in a space of its own.
func (a *App) OpenSpace(id, dir string) error {
	p, err := Load(dir, "")
	if err == nil {
		_, err = a.openSpace(id, p)
	}
	return err
}

// CloseSpace ends what runs of a space.
func (a *App) CloseSpace(id string) error { return a.closeSpace(id) }

// WithoutLogCheck returns options for a log whose blocks are not checked when
// it is opened, as older blocks are not.
func (o Options) WithoutLogCheck() Options {
	o.logCheckBytes = -1
	return o
}
