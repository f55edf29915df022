package eventlog

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// pos is short for a position in epoch e.
func pos(e, seq uint64, index uint32) millrace.Position {
	return millrace.Position{Epoch: e, Seq: seq, Index: index}
}

// A shelf is a scripted log or archive: frames that the test adds and trims.
type shelf struct {
	mu      sync.Mutex
	epoch   uint64
	frames  []Batch
	first   uint64 // sequence number of the first frame that is there
	opened  []millrace.Position
	changed chan struct{}
}

func newShelf(epoch uint64) *shelf {
	return &shelf{epoch: epoch, first: 1, changed: make(chan struct{})}
}

func (s *shelf) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// add appends a frame with these ids; their positions follow those of the frame before.
func (s *shelf) add(epoch, seq uint64, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Batch{Through: pos(epoch, seq, millrace.EndOfFrame), Time: time.Unix(int64(seq), 0)}
	for i, id := range ids {
		b.Records = append(b.Records, Entry{Position: pos(epoch, seq, uint32(i)), Time: b.Time, Record: millrace.Record{ID: id}})
	}
	s.frames = append(s.frames, b)
	s.wake()
}

func (s *shelf) trim(through uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = through + 1
	s.frames = slices.DeleteFunc(s.frames, func(b Batch) bool { return b.Through.Seq <= through })
	s.wake()
}

func (s *shelf) Append(context.Context, []millrace.Record) (millrace.Position, error) {
	return millrace.Position{}, errors.New("a shelf takes frames")
}
func (s *shelf) Trim(context.Context, millrace.Position) error { return nil }
func (s *shelf) Close() error                                  { return nil }

func (s *shelf) Bounds(context.Context) (first, last millrace.Position, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = pos(s.epoch, s.first-1, millrace.EndOfFrame)
	if n := len(s.frames); n > 0 {
		last = s.frames[n-1].Through
	}
	return pos(s.epoch, s.first, 0), last, nil
}

func (s *shelf) Through(ctx context.Context) (millrace.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.frames); n > 0 {
		return s.frames[n-1].Through, nil
	}
	return millrace.Position{}, nil
}

// goneLocked says whether what follows after is no longer there.
func (s *shelf) goneLocked(after millrace.Position) error {
	if s.first > 1 && after.Before(pos(s.epoch, s.first-1, millrace.EndOfFrame)) {
		return &millrace.Error{Kind: millrace.Gone, Message: "gone", First: pos(s.epoch, s.first, 0)}
	}
	return nil
}

func (s *shelf) Open(_ context.Context, after millrace.Position, _ Filter) (Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, after)
	if s.epoch != 0 && !after.IsZero() && after.Epoch != s.epoch {
		return nil, &millrace.Error{Kind: millrace.Ahead, Message: "unknown epoch"}
	}
	if err := s.goneLocked(after); err != nil {
		return nil, err
	}
	return &shelfReader{shelf: s, after: after, closed: make(chan struct{})}, nil
}

type shelfReader struct {
	shelf   *shelf
	after   millrace.Position
	toldEnd bool
	once    sync.Once
	closed  chan struct{}
}

func (r *shelfReader) Close() error { r.once.Do(func() { close(r.closed) }); return nil }

func (r *shelfReader) Next(ctx context.Context) (Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Batch{}, err
		}
		r.shelf.mu.Lock()
		changed, err := r.shelf.changed, r.shelf.goneLocked(r.after)
		i := slices.IndexFunc(r.shelf.frames, func(b Batch) bool { return b.Through.After(r.after) })
		var b Batch
		if i >= 0 {
			b = r.shelf.frames[i]
			b.Records = slices.DeleteFunc(slices.Clone(b.Records), func(e Entry) bool { return !e.Position.After(r.after) })
			b.AtEnd = i == len(r.shelf.frames)-1
		}
		r.shelf.mu.Unlock()
		switch {
		case err != nil:
			return Batch{}, err
		case i >= 0:
			r.after, r.toldEnd = b.Through, b.AtEnd
			return b, nil
		case !r.toldEnd:
			r.toldEnd = true
			return Batch{Through: r.after, AtEnd: true}, nil
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-r.closed:
			return Batch{}, errReaderClosed
		}
	}
}

// A judge is scripted Verdicts: what is in dups is a duplicate; Wait lasts until through.
type judge struct {
	mu      sync.Mutex
	through millrace.Position
	dups    []millrace.Position
	gone    error
}

var forever = pos(1<<62, 0, 0)

func (j *judge) Wait(ctx context.Context, p millrace.Position) error {
	for {
		j.mu.Lock()
		done := !j.through.Before(p)
		j.mu.Unlock()
		if done {
			return nil
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

func (j *judge) Duplicates(_ context.Context, after, through millrace.Position) ([]millrace.Position, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone != nil {
		return nil, j.gone
	}
	var out []millrace.Position
	for _, p := range j.dups {
		if p.After(after) && !p.After(through) {
			out = append(out, p)
		}
	}
	return out, nil
}

func ids(b Batch) []string {
	out := []string{}
	for _, e := range b.Records {
		out = append(out, e.ID)
	}
	return out
}

func TestDistinctRemovesDuplicatesOfEachFrame(t *testing.T) {
	t.Parallel()
	log := newShelf(1)
	log.add(1, 1, "a", "b", "a")
	log.add(1, 2, "a")
	log.add(1, 3)
	log.add(1, 4, "c", "b")
	j := &judge{through: forever, dups: []millrace.Position{pos(1, 1, 2), pos(1, 2, 0), pos(1, 4, 1)}}
	r, err := DistinctOpener(log, j).Open(t.Context(), millrace.Position{}, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, want := range [][]string{{"a", "b"}, {}, {}, {"c"}} {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(b); !reflect.DeepEqual(got, want) || b.Through.Seq != uint64(i+1) || b.AtEnd != (i == 3) {
			t.Errorf("frame %d: got %v through %s at end %v, want %v", i+1, got, b.Through, b.AtEnd, want)
		}
	}
}

func TestDistinctKeepsItsBatchWhenTheWaitIsCanceled(t *testing.T) {
	t.Parallel()
	log := newShelf(1)
	log.add(1, 1, "a")
	log.add(1, 2, "b")
	j := &judge{}
	r, _ := DistinctOpener(log, j).Open(t.Context(), millrace.Position{}, Filter{})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		cancel()
	}
	j.mu.Lock()
	j.through = forever
	j.mu.Unlock()
	for _, want := range []string{"a", "b"} {
		b, err := r.Next(t.Context())
		if err != nil || fmt.Sprint(ids(b)) != "["+want+"]" {
			t.Fatalf("got %v, %v, want %s", ids(b), err, want)
		}
	}
}

func TestBefore(t *testing.T) {
	t.Parallel()
	for p, want := range map[millrace.Position]millrace.Position{
		pos(7, 3, 2): pos(7, 3, 1),
		pos(7, 3, 0): pos(7, 2, millrace.EndOfFrame),
		pos(7, 0, 0): pos(6, 1<<64-1, millrace.EndOfFrame),
		pos(0, 0, 0): pos(0, 0, 0),
	} {
		if got := before(p); got != want {
			t.Errorf("before(%s) = %s, want %s", p, got, want)
		}
	}
}
