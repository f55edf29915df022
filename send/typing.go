package send

import (
	"bytes"
	"math"
	"strconv"
)

// A columnType is what the values of a CSV column are sent as.
type columnType uint8

const (
	typeNone    columnType = iota // no value seen
	typeBool                      // true, false
	typeInteger                   // fits 64 bits, no leading zeros
	typeDouble                    // a JSON number that a double holds as written
	typeText
)

func (t columnType) String() string {
	return [...]string{"empty", "boolean", "integer", "double", "text"}[t]
}

// A column gathers the type of a column over all of its values.
type column struct {
	kind columnType
	// wide says that an integer was seen that a double cannot hold: then it
	// does not become a double column.
	wide bool
}

// exactInteger is the largest integer up to which every one is a double.
const exactInteger = 1 << 53

// observe takes a value into account. Empty values say nothing.
func (c *column) observe(v []byte) {
	if len(v) == 0 || c.kind == typeText {
		return
	}
	t, wide := typeOf(v)
	c.wide = c.wide || wide
	switch {
	case c.kind == typeNone:
		c.kind = t
	case c.kind == t:
	case (c.kind == typeInteger || c.kind == typeDouble) && (t == typeInteger || t == typeDouble):
		c.kind = typeDouble
	default:
		c.kind = typeText
	}
	if c.kind == typeDouble && c.wide {
		c.kind = typeText
	}
}

// typeOf returns the narrowest type of a value that is not empty.
func typeOf(v []byte) (t columnType, wide bool) {
	switch c := v[0]; {
	case c == 't' || c == 'T' || c == 'f' || c == 'F':
		if _, ok := boolean(v); ok {
			return typeBool, false
		}
		return typeText, false
	case c != '-' && (c < '0' || c > '9') || len(v) > 40:
		return typeText, false
	}
	digits, fraction, exponent, ok := number(v)
	switch {
	case !ok:
		return typeText, false
	case !fraction && !exponent:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n == 0 && v[0] == '-' {
			return typeText, false
		}
		return typeInteger, n > exactInteger || n < -exactInteger
	case digits > 17:
		return typeText, false
	}
	if f, err := strconv.ParseFloat(string(v), 64); err != nil || math.IsInf(f, 0) || f == 0 && digits > 0 {
		return typeText, false
	}
	return typeDouble, false
}

func boolean(v []byte) (value, ok bool) {
	switch string(v) {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	return false, false
}

// number says whether v is written as a JSON number, and what is in it. An
// exponent counts only with a sign or behind a fraction: 12E5 is a part number
// more often than a quantity.
func number(v []byte) (digits int, fraction, exponent, ok bool) {
	i := 0
	if v[i] == '-' {
		i++
	}
	whole := i
	for i < len(v) && isDigit(v[i]) {
		i++
	}
	if i == whole || v[whole] == '0' && i > whole+1 {
		return 0, false, false, false
	}
	mantissa := v[whole:i]
	if i < len(v) && v[i] == '.' {
		fraction = true
		begin := i + 1
		for i++; i < len(v) && isDigit(v[i]); i++ {
		}
		if i == begin {
			return 0, false, false, false
		}
		mantissa = v[whole:i]
	}
	if i < len(v) && (v[i] == 'e' || v[i] == 'E') {
		exponent = true
		i++
		signed := i < len(v) && (v[i] == '+' || v[i] == '-')
		if signed {
			i++
		}
		begin := i
		for ; i < len(v) && isDigit(v[i]); i++ {
		}
		if i == begin || !signed && !fraction {
			return 0, false, false, false
		}
	}
	significant := bytes.TrimLeft(mantissa, "0.")
	digits = len(significant)
	if bytes.IndexByte(significant, '.') >= 0 {
		digits--
	}
	return digits, fraction, exponent, i == len(v)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// appendValue writes v as JSON of type t; a value that does not fit t (rows of
// stdin behind those that the type was decided on) is written as text.
func appendValue(dst, v []byte, t columnType) []byte {
	switch t {
	case typeBool:
		if b, ok := boolean(v); ok {
			return strconv.AppendBool(dst, b)
		}
	case typeInteger:
		if got, _ := typeOf(v); got == typeInteger {
			return append(dst, v...)
		}
	case typeDouble:
		switch got, wide := typeOf(v); {
		case got == typeDouble:
			return append(dst, v...)
		case got == typeInteger && !wide:
			return append(append(dst, v...), ".0"...)
		}
	}
	return appendString(dst, v)
}

// integral returns "13085" for "13085.0", and v itself for anything else.
func integral(v []byte) []byte {
	i := bytes.IndexByte(v, '.')
	if i <= 0 || i == len(v)-1 || len(bytes.Trim(v[i+1:], "0")) > 0 {
		return v
	}
	whole := v[:i]
	for j, c := range whole {
		if !isDigit(c) && (j > 0 || c != '-' || len(whole) == 1) {
			return v
		}
	}
	return whole
}
