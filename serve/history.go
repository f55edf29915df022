package serve

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/history"
)

// A History keeps numbers over time. A history.Store is one.
type History interface {
	Query(ctx context.Context, q history.Query) ([]history.Series, error)
	Marks(ctx context.Context, from, until time.Time) ([]history.Mark, error)
}

// A HistorySeries is a line of a chart.
type HistorySeries struct {
	Name        string            `json:"name" example:"millrace_collect_events_total" doc:"The metric, as /metrics has it."`
	Labels      map[string]string `json:"labels" doc:"What it is of: source, result, reader, route, quantile …"`
	Kind        string            `json:"kind" enum:"gauge,counter" doc:"counter: each point is by how much it grew in the step."`
	Unit        string            `json:"unit,omitempty" example:"events" doc:"Of the values."`
	StepSeconds float64           `json:"step_seconds" doc:"How long a step is."`
	Points      []HistoryPoint    `json:"points" doc:"Oldest first; a step without samples has none."`
}

// A HistoryPoint is one step of a HistorySeries.
type HistoryPoint struct {
	At    time.Time `json:"at" doc:"When the step begins."`
	Value float64   `json:"value" doc:"The mean; of a counter, by how much it grew."`
	Min   float64   `json:"min" doc:"The least."`
	Max   float64   `json:"max" doc:"The greatest."`
	Last  float64   `json:"last" doc:"The last."`
}

// A HistoryMark is something that happened and that explains a chart.
type HistoryMark struct {
	At   time.Time `json:"at" doc:"When it happened."`
	Kind string    `json:"kind" example:"reload" doc:"start, stop, reload, rebuild, version."`
	Text string    `json:"text" doc:"For people."`
}

// labelsOf reads name:value,name:value.
func labelsOf(texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return nil, millrace.Errorf(millrace.Invalid, "the label %.80q is not name:value, such as source:web", text)
		}
		out[name] = value
	}
	return out, nil
}

func historySeries(one history.Series) HistorySeries {
	out := HistorySeries{Name: one.Name, Labels: one.Labels, Kind: one.Kind.String(), Unit: one.Unit, StepSeconds: one.Step.Seconds(), Points: make([]HistoryPoint, len(one.Points))}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	for i, p := range one.Points {
		out.Points[i] = HistoryPoint(p)
	}
	return out
}

func (s *server) registerHistory() {
	type seriesList struct {
		Series []HistorySeries `json:"series" doc:"By name and labels."`
	}
	type markList struct {
		Marks []HistoryMark `json:"marks" doc:"Oldest first; of more than 1,000 the newest."`
	}
	missing := millrace.Errorf(millrace.NotFound, "this server keeps no history")
	register(s, operation{id: "get-history", needs: access.StatusRead, method: http.MethodGet, path: "/api/v1/history", tag: "status",
		summary:     "Numbers over time",
		description: "What the metrics were: every 10 seconds for 6 hours, every minute for 30 days, every hour for ever. Histograms are there as their quantiles 0.5 and 0.99.",
		errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}},
		func(ctx context.Context, in *struct {
			Names  []string  `query:"names" maxItems:"50" doc:"Metrics, with commas between; all when absent."`
			Labels []string  `query:"labels" maxItems:"20" example:"source:web" doc:"Only series with these labels, as name:value."`
			From   time.Time `query:"from" doc:"Default six hours ago."`
			Until  time.Time `query:"until" doc:"Default now."`
			Step   int       `query:"step_seconds" minimum:"0" maximum:"31536000" doc:"How long a step is; default so that a series has at most points points."`
			Points int       `query:"points" default:"500" minimum:"1" maximum:"5000" doc:"Most points of a series, where the step is not given."`
		}) (*bodyOf[seriesList], error) {
			if s.space(ctx).History == nil {
				return nil, missing
			}
			labels, err := labelsOf(in.Labels)
			if err != nil {
				return nil, err
			}
			q := history.Query{Names: in.Names, Match: labels, From: in.From, Until: in.Until, Step: time.Duration(in.Step) * time.Second, MaxPoints: in.Points}
			if q.From.IsZero() {
				q.From = s.o.Now().Add(-6 * time.Hour)
			}
			if !q.Until.IsZero() && !q.From.Before(q.Until) {
				return nil, millrace.Errorf(millrace.Invalid, "from %s is not before until %s", timeText(q.From), timeText(q.Until))
			}
			found, err := s.space(ctx).History.Query(ctx, q)
			if err != nil {
				return nil, err
			}
			out := seriesList{Series: make([]HistorySeries, len(found))}
			for i, one := range found {
				out.Series[i] = historySeries(one)
			}
			return &bodyOf[seriesList]{Body: out}, nil
		})
	register(s, operation{id: "list-marks", needs: access.StatusRead, method: http.MethodGet, path: "/api/v1/marks", tag: "status",
		summary: "What happened", description: "Starts, stops, reloads and rebuilds, which explain charts.", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			From  time.Time `query:"from" doc:"Only at this time or later."`
			Until time.Time `query:"until" doc:"Only before this time."`
		}) (*bodyOf[markList], error) {
			if s.space(ctx).History == nil {
				return nil, missing
			}
			found, err := s.space(ctx).History.Marks(ctx, in.From, in.Until)
			if err != nil {
				return nil, err
			}
			out := markList{Marks: make([]HistoryMark, len(found))}
			for i, m := range found {
				out.Marks[i] = HistoryMark{At: m.At, Kind: m.Kind, Text: m.Text}
			}
			return &bodyOf[markList]{Body: out}, nil
		})
}
