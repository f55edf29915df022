package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/archive"
)

// archivePatience is how long a new log waits for the archive to say which
// epochs it knows.
const archivePatience = 10 * time.Second

// renewPatience is how long a start waits for archive and warehouse to say how
// far they have read the log.
const renewPatience = time.Second

// renewLog compares the log with what has read it. One that ends before them
// was put back to an earlier state: it goes on in a new epoch, so that its next
// records are not taken for those that they have read already.
func (a *App) renewLog(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	reached := []millrace.Position{a.follower.Through(), {}, {}}
	var asked errgroup.Group
	for i, reader := range []struct {
		name string
		ask  func() (millrace.Position, error)
	}{
		{"archive", func() (millrace.Position, error) { return a.archive.Through(asking) }},
		{"warehouse", func() (millrace.Position, error) { return a.warehouse.Resume(asking, millrace.DefaultWorkspace) }},
	} {
		asked.Go(func() error {
			p, err := reader.ask()
			if err != nil {
				level := slog.LevelWarn
				if asking.Err() != nil { // it takes its time to open
					level = slog.LevelInfo
				}
				a.logger("log").Log(ctx, level, "a reader does not say yet how far it has read the log; the start goes on, and it is asked again when it opens", "reader", reader.name, "error", err)
				return nil
			}
			reached[i+1] = p
			return nil
		})
	}
	if err := asked.Wait(); err != nil {
		return err
	}
	if err := a.log.Renew(reached...); err != nil {
		return err
	}
	_, last, err := a.log.Bounds(ctx)
	a.begins = last
	for _, p := range append(reached, last) {
		a.home.bounded.allow(p)
	}
	return err
}

// knownEpoch is the largest epoch that the archive knows, for a log that is
// about to be made: its own has to be larger, also when the clock was set
// back. An existing log has its epoch already.
func (a *App) knownEpoch(ctx context.Context, logDir string) (uint64, error) {
	if _, err := os.Stat(filepath.Join(logDir, "log.json")); !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, archivePatience)
	defer cancel()
	old, err := archive.Open(ctx, archive.Options{Bucket: a.bucket, Now: a.o.Now})
	if err != nil {
		return 0, err
	}
	through, err := old.Through(ctx)
	if err != nil {
		a.logger("log").Warn("the archive does not say which logs it knows; the new log's epoch is the time", "error", err)
		return 0, nil
	}
	return through.Epoch, nil
}
