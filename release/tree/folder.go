package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// IgnoreFile is a file in the project's folder that names, one a line, what is
// no part of its versions: a path ("data/items.csv"), a folder ("data/"), or a
// name wherever it is ("*.parquet"). It stays in the folder.
const IgnoreFile = ".millraceignore"

const maxIgnoreBytes = 64 << 10

// FolderOptions say what of a folder is taken.
type FolderOptions struct {
	Limits Limits
	// Private are paths within the folder, with slashes, that are never taken,
	// such as a data folder that is not hidden.
	Private []string
}

// FromFolder takes the files of a project's folder: not those that are hidden,
// that programs make or that hold secrets (project.Private), and not what
// IgnoreFile names. A link to a file within the folder is taken as that file.
// The error is Invalid or TooLarge when something else is in the way.
func FromFolder(dir string, o FolderOptions) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the project's folder cannot be opened: %w", err)
	}
	defer root.Close()
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	o.Private = slices.Clone(o.Private)
	for i, p := range o.Private { // those elsewhere do not matter
		if within, err := filepath.Rel(absolute, p); err == nil && filepath.IsAbs(p) {
			o.Private[i] = filepath.ToSlash(within)
		}
	}
	return FromFS(root.FS(), o)
}

// FromFS is FromFolder of a file system. One that follows links has to keep to
// the project's folder, as that of an os.Root does.
func FromFS(fsys fs.FS, o FolderOptions) (*Tree, error) {
	ignored, err := readIgnored(fsys)
	if err != nil {
		return nil, err
	}
	b := NewBuilder(o.Limits)
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if name == "." {
			return err
		}
		left := project.Private(name) != "" || slices.ContainsFunc(o.Private, func(p string) bool { return strings.EqualFold(p, name) }) || ignored.has(name, entry.IsDir())
		switch {
		case left && entry.IsDir():
			return fs.SkipDir
		case left:
			return nil
		case errors.Is(err, fs.ErrNotExist): // it went away
			return nil
		case err != nil:
			return fmt.Errorf("%s cannot be read: %w", clip(name), err)
		case entry.IsDir():
			return nil
		}
		return b.addFrom(fsys, name)
	})
	if err != nil {
		return nil, err
	}
	return b.Tree(), nil
}

// addFrom takes a file of a folder.
func (b *Builder) addFrom(fsys fs.FS, name string) error {
	info, err := fs.Stat(fsys, name) // of what a link leads to
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if entry, err := fs.Lstat(fsys, name); err != nil || entry.Mode()&fs.ModeSymlink == 0 {
			return nil // it went away
		}
		return millrace.Errorf(millrace.Invalid, "%s is a symbolic link that leads nowhere: remove it, or name it in %s", clip(name), IgnoreFile)
	case err != nil:
		return millrace.Errorf(millrace.Invalid, "%s cannot be taken into a version, as it cannot be read or is a symbolic link that leads out of the project (%w): put the file itself there, or name it in %s", clip(name), err, IgnoreFile)
	case info.IsDir():
		return millrace.Errorf(millrace.Invalid, "%s is a symbolic link to a folder, and those are not followed: put the folder itself there, or name it in %s", clip(name), IgnoreFile)
	case !info.Mode().IsRegular():
		return millrace.Errorf(millrace.Invalid, "%s is neither a file nor a folder: remove it, or name it in %s", clip(name), IgnoreFile)
	}
	if err := b.fits(name, info.Size()); err != nil { // before it is read
		return err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", clip(name), err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, b.limits.FileBytes+1))
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", clip(name), err)
	}
	return b.Add(name, data, info.Mode().Perm()&0o111 != 0)
}

// ignored are the lines of an IgnoreFile.
type ignored []string

func readIgnored(fsys fs.FS) (ignored, error) {
	f, err := fsys.Open(IgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", IgnoreFile, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIgnoreBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", IgnoreFile, err)
	}
	if len(text) > maxIgnoreBytes {
		return nil, millrace.Errorf(millrace.TooLarge, "%s is larger than 64KiB", IgnoreFile)
	}
	var out ignored
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := path.Match(line, "x"); err != nil || line[0] == '!' || strings.Contains(line, "**") {
			return nil, millrace.Errorf(millrace.Invalid, "%s:%d: %q: write a path, a folder with a / at its end, or a name with * and ?", IgnoreFile, number, clip(line))
		}
		out = append(out, line)
	}
	return out, nil
}

func (i ignored) has(name string, folder bool) bool {
	return slices.ContainsFunc(i, func(line string) bool {
		pattern, foldersOnly := strings.CutSuffix(line, "/")
		if foldersOnly && !folder {
			return false
		}
		against := name
		if !strings.Contains(pattern, "/") {
			against = path.Base(name)
		}
		ok, err := path.Match(strings.TrimPrefix(pattern, "/"), against)
		return err == nil && ok
	})
}
