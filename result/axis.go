package result

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace"
)

// An axis divides the values of a column, numbers or times, into bins between
// round numbers, or between times that a calendar or a clock shows.
type axis struct {
	name   string
	column *stored
	n      int64 // bins

	// Of numbers: bin i begins at (first+i)*unit*tenth, where tenth is a power of
	// ten, and the unit 1, 2 or 5.
	first, unit float64
	exponent    int
	only        Value // all values are this one

	// Of times: bin i begins at start+i*step, in microseconds, or in months where
	// the calendar counts.
	start, step int64
	months      bool
	zone        string
	location    *time.Location
}

// axis looks for the bins that hold all values; at most so many. It is nil when
// there are no values.
func (s *Store) axis(ctx context.Context, e *entry, name string, c *stored, zone string, filters []Filter, most int) (*axis, error) {
	a := &axis{name: name, column: c, location: time.UTC}
	if zone != "" && c.SQL == "TIMESTAMPTZ" {
		location, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			return nil, millrace.Errorf(millrace.Invalid, "there is no time zone %.60q: name one as in Europe/London", zone)
		}
		a.zone, a.location = zone, location
	}
	b := e.builder()
	value := a.number(b)
	where, err := b.where(filters, a.condition())
	if err != nil {
		return nil, err
	}
	rows, err := s.values(ctx, e, fmt.Sprintf("SELECT min(%s), max(%s) FROM result%s", value, value, where), b.params, 1)
	if err != nil || string(rows[0][0]) == "null" {
		return nil, err
	}
	if c.Class.isTime() {
		least, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
		greatest, err2 := strconv.ParseInt(string(rows[0][1]), 10, 64)
		if err != nil || err2 != nil {
			return nil, millrace.Errorf(millrace.Internal, "the engine finds times from %s to %s", rows[0][0], rows[0][1])
		}
		a.divideTimes(least, greatest, int64(most))
		return a, nil
	}
	least, err := strconv.ParseFloat(string(rows[0][0]), 64)
	greatest, err2 := strconv.ParseFloat(string(rows[0][1]), 64)
	if err != nil || err2 != nil {
		return nil, millrace.Errorf(millrace.Internal, "the engine finds numbers from %s to %s", rows[0][0], rows[0][1])
	}
	a.divideNumbers(least, greatest, float64(most))
	return a, nil
}

// condition leaves out what has no place on the axis.
func (a *axis) condition() string {
	if a.column.Class == classFloat {
		return "isfinite(" + a.name + ")"
	}
	return a.name + " IS NOT NULL"
}

// local is SQL for a time as a clock there shows it.
func (a *axis) local(b *builder) string {
	switch {
	case a.zone != "":
		return fmt.Sprintf("timezone(CAST(%s AS VARCHAR), %s)", b.bind(a.zone), a.name)
	case a.column.Class == classDate, a.column.SQL == "TIMESTAMP_NS":
		return "CAST(" + a.name + " AS TIMESTAMP)"
	}
	return a.name
}

// number is SQL for a value as a number: a time in microseconds.
func (a *axis) number(b *builder) string {
	if a.column.Class.isTime() {
		return "epoch_us(" + a.local(b) + ")"
	}
	return "CAST(" + a.name + " AS DOUBLE)"
}

// sql is SQL for the number of a value's bin.
func (a *axis) sql(b *builder) string {
	switch {
	case a.only != nil:
		return "CAST(0 AS BIGINT)"
	case a.months:
		t := a.local(b)
		return fmt.Sprintf("(CAST(year(%s) AS BIGINT) * 12 + month(%s) - 1 - CAST(%s AS BIGINT)) // CAST(%s AS BIGINT)", t, t, b.bind(a.start), b.bind(a.step))
	case a.column.Class.isTime():
		return fmt.Sprintf("(%s - CAST(%s AS BIGINT)) // CAST(%s AS BIGINT)", a.number(b), b.bind(a.start), b.bind(a.step))
	}
	times, by := a.scale()
	return fmt.Sprintf("CAST(floor(%s * CAST(%s AS DOUBLE) / CAST(%s AS DOUBLE)) - CAST(%s AS DOUBLE) AS BIGINT)", a.number(b), b.bind(times), b.bind(by), b.bind(a.first))
}

// scale is what a number is multiplied with and divided by to get its bin: by
// whole numbers, so that 0.3 is not below 3*0.1.
func (a *axis) scale() (times, by float64) {
	if a.exponent < 0 {
		return math.Pow10(-a.exponent), a.unit
	}
	return 1, a.unit * math.Pow10(a.exponent)
}

// index is the bin of what sql gave: the end of the last belongs to it.
func (a *axis) index(i int64) int64 { return max(0, min(i, a.n-1)) }

func (a *axis) bins() int64 { return a.n }

// value is where bin i begins.
func (a *axis) value(i int64) Value {
	switch {
	case a.only != nil:
		return a.only
	case a.months:
		months := a.start + i*a.step
		year := months / 12
		if months%12 < 0 {
			year--
		}
		return a.time(time.Date(int(year), time.Month(months-year*12)+1, 1, 0, 0, 0, 0, time.UTC))
	case a.column.Class.isTime():
		return a.time(time.UnixMicro(a.start + i*a.step).UTC())
	}
	times, by := a.scale()
	return appendFloat(nil, (a.first+float64(i))*by/times, 64)
}

// time is what a clock in the axis's zone shows, as answers have times.
func (a *axis) time(t time.Time) Value {
	layout := "2006-01-02T15:04:05.999999999"
	switch {
	case a.column.Class == classDate:
		layout = time.DateOnly
	case a.column.SQL == "TIMESTAMPTZ":
		layout += "Z"
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return appendTime(nil, time.Date(year, month, day, hour, minute, second, t.Nanosecond(), a.location), layout)
}

// divideNumbers chooses the bins.
func (a *axis) divideNumbers(least, greatest, most float64) {
	wide := greatest/most - least/most
	whole := a.column.Class == classInteger
	if whole {
		wide = max(wide, 1)
	}
	if wide <= 0 || math.IsInf(wide, 0) || math.IsNaN(wide) {
		a.only, a.n = appendFloat(nil, least, 64), 1
		return
	}
	a.exponent = int(math.Floor(math.Log10(wide)))
	a.unit = 1
	for {
		times, by := a.scale()
		first, last := math.Floor(least*times/by), math.Floor(greatest*times/by)
		n := last - first + 1
		if !whole && last*by/times == greatest && n > 1 {
			n-- // the end belongs to the last bin
		}
		switch {
		case math.IsInf(first, 0) || math.IsInf(last, 0) || math.Abs(first) > 1<<53:
			a.only, a.n = appendFloat(nil, least, 64), 1
			return
		case n <= most && (!whole || a.exponent >= 0):
			a.first, a.n = first, int64(n)
			return
		case a.unit == 1:
			a.unit = 2
		case a.unit == 2:
			a.unit = 5
		default:
			a.unit, a.exponent = 1, a.exponent+1
		}
	}
}

const (
	second = 1_000_000 // microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	week   = 7 * day
	// monday is a Monday near which microseconds begin.
	monday = 4 * day
)

var timeSteps = []int64{
	1, 10, 100, 1000, 10_000, 100_000, second, 2 * second, 5 * second, 10 * second, 15 * second, 30 * second,
	minute, 2 * minute, 5 * minute, 10 * minute, 15 * minute, 30 * minute, hour, 2 * hour, 3 * hour, 6 * hour, 12 * hour, day, week,
}

// divideTimes chooses the bins.
func (a *axis) divideTimes(least, greatest, most int64) {
	for _, a.step = range timeSteps {
		if a.column.Class == classDate && a.step < day {
			continue
		}
		origin := int64(0)
		if a.step == week {
			origin = monday
		}
		first, last := floorDivide(least-origin, a.step), floorDivide(greatest-origin, a.step)
		if n := last - first + 1; n > 0 && n <= most {
			a.start, a.n = first*a.step+origin, n
			return
		}
	}
	a.months = true
	from, until := monthOf(least), monthOf(greatest)
	for _, a.step = range []int64{1, 3, 12, 60, 120, 1200, 12_000, 120_000, 1_200_000, 12_000_000} {
		first := floorDivide(from, a.step)
		if n := floorDivide(until, a.step) - first + 1; n <= most {
			a.start, a.n = first*a.step, n
			return
		}
	}
	a.months, a.only, a.n = false, a.time(time.UnixMicro(least).UTC()), 1
}

// monthOf counts the months to a time.
func monthOf(micros int64) int64 {
	t := time.UnixMicro(micros).UTC()
	return int64(t.Year())*12 + int64(t.Month()) - 1
}

func floorDivide(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
