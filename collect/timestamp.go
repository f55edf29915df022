package collect

import (
	"strconv"
	"time"
)

// stamp reads the time that the value at p says: an ISO 8601 text, with a
// space for the T and without zone (UTC) too, or a number of seconds or
// milliseconds since 1970.
func stamp(b []byte, p span) (time.Time, bool) {
	switch p.kind {
	case kindString:
		return parseTime(b[p.start:p.end])
	case kindEscaped:
		return parseTime(unescape(nil, b[p.start:p.end]))
	case kindNumber:
		v, err := strconv.ParseFloat(string(b[p.start:p.end]), 64)
		return epochTime(v), err == nil && v > 0 && v < 1e14
	}
	return time.Time{}, false
}

// epochTime reads seconds, or milliseconds when they would lie beyond the year 5138.
func epochTime(v float64) time.Time {
	if v < 1e11 {
		v *= 1000
	}
	if !(v > -1e15 && v < 1e15) {
		return time.Time{}
	}
	return time.UnixMilli(int64(v)).UTC()
}

// two reads two digits; a number out of range means that they are not.
func two(b []byte) int {
	if !digit(b[0]) || !digit(b[1]) {
		return 1 << 20
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

// parseTime reads 2006-01-02[T15:04[:05[.999]][Z|±hh[:]mm]].
func parseTime(b []byte) (time.Time, bool) {
	if len(b) < 10 || len(b) > 40 || b[4] != '-' || b[7] != '-' {
		return time.Time{}, false
	}
	year, month, day := two(b)*100+two(b[2:]), two(b[5:]), two(b[8:])
	if year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	date := func(h, m, s, ns, offset int) (time.Time, bool) {
		t := time.Date(year, time.Month(month), day, h, m, s, ns, time.UTC)
		return t.Add(-time.Duration(offset) * time.Minute).Truncate(time.Millisecond), true
	}
	if len(b) == 10 {
		return date(0, 0, 0, 0, 0)
	}
	if b[10]|0x20 != 't' && b[10] != ' ' || len(b) < 16 || b[13] != ':' {
		return time.Time{}, false
	}
	hour, minute := two(b[11:]), two(b[14:])
	b = b[16:]
	second, nanos := 0, 0
	if len(b) >= 3 && b[0] == ':' {
		second = two(b[1:])
		b = b[3:]
		if len(b) > 1 && (b[0] == '.' || b[0] == ',') {
			b = b[1:]
			for scale := 100_000_000; len(b) > 0 && digit(b[0]); b = b[1:] {
				nanos += int(b[0]-'0') * scale
				scale /= 10
			}
		}
	}
	if hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	offset, ok := zone(b)
	if !ok {
		return time.Time{}, false
	}
	return date(hour, minute, second, nanos, offset)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// zone reads Z, ±hh, ±hhmm, ±hh:mm or nothing as minutes east of UTC.
func zone(b []byte) (minutes int, ok bool) {
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) == 0 || len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	sign := 1
	switch b[0] {
	case '-':
		sign = -1
	case '+':
	default:
		return 0, false
	}
	b = b[1:]
	h, m := 0, 0
	switch {
	case len(b) == 2:
		h = two(b)
	case len(b) == 4:
		h, m = two(b), two(b[2:])
	case len(b) == 5 && b[2] == ':':
		h, m = two(b), two(b[3:])
	default:
		return 0, false
	}
	return sign * (h*60 + m), h < 24 && m < 60
}

// occurred corrects the sender's clock: received − (sent − said). Without the
// time of sending it takes what was said; without what was said, received.
func occurred(received, said, sent time.Time) time.Time {
	if said.IsZero() {
		return received
	}
	t := said
	if !sent.IsZero() {
		t = received.Add(-sent.Sub(said))
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return received
	}
	return t
}
