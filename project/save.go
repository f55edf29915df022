package project

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace"
)

// nonBlocking keeps the opening of a pipe, put in a file's place, from waiting.
const nonBlocking = syscall.O_NONBLOCK

// A FileConflict is the error of a change to a file that someone else changed
// meanwhile. It is an error of kind Conflict.
type FileConflict struct {
	Path   string
	Theirs []byte // what the file says now
	ETag   string // of Theirs; "" when the file is gone
	Yours  []byte // what was to be saved; nil when it was no text
	Base   []byte // from what Yours began, where that is known
}

// Error says what to do.
func (c *FileConflict) Error() string {
	switch {
	case c.ETag == "":
		return clip(c.Path) + ": has been removed meanwhile: save it as a new file, or leave it"
	case c.Yours == nil:
		return clip(c.Path) + ": has changed meanwhile: look at it again first"
	}
	return clip(c.Path) + ": has changed meanwhile: compare both texts, and save again what is right"
}

// As makes errors.As find a *millrace.Error of kind Conflict.
func (c *FileConflict) As(target any) bool {
	e, ok := target.(**millrace.Error)
	if ok {
		*e = &millrace.Error{Kind: millrace.Conflict, Message: c.Error()}
	}
	return ok
}

// Save writes a file in place of the one with that ETag; "" is for a new file,
// and makes its folders. When it returns nil the text survives a loss of power;
// whatever happens, the file holds the old text or the new one. The error is a
// *FileConflict when the file is another one by now. Mistakes in the text are
// not looked for: see Check.
func (f *Folder) Save(name string, text []byte, etag string) (newETag string, err error) {
	if err := checkText(text); err != nil {
		return "", fileError(name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	root, err := f.enter(name)
	if err != nil {
		return "", err
	}
	defer root.Close()
	now, info, err := current(root, name, text, etag)
	if err != nil {
		return "", err
	}
	if etag != "" && bytes.Equal(now, text) {
		return etag, nil
	}
	if err := makeFolders(root, path.Dir(name)); err != nil {
		return "", fileError(name, err)
	}
	temporary, err := writeTemporary(root, name, text, info)
	if err == nil {
		err = put(root, temporary, name, etag == "")
	}
	if errors.Is(err, fs.ErrExist) { // it was made in this moment
		if _, _, err := current(root, name, text, etag); err != nil {
			return "", err
		}
		return "", millrace.Errorf(millrace.Unavailable, "%s: is changed by someone else at this moment: try again", clip(name))
	}
	if err != nil {
		return "", fileError(name, err)
	}
	return ETagOf(text), nil
}

// current reads the file that is to be changed, and fails when it is not the
// one with that ETag, or may not be written.
func current(root *os.Root, name string, yours []byte, etag string) ([]byte, fs.FileInfo, error) {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if etag == "" {
			return nil, nil, nil
		}
		return nil, nil, &FileConflict{Path: name, Yours: yours}
	}
	var text []byte
	if err == nil {
		text, err = readText(root, name)
	}
	if err != nil {
		return nil, nil, fileError(name, err)
	}
	if now := ETagOf(text); now != etag {
		return nil, nil, &FileConflict{Path: name, Theirs: text, ETag: now, Yours: yours}
	}
	if info.Mode().Perm()&0o200 == 0 {
		return nil, nil, millrace.Errorf(millrace.Forbidden, "%s: is read-only: make it writable first", clip(name))
	}
	return text, info, nil
}

// makeFolders makes a folder and those above it, so that they stay.
func makeFolders(root *os.Root, folder string) error {
	if folder == "." {
		return nil
	}
	if info, err := root.Lstat(folder); err == nil && info.IsDir() {
		return nil
	}
	if err := makeFolders(root, path.Dir(folder)); err != nil {
		return err
	}
	if err := root.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(root, path.Dir(folder))
}

// temporaryPrefix begins the names of texts that are not in their place yet.
// One that a crash left is removed at a later save.
const temporaryPrefix = ".millrace-new-"

// writeTemporary writes the text beside the file, with its mode and owner.
func writeTemporary(root *os.Root, name string, text []byte, like fs.FileInfo) (temporary string, err error) {
	sweep(root, path.Dir(name))
	mode := fs.FileMode(0o644)
	if like != nil {
		mode = like.Mode().Perm()
	}
	temporary = path.Join(path.Dir(name), temporaryPrefix+strings.ToLower(rand.Text()[:12]))
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if like != nil {
		err = errors.Join(err, f.Chmod(mode)) // whatever the umask is
		if owner, ok := like.Sys().(*syscall.Stat_t); ok {
			_ = f.Chown(int(owner.Uid), int(owner.Gid)) // only root may, and only root has to
		}
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = root.Remove(temporary)
		return "", fmt.Errorf("cannot be written: %w", err)
	}
	return temporary, nil
}

// sweep removes what crashes left, when it is surely nobody's.
func sweep(root *os.Root, folder string) {
	entries, err := fs.ReadDir(root.FS(), folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), temporaryPrefix) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = root.Remove(path.Join(folder, e.Name()))
		}
	}
}

// put gives a file its place. A new one takes nobody's: fs.ErrExist then.
func put(root *os.Root, from, to string, fresh bool) error {
	if !fresh {
		if err := root.Rename(from, to); err != nil {
			_ = root.Remove(from)
			return err
		}
		return syncFolder(root, path.Dir(to))
	}
	err := root.Link(from, to)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) { // a file system without links
		if _, err = root.Lstat(to); err == nil {
			err = fs.ErrExist
		} else if errors.Is(err, fs.ErrNotExist) {
			return errors.Join(root.Rename(from, to), syncFolder(root, path.Dir(to)), syncFolder(root, path.Dir(from)))
		}
	}
	if err == nil {
		err = syncFolder(root, path.Dir(to))
	}
	if err == nil || strings.HasPrefix(path.Base(from), temporaryPrefix) {
		err = errors.Join(err, root.Remove(from))
	}
	return errors.Join(err, syncFolder(root, path.Dir(from)))
}

// syncFolder makes the names in a folder durable, where its file system can.
func syncFolder(root *os.Root, folder string) error {
	f, err := root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Remove takes the file with that ETag away, for good. The error is a
// *FileConflict when it is another one by now. millrace.yaml stays.
func (f *Folder) Remove(name, etag string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	root, err := f.held(name, etag)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Remove(name); err != nil {
		return fileError(name, err)
	}
	return syncFolder(root, path.Dir(name))
}

// held opens the folder for a change of the place of the file with that ETag.
func (f *Folder) held(name, etag string) (*os.Root, error) {
	if name == ConfigFile {
		return nil, millrace.Errorf(millrace.Forbidden, "%s makes the folder a project: it can be edited, not removed or renamed", name)
	}
	root, err := f.enter(name)
	if err != nil {
		return nil, err
	}
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		_ = root.Close()
		return nil, fileError(name, err)
	}
	if _, _, err := current(root, name, nil, etag); err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

// Rename gives the file with that ETag another path, where there must be none.
// A crash may leave it at both; it is never at neither. A resource's name is
// its file's, so a source that is renamed writes to other tables.
func (f *Folder) Rename(from, to, etag string) error {
	if to == ConfigFile {
		return millrace.Errorf(millrace.Forbidden, "%s: make it as a new file", to)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	target, err := f.enter(to)
	if err != nil {
		return err
	}
	_ = target.Close()
	root, err := f.held(from, etag)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := makeFolders(root, path.Dir(to)); err != nil {
		return fileError(to, err)
	}
	err = put(root, from, to, true)
	if errors.Is(err, fs.ErrExist) {
		return millrace.Errorf(millrace.Conflict, "%s: there is a file of that name already", clip(to))
	}
	if err != nil {
		return fileError(from, err)
	}
	return nil
}
