package eventlog

import (
	"math"

	"github.com/millrace/millrace"
)

// An Era is an epoch of a log and where it begins. A log that was put back to
// an earlier state goes on in a new epoch behind what it still has: what it
// has keeps its positions, and no position is ever given twice.
type Era struct {
	Epoch uint64 `json:"epoch"`
	First uint64 `json:"first"` // the first frame of it
}

// Begin begins a new epoch with the next frame. It has to be larger than all
// that the tail knows.
func (t *Tail) Begin(epoch uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.eras = append(t.eras, Era{Epoch: epoch, First: t.last + 1})
	t.wakeAll()
}

// Eras returns the epochs of the log, oldest first.
func (t *Tail) Eras() []Era {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Era(nil), t.eras...)
}

// Era returns the epoch of a frame, and the last frame that can be of it.
func (t *Tail) Era(seq uint64) (epoch, end uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	end = math.MaxUint64
	for i := len(t.eras) - 1; i > 0; i-- {
		if seq >= t.eras[i].First {
			return t.eras[i].Epoch, end
		}
		end = t.eras[i].First - 1
	}
	return t.eras[0].Epoch, end
}

// epochOf returns the epoch of a frame. t.mu is held.
func (t *Tail) epochOf(seq uint64) uint64 {
	i := len(t.eras) - 1
	for i > 0 && seq < t.eras[i].First {
		i--
	}
	return t.eras[i].Epoch
}

// era returns which of the eras has that epoch, or -1. t.mu is held.
func (t *Tail) era(epoch uint64) int {
	for i := range t.eras {
		if t.eras[i].Epoch == epoch {
			return i
		}
	}
	return -1
}

// behind returns the frame that follows a known position, and up to where it
// was read. Behind the end of an epoch, the next one follows. t.mu is held.
func (t *Tail) behind(p millrace.Position) (seq uint64, index int) {
	seq, index = p.Seq, int(p.Index)
	if p.Index >= millrace.EndOfFrame || p.Seq == 0 {
		seq, index = p.Seq+1, -1
	}
	i := t.era(p.Epoch)
	if first := t.eras[i].First; seq < first {
		seq, index = first, -1
	}
	if i+1 < len(t.eras) && seq >= t.eras[i+1].First {
		seq, index = t.eras[i+1].First, -1
	}
	return seq, index
}
