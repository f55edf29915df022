package postgres

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
)

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
