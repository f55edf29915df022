package warehouse

import (
	"bytes"
	"math"
	"strconv"
	"unsafe"
)

// maxExact is the greatest whole number up to which a double has them all.
const maxExact = 1 << 53

// parseInt reads a JSON number that is written without fraction and exponent
// and fits 64 bits.
func parseInt(raw []byte) (int64, bool) {
	digits, negative := raw, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 18 {
		if len(digits) == 0 || len(digits) > 19 {
			return 0, false
		}
		n, err := strconv.ParseInt(text(raw), 10, 64)
		return n, err == nil
	}
	var n int64
	for _, c := range digits {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// parseWhole reads a JSON number whose value is whole and fits 64 bits,
// however it is written: 5, 5.0, 50e-1.
func parseWhole(raw []byte) (int64, bool) {
	if n, ok := parseInt(raw); ok {
		return n, true
	}
	f, ok := parseDouble(raw)
	if !ok || f != math.Trunc(f) || math.Abs(f) > maxExact {
		return 0, false
	}
	return int64(f), true
}

// parseDouble reads a JSON number that a double gives back as it was written.
func parseDouble(raw []byte) (float64, bool) {
	f, err := strconv.ParseFloat(text(raw), 64)
	if err != nil {
		return 0, false
	}
	var room [32]byte
	digits := significant(room[:0], raw)
	if len(digits) == 0 {
		return f, true // zero
	}
	if len(digits) <= 15 && math.Abs(f) >= 0x1p-1022 {
		return f, true
	}
	if f == 0 {
		return 0, false
	}
	for _, precision := range []int{-1, 16} { // the shortest form, and what %.17g writes
		if bytes.Equal(digits, significant(nil, strconv.AppendFloat(nil, f, 'e', precision, 64))) {
			return f, true
		}
	}
	return 0, false
}

// significant appends the digits of a number without zeros at either end.
func significant(dst, raw []byte) []byte {
	start := len(dst)
	for _, c := range raw {
		if c == 'e' || c == 'E' {
			break
		}
		if c-'0' < 10 && (c != '0' || len(dst) > start) {
			dst = append(dst, c)
		}
	}
	for len(dst) > start && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst[start:]
}

// text is b as a string that must not outlive it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// parseTime reads an ISO 8601 date-time as microseconds since 1970. A strict
// one has date, T, seconds and zone; lenient lets a space stand for the T, and
// takes a missing zone as UTC and missing seconds or a missing time as zero.
// exact says that nothing finer than a microsecond was cut off.
func parseTime(b []byte, lenient bool) (micros int64, exact, ok bool) {
	year, ok1 := number(b, 0, 4)
	month, ok2 := number(b, 5, 2)
	day, ok3 := number(b, 8, 2)
	if !ok1 || !ok2 || !ok3 || b[4] != '-' || b[7] != '-' || year == 0 ||
		month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false, false
	}
	micros = daysSince1970(year, month, day) * 86_400_000_000
	rest := b[10:]
	if len(rest) == 0 {
		return micros, true, lenient
	}
	if rest[0] != 'T' && !(lenient && (rest[0] == ' ' || rest[0] == 't')) {
		return 0, false, false
	}
	clock, exact, rest, ok := parseClock(rest[1:], lenient)
	if !ok {
		return 0, false, false
	}
	offset, ok := parseZone(rest, lenient)
	micros += clock - offset
	return micros, exact, ok && micros >= minMicros && micros <= maxMicros
}

// The years 0001 to 9999.
const (
	minMicros = -62_135_596_800_000_000
	maxMicros = 253_402_300_799_999_999
)

func parseClock(b []byte, lenient bool) (micros int64, exact bool, rest []byte, ok bool) {
	hour, ok1 := number(b, 0, 2)
	minute, ok2 := number(b, 3, 2)
	if !ok1 || !ok2 || b[2] != ':' || hour > 23 || minute > 59 {
		return 0, false, nil, false
	}
	micros = int64(hour*60+minute) * 60_000_000
	if len(b) == 5 || b[5] != ':' {
		return micros, true, b[5:], lenient
	}
	second, ok := number(b, 6, 2)
	if !ok || second > 59 {
		return 0, false, nil, false
	}
	micros += int64(second) * 1_000_000
	b = b[8:]
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return micros, true, b, true
	}
	i, unit := 1, int64(100_000)
	exact = true
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		micros += int64(b[i]-'0') * unit
		exact = exact && (unit > 0 || b[i] == '0')
		unit /= 10
	}
	return micros, exact, b[i:], i > 1
}

func parseZone(b []byte, lenient bool) (micros int64, ok bool) {
	if len(b) == 0 {
		return 0, lenient
	}
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hour, ok := number(b, 1, 2)
	minute := 0
	switch {
	case !ok:
		return 0, false
	case len(b) == 6 && b[3] == ':':
		minute, ok = number(b, 4, 2)
	case len(b) == 5:
		minute, ok = number(b, 3, 2)
	case len(b) != 3:
		return 0, false
	}
	if !ok || hour > 23 || minute > 59 {
		return 0, false
	}
	micros = int64(hour*60+minute) * 60_000_000
	if b[0] == '-' {
		micros = -micros
	}
	return micros, true
}

func number(b []byte, at, size int) (n int, ok bool) {
	if len(b) < at+size {
		return 0, false
	}
	for _, c := range b[at : at+size] {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar; years begin in March here.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year+year/4-year/100+year/400+(153*(month-3)+2)/5+day-1) - 719_468
}
