package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

const (
	profileBins    = 20
	profileTop     = 10
	maxProfiled    = 400              // columns
	profileTimeout = 10 * time.Minute // for one column
)

// A TableProfile says what is in the columns of a table.
type TableProfile struct {
	Schema  string          `json:"schema" doc:"The source, or millrace."`
	Table   string          `json:"table" doc:"Name of the table."`
	Rows    int64           `json:"rows" doc:"How many it had."`
	Columns []ColumnProfile `json:"columns" doc:"What is in each column."`
}

// A ColumnProfile says what is in a column.
type ColumnProfile struct {
	Name      string       `json:"name" doc:"Of the column."`
	Type      string       `json:"type" doc:"Of the column."`
	Filled    int64        `json:"filled" doc:"Rows that have a value."`
	Distinct  int64        `json:"distinct" doc:"How many different values there are."`
	Min       any          `json:"min,omitempty" doc:"The least value; of texts, the first."`
	Max       any          `json:"max,omitempty" doc:"The greatest value; of texts, the last."`
	Top       []ValueCount `json:"top" doc:"The most frequent values of text and truth values."`
	Histogram []Bin        `json:"histogram" doc:"How many values lie where, of numbers and times."`
	Problem   string       `json:"problem,omitempty" doc:"Why more is not known."`
}

// A ValueCount is a value and how often it is there.
type ValueCount struct {
	Value any   `json:"value" doc:"The value; a long text is cut."`
	Count int64 `json:"count" doc:"How often it is there."`
}

// A Bin is a piece of a histogram.
type Bin struct {
	From  float64 `json:"from" doc:"Where it begins; of times, in seconds since 1970."`
	Until float64 `json:"until" doc:"Where it ends, which only the last one includes."`
	Count int64   `json:"count" doc:"How many values lie in it."`
}

func (s *server) registerProfile() {
	s.schema(reflect.TypeFor[TableProfile]()) // of the job
	type profileBody struct {
		Columns []string `json:"columns,omitempty" maxItems:"400" doc:"Only these; all when absent."`
	}
	register(s, operation{id: "profile-table", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/tables/{schema}/{table}/profile", tag: "tables",
		summary: "Find out what is in a table", description: "Reads the whole table, column by column: how many are filled, how many values there are, the least and the greatest, how they are spread. The job's result is a TableProfile.",
		status: http.StatusAccepted, errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct {
			TablePath
			Body *profileBody `required:"false"`
		}) (*started, error) {
			t, all, err := s.table(ctx, in.Schema, in.Table)
			if err != nil {
				return nil, err
			}
			columns := slices.Clone(all[t])
			if in.Body != nil && len(in.Body.Columns) > 0 {
				for _, name := range in.Body.Columns {
					if !all.has(t, name) {
						return nil, noColumn(t, name)
					}
				}
				columns = slices.DeleteFunc(columns, func(c TableColumn) bool { return !slices.Contains(in.Body.Columns, c.Name) })
			}
			columns = columns[:min(len(columns), maxProfiled)]
			return s.start(ctx, "table.profile", nil, func(ctx context.Context, progress func(job.Progress)) (any, error) {
				return s.profile(ctx, t, columns, progress)
			})
		})
}

func noColumn(t warehouse.TableName, name string) error {
	return millrace.Errorf(millrace.NotFound, "%s.%s has no column %.80q", t.Schema, t.Table, name)
}

// profile reads a table column by column. What fails of one is told, and the
// others go on.
func (s *server) profile(ctx context.Context, t warehouse.TableName, columns []TableColumn, progress func(job.Progress)) (any, error) {
	out := TableProfile{Schema: t.Schema, Table: t.Table, Columns: []ColumnProfile{}}
	for i, c := range columns {
		progress(job.Progress{Done: int64(i), Total: int64(len(columns)), Unit: "columns", Message: c.Name})
		p := ColumnProfile{Name: c.Name, Type: c.Type, Top: []ValueCount{}, Histogram: []Bin{}}
		rows, err := s.profileColumn(ctx, t, &p)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			p.Problem = problemOf(ctx, err).Detail
		}
		out.Rows = max(out.Rows, rows)
		out.Columns = append(out.Columns, p)
	}
	progress(job.Progress{Done: int64(len(columns)), Total: int64(len(columns)), Unit: "columns"})
	return out, nil
}

func ordered(typ string) bool { return typ != "json" }

func numeric(typ string) bool {
	switch typ {
	case "bigint", "double", "integer", "smallint", "real", "float", "numeric":
		return true
	}
	return strings.HasPrefix(typ, "decimal")
}

func (s *server) profileColumn(ctx context.Context, t warehouse.TableName, p *ColumnProfile) (rows int64, err error) {
	name := quoted(p.Name)
	least, distinct := "NULL AS least, NULL AS most", fmt.Sprintf("count(DISTINCT CAST(%s AS text))", name)
	if ordered(p.Type) {
		distinct = fmt.Sprintf("count(DISTINCT %s)", name)
		switch {
		case p.Type == "bool":
			least = fmt.Sprintf("min(CAST(%[1]s AS integer)) = 1 AS least, max(CAST(%[1]s AS integer)) = 1 AS most", name)
		default:
			least = fmt.Sprintf("min(%[1]s) AS least, max(%[1]s) AS most", name)
		}
	}
	var low, high json.RawMessage
	err = s.eachWithin(ctx, profileTimeout, fmt.Sprintf("SELECT count(*) AS n, count(%s) AS filled, %s AS d, %s FROM %s", name, distinct, least, place(t)),
		nil, 1, func(columns []result.Cell, i int) error {
			return scan(columns, i, &rows, &p.Filled, &p.Distinct, &low, &high)
		})
	if err != nil || p.Filled == 0 {
		return rows, err
	}
	p.Min, p.Max = brief1(low), brief1(high)
	switch {
	case numeric(p.Type):
		err = s.histogram(ctx, t, p, fmt.Sprintf("CAST(%s AS double precision)", name))
	case p.Type == "timestamptz":
		err = s.histogram(ctx, t, p, fmt.Sprintf("CAST(extract(epoch FROM %s) AS double precision)", name))
	case p.Type == "text" || p.Type == "bool":
		err = s.top(ctx, t, p, name)
	}
	return rows, err
}

// maxShown is how much of a text is shown as an example.
const maxShown = 200

// brief1 is a value to be shown: a long text is cut.
func brief1(raw json.RawMessage) any {
	var text string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return cutText(text, maxShown)
	}
	if string(raw) == "null" || len(raw) == 0 {
		return nil
	}
	if len(raw) > maxShown {
		return cutText(string(raw), maxShown)
	}
	return raw
}

// cutText keeps the beginning of a text, in whole characters.
func cutText(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	return strings.ToValidUTF8(text[:bytes], "") + "…"
}

func (s *server) top(ctx context.Context, t warehouse.TableName, p *ColumnProfile, name string) error {
	sql := fmt.Sprintf("SELECT %[1]s AS value, count(*) AS n FROM %[2]s WHERE %[1]s IS NOT NULL GROUP BY %[1]s ORDER BY n DESC, %[1]s LIMIT %[3]d", name, place(t), profileTop)
	return s.eachWithin(ctx, profileTimeout, sql, nil, profileTop, func(columns []result.Cell, i int) error {
		var value json.RawMessage
		var v ValueCount
		err := scan(columns, i, &value, &v.Count)
		v.Value = brief1(value)
		p.Top = append(p.Top, v)
		return err
	})
}

// histogram counts the values of an expression that is a double.
func (s *server) histogram(ctx context.Context, t warehouse.TableName, p *ColumnProfile, expression string) error {
	c := conditions{}
	finite := fmt.Sprintf("%s IS NOT NULL", quoted(p.Name))
	if p.Type == "double" {
		finite += fmt.Sprintf(" AND %[1]s > CAST('-Infinity' AS double precision) AND %[1]s < CAST('Infinity' AS double precision)", quoted(p.Name))
	}
	var low, high *float64
	err := s.eachWithin(ctx, profileTimeout, fmt.Sprintf("SELECT min(%[1]s) AS least, max(%[1]s) AS most FROM %[2]s WHERE %[3]s", expression, place(t), finite),
		nil, 1, func(columns []result.Cell, i int) error { return scan(columns, i, &low, &high) })
	if err != nil || low == nil || high == nil {
		return err
	}
	width := (*high - *low) / profileBins
	if whole := p.Type != "double" && p.Type != "timestamptz"; whole && width < 1 {
		width = 1
	}
	if width <= 0 || math.IsInf(width, 0) || math.IsNaN(width) {
		width = 1
	}
	first, size := c.value(*low), c.value(width)
	counts := make([]int64, profileBins)
	sql := fmt.Sprintf(`SELECT bin, count(*) AS n FROM (
SELECT CAST(floor((%s - CAST(%s AS double precision)) / CAST(%s AS double precision)) AS bigint) AS bin FROM %s WHERE %s) b GROUP BY bin`,
		expression, first, size, place(t), finite)
	err = s.eachWithin(ctx, profileTimeout, sql, c.params, profileBins+2, func(columns []result.Cell, i int) error {
		var bin, n int64
		if err := scan(columns, i, &bin, &n); err != nil {
			return err
		}
		if bin < 0 || bin > profileBins {
			return errors.New("a value lies outside of what was counted: it came in meanwhile")
		}
		counts[min(bin, profileBins-1)] += n
		return nil
	})
	if err != nil {
		return err
	}
	for i, n := range counts {
		from := *low + float64(i)*width
		if from > *high && i > 0 {
			break
		}
		p.Histogram = append(p.Histogram, Bin{From: from, Until: from + width, Count: n})
	}
	return nil
}
