package eventlogtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// appendFrames appends n frames of three records and returns the last position of each.
func appendFrames(t *testing.T, log eventlog.Log, n int) []millrace.Position {
	t.Helper()
	var ps []millrace.Position
	for i := range n {
		ps = append(ps, Append(t, log, Records(fmt.Sprint(i), 3)...))
	}
	return ps
}

func endOfFrame(p millrace.Position) millrace.Position {
	p.Index = millrace.EndOfFrame
	return p
}

func testTrim(t *testing.T, log eventlog.Log) {
	ps := appendFrames(t, log, 6)
	trim := func(through millrace.Position, wantFirst uint64) {
		t.Helper()
		if err := log.Trim(Context(t), through); err != nil {
			t.Fatalf("Trim(%v): %v", through, err)
		}
		first, last, err := log.Bounds(Context(t))
		if err != nil || first.Seq != wantFirst || first.Index != 0 || last != endOfFrame(ps[5]) {
			t.Fatalf("after Trim(%v): Bounds %v, %v, %v, want first frame %d", through, first, last, err, wantFirst)
		}
	}
	trim(millrace.Position{}, ps[0].Seq)
	inside := ps[2]
	inside.Index = 1
	trim(inside, ps[2].Seq) // keeps its frame
	trim(endOfFrame(ps[3]), ps[4].Seq)
	trim(endOfFrame(ps[0]), ps[4].Seq) // was done already

	for name, after := range map[string]millrace.Position{"the beginning": {}, "a trimmed frame": ps[1], "the middle of a trimmed frame": {Epoch: ps[3].Epoch, Seq: ps[3].Seq, Index: 0}} {
		_, err := log.Open(Context(t), after, eventlog.Filter{})
		wantKind(t, "Open after "+name, err, millrace.Gone)
		var e *millrace.Error
		if errors.As(err, &e); e.First != (millrace.Position{Epoch: ps[4].Epoch, Seq: ps[4].Seq}) {
			t.Errorf("after %s: First is %v, want frame %d", name, e.First, ps[4].Seq)
		}
	}
	got, _ := ReadToEnd(t, Open(t, log, endOfFrame(ps[3]), eventlog.Filter{}))
	if len(got) != 6 || got[0].ID != "4-0" {
		t.Errorf("after the trimmed part: %v", IDs(got))
	}
}

func testTrimAll(t *testing.T, log eventlog.Log) {
	ps := appendFrames(t, log, 3)
	if err := log.Trim(Context(t), endOfFrame(ps[2])); err != nil {
		t.Fatal(err)
	}
	first, last, err := log.Bounds(Context(t))
	if err != nil || !last.Before(first) || last != endOfFrame(ps[2]) {
		t.Fatalf("Bounds of a log trimmed whole: %v, %v, %v", first, last, err)
	}
	_, err = log.Open(Context(t), millrace.Position{}, eventlog.Filter{})
	wantKind(t, "Open from the beginning", err, millrace.Gone)
	r := Open(t, log, last, eventlog.Filter{})
	if got, through := ReadToEnd(t, r); len(got) != 0 || through != last {
		t.Errorf("read %v through %v", IDs(got), through)
	}
	p := Append(t, log, Record("next"))
	if p != first {
		t.Errorf("the next record went to %v, Bounds had said %v", p, first)
	}
	if got, _ := ReadToEnd(t, r); len(got) != 1 || got[0].ID != "next" {
		t.Errorf("read %v", IDs(got))
	}
}

func testTrimUnderReader(t *testing.T, log eventlog.Log) {
	ps := appendFrames(t, log, 4)
	atEnd := Open(t, log, millrace.Position{}, eventlog.Filter{})
	ReadToEnd(t, atEnd)
	behind := Open(t, log, ps[0], eventlog.Filter{})
	middle := Open(t, log, millrace.Position{Epoch: ps[1].Epoch, Seq: ps[1].Seq, Index: 1}, eventlog.Filter{})
	if err := log.Trim(Context(t), endOfFrame(ps[1])); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]eventlog.Reader{"behind": behind, "in the middle of a frame": middle} {
		_, err := r.Next(Context(t))
		wantKind(t, "Next of a reader "+name, err, millrace.Gone)
		var e *millrace.Error
		if errors.As(err, &e); e.First.Seq != ps[2].Seq {
			t.Errorf("%s: First is %v, want frame %d", name, e.First, ps[2].Seq)
		}
	}
	Append(t, log, Record("more"))
	if got, _ := ReadToEnd(t, atEnd); len(got) != 1 || got[0].ID != "more" {
		t.Errorf("the reader at the end got %v", IDs(got))
	}
}

func testTrimRefused(t *testing.T, log eventlog.Log) {
	ps := appendFrames(t, log, 2)
	for name, through := range map[string]millrace.Position{
		"beyond the end": {Epoch: ps[1].Epoch, Seq: ps[1].Seq + 1},
		"another epoch":  {Epoch: ps[1].Epoch + 1, Seq: 1},
	} {
		wantKind(t, name, log.Trim(Context(t), through), millrace.Ahead)
	}
	if got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{})); len(got) != 6 {
		t.Errorf("%d records left of 6", len(got))
	}
}
