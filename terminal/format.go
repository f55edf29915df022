package terminal

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// Count writes a number with commas: 54,716.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Money writes an amount with commas and two decimals: 18,909,762.12.
func Money(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) >= 1e15 {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', 2, 64)
	whole, _ := strconv.ParseInt(s[:len(s)-3], 10, 64)
	sign := ""
	if v < 0 && strings.Trim(s, "0.") != "" {
		sign = "-"
	}
	return sign + Count(whole) + s[len(s)-3:]
}

// Size writes bytes in the unit that reads best: 1.2 MB (powers of 1000).
func Size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	v, i := float64(n), 0
	for math.Abs(v) >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	if v < 9.95 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}

// Duration writes a length of time in at most two units: 850 ms, 12 s, 3 min 5 s, 2 h 10 min, 6 d 3 h.
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	two := func(a int64, ua string, b int64, ub string) string {
		if b == 0 {
			return fmt.Sprintf("%d %s", a, ua)
		}
		return fmt.Sprintf("%d %s %d %s", a, ua, b, ub)
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return two(s/60, "min", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "min")
	}
	return two(s/86400, "d", s%86400/3600, "h")
}

// Plural writes a count with its noun: "1 row", "2 rows".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// ThereAre lists the names that there are: "there is web", "there are web, ios".
func ThereAre(names []string) string {
	verb := "there are "
	switch len(names) {
	case 0:
		return "there is none"
	case 1:
		verb = "there is "
	}
	return verb + strings.Join(names, ", ")
}

// Columns returns how many columns of a terminal the text takes.
func Columns(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= 0x80 {
			n = 0
			for _, r := range s {
				n += runeColumns(r)
			}
			return n
		}
		n++
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens text to so many columns, with an ellipsis when something is
// missing, and says whether it did.
func Cut(s string, columns int) (string, bool) {
	if Columns(s) <= columns {
		return s, false
	}
	n := 0
	for i, r := range s {
		w := runeColumns(r)
		if n+w > columns-1 {
			return s[:i] + "…", true
		}
		n += w
	}
	return s, false
}

// Wrap breaks text into lines of so many columns at most, between words where
// it can. Of an empty text it is one empty line.
func Wrap(s string, columns int) (lines []string) {
	columns = max(columns, 2) // as wide as a letter can be
	for Columns(s) > columns {
		n, end, space := 0, 0, -1
		for i, r := range s {
			w := runeColumns(r)
			if r == ' ' && i > 0 {
				space = i
			}
			if n+w > columns {
				break
			}
			n, end = n+w, i+len(string(r))
		}
		next := end
		if space > 0 && end < len(s) && s[end] != ' ' {
			end, next = space, space+1
		} else if end < len(s) && s[end] == ' ' {
			next = end + 1
		}
		lines, s = append(lines, s[:end]), s[next:]
	}
	return append(lines, s)
}
