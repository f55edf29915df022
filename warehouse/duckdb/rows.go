package duckdb

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace/warehouse"
)

// chunkRows is how many rows one data chunk holds: DuckDB's vector size.
const chunkRows = 2048

// writeRows writes the rows [from, to) of a buffer to the table of that name.
func writeRows(c *connection, b *warehouse.Buffer, name warehouse.TableName, from, to int) error {
	if b.Key != "" {
		return mergeRows(c, b, name, from, to)
	}
	var appender duck.Appender
	defer duck.AppenderDestroy(&appender)
	if duck.AppenderCreateExt(c.conn, "", name.Schema, name.Table, &appender) == duck.StateError {
		return fmt.Errorf("write to %s.%s: %w", name.Schema, name.Table, appenderError(appender))
	}
	n := int(duck.AppenderColumnCount(appender))
	if n != len(b.Columns) {
		return fmt.Errorf("write to %s.%s: the table has %d columns, the rows have %d", name.Schema, name.Table, n, len(b.Columns))
	}
	types := make([]duck.LogicalType, n)
	for i := range types {
		types[i] = duck.AppenderColumnType(appender, duck.IdxT(i))
	}
	defer destroyTypes(types)
	return appendRows(appender, b, types, nil, name, from, to)
}

// appendRows writes rows through an appender: the columns of the buffer, then
// for each column in clears whether the row clears it.
func appendRows(appender duck.Appender, b *warehouse.Buffer, types []duck.LogicalType, clears []*warehouse.Vector, name warehouse.TableName, from, to int) error {
	chunk := duck.CreateDataChunk(types)
	defer duck.DestroyDataChunk(&chunk)
	null := duck.CreateNullValue()
	defer duck.DestroyValue(&null)
	var pinner runtime.Pinner
	defer pinner.Unpin()
	f := filler{chunk: chunk, null: null, pinner: &pinner}
	for ; from < to; from += chunkRows {
		f.from, f.rows = from, min(chunkRows, to-from)
		duck.DataChunkReset(chunk)
		for i, v := range b.Columns {
			f.column(duck.IdxT(i), v)
		}
		for i, v := range clears {
			f.flags(duck.IdxT(len(b.Columns)+i), v)
		}
		duck.DataChunkSetSize(chunk, duck.IdxT(f.rows))
		if duck.AppendDataChunk(appender, chunk) == duck.StateError {
			return fmt.Errorf("write to %s.%s: %w", name.Schema, name.Table, appenderError(appender))
		}
	}
	if duck.AppenderClose(appender) == duck.StateError {
		return fmt.Errorf("write to %s.%s: %w", name.Schema, name.Table, appenderError(appender))
	}
	return nil
}

func appenderError(a duck.Appender) error {
	data := duck.AppenderErrorData(a)
	defer duck.DestroyErrorData(&data)
	return errors.New(strings.TrimSpace(duck.ErrorDataMessage(data)))
}

func destroyTypes(types []duck.LogicalType) {
	for i := range types {
		duck.DestroyLogicalType(&types[i])
	}
}

// A filler writes rows [from, from+rows) of vectors into a chunk. Texts are not
// copied: the chunk points to the buffer's memory, pinned until the appender
// has its own copy.
type filler struct {
	chunk      duck.DataChunk
	null       duck.Value
	pinner     *runtime.Pinner
	pinned     unsafe.Pointer
	from, rows int
}

// column writes one column.
func (f *filler) column(i duck.IdxT, v *warehouse.Vector) {
	vec := duck.DataChunkGetVector(f.chunk, i)
	if v.Empty() {
		duck.VectorReferenceValue(vec, f.null)
		return
	}
	data := duck.VectorGetData(vec)
	var validity []uint64
	for row := range f.rows {
		if v.Valid(f.from + row) {
			f.value(data, row, v)
			continue
		}
		if validity == nil {
			duck.VectorEnsureValidityWritable(vec)
			validity = unsafe.Slice((*uint64)(duck.VectorGetValidity(vec)), chunkRows/64)
		}
		validity[row>>6] &^= 1 << (row & 63)
	}
}

// value writes one value that is there.
func (f *filler) value(data unsafe.Pointer, row int, v *warehouse.Vector) {
	switch v.Type {
	case warehouse.Bool:
		*(*bool)(unsafe.Add(data, row)) = v.Bool(f.from + row)
	case warehouse.Integer:
		*(*int32)(unsafe.Add(data, row*4)) = int32(v.Int(f.from + row))
	case warehouse.Double:
		*(*float64)(unsafe.Add(data, row*8)) = v.Float(f.from + row)
	case warehouse.Text, warehouse.JSON:
		text := v.Bytes(f.from + row)
		f.pin(text)
		(*stringT)(unsafe.Add(data, row*16)).set(text)
	default: // BigInt, Timestamp
		*(*int64)(unsafe.Add(data, row*8)) = v.Int(f.from + row)
	}
}

// pin keeps the memory of a text where it is. All texts of a buffer lie in one
// piece of memory, so one pin serves; a text elsewhere gets its own.
func (f *filler) pin(text []byte) {
	if len(text) <= inlineBytes || f.pinned != nil {
		return
	}
	f.pinned = unsafe.Pointer(unsafe.SliceData(text))
	f.pinner.Pin(f.pinned)
}

// flags writes which rows clear a column.
func (f *filler) flags(i duck.IdxT, v *warehouse.Vector) {
	data := duck.VectorGetData(duck.DataChunkGetVector(f.chunk, i))
	for row := range f.rows {
		*(*bool)(unsafe.Add(data, row)) = v.Cleared(f.from + row)
	}
}

// mergeRows merges rows of users and accounts into those with the same key: a
// value replaces, a cleared column becomes null, anything else stays.
func mergeRows(c *connection, b *warehouse.Buffer, name warehouse.TableName, from, to int) error {
	var names []string
	var types []duck.LogicalType
	defer func() { destroyTypes(types) }()
	var clears []*warehouse.Vector
	for _, v := range b.Columns {
		names = append(names, v.Name)
		types = append(types, duck.CreateLogicalType(duckTypes[v.Type]))
		if v.AnyCleared() {
			clears = append(clears, v)
		}
	}
	for _, v := range clears {
		names = append(names, clearedName(v))
		types = append(types, duck.CreateLogicalType(duck.TypeBoolean))
	}
	var appender duck.Appender
	defer duck.AppenderDestroy(&appender)
	if duck.AppenderCreateQuery(c.conn, mergeSQL(b, name), types, mergeTable, names, &appender) == duck.StateError {
		return fmt.Errorf("merge into %s.%s: %w", name.Schema, name.Table, appenderError(appender))
	}
	return appendRows(appender, b, types, clears, name, from, to)
}

// mergeTable is what the appended rows are called in the statement.
const mergeTable = "appended"

func clearedName(v *warehouse.Vector) string { return v.Name + " cleared" }

// fewRows is up to how many rows DuckDB hands the rows that it has found to the
// scan that changes them, which then leaves out what it need not read.
const fewRows = 50

// mergeSQL is the statement that takes the appended rows over. Finding them is
// a look through all keys. A column that every row sets is not read.
func mergeSQL(b *warehouse.Buffer, name warehouse.TableName) string {
	var update, columns, values strings.Builder
	separator := ""
	for _, v := range b.Columns {
		column := quote(v.Name)
		fmt.Fprintf(&columns, "%s%s", separator, column)
		fmt.Fprintf(&values, "%sa.%s", separator, column)
		separator = ", "
		if v.Name == b.Key || v.Empty() {
			continue
		}
		comma := ""
		if update.Len() > 0 {
			comma = ", "
		}
		switch {
		case v.AnyCleared():
			fmt.Fprintf(&update, "%s%s = CASE WHEN a.%s THEN NULL ELSE coalesce(a.%s, t.%s) END", comma, column, quote(clearedName(v)), column, column)
		case v.Full(b.Rows):
			fmt.Fprintf(&update, "%s%s = a.%s", comma, column, column)
		default:
			fmt.Fprintf(&update, "%s%s = coalesce(a.%s, t.%s)", comma, column, column, column)
		}
	}
	key, source := quote(b.Key), mergeTable
	on := fmt.Sprintf("t.%s = a.%s", key, key)
	if b.Rows <= fewRows {
		source = fmt.Sprintf(`(SELECT n.*, f."found row" FROM %s n LEFT JOIN (SELECT rowid AS "found row", %s AS "found key" FROM %s) f ON f."found key" = n.%s)`,
			mergeTable, key, sqlTable(name), key)
		on = `t.rowid = a."found row"`
	}
	return fmt.Sprintf("MERGE INTO %s t USING %s a ON %s WHEN MATCHED THEN UPDATE SET %s WHEN NOT MATCHED THEN INSERT (%s) VALUES (%s)",
		sqlTable(name), source, on, update.String(), columns.String(), values.String())
}

// duckTypes are the types of merged columns; JSON travels as the text it is.
var duckTypes = map[warehouse.Type]duck.Type{
	warehouse.Bool: duck.TypeBoolean, warehouse.BigInt: duck.TypeBigInt, warehouse.Double: duck.TypeDouble,
	warehouse.Timestamp: duck.TypeTimestampTZ, warehouse.Text: duck.TypeVarchar, warehouse.JSON: duck.TypeVarchar,
	warehouse.Integer: duck.TypeInteger,
}
