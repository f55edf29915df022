package release

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/tree"
)

// A FolderState is what there is to know when a server looks at the folder that
// it was started with.
type FolderState struct {
	Folder      tree.Hash // of what lies there now
	LastVersion int64     // that last came from the folder, or was the same; 0: none
	LastTree    tree.Hash
	Running     int64 // 0: nothing runs
	RunningTree tree.Hash
	// RunningBy and RunningOrigin are those of the running version, for people.
	RunningBy     string
	RunningOrigin Origin
}

// A FolderStep is what a server does about its folder.
type FolderStep string

// What a server does about its folder.
const (
	FolderSame    FolderStep = "same"    // it is what runs: nothing
	FolderDeploy  FolderStep = "deploy"  // it was edited: deploy it, with Base
	FolderBehind  FolderStep = "behind"  // a version was deployed since, and the folder is as it was
	FolderApart   FolderStep = "apart"   // both: a version was deployed, and the folder was edited
	FolderUnknown FolderStep = "unknown" // it is another one than runs, and nobody knows since when
)

// A FolderDecision is what a server does, and what it says.
type FolderDecision struct {
	Step FolderStep
	Base int64  // of the deployment, with FolderDeploy
	Say  string // for the terminal and the log; "" when there is nothing to say
}

// CompareFolder decides whether the folder on disk becomes a version. The folder
// wins only when nothing was deployed since it last did; otherwise what runs
// goes on, and it is said what to do. It does nothing itself.
func CompareFolder(f FolderState) FolderDecision {
	by := fmt.Sprintf("version %d", f.Running)
	switch {
	case f.RunningOrigin == FromRollback:
		by += ", a rollback"
	case f.RunningOrigin != "" && f.RunningOrigin != FromFolder:
		by += " (" + string(f.RunningOrigin) + ")"
	}
	if f.RunningBy != "" {
		by += " by " + f.RunningBy
	}
	switch {
	case f.Running == 0:
		return FolderDecision{Step: FolderDeploy}
	case f.Folder == f.RunningTree:
		return FolderDecision{Step: FolderSame}
	case f.LastVersion == f.Running, f.LastVersion > 0 && f.LastTree == f.RunningTree:
		return FolderDecision{Step: FolderDeploy, Base: f.Running}
	case f.LastVersion == 0:
		return FolderDecision{Step: FolderUnknown, Say: fmt.Sprintf("the folder is another project than %s, which runs and goes on: bring the folder up to it with `millrace pull`, or take the folder with `millrace deploy`", by)}
	case f.Folder == f.LastTree:
		return FolderDecision{Step: FolderBehind, Say: fmt.Sprintf("%s was deployed since the folder was version %d, and goes on: bring the folder up to it with `millrace pull`", by, f.LastVersion)}
	}
	return FolderDecision{Step: FolderApart, Say: fmt.Sprintf("the folder was edited, and %s was deployed since it was version %d, which goes on: `millrace pull` brings both together, then `millrace deploy`", by, f.LastVersion)}
}

// LookAtFolder decides about a folder whose files these are, and remembers when
// they are what runs.
func (s *Store) LookAtFolder(ctx context.Context, t Target, files *tree.Tree) (FolderDecision, error) {
	type mark struct {
		Version int64
		Tree    tree.Hash
	}
	f := FolderState{Folder: files.Hash()}
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		last, _, err := catalog.Find[mark](ctx, tx, `SELECT version, tree FROM release_folder WHERE workspace = $1 AND environment = $2`, t.Workspace, t.Environment)
		if err != nil {
			return err
		}
		f.LastVersion, f.LastTree = last.Version, last.Tree
		now, found, err := running(ctx, tx, t)
		if err != nil || !found {
			return err
		}
		v, err := version(ctx, tx, t.Workspace, now.Version)
		f.Running, f.RunningTree, f.RunningBy, f.RunningOrigin = v.Number, v.Tree, v.Author.Name, v.Origin
		return err
	})
	if err != nil {
		return FolderDecision{}, err
	}
	d := CompareFolder(f)
	if d.Step == FolderSame && f.LastVersion != f.Running {
		err = s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			now, _, err := running(ctx, tx, t)
			if err != nil || now.Version != f.Running {
				return err
			}
			return markFolder(ctx, tx, t, f.Running, f.RunningTree, s.o.Now())
		})
	}
	return d, err
}

func markFolder(ctx context.Context, tx catalog.Tx, t Target, version int64, hash tree.Hash, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO release_folder (workspace, environment, version, tree, seen) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (workspace, environment) DO UPDATE SET version = $3, tree = $4, seen = $5`, t.Workspace, t.Environment, version, hash, now)
	return err
}
