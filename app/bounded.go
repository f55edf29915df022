package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// A bounded warehouse is one that the loader may only go on with as long as
// nobody else loads it. Another server's records may have the positions of this
// log's, such as when a copy of the data folder ran beside the original: what
// this server did not find in its log when it started, and did not load since,
// is not of this log.
type bounded struct {
	warehouse.Warehouse
	eventlog.Opener               // of what is loaded
	turns           chan struct{} // see App.opening

	// mark is a file that says how far the tables were ahead of the log when that
	// was found out, until they are this log's again: a log that grows beyond that
	// does not have what they have.
	mark string

	mu    sync.Mutex
	set   bool
	limit millrace.Position // no checkpoint lies beyond, but for another server's

	received atomic.Int64 // records of the time that the last rebuild was asked for
}

// tablesAhead is the name of bounded.mark in the data folder, and in a space's.
const tablesAhead = "tables-ahead"

// allow moves the limit on.
func (b *bounded) allow(p millrace.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set = true
	if p.After(b.limit) {
		b.limit = p
	}
}

// Resume fails with Ahead when someone else has loaded the warehouse.
func (b *bounded) Resume(ctx context.Context, workspace string) (millrace.Position, error) {
	select {
	case b.turns <- struct{}{}:
		defer func() { <-b.turns }()
	case <-ctx.Done():
		return millrace.Position{}, millrace.Errorf(millrace.Canceled, "the tables of space %s are not opened: %w", workspace, ctx.Err())
	}
	p, err := b.Warehouse.Resume(ctx, workspace)
	if err != nil {
		return p, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead, err := b.marked(p)
	if err != nil {
		return p, err
	}
	if b.set && p.After(b.limit) && !ahead {
		if err := b.note(p); err != nil {
			return p, err
		}
		ahead = true
	}
	if ahead {
		b.release(workspace)
		return p, millrace.Errorf(millrace.Ahead, "the warehouse is at %s, and this server has neither found nor loaded more than %s: another server has loaded its own records meanwhile, such as a copy of the data folder; give this project a database of its own, which is filled from its archive and log, or make the tables anew from them: millrace warehouse rebuild", p, b.limit)
	}
	return p, nil
}

// marked says whether the tables were found to be ahead of the log, and are still
// what they were then: those of another database are not.
func (b *bounded) marked(p millrace.Position) (bool, error) {
	text, err := os.ReadFile(b.mark)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read whether the tables are of this log: %w", err)
	}
	was, err := millrace.ParsePosition(strings.TrimSpace(string(text)))
	if err == nil && p.Before(was) {
		return false, b.unmark()
	}
	return true, nil // also when nobody can read it
}

// note keeps that the tables are ahead.
func (b *bounded) note(p millrace.Position) error {
	err := makeDir(filepath.Dir(b.mark))
	if err == nil {
		err = writeFile(b.mark, []byte(p.String()+"\n"))
	}
	if err != nil {
		return fmt.Errorf("cannot note that the tables are not of this log: %w", err)
	}
	return nil
}

// unmark says that the tables are of this log.
func (b *bounded) unmark() error {
	if err := os.Remove(b.mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot note that the tables are of this log: %w", err)
	}
	return nil
}

// inherit takes over the limit of the same space from before it was closed; limit
// is that of one that was not open yet.
func (b *bounded) inherit(before *bounded, limit millrace.Position) {
	if before != nil {
		before.mu.Lock()
		limit = before.limit
		before.mu.Unlock()
	}
	b.allow(limit)
}

// Open opens the history. When that does not know the place, the warehouse is
// another server's, who may go on.
func (b *bounded) Open(ctx context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	r, err := b.Opener.Open(ctx, after, f)
	if millrace.KindOf(err) == millrace.Ahead {
		b.release(f.Workspace)
	}
	return r, err
}

// release lets other servers load the workspace, where several could.
func (b *bounded) release(workspace string) {
	if w, ok := b.Warehouse.(interface{ Release(workspace string) }); ok {
		w.Release(workspace)
	}
}

// Apply notes how far this server has come.
func (b *bounded) Apply(ctx context.Context, workspace string, batch warehouse.Batch) (warehouse.Progress, error) {
	b.allow(batch.Through)
	return b.Warehouse.Apply(ctx, workspace, batch)
}

// Shadow begins a rebuild, after which the tables are this log's.
func (b *bounded) Shadow(ctx context.Context, workspace string, o warehouse.ShadowOptions) (warehouse.Shadow, error) {
	s, err := b.Warehouse.Shadow(ctx, workspace, o)
	if err != nil {
		return nil, err
	}
	b.received.Store(0)
	return &boundedShadow{s, b, o}, nil
}

type boundedShadow struct {
	warehouse.Shadow
	bounded *bounded
	options warehouse.ShadowOptions
}

// Apply counts the records of the time that is made anew.
func (s *boundedShadow) Apply(ctx context.Context, batch warehouse.Batch) (warehouse.Progress, error) {
	p, err := s.Shadow.Apply(ctx, batch)
	if err != nil {
		return p, err
	}
	for i := range batch.Entries {
		at := batch.Entries[i].Time
		if !at.Before(s.options.From) && (s.options.Until.IsZero() || at.Before(s.options.Until)) {
			s.bounded.received.Add(1)
		}
	}
	return p, nil
}

// Swap notes that the tables are of this log now.
func (s *boundedShadow) Swap(ctx context.Context, at millrace.Position) error {
	err := s.Shadow.Swap(ctx, at)
	if err == nil || millrace.KindOf(err) == millrace.Unavailable { // its answer may be lost
		s.bounded.allow(at)
	}
	if err == nil && s.options.System {
		err = s.bounded.unmark()
	}
	return err
}
