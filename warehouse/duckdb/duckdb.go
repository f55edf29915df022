// Package duckdb is the warehouse on DuckDB: one file per workspace, in a child
// process of the same binary that its parent supervises. A query can exhaust
// memory, ignore cancellation, even abort its process; none of that touches
// the parent, and everything that was committed is there when the child is back.
package duckdb

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Options say how a Warehouse is opened.
type Options struct {
	// Dir holds one file per workspace, <workspace>.duckdb. Required.
	Dir string
	// MemoryLimitBytes is the resident memory that the child stays within while
	// it loads and queries are ordinary; default 1 GiB. The engine of a workspace
	// gets engineShare of it for buffers. What DuckDB does not count comes on top
	// of that: records that wait, columns' descriptions, the program itself, and
	// texts, lists and results of queries. Those of a query can be as large as it
	// likes: see ResidentLimitBytes.
	MemoryLimitBytes int64
	// ResidentLimitBytes is the memory of the child process beyond which it is
	// restarted when queries run; default 1.5 × MemoryLimitBytes + 512 MiB.
	ResidentLimitBytes int64
	// Threads is how many threads the engine uses; default 1 on fewer than four
	// processors, otherwise half of them: loading is cheapest with one.
	Threads int
	// SpillDir takes what does not fit in memory while a query runs; it is
	// emptied when the Warehouse opens. Default Dir/spill.
	SpillDir string
	// SpillLimitBytes bounds it, below the disk's reserve; default 1 GiB.
	SpillLimitBytes int64
	// QueryTimeout is the deadline of queries that name none; default
	// warehouse.DefaultQueryTimeout.
	QueryTimeout time.Duration
	// MaxConcurrentQueries run at a time, eight times as many wait, any more
	// are refused with Limited; default 4.
	MaxConcurrentQueries int
	// IdleTimeout is when the file of an unused workspace is closed; default 5 min.
	IdleTimeout time.Duration
	// ResultsDir has the stored results of queries, for ReadResult; it is made if
	// it is not there. Default none.
	ResultsDir string
	// Command starts the child; default this executable. The child's main has
	// to call ChildMain first. Its standard error goes to Logger.
	Command func() *exec.Cmd
	Logger  *slog.Logger          // default discard
	Metrics prometheus.Registerer // nil is none
	Now     func() time.Time      // default time.Now

	// checkpoint is when the write-ahead file is folded in.
	checkpoint checkpointPolicy
	// merge is which row groups are merged.
	merge mergePolicy
	// grace is how long a query may ignore that it was stopped.
	grace time.Duration
	// mostKills is how often within a minute queries may cost the child before
	// all of them wait.
	mostKills int
	// mostOpen is how many files of workspaces should be open at once; default one
	// for each 16 MiB of MemoryLimitBytes.
	mostOpen int
	// silence is how long a child may give no sign of life.
	silence time.Duration
	// mostBackoff bounds the pause before a child that keeps ending is started again.
	mostBackoff time.Duration
	// resultsOnly says that the child reads stored results and nothing else.
	resultsOnly bool
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return millrace.Errorf(millrace.Invalid, "the DuckDB warehouse needs a folder: set Dir")
	}
	def(&o.MemoryLimitBytes, 1<<30)
	def(&o.ResidentLimitBytes, o.MemoryLimitBytes/2*3+512<<20)
	def(&o.Threads, defaultThreads())
	def(&o.SpillDir, filepath.Join(o.Dir, "spill"))
	def(&o.SpillLimitBytes, 1<<30)
	def(&o.QueryTimeout, warehouse.DefaultQueryTimeout)
	def(&o.MaxConcurrentQueries, 4)
	def(&o.IdleTimeout, 5*time.Minute)
	def(&o.Logger, slog.New(slog.DiscardHandler))
	def(&o.checkpoint, defaultCheckpointPolicy)
	def(&o.checkpoint.Every, defaultCheckpointPolicy.Every)
	def(&o.checkpoint.FullEvery, defaultCheckpointPolicy.FullEvery)
	def(&o.checkpoint.FullBytes, defaultCheckpointPolicy.FullBytes)
	def(&o.checkpoint.FullMostBytes, defaultCheckpointPolicy.FullMostBytes)
	def(&o.checkpoint.ReopenEvery, defaultCheckpointPolicy.ReopenEvery)
	def(&o.merge, defaultMergePolicy)
	def(&o.grace, 2*time.Second)
	def(&o.mostBackoff, 5*time.Second)
	def(&o.silence, 20*time.Second)
	def(&o.mostKills, 6)
	def(&o.mostOpen, max(leastOpen, int(o.MemoryLimitBytes/memoryOfFile)))
	if o.Command == nil {
		path, err := os.Executable()
		if err != nil {
			return millrace.Errorf(millrace.Internal, "find this executable, to start the warehouse engine with: %w", err)
		}
		o.Command = func() *exec.Cmd { return exec.Command(path, childArgument) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// engineShare is the part of the child's memory, in hundredths, that DuckDB has
// for its buffers.
const engineShare = 60

// resultShare is the part that the engine has that reads stored results, where
// there are others.
const resultShare = 20

// leastReads is how many queries on stored results run at a time at least: some
// of them bring downloads, which may be slow.
const leastReads = 4

// leastGoMemory is what the Go side of the child may take at least before it
// collects harder, in bytes. It holds the records that wait for their tables.
const leastGoMemory = 128 << 20

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func defaultThreads() int {
	if n := runtime.NumCPU(); n >= 4 {
		return n / 2
	}
	return 1
}

// A Warehouse is a supervised child process with DuckDB in it.
type Warehouse struct {
	o          Options
	supervisor *supervisor
	slots      *slots // of queries
	reads      *slots // of those on stored results
	kills      *kills
	metrics    []prometheus.Collector

	mu       sync.Mutex
	settings map[string]warehouse.Settings // by workspace
	lives    map[string]int64              // in which life of the child a workspace was resumed
	dropped  map[string]bool               // workspaces
}

var _ warehouse.Warehouse = (*Warehouse)(nil)

// Open starts the child. It fails with Internal when the child does not come
// up; a child that ends later is started again.
func Open(ctx context.Context, o Options) (*Warehouse, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "make the folder of the warehouse: %w", err)
	}
	if err := o.prepareResults(); err != nil {
		return nil, err
	}
	for _, dir := range []*string{&o.Dir, &o.SpillDir, &o.ResultsDir} {
		if *dir == "" {
			continue
		}
		path, err := filepath.Abs(*dir)
		if err != nil {
			return nil, millrace.Errorf(millrace.Internal, "find the folder of the warehouse: %w", err)
		}
		*dir = path
	}
	// What a child that was killed left there is of no more use.
	if err := emptySpill(o.SpillDir); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "empty the spill folder of the warehouse: %w", err)
	}
	w := &Warehouse{
		o: o, settings: map[string]warehouse.Settings{}, lives: map[string]int64{}, dropped: map[string]bool{},
		slots: newSlots(o.MaxConcurrentQueries, 8*o.MaxConcurrentQueries), kills: newKills(o.mostKills, o.Now),
		reads: newSlots(max(leastReads, o.MaxConcurrentQueries), 8*max(leastReads, o.MaxConcurrentQueries)),
	}
	s, err := startSupervisor(ctx, &w.o)
	if err != nil {
		return nil, err
	}
	w.supervisor = s
	if err := w.register(o.Metrics); err != nil {
		return nil, joinClose(err, w)
	}
	return w, nil
}

func joinClose(err error, w *Warehouse) error {
	if closeErr := w.Close(); closeErr != nil {
		return millrace.Errorf(millrace.Internal, "%w (and closing: %v)", err, closeErr)
	}
	return err
}

// emptySpill removes the files that queries of an earlier life spilled: per
// workspace a folder of DuckDB's own temporary files.
func emptySpill(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "duckdb_temp_*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// Close ends the child: what is not committed is forgotten.
func (w *Warehouse) Close() error {
	w.unregister(w.o.Metrics)
	w.supervisor.close()
	return nil
}

// Status says how the engine is.
func (w *Warehouse) Status(context.Context) (warehouse.Status, error) {
	s := warehouse.Status{
		Backend: "duckdb", Version: strings.TrimPrefix(duck.LibraryVersion(), "v"), Restarts: w.supervisor.restarts.Load(), Queries: w.slots.running() + w.reads.running(),
	}
	s.RSSBytes, s.Problem = w.supervisor.state()
	files, err := filepath.Glob(filepath.Join(w.o.Dir, "*.duckdb*"))
	if err != nil {
		return s, millrace.Errorf(millrace.Internal, "list the files of the warehouse: %w", err)
	}
	for _, file := range files {
		s.SizeBytes += fileSize(file)
	}
	return s, nil
}
