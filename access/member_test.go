package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/catalog"
)

func testInvitations(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	l, err := w.Invite(ctx, owner, access.Invite{Email: "Bob@example.com", Workspace: "w_a", Environment: "e_staging", Role: access.Editor, Holds: time.Hour})
	ok(t, err)
	i, account, err := w.OpenInvitation(ctx, anyone(home), l.Token.Reveal())
	ok(t, err)
	if i.Role != access.Editor || i.Workspace != "w_a" || i.Environment != "e_staging" || i.Maker != owner.Person || i.State != "open" || account {
		t.Errorf("%+v, account %v", i, account)
	}
	_, err = w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Mallory", Email: "mallory@example.com", Password: good})
	is(t, err, millrace.Forbidden, "Bob@example.com")
	_, err = w.Accept(ctx, owner, l.Token.Reveal(), access.NewPerson{})
	is(t, err, millrace.Forbidden)
	_, err = w.Accept(ctx, system(), l.Token.Reveal(), access.NewPerson{})
	is(t, err, millrace.Forbidden)
	s, err := w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Bob", Password: good})
	ok(t, err)
	bob := w.as(s)
	if !bob.Can(access.FileWrite, "w_a", "e_staging") || bob.Can(access.FileWrite, "w_a", "e_production") || bob.Can(access.FileWrite, "w_a", "") {
		t.Error("the role is another")
	}
	_, err = w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Bob", Password: good})
	is(t, err, millrace.Gone, "used")
	// An account that there is has to sign in.
	l, err = w.Invite(ctx, owner, access.Invite{Email: "bob@example.com", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	if _, account, err := w.OpenInvitation(ctx, anyone(home), l.Token.Reveal()); err != nil || !account {
		t.Errorf("account %v, %v", account, err)
	}
	_, err = w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Bob", Password: good})
	is(t, err, millrace.Conflict, "sign in")
	s, err = w.Accept(ctx, bob, l.Token.Reveal(), access.NewPerson{})
	ok(t, err)
	if bob = w.as(s); !bob.Can(access.TableRead, "w_a", "e_production") || !bob.Can(access.FileWrite, "w_a", "e_staging") {
		t.Error("roles do not add up")
	}
	// A role is never lowered by an invitation.
	l, err = w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	ownerSession, err := w.Accept(ctx, owner, l.Token.Reveal(), access.NewPerson{})
	ok(t, err)
	owner = w.as(ownerSession)
	ok(t, owner.Allow(access.WorkspaceDelete, "w_a", ""))
	// Expired, revoked, unknown.
	l, err = w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer, Holds: time.Minute})
	ok(t, err)
	r, err := w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	is(t, w.RevokeInvitation(ctx, bob, "w_a", r.ID), millrace.Forbidden)
	is(t, w.RevokeInvitation(ctx, owner, "w_b", r.ID), millrace.NotFound)
	ok(t, w.RevokeInvitation(ctx, owner, "w_a", r.ID))
	is(t, w.RevokeInvitation(ctx, owner, "w_a", r.ID), millrace.Conflict)
	w.pass(time.Minute)
	for _, text := range []string{l.Token.Reveal(), r.Token.Reveal()} {
		_, err = w.Accept(ctx, anyone(home), text, access.NewPerson{Name: "Cleo", Email: "cleo@example.com", Password: good})
		is(t, err, millrace.Gone)
	}
	list, _, err := w.Invitations(ctx, owner, "w_a", access.Page{})
	ok(t, err)
	states := map[string]int{}
	for _, i := range list {
		states[i.State]++
	}
	if fmt.Sprint(states) != "map[accepted:3 expired:1 revoked:1]" {
		t.Error(states)
	}
	for name, in := range map[string]access.Invite{"role": {Workspace: "w_a", Role: "root"}, "no workspace": {Role: access.Viewer}, "owner of a part": {Workspace: "w_a", Environment: "e", Role: access.Owner},
		"analyst of the server": {Workspace: access.Installation, Role: access.Analyst}, "address": {Workspace: "w_a", Role: access.Viewer, Email: "x"}} {
		if _, err := w.Invite(ctx, system(), in); err == nil || millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testInvitationOfDemoted: what who invited cannot give any more, nobody gets.
func testInvitationOfDemoted(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin := w.as(w.invite("bob", "w_a", "", access.Admin))
	invite := func(by access.Caller, role access.Role) string {
		t.Helper()
		l, err := w.Invite(ctx, by, access.Invite{Workspace: "w_a", Role: role})
		ok(t, err)
		return l.Token.Reveal()
	}
	_, err := w.Invite(ctx, admin, access.Invite{Workspace: "w_a", Role: access.Owner})
	is(t, err, millrace.Forbidden, "owner")
	_, err = w.Invite(ctx, admin, access.Invite{Workspace: "w_b", Role: access.Viewer})
	is(t, err, millrace.NotFound)
	key, tok, err := w.CreateKey(ctx, admin, access.NewKey{Name: "inviter", Workspace: "w_a", Permissions: []access.Permission{access.MemberManage, access.WorkspaceRead, access.MemberRead,
		access.StatusRead, access.SourceRead, access.TableRead, access.FileRead, access.ReleaseRead, access.JobRead}})
	ok(t, err)
	p, err := w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	ok(t, err)
	byKey := access.Caller{Principal: p}
	_, err = w.Invite(ctx, byKey, access.Invite{Workspace: "w_a", Role: access.Editor})
	is(t, err, millrace.Forbidden)
	a, b, c := invite(admin, access.Editor), invite(admin, access.Viewer), invite(byKey, access.Viewer)
	_, err = w.Accept(ctx, anyone(home), c, access.NewPerson{Name: "Cleo", Email: "cleo@example.com", Password: good})
	ok(t, err)
	d := invite(byKey, access.Viewer)
	_, err = w.RevokeKey(ctx, owner, "w_a", key.ID, false)
	ok(t, err)
	ok(t, w.SetRole(ctx, owner, admin.Person, "w_a", "", access.Editor))
	for _, text := range []string{a, b, d} {
		_, err = w.Accept(ctx, anyone(home), text, access.NewPerson{Name: "Dan", Email: "dan@example.com", Password: good})
		is(t, err, millrace.Gone)
	}
	_, err = w.signIn("dan")
	is(t, err, millrace.Unauthorized)
}

// testFirstOwner: a workspace that a program made gets its owner from who may make
// workspaces, once.
func testFirstOwner(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	_, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: "sales", Workspace: access.Installation, Permissions: []access.Permission{access.WorkspaceCreate}})
	ok(t, err)
	sales, err := w.key(tok)
	ok(t, err)
	_, err = w.Invite(ctx, sales, access.Invite{Workspace: "w_b", Role: access.Admin})
	is(t, err, millrace.NotFound)
	_, tok, err = w.CreateKey(ctx, owner, access.NewKey{Name: "reports", Workspace: access.Installation, Role: access.Viewer})
	ok(t, err)
	reports, err := w.key(tok)
	ok(t, err)
	_, err = w.Invite(ctx, reports, access.Invite{Workspace: "w_b", Role: access.Owner})
	is(t, err, millrace.NotFound)
	var links []string
	for range 2 {
		l, err := w.Invite(ctx, sales, access.Invite{Workspace: "w_b", Role: access.Owner, Email: "bob@example.com"})
		ok(t, err)
		links = append(links, l.Token.Reveal())
	}
	bob, err := w.Accept(ctx, anyone(home), links[0], access.NewPerson{Name: "Bob", Password: good})
	ok(t, err)
	ok(t, w.as(bob).Allow(access.MemberManage, "w_b", ""))
	_, err = w.Accept(ctx, w.as(bob), links[1], access.NewPerson{})
	is(t, err, millrace.Gone)
	_, err = w.Invite(ctx, sales, access.Invite{Workspace: "w_b", Role: access.Owner})
	is(t, err, millrace.Conflict)
	_, err = w.Invite(ctx, sales, access.Invite{Workspace: "w_a", Role: access.Owner})
	is(t, err, millrace.Conflict)
}

func testMembers(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin, editor, viewer := w.as(w.invite("bob", "w_a", "", access.Admin)), w.as(w.invite("cleo", "w_a", "", access.Editor)), w.as(w.invite("dan", "w_a", "", access.Viewer))
	outside := w.as(w.invite("eve", "w_b", "", access.Owner))
	for name, c := range map[string]struct {
		by     access.Caller
		person string
		role   access.Role
		kind   millrace.Kind
	}{
		"admin makes owner": {admin, viewer.Person, access.Owner, millrace.Forbidden}, "admin demotes owner": {admin, owner.Person, access.Viewer, millrace.Forbidden},
		"admin makes themselves owner": {admin, admin.Person, access.Owner, millrace.Forbidden}, "editor": {editor, viewer.Person, access.Viewer, millrace.Forbidden},
		"outside": {outside, viewer.Person, access.Viewer, millrace.NotFound}, "not a member": {owner, outside.Person, access.Viewer, millrace.NotFound},
		"no such role": {owner, viewer.Person, "root", millrace.Invalid}, "nobody": {anyone(home), viewer.Person, access.Viewer, millrace.Unauthorized},
	} {
		if err := w.SetRole(ctx, c.by, c.person, "w_a", "", c.role); err == nil || millrace.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok(t, w.SetRole(ctx, admin, viewer.Person, "w_a", "", access.Analyst))
	if c := w.last(); c.Action != "member.set" || c.Before["role"] != "viewer" || c.After["role"] != "analyst" || c.Workspace != "w_a" || c.Kind != "person" || c.Name != "dan" || c.Caller.Person != admin.Person {
		t.Errorf("recorded %+v", c)
	}
	_, err := w.RemoveMember(ctx, admin, owner.Person, "w_a", "", true)
	is(t, err, millrace.Forbidden)
	_, err = w.RemoveMember(ctx, viewer, editor.Person, "w_a", "", true)
	is(t, err, millrace.Forbidden)
	_, err = w.RemoveMember(ctx, outside, editor.Person, "w_a", "", true)
	is(t, err, millrace.NotFound)
	_, err = w.RemoveMember(ctx, owner, outside.Person, "w_a", "", true)
	is(t, err, millrace.NotFound)
	_, err = w.RemoveMember(ctx, outside, outside.Person, "w_a", "", true) // leaving what one is not in
	is(t, err, millrace.NotFound)
	_, _, err = w.CreateKey(ctx, admin, access.NewKey{Name: "theirs", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	keys, err := w.RemoveMember(ctx, owner, admin.Person, "w_a", "", true)
	ok(t, err)
	if !slices.Equal(keys, []string{"theirs"}) {
		t.Errorf("keys that stop: %v", keys)
	}
	_, err = w.RemoveMember(ctx, editor, editor.Person, "w_a", "", true) // leaving
	ok(t, err)
	members, _, err := w.Members(ctx, owner, "w_a", access.Page{})
	ok(t, err)
	if len(members) != 2 || members[0].Email != "ada@example.com" || members[1].Role != access.Analyst {
		t.Errorf("members %+v", members)
	}
	// Who runs the server.
	is(t, w.SetRole(ctx, viewer, viewer.Person, access.Installation, "", access.Admin), millrace.Forbidden)
	ok(t, w.SetRole(ctx, owner, viewer.Person, access.Installation, "", access.Admin))
	is(t, w.SetRole(ctx, owner, "p_x", access.Installation, "", access.Admin), millrace.NotFound)
	is(t, w.SetRole(ctx, owner, viewer.Person, access.Installation, "", access.Editor), millrace.Invalid)
	ok(t, w.catalog.Update(ctx, func(tx catalog.Tx) error { return w.AddOwner(ctx, tx, owner, viewer.Person, "w_new") }))
	w.Refresh()
	s, err := w.signIn("dan")
	ok(t, err)
	if p := w.as(s); !p.Can(access.WorkspaceCreate, "", "") || p.Can(access.OperatorManage, "", "") || !p.Can(access.WorkspaceDelete, "w_new", "") ||
		!slices.Equal(p.Workspaces(), []string{"w_a", "w_new"}) || len(p.Grants()) != 3 || p.Everything() || p.Member("w_b") {
		t.Errorf("workspaces %v, grants %v", p.Workspaces(), p.Grants())
	}
}

func testEnvironments(t *testing.T, w *world) {
	ctx := t.Context()
	w.setUp()
	admin := w.as(w.invite("bob", "w_a", "e_staging", access.Admin))
	for permission, want := range map[access.Permission][3]bool{ // in staging, in production, in all
		access.SecretReveal: {true, false, false}, access.KeyManage: {true, false, false}, access.MemberManage: {true, false, false},
		access.WorkspaceUpdate: {false, false, false}, access.AuditRead: {false, false, false}, access.WorkspaceRead: {true, true, true}, access.MemberRead: {true, true, true},
		access.ServerRead: {false, false, false},
	} {
		for i, environment := range []string{"e_staging", "e_production", ""} {
			if err := admin.Allow(permission, "w_a", environment); (err == nil) != want[i] {
				t.Errorf("%s in %q: %v", permission, environment, err)
			}
		}
	}
	// A refusal names the environment, of who is signed in and of a key.
	is(t, admin.Allow(access.KeyManage, "w_a", "e_production"), millrace.Forbidden, "key:manage in the environment production, and your role")
	is(t, admin.Allow(access.KeyManage, "w_a", "e_other"), millrace.Forbidden, "key:manage in this environment, and")
	_, tok, err := w.CreateKey(ctx, admin, access.NewKey{Name: "ci", Workspace: "w_a", Environment: "e_staging", Role: access.Viewer})
	ok(t, err)
	key, err := w.key(tok)
	ok(t, err)
	is(t, key.Allow(access.FileWrite, "w_a", "e_staging"), millrace.Forbidden, "file:write in the environment staging, and the API key")
	_, err = w.Invite(ctx, admin, access.Invite{Workspace: "w_a", Role: access.Viewer})
	is(t, err, millrace.Forbidden)
	_, err = w.Invite(ctx, admin, access.Invite{Workspace: "w_a", Environment: "e_production", Role: access.Viewer})
	is(t, err, millrace.Forbidden)
	cleo, err := w.tryInvite(admin, "cleo", "w_a", "e_staging", access.Editor)
	ok(t, err)
	is(t, w.SetRole(ctx, admin, cleo.Person, "w_a", "", access.Viewer), millrace.Forbidden)
	ok(t, w.SetRole(ctx, admin, cleo.Person, "w_a", "e_staging", access.Viewer))
	ok(t, w.SetRole(ctx, system(), cleo.Person, "w_a", "e_production", access.Editor))
	_, err = w.RemoveMember(ctx, admin, cleo.Person, "w_a", "", true)
	is(t, err, millrace.Forbidden)
	_, err = w.RemoveMember(ctx, admin, cleo.Person, "w_a", "e_staging", false)
	ok(t, err)
	if p := w.as(mustSignIn(t, w, "cleo")); !p.Can(access.FileWrite, "w_a", "e_production") || p.Can(access.TableRead, "w_a", "e_staging") {
		t.Error("removed from another environment")
	}
}

// testListsOfAnEnvironment: who manages one environment sees its keys and invitations,
// page by page, and none of others.
func testListsOfAnEnvironment(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	staging, viewer := w.as(w.invite("bob", "w_a", "e_s", access.Admin)), w.as(w.invite("cleo", "w_a", "e_s", access.Viewer))
	for _, environment := range []string{"", "e_s", "e_p"} {
		for i := range 3 {
			_, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: fmt.Sprint("key ", i), Workspace: "w_a", Environment: environment, Role: access.Viewer})
			ok(t, err)
			_, err = w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Environment: environment, Role: access.Viewer})
			ok(t, err)
		}
	}
	see := func(by access.Caller, limit int) (keys, invitations []string) {
		t.Helper()
		for page, more := (access.Page{Limit: limit}), true; more; more = page.Cursor != "" {
			list, next, err := w.Keys(ctx, by, "w_a", page)
			ok(t, err)
			for _, k := range list {
				keys = append(keys, k.Environment)
			}
			page.Cursor = next
		}
		for page, more := (access.Page{Limit: limit}), true; more; more = page.Cursor != "" {
			list, next, err := w.Invitations(ctx, by, "w_a", page)
			ok(t, err)
			for _, i := range list {
				if i.State == "open" {
					invitations = append(invitations, i.Environment)
				}
			}
			page.Cursor = next
		}
		return keys, invitations
	}
	for _, limit := range []int{2, 100} {
		if keys, invitations := see(staging, limit); strings.Join(keys, " ") != "e_s e_s e_s" || strings.Join(invitations, " ") != "e_s e_s e_s" {
			t.Errorf("sees keys of %q, invitations to %q", keys, invitations)
		}
		if keys, invitations := see(owner, limit); len(keys) != 9 || len(invitations) != 9 {
			t.Errorf("an owner sees keys of %q, invitations to %q", keys, invitations)
		}
	}
	_, _, err := w.Keys(ctx, viewer, "w_a", access.Page{})
	is(t, err, millrace.Forbidden, "key:read")
	_, _, err = w.Invitations(ctx, viewer, "w_a", access.Page{})
	is(t, err, millrace.Forbidden, "member:manage")
	_, _, err = w.Keys(ctx, staging, "w_b", access.Page{})
	is(t, err, millrace.NotFound)
	_, _, err = w.Keys(ctx, anyone(home), "w_a", access.Page{})
	is(t, err, millrace.Unauthorized)
}

func mustSignIn(t *testing.T, w *world, name string) access.SignedIn {
	t.Helper()
	s, err := w.signIn(name)
	ok(t, err)
	return s
}

func testLastOwner(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	owner := w.as(s)
	for name, err := range map[string]error{
		"demoted":              w.SetRole(ctx, owner, owner.Person, "w_a", "", access.Admin),
		"demoted on server":    w.SetRole(ctx, owner, owner.Person, access.Installation, "", access.Viewer),
		"suspended":            w.Suspend(ctx, owner, owner.Person),
		"deleted":              w.DeletePerson(ctx, owner, owner.Person),
		"demoted by server":    w.SetRole(ctx, system(), owner.Person, "w_a", "", access.Viewer),
		"suspended by server":  w.Suspend(ctx, system(), owner.Person),
		"leaves":               second(w.RemoveMember(ctx, owner, owner.Person, "w_a", "", true)),
		"leaves the server":    second(w.RemoveMember(ctx, owner, owner.Person, access.Installation, "", true)),
		"leaves, environments": second(w.RemoveMember(ctx, owner, owner.Person, "w_a", "", false)),
	} {
		if err == nil || millrace.KindOf(err) != millrace.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	is(t, w.DeletePerson(ctx, system(), owner.Person), millrace.Conflict, "(ada@example.com) is the last owner of the server: ")
	is(t, w.SetRole(ctx, system(), owner.Person, "w_a", "", access.Viewer), millrace.Conflict, "Ada (ada@example.com) is the last owner of the workspace acme: make someone else")
	if !w.alive(s) {
		t.Error("a refused change ended the session")
	}
	// A second owner who is suspended is none.
	bob := w.invite("bob", "w_a", "", access.Owner)
	ok(t, w.SetRole(ctx, owner, bob.Person, access.Installation, "", access.Owner))
	ok(t, w.Suspend(ctx, owner, bob.Person))
	is(t, w.SetRole(ctx, owner, owner.Person, "w_a", "", access.Admin), millrace.Conflict)
	ok(t, w.Resume(ctx, owner, bob.Person))
	ok(t, w.SetRole(ctx, owner, owner.Person, "w_a", "", access.Admin))
	is(t, w.SetRole(ctx, owner, bob.Person, "w_a", "", access.Admin), millrace.Forbidden) // by rights from before: what holds is checked in the store too
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

func testSuspended(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	s := w.invite("bob", "w_a", "", access.Admin)
	_, tok, err := w.CreateKey(ctx, w.as(s), access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	is(t, w.Suspend(ctx, w.as(s), owner.Person), millrace.Forbidden)
	ok(t, w.Suspend(ctx, owner, s.Person))
	if w.alive(s) {
		t.Error("a suspended person's session goes on")
	}
	_, err = w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	is(t, err, millrace.Unauthorized, "suspended")
	_, err = w.signIn("bob")
	is(t, err, millrace.Forbidden, "suspended")
	_, err = w.SignIn(ctx, anyone(home), access.SignIn{Email: "bob@example.com", Password: "wrong wrong wrong"})
	is(t, err, millrace.Unauthorized)
	l, err := w.CreateReset(ctx, owner, s.Person)
	ok(t, err)
	_, err = w.CompleteReset(ctx, anyone(home), l.Token.Reveal(), "gauze plinth tamper marble")
	is(t, err, millrace.Forbidden)
	ok(t, w.Resume(ctx, owner, s.Person))
	if w.alive(s) {
		t.Error("the session from before is back")
	}
	mustSignIn(t, w, "bob")
	_, err = w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	ok(t, err)
	is(t, w.Suspend(ctx, owner, "p_x"), millrace.NotFound)
}

// testLinksOfTheSuspended: who is suspended changes neither address nor password by a
// link from before, nor by one that was made since.
func testLinksOfTheSuspended(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	s := w.invite("bob", "w_a", "", access.Admin)
	m, err := w.RequestEmail(ctx, w.as(s), good, "bob@example.org")
	ok(t, err)
	reset, err := w.RequestReset(ctx, anyone(home), "bob@example.com")
	ok(t, err)
	ok(t, w.Suspend(ctx, owner, s.Person))
	try := func(kind millrace.Kind, word string) {
		t.Helper()
		is(t, second(w.ConfirmEmail(ctx, anyone(home), m.Link.Token.Reveal())), kind, word)
		is(t, second(w.CompleteReset(ctx, anyone(home), reset.Link.Token.Reveal(), "gauze plinth tamper marble")), kind, word)
	}
	try(millrace.Gone, "ask for a new one")
	_, err = w.signIn("bob") // at the address that it was
	is(t, err, millrace.Forbidden, "suspended")
	ok(t, w.Resume(ctx, owner, s.Person))
	try(millrace.Gone, "ask for a new one")
	// A link that a server of before left behind does nothing either.
	m, err = w.RequestEmail(ctx, w.as(mustSignIn(t, w, "bob")), good, "bob@example.org")
	ok(t, err)
	ok(t, w.Suspend(ctx, owner, s.Person))
	ok(t, w.catalog.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = 0 WHERE person = $1`, s.Person)
		return err
	}))
	is(t, second(w.ConfirmEmail(ctx, anyone(home), m.Link.Token.Reveal())), millrace.Forbidden, "suspended")
	ok(t, w.SetEmail(ctx, owner, s.Person, "bob@example.net")) // who manages people may
}

func testDeletePerson(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	s := w.invite("bob", "w_a", "", access.Admin)
	bob := w.as(s)
	_, tok, err := w.CreateKey(ctx, bob, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	l, err := w.Invite(ctx, bob, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	is(t, w.DeletePerson(ctx, bob, owner.Person), millrace.Forbidden)
	ok(t, w.DeletePerson(ctx, bob, s.Person))
	if w.alive(s) {
		t.Error("the session goes on")
	}
	_, err = w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	is(t, err, millrace.Unauthorized)
	_, err = w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Cleo", Email: "cleo@example.com", Password: good})
	is(t, err, millrace.Gone)
	again := w.invite("bob", "w_a", "", access.Viewer) // the address is free
	if again.Person == s.Person {
		t.Error("the same id again")
	}
	is(t, w.DeletePerson(ctx, owner, "p_x"), millrace.NotFound)
}

func testPurge(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	bob := w.invite("bob", "w_b", "", access.Owner)
	_, tok, err := w.CreateKey(ctx, w.as(bob), access.NewKey{Name: "ci", Workspace: "w_b", Environment: "e_1", Role: access.Viewer})
	ok(t, err)
	_, tok2, err := w.CreateKey(ctx, w.as(bob), access.NewKey{Name: "ci", Workspace: "w_b", Environment: "e_2", Role: access.Viewer})
	ok(t, err)
	ok(t, w.SetRole(ctx, system(), bob.Person, "w_b", "e_1", access.Viewer))
	purge := func(environment string) {
		t.Helper()
		ok(t, w.catalog.Update(ctx, func(tx catalog.Tx) error { return w.PurgeWorkspace(ctx, tx, "w_b", environment) }))
		w.Refresh()
	}
	purge("e_1")
	_, err = w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	is(t, err, millrace.Unauthorized)
	_, err = w.AuthenticateKey(ctx, tok2.Reveal(), access.From{})
	ok(t, err)
	purge("")
	if p := w.as(bob); p.Member("w_b") || len(p.Grants()) != 0 {
		t.Errorf("grants %v", p.Grants())
	}
	for _, table := range []string{"access_member", "access_key", "access_link"} {
		n, err := all[int64](ctx, w, `SELECT count(*) FROM `+table+` WHERE workspace = 'w_b'`)
		if ok(t, err); n[0] != 0 {
			t.Errorf("%s still has %d rows of it", table, n[0])
		}
	}
	if n, err := all[int64](ctx, w, `SELECT count(*) FROM access_secret`); err != nil || n[0] != 0 {
		t.Errorf("%d secrets are left, %v", n[0], err)
	}
	ok(t, owner.Allow(access.WorkspaceRead, "w_a", ""))
	err = w.catalog.Update(ctx, func(tx catalog.Tx) error { return w.PurgeWorkspace(ctx, tx, access.Installation, "") })
	is(t, err, millrace.Invalid)
}

func testLists(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	for i := range 7 {
		w.pass(time.Second * time.Duration(i%2)) // some at the same time
		s := w.invite(fmt.Sprintf("p%d", i), "w_a", "", access.Viewer)
		ok(t, w.SetRole(ctx, owner, s.Person, "w_a", "e_1", access.Editor))
		_, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: fmt.Sprintf("k%d", i), Workspace: "w_a", Role: access.Viewer})
		ok(t, err)
	}
	walk := func(what string, want int, page func(access.Page) (ids []string, next string, err error)) {
		t.Helper()
		seen, p := map[string]bool{}, access.Page{Limit: 2}
		for range 100 {
			ids, next, err := page(p)
			ok(t, err)
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%s: %s twice", what, id)
				}
				seen[id] = true
			}
			if p.Cursor = next; next == "" {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d, want %d", what, len(seen), want)
		}
	}
	walk("people", 8, func(p access.Page) (ids []string, next string, err error) {
		list, next, err := w.People(ctx, owner, p)
		for _, x := range list {
			ids = append(ids, x.ID)
		}
		return ids, next, err
	})
	walk("members", 15, func(p access.Page) (ids []string, next string, err error) {
		list, next, err := w.Members(ctx, owner, "w_a", p)
		for _, x := range list {
			ids = append(ids, x.Person+x.Environment)
		}
		return ids, next, err
	})
	walk("keys", 7, func(p access.Page) (ids []string, next string, err error) {
		list, next, err := w.Keys(ctx, owner, "w_a", p)
		for _, x := range list {
			ids = append(ids, x.ID)
		}
		return ids, next, err
	})
	walk("invitations", 7, func(p access.Page) (ids []string, next string, err error) {
		list, next, err := w.Invitations(ctx, owner, "w_a", p)
		for _, x := range list {
			ids = append(ids, x.ID)
		}
		return ids, next, err
	})
	_, _, err := w.Keys(ctx, owner, "w_a", access.Page{Cursor: "x"})
	is(t, err, millrace.Invalid)
	viewer := w.as(mustSignIn(t, w, "p1"))
	_, _, err = w.People(ctx, viewer, access.Page{})
	is(t, err, millrace.Forbidden, string(access.PersonRead))
	_, _, err = w.Members(ctx, viewer, access.Installation, access.Page{})
	is(t, err, millrace.Forbidden)
	_, _, err = w.Members(ctx, viewer, "w_b", access.Page{})
	is(t, err, millrace.NotFound)
}
