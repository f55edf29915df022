// Package millrace is the vocabulary of the system: the record that travels
// through it, the position of a record in the log, and the kinds of errors.
// It holds values, never engines, and imports the standard library only.
package millrace

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// A Position is the place of a record in a log: log positions are totally
// ordered, never reused, and grow with time. The zero Position lies before
// every record.
//
// An epoch begins whenever a log is created, restored or moved, so that a
// checkpoint taken from one log is never mistaken for a place in another.
// Epochs are the creation time in milliseconds since 1970, made larger than
// any epoch known before.
type Position struct {
	Epoch uint64 // when this log began
	Seq   uint64 // number of the frame, from 1
	Index uint32 // number of the record in its frame, from 0
}

// EndOfFrame is the Index of a position that covers its whole frame.
const EndOfFrame = 1<<31 - 1

// IsZero says whether p lies before every record.
func (p Position) IsZero() bool { return p == Position{} }

// Compare returns -1, 0 or 1: whether p lies before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p.Epoch != q.Epoch:
		return compare(p.Epoch, q.Epoch)
	case p.Seq != q.Seq:
		return compare(p.Seq, q.Seq)
	default:
		return compare(uint64(p.Index), uint64(q.Index))
	}
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Before says whether p lies before q.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// After says whether p lies after q.
func (p Position) After(q Position) bool { return p.Compare(q) > 0 }

// Start is how the zero Position is written for people.
const Start = "start"

// String returns the form for people: "epoch-seq-index", with "end" for the
// index EndOfFrame, and Start for the zero Position. ParsePosition reads it.
func (p Position) String() string {
	switch {
	case p.IsZero():
		return Start
	case p.Index == EndOfFrame:
		return fmt.Sprintf("%d-%d-end", p.Epoch, p.Seq)
	}
	return p.Numbers()
}

// Numbers returns the form for programs, three numbers: "epoch-seq-index". It is
// what the Millrace-Position header, JSON and files carry.
func (p Position) Numbers() string {
	return fmt.Sprintf("%d-%d-%d", p.Epoch, p.Seq, p.Index)
}

// LogValue is how logs write a Position: as people read it.
func (p Position) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText makes a Position a string in JSON and YAML: its Numbers.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.Numbers()), nil }

// UnmarshalText reads what MarshalText and String write.
func (p *Position) UnmarshalText(text []byte) error {
	q, err := ParsePosition(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// ParsePosition reads "epoch-seq-index", where the index "end" is EndOfFrame,
// and Start. The error is Invalid.
func ParsePosition(s string) (Position, error) {
	if s == Start {
		return Position{}, nil
	}
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return Position{}, Errorf(Invalid, "%.60q is not a log position: write it as epoch-seq-index, as in the Millrace-Position header, or start", s)
	}
	var n [3]uint64
	for i, part := range parts {
		bits := 64
		if i == 2 && part == "end" {
			n[i] = EndOfFrame
			break
		}
		if i == 2 {
			bits = 31
		}
		v, err := strconv.ParseUint(part, 10, bits)
		if err != nil {
			return Position{}, Errorf(Invalid, "%.60q is not a log position: %.30q is not a number", s, part)
		}
		n[i] = v
	}
	return Position{Epoch: n[0], Seq: n[1], Index: uint32(n[2])}, nil
}
