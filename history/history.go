// Package history keeps what the web page draws over time: numbers sampled
// every ten seconds, and marks (a start, a reload, a rebuild) beside them.
//
// Numbers are kept at three resolutions: ten seconds for six hours, a minute
// for 30 days, an hour for ever. Of a gauge each point has mean, least, greatest
// and last value; of a counter the increase. All of it is one SQLite file,
// history.db. The samples of one moment are one row, written and fsynced at
// once: a crash, also of the machine, loses at most ten seconds. When an hour
// is over its rows are packed, series by series, into all three resolutions, in
// one transaction that also deletes them.
//
// The charts are a convenience: nothing else depends on them. A damaged file is
// moved aside and begun anew, and samples that cannot be written are lost with
// a warning.
//
// What the page draws are the Metrics, under the names that they have at
// /metrics too:
//
//	events/s by source and result   millrace_collect_events_total {source, result}
//	duplicates by source            millrace_dedup_records_total {source, verdict}
//	refused requests                millrace_collect_refused_total {source, reason}
//	append latency                  millrace_collect_append_seconds {quantile: 0.5, 0.99}
//	time to bring a frame to disk   millrace_log_frame_seconds {quantile: 0.5, 0.99}
//	reader lag                      millrace_reader_lag_seconds {workspace, reader}
//	log size, disk free, reserve    millrace_log_bytes, millrace_log_disk_free_bytes, millrace_log_disk_reserve_bytes
//	memory of both processes        process_resident_memory_bytes, millrace_duckdb_resident_bytes
//	processor time                  process_cpu_seconds_total
//	IDs known to dedup              millrace_dedup_index_ids
//	records/s of the archive        millrace_archive_records_total
//	rows/s of the loader            millrace_warehouse_rows_total
//	queries                         millrace_duckdb_queries (running), millrace_api_requests_total {route, status}
package history

import (
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// A Kind says how samples of a series become points.
type Kind uint8

// The kinds of series.
const (
	// Gauge is a value that goes up and down.
	Gauge Kind = iota
	// Counter only grows, and begins at zero with the process; a lower value
	// than before is a new beginning. Its points are increases.
	Counter
	// Total is a counter that outlives the process. A lower value than before
	// is no beginning: nothing is counted until it is exceeded.
	Total
)

// String returns the kind's name as the HTTP API shows it: a Total is a counter to whoever reads.
func (k Kind) String() string {
	if k == Gauge {
		return "gauge"
	}
	return "counter"
}

// A Sample is the value of a series at one moment.
type Sample struct {
	Name   string
	Labels map[string]string // kept as they are, not changed
	Kind   Kind
	// Value is absolute also of a counter. NaN and infinities are no sample.
	Value float64
}

// A Point is what is known of a series in one step of time.
type Point struct {
	At time.Time // when the step begins; the last one may not be over yet
	// Value is the mean of a gauge, and by how much a counter grew.
	Value float64
	// Min, Max and Last are of a gauge's samples; of a counter all are Value.
	Min, Max, Last float64
}

// A Series is a line of a chart. A step without samples has no point.
type Series struct {
	Name   string
	Labels map[string]string
	Kind   Kind
	Unit   string // bytes, seconds, events …: see UnitOf
	Step   time.Duration
	Points []Point // oldest first
}

// A Mark is something that happened and that explains a chart.
type Mark struct {
	At   time.Time
	Kind string // Start, Stop …
	Text string // for people; at most 1,000 bytes are kept
	// Workspace is whose mark it is; "" is of the whole server.
	Workspace string
}

// The kinds of marks.
const (
	MarkStart   = "start"
	MarkStop    = "stop"
	MarkReload  = "reload"
	MarkRebuild = "rebuild"
	MarkVersion = "version"
)

// Options are what a Store needs.
type Options struct {
	File      string           // history.db in the data folder, whose owner alone may open it; required
	Now       func() time.Time // default time.Now
	Logger    *slog.Logger     // default discards
	MaxSeries int              // default 5,000; then the one not sampled for longest makes room
}

// A Store keeps series and marks. It is safe for concurrent use.
type Store struct {
	o       Options
	logger  *slog.Logger
	every   time.Duration          // between samples
	damaged atomic.Pointer[damage] // someone met it: the next Record moves the file aside

	mu      sync.Mutex // one writer; guards what follows
	series  map[string]*series
	tick    int64          // counts rounds, whatever the clock says
	hours   map[int64]bool // that have rounds, by their beginning
	evicted int64
	warned  map[string]time.Time

	files       sync.RWMutex // held while a handle is in use; guards what follows
	write, read *sql.DB      // nil when closed
}

// A series is what is known of one in memory.
type series struct {
	id     int64 // 0: not in the file
	key    string
	name   string
	labels map[string]string
	kind   Kind
	last   float64 // a counter's absolute value
	has    bool    // last is known
	seen   int64   // tick when it was last sampled
}

// Open opens the file, or makes it. A damaged one is moved aside with a
// warning, to the same name with .damaged behind it, and a new one begun. A
// file of a newer version is refused with Invalid. Only one Store may use a
// file.
func Open(o Options) (*Store, error) {
	if o.File == "" {
		return nil, millrace.Errorf(millrace.Invalid, "history: Options.File is missing: name the file, history.db in the data folder")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxSeries <= 0 {
		o.MaxSeries = 5000
	}
	s := &Store{o: o, logger: o.Logger, every: sampleEvery, warned: map[string]time.Time{}}
	err := s.open()
	if isDamage(err) {
		s.damaged.Store(&damage{err: err})
		err = s.moveAside()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the file. Whatever is called after it fails with Unavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.close()
}

// Status is how a Store is.
type Status struct {
	Series    int   // known
	MaxSeries int   // then the one not sampled for longest makes room
	Evicted   int64 // series that had to make room, since Open
	SizeBytes int64 // on disk
}

// Status says how the store is.
func (s *Store) Status() Status {
	s.mu.Lock()
	st := Status{Series: len(s.series), MaxSeries: s.o.MaxSeries, Evicted: s.evicted}
	s.mu.Unlock()
	for _, end := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.o.File + end); err == nil {
			st.SizeBytes += info.Size()
		}
	}
	return st
}

// Names returns the names of all series, in order.
func (s *Store) Names(_ context.Context) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := map[string]bool{}
	for _, one := range s.series {
		names[one.name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// warn logs a repeated trouble at most once an hour.
func (s *Store) warn(what string, args ...any) {
	now := time.Now()
	if last, ok := s.warned[what]; ok && now.Sub(last) < time.Hour {
		return
	}
	s.warned[what] = now
	s.logger.Warn(what, args...)
}
