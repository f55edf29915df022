package eventlog

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// A Tail is what the readers of a backend share: where the log begins and ends,
// and its newest frames in memory, so that any number of readers at the end
// cost one copy, decode only their own sections, and unpack each of the newest but
// once. The backend pushes each frame once it is durable; no reader sees one
// earlier. A Tail is safe for concurrent use.
type Tail struct {
	maxBytes int
	fetch    Fetch
	keys     *Keyring

	mu          sync.Mutex
	eras        []Era  // oldest first, at least one
	first, last uint64 // frames that are there; first is last+1 when there are none
	stamp       time.Time
	frames      []Frame // the newest, up to last
	size        int     // bytes of frames
	shared      sharing // of the newest
	closed      bool

	// waiting are those who wait, by the workspace they read; "" reads all.
	// A frame wakes those whose workspace is in it. The others only learn that
	// the scan has moved: they are woken together a little later, so that a
	// thousand idle workspaces do not cost a thousand wakes a frame.
	waiting map[string]chan struct{}
	later   bool // wakeAll is on its way
}

// idleWake is how long a reader that finds nothing in a frame may wait to be told so.
const idleWake = 20 * time.Millisecond

// Fetch returns frames from storage: at least the one with that sequence,
// followed by the next ones without a gap, up to and including last or about
// maxBytes. It returns none when the frame has been trimmed meanwhile. While
// storage is away for a moment it blocks, until ctx is done.
type Fetch func(ctx context.Context, seq, last uint64, maxBytes int) ([]Frame, error)

// TailOptions are the parameters of NewTail.
type TailOptions struct {
	Epoch       uint64    // of all frames, when Eras says nothing else
	Eras        []Era     // the log's epochs, oldest first; default all is of Epoch
	First, Last uint64    // frames that are there; First is Last+1 when there are none
	Stamp       time.Time // log time of Last, or of the last frame there ever was
	MaxBytes    int       // of frames kept in memory; 0 keeps all of them
	Fetch       Fetch     // reads what is no longer in memory; nil when all is kept
	Keys        *Keyring  // for what is encrypted; nil when nothing is
}

// NewTail returns the tail of a log.
func NewTail(o TailOptions) *Tail {
	if len(o.Eras) == 0 {
		o.Eras = []Era{{Epoch: o.Epoch, First: 1}}
	}
	return &Tail{eras: slices.Clone(o.Eras), first: o.First, last: o.Last, stamp: o.Stamp, maxBytes: o.MaxBytes, fetch: o.Fetch, keys: o.Keys, waiting: map[string]chan struct{}{}}
}

// Push adds the next frame, which is durable now. The frame must not change any more.
func (t *Tail) Push(f Frame) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.stamp = f.Time()
	f.sections = t.shared.add(f.sections)
	t.frames = append(t.frames, f)
	t.size += f.Size()
	for t.maxBytes > 0 && t.size > t.maxBytes && len(t.frames) > 1 {
		t.dropOldest()
	}
	t.wake("")
	for i := range f.sections {
		t.wake(f.sections[i].workspace)
	}
	if len(t.waiting) > 0 && !t.later {
		t.later = true
		time.AfterFunc(idleWake, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.later = false
			t.wakeAll()
		})
	}
}

// Skip says that frames up to last are in storage that were never pushed.
func (t *Tail) Skip(last uint64, stamp time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last <= t.last {
		return
	}
	t.last, t.stamp = last, stamp
	t.frames, t.size = nil, 0
	t.wakeAll()
}

func (t *Tail) dropOldest() {
	t.size -= t.frames[0].Size()
	t.frames[0] = Frame{}
	t.frames = t.frames[1:]
}

// wake tells those who wait for the workspace that something changed. t.mu is held.
func (t *Tail) wake(workspace string) {
	if c, ok := t.waiting[workspace]; ok {
		close(c)
		delete(t.waiting, workspace)
	}
}

// wakeAll tells everyone who waits. t.mu is held.
func (t *Tail) wakeAll() {
	for _, c := range t.waiting {
		close(c)
	}
	clear(t.waiting)
}

// wait returns a channel that is closed at the next change. t.mu is held.
func (t *Tail) wait(workspace string) <-chan struct{} {
	c, ok := t.waiting[workspace]
	if !ok {
		c = make(chan struct{})
		t.waiting[workspace] = c
	}
	return c
}

// Bounds is Log.Bounds.
func (t *Tail) Bounds() (first, last millrace.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bounds()
}

func (t *Tail) bounds() (first, last millrace.Position) {
	newest := t.eras[len(t.eras)-1].Epoch // also of the end when nothing is in it yet
	return millrace.Position{Epoch: t.epochOf(t.first), Seq: t.first},
		millrace.Position{Epoch: newest, Seq: t.last, Index: millrace.EndOfFrame}
}

// At returns the position of a record of a frame.
func (t *Tail) At(seq uint64, index uint32) millrace.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return millrace.Position{Epoch: t.epochOf(seq), Seq: seq, Index: index}
}

// Time returns the log time of the last frame.
func (t *Tail) Time() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stamp
}

// TrimTo returns the sequence of the first frame that Trim(through) keeps, and
// whether there is anything to forget. It fails with Ahead.
func (t *Tail) TrimTo(through millrace.Position) (first uint64, some bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, false, errLogClosed()
	}
	if through.IsZero() {
		return t.first, false, nil
	}
	if err := t.known(through); err != nil {
		return 0, false, err
	}
	first, _ = t.behind(through)
	return first, first > t.first, nil
}

// Trimmed says that storage holds nothing before the frame first any more.
func (t *Tail) Trimmed(first uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.first = max(t.first, first)
	for len(t.frames) > 0 && t.last-uint64(len(t.frames)) < t.first-1 {
		t.dropOldest()
	}
	t.wakeAll()
}

// Close ends all readers with Unavailable.
func (t *Tail) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.frames = nil
	t.shared.clear()
	t.wakeAll()
}

func errLogClosed() error {
	return millrace.Errorf(millrace.Unavailable, "the log is closed: the server is stopping, try again when it has started")
}

// known returns Ahead when p is of another epoch or lies beyond the end. t.mu is held.
func (t *Tail) known(p millrace.Position) error {
	_, last := t.bounds()
	const repair = "a reader that kept it is reset with `millrace reader reset`, a warehouse is made anew with `millrace warehouse rebuild`"
	var err error
	switch {
	case t.era(p.Epoch) < 0:
		err = millrace.Errorf(millrace.Ahead, "position %v is of epoch %d, this log is of epoch %d: the log was created anew, restored or moved since; "+repair, p, p.Epoch, last.Epoch)
	case p.Epoch == last.Epoch && p.Seq > t.last:
		err = millrace.Errorf(millrace.Ahead, "position %v lies beyond the end of the log at frame %d: the log was restored to an earlier state; "+repair, p, t.last)
	default:
		return nil
	}
	return &millrace.Error{Kind: millrace.Ahead, Message: err.Error(), Last: last}
}

// gone returns the error for a position whose next record was trimmed. t.mu is held.
func (t *Tail) gone(seq uint64) error {
	first, _ := t.bounds()
	err := millrace.Errorf(millrace.Gone, "the log begins at frame %d, what followed the position at frame %d has been trimmed: read it from the archive", t.first, seq)
	return &millrace.Error{Kind: millrace.Gone, Message: err.Error(), First: first}
}

// Open is Log.Open.
func (t *Tail) Open(after millrace.Position, f Filter) (Reader, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errLogClosed()
	}
	r := &tailReader{tail: t, filter: f.clone(), seq: 1, index: -1}
	if !after.IsZero() {
		if err := t.known(after); err != nil {
			return nil, err
		}
		r.seq, r.index = t.behind(after)
	}
	if r.seq < t.first {
		return nil, t.gone(after.Seq)
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}
