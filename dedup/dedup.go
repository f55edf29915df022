// Package dedup decides which records of the log are duplicates. One follower
// reads the log, judges each record once, and keeps the verdict as long as the
// log: every reader and every replay sees the same answer.
//
// A record is a duplicate when an earlier record of the same workspace, source
// and ID lies less than the source's window before it in log time. Any earlier
// record counts, a duplicate too: who sends an ID again and again within the
// window is never counted a second time. Verdicts are thus a function of the
// records of one window, wherever the log begins.
package dedup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Options say what a Follower follows, and how.
type Options struct {
	Log eventlog.Log // required
	Dir string       // folder for verdicts and index; required
	// Window returns the window of a source: at least MinWindow (a shorter one
	// is taken as that), or Forever. It is asked again for every batch, so a
	// change holds for what is judged after it. Unknown is for a source that
	// nothing is said of now: the window that it had stays. Required; called by
	// one goroutine at a time.
	Window func(workspace, source string) time.Duration
	// Past returns the archive, for building a lost index again. It is asked
	// when that is needed, not before Run. Default: there is none, and IDs that
	// the log has trimmed cannot be found again.
	Past func() eventlog.Past
	// MemoryIDs is how many IDs are kept in memory (32 to 64 bytes each) before they
	// are written to a run and the index is checkpointed. Default 190,000, 6 MB.
	MemoryIDs int
	// GroupInterval is how long verdicts wait for others, so that they share an
	// fsync; a verdict that comes after a pause does not wait. Default 50 ms.
	GroupInterval time.Duration
	Logger        *slog.Logger          // default: discard
	Metrics       prometheus.Registerer // default: none
	Now           func() time.Time      // default time.Now

	// verifyAtOpen is how many bytes of index Open reads against their
	// checksums; Run does it for a larger index, beside its work.
	verifyAtOpen int64
}

// A Follower judges the log's records. It implements eventlog.Verdicts and is
// safe for concurrent use; Run may be called once at a time.
type Follower struct {
	opts     Options
	log      *slog.Logger
	verdicts *verdicts
	index    *index // used by Run only, once it runs

	mu      sync.Mutex
	stopped chan struct{} // closed while nobody judges because Run failed
	failure error         // why
	counts  map[spaceKey]Count
	status  Status

	running   bool            // Run runs
	purges    []*purgeRequest // for Run
	interrupt func()          // ends the wait for the log, while there is one
}

var _ eventlog.Verdicts = (*Follower)(nil)

// Open opens the follower's folder, creating it if need be. A damaged index is
// not an error: Run builds it again. Damaged verdicts are: the message says what
// to do. Call Run to have records judged, Close at the end.
func Open(o Options) (*Follower, error) {
	if o.Log == nil || o.Dir == "" || o.Window == nil {
		return nil, millrace.Errorf(millrace.Invalid, "dedup: Log, Dir and Window are required")
	}
	if o.MemoryIDs <= 0 {
		o.MemoryIDs = 190_000
	}
	if o.verifyAtOpen == 0 {
		o.verifyAtOpen = 256 << 20
	}
	if o.GroupInterval <= 0 {
		o.GroupInterval = 50 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	f := &Follower{opts: o, log: o.Logger, stopped: make(chan struct{}), counts: map[spaceKey]Count{}}
	var err error
	if f.verdicts, err = openVerdicts(filepath.Join(o.Dir, "verdicts")); err != nil {
		return nil, fmt.Errorf("open dedup: %w", err)
	}
	if f.index, err = openIndex(filepath.Join(o.Dir, "index"), o); err != nil {
		return nil, errors.Join(fmt.Errorf("open dedup: %w", err), f.verdicts.close())
	}
	f.publish()
	if o.Metrics != nil {
		if err := o.Metrics.Register(&collector{f}); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// Close releases the files. Run must have returned.
func (f *Follower) Close() error {
	if f.opts.Metrics != nil {
		f.opts.Metrics.Unregister(&collector{f})
	}
	f.fail(millrace.Errorf(millrace.Unavailable, "the dedup follower is closed"))
	return errors.Join(f.index.close(), f.verdicts.close())
}

// Wait blocks until everything up to p is judged and the verdict is durable.
// Unavailable when Run has failed or the follower is closed.
func (f *Follower) Wait(ctx context.Context, p millrace.Position) error {
	f.mu.Lock()
	stopped := f.stopped
	f.mu.Unlock()
	done, err := f.verdicts.wait(ctx, p, stopped)
	if done || err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure == nil { // Run was started again in between
		return millrace.Errorf(millrace.Unavailable, "the dedup follower was restarted: try again")
	}
	return millrace.Errorf(millrace.Unavailable, "records are not judged any more: %w", f.failure)
}

// Duplicates returns the positions of duplicates in (after, through], in order.
func (f *Follower) Duplicates(_ context.Context, after, through millrace.Position) ([]millrace.Position, error) {
	return f.verdicts.duplicates(after, through)
}

// Through returns the position up to which verdicts are durable, in whole frames.
func (f *Follower) Through() millrace.Position { return f.verdicts.at().through }

// Checkpoint returns the position from which the follower reads the log again
// when it starts: the log must not be trimmed beyond it. It follows Through by
// at most 380,000 records, ten minutes, or until Run is stopped in order.
func (f *Follower) Checkpoint() millrace.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status.Checkpoint
}

// Counts returns how many records of each source are distinct and how many
// duplicates, ever; whoever has waited for a new verdict finds it counted. After
// a crash it takes until the log has been read from Checkpoint to Through to be
// exact again. When index and verdicts were both lost, duplicates trimmed from
// the log are not known any more.
func (f *Follower) Counts() []Count {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Count, 0, len(f.counts))
	for _, c := range f.counts {
		out = append(out, c)
	}
	slices.SortFunc(out, compareCounts)
	return out
}

// A Range is records next to each other in a frame: the Count records up to and
// including Last, as eventlog.Appender.Append stored them.
type Range struct {
	Last  millrace.Position `json:"last"`
	Count int               `json:"count"`
}

// CountDuplicates waits until all ranges are judged and returns how many records
// they hold and how many of these are duplicates. Invalid when a range cannot be.
func (f *Follower) CountDuplicates(ctx context.Context, ranges []Range) (judged, duplicates int64, err error) {
	var last millrace.Position
	for _, r := range ranges {
		if r.Count < 1 || r.Last.Seq < 1 || r.Last.Index >= millrace.EndOfFrame || int64(r.Count) > int64(r.Last.Index)+1 {
			return 0, 0, millrace.Errorf(millrace.Invalid, "%d records up to %s cannot be: a range begins at index 0 of its frame or later", r.Count, r.Last)
		}
		if r.Last.After(last) {
			last = r.Last
		}
	}
	if err := f.Wait(ctx, last); err != nil {
		return 0, 0, err
	}
	for _, r := range ranges {
		after := r.Last
		if after.Index -= uint32(r.Count); int64(r.Last.Index)+1 == int64(r.Count) {
			after.Seq, after.Index = r.Last.Seq-1, millrace.EndOfFrame
		}
		dups, err := f.verdicts.duplicates(after, r.Last)
		if err != nil {
			return 0, 0, err
		}
		judged += int64(r.Count)
		duplicates += int64(len(dups))
	}
	return judged, duplicates, nil
}

// Trim forgets verdicts up to through, as far as whole segments end there. Call
// it after the log has been trimmed, with the same position.
func (f *Follower) Trim(through millrace.Position) error { return f.verdicts.trim(through) }

// A Status is what an operator wants to know of the follower.
type Status struct {
	Through     millrace.Position // judged to here
	ThroughTime time.Time         // log time of Through; zero when nothing is judged
	Checkpoint  millrace.Position // see Follower.Checkpoint
	// LagFrames is how many frames of the log are not judged yet.
	LagFrames    uint64
	IDs          int64 // in the index, memory included; an ID may count in several runs
	Runs         int   // files of the index
	IndexBytes   int64 // on disk
	VerdictBytes int64 // on disk
	// Rebuilding is true while the index is built again from archive and log;
	// RebuildAt moves from nothing to RebuildTarget, and records wait.
	Rebuilding     bool
	RebuildRecords int64
	RebuildAt      millrace.Position
	RebuildTarget  millrace.Position
	// Failure is what went wrong last, while nothing is judged because of it, or "".
	Failure string
}

// Status returns how the follower is.
func (f *Follower) Status(ctx context.Context) (Status, error) {
	_, last, err := f.opts.Log.Bounds(ctx)
	if err != nil {
		return Status{}, err
	}
	f.mu.Lock()
	s := f.status
	if f.failure != nil {
		s.Failure = f.failure.Error()
	}
	f.mu.Unlock()
	at := f.verdicts.at()
	s.Through, s.VerdictBytes = at.through, f.verdicts.sizeBytes()
	if at.time != 0 {
		s.ThroughTime = time.UnixMilli(at.time).UTC()
	}
	switch {
	case last.Epoch == at.through.Epoch && last.Seq > at.through.Seq:
		s.LagFrames = last.Seq - at.through.Seq
	case last.Epoch > at.through.Epoch:
		s.LagFrames = last.Seq
	}
	return s, nil
}

// fail lets everyone who waits know why nothing will be judged; nil takes it back.
func (f *Follower) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		f.stopped = make(chan struct{})
	}
	if f.failure = err; err != nil {
		close(f.stopped)
	}
}

// trouble shows in Status what Run has to wait for.
func (f *Follower) trouble(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Failure = err.Error()
}

// publish makes what Run knows visible to others: the counts are those of Through.
func (f *Follower) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Failure = ""
	ix := f.index
	for k, sp := range ix.spaces.all {
		if sp.changed {
			f.counts[k], sp.changed = sp.Count, false
		}
	}
	f.reportLocked()
}

// reportLocked updates what Status says of the index.
func (f *Follower) reportLocked() {
	s, ix := &f.status, f.index
	s.Checkpoint, s.Runs, s.IndexBytes = ix.manifest.Through, 0, 0
	s.IDs = int64(ix.mem[recent].n + ix.mem[lasting].n)
	for f := range ix.runs {
		for _, r := range ix.runs[f] {
			s.Runs++
			s.IDs += r.IDs
			s.IndexBytes += r.SizeBytes
		}
	}
}
