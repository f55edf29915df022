// Package tree holds the files of a project as one value that never changes:
// paths, bytes, and whether a file may be run. A tree is named by the SHA-256
// of its list of files, and each file by that of its bytes, so that what is the
// same is kept once. Trees come from a folder, from archives that anyone may
// have made, and from the catalog.
package tree

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

// A Hash is a SHA-256 in 64 hexadecimal digits, in lower case.
type Hash string

// HashOf returns the hash of bytes.
func HashOf(data []byte) Hash {
	sum := sha256.Sum256(data)
	return Hash(hex.EncodeToString(sum[:]))
}

// ParseHash reads one. The error is Invalid.
func ParseHash(s string) (Hash, error) {
	if raw, err := hex.DecodeString(s); err != nil || len(raw) != sha256.Size || strings.ToLower(s) != s {
		return "", millrace.Errorf(millrace.Invalid, "%q is not the hash of a tree: 64 hexadecimal digits", clip(s))
	}
	return Hash(s), nil
}

// Short returns the beginning of a hash, for people.
func (h Hash) Short() string { return string(h[:min(len(h), 12)]) }

// Limits bound a tree. Zero means the default.
type Limits struct {
	FileBytes  int64 // of one file; default 8 MiB
	Files      int   // default 10,000
	TotalBytes int64 // of all files; default 64 MiB
}

// OrDefault fills what is not set.
func (l Limits) OrDefault() Limits {
	l.FileBytes = cmp.Or(l.FileBytes, 8<<20)
	l.Files = cmp.Or(l.Files, 10_000)
	l.TotalBytes = cmp.Or(l.TotalBytes, 64<<20)
	return l
}

// A File is a file of a tree.
type File struct {
	Path       string `json:"path"` // with slashes
	Hash       Hash   `json:"hash"` // of its bytes
	SizeBytes  int64  `json:"size"`
	Executable bool   `json:"executable,omitempty"`
}

// A Tree is the files of a project at one moment. It does not change, and is
// safe for concurrent use. The zero Tree, and nil, have no files.
type Tree struct {
	files []File // by path
	data  map[Hash][]byte
	hash  Hash
	size  int64
}

// A Builder makes a tree of files, refusing what no project may have. It is not
// safe for concurrent use.
type Builder struct {
	limits Limits
	places *places
	tree   *Tree
}

// NewBuilder returns an empty one.
func NewBuilder(limits Limits) *Builder {
	return &Builder{limits: limits.OrDefault(), places: newPlaces(), tree: &Tree{data: map[Hash][]byte{}}}
}

// Add puts a file in. It keeps data, which is not to be changed any more. The
// error is Invalid or TooLarge.
func (b *Builder) Add(path string, data []byte, executable bool) error {
	if err := b.fits(path, int64(len(data))); err != nil {
		return err
	}
	if err := CheckPath(path); err != nil {
		return err
	}
	if err := b.places.take(path); err != nil {
		return err
	}
	h := HashOf(data)
	b.tree.data[h] = data
	b.tree.files = append(b.tree.files, File{Path: path, Hash: h, SizeBytes: int64(len(data)), Executable: executable})
	b.tree.size += int64(len(data))
	return nil
}

// fits refuses a file that is too large, or one too many.
func (b *Builder) fits(path string, size int64) error {
	l := b.limits
	switch {
	case size > l.FileBytes:
		return millrace.Errorf(millrace.TooLarge, "%s is larger than %s, the most that a file of a version may have: keep data out of the project's folder, or name it in %s",
			clip(path), unit.Bytes(l.FileBytes), IgnoreFile)
	case len(b.tree.files) >= l.Files:
		return millrace.Errorf(millrace.TooLarge, "more than %d files, the most that a version may have: keep what is not the project's out of its folder, or name it in %s", l.Files, IgnoreFile)
	case b.tree.size+size > l.TotalBytes:
		return millrace.Errorf(millrace.TooLarge, "the files are larger than %s together, the most that a version may have: keep data out of the project's folder, or name it in %s",
			unit.Bytes(l.TotalBytes), IgnoreFile)
	}
	return nil
}

// Tree returns what was added. The Builder is not to be used any more.
func (b *Builder) Tree() *Tree {
	t := b.tree
	slices.SortFunc(t.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	t.hash = HashOf(t.Manifest())
	return t
}

// Of makes a tree of texts by path, none of them to be run.
func Of(texts map[string]string) (*Tree, error) {
	b := NewBuilder(Limits{})
	for path, text := range texts {
		if err := b.Add(path, []byte(text), false); err != nil {
			return nil, err
		}
	}
	return b.Tree(), nil
}

// Hash names the tree: two with the same hash have the same files.
func (t *Tree) Hash() Hash {
	if t == nil || t.hash == "" {
		return HashOf((*Tree)(nil).Manifest())
	}
	return t.hash
}

// Files returns the files by path, not to be changed.
func (t *Tree) Files() []File {
	if t == nil {
		return nil
	}
	return t.files
}

// SizeBytes is that of all files together.
func (t *Tree) SizeBytes() int64 {
	if t == nil {
		return 0
	}
	return t.size
}

// File returns a file by its path.
func (t *Tree) File(path string) (File, bool) {
	files := t.Files()
	i, ok := slices.BinarySearchFunc(files, path, func(f File, path string) int { return strings.Compare(f.Path, path) })
	if !ok {
		return File{}, false
	}
	return files[i], true
}

// Read returns the bytes of a file, not to be changed; nil and false when there
// is none.
func (t *Tree) Read(path string) ([]byte, bool) {
	f, ok := t.File(path)
	if !ok {
		return nil, false
	}
	return t.data[f.Hash], true
}

// Blob returns bytes by their hash.
func (t *Tree) Blob(h Hash) ([]byte, bool) {
	if t == nil {
		return nil, false
	}
	data, ok := t.data[h]
	return data, ok
}

// With returns the tree with other bytes at some paths; nil takes a file away.
// Files keep whether they may be run; new ones may not.
func (t *Tree) With(changes map[string][]byte, limits Limits) (*Tree, error) {
	b := NewBuilder(limits)
	for _, f := range t.Files() {
		data, changed := changes[f.Path]
		if !changed {
			data = t.data[f.Hash]
		}
		if changed && data == nil {
			continue
		}
		if err := b.Add(f.Path, data, f.Executable); err != nil {
			return nil, err
		}
	}
	for path, data := range changes {
		if _, there := t.File(path); there || data == nil {
			continue
		}
		if err := b.Add(path, data, false); err != nil {
			return nil, err
		}
	}
	return b.Tree(), nil
}

// manifestHead is the first line of a manifest; its number is the format's.
const manifestHead = "millrace tree 1\n"

// Manifest returns the list of files whose hash names the tree: a line for each
// with its hash, size, x or -, and path.
func (t *Tree) Manifest() []byte {
	var b bytes.Buffer
	b.WriteString(manifestHead)
	for _, f := range t.Files() {
		run := "-"
		if f.Executable {
			run = "x"
		}
		fmt.Fprintf(&b, "%s %d %s %s\n", f.Hash, f.SizeBytes, run, f.Path)
	}
	return b.Bytes()
}

// ReadManifest returns the files of a manifest, without their bytes.
func ReadManifest(manifest []byte) ([]File, error) {
	damaged := func(what string) ([]File, error) {
		return nil, millrace.Errorf(millrace.Internal, "the list of a version's files is damaged: %s", what)
	}
	text, ok := strings.CutPrefix(string(manifest), manifestHead)
	if !ok {
		return damaged("it does not begin as such a list")
	}
	var files []File
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		parts := strings.SplitN(line, " ", 4)
		if !ended || len(parts) != 4 || parts[2] != "-" && parts[2] != "x" {
			return damaged("a line is not whole")
		}
		h, err := ParseHash(parts[0])
		size, errSize := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || errSize != nil || size < 0 || CheckPath(parts[3]) != nil {
			return damaged("a line is not right")
		}
		files = append(files, File{Path: parts[3], Hash: h, SizeBytes: size, Executable: parts[2] == "x"})
	}
	return files, nil
}

// Join makes the tree of a manifest and its bytes, and refuses bytes that are
// not what the manifest says.
func Join(manifest []byte, blob func(Hash) ([]byte, error)) (*Tree, error) {
	files, err := ReadManifest(manifest)
	if err != nil {
		return nil, err
	}
	t := &Tree{files: files, data: make(map[Hash][]byte, len(files)), hash: HashOf(manifest)}
	for i, f := range files {
		if i > 0 && files[i-1].Path >= f.Path {
			return nil, millrace.Errorf(millrace.Internal, "the list of a version's files is damaged: it is not in order")
		}
		t.size += f.SizeBytes
		if _, have := t.data[f.Hash]; have {
			continue
		}
		data, err := blob(f.Hash)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if HashOf(data) != f.Hash || int64(len(data)) != f.SizeBytes {
			return nil, millrace.Errorf(millrace.Internal, "%s of a version is damaged: its bytes are not those that were stored", f.Path)
		}
		t.data[f.Hash] = data
	}
	return t, nil
}
