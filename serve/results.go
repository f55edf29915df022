package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// Results keep what queries answered. A result.Store is one.
type Results interface {
	Create(ctx context.Context, q result.Question, rows warehouse.Rows, progress func(rows, bytes int64)) (result.Result, error)
	Get(id string) (result.Result, error)
	Delete(id string) error
	Suggest(id string) (result.ChartQuery, error)
	Page(ctx context.Context, id string, v result.View) (result.Page, error)
	Stats(ctx context.Context, id, column string, filters []result.Filter) (result.ColumnStats, error)
	Chart(ctx context.Context, id string, q result.ChartQuery) (result.Chart, error)
	Export(ctx context.Context, id string, v result.View, format string, w io.Writer) error
}

// maxQueriesAtOnce is how many queries whose results are stored run beside each
// other; the warehouse lets them wait for each other as well.
const maxQueriesAtOnce = 16

// A StoredResult is what a query answered, kept on the server.
type StoredResult struct {
	ID        string          `json:"id" doc:"Of the result."`
	SQL       string          `json:"sql" doc:"The query."`
	Columns   []result.Column `json:"columns" doc:"Names, each once, and types."`
	Rows      int64           `json:"rows" doc:"How many there are."`
	Bytes     int64           `json:"bytes" doc:"Size of its file."`
	Truncated bool            `json:"truncated" doc:"The query had more rows."`
	Created   time.Time       `json:"created" doc:"When it was asked for."`
	ElapsedMS float64         `json:"elapsed_ms" doc:"From asking until the last row was stored: the query and the storing."`
	// Chart is what package result suggests.
	Chart result.ChartQuery `json:"chart" doc:"How it is best drawn at first sight."`
}

func (s *server) storedResult(ctx context.Context, r result.Result) StoredResult {
	out := StoredResult{ID: r.ID, SQL: r.SQL, Columns: list(r.Columns), Rows: r.Rows, Bytes: r.Bytes, Truncated: r.Truncated, Created: r.Created.UTC(),
		ElapsedMS: float64(r.Elapsed.Microseconds()) / 1000}
	if chart, err := s.space(ctx).Results.Suggest(r.ID); err == nil {
		out.Chart = chart
	}
	return out
}

// A ResultView is how a result is looked at.
type ResultView struct {
	Columns []string        `json:"columns,omitempty" maxItems:"2000" doc:"Only these; all when absent."`
	Sort    []result.Sort   `json:"sort,omitempty" maxItems:"10" doc:"The first counts most; absent: as the query had them."`
	Filters []result.Filter `json:"filters,omitempty" maxItems:"50" doc:"All have to hold."`
}

// ResultPath names a result in a path.
type ResultPath struct {
	ID string `path:"id" maxLength:"64" doc:"The result's ID."`
}

// ask runs a query as the API bounds it.
func (s *server) ask(ctx context.Context, in QueryBody) (warehouse.Query, warehouse.Rows, error) {
	q := warehouse.Query{Workspace: s.space(ctx).ID, SQL: in.SQL, Limit: cmp.Or(in.Limit, warehouse.MaxQueryRows), Timeout: cmp.Or(s.space(ctx).DefaultQueryTimeout, warehouse.DefaultQueryTimeout), MaxBytes: 4 << 30}
	for _, p := range in.Params {
		q.Params = append(q.Params, p.value)
	}
	if in.TimeoutMS > 0 {
		q.Timeout = time.Duration(min(in.TimeoutMS, int64(s.space(ctx).MaxQueryTimeout/time.Millisecond))) * time.Millisecond
	}
	q.Timeout = min(q.Timeout, s.space(ctx).MaxQueryTimeout)
	if in.After != nil {
		if err := s.waitFor(ctx, *in.After, q.Timeout); err != nil {
			return q, nil, err
		}
	}
	rows, err := s.space(ctx).Querier.Query(ctx, q)
	return q, rows, err
}

// resultBody asks for a query's result.
type resultBody struct {
	QueryBody
	WaitMS *int `json:"wait_ms,omitempty" minimum:"0" maximum:"25000" doc:"How long to wait for the result, in milliseconds, before the answer is the job alone; 0: not at all; two seconds when absent."`
}

func (b resultBody) wait() time.Duration {
	if b.WaitMS == nil {
		return 2 * time.Second
	}
	return time.Duration(*b.WaitMS) * time.Millisecond
}

type resultStarted struct {
	Status   int
	Location string `header:"Location" doc:"Where the result is, or the job."`
	Body     resultOrJob
}

type resultOrJob struct {
	Result *StoredResult `json:"result,omitempty" doc:"When it was there in time."`
	Job    job.Job       `json:"job" doc:"The query: how far it is, and to cancel it."`
}

// createResult runs a query as a job, and waits for it a while.
func (s *server) createResult(ctx context.Context, in resultBody) (*resultStarted, error) {
	type ended struct {
		stored StoredResult
		err    error
	}
	done := make(chan ended, 1)
	sp, asked := s.space(ctx), ctx
	j, err := sp.Jobs.StartBeside("query", maxQueriesAtOnce, workIn(sp, func(ctx context.Context, progress func(job.Progress)) (any, error) {
		progress(job.Progress{Unit: "rows", Message: "running"})
		began := s.o.Now()
		q, rows, err := s.ask(ctx, in.QueryBody)
		var stored result.Result
		if err == nil {
			stored, err = s.space(ctx).Results.Create(ctx, result.Question{Workspace: q.Workspace, SQL: q.SQL, Asked: began}, rows, func(n, _ int64) { progress(job.Progress{Done: n, Unit: "rows", Message: "storing"}) })
		}
		if err != nil {
			err = s.queryError(asked, in.SQL, err) // who asked is known there
			done <- ended{err: err}
			return nil, err
		}
		out := s.storedResult(ctx, stored)
		done <- ended{out, err}
		return out, err
	}))
	if err != nil {
		return nil, err
	}
	wait := time.NewTimer(in.wait())
	defer wait.Stop()
	out := &resultStarted{Status: http.StatusAccepted, Location: at(ctx, "/api/v1/jobs/"+j.ID), Body: resultOrJob{Job: j}}
	select {
	case e := <-done:
		var p *Problem
		if errors.As(e.err, &p) { // it was made for the job
			own := *p
			own.RequestID = requestID(ctx)
			return nil, &own
		}
		if e.err != nil {
			return nil, e.err
		}
		out.Status, out.Location, out.Body.Result = http.StatusCreated, at(ctx, "/api/v1/results/"+e.stored.ID), &e.stored
		if ended, err := sp.Jobs.Get(j.ID); err == nil {
			out.Body.Job = ended
		}
	case <-wait.C:
	case <-ctx.Done(): // who asked has left, before it knows of the job
		if _, err := sp.Jobs.Cancel(j.ID); err != nil {
			return nil, err
		}
		return nil, ctx.Err()
	}
	return out, nil
}

// resultOf finds a result of the workspace.
func (s *server) resultOf(ctx context.Context, id string) (result.Result, error) {
	if s.space(ctx).Results == nil {
		return result.Result{}, errNoResults
	}
	r, err := s.space(ctx).Results.Get(id)
	if err == nil && r.Workspace != s.space(ctx).ID {
		return result.Result{}, millrace.Errorf(millrace.NotFound, "there is no result %.40q", id)
	}
	return r, err
}

var errNoResults = millrace.Errorf(millrace.NotFound, "this server keeps no results of queries")

func (s *server) registerResults() {
	s.schema(reflect.TypeFor[StoredResult]()) // of the job too
	register(s, operation{id: "create-result", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/results", tag: "query", status: http.StatusCreated,
		summary:     "Ask in SQL and keep the result",
		description: "Stores what the query answers as a file on the server, up to 5 million rows or 256 MiB; paging, sorting, filtering, charts and downloads read that. 202 when it takes longer than wait_ms: its job goes on, and has the result in the end. A result is kept for a day after its last use.",
		also:        map[int]any{http.StatusAccepted: resultOrJob{}},
		errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct{ Body resultBody }) (*resultStarted, error) {
			if s.space(ctx).Results == nil {
				return nil, errNoResults
			}
			return s.createResult(ctx, in.Body)
		})
	register(s, operation{id: "get-result", needs: access.QueryRun, method: http.MethodGet, path: "/api/v1/results/{id}", tag: "query",
		summary: "Get what is known of a result", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *ResultPath) (*bodyOf[StoredResult], error) {
			r, err := s.resultOf(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &bodyOf[StoredResult]{Body: s.storedResult(ctx, r)}, nil
		})
	register(s, operation{id: "delete-result", needs: access.QueryRun, method: http.MethodDelete, path: "/api/v1/results/{id}", tag: "query",
		summary: "Forget a result", status: http.StatusNoContent, errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *ResultPath) (*struct{}, error) {
			if _, err := s.resultOf(ctx, in.ID); err != nil {
				return nil, err
			}
			return nil, s.space(ctx).Results.Delete(in.ID)
		})
	s.registerResultRows()
	s.registerResultStats()
	s.registerDownload()
}

func (s *server) registerResultRows() {
	type rowsBody struct {
		ResultView
		Offset int64 `json:"offset,omitempty" minimum:"0" doc:"Rows to leave out."`
		Limit  int64 `json:"limit,omitempty" minimum:"1" maximum:"10000" default:"200" doc:"Most rows."`
	}
	type resultRows struct {
		Columns []result.Column     `json:"columns" doc:"Names and types, in their order."`
		Total   int64               `json:"total" doc:"Rows that the filters leave."`
		Rows    [][]json.RawMessage `json:"rows" doc:"As queries answer them: numbers keep all their digits, times are RFC 3339 in UTC."`
	}
	register(s, operation{id: "read-result", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/results/{id}/rows", tag: "query",
		summary: "Read rows of a result", description: "A page of it, in any order, with any filters.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			ResultPath
			Body rowsBody
		}) (*bodyOf[resultRows], error) {
			if _, err := s.resultOf(ctx, in.ID); err != nil {
				return nil, err
			}
			v := in.Body.view()
			v.Offset, v.Limit = in.Body.Offset, in.Body.Limit
			page, err := s.space(ctx).Results.Page(ctx, in.ID, v)
			if err != nil {
				return nil, err
			}
			defer page.Rows.Close()
			rows, err := readRows(ctx, page.Rows)
			return &bodyOf[resultRows]{Body: resultRows{Columns: list(page.Columns), Total: page.Total, Rows: rows.Rows}}, err
		})
}

func (v ResultView) view() result.View {
	return result.View{Columns: v.Columns, Sort: v.Sort, Filters: v.Filters}
}

func (s *server) registerResultStats() {
	type statsBody struct {
		Column  string          `json:"column" maxLength:"1000" doc:"Name of the column."`
		Filters []result.Filter `json:"filters,omitempty" maxItems:"50" doc:"Only rows for which all hold."`
	}
	register(s, operation{id: "describe-result-column", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/results/{id}/stats", tag: "query",
		summary: "What is in a column of a result", errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			ResultPath
			Body statsBody
		}) (*bodyOf[result.ColumnStats], error) {
			if _, err := s.resultOf(ctx, in.ID); err != nil {
				return nil, err
			}
			stats, err := s.space(ctx).Results.Stats(ctx, in.ID, in.Body.Column, in.Body.Filters)
			return &bodyOf[result.ColumnStats]{Body: stats}, err
		})
	register(s, operation{id: "chart-result", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/results/{id}/chart", tag: "query",
		summary: "Sum up a result for a chart", description: "At most 2,000 points: numbers and times that are many are put into bins.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			ResultPath
			Body result.ChartQuery
		}) (*bodyOf[result.Chart], error) {
			if _, err := s.resultOf(ctx, in.ID); err != nil {
				return nil, err
			}
			chart, err := s.space(ctx).Results.Chart(ctx, in.ID, in.Body)
			return &bodyOf[result.Chart]{Body: chart}, err
		})
}

// A download sends headers with the first piece of it, so that what fails before
// has its own status.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	headers http.Header
	begun   bool
}

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		for name, values := range d.headers {
			d.w.Header()[name] = values
		}
	}
	_ = d.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
	return d.w.Write(p)
}

func (s *server) registerDownload() {
	content := map[string]*huma.MediaType{}
	for _, media := range result.MediaTypes {
		content[media] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	}
	register(s, operation{id: "download-result", needs: access.QueryRun, method: http.MethodGet, path: "/api/v1/results/{id}/download", tag: "query", timeout: -1,
		summary: "Download a result", description: "As CSV, in which no text is a formula, JSON, NDJSON or Parquet. A download that could not be finished is cut off.",
		errors:    []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout},
		responses: map[string]*huma.Response{"200": {Description: "The file", Content: content}}},
		func(ctx context.Context, in *struct {
			ResultPath
			Format string `query:"format" default:"csv" enum:"csv,json,ndjson,parquet" doc:"Of the file."`
			View   string `query:"view" maxLength:"16384" doc:"JSON of columns, sort and filters, as for reading rows; all rows when absent."`
			Name   string `query:"name" maxLength:"100" pattern:"^[A-Za-z0-9._ -]*$" doc:"Of the file, without its ending; default result."`
		}) (*huma.StreamResponse, error) {
			if _, err := s.resultOf(ctx, in.ID); err != nil {
				return nil, err
			}
			var view ResultView
			if in.View != "" {
				if err := json.Unmarshal([]byte(in.View), &view); err != nil {
					return nil, millrace.Errorf(millrace.Invalid, "view is not JSON of columns, sort and filters: %w", err)
				}
			}
			headers := http.Header{"Content-Type": {result.MediaTypes[in.Format]},
				"Content-Disposition": {`attachment; filename="` + cmp.Or(in.Name, "result") + "." + in.Format + `"`}}
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				r, w := humago.Unwrap(hc)
				d := &download{w: w, control: http.NewResponseController(w), headers: headers}
				err := s.space(ctx).Results.Export(ctx, in.ID, view.view(), in.Format, d)
				switch {
				case err == nil && !d.begun: // nothing to write
					_, _ = d.Write(nil)
				case err != nil && !d.begun:
					writeProblem(w, r, err)
				case err != nil:
					if !errors.Is(err, context.Canceled) {
						s.o.Logger.Warn("a download was cut", "request", requestID(ctx), "error", err)
					}
					panic(http.ErrAbortHandler)
				}
			}}, nil
		})
}

// resultNames tells the types of package result apart from others of the API.
func resultNames(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for of := t; ; of = of.Elem() {
		if !slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, of.Kind()) {
			switch of.PkgPath() {
			case "github.com/millrace/millrace/result":
				return "Result" + name
			case "github.com/millrace/millrace/serve/logring":
				return "Log" + name
			case "github.com/millrace/millrace/release/diff":
				return "Diff" + name
			case "github.com/millrace/millrace/release/merge":
				return "Merge" + name
			case "github.com/millrace/millrace/release/plan":
				return "Plan" + strings.TrimPrefix(name, "Plan")
			}
			return name
		}
	}
}
