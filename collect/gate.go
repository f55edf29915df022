package collect

import (
	"net/http"
	"time"

	"github.com/millrace/millrace"
)

// A Gate says whether a space takes what is sent to it: it may be suspended, or
// have used up what it may send. It is asked once a request, by many at once, so
// it answers in nanoseconds and without locks.
type Gate interface {
	// Admit asks whether a space takes a request of so many events and bytes,
	// received at that time, and counts them when it does. When it does not, the
	// sender is told the reason, and to come back after retryAfter (429) or,
	// when that is not positive, that sending again is of no use (403).
	Admit(space string, at time.Time, events, bytes int) (ok bool, retryAfter time.Duration, reason string)
	// Correct follows each Admit that said yes: what is on disk differs by so
	// much from what was asked for. Events is not positive, bytes may be both.
	Correct(space string, at time.Time, events, bytes int)
}

// open is a Gate for everybody.
type open struct{}

// Admit says yes.
func (open) Admit(string, time.Time, int, int) (bool, time.Duration, string) { return true, 0, "" }

// Correct does nothing.
func (open) Correct(string, time.Time, int, int) {}

// An amount is of what is stored: events taken, and bytes of their bodies and of
// rejected records.
type amount struct{ events, bytes int }

// admitted asks the gate for what the request has.
func (q *request) admitted() (ok bool, retryAfter time.Duration, reason string) {
	q.asked = amount{len(q.env.items), len(q.body)}
	ok, retryAfter, reason = q.h.gate.Admit(q.src.workspace, q.now, q.asked.events, q.asked.bytes)
	if !ok {
		q.seen.counters.refuse("workspace")
	}
	return ok, retryAfter, reason
}

// settle tells the gate what is on disk.
func (q *request) settle(stored amount) {
	if stored != q.asked {
		q.h.gate.Correct(q.src.workspace, q.now, stored.events-q.asked.events, stored.bytes-q.asked.bytes)
	}
	q.asked = amount{}
}

// notAdmitted answers a request that the gate refused.
func (a *answer) notAdmitted(wait time.Duration, reason string) {
	if wait <= 0 {
		a.refuse(http.StatusForbidden, reason)
		return
	}
	a.later(http.StatusTooManyRequests, reason, wait)
}

func notAdmitted(wait time.Duration, reason string) error {
	if wait <= 0 {
		return millrace.Errorf(millrace.Forbidden, "%s", reason)
	}
	return &millrace.Error{Kind: millrace.Limited, Message: reason, RetryAfter: wait}
}
