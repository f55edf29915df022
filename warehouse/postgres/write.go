package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/warehouse"
)

// epochMicros and epochDays are 2000-01-01, where Postgres begins to count.
const (
	epochMicros = 946_684_800_000_000
	epochDays   = 10_957
)

// oids of the array types, for the rows of users and accounts.
var arrayOIDs = [...]uint32{
	warehouse.Bool: 1000, warehouse.BigInt: 1016, warehouse.Double: 1022, warehouse.Timestamp: 1185,
	warehouse.Text: 1009, warehouse.JSON: 199, warehouse.Integer: 1007,
}

var elementOIDs = [...]uint32{
	warehouse.Bool: 16, warehouse.BigInt: 20, warehouse.Double: 701, warehouse.Timestamp: 1184,
	warehouse.Text: 25, warehouse.JSON: 114, warehouse.Integer: 23,
}

// appendField appends a value as COPY and arrays have it: length and bytes.
func appendField(out []byte, v *warehouse.Vector, row int) []byte {
	if !v.Valid(row) {
		return binary.BigEndian.AppendUint32(out, math.MaxUint32) // -1
	}
	switch v.Type {
	case warehouse.Bool:
		out = binary.BigEndian.AppendUint32(out, 1)
		if v.Bool(row) {
			return append(out, 1)
		}
		return append(out, 0)
	case warehouse.Integer:
		out = binary.BigEndian.AppendUint32(out, 4)
		return binary.BigEndian.AppendUint32(out, uint32(v.Int(row)))
	case warehouse.BigInt:
		out = binary.BigEndian.AppendUint32(out, 8)
		return binary.BigEndian.AppendUint64(out, uint64(v.Int(row)))
	case warehouse.Timestamp:
		out = binary.BigEndian.AppendUint32(out, 8)
		return binary.BigEndian.AppendUint64(out, uint64(v.Int(row)-epochMicros))
	case warehouse.Double:
		out = binary.BigEndian.AppendUint32(out, 8)
		return binary.BigEndian.AppendUint64(out, math.Float64bits(v.Float(row)))
	default:
		b := v.Bytes(row)
		out = binary.BigEndian.AppendUint32(out, uint32(len(b)))
		return append(out, b...)
	}
}

// write writes the rows from … to of a buffer.
func (w *Warehouse) write(ctx context.Context, tx pgx.Tx, b *warehouse.Buffer, to target, from, end int) error {
	var columns []*warehouse.Vector
	for _, v := range b.Columns {
		if !v.Empty() {
			columns = append(columns, v)
		}
	}
	if b.Key != "" {
		return merge(ctx, tx, b, columns, to.place(b.TableName), from, end)
	}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{columns: columns, row: from, end: end},
		"COPY "+to.place(b.TableName)+" ("+names(columns)+") FROM STDIN BINARY")
	return err
}

func names(columns []*warehouse.Vector) string {
	quoted := make([]string, len(columns))
	for i, v := range columns {
		quoted[i] = quote(v.Name)
	}
	return strings.Join(quoted, ", ")
}

// A copyReader makes the binary form of COPY as it is read.
type copyReader struct {
	columns []*warehouse.Vector
	row     int
	end     int
	chunk   []byte // made, and not yet read
	rest    []byte
	begun   bool
	ended   bool
}

const copyChunkBytes = 256 << 10

var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)

func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		r.fill()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *copyReader) fill() {
	out := r.chunk[:0]
	if !r.begun {
		r.begun = true
		out = append(out, copyHeader...)
	}
	for ; r.row < r.end && len(out) < copyChunkBytes; r.row++ {
		out = binary.BigEndian.AppendUint16(out, uint16(len(r.columns)))
		for _, v := range r.columns {
			out = appendField(out, v, r.row)
		}
	}
	if r.row >= r.end {
		r.ended = true
		out = append(out, 0xff, 0xff)
	}
	r.chunk, r.rest = out, out
}

// merge writes rows of users or accounts into those with the same id.
func merge(ctx context.Context, tx pgx.Tx, b *warehouse.Buffer, columns []*warehouse.Vector, name string, from, end int) error {
	if err := clearColumns(ctx, tx, b, columns, name, from, end); err != nil {
		return err
	}
	var set, holders []string
	var values [][]byte
	var oids []uint32
	var formats []int16
	var written []*warehouse.Vector
	for _, v := range columns {
		if !anyValid(v, from, end) {
			continue
		}
		written = append(written, v)
		c := quote(v.Name)
		if v.Name != b.Key {
			set = append(set, fmt.Sprintf("%s = COALESCE(excluded.%s, t.%s)", c, c, c))
		}
		holders = append(holders, fmt.Sprintf("$%d", len(values)+1))
		values = append(values, arrayOf(v, from, end))
		oids = append(oids, arrayOIDs[v.Type])
		formats = append(formats, 1)
	}
	sql := fmt.Sprintf("INSERT INTO %s AS t (%s) SELECT * FROM unnest(%s) ON CONFLICT (%s) DO UPDATE SET %s",
		name, names(written), strings.Join(holders, ", "), quote(b.Key), strings.Join(set, ", "))
	return tx.Conn().PgConn().ExecParams(ctx, sql, values, oids, formats, nil).Read().Err
}

func anyValid(v *warehouse.Vector, from, end int) bool {
	for row := from; row < end; row++ {
		if v.Valid(row) {
			return true
		}
	}
	return false
}

// clearColumns sets to null what rows of the buffer clear.
func clearColumns(ctx context.Context, tx pgx.Tx, b *warehouse.Buffer, columns []*warehouse.Vector, name string, from, end int) error {
	var id *warehouse.Vector
	for _, v := range columns {
		if v.Name == b.Key {
			id = v
		}
	}
	for _, v := range columns {
		if !v.AnyCleared() {
			continue
		}
		var ids []string
		for row := from; row < end; row++ {
			if v.Cleared(row) {
				ids = append(ids, string(bytes.Clone(id.Bytes(row))))
			}
		}
		if len(ids) == 0 {
			continue
		}
		c := quote(v.Name)
		if _, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s = NULL WHERE %s = ANY($1) AND %s IS NOT NULL", name, c, quote(b.Key), c), ids); err != nil {
			return err
		}
	}
	return nil
}

// arrayOf is the binary form of an array of one dimension.
func arrayOf(v *warehouse.Vector, from, end int) []byte {
	out := binary.BigEndian.AppendUint32(nil, 1)
	out = binary.BigEndian.AppendUint32(out, 1) // may have nulls
	out = binary.BigEndian.AppendUint32(out, elementOIDs[v.Type])
	out = binary.BigEndian.AppendUint32(out, uint32(end-from))
	out = binary.BigEndian.AppendUint32(out, 1)
	for row := from; row < end; row++ {
		out = appendField(out, v, row)
	}
	return out
}
