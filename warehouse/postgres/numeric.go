package postgres

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace"
)

// numericColumn decides how a numeric column is given. Postgres's numbers have
// any number of digits; sums of bigint and averages are such. A result of one
// batch has the digits that it needs, exactly; otherwise, and when they are
// more than 38, they are the nearest doubles (cast to text to have them all).
func (r *rows) numericColumn(i int) column {
	width := len(r.fields)
	whole, fraction := 0, 0
	exact, number := r.last, true
	for row := range r.count {
		if v := r.fetched[row*width+i]; v != nil {
			w, f, ok := digitsOf(v)
			whole, fraction = max(whole, w), max(fraction, f)
			exact, number = exact && ok, number && ok
		}
	}
	if mod := r.fields[i].TypeModifier; mod >= 4 && !exact && number { // numeric(p,s) says it itself
		precision, scale := int(mod-4)>>16, int(mod-4)&0x7ff
		if precision <= 38 && scale <= precision {
			whole, fraction, exact = precision-scale, scale, true
		}
	}
	if !exact || whole+fraction > 38 {
		return column{arrow.PrimitiveTypes.Float64, func(b array.Builder, v []byte) error {
			b.(*array.Float64Builder).Append(parseFloat(string(v)))
			return nil
		}}
	}
	scale := int32(fraction)
	return column{&arrow.Decimal128Type{Precision: 38, Scale: scale}, func(b array.Builder, v []byte) error {
		n, ok := scaled(string(v), fraction)
		if !ok {
			return millrace.Errorf(millrace.Invalid, "a column of numerics holds %s behind its first rows, where the answer has decimals: cast the column to text or double precision", v)
		}
		b.(*array.Decimal128Builder).Append(decimal128.FromBigInt(n))
		return nil
	}}
}

// digitsOf counts the digits of a numeric's text before and behind the point,
// without zeros at the end; ok is false for NaN and infinity.
func digitsOf(v []byte) (whole, fraction int, ok bool) {
	v = bytes.TrimPrefix(v, []byte("-"))
	if len(v) == 0 || v[0]-'0' > 9 {
		return 0, 0, false
	}
	if point := bytes.IndexByte(v, '.'); point >= 0 {
		return point, len(bytes.TrimRight(v[point+1:], "0")), true
	}
	return len(v), 0, true
}

func parseFloat(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // ±Inf when out of range
	return f
}

// scaled reads a number as a whole one with that many decimal places.
func scaled(v string, places int) (*big.Int, bool) {
	whole, fraction, _ := strings.Cut(v, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > places {
		return nil, false
	}
	return new(big.Int).SetString(whole+fraction+strings.Repeat("0", places-len(fraction)), 10)
}
