package sqlite

import (
	"context"

	"github.com/millrace/millrace"
)

// Scrub empties the write-ahead file, so that nothing is left on disk of what was
// deleted: in the file itself deleted rows are overwritten. Unavailable says that
// a long transaction reads at this moment.
func (c *Catalog) Scrub(ctx context.Context) error {
	on, err := c.take(ctx, c.writer)
	if err != nil {
		return err
	}
	defer func() { c.writer <- on }()
	busy, err := on.number(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return c.explain("empty the write-ahead file", err)
	}
	if busy != 0 {
		return millrace.Errorf(millrace.Unavailable, "the write-ahead file of the catalog cannot be emptied while others read: try again")
	}
	return nil
}
