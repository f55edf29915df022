package serve

import (
	"context"
	"errors"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/merge"
)

// VersionedFiles are files of which each change is a version that runs.
type VersionedFiles interface {
	ProjectFiles
	// Edit makes a change a version. What who asks may not deploy it refuses, as
	// Releases.Deploy does. The error is a *project.FileConflict when the
	// file is another one by now, and project.Problems when the project would have
	// mistakes: then nothing is changed.
	Edit(ctx context.Context, e FileEdit) (newETag string, err error)
	// Version is the number of the version whose files these are.
	Version(ctx context.Context) (int64, error)
}

// A FileEdit is a change of one file: new text, another path, or neither, which
// removes it.
type FileEdit struct {
	Path string
	To   string // the new path
	Text []byte // nil: none
	ETag string // of the file as it was seen; "" for a new one
	// Version is the one that was seen, for merging what others did since; 0: not known.
	Version int64
	By      release.By
	Who     access.Principal // asks
	Message string           // "" says what was changed
}

// An EditNote is what someone says about a change that they make.
type EditNote struct {
	Message string `json:"message,omitempty" query:"message" maxLength:"2000" example:"Orders have a total" doc:"Why; where changes are versions."`
	Version int64  `json:"version,omitempty" query:"version" minimum:"0" doc:"The version whose file was changed, as reading it said: with it, a conflict comes with both sides merged."`
}

// edit makes a change where changes are versions; false where they are not.
func (s *server) edit(ctx context.Context, e FileEdit, note EditNote) (etag string, done bool, err error) {
	files, ok := s.space(ctx).Files.(VersionedFiles)
	if !ok {
		return "", false, nil
	}
	sp := s.space(ctx)
	if err := principal(ctx).Allow(access.ReleaseDeploy, sp.Workspace, sp.ID); err != nil {
		return "", true, err
	}
	e.By, e.Who, e.Message, e.Version = s.by(ctx), principal(ctx), note.Message, note.Version
	etag, err = files.Edit(ctx, e)
	return etag, true, err
}

// saveFile saves a file. before is the text that was changed, for merging it with
// what others did since; nil: it is not known.
func (s *server) saveFile(ctx context.Context, path string, text, before []byte, etag string, note EditNote) (string, error) {
	if text == nil {
		text = []byte{}
	}
	newETag, done, err := s.edit(ctx, FileEdit{Path: path, Text: text, ETag: etag}, note)
	if !done {
		files := s.space(ctx).Files
		if err := files.CheckUses(ctx, principal(ctx), map[string][]byte{path: text}); err != nil {
			return "", err
		}
		newETag, err = files.Save(path, text, etag)
	}
	var conflict *project.FileConflict
	if errors.As(err, &conflict) && conflict.Base == nil && before != nil && project.ETagOf(before) == etag {
		conflict.Base = before
	}
	return newETag, fileError(ctx, err)
}

func (s *server) removeFile(ctx context.Context, path, etag string, note EditNote) error {
	_, done, err := s.edit(ctx, FileEdit{Path: path, ETag: etag}, note)
	if !done {
		err = s.space(ctx).Files.Remove(path, etag)
	}
	return fileError(ctx, err)
}

func (s *server) renameFile(ctx context.Context, from, to, etag string, note EditNote) error {
	_, done, err := s.edit(ctx, FileEdit{Path: from, To: to, ETag: etag}, note)
	if !done {
		err = s.renameSaved(ctx, from, to, etag)
	}
	return fileError(ctx, err)
}

// renameSaved renames a file where saved files are served: the very text that was
// asked about, since one of that etag says nothing else.
func (s *server) renameSaved(ctx context.Context, from, to, etag string) error {
	files := s.space(ctx).Files
	text, now, err := files.Read(from)
	switch {
	case err != nil:
		return err
	case now != etag:
		return &project.FileConflict{Path: from, Theirs: text, ETag: now}
	}
	if err := files.CheckUses(ctx, principal(ctx), map[string][]byte{from: nil, to: text}); err != nil {
		return err
	}
	return files.Rename(from, to, etag)
}

// versionOf is the version that files are shown of; 0 where they are a folder's.
func (s *server) versionOf(ctx context.Context) int64 {
	files, ok := s.space(ctx).Files.(VersionedFiles)
	if !ok {
		return 0
	}
	v, err := files.Version(ctx)
	if err != nil {
		s.o.Logger.Warn("the catalog does not say which version runs", "error", err)
	}
	return v
}

// fileError adds to a conflict what the file says now, and both sides merged where
// it is known what both began from.
func fileError(ctx context.Context, err error) error {
	var conflict *project.FileConflict
	if !errors.As(err, &conflict) {
		return releaseError(ctx, err)
	}
	p := problemOf(ctx, err)
	p.Conflict = &FileConflict{Path: conflict.Path, Text: string(conflict.Theirs), ETag: conflict.ETag}
	if conflict.Base != nil && conflict.Yours != nil && conflict.ETag != "" {
		merged, conflicts := merge.Text(conflict.Path, string(conflict.Base), string(conflict.Yours), string(conflict.Theirs))
		p.Conflict.Conflicts = conflicts
		if len(conflicts) == 0 {
			p.Conflict.Merged = &merged
		} else {
			p.Conflict.Marked = merge.Marked(string(conflict.Base), string(conflict.Yours), string(conflict.Theirs))
		}
	}
	return p
}
