package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/millrace/millrace"
)

// LabelWorkspace is the label that says of which workspace a series is.
const LabelWorkspace = "workspace"

// Purge destroys the series that have all of these labels, with their points,
// and the marks of that workspace when LabelWorkspace is among them. Then the
// file is written anew, so that no page of it, nor its write-ahead file, holds
// anything of them; a damaged file that was moved aside is removed. Until it is
// done nothing else is read or recorded: about a second for 100 MB. It may be
// called again, also after a crash in the middle of it; series that are sampled
// afterwards come back. The error is Invalid without labels.
func (s *Store) Purge(ctx context.Context, labels map[string]string) error {
	if len(labels) == 0 {
		return millrace.Errorf(millrace.Invalid, "history: purging needs a label: without one it would be everything")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.damaged.Load() != nil {
		if err := s.moveAside(); err != nil {
			return err
		}
	}
	s.files.Lock() // nobody reads: pages that are in use cannot be overwritten
	defer s.files.Unlock()
	if s.write == nil {
		return errClosed
	}
	if err := s.purge(ctx, labels); err != nil {
		return s.trouble("purging the charts", err)
	}
	for _, end := range []string{"", "-wal"} {
		if err := os.Remove(s.o.File + ".damaged" + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			return millrace.Errorf(millrace.Internal, "removing the damaged history file that was moved aside: %w", err)
		}
	}
	return nil
}

// purge needs mu and files held.
func (s *Store) purge(ctx context.Context, labels map[string]string) error {
	var ids []int64
	all, err := loadSeries(ctx, s.write)
	if err != nil {
		return err
	}
	for id, one := range all {
		if has(one.labels, labels) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if _, err := s.write.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	if err := inTx(ctx, s.write, func(tx *sql.Tx) error { return remove(ctx, tx, ids, labels[LabelWorkspace]) }); err != nil {
		return err
	}
	for key, one := range s.series {
		if has(one.labels, labels) {
			delete(s.series, key)
		}
	}
	// What was deleted is zeros now. The rest of what pages no longer need, such
	// as halves of pages that were split, goes with the old file.
	for _, step := range []string{"PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		var busy, log, moved sql.NullInt64
		err := s.write.QueryRowContext(ctx, step).Scan(&busy, &log, &moved)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%s: %w", step, err)
		}
		if busy.Int64 != 0 {
			return millrace.Errorf(millrace.Unavailable, "the history file is read by another program: close that, and purge again")
		}
	}
	return nil
}

// has says whether all of some labels are among others.
func has(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// remove deletes series with their points, ids in order, and marks.
func remove(ctx context.Context, tx *sql.Tx, ids []int64, workspace string) error {
	if workspace != "" {
		if _, err := tx.ExecContext(ctx, "DELETE FROM mark WHERE workspace = ?", workspace); err != nil {
			return err
		}
	}
	for _, id := range ids {
		for _, statement := range []string{"DELETE FROM series WHERE id = ?", "DELETE FROM chunk WHERE series = ?", "DELETE FROM gone WHERE series = ?"} {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return removeFromRounds(ctx, tx, ids)
}

// removeFromRounds leaves out of rounds that are not packed yet what they have
// of some series.
func removeFromRounds(ctx context.Context, tx *sql.Tx, ids []int64) error {
	rows, err := tx.QueryContext(ctx, "SELECT seq, data FROM round")
	if err != nil {
		return err
	}
	defer rows.Close()
	changed := map[int64][]byte{}
	for rows.Next() {
		var seq int64
		var data sql.RawBytes
		if err := rows.Scan(&seq, &data); err != nil {
			return err
		}
		var kept []entry
		left := false
		err := decodeRound(data, func(e entry) {
			if _, ok := slices.BinarySearch(ids, e.id); ok {
				left = true
			} else {
				kept = append(kept, e)
			}
		})
		if err != nil {
			return err
		}
		if left {
			changed[seq] = appendRound(nil, kept)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for seq, data := range changed {
		if _, err := tx.ExecContext(ctx, "UPDATE round SET data = ? WHERE seq = ?", data, seq); err != nil {
			return err
		}
	}
	return nil
}
