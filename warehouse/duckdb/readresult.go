package duckdb

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// ReadResult runs one SELECT over a stored result: a Parquet file of that name
// in Options.ResultsDir. In it the file is the table result, its columns are
// c0, c1 … in their order, and r is the number of the row, from 0. It sees no
// other file, and no table. Limits and errors are those of Query; such queries
// wait for each other, not for those on the warehouse.
func (w *Warehouse) ReadResult(ctx context.Context, file string, q warehouse.Query) (warehouse.Rows, error) {
	return w.ask(ctx, w.reads, request{Op: opReadResult, File: file}, q)
}

// A ResultReader reads stored results in a child process of its own, for a
// warehouse that is not DuckDB. The child is there while results are read, and
// for IdleTimeout after. It is safe for concurrent use.
type ResultReader struct {
	o Options

	mu     sync.Mutex
	w      *Warehouse // nil while there is no child
	users  int
	used   time.Time
	closed bool
	idle   *time.Timer
}

// OpenResults prepares a ResultReader. Of the options, ResultsDir is required,
// and Dir is where the child may spill; its memory is MemoryLimitBytes, default
// 512 MiB. It starts nothing.
func OpenResults(o Options) (*ResultReader, error) {
	def(&o.MemoryLimitBytes, 512<<20)
	if o.ResultsDir == "" {
		return nil, millrace.Errorf(millrace.Invalid, "reading results needs their folder: set ResultsDir")
	}
	def(&o.Dir, o.ResultsDir)
	o.Metrics = nil // of a warehouse
	if err := o.complete(); err != nil {
		return nil, err
	}
	o.resultsOnly = true
	r := &ResultReader{o: o}
	r.idle = time.AfterFunc(time.Hour, r.closeIfIdle)
	r.idle.Stop()
	return r, nil
}

// ReadResult starts the child if there is none. See Warehouse.ReadResult.
func (r *ResultReader) ReadResult(ctx context.Context, file string, q warehouse.Query) (warehouse.Rows, error) {
	w, err := r.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := w.ReadResult(ctx, file, q)
	if err != nil {
		r.release()
		return nil, err
	}
	return &readRows{Rows: rows, release: r.release}, nil
}

func (r *ResultReader) acquire(ctx context.Context) (*Warehouse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, millrace.Errorf(millrace.Unavailable, "the reader of results is closed")
	}
	if r.w == nil {
		// The child outlives the asker.
		w, err := Open(context.WithoutCancel(ctx), r.o)
		if err != nil {
			return nil, err
		}
		r.w = w
	}
	r.users++
	return r.w, nil
}

func (r *ResultReader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users--
	r.used = time.Now()
	if r.users == 0 {
		r.idle.Reset(r.o.IdleTimeout)
	}
}

// closeIfIdle ends the child when nobody has read for a while.
func (r *ResultReader) closeIfIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.w == nil || r.users > 0 {
		return
	}
	if left := r.o.IdleTimeout - time.Since(r.used); left > 0 {
		r.idle.Reset(left)
		return
	}
	_ = r.w.Close() // it has nothing to lose
	r.w = nil
}

// Close ends the child.
func (r *ResultReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.idle.Stop()
	if r.w == nil {
		return nil
	}
	defer func() { r.w = nil }()
	return r.w.Close()
}

// ResidentBytes is the memory of the child, 0 while there is none.
func (r *ResultReader) ResidentBytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.w == nil {
		return 0
	}
	size, _ := r.w.supervisor.state()
	return size
}

// readRows are rows that keep the child.
type readRows struct {
	warehouse.Rows
	once    sync.Once
	release func()
}

func (r *readRows) Close() error {
	defer r.once.Do(r.release)
	return r.Rows.Close()
}

// prepareResults makes the folder of stored results.
func (o *Options) prepareResults() error {
	if o.ResultsDir == "" {
		return nil
	}
	if err := os.MkdirAll(o.ResultsDir, 0o700); err != nil {
		return millrace.Errorf(millrace.Internal, "make the folder of results: %w", err)
	}
	return nil
}
