package eventlog

import (
	"context"
	"time"

	"github.com/millrace/millrace"
)

// Retention says how much of a log is kept.
type Retention struct {
	Age       time.Duration // log time behind the clock; 0 keeps for ever
	SizeBytes int64         // on disk; 0 means without limit
}

// A Retainer is a Log that can say what is older or more than is to be kept.
type Retainer interface {
	// Expired returns the last position that is beyond the retention, for Trim:
	// whole frames. It is zero when there is none. With a limit of size it may
	// take a few rounds of Expired and Trim to come below it.
	Expired(ctx context.Context, r Retention) (through millrace.Position, err error)
	// FirstAfter returns the position of the first frame whose log time is not
	// before t; the end of the log when there is none.
	FirstAfter(ctx context.Context, t time.Time) (millrace.Position, error)
}

// A Verification is what Verify found.
type Verification struct {
	First, Last millrace.Position
	Frames      uint64
	Records     uint64
	SizeBytes   int64
	// Destroyed counts those of the records that nobody can read any more, as
	// the key of their workspace was destroyed: that is not damage. Locked
	// counts those whose key cannot be had at the moment. Of both, only the
	// checksums of what is stored were checked.
	Destroyed, Locked uint64
	// Problems says what is broken, where; the first hundred, with Broken
	// counting all of them. Empty when the log is whole.
	Problems []string
	Broken   uint64
	// Lost says which frames were given up, and when: what they held is not in
	// the log, and its readers pass over them.
	Lost []string
}

// MaxProblems is how many problems a Verification names.
const MaxProblems = 100

// A Verifier is a Log that can check itself.
type Verifier interface {
	// Verify reads every frame that is there when it begins and checks
	// checksums and order. progress, unless nil, is called now and then with
	// the number of frames. The error is only about not being able to read.
	Verify(ctx context.Context, progress func(done, total int64)) (Verification, error)
}

// A Skipper is a Log whose damaged frames can be given up.
type Skipper interface {
	// Skip gives up what cannot be read of the frames behind after, up to and
	// including the one of through: readers pass over it from then on. It
	// returns how many frames that are. What can be read stays.
	Skip(ctx context.Context, after, through millrace.Position) (frames uint64, err error)
	// FirstLost returns the first frame behind after that was given up, if any.
	FirstLost(after millrace.Position) (p millrace.Position, ok bool)
}

// HowToSkip says how to go on behind a damaged frame that ends at p.
func HowToSkip(p millrace.Position) string {
	return "restore the log's files, or go on without it: millrace reader reset archive --after " + p.String() + " --yes (`millrace log verify` lists all that is damaged)"
}
