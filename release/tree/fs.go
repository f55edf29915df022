package tree

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// FS returns the tree as a file system, as project.Load wants it.
func (t *Tree) FS() fs.FS {
	f := memory{tree: t, folders: map[string][]fs.DirEntry{".": nil}}
	for _, file := range t.Files() {
		info := fileInfo{name: path.Base(file.Path), file: file, mode: 0o644}
		if file.Executable {
			info.mode = 0o755
		}
		f.put(path.Dir(file.Path), info)
	}
	for _, entries := range f.folders {
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return f
}

type memory struct {
	tree    *Tree
	folders map[string][]fs.DirEntry
}

func (m memory) put(folder string, info fileInfo) {
	if _, there := m.folders[folder]; !there {
		m.folders[folder] = nil
		m.put(path.Dir(folder), fileInfo{name: path.Base(folder), mode: fs.ModeDir | 0o755})
	}
	m.folders[folder] = append(m.folders[folder], fs.FileInfoToDirEntry(info))
}

// Open opens a file or folder.
func (m memory) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if f, ok := m.tree.File(name); ok {
		info := fileInfo{name: path.Base(name), file: f, mode: 0o644}
		if f.Executable {
			info.mode = 0o755
		}
		return &openFile{bytes.NewReader(m.tree.data[f.Hash]), info}, nil
	}
	if entries, ok := m.folders[name]; ok {
		return &openFolder{fileInfo{name: path.Base(name), mode: fs.ModeDir | 0o755}, entries}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type openFile struct {
	*bytes.Reader
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openFolder struct {
	info fileInfo
	left []fs.DirEntry
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFolder) Close() error               { return nil }
func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fs.ErrInvalid}
}

// ReadDir returns the next entries, by name.
func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.left) {
		n = len(f.left)
	}
	out := slices.Clone(f.left[:n])
	f.left = f.left[n:]
	return out, nil
}

type fileInfo struct {
	name string
	file File
	mode fs.FileMode
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.file.SizeBytes }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }
