package eventlog

import (
	"context"
	"slices"

	"github.com/millrace/millrace"
)

// Distinct returns a Reader of what r reads, without the duplicates. Each batch
// waits until the verdicts of its records are durable, so what a reader has
// seen once it will see again in every replay. Closing it closes r. After an
// error of ctx it goes on where it was; Gone means that the log and its
// verdicts were trimmed under the reader.
func Distinct(r Reader, v Verdicts) Reader {
	return &distinct{reader: r, verdicts: v}
}

// DistinctOpener returns an Opener whose readers are made distinct by v.
func DistinctOpener(o Opener, v Verdicts) Opener {
	return distinctOpener{o, v}
}

type distinctOpener struct {
	opener   Opener
	verdicts Verdicts
}

func (o distinctOpener) Open(ctx context.Context, after millrace.Position, f Filter) (Reader, error) {
	r, err := o.opener.Open(ctx, after, f)
	if err != nil {
		return nil, err
	}
	return Distinct(r, o.verdicts), nil
}

type distinct struct {
	reader   Reader
	verdicts Verdicts
	// pending is a batch that was read but not judged when ctx ended.
	pending *Batch
}

func (d *distinct) Next(ctx context.Context) (Batch, error) {
	if d.pending == nil {
		b, err := d.reader.Next(ctx)
		if err != nil {
			return Batch{}, err
		}
		d.pending = &b
	}
	b := *d.pending
	if n := len(b.Records); n > 0 {
		last := b.Records[n-1].Position
		if err := d.verdicts.Wait(ctx, last); err != nil {
			return Batch{}, err
		}
		dups, err := d.verdicts.Duplicates(ctx, before(b.Records[0].Position), last)
		if err != nil {
			return Batch{}, err
		}
		b.Records = without(b.Records, dups)
	}
	d.pending = nil
	return b, nil
}

func (d *distinct) Close() error { return d.reader.Close() }

// without removes the entries at the positions in dups; both are in order.
func without(entries []Entry, dups []millrace.Position) []Entry {
	if len(dups) == 0 {
		return entries
	}
	return slices.DeleteFunc(entries, func(e Entry) bool {
		for len(dups) > 0 && dups[0].Before(e.Position) {
			dups = dups[1:]
		}
		return len(dups) > 0 && dups[0] == e.Position
	})
}

// before returns the last position before p.
func before(p millrace.Position) millrace.Position {
	switch {
	case p.Index > 0:
		p.Index--
	case p.Seq > 0:
		p.Seq--
		p.Index = millrace.EndOfFrame
	case p.Epoch > 0:
		p = millrace.Position{Epoch: p.Epoch - 1, Seq: 1<<64 - 1, Index: millrace.EndOfFrame}
	}
	return p
}
