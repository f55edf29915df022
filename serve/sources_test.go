package serve

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A name that is no source's is refused at once; a source that has left the
// project is still known to the warehouse.
func TestUnknownSource(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		if !strings.Contains(q.SQL, "information_schema") {
			return rejectedRows(), nil
		}
		if q.Params[0] == "gone" {
			return rejectedRows("{}"), nil
		}
		if q.Params[0] == "away" {
			return nil, millrace.Errorf(millrace.Unavailable, "restarting")
		}
		return rejectedRows(), nil
	}
	s := start(t, w.options(t))
	for _, call1 := range []string{"GET /api/v1/tail?source=nosuch", "GET /api/v1/rejected?source=nosuch", "POST /api/v1/warehouse/rebuilds"} {
		method, path, _ := strings.Cut(call1, " ")
		body := ""
		if method == "POST" {
			body = `{"source":"nosuch"}`
		}
		resp, answer := call(t, method, s.URL+path, body)
		wantProblem(t, resp, answer, 404, "not_found", `no source "nosuch": the project has ios, web`)
	}
	for _, known := range []string{"web", "gone", "away", "millrace"} {
		if resp, answer := call(t, "GET", s.URL+"/api/v1/rejected?source="+known, ""); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", known, resp.StatusCode, answer)
		}
	}
	if resp, answer := call(t, "POST", s.URL+"/api/v1/warehouse/rebuilds", `{"source":"gone"}`); resp.StatusCode != 202 {
		t.Errorf("rebuild: %d %s", resp.StatusCode, answer)
	}
}
