package dedup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace"
)

// Purge destroys what the follower knows of a workspace, for ever: its counts,
// the names of its sources in the index and in all verdict files, and the salt of
// its IDs. What stays are positions of duplicates, which are numbers, and hashes
// that nobody can make again: not from an ID that is known, since the salt is
// gone. Destroy the key of the workspace in the log first; records that the log
// still gives are judged, and counted anew.
//
// While Run runs, it is done between two of its batches. It may be called again,
// also after a crash in the middle of it. The error is Canceled when ctx ended
// before Run got to it, as while the index is built again.
func (f *Follower) Purge(ctx context.Context, workspace string) error {
	if workspace == "" {
		return millrace.Errorf(millrace.Invalid, "purging dedup needs a workspace: without one it would be everything")
	}
	r := &purgeRequest{workspace: workspace, done: make(chan error, 1)}
	f.mu.Lock()
	if !f.running {
		defer f.mu.Unlock() // Run waits for it
		return f.purgeLocked(workspace)
	}
	f.purges = append(f.purges, r)
	if f.interrupt != nil {
		f.interrupt()
	}
	f.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return millrace.Errorf(millrace.Canceled, "waiting for dedup to purge a workspace: %w", ctx.Err())
	}
}

type purgeRequest struct {
	workspace string
	done      chan error
}

// begins and ends say that Run runs.
func (f *Follower) begins() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = true
}

func (f *Follower) ends() {
	f.purgeAsked()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
}

// purgeAsked does what was asked for while nothing is judged.
func (f *Follower) purgeAsked() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.purges {
		r.done <- f.purgeLocked(r.workspace)
	}
	f.purges = nil
}

// interruptible returns a ctx that ends when somebody wants to purge.
func (f *Follower) interruptible(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.purges) > 0 {
		cancel()
	}
	f.interrupt = cancel
	return ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.interrupt = nil
		cancel()
	}
}

// purge does what was asked for, with everything judged so far durable.
func (p *pass) purge() error {
	p.mu.Lock()
	asked := len(p.purges) > 0
	p.mu.Unlock()
	if !asked {
		return nil
	}
	if err := p.commit(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.purges {
		for i := range p.bases {
			p.bases[i].counts = withoutCounts(p.bases[i].counts, r.workspace)
		}
		r.done <- p.purgeLocked(r.workspace)
	}
	p.purges = nil
	return nil
}

func withoutCounts(counts []Count, workspace string) []Count {
	return slices.DeleteFunc(slices.Clone(counts), func(c Count) bool { return c.Workspace == workspace })
}

// purgeLocked is called by Run, or while it does not run. f.mu is held.
func (f *Follower) purgeLocked(workspace string) error {
	if err := f.index.purge(workspace); err != nil {
		return fmt.Errorf("purging the dedup index: %w", err)
	}
	if err := f.verdicts.purge(workspace); err != nil {
		return fmt.Errorf("purging the verdicts: %w", err)
	}
	maps.DeleteFunc(f.counts, func(k spaceKey, _ Count) bool { return k.workspace == workspace })
	return nil
}

// purge forgets the workspace's spaces and salt, on disk too.
func (ix *index) purge(workspace string) error {
	next := ix.manifest
	next.Sources = slices.DeleteFunc(slices.Clone(next.Sources), func(i sourceInfo) bool { return i.Workspace == workspace })
	next.Salts = maps.Clone(next.Salts)
	delete(next.Salts, workspace)
	if err := next.save(ix.dir); err != nil {
		return err
	}
	ix.manifest = next
	ix.spaces.forget(workspace)
	if err := os.Remove(filepath.Join(ix.dir, manifestName+".tmp")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// purge writes the headers anew that name the workspace.
func (v *verdicts) purge(workspace string) error {
	if err := v.repair(); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, s := range v.segs {
		b, err := os.ReadFile(s.path)
		if err != nil {
			return err
		}
		h, rest, err := decodeHeader(b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		counts := withoutCounts(h.counts, workspace)
		if len(counts) == len(h.counts) {
			continue
		}
		last := i == len(v.segs)-1 && v.file != nil
		if last {
			rest = rest[:int64(len(rest))-(int64(len(b))-v.size)] // what is known to be durable
		}
		h.counts = counts
		head, err := h.encode()
		if err != nil {
			return err
		}
		next := append(head, rest...)
		if err := writeFile(s.path, next); err != nil {
			return err
		}
		s.size = int64(len(next))
		if !last {
			continue
		}
		f, err := os.OpenFile(s.path, os.O_RDWR, 0)
		if err != nil {
			v.broken = true // the next append opens it again
			return err
		}
		err = v.file.Close()
		if v.file, v.size = f, s.size; err != nil {
			return err
		}
	}
	return removeStray(v.dir, nil, ".tmp")
}

const saltSize = 16

// forget removes the spaces of a workspace, and its salt.
func (s *spaces) forget(workspace string) {
	s.last = nil
	maps.DeleteFunc(s.all, func(k spaceKey, _ *space) bool { return k.workspace == workspace })
	delete(s.salts, workspace)
	delete(s.unsalted, workspace)
}

// hasher returns the hasher of a space: under the installation's key, and the
// salt of the workspace, which is made when there is none. Workspaces that were
// there before there were salts go on without.
func (s *spaces) hasher(k spaceKey) hasher {
	if s.unsalted[k.workspace] {
		return newHasher(s.key, k.workspace, k.source, k.space)
	}
	salt, ok := s.salts[k.workspace]
	if !ok {
		var made [saltSize]byte
		rand.Read(made[:])
		salt = hex.EncodeToString(made[:])
		if s.salts == nil {
			s.salts = map[string]string{}
		}
		s.salts[k.workspace] = salt
	}
	own := newHasher(s.key, "salt", salt).sum(k.workspace)
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:8], own.hi)
	binary.LittleEndian.PutUint64(key[8:], own.lo)
	return newHasher(key, k.workspace, k.source, k.space)
}

// resalt takes the salts of a manifest: those that were made since are gone, as
// the IDs under them are.
func (s *spaces) resalt(m *manifest) {
	s.salts, s.unsalted = map[string]string{}, map[string]bool{}
	maps.Copy(s.salts, m.Salts)
	for _, i := range m.Sources {
		if s.salts[i.Workspace] == "" {
			s.unsalted[i.Workspace] = true
		}
	}
	for k, sp := range s.all {
		sp.hasher = s.hasher(k)
	}
}
