package duckdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Query runs one read-only statement in the child. See warehouse.Query. The
// deadline counts from here to the last row that is read.
func (w *Warehouse) Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
	return w.ask(ctx, w.slots, request{Op: opQuery, Workspace: q.Workspace}, q)
}

// ask runs a query in the child, when there is a slot for it.
func (w *Warehouse) ask(ctx context.Context, slots *slots, req request, q warehouse.Query) (warehouse.Rows, error) {
	wq, err := w.completeQuery(q)
	if err != nil {
		return nil, err
	}
	if err := w.kills.refuse(req.File + q.SQL); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, wq.Timeout)
	release, err := slots.enter(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	r, err := w.startQuery(ctx, req, wq)
	if err != nil {
		release()
		cancel()
		return nil, err
	}
	r.release = func() { w.supervisor.leave(r); release(); cancel() }
	r.mu.Lock() // who left already is noticed at once: not before stopWatching is there
	r.stopWatching = context.AfterFunc(ctx, func() { r.abandon(r.contextError(ctx)) })
	r.mu.Unlock()
	if err := r.begin(); err != nil {
		r.abandon(err)
		return nil, err
	}
	return r, nil
}

// completeQuery checks a query and fills in its limits.
func (w *Warehouse) completeQuery(q warehouse.Query) (*wireQuery, error) {
	if len(q.SQL) > warehouse.MaxQueryTextBytes {
		return nil, millrace.Errorf(millrace.Invalid, "the query is %d bytes long: %d are allowed", len(q.SQL), warehouse.MaxQueryTextBytes)
	}
	if !utf8.ValidString(q.SQL) {
		return nil, millrace.Errorf(millrace.Invalid, "the query is not UTF-8 text")
	}
	params, err := parameters(q.Params)
	if err != nil {
		return nil, err
	}
	wq := &wireQuery{SQL: q.SQL, Params: params, Limit: q.Limit, MaxBytes: q.MaxBytes, Timeout: q.Timeout}
	if wq.Limit < 0 || wq.Limit > warehouse.MaxQueryRows {
		return nil, millrace.Errorf(millrace.Invalid, "a limit of %d rows is not possible: 1 to %d are", wq.Limit, warehouse.MaxQueryRows)
	}
	def(&wq.Limit, warehouse.DefaultQueryRows)
	def(&wq.MaxBytes, warehouse.DefaultQueryBytes)
	def(&wq.Timeout, w.o.QueryTimeout)
	return wq, nil
}

// startQuery sends a query to the child.
func (w *Warehouse) startQuery(ctx context.Context, req request, q *wireQuery) (*rows, error) {
	p, err := w.supervisor.process(ctx, restartWait)
	if err != nil {
		return nil, err
	}
	conn, err := p.dial()
	if err != nil {
		return nil, p.ended(nil, err)
	}
	r := &rows{p: p, conn: conn, wire: newWire(conn), workspace: req.Workspace, timeout: q.Timeout, grace: w.o.grace}
	r.killed = func(known bool) {
		switch {
		case !p.blamed.CompareAndSwap(false, true): // for this life of the child
		case known:
			w.kills.note(req.File + q.SQL)
		default:
			w.kills.note("")
		}
	}
	w.supervisor.enter(r)
	if err := w.refuseDropped(req.Workspace); err != nil { // who drops it finds r from here on
		w.supervisor.leave(r)
		conn.Close()
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok { // less what waiting took
		q.Timeout = time.Until(deadline)
	}
	req.Query = q
	if err := r.wire.sendJSON(messageRequest, req); err != nil {
		w.supervisor.leave(r)
		conn.Close()
		return nil, p.ended(nil, err)
	}
	return r, nil
}

// rows reads the answer to one query.
type rows struct {
	p            *process
	conn         *net.UnixConn
	wire         *wire
	workspace    string // "" of a stored result
	timeout      time.Duration
	grace        time.Duration
	release      func()
	killed       func(known bool) // notes that the child was killed, known: because of this query
	stopWatching func() bool

	reading sync.Mutex // held while messages are read
	ipc     *ipc.Reader
	data    []byte // of the last data message
	final   *result

	mu        sync.Mutex
	abandoned error // why nobody reads any more
	finished  bool
}

var errNoRows = errors.New("the warehouse engine answered without rows")

// begin waits for the first rows, or the refusal.
func (r *rows) begin() error {
	r.reading.Lock()
	defer r.reading.Unlock()
	reader, err := ipc.NewReader(r)
	if err != nil {
		return r.explain(err)
	}
	r.ipc = reader
	return nil
}

// Read gives the bytes of the data messages to the Arrow reader.
func (r *rows) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if r.final != nil {
			return 0, io.EOF
		}
		t, payload, err := r.wire.receive()
		if isTimeout(err) {
			return 0, err // abandoned: explain knows why
		}
		if err != nil {
			err = r.p.ended(r, err)
			if r.p.crashed() {
				r.killed(false) // it may have been another query, or a batch
			}
			return 0, err
		}
		if t == messageData {
			r.data = payload
			continue
		}
		res, err := decodeAnswer(t, payload)
		if err != nil {
			return 0, err
		}
		r.final = &res
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// explain finds the error for the asker in what the Arrow reader made of it.
func (r *rows) explain(err error) error {
	r.mu.Lock()
	abandoned := r.abandoned
	r.mu.Unlock()
	if abandoned != nil {
		return abandoned
	}
	var e *millrace.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, io.EOF) {
		err = errNoRows
	}
	return millrace.Errorf(millrace.Internal, "read the answer of the warehouse engine: %w", err)
}

// Schema describes the columns.
func (r *rows) Schema() *arrow.Schema { return r.ipc.Schema() }

// Next returns the next rows, which the caller releases, or io.EOF.
func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	stop := context.AfterFunc(ctx, func() { r.abandon(r.contextError(ctx)) })
	defer stop()
	r.reading.Lock()
	defer r.reading.Unlock()
	r.mu.Lock()
	abandoned := r.abandoned
	r.mu.Unlock()
	if abandoned != nil {
		return nil, abandoned
	}
	if r.ipc.Next() {
		record := r.ipc.RecordBatch()
		record.Retain()
		return record, nil
	}
	if err := r.ipc.Err(); err != nil {
		return nil, r.explain(err)
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// finish reads the result that follows the rows.
func (r *rows) finish() error {
	for r.final == nil {
		if _, err := r.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
			return r.explain(err)
		}
	}
	return nil
}

// Truncated says, after io.EOF, whether there were more rows.
func (r *rows) Truncated() bool {
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.final != nil && r.final.Truncated
}

var errClosed = millrace.Errorf(millrace.Canceled, "the rows of the query are closed")

// Close ends the query if it still runs.
func (r *rows) Close() error {
	r.abandon(errClosed)
	return nil
}

// contextError says why a context ended.
func (r *rows) contextError(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return millrace.Errorf(millrace.Canceled, "the query ran over its deadline of %s: select less, or give it more time", r.timeout)
	}
	return millrace.Errorf(millrace.Canceled, "the query was cancelled")
}

// abandon ends the query for that reason, once. The child is told; if it does
// not let go of the query within the grace, it is killed.
func (r *rows) abandon(reason error) {
	r.mu.Lock()
	if r.finished {
		r.mu.Unlock()
		return
	}
	r.finished, r.abandoned = true, reason
	r.mu.Unlock()
	// The child sees that the asker leaves; the answer that is still under way is read and dropped.
	_ = r.conn.CloseWrite() // it may be gone already
	go r.drain(reason)
}

// drain waits until the child has let go, and then gives the slot back.
func (r *rows) drain(reason error) {
	defer r.release()
	defer r.conn.Close()
	r.stopWatching()
	limit := time.Now().Add(r.grace)
	_ = r.conn.SetReadDeadline(time.Now()) // ends a Next that is waiting
	r.reading.Lock()
	defer r.reading.Unlock()
	_ = r.conn.SetReadDeadline(limit)
	if r.ipc != nil {
		r.ipc.Release()
	}
	for {
		if _, err := r.conn.Read(make([]byte, 64<<10)); err != nil {
			if isTimeout(err) {
				r.killed(true)
				r.p.kill(verdict{kind: millrace.Unavailable, message: fmt.Sprintf("a query did not stop (%v)", reason)})
			}
			return
		}
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// slots bound how many queries run and wait.
type slots struct {
	run  chan struct{}
	wait chan struct{}
}

func newSlots(run, wait int) *slots {
	return &slots{run: make(chan struct{}, run), wait: make(chan struct{}, run+wait)}
}

func (s *slots) running() int { return len(s.run) }

// enter waits for a slot. The error is Limited or Canceled.
func (s *slots) enter(ctx context.Context) (release func(), err error) {
	select {
	case s.wait <- struct{}{}:
	default:
		return nil, &millrace.Error{Kind: millrace.Limited, RetryAfter: time.Second,
			Message: fmt.Sprintf("%d queries run and %d wait already: try again in a moment", cap(s.run), cap(s.wait)-cap(s.run))}
	}
	select {
	case s.run <- struct{}{}:
		return func() { <-s.run; <-s.wait }, nil
	case <-ctx.Done():
		<-s.wait
		return nil, millrace.Errorf(millrace.Canceled, "the query waited for others until its deadline, or was cancelled: %w", ctx.Err())
	}
}

var _ warehouse.Rows = (*rows)(nil)
