package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

func TestSources(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().options(t))
	_, body := call(t, "GET", s.URL+"/api/v1/sources", "")
	all := decode[struct{ Sources []Source }](t, body)
	if len(all.Sources) != 2 || all.Sources[1].WriteKeys[0] != "web_2026" || all.Sources[1].Accepted != 7 {
		t.Errorf("sources %s", body)
	}
	_, body = call(t, "GET", s.URL+"/api/v1/sources/ios", "")
	if one := decode[Source](t, body); one.Name != "ios" || !strings.Contains(body, `"write_keys":[]`) {
		t.Errorf("source %s", body)
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/sources/shop", "")
	wantProblem(t, resp, body, 404, "not_found", `no source "shop": the project has ios, web`)
	resp, body = call(t, "GET", s.URL+"/api/v1/sources/"+strings.Repeat("x", 64), "")
	wantProblem(t, resp, body, 422, "invalid", "the request is not valid: source has at most 63 characters")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().options(t))
	_, body := call(t, "GET", s.URL+"/api/v1/status", "")
	if st := decode[Status](t, body); st.Name != "shop" || !strings.Contains(body, `"readers":[]`) || !strings.Contains(body, `"problems":[]`) {
		t.Errorf("status %s", body)
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := start(t, w.options(t))
	_, body := call(t, "GET", s.URL+"/api/v1/readers", "")
	if all := decode[struct{ Readers []Reader }](t, body); len(all.Readers) != 1 || all.Readers[0].Name != "warehouse" {
		t.Errorf("readers %s", body)
	}
	for _, step := range [][2]string{{"pause", "paused"}, {"resume", "running"}, {"reset", "running"}} {
		resp, body := call(t, "POST", s.URL+"/api/v1/readers/warehouse/"+step[0], "")
		if r := decode[Reader](t, body); resp.StatusCode != 200 || r.State != step[1] {
			t.Errorf("%s: %d %s", step[0], resp.StatusCode, body)
		}
		resp, body = call(t, "POST", s.URL+"/api/v1/readers/nobody/"+step[0], "")
		wantProblem(t, resp, body, 404, "not_found", "there are warehouse")
	}
	if w.reset != nil {
		t.Errorf("reset without a position goes to %s", w.reset)
	}
	if resp, body := call(t, "POST", s.URL+"/api/v1/readers/warehouse/reset", `{"after":"1-2-3"}`); resp.StatusCode != 200 || w.reset.String() != "1-2-3" {
		t.Errorf("%d %s: reset to %v", resp.StatusCode, body, w.reset)
	}
	resp, body := call(t, "POST", s.URL+"/api/v1/readers/warehouse/reset", `{"after":"x"}`)
	wantProblem(t, resp, body, 422, "invalid", "")
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := start(t, w.options(t))
	resp, body := call(t, "POST", s.URL+"/api/v1/duplicates", `{"ranges":[{"last":"1-2-9","count":10},{"last":"1-3-0","count":1}]}`)
	if resp.StatusCode != 200 || body != `{"judged":11,"duplicates":1}`+"\n" || w.ranges[0].Last != (millrace.Position{Epoch: 1, Seq: 2, Index: 9}) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for _, bad := range []string{`{"ranges":[]}`, `{"ranges":[{"last":"1-2-9","count":0}]}`, `{"ranges":[{"last":"1","count":1}]}`, `{}`} {
		resp, body = call(t, "POST", s.URL+"/api/v1/duplicates", bad)
		wantProblem(t, resp, body, 422, "invalid", "")
	}
	w.problem = context.DeadlineExceeded
	resp, body = call(t, "POST", s.URL+"/api/v1/duplicates", `{"ranges":[{"last":"1-2-9","count":10}]}`)
	wantProblem(t, resp, body, 504, "canceled", "took too long")
}

func TestJobs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := start(t, w.options(t))
	await := func(id, state string) job.Job {
		t.Helper()
		for range 500 {
			_, body := call(t, "GET", s.URL+"/api/v1/jobs/"+id, "")
			if j := decode[job.Job](t, body); j.State == state {
				return j
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("job %s is never %s", id, state)
		return job.Job{}
	}
	begin := func(path, body string) job.Job {
		t.Helper()
		resp, body := call(t, "POST", s.URL+path, body)
		j := decode[job.Job](t, body)
		if resp.StatusCode != 202 || resp.Header.Get("Location") != "/api/v1/jobs/"+j.ID {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		return j
	}
	j := await(begin("/api/v1/warehouse/rebuilds", `{"source":"web","from":"2026-01-01T00:00:00Z","yes":true}`).ID, "done")
	if fmt.Sprint(j.Result) != "map[rows:5]" || j.Finished == nil {
		t.Errorf("rebuild %+v", j)
	}
	resp, body := call(t, "POST", s.URL+"/api/v1/warehouse/rebuilds", `{"from":"2026-01-01T00:00:00Z","until":"2025-01-01T00:00:00Z"}`)
	wantProblem(t, resp, body, 400, "invalid", "from 2026-01-01T00:00:00Z is not before until 2025-01-01T00:00:00Z")
	if j = await(begin("/api/v1/log/verifications", "").ID, "failed"); !strings.Contains(j.Error, "frame 7 is damaged") {
		t.Errorf("verification of the log %+v", j)
	}
	running := begin("/api/v1/archive/verifications", "")
	resp, body = call(t, "POST", s.URL+"/api/v1/archive/verifications", "")
	wantProblem(t, resp, body, 409, "conflict", "running already as job "+running.ID)
	if j = await(running.ID, "running"); j.Total != 2 && j.Total != 0 {
		t.Errorf("progress %+v", j)
	}
	if resp, body := call(t, "DELETE", s.URL+"/api/v1/jobs/"+running.ID, ""); resp.StatusCode != 200 {
		t.Errorf("cancel: %d %s", resp.StatusCode, body)
	}
	await(running.ID, "canceled")
	_, body = call(t, "GET", s.URL+"/api/v1/jobs", "")
	if all := decode[struct{ Jobs []job.Job }](t, body); len(all.Jobs) != 3 || all.Jobs[0].ID != running.ID {
		t.Errorf("jobs %s", body)
	}
	for _, method := range []string{"GET", "DELETE"} {
		resp, body = call(t, method, s.URL+"/api/v1/jobs/none", "")
		wantProblem(t, resp, body, 404, "not_found", "forgotten")
	}
}

// rejectedRows makes what the warehouse answers about rejected records.
func rejectedRows(raws ...string) *rows {
	text := func(name string) arrow.Field {
		return arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	number := func(name string) arrow.Field { return arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64} }
	schema := arrow.NewSchema([]arrow.Field{text("rejected_id"), text("source"), {Name: "received_at", Type: arrow.FixedWidthTypes.Timestamp_us}, text("reason"), text("field"),
		text("type"), text("raw"), text("raw_base64"), {Name: "truncated", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}, text("outcome"), number("_epoch"), number("_seq"), number("_index")}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i, raw := range raws {
		for j, v := range []string{fmt.Sprintf("r%d", i), "web", "", "no type", "type", "track", raw} {
			if j != 2 {
				b.Field(j).(*array.StringBuilder).Append(v)
			}
		}
		b.Field(2).(*array.TimestampBuilder).Append(1_000_000)
		b.Field(7).AppendNull()
		if raw == "cut" {
			b.Field(8).(*array.BooleanBuilder).Append(true)
		} else {
			b.Field(8).AppendNull()
		}
		b.Field(9).AppendNull()
		b.Field(10).(*array.Int64Builder).Append(1)
		b.Field(11).(*array.Int64Builder).Append(int64(100 - i))
		b.Field(12).(*array.Int64Builder).Append(3)
	}
	return &rows{schema: schema, batches: []arrow.RecordBatch{b.NewRecordBatch()}}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var asked warehouse.Query
	raws := []string{`{"type":"track"}`, "{"}
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		asked = q
		return rejectedRows(raws...), nil
	}
	s := start(t, w.options(t))
	_, body := call(t, "GET", s.URL+"/api/v1/rejected?source=web&reason=Type&limit=2&cursor=1-200-0", "")
	page := decode[struct {
		Rejected []Rejected
		Cursor   string
	}](t, body)
	if len(page.Rejected) != 2 || page.Cursor != "1-99-3" || page.Rejected[0].ID != "r0" || page.Rejected[1].Raw != "{" || page.Rejected[0].ReceivedAt.Unix() != 1 {
		t.Errorf("page %s", body)
	}
	if len(asked.Params) != 7 || asked.Params[0] != "web" || !strings.Contains(asked.SQL, "r._index < $7") || strings.Contains(asked.SQL, "Type") {
		t.Errorf("asked %q with %v", asked.SQL, asked.Params)
	}
	_, body = call(t, "GET", s.URL+"/api/v1/rejected", "")
	if !strings.Contains(body, `"cursor":""`) || len(asked.Params) != 0 || !strings.HasSuffix(asked.SQL, "LIMIT 50") {
		t.Errorf("the last page %s by %s", body, asked.SQL)
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/rejected?cursor=x", "")
	wantProblem(t, resp, body, 400, "invalid", "cursor")
	_, body = call(t, "GET", s.URL+"/api/v1/rejected/r0", "")
	if r := decode[Rejected](t, body); r.ID != "r0" || asked.Params[0] != "r0" {
		t.Errorf("record %s", body)
	}
	raws = nil
	for _, path := range []string{"GET /api/v1/rejected/r0", "POST /api/v1/rejected/r0/resend"} {
		method, path, _ := strings.Cut(path, " ")
		resp, body = call(t, method, s.URL+path, "")
		wantProblem(t, resp, body, 404, "not_found", `no rejected record "r0"`)
	}
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		return nil, millrace.Errorf(millrace.Unavailable, "restarted")
	}
	resp, body = call(t, "GET", s.URL+"/api/v1/rejected", "")
	wantProblem(t, resp, body, 503, "unavailable", "restarted")
}

// What came in a moment ago is waited for, as long as that takes little.
func TestRejectedOfThisMoment(t *testing.T) {
	t.Parallel()
	w := newWorld()
	arrived := false
	w.query = func(context.Context, warehouse.Query) (warehouse.Rows, error) {
		if arrived {
			return rejectedRows("{}"), nil
		}
		return rejectedRows(), nil
	}
	w.waitFor = func(context.Context, millrace.Position) error { arrived = true; return nil }
	s := start(t, w.options(t))
	for _, path := range []string{"/api/v1/rejected/r0", "/api/v1/rejected?after=last", "/api/v1/rejected?after=1-0-0"} {
		arrived = false
		if resp, body := call(t, "GET", s.URL+path, ""); resp.StatusCode != 200 || !strings.Contains(body, `"id":"r0"`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/rejected?after=x", "")
	wantProblem(t, resp, body, 400, "invalid", "position")
	w.waitFor = func(ctx context.Context, _ millrace.Position) error {
		return millrace.Errorf(millrace.Canceled, "behind")
	}
	resp, body = call(t, "GET", s.URL+"/api/v1/rejected?after=last", "")
	wantProblem(t, resp, body, 504, "canceled", "behind")
}

func TestResend(t *testing.T) {
	t.Parallel()
	w := newWorld()
	raw := `{"type":"track"}`
	w.query = func(context.Context, warehouse.Query) (warehouse.Rows, error) { return rejectedRows(raw), nil }
	s := start(t, w.options(t))
	path := s.URL + "/api/v1/rejected/r0/resend"
	resp, body := call(t, "POST", path, "")
	if resp.StatusCode != 200 || body != `{"rejected_id":"r0","id":"new","outcome":"accepted","position":"1-2-0"}`+"\n" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if r := w.resent[0]; string(r.Body) != raw || r.Source != "web" || r.Workspace != "default" || r.RejectedID != "r0" || r.Type != "track" {
		t.Errorf("resent %+v", r)
	}
	for given, want := range map[string]string{`{"body":{"n":12345678901234567890}}`: `{"n":12345678901234567890}`, `{}`: raw} {
		if resp, body = call(t, "POST", path, given); resp.StatusCode != 200 || string(w.resent[len(w.resent)-1].Body) != want {
			t.Errorf("%s: %d %s, resent %s", given, resp.StatusCode, body, w.resent[len(w.resent)-1].Body)
		}
	}
	w.resubmit = func(Resubmission) (Resubmitted, error) {
		return Resubmitted{ID: "m", Outcome: OutcomeDuplicate, Duplicates: 1}, nil
	}
	if _, body = call(t, "POST", path, ""); !strings.Contains(body, `"outcome":"duplicate","duplicates":1`) {
		t.Errorf("a duplicate: %s", body)
	}
	w.resubmit = func(Resubmission) (Resubmitted, error) {
		return Resubmitted{ID: "r9", Outcome: OutcomeRejected, Reason: "still no type"}, nil
	}
	if _, body = call(t, "POST", path, ""); !strings.Contains(body, `"outcome":"rejected","reason":"still no type"`) || strings.Contains(body, "position") {
		t.Errorf("rejected again: %s", body)
	}
	w.resubmit = func(Resubmission) (Resubmitted, error) {
		return Resubmitted{}, &millrace.Error{Kind: millrace.Limited, Message: "the disk is full", RetryAfter: time.Minute}
	}
	resp, body = call(t, "POST", path, "")
	wantProblem(t, resp, body, 429, "limited", "disk is full")
	n := len(w.resent)
	for broken, detail := range map[string]string{"{": "not JSON", "cut": "too large to be kept whole"} {
		raw = broken
		resp, body = call(t, "POST", path, "")
		wantProblem(t, resp, body, 409, "conflict", detail)
	}
	if len(w.resent) != n {
		t.Error("a broken record was sent again")
	}
}
