package result

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace"
)

// A Value is JSON as answers of queries have it.
type Value = json.RawMessage

// ColumnStats say what a column holds.
type ColumnStats struct {
	Column   Column `json:"column"`
	Rows     int64  `json:"rows"` // that the filters leave
	Nulls    int64  `json:"nulls"`
	Distinct int64  `json:"distinct"` // about, where there are very many
	// Min and Max are null when there are no values, or none that have an order;
	// texts are cut behind 200 characters. Floats that are no numbers count as neither.
	Min  Value    `json:"min"`
	Max  Value    `json:"max"`
	Mean *float64 `json:"mean,omitempty"` // of numbers
	// Top are the most frequent values, unless all differ.
	Top []ValueCount `json:"top,omitempty"`
	// Histogram is of numbers and times.
	Histogram []Bin `json:"histogram,omitempty"`
}

// A ValueCount is how often a value is there.
type ValueCount struct {
	Value Value `json:"value"`
	Count int64 `json:"count"`
}

// A Bin of a histogram holds the values from From to before Until; the last one
// holds Until as well.
type Bin struct {
	From  Value `json:"from"`
	Until Value `json:"until"`
	Count int64 `json:"count"`
}

const (
	topValues     = 10
	histogramBins = 30
	// manyDistinct is from about how many different values on they are not
	// counted, and the most frequent looked for in a sketch of them.
	manyDistinct = 2_000_000
)

// Stats says what a column holds. Errors are those of Page.
func (s *Store) Stats(ctx context.Context, id, column string, filters []Filter) (ColumnStats, error) {
	e, done, err := s.use(id)
	if err != nil {
		return ColumnStats{}, err
	}
	defer done()
	i, c, err := e.builder().column(column)
	if err != nil {
		return ColumnStats{}, err
	}
	st := &statistics{store: s, ctx: ctx, entry: e, name: columnSQL(i), column: c, filters: filters}
	out := ColumnStats{Column: c.Column}
	if err := st.summary(&out); err != nil {
		return ColumnStats{}, err
	}
	values := out.Rows - out.Nulls
	if values > 0 {
		if err := st.frequent(&out); err != nil {
			return ColumnStats{}, err
		}
	}
	if values > 0 && (c.Class.isNumber() || c.Class.isTime()) {
		out.Histogram, err = st.histogram()
	}
	return out, err
}

type statistics struct {
	store   *Store
	ctx     context.Context
	entry   *entry
	name    string
	column  *stored
	filters []Filter
}

// plain is SQL for a column as something that can be counted and shown: texts are cut.
func plain(name string, c *stored) string {
	switch c.Class {
	case classText, classJSON:
		return "left(" + name + ", 200)"
	case classNested:
		return "left(CAST(" + name + " AS VARCHAR), 200)"
	}
	return name
}

func (st *statistics) summary(out *ColumnStats) error {
	counted, extremes, mean := st.name, plain(st.name, st.column), "NULL"
	switch st.column.Class {
	case classNested:
		counted = "CAST(" + st.name + " AS VARCHAR)"
		fallthrough
	case classJSON, classBlob:
		extremes = "NULL"
	case classFloat:
		extremes = "CASE WHEN isfinite(" + st.name + ") THEN " + st.name + " END"
		mean = "avg(" + extremes + ")"
	case classInteger, classDecimal:
		mean = "avg(" + st.name + ")"
	}
	b := st.entry.builder()
	where, err := b.where(st.filters)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("SELECT count(*), count(%s), approx_count_distinct(%s), min(%s), max(%s), CAST(%s AS DOUBLE) FROM result%s",
		st.name, counted, extremes, extremes, mean, where)
	rows, err := st.store.values(st.ctx, st.entry, sql, b.params, 1)
	if err != nil {
		return err
	}
	row := rows[0]
	numbers := make([]int64, 3)
	for i := range numbers {
		if numbers[i], err = strconv.ParseInt(string(row[i]), 10, 64); err != nil {
			return millrace.Errorf(millrace.Internal, "the engine counts %s: %w", row[i], err)
		}
	}
	out.Rows, out.Nulls = numbers[0], numbers[0]-numbers[1]
	out.Distinct = min(numbers[2], numbers[1])
	out.Min, out.Max = row[3], row[4]
	if f, err := strconv.ParseFloat(string(row[5]), 64); err == nil && !math.IsInf(f, 0) {
		out.Mean = &f
	}
	return nil
}

// frequent counts the different values, and finds the most frequent.
func (st *statistics) frequent(out *ColumnStats) error {
	b, value, there := st.entry.builder(), plain(st.name, st.column), st.name+" IS NOT NULL"
	conditions, distinct := []string{there}, "count(*) OVER ()"
	if out.Distinct > manyDistinct { // a sketch names candidates, and they are counted
		where, err := b.where(st.filters, there)
		if err != nil {
			return err
		}
		distinct = strconv.FormatInt(out.Distinct, 10)
		conditions = append(conditions, fmt.Sprintf("%s IN (SELECT unnest(approx_top_k(%s, %d)) FROM result%s)", value, value, 4*topValues, where))
	}
	where, err := b.where(st.filters, conditions...)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("SELECT v, n, %s FROM (SELECT %s AS v, count(*) AS n FROM result%s GROUP BY v) AS groups ORDER BY n DESC, v LIMIT %d", distinct, value, where, topValues)
	rows, err := st.store.values(st.ctx, st.entry, sql, b.params, topValues)
	if err != nil {
		return err
	}
	for _, row := range rows {
		n, err := strconv.ParseInt(string(row[1]), 10, 64)
		if err == nil {
			out.Distinct, err = strconv.ParseInt(string(row[2]), 10, 64)
		}
		if err != nil {
			return millrace.Errorf(millrace.Internal, "the engine counts %s and %s: %w", row[1], row[2], err)
		}
		out.Top = append(out.Top, ValueCount{Value: row[0], Count: n})
	}
	if len(out.Top) > 0 && out.Top[0].Count == 1 {
		out.Top = nil
	}
	return nil
}

// histogram counts values in ranges between round numbers.
func (st *statistics) histogram() ([]Bin, error) {
	a, err := st.store.axis(st.ctx, st.entry, st.name, st.column, "", st.filters, histogramBins)
	if err != nil || a == nil {
		return nil, err
	}
	b := st.entry.builder()
	bin := a.sql(b)
	where, err := b.where(st.filters, a.condition())
	if err != nil {
		return nil, err
	}
	rows, err := st.store.values(st.ctx, st.entry, fmt.Sprintf("SELECT %s AS bin, count(*) FROM result%s GROUP BY bin ORDER BY bin", bin, where), b.params, maxPoints)
	if err != nil {
		return nil, err
	}
	counted := map[int64]int64{}
	for _, row := range rows {
		at, err := strconv.ParseInt(string(row[0]), 10, 64)
		n, err2 := strconv.ParseInt(string(row[1]), 10, 64)
		if err != nil || err2 != nil {
			return nil, millrace.Errorf(millrace.Internal, "the engine counts %s in bin %s", row[1], row[0])
		}
		counted[a.index(at)] += n
	}
	bins := make([]Bin, a.bins())
	for i := range bins {
		bins[i] = Bin{From: a.value(int64(i)), Until: a.value(int64(i) + 1), Count: counted[int64(i)]}
	}
	return bins, nil
}
