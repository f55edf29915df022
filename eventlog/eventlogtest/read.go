package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

func testMiddleOfFrame(t *testing.T, log eventlog.Log) {
	last := Append(t, log, Records("a", 10)...)
	Append(t, log, Records("b", 2)...)
	for k := range 10 {
		after := last
		after.Index -= uint32(9 - k)
		got, _ := ReadToEnd(t, Open(t, log, after, eventlog.Filter{}))
		if want := 9 - k + 2; len(got) != want || got[len(got)-1].ID != "b-1" {
			t.Fatalf("after %v: %v, want %d records", after, IDs(got), want)
		}
	}
	after := last
	after.Index = millrace.EndOfFrame
	if got, _ := ReadToEnd(t, Open(t, log, after, eventlog.Filter{})); len(got) != 2 {
		t.Fatalf("after the end of the frame: %v", IDs(got))
	}
}

func testAtEnd(t *testing.T, log eventlog.Log) {
	Append(t, log, Record("a"))
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	for i := range 5 {
		if i > 0 {
			Append(t, log, Record(fmt.Sprint(i)))
		}
		got, through := ReadToEnd(t, r)
		if len(got) != 1 {
			t.Fatalf("round %d: %v", i, IDs(got))
		}
		_, last, _ := log.Bounds(Context(t))
		if through.Before(got[0].Position) || through.After(last) {
			t.Errorf("AtEnd with Through %v, last is %v", through, last)
		}
		// The end was said; now Next waits.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		b, err := r.Next(ctx)
		cancel()
		if err == nil {
			t.Fatalf("round %d: the end was said twice: %+v", i, b)
		}
	}
	// A checkpoint at the end says AtEnd at once, and only once.
	_, last, _ := log.Bounds(Context(t))
	r = Open(t, log, last, eventlog.Filter{})
	if b := Next(t, r); !b.AtEnd || len(b.Records) != 0 || b.Through != last || b.Time.IsZero() {
		t.Errorf("opened at the end: %+v", b)
	}
}

func testBlocks(t *testing.T, log eventlog.Log) {
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	ReadToEnd(t, r)
	done := make(chan []string, 1)
	go func() {
		b, err := r.Next(Context(t))
		if err != nil {
			t.Error(err)
		}
		done <- IDs(b.Records)
	}()
	select {
	case ids := <-done:
		t.Fatalf("Next returned %v, nothing was appended", ids)
	case <-time.After(30 * time.Millisecond):
	}
	Append(t, log, Record("a"))
	if ids := <-done; !reflect.DeepEqual(ids, []string{"a"}) {
		t.Errorf("Next woke with %v", ids)
	}
}

func testFilters(t *testing.T, log eventlog.Log) {
	var all []millrace.Record
	for i := range 60 {
		r := Record(fmt.Sprint(i))
		r.Workspace = fmt.Sprintf("w%d", i%3)
		r.Source = fmt.Sprintf("s%d", i%4)
		r.Stream = []string{"track:A", "track:B", "identify", "stream:x", "track"}[i%5]
		all = append(all, r)
	}
	Append(t, log, all[:7]...)
	Append(t, log, all[7])
	Append(t, log, all[8:]...)
	for name, f := range map[string]eventlog.Filter{
		"all":           {},
		"workspace":     {Workspace: "w1"},
		"sources":       {Sources: []string{"s0", "s3"}},
		"exact stream":  {Streams: []string{"track:A"}},
		"prefix":        {Streams: []string{"track:"}},
		"no colon":      {Streams: []string{"track"}},
		"several":       {Streams: []string{"identify", "stream:"}},
		"all of it":     {Workspace: "w2", Sources: []string{"s1"}, Streams: []string{"track:"}},
		"nothing":       {Workspace: "w9"},
		"empty strings": {Sources: []string{""}},
	} {
		var want []string
		for i := range all {
			if f.Match(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, f))
		if fmt.Sprint(IDs(got)) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, IDs(got), want)
		}
	}
}

// testFilterMoves checks that a reader that matches nothing still says how far it is.
func testFilterMoves(t *testing.T, log eventlog.Log) {
	r := Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "other"})
	ReadToEnd(t, r)
	for i := range 3 {
		last := Append(t, log, Records(fmt.Sprint(i), 5)...)
		got, through := ReadToEnd(t, r)
		if len(got) != 0 || through.Before(last) {
			t.Fatalf("got %v, Through %v, want nothing through %v", IDs(got), through, last)
		}
	}
}

func testLogTime(t *testing.T, log eventlog.Log) {
	before := time.Now().Truncate(time.Millisecond)
	for i := range 50 {
		Append(t, log, Record(fmt.Sprint(i)))
	}
	after := time.Now()
	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	for i, e := range got {
		if e.Time.Before(before) || e.Time.After(after) {
			t.Errorf("log time %v is not between %v and %v", e.Time, before, after)
		}
		if i > 0 && e.Time.Before(got[i-1].Time) {
			t.Errorf("log time went back from %v to %v", got[i-1].Time, e.Time)
		}
	}
}

func testAhead(t *testing.T, log eventlog.Log) {
	p := Append(t, log, Record("a"))
	for name, after := range map[string]millrace.Position{
		"beyond the end": {Epoch: p.Epoch, Seq: p.Seq + 1},
		"far beyond":     {Epoch: p.Epoch, Seq: p.Seq + 1<<40, Index: 7},
		"newer epoch":    {Epoch: p.Epoch + 1, Seq: p.Seq},
		"older epoch":    {Epoch: p.Epoch - 1, Seq: p.Seq},
		"no epoch":       {Seq: p.Seq},
	} {
		_, err := log.Open(Context(t), after, eventlog.Filter{})
		wantKind(t, name, err, millrace.Ahead)
		var e *millrace.Error
		if errors.As(err, &e); e.Last.Seq != p.Seq || e.Last.Epoch != p.Epoch {
			t.Errorf("%s: Last is %v, want %v", name, e.Last, p)
		}
	}
}

func testManyReaders(t *testing.T, log eventlog.Log) {
	const readers, frames = 30, 100
	var wg sync.WaitGroup
	for i := range readers {
		r := Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: fmt.Sprintf("w%d", i%3)})
		wg.Go(func() {
			n := 0
			for n < frames {
				b, err := r.Next(Context(t))
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range b.Records {
					if want := fmt.Sprintf("%d-%d", n, i%3); e.ID != want {
						t.Errorf("got %s, want %s", e.ID, want)
						return
					}
					n++
				}
			}
		})
	}
	for i := range frames {
		rs := Records(fmt.Sprint(i), 3)
		for k := range rs {
			rs[k].Workspace = fmt.Sprintf("w%d", k)
		}
		Append(t, log, rs...)
	}
	wg.Wait()
}

// testBehind reads more than a backend keeps in memory from the beginning,
// while more is appended.
func testBehind(t *testing.T, log eventlog.Log) {
	const frames, each = 150, 20
	appendFrames := func(from int) {
		for i := range frames {
			rs := Records(fmt.Sprint(from+i), each)
			for k := range rs {
				body := make([]byte, 3000)
				for j := range body {
					body[j] = byte('a' + (i*j*k+j*j>>3)%26)
				}
				rs[k].Body = body
			}
			Append(t, log, rs...)
		}
	}
	appendFrames(0)
	var wg sync.WaitGroup
	wg.Go(func() { appendFrames(frames) })
	for range 2 {
		r := Open(t, log, millrace.Position{}, eventlog.Filter{})
		got := ReadN(t, r, 2*frames*each)
		for i := range got {
			if want := fmt.Sprintf("%d-%d", i/each, i%each); got[i].ID != want {
				t.Fatalf("record %d is %s, want %s", i, got[i].ID, want)
			}
		}
	}
	wg.Wait()
}

func testCloseReader(t *testing.T, log eventlog.Log) {
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	ReadToEnd(t, r)
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(Context(t))
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("Next of a closed reader returned a batch")
	}
	if _, err := r.Next(Context(t)); err == nil {
		t.Error("Next after Close returned a batch")
	}
	if err := r.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func testCloseLog(t *testing.T, log eventlog.Log) {
	Append(t, log, Record("a"))
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	ReadToEnd(t, r)
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(Context(t))
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "Next that waited", <-done, millrace.Unavailable)
	_, err := r.Next(Context(t))
	wantKind(t, "Next", err, millrace.Unavailable)
	_, err = log.Append(Context(t), Records("b", 1))
	wantKind(t, "Append", err, millrace.Unavailable)
	_, err = log.Open(Context(t), millrace.Position{}, eventlog.Filter{})
	wantKind(t, "Open", err, millrace.Unavailable)
	_, _, err = log.Bounds(Context(t))
	wantKind(t, "Bounds", err, millrace.Unavailable)
	wantKind(t, "Trim", log.Trim(Context(t), millrace.Position{}), millrace.Unavailable)
}

func testStatus(t *testing.T, log eventlog.Log) {
	reporter, ok := log.(eventlog.Reporter)
	if !ok {
		return // a Log need not be a Reporter
	}
	s, err := reporter.Status(Context(t))
	if err != nil || s.Backend == "" || s.Promise == "" || s.Frames != 0 || s.Refusing != "" || !s.FirstTime.IsZero() {
		t.Errorf("empty: %+v, %v", s, err)
	}
	Append(t, log, Records("a", 5)...)
	Append(t, log, Records("b", 5)...)
	first, last, _ := log.Bounds(Context(t))
	s, err = reporter.Status(Context(t))
	if err != nil || s.Frames != 2 || s.SizeBytes <= 0 || s.First != first || s.Last != last {
		t.Errorf("two frames: %+v, %v", s, err)
	}
	if s.FirstTime.IsZero() || s.LastTime.Before(s.FirstTime) {
		t.Errorf("times %v to %v", s.FirstTime, s.LastTime)
	}
}
