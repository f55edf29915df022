package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
)

var _ serve.VersionedFiles = versionFiles{}

// versionFiles are the files of the version that runs in a space, for the web
// page. Each change is a version. The server's folder is not touched.
type versionFiles struct{ *space }

// running are the files of what runs; none where nothing runs.
func (f versionFiles) running(ctx context.Context) (*tree.Tree, int64, error) {
	now, _, err := f.app.versions.Running(ctx, f.target())
	if err != nil || now.Version == 0 {
		return &tree.Tree{}, 0, err
	}
	files, err := f.app.versions.Tree(ctx, f.tenant(), now.Version)
	return files, now.Version, err
}

// Version is the one that runs.
func (f versionFiles) Version(ctx context.Context) (int64, error) {
	now, _, err := f.app.versions.Running(ctx, f.target())
	return now.Version, err
}

// Files lists them.
func (f versionFiles) Files() (files []project.File, all bool, err error) {
	t, _, err := f.running(context.Background())
	if err != nil {
		return nil, false, err
	}
	for _, one := range t.Files() {
		if len(files) == project.MaxFiles {
			return files, false, nil
		}
		data, _ := t.Read(one.Path)
		files = append(files, project.FileOf(one.Path, data))
	}
	return files, true, nil
}

// Read returns a file and its ETag.
func (f versionFiles) Read(path string) (text []byte, etag string, err error) {
	t, _, err := f.running(context.Background())
	if err != nil {
		return nil, "", err
	}
	data, ok := t.Read(path)
	if !ok {
		if err := project.CheckText(path, nil); err != nil {
			return nil, "", err
		}
		return nil, "", millrace.Errorf(millrace.NotFound, "%.200s: there is no such file in the version that runs", path)
	}
	return data, project.ETagOf(data), project.CheckText(path, data)
}

// editTries is how often an edit is begun again when somebody else was faster.
const editTries = 5

// Edit makes a change a version that runs.
func (f versionFiles) Edit(ctx context.Context, e serve.FileEdit) (etag string, err error) {
	if err := project.CheckText(cmp.Or(e.To, e.Path), e.Text); err != nil {
		return "", err
	}
	f.editing.Lock() // one after another, since each builds on the one before
	defer f.editing.Unlock()
	var stale *release.Stale
	for range editTries {
		etag, err = f.editOnce(ctx, e)
		if !errors.As(err, &stale) {
			break
		}
	}
	return etag, err
}

func (f versionFiles) editOnce(ctx context.Context, e serve.FileEdit) (string, error) {
	before, version, err := f.running(ctx)
	if err != nil {
		return "", err
	}
	now, is := before.Read(e.Path)
	etag := ""
	if is {
		etag = project.ETagOf(now)
	}
	if etag != e.ETag {
		return "", &project.FileConflict{Path: e.Path, Theirs: now, ETag: etag, Yours: e.Text, Base: f.base(ctx, e)}
	}
	changes, what, newETag := map[string][]byte{e.Path: e.Text}, "Edit "+e.Path, project.ETagOf(e.Text)
	switch {
	case e.To != "":
		if _, there := before.Read(e.To); there {
			return "", millrace.Errorf(millrace.Conflict, "%.200s: there is a file of that name already", e.To)
		}
		changes, what, newETag = map[string][]byte{e.Path: nil, e.To: now}, fmt.Sprintf("Rename %s to %s", e.Path, e.To), etag
	case e.Text == nil && e.Path == project.ConfigFile:
		return "", millrace.Errorf(millrace.Forbidden, "%s makes a folder a project: it stays", project.ConfigFile)
	case e.Text == nil:
		what, newETag = "Remove "+e.Path, ""
	case is && bytes.Equal(now, e.Text):
		return etag, nil
	case !is:
		what = "Add " + e.Path
	}
	next, err := before.With(changes, tree.Limits{})
	if err != nil {
		return "", err
	}
	_, err = releases(f).Deploy(ctx, e.Who, release.Proposal{Base: version, Tree: next, Origin: release.FromPage, By: e.By, Message: cmp.Or(e.Message, what)})
	return newETag, err
}

// base is what the file said in the version that was edited; nil when that is
// not known.
func (f versionFiles) base(ctx context.Context, e serve.FileEdit) []byte {
	if e.Version == 0 {
		return nil
	}
	t, err := f.app.versions.Tree(ctx, f.tenant(), e.Version)
	if err != nil {
		return nil
	}
	text, ok := t.Read(e.Path)
	if !ok || project.ETagOf(text) != e.ETag {
		return nil
	}
	return text
}

// Check is what is wrong with the version that runs, with other texts in it.
func (f versionFiles) Check(ctx context.Context, who access.Principal, texts map[string][]byte) []project.Problem {
	t, _, err := f.running(ctx)
	if err != nil {
		return []project.Problem{{File: ".", Message: err.Error()}}
	}
	return f.check(ctx, who, t.FS(), texts)
}

// CheckUses refuses texts as Edit does.
func (f versionFiles) CheckUses(ctx context.Context, who access.Principal, texts map[string][]byte) error {
	t, _, err := f.running(ctx)
	if err != nil {
		return err
	}
	next, err := t.With(texts, tree.Limits{})
	if err != nil {
		return err
	}
	return releases(f).switchFor(who, false).Allow(ctx, t, next)
}

// Known are the resources that there are, and the secrets.
func (f versionFiles) Known(who access.Principal) project.Known { return f.known(who) }

// SchemaFor is the name of a file's schema.
func (f versionFiles) SchemaFor(path string) string { return project.SchemaFor(path, Kinds()) }

// Schemas are those of all files.
func (f versionFiles) Schemas() (map[string][]byte, error) {
	return project.Schemas(Kinds(), project.SourceDocs())
}

// Saved has nothing to do: what is edited runs.
func (f versionFiles) Saved() {}

var errEdit = millrace.Errorf(millrace.Internal, "files of versions are changed by edits")

// Save is Edit's.
func (f versionFiles) Save(string, []byte, string) (string, error) { return "", errEdit }

// Remove is Edit's.
func (f versionFiles) Remove(string, string) error { return errEdit }

// Rename is Edit's.
func (f versionFiles) Rename(string, string, string) error { return errEdit }
