// Package local keeps objects in a folder of this machine: a file per object,
// its path the object's key. What Put stored survives a loss of power: the
// bytes are fsynced before the file gets its name, and the folder after.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// tempDir holds files that are being written, on the file system of the root.
// No key maps to it: a key's parts never begin with a dot.
const tempDir = ".tmp"

// maxSynced bounds the memory of folders known to be durable.
const maxSynced = 10_000

// A Bucket keeps objects below one folder. It never follows a symbolic link
// out of it. Several processes may have the same folder open.
//
// Beyond the contract of blob.Bucket: a key cannot be an object and a folder
// of others at once ("a" and "a/b"), and a part of a key between slashes is at
// most 200 bytes long after escaping; both are Invalid.
type Bucket struct {
	root *os.Root
	dir  string
	temp atomic.Uint64

	mu     sync.Mutex
	synced map[string]bool // folders that are durable with their parents

	// trace sees each step that matters for durability, in order; for tests.
	trace func(step, name string)
}

var _ blob.Bucket = (*Bucket)(nil)

// Open opens the folder dir as a bucket, creates it (0700) where it is
// missing, and removes what writers that died have left in it.
func Open(ctx context.Context, dir string) (*Bucket, error) {
	if dir == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the folder for objects is not named: write it as file:FOLDER, as in file:archive")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "folder for objects %q: %w", dir, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, millrace.Errorf(millrace.Canceled, "opening %s: %w", abs, err)
	}
	if err := makeRoot(abs); err != nil {
		return nil, explain("create the folder for objects", abs, err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, explain("open the folder for objects", abs, err)
	}
	b := &Bucket{root: root, dir: abs, synced: map[string]bool{".": true}, trace: func(string, string) {}}
	if err := b.cleanTemp(); err != nil {
		root.Close()
		return nil, explain("clean the folder for objects", filepath.Join(abs, tempDir), err)
	}
	return b, nil
}

// makeRoot creates dir and the parents that are missing, and makes all of the
// created ones durable.
func makeRoot(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%w: it is a file", syscall.ENOTDIR)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeRoot(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Put stores an object: temporary file, fsync, rename, fsync of the folder.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader) error {
	name, err := escapeKey(key)
	if err != nil {
		return err
	}
	f, temp, err := b.writeTemp(ctx, r)
	if err != nil {
		return b.explainKey("write", key, err)
	}
	defer f.Close() // everything is synced; with it goes the lock
	dir := path.Dir(name)
	if err := b.ensureDir(dir); err != nil {
		b.root.Remove(temp)
		return b.explainKey("create the folder of", key, err)
	}
	if err := b.root.Rename(temp, name); err != nil {
		b.root.Remove(temp)
		return b.explainKey("write", key, err)
	}
	b.trace("rename", name)
	if err := b.syncDir(dir); err != nil {
		return b.explainKey("fsync the folder of", key, err)
	}
	return nil
}

// writeTemp stores r in a new fsynced file in the folder for temporary files.
// It holds a lock on it until the caller closes it, which is when it has its
// name, so that nobody cleans it away.
func (b *Bucket) writeTemp(ctx context.Context, r io.Reader) (*os.File, string, error) {
	name := path.Join(tempDir, fmt.Sprintf("%d-%d", os.Getpid(), b.temp.Add(1)))
	f, err := b.createLocked(name)
	if err != nil {
		return nil, "", err
	}
	if _, err = io.Copy(f, contextReader{ctx, r}); err == nil {
		b.trace("write", name)
		if err = f.Sync(); err == nil {
			b.trace("fsync", name)
			return f, name, nil
		}
	}
	f.Close()
	b.root.Remove(name)
	return nil, "", err
}

func (b *Bucket) createLocked(name string) (*os.File, error) {
	for {
		f, err := b.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			if err := b.root.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
			continue
		}
		if errors.Is(err, fs.ErrExist) { // an older process with our number, or a cleaner between create and lock
			b.root.Remove(name)
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			if _, err := b.root.Lstat(name); err == nil {
				return f, nil
			}
		}
		f.Close()
	}
}

// cleanTemp removes temporary files that no living process holds a lock on.
func (b *Bucket) cleanTemp() error {
	entries, err := b.readDir(tempDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(tempDir, e.Name())
		f, err := b.root.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue // gone, or not a file of ours
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			b.root.Remove(name)
		}
		f.Close()
	}
	return nil
}

// ensureDir creates dir and its parents and makes their names durable. A
// folder is fsynced into its parent once in the life of the process, even when
// it exists: whoever created it may have died before it was durable.
func (b *Bucket) ensureDir(dir string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ensureDirLocked(dir)
}

func (b *Bucket) ensureDirLocked(dir string) error {
	if b.synced[dir] {
		return nil
	}
	parent := path.Dir(dir)
	if err := b.ensureDirLocked(parent); err != nil {
		return err
	}
	if err := b.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	b.trace("mkdir", dir)
	if err := b.syncDir(parent); err != nil {
		return err
	}
	if len(b.synced) >= maxSynced {
		b.synced = map[string]bool{".": true}
	}
	b.synced[dir] = true
	return nil
}

func (b *Bucket) syncDir(dir string) error {
	f, err := b.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	b.trace("fsync", dir)
	return nil
}

// Open opens an object. It keeps being what it is now while others replace it.
func (b *Bucket) Open(ctx context.Context, key string) (blob.Object, error) {
	name, err := escapeKey(key)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, b.explainKey("open", key, err)
	}
	f, err := b.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, syscall.ENOTDIR) {
			err = fs.ErrNotExist
		}
		return nil, b.explainKey("open", key, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, b.explainKey("open", key, err)
	}
	return &object{File: f, size: info.Size()}, nil
}

type object struct {
	*os.File
	size int64
}

func (o *object) Size() int64 { return o.size }

// Delete removes an object. Folders stay.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	name, err := escapeKey(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return b.explainKey("delete", key, err)
	}
	info, err := b.root.Lstat(name)
	if err == nil && info.IsDir() {
		return nil // a folder of other objects
	}
	if err == nil {
		err = b.root.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return b.explainKey("delete", key, err)
	}
	b.trace("remove", name)
	return nil
}

// Close releases the folder. Objects that are open stay readable.
func (b *Bucket) Close() error { return b.root.Close() }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
