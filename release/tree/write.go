package tree

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/millrace/millrace"
)

// newPrefix begins the names of files that are not in their place yet.
const newPrefix = ".millrace-new-"

// Unfinished says whether a file's name is that of one which ToFolder was writing
// when it was killed.
func Unfinished(name string) bool { return strings.HasPrefix(name, newPrefix) }

// ToFolder makes the files of one tree in a folder of those of another, which is
// what the folder holds: have, as FromFolder has just read it. Only files that
// differ are touched; what is in neither tree stays. A file that is another one
// than in have is left as it is, and the error is a Conflict; files before it
// may have been written then. Files are fsynced, each has its old bytes or its
// new ones at every moment.
func ToFolder(dir string, have, want *Tree) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("the folder cannot be opened: %w", err)
	}
	defer root.Close()
	folders := map[string]bool{}
	for _, f := range have.Files() {
		if _, stays := want.File(f.Path); stays {
			continue
		}
		if err := untouched(root, f.Path, have); err != nil {
			return err
		}
		if err := root.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be removed: %w", f.Path, err)
		}
		for d := path.Dir(f.Path); d != "."; d = path.Dir(d) {
			if root.Remove(d) != nil { // it is not empty
				break
			}
		}
		folders[path.Dir(f.Path)] = true
	}
	for _, f := range want.Files() {
		if was, is := have.File(f.Path); is && was == f {
			continue
		}
		if err := untouched(root, f.Path, have); err != nil {
			return err
		}
		if err := put(root, f, want.data[f.Hash]); err != nil {
			return fmt.Errorf("%s cannot be written: %w", f.Path, err)
		}
		for d := path.Dir(f.Path); ; d = path.Dir(d) {
			folders[d] = true
			if d == "." {
				break
			}
		}
	}
	for d := range folders {
		if err := syncFolder(root, d); err != nil {
			return fmt.Errorf("the folder %s cannot be made safe: %w", d, err)
		}
	}
	return nil
}

// untouched fails when a file is not what a tree says.
func untouched(root *os.Root, name string, have *Tree) error {
	changed := millrace.Errorf(millrace.Conflict, "%s was changed at this moment: it is left as it is, begin again", clip(name))
	expected, is := have.Read(name)
	f, err := root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // removed, or new
	case err != nil:
		return fmt.Errorf("%s cannot be read: %w", clip(name), err)
	}
	defer f.Close()
	if !is {
		return millrace.Errorf(millrace.Conflict, "%s is in the way: it is there, and no part of what was read: move it, and begin again", clip(name))
	}
	now, err := io.ReadAll(io.LimitReader(f, int64(len(expected))+1))
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", clip(name), err)
	}
	if HashOf(now) != HashOf(expected) {
		return changed
	}
	return nil
}

func put(root *os.Root, f File, data []byte) error {
	folder := path.Dir(f.Path)
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := root.Stat(f.Path); err == nil {
		mode = info.Mode().Perm() &^ 0o111
	}
	if f.Executable {
		mode |= mode & 0o444 >> 2 // whoever reads it may run it
	}
	temporary := path.Join(folder, newPrefix+strings.ToLower(rand.Text()[:12]))
	file, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err == nil {
		err = root.Rename(temporary, f.Path)
	}
	if err != nil {
		_ = root.Remove(temporary)
	}
	return err
}

func syncFolder(root *os.Root, name string) error {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
