package archive

import (
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// A Place is the file that has a record.
type Place struct {
	Key       string // of the object in the bucket
	Published bool   // in the folder of its hour; otherwise fresh, until that is published
	Records   int64
	SizeBytes int64
	Modified  time.Time // when the object was stored
}

// Locate says which file holds the record of a workspace and source at a
// position; false when it is not archived yet, or the archive has no such record
// because it is a duplicate. It reads the manifest only: that a file covers the
// position is not that it has the record.
func (a *Archive) Locate(ctx context.Context, workspace, source string, p millrace.Position) (Place, bool, error) {
	for {
		s, err := a.snapshot(ctx)
		if err != nil {
			return Place{}, false, err
		}
		if p.After(s.Through) || !slices.Contains(s.Epochs, p.Epoch) {
			return Place{}, false, nil
		}
		before := beforeFrame(p)
		if p.Index > 0 {
			before = millrace.Position{Epoch: p.Epoch, Seq: p.Seq, Index: p.Index - 1}
		}
		sp, err := a.next(ctx, s, before)
		if err != nil || sp == nil || !p.After(sp.After) {
			return Place{}, false, err
		}
		place, found, err := a.placeIn(ctx, sp, workspace, source)
		if millrace.KindOf(err) == millrace.NotFound && a.moved(ctx, s) {
			continue // published meanwhile
		}
		return place, found, err
	}
}

// placeIn finds the file of a span.
func (a *Archive) placeIn(ctx context.Context, s *span, workspace, source string) (Place, bool, error) {
	for i := range s.Files {
		f := &s.Files[i]
		if !f.mayMatch(eventlog.Filter{Workspace: workspace, Sources: []string{source}}) {
			continue
		}
		key := s.key(f)
		for info, err := range a.opts.Bucket.List(ctx, key) {
			if err != nil {
				return Place{}, false, err
			}
			if info.Key == key {
				return Place{Key: key, Published: !s.Fresh, Records: f.Rows, SizeBytes: f.Bytes, Modified: info.Modified}, true, nil
			}
		}
		return Place{}, false, millrace.Errorf(millrace.NotFound, "%s of the archive is gone: put it back from a backup of the archive", key)
	}
	return Place{}, false, nil
}
