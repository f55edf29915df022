package duckdb

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
)

// stream runs a prepared query and sends its rows as they come, as one Arrow
// IPC stream: the result is never in memory as a whole.
func stream(w *wire, stmt duck.PreparedStatement, names []string, q *wireQuery) (result, error) {
	var pending duck.PendingResult
	defer duck.DestroyPending(&pending)
	if duck.PendingPreparedStreaming(stmt, &pending) == duck.StateError {
		return result{}, errors.New(duck.PendingError(pending))
	}
	var res duck.Result
	defer duck.DestroyResult(&res)
	if duck.ExecutePending(pending, &res) == duck.StateError {
		return result{}, errors.New(duck.ResultError(&res))
	}
	options := duck.ResultGetArrowOptions(&res)
	defer duck.DestroyArrowOptions(&options)
	schema, err := arrowSchema(options, &res, names)
	if err != nil {
		return result{}, err
	}
	record, err := nextRecord(res, options, schema)
	if err != nil {
		return result{}, err
	}
	times := newEndless(schema, record)
	out := &dataWriter{wire: w, most: q.MaxBytes}
	ipcWriter := ipc.NewWriter(out, ipc.WithSchema(times.schema))
	r := result{}
	for record != nil {
		if record, err = times.convert(record); err != nil {
			return r, err
		}
		if r.Rows+record.NumRows() > int64(q.Limit) {
			rest := record.NewSlice(0, int64(q.Limit)-r.Rows)
			record.Release()
			record, r.Truncated = rest, true
		}
		r.Rows += record.NumRows()
		err = ipcWriter.Write(record)
		record.Release()
		if err != nil {
			return r, out.explain(err)
		}
		if r.Truncated {
			break
		}
		if record, err = nextRecord(res, options, schema); err != nil {
			return r, err
		}
	}
	if err := ipcWriter.Close(); err != nil {
		return r, out.explain(err)
	}
	return r, out.flush()
}

// arrowSchema describes the result under the names of the query as it was given.
func arrowSchema(options duck.ArrowOptions, res *duck.Result, names []string) (*arrow.Schema, error) {
	n := duck.ColumnCount(res)
	types := make([]duck.LogicalType, n)
	for i := range n {
		types[i] = duck.ColumnLogicalType(res, i)
	}
	defer destroyTypes(types)
	if len(names) != int(n) {
		names = make([]string, n)
		for i := range n {
			names[i] = duck.ColumnName(res, i)
		}
	}
	return schemaToArrow(options, types, names)
}

// nextRecord fetches the next rows, or nil at the end.
func nextRecord(res duck.Result, options duck.ArrowOptions, schema *arrow.Schema) (arrow.RecordBatch, error) {
	chunk := duck.FetchChunk(res)
	if chunk.Ptr == nil { // the end, or an error
		if message := duck.ResultError(&res); message != "" {
			return nil, errors.New(message)
		}
		return nil, nil
	}
	defer duck.DestroyDataChunk(&chunk)
	if duck.DataChunkGetSize(chunk) == 0 {
		return nil, nil
	}
	return chunkToArrow(options, schema, chunk)
}

// A dataWriter sends bytes in data messages, up to a limit.
type dataWriter struct {
	wire *wire
	buf  []byte
	sent int64
	most int64
	over bool
}

func (d *dataWriter) Write(p []byte) (int, error) {
	if d.sent += int64(len(p)); d.sent > d.most {
		d.over = true
		return 0, errors.New("over the limit")
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), chunkBytes-len(d.buf))
		d.buf = append(d.buf, rest[:n]...)
		rest = rest[n:]
		if len(d.buf) == chunkBytes {
			if err := d.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (d *dataWriter) flush() error {
	if len(d.buf) > 0 {
		if err := d.wire.send(messageData, d.buf); err != nil {
			return err
		}
		d.buf = d.buf[:0]
	}
	return d.wire.out.Flush()
}

// explain says why writing failed.
func (d *dataWriter) explain(err error) error {
	if d.over {
		return millrace.Errorf(millrace.TooLarge, "the result is larger than %d bytes: select fewer rows or columns, or set a limit", d.most)
	}
	return err
}
