package result

import (
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// A row group is what a page of rows is read from, and is in memory while it is
// written.
const (
	groupRows  = 64 << 10
	groupBytes = 16 << 20 // as they are in memory
)

// A fileWriter writes rows as Parquet, compressed with zstd.
type fileWriter struct {
	keepers []keeper
	schema  *arrow.Schema
	out     *counter
	file    *pqarrow.FileWriter
	rows    int64 // in all
	group   int64 // of them in the open row group
	pending int64 // bytes of the open row group, as they are in memory
}

// A counter counts what is written to a file, which it leaves open.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newFileWriter(w io.Writer, keepers []keeper) *fileWriter {
	fields := make([]arrow.Field, len(keepers))
	for i, k := range keepers {
		fields[i] = k.field
	}
	return &fileWriter{keepers: keepers, schema: arrow.NewSchema(fields, nil), out: &counter{w: w}}
}

// open begins the file. The first rows, if there are any, say how columns are
// best encoded.
func (f *fileWriter) open(first arrow.RecordBatch) error {
	properties := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDictionaryDefault(true), parquet.WithStoreDecimalAsInteger(true),
		parquet.WithMaxStatsSize(256), parquet.WithCreatedBy("millrace"), parquet.WithMaxRowGroupLength(1 << 40),
	}
	for i, k := range f.keepers {
		path := parquet.ColumnPath{k.field.Name}
		switch k.field.Type.ID() {
		case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.DATE32, arrow.TIMESTAMP, arrow.TIME64:
			properties = append(properties, parquet.WithDictionaryPath(path, false), parquet.WithEncodingPath(path, parquet.Encodings.DeltaBinaryPacked))
		case arrow.FLOAT32, arrow.FLOAT64:
			properties = append(properties, parquet.WithDictionaryPath(path, false))
		case arrow.STRING:
			if first != nil && !repeats(first.Column(i).(*array.String)) {
				properties = append(properties, parquet.WithDictionaryPath(path, false))
			}
		}
	}
	file, err := pqarrow.NewFileWriter(f.schema, f.out, parquet.NewWriterProperties(properties...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	f.file = file
	return err
}

// repeats says whether texts are there more than once each, or nearly so: a
// dictionary of them is worth making.
func repeats(a *array.String) bool {
	seen := make(map[string]bool, a.Len())
	values := 0
	for i := range a.Len() {
		if a.IsValid(i) {
			values++
			seen[a.Value(i)] = true
		}
	}
	return len(seen) <= values*3/4
}

// write adds rows, which stay the caller's.
func (f *fileWriter) write(batch arrow.RecordBatch) error {
	if batch.NumRows() == 0 {
		return nil
	}
	columns := make([]arrow.Array, len(f.keepers))
	for i, k := range f.keepers {
		columns[i] = batch.Column(i)
		if k.convert != nil {
			columns[i] = k.convert(columns[i])
			defer columns[i].Release()
		}
	}
	record := array.NewRecordBatch(f.schema, columns, batch.NumRows())
	defer record.Release()
	if f.file == nil {
		if err := f.open(record); err != nil {
			return err
		}
	}
	size := recordBytes(record)
	if f.group > 0 && (f.group+record.NumRows() > groupRows || f.pending+size > groupBytes) {
		if err := f.endGroup(); err != nil {
			return err
		}
	}
	if err := f.file.WriteBuffered(record); err != nil {
		return err
	}
	f.rows += record.NumRows()
	f.group += record.NumRows()
	f.pending += size
	return nil
}

// endGroup writes what is in memory and begins the next row group.
func (f *fileWriter) endGroup() error {
	if f.group == 0 {
		return nil
	}
	f.group, f.pending = 0, 0
	return f.file.NewBufferedRowGroupChecked()
}

// bytes is about how large the file would be at most if it ended here.
func (f *fileWriter) bytes() int64 { return f.out.n + f.pending }

// close ends the file.
func (f *fileWriter) close() error {
	if f.file == nil {
		if err := f.open(nil); err != nil {
			return err
		}
	}
	return f.file.Close()
}

// recordBytes is about what rows take in memory, without what only others in
// the same memory have.
func recordBytes(record arrow.RecordBatch) (size int64) {
	for _, c := range record.Columns() {
		size += dataBytes(c.Data(), int64(c.Len()))
	}
	return size
}

func dataBytes(d arrow.ArrayData, rows int64) (size int64) {
	whole := max(int64(d.Offset()+d.Len()), 1)
	for _, b := range d.Buffers() {
		if b != nil {
			size += int64(b.Len()) * rows / whole
		}
	}
	for _, child := range d.Children() {
		size += dataBytes(child, int64(child.Len()))
	}
	return size
}
