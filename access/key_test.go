package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// key authenticates a key's token.
func (w *world) key(tok token.Token) (access.Caller, error) {
	p, err := w.AuthenticateKey(w.t.Context(), tok.Reveal(), access.From{Address: home})
	return access.Caller{Principal: p, Address: home}, err
}

func testKeys(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	k, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: " CI  deploys ", Workspace: "w_a", Environment: "e_p", Hint: "Production",
		Permissions: []access.Permission{access.ReleaseDeploy, access.ReleaseRead, access.ReleaseDeploy}, Expires: w.clock().Add(time.Hour)})
	ok(t, err)
	if !strings.HasPrefix(tok.Reveal(), "mr_key_production_") || k.Name != "CI deploys" || k.Holder != owner.Person || !strings.HasPrefix(tok.Reveal(), k.Secrets[0].Begins) || len(k.Secrets[0].Begins) > 31 {
		t.Errorf("%+v", k)
	}
	if c := w.last(); c.Action != "key.create" || c.Object != k.ID || c.Environment != "e_p" || c.After["permissions"] != "release:read release:deploy" {
		t.Errorf("recorded %+v", c)
	}
	ci, err := w.key(tok)
	ok(t, err)
	ok(t, ci.Allow(access.ReleaseDeploy, "w_a", "e_p"))
	is(t, ci.Allow(access.ReleaseDeploy, "w_a", "e_s"), millrace.Forbidden, "release:deploy", "API key")
	is(t, ci.Allow(access.ReleaseDeploy, "w_a", ""), millrace.Forbidden)
	is(t, ci.Allow(access.QueryRun, "w_a", "e_p"), millrace.Forbidden, "query:run")
	is(t, ci.Allow(access.QueryRun, "w_b", "e_p"), millrace.NotFound)
	is(t, ci.Allow(access.ServerRead, "", ""), millrace.Forbidden)
	is(t, ci.Allow("query:everything", "w_a", "e_p"), millrace.Forbidden)
	if got := ci.May("w_a", "e_p"); !slices.Equal(got, []access.Permission{access.ReleaseRead, access.ReleaseDeploy}) {
		t.Errorf("may %v", got)
	}
	_, _, err = w.CreateKey(ctx, owner, access.NewKey{Name: "CI deploys", Workspace: "w_a", Environment: "e_p", Role: access.Viewer})
	is(t, err, millrace.Conflict, "name")
	w.pass(time.Hour)
	_, err = w.key(tok)
	is(t, err, millrace.Unauthorized, "expired", "CI deploys")
	for name, n := range map[string]access.NewKey{
		"no name": {Workspace: "w_a", Role: access.Viewer}, "no workspace": {Name: "x", Role: access.Viewer}, "nothing": {Name: "x", Workspace: "w_a"},
		"both": {Name: "x", Workspace: "w_a", Role: access.Viewer, Permissions: []access.Permission{access.QueryRun}}, "role": {Name: "x", Workspace: "w_a", Role: "root"},
		"permission": {Name: "x", Workspace: "w_a", Permissions: []access.Permission{"query:rum"}}, "of the server": {Name: "x", Workspace: "w_a", Permissions: []access.Permission{access.ServerRead}},
		"of the workspace": {Name: "x", Workspace: "w_a", Environment: "e", Permissions: []access.Permission{access.AuditRead}}, "past": {Name: "x", Workspace: "w_a", Role: access.Viewer, Expires: w.clock()},
		"a part of the server": {Name: "x", Workspace: access.Installation, Environment: "e", Role: access.Viewer}, "nothing there": {Name: "x", Workspace: access.Installation, Role: access.Editor},
	} {
		if _, _, err := w.CreateKey(ctx, owner, n); err == nil || millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err = w.CreateKey(ctx, owner, access.NewKey{Name: "x", Workspace: "w_a", Permissions: []access.Permission{"query:rum"}})
	is(t, err, millrace.Invalid, "query:run")
	// A typo costs no look-up; too many unknown ones have to wait, but right ones do not.
	_, good, err := w.CreateKey(ctx, owner, access.NewKey{Name: "scraper", Workspace: access.Installation, Role: access.Viewer})
	ok(t, err)
	w.catalog.take()
	text := good.Reveal()
	for _, wrong := range []string{"", "x", text[:len(text)-1], text + "x", strings.ToLower(text), token.New(token.Session, "").Reveal()} {
		_, err := w.AuthenticateKey(ctx, wrong, access.From{Address: home})
		is(t, err, millrace.Unauthorized)
	}
	if ran := w.catalog.take(); len(ran) != 0 {
		t.Errorf("typos ran %q", ran)
	}
	is(t, second(w.key(token.New(token.Key, ""))), millrace.Unauthorized, "not known")
	for range 110 {
		_, err = w.key(token.New(token.Key, ""))
	}
	is(t, err, millrace.Limited)
	w.pass(10 * time.Second)
	w.catalog.take()
	bad := token.New(token.Key, "")
	for range 1000 { // the same one again and again keeps nobody from anything
		is(t, second(w.key(bad)), millrace.Unauthorized)
	}
	if ran := w.catalog.take(); len(ran) != 1 {
		t.Errorf("an unknown key is looked up %d times", len(ran))
	}
	p, err := w.AuthenticateKey(ctx, text, access.From{Address: elsewhere})
	ok(t, err)
	ok(t, p.Allow(access.ServerRead, "", ""))
	is(t, p.Allow(access.TableRead, "w_a", ""), millrace.NotFound)
	_, err = w.AuthenticateKey(ctx, text, access.From{Address: home}) // known by now
	ok(t, err)
	_, err = w.AuthenticateKey(ctx, token.Again(token.Key, good.ID()).Reveal(), access.From{Address: elsewhere})
	is(t, err, millrace.Unauthorized)
}

// testKeyEscalation: nobody makes a key that can do more than they can.
func testKeyEscalation(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin, editor := w.as(w.invite("bob", "w_a", "", access.Admin)), w.as(w.invite("cleo", "w_a", "", access.Editor))
	staging := w.as(w.invite("dan", "w_a", "e_s", access.Admin))
	_, tok, err := w.CreateKey(ctx, admin, access.NewKey{Name: "maker", Workspace: "w_a", Permissions: []access.Permission{access.KeyManage, access.QueryRun}})
	ok(t, err)
	maker, err := w.key(tok)
	ok(t, err)
	for name, c := range map[string]struct {
		by   access.Caller
		key  access.NewKey
		kind millrace.Kind
	}{
		"editor":                     {editor, access.NewKey{Workspace: "w_a", Role: access.Viewer}, millrace.Forbidden},
		"admin, owner's":             {admin, access.NewKey{Workspace: "w_a", Role: access.Owner}, millrace.Forbidden},
		"admin, owner's permission":  {admin, access.NewKey{Workspace: "w_a", Permissions: []access.Permission{access.WorkspaceDelete}}, millrace.Forbidden},
		"admin, another workspace":   {admin, access.NewKey{Workspace: "w_b", Role: access.Viewer}, millrace.NotFound},
		"admin, the server":          {admin, access.NewKey{Workspace: access.Installation, Role: access.Viewer}, millrace.Forbidden},
		"staging, all":               {staging, access.NewKey{Workspace: "w_a", Role: access.Viewer}, millrace.Forbidden},
		"staging, production":        {staging, access.NewKey{Workspace: "w_a", Environment: "e_p", Role: access.Viewer}, millrace.Forbidden},
		"a key, more than it":        {maker, access.NewKey{Workspace: "w_a", Permissions: []access.Permission{access.QueryRun, access.FileWrite}}, millrace.Forbidden},
		"a key, as who made it":      {maker, access.NewKey{Workspace: "w_a", Role: access.Admin}, millrace.Forbidden},
		"nobody":                     {anyone(home), access.NewKey{Workspace: "w_a", Role: access.Viewer}, millrace.Unauthorized},
		"owner, another's workspace": {owner, access.NewKey{Workspace: "w_b", Role: access.Viewer}, millrace.NotFound},
	} {
		c.key.Name = name
		if _, _, err := w.CreateKey(ctx, c.by, c.key); err == nil || millrace.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	child, tok, err := w.CreateKey(ctx, maker, access.NewKey{Name: "child", Workspace: "w_a", Environment: "e_p", Permissions: []access.Permission{access.QueryRun}})
	ok(t, err)
	if child.Holder != admin.Person || child.MakerKey != maker.Key || child.Maker != "key "+maker.Key {
		t.Errorf("%+v", child)
	}
	c, err := w.key(tok)
	ok(t, err)
	ok(t, c.Allow(access.QueryRun, "w_a", "e_p"))
	_, _, err = w.CreateKey(ctx, staging, access.NewKey{Name: "x", Workspace: "w_a", Environment: "e_s", Role: access.Admin})
	ok(t, err)
	// Neither does a key give people what it cannot do, though who made it could.
	_, err = w.Invite(ctx, maker, access.Invite{Workspace: "w_a", Role: access.Viewer})
	is(t, err, millrace.Forbidden, "member:manage")
	is(t, w.SetRole(ctx, maker, maker.Person, "w_a", "", access.Viewer), millrace.Forbidden)
	is(t, w.DeletePerson(ctx, maker, maker.Person), millrace.Forbidden)
	is(t, w.Rename(ctx, maker, maker.Person, "x"), millrace.Forbidden)
	_, err = w.ChangePassword(ctx, maker, good, "gauze plinth tamper marble")
	is(t, err, millrace.Forbidden)
	// Nor does rotating give one a key with more rights.
	strong, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: "strong", Workspace: "w_a", Role: access.Owner})
	ok(t, err)
	for _, by := range []access.Caller{admin, maker, staging, editor} {
		_, _, err = w.RotateKey(ctx, by, "w_a", strong.ID, time.Hour)
		is(t, err, millrace.Forbidden)
	}
	_, _, err = w.RotateKey(ctx, owner, "w_b", strong.ID, time.Hour)
	is(t, err, millrace.NotFound)
	_, _, err = w.RotateKey(ctx, owner, "w_a", "k_x", time.Hour)
	is(t, err, millrace.NotFound)
}

// testKeyHolder: a key can do no more than who answers for it can now.
func testKeyHolder(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin := w.as(w.invite("bob", "w_a", "", access.Admin))
	_, all, err := w.CreateKey(ctx, admin, access.NewKey{Name: "all", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	_, one, err := w.CreateKey(ctx, admin, access.NewKey{Name: "one", Workspace: "w_a", Environment: "e_p", Role: access.Editor})
	ok(t, err)
	can := func(tok token.Token, environment string) bool {
		t.Helper()
		c, err := w.key(tok)
		ok(t, err)
		return c.Can(access.FileWrite, "w_a", environment)
	}
	for what, c := range map[string]struct {
		tok         token.Token
		environment string
	}{"all": {all, ""}, "all in one": {all, "e_s"}, "one": {one, "e_p"}} {
		if !can(c.tok, c.environment) {
			t.Errorf("%s cannot", what)
		}
	}
	ok(t, w.SetRole(ctx, owner, admin.Person, "w_a", "e_p", access.Editor))
	ok(t, w.SetRole(ctx, owner, admin.Person, "w_a", "", access.Viewer))
	if can(all, "") || can(all, "e_s") || !can(all, "e_p") || !can(one, "e_p") {
		t.Error("keys do not follow who answers for them")
	}
	_, err = w.RemoveMember(ctx, owner, admin.Person, "w_a", "", true)
	ok(t, err)
	c, err := w.key(all)
	ok(t, err)
	is(t, c.Allow(access.TableRead, "w_a", "e_p"), millrace.NotFound)
	if c.Member("w_a") || len(c.Workspaces()) != 0 {
		t.Error("a key of who left is a member")
	}
	// A key made by the server itself answers to nobody.
	_, tok, err := w.CreateKey(ctx, system(), access.NewKey{Name: "system", Workspace: "w_a", Role: access.Owner})
	ok(t, err)
	if !can(tok, "") {
		t.Error("the server's key cannot")
	}
}

func testRotation(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	k, first, err := w.CreateKey(ctx, owner, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	is(t, second(w.key(token.Again(token.Key, first.ID()))), millrace.Unauthorized)
	_, next, err := w.RotateKey(ctx, owner, "w_a", k.ID, time.Hour)
	ok(t, err)
	for _, tok := range []token.Token{first, next} {
		c, err := w.key(tok)
		if ok(t, err); c.Key != k.ID {
			t.Errorf("another key %s", c.Key)
		}
	}
	keys, _, err := w.Keys(ctx, owner, "w_a", access.Page{})
	ok(t, err)
	if len(keys[0].Secrets) != 2 || !keys[0].Secrets[1].Until.Equal(w.clock().Add(time.Hour)) && !keys[0].Secrets[0].Until.Equal(w.clock().Add(time.Hour)) {
		t.Errorf("%+v", keys[0].Secrets)
	}
	w.pass(time.Hour)
	is(t, second(w.key(first)), millrace.Unauthorized, "rotated")
	ok(t, second(w.key(next)))
	_, last, err := w.RotateKey(ctx, owner, "w_a", k.ID, 0)
	ok(t, err)
	is(t, second(w.key(next)), millrace.Unauthorized, "rotated")
	ok(t, second(w.key(last)))
	_, _, err = w.RotateKey(ctx, owner, "w_a", k.ID, -1)
	is(t, err, millrace.Invalid)
	_, _, err = w.RotateKey(ctx, owner, "w_a", k.ID, 1000*24*time.Hour)
	is(t, err, millrace.Invalid)
	ok(t, w.RenameKey(ctx, owner, "w_a", k.ID, "deploys"))
	c, err := w.key(last)
	if ok(t, err); c.Name != "deploys" {
		t.Errorf("renamed to %s", c.Name)
	}
	is(t, w.RenameKey(ctx, owner, "w_b", k.ID, "x"), millrace.NotFound)
}

// testRotationRevives: rotating a key of who has left gives it life, but not the
// token that they know.
func testRotationRevives(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin := w.as(w.invite("bob", "w_a", "", access.Admin))
	k, theirs, err := w.CreateKey(ctx, admin, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	_, err = w.RemoveMember(ctx, owner, admin.Person, "w_a", "", true)
	ok(t, err)
	_, next, err := w.RotateKey(ctx, owner, "w_a", k.ID, time.Hour)
	ok(t, err)
	is(t, second(w.key(theirs)), millrace.Unauthorized)
	c, err := w.key(next)
	ok(t, err)
	ok(t, c.Allow(access.FileWrite, "w_a", ""))
	if c.Person != owner.Person {
		t.Error("another answers for it")
	}
	// Of who can still do it all, the token goes on as asked.
	bea := w.as(w.invite("bea", "w_a", "", access.Admin))
	if _, _, err = w.RotateKey(ctx, bea, "w_a", k.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	ok(t, second(w.key(next)))
}

func testRevokeKey(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	create := func(by access.Caller, name string) (access.Key, token.Token, access.Caller) {
		t.Helper()
		k, tok, err := w.CreateKey(ctx, by, access.NewKey{Name: name, Workspace: "w_a", Role: access.Admin})
		ok(t, err)
		c, err := w.key(tok)
		ok(t, err)
		return k, tok, c
	}
	a, atok, ac := create(owner, "a")
	b, btok, bc := create(ac, "b")
	_, ctok, _ := create(bc, "c")
	viewer := w.as(w.invite("bob", "w_a", "", access.Viewer))
	is(t, second(w.RevokeKey(ctx, viewer, "w_a", a.ID, false)), millrace.Forbidden)
	is(t, second(w.RevokeKey(ctx, owner, "w_b", a.ID, false)), millrace.NotFound)
	others, err := w.RevokeKey(ctx, bc, "w_a", b.ID, false) // itself
	ok(t, err)
	if !slices.Equal(others, []string{"c"}) {
		t.Errorf("go on: %v", others)
	}
	is(t, second(w.key(btok)), millrace.Unauthorized, "revoked")
	ok(t, second(w.key(ctok)))
	_, _, err = w.CreateKey(ctx, bc, access.NewKey{Name: "d", Workspace: "w_a", Role: access.Viewer}) // it was authenticated before
	is(t, err, millrace.Unauthorized, "revoked")
	_, dtok, _ := create(ac, "d")
	_, etok, _ := create(ac, "b") // the name is free
	others, err = w.RevokeKey(ctx, owner, "w_a", a.ID, true)
	if ok(t, err); !slices.Equal(others, []string{"b", "c", "d"}) { // c was made with the b that was revoked
		t.Errorf("revoked with it: %v", others)
	}
	for _, tok := range []token.Token{atok, ctok, dtok, etok} {
		is(t, second(w.key(tok)), millrace.Unauthorized, "revoked")
	}
	others, err = w.RevokeKey(ctx, owner, "w_a", a.ID, true) // again is nothing
	if ok(t, err); len(others) != 0 {
		t.Errorf("again: %v", others)
	}
	_, _, err = w.RotateKey(ctx, owner, "w_a", a.ID, 0)
	is(t, err, millrace.Conflict)
}

// testRevokeWhatItGot: who revokes a key is told of the keys whose tokens it got, by
// making or rotating them, and can end them then.
func testRevokeWhatItGot(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	create := func(by access.Caller, name string, role access.Role) (access.Key, access.Caller) {
		t.Helper()
		k, tok, err := w.CreateKey(ctx, by, access.NewKey{Name: name, Workspace: "w_a", Role: role})
		ok(t, err)
		c, err := w.key(tok)
		ok(t, err)
		return k, c
	}
	stolen, thief := create(owner, "stolen", access.Admin)
	create(thief, "made", access.Viewer)
	theirs, _ := create(owner, "rotated", access.Editor)
	mine, _ := create(thief, "taken over", access.Viewer)
	half, _ := create(thief, "half taken over", access.Viewer)
	self, itself := create(thief, "rotated itself", access.Admin)
	ok(t, third(w.RotateKey(ctx, thief, "w_a", theirs.ID, time.Hour)))
	ok(t, third(w.RotateKey(ctx, owner, "w_a", mine.ID, 0)))
	ok(t, third(w.RotateKey(ctx, owner, "w_a", half.ID, time.Hour)))
	ok(t, third(w.RotateKey(ctx, itself, "w_a", self.ID, 0)))
	_, _, err := w.CreateKey(ctx, thief, access.NewKey{Name: "expired", Workspace: "w_a", Role: access.Viewer, Expires: w.clock().Add(time.Minute)})
	ok(t, err)
	w.pass(2 * time.Minute)
	want := []string{"half taken over", "made", "rotated", "rotated itself"}
	others, err := w.RevokeKey(ctx, owner, "w_a", stolen.ID, false)
	if ok(t, err); !slices.Equal(others, want) {
		t.Errorf("go on: %q", others)
	}
	if c := w.last(); c.Action != "key.revoke" || fmt.Sprint(c.After["keys_that_go_on"]) != fmt.Sprint(want) {
		t.Errorf("recorded %+v", c)
	}
	others, err = w.RevokeKey(ctx, owner, "w_a", stolen.ID, true) // revoked as it is
	if ok(t, err); !slices.Equal(others, want) {
		t.Errorf("revoked too: %q", others)
	}
	if c := w.last(); c.Action != "key.revoke" || c.After["with"] != stolen.ID {
		t.Errorf("recorded %+v", c)
	}
	keys, _, err := w.Keys(ctx, owner, "w_a", access.Page{})
	ok(t, err)
	for _, k := range keys {
		if k.Revoked.IsZero() != (k.Name == "taken over" || k.Name == "expired") {
			t.Errorf("%s: %v", k.Name, k.Revoked)
		}
	}
	// A key may end itself with what it made.
	maker, asMaker := create(owner, "maker", access.Admin)
	create(asMaker, "its own", access.Viewer)
	if others, err = w.RevokeKey(ctx, asMaker, "w_a", maker.ID, true); err != nil || !slices.Equal(others, []string{"its own"}) {
		t.Errorf("itself and its own: %q, %v", others, err)
	}
}

// testRevokeWhatHides: what was got with a key is found whoever rotates it later.
func testRevokeWhatHides(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	create := func(by access.Caller, name string) (access.Key, access.Caller) {
		t.Helper()
		k, tok, err := w.CreateKey(ctx, by, access.NewKey{Name: name, Workspace: "w_a", Role: access.Admin})
		ok(t, err)
		c, err := w.key(tok)
		ok(t, err)
		return k, c
	}
	stolen, thief := create(owner, "stolen")
	second, asSecond := create(thief, "second")
	_, asThird := create(asSecond, "third")
	_, other := create(owner, "other")
	for _, by := range []access.Caller{asThird, other} {
		if _, _, err := w.RotateKey(ctx, by, "w_a", second.ID, 0); millrace.KindOf(err) != millrace.Conflict {
			t.Errorf("a key that another was got with rotates it: %v", err)
		}
	}
	if others, err := w.RevokeKey(ctx, owner, "w_a", stolen.ID, false); err != nil || !slices.Equal(others, []string{"second", "third"}) {
		t.Errorf("go on: %q %v", others, err)
	}
	ok(t, third(w.RotateKey(ctx, owner, "w_a", second.ID, 0))) // the owner's now
	ok(t, third(w.RotateKey(ctx, asThird, "w_a", second.ID, 0)))
	if others, err := w.RevokeKey(ctx, owner, "w_a", stolen.ID, true); err != nil || !slices.Equal(others, []string{"second", "third"}) {
		t.Errorf("revoked too: %q %v", others, err)
	}
}

func testAdminToken(t *testing.T, w *world) {
	ctx := t.Context()
	if len(w.Notices()) != 0 {
		t.Error("a notice without reason")
	}
	for _, admin := range []string{"hunter22", token.New(token.Key, "").Reveal(), "mr_old"} {
		w.o.AdminToken = admin
		w.restart()
		p, err := w.AuthenticateKey(ctx, admin, access.From{Address: home})
		ok(t, err)
		if !p.Everything() || p.Allow(access.ServerRestore, "", "") != nil || p.Allow(access.WorkspaceDelete, "w_any", "") != nil || p.Kind != access.KeyKind || len(w.Notices()) != 1 {
			t.Errorf("%s: %+v", admin, p)
		}
	}
	w.o.AdminToken = "hunter22"
	w.restart()
	by := access.Caller{Principal: must(w.AuthenticateKey(ctx, "hunter22", access.From{}))}
	_, tok, err := w.CreateKey(ctx, by, access.NewKey{Name: "first", Workspace: "w_a", Role: access.Owner})
	ok(t, err)
	ok(t, second(w.key(tok)))
	l, err := w.Invite(ctx, by, access.Invite{Workspace: "w_a", Role: access.Owner})
	ok(t, err)
	_, err = w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Bob", Email: "bob@example.com", Password: good})
	ok(t, err)
	for range 12 {
		_, err = w.AuthenticateKey(ctx, "guess", access.From{Address: elsewhere})
	}
	is(t, err, millrace.Limited)
	_, err = w.AuthenticateKey(ctx, "hunter22", access.From{Address: elsewhere}) // or guessing would go on
	is(t, err, millrace.Limited)
	_, err = w.AuthenticateKey(ctx, "hunter22", access.From{Address: home})
	ok(t, err)
	w.pass(time.Minute)
	_, err = w.AuthenticateKey(ctx, "hunter22", access.From{Address: elsewhere})
	ok(t, err)
	w.o.AdminToken = ""
	w.restart()
	for _, text := range []string{"", "hunter22"} {
		_, err = w.AuthenticateKey(ctx, text, access.From{Address: home})
		is(t, err, millrace.Unauthorized)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
