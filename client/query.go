package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace"
)

// A Query is one SELECT.
type Query struct {
	SQL    string `json:"sql"`
	Params []any  `json:"params,omitempty"`
	Limit  int    `json:"limit,omitempty"` // rows; 0 means the server's default
	// After is a log position that the answer has to show, or "".
	After string `json:"after,omitempty"`
	// TimeoutMS is how long the query may take, in milliseconds; 0 means the
	// server's default.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
}

// A ResultColumn is a column of a result, with the type that the engine gives.
type ResultColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// A Result is read row by row and then closed. It is not safe for concurrent use.
type Result struct {
	// Columns are there from the beginning.
	Columns []ResultColumn
	// RowCount, Truncated and Elapsed are there after Next said io.EOF.
	RowCount  int64
	Truncated bool
	Elapsed   time.Duration

	client *Client
	ctx    context.Context
	body   io.ReadCloser
	d      *json.Decoder
	inRows bool
	ended  bool
}

// Query runs a query and returns its rows as JSON values. Errors: Invalid is
// the query's fault, Canceled when the deadline passed, TooLarge and Limited
// as the API says.
func (c *Client) Query(ctx context.Context, q Query) (*Result, error) {
	resp, err := c.open(ctx, request{method: http.MethodPost, path: "/api/v1/query", body: q,
		header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	if !isJSON(resp) {
		resp.Body.Close()
		return nil, c.notMillrace(resp)
	}
	r := &Result{client: c, ctx: ctx, body: resp.Body, d: json.NewDecoder(resp.Body)}
	if err := r.begin(); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return r, nil
}

// QueryArrow runs a query and returns its rows as an Arrow IPC stream, which
// the caller closes. Header "Millrace-Truncated" of the trailer is "true" when
// there were more rows than the limit.
func (c *Client) QueryArrow(ctx context.Context, q Query) (*ArrowStream, error) {
	resp, err := c.open(ctx, request{method: http.MethodPost, path: "/api/v1/query", body: q,
		header: http.Header{"Accept": {ArrowContentType}}})
	if err != nil {
		return nil, err
	}
	return &ArrowStream{resp: resp}, nil
}

// ArrowContentType is the media type of an Arrow IPC stream.
const ArrowContentType = "application/vnd.apache.arrow.stream"

// An ArrowStream is the bytes of an Arrow IPC stream.
type ArrowStream struct{ resp *http.Response }

// Read implements io.Reader.
func (s *ArrowStream) Read(p []byte) (int, error) { return s.resp.Body.Read(p) }

// Close ends the call.
func (s *ArrowStream) Close() error { return s.resp.Body.Close() }

// Truncated says, after io.EOF, whether there were more rows than the limit.
func (s *ArrowStream) Truncated() bool {
	return s.resp.Trailer.Get("Millrace-Truncated") == "true" || s.resp.Header.Get("Millrace-Truncated") == "true"
}

// begin reads up to the first row.
func (r *Result) begin() error {
	if t, err := r.d.Token(); err != nil || t != json.Delim('{') {
		return r.broken(err)
	}
	return r.members()
}

// members reads members of the object until the rows or its end.
func (r *Result) members() error {
	for r.d.More() {
		t, err := r.d.Token()
		if err != nil {
			return r.broken(err)
		}
		var into any
		elapsed := 0.0
		switch t {
		case "columns":
			into = &r.Columns
		case "rows":
			if t, err := r.d.Token(); err != nil || t != json.Delim('[') {
				return r.broken(err)
			}
			r.inRows = true
			return nil
		case "row_count":
			into = &r.RowCount
		case "truncated":
			into = &r.Truncated
		case "elapsed_ms":
			into = &elapsed
		case "error":
			var p problem
			if err := r.d.Decode(&p); err != nil {
				return r.broken(err)
			}
			return &millrace.Error{Kind: kinds[p.Kind], Message: p.text()}
		default:
			into = new(json.RawMessage)
		}
		if err := r.d.Decode(into); err != nil {
			return r.broken(err)
		}
		if elapsed > 0 {
			r.Elapsed = time.Duration(elapsed * float64(time.Millisecond))
		}
	}
	if _, err := r.d.Token(); err != nil {
		return r.broken(err)
	}
	r.ended = true
	return nil
}

// Next returns the values of the next row, or io.EOF after the last. They are
// JSON as the server wrote it.
func (r *Result) Next() ([]json.RawMessage, error) {
	if r.ended {
		return nil, io.EOF
	}
	if r.inRows && r.d.More() {
		row := make([]json.RawMessage, 0, len(r.Columns))
		if err := r.d.Decode(&row); err != nil {
			return nil, r.broken(err)
		}
		return row, nil
	}
	if r.inRows {
		r.inRows = false
		if _, err := r.d.Token(); err != nil {
			return nil, r.broken(err)
		}
		if err := r.members(); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

func (r *Result) broken(err error) error {
	if r.ctx.Err() != nil {
		return r.client.transportError(r.ctx, r.ctx.Err())
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return millrace.Errorf(millrace.Unavailable, "the answer of %s ended in the middle: the query was stopped or the server went away. Try again", r.client.Server())
	}
	return millrace.Errorf(millrace.Internal, "the answer of %s cannot be read: %w", r.client.Server(), err)
}

// Close ends the call; the server then stops the query.
func (r *Result) Close() error { return r.body.Close() }
