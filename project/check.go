package project

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Check says what is wrong with a project as it would be with other texts in
// place of some of its files, by path; a nil one is a file that is removed. It
// finds what Load finds, and nothing when there is no mistake.
func Check(fsys fs.FS, texts map[string][]byte, kinds Kinds, options Options) Problems {
	_, err := Load(overlay{fsys, texts}, kinds, options)
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		problems = Problems{{File: ".", Message: err.Error()}}
	}
	return problems
}

// An overlay is a file system with other texts in place of some files.
type overlay struct {
	fs.FS
	texts map[string][]byte
}

// Open opens a text, or what the file system has.
func (o overlay) Open(name string) (fs.File, error) {
	text, ok := o.texts[name]
	switch {
	case !ok:
		return o.FS.Open(name)
	case text == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &overlaid{bytes.NewReader(text), textInfo{name: path.Base(name), size: int64(len(text))}}, nil
}

// ReadDir lists a folder with the texts in it.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	added := map[string]textInfo{}
	for file, text := range o.texts {
		rest, within := strings.CutPrefix(file, name+"/")
		if name == "." {
			rest, within = file, true
		}
		if !within || !fs.ValidPath(file) {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		switch {
		case text == nil && !deeper:
			entries = slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool { return e.Name() == first })
		case text != nil:
			added[first] = textInfo{first, int64(len(text)), deeper}
		}
	}
	if err != nil && (len(added) == 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for _, e := range entries {
		delete(added, e.Name())
	}
	for _, info := range added {
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

type overlaid struct {
	*bytes.Reader
	info textInfo
}

func (f *overlaid) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *overlaid) Close() error               { return nil }

type textInfo struct {
	name   string
	size   int64
	folder bool
}

func (i textInfo) Name() string       { return i.name }
func (i textInfo) Size() int64        { return i.size }
func (i textInfo) ModTime() time.Time { return time.Time{} }
func (i textInfo) IsDir() bool        { return i.folder }
func (i textInfo) Sys() any           { return nil }
func (i textInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
