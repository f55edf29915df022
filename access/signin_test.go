package access_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/password"
)

func testSetUp(t *testing.T, w *world) {
	ctx := t.Context()
	first, needed, err := w.Setup(ctx)
	if ok(t, err); !needed {
		t.Fatal("an empty server needs no owner")
	}
	w.restart()
	second, needed, err := w.Setup(ctx)
	if ok(t, err); !needed || second.Token == first.Token {
		t.Fatal("a second start prints no new link")
	}
	me := access.NewPerson{Name: "Ada", Email: "ada@example.com", Password: good}
	_, err = w.CompleteSetup(ctx, anyone(home), first.Token.Reveal(), me, "w_a")
	is(t, err, millrace.Gone)
	for name, wrong := range map[string]access.NewPerson{
		"weak":     {Name: "Ada", Email: "ada@example.com", Password: "password1234567"},
		"own name": {Name: "Ada Lovelace", Email: "ada@example.com", Password: "Ada.Lovelace.1815"},
		"company":  {Name: "Ada", Email: "ada@example.com", Password: "AcmeCorporation1"},
		"address":  {Name: "Ada", Email: "ada", Password: good},
		"no name":  {Name: "\u200b", Email: "ada@example.com", Password: good},
	} {
		if _, err := w.CompleteSetup(ctx, anyone(home), second.Token.Reveal(), wrong, "w_a"); millrace.KindOf(err) != millrace.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := w.CompleteSetup(ctx, anyone(home), second.Token.Reveal(), me, "w_a")
	ok(t, err)
	if c := w.last(); c.Action != "setup.complete" || c.Caller.Person != s.Person {
		t.Errorf("recorded %+v", c)
	}
	owner := w.as(s)
	for _, p := range access.Permissions() {
		ok(t, owner.Allow(p.Name, "w_a", ""))
	}
	is(t, owner.Allow(access.QueryRun, "w_b", ""), millrace.NotFound)
	_, err = w.CompleteSetup(ctx, anyone(home), second.Token.Reveal(), me, "w_a")
	is(t, err, millrace.Gone, "used")
	if _, needed, err := w.Setup(ctx); needed || err != nil {
		t.Errorf("with an owner a link is still made: %v", err)
	}
}

func testSignIn(t *testing.T, w *world) {
	ctx, first := t.Context(), w.setUp()
	for _, email := range []string{"ada@example.com", "ADA@Example.COM", " ada@example.com. ", "ａｄａ@example.com"} {
		s, err := w.SignIn(ctx, anyone(home), access.SignIn{Email: email, Password: good})
		if err != nil {
			t.Fatalf("%q: %v", email, err)
		}
		if s.Token == first.Token || s.Session == first.Session {
			t.Error("the same session again")
		}
	}
	for _, wrong := range []access.SignIn{
		{Email: "ada@example.com", Password: good + "x"}, {Email: "ada@example.com"}, {Email: "bob@example.com", Password: good},
		{Email: "", Password: good}, {Email: "ada\x00@example.com", Password: good}, {Email: "\xff", Password: "\xff"},
		{Email: strings.Repeat("a", 2000), Password: good}, {Email: "ada@example.com", Password: strings.Repeat("x", 1<<20)},
	} {
		_, err := w.SignIn(ctx, anyone(elsewhere), wrong)
		is(t, err, millrace.Unauthorized, "the e-mail address or the password is wrong")
	}
	// The session that the browser had ends, so nobody else can know the one it gets.
	s, err := w.SignIn(ctx, anyone(home), access.SignIn{Email: "ada@example.com", Password: good, Previous: first.Token.Reveal()})
	ok(t, err)
	if w.alive(first) || !w.alive(s) {
		t.Error("the session before goes on")
	}
	c := w.last()
	if c.Action != "session.start" || c.Caller.Person != first.Person || c.Caller.Address != home || c.Caller.Agent != "browser/1" {
		t.Errorf("recorded %+v", c)
	}
}

func testThrottle(t *testing.T, w *world) {
	ctx := t.Context()
	w.setUp()
	wrong := func(from netip.Addr) error {
		_, err := w.SignIn(ctx, anyone(from), access.SignIn{Email: "ada@example.com", Password: "wrong wrong wrong"})
		return err
	}
	right := func(from netip.Addr) error {
		_, err := w.SignIn(ctx, anyone(from), access.SignIn{Email: "ada@example.com", Password: good})
		return err
	}
	ok(t, right(home)) // from now on ada is known at home
	for range 5 {
		is(t, wrong(elsewhere), millrace.Unauthorized)
	}
	var waits []time.Duration
	for range 14 {
		is(t, wrong(elsewhere), millrace.Unauthorized)
		err := wrong(elsewhere)
		is(t, err, millrace.Limited, "wait")
		var e *millrace.Error
		if !asError(err, &e) || e.RetryAfter <= 0 {
			t.Fatal("no time to wait is told")
		}
		waits = append(waits, e.RetryAfter)
		is(t, right(elsewhere), millrace.Limited) // the right one too, or guessing would go on
		w.restart()                               // which forgets nothing
		is(t, wrong(elsewhere), millrace.Limited)
		w.pass(e.RetryAfter)
	}
	for i, wait := range waits[1:] {
		if wait < waits[i] || wait > 15*time.Minute+time.Second {
			t.Errorf("waits %v", waits)
		}
	}
	if waits[len(waits)-1] < 14*time.Minute {
		t.Errorf("waits %v", waits)
	}
	// Guesses of one account from everywhere: others wait, its owner at home does not.
	for i := range 60 {
		from := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		if err := wrong(from); millrace.KindOf(err) == millrace.Limited && i < 2 {
			t.Fatalf("the %d. guess: %v", i, err)
		}
	}
	is(t, wrong(netip.MustParseAddr("203.0.113.99")), millrace.Limited)
	ok(t, right(home))
	// The owner elsewhere is never locked out for good.
	w.pass(5*time.Minute + time.Second)
	ok(t, right(netip.MustParseAddr("203.0.113.98")))
	// Guesses of all accounts from one network, all of a /64.
	limited := 0
	for i := range 80 {
		_, err := w.SignIn(ctx, anyone(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))), access.SignIn{Email: fmt.Sprintf("p%d@example.com", i), Password: good})
		if millrace.KindOf(err) == millrace.Limited {
			limited++
		}
	}
	if limited < 25 {
		t.Errorf("%d of 80 guesses from one network had to wait", limited)
	}
	_, err := w.SignIn(ctx, anyone(netip.MustParseAddr("2001:db8:1::1")), access.SignIn{Email: "p999@example.com", Password: good})
	is(t, err, millrace.Unauthorized)
}

// testRaces has many do the same at once.
func testRaces(t *testing.T, w *world) {
	owner := w.as(w.setUp())
	var wg sync.WaitGroup
	var tried atomic.Int64
	for range 40 {
		wg.Go(func() {
			if _, err := w.SignIn(t.Context(), anyone(elsewhere), access.SignIn{Email: "ada@example.com", Password: "wrong wrong wrong"}); millrace.KindOf(err) == millrace.Unauthorized {
				tried.Add(1)
			}
		})
	}
	wg.Wait()
	if n := tried.Load(); n != 6 {
		t.Errorf("%d of 40 guesses at once were looked at, want 6", n)
	}
	// One link, many who follow it: one gets in.
	l, err := w.Invite(t.Context(), owner, access.Invite{Workspace: "w_a", Role: access.Viewer})
	ok(t, err)
	var in, gone atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			_, err := w.Accept(t.Context(), anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Bob", Email: fmt.Sprintf("bob%d@example.com", i), Password: good})
			switch {
			case err == nil:
				in.Add(1)
			case millrace.KindOf(err) == millrace.Gone:
				gone.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 || gone.Load() != 7 {
		t.Errorf("%d got in, for %d the link was used", in.Load(), gone.Load())
	}
	// Two owners remove each other at once: one stays.
	bea := w.as(w.invite("bea", "w_a", "", access.Owner))
	wg.Go(func() { _, _ = w.RemoveMember(t.Context(), owner, bea.Person, "w_a", "", true) })
	wg.Go(func() { _, _ = w.RemoveMember(t.Context(), bea, owner.Person, "w_a", "", true) })
	wg.Wait()
	members, _, err := w.Members(t.Context(), system(), "w_a", access.Page{})
	ok(t, err)
	if !slices.ContainsFunc(members, func(m access.Member) bool { return m.Role == access.Owner }) {
		t.Error("no owner is left")
	}
}

// testNoEnumeration proves that whether there is an account shows neither in the
// answer, nor in which statements run, nor in how much is hashed.
func testNoEnumeration(t *testing.T, w *world) {
	ctx := t.Context()
	w.setUp()
	w.invite("bob", "w_a", "", access.Viewer)
	old, err := password.New(password.Options{Cost: password.Cost{MemoryKiB: 128, Passes: 1, Lanes: 1}})
	ok(t, err)
	w.o.Hasher = old
	w.restart()
	w.invite("cleo", "w_a", "", access.Viewer) // of another cost than the others
	w.o.Hasher = w.hasher
	w.restart()
	w.invite("zed", "w_a", "", access.Viewer)
	people, _, err := w.People(ctx, system(), access.Page{})
	ok(t, err)
	ok(t, w.Suspend(ctx, system(), people[3].ID))
	_, _ = w.SignIn(ctx, anyone(elsewhere), access.SignIn{Email: "x@example.com", Password: "wrong wrong wrong"}) // costs are read once a minute
	w.catalog.take()

	type trace struct {
		answer     string
		statements []string
		work       uint64
	}
	run := func(f func() error) trace {
		before := w.hasher.Work()
		err := f()
		return trace{fmt.Sprint(millrace.KindOf(err), err), w.catalog.take(), w.hasher.Work() - before}
	}
	emails := []string{"nobody@example.com", "ada@example.com", "bob@example.com", "cleo@example.com", "zed@example.com", "not an address", ""}
	for what, f := range map[string]func(string, netip.Addr) error{
		"sign in": func(email string, from netip.Addr) error {
			_, err := w.SignIn(ctx, anyone(from), access.SignIn{Email: email, Password: "wrong wrong wrong"})
			return err
		},
		"reset": func(email string, from netip.Addr) error {
			_, err := w.RequestReset(ctx, anyone(from), email)
			return err
		},
	} {
		for attempt := range 8 { // also once it has to wait
			var first trace
			for i, email := range emails {
				from := netip.AddrFrom4([4]byte{10, 0, byte(i), 1})
				got := run(func() error { return f(email, from) })
				if i == 0 {
					first = got
					continue
				}
				if got.answer != first.answer || got.work != first.work || !slices.Equal(got.statements, first.statements) {
					t.Errorf("%s %q, attempt %d: %+v\nnobody: %+v", what, email, attempt, got, first)
				}
			}
		}
		w.pass(48 * time.Hour)
		_, _ = w.SignIn(ctx, anyone(elsewhere), access.SignIn{Email: "x@example.com", Password: "wrong wrong wrong"})
		w.catalog.take()
	}
	// What is not a full account gets no link.
	for email, mails := range map[string]bool{"ada@example.com": true, "zed@example.com": false, "nobody@example.com": false} {
		m, err := w.RequestReset(ctx, anyone(netip.MustParseAddr("10.9.9.9")), email)
		if ok(t, err); (m.To != "") != mails || (m.Link.ID != "") != mails {
			t.Errorf("%s: %+v", email, m)
		}
	}
}

func testRehash(t *testing.T, w *world) {
	ctx, me := t.Context(), w.setUp()
	cost := func() string {
		rows, err := all[string](ctx, w, `SELECT password FROM access_person WHERE id = $1`, me.Person)
		ok(t, err)
		c, err := password.CostOf(rows[0])
		ok(t, err)
		return c.String()
	}
	if cost() != "m=64,t=1,p=1" {
		t.Fatal(cost())
	}
	h, err := password.New(password.Options{Cost: password.Cost{MemoryKiB: 96, Passes: 2, Lanes: 1}})
	ok(t, err)
	w.o.Hasher = h
	w.restart()
	for range 2 {
		if _, err := w.signIn("ada"); err != nil {
			t.Fatal(err)
		}
		if cost() != "m=96,t=2,p=1" {
			t.Errorf("after signing in the hash still costs %s", cost())
		}
	}
}
