package serve

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/warehouse"
)

var _ plan.Facts = facts{}

// facts are what a plan is told of the space: as much as who asks may see.
type facts struct {
	s                *server
	tables, sources  bool
	statistics, rows bool
}

const (
	// factPatience bounds each question that a plan asks the warehouse.
	factPatience = 5 * time.Second
	factDays     = 30
)

func (s *server) facts(ctx context.Context) plan.Facts {
	sp := s.space(ctx)
	may := func(p access.Permission) bool { return principal(ctx).Can(p, sp.Workspace, sp.ID) }
	return facts{s, may(access.TableRead), may(access.SourceRead), may(access.StatusRead), may(access.QueryRun)}
}

func withheld(p access.Permission) error {
	return millrace.Errorf(millrace.Forbidden, "who asks lacks the permission %s", p)
}

// Tables are those of a source, with how many rows each has.
func (f facts) Tables(ctx context.Context, source string) ([]plan.Table, error) {
	if !f.tables {
		return nil, withheld(access.TableRead)
	}
	ctx, cancel := context.WithTimeout(ctx, factPatience)
	defer cancel()
	all, err := f.s.catalogOf(ctx, source)
	if err != nil {
		return nil, err
	}
	var out []plan.Table
	for part := range slices.Chunk(all.tables(source), tablesAtOnce) {
		counts, err := f.s.counts(ctx, all, part)
		if err != nil {
			f.s.o.Logger.Debug("tables could not be counted for a plan", "error", err)
		}
		for i, t := range part {
			one := plan.Table{Name: t.Table, Columns: map[string]string{}, Rows: -1}
			for _, c := range all[t] {
				one.Columns[c.Name] = c.Type
			}
			if count, ok := counts[i]; ok {
				one.Rows = count.rows
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// Received is what came from a source lately.
func (f facts) Received(ctx context.Context, source string) (plan.Received, error) {
	if !f.sources {
		return plan.Received{}, withheld(access.SourceRead)
	}
	found, err := f.s.sourceNamed(ctx, source)
	if err != nil {
		return plan.Received{}, err
	}
	out := plan.Received{Days: f.days(ctx, source)}
	if found.LastReceived != nil {
		out.Last = *found.LastReceived
	}
	for _, k := range found.Keys {
		if out.Keys == nil {
			out.Keys = map[string]plan.KeyUse{}
		}
		if k.LastUsed != nil {
			out.Keys[k.Key] = plan.KeyUse{Last: *k.LastUsed, Events: -1}
		}
	}
	return out, nil
}

// days are the events of each day of the last ones that were counted.
func (f facts) days(ctx context.Context, source string) []plan.Day {
	h := f.s.space(ctx).History
	if h == nil || !f.statistics {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, factPatience)
	defer cancel()
	now := f.s.o.Now().UTC()
	series, err := h.Query(ctx, history.Query{Names: []string{"millrace_collect_events_total"}, Match: map[string]string{"source": source, "result": "accepted"},
		From: now.Truncate(24*time.Hour).AddDate(0, 0, 1-factDays), Step: time.Hour})
	if err != nil {
		f.s.o.Logger.Debug("events could not be counted for a plan", "error", err)
		return nil
	}
	byDay := map[string]int64{}
	var first string
	for _, one := range series {
		for _, p := range one.Points {
			day := p.At.UTC().Format(time.DateOnly)
			if byDay[day] += int64(p.Value); first == "" || day < first {
				first = day
			}
		}
	}
	var out []plan.Day
	for i := range factDays {
		day := now.AddDate(0, 0, i+1-factDays).Format(time.DateOnly)
		if first != "" && day >= first {
			out = append(out, plan.Day{Date: day, Events: byDay[day]})
		}
	}
	return out
}

// Retype says what another type would make of a column.
func (f facts) Retype(ctx context.Context, source, table, column, to string) (plan.Retype, error) {
	if !f.tables {
		return plan.Retype{}, withheld(access.TableRead)
	}
	typ, err := warehouse.ParseType(to)
	if err != nil {
		return plan.Retype{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, factPatience)
	defer cancel()
	t, all, err := f.s.table(ctx, source, table)
	if err != nil {
		return plan.Retype{}, err
	}
	has := all.typeOf(t, column)
	if has == "" {
		return plan.Retype{}, noColumn(t, column)
	}
	found, err := f.s.previewType(ctx, t, column, has, typ)
	if err == nil && found.Truncated {
		err = millrace.Errorf(millrace.TooLarge, "there are too many different values to look at")
	}
	if err != nil {
		return plan.Retype{}, err
	}
	out := plan.Retype{Kept: found.Kept, Lost: found.Lost, Regained: found.Regained}
	if f.rows {
		for _, v := range found.LostWhy[:min(len(found.LostWhy), 3)] {
			out.Examples = append(out.Examples, fmt.Sprint(v.Value))
		}
	}
	return out, nil
}
