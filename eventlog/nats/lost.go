package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Lost are frames that the log has given up because their bytes on disk were
// damaged. Readers pass over them as over frames without records.
type Lost struct {
	First, Last uint64
	At          time.Time // when they were given up
	// Aside is the file in the log's folder that has the damaged bytes as they
	// were found; "" when a person gave the frames up.
	Aside string
}

// lostFile is in the log's folder.
const (
	lostFile   = "lost.json"
	lostFormat = 1
)

// A lostRange is a Lost in the file.
type lostRange struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Stamp int64  `json:"stamp_ms"` // log time for readers
	At    int64  `json:"at_ms"`
	Aside string `json:"aside,omitempty"`
}

func (r *lostRange) stamp() time.Time { return time.UnixMilli(r.Stamp).UTC() }

// lostFrames are in order and do not overlap. They are never changed once
// others see them.
type lostFrames []lostRange

// find returns the range that a frame is in, or nil.
func (l lostFrames) find(seq uint64) *lostRange {
	i, _ := slices.BinarySearchFunc(l, seq, func(r lostRange, seq uint64) int {
		if r.Last < seq {
			return -1
		}
		return 1
	})
	if i < len(l) && l[i].First <= seq {
		return &l[i]
	}
	return nil
}

// next returns the first lost frame behind seq.
func (l lostFrames) next(seq uint64) uint64 {
	for _, r := range l {
		if r.First > seq {
			return r.First
		}
	}
	return math.MaxUint64
}

// frame returns what readers get for a lost frame.
func (r *lostRange) frame() (eventlog.Frame, error) { return eventlog.OpenFrame(emptyFrame(r.stamp())) }

// with returns the list with a range added, without what is in it already.
func (l lostFrames) with(r lostRange) lostFrames {
	next := slices.DeleteFunc(slices.Clone(l), func(o lostRange) bool { return o.First >= r.First && o.Last <= r.Last })
	next = append(next, r)
	slices.SortFunc(next, func(a, b lostRange) int {
		if a.First < b.First {
			return -1
		}
		return 1
	})
	return next
}

// until returns the list without what lies behind frame last: those numbers
// are given to other frames.
func (l lostFrames) until(last uint64) lostFrames {
	next := slices.DeleteFunc(slices.Clone(l), func(r lostRange) bool { return r.First > last })
	for i := range next {
		next[i].Last = min(next[i].Last, last)
	}
	return next
}

// A lostList holds the newest list.
type lostList struct {
	mu     sync.Mutex // for who changes it
	frames atomic.Pointer[lostFrames]
}

func (l *lostList) get() lostFrames {
	if frames := l.frames.Load(); frames != nil {
		return *frames
	}
	return nil
}

func (l *lostList) set(frames lostFrames) { l.frames.Store(&frames) }

// cut forgets what lies behind frame last, where the log was put back.
func (l *lostList) cut(dir string, last uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.get()
	if after := before.until(last); !slices.Equal(before, after) {
		if err := after.write(dir); err != nil {
			return err
		}
		l.set(after)
	}
	return nil
}

type lostContent struct {
	Format int        `json:"format"` // 1
	Lost   lostFrames `json:"lost"`
}

// readLost returns none when there is no file.
func readLost(dir string) (lostFrames, error) {
	path := filepath.Join(dir, lostFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "reading which frames of the log are lost: %w", err)
	}
	var c lostContent
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "%s is broken (%v): restore it, or remove it and give the damaged frames up again", path, err)
	}
	if c.Format > lostFormat {
		return nil, millrace.Errorf(millrace.Invalid, "%s has format %d, this program knows format %d: run a newer version of Millrace", path, c.Format, lostFormat)
	}
	return c.Lost, nil
}

// write replaces the file; it survives a crash of the machine.
func (l lostFrames) write(dir string) error {
	text, err := json.Marshal(lostContent{Format: lostFormat, Lost: l})
	if err == nil {
		err = writeSynced(filepath.Join(dir, lostFile), append(text, '\n'))
	}
	if err != nil {
		return millrace.Errorf(millrace.Internal, "writing down which frames of the log are lost: %w", err)
	}
	return nil
}

// String tells in words what was given up.
func (l Lost) String() string {
	text := fmt.Sprintf("the log's %s damaged on disk and given up on %s", nameFrames(l.First, l.Last, "was", "were"), l.At.Format(time.RFC3339))
	if l.Aside != "" {
		text += "; the damaged file is kept as log/" + l.Aside
	}
	return text
}

// nameFrames names them, with the verb for one or for more.
func nameFrames(first, last uint64, one, more string) string {
	if first == last {
		return fmt.Sprintf("frame %d %s", first, one)
	}
	return fmt.Sprintf("frames %d to %d %s", first, last, more)
}

// Lost returns what the log has given up, in order.
func (l *Log) Lost() []Lost {
	var out []Lost
	for _, r := range l.lost.get() {
		out = append(out, Lost{First: r.First, Last: r.Last, At: time.UnixMilli(r.At).UTC(), Aside: r.Aside})
	}
	return out
}

// FirstLost returns the first frame behind after that was given up, if any.
func (l *Log) FirstLost(after millrace.Position) (p millrace.Position, ok bool) {
	first, _ := l.tail.Bounds()
	for _, r := range l.lost.get() {
		for seq := max(r.First, first.Seq); seq <= r.Last; seq++ {
			if p = l.tail.At(seq, millrace.EndOfFrame); p.After(after) {
				return p, true
			}
		}
	}
	return millrace.Position{}, false
}

// Skip gives up what cannot be read of the frames behind after, up to through.
func (l *Log) Skip(ctx context.Context, after, through millrace.Position) (frames uint64, err error) {
	first, last, stamp, err := l.skipRange(ctx, after, through)
	if err != nil {
		return 0, err
	}
	s, release, err := l.opened()
	if err != nil {
		return 0, err
	}
	defer release()
	l.lost.mu.Lock()
	defer l.lost.mu.Unlock()
	next := l.lost.get()
	for seq := first; seq <= last; {
		good, err := s.frames(ctx, seq, int(min(fetchFrames, last-seq+1)), 4<<20)
		for _, f := range good {
			if _, err = f.With(l.keys).Verify(); err != nil {
				break
			}
			seq, stamp = seq+1, f.Time()
		}
		if err == nil {
			continue
		}
		until := seq
		var damage *damageError
		switch {
		case errors.As(err, &damage):
			until = min(damage.last, last)
		case millrace.KindOf(err) == millrace.Unavailable || ctx.Err() != nil:
			return 0, err
		}
		next = next.with(lostRange{First: seq, Last: until, Stamp: stamp.UnixMilli(), At: l.o.Now().UnixMilli()})
		frames += until - seq + 1
		seq = until + 1
	}
	if frames == 0 {
		return 0, nil
	}
	if err := next.write(l.o.Dir); err != nil {
		return 0, err
	}
	l.lost.set(next)
	l.logger.Error("damaged frames of the log were given up: readers pass over them", "from", first, "to", last, "frames", frames)
	return frames, nil
}

// skipRange returns the frames between two positions and the log time before
// the first.
func (l *Log) skipRange(ctx context.Context, after, through millrace.Position) (first, last uint64, stamp time.Time, err error) {
	begin, end := l.tail.Bounds()
	if epoch, _ := l.tail.Era(through.Seq); epoch != through.Epoch || through.Seq > end.Seq {
		return 0, 0, stamp, millrace.Errorf(millrace.Invalid, "position %s is not in the log, which goes from %s to %s", through, begin, end)
	}
	if through.Before(after) {
		return 0, 0, stamp, millrace.Errorf(millrace.Invalid, "position %s lies before %s, which is read already", through, after)
	}
	first, last = begin.Seq, through.Seq
	if epoch, _ := l.tail.Era(after.Seq); epoch == after.Epoch && after.Seq >= first {
		first = after.Seq
		if after.Index >= millrace.EndOfFrame {
			first++
		}
	}
	s, release, err := l.opened()
	if err != nil {
		return 0, 0, stamp, err
	}
	defer release()
	for seq := first; seq > begin.Seq; seq-- {
		stamp, err = s.timeOf(ctx, seq-1)
		if millrace.KindOf(err) != millrace.Internal {
			return first, last, stamp, err
		}
	}
	// Nothing before it can be read: what follows is not earlier than this.
	return first, last, time.UnixMilli(0).UTC(), nil
}
