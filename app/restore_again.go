package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/tree"
)

// An unfinished is what a data folder says of its restore as long as that is not
// finished. By it the next restore knows what of the catalog and of the project's
// folder, which lie elsewhere, this one has put there, and may be put there anew.
type unfinished struct {
	RestoredFolder
	Mark    string               `json:"mark"`              // in the catalog, see catalog.Catalog.Restore
	Project string               `json:"project,omitempty"` // the folder, once files are written to it
	Files   map[string]tree.Hash `json:"files,omitempty"`   // those, by their path in it
}

// readUnfinished returns what a folder says of a restore that has not finished; nil
// when there is none.
func readUnfinished(dir string) (*unfinished, error) {
	text, err := os.ReadFile(filepath.Join(dir, restoringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u unfinished
	if json.Unmarshal(text, &u) != nil {
		return &unfinished{}, nil // it is cut off, and says enough by being there
	}
	return &u, nil
}

// lookAtProject refuses a folder for the project's files that has anything else
// than what the restore before this one wrote.
func (r *restore) lookAtProject(before *unfinished) error {
	if r.o.Project == "" {
		return nil
	}
	dir, data, err := r.folders()
	if err != nil {
		return err
	}
	ours := map[string]tree.Hash{}
	if before != nil && before.Project == dir {
		ours = before.Files
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case path == data:
			return fs.SkipDir // it has been looked at
		case d.IsDir():
			below := name + string(filepath.Separator)
			if name == "." || strings.HasPrefix(data, path+string(filepath.Separator)) || hasBelow(ours, below) {
				return nil
			}
		case d.Type().IsRegular():
			if len(ours) > 0 && tree.Unfinished(d.Name()) {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil || ours[filepath.ToSlash(name)] == tree.HashOf(content) {
				return err
			}
		}
		return millrace.Errorf(millrace.Conflict, "%s is not empty (%s is in it): name a folder that is empty or not there", r.o.Project, name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func hasBelow(files map[string]tree.Hash, folder string) bool {
	for name := range files {
		if strings.HasPrefix(filepath.FromSlash(name), folder) {
			return true
		}
	}
	return false
}

// folders are those of the project and of the data, from the root.
func (r *restore) folders() (project, data string, err error) {
	project, err = wholePath(r.o.Project)
	if err == nil {
		data, err = wholePath(r.o.Data)
	}
	return project, data, err
}

// wholePath is a path from the root, and where its links lead if it is there.
func wholePath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to, nil
	}
	return path, nil
}

// writeProject writes the project's files, and before them which ones they are.
// What a restore before this one has left of others is removed.
func (r *restore) writeProject() error {
	if r.files == nil {
		return nil
	}
	dir, data, err := r.folders()
	if err != nil {
		return err
	}
	if r.mark.Project == dir {
		if err := removeFiles(dir, data, r.mark.Files); err != nil {
			return err
		}
	}
	r.mark.Project, r.mark.Files = dir, map[string]tree.Hash{}
	for _, f := range r.files.Files() {
		r.mark.Files[f.Path] = f.Hash
	}
	if err := r.note(restoringFile, r.mark); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return tree.ToFolder(dir, tree.NewBuilder(tree.Limits{}).Tree(), r.files)
}

// removeFiles removes files of a folder that are as they were written, and those
// that were not finished.
func removeFiles(dir, but string, files map[string]tree.Hash) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == but:
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		hash, ours := files[filepath.ToSlash(name)]
		if ours {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			ours = tree.HashOf(content) == hash
		}
		if ours || tree.Unfinished(d.Name()) {
			return os.Remove(path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// catalogMark is what is left in a catalog that lies elsewhere. One in the data
// folder goes with it.
func (r *restore) catalogMark() string {
	if r.o.Catalog == "" {
		return ""
	}
	return r.mark.Mark
}

// unmark ends the restore in a catalog that lies elsewhere.
func (r *restore) unmark(ctx context.Context) {
	if err := catalog.Unmark(ctx, r.catalog, r.mark.Mark); err != nil {
		r.o.Logger.Warn("the mark of the restore stays in the catalog, where it does nothing", "error", fmt.Errorf("removing it: %w", err))
	}
}
