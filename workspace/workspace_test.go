package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/workspace"
)

func TestStore(t *testing.T) {
	t.Parallel()
	catalogtest.Each(t, map[string]func(*testing.T, catalog.Catalog){
		"first": testFirst, "create": testCreate, "names": testNames, "list": testList, "suspend": testSuspend, "delete": testDelete,
		"environments": testEnvironments, "record": testRecord, "standby": testStandby, "watch": testWatch, "purge": testPurge,
		"purge faults": testPurgeFaults, "life": testLife, "meter": testMeter, "meter crashes": testMeterCrashes, "two meters": testTwoMeters, "trimmed": testTrimmed, "stopped": testStoppedMeter,
		"notices": testNotices,
		"stored":  testStored, "usage": testUsage, "usage of the purged": testUsageOfPurged, "ungated": testUngated,
	})
}

// A world is a store on a clock that stands until it is moved.
type world struct {
	*workspace.Store
	t       *testing.T
	catalog catalog.Catalog

	mu      sync.Mutex
	now     time.Time
	changes []workspace.Change
	refuse  error // of Record
	o       workspace.Options
}

var begin = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

func open(t *testing.T, c catalog.Catalog, change ...func(*workspace.Options)) *world {
	t.Helper()
	w := &world{t: t, catalog: c, now: begin}
	w.o = workspace.Options{Catalog: c, Record: w.record, Now: w.time}
	for _, f := range change {
		f(&w.o)
	}
	w.Store = w.again()
	return w
}

// again opens the store as another server would.
func (w *world) again() *workspace.Store {
	w.t.Helper()
	s, err := workspace.Open(w.t.Context(), w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) record(_ context.Context, _ catalog.Tx, c workspace.Change) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, c)
	return w.refuse
}

// actions are those since the last call.
func (w *world) actions() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.changes {
		all = append(all, c.Action)
	}
	w.changes = nil
	return all
}

func (w *world) create(name string) workspace.Workspace {
	w.t.Helper()
	ws, err := w.Create(w.t.Context(), workspace.New{Name: name}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return ws
}

// rows are how many rows of all tables mention one of the texts.
func (w *world) rows(texts ...string) (n int) {
	w.t.Helper()
	err := w.catalog.View(w.t.Context(), func(tx catalog.Tx) error {
		n = 0
		for table, columns := range map[string]string{
			"workspace": "id || name || title", "workspace_name": "name || workspace", "environment": "space || workspace || name",
			"purge_step": "space", "usage_day": "space", "usage_notice": "workspace",
		} {
			all, err := catalog.All[string](w.t.Context(), tx, "SELECT "+columns+" FROM "+table)
			if err != nil {
				return err
			}
			for _, row := range all {
				if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(row, text) }) {
					n++
				}
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func wantKind(t *testing.T, kind millrace.Kind, err error, texts ...string) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != kind {
		t.Errorf("%v, want %s", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("%q is not in: %v", text, err)
		}
	}
}

func ok(t *testing.T) func(workspace.Workspace, error) workspace.Workspace {
	return func(w workspace.Workspace, err error) workspace.Workspace {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
}

// The first start makes the workspace that today's data is in, once.
func testFirst(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	for range 2 {
		sp, found := w.Spaces().Find("default")
		if !found || sp.ID != millrace.DefaultWorkspace || sp.Name != "default" || !sp.Main || sp.Environment != "production" || sp.State != workspace.Active || w.Spaces().Len() != 1 {
			t.Fatalf("%+v", sp)
		}
		w.Store = w.again()
	}
	if got := w.actions(); !slices.Equal(got, []string{"workspace.create"}) {
		t.Error(got)
	}
	id := w.Spaces().Of("")
	if id != nil {
		t.Error(id)
	}
	sp, _ := w.Spaces().Space("default")
	_, err := w.Delete(t.Context(), sp.Workspace)
	wantKind(t, millrace.Conflict, err, "cannot be deleted")
	_, err = w.DeleteEnvironment(t.Context(), "default")
	wantKind(t, millrace.Conflict, err)
	// Renamed, its space goes on to be default, and nobody else is called so.
	ok(t)(w.Rename(t.Context(), sp.Workspace, "acme"))
	w.pass(365 * 24 * time.Hour)
	_, err = w.Create(t.Context(), workspace.New{Name: "default"}, nil)
	wantKind(t, millrace.Invalid, err, "reserved")
	w.Store = w.again()
	if again, found := w.Spaces().Find("default"); !found || again.Address() != "acme" || w.Spaces().Len() != 1 {
		t.Errorf("%+v", again)
	}
}

func testCreate(t *testing.T, c catalog.Catalog) {
	w := open(t, c, func(o *workspace.Options) { o.Quotas = workspace.Quotas{EventsPerDay: limit(1000)} })
	w.actions()
	var also string
	acme, err := w.Create(t.Context(), workspace.New{Name: "acme", Title: "Acme & Söhne"}, func(_ catalog.Tx, made workspace.Workspace) error {
		also = made.ID
		return nil
	})
	if err != nil || also != acme.ID || acme.Title != "Acme & Söhne" || len(acme.Environments) != 1 || acme.Main != acme.Environments[0].Space || !strings.HasPrefix(acme.ID, "w_") {
		t.Fatalf("%+v %v", acme, err)
	}
	if n, _ := acme.Quotas.Of(workspace.EventsPerDay); n != 1000 || !acme.Created.Equal(begin) {
		t.Errorf("%+v", acme)
	}
	for _, address := range []string{"acme", "acme@production", acme.Main} {
		if sp, found := w.Spaces().Find(address); !found || sp.ID != acme.Main || sp.Workspace != acme.ID || sp.Address() != "acme" {
			t.Errorf("%s: %+v", address, sp)
		}
	}
	failed := errors.New("no")
	if _, err := w.Create(t.Context(), workspace.New{Name: "beta"}, func(catalog.Tx, workspace.Workspace) error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if _, found := w.Spaces().Find("beta"); found || w.rows("beta") != 0 {
		t.Error("half a workspace is there")
	}
	if got, err := w.Get(t.Context(), acme.ID); err != nil || got.Name != "acme" {
		t.Errorf("%+v %v", got, err)
	}
	_, err = w.Get(t.Context(), "w_nobody")
	wantKind(t, millrace.NotFound, err)
	if got := w.actions(); !slices.Equal(got, []string{"workspace.create", "workspace.create"}) {
		t.Error(got)
	}
	for name, n := range map[string]workspace.New{
		"name": {Name: "A"}, "title": {Name: "okay", Title: "a\u202eb"}, "environment": {Name: "okay", Environment: "Prod"}, "long": {Name: "okay", Title: strings.Repeat("x", 101)},
	} {
		if _, err := w.Create(t.Context(), n, nil); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func limit(n int64) *int64 { return &n }

// Names are one's own, also those that look alike, and for a time the old ones.
func testNames(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme, beta := w.create("acme-inc"), w.create("beta")
	for _, name := range []string{"acme-inc", "acmeinc", "acme-1nc", "acme-lnc", "acrne-inc"} {
		_, err := w.Create(t.Context(), workspace.New{Name: name}, nil)
		wantKind(t, millrace.Conflict, err, "taken, or looks like")
		_, err = w.Rename(t.Context(), beta.ID, name)
		wantKind(t, millrace.Conflict, err)
	}
	acme = ok(t)(w.Rename(t.Context(), acme.ID, "acmeinc")) // its own looks
	acme = ok(t)(w.Rename(t.Context(), acme.ID, "zenith"))
	if len(acme.OldNames) != 2 || acme.Name != "zenith" || acme.Title != "zenith" {
		t.Errorf("%+v", acme)
	}
	for _, address := range []string{"zenith", "acme-inc", "acmeinc@production", "zenith@production"} {
		if sp, found := w.Spaces().Find(address); !found || sp.Address() != "zenith" {
			t.Errorf("%s: %+v", address, sp)
		}
	}
	_, err := w.Rename(t.Context(), beta.ID, "acme-inc")
	wantKind(t, millrace.Conflict, err)
	w.pass(91 * 24 * time.Hour)
	if sp, found := w.Spaces().Find("acme-inc"); found {
		t.Errorf("an old name goes on for ever: %+v", sp)
	}
	beta = ok(t)(w.Rename(t.Context(), beta.ID, "acme-inc"))
	if sp, _ := w.Spaces().Find("acme-inc"); sp.Workspace != beta.ID {
		t.Errorf("%+v", sp)
	}
	acme = ok(t)(w.SetTitle(t.Context(), acme.ID, "Zenith"))
	if acme = ok(t)(w.Rename(t.Context(), acme.ID, "apex")); acme.Title != "Zenith" {
		t.Errorf("a title of its own went with the name: %s", acme.Title)
	}
	if sp, _ := w.Spaces().Find("acme-inc"); sp.Workspace != beta.ID || acme.Title != "Zenith" || len(acme.OldNames) != 1 {
		t.Errorf("%+v %+v", sp, acme)
	}
	// Back to an old name, and no more of them than one may keep.
	for i := range 8 {
		ok(t)(w.Rename(t.Context(), beta.ID, fmt.Sprintf("gamma-%c", 'a'+i)))
		w.pass(time.Second)
	}
	beta = ok(t)(w.Rename(t.Context(), beta.ID, "gamma-g"))
	if len(beta.OldNames) > 5 || beta.Name != "gamma-g" || beta.OldNames[0].Name != "gamma-h" {
		t.Errorf("%+v", beta.OldNames)
	}
	w.create("gamma-a") // is free again
	ok(t)(w.Rename(t.Context(), beta.ID, "gamma-g"))
}

func testList(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	var ids []string
	for i := range 7 {
		ids = append(ids, w.create(fmt.Sprintf("team-%c", 'a'+i)).ID)
	}
	ok(t)(w.Suspend(t.Context(), ids[3], ""))
	all := func(o workspace.ListOptions) (names []string) {
		for {
			page, err := w.List(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, ws := range page {
				names = append(names, ws.Name)
				if len(ws.Environments) != 1 {
					t.Errorf("%+v", ws)
				}
			}
			if len(page) < max(o.Limit, 1) {
				return names
			}
			o.After = names[len(names)-1]
		}
	}
	for name, c := range map[string]struct {
		o    workspace.ListOptions
		want string
	}{
		"all":       {workspace.ListOptions{Limit: 3}, "default team-a team-b team-c team-d team-e team-f team-g"},
		"one":       {workspace.ListOptions{Limit: 1, After: "team-e"}, "team-f team-g"},
		"suspended": {workspace.ListOptions{State: workspace.Suspended, Limit: 2}, "team-d"},
		"only":      {workspace.ListOptions{Only: []string{ids[2], ids[0], "w_no"}, Limit: 1}, "team-a team-c"},
		"none":      {workspace.ListOptions{Only: []string{}, Limit: 2}, ""},
	} {
		if got := strings.Join(all(c.o), " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A change and its record are one: without the one there is not the other.
func testRecord(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	staging, _ := w.Spaces().Find("acme@staging")
	refused := errors.New("the audit log is full")
	ctx := t.Context()
	for name, change := range map[string]func() error{
		"create":                func() error { _, err := w.Create(ctx, workspace.New{Name: "beta"}, nil); return err },
		"rename":                func() error { _, err := w.Rename(ctx, acme.ID, "beta"); return err },
		"title":                 func() error { _, err := w.SetTitle(ctx, acme.ID, "beta"); return err },
		"quotas":                func() error { _, err := w.SetQuotas(ctx, acme.ID, workspace.Quotas{Members: limit(1)}); return err },
		"suspend":               func() error { _, err := w.Suspend(ctx, acme.ID, "beta"); return err },
		"delete":                func() error { _, err := w.Delete(ctx, acme.ID); return err },
		"environment":           func() error { _, err := w.AddEnvironment(ctx, acme.ID, "beta"); return err },
		"rename of environment": func() error { _, err := w.RenameEnvironment(ctx, staging.ID, "beta"); return err },
		"main":                  func() error { _, err := w.SetMain(ctx, staging.ID); return err },
		"delete of environment": func() error { _, err := w.DeleteEnvironment(ctx, staging.ID); return err },
	} {
		w.mu.Lock()
		w.refuse = refused
		w.mu.Unlock()
		before := w.Spaces()
		if err := change(); !errors.Is(err, refused) {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Refresh(ctx); err != nil || w.Spaces() != before {
			t.Errorf("%s: something has changed: %v", name, err)
		}
		w.mu.Lock()
		w.refuse = nil
		w.mu.Unlock()
	}
	w.actions()
	quotas := workspace.Quotas{Members: limit(1)}
	for range 2 { // what changes nothing leaves no record
		ok(t)(w.Rename(ctx, acme.ID, "acme"))
		ok(t)(w.SetTitle(ctx, acme.ID, "acme"))
		ok(t)(w.SetQuotas(ctx, acme.ID, workspace.Quotas{}))
		ok(t)(w.Resume(ctx, acme.ID))
		ok(t)(w.Undelete(ctx, acme.ID))
		ok(t)(w.SetMain(ctx, acme.Main))
		ok(t)(w.RenameEnvironment(ctx, staging.ID, "staging"))
		ok(t)(w.UndeleteEnvironment(ctx, staging.ID))
	}
	if got := w.actions(); len(got) != 0 {
		t.Error(got)
	}
	ok(t)(w.SetQuotas(ctx, acme.ID, quotas))
	if c := w.changes[0]; c.Workspace != acme.ID || c.ID != acme.ID || c.Name != "acme" || c.After == nil || c.Before == nil {
		t.Errorf("%+v", c)
	}
}
