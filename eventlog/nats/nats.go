// Package nats is the embedded log: a NATS server in this process whose
// JetStream stores frames on disk, each fsynced before its records are
// acknowledged.
package nats

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

var (
	_ eventlog.Log        = (*Log)(nil)
	_ eventlog.Reporter   = (*Log)(nil)
	_ eventlog.Retainer   = (*Log)(nil)
	_ eventlog.Verifier   = (*Log)(nil)
	_ eventlog.Skipper    = (*Log)(nil)
	_ eventlog.Forgetter  = (*Log)(nil)
	_ eventlog.Dispatcher = (*Log)(nil)
)

// Limits that need no option.
const (
	frameTargetBytes = 1 << 20  // a frame is closed at this size, unless one Append is larger
	maxQueuedBytes   = 64 << 20 // of records that wait for the disk; beyond it Append is Unavailable
	spaceCheckEvery  = time.Second
	spaceCheckBytes  = 64 << 20 // written since the last look at the disk
	retryAfterMax    = 300 * time.Second
	reopenEvery      = time.Second
)

// Options are the parameters of Open.
type Options struct {
	Dir string // required: a folder of its own; made when missing. The caller locks it against a second process.
	// ReserveBytes is the free space of the disk below which Append refuses
	// with Limited; default 5 % of the disk, at least 2 GiB. A negative value
	// switches the reserve off: for tests of a disk that is really full.
	ReserveBytes int64
	// CacheBytes is how much of the newest frames stays in memory for readers;
	// default 32 MiB.
	CacheBytes int
	// CheckBytes is how much of the newest blocks is checked for damage when the
	// log is opened; default 64 MiB, negative is nothing.
	CheckBytes int64
	// RollBytes is how large one stream of the log grows before the next is
	// begun. After a crash as much is read before the log is open; default 256 MiB.
	RollBytes int64
	// PublishTimeout is how long a frame may take to reach the disk before the
	// log is closed and opened again; default 15 s.
	PublishTimeout time.Duration
	// AfterEpoch is the largest epoch known from elsewhere (the archive); a
	// new log's epoch is larger. Frames whose log.json is gone are taken to be
	// of it. Default 0.
	AfterEpoch uint64
	// Keys has the keys that sections are encrypted with; nil: they are not.
	Keys eventlog.Keys
	// Fence says why this process may not write any more, if so: what has lost the
	// log to another process without knowing yet acknowledges nothing. It is asked
	// before each frame is written, and again when it is durable; nil: it may.
	Fence   func() error
	Now     func() time.Time      // default time.Now
	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // nil: none
}

// A Log is a log on the local disk. It is safe for concurrent use.
type Log struct {
	o       Options
	logger  *slog.Logger
	metrics metrics
	tail    *eventlog.Tail
	keys    *eventlog.Keyring
	space   space

	mu          sync.Mutex
	queue       []*batch // what waits for the disk, oldest first
	queuedBytes int
	free        []*eventlog.FrameBuilder
	down        bool // being opened again
	closed      bool
	kick        chan struct{} // 1: there is a queue
	queued      int           // appends in queue
	wanted      int           // of them, before the next frame is written; 0 when nobody waits
	gathered    chan struct{} // 1: wanted is reached

	storeMu sync.RWMutex // guards store; held while reading
	store   *store       // nil while being opened again
	lost    lostList

	resumed   time.Time // when the committer opened the store again
	restarted bool      // the committer opened it again to seal the first stream

	trimMu    sync.Mutex   // who writes the identity
	format    atomic.Int32 // of the folder
	sizeBytes atomic.Int64
	firstTime atomic.Pointer[firstTime]

	stop    context.CancelFunc // ends the committer
	stopped chan struct{}
}

// A batch is the next frame, while it is filled and until it is on disk.
type batch struct {
	builder *eventlog.FrameBuilder
	size    int
	appends int
	done    chan struct{} // closed when seq or err is set
	seq     uint64
	err     error
}

// completed returns the options with their defaults.
func (o Options) completed() (Options, error) {
	if o.Dir == "" {
		return o, millrace.Errorf(millrace.Invalid, "the log has no folder: set Options.Dir")
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 32 << 20
	}
	if o.CheckBytes == 0 {
		o.CheckBytes = salvageBytes
	}
	if o.RollBytes == 0 {
		o.RollBytes = rollBytes
	}
	if o.PublishTimeout == 0 {
		o.PublishTimeout = 15 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fence == nil {
		o.Fence = func() error { return nil }
	}
	return o, nil
}

// Open opens the log in o.Dir, or creates it.
func Open(ctx context.Context, o Options) (*Log, error) {
	o, err := o.completed()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "creating the log's folder: %w", err)
	}
	l := &Log{o: o, logger: o.Logger, kick: make(chan struct{}, 1), gathered: make(chan struct{}, 1), stopped: make(chan struct{})}
	l.space = space{dir: o.Dir, reserve: o.ReserveBytes}
	if err := l.space.look(time.Now()); err != nil {
		return nil, err
	}
	if l.keys, err = eventlog.NewKeyring(eventlog.KeyringOptions{Keys: o.Keys, Logger: o.Logger, Metrics: o.Metrics}); err != nil {
		return nil, err
	}
	s, id, err := openStore(ctx, o, nil, &l.lost)
	if err != nil {
		l.keys.Close(o.Metrics)
		return nil, err
	}
	l.store = s
	l.tail = eventlog.NewTail(eventlog.TailOptions{
		Eras: id.eras(), First: s.first, Last: s.last, Stamp: s.stamp, MaxBytes: o.CacheBytes, Fetch: l.fetch, Keys: l.keys,
	})
	l.sizeBytes.Store(s.size)
	l.format.Store(int32(id.Format))
	if err := l.metrics.register(o.Metrics, l); err != nil {
		l.keys.Close(o.Metrics)
		s.close()
		return nil, err
	}
	ctx, l.stop = context.WithCancel(context.Background())
	go l.run(ctx)
	return l, nil
}

// Append stores the records next to each other in one frame.
func (l *Log) Append(ctx context.Context, records []millrace.Record) (millrace.Position, error) {
	if err := eventlog.CheckAppend(records); err != nil {
		return millrace.Position{}, err
	}
	if err := ctx.Err(); err != nil {
		return millrace.Position{}, millrace.Errorf(millrace.Canceled, "appending to the log: %w", err)
	}
	start := time.Now()
	if err := l.refuse(l.space.check(start)); err != nil {
		return millrace.Position{}, err
	}
	seals, err := l.keys.Seals(records)
	if err != nil {
		l.metrics.refused(err)
		return millrace.Position{}, err
	}
	b, index, err := l.enqueue(records, seals)
	if err != nil {
		l.metrics.refused(err)
		return millrace.Position{}, err
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return millrace.Position{}, millrace.Errorf(millrace.Canceled, "waiting for the log's disk: %w; whether the records were stored is not known", ctx.Err())
	}
	if b.err != nil {
		return millrace.Position{}, b.err
	}
	l.metrics.appended(start)
	return l.tail.At(b.seq, uint32(index)), nil
}

// enqueue copies the records into the next frame that has room.
func (l *Log) enqueue(records []millrace.Record, seals eventlog.Seals) (b *batch, index int, err error) {
	size := 0
	for i := range records {
		size += eventlog.Size(&records[i])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, 0, errClosed()
	case l.down:
		return nil, 0, millrace.Errorf(millrace.Unavailable, "the log is being opened again after its disk did not answer: try again in a moment")
	case l.queuedBytes+size > maxQueuedBytes:
		return nil, 0, millrace.Errorf(millrace.Unavailable, "%d bytes wait for the log's disk already: try again in a moment", l.queuedBytes)
	}
	if n := len(l.queue); n > 0 && l.queue[n-1].builder.Len()+len(records) <= eventlog.MaxFrameRecords && l.queue[n-1].builder.Size()+size <= frameTargetBytes {
		b = l.queue[n-1]
	} else {
		b = &batch{builder: l.newBuilder(), done: make(chan struct{})}
		l.queue = append(l.queue, b)
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
	b.size += size
	b.appends++
	l.queuedBytes += size
	if l.queued++; l.wanted > 0 && (l.queued >= l.wanted || len(l.queue) > 1) {
		l.wanted = 0
		l.gathered <- struct{}{}
	}
	return b, b.builder.AddSealed(records, seals), nil
}

// newBuilder returns an empty builder. l.mu is held.
func (l *Log) newBuilder() *eventlog.FrameBuilder {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	return &eventlog.FrameBuilder{}
}

func errClosed() error {
	return millrace.Errorf(millrace.Unavailable, "the log is closed: the server is stopping, try again when it has started")
}

// refuse returns the Limited error for a disk at its reserve.
func (l *Log) refuse(full bool) error {
	if !full {
		return nil
	}
	err := &millrace.Error{Kind: millrace.Limited, Message: l.space.why(), RetryAfter: retryAfterMax - rand.N(retryAfterMax/5)}
	l.metrics.refused(err)
	return err
}

// Forget drops what is remembered of a workspace's keys. Its records that are in
// memory are encrypted as those on disk are.
func (l *Log) Forget(space string) { l.keys.Forget(space) }

// Open returns a reader of what follows after.
func (l *Log) Open(_ context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	return l.tail.Open(after, f)
}

// Bounds returns where the log begins and ends.
func (l *Log) Bounds(context.Context) (first, last millrace.Position, err error) {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return first, last, errClosed()
	}
	first, last = l.tail.Bounds()
	return first, last, nil
}

// Close ends all readers and appends and releases the log. A frame on its way
// to the disk is waited for.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.stopped
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.stop()
	<-l.stopped
	l.tail.Close()
	l.metrics.unregister(l.o.Metrics)
	l.keys.Close(l.o.Metrics)
	l.storeMu.Lock()
	defer l.storeMu.Unlock()
	if l.store == nil {
		return nil
	}
	err := l.saveIdentity()
	l.store.close()
	l.store = nil
	return err
}
