package access_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

func testSessions(t *testing.T, w *world) {
	ctx, first := t.Context(), w.setUp()
	second, err := w.signIn("ada")
	ok(t, err)
	w.pass(time.Second)
	third, err := w.SignIn(ctx, access.Caller{Address: elsewhere, Agent: "phone\x00\n" + strings.Repeat("ü", 200)}, access.SignIn{Email: "ada@example.com", Password: good})
	ok(t, err)
	me, bob := w.as(second), w.as(w.invite("bob", "w_a", "", access.Viewer))
	list, err := w.Sessions(ctx, me)
	ok(t, err)
	if len(list) != 3 {
		t.Fatalf("sessions %+v", list)
	}
	for _, s := range list {
		if s.Current != (s.ID == second.Session) {
			t.Errorf("%+v", s)
		}
		if s.ID == third.Session && (s.Address != elsewhere.String() || !strings.HasPrefix(s.Agent, "phone  ü") || len(s.Agent) > 200) {
			t.Errorf("%+v", s)
		}
	}
	is(t, w.EndSession(ctx, bob, second.Session), millrace.NotFound)
	is(t, w.EndSession(ctx, system(), second.Session), millrace.NotFound)
	is(t, w.EndSession(ctx, me, "no such"), millrace.NotFound)
	ok(t, w.EndSession(ctx, me, first.Session))
	if w.alive(first) || !w.alive(second) {
		t.Error("ended another session")
	}
	ok(t, w.EndOtherSessions(ctx, me))
	if w.alive(third) || !w.alive(second) {
		t.Error("others go on")
	}
	ok(t, w.SignOut(ctx, me))
	if w.alive(second) {
		t.Error("signed out, the session goes on")
	}
	// What is no session's token.
	for name, text := range map[string]string{"none": "", "another kind": token.New(token.Key, "").Reveal(), "unknown": token.New(token.Session, "").Reveal(),
		"right id, wrong secret": token.Again(token.Session, third.Session).Reveal()} {
		if _, err := w.Authenticate(ctx, text, access.From{}); err == nil || millrace.KindOf(err) != millrace.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One person has so many; the one that was not used for longest ends.
	var all []access.SignedIn
	for range 101 {
		w.pass(time.Second)
		s, err := w.signIn("ada")
		ok(t, err)
		all = append(all, s)
	}
	if w.alive(all[0]) || !w.alive(all[1]) || !w.alive(all[100]) {
		t.Error("there are more than 100 sessions, or the wrong one ended")
	}
}

func testIdleAndExpiry(t *testing.T, w *world) {
	s := w.setUp()
	for range 5 {
		w.pass(7 * time.Hour)
		if !w.alive(s) {
			t.Fatal("a session that is used went idle")
		}
	}
	ok(t, w.Flush(t.Context()))
	w.restart()
	w.pass(7 * time.Hour)
	if _, err := w.Authenticate(t.Context(), s.Token.Reveal(), access.From{Background: true}); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	if w.alive(s) {
		t.Error("what a page asks by itself kept the session from going idle")
	}
	s, err := w.signIn("ada")
	ok(t, err)
	for range 23 {
		w.pass(7 * time.Hour)
		if !w.alive(s) {
			t.Fatal("ended before its time")
		}
	}
	if w.pass(7 * time.Hour); w.alive(s) {
		t.Error("goes on after 7 days")
	}
	list, err := w.Sessions(t.Context(), access.Caller{Principal: access.Principal{Kind: access.PersonKind, Person: s.Person}})
	if ok(t, err); len(list) != 0 {
		t.Errorf("lists ended sessions %+v", list)
	}
}

// testRenew: when others change what someone may do, it holds at once, and their
// session gets another token.
func testRenew(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	s := w.invite("bob", "w_a", "", access.Viewer)
	auth := func(text string) access.Signed {
		t.Helper()
		signed, err := w.Authenticate(ctx, text, access.From{Address: home})
		ok(t, err)
		return signed
	}
	before := auth(s.Token.Reveal())
	if before.Renew || before.CheckCSRF(before.CSRF()) != nil {
		t.Fatal("a new session wants another token")
	}
	is(t, before.CheckCSRF(""), millrace.Forbidden)
	is(t, before.CheckCSRF(before.CSRF()+"x"), millrace.Forbidden)
	is(t, before.Allow(access.FileWrite, "w_a", ""), millrace.Forbidden)
	ok(t, w.SetRole(ctx, owner, s.Person, "w_a", "", access.Editor))
	signed := auth(s.Token.Reveal())
	if !signed.Renew || !signed.Can(access.FileWrite, "w_a", "") {
		t.Fatal("the change is not seen")
	}
	renewed, err := w.Renew(ctx, signed)
	ok(t, err)
	if renewed.Session != s.Session || renewed.Token == s.Token {
		t.Fatal("not renewed")
	}
	_, err = w.Renew(ctx, signed)
	is(t, err, millrace.Conflict)
	now := auth(renewed.Token.Reveal())
	if now.Renew || now.CSRF() == before.CSRF() {
		t.Error("wants to be renewed again")
	}
	ok(t, now.CheckCSRF(before.CSRF())) // a page has it still
	if old := auth(s.Token.Reveal()); old.Renew {
		t.Error("the old token may be renewed")
	}
	w.pass(31 * time.Second)
	if w.alive(s) {
		t.Error("the old token goes on")
	}
	is(t, auth(renewed.Token.Reveal()).CheckCSRF(before.CSRF()), millrace.Forbidden)
	ok(t, auth(renewed.Token.Reveal()).CheckCSRF(now.CSRF()))
	// Accepting an invitation raises one's own rights: the token before ends at once.
	l, err := w.Invite(ctx, system(), access.Invite{Workspace: "w_b", Role: access.Admin})
	ok(t, err)
	raised, err := w.Accept(ctx, w.as(renewed), l.Token.Reveal(), access.NewPerson{})
	ok(t, err)
	if w.alive(renewed) || !w.as(raised).Can(access.KeyManage, "w_b", "") {
		t.Error("the token from before has the new rights")
	}
}

// testSeen: requests cost no writes; who was seen when is written together.
func testSeen(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	_, tok, err := w.CreateKey(ctx, w.as(s), access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	auth := func(from netip.Addr) {
		t.Helper()
		_, err := w.Authenticate(ctx, s.Token.Reveal(), access.From{Address: from, Agent: "phone/2"})
		ok(t, err)
		_, err = w.AuthenticateKey(ctx, tok.Reveal(), access.From{Address: from})
		ok(t, err)
	}
	auth(home)
	w.catalog.take()
	for range 1000 {
		w.pass(time.Second)
		auth(elsewhere)
	}
	if ran := w.catalog.take(); len(ran) != 0 {
		t.Errorf("2000 requests ran %d statements: %.3q", len(ran), ran)
	}
	check := func() {
		t.Helper()
		list, err := w.Sessions(ctx, access.Caller{Principal: access.Principal{Kind: access.PersonKind, Person: s.Person}})
		ok(t, err)
		keys, _, err := w.Keys(ctx, system(), "w_a", access.Page{})
		ok(t, err)
		if got := list[0]; !got.Seen.Equal(w.clock()) || got.Address != elsewhere.String() || got.Agent != "phone/2" {
			t.Errorf("session %+v", got)
		}
		if got := keys[0]; !got.Seen.Equal(w.clock()) || got.Address != elsewhere.String() {
			t.Errorf("key %+v", got)
		}
	}
	check()
	w.catalog.take()
	ok(t, w.Flush(ctx))
	if ran := w.catalog.take(); len(ran) != 4 { // two transactions, two rows
		t.Errorf("writing it ran %q", ran)
	}
	ok(t, w.Flush(ctx))
	if ran := w.catalog.take(); len(ran) != 0 {
		t.Errorf("writing nothing ran %q", ran)
	}
	w.restart()
	check()
}

func testPassword(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	other, err := w.signIn("ada")
	ok(t, err)
	me := w.as(s)
	const next = "gauze plinth tamper marble"
	for name, c := range map[string]struct {
		current, next string
		kind          millrace.Kind
	}{"wrong": {"x", next, millrace.Forbidden}, "same": {good, good, millrace.Invalid}, "weak": {good, "adaadaadaadaada", millrace.Invalid}} {
		if _, err := w.ChangePassword(ctx, me, c.current, c.next); err == nil || millrace.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.ChangePassword(ctx, system(), good, next)
	is(t, err, millrace.Forbidden)
	open, err := w.RequestReset(ctx, anyone(elsewhere), "ada@example.com")
	ok(t, err)
	renewed, err := w.ChangePassword(ctx, me, good, next)
	ok(t, err)
	if w.alive(s) || w.alive(other) || !w.alive(renewed) {
		t.Error("sessions from before go on")
	}
	_, err = w.CompleteReset(ctx, anyone(home), open.Link.Token.Reveal(), "marble plinth tamper gauze")
	is(t, err, millrace.Gone)
	_, err = w.signIn("ada")
	is(t, err, millrace.Unauthorized)
	_, err = w.SignIn(ctx, anyone(home), access.SignIn{Email: "ada@example.com", Password: next})
	ok(t, err)
}

func testReset(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	for range 8 { // someone guesses until they have to wait
		_, _ = w.SignIn(ctx, anyone(home), access.SignIn{Email: "ada@example.com", Password: "wrong wrong wrong"})
	}
	_, err := w.signIn("ada")
	is(t, err, millrace.Limited)
	first, err := w.RequestReset(ctx, anyone(elsewhere), "Ada@example.com")
	ok(t, err)
	m, err := w.RequestReset(ctx, anyone(elsewhere), "ada@example.com")
	ok(t, err)
	if m.To != "ada@example.com" || m.Name != "Ada" {
		t.Errorf("mail %+v", m)
	}
	_, err = w.CompleteReset(ctx, anyone(home), m.Link.Token.Reveal(), "short")
	is(t, err, millrace.Invalid)
	in, err := w.CompleteReset(ctx, anyone(home), m.Link.Token.Reveal(), "gauze plinth tamper marble")
	ok(t, err)
	if w.alive(s) || !w.alive(in) {
		t.Error("sessions from before go on")
	}
	for _, l := range []access.Link{m.Link, first.Link} {
		_, err = w.CompleteReset(ctx, anyone(home), l.Token.Reveal(), "gauze plinth tamper marble")
		is(t, err, millrace.Gone)
	}
	_, err = w.SignIn(ctx, anyone(home), access.SignIn{Email: "ada@example.com", Password: "gauze plinth tamper marble"})
	ok(t, err)
	// On the server's own machine.
	l, err := w.Recover(ctx, "ada@example.com")
	ok(t, err)
	w.pass(2 * time.Hour)
	_, err = w.CompleteReset(ctx, anyone(home), l.Token.Reveal(), good)
	is(t, err, millrace.Gone, "expired")
	_, err = w.Recover(ctx, "nobody@example.com")
	is(t, err, millrace.NotFound)
	// Guessing links has to wait.
	for range 102 {
		_, err = w.CompleteReset(ctx, anyone(elsewhere), token.New(token.Reset, "").Reveal(), good)
	}
	is(t, err, millrace.Limited)
}

// testResetEscalation: who makes a link that sets a password could do all that
// the person can, so they must be able to already.
func testResetEscalation(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin := w.as(w.invite("bob", "w_a", "", access.Admin))
	viewer := w.invite("cleo", "w_a", "", access.Viewer)
	both := w.invite("dan", "w_a", "", access.Viewer)
	l, err := w.Invite(ctx, system(), access.Invite{Workspace: "w_b", Role: access.Owner})
	ok(t, err)
	both, err = w.Accept(ctx, w.as(both), l.Token.Reveal(), access.NewPerson{})
	ok(t, err)
	stranger := w.invite("eve", "w_b", "", access.Admin)
	for name, c := range map[string]struct {
		by     access.Caller
		person string
		kind   millrace.Kind
	}{
		"admin, owner":                      {admin, owner.Person, millrace.Forbidden},
		"admin, who owns another workspace": {admin, both.Person, millrace.Forbidden},
		"admin, of another workspace":       {admin, stranger.Person, millrace.NotFound},
		"admin, nobody":                     {admin, "p_x", millrace.NotFound},
		"viewer, viewer":                    {w.as(viewer), viewer.Person, millrace.Forbidden},
		"nobody":                            {anyone(home), viewer.Person, millrace.Unauthorized},
		"owner, nobody":                     {owner, "p_x", millrace.NotFound},
	} {
		if _, err := w.CreateReset(ctx, c.by, c.person); err == nil || millrace.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err = w.CreateReset(ctx, admin, viewer.Person)
	ok(t, err)
	_, err = w.CompleteReset(ctx, anyone(home), l.Token.Reveal(), "gauze plinth tamper marble")
	ok(t, err)
	_, err = w.CreateReset(ctx, owner, stranger.Person) // who runs the server may
	ok(t, err)
}

// testResetLater: a link that sets a password is worth no more than who made it
// when it is followed.
func testResetLater(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	admin := w.as(w.invite("bob", "w_a", "", access.Admin))
	more, less := w.invite("cleo", "w_a", "", access.Viewer), w.invite("dan", "w_a", "", access.Viewer)
	_, tok, err := w.CreateKey(ctx, admin, access.NewKey{Name: "resets", Workspace: "w_a", Role: access.Admin})
	ok(t, err)
	key, err := w.AuthenticateKey(ctx, tok.Reveal(), access.From{})
	ok(t, err)
	var links []string
	for _, by := range []access.Caller{admin, {Principal: key}} {
		for _, person := range []string{more.Person, less.Person} {
			l, err := w.CreateReset(ctx, by, person)
			ok(t, err)
			links = append(links, l.Token.Reveal())
		}
	}
	l, err := w.Invite(ctx, system(), access.Invite{Workspace: "w_b", Role: access.Owner})
	ok(t, err)
	_, err = w.Accept(ctx, w.as(more), l.Token.Reveal(), access.NewPerson{})
	ok(t, err)
	for _, link := range []string{links[0], links[2]} { // cleo owns another workspace by now
		_, err = w.CompleteReset(ctx, anyone(elsewhere), link, "gauze plinth tamper marble")
		is(t, err, millrace.Gone, "may not set your password any more")
	}
	_, err = w.RemoveMember(ctx, owner, admin.Person, "w_a", "", true)
	ok(t, err)
	for _, link := range []string{links[1], links[3]} { // bob is nobody here by now
		_, err = w.CompleteReset(ctx, anyone(elsewhere), link, "gauze plinth tamper marble")
		is(t, err, millrace.Gone, "may not set your password any more")
	}
	mustSignIn(t, w, "cleo")
	mustSignIn(t, w, "dan")
}

func testEmail(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	bob := w.invite("bob", "w_a", "", access.Viewer)
	other, err := w.signIn("ada")
	ok(t, err)
	me := w.as(s)
	_, err = w.RequestEmail(ctx, me, "wrong", "ada@example.org")
	is(t, err, millrace.Forbidden)
	taken, err := w.RequestEmail(ctx, me, good, "BOB@example.com")
	ok(t, err)
	_, err = w.ConfirmEmail(ctx, me, taken.Link.Token.Reveal())
	is(t, err, millrace.Conflict)
	m, err := w.RequestEmail(ctx, me, good, "ada@Example.org")
	ok(t, err)
	if m.To != "ada@example.org" {
		t.Errorf("to %s", m.To)
	}
	before, err := w.ConfirmEmail(ctx, me, m.Link.Token.Reveal())
	ok(t, err)
	if before != "ada@example.com" || w.alive(other) || !w.alive(s) {
		t.Errorf("before %s; other session %v, own %v", before, w.alive(other), w.alive(s))
	}
	_, err = w.ConfirmEmail(ctx, me, m.Link.Token.Reveal())
	is(t, err, millrace.Gone)
	_, err = w.signIn("ada")
	is(t, err, millrace.Unauthorized)
	_, err = w.SignIn(ctx, anyone(home), access.SignIn{Email: "ada@example.org", Password: good})
	ok(t, err)
	is(t, w.SetEmail(ctx, w.as(bob), bob.Person, "bob@example.org"), millrace.Forbidden)
	is(t, w.SetEmail(ctx, me, bob.Person, "ADA@example.org"), millrace.Conflict)
	ok(t, w.SetEmail(ctx, me, bob.Person, "bob@example.org"))
	p, err := w.Profile(ctx, me)
	ok(t, err)
	if p.Email != "ada@example.org" || p.Name != "Ada" || !p.HasPassword {
		t.Errorf("profile %+v", p)
	}
	ok(t, w.Rename(ctx, me, me.Person, "  Ada   King "))
	is(t, w.Rename(ctx, access.Caller{Principal: access.Principal{}}, me.Person, "x"), millrace.Unauthorized)
	if got := w.as(s).Name; got != "Ada King" {
		t.Errorf("renamed to %q", got)
	}
}

func TestEmailForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a@b.example": "a@b.example", " A.B+c@EXAMPLE.com. ": "a.b+c@example.com", "ａ＠example.com": "a@example.com", "o'neil@example.com": "o'neil@example.com",
		"x@xn--bcher-kva.example": "x@xn--bcher-kva.example", "root@localhost": "root@localhost",
		"": "", "a": "", "@b.example": "", "a@": "", "a b@example.com": "", "a@b..example": "", ".a@b.example": "", "a.@b.example": "", "a@-b.example": "",
		"а@example.com": "", "a@exаmple.com": "", "a@bücher.example": "", "a\x00@b.example": "", "a\n@b.example": "", "a@b.example\r\nBcc: c@d.example": "",
		"\xff@b.example": "", "a,b@example.com": "", "a@b@c.example": "", "<a@b.example>": "", strings.Repeat("a", 65) + "@b.example": "", "a@" + strings.Repeat("b", 260): "",
		"a@exam\u200bple.com": "", "ⓐ@example.com": "a@example.com",
	} {
		shown, key, err := access.Email(text)
		if key != want || (err == nil) != (want != "") || !strings.EqualFold(shown, key) {
			t.Errorf("%q: %q, %q, %v", text, shown, key, err)
		}
	}
	for text, want := range map[string]string{" Ada  King ": "Ada King", "日本 太郎": "日本 太郎", "e\u0301": "é", "नमस्ते": "नमस्ते",
		"": "", "\u202eevil": "", "a\x00": "", "\xff": "", strings.Repeat("x", 300): "", "zero\u200bwidth": "", "\u3164": "ㅤ"} {
		if got, err := access.Name(text); got != want || (err == nil) != (want != "") {
			t.Errorf("name %q: %q, %v", text, got, err)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"a@b.example", "ａ＠ｂ.example", "ﬀ@b", "\u212a@k", "İ@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown, key, err := access.Email(text)
		if err != nil {
			return
		}
		again, same, err := access.Email(shown)
		if err != nil || again != shown || same != key {
			t.Errorf("%q became %q, which becomes %q, %v", text, shown, again, err)
		}
		for _, c := range shown {
			if c <= ' ' || c > '~' {
				t.Errorf("%q became %q", text, shown)
			}
		}
	})
}
