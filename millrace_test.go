package millrace

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func ExamplePosition() {
	p, _ := ParsePosition("1767225600000-7-3")
	fmt.Println(p.Seq, p.Index, p.Before(Position{Epoch: p.Epoch, Seq: 8}))
	// Output: 7 3 true
}

func TestParsePosition(t *testing.T) {
	for _, s := range []string{"", "1-2", "1-2-3-4", "a-1-1", "1-1--1", "1-1-4294967296", "-1-1-1", "1-end-1", "1-1-ends"} {
		if p, err := ParsePosition(s); KindOf(err) != Invalid {
			t.Errorf("%q: %v, %v; want Invalid", s, p, err)
		}
	}
	p := Position{Epoch: 1 << 60, Seq: 1 << 63, Index: EndOfFrame}
	if q, err := ParsePosition(p.String()); err != nil || q != p {
		t.Errorf("%v became %v, %v", p, q, err)
	}
	if q, err := ParsePosition("7-8-end"); err != nil || q != (Position{Epoch: 7, Seq: 8, Index: EndOfFrame}) {
		t.Errorf("the end of a frame became %v, %v", q, err)
	}
}

func TestErrorf(t *testing.T) {
	err := fmt.Errorf("outer: %w", Errorf(TooLarge, "inner: %w", io.EOF))
	if KindOf(err) != TooLarge || !errors.Is(err, io.EOF) {
		t.Errorf("%v: kind %v", err, KindOf(err))
	}
	if KindOf(io.EOF) != Internal {
		t.Error("an error without a kind is Internal")
	}
}

// What people read can be given back.
func TestPositionForPeople(t *testing.T) {
	for want, p := range map[string]Position{"start": {}, "7-8-end": {Epoch: 7, Seq: 8, Index: EndOfFrame}, "7-8-3": {Epoch: 7, Seq: 8, Index: 3}, "7-0-0": {Epoch: 7}} {
		if got := p.String(); got != want {
			t.Errorf("%+v is written %s, want %s", p, got, want)
		}
		for _, form := range []string{p.String(), p.Numbers()} {
			if q, err := ParsePosition(form); err != nil || q != p {
				t.Errorf("%s was read as %+v, %v", form, q, err)
			}
		}
		if text, err := p.MarshalText(); err != nil || string(text) != p.Numbers() {
			t.Errorf("for programs, %v is %s, %v", p, text, err)
		}
	}
}
