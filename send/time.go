package send

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name on machines without a zone database

	"github.com/millrace/millrace"
)

// A timeFormat reads the times of one column.
type timeFormat struct {
	name   string // as it is written in --time-format
	layout string // of package time, or "" for numbers
	unit   time.Duration
	zone   *time.Location // of times that name none
	zoned  bool           // the layout has an offset
}

// Names of formats that are not patterns.
var namedFormats = map[string]timeFormat{
	"rfc3339":  {layout: time.RFC3339Nano, zoned: true},
	"rfc1123":  {layout: "rfc1123"},
	"iso8601":  {layout: "iso8601"},
	"unix":     {unit: time.Second},
	"unix_ms":  {unit: time.Millisecond},
	"unix_us":  {unit: time.Microsecond},
	"unix_ns":  {unit: time.Nanosecond},
	"datetime": {layout: "2006-01-02 15:04:05"},
	"date":     {layout: "2006-01-02"},
}

// newTimeFormat reads what was given as --time-format: a name, a pattern such
// as "M/D/YY H:MM", strftime's "%d.%m.%Y %H:%M", or a layout of Go's package
// time. The error is Invalid.
func newTimeFormat(text string, zone *time.Location) (*timeFormat, error) {
	f, named := namedFormats[strings.ToLower(text)]
	f.name, f.zone = text, zone
	switch {
	case named:
		return &f, nil
	case strings.Contains(text, "%"):
		layout, err := strftimeLayout(text)
		if err != nil {
			return nil, err
		}
		f.layout = layout
	case strings.Contains(text, "2006") || strings.Contains(text, "06") && strings.ContainsAny(text, "12"):
		f.layout = text
	default:
		layout, err := patternLayout(text)
		if err != nil {
			return nil, err
		}
		f.layout = layout
	}
	f.zoned = strings.Contains(f.layout, "Z07") || strings.Contains(f.layout, "-07")
	return &f, nil
}

// strftime's directives as parts of a Go layout.
var strftime = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "1", 'd': "2", 'e': "2", 'H': "15", 'I': "3", 'M': "04", 'S': "05",
	'p': "PM", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'z': "-0700", 'Z': "MST", 'f': "000000",
	'T': "15:04:05", 'F': "2006-1-2", 'D': "1/2/06", 'R': "15:04", '%': "%",
}

func strftimeLayout(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i < len(text) && text[i] == '-' { // %-d: not padded; we read both
			i++
		}
		if i == len(text) {
			return "", millrace.Errorf(millrace.Invalid, "time format %q ends in %%", text)
		}
		part, ok := strftime[text[i]]
		if !ok {
			return "", millrace.Errorf(millrace.Invalid, "time format %q: %%%c is not known: use %%Y %%y %%m %%d %%H %%I %%M %%S %%f %%p %%b %%B %%z", text, text[i])
		}
		b.WriteString(part)
	}
	return b.String(), nil
}

// Tokens of patterns, longest first. M and MM are months, or minutes behind an hour.
var patternTokens = []struct{ token, layout string }{
	{"YYYY", "2006"}, {"yyyy", "2006"}, {"YY", "06"}, {"yy", "06"},
	{"MMMM", "January"}, {"MMM", "Jan"}, {"MM", "01"}, {"mm", "04"}, {"M", "1"}, {"m", "4"},
	{"DD", "02"}, {"dd", "02"}, {"D", "2"}, {"d", "2"},
	{"HH", "15"}, {"H", "15"}, {"hh", "03"}, {"h", "3"},
	{"SSS", "000"}, {"SS", "05"}, {"ss", "05"}, {"S", "5"}, {"s", "5"},
	{"AM", "PM"}, {"PM", "PM"}, {"am", "pm"}, {"pm", "pm"}, {"A", "PM"}, {"a", "pm"},
	{"Z", "Z07:00"}, {"X", "Z07:00"}, {"T", "T"},
}

func patternLayout(text string) (string, error) {
	var b strings.Builder
	hour, minute, year := false, false, false
next:
	for i := 0; i < len(text); {
		for _, t := range patternTokens {
			if !strings.HasPrefix(text[i:], t.token) {
				continue
			}
			layout := t.layout
			switch {
			case hour && !minute && t.token == "MM":
				layout, minute = "04", true
			case hour && !minute && t.token == "M":
				layout, minute = "4", true
			case t.token[0] == 'm':
				minute = true
			case t.token[0] == 'H' || t.token[0] == 'h':
				hour = true
			case t.token[0] == 'Y' || t.token[0] == 'y':
				year = true
			}
			b.WriteString(layout)
			i += len(t.token)
			continue next
		}
		if c := text[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return "", unknownFormat(text)
		}
		b.WriteByte(text[i])
		i++
	}
	if !year {
		return "", unknownFormat(text)
	}
	return b.String(), nil
}

func unknownFormat(text string) error {
	return millrace.Errorf(millrace.Invalid,
		"%.60q is not a time format: write a pattern such as \"M/D/YY H:MM\" or \"YYYY-MM-DD HH:mm:ss\", strftime's \"%%d.%%m.%%Y\", or one of rfc3339, iso8601, unix, unix_ms", text)
}

// Times outside of these are a sign of a wrong format.
var earliest, latest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// parse reads one time. A time without a zone is a wall clock of f.zone: see resolve.
func (f *timeFormat) parse(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	var t time.Time
	var err error
	switch {
	case f.unit > 0:
		t, err = parseUnix(text, f.unit)
		t = t.In(f.zone)
	case f.layout == "iso8601":
		t, err = f.parseISO(text)
	case f.layout == "rfc1123":
		t, err = parseRFC1123(text)
	case f.zoned:
		t, err = time.Parse(f.layout, text)
	default:
		if t, err = time.Parse(f.layout, text); err == nil {
			t = resolve(t, f.zone)
		}
	}
	if err != nil {
		return t, fmt.Errorf("%.60q is not a time of the form %s", text, f.name)
	}
	if t.Before(earliest) || t.After(latest) {
		return t, fmt.Errorf("%.60q is not between the years 1 and 9999", text)
	}
	return t, nil
}

var isoLayouts = []struct {
	layout string
	zoned  bool
}{
	{"2006-01-02T15:04:05Z07:00", true}, {"2006-01-02T15:04:05Z0700", true}, {"2006-01-02T15:04:05Z07", true},
	{"2006-01-02T15:04Z07:00", true}, {"2006-01-02T15:04:05", false}, {"2006-01-02T15:04", false}, {"2006-01-02", false},
}

func (f *timeFormat) parseISO(text string) (time.Time, error) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + strings.TrimPrefix(text[11:], " ")
		// "2011-01-02 10:00:00 +01:00" and "… UTC", as databases write them
		if i := strings.IndexByte(text, ' '); i > 0 {
			text = text[:i] + strings.Replace(text[i+1:], "UTC", "Z", 1)
		}
	}
	for _, l := range isoLayouts {
		t, err := time.Parse(l.layout, text)
		if err != nil {
			continue
		}
		if !l.zoned {
			t = resolve(t, f.zone)
		}
		return t, nil
	}
	return time.Time{}, errors.New("not ISO 8601")
}

// parseRFC1123 reads "Thu, 02 Dec 2010 08:26:00 GMT", with or without the day,
// or with an offset. Other names of zones mean several things, and are refused.
func parseRFC1123(text string) (time.Time, error) {
	if day, rest, named := strings.Cut(text, ","); named && len(day) >= 3 {
		text = strings.TrimSpace(rest)
	}
	for _, name := range []string{" GMT", " UTC", " UT", " Z"} {
		if head, ok := strings.CutSuffix(text, name); ok {
			text = head + " +0000"
			break
		}
	}
	return time.Parse("2 Jan 2006 15:04:05 -0700", text)
}

func parseUnix(text string, unit time.Duration) (time.Time, error) {
	perSecond := int64(time.Second / unit)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		rest := n % perSecond
		return time.Unix(n/perSecond, rest*int64(unit)).UTC(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > 1e18 {
		return time.Time{}, errors.New("not a number")
	}
	whole, part := math.Modf(v / float64(perSecond))
	// milliseconds are what a record keeps
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1000).UTC(), nil
}

// resolve takes wall, whose clock was read as UTC, for the clock on the wall
// of zone. A time that occurs twice, when clocks go back, is the first of the
// two. A time that does not occur, when clocks go forward, is read with the
// offset from before the change: 1:30 in the skipped hour is half an hour
// after the change.
func resolve(wall time.Time, zone *time.Location) time.Time {
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(wall.Add(-24*time.Hour)), offset(wall.Add(24*time.Hour))
	early, late := wall.Add(-before), wall.Add(-after)
	if early.After(late) {
		early, late = late, early
	}
	for _, t := range []time.Time{early, late} {
		if wall.Add(-offset(t)).Equal(t) {
			return t.In(zone)
		}
	}
	return wall.Add(-before).In(zone)
}

// candidates are the formats that are tried when none is given.
var candidates = append([]string{
	"iso8601", "M/D/YY H:mm", "D/M/YY H:mm", "M/D/YYYY H:mm", "D/M/YYYY H:mm",
	"M/D/YY H:mm:ss", "D/M/YY H:mm:ss", "M/D/YYYY H:mm:ss", "D/M/YYYY H:mm:ss",
	"M/D/YYYY h:mm:ss A", "D/M/YYYY h:mm:ss A", "M/D/YYYY h:mm A", "D/M/YYYY h:mm A",
	"M/D/YYYY, h:mm:ss A", "D/M/YYYY, H:mm:ss",
	"M/D/YY", "D/M/YY", "M/D/YYYY", "D/M/YYYY", "D.M.YYYY", "D.M.YYYY H:mm", "D.M.YYYY H:mm:ss",
	"YYYY/M/D", "YYYY/M/D H:mm", "YYYY/M/D H:mm:ss", "rfc1123",
}, monthNamed()...)

// monthNamed are formats with the name of a month, which tells it from the day.
func monthNamed() (all []string) {
	for _, date := range []string{"D-MMM-YYYY", "D-MMM-YY", "D/MMM/YYYY", "D MMM YYYY", "D MMMM YYYY", "MMM D, YYYY", "MMMM D, YYYY", "MMM D YYYY"} {
		for _, clock := range []string{"", " H:mm", " H:mm:ss", " h:mm A", " h:mm:ss A", ", h:mm A", ", h:mm:ss A"} {
			all = append(all, date+clock)
		}
	}
	return all
}

// A timeGuess finds the format of a column that fits its values.
type timeGuess struct {
	zone    *time.Location
	formats []*timeFormat
	fits    []int64
	last    []time.Time
	differ  map[[2]int]bool // candidates that read a value differently
	values  int64
}

func newTimeGuess(zone *time.Location) *timeGuess {
	g := &timeGuess{zone: zone, differ: map[[2]int]bool{}}
	for _, name := range append(slices.Clone(candidates), "unix", "unix_ms", "unix_us", "unix_ns") {
		f, err := newTimeFormat(name, zone)
		if err != nil {
			panic(err) // a fault in the table above, which a test reads
		}
		g.formats = append(g.formats, f)
	}
	g.fits, g.last = make([]int64, len(g.formats)), make([]time.Time, len(g.formats))
	return g
}

func (g *timeGuess) observe(text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	g.values++
	fit := make([]int, 0, 4)
	for i, f := range g.formats {
		// a candidate that has failed on most of many values is not tried again
		if g.values > 1000 && g.fits[i] < g.values/2 {
			continue
		}
		t, err := f.parse(text)
		if err != nil || f.unit > 0 && (t.Year() < 1980 || t.Year() > 2100) {
			continue
		}
		g.fits[i]++
		g.last[i] = t
		for _, j := range fit {
			if !g.last[j].Equal(t) {
				g.differ[[2]int{j, i}] = true
			}
		}
		fit = append(fit, i)
	}
}

// decide returns the format that reads the most values. The error is Invalid:
// no format reads most of them, or two do and disagree.
func (g *timeGuess) decide(field string) (*timeFormat, error) {
	if g.values == 0 {
		return newTimeFormat("iso8601", g.zone)
	}
	best := 0
	for i := range g.formats {
		if g.fits[i] > g.fits[best] {
			best = i
		}
	}
	if g.fits[best]*2 < g.values {
		return nil, millrace.Errorf(millrace.Invalid, "the times in %q are of no form that is known: say it with --time-format, such as \"M/D/YY H:MM\" or \"%%d.%%m.%%Y %%H:%%M\"", field)
	}
	for i := range g.formats {
		if i != best && g.fits[i] == g.fits[best] && (g.differ[[2]int{best, i}] || g.differ[[2]int{i, best}]) {
			return nil, millrace.Errorf(millrace.Invalid, "the times in %q can be read as %s and as %s: say which with --time-format", field, g.formats[best].name, g.formats[i].name)
		}
	}
	return g.formats[best], nil
}
