package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/workspace"
)

func (w *world) meter(change ...func(*workspace.MeterOptions)) *workspace.Meter {
	w.t.Helper()
	o := workspace.MeterOptions{Store: w.Store, Log: mem.New(mem.Options{Now: w.time}), Now: w.time, Every: time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	m, err := workspace.NewMeter(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func testSuspend(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	m := w.meter()
	acme := w.create("acme")
	if yes, _, _ := m.Admit(acme.Main, w.time(), 1, 1); !yes || m.AdmitQuery(acme.Main, w.time()) != nil {
		t.Error("an active workspace is refused")
	}
	ok(t)(w.Suspend(t.Context(), acme.ID, "unpaid"))
	// At first senders are to keep what they have, and then to give up.
	for passed, later := range map[time.Duration]bool{0: true, 23 * time.Hour: true, 24 * time.Hour: false, 1000 * time.Hour: false} {
		yes, wait, reason := m.Admit(acme.Main, begin.Add(passed), 1, 1)
		if yes || (wait > 0) != later || wait > 301*time.Second || later && wait < 240*time.Second || !strings.Contains(reason, "acme is suspended (unpaid)") {
			t.Errorf("after %s: %t %s %s", passed, yes, wait, reason)
		}
	}
	wantKind(t, millrace.Forbidden, m.AdmitQuery(acme.Main, w.time()), "acme is suspended (unpaid)")
	w.pass(time.Hour)
	acme = ok(t)(w.Suspend(t.Context(), acme.ID, "unpaid for long")) // which is the same suspension
	if !acme.Since.Equal(begin) || acme.Reason != "unpaid for long" {
		t.Errorf("%+v", acme)
	}
	ok(t)(w.Rename(t.Context(), acme.ID, "zenith"))
	acme = ok(t)(w.Resume(t.Context(), acme.ID))
	if yes, _, _ := m.Admit(acme.Main, w.time(), 1, 1); !yes || acme.State != workspace.Active || acme.Reason != "" || m.AdmitQuery(acme.Main, w.time()) != nil {
		t.Errorf("%+v", acme)
	}
	if got := w.actions(); !slices.Equal(got[2:], []string{"workspace.suspend", "workspace.suspend", "workspace.rename", "workspace.resume"}) {
		t.Error(got)
	}
	wantKind(t, millrace.NotFound, m.AdmitQuery("1nothing", w.time()))
	_, err := w.Suspend(t.Context(), acme.ID, "a\nb")
	wantKind(t, millrace.Invalid, err)
}

func testDelete(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	m := w.meter()
	acme := w.create("acme")
	ok(t)(w.Suspend(t.Context(), acme.ID, "unpaid"))
	acme = ok(t)(w.Delete(t.Context(), acme.ID))
	if acme.State != workspace.Deleted || !acme.PurgeAfter.Equal(begin.Add(7*24*time.Hour)) {
		t.Errorf("%+v", acme)
	}
	if yes, wait, reason := m.Admit(acme.Main, w.time(), 1, 1); yes || wait <= 0 || !strings.Contains(reason, "acme was deleted") {
		t.Error(yes, wait, reason)
	}
	wantKind(t, millrace.NotFound, m.AdmitQuery(acme.Main, w.time()))
	gone, _ := w.Spaces().Space(acme.Main)
	if err := gone.Usable(); err == nil || !strings.Contains(err.Error(), "deleted for good after "+begin.Add(7*24*time.Hour).Format(time.RFC3339)+": until then an owner of the workspace can") {
		t.Error(err)
	}
	// Its name stays its own, and nothing else of it can be changed.
	_, err := w.Create(t.Context(), workspace.New{Name: "acme"}, nil)
	wantKind(t, millrace.Conflict, err)
	for name, change := range map[string]func() (workspace.Workspace, error){
		"rename":  func() (workspace.Workspace, error) { return w.Rename(t.Context(), acme.ID, "beta") },
		"suspend": func() (workspace.Workspace, error) { return w.Suspend(t.Context(), acme.ID, "") },
		"resume":  func() (workspace.Workspace, error) { return w.Resume(t.Context(), acme.ID) },
		"add":     func() (workspace.Workspace, error) { return w.AddEnvironment(t.Context(), acme.ID, "staging") },
		"delete":  func() (workspace.Workspace, error) { return w.DeleteEnvironment(t.Context(), acme.Main) },
	} {
		if _, err := change(); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "undelete it first") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.pass(6 * 24 * time.Hour)
	ok(t)(w.Delete(t.Context(), acme.ID)) // again, which does not begin it anew
	acme = ok(t)(w.Undelete(t.Context(), acme.ID))
	if acme.State != workspace.Suspended || acme.Reason != "unpaid" || !acme.PurgeAfter.IsZero() {
		t.Errorf("%+v", acme)
	}
}

func testEnvironments(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	acme = ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	staging, _ := acme.Find("staging")
	_, err := w.AddEnvironment(t.Context(), acme.ID, "staging")
	wantKind(t, millrace.Conflict, err)
	_, err = w.RenameEnvironment(t.Context(), staging.Space, "production")
	wantKind(t, millrace.Conflict, err)
	_, err = w.DeleteEnvironment(t.Context(), acme.Main)
	wantKind(t, millrace.Conflict, err, "the default one")
	_, err = w.SetMain(t.Context(), "1nothing")
	wantKind(t, millrace.NotFound, err)
	ok(t)(w.RenameEnvironment(t.Context(), staging.Space, "e2e"))
	ok(t)(w.SetMain(t.Context(), staging.Space))
	for address, want := range map[string]string{"acme": staging.Space, "acme@e2e": staging.Space, "acme@production": acme.Main, "acme@staging": ""} {
		sp, found := w.Spaces().Find(address)
		if found != (want != "") || found && sp.ID != want {
			t.Errorf("%s: %+v", address, sp)
		}
	}
	old, _ := w.Spaces().Space(acme.Main)
	if old.Address() != "acme@production" || w.Spaces().Of(acme.ID)[0].ID != staging.Space || len(w.Spaces().Of(acme.ID)) != 2 {
		t.Errorf("%+v", old)
	}
	ok(t)(w.DeleteEnvironment(t.Context(), acme.Main))
	ok(t)(w.DeleteEnvironment(t.Context(), acme.Main))
	if sp, _ := w.Spaces().Find("acme@production"); sp.State != workspace.Deleted || sp.Usable() == nil {
		t.Errorf("%+v", sp)
	}
	if sp, _ := w.Spaces().Find("acme"); sp.State != workspace.Active {
		t.Errorf("%+v", sp)
	}
	_, err = w.SetMain(t.Context(), acme.Main)
	wantKind(t, millrace.Conflict, err)
	_, err = w.AddEnvironment(t.Context(), acme.ID, "production")
	wantKind(t, millrace.Conflict, err, "can still be had back")
	ok(t)(w.UndeleteEnvironment(t.Context(), acme.Main))
	for i := range 30 {
		if acme, err = w.AddEnvironment(t.Context(), acme.ID, fmt.Sprintf("env-%d", i)); err != nil {
			break
		}
	}
	wantKind(t, millrace.TooLarge, err)
}

// Another server sees changes within its poll.
func testStandby(t *testing.T, c catalog.Catalog) {
	w := open(t, c, func(o *workspace.Options) { o.Poll = 10 * time.Millisecond })
	other := w.again()
	go func() { _ = other.Run(t.Context()) }()
	acme := w.create("acme")
	sees := func(what string, f func(*workspace.Spaces) bool) {
		t.Helper()
		for began := time.Now(); !f(other.Spaces()); time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("the other server does not see %s", what)
			}
		}
	}
	sees("a new one", func(all *workspace.Spaces) bool { _, found := all.Find("acme"); return found })
	ok(t)(w.Rename(t.Context(), acme.ID, "beta"))
	sees("a name", func(all *workspace.Spaces) bool { sp, _ := all.Find("acme"); return sp.Name == "beta" })
	ok(t)(w.Delete(t.Context(), acme.ID))
	w.pass(8 * 24 * time.Hour)
	if n, err := w.purger(step("a", nil)).Once(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	sees("that it is gone", func(all *workspace.Spaces) bool { _, found := all.Space(acme.Main); return !found && all.Len() == 1 })
	_, found := other.Spaces().Find("beta")
	if found {
		t.Error("the address is still there")
	}
}

func testWatch(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	var seen [][]string
	stop := w.Watch(func(ids []string) { seen = append(seen, ids) })
	acme := w.create("acme")
	ok(t)(w.SetTitle(t.Context(), acme.ID, "Acme"))
	ok(t)(w.SetTitle(t.Context(), acme.ID, "Acme"))
	stop()
	ok(t)(w.SetTitle(t.Context(), acme.ID, "ACME"))
	if len(seen) != 2 || !slices.Equal(seen[0], []string{acme.ID}) || !slices.Equal(seen[1], []string{acme.ID}) {
		t.Error(seen)
	}
}

func step(name string, do func(ctx context.Context, space string) error) workspace.Step {
	if do == nil {
		do = func(context.Context, string) error { return nil }
	}
	return workspace.Step{Name: name, Do: do}
}

func (w *world) purger(steps ...workspace.Step) *workspace.Purger {
	w.t.Helper()
	p, err := workspace.NewPurger(workspace.PurgerOptions{Store: w.Store, Steps: steps})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func testPurge(t *testing.T, c catalog.Catalog) {
	var erased []string
	w := open(t, c, func(o *workspace.Options) {
		o.Erase = func(_ context.Context, _ catalog.Tx, e workspace.Erased) error {
			erased = append(erased, fmt.Sprint(e))
			return nil
		}
	})
	acme, beta := w.create("acme"), w.create("beta")
	acme = ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	ok(t)(w.Rename(t.Context(), acme.ID, "acme-two"))
	staging, _ := acme.Find("staging")
	var done []string
	log := func(name string) workspace.Step {
		return step(name, func(_ context.Context, space string) error { done = append(done, name+" "+space); return nil })
	}
	p := w.purger(log("keys"), log("files"))
	ok(t)(w.Delete(t.Context(), acme.ID))
	w.pass(6 * 24 * time.Hour)
	if n, err := p.Once(t.Context()); n != 0 || err != nil || len(done) != 0 {
		t.Fatal(n, err, done)
	}
	w.pass(2 * 24 * time.Hour)
	w.actions()
	if n, err := p.Once(t.Context()); n != 1 || err != nil || len(done) != 4 || !strings.HasPrefix(done[0], "keys ") || !strings.HasPrefix(done[1], "files ") {
		t.Fatal(n, err, done)
	}
	if len(erased) == 0 || !strings.Contains(erased[0], acme.ID+" true") || !strings.Contains(erased[0], staging.Space) {
		t.Error(erased)
	}
	if got := w.actions(); !slices.Equal(got, []string{"workspace.purge", "workspace.purged"}) {
		t.Error(got)
	}
	if n := w.rows(acme.ID, acme.Main, staging.Space, "acme"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	_, err := w.Undelete(t.Context(), acme.ID)
	wantKind(t, millrace.NotFound, err)
	w.create("acme") // names are free, ids are not
	err = c.View(t.Context(), func(tx catalog.Tx) error {
		gone, err := catalog.All[string](t.Context(), tx, "SELECT id FROM workspace_gone")
		slices.Sort(gone)
		want := []string{acme.ID, acme.Main, staging.Space}
		if slices.Sort(want); !slices.Equal(gone, want) {
			t.Error(gone)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// One environment alone.
	beta = ok(t)(w.AddEnvironment(t.Context(), beta.ID, "staging"))
	staging, _ = beta.Find("staging")
	ok(t)(w.DeleteEnvironment(t.Context(), staging.Space))
	w.pass(8 * 24 * time.Hour)
	if n, err := p.Once(t.Context()); n != 1 || err != nil || len(done) != 6 || w.rows(staging.Space) != 0 {
		t.Fatal(n, err, done)
	}
	if got, err := w.Get(t.Context(), beta.ID); err != nil || len(got.Environments) != 1 || len(w.Spaces().Of(beta.ID)) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if n, err := p.Once(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// A purge that stops anywhere, and however often, ends all the same, and what
// was done is not done again.
func testPurgeFaults(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	ok(t)(w.Delete(t.Context(), acme.ID))
	w.pass(8 * 24 * time.Hour)
	fails, calls := errors.New("the bucket is away"), map[string]int{}
	broken := true
	steps := []workspace.Step{
		step("a", func(_ context.Context, space string) error { calls["a "+space]++; return nil }),
		step("b", func(_ context.Context, space string) error {
			if calls["b "+space]++; broken {
				return fails
			}
			return nil
		}),
		step("c", func(_ context.Context, space string) error { calls["c "+space]++; return nil }),
	}
	for range 3 {
		if _, err := w.purger(steps...).Once(t.Context()); !errors.Is(err, fails) {
			t.Fatal(err)
		}
		w.Store = w.again() // as after kill -9
	}
	_, err := w.Undelete(t.Context(), acme.ID)
	wantKind(t, millrace.Conflict, err, "for good")
	list, err := w.Purges(t.Context())
	if err != nil || len(list) != 2 || !slices.Equal(list[0].Done, []string{"a"}) || !strings.Contains(list[0].Problem, "b: the bucket is away") {
		t.Errorf("%+v %v", list, err)
	}
	broken = false
	ctx, cancel := context.WithCancel(t.Context())
	stopped := append(steps[:2:2], step("c", func(context.Context, string) error { cancel(); return nil }))
	if _, err := w.purger(stopped...).Once(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A step that a newer version has besides is done too.
	if n, err := w.purger(append(steps, step("d", nil))...).Once(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for what, n := range calls {
		if want := map[byte]int{'a': 1, 'b': 4, 'c': 1}[what[0]]; n != want {
			t.Errorf("%s was done %d times, want %d", what, n, want)
		}
	}
	if w.rows(acme.ID, acme.Main) != 0 {
		t.Error("rows are left")
	}
}

// What may happen to workspaces in any order leaves what a model says, in the
// catalog and in memory, on this server and on one that starts then.
func testLife(t *testing.T, c catalog.Catalog) {
	began := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(began) > 4*time.Second { // the servers of tests are slow when they are many
			return
		}
		w := open(t, c, func(o *workspace.Options) { o.NameHold = 100 * 365 * 24 * time.Hour })
		l := &life{w: w, rt: rt, prefix: fmt.Sprintf("r%x-", rand.Uint32()), model: map[string]*state{}}
		rt.Repeat(map[string]func(*rapid.T){
			"create": l.create, "rename": l.rename, "suspend": l.suspend, "resume": l.resume, "delete": l.delete, "undelete": l.undelete,
			"add": l.add, "purge": l.purge, "pass": func(*rapid.T) { w.pass(3 * 24 * time.Hour) }, "": l.check,
		})
		for id := range l.model { // the next one begins with none
			ok(t)(w.Delete(t.Context(), id))
		}
		w.pass(8 * 24 * time.Hour)
		l.purge(rt)
	})
}
