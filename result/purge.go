package result

import (
	"context"
	"maps"
	"slices"

	"github.com/millrace/millrace"
)

// Purge destroys all results of a workspace, for ever: Create refuses it with
// Gone from then on, and what is being written for it is given up. Files that
// somebody reads go too: who reads them fails. It may be called again, also
// after a crash in the middle of it. The error is Canceled when ctx ended
// before what was being written had stopped.
func (s *Store) Purge(ctx context.Context, workspace string) error {
	s.mu.Lock()
	s.purged[workspace] = true
	var running []*creation
	for c := range s.creations {
		if c.workspace == workspace {
			running = append(running, c)
			c.cancel()
		}
	}
	ids := slices.Collect(maps.Keys(s.results))
	s.mu.Unlock()
	for _, c := range running {
		select {
		case <-c.done:
		case <-ctx.Done():
			return millrace.Errorf(millrace.Canceled, "waiting for a result that is being written: %w", ctx.Err())
		}
	}
	for _, id := range ids {
		removed, err := s.remove(id, func(e *entry) bool { return e.Workspace == workspace })
		if err == nil && removed {
			err = s.removeFiles(id) // also of one that is being read
		}
		if err != nil {
			return err
		}
	}
	if err := syncDir(s.o.Dir); err != nil {
		return millrace.Errorf(millrace.Internal, "make it durable that the results of a workspace are gone: %w", err)
	}
	return nil
}

// begin takes note of a result that is being written. It fails with Gone when
// the workspace was purged.
func (s *Store) begin(ctx context.Context, c *creation) (context.Context, error) {
	ctx, c.cancel = context.WithCancel(ctx)
	c.done = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.purged[c.workspace] {
		c.cancel()
		return nil, errPurged(c.workspace)
	}
	s.creations[c] = true
	return ctx, nil
}

// end forgets it.
func (s *Store) end(c *creation) {
	c.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.creations, c)
	close(c.done)
}

func errPurged(workspace string) error {
	return millrace.Errorf(millrace.Gone, "the data of workspace %q was destroyed: no result is kept for it", workspace)
}
