package app

import (
	"context"
	"time"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// measureEvery is how often it is measured what spaces keep.
const measureEvery = time.Minute

// measureSpaces measures what spaces keep in log, archive and warehouse, those that
// rest as well, until ctx ends.
func (a *App) measureSpaces(ctx context.Context) error {
	for {
		a.measure(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(measureEvery):
		}
	}
}

// measure measures what each space keeps. What does not answer is measured later,
// and counts until then as it was measured last.
func (a *App) measure(ctx context.Context) {
	unknown := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			a.logger("usage").Debug("what spaces keep is not measured at this moment", "where", what, "error", err)
		}
	}
	logged, err := a.loggedBytes(ctx)
	unknown("log", err)
	archived, err := a.archive.Sizes(ctx)
	unknown("archive", err)
	for ws := range a.workspaces.store.Spaces().All() {
		if ctx.Err() != nil {
			return
		}
		if ws.State == workspace.Purging {
			continue
		}
		s := workspace.Unknown
		if logged != nil {
			s.Log = logged[ws.ID]
		}
		if archived != nil {
			s.Archive = archived[ws.ID]
		}
		s.Warehouse, s.EventTables, err = a.loadedBytes(ctx, ws.ID)
		unknown("warehouse", err)
		a.workspaces.meter.SetStored(ws.ID, a.o.Now(), s)
	}
}

// loggedBytes is the share that each space has of the log: as much of its size as
// the space took of what all of them took since the log begins. Records that are
// larger than others in the log than they were when they came are so for all.
func (a *App) loggedBytes(ctx context.Context) (map[string]int64, error) {
	l, err := a.log.Status(ctx)
	if err != nil {
		return nil, err
	}
	if l.FirstTime.IsZero() {
		return map[string]int64{}, nil
	}
	taken, err := a.workspaces.store.Taken(ctx, workspace.Day(l.FirstTime))
	if err != nil {
		return nil, err
	}
	all := int64(0)
	for _, bytes := range taken {
		all += bytes
	}
	for space, bytes := range taken {
		taken[space] = int64(float64(l.SizeBytes) * float64(bytes) / float64(max(all, 1)))
	}
	return taken, nil
}

// loadedBytes is what a space keeps in the warehouse, and how many tables of
// events it has, where that was never counted: later the loader says it, and
// nothing is opened for it.
func (a *App) loadedBytes(ctx context.Context, space string) (bytes, tables int64, err error) {
	sizer, ok := a.warehouse.(warehouse.Sizer)
	if !ok {
		return -1, -1, nil
	}
	if bytes, err = sizer.WorkspaceSize(ctx, space); err != nil {
		return -1, -1, err
	}
	if bytes == 0 {
		return 0, 0, nil
	}
	if a.workspaces.meter.Stored(space).EventTables >= 0 {
		return bytes, -1, nil
	}
	sizes, err := sizer.TableSizes(ctx, space)
	if err != nil {
		return bytes, -1, err
	}
	for name := range sizes {
		if name.OfEvent() {
			tables++
		}
	}
	return bytes, tables, nil
}
