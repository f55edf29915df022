package workspace

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// limits are Quotas as the gate needs them.
type limits struct{ events, bytes, queryMicros, storage, tables int64 }

func (q Quotas) limits() limits {
	l := limits{none, none, none, none, none}
	for name, to := range map[string]*int64{EventsPerDay: &l.events, BytesPerDay: &l.bytes, StorageBytes: &l.storage, EventTables: &l.tables, QuerySecondsPerDay: &l.queryMicros} {
		*to, _ = q.Of(name)
	}
	if l.queryMicros < none/1_000_000 {
		l.queryMicros *= 1_000_000
	}
	return l
}

// A use is what a workspace has used, as far as it is known in memory.
type use struct {
	day     atomic.Pointer[dayUse]
	storage atomic.Int64 // bytes that all environments keep
	tables  atomic.Int64 // tables of events that they have
}

// A dayUse is of one day.
type dayUse struct {
	day                        int64 // since 1970
	events, bytes, queryMicros atomic.Int64
	before                     atomic.Pointer[dayUse] // the day that was current before this one
}

func newUse() *use {
	u := &use{}
	u.day.Store(&dayUse{day: -1})
	return u
}

const (
	daySeconds = 24 * 60 * 60
	dayLength  = daySeconds * time.Second
)

// Day returns the number of the day that t lies in, since 1970, in UTC.
func Day(t time.Time) int64 {
	seconds := t.Unix()
	if seconds < 0 {
		return (seconds+1)/daySeconds - 1
	}
	return seconds / daySeconds
}

// DayStart returns when a day begins.
func DayStart(day int64) time.Time { return time.Unix(day*daySeconds, 0).UTC() }

// on returns what was used on that day, and nil when it lies before the last two.
func (u *use) on(day int64) *dayUse {
	for {
		now := u.day.Load()
		switch {
		case now.day == day:
			return now
		case now.day > day:
			if before := now.before.Load(); before != nil && before.day == day {
				return before
			}
			return nil
		}
		next := &dayUse{day: day}
		next.before.Store(now)
		if u.day.CompareAndSwap(now, next) {
			now.before.Store(nil)
			return next
		}
	}
}

// atLeast raises a count to n.
func atLeast(count *atomic.Int64, n int64) {
	for {
		now := count.Load()
		if now >= n || count.CompareAndSwap(now, n) {
			return
		}
	}
}

// Admit is what collect.Gate asks: whether a space takes a request at that time.
// A suspended or deleted one tells its senders to keep what they have for
// Options.Patience, and then that it is of no use. One that has used up its day
// tells them when the next begins. A request that begins below a quota is taken
// whole: a day holds at most one request more than its quota of events, and of
// bytes besides that what rejected records of requests under way grow by.
func (m *Meter) Admit(space string, at time.Time, events, bytes int) (ok bool, retryAfter time.Duration, reason string) {
	sp, known := m.o.Store.Spaces().Space(space)
	if !known {
		return true, 0, ""
	}
	if sp.State != Active {
		return sp.closed(at)
	}
	if sp.limits.storage != none && sp.use.storage.Load() >= sp.limits.storage {
		return false, laterOn(), "workspace " + sp.Name + " keeps as much as it may (" + strconv.FormatInt(sp.limits.storage, 10) + " bytes of storage): keep these events and send them again later"
	}
	d := sp.use.on(Day(at))
	if d == nil { // the clock was set back by days
		return true, 0, ""
	}
	if d.events.Add(int64(events))-int64(events) >= sp.limits.events {
		d.events.Add(-int64(events))
		return sp.usedUp(at, sp.limits.events, EventsPerDay)
	}
	if d.bytes.Add(int64(bytes))-int64(bytes) >= sp.limits.bytes {
		d.events.Add(-int64(events))
		d.bytes.Add(-int64(bytes))
		return sp.usedUp(at, sp.limits.bytes, BytesPerDay)
	}
	return true, 0, ""
}

// Correct is what collect.Gate tells: by how much what is on disk differs from
// what was admitted.
func (m *Meter) Correct(space string, at time.Time, events, bytes int) {
	sp, known := m.o.Store.Spaces().Space(space)
	if !known {
		return
	}
	if d := sp.use.on(Day(at)); d != nil {
		d.events.Add(int64(events))
		d.bytes.Add(int64(bytes))
	}
}

// laterOn is as long as senders wait at most, spread so that they do not all
// come back at the same moment.
func laterOn() time.Duration { return 240*time.Second + rand.N(61*time.Second) }

func (sp *Space) closed(at time.Time) (ok bool, retryAfter time.Duration, reason string) {
	what := "is suspended" + because(sp.Reason)
	if sp.State != Suspended {
		what = "was deleted"
	}
	if sp.State != Purging && at.Sub(sp.Since) < sp.patience {
		return false, laterOn(), "workspace " + sp.Name + " " + what + ": keep these events and send them again later"
	}
	return false, 0, "workspace " + sp.Name + " " + what + ": it takes no events"
}

// spread is over how long senders come back when a day begins.
const spread = time.Minute

func (sp *Space) usedUp(at time.Time, limit int64, quota string) (ok bool, retryAfter time.Duration, reason string) {
	next := DayStart(Day(at) + 1)
	return false, next.Sub(at) + rand.N(spread), "workspace " + sp.Name + " has used its " + strconv.FormatInt(limit, 10) + " " +
		quotaWords[quota] + ": it takes more from " + next.Format(time.RFC3339) + " on"
}

// AdmitQuery says whether a query may begin: Forbidden or NotFound as Usable
// says, Limited when the day's time for queries is used up. Queries that run
// then end as they would.
func (m *Meter) AdmitQuery(space string, at time.Time) error {
	sp, known := m.o.Store.Spaces().Space(space)
	if !known {
		return millrace.Errorf(millrace.NotFound, "there is no space %.80q", space)
	}
	if err := sp.Usable(); err != nil {
		return err
	}
	d := sp.use.on(Day(at))
	if d == nil || d.queryMicros.Load() < sp.limits.queryMicros {
		return nil
	}
	_, wait, reason := sp.usedUp(at, sp.limits.queryMicros/1_000_000, QuerySecondsPerDay)
	return &millrace.Error{Kind: millrace.Limited, Message: reason, RetryAfter: wait}
}

// QueryTime is how long queries of the workspace of a space ran on the day that at
// lies in, as far as it is known in memory.
func (m *Meter) QueryTime(space string, at time.Time) time.Duration {
	sp, known := m.o.Store.Spaces().Space(space)
	if !known {
		return 0
	}
	d := sp.use.on(Day(at))
	if d == nil {
		return 0
	}
	return time.Duration(d.queryMicros.Load()) * time.Microsecond
}
