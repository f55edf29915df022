package result

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A Question is what a result answers.
type Question struct {
	Workspace string
	SQL       string
	Asked     time.Time // default: when Create is called
}

// Create stores the rows that q has brought, to their end or to what a result
// may have, and closes them. progress is called often with what is stored so
// far; it may be nil. When Create returns, the result survives a crash. Errors
// are those of the rows, and Limited when there is no room.
func (s *Store) Create(ctx context.Context, q Question, rows warehouse.Rows, progress func(rows, bytes int64)) (Result, error) {
	defer rows.Close()
	if rows.Schema().NumFields() == 0 {
		return Result{}, millrace.Errorf(millrace.Invalid, "the query gives rows without columns: name at least one")
	}
	if err := s.makeRoom(min(groupBytes, s.o.MaxBytes)); err != nil {
		return Result{}, err
	}
	if progress == nil {
		progress = func(int64, int64) {}
	}
	c := &creation{store: s, workspace: q.Workspace, rows: rows, progress: progress, id: strings.ToLower(rand.Text()), keepers: keepers(rows.Schema()), began: q.Asked}
	if c.began.IsZero() {
		c.began = s.o.Now()
	}
	ctx, err := s.begin(ctx, c)
	if err != nil {
		return Result{}, err
	}
	defer s.end(c)
	defer c.account(0)
	m, err := c.run(ctx)
	if err != nil {
		return Result{}, errors.Join(err, s.removeFiles(c.id))
	}
	m.Workspace, m.SQL = q.Workspace, q.SQL
	e, err := s.keep(m)
	if err != nil {
		return Result{}, errors.Join(unwritten(err), s.removeFiles(c.id))
	}
	if !c.publish(e) {
		return Result{}, errors.Join(errPurged(q.Workspace), s.removeFiles(c.id))
	}
	return e.Result, nil
}

// publish shows the result to others, unless its workspace was purged meanwhile.
func (c *creation) publish(e *entry) bool {
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.purged[c.workspace] {
		return false
	}
	s.results[e.ID] = e
	s.writing -= c.counted
	c.counted = 0
	return true
}

func unwritten(err error) error {
	var e *millrace.Error
	if errors.As(err, &e) {
		return err
	}
	return millrace.Errorf(millrace.Internal, "store the result: %w", err)
}

// A creation is a result that is being written.
type creation struct {
	store     *Store
	workspace string
	rows      warehouse.Rows
	progress  func(rows, bytes int64)
	id        string
	keepers   []keeper
	began     time.Time
	counted   int64              // of Store.writing
	cancel    context.CancelFunc // gives it up
	done      chan struct{}      // closed when it has stopped
}

// account counts the bytes of the file among those that are being written.
func (c *creation) account(bytes int64) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.store.writing += bytes - c.counted
	c.counted = bytes
}

// run writes the file.
func (c *creation) run(ctx context.Context) (*manifest, error) {
	f, err := os.OpenFile(c.store.path(c.id, fileEnding+newEnding), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, unwritten(err)
	}
	defer f.Close() // a second time where all went well
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := newFileWriter(buffered, c.keepers)
	cut, err := c.copyRows(ctx, w)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	if err := errors.Join(w.close(), buffered.Flush(), f.Sync(), f.Close()); err != nil {
		return nil, unwritten(err)
	}
	c.account(w.out.n)
	if err := c.store.makeRoom(0); err != nil {
		return nil, err
	}
	m := &manifest{
		Version: manifestVersion, ID: c.id, Rows: w.rows, Bytes: w.out.n, Truncated: cut || c.rows.Truncated(),
		Created: c.began.UTC(), Elapsed: c.store.o.Now().Sub(c.began),
	}
	for _, k := range c.keepers {
		m.Columns = append(m.Columns, k.stored)
	}
	return m, nil
}

// copyRows stores rows until there are no more, or no more may be.
func (c *creation) copyRows(ctx context.Context, w *fileWriter) (cut bool, err error) {
	written := int64(-1)
	for {
		batch, err := c.rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		cut, err := c.add(w, batch)
		batch.Release()
		if err != nil || cut {
			return cut, err
		}
		c.account(w.bytes())
		if w.out.n != written { // a row group has been written
			written = w.out.n
			if err := c.store.makeRoom(0); err != nil {
				return false, err
			}
		}
		c.progress(w.rows, w.bytes())
	}
}

// add stores rows, or those of them that may be.
func (c *creation) add(w *fileWriter, batch arrow.RecordBatch) (cut bool, err error) {
	o := &c.store.o
	if room := o.MaxRows - w.rows; batch.NumRows() > room {
		batch = batch.NewSlice(0, room)
		defer batch.Release()
		cut = true
	}
	// What is in memory is smaller in the file: it is written before it counts.
	if size := recordBytes(batch); w.bytes()+size > o.MaxBytes {
		if err := w.endGroup(); err != nil {
			return false, unwritten(err)
		}
		for batch.NumRows() > 1 && w.bytes()+size > o.MaxBytes {
			half := batch.NewSlice(0, batch.NumRows()/2)
			defer half.Release()
			batch, size, cut = half, recordBytes(half), true
		}
		if w.bytes()+size > o.MaxBytes {
			return true, nil
		}
	}
	if err := w.write(batch); err != nil {
		return false, unwritten(err)
	}
	return cut, nil
}
