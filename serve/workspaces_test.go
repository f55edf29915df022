package serve

import (
	"context"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	meta "github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// tenants makes options of a server with the workspaces default and other, each
// with a space of w.
func (w *world) tenants(t *testing.T) (Options, workspace.Workspace) {
	t.Helper()
	o := w.guarded(t)
	store, err := sqlite.Open(t.Context(), sqlite.Options{File: t.TempDir() + "/catalog.db"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	o.Workspaces, err = workspace.Open(t.Context(), workspace.Options{Catalog: store, Record: func(ctx context.Context, _ meta.Tx, c workspace.Change) error {
		e := audit.Entry{Actor: audit.Actor{Kind: audit.System, Name: "test"}, Action: c.Action, Object: audit.Object{Kind: "workspace", ID: c.ID, Name: c.Name}, Workspace: c.Workspace, Before: c.Before, After: c.After}
		if by, ok := CallerOf(ctx); ok {
			e.Actor = ActorOf(by.Principal)
		}
		return o.Audit.Write(ctx, e)
	}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := o.Workspaces.Create(t.Context(), workspace.New{Name: "other"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	there := newWorld().options(t).Space
	there.ID, there.Workspace = other.Main, other.ID
	o.Spaces = func(_ context.Context, name string) (*Space, error) {
		spaces := o.Workspaces.Spaces()
		sp, ok := spaces.Find(name)
		if of := spaces.Of(name); !ok && len(of) > 0 {
			sp, ok = of[0], true
		}
		switch {
		case !ok:
			return nil, NoSpace(name)
		case sp.Workspace != other.ID:
			return o.Space, nil
		}
		return &Space{ID: sp.ID, Workspace: sp.Workspace, Open: func(context.Context) (*Space, func(), error) {
			now, _ := o.Workspaces.Spaces().Space(sp.ID)
			return there, func() {}, now.Usable()
		}}, nil
	}
	return o, other
}

// TestWorkspaces makes, changes, suspends, deletes and has back a workspace.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	o, _ := newWorld().tenants(t)
	s := start(t, o)
	steps := []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "", `{"name":"acme","title":"Acme Ltd"}`, 201, `"address":"acme"`},
		{"POST", "", `{"name":"acrne"}`, 409, "looks like one"},
		{"POST", "", `{"name":"x"}`, 422, "name"},
		{"GET", "/acme", "", 200, `"title":"Acme Ltd"`},
		{"GET", "/nobody", "", 404, "no workspace"},
		{"POST", "/acme/owner", `{"email":"ada@acme.example"}`, 201, `/invitation#mr_inv_`},
		{"POST", "/nobody/owner", `{}`, 404, "no workspace"},
		{"POST", "/acme/environments", `{"name":"staging"}`, 201, `"address":"acme@staging"`},
		{"DELETE", "/acme/environments/production", "", 409, "is the default one"},
		{"PATCH", "/acme/environments/staging", `{"name":"e2e","main":true}`, 200, `"address":"acme","space":`},
		{"DELETE", "/acme/environments/production", "", 200, `"state":"deleted"`},
		{"POST", "/acme/environments/production/undelete", "", 200, `"address":"acme@production"`},
		{"DELETE", "/acme/environments/nothing", "", 404, "it has e2e, production"},
		{"PATCH", "/acme", `{"name":"acme-group"}`, 200, `"old_names":[{"name":"acme"`},
		{"GET", "/acme", "", 200, `"name":"acme-group"`},
		{"PUT", "/acme/quotas", `{"events_per_day":10}`, 200, `"quotas":{"events_per_day":10}`},
		{"PUT", "/acme/quotas", `{"events_per_day":-1}`, 400, "cannot be -1"},
		{"GET", "/acme/usage", "", 200, `{"quota":"events_per_day","used":0,"limit":10}`},
		{"GET", "/acme/usage?from=yesterday", "", 400, "is no day"},
		{"GET", "/acme/usage/export?format=csv", "", 200, "day,workspace,environment"},
		{"POST", "/acme/suspend", `{"reason":"unpaid"}`, 200, `"reason":"unpaid"`},
		{"POST", "/acme/resume", "", 200, `"state":"active"`},
		{"DELETE", "/acme", "", 200, `"purge_after"`},
		{"PATCH", "/acme", `{"title":"x"}`, 200, `"state":"deleted"`},
		{"POST", "/acme/undelete", "", 200, `"state":"active"`},
		{"DELETE", "/default", "", 409, "cannot be deleted"},
		{"GET", "", "", 200, `"here":{"workspace":"default","space":"default"`},
		{"GET", "?limit=1", "", 200, `"next":"acme-group"`},
		{"GET", "?state=deleted", "", 200, `"workspaces":[]`},
	}
	for _, step := range steps {
		resp, text := call(t, step.method, s.URL+"/api/v1/workspaces"+step.path, step.body)
		if resp.StatusCode != step.status || !strings.Contains(text, step.says) {
			t.Errorf("%s %s: %d %s; want %d with %s", step.method, step.path, resp.StatusCode, text, step.status, step.says)
		}
	}
	_, text := call(t, "GET", s.URL+"/api/v1/server/audit?action=workspace", "")
	for _, want := range []string{"workspace.create", "workspace.rename", "workspace.suspend", "workspace.delete", `"actor_kind":"local"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit trail lacks %s: %s", want, text)
		}
	}
}

// TestAKeyIsOfItsSpace asks without naming a workspace: a key is about its own.
func TestAKeyIsOfItsSpace(t *testing.T) {
	t.Parallel()
	o, other := newWorld().tenants(t)
	log := newLog(t)
	o.Log, o.Transfer = log, &depot{log: log}
	s := start(t, o)
	resp, text := call(t, "POST", s.URL+"/api/v1/w/other/keys", `{"name":"reports","role":"owner","all_environments":true}`)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	key := "Bearer " + decode[NewAPIKey](t, text).Token
	if resp, text := call(t, "GET", s.URL+"/api/v1/workspaces", "", headers(key)...); resp.StatusCode != 200 || !strings.Contains(text, `"here":{"workspace":"`+other.ID) || strings.Contains(text, `"default"`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/w/other/status", "/api/v1/w/" + other.Main + "/status"} {
		if resp, text := call(t, "GET", s.URL+path, "", headers(key)...); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	if resp, text := call(t, "GET", s.URL+"/api/v1/w/default/status", "", headers(key)...); resp.StatusCode != 404 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if _, err := o.Workspaces.Suspend(t.Context(), other.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/w/other/status", "/api/v1/export/records", "/api/v1/export/files", "/api/v1/export/audit"} {
		if resp, text := call(t, "GET", s.URL+path, "", headers(key)...); resp.StatusCode != 403 || !strings.Contains(text, "is suspended (unpaid)") {
			t.Errorf("%s of a workspace that is suspended: %d %s", path, resp.StatusCode, text)
		}
	}
	if resp, text := call(t, "GET", s.URL+"/api/v1/workspaces/other", "", headers(key)...); resp.StatusCode != 200 || !strings.Contains(text, "unpaid") {
		t.Errorf("its people see why: %d %s", resp.StatusCode, text)
	}
	if resp, text := call(t, "DELETE", s.URL+"/api/v1/workspaces/other", "", headers(key)...); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/export/records", "/api/v1/export/files", "/api/v1/export/audit"} {
		if resp, text := call(t, "GET", s.URL+path, "", headers(key)...); resp.StatusCode != 404 || !strings.Contains(text, "other was deleted, and is deleted for good after 20") {
			t.Errorf("%s of a workspace that was deleted: %d %s", path, resp.StatusCode, text)
		}
	}
	if resp, text := call(t, "POST", s.URL+"/api/v1/workspaces/other/undelete", "", headers(key)...); resp.StatusCode != 200 {
		t.Errorf("its owner has it back: %d %s", resp.StatusCode, text)
	}
}

// TestNobodyCrossesWorkspaces walks the operations whose paths name a workspace,
// with a key of another one and one that may do nothing of what is asked.
func TestNobodyCrossesWorkspaces(t *testing.T) {
	t.Parallel()
	o, other := newWorld().tenants(t)
	s := start(t, o)
	_, owner := makeKey(t, s.URL, `{"name":"everything","role":"owner","all_environments":true}`)
	_, little := makeKey(t, s.URL, `{"name":"next to nothing","permissions":["secret:list"]}`)
	described := &server{mux: http.NewServeMux(), o: Options{}}
	described.routes()
	walked := 0
	for _, op := range described.operations {
		if !op.about() {
			continue
		}
		walked++
		path := func(name string) string {
			return regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(strings.Replace(op.path, "{workspace}", name, 1), "x")
		}
		_, nowhere := call(t, op.method, s.URL+path("nowhere"), "{}", headers(owner)...)
		for _, name := range []string{"other", other.ID, other.Main, "other@production"} {
			resp, text := call(t, op.method, s.URL+path(name), "{}", headers(owner)...)
			status := http.StatusNotFound
			if permissionLevels[op.needs] == access.OfServer { // whoever may not do it to any is told so
				status = http.StatusForbidden
			}
			if resp.StatusCode != status || detail(t, text) != strings.ReplaceAll(detail(t, nowhere), "nowhere", name) {
				t.Errorf("%s of another workspace: %d %s; of one that is not there: %s", op.id, resp.StatusCode, text, nowhere)
			}
		}
		resp, text := call(t, op.method, s.URL+path("default"), "{}", headers(little)...)
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(text, string(op.needs)) {
			t.Errorf("%s without %s: %d %s", op.id, op.needs, resp.StatusCode, text)
		}
	}
	if walked < 12 {
		t.Errorf("%d operations were walked", walked)
	}
	if now, err := o.Workspaces.Get(t.Context(), other.ID); err != nil || now.State != workspace.Active || len(now.Environments) != 1 || len(now.OldNames) != 0 {
		t.Errorf("the other workspace is %+v, %v", now, err)
	}
}

// TestTablesOfAnotherEnvironment: who looks for a table that is not there is told in
// which environment they did, and where they can besides.
func TestTablesOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(context.Context, warehouse.Query) (warehouse.Rows, error) {
		return nil, millrace.Errorf(millrace.Invalid, "there is no table web.orders: a table is made with the first event of its name")
	}
	o, _ := w.tenants(t)
	o.Space.Results = struct{ Results }{} // which no query gets to
	s := start(t, o)
	asks := func(key string) (texts []string) {
		for _, path := range []string{"/api/v1/query", "/api/v1/results"} {
			var with []string
			if key != "" {
				with = headers("Bearer " + key)
			}
			_, text := call(t, "POST", s.URL+path, `{"sql":"SELECT * FROM web.orders"}`, with...)
			if !strings.Contains(text, "there is no table web.orders") {
				t.Fatalf("%s: %s", path, text)
			}
			texts = append(texts, path+": "+text)
		}
		return texts
	}
	for _, text := range asks("") {
		if strings.Contains(text, "environment") {
			t.Errorf("there is one environment: %s", text)
		}
	}
	if _, err := o.Workspaces.AddEnvironment(t.Context(), "default", "staging"); err != nil {
		t.Fatal(err)
	}
	for _, text := range asks("") {
		// Nothing of the other workspace.
		if !strings.Contains(text, `this is the environment production, and each has tables of its own: those of another are asked for in default@staging"`) {
			t.Errorf("does not say where: %s", text)
		}
	}
	// To who may ask in one alone, the others are not named.
	resp, text := call(t, "POST", s.URL+"/api/v1/keys", `{"name":"reports","role":"analyst"}`)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	for _, text := range asks(decode[NewAPIKey](t, text).Token) {
		if strings.Contains(text, "staging") {
			t.Errorf("names an environment that is not theirs: %s", text)
		}
	}
}

// TestToldBefore: of notices of quotas those of the 30 days before today are told.
func TestToldBefore(t *testing.T) {
	t.Parallel()
	today := int64(20_000)
	at := func(day int64) time.Time { return workspace.DayStart(day).Add(9 * time.Hour) }
	var notices []workspace.Notice
	for _, ago := range []int64{0, 1, 30, 31} {
		notices = append(notices, workspace.Notice{Day: today - ago, Quota: workspace.EventsPerDay, Percent: 80, Told: at(today - ago).Local()})
	}
	got := toldBefore(notices, today)
	want := []QuotaNotice{{workspace.EventsPerDay, "2024-10-03", 80, at(today - 1)}, {workspace.EventsPerDay, "2024-09-04", 80, at(today - 30)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
	if got := toldBefore(nil, today); got == nil || len(got) != 0 {
		t.Errorf("of none it is told %v", got)
	}
}
