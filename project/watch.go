package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long a project has to be still before a change is told, since editors
// save in several steps, and how long that may be put off.
const (
	watchQuiet = 100 * time.Millisecond
	watchMost  = time.Second
)

// Watch calls onChange, from one goroutine, after files of a project have
// changed in any way that may change what Load returns, also when editors save
// by renaming and when folders come and go. Changes that lie close together
// are told once. It calls onChange at the beginning too, since the project may
// have changed before it was watched. It returns nil when ctx ends.
func Watch(ctx context.Context, dir string, onChange func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return watchError(dir, err)
	}
	defer watcher.Close()
	w := &watch{Watcher: watcher, dir: filepath.Clean(dir)}
	if err := w.Add(w.dir); err != nil {
		return watchError(dir, err)
	}
	if err := w.folders(); err != nil {
		return err
	}
	still := time.NewTimer(0)
	var first time.Time // of the changes that are not told yet
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if !w.matters(e) {
				continue
			}
			if err := w.folders(); err != nil {
				return err
			}
			if first.IsZero() {
				first = time.Now()
			}
			still.Reset(min(watchQuiet, max(0, watchMost-time.Since(first))))
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return watchError(dir, err)
			}
			first = time.Now() // something has changed, and we do not know what
			still.Reset(watchQuiet)
		case <-still.C:
			first = time.Time{}
			onChange()
		}
	}
}

type watch struct {
	*fsnotify.Watcher
	dir string
}

func watchError(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("cannot watch %s: the system's limit of watched folders is reached: raise fs.inotify.max_user_watches and max_user_instances: %w", dir, err)
	}
	return fmt.Errorf("cannot watch %s: %w", dir, err)
}

// folders watches the folders of resources and of secrets that are there now.
// Watching one again that is watched already changes nothing.
func (w *watch) folders() error {
	for _, folder := range append(slices.Clone(laterFolders), SecretsFolder) {
		path := filepath.Join(w.dir, folder)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		if err := w.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return watchError(path, err)
		}
	}
	return nil
}

// matters says whether an event may change what Load returns.
func (w *watch) matters(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod || e.Op == 0 {
		return false
	}
	name := filepath.Base(e.Name)
	if filepath.Dir(e.Name) == w.dir {
		return name == ConfigFile || name == "millrace.yml" || name == SecretsFolder || name == "..data" || // a mounted config map
			slices.Contains(laterFolders, name) || misspelt(name)
	}
	if filepath.Base(filepath.Dir(e.Name)) == SecretsFolder {
		return true
	}
	return name == "..data" || !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !strings.HasSuffix(name, "~")
}
