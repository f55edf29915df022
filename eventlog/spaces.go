package eventlog

import (
	"context"
	"iter"
	"time"

	"github.com/millrace/millrace"
)

// FrameSpaces says which workspaces have records in a frame.
type FrameSpaces struct {
	Through millrace.Position // the end of the frame
	Time    time.Time         // log time of the frame
	Spaces  []string          // in the order of the frame's directory
	AtEnd   bool              // nothing more at this moment
}

// A Dispatcher is a Log that can say for whom it has records without reading
// them, so that what a workspace needs is opened when records for it come.
type Dispatcher interface {
	// Spaces yields the frames that follow after, oldest first, and waits for
	// more at the end, until ctx ends: it reads directories alone, and decrypts
	// and decompresses nothing. It needs no keys, and names also workspaces
	// whose key was destroyed. The last thing it yields may be an error, of the
	// kinds that Log.Open and Reader.Next have: Gone and Ahead too.
	Spaces(ctx context.Context, after millrace.Position) iter.Seq2[FrameSpaces, error]
}

// Spaces is Dispatcher.Spaces.
func (t *Tail) Spaces(ctx context.Context, after millrace.Position) iter.Seq2[FrameSpaces, error] {
	return func(yield func(FrameSpaces, error) bool) {
		opened, err := t.Open(after, Filter{})
		if err != nil {
			yield(FrameSpaces{}, err)
			return
		}
		r := opened.(*tailReader)
		defer r.cancel()
		if r.index >= 0 { // the rest of a frame counts as all of it
			r.index = -1
		}
		r.told = true // the end is said with the frame before it
		for {
			frames, last, err := r.next(ctx)
			if err != nil {
				yield(FrameSpaces{}, err)
				return
			}
			for i := range frames {
				epoch, _ := t.Era(r.seq)
				said := FrameSpaces{
					Through: millrace.Position{Epoch: epoch, Seq: r.seq, Index: millrace.EndOfFrame},
					Time:    frames[i].Time(), Spaces: frames[i].Workspaces(),
				}
				if r.seq == last {
					_, end := t.Bounds()
					said.AtEnd = end.Seq == last
				}
				if r.seq++; !yield(said, nil) {
					return
				}
			}
			clear(frames)
		}
	}
}
