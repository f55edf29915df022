package history

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

const (
	// maxMarks is how many marks are kept, the newest.
	maxMarks = 10_000
	// maxMarksShown is how many Marks returns, the newest of the range.
	maxMarksShown = 1000
	// maxMarkText is how many bytes of a mark's text are kept.
	maxMarkText = 1000
)

// Mark keeps a mark; without At it is of now. The newest 10,000 are kept.
func (s *Store) Mark(ctx context.Context, m Mark) error {
	if m.Kind == "" {
		return millrace.Errorf(millrace.Invalid, "history: a mark has no kind: use one of MarkStart, MarkStop …")
	}
	if m.At.IsZero() {
		m.At = s.o.Now()
	}
	text := strings.ToValidUTF8(m.Text[:min(len(m.Text), maxMarkText)], "")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.RLock()
	defer s.files.RUnlock()
	if s.write == nil {
		return errClosed
	}
	err := inTx(ctx, s.write, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO mark (at, kind, text, workspace) VALUES (?, ?, ?, ?)", m.At.UnixMilli(), m.Kind, text, m.Workspace); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM mark WHERE id <= (SELECT max(id) FROM mark) - ?", maxMarks)
		return err
	})
	return s.trouble("keeping a mark of the charts", err)
}

// Marks returns the marks from a time until before another, oldest first; of
// more than 1,000 the newest. A zero from is the beginning, a zero until the end.
func (s *Store) Marks(ctx context.Context, from, until time.Time) ([]Mark, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	if s.read == nil {
		return nil, errClosed
	}
	marks, err := s.marks(ctx, from, until)
	return marks, s.trouble("reading the marks of the charts", err)
}

func (s *Store) marks(ctx context.Context, from, until time.Time) ([]Mark, error) {
	least, most := millis(from, -1<<62), millis(until, 1<<62)
	rows, err := s.read.QueryContext(ctx, "SELECT at, kind, text, workspace FROM mark WHERE at >= ? AND at < ? ORDER BY at DESC, id DESC LIMIT ?", least, most, maxMarksShown)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	marks := []Mark{}
	for rows.Next() {
		var m Mark
		var at int64
		if err := rows.Scan(&at, &m.Kind, &m.Text, &m.Workspace); err != nil {
			return nil, err
		}
		m.At = time.UnixMilli(at).UTC()
		marks = append(marks, m)
	}
	slices.Reverse(marks)
	return marks, rows.Err()
}

// millis is a time in the file; otherwise is that of a zero one.
func millis(t time.Time, otherwise int64) int64 {
	if t.IsZero() {
		return otherwise
	}
	return t.UnixMilli()
}
