package duckdb

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace"
)

// endless finds infinity and -infinity among times and dates, which the engine
// has as the greatest and the least number and Arrow not at all. A column that
// has one in its first rows is given as text.
type endless struct {
	schema *arrow.Schema
	text   []bool // by column
}

var errLateInfinity = millrace.Errorf(millrace.Invalid, "a column of times holds infinity behind its first rows, where the answer has times: cast the column to VARCHAR, or leave those rows out with isfinite()")

// newEndless looks at the first rows; nil when there are none.
func newEndless(schema *arrow.Schema, first arrow.RecordBatch) *endless {
	e := &endless{schema: schema, text: make([]bool, schema.NumFields())}
	if first == nil {
		return e
	}
	fields, found := schema.Fields(), false
	for i := range fields {
		if anyEndless(first.Column(i)) {
			e.text[i], found = true, true
			fields[i].Type = arrow.BinaryTypes.String
		}
	}
	if found {
		metadata := schema.Metadata()
		e.schema = arrow.NewSchema(fields, &metadata)
	}
	return e
}

// convert makes the rows those of the answer, in place of record, which it releases.
func (e *endless) convert(record arrow.RecordBatch) (arrow.RecordBatch, error) {
	changed := false
	columns := make([]arrow.Array, record.NumCols())
	for i, c := range record.Columns() {
		columns[i] = c
		switch {
		case e.text[i]:
			columns[i], changed = timesAsText(c), true
			defer columns[i].Release()
		case anyEndless(c):
			record.Release()
			return nil, errLateInfinity
		}
	}
	if !changed {
		return record, nil
	}
	out := array.NewRecordBatch(e.schema, columns, record.NumRows())
	record.Release()
	return out, nil
}

func anyEndless(c arrow.Array) bool {
	switch c := c.(type) {
	case *array.Timestamp:
		for i, v := range c.Values() {
			if (v == math.MaxInt64 || v == -math.MaxInt64) && c.IsValid(i) {
				return true
			}
		}
	case *array.Date32:
		for i, v := range c.Values() {
			if (v == math.MaxInt32 || v == -math.MaxInt32) && c.IsValid(i) {
				return true
			}
		}
	}
	return false
}

// timesAsText writes times as answers in JSON have them.
func timesAsText(c arrow.Array) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for row := range c.Len() {
		switch c := c.(type) {
		case *array.Timestamp:
			typ := c.DataType().(*arrow.TimestampType)
			layout := "2006-01-02T15:04:05.999999999"
			if typ.TimeZone != "" {
				layout += "Z"
			}
			v := c.Value(row)
			appendEndless(b, c.IsNull(row), int64(v), math.MaxInt64, func() string { return v.ToTime(typ.Unit).UTC().Format(layout) })
		case *array.Date32:
			v := c.Value(row)
			appendEndless(b, c.IsNull(row), int64(v), math.MaxInt32, func() string { return v.FormattedString() })
		}
	}
	return b.NewArray()
}

func appendEndless(b *array.StringBuilder, null bool, v, most int64, text func() string) {
	switch {
	case null:
		b.AppendNull()
	case v == most:
		b.Append("infinity")
	case v == -most:
		b.Append("-infinity")
	default:
		b.Append(text())
	}
}
