package serve

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// TestSpaces asks in two spaces: each has its own jobs, tables and caches, and
// paths that name none are of the first.
func TestSpaces(t *testing.T) {
	t.Parallel()
	one, two := newWorld(), newWorld()
	o := one.options(t)
	other := two.options(t).Space
	other.ID = "w2"
	o.Spaces = func(_ context.Context, name string) (*Space, error) {
		if name == "acme@staging" {
			return other, nil
		}
		return nil, millrace.Errorf(millrace.NotFound, "there is no workspace %q", name)
	}
	asked := map[*world][]string{}
	for _, w := range []*world{one, two} {
		w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			asked[w] = append(asked[w], q.Workspace)
			return nil, millrace.Errorf(millrace.Invalid, "no table")
		}
	}
	s := start(t, o)
	there := s.URL + "/api/v1/w/acme@staging"
	call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`)
	call(t, "POST", there+"/query", `{"sql":"SELECT 1"}`)
	call(t, "GET", there+"/tables", "")
	if strings.Join(asked[one], " ") != "default" || strings.Trim(strings.Join(asked[two], " "), "w2 ") != "" || len(asked[two]) < 2 {
		t.Errorf("asked in the first space %v, in the second %v", asked[one], asked[two])
	}
	resp, body := call(t, "POST", there+"/warehouse/rebuilds", "{}")
	made := decode[job.Job](t, body)
	if at := resp.Header.Get("Location"); resp.StatusCode != http.StatusAccepted || at != "/api/v1/w/acme@staging/jobs/"+made.ID {
		t.Fatalf("%d at %q: %s", resp.StatusCode, at, body)
	}
	if resp, body := call(t, "GET", s.URL+"/api/v1/jobs/"+made.ID, ""); resp.StatusCode != 404 {
		t.Errorf("a job of another space: %d %s", resp.StatusCode, body)
	}
	if resp, body := call(t, "GET", s.URL+resp.Header.Get("Location"), ""); resp.StatusCode != 200 {
		t.Errorf("the job where it was said to be: %d %s", resp.StatusCode, body)
	}
	for _, path := range []string{"/api/v1/w/nobody/status", "/api/v1/w//status", "/api/v1/w/nobody", "/api/v1/w/..%2fdefault/status"} {
		resp, body := call(t, "GET", s.URL+path, "")
		if resp.StatusCode != 404 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// TestWorkOfAJobStaysInItsSpace lets a job ask after its request is over.
func TestWorkOfAJobStaysInItsSpace(t *testing.T) {
	t.Parallel()
	sp := &Space{ID: "w2"}
	s := &server{}
	got, err := workIn(sp, func(ctx context.Context, _ func(job.Progress)) (any, error) { return s.space(ctx).ID, nil })(t.Context(), nil)
	if err != nil || got != "w2" {
		t.Errorf("worked in %v, %v", got, err)
	}
}

// TestEveryOperationNeedsSomething: what is open to all is a short list.
func TestEveryOperationNeedsSomething(t *testing.T) {
	t.Parallel()
	s := &server{mux: http.NewServeMux(), o: Options{}}
	s.routes()
	var open, people, everybody []string
	for _, op := range s.operations {
		switch {
		case (op.open || op.person) && op.needs != "":
			t.Errorf("%s is open, and needs %s", op.id, op.needs)
		case op.everybody && op.needs == "":
			everybody = append(everybody, op.id)
		case op.open:
			open = append(open, op.id)
		case op.person:
			people = append(people, op.id)
		case !op.needs.Known():
			t.Errorf("%s needs %q, which is no permission", op.id, op.needs)
		}
	}
	if got := strings.Join(everybody, " "); got != "list-workspaces" {
		t.Errorf("whoever asks is answered by %s", got)
	}
	slices.Sort(open)
	if got := strings.Join(open, " "); got != "accept-invitation complete-setup confirm-email end-session get-session healthz open-invitation readyz request-password-reset reset-password start-session" {
		t.Errorf("open to all are %s", got)
	}
	slices.Sort(people)
	if got := strings.Join(people, " "); got != "change-email change-password change-profile delete-account end-one-session end-other-sessions get-profile list-sessions" {
		t.Errorf("for who is signed in are %s", got)
	}
}

// TestARebuildShowsItsTables: what was remembered of the tables before is not
// told any more when the job is done.
func TestARebuildShowsItsTables(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	o.Space.catalogs.last, o.Space.catalogs.at = catalog{}, time.Now().Add(time.Hour)
	s := start(t, o)
	_, body := call(t, "POST", s.URL+"/api/v1/warehouse/rebuilds", "{}")
	id := decode[job.Job](t, body).ID
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		j, err := o.Jobs.Get(id)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", j, err)
		}
		if j.State == job.Done {
			break
		}
	}
	o.Space.catalogs.mu.Lock()
	defer o.Space.catalogs.mu.Unlock()
	if o.Space.catalogs.last != nil {
		t.Error("the tables of before are still remembered")
	}
}
