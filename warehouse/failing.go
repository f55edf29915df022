package warehouse

import (
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// failing is a row of sessions that came to nothing.
type failing struct {
	tries  int
	since  time.Time // of the first
	wait   time.Duration
	care   bool      // the last one may have been a record's doing
	text   string    // what was logged last …
	logged time.Time // … and when
}

const (
	// The longest pause before the next try: short while care finds out which
	// record the engine does not like.
	pauseOfCare   = 500 * time.Millisecond
	pauseOfAway   = 10 * time.Second // the engine, a disk or a network is away
	pauseOfOthers = time.Minute
	// longSession is a session that did not fail.
	longSession = time.Minute
	// restWhenAsked is how long a pause is at least when someone asks for a position.
	restWhenAsked = time.Second
	// stuckTries and stuckAfter have to pass before those who wait for a
	// position are told at once that nothing is loaded.
	stuckTries = 4
	stuckAfter = 5 * time.Second
	logAgain   = 10 * time.Minute
)

// again notes a failure, and says how long to wait and whether to log it: when
// it is another one than before but for its numbers, and now and then.
func (f *failing) again(err error) (wait time.Duration, log bool) {
	if f.tries++; f.tries == 1 {
		f.since = time.Now()
	}
	longest := pauseOfOthers
	f.care = blames(err)
	switch kind := millrace.KindOf(err); {
	case f.care:
		longest = pauseOfCare
	case kind == millrace.Unavailable || kind == millrace.Limited:
		longest = pauseOfAway
	}
	f.wait = min(max(2*f.wait, 100*time.Millisecond), longest)
	text := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
	if log = text != f.text || time.Since(f.logged) >= logAgain; log {
		f.text, f.logged = text, time.Now()
	}
	return f.wait, log
}

// stuck says whether it is not to be expected that the next try goes well.
func (f *failing) stuck() bool {
	after := stuckAfter
	if f.care {
		after += 2 * defaultPatience // until the record is found and left out
	}
	return f.tries >= stuckTries && time.Since(f.since) >= after
}
