package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/merge"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/terminal"
)

// A work is a folder with what is known of its versions on a server.
type work struct {
	dir                    string
	api                    *client.Client
	workspace, environment string // as they were asked for; "": those of the token
	files                  *tree.Tree
	begun                  int64    // the version that the folder began from; 0: none is known
	known                  []pulled // of the workspace
}

// pulled is what a folder remembers, in the file that pulledFile names.
type pulled struct {
	Server      string `json:"server"`
	Workspace   string `json:"workspace,omitempty"`
	Environment string `json:"environment,omitempty"`
	Version     int64  `json:"version"`
}

func pulledFile(dir string) string { return filepath.Join(dir, ".millrace", "versions.json") }

// work is a folder that was not read yet, in what the flags say.
func (p *program) work(dir string, api *client.Client, environment string) *work {
	workspace, own, _ := strings.Cut(cmp.Or(p.workspace, p.getenv("MILLRACE_WORKSPACE")), "@")
	return &work{dir: dir, api: api, workspace: workspace, environment: cmp.Or(environment, own)}
}

// openWork reads a project's folder.
func (p *program) openWork(dir string, api *client.Client, environment string) (*work, error) {
	w := p.work(dir, api, environment)
	if _, err := os.Stat(filepath.Join(dir, project.ConfigFile)); err != nil {
		return nil, millrace.Errorf(millrace.NotFound, "there is no project in %s, since it has no %s: name its folder, make one with millrace init, or get the one of the server with millrace pull", dir, project.ConfigFile)
	}
	return w, w.read(p)
}

// openDecided is openWork for a folder in which nothing is left to be decided of
// what millrace pull put between marks.
func (p *program) openDecided(dir string, api *client.Client, environment string) (*work, error) {
	w, err := p.openWork(dir, api, environment)
	if err != nil {
		return nil, err
	}
	for _, f := range w.files.Files() {
		text, _ := w.files.Read(f.Path)
		if line := merge.FirstMark(text); line > 0 {
			return nil, millrace.Errorf(millrace.Conflict, "%s:%d: millrace pull put your text and that of the version which runs between marks here: decide what is to stand there, and take the marks out", f.Path, line)
		}
	}
	return w, nil
}

func (w *work) read(p *program) (err error) {
	private := []string{project.SecretsFolder}
	if named := p.getenv("MILLRACE_SECRETS_DIR"); named != "" {
		if named, err = filepath.Abs(named); err != nil {
			return err
		}
		private = append(private, named)
	}
	within, err := project.Within(w.dir, private...)
	if err != nil {
		return err
	}
	if w.files, err = tree.FromFolder(w.dir, tree.FolderOptions{Private: within}); err != nil {
		return err
	}
	all, err := w.remembered()
	for _, one := range all {
		if one.Server != w.api.Server() || one.Workspace != w.workspace { // its numbers are others
			continue
		}
		w.known = append(w.known, one)
		if w.is(one) {
			w.begun = one.Version
		}
	}
	return err
}

func (w *work) is(one pulled) bool {
	return one.Server == w.api.Server() && one.Workspace == w.workspace && one.Environment == w.environment
}

func (w *work) remembered() (all []pulled, err error) {
	text, err := os.ReadFile(pulledFile(w.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		err = millrace.Errorf(millrace.Invalid, "%s cannot be read (%w): remove it, and say with --base which version the folder began from", pulledFile(w.dir), err)
	}
	return all, err
}

// remember notes which version the folder has.
func (w *work) remember(version int64) error {
	all, err := w.remembered()
	if err != nil {
		return err
	}
	all = append(slices.DeleteFunc(all, w.is), pulled{w.api.Server(), w.workspace, w.environment, version})
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	file := pulledFile(w.dir)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// base is the version that the folder began from, as the API wants it.
func (w *work) base(ctx context.Context, said string) (string, error) {
	if said != "" {
		return said, nil
	}
	now, err := w.api.Running(ctx)
	switch {
	case err != nil:
		return "", err
	case now.Version == 0:
		return "0", nil
	case now.Release != nil && now.Release.Tree == w.files.Hash():
		return strconv.FormatInt(now.Version, 10), nil
	case w.begun == 0 && slices.ContainsFunc(w.known, func(one pulled) bool { return one.Version == now.Version }):
		return strconv.FormatInt(now.Version, 10), nil // from another environment, in which the same version ran
	case w.begun == 0:
		return "", millrace.Errorf(millrace.Conflict, "version %d runs there, and it is not known from which version this folder began: get it with millrace pull, or say it with --base, such as --base %d if the folder has all that is in that", now.Version, now.Version)
	}
	return strconv.FormatInt(w.begun, 10), nil
}

func (p *program) pullCommand() *cobra.Command {
	environment, base := "", int64(-1)
	c := &cobra.Command{
		Use: "pull [DIR]", GroupID: groupProject, Args: atMostOne("folder", ""), Short: "Bring a folder up to the version that runs on a server",
		Long: `Writes the version that runs into DIR (default: this folder). What was changed
in the folder stays: both are merged, file by file and YAML key by key. Where
both changed the same, the file gets both between marks, for you to decide; then
deploy. Hidden files, secrets and what .millraceignore names are left alone.`,
		Example: "  millrace pull\n  millrace pull shop --env production\n  millrace pull --base 41",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			return p.pull(c.Context(), p.work(folder(args), api, environment), base)
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().Int64Var(&base, "base", -1, "the version that the folder began from, when it is not remembered; 0: none (default: what is remembered)")
	return c
}

func (p *program) pull(ctx context.Context, w *work, base int64) error {
	now, err := w.api.Running(ctx)
	if err != nil {
		return err
	}
	if now.Version == 0 {
		return millrace.Errorf(millrace.NotFound, "no version runs there yet: millrace deploy makes the first")
	}
	// #nosec G301 -- a project is for its team to read, and holds no secrets
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	if err := w.read(p); err != nil {
		return err
	}
	theirs, err := w.api.ReleaseFiles(ctx, now.Version)
	if err != nil {
		return err
	}
	if w.files.Hash() == theirs.Hash() {
		p.screen().Note("The folder is version %d, which runs.", now.Version)
		return w.remember(now.Version)
	}
	if base < 0 {
		base = w.begun
		if base == 0 && len(w.files.Files()) > 0 {
			return millrace.Errorf(millrace.Conflict, "it is not known from which version the files in %s began: say it with --base, or pull into an empty folder and compare", w.dir)
		}
	}
	began, err := w.tree(ctx, base)
	if err != nil {
		return err
	}
	merged, err := merge.Trees(began, w.files, theirs, tree.Limits{})
	if err != nil {
		return err
	}
	return p.write(w, now, merged)
}

// tree are the files of a version; nil when there are none any more.
func (w *work) tree(ctx context.Context, version int64) (*tree.Tree, error) {
	if version == 0 {
		return nil, nil
	}
	files, err := w.api.ReleaseFiles(ctx, version)
	if k := millrace.KindOf(err); err != nil && (k == millrace.Gone || k == millrace.NotFound) {
		return nil, nil
	}
	return files, err
}

// write writes what came of a merge into the folder.
func (p *program) write(w *work, now client.RunningRelease, r *merge.Result) error {
	want := r.Tree()
	decide := 0
	if want == nil {
		decided := map[string][]byte{}
		for _, f := range r.Files {
			if f.How != merge.InConflict {
				continue
			}
			decide++
			if mine, ok := w.files.Read(f.Path); ok {
				decided[f.Path] = mine
			} else {
				decided[f.Path] = nil
			}
			if f.Marked != "" {
				decided[f.Path] = []byte(f.Marked)
			}
		}
		var err error
		if want, err = r.Resolve(decided); err != nil {
			return err
		}
	}
	if err := tree.ToFolder(w.dir, w.files, want); err != nil {
		return err
	}
	if err := w.remember(now.Version); err != nil {
		return err
	}
	return p.showPulled(now, r, decide)
}

func (p *program) showPulled(now client.RunningRelease, r *merge.Result, decide int) error {
	screen := p.screen()
	for _, f := range r.Files {
		text := map[merge.How]string{merge.Theirs: "as in version " + strconv.FormatInt(now.Version, 10), merge.Merged: "has both changes", merge.Ours: "as you changed it",
			merge.InConflict: cmp.Or(map[bool]string{true: "decide between the marks"}[f.Marked != ""], "is as you have it: decide whether it stays")}[f.How]
		if text != "" && !p.quiet {
			fmt.Fprintf(screen.SafeOut(), "%s: %s\n", terminal.Sanitize(f.Path), text)
		}
	}
	if decide > 0 {
		return millrace.Errorf(millrace.Conflict, "%s to be decided by you: mend them, then millrace deploy", terminal.Plural(int64(decide), "file is", "files are"))
	}
	screen.Note("The folder has all of version %d, which runs.", now.Version)
	return nil
}
