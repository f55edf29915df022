package result

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace"
)

// Bounds of a chart.
const (
	maxPoints   = 2000
	maxMeasures = 10
	maxGroups   = 20
)

// A ChartQuery says what is drawn.
type ChartQuery struct {
	Kind string `json:"kind" enum:"line,area,bar,number"`
	// X is a column: numbers and times that are many are put into bins. Empty for
	// "number".
	X string `json:"x,omitempty"`
	// Y is what is drawn above each value or bin of X; empty is how many rows there are.
	Y []Measure `json:"y,omitempty"`
	// Group divides the rows by the values of a column: one line or colour for
	// each of its most frequent values, and one for all others.
	Group string `json:"group,omitempty"`
	// Bins is how many values or bins X has at most, where it is ordered; default
	// 200 of a line or an area, 60 of bars.
	Bins int `json:"bins,omitempty"`
	// Limit is how many values X has at most where it is not: those with the
	// greatest first measure, and one for all others; default 30.
	Limit int `json:"limit,omitempty"`
	// Groups is how many values of Group there are, beside all others; default 8.
	Groups int `json:"groups,omitempty"`
	// Zone is where the days and months begin that times are put into, such as
	// Europe/London; default UTC.
	Zone    string   `json:"zone,omitempty"`
	Filters []Filter `json:"filters,omitempty"`
}

// ChartKinds are what a result can be drawn as.
var ChartKinds = []string{"line", "area", "bar", "number"}

// A Measure sums up the rows of a point.
type Measure struct {
	Column string `json:"column,omitempty"` // may be empty for count
	Fn     string `json:"fn" enum:"count,distinct,sum,avg,min,max,median,p95"`
}

// A Chart is what is drawn: at most 2,000 points, in the order of X and Group.
type Chart struct {
	Kind   string  `json:"kind"`
	Points []Point `json:"points"`
	// Binned says that X is where a bin begins. It is Width wide: in its own unit,
	// in seconds where X is a time, or, where the calendar counts, in Months.
	Binned bool    `json:"binned"`
	Width  float64 `json:"width,omitempty"`
	Months int64   `json:"months,omitempty"`
}

// A Point is a value of each measure.
type Point struct {
	X          Value   `json:"x"`
	OtherX     bool    `json:"other_x,omitempty" doc:"It stands for all values of x that have no point of their own."`
	Group      Value   `json:"group,omitempty"`
	OtherGroup bool    `json:"other_group,omitempty" doc:"It stands for all groups that have no points of their own."`
	Y          []Value `json:"y"`
}

// Chart sums up a result for drawing. Errors are those of Page.
func (s *Store) Chart(ctx context.Context, id string, q ChartQuery) (Chart, error) {
	e, done, err := s.use(id)
	if err != nil {
		return Chart{}, err
	}
	defer done()
	if !slices.Contains(ChartKinds, q.Kind) {
		return Chart{}, millrace.Errorf(millrace.Invalid, "a chart is one of %s, not %.40q", strings.Join(ChartKinds, ", "), q.Kind)
	}
	d := &drawing{store: s, ctx: ctx, entry: e, b: e.builder(), q: q}
	if err := d.complete(); err != nil {
		return Chart{}, err
	}
	return d.draw()
}

// A drawing is a chart being made.
type drawing struct {
	store *Store
	ctx   context.Context
	entry *entry
	b     *builder
	q     ChartQuery

	measures []string // SQL
	axis     *axis    // of X when it is put into bins
	x        string   // SQL of what X is grouped by
	ranked   bool     // X is the rank of a value among the greatest
}

func (d *drawing) complete() error {
	q := &d.q
	if len(q.Y) == 0 {
		q.Y = []Measure{{Fn: "count"}}
	}
	bins := 200
	if q.Kind == "bar" {
		bins = 60
	}
	def(&q.Bins, bins)
	def(&q.Limit, 30)
	def(&q.Groups, 8)
	switch {
	case q.Kind == "number" && (q.X != "" || q.Group != ""):
		return millrace.Errorf(millrace.Invalid, "a number has neither x nor groups")
	case q.Kind != "number" && q.X == "":
		return millrace.Errorf(millrace.Invalid, "say which column is x")
	case len(q.Y) > maxMeasures:
		return millrace.Errorf(millrace.Invalid, "a chart has at most %d measures", maxMeasures)
	case q.Bins < 1 || q.Limit < 1 || q.Groups < 1 || q.Groups > maxGroups:
		return millrace.Errorf(millrace.Invalid, "bins and limit are at least 1, groups from 1 to %d", maxGroups)
	}
	most := maxPoints
	if q.Group != "" {
		most /= q.Groups + 1
	}
	q.Bins, q.Limit = min(q.Bins, most), min(q.Limit, most-1)
	for _, m := range q.Y {
		sql, err := d.measure(m)
		if err != nil {
			return err
		}
		d.measures = append(d.measures, sql)
	}
	return nil
}

// measure is SQL for a measure.
func (d *drawing) measure(m Measure) (string, error) {
	if m.Fn == "count" && m.Column == "" {
		return "count(*)", nil
	}
	i, c, err := d.b.column(m.Column)
	if err != nil {
		return "", err
	}
	name, filter := columnSQL(i), ""
	if c.Class == classFloat {
		filter = " FILTER (WHERE isfinite(" + name + "))"
	}
	number := name
	if c.Class == classDecimal {
		number = "CAST(" + name + " AS DOUBLE)"
	}
	sql, ok := map[string]string{
		"sum": "sum(" + name + ")", "avg": "avg(" + number + ")", "min": "min(" + name + ")", "max": "max(" + name + ")",
		"median": "median(" + number + ")", "p95": "quantile_cont(" + number + ", 0.95)",
	}[m.Fn]
	switch {
	case m.Fn == "count":
		return "count(" + name + ")", nil
	case m.Fn == "distinct":
		return "approx_count_distinct(" + plain(name, c) + ")", nil
	case !ok:
		return "", millrace.Errorf(millrace.Invalid, "a measure is one of count, distinct, sum, avg, min, max, median, p95, not %.40q", m.Fn)
	case c.Class.isNumber(), c.Class.isTime() && (m.Fn == "min" || m.Fn == "max"):
		return sql + filter, nil
	}
	return "", millrace.Errorf(millrace.Invalid, "%s is for numbers, and the column %q holds %s", m.Fn, c.Name, c.Type)
}

func (d *drawing) draw() (Chart, error) {
	out := Chart{Kind: d.q.Kind, Points: []Point{}}
	with, from, conditions := []string{}, "result", []string{}
	key := "NULL"
	if d.q.X != "" {
		if err := d.placeX(&out, &conditions); err != nil || d.x == "" { // there are no values
			return out, err
		}
	}
	if d.ranked {
		sql, err := d.top("x", d.q.X, d.measures[0], d.q.Limit)
		if err != nil {
			return out, err
		}
		with, from, key = append(with, sql), from+d.join("x", d.q.X), "any_value(top_x.k)"
	}
	series, group := "NULL", "NULL"
	if d.q.Group != "" {
		sql, err := d.top("g", d.q.Group, "count(*)", d.q.Groups)
		if err != nil {
			return out, err
		}
		with, from = append(with, sql), from+d.join("g", d.q.Group)
		series, group = "top_g.i", "any_value(top_g.k)"
	}
	x := d.x
	if x == "" {
		x = "NULL"
	}
	where, err := d.b.where(d.q.Filters, conditions...)
	if err != nil {
		return out, err
	}
	sql := fmt.Sprintf("SELECT %s AS x, %s AS g, %s AS xk, %s AS gk, %s FROM %s%s", x, series, key, group, strings.Join(d.measures, ", "), from, where)
	if d.q.X != "" {
		sql += " GROUP BY x, g ORDER BY x NULLS LAST, g NULLS LAST"
	}
	if len(with) > 0 {
		sql = "WITH " + strings.Join(with, ", ") + " " + sql
	}
	rows, err := d.store.values(d.ctx, d.entry, sql, d.b.params, maxPoints)
	if err != nil {
		return out, err
	}
	for _, row := range rows {
		out.Points = append(out.Points, d.point(row))
	}
	return out, nil
}

// placeX decides what X is: bins, values in their order, or the greatest of them.
func (d *drawing) placeX(out *Chart, conditions *[]string) error {
	i, c, err := d.b.column(d.q.X)
	if err != nil {
		return err
	}
	name := columnSQL(i)
	if !c.Class.isNumber() && !c.Class.isTime() {
		d.x, d.ranked = "top_x.i", true
		return nil
	}
	b := d.entry.builder()
	where, err := b.where(d.q.Filters)
	if err != nil {
		return err
	}
	rows, err := d.store.values(d.ctx, d.entry, "SELECT approx_count_distinct("+name+") FROM result"+where, b.params, 1)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(string(rows[0][0])); err == nil && n <= d.q.Bins {
		d.x = name
		return nil
	}
	a, err := d.store.axis(d.ctx, d.entry, name, c, d.q.Zone, d.q.Filters, d.q.Bins)
	if err != nil || a == nil {
		return err
	}
	d.axis, d.x, out.Binned = a, a.sql(d.b), true
	*conditions = append(*conditions, a.condition())
	switch {
	case a.only != nil:
	case a.months:
		out.Months = a.step
	case c.Class.isTime():
		out.Width = float64(a.step) / second
	default:
		times, by := a.scale()
		out.Width = by / times
	}
	return nil
}

// top is SQL that ranks the values of a column.
func (d *drawing) top(name, column, measure string, limit int) (string, error) {
	i, c, err := d.b.column(column)
	if err != nil {
		return "", err
	}
	where, err := d.b.where(d.q.Filters)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("top_%s AS (SELECT k, row_number() OVER (ORDER BY n DESC NULLS LAST, k) AS i FROM (SELECT %s AS k, %s AS n FROM result%s GROUP BY k ORDER BY n DESC NULLS LAST, k LIMIT %d) AS best)",
		name, plain(columnSQL(i), c), measure, where, limit), nil
}

// join is SQL that gives rows the rank of their value.
func (d *drawing) join(name, column string) string {
	i, c, _ := d.b.column(column) // top has found it
	return fmt.Sprintf(" LEFT JOIN top_%s ON %s IS NOT DISTINCT FROM top_%s.k", name, plain(columnSQL(i), c), name)
}

// point makes a point of a row: x, group, their values, and the measures.
func (d *drawing) point(row []Value) Point {
	none := func(v Value) bool { return string(v) == "null" }
	p := Point{X: row[0], Y: row[4:]}
	switch {
	case d.ranked:
		p.X, p.OtherX = row[2], none(row[0])
	case d.axis != nil:
		if i, err := strconv.ParseInt(string(row[0]), 10, 64); err == nil {
			p.X = d.axis.value(d.axis.index(i))
		}
	}
	if d.q.Group != "" {
		p.Group, p.OtherGroup = row[3], none(row[1])
	}
	return p
}
