package app

import (
	"context"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/serve"
)

var _ serve.Duplicates = duplicates{}

// duplicates asks the follower in the API's words, of a space's own records.
type duplicates struct{ *space }

// CountDuplicates counts in the ranges that are the space's: what others have
// sent counts as not judged.
func (d duplicates) CountDuplicates(ctx context.Context, ranges []serve.Range) (judged, count int64, err error) {
	var own []dedup.Range
	for _, r := range ranges {
		mine, err := d.owns(ctx, r)
		if err != nil {
			return 0, 0, err
		}
		if mine {
			own = append(own, dedup.Range{Last: r.Last, Count: int(r.Count)})
		}
	}
	return d.app.follower.CountDuplicates(ctx, own)
}

// owns says whether all records of the range are in the log and the space's. As
// long as there is one space only, all of them are.
func (d duplicates) owns(ctx context.Context, r serve.Range) (bool, error) {
	if d.app.spaces.len() == 1 {
		return true, nil
	}
	if r.Last.Seq == 0 || r.Count > int64(r.Last.Index)+1 {
		return false, nil
	}
	_, end, err := d.app.log.Bounds(ctx)
	if err != nil || r.Last.After(end) {
		return false, err
	}
	frame := millrace.Position{Epoch: r.Last.Epoch, Seq: r.Last.Seq - 1, Index: millrace.EndOfFrame}
	reader, err := d.app.log.Open(ctx, frame, eventlog.Filter{Workspace: d.id})
	if kind := millrace.KindOf(err); kind == millrace.Gone || kind == millrace.Ahead {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer reader.Close()
	first := r.Last
	first.Index -= uint32(r.Count - 1)
	for found := int64(0); ; {
		b, err := reader.Next(ctx)
		if err != nil {
			return false, err
		}
		for _, e := range b.Records {
			if !e.Position.Before(first) && !e.Position.After(r.Last) {
				found++
			}
		}
		if !b.Through.Before(r.Last) {
			return found == r.Count, nil
		}
	}
}
