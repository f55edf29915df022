package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/millrace/millrace"
)

const callTimeout = 30 * time.Second

// get asks and decodes; path is already escaped.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: query, safe: true, timeout: callTimeout}, out)
}

// Status returns GET /api/v1/status as it is.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.get(ctx, "/api/v1/status", nil, &raw)
	return raw, err
}

// LastPosition returns where the log ends now. Of an empty log it lies before
// the first record, in the epoch of the log.
func (c *Client) LastPosition(ctx context.Context) (millrace.Position, error) {
	var out struct {
		Log *struct {
			Last millrace.Position `json:"last"`
		} `json:"log"`
	}
	if err := c.get(ctx, "/api/v1/status", nil, &out); err != nil {
		return millrace.Position{}, err
	}
	if out.Log == nil || out.Log.Last.Epoch == 0 {
		return millrace.Position{}, millrace.Errorf(millrace.Unavailable, "%s does not say where its log ends: see `millrace status`", c.Server())
	}
	return out.Log.Last, nil
}

// A Source is where records come in.
type Source struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	WriteKeys []string `json:"write_keys"`
}

// Sources lists the sources of the workspace.
func (c *Client) Sources(ctx context.Context) ([]Source, error) {
	var out struct {
		Sources []Source `json:"sources"`
	}
	err := c.get(ctx, "/api/v1/sources", nil, &out)
	return out.Sources, err
}

// Source returns one source. NotFound when there is none of that name.
func (c *Client) Source(ctx context.Context, name string) (Source, error) {
	var out Source
	err := c.get(ctx, "/api/v1/sources/"+url.PathEscape(name), nil, &out)
	return out, err
}

// EventNames lists the events and streams that a source has received, the most
// frequent first, a thousand at most. NotFound when there is no such source.
func (c *Client) EventNames(ctx context.Context, source string) ([]string, error) {
	var out struct {
		Events []struct {
			Event string `json:"event"`
		} `json:"events"`
	}
	if err := c.get(ctx, "/api/v1/sources/"+url.PathEscape(source)+"/events", url.Values{"limit": {"1000"}}, &out); err != nil {
		return nil, err
	}
	names := make([]string, len(out.Events))
	for i, e := range out.Events {
		names[i] = e.Event
	}
	return names, nil
}

// TailOptions choose what a tail shows.
type TailOptions struct {
	Source, Event, User, Grep string
	Result                    string // accepted, duplicate or rejected; "" for all
	After                     string // log position, or "" for what comes from now on
	Limit                     int    // end after so many records; 0 goes on
}

// Tail calls each with every line that the server tells: a record, or how many
// were dropped ({"dropped": 12}). It returns nil after o.Limit records, and
// otherwise why it ended: Unavailable when the server ended it.
func (c *Client) Tail(ctx context.Context, o TailOptions, each func(line json.RawMessage) error) error {
	q := url.Values{}
	for k, v := range map[string]string{"source": o.Source, "event": o.Event, "user": o.User, "result": o.Result, "grep": o.Grep, "after": o.After} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	resp, err := c.open(ctx, request{method: http.MethodGet, path: "/api/v1/tail", query: q, safe: true,
		header: http.Header{"Accept": {"application/x-ndjson"}}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	records := 0
	for {
		line, err := lines.ReadBytes('\n')
		var end struct {
			Position string   `json:"position"`
			Error    *problem `json:"error"`
		}
		if len(line) > 1 && json.Unmarshal(line, &end) == nil {
			if end.Error != nil {
				return &millrace.Error{Kind: kinds[end.Error.Kind], Message: end.Error.text()}
			}
			if err := each(json.RawMessage(line)); err != nil {
				return err
			}
			if end.Position != "" {
				records++
			}
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return c.transportError(ctx, err)
		case o.Limit > 0 && records >= o.Limit:
			return nil
		default:
			return millrace.Errorf(millrace.Unavailable, "%s ended the tail", c.Server())
		}
	}
}

// Rejected is a record that intake refused, as the API shows it.
type Rejected struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	ReceivedAt time.Time `json:"received_at"`
	Reason     string    `json:"reason"`
	Field      string    `json:"field"`
	Type       string    `json:"type"`
	Raw        string    `json:"raw"`
	RawBase64  string    `json:"raw_base64"`
	Truncated  bool      `json:"truncated"`
	Outcome    string    `json:"outcome"`
}

// RejectedOptions choose rejected records.
type RejectedOptions struct {
	Source, Reason string
	Limit          int
	Cursor         string
	After          string // wait until the list shows this position, or "last"; "" does not wait
}

// Rejected lists rejected records, newest first, and the cursor of the next
// page, "" after the last.
func (c *Client) Rejected(ctx context.Context, o RejectedOptions) (page []Rejected, next string, err error) {
	q := url.Values{}
	for k, v := range map[string]string{"source": o.Source, "reason": o.Reason, "cursor": o.Cursor, "after": o.After} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	var out struct {
		Rejected []Rejected `json:"rejected"`
		Cursor   string     `json:"cursor"`
	}
	err = c.get(ctx, "/api/v1/rejected", q, &out)
	return out.Rejected, out.Cursor, err
}

// RejectedByID returns one rejected record. NotFound when there is none.
func (c *Client) RejectedByID(ctx context.Context, id string) (json.RawMessage, error) {
	var out json.RawMessage
	err := c.get(ctx, "/api/v1/rejected/"+url.PathEscape(id), nil, &out)
	return out, err
}

// Resent says what became of a rejected record that was sent again.
type Resent struct {
	RejectedID string `json:"rejected_id"`
	ID         string `json:"id"`
	Outcome    string `json:"outcome"` // accepted, partly accepted, duplicate or rejected
	Duplicates int64  `json:"duplicates"`
	Reason     string `json:"reason"`
}

// Resend sends a rejected record again, with body in place of what was
// received if it is not nil.
func (c *Client) Resend(ctx context.Context, id string, body json.RawMessage) (Resent, error) {
	var in struct {
		Body json.RawMessage `json:"body,omitempty"`
	}
	in.Body = body
	var out Resent
	err := c.call(ctx, request{method: http.MethodPost, path: "/api/v1/rejected/" + url.PathEscape(id) + "/resend",
		body: in, timeout: callTimeout}, &out)
	return out, err
}

// A Range is Count records next to each other in the log, the last at Last.
type Range struct {
	Last  millrace.Position `json:"last"`
	Count int64             `json:"count"`
}

// Duplicates asks how many records of the ranges are duplicates. It waits
// until they are judged, at most half a minute.
func (c *Client) Duplicates(ctx context.Context, ranges []Range) (judged, duplicates int64, err error) {
	var out struct {
		Judged     int64 `json:"judged"`
		Duplicates int64 `json:"duplicates"`
	}
	in := map[string]any{"ranges": ranges}
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/duplicates", body: in, safe: true, timeout: 45 * time.Second}, &out)
	return out.Judged, out.Duplicates, err
}

// A Reader is a part of the server that follows the log.
type Reader struct {
	Name       string  `json:"name"`
	State      string  `json:"state"`
	Position   string  `json:"position"`
	LagSeconds float64 `json:"lag_seconds"`
	Problem    string  `json:"problem"`
}

// Readers lists the readers of the log.
func (c *Client) Readers(ctx context.Context) ([]Reader, error) {
	var out struct {
		Readers []Reader `json:"readers"`
	}
	err := c.get(ctx, "/api/v1/readers", nil, &out)
	return out.Readers, err
}

// ReaderAction asks a reader to "pause", "resume" or "reset", with what the
// action takes as body, or nil.
func (c *Client) ReaderAction(ctx context.Context, name, action string, body any) error {
	return c.call(ctx, request{method: http.MethodPost, path: "/api/v1/readers/" + url.PathEscape(name) + "/" + action,
		body: body, timeout: callTimeout}, nil)
}

// A Job is long work on the server.
type Job struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	State    string          `json:"state"` // running, done, failed, canceled
	Done     int64           `json:"done"`
	Total    int64           `json:"total"`
	Unit     string          `json:"unit"`
	Message  string          `json:"message"`
	Error    string          `json:"error"`
	Result   json.RawMessage `json:"result"`
	Started  time.Time       `json:"started"`
	Finished *time.Time      `json:"finished"`
}

// Ended says whether the job runs no more.
func (j Job) Ended() bool { return j.State != "running" && j.State != "pending" && j.State != "" }

// Rebuild says what of the warehouse is made anew.
type Rebuild struct {
	Source string     `json:"source,omitempty"`
	From   *time.Time `json:"from,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	Yes    bool       `json:"yes,omitempty"`
}

// StartRebuild begins to rebuild the warehouse. Conflict when one runs already.
func (c *Client) StartRebuild(ctx context.Context, r Rebuild) (Job, error) {
	return c.startJob(ctx, "/api/v1/warehouse/rebuilds", r)
}

// StartVerification begins to verify "archive" or "log".
func (c *Client) StartVerification(ctx context.Context, what string) (Job, error) {
	return c.startJob(ctx, "/api/v1/"+url.PathEscape(what)+"/verifications", nil)
}

func (c *Client) startJob(ctx context.Context, path string, body any) (Job, error) {
	var j Job
	err := c.call(ctx, request{method: http.MethodPost, path: path, body: body, timeout: callTimeout}, &j)
	return j, err
}

// Job returns a job as it is now.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	err := c.get(ctx, "/api/v1/jobs/"+url.PathEscape(id), nil, &j)
	return j, err
}

// CancelJob ends a job.
func (c *Client) CancelJob(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/api/v1/jobs/" + url.PathEscape(id), timeout: callTimeout}, nil)
}

// Jobs between two looks wait this long.
const (
	jobPoll      = 250 * time.Millisecond
	jobPatience  = 2 * time.Minute // for a server that is away
	jobPollAfter = time.Second     // when it is away
)

// WaitJob looks at a job until it has ended, and calls progress each time. A
// server that is away for a moment is waited for.
func (c *Client) WaitJob(ctx context.Context, id string, progress func(Job)) (Job, error) {
	away := time.Time{}
	for {
		j, err := c.Job(ctx, id)
		wait := jobPoll
		switch {
		case err == nil:
			away = time.Time{}
			progress(j)
			if j.Ended() {
				return j, nil
			}
		case ctx.Err() != nil, millrace.KindOf(err) != millrace.Unavailable:
			return j, err
		case away.IsZero():
			away = time.Now()
			wait = jobPollAfter
		case time.Since(away) > jobPatience:
			return j, err
		default:
			wait = jobPollAfter
		}
		select {
		case <-ctx.Done():
			return j, c.transportError(ctx, ctx.Err())
		case <-time.After(wait):
		}
	}
}
