// Package result keeps the results of queries on the server: each is stored
// once, as a Parquet file, and what is shown of it later (a page of rows in any
// order, what a column holds, a chart, a download) reads that file and never
// the warehouse.
package result

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// An Engine runs SQL over one file of the folder that results are kept in.
type Engine interface {
	// ReadResult runs one SELECT that this package made. In it the file is the
	// table result; its columns are c0, c1 … in the file's order, and r is the
	// number of the row, from 0. Workspace is left empty; the other fields of q,
	// and the errors, are those of a warehouse's query.
	ReadResult(ctx context.Context, file string, q warehouse.Query) (warehouse.Rows, error)
}

// Options say where results are kept, and how many.
type Options struct {
	Dir    string // made if it is not there; required
	Engine Engine // required
	// MaxBytes and MaxRows bound one result, which is cut there; default 256 MiB
	// and 5 million.
	MaxBytes, MaxRows int64
	// TotalBytes bounds all of them: the one that was unused for longest goes
	// first; default 4 GiB.
	TotalBytes int64
	// ReserveBytes of Dir's disk stay free of results; default a sixteenth of the
	// disk, at least 2.5 GiB, which is more than what the log keeps free: there are
	// no results any more before the log refuses.
	ReserveBytes int64
	KeepFor      time.Duration // after a result was last used; default 24 h
	// Timeout is how long reading a page, statistics or a chart may take; default 30 s.
	Timeout time.Duration
	// ExportTimeout is how long a download may take; default 10 min.
	ExportTimeout time.Duration
	// MaxExports are downloads that run at a time, as one may be slow and the
	// engine is needed for other things; more are refused. Default 2. Whole results
	// as Parquet do not count.
	MaxExports int
	// Around runs each query on the result of a workspace: it may refuse it, and
	// sees when its rows are closed. plain says that rows are read as they are
	// stored, which costs next to nothing. Default: it is run.
	Around func(workspace string, plain bool, run func() (warehouse.Rows, error)) (warehouse.Rows, error)
	// CacheBytes of rows that were looked at stay in memory; default 32 MiB.
	CacheBytes int64
	Logger     *slog.Logger          // default discard
	Metrics    prometheus.Registerer // nil is none
	Now        func() time.Time      // default time.Now

	// disk returns the free bytes and the size of the disk of a folder.
	disk func(dir string) (free, size int64, err error)
}

func (o *Options) complete() error {
	switch {
	case o.Dir == "":
		return millrace.Errorf(millrace.Invalid, "the results of queries need a folder: set Dir")
	case o.Engine == nil:
		return millrace.Errorf(millrace.Invalid, "the results of queries need an engine that reads them: set Engine")
	}
	def(&o.MaxBytes, 256<<20)
	def(&o.MaxRows, 5_000_000)
	def(&o.TotalBytes, 4<<30)
	def(&o.CacheBytes, 32<<20)
	def(&o.KeepFor, 24*time.Hour)
	def(&o.Timeout, 30*time.Second)
	def(&o.ExportTimeout, 10*time.Minute)
	def(&o.Logger, slog.New(slog.DiscardHandler))
	def(&o.MaxExports, 2)
	o.MaxRows = min(o.MaxRows, warehouse.MaxQueryRows)
	o.MaxBytes = min(o.MaxBytes, o.TotalBytes)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Around == nil {
		o.Around = func(_ string, _ bool, run func() (warehouse.Rows, error)) (warehouse.Rows, error) { return run() }
	}
	if o.disk == nil {
		o.disk = diskSpace
	}
	return nil
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// A Result describes a stored result.
type Result struct {
	ID        string // 26 letters and digits that nobody can guess
	Workspace string
	SQL       string
	Columns   []Column
	Rows      int64
	Bytes     int64 // of the file
	Truncated bool  // the query had more rows
	Created   time.Time
	Elapsed   time.Duration // from asking (Question.Asked) to having stored the last row
}

// A Column of a result. Names are unique in a result: where a query gives one
// name twice, the second is called name_2, and a column without a name column_1
// by its place.
type Column struct {
	Name string `json:"name" example:"total"`
	Type string `json:"type" example:"bigint" doc:"As the answers of queries name it."`
}

// A Store keeps results. It is safe for concurrent use.
type Store struct {
	o       Options
	metrics []prometheus.Collector
	exports chan struct{} // a place for each download

	mu      sync.Mutex
	results map[string]*entry
	purged  map[string]bool  // workspaces
	writing int64            // bytes of files that are being written
	totals  map[string]int64 // rows behind a filter, by result and filter

	windows  map[string]*window // by result and view
	windowed int64              // bytes of those that are read
	uses     uint64             // of windows

	creations map[*creation]bool
}

// An entry is a stored result in the Store.
type entry struct {
	Result
	columns []stored
	used    time.Time
	touched time.Time // when the file was told of used
	users   int       // what reads it now
	gone    bool      // its files go when nobody reads it any more
}

// Open takes over the results in the folder and removes what a crash left half
// written.
func Open(o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "make the folder for the results of queries: %w", err)
	}
	o.Dir = dir
	s := &Store{o: o, results: map[string]*entry{}, totals: map[string]int64{}, windows: map[string]*window{}, purged: map[string]bool{}, creations: map[*creation]bool{}, exports: make(chan struct{}, o.MaxExports)}
	if s.o.ReserveBytes == 0 {
		_, size, err := o.disk(dir)
		if err != nil {
			return nil, millrace.Errorf(millrace.Internal, "ask for the size of the disk of %s: %w", dir, err)
		}
		s.o.ReserveBytes = max(size/16, 5<<29)
	}
	if err := s.scan(); err != nil {
		return nil, err
	}
	if err := s.register(); err != nil {
		return nil, err
	}
	s.expire()
	return s, nil
}

// Close gives the metrics back. Results stay for the next Open.
func (s *Store) Close() error {
	for _, c := range s.metrics {
		s.o.Metrics.Unregister(c)
	}
	return nil
}

func (s *Store) register() error {
	if s.o.Metrics == nil {
		return nil
	}
	gauge := func(name, help string, value func(Usage) float64) {
		s.metrics = append(s.metrics, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "millrace_result_" + name, Help: help},
			func() float64 { return value(s.Usage()) }))
	}
	gauge("files", "Results of queries that are stored.", func(u Usage) float64 { return float64(u.Results) })
	gauge("size_bytes", "Size of the results of queries that are stored.", func(u Usage) float64 { return float64(u.Bytes) })
	for i, c := range s.metrics {
		if err := s.o.Metrics.Register(c); err != nil {
			s.metrics = s.metrics[:i]
			return err
		}
	}
	return nil
}

// Usage says how much is stored.
type Usage struct {
	Results int
	Bytes   int64 // with what is being written
}

// Usage says how much is stored now.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Usage{Results: len(s.results), Bytes: s.writing + s.stored()}
}

// stored is the size of all results. s.mu is held.
func (s *Store) stored() (bytes int64) {
	for _, e := range s.results {
		bytes += e.Bytes
	}
	return bytes
}

// Get describes a result. The error is NotFound.
func (s *Store) Get(id string) (Result, error) {
	e, done, err := s.use(id)
	if err != nil {
		return Result{}, err
	}
	done()
	return e.Result, nil
}

// Delete removes a result; what reads it now goes on. The error is NotFound.
func (s *Store) Delete(id string) error {
	found, err := s.remove(id, func(*entry) bool { return true })
	if err == nil && !found {
		return notFound(id)
	}
	return err
}

func notFound(id string) error {
	return millrace.Errorf(millrace.NotFound, "there is no result %.40q: it was not used for long, or it made room for others; run its query again", id)
}

// use gives a result to a reader until done is called.
func (s *Store) use(id string) (e *entry, done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = s.results[id]
	now := s.o.Now()
	if e == nil || now.Sub(e.used) > s.o.KeepFor {
		return nil, nil, notFound(id)
	}
	e.used = now
	e.users++
	if now.Sub(e.touched) > touchEvery {
		e.touched = now
		// A start after a crash that does not know of it forgets sooner.
		_ = os.Chtimes(s.path(id, manifestEnding), now, now)
	}
	var once sync.Once
	return e, func() {
		once.Do(func() {
			s.mu.Lock()
			e.users--
			last := e.gone && e.users == 0
			s.mu.Unlock()
			if last {
				if err := s.removeFiles(id); err != nil {
					s.o.Logger.Warn("a result stays on disk", "error", err)
				}
			}
		})
	}, nil
}

// touchEvery is how often the use of a result is noted on disk.
const touchEvery = time.Minute

// Run removes what was not used for long, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(min(time.Minute, s.o.KeepFor))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.expire()
			_ = s.makeRoom(0) // who writes a result is told that there is no room
		}
	}
}
