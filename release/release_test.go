package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
)

var kinds = project.Kinds{"sources": {"http": func() any { return new(collect.HTTPSource) }}}

var (
	production = Target{"w_shop", "production"}
	staging    = Target{"w_shop", "staging"}
	ada        = By{Actor: audit.Actor{Kind: audit.Person, ID: "p_1", Name: "Ada"}}
	ben        = By{Actor: audit.Actor{Kind: audit.Person, ID: "p_2", Name: "Ben"}}
)

const web = "kind: http\nwrite_keys: [web_2026]\n\n# Long enough.\ndedup: 7d\n"

// files are those of a project, with other texts for some.
func files(t testing.TB, texts map[string]string) *tree.Tree {
	t.Helper()
	all := map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": web}
	for path, text := range texts {
		if all[path] = text; text == "" {
			delete(all, path)
		}
	}
	made, err := tree.Of(all)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// A server is a process that runs projects.
type server struct {
	*Store
	t testing.TB

	mu      sync.Mutex
	now     string // the sources that run, and their windows
	applied []string
	refuse  func(running, files *tree.Tree) error // of Allow
	fail    func(p *project.Project) error        // of Apply
	ill     func(p *project.Project) error        // of Healthy
}

func newServer(t testing.TB, c catalog.Catalog) *server {
	t.Helper()
	s, err := New(Options{Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	return &server{Store: s, t: t}
}

// told says what a project has, for comparing.
func told(p *project.Project) string {
	if p == nil {
		return "nothing"
	}
	var parts []string
	for _, r := range p.Resources {
		text, _ := r.Config.(*collect.HTTPSource).Dedup.OrDefault().MarshalText()
		parts = append(parts, r.Name+" "+string(text))
	}
	return p.Config.Name + ": " + strings.Join(parts, ", ")
}

func (s *server) sw() Switch {
	return Switch{
		Load: func(_ context.Context, files fs.FS) (*project.Project, error) {
			return project.Load(files, kinds, project.Options{})
		},
		Allow: func(_ context.Context, running, files *tree.Tree) error {
			if s.refuse != nil {
				return s.refuse(running, files)
			}
			return nil
		},
		Apply: func(_ context.Context, p *project.Project) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.fail != nil {
				if err := s.fail(p); err != nil {
					return err
				}
			}
			s.now = told(p)
			s.applied = append(s.applied, s.now)
			return nil
		},
		Healthy: func(_ context.Context, p *project.Project) error {
			if s.ill != nil {
				return s.ill(p)
			}
			return nil
		},
		Time: 5 * time.Second,
	}
}

func (s *server) deploy(t Target, base int64, files *tree.Tree, by By, message string) (Deploy, error) {
	return s.Deploy(s.t.Context(), Proposal{Target: t, Base: base, Tree: files, Origin: FromDeploy, By: by, Message: message}, s.sw())
}

func (s *server) mustDeploy(t Target, base int64, files *tree.Tree, message string) Deploy {
	s.t.Helper()
	d, err := s.deploy(t, base, files, ada, message)
	if err != nil || d.State != Healthy {
		s.t.Fatalf("%+v, %v", d, err)
	}
	return d
}

func (s *server) runs(version int64, what string) {
	s.t.Helper()
	now, _, err := s.Running(s.t.Context(), production)
	if err != nil || now.Version != version || s.now != what {
		s.t.Errorf("the catalog says %d, here runs %q (%v), want %d, %q", now.Version, s.now, err, version, what)
	}
}

func wantKind(t testing.TB, err error, want millrace.Kind) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != want {
		t.Errorf("got %v (%s), want %s", err, millrace.KindOf(err), want)
	}
}

func TestOnBothEngines(t *testing.T) {
	t.Parallel()
	catalogtest.Each(t, map[string]func(*testing.T, catalog.Catalog){
		"Versions": testVersions, "Refused": testRefused, "Unhealthy": testUnhealthy, "Stale": testStale, "AtOnce": testAtOnce, "Promote": testPromote, "Rollback": testRollback,
		"Prune": testPrune, "Content": testContent, "Folder": testFolder, "Crashes": testCrashes, "Pages": testPages, "Never": testNeverChanged, "BackWithSecrets": testBackWithSecrets, "Stuck": testStuck, "CommitUnknown": testCommitUnknown,
		"Workspaces": testWorkspaces, "EnvironmentGone": testEnvironmentGone, "Asker": testAskerLeaves, "Allowed": testAllowed,
	})
}

func testVersions(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	if _, found, err := s.Running(ctx, production); found || err != nil {
		t.Errorf("runs before anything was deployed: %v", err)
	}
	one := s.mustDeploy(production, 0, files(t, nil), "the first")
	two := s.mustDeploy(production, 1, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1), "README.md": "hi\n"}), "longer")
	if one.Version != 1 || two.Version != 2 {
		t.Fatalf("%d, %d", one.Version, two.Version)
	}
	s.runs(2, "shop: web 30d")
	v, err := s.Version(ctx, "w_shop", 2)
	if err != nil || v.Parent != 1 || v.Author != ada.Actor || v.Message != "longer" || v.Origin != FromDeploy || v.Files != 3 || time.Since(v.Created) > time.Minute {
		t.Errorf("%+v, %v", v, err)
	}
	got, err := s.Diff(ctx, "w_shop", 1, 2)
	if err != nil || len(got) != 2 || got[0].Path != "README.md" || got[1].Path != "sources/web.yaml" {
		t.Errorf("%+v, %v", got, err)
	}
	same, err := s.deploy(production, 2, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1), "README.md": "hi\n"}), ben, "again")
	if err != nil || !same.Unchanged || same.Version != 2 {
		t.Errorf("%+v, %v", same, err)
	}
	p, err := s.Plan(ctx, production, plan.Options{New: files(t, map[string]string{"README.md": "hi\n"}), Kinds: kinds})
	if err != nil || p.From != 2 || len(p.Resources) != 1 || p.Outcome != plan.WithChanges {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err = s.Plan(ctx, production, plan.Options{To: 2, Kinds: kinds}); err != nil || p.Outcome != plan.NoChange {
		t.Errorf("%+v, %v", p, err)
	}
	runs, _, err := s.History(ctx, production, "", 10)
	if err != nil || len(runs) != 2 || runs[0].Version != 2 || !runs[0].Ended.IsZero() || runs[1].Version != 1 || !runs[1].Ended.Equal(runs[0].Began) {
		t.Errorf("%+v, %v", runs, err)
	}
	all, err := s.Environments(ctx, "w_shop")
	if err != nil || len(all) != 1 || all["production"].Version != 2 || all["production"].Previous != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	_, err = s.Version(ctx, "w_shop", 9)
	wantKind(t, err, millrace.NotFound)
	log, err := audit.New(audit.Options{Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	found, err := log.Search(ctx, audit.Filter{Workspace: "w_shop"}, "", 10)
	if err != nil || len(found.Entries) != 2 || found.Entries[0].Action != "release.deploy" || found.Entries[0].Object.ID != "2" || found.Entries[0].Note != "longer" || found.Entries[0].Actor.Name != "Ada" {
		t.Errorf("%+v, %v", found.Entries, err)
	}
}

func testRefused(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	d, err := s.deploy(production, 1, files(t, map[string]string{"sources/web.yaml": "kind: htp\n"}), ada, "")
	var problems project.Problems
	if !errors.As(err, &problems) || d.State != Refused || d.Version != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	s.runs(1, "shop: web 7d")
	_, err = s.deploy(production, 1, files(t, nil), ada, strings.Repeat("x", maxMessageBytes+1))
	wantKind(t, err, millrace.TooLarge)
	_, err = s.deploy(production, 1, nil, ada, "")
	wantKind(t, err, millrace.Invalid)
	if d := s.mustDeploy(production, 1, files(t, map[string]string{"a.md": "a"}), ""); d.Version != 2 { // no number was lost
		t.Errorf("version %d", d.Version)
	}
	if list, _, err := s.Deploys(t.Context(), production, "", 10); err != nil || len(list) != 3 || list[1].State != Refused || !strings.Contains(list[1].Error, "did you mean http?") {
		t.Errorf("%+v, %v", list, err)
	}
}

func testUnhealthy(t *testing.T, c catalog.Catalog) {
	longer := files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1)})
	bad := func(p *project.Project) error {
		if strings.Contains(told(p), "30d") {
			return errors.New("it answers nothing")
		}
		return nil
	}
	for name, set := range map[string]func(*server){
		"apply fails":  func(s *server) { s.fail = bad },
		"health fails": func(s *server) { s.ill = bad },
		"apply panics": func(s *server) {
			s.fail = func(p *project.Project) error {
				if bad(p) != nil {
					panic("it answers nothing")
				}
				return nil
			}
		},
		"health panics": func(s *server) {
			s.ill = func(p *project.Project) error { panic("it answers nothing") }
		},
	} {
		s := newServer(t, c)
		now, _, err := s.Running(t.Context(), production)
		if err != nil {
			t.Fatal(err)
		}
		if now.Version == 0 {
			now.Version = s.mustDeploy(production, 0, files(t, nil), "").Version
		}
		set(s)
		d, err := s.deploy(production, now.Version, longer, ada, "")
		if err == nil || d.State != RolledBack || !strings.Contains(err.Error(), "goes on") || !strings.Contains(err.Error(), "it answers nothing") {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		s.fail, s.ill = nil, nil
		s.runs(now.Version, "shop: web 7d")
		// The version is there, and can be tried again by its number.
		again, err := s.Deploy(t.Context(), Proposal{Target: production, Base: now.Version, Version: d.Version, By: ben}, s.sw())
		if err != nil || again.Version != d.Version {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
		s.runs(d.Version, "shop: web 30d")
		s.mustDeploy(production, d.Version, files(t, nil), "back for the next")
	}
	// The first version of all.
	s := newServer(t, c)
	s.ill = func(*project.Project) error { return errors.New("no") }
	if d, err := s.deploy(staging, 0, longer, ada, ""); d.State != RolledBack || err == nil || s.now != "nothing" {
		t.Errorf("%+v, %v, %q", d, err, s.now)
	}
}

func testStuck(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	broken := true
	s.fail = func(*project.Project) error {
		if broken {
			return errors.New("the disk is full")
		}
		return nil
	}
	next := files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1)})
	d, err := s.deploy(production, 1, next, ada, "")
	if d.State != Stuck || err == nil || !strings.Contains(err.Error(), "restart the server") {
		t.Fatalf("%+v, %v", d, err)
	}
	broken = false
	if err := s.Settle(t.Context(), production, s.sw()); err != nil || !strings.HasSuffix(s.now, "web 7d") {
		t.Errorf("%q, %v", s.now, err)
	}
	s.mustDeploy(production, 1, next, "")
	s.runs(3, "shop: web 30d")
}

func testStale(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	adas := files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1)})
	s.mustDeploy(production, 1, adas, "thirty days")
	// Ben began from version 1, and changes something else.
	_, err := s.deploy(production, 1, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "web_2026", "web_2026, web_ben", 1)}), ben, "")
	wantKind(t, err, millrace.Conflict)
	var stale *Stale
	if !errors.As(err, &stale) || stale.Running != 2 || stale.Base != 1 || stale.Author.Name != "Ada" || stale.Merge.Tree() == nil || !strings.Contains(err.Error(), `version 2 runs by now, made by Ada ("thirty days")`) {
		t.Fatalf("%v", err)
	}
	s.runs(2, "shop: web 30d")
	if d, err := s.deploy(production, stale.Running, stale.Merge.Tree(), ben, "with my key"); err != nil || d.Version != 3 {
		t.Fatal(err)
	}
	merged, err := s.Tree(t.Context(), "w_shop", 3)
	if text, _ := merged.Read("sources/web.yaml"); err != nil || string(text) != strings.NewReplacer("7d", "30d", "web_2026", "web_2026, web_ben").Replace(web) {
		t.Errorf("%s, %v", text, err)
	}
	// The same line.
	_, err = s.deploy(production, 1, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "24h", 1)}), ben, "")
	if !errors.As(err, &stale) || stale.Merge.Tree() != nil || len(stale.Merge.Conflicts()) != 1 || stale.Merge.Conflicts()[0].Field != "dedup" || !strings.Contains(err.Error(), "sources/web.yaml, dedup") {
		t.Fatalf("%v", err)
	}
	// Files that came from nowhere are never taken over what runs.
	if _, err = s.deploy(production, 0, adas, ben, ""); !errors.As(err, &stale) || stale.Merge.Tree() != nil {
		t.Errorf("%v", err)
	}
}

func testAtOnce(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	var all sync.WaitGroup
	results := make([]error, 6)
	for i := range results {
		all.Go(func() {
			_, results[i] = s.deploy(production, 1, files(t, map[string]string{fmt.Sprintf("f%d.md", i): "x"}), ada, "")
		})
	}
	all.Wait()
	done := 0
	for _, err := range results {
		if err == nil {
			done++
			continue
		}
		wantKind(t, err, millrace.Conflict)
	}
	if now, _, err := s.Running(t.Context(), production); done != 1 || now.Version != 2 || err != nil {
		t.Errorf("%d were deployed, version %d runs, %v", done, now.Version, err)
	}
}

func testPromote(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	s.mustDeploy(staging, 0, files(t, nil), "")
	d, err := s.Promote(ctx, production, 1, ada, "go", s.sw())
	if err != nil || d.Version != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	s.mustDeploy(staging, 1, files(t, map[string]string{"a.md": "a"}), "")
	s.mustDeploy(staging, 2, files(t, map[string]string{"a.md": "a2"}), "")
	if d, err = s.Promote(ctx, production, 3, ada, "go", s.sw()); err != nil || d.Version != 3 { // over 2, which never ran there
		t.Fatalf("%+v, %v", d, err)
	}
	if d, err = s.Promote(ctx, production, 3, ada, "go", s.sw()); err != nil || !d.Unchanged {
		t.Fatalf("%+v, %v", d, err)
	}
	// A hot fix in production that staging does not have.
	s.mustDeploy(production, 3, files(t, map[string]string{"a.md": "a2", "fix.md": "f"}), "fix")
	s.mustDeploy(staging, 3, files(t, map[string]string{"a.md": "a5"}), "")
	var stale *Stale
	_, err = s.Promote(ctx, production, 5, ada, "go", s.sw())
	if !errors.As(err, &stale) || stale.Base != 3 || stale.Running != 4 || stale.Merge.Tree() == nil || stale.Merge.Tree().Hash() != files(t, map[string]string{"a.md": "a5", "fix.md": "f"}).Hash() {
		t.Fatalf("%v", err)
	}
	d, err = s.Deploy(ctx, Proposal{Target: production, Base: stale.Running, Tree: stale.Merge.Tree(), Origin: FromPromote, Source: 5, By: ada}, s.sw())
	if err != nil || d.Version != 6 {
		t.Fatalf("%+v, %v", d, err)
	}
	// What is promoted next is compared with 5, which production has by now.
	s.mustDeploy(staging, 5, files(t, map[string]string{"a.md": "a7"}), "")
	if _, err = s.Promote(ctx, production, 7, ada, "go", s.sw()); !errors.As(err, &stale) || stale.Base != 5 || stale.Merge.Tree() == nil {
		t.Fatalf("%v", err)
	}
	_, err = s.Promote(ctx, production, 99, ada, "", s.sw())
	wantKind(t, err, millrace.NotFound)
}

func testRollback(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	_, err := s.Rollback(ctx, production, 0, 0, ada, "", s.sw())
	wantKind(t, err, millrace.Conflict)
	s.mustDeploy(production, 0, files(t, nil), "")
	_, err = s.Rollback(ctx, production, 0, 0, ada, "", s.sw())
	wantKind(t, err, millrace.Conflict)
	s.mustDeploy(production, 1, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1)}), "")
	_, err = s.Rollback(ctx, production, 0, 1, ada, "", s.sw())
	wantKind(t, err, millrace.Conflict)
	d, err := s.Rollback(ctx, production, 0, 2, ada, "", s.sw())
	if err != nil || d.Version != 3 || d.Source != 1 || d.Message != "Back to version 1" {
		t.Fatalf("%+v, %v", d, err)
	}
	s.runs(3, "shop: web 7d")
	if d, err = s.Rollback(ctx, production, 0, 3, ada, "forth", s.sw()); err != nil || d.Version != 4 {
		t.Fatalf("%+v, %v", d, err)
	}
	s.runs(4, "shop: web 30d")
	if d, err = s.Rollback(ctx, production, 2, 4, ada, "", s.sw()); err != nil || !d.Unchanged {
		t.Fatalf("%+v, %v", d, err)
	}
	// One that does not work any more is rolled back itself.
	s.ill = func(*project.Project) error { return errors.New("no") }
	if d, err = s.Rollback(ctx, production, 1, 4, ada, "", s.sw()); err == nil || d.State != RolledBack {
		t.Fatalf("%+v, %v", d, err)
	}
	s.runs(4, "shop: web 30d")
}

func testWorkspaces(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	other := Target{"w_other", "production"}
	if d := s.mustDeploy(other, 0, files(t, nil), ""); d.Version != 1 {
		t.Errorf("%+v", d)
	}
	if err := c.Update(ctx, func(tx catalog.Tx) error { return Purge(ctx, tx, "w_shop") }); err != nil {
		t.Fatal(err)
	}
	if list, _, err := s.Versions(ctx, "w_shop", "", 10); len(list) > 0 || err != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if got, err := s.Tree(ctx, "w_other", 1); err != nil || got.Hash() != files(t, nil).Hash() {
		t.Errorf("%v", err)
	}
	err := c.View(ctx, func(tx catalog.Tx) error {
		for _, table := range []string{"release_blob", "release_tree", "release_version", "release_running", "release_run", "release_deploy", "release_folder"} {
			if n, err := catalog.One[int](ctx, tx, "SELECT count(*) FROM "+table+" WHERE workspace = 'w_shop'"); n > 0 || err != nil {
				t.Errorf("%s has %d rows, %v", table, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func testEnvironmentGone(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	shared, own := files(t, nil), files(t, map[string]string{"own.md": "of staging alone"})
	s.mustDeploy(staging, 0, shared, "")
	s.mustDeploy(staging, 1, own, "")
	deployed := s.mustDeploy(production, 0, shared, "")
	purge := func() {
		t.Helper()
		if err := c.Update(ctx, func(tx catalog.Tx) error { return PurgeEnvironment(ctx, tx, staging, time.Now()) }); err != nil {
			t.Fatal(err)
		}
	}
	purge()
	purge() // as after a crash
	if _, err := s.Tree(ctx, "w_shop", 2); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("the files that staging alone had: %v", err)
	}
	if got, err := s.Tree(ctx, "w_shop", deployed.Version); err != nil || got.Hash() != shared.Hash() {
		t.Errorf("the files that run in production: %v", err)
	}
	if _, runs, err := s.Running(ctx, staging); runs || err != nil {
		t.Errorf("staging runs %v, %v", runs, err)
	}
	if now, _, err := s.Running(ctx, production); now.Version != deployed.Version || err != nil {
		t.Errorf("production runs %+v, %v", now, err)
	}
	err := c.View(ctx, func(tx catalog.Tx) error {
		for _, table := range []string{"release_running", "release_run", "release_deploy", "release_folder"} {
			if n, err := catalog.One[int](ctx, tx, "SELECT count(*) FROM "+table+" WHERE environment = 'staging'"); n > 0 || err != nil {
				t.Errorf("%s has %d rows, %v", table, n, err)
			}
		}
		n, err := catalog.One[int](ctx, tx, "SELECT count(*) FROM release_blob WHERE workspace = 'w_shop'")
		if n != len(shared.Files()) {
			t.Errorf("%d files are kept, %d are production's", n, len(shared.Files()))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func testNeverChanged(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	if err := c.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE release_version SET message = 'other'")
		return err
	}); err == nil {
		t.Error("a version was changed")
	}
}

func testPages(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	for i := range int64(5) {
		s.mustDeploy(production, i, files(t, map[string]string{"n.md": fmt.Sprint(i)}), "")
	}
	var got []int64
	for cursor := ""; ; {
		list, next, err := s.Versions(ctx, "w_shop", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			got = append(got, v.Number)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("%v", got)
	}
	if list, next, err := s.Deploys(ctx, production, "3", 2); err != nil || len(list) != 2 || list[0].Number != 2 || next != "" {
		t.Errorf("%+v, %q, %v", list, next, err)
	}
	for _, c := range []struct {
		cursor string
		limit  int
	}{{"x", 1}, {"-1", 1}, {"", 0}, {"", MaxPage + 1}} {
		_, _, err := s.Versions(ctx, "w_shop", c.cursor, c.limit)
		wantKind(t, err, millrace.Invalid)
	}
}

func testAskerLeaves(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	for _, at := range []string{"proposed", "validated", "switching", "applied", "checking"} {
		ctx, cancel := context.WithCancel(t.Context())
		s.step = func(step string) {
			if step == at {
				cancel()
			}
		}
		now, _, _ := s.Running(t.Context(), production)
		d, err := s.Deploy(ctx, Proposal{Target: production, Base: now.Version, Tree: files(t, map[string]string{"at.md": at}), Origin: FromPage, By: ben}, s.sw())
		if begun := slices.Contains([]string{"switching", "applied", "checking"}, at); begun != (err == nil) || d.Ended.IsZero() {
			t.Errorf("%s: %+v, %v", at, d, err)
		}
		cancel()
	}
}

func openSQLite(t testing.TB) catalog.Catalog {
	t.Helper()
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A whole deployment, without what the server itself does.
func BenchmarkDeploy(b *testing.B) {
	texts := map[string]string{}
	for i := range 300 {
		texts[fmt.Sprintf("sources/s%d.yaml", i)] = fmt.Sprintf("kind: http\nwrite_keys: [key_%d]\n", i)
	}
	s := newServer(b, openSQLite(b))
	base := s.mustDeploy(production, 0, files(b, texts), "").Version
	for i := 0; b.Loop(); i++ {
		texts["README.md"] = fmt.Sprint(i)
		base = s.mustDeploy(production, base, files(b, texts), "").Version
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/deploy")
}
