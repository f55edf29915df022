package result_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
)

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStats(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, `SELECT i AS id, CASE WHEN i % 4 = 0 THEN NULL ELSE 'v' || i % 3 END AS name, ((i % 100) / 10.0)::DECIMAL(9,1) AS price,
		CASE i % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN 'inf' ELSE i / 1000 END::DOUBLE AS ratio, i % 2 = 0 AS even, NULL AS nothing, 5 AS five,
		TIMESTAMPTZ '2026-11-21 00:00:00+00' + to_seconds(i) AS at, DATE '2020-01-01' + (i // 10)::INTEGER AS day, [i % 2] AS list, 'x' || i AS each,
		'0.1'::DOUBLE * (i % 4) AS tenths FROM range(10000) t(i)`)
	for column, want := range map[string]struct {
		nulls, distinct int64
		min, max, mean  string
		top             string
		bins            int
		first, last     string
	}{
		"id":      {0, 10000, "0", "9999", "4999.5000", "null", 20, `{"from":0,"until":500,"count":500}`, `{"from":9500,"until":10000,"count":500}`},
		"name":    {2500, 3, `"v0"`, `"v2"`, "", `[{"value":"v0","count":2500},{"value":"v1","count":2500},{"value":"v2","count":2500}]`, 0, "", ""},
		"price":   {0, 100, "0.0", "9.9", "4.9500", "", 20, `{"from":0,"until":0.5,"count":500}`, `{"from":9.5,"until":10,"count":500}`},
		"ratio":   {0, 6002, "0.002", "9.999", "5.0005", "", 20, `{"from":0,"until":0.5,"count":300}`, `{"from":9.5,"until":10,"count":300}`},
		"even":    {0, 2, "false", "true", "", `[{"value":false,"count":5000},{"value":true,"count":5000}]`, 0, "", ""},
		"nothing": {10000, 0, "null", "null", "", "null", 0, "", ""},
		"five":    {0, 1, "5", "5", "5.0000", `[{"value":5,"count":10000}]`, 1, `{"from":5,"until":6,"count":10000}`, ""},
		"at": {0, 10000, `"2026-11-21T00:00:00Z"`, `"2026-11-21T02:46:39Z"`, "", "null", 17,
			`{"from":"2026-11-21T00:00:00Z","until":"2026-11-21T00:10:00Z","count":600}`, `{"from":"2026-11-21T02:40:00Z","until":"2026-11-21T02:50:00Z","count":400}`},
		"day":    {0, 1000, `"2020-01-01"`, `"2022-09-26"`, "", "", 11, `{"from":"2020-01-01","until":"2020-04-01","count":910}`, `{"from":"2022-07-01","until":"2022-10-01","count":880}`},
		"list":   {0, 2, "null", "null", "", `[{"value":"[0]","count":5000},{"value":"[1]","count":5000}]`, 0, "", ""},
		"each":   {0, 10000, `"x0"`, `"x9999"`, "", "", 0, "", ""},
		"tenths": {0, 4, "0", "0.30000000000000004", "0.1500", "", 16, `{"from":0,"until":0.02,"count":2500}`, `{"from":0.3,"until":0.32,"count":2500}`},
	} {
		s, err := f.Stats(context.Background(), r.ID, column, nil)
		if err != nil {
			t.Errorf("%s: %v", column, err)
			continue
		}
		if s.Rows != 10000 || s.Nulls != want.nulls || s.Distinct != want.distinct || string(s.Min) != want.min || string(s.Max) != want.max {
			t.Errorf("%s: %+v (%s to %s)", column, s, s.Min, s.Max)
		}
		mean := ""
		if s.Mean != nil {
			mean = fmt.Sprintf("%.4f", *s.Mean)
		}
		if mean != want.mean {
			t.Errorf("%s: mean %s, want %s", column, mean, want.mean)
		}
		if top := asJSON(t, s.Top); want.top != "" && top != want.top {
			t.Errorf("%s: top %s, want %s", column, top, want.top)
		}
		if len(s.Histogram) != want.bins || want.first != "" && asJSON(t, s.Histogram[0]) != want.first ||
			want.last != "" && asJSON(t, s.Histogram[len(s.Histogram)-1]) != want.last {
			t.Errorf("%s: histogram %s", column, asJSON(t, s.Histogram))
		}
	}
	s, err := f.Stats(context.Background(), r.ID, "name", []result.Filter{{Column: "id", Op: "lt", Value: int64(8)}, {Column: "name", Op: "eq", Value: "v1"}})
	if err != nil || s.Rows != 2 || asJSON(t, s.Top) != `[{"value":"v1","count":2}]` {
		t.Errorf("filtered: %+v, %v", s, err)
	}
	s, err = f.Stats(context.Background(), r.ID, "id", []result.Filter{{Column: "id", Op: "lt", Value: int64(-1)}})
	if err != nil || s.Rows != 0 || string(s.Min) != "null" || s.Histogram != nil {
		t.Errorf("none: %+v, %v", s, err)
	}
	_, err = f.Stats(context.Background(), r.ID, "no", nil)
	kindIs(t, "no column", err, millrace.Invalid)
}

// Many different values are counted by way of a sketch: the frequent are found.
func TestTopOfMany(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, "SELECT CASE WHEN i % 10 = 0 THEN 'often' WHEN i % 25 = 1 THEN 'sometimes' ELSE 'x' || i END AS v FROM range(200000) t(i)")
	for name, filters := range map[string][]result.Filter{"all": nil, "filtered": {{Column: "v", Op: "ne", Value: "nothing"}}} {
		s, err := f.Stats(context.Background(), r.ID, "v", filters)
		if err != nil || len(s.Top) < 2 || asJSON(t, s.Top[0]) != `{"value":"often","count":20000}` || asJSON(t, s.Top[1]) != `{"value":"sometimes","count":8000}` {
			t.Errorf("%s: %s, %v", name, asJSON(t, s.Top), err)
		}
	}
}

func TestHistogramOfOddNumbers(t *testing.T) {
	t.Parallel()
	f := open(t)
	for name, list := range map[string]string{
		"one": "1.5::DOUBLE", "extremes": "-1.7976931348623157e308::DOUBLE, 1.7976931348623157e308",
		"tiny": "5e-324::DOUBLE, 1e-323", "far": "1e300::DOUBLE, 1.0000000001e300", "nan": "'NaN'::DOUBLE, 'inf'::DOUBLE",
		"negative": "-3, -2, -1", "huge": "(-170141183460469231731687303715884105728)::HUGEINT, 170141183460469231731687303715884105727::HUGEINT",
		"edges of int": "-9223372036854775808, 9223372036854775807", "close": "9007199254740993, 9007199254740994, 9007199254740995",
		"dates": "DATE '0001-01-01', DATE '9999-12-31'", "one time": "TIMESTAMP '2026-11-21 10:11:12'", "micros": "TIMESTAMP '2026-11-21 10:11:12.000001', TIMESTAMP '2026-11-21 10:11:12.000003'",
		"before 1970": "TIMESTAMP '1969-12-31 23:59:59', TIMESTAMP '1969-12-31 23:00:00'", "far times": "TIMESTAMP '0001-01-01', TIMESTAMP '290000-01-01'",
		"months": "DATE '1960-02-29', DATE '1969-12-01', DATE '1971-01-01'",
	} {
		r := f.create(t, fmt.Sprintf("SELECT unnest([%s]) AS v", list))
		s, err := f.Stats(context.Background(), r.ID, "v", nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		count := int64(0)
		for _, b := range s.Histogram {
			count += b.Count
			if !json.Valid(b.From) || !json.Valid(b.Until) {
				t.Errorf("%s: %s to %s", name, b.From, b.Until)
			}
		}
		want := r.Rows
		if name == "nan" {
			want = 0
		}
		if count != want || len(s.Histogram) > 30 || want > 0 && s.Histogram[0].Count == 0 {
			t.Errorf("%s: %s", name, asJSON(t, s.Histogram))
		}
	}
}

const orders = `SELECT i AS id, ['de', 'fr', 'uk', NULL][1 + i % 4] AS country, (i % 7) * 1.5::DOUBLE AS total, 'c' || (i * i % 97) AS customer,
	TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_minutes(i) AS at, DATE '2026-01-01' + (i % 5)::INTEGER AS day FROM range(100000) t(i)`

func TestCharts(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, orders)
	type measure = result.Measure
	sum := []measure{{Column: "total", Fn: "sum"}}
	for name, c := range map[string]struct {
		q      result.ChartQuery
		points int
		first  string
		months int64
		width  float64
	}{
		"number": {result.ChartQuery{Kind: "number"}, 1, `{"x":null,"y":[100000]}`, 0, 0},
		"numbers": {result.ChartQuery{Kind: "number", Y: []measure{{"total", "sum"}, {"total", "avg"}, {"total", "max"}, {"total", "median"}, {"country", "count"}, {"country", "distinct"}, {"at", "min"}, {"total", "p95"}}}, 1,
			`{"x":null,"y":[449992.5,4.499925,9,4.5,75000,3,"2026-10-01T00:00:00Z",9]}`, 0, 0},
		"bars":           {result.ChartQuery{Kind: "bar", X: "country", Y: sum}, 4, `{"x":"uk","y":[112503]}`, 0, 0},
		"bars with rest": {result.ChartQuery{Kind: "bar", X: "customer", Limit: 5}, 6, `{"x":"c11","y":[2062]}`, 0, 0},
		"few days":       {result.ChartQuery{Kind: "bar", X: "day"}, 5, `{"x":"2026-01-01","y":[20000]}`, 0, 0},
		"line":           {result.ChartQuery{Kind: "line", X: "at"}, 139, `{"x":"2026-10-01T00:00:00Z","y":[720]}`, 0, 43200},
		"line by month":  {result.ChartQuery{Kind: "area", X: "at", Bins: 5, Zone: "Europe/Berlin"}, 3, `{"x":"2026-09-30T22:00:00Z","y":[44580]}`, 1, 0},
		"groups":         {result.ChartQuery{Kind: "line", X: "at", Bins: 70, Group: "country"}, 280, `{"x":"2026-10-01T00:00:00Z","group":"de","y":[360]}`, 0, 86400},
		"some groups":    {result.ChartQuery{Kind: "line", X: "at", Bins: 70, Group: "customer", Groups: 3}, 280, "", 0, 86400},
		"of numbers":     {result.ChartQuery{Kind: "line", X: "id", Bins: 10}, 10, `{"x":0,"y":[10000]}`, 0, 10000},
		"of few numbers": {result.ChartQuery{Kind: "bar", X: "total"}, 7, `{"x":0,"y":[14286]}`, 0, 0},
		"filtered":       {result.ChartQuery{Kind: "bar", X: "country", Filters: []result.Filter{{Column: "id", Op: "lt", Value: int64(8)}}}, 4, `{"x":"de","y":[2]}`, 0, 0},
		"nothing":        {result.ChartQuery{Kind: "line", X: "at", Filters: []result.Filter{{Column: "id", Op: "lt", Value: int64(0)}}}, 0, "", 0, 0},
		"no number":      {result.ChartQuery{Kind: "number", Y: sum, Filters: []result.Filter{{Column: "id", Op: "lt", Value: int64(0)}}}, 1, `{"x":null,"y":[null]}`, 0, 0},
		"most bins":      {result.ChartQuery{Kind: "line", X: "id", Bins: 1 << 40, Group: "country", Groups: 3}, 2000, "", 0, 200},
	} {
		got, err := f.Chart(context.Background(), r.ID, c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.Points) != c.points || got.Months != c.months || got.Width != c.width || c.first != "" && asJSON(t, got.Points[0]) != c.first {
			t.Errorf("%s: %d points, binned %v, width %v, months %v: %.300s", name, len(got.Points), got.Binned, got.Width, got.Months, asJSON(t, got.Points))
		}
		if len(got.Points) > 2000 {
			t.Errorf("%s: %d points", name, len(got.Points))
		}
	}
	got, err := f.Chart(context.Background(), r.ID, result.ChartQuery{Kind: "bar", X: "customer", Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	if last := asJSON(t, got.Points[5]); !strings.Contains(last, `"other_x":true`) {
		t.Errorf("the rest is %s", last)
	}
	for name, q := range map[string]result.ChartQuery{
		"no kind": {Kind: "pie", X: "id"}, "no x": {Kind: "line"}, "x of a number": {Kind: "number", X: "id"}, "no column": {Kind: "bar", X: "no"},
		"no group": {Kind: "bar", X: "id", Group: "no"}, "no measure": {Kind: "bar", X: "id", Y: []measure{{"id", "sum)"}}}, "sum of text": {Kind: "bar", X: "id", Y: []measure{{"country", "sum"}}},
		"many groups": {Kind: "bar", X: "id", Group: "country", Groups: 21}, "many measures": {Kind: "bar", X: "id", Y: make([]measure, 11)}, "no bins": {Kind: "bar", X: "id", Bins: -1},
		"no zone": {Kind: "line", X: "at", Zone: "Nowhere/'; SELECT 1"},
	} {
		_, err := f.Chart(context.Background(), r.ID, q)
		kindIs(t, name, err, millrace.Invalid)
	}
}
