package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/archive"
)

// archivePatience is how long a new log waits for the archive to say which
// epochs it knows.
const archivePatience = 10 * time.Second

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
