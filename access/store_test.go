package access_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/catalog/sqlite"
)

// testRecordFails: what cannot be recorded is not done.
func testRecordFails(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	owner := w.as(s)
	bob := w.invite("bob", "w_a", "", access.Viewer)
	k, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	l, err := w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	m, err := w.RequestReset(ctx, anyone(home), "ada@example.com")
	ok(t, err)
	count := func() string {
		out := ""
		for _, table := range []string{"access_person", "access_member", "access_session", "access_link", "access_key", "access_secret"} {
			n, err := all[int64](ctx, w, `SELECT count(*) FROM `+table)
			ok(t, err)
			out += fmt.Sprint(n)
		}
		n, err := all[string](ctx, w, `SELECT role FROM access_member ORDER BY person, workspace`)
		ok(t, err)
		p, err := all[string](ctx, w, `SELECT password || email || name FROM access_person ORDER BY id`)
		ok(t, err)
		return out + fmt.Sprint(n, p)
	}
	before := count()
	for action, f := range map[string]func() error{
		"key.create": func() error {
			_, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: "x", Workspace: "w_a", Role: access.Viewer})
			return err
		},
		"key.rotate":    func() error { return third(w.RotateKey(ctx, owner, "w_a", k.ID, 0)) },
		"key.revoke":    func() error { return second(w.RevokeKey(ctx, owner, "w_a", k.ID, true)) },
		"member.set":    func() error { return w.SetRole(ctx, owner, bob.Person, "w_a", "", access.Admin) },
		"member.remove": func() error { return second(w.RemoveMember(ctx, owner, bob.Person, "w_a", "", true)) },
		"invitation.create": func() error {
			return second(w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer}))
		},
		"invitation.revoke": func() error { return w.RevokeInvitation(ctx, owner, "w_a", l.ID) },
		"invitation.accept": func() error {
			return second(w.Accept(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Cleo", Email: "cleo@example.com", Password: good}))
		},
		"session.start":      func() error { return second(w.signIn("ada")) },
		"session.end":        func() error { return w.EndSession(ctx, owner, s.Session) },
		"session.end_others": func() error { return w.EndOtherSessions(ctx, owner) },
		"password.change":    func() error { return second(w.ChangePassword(ctx, owner, good, "gauze plinth tamper marble")) },
		"password.reset": func() error {
			return second(w.CompleteReset(ctx, anyone(home), m.Link.Token.Reveal(), "gauze plinth tamper marble"))
		},
		"reset.request":  func() error { return second(w.RequestReset(ctx, anyone(elsewhere), "ada@example.com")) },
		"reset.create":   func() error { return second(w.CreateReset(ctx, owner, bob.Person)) },
		"email.request":  func() error { return second(w.RequestEmail(ctx, owner, good, "x@example.com")) },
		"email.change":   func() error { return w.SetEmail(ctx, owner, bob.Person, "x@example.com") },
		"person.rename":  func() error { return w.Rename(ctx, owner, bob.Person, "x") },
		"person.suspend": func() error { return w.Suspend(ctx, owner, bob.Person) },
		"person.delete":  func() error { return w.DeletePerson(ctx, owner, bob.Person) },
	} {
		w.failOn(action)
		if err := f(); err == nil || !strings.Contains(err.Error(), "audit trail is full") {
			t.Errorf("%s: %v", action, err)
		}
		w.failOn("")
		if after := count(); after != before {
			t.Fatalf("%s was not recorded, but done: %s, before %s", action, after, before)
		}
		if !w.alive(s) {
			t.Fatalf("%s ended a session", action)
		}
		ok(t, second(w.key(tok)))
	}
}

// testStandby: another server over the same catalog sees changes within seconds.
func testStandby(t *testing.T, w *world) {
	ctx := t.Context()
	s := w.setUp()
	owner := w.as(s)
	bob := w.invite("bob", "w_a", "", access.Editor)
	k, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	o := w.o
	o.CheckInterval = 10 * time.Millisecond
	standby, err := access.New(o)
	ok(t, err)
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- standby.Run(ctx) }()
	auth := func() (editor, key bool) {
		signed, err := standby.Authenticate(ctx, bob.Token.Reveal(), access.From{Address: home})
		_, keyErr := standby.AuthenticateKey(ctx, tok.Reveal(), access.From{Address: home})
		return err == nil && signed.Can(access.FileWrite, "w_a", ""), keyErr == nil
	}
	wait := func(what string, f func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the standby does not see that %s", what)
			}
		}
	}
	if editor, key := auth(); !editor || !key {
		t.Fatal("the standby knows nobody")
	}
	ok(t, w.SetRole(ctx, owner, bob.Person, "w_a", "", access.Viewer))
	wait("a role was lowered", func() bool { editor, _ := auth(); return !editor })
	_, err = w.RevokeKey(ctx, owner, "w_a", k.ID, false)
	ok(t, err)
	wait("a key was revoked", func() bool { _, key := auth(); return !key })
	ok(t, w.EndOtherSessions(ctx, w.as(bob)))
	ok(t, w.SignOut(ctx, w.as(bob)))
	wait("a session has ended", func() bool {
		_, err := standby.Authenticate(ctx, bob.Token.Reveal(), access.From{Address: home})
		return err != nil
	})
	_, err = standby.Authenticate(ctx, s.Token.Reveal(), access.From{Address: elsewhere, Agent: "last"})
	ok(t, err)
	cancel()
	ok(t, <-ran)
	rows, err := all[string](t.Context(), w, `SELECT agent FROM access_session WHERE id = $1`, s.Session)
	if ok(t, err); rows[0] != "last" && rows[0] != "browser/1" {
		t.Errorf("what was last seen is %q", rows[0])
	}
}

// testCatalogAway: what is in memory goes on for a while; then nobody is let in.
func testCatalogAway(t *testing.T, w *world) {
	s := w.setUp()
	_, tok, err := w.CreateKey(t.Context(), w.as(s), access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	other, err := w.signIn("ada")
	ok(t, err)
	w.o.StaleTime = 200 * time.Millisecond
	w.restart()
	w.as(s)
	ok(t, second(w.key(tok)))
	w.catalog.setAway(true)
	ok(t, second(w.Authenticate(t.Context(), s.Token.Reveal(), access.From{})))
	is(t, second(w.Authenticate(t.Context(), other.Token.Reveal(), access.From{})), millrace.Unavailable)
	time.Sleep(250 * time.Millisecond)
	is(t, second(w.Authenticate(t.Context(), s.Token.Reveal(), access.From{})), millrace.Unavailable)
	is(t, second(w.key(tok)), millrace.Unavailable)
	w.catalog.setAway(false)
	for deadline := time.Now().Add(10 * time.Second); second(w.key(tok)) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the catalog is back, and nobody is let in")
		}
	}
	w.as(other)
}

func testClean(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	k, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	_, _, err = w.RotateKey(ctx, owner, "w_a", k.ID, 0)
	ok(t, err)
	gone, _, err := w.CreateKey(ctx, owner, access.NewKey{Name: "gone", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	ok(t, second(w.RevokeKey(ctx, owner, "w_a", gone.ID, false)))
	ok(t, second(w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer})))
	is(t, second(w.SignIn(ctx, anyone(home), access.SignIn{Email: "x@example.com", Password: "y"})), millrace.Unauthorized)
	rows := func() string {
		out := ""
		for _, table := range []string{"access_session", "access_link", "access_key", "access_secret", "access_throttle"} {
			n, err := all[int64](ctx, w, `SELECT count(*) FROM `+table)
			ok(t, err)
			out += fmt.Sprint(n[0], " ")
		}
		return out
	}
	before := rows()
	ok(t, w.Clean(ctx))
	if got := rows(); got != before {
		t.Errorf("%s became %s at once", before, got)
	}
	w.pass(100 * 24 * time.Hour)
	ok(t, w.Clean(ctx))
	if got := rows(); got != "0 0 1 1 0 " {
		t.Errorf("%s became %s", before, got)
	}
}

// testNothingSecret: neither the store, nor what is recorded, nor what is printed holds a
// token or a password.
func testNothingSecret(t *testing.T, w *world) {
	ctx := t.Context()
	l, _, err := w.Setup(ctx)
	ok(t, err)
	s, err := w.CompleteSetup(ctx, anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Ada", Email: "ada@example.com", Password: good}, "w_a")
	ok(t, err)
	owner := w.as(s)
	k, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	i, err := w.Invite(ctx, owner, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	m, err := w.RequestReset(ctx, anyone(home), "ada@example.com")
	ok(t, err)
	const typed = "my-password-in-the-wrong-field"
	in := access.SignIn{Email: typed, Password: typed}
	_, failed := w.SignIn(ctx, anyone(home), in)
	signed, err := w.Authenticate(ctx, s.Token.Reveal(), access.From{})
	ok(t, err)
	secrets := []string{good, typed}
	for _, tok := range []string{l.Token.Reveal(), s.Token.Reveal(), tok.Reveal(), i.Token.Reveal(), m.Link.Token.Reveal()} {
		secrets = append(secrets, tok[len(tok)-30:])
	}
	var dump strings.Builder
	tables := map[string]string{"access_person": "id || name || email || email_key || password || cost", "access_session": "id || person || address || agent", "access_link": "id || email || person",
		"access_key": "id || name || permissions || maker", "access_secret": "id || key_id", "access_throttle": "name"}
	for table, columns := range tables {
		rows, err := all[string](ctx, w, `SELECT `+columns+` FROM `+table)
		ok(t, err)
		dump.WriteString(strings.Join(rows, "\n"))
	}
	for _, sql := range []string{`SELECT hash FROM access_session`, `SELECT hash FROM access_link`, `SELECT hash FROM access_secret`} {
		rows, err := all[[]byte](ctx, w, sql)
		ok(t, err)
		for _, r := range rows {
			dump.Write(r)
			dump.WriteString(hex.EncodeToString(r))
		}
	}
	for _, v := range []any{l, s, k, tok, i, m, in, signed, owner, w.changes, access.NewPerson{Password: good}, &in, failed} {
		dump.WriteString(printed(v))
	}
	for _, secret := range secrets {
		if strings.Contains(dump.String(), secret) {
			t.Errorf("%q is in the store, or printed", secret)
		}
	}
	if k := millrace.KindOf(failed); k != millrace.Unauthorized {
		t.Error(k)
	}
}

// testBackup: a restored catalog knows everyone, and everything in it goes on.
func testBackup(t *testing.T, w *world) {
	ctx, s := t.Context(), w.setUp()
	_, tok, err := w.CreateKey(ctx, w.as(s), access.NewKey{Name: "ci", Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	var backup bytes.Buffer
	ok(t, w.catalog.Backup(ctx, &backup))
	c, err := sqlite.Open(ctx, sqlite.Options{File: filepath.Join(t.TempDir(), "restored.db")})
	ok(t, err)
	defer c.Close()
	ok(t, c.Restore(ctx, &backup, ""))
	w.catalog.Catalog = c
	w.restart()
	w.as(s)
	ok(t, second(w.key(tok)))
	mustSignIn(t, w, "ada")
	ok(t, w.SignOut(ctx, w.as(s)))
}

// testForgetting: while many ask, a change holds for all who ask after it has returned.
func testForgetting(t *testing.T, w *world) {
	ctx, owner := t.Context(), w.as(w.setUp())
	bob := w.invite("bob", "w_a", "", access.Viewer)
	_, tok, err := w.CreateKey(ctx, w.as(bob), access.NewKey{Name: "x", Workspace: "w_a", Role: access.Viewer})
	is(t, err, millrace.Forbidden)
	ok(t, w.SetRole(ctx, owner, bob.Person, "w_a", "", access.Admin))
	_, tok, err = w.CreateKey(ctx, w.as(bob), access.NewKey{Name: "x", Workspace: "w_a", Role: access.Editor})
	ok(t, err)
	can := func() (person, key bool) {
		signed, err := w.Authenticate(ctx, bob.Token.Reveal(), access.From{Address: home})
		if err != nil {
			t.Error(err)
		}
		p, err := w.AuthenticateKey(ctx, tok.Reveal(), access.From{Address: home})
		if err != nil {
			t.Error(err)
		}
		return signed.Can(access.FileWrite, "w_a", ""), p.Can(access.FileWrite, "w_a", "")
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					can()
					runtime.Gosched()
				}
			}
		})
	}
	for i := range 20 {
		role := access.Admin
		if i%2 == 0 {
			role = access.Viewer
		}
		ok(t, w.SetRole(ctx, owner, bob.Person, "w_a", "", role))
		if person, key := can(); person != (role == access.Admin) || key != person {
			t.Errorf("made %s: the person can write: %v, their key: %v", role, person, key)
		}
	}
	close(done)
	wg.Wait()
}
