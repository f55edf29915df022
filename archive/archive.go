// Package archive keeps the log for ever as Parquet files in a bucket. It
// reads the distinct log, writes fresh files each minute, publishes each hour
// of log time once in a layout that any SQL engine reads, and gives the
// records back in the order of their positions. docs/format/archive.md
// specifies the files and argues why a crash loses or doubles nothing.
package archive

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// Options say what is archived where.
type Options struct {
	// Bucket holds everything: files, manifest, and the archive's own progress.
	// One process at a time may run an archive in a bucket. Required.
	Bucket blob.Bucket
	// Log gives the distinct records. Nil means that the archive is only read
	// and verified: Run refuses.
	Log eventlog.Opener
	// Interval is how long a record waits at most until it is in a fresh file.
	// Default 60 s.
	Interval time.Duration
	// MaxFileBytes is the memory of the records that are collected for the
	// next fresh files; reached, they are written at once. Default 16 MiB.
	MaxFileBytes int64
	// MaxSliceBytes is the memory of the records that are published, and read
	// back, together: an hour that is larger becomes several files a source.
	// Default 32 MiB. More makes fewer, larger files of busy sources.
	MaxSliceBytes int64
	// Grace is how long files stay after the manifest has stopped naming them,
	// for readers outside this process. Default 10 minutes.
	Grace time.Duration
	// AcceptGap goes on at the beginning of the log when the log has trimmed
	// records that the archive does not have. Those are lost to it. Default:
	// Run fails and says so.
	AcceptGap bool
	// Damaged lets Open succeed when the bucket holds what is not a whole
	// archive: until that is repaired Run, Open and Through of the Archive say
	// what is wrong. Default: Open fails.
	Damaged bool

	Now     func() time.Time      // default time.Now
	Logger  *slog.Logger          // default: discards
	Metrics prometheus.Registerer // default: none
}

// Defaults of Options.
const (
	DefaultInterval      = 60 * time.Second
	DefaultMaxFileBytes  = 16 << 20
	DefaultMaxSliceBytes = 32 << 20
	DefaultGrace         = 10 * time.Minute
)

// publishDelay is how long after an hour by the clock it is published when no
// record of a later hour has come.
const publishDelay = time.Minute

// An Archive is the past of a log: every record up to Through, distinct. It is
// safe for concurrent use.
type Archive struct {
	opts  Options
	store *store
	days  dayCache
	sizes sizeCache

	// retryMin and retryMax bound the wait between attempts while the bucket
	// does not answer.
	retryMin, retryMax time.Duration

	requests chan request
	purged   atomic.Pointer[purgedSet] // as Run knows them

	mu      sync.Mutex
	running bool
	paused  bool
	resumed chan struct{} // closed when not paused
	health  health
	metrics *metrics
}

// health is what Stats says beside the manifest.
type health struct {
	lastError  string
	failing    time.Time // since when the bucket does not answer; zero when it does
	publishing string
}

var _ eventlog.Past = (*Archive)(nil)

// Open opens the archive in a bucket, or begins one in an empty bucket. A
// bucket that does not answer, or not before ctx ends, is no error: Run goes on
// trying, and until it answers Open and Through of the Archive are Unavailable. Invalid means that
// the bucket holds something else, or an archive of a newer version.
func Open(ctx context.Context, opts Options) (*Archive, error) {
	if opts.Bucket == nil {
		return nil, millrace.Errorf(millrace.Invalid, "the archive has no bucket: name one, as in archive: file:archive")
	}
	opts.setDefaults()
	open := make(chan struct{})
	close(open)
	a := &Archive{
		opts:     opts,
		store:    newStore(opts.Bucket, opts.Now),
		retryMin: 200 * time.Millisecond,
		retryMax: 30 * time.Second,
		requests: make(chan request),
		resumed:  open,
	}
	var err error
	if a.metrics, err = newMetrics(a, opts.Metrics); err != nil {
		return nil, err
	}
	if err := a.store.load(ctx, nil); err != nil {
		switch k := millrace.KindOf(err); {
		case k == millrace.Unavailable, k == millrace.Canceled, k == millrace.Invalid && opts.Damaged:
			a.failed(err)
		default:
			return nil, err
		}
	}
	return a, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.Interval, DefaultInterval)
	setDefault(&o.MaxFileBytes, DefaultMaxFileBytes)
	setDefault(&o.MaxSliceBytes, DefaultMaxSliceBytes)
	setDefault(&o.Grace, DefaultGrace)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
}

func setDefault[T ~int64](value *T, def T) {
	if *value <= 0 {
		*value = def
	}
}

// Through returns the position up to which every record of the log is in the
// archive, durably, in whole frames; zero when there is nothing yet. The log
// may forget what lies before it. Unavailable when the bucket has not answered
// since the start.
func (a *Archive) Through(ctx context.Context) (millrace.Position, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return millrace.Position{}, err
	}
	return s.Through, nil
}

// snapshot returns the manifest as it is, loading it if that failed before.
func (a *Archive) snapshot(ctx context.Context) (*state, error) {
	if s := a.store.snapshot(); s != nil {
		return s, nil
	}
	if err := a.store.load(ctx, nil); err != nil {
		return nil, err
	}
	return a.store.snapshot(), nil
}

// moved says whether the manifest is another one than s by now. An archive
// that is only read looks into the bucket: another process may write there.
func (a *Archive) moved(ctx context.Context, s *state) bool {
	if a.opts.Log == nil {
		if err := a.store.load(ctx, s); err != nil {
			return false
		}
	}
	now := a.store.snapshot()
	return now.Generation != s.Generation || now.Session != s.Session
}

// Pause stops collecting and writing after the step that is under way. The
// log then keeps what is not archived.
func (a *Archive) Pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.paused {
		a.paused = true
		a.resumed = make(chan struct{})
	}
}

// Resume goes on after Pause.
func (a *Archive) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.paused {
		a.paused = false
		close(a.resumed)
	}
}

// unpaused returns a channel that is closed when the archive may work.
func (a *Archive) unpaused() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.resumed
}

// FlushNow stores everything that the log held when it was called. It needs
// Run to be running (Unavailable otherwise) and waits as long as ctx allows.
func (a *Archive) FlushNow(ctx context.Context) error { return a.request(ctx, request{}) }

// Publish is FlushNow, and then publishes every hour that is over.
func (a *Archive) Publish(ctx context.Context) error { return a.request(ctx, request{publish: true}) }

// A request asks Run for something out of turn.
type request struct {
	publish bool
	purge   string // the workspace to purge
	done    chan error
}

func (a *Archive) request(ctx context.Context, r request) error {
	a.mu.Lock()
	running, paused := a.running, a.paused
	a.mu.Unlock()
	if !running {
		return millrace.Errorf(millrace.Unavailable, "the archive is not running: nothing was flushed")
	}
	if paused {
		return millrace.Errorf(millrace.Unavailable, "the archive is paused: resume it first")
	}
	r.done = make(chan error, 1)
	select {
	case a.requests <- r:
	case <-ctx.Done():
		return a.tooSlow(ctx)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return a.tooSlow(ctx)
	}
}

func (a *Archive) tooSlow(ctx context.Context) error {
	a.mu.Lock()
	last := a.health.lastError
	a.mu.Unlock()
	if last != "" {
		return millrace.Errorf(millrace.Canceled, "the archive was not flushed in time; its bucket fails: %s: %w", last, ctx.Err())
	}
	return millrace.Errorf(millrace.Canceled, "the archive was not flushed in time: %w", ctx.Err())
}
