package local

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

var _ blob.Pruner = (*Bucket)(nil)

// Prune removes empty folders below the prefix, and brings to the disk that
// files and folders there are gone. A Put beside it makes its folder again.
func (b *Bucket) Prune(ctx context.Context, prefix string) error {
	name, err := escapeKey(strings.TrimSuffix(prefix, "/"))
	if err != nil {
		return err
	}
	_, err = b.prune(ctx, name)
	if err == nil {
		err = b.syncNearest(path.Dir(name))
	}
	if err != nil {
		return b.explainKey("clean up below", prefix, err)
	}
	return nil
}

// prune says whether the folder is gone.
func (b *Bucket) prune(ctx context.Context, dir string) (gone bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, millrace.Errorf(millrace.Canceled, "cleaning up %s: %w", dir, err)
	}
	entries, err := b.readDir(dir)
	if err != nil {
		return false, err
	}
	left := 0
	for _, e := range entries {
		if !e.IsDir() {
			left++
			continue
		}
		gone, err := b.prune(ctx, path.Join(dir, e.Name()))
		if err != nil {
			return false, err
		}
		if !gone {
			left++
		}
	}
	if left == 0 {
		b.mu.Lock() // so that ensureDir does not take it for made
		err := b.root.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			delete(b.synced, dir)
			b.mu.Unlock()
			b.trace("rmdir", dir)
			return true, nil
		}
		b.mu.Unlock()
		if !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			return false, err
		}
	}
	return false, b.syncDir(dir)
}

// syncNearest syncs the folder, or the next above it that is there.
func (b *Bucket) syncNearest(dir string) error {
	for {
		err := b.syncDir(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == "." {
			return err
		}
		dir = path.Dir(dir)
	}
}
