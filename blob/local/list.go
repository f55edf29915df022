package local

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"sort"
	"strings"
	"syscall"

	"github.com/millrace/millrace/blob"
)

// List walks only the folders that can hold keys with the prefix.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		w := walker{b: b, ctx: ctx, prefix: prefix, yield: yield}
		w.walk(".", "")
	}
}

type walker struct {
	b      *Bucket
	ctx    context.Context
	prefix string
	yield  func(blob.Info, error) bool
}

// A child is an entry of a folder under the name it has in keys: folders end
// with a slash, so that children sort as the keys below them do.
type child struct {
	key   string
	entry fs.DirEntry
}

// walk lists the folder dir, whose keys begin with base, and says whether to go on.
func (w *walker) walk(dir, base string) bool {
	if err := w.ctx.Err(); err != nil {
		w.yield(blob.Info{}, w.b.explainKey("list", w.prefix, err))
		return false
	}
	entries, err := w.b.readDir(dir)
	if err != nil {
		w.yield(blob.Info{}, explain("list", path.Join(w.b.dir, dir), err))
		return false
	}
	for _, c := range w.children(base, entries) {
		if strings.HasSuffix(c.key, "/") {
			if !w.walk(path.Join(dir, c.entry.Name()), c.key) {
				return false
			}
			continue
		}
		info, err := c.entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			w.yield(blob.Info{}, w.b.explainKey("list", c.key, err))
			return false
		}
		if !w.yield(blob.Info{Key: c.key, SizeBytes: info.Size(), Modified: info.ModTime()}, nil) {
			return false
		}
	}
	return true
}

func (w *walker) children(base string, entries []fs.DirEntry) []child {
	var out []child
	for _, e := range entries {
		part, ok := unescapePart(e.Name())
		if !ok {
			continue
		}
		key := base + part
		switch {
		case e.IsDir():
			key += "/"
			if !strings.HasPrefix(key, w.prefix) && !strings.HasPrefix(w.prefix, key) {
				continue
			}
		case !e.Type().IsRegular() || !strings.HasPrefix(key, w.prefix):
			continue
		}
		out = append(out, child{key: key, entry: e})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].key < out[j].key })
	return out
}

// readDir returns the entries of a folder, none if it is not there.
func (b *Bucket) readDir(dir string) ([]fs.DirEntry, error) {
	f, err := b.root.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}
