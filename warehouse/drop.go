package warehouse

import (
	"context"

	"github.com/millrace/millrace"
)

// A Dropper is a Warehouse that can destroy what it holds of one workspace.
type Dropper interface {
	// Drop destroys the tables, checkpoints and logins of a workspace, for ever,
	// with all that the engine keeps of them elsewhere, and ends the queries
	// that run on them. From its beginning everything that is asked of the
	// workspace fails with Gone, in this life of the process. It is safe beside
	// everything else, may be called again, and after a crash it has to be.
	// Unavailable means that the engine is away: what is left is unknown.
	Drop(ctx context.Context, workspace string) error
}

// Dropped is the error of a workspace that was dropped.
func Dropped(workspace string) error {
	return millrace.Errorf(millrace.Gone, "the data of workspace %q was destroyed", workspace)
}
