package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const (
	arrowType = "application/vnd.apache.arrow.stream"
	// writeTimeout is how long a client may take to take the next piece of a stream.
	writeTimeout = 30 * time.Second
	// streamTimeout is how long a whole result may take to be fetched after
	// the query's own time.
	streamTimeout = 10 * time.Minute
	pieceBytes    = 32 << 10
)

// A QueryBody is what a query asks.
type QueryBody struct {
	SQL       string             `json:"sql" minLength:"1" maxLength:"65536" example:"SELECT event, count(*) FROM web.tracks GROUP BY ALL" doc:"One SELECT. It can only read."`
	Params    []param            `json:"params,omitempty" maxItems:"1000" doc:"Values for $1, $2 … or for ?: text, numbers, booleans and null."`
	Limit     int                `json:"limit,omitempty" minimum:"0" maximum:"10000000" doc:"Most rows to return; 0 is the server's default. truncated says when there are more."`
	After     *millrace.Position `json:"after,omitempty" doc:"Wait until the tables hold everything up to this position, as intake's Millrace-Position gave it: read your own writes."`
	TimeoutMS int64              `json:"timeout_ms,omitempty" minimum:"0" doc:"When to give up, in milliseconds; 0 is the server's default."`
}

// A param is a value of a query: string, bool, int64, float64 or nil.
type param struct{ value any }

// UnmarshalJSON keeps whole numbers whole.
func (p *param) UnmarshalJSON(data []byte) error {
	text := string(data)
	switch {
	case text == "null":
		p.value = nil
	case text == "true", text == "false":
		p.value = text == "true"
	case strings.HasPrefix(text, `"`):
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		p.value = s
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return errors.New("a parameter is text, a number, a boolean or null")
	default:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			p.value = n
			return nil
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%.40s is no number that fits", text)
		}
		p.value = f
	}
	return nil
}

// Schema describes a param.
func (param) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Description: "Text, a number, a boolean or null.",
		AnyOf: []*huma.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "null"}}}
}

// queryResult describes what queries answer; it is written row by row.
type queryResult struct {
	Columns   []queryColumn `json:"columns"`
	Rows      [][]any       `json:"rows" doc:"Integers and decimals keep all their digits; times are RFC 3339 in UTC; blobs base64; floats that are no numbers \"NaN\", \"Infinity\" or \"-Infinity\"."`
	RowCount  int64         `json:"row_count"`
	Truncated bool          `json:"truncated" doc:"There were more rows than the limit."`
	ElapsedMS float64       `json:"elapsed_ms"`
	Error     *Problem      `json:"error,omitempty" doc:"What cut the result short: the rows before it are not all. The trailer Millrace-Error has its kind."`
}

type queryColumn struct {
	Name string `json:"name"`
	Type string `json:"type" example:"bigint"`
}

func (s *server) registerQuery() {
	register(s, operation{id: "query", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/query", tag: "query", summary: "Ask the warehouse in SQL",
		description: "Answers JSON, or an Arrow IPC stream to Accept: " + arrowType + ". A JSON result that could not be finished ends with error; an Arrow stream is then cut off without its end. Trailers: Millrace-Truncated, Millrace-Row-Count.",
		timeout:     -1,
		errors:      []int{http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout},
		responses: map[string]*huma.Response{"200": {Description: "The result", Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.schema(reflect.TypeFor[queryResult]()), Example: json.RawMessage(
				`{"columns":[{"name":"event","type":"text"},{"name":"n","type":"bigint"}],"rows":[["order_completed",53628]],"row_count":1,"truncated":false,"elapsed_ms":12.3}`)},
			arrowType: {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		}}}},
		func(ctx context.Context, in *struct {
			Accept string `header:"Accept" hidden:"true"`
			Body   QueryBody
		}) (*huma.StreamResponse, error) {
			return s.query(ctx, in.Body, strings.Contains(in.Accept, arrowType))
		})
}

func (s *server) query(ctx context.Context, in QueryBody, asArrow bool) (_ *huma.StreamResponse, err error) {
	start := s.o.Now()
	q := warehouse.Query{Workspace: s.space(ctx).ID, SQL: in.SQL, Limit: in.Limit, Timeout: s.space(ctx).DefaultQueryTimeout}
	for _, p := range in.Params {
		q.Params = append(q.Params, p.value)
	}
	if q.Limit == 0 {
		q.Limit = s.space(ctx).DefaultQueryRows
	}
	if in.TimeoutMS > 0 {
		q.Timeout = time.Duration(min(in.TimeoutMS, int64(s.space(ctx).MaxQueryTimeout/time.Millisecond))) * time.Millisecond
	}
	if q.Timeout == 0 {
		q.Timeout = warehouse.DefaultQueryTimeout
	}
	q.Timeout = min(q.Timeout, s.space(ctx).MaxQueryTimeout)
	if in.After != nil {
		if err := s.waitFor(ctx, *in.After, q.Timeout); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, q.Timeout+streamTimeout)
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	rows, err := s.space(ctx).Querier.Query(ctx, q)
	if err != nil {
		return nil, s.queryError(ctx, in.SQL, err)
	}
	// The first rows come before the status, so that most errors have their own.
	first, err := rows.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, rows.Close())
	}
	r := &answer{server: s, ctx: ctx, rows: rows, first: first, start: start}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer cancel()
		defer rows.Close()
		_, r.w = humago.Unwrap(hc)
		r.control = http.NewResponseController(r.w)
		r.w.Header().Set("Trailer", "Millrace-Truncated, Millrace-Row-Count, Millrace-Error")
		if asArrow {
			r.arrow()
		} else {
			r.json()
		}
	}}, nil
}

// waitAfter waits for a position, for the log's end when it is "last", or for
// nothing when it is empty.
func (s *server) waitAfter(ctx context.Context, after string, timeout time.Duration) error {
	switch after {
	case "":
		return nil
	case "last":
		return s.waitForEnd(ctx, timeout)
	}
	p, err := millrace.ParsePosition(after)
	if err != nil {
		return err
	}
	return s.waitFor(ctx, p, timeout)
}

// waitForEnd waits until the warehouse holds everything that is in the log now.
func (s *server) waitForEnd(ctx context.Context, timeout time.Duration) error {
	_, last, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return err
	}
	return s.waitFor(ctx, last, timeout)
}

// waitFor waits until the warehouse holds everything through p.
func (s *server) waitFor(ctx context.Context, p millrace.Position, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.o.Log != nil {
		_, last, err := s.o.Log.Bounds(ctx)
		if err != nil {
			return err
		}
		if p.After(last) { // it would be waited for in vain
			return &millrace.Error{Kind: millrace.Ahead, Last: last,
				Message: fmt.Sprintf("position %s is not in this server's log, which ends at %s: it is of another server, or the log was put back to an earlier state; ask without after", p, last)}
		}
	}
	err := s.space(ctx).Waiter.WaitFor(ctx, p)
	if err != nil && ctx.Err() != nil {
		return millrace.Errorf(millrace.Canceled, "the warehouse did not reach position %s within %s: ask again, and see the lag in millrace status", p, timeout)
	}
	return err
}

// An answer is a query's answer on its way to the client.
type answer struct {
	*server
	ctx     context.Context
	rows    warehouse.Rows
	first   arrow.RecordBatch // or nil at the end
	start   time.Time
	w       http.ResponseWriter
	control *http.ResponseController
	count   int64
}

// each calls do for every batch, the first included, and releases it.
func (r *answer) each(do func(arrow.RecordBatch) error) error {
	batch := r.first
	for batch != nil {
		err := do(batch)
		r.count += batch.NumRows()
		batch.Release()
		if err != nil {
			return err
		}
		batch, err = r.rows.Next(r.ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errClientGone = errors.New("the client is gone")

// Write sends a piece; a client that does not take it in time is gone.
func (r *answer) Write(p []byte) (int, error) {
	_ = r.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
	n, err := r.w.Write(p)
	if err != nil {
		return n, errors.Join(errClientGone, err)
	}
	return n, nil
}

func (r *answer) end() {
	h := r.w.Header()
	h.Set("Millrace-Row-Count", strconv.FormatInt(r.count, 10))
	h.Set("Millrace-Truncated", strconv.FormatBool(r.rows.Truncated()))
}

func (r *answer) json() {
	r.w.Header().Set("Content-Type", "application/json")
	r.w.WriteHeader(http.StatusOK)
	b := append(make([]byte, 0, 2*pieceBytes), `{"columns":[`...)
	for i, f := range r.rows.Schema().Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(result.AppendText(append(b, `{"name":`...), f.Name), `,"type":`...)
		b = append(result.AppendText(b, result.TypeName(f)), '}')
	}
	b = append(b, `],"rows":[`...)
	none := true
	err := r.each(func(batch arrow.RecordBatch) error {
		columns := result.Cells(batch)
		for i := range int(batch.NumRows()) {
			if !none {
				b = append(b, ',')
			}
			none = false
			b = append(b, '\n', '[')
			for j, column := range columns {
				if j > 0 {
					b = append(b, ',')
				}
				b = column(b, i)
			}
			b = append(b, ']')
			if len(b) >= pieceBytes {
				if _, err := r.Write(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
		return nil
	})
	if errors.Is(err, errClientGone) {
		panic(http.ErrAbortHandler)
	}
	b = append(b, "\n]"...)
	if err != nil {
		b = r.cut(b, err)
	} else {
		b = fmt.Appendf(b, `,"row_count":%d,"truncated":%t,"elapsed_ms":%.3f}`+"\n", r.count, r.rows.Truncated(),
			float64(r.o.Now().Sub(r.start).Microseconds())/1000)
	}
	if _, werr := r.Write(b); werr != nil {
		panic(http.ErrAbortHandler)
	}
	if err == nil {
		r.end()
	}
}

// cut ends a JSON result that could not be finished.
func (r *answer) cut(b []byte, err error) []byte {
	p := problemOf(r.ctx, err)
	r.o.Logger.Warn("query result cut", "request", p.RequestID, "rows", r.count, "error", err)
	r.w.Header().Set("Millrace-Error", p.Kind)
	data, merr := json.Marshal(p)
	if merr != nil {
		panic(http.ErrAbortHandler)
	}
	return fmt.Appendf(b, `,"error":%s,"row_count":%d}`+"\n", data, r.count)
}

// arrow writes an Arrow IPC stream. It has no place for an error, and readers
// take a stream without its end mark for whole, so the connection is cut.
func (r *answer) arrow() {
	r.w.Header().Set("Content-Type", arrowType)
	r.w.WriteHeader(http.StatusOK)
	out := ipc.NewWriter(r, ipc.WithSchema(r.rows.Schema()))
	err := r.each(out.Write)
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		r.o.Logger.Warn("query result cut", "request", requestID(r.ctx), "rows", r.count, "error", err)
		panic(http.ErrAbortHandler)
	}
	r.end()
}
