package result

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Reading some rows of a result in any order takes nearly as long as reading
// many, and who looks at some looks at the next ones soon: pages are cut from
// windows, which stay in memory for a while.
const (
	windowRows  = 4000
	windowBytes = 8 << 20 // a larger one is not made: its pages are read one by one
)

// A window is some rows of a view.
type window struct {
	done    chan struct{} // closed when what follows is there
	err     error
	schema  *arrow.Schema
	batches []arrow.RecordBatch
	bytes   int64

	used uint64 // when, in uses of all windows; guarded by Store.mu
}

// pieces gives the rows [v.Offset, v.Offset+v.Limit) of a view from windows. It
// is nil when the rows are too large for that.
func (s *Store) pieces(ctx context.Context, e *entry, v View, total int64) (*pieces, error) {
	if v.Limit > windowRows {
		return nil, nil
	}
	p := &pieces{}
	from, until := min(v.Offset, total), min(v.Offset+v.Limit, total)
	for start := from / windowRows * windowRows; start < until || p.schema == nil; start += windowRows {
		w, err := s.window(ctx, e, v, start)
		if millrace.KindOf(err) == millrace.TooLarge {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		p.schema = w.schema
		at := start
		for _, b := range w.batches {
			first, last := max(from, at), min(until, at+b.NumRows())
			if first < last {
				p.batches = append(p.batches, b.NewSlice(first-at, last-at))
			}
			at += b.NumRows()
		}
	}
	return p, nil
}

// window returns a window, read by this asker or by another one.
func (s *Store) window(ctx context.Context, e *entry, v View, start int64) (*window, error) {
	v.Offset, v.Limit = start, windowRows
	picked, sql, params, err := e.page(v)
	if err != nil {
		return nil, err
	}
	key := e.ID + sql + fmt.Sprintf("%q", params)
	for {
		s.mu.Lock()
		s.uses++
		w := s.windows[key]
		if w == nil {
			w = &window{done: make(chan struct{}), used: s.uses}
			s.windows[key] = w
			s.mu.Unlock()
			s.fill(ctx, e, w, v.plain(), picked, sql, params)
			s.settle(e, key, w)
			return w, w.err
		}
		w.used = s.uses
		s.mu.Unlock()
		select {
		case <-w.done:
		case <-ctx.Done():
			return nil, millrace.Errorf(millrace.Canceled, "waiting for a page: %w", ctx.Err())
		}
		if millrace.KindOf(w.err) != millrace.Canceled || w.err == nil {
			return w, w.err
		}
		// Its asker left; this one is still here.
	}
}

// fill reads a window.
func (s *Store) fill(ctx context.Context, e *entry, w *window, plain bool, picked []int, sql string, params []any) {
	q := warehouse.Query{SQL: sql, Params: params, Limit: windowRows, MaxBytes: windowBytes, Timeout: s.o.Timeout}
	var rows warehouse.Rows
	if rows, w.err = s.read(ctx, e, plain, picked, q, func() {}); w.err != nil {
		return
	}
	defer rows.Close()
	w.schema = rows.Schema()
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.err = err
			return
		}
		w.batches = append(w.batches, batch)
		w.bytes += recordBytes(batch)
	}
}

// settle tells the others that a window is there, and forgets those unused for
// longest.
func (s *Store) settle(e *entry, key string, w *window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(w.done)
	// That a window is too large stays known.
	if w.err != nil && millrace.KindOf(w.err) != millrace.TooLarge || s.results[e.ID] != e {
		delete(s.windows, key)
		return
	}
	s.windowed += w.bytes
	for (s.windowed > s.o.CacheBytes || len(s.windows) > maxWindows) && s.dropWindow() {
	}
}

// maxWindows is how many are remembered, those too large among them.
const maxWindows = 1000

// dropWindow forgets the window unused for longest of those that are read. s.mu
// is held.
func (s *Store) dropWindow() bool {
	oldest := ""
	for key, w := range s.windows {
		if w.isDone() && (oldest == "" || w.used < s.windows[oldest].used) {
			oldest = key
		}
	}
	if oldest == "" {
		return false
	}
	s.windowed -= s.windows[oldest].bytes
	delete(s.windows, oldest)
	return true
}

// dropWindows forgets the windows of a result. s.mu is held.
func (s *Store) dropWindows(id string) {
	for key, w := range s.windows {
		if strings.HasPrefix(key, id) && w.isDone() {
			s.windowed -= w.bytes
			delete(s.windows, key)
		}
	}
}

func (w *window) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// pieces are rows in memory.
type pieces struct {
	schema  *arrow.Schema
	batches []arrow.RecordBatch
}

func (p *pieces) Schema() *arrow.Schema { return p.schema }
func (p *pieces) Truncated() bool       { return false }

func (p *pieces) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if err := ctx.Err(); err != nil {
		return nil, millrace.Errorf(millrace.Canceled, "reading a page: %w", err)
	}
	if len(p.batches) == 0 {
		return nil, io.EOF
	}
	batch := p.batches[0]
	p.batches = p.batches[1:]
	return batch, nil
}

func (p *pieces) Close() error {
	for _, b := range p.batches {
		b.Release()
	}
	p.batches = nil
	return nil
}

var _ warehouse.Rows = (*pieces)(nil)
