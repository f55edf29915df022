package app

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
)

// clockTolerance is how far the log's time may be ahead of the machine's clock
// before it is told: clocks are corrected by less.
const clockTolerance = 5 * time.Minute

// ahead is how far the log's time is ahead of the machine's clock, more than
// is tolerated; otherwise 0. The log's time is the latest that any of its
// frames was written at, so that it never goes back: after a clock was wrong,
// it stands still until the clock is there again.
func (a *App) ahead(last time.Time) time.Duration {
	if d := last.Sub(a.o.Now()); !last.IsZero() && d > clockTolerance {
		return d
	}
	return 0
}

// clockPart says that the log's time is ahead of the clock.
func clockPart(ahead time.Duration, last time.Time) serve.Part {
	return serve.Part{Name: "clock", Reason: fmt.Sprintf("the log's time is %s ahead of this machine's clock and stands still until that reaches %s: "+
		"until then what comes in is archived under that hour, IDs are known and records kept in the log for longer than they are set to be. Nothing is lost. "+
		"If the clock is wrong now, set it right; if it was wrong before, wait, or put back a backup from before that",
		terminal.Duration(ahead.Round(time.Minute)), last.UTC().Format(time.RFC3339))}
}
