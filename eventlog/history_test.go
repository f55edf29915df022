package eventlog

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// quick is a History that does not wait long.
func quick(log Log, past Past, v Verdicts) *history {
	h := History(log, past, v).(*history)
	h.patience, h.retry = 20*time.Millisecond, time.Millisecond
	return h
}

// drain reads until AtEnd and returns the ids.
func drain(t *testing.T, r Reader) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got := []string{}
	var last millrace.Position
	for {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		if b.Through.Before(last) {
			t.Fatalf("went back from %s to %s", last, b.Through)
		}
		last = b.Through
		got = append(got, ids(b)...)
		if b.AtEnd {
			return got
		}
	}
}

func TestHistoryOpen(t *testing.T) {
	t.Parallel()
	// The archive holds epochs 1 and 2 up to 2-4; the log is of epoch 2, from 3.
	past := newShelf(0)
	past.add(1, 1, "a", "b")
	past.add(1, 2, "c")
	past.add(2, 1, "d")
	past.add(2, 2)
	past.add(2, 3, "e", "f")
	past.add(2, 4, "g")
	j := &judge{through: forever, dups: []millrace.Position{pos(2, 3, 1), pos(2, 6, 0)}}
	log := func(trimmed uint64) *shelf {
		s := newShelf(2)
		s.add(2, 1, "d")
		s.add(2, 2)
		s.add(2, 3, "e", "e", "f")
		s.add(2, 4, "g")
		s.add(2, 5, "h")
		s.add(2, 6, "a", "i")
		s.trim(trimmed)
		return s
	}
	empty := newShelf(0)
	all := "a b c d e f g h i"
	for name, test := range map[string]struct {
		after   millrace.Position
		trimmed uint64
		past    Past
		want    string
		kind    millrace.Kind
		says    string
	}{
		"from the beginning":              {trimmed: 2, past: past, want: all},
		"from the beginning, log whole":   {past: past, want: all},
		"in an old epoch":                 {after: pos(1, 1, 0), trimmed: 2, past: past, want: "b c d e f g h i"},
		"end of an old epoch":             {after: pos(1, 2, millrace.EndOfFrame), trimmed: 2, past: past, want: "d e f g h i"},
		"trimmed, same epoch":             {after: pos(2, 1, 0), trimmed: 2, past: past, want: "e f g h i"},
		"in the log":                      {after: pos(2, 3, 0), trimmed: 2, past: past, want: "f g h i"},
		"at the log's end":                {after: pos(2, 6, millrace.EndOfFrame), trimmed: 2, past: past, want: ""},
		"archive just reaches the log":    {trimmed: 4, past: past, want: all},
		"archive is behind the log":       {trimmed: 5, past: past, want: "a b c d e f g", kind: millrace.Unavailable, says: "archive is stuck"},
		"beyond the log":                  {after: pos(3, 1, 0), past: past, kind: millrace.Ahead},
		"no archive, log whole":           {past: nil, want: "d e f g h i"},
		"no archive, log trimmed":         {trimmed: 2, past: nil, kind: millrace.Gone},
		"archive empty, log whole":        {past: empty, want: "d e f g h i"},
		"archive empty, log trimmed":      {trimmed: 2, past: empty, kind: millrace.Unavailable, says: "ends at start"},
		"old epoch that no archive holds": {after: pos(1, 9, 0), past: empty, kind: millrace.Ahead, says: "reset the reader"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			r, err := quick(log(test.trimmed), test.past, j).Open(t.Context(), test.after, Filter{})
			for err == nil {
				var b Batch
				if b, err = r.Next(t.Context()); err == nil {
					got = append(got, ids(b)...)
					if b.AtEnd {
						break
					}
				}
			}
			if (err != nil) != (test.kind != 0) || err != nil && (millrace.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says)) {
				t.Fatalf("error %v (%s), want %s that says %q", err, millrace.KindOf(err), test.kind, test.says)
			}
			if want := strings.Fields(test.want); !reflect.DeepEqual(got, append([]string{}, want...)) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestHistoryGoesToTheArchiveWhenTheLogIsTrimmedUnderIt(t *testing.T) {
	t.Parallel()
	log, past := newShelf(1), newShelf(0)
	for i, id := range []string{"a", "b", "c", "d"} {
		log.add(1, uint64(i+1), id)
	}
	j := &judge{through: forever}
	r, err := quick(log, past, j).Open(t.Context(), millrace.Position{}, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := r.Next(t.Context()); err != nil || ids(b)[0] != "a" {
		t.Fatal(b, err)
	}
	log.trim(3)
	go func() { // the archive is a moment behind
		time.Sleep(5 * time.Millisecond)
		for i, id := range []string{"a", "b", "c"} {
			past.add(1, uint64(i+1), id)
		}
	}()
	if got, want := drain(t, r), []string{"b", "c", "d"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	log.add(1, 5, "e")
	if got, want := drain(t, r), []string{"e"}; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestHistoryWhenVerdictsAreGone(t *testing.T) {
	t.Parallel()
	gone := &millrace.Error{Kind: millrace.Gone, Message: "verdicts trimmed"}
	t.Run("because log and verdicts were trimmed between", func(t *testing.T) {
		t.Parallel()
		log, past := newShelf(1), newShelf(0)
		log.add(1, 1, "a")
		past.add(1, 1, "a")
		j := &judge{through: forever, gone: gone}
		r, err := quick(log, past, j).Open(t.Context(), pos(1, 0, millrace.EndOfFrame), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		log.trim(1)
		log.add(1, 2)
		if got := drain(t, r); !reflect.DeepEqual(got, []string{"a"}) {
			t.Fatalf("got %v", got)
		}
	})
	t.Run("though the log is whole", func(t *testing.T) {
		t.Parallel()
		log := newShelf(1)
		log.add(1, 1, "a")
		r, err := quick(log, newShelf(0), &judge{through: forever, gone: gone}).Open(t.Context(), millrace.Position{}, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = r.Next(t.Context()); millrace.KindOf(err) != millrace.Internal || !errors.Is(err, gone) {
			t.Fatalf("got %v, want Internal with the cause", err)
		}
	})
}

func TestHistoryCloseEndsNext(t *testing.T) {
	t.Parallel()
	log := newShelf(1)
	r, err := quick(log, nil, &judge{}).Open(t.Context(), millrace.Position{}, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, r)
	done := make(chan error)
	go func() { _, err := r.Next(t.Context()); done <- err }()
	time.Sleep(5 * time.Millisecond)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; millrace.KindOf(err) != millrace.Unavailable {
		t.Fatalf("got %v, want Unavailable", err)
	}
	if _, err := r.Next(t.Context()); millrace.KindOf(err) != millrace.Unavailable {
		t.Fatalf("after Close: got %v, want Unavailable", err)
	}
}

// A damagedLog is a shelf whose readers cannot give a frame.
type damagedLog struct {
	*shelf
	damaged millrace.Position
}

type damagedReader struct {
	Reader
	damaged millrace.Position
}

func (l damagedLog) Open(ctx context.Context, after millrace.Position, f Filter) (Reader, error) {
	r, err := l.shelf.Open(ctx, after, f)
	return damagedReader{r, l.damaged}, err
}

func (r damagedReader) Next(ctx context.Context) (Batch, error) {
	b, err := r.Reader.Next(ctx)
	if err == nil && b.Through.Seq == r.damaged.Seq && len(b.Records) > 0 {
		return Batch{}, millrace.Errorf(millrace.Internal, "damaged")
	}
	return b, err
}

func TestHistoryReadsFromTheArchiveWhatTheLogCannotGive(t *testing.T) {
	t.Parallel()
	log, past := damagedLog{newShelf(1), pos(1, 2, 0)}, newShelf(0)
	for i, id := range []string{"a", "b", "c", "d"} {
		log.add(1, uint64(i+1), id)
		if i == 0 {
			past.add(1, 1, id)
		}
	}
	h := quick(log, past, &judge{through: forever})
	r, err := h.Open(t.Context(), millrace.Position{}, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Next(t.Context()); err != nil || ids(b)[0] != "a" {
		t.Fatalf("%v, %v", b, err)
	}
	if _, err := r.Next(t.Context()); millrace.KindOf(err) != millrace.Internal {
		t.Fatalf("a frame that nobody has: %v", err)
	}
	past.add(1, 2, "b")
	past.add(1, 3, "c")
	if r, err = h.Open(t.Context(), millrace.Position{}, Filter{}); err != nil {
		t.Fatal(err)
	}
	if got := drain(t, r); !reflect.DeepEqual(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("got %v", got)
	}
}
