package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/workspace"
)

// A backup of before a workspace was deleted for good brings it back, but not its
// archive where that is not in the backup: there it is gone, and nothing of it is
// archived any more. What would be taken in for it would be lost when the log is
// trimmed. So nothing is, and nothing can be asked of it, until it is deleted again.

// revived says whether a space was brought back like that.
func (a *App) revived(id string) bool {
	if a.archive == nil || !a.archive.Destroyed(id) {
		return false
	}
	ws, ok := a.workspaces.store.Spaces().Space(id)
	return ok && (ws.State == workspace.Active || ws.State == workspace.Suspended)
}

// gate is the meter, with no way in for spaces that were brought back.
type gate struct {
	*workspace.Meter
	app *App
}

// Admit is what collect.Gate asks.
func (g gate) Admit(space string, at time.Time, events, bytes int) (ok bool, retryAfter time.Duration, reason string) {
	if g.app.revived(space) {
		return false, 4*time.Minute + rand.N(time.Minute), "this workspace was deleted for good after the backup that the server was restored from, and its archive is gone: it takes no events; keep them until whoever runs the server has decided what becomes of them"
	}
	return g.Meter.Admit(space, at, events, bytes)
}

// usable says why nothing can be asked of a space that was brought back.
func (a *App) usable(ws *workspace.Space) error {
	if !a.revived(ws.ID) {
		return nil
	}
	return millrace.Errorf(millrace.Gone, "%s was deleted for good after the backup that this server was restored from, and its archive is gone: nothing of it is taken in or answered; %s", ws.Address(), a.revivedAdvice(ws))
}

func (a *App) revivedAdvice(ws *workspace.Space) string {
	what := "millrace workspace delete " + ws.Name
	if of := a.workspaces.store.Spaces().Of(ws.Workspace); len(of) > 1 && slices.ContainsFunc(of, func(other *workspace.Space) bool { return !a.archive.Destroyed(other.ID) }) {
		what = fmt.Sprintf("millrace environment delete %s --workspace %s", ws.Environment, ws.Name)
	}
	return "delete it again (" + what + "), and import an export into a new one where its records are still needed"
}

// revivedNotices tell of the spaces that were brought back.
func (a *App) revivedNotices() (texts []string) {
	for ws := range a.workspaces.store.Spaces().All() {
		if err := a.usable(ws); err != nil {
			texts = append(texts, err.Error())
		}
	}
	slices.Sort(texts)
	return texts
}
