package duckdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

var _ warehouse.Dropper = (*Warehouse)(nil)

// dropRetry is how long Drop waits for a child that ended under it.
const dropRetry = 200 * time.Millisecond

// Drop destroys a workspace: its file with all that is beside it, and what its
// queries spilled. See warehouse.Dropper.
func (w *Warehouse) Drop(ctx context.Context, workspace string) error {
	if !validWorkspace(workspace) {
		return millrace.Errorf(millrace.Invalid, "%.60q is not the name of a workspace", workspace)
	}
	w.mu.Lock()
	w.dropped[workspace] = true
	delete(w.settings, workspace)
	delete(w.lives, workspace)
	w.mu.Unlock()
	for !w.stopQueries(workspace) {
		time.Sleep(time.Millisecond) // one is just beginning
	}
	for {
		p, err := w.supervisor.process(ctx, restartWait)
		if err == nil {
			_, err = w.call(ctx, p, request{Op: opDrop, Workspace: workspace}, nil)
		}
		if err == nil {
			break
		}
		// A query that does not stop costs the child, and its files are closed then.
		if millrace.KindOf(err) != millrace.Unavailable || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(dropRetry):
		}
	}
	if err := w.removeFiles(workspace); err != nil {
		return millrace.Errorf(millrace.Unavailable, "remove the files of workspace %s of the warehouse: %w", workspace, err)
	}
	return nil
}

// stopQueries ends those that run on a workspace; false when it could not be
// said to all of them yet.
func (w *Warehouse) stopQueries(workspace string) (all bool) {
	all = true
	for _, r := range w.supervisor.queriesRunning() {
		if r.workspace != workspace {
			continue
		}
		r.mu.Lock()
		begun := r.stopWatching != nil
		r.mu.Unlock()
		if begun {
			r.abandon(warehouse.Dropped(workspace))
		} else {
			all = false
		}
	}
	return all
}

// removeFiles removes what no process has open any more.
func (w *Warehouse) removeFiles(workspace string) error {
	files, err := filepath.Glob(filepath.Join(w.o.Dir, workspace+".duckdb*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if e := os.RemoveAll(file); !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	err = errors.Join(err, os.RemoveAll(filepath.Join(w.o.SpillDir, workspace)))
	for _, dir := range []string{w.o.Dir, w.o.SpillDir} {
		f, e := os.Open(dir)
		if errors.Is(e, os.ErrNotExist) {
			continue
		}
		if e == nil {
			e = errors.Join(f.Sync(), f.Close())
		}
		err = errors.Join(err, e)
	}
	return err
}

// refuseDropped fails with Gone for a workspace that was dropped.
func (w *Warehouse) refuseDropped(workspace string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dropped[workspace] {
		return warehouse.Dropped(workspace)
	}
	return nil
}

// drop closes a workspace's file for ever.
func (c *child) drop(w *wire, workspace string) error {
	if _, err := receiveBatch(w, &request{Workspace: workspace}); err != nil { // there is none
		return millrace.Errorf(millrace.Canceled, "the request was cut off: %w", err)
	}
	s := c.store(workspace)
	s.life.Lock()
	s.dropped = true
	opening := s.opening
	s.life.Unlock()
	if opening != nil {
		<-opening.done
	}
	// The gate first, as a checkpoint beside commits does it. It opens when the
	// queries, which were stopped, have let go.
	s.gate.Lock()
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merging.Lock()
	defer s.merging.Unlock()
	s.forgetLoader()
	if s.shadow != nil {
		s.shadow.conn.close()
		s.shadow = nil
	}
	s.life.Lock()
	db := s.db
	s.db = nil
	s.life.Unlock()
	if db != nil {
		db.close()
	}
	return nil
}
