package catalog

import (
	"database/sql"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// A plain value is nil, int64, float64, string or []byte: what engines are given
// and return.

// plainValues makes plain values of what a caller gave.
func plainValues(args []any, bounded bool) ([]any, error) {
	out, size := make([]any, len(args)), 0
	for i, arg := range args {
		v, problem := plain(arg)
		if problem != "" {
			return nil, millrace.Errorf(millrace.Invalid, "the value of $%d %s", i+1, problem)
		}
		switch v := v.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
		out[i] = v
	}
	if bounded && size > MaxValuesBytes {
		return nil, millrace.Errorf(millrace.TooLarge, "a statement's values have %d bytes, more than %d: keep what is larger in the object store", size, MaxValuesBytes)
	}
	return out, nil
}

func plain(arg any) (v any, problem string) {
	switch a := arg.(type) {
	case nil:
		return nil, ""
	case int64:
		return a, ""
	case int:
		return int64(a), ""
	case string:
		return a, wrongText(a)
	case []byte:
		if a == nil {
			return nil, ""
		}
		return a, ""
	case bool:
		if a {
			return int64(1), ""
		}
		return int64(0), ""
	case time.Time:
		return a.UnixMicro(), ""
	case json.RawMessage:
		if a == nil {
			return nil, ""
		}
		return string(a), wrongText(string(a))
	case float64:
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return nil, "is not a finite number"
		}
		return a, ""
	}
	return plainOf(reflect.ValueOf(arg))
}

// plainOf makes plain values of pointers and of named types.
func plainOf(r reflect.Value) (v any, problem string) {
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return nil, ""
		}
		return plain(r.Elem().Interface())
	case reflect.String:
		return plain(r.String())
	case reflect.Bool:
		return plain(r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), ""
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if r.Uint() > math.MaxInt64 {
			return nil, "is larger than a BIGINT holds"
		}
		return int64(r.Uint()), ""
	case reflect.Float32, reflect.Float64:
		return plain(r.Float())
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return plain(r.Bytes())
		}
	}
	return nil, "is a " + r.Type().String() + ": give numbers, text, bytes, bool, time or pointers to these"
}

func wrongText(s string) string {
	switch {
	case strings.Contains(s, "\x00"):
		return "is text with a NUL: text is UTF-8 without NUL, anything else goes into a column of bytes"
	case !utf8.ValidString(s):
		return "is not UTF-8: text is UTF-8 without NUL, anything else goes into a column of bytes"
	}
	return ""
}

// assign stores a plain value in what dest points to. The problem is for people.
func assign(dest, value any) (problem string) {
	switch d := dest.(type) {
	case *string:
		if v, ok := value.(string); ok {
			*d = v
			return ""
		}
	case *int64:
		if v, ok := value.(int64); ok {
			*d = v
			return ""
		}
	case *time.Time:
		if v, ok := value.(int64); ok {
			*d = time.UnixMicro(v).UTC()
			return ""
		}
	case *json.RawMessage:
		if v, ok := value.(string); ok {
			*d = json.RawMessage(v)
			return ""
		}
		if value == nil {
			*d = nil
			return ""
		}
	case *[]byte:
		switch v := value.(type) {
		case []byte:
			*d = v
			return ""
		case nil:
			*d = nil
			return ""
		}
	case *any:
		*d = value
		return ""
	case sql.Scanner:
		if err := d.Scan(value); err != nil {
			return err.Error()
		}
		return ""
	}
	r := reflect.ValueOf(dest)
	if r.Kind() != reflect.Pointer || r.IsNil() {
		return "has to be scanned into a pointer"
	}
	return assignTo(r.Elem(), value)
}

func assignTo(r reflect.Value, value any) (problem string) {
	if r.Kind() == reflect.Pointer {
		if value == nil {
			r.SetZero()
			return ""
		}
		into := reflect.New(r.Type().Elem())
		if problem := assign(into.Interface(), value); problem != "" {
			return problem
		}
		r.Set(into)
		return ""
	}
	switch v := value.(type) {
	case nil:
		return "is NULL: scan it into a pointer to a pointer, or use coalesce"
	case string:
		if r.Kind() == reflect.String {
			r.SetString(v)
			return ""
		}
	case []byte:
		if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8 {
			r.SetBytes(v)
			return ""
		}
	case float64:
		if r.CanFloat() {
			r.SetFloat(v)
			return ""
		}
	case int64:
		switch {
		case r.Kind() == reflect.Bool && (v == 0 || v == 1):
			r.SetBool(v == 1)
			return ""
		case r.CanInt() && !r.OverflowInt(v):
			r.SetInt(v)
			return ""
		case r.CanUint() && v >= 0 && !r.OverflowUint(uint64(v)):
			r.SetUint(uint64(v))
			return ""
		}
	}
	return "does not fit into " + r.Type().String()
}
