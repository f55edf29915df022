package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/millrace/millrace"
)

// A BatchAnswer is what intake says of a batch.
type BatchAnswer struct {
	// Position is where the records of the batch end in the log, those of
	// rejected events included; the zero Position when nothing was stored.
	Position millrace.Position
	Accepted int64
	// Rejected are the events that were refused, one each.
	Rejected []BatchRejection
	// NotKept is how many of them are not kept in the log, because there were
	// too many.
	NotKept int64
	// Records is how many records were stored, the last of them at Position:
	// also one that tells of rejected records which were not kept before. 0
	// when the server does not say.
	Records int64
}

// Appended returns how many records of the batch are in the log.
func (a BatchAnswer) Appended() int64 {
	if a.Records > 0 {
		return a.Records
	}
	return a.Accepted + int64(len(a.Rejected)) - a.NotKept
}

// BatchRejection is one event that intake refused.
type BatchRejection struct {
	Index  int    `json:"index"` // in the batch, from 0
	Reason string `json:"reason"`
	Field  string `json:"field"`
}

// Text says why, and what of the event is meant.
func (r BatchRejection) Text() string {
	if r.Field == "" {
		return r.Reason
	}
	return r.Field + ": " + r.Reason
}

const batchAnswerBytes = 4 << 20

// Batch posts a batch of events to intake: body is the JSON of /v1/batch, its
// encoding "" or "gzip". It does not repeat a call that failed. Limited and
// Unavailable say in RetryAfter when to try again; after Unavailable and
// Canceled the events may be in the log all the same.
func (c *Client) Batch(ctx context.Context, writeKey string, body []byte, encoding string, events int) (BatchAnswer, error) {
	const path = "/v1/batch"
	req, err := c.newRequest(ctx, request{method: http.MethodPost, path: path, key: writeKey,
		body: &rawBody{data: body, contentType: "application/json", encoding: encoding}})
	if err != nil {
		return BatchAnswer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return BatchAnswer{}, c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, batchAnswerBytes))
	if err != nil {
		return BatchAnswer{}, c.transportError(ctx, err)
	}
	var out struct {
		Rejected []BatchRejection `json:"rejected"`
		NotKept  int64            `json:"rejectedNotKept"`
		Records  int64            `json:"records"`
	}
	readable := isJSON(resp) && json.Unmarshal(data, &out) == nil
	rejected := perEvent(out.Rejected)
	ok := resp.StatusCode/100 == 2
	switch {
	// each event has its reason: that is an answer, not a fault of the request
	case resp.StatusCode == http.StatusBadRequest && readable && events > 0 && len(rejected) == events:
	case !ok:
		resp.Body = io.NopCloser(bytes.NewReader(data))
		return BatchAnswer{}, c.responseError(resp, path)
	case !readable:
		return BatchAnswer{}, c.notMillrace(resp)
	}
	a := BatchAnswer{Rejected: rejected, NotKept: out.NotKept, Records: out.Records, Accepted: int64(events - len(rejected))}
	if h := resp.Header.Get("Millrace-Position"); h != "" {
		a.Position, err = millrace.ParsePosition(h)
	}
	return a, err
}

// perEvent joins several reasons for one event into one.
func perEvent(all []BatchRejection) []BatchRejection {
	var out []BatchRejection
	for _, r := range all {
		if n := len(out); n > 0 && out[n-1].Index == r.Index {
			out[n-1].Reason += "; " + r.Text()
			continue
		}
		out = append(out, r)
	}
	return out
}
