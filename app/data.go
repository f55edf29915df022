package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
)

// lockName is the file in a data folder that its server holds.
const lockName = "lock"

// A dataDir is the folder that one process keeps everything in.
type dataDir struct {
	path string
	lock *os.File
}

// inUse is that another process has the data folder.
type inUse struct{ path, holder string }

// Error says who has it, and what to do.
func (e *inUse) Error() string {
	return fmt.Sprintf("another millrace (process %s) uses the data folder %s: stop it, or name another folder with --data", e.holder, e.path)
}

// openData makes the folder, private to its owner, and locks it against a
// second process. The error is Conflict, with an inUse, when another one holds
// it for longer than patience.
func openData(ctx context.Context, path string, patience time.Duration) (*dataDir, error) {
	path, err := makePrivate(path)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write to the data folder: %w", err)
	}
	if err := lockFile(ctx, lock, patience); err != nil {
		holder := make([]byte, 32)
		n, _ := lock.ReadAt(holder, 0)
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			used := &inUse{path, strings.TrimSpace(string(holder[:n]))}
			return nil, &millrace.Error{Kind: millrace.Conflict, Message: used.Error(), Err: used}
		}
		return nil, fmt.Errorf("cannot lock the data folder %s: %w", path, err)
	}
	if err := lock.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0); err != nil {
		return nil, err
	}
	return &dataDir{path: path, lock: lock}, nil
}

// makePrivate makes the data folder, and returns its path from the root.
func makePrivate(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := makeDir(path); err != nil {
		return "", fmt.Errorf("cannot make the data folder: %w", err)
	}
	// #nosec G302 -- a folder
	if err := os.Chmod(path, 0o700); err != nil {
		return "", fmt.Errorf("the data folder cannot be made private: %w: it has to belong to the user that runs millrace", err)
	}
	return path, nil
}

// makeDir makes a folder and the parents that are missing, so that they survive
// a loss of power. The folder itself is synced into its parent even when it is
// there: whoever made it may have died before it was.
func makeDir(path string) error {
	made := path
	for parent := filepath.Dir(path); parent != made; parent = filepath.Dir(parent) {
		if _, err := os.Stat(parent); err == nil {
			break
		}
		made = parent
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := syncFolder(dir); err != nil {
			return err
		}
		if dir == filepath.Dir(made) {
			return nil
		}
	}
}

// syncFolder makes the names in a folder durable. One that may not be read, or
// whose file system does not sync folders, is left to its owner.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// lockPatience is how long a server waits for the one before it to end.
const lockPatience = 5 * time.Second

func lockFile(ctx context.Context, f *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sub returns the path of a part's own folder.
func (d *dataDir) sub(name string) string { return filepath.Join(d.path, name) }

// Close gives the folder free.
func (d *dataDir) Close() error { return d.lock.Close() }
