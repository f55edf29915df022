package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/tree"
)

// A folderNotice is what there is to say about the folder that a server was
// started with and what runs.
type folderNotice struct {
	mu   sync.Mutex
	text string
}

func (n *folderNotice) set(text string) (changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed = n.text != text
	n.text = text
	return changed
}

func (n *folderNotice) get() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}

// folderTree are the files of the folder that the server was started with.
func (a *App) folderTree() (*tree.Tree, error) {
	private := append([]string{a.dataWithin(), secretsFolder(a.o.Dir)}, a.o.Private...)
	within, err := project.Within(a.o.Dir, private...)
	if err != nil {
		return nil, err
	}
	return tree.FromFolder(a.o.Dir, tree.FolderOptions{Private: within})
}

// takeFolder makes the folder a version when it was edited since it last was
// one and nothing else was deployed; otherwise what runs goes on, and it is said.
// settled is why what runs cannot be taken up: then the folder is the way out.
func (a *App) takeFolder(ctx context.Context, settled error) error {
	_, runs, err := a.versions.Running(ctx, a.home.target())
	if err != nil {
		return errors.Join(settled, err)
	}
	deployed, err := a.deployFolder(ctx)
	switch {
	case deployed:
		return nil
	case settled != nil:
		return fmt.Errorf("%w: mend what it says outside of the version, such as a secret that is missing, or the folder if that is what was deployed last", errors.Join(settled, err))
	case err != nil && !runs:
		return err
	case err != nil:
		a.tellFolder("the folder was not made a version, and what runs goes on: " + err.Error())
	}
	return nil
}

// deployFolder compares the folder with what runs, and makes it a version if it
// is to be one.
func (a *App) deployFolder(ctx context.Context) (deployed bool, err error) {
	files, err := a.folderTree()
	if err != nil {
		return false, err
	}
	decision, err := a.versions.LookAtFolder(ctx, a.home.target(), files)
	if err != nil || decision.Step != release.FolderDeploy {
		a.tellFolder(decision.Say)
		return false, err
	}
	if _, err := project.Load(files.FS(), Kinds(), a.home.projectOptions()); err != nil {
		return false, err
	}
	w := a.home.switchTo()
	w.Allow = func(context.Context, *tree.Tree, *tree.Tree) error { return nil } // who runs the server wrote it
	d, err := a.versions.Deploy(ctx, release.Proposal{
		Target: a.home.target(), Base: decision.Base, Tree: files, Origin: release.FromFolder, By: system(), Message: "The folder when the server was started",
	}, w)
	if err == nil {
		fmt.Fprintf(a.o.Stdout, "the folder is version %d\n", d.Version)
		a.tellFolder("")
	}
	return err == nil, err
}

// tellFolder says what there is to say about the folder, once, and keeps it for
// status.
func (a *App) tellFolder(text string) {
	if a.folder.set(text) && text != "" {
		fmt.Fprintln(a.o.Stdout, text)
		a.logger("release").Warn("the folder is not what runs", "folder", filepath.Clean(a.o.Dir), "says", text)
	}
}

// folderLook is how often the folder is compared with what runs.
const folderLook = time.Minute

// pruneEvery is how often the files of versions that nobody needs are removed.
const pruneEvery = 24 * time.Hour

// tendVersions compares the folder with what runs now and then, until ctx ends:
// somebody may have brought it up to that, or edited it. Once a day it removes
// the files of versions that nobody needs.
func (a *App) tendVersions(ctx context.Context) error {
	pruned := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(folderLook):
		}
		if a.home.versioned() {
			a.compareFolder(ctx)
		}
		if time.Since(pruned) >= pruneEvery {
			pruned = time.Now()
			a.pruneVersions(ctx)
		}
	}
}

func (a *App) pruneVersions(ctx context.Context) {
	done := map[string]bool{}
	for ws := range a.workspaces.store.Spaces().All() {
		if done[ws.Workspace] {
			continue
		}
		done[ws.Workspace] = true
		trees, files, err := a.versions.Prune(ctx, ws.Workspace, release.PruneOptions{})
		switch {
		case err != nil && ctx.Err() == nil:
			a.logger("release").Warn("files of old versions could not be removed; it is tried again in a day", "workspace", ws.Workspace, "error", err)
		case trees > 0:
			a.logger("release").Info("files of old versions were removed", "workspace", ws.Workspace, "versions", trees, "files", files)
		}
	}
}

// compareFolder tells how the folder and what runs differ by now.
func (a *App) compareFolder(ctx context.Context) {
	files, err := a.folderTree()
	if err != nil {
		a.logger("release").Debug("the folder cannot be compared with what runs", "error", err)
		return
	}
	decision, err := a.versions.LookAtFolder(ctx, a.home.target(), files)
	switch {
	case err != nil:
		if millrace.KindOf(err) != millrace.Canceled {
			a.logger("release").Debug("the folder cannot be compared with what runs", "error", err)
		}
	case decision.Step == release.FolderDeploy:
		a.tellFolder("the folder was edited: it becomes a version with `millrace deploy`, or when the server is started again")
	default:
		a.tellFolder(decision.Say)
	}
}

// switched tells that another version runs in a space.
func (sp *space) switched(d release.Deploy) {
	a := sp.app
	if sp != a.home {
		return
	}
	text := fmt.Sprintf("version %d runs", d.Version)
	if d.Author.Name != "" {
		text += ", by " + d.Author.Name
	}
	fmt.Fprintln(a.o.Stdout, text)
	a.mark(history.MarkReload, text)
	a.compareFolder(context.Background())
}
