package result

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A stored column is one of the file.
type stored struct {
	Column
	// SQL is the type that the engine reads it as.
	SQL string `json:"sql"`
	// Class says what can be done with it.
	Class class `json:"class"`
	// JSON says that its text is JSON, and that answers have the value itself.
	JSON bool `json:"json,omitempty"`
}

// A class is a group of types that are filtered and summed up in one way.
type class string

const (
	classBool    class = "bool"
	classInteger class = "integer"
	classDecimal class = "decimal"
	classFloat   class = "float"
	classText    class = "text"
	classJSON    class = "json"
	classBlob    class = "blob"
	classDate    class = "date"
	classTime    class = "time"
	classMoment  class = "timestamp"
	classNested  class = "nested"
)

func (c class) isNumber() bool { return c == classInteger || c == classDecimal || c == classFloat }
func (c class) isTime() bool   { return c == classDate || c == classMoment }

// A keeper makes of the values of a column those of the file.
type keeper struct {
	stored
	field arrow.Field
	// convert returns a new array; nil keeps the values as they are.
	convert func(arrow.Array) arrow.Array
}

// keepers says how the columns of a result are stored.
func keepers(schema *arrow.Schema) []keeper {
	fields := schema.Fields()
	out := make([]keeper, len(fields))
	for i, name := range uniqueNames(fields) {
		k := keeperOf(fields[i])
		k.Column = Column{Name: name, Type: TypeName(fields[i])}
		k.field.Name, k.field.Nullable = fileName(name), true
		out[i] = k
	}
	return out
}

// uniqueNames gives every column a name of its own.
func uniqueNames(fields []arrow.Field) []string {
	names, used := make([]string, len(fields)), map[string]bool{}
	for i, f := range fields {
		base := strings.ToValidUTF8(f.Name, "\ufffd")
		if base == "" {
			base = "column_" + strconv.Itoa(i+1)
		}
		name := base
		for n := 2; used[name]; n++ {
			name = base + "_" + strconv.Itoa(n)
		}
		names[i], used[name] = name, true
	}
	return names
}

// fileName is what a column is called in the file: the engine adds columns of
// its own to those of a file.
func fileName(name string) string {
	switch strings.ToLower(name) {
	case "file_row_number", "file_index", "filename":
		return name + "_"
	}
	return name
}

// plainTypes are stored as they are.
var plainTypes = map[arrow.Type]stored{
	arrow.BOOL: {SQL: "BOOLEAN", Class: classBool},
	arrow.INT8: {SQL: "TINYINT", Class: classInteger}, arrow.INT16: {SQL: "SMALLINT", Class: classInteger},
	arrow.INT32: {SQL: "INTEGER", Class: classInteger}, arrow.INT64: {SQL: "BIGINT", Class: classInteger},
	arrow.UINT8: {SQL: "UTINYINT", Class: classInteger}, arrow.UINT16: {SQL: "USMALLINT", Class: classInteger},
	arrow.UINT32: {SQL: "UINTEGER", Class: classInteger}, arrow.UINT64: {SQL: "UBIGINT", Class: classInteger},
	arrow.FLOAT32: {SQL: "FLOAT", Class: classFloat}, arrow.FLOAT64: {SQL: "DOUBLE", Class: classFloat},
	arrow.STRING: {SQL: "VARCHAR", Class: classText}, arrow.LARGE_STRING: {SQL: "VARCHAR", Class: classText},
	arrow.BINARY: {SQL: "BLOB", Class: classBlob}, arrow.LARGE_BINARY: {SQL: "BLOB", Class: classBlob},
	arrow.DATE32: {SQL: "DATE", Class: classDate},
	arrow.TIME32: {SQL: "TIME", Class: classTime}, arrow.TIME64: {SQL: "TIME", Class: classTime},
}

func keeperOf(f arrow.Field) keeper {
	k := keeper{field: arrow.Field{Type: f.Type}}
	plain, isPlain := plainTypes[f.Type.ID()]
	switch t := f.Type.(type) {
	case *arrow.Decimal128Type:
		k.stored = stored{SQL: fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale), Class: classDecimal}
		return k
	case *arrow.TimestampType:
		k.stored = stored{SQL: "TIMESTAMP", Class: classMoment}
		switch {
		case t.TimeZone != "":
			k.SQL = "TIMESTAMPTZ"
		case t.Unit == arrow.Nanosecond:
			k.SQL = "TIMESTAMP_NS"
		}
		return k
	}
	switch {
	case isJSON(f):
		return asText(classJSON, true, true)
	case isPlain:
		k.stored = plain
		return k
	case f.Type.ID() == arrow.LIST || f.Type.ID() == arrow.STRUCT || f.Type.ID() == arrow.MAP:
		if isNative(f.Type) {
			k.stored = stored{Class: classNested}
			return k
		}
		return asText(classJSON, true, false)
	case isNested(f.Type):
		return asText(classJSON, true, false)
	}
	return asText(classText, false, false)
}

// isNested says whether the JSON of a type's values is no text.
func isNested(t arrow.DataType) bool {
	switch t := t.(type) {
	case arrow.ExtensionType:
		return t.ExtensionName() != "arrow.uuid" && isNested(t.StorageType())
	case *arrow.DictionaryType:
		return t.ValueType.ID() != arrow.STRING
	case arrow.NestedType, *arrow.Decimal256Type, *arrow.Float16Type:
		return true
	}
	return false
}

// memberPattern is what the members of a nested value may be called, so that a
// file has them as they are.
var memberPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_ ]*$`)

// isNative says whether a file has values of that nested type as they are.
// Others are stored as JSON.
func isNative(t arrow.DataType) bool {
	switch t := t.(type) {
	case *arrow.ListType:
		return isNative(t.Elem())
	case *arrow.MapType:
		return isNative(t.KeyType()) && isNative(t.ItemType())
	case *arrow.StructType:
		seen := map[string]bool{}
		for _, f := range t.Fields() {
			name := strings.ToLower(f.Name)
			if isJSON(f) || !isNative(f.Type) || seen[name] || !memberPattern.MatchString(f.Name) {
				return false
			}
			seen[name] = true
		}
		return t.NumFields() > 0
	case *arrow.Decimal128Type, *arrow.TimestampType:
		return true
	}
	_, plain := plainTypes[t.ID()]
	return plain
}

// asText stores what answers have of a value: as JSON, or, where that is a text,
// as that text. raw says that the values are JSON already.
func asText(c class, isJSON, raw bool) keeper {
	k := keeper{
		stored: stored{SQL: "VARCHAR", Class: c, JSON: isJSON},
		field:  arrow.Field{Type: arrow.BinaryTypes.String},
	}
	k.convert = func(a arrow.Array) arrow.Array {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		defer b.Release()
		b.Reserve(a.Len())
		write := cellOf(a, raw)
		var buf []byte
		for i := range a.Len() {
			if a.IsNull(i) {
				b.AppendNull()
				continue
			}
			switch buf = write(buf[:0], i); {
			case isJSON:
				b.Append(string(buf))
			case string(buf) == "null":
				b.AppendNull()
			default:
				b.Append(unquote(buf))
			}
		}
		return b.NewArray()
	}
	return k
}

// unquote is a JSON text without its quotes, or the JSON itself.
func unquote(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return string(v)
	}
	inner := v[1 : len(v)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if json.Unmarshal(v, &s) == nil {
				return s
			}
			break
		}
	}
	return string(inner)
}
