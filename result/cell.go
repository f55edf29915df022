package result

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/go-json-experiment/json/jsontext"
)

// A Cell appends the JSON of row i of a column.
//
// Integers and decimals are numbers with all their digits, whatever their
// size. Times with a zone are RFC 3339 in UTC; those without have no Z. Blobs
// are base64, intervals ISO 8601, JSON columns the JSON itself. A float that
// is not a number is "NaN", "Infinity" or "-Infinity", so that it is not
// mistaken for NULL.
type Cell func(b []byte, i int) []byte

// Cells returns what writes the columns of a batch.
func Cells(batch arrow.RecordBatch) []Cell {
	out := make([]Cell, batch.NumCols())
	for i, field := range batch.Schema().Fields() {
		out[i] = cellOf(batch.Column(i), isJSON(field))
	}
	return out
}

// isJSON says whether a column holds JSON text.
func isJSON(f arrow.Field) bool {
	if e, ok := f.Type.(arrow.ExtensionType); ok {
		return e.ExtensionName() == "arrow.json"
	}
	name, _ := f.Metadata.GetValue("ARROW:extension:name")
	return name == "arrow.json"
}

// cellOf returns what writes a column, NULLs included.
func cellOf(a arrow.Array, asJSON bool) Cell {
	write := valueOf(a, asJSON)
	return func(b []byte, i int) []byte {
		if a.IsNull(i) {
			return append(b, "null"...)
		}
		return write(b, i)
	}
}

func integers[T int8 | int16 | int32 | int64](a interface{ Value(int) T }) Cell {
	return func(b []byte, i int) []byte { return strconv.AppendInt(b, int64(a.Value(i)), 10) }
}

func naturals[T uint8 | uint16 | uint32 | uint64](a interface{ Value(int) T }) Cell {
	return func(b []byte, i int) []byte { return strconv.AppendUint(b, uint64(a.Value(i)), 10) }
}

func texts(a interface{ Value(int) string }, asJSON bool) Cell {
	if asJSON {
		return func(b []byte, i int) []byte {
			if v := a.Value(i); json.Valid([]byte(v)) {
				return append(b, v...)
			}
			return AppendText(b, a.Value(i))
		}
	}
	return func(b []byte, i int) []byte { return AppendText(b, a.Value(i)) }
}

func blobs(a interface{ Value(int) []byte }) Cell {
	return func(b []byte, i int) []byte {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, a.Value(i))
		return append(b, '"')
	}
}

func valueOf(a arrow.Array, asJSON bool) Cell {
	switch a := a.(type) {
	case *array.Boolean:
		return func(b []byte, i int) []byte { return strconv.AppendBool(b, a.Value(i)) }
	case *array.Int8:
		return integers[int8](a)
	case *array.Int16:
		return integers[int16](a)
	case *array.Int32:
		return integers[int32](a)
	case *array.Int64:
		return integers[int64](a)
	case *array.Uint8:
		return naturals[uint8](a)
	case *array.Uint16:
		return naturals[uint16](a)
	case *array.Uint32:
		return naturals[uint32](a)
	case *array.Uint64:
		return naturals[uint64](a)
	case *array.Float16:
		return func(b []byte, i int) []byte { return appendFloat(b, float64(a.Value(i).Float32()), 32) }
	case *array.Float32:
		return func(b []byte, i int) []byte { return appendFloat(b, float64(a.Value(i)), 32) }
	case *array.Float64:
		return func(b []byte, i int) []byte { return appendFloat(b, a.Value(i), 64) }
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(b []byte, i int) []byte { return append(b, a.Value(i).ToString(scale)...) }
	case *array.Decimal256:
		scale := a.DataType().(*arrow.Decimal256Type).Scale
		return func(b []byte, i int) []byte { return append(b, a.Value(i).ToString(scale)...) }
	case *array.String:
		return texts(a, asJSON)
	case *array.LargeString:
		return texts(a, asJSON)
	case *array.StringView:
		return texts(a, asJSON)
	case *array.Binary:
		return blobs(a)
	case *array.LargeBinary:
		return blobs(a)
	case *array.BinaryView:
		return blobs(a)
	case *array.FixedSizeBinary:
		return blobs(a)
	}
	return timeOf(a, asJSON)
}

func timeOf(a arrow.Array, asJSON bool) Cell {
	switch a := a.(type) {
	case *array.Timestamp:
		typ := a.DataType().(*arrow.TimestampType)
		layout := "2006-01-02T15:04:05.999999999"
		if typ.TimeZone != "" {
			layout += "Z"
		}
		return func(b []byte, i int) []byte { return appendTime(b, a.Value(i).ToTime(typ.Unit), layout) }
	case *array.Date32:
		return func(b []byte, i int) []byte { return appendTime(b, a.Value(i).ToTime(), time.DateOnly) }
	case *array.Date64:
		return func(b []byte, i int) []byte { return appendTime(b, a.Value(i).ToTime(), time.DateOnly) }
	case *array.Time32:
		unit := a.DataType().(*arrow.Time32Type).Unit
		return func(b []byte, i int) []byte { return appendClock(b, int64(a.Value(i)), unit) }
	case *array.Time64:
		unit := a.DataType().(*arrow.Time64Type).Unit
		return func(b []byte, i int) []byte { return appendClock(b, int64(a.Value(i)), unit) }
	case *array.MonthDayNanoInterval:
		return func(b []byte, i int) []byte {
			v := a.Value(i)
			return appendInterval(b, int64(v.Months), int64(v.Days), v.Nanoseconds)
		}
	case *array.MonthInterval:
		return func(b []byte, i int) []byte { return appendInterval(b, int64(a.Value(i)), 0, 0) }
	case *array.DayTimeInterval:
		return func(b []byte, i int) []byte {
			v := a.Value(i)
			return appendInterval(b, 0, int64(v.Days), int64(v.Milliseconds)*1e6)
		}
	case *array.Duration:
		unit := a.DataType().(*arrow.DurationType).Unit
		return func(b []byte, i int) []byte {
			return appendInterval(b, 0, 0, int64(a.Value(i))*int64(unit.Multiplier()))
		}
	}
	return nestedOf(a, asJSON)
}

func nestedOf(a arrow.Array, asJSON bool) Cell {
	switch a := a.(type) {
	case *array.Map:
		return mapOf(a)
	case array.ListLike:
		element := cellOf(a.ListValues(), false)
		return func(b []byte, i int) []byte {
			start, end := a.ValueOffsets(i)
			b = append(b, '[')
			for j := start; j < end; j++ {
				if j > start {
					b = append(b, ',')
				}
				b = element(b, int(j))
			}
			return append(b, ']')
		}
	case *array.Struct:
		fields := a.DataType().(*arrow.StructType).Fields()
		members := make([]Cell, len(fields))
		for j, f := range fields {
			members[j] = cellOf(a.Field(j), isJSON(f))
		}
		return func(b []byte, i int) []byte {
			b = append(b, '{')
			for j, f := range fields {
				if j > 0 {
					b = append(b, ',')
				}
				b = append(AppendText(b, f.Name), ':')
				b = members[j](b, i)
			}
			return append(b, '}')
		}
	case *array.Dictionary:
		value := cellOf(a.Dictionary(), asJSON)
		return func(b []byte, i int) []byte { return value(b, a.GetValueIndex(i)) }
	case array.ExtensionArray:
		if a.ExtensionType().ExtensionName() == "arrow.uuid" {
			return func(b []byte, i int) []byte { return AppendText(b, a.ValueStr(i)) }
		}
		return cellOf(a.Storage(), asJSON)
	}
	return func(b []byte, i int) []byte { // unions, run ends, what is still to come
		data, err := json.Marshal(a.GetOneForMarshal(i))
		if err != nil {
			return AppendText(b, a.ValueStr(i))
		}
		return append(b, data...)
	}
}

// mapOf writes an object when keys are text, otherwise a list of key and value.
func mapOf(a *array.Map) Cell {
	_, isText := a.Keys().(interface{ Value(int) string })
	key, value := cellOf(a.Keys(), false), cellOf(a.Items(), false)
	open, between, after, end := "{", ":", "", "}"
	before := ""
	if !isText {
		open, before, between, after, end = "[", `{"key":`, `,"value":`, "}", "]"
	}
	return func(b []byte, i int) []byte {
		start, stop := a.ValueOffsets(i)
		b = append(b, open...)
		for j := start; j < stop; j++ {
			if j > start {
				b = append(b, ',')
			}
			b = append(b, before...)
			b = append(key(b, int(j)), between...)
			b = append(value(b, int(j)), after...)
		}
		return append(b, end...)
	}
}

// AppendText appends a text as JSON. What is not UTF-8 is replaced.
func AppendText(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil { // not UTF-8: what is not becomes U+FFFD
		out, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd"))
	}
	return out
}

// appendFloat writes the shortest number that reads as the same float.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

func appendTime(b []byte, t time.Time, layout string) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, layout)
	return append(b, '"')
}

// appendClock writes a time of day, of which the end of the day is one: 24:00:00.
func appendClock(b []byte, v int64, unit arrow.TimeUnit) []byte {
	since := time.Duration(v) * unit.Multiplier()
	if since == 24*time.Hour {
		return append(b, `"24:00:00"`...)
	}
	return appendTime(b, time.Unix(0, int64(since)), "15:04:05.999999999")
}

// appendInterval writes ISO 8601: P1M2DT3.5S.
func appendInterval(b []byte, months, days, nanos int64) []byte {
	b = append(b, `"P`...)
	if months != 0 {
		b = append(strconv.AppendInt(b, months, 10), 'M')
	}
	if days != 0 {
		b = append(strconv.AppendInt(b, days, 10), 'D')
	}
	if nanos != 0 || months == 0 && days == 0 {
		sign := ""
		whole, part := nanos/1e9, nanos%1e9
		if nanos < 0 {
			sign, whole, part = "-", -whole, -part
		}
		text := fmt.Sprintf("%s%d.%09d", sign, whole, part)
		b = append(b, 'T')
		b = append(b, strings.TrimSuffix(strings.TrimRight(text, "0"), ".")...)
		b = append(b, 'S')
	}
	return append(b, '"')
}

// TypeName is the name of a column's type as the API tells it.
func TypeName(f arrow.Field) string {
	if isJSON(f) {
		return "json"
	}
	switch t := f.Type.(type) {
	case arrow.ExtensionType:
		return strings.TrimPrefix(t.ExtensionName(), "arrow.")
	case *arrow.TimestampType:
		if t.TimeZone != "" {
			return "timestamptz"
		}
		return "timestamp"
	case arrow.DecimalType:
		if t.GetScale() == 0 && t.GetPrecision() == 38 {
			return "hugeint"
		}
		return fmt.Sprintf("decimal(%d,%d)", t.GetPrecision(), t.GetScale())
	case *arrow.MapType:
		return "map(" + TypeName(t.KeyField()) + ", " + TypeName(t.ItemField()) + ")"
	case arrow.ListLikeType:
		return TypeName(t.ElemField()) + "[]"
	case *arrow.StructType:
		members := make([]string, 0, t.NumFields())
		for _, m := range t.Fields() {
			members = append(members, m.Name+" "+TypeName(m))
		}
		return "struct(" + strings.Join(members, ", ") + ")"
	case *arrow.DictionaryType:
		return TypeName(arrow.Field{Type: t.ValueType})
	}
	if name, ok := typeNames[f.Type.ID()]; ok {
		return name
	}
	return f.Type.Name()
}

var typeNames = map[arrow.Type]string{
	arrow.NULL: "null", arrow.BOOL: "bool",
	arrow.INT8: "tinyint", arrow.INT16: "smallint", arrow.INT32: "integer", arrow.INT64: "bigint",
	arrow.UINT8: "utinyint", arrow.UINT16: "usmallint", arrow.UINT32: "uinteger", arrow.UINT64: "ubigint",
	arrow.FLOAT16: "float", arrow.FLOAT32: "float", arrow.FLOAT64: "double",
	arrow.STRING: "text", arrow.LARGE_STRING: "text", arrow.STRING_VIEW: "text",
	arrow.BINARY: "blob", arrow.LARGE_BINARY: "blob", arrow.BINARY_VIEW: "blob", arrow.FIXED_SIZE_BINARY: "blob",
	arrow.DATE32: "date", arrow.DATE64: "date", arrow.TIME32: "time", arrow.TIME64: "time",
	arrow.INTERVAL_MONTHS: "interval", arrow.INTERVAL_DAY_TIME: "interval", arrow.INTERVAL_MONTH_DAY_NANO: "interval",
	arrow.DURATION: "interval",
}
