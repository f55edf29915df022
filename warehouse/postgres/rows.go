package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// How many rows are fetched at a time, and make one record batch: a few at
// first, then as many as make fetchBytes.
const (
	firstRows  = 200
	fetchRows  = 5000
	fetchBytes = 4 << 20
)

// rows is the result of a query.
type rows struct {
	query   warehouse.Query
	sent    string // of it, to the server
	w       *Warehouse
	ctx     context.Context
	release func()
	asked   *workspace
	conn    *pgconn.PgConn

	fields    []pgconn.FieldDescription
	schema    *arrow.Schema
	columns   []column
	fetched   [][]byte // the cells of the rows that wait, row by row
	count     int      // how many rows those are
	last      bool     // the cursor has no more
	given     int      // rows
	bytes     int64    // of cells
	truncated bool
	failed    error
}

// Schema returns the columns.
func (r *rows) Schema() *arrow.Schema { return r.schema }

// Truncated says, after io.EOF, whether there were more rows than Limit.
func (r *rows) Truncated() bool { return r.truncated }

// Close ends the query and its connection.
func (r *rows) Close() error {
	if r.release == nil {
		return nil
	}
	if r.conn != nil {
		// Closing the connection ends what runs on it only when it writes next.
		// A server that does not answer is not waited for: whoever stops waits here.
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		if r.ctx.Err() != nil || r.failed != nil {
			select {
			case <-cancelRequest(r.conn):
			case <-ctx.Done():
			}
		}
		_ = r.conn.Close(ctx)
		cancel()
	}
	r.release()
	r.release = nil
	return nil
}

// cancelRequest asks the server to end what runs on a connection. What it
// returns is closed when it has answered, or will not.
func cancelRequest(conn *pgconn.PgConn) <-chan struct{} {
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.CancelRequest(ctx)
	}()
	return asked
}

// fetch reads the next rows from the cursor.
func (r *rows) fetch() error {
	formats := make([]int16, len(r.fields))
	for i, f := range r.fields {
		if binaryOIDs[f.DataTypeOID] {
			formats[i] = 1
		}
	}
	ask := firstRows
	if r.given > 0 {
		ask = max(1, min(fetchRows, int(fetchBytes*int64(r.given)/max(1, r.bytes))))
	}
	r.fetched, r.count = r.fetched[:0], 0
	reader := r.conn.ExecParams(r.ctx, fmt.Sprintf("FETCH FORWARD %d FROM result", ask), nil, nil, nil, formats)
	for reader.NextRow() {
		size := 0
		values := reader.Values()
		for _, v := range values {
			size += len(v) + 8
		}
		if r.bytes += int64(size); r.bytes > r.query.MaxBytes {
			_ = r.conn.CancelRequest(context.WithoutCancel(r.ctx))
			_, _ = reader.Close()
			return millrace.Errorf(millrace.TooLarge, "the result is larger than %d bytes: ask for fewer rows or columns, or aggregate", r.query.MaxBytes)
		}
		room := make([]byte, 0, size)
		for _, v := range values {
			if v == nil {
				r.fetched = append(r.fetched, nil)
				continue
			}
			n := len(room)
			room = append(room, v...)
			r.fetched = append(r.fetched, room[n:len(room):len(room)])
		}
		r.count++
	}
	_, err := reader.Close()
	r.last = r.count < ask
	return err
}

// Next returns the next rows, or io.EOF.
func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	if r.release == nil {
		return nil, millrace.Errorf(millrace.Invalid, "the result is closed")
	}
	stop := context.AfterFunc(ctx, func() { // whoever reads has left
		cancel, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		_ = r.conn.CancelRequest(cancel)
	})
	defer stop()
	if r.count == 0 && !r.last {
		if err := r.fetch(); err != nil {
			if r.failed = r.explain(err); ctx.Err() != nil {
				r.failed = millrace.Errorf(millrace.Canceled, "the query was canceled")
			}
			return nil, r.failed
		}
	}
	n := min(r.count, r.query.Limit-r.given)
	if n < r.count {
		r.truncated = true
	}
	if n == 0 {
		r.last = true
		return nil, io.EOF
	}
	batch, err := r.build(n)
	if err != nil {
		r.failed = err
		return nil, err
	}
	r.given += n
	r.count = 0
	if r.truncated {
		r.last = true
	}
	return batch, nil
}

// A column writes the cells of one column into an Arrow array.
type column struct {
	typ    arrow.DataType
	append func(array.Builder, []byte) error
}

// Types that are read in binary form.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidFloat4      = 700
	oidFloat8      = 701
	oidDate        = 1082
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidNumeric     = 1700
)

var binaryOIDs = map[uint32]bool{
	oidBool: true, oidBytea: true, oidInt8: true, oidInt2: true, oidInt4: true, oidFloat4: true, oidFloat8: true,
	oidDate: true, oidTimestamp: true, oidTimestampTZ: true,
}

var columnTypes = map[uint32]column{
	oidBool: {arrow.FixedWidthTypes.Boolean, func(b array.Builder, v []byte) error {
		b.(*array.BooleanBuilder).Append(v[0] != 0)
		return nil
	}},
	oidInt2: {arrow.PrimitiveTypes.Int16, func(b array.Builder, v []byte) error {
		b.(*array.Int16Builder).Append(int16(binary.BigEndian.Uint16(v)))
		return nil
	}},
	oidInt4: {arrow.PrimitiveTypes.Int32, func(b array.Builder, v []byte) error {
		b.(*array.Int32Builder).Append(int32(binary.BigEndian.Uint32(v)))
		return nil
	}},
	oidInt8: {arrow.PrimitiveTypes.Int64, func(b array.Builder, v []byte) error {
		b.(*array.Int64Builder).Append(int64(binary.BigEndian.Uint64(v)))
		return nil
	}},
	oidFloat4: {arrow.PrimitiveTypes.Float32, func(b array.Builder, v []byte) error {
		b.(*array.Float32Builder).Append(math.Float32frombits(binary.BigEndian.Uint32(v)))
		return nil
	}},
	oidFloat8: {arrow.PrimitiveTypes.Float64, func(b array.Builder, v []byte) error {
		b.(*array.Float64Builder).Append(math.Float64frombits(binary.BigEndian.Uint64(v)))
		return nil
	}},
	oidBytea: {arrow.BinaryTypes.Binary, func(b array.Builder, v []byte) error {
		b.(*array.BinaryBuilder).Append(v)
		return nil
	}},
	oidDate: {arrow.FixedWidthTypes.Date32, func(b array.Builder, v []byte) error {
		days := int32(binary.BigEndian.Uint32(v))
		if endless(v) != "" {
			return errLateInfinity
		}
		b.(*array.Date32Builder).Append(arrow.Date32(days + epochDays))
		return nil
	}},
	oidTimestamp:   {&arrow.TimestampType{Unit: arrow.Microsecond}, appendTime},
	oidTimestampTZ: {&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, appendTime},
}

func appendTime(b array.Builder, v []byte) error {
	micros := int64(binary.BigEndian.Uint64(v))
	if endless(v) != "" {
		return errLateInfinity
	}
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(micros + epochMicros))
	return nil
}

var textColumn = column{arrow.BinaryTypes.String, func(b array.Builder, v []byte) error {
	b.(*array.StringBuilder).Append(string(v))
	return nil
}}

// describe decides the columns' types, with the first rows at hand.
func (r *rows) describe() error {
	fields := make([]arrow.Field, len(r.fields))
	r.columns = make([]column, len(r.fields))
	for i, f := range r.fields {
		c, ok := columnTypes[f.DataTypeOID]
		switch {
		case f.DataTypeOID == oidNumeric:
			c = r.numericColumn(i)
		case timeLayouts[f.DataTypeOID] != "" && r.anyEndless(i):
			c = endlessColumn(timeLayouts[f.DataTypeOID])
		case !ok:
			c = textColumn
		}
		r.columns[i] = c
		fields[i] = arrow.Field{Name: f.Name, Type: c.typ, Nullable: true}
	}
	r.schema = arrow.NewSchema(fields, nil)
	return nil
}

func (r *rows) build(n int) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	defer b.Release()
	width := len(r.columns)
	for i, c := range r.columns {
		field := b.Field(i)
		field.Reserve(n)
		for row := range n {
			v := r.fetched[row*width+i]
			if v == nil {
				field.AppendNull()
				continue
			}
			if err := c.append(field, v); err != nil {
				return nil, err
			}
		}
	}
	if width == 0 {
		return array.NewRecordBatch(r.schema, nil, int64(n)), nil
	}
	return b.NewRecordBatch(), nil
}
