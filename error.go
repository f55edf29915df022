package millrace

import (
	"errors"
	"fmt"
	"time"
)

// A Kind says to the program what sort of error it has. The zero Kind is Internal.
type Kind uint8

// The kinds of errors.
const (
	Internal     Kind = iota // a bug, or a broken machine
	Invalid                  // what was given is wrong: do not retry as it is
	Unauthorized             // who are you
	Forbidden                // you may not
	NotFound                 // there is no such thing
	Conflict                 // it is so already, or someone else was faster
	TooLarge                 // over a limit of size
	Limited                  // over a limit of rate, or a long outage: retry after RetryAfter
	Unavailable              // for a moment: retry
	Gone                     // it was there and has been trimmed
	Ahead                    // it lies beyond the end, or in an unknown epoch
	Canceled                 // whoever asked went away, or the deadline passed
)

// String returns the kind's name in snake_case, as the HTTP API shows it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Internal]
}

var kindNames = [...]string{
	"internal", "invalid", "unauthorized", "forbidden", "not_found", "conflict", "too_large",
	"limited", "unavailable", "gone", "ahead", "canceled",
}

// An Error has a kind for the program and an instruction for the person.
type Error struct {
	Kind Kind
	// Message says what happened, where, and what to do next.
	Message string
	// RetryAfter is how long to wait before trying again; 0 says nothing.
	RetryAfter time.Duration
	// First and Last tell where the log begins (Gone) and ends (Ahead).
	First, Last Position
	Err         error // the cause, or nil
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error of that kind. A %w in the format becomes its cause.
func Errorf(kind Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf returns the kind of the outermost Error in err's chain, or Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
