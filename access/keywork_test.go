package access_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// refusedKeys are tokens that nobody is let in with, by what is wrong with them. All
// have the right form, so that it takes a look to refuse them.
func (w *world) refusedKeys(owner access.Caller) map[string]token.Token {
	w.t.Helper()
	ctx := w.t.Context()
	made := func(name string, expires time.Time) (access.Key, token.Token) {
		w.t.Helper()
		k, tok, err := w.CreateKey(ctx, owner, access.NewKey{Name: name, Workspace: "w_a", Role: access.Viewer, Expires: expires})
		ok(w.t, err)
		return k, tok
	}
	_, there := made("there", time.Time{})
	_, expired := made("expired", w.clock().Add(time.Minute))
	k, revoked := made("revoked", time.Time{})
	ok(w.t, second(w.RevokeKey(ctx, owner, "w_a", k.ID, false)))
	k, rotated := made("rotated", time.Time{})
	ok(w.t, third(w.RotateKey(ctx, owner, "w_a", k.ID, 0)))
	w.pass(time.Hour)
	again := func(t token.Token) token.Token { return token.Again(token.Key, t.ID()) }
	return map[string]token.Token{
		"unknown": token.New(token.Key, ""), "another unknown": token.New(token.Key, ""),
		"wrong secret": again(there), "wrong secret of an expired one": again(expired), "wrong secret of a revoked one": again(revoked), "wrong secret of a rotated one": again(rotated),
		"expired": expired, "revoked": revoked, "rotated": rotated,
	}
}

// testKeyWork proves that whether there is a key, and what has become of it, shows to
// who does not know its secret neither in the answer, nor in the work that it takes:
// the same statements run, the token is hashed, and the hash compared with one.
func testKeyWork(t *testing.T, w *world) {
	owner := w.as(w.setUp())
	all := w.refusedKeys(owner)
	from := access.From{Address: elsewhere}
	try := func(text string) string {
		_, err := w.AuthenticateKey(t.Context(), text, from)
		return fmt.Sprint(millrace.KindOf(err), " ", err)
	}
	for state, want := range map[string]int{"first": 1, "again": 0} {
		work := func(tok token.Token) (string, []string) {
			if w.restart(); state == "again" {
				try(tok.Reveal())
			}
			w.catalog.take()
			answer := try(tok.Reveal())
			return answer, slices.DeleteFunc(w.catalog.take(), func(sql string) bool { return !strings.Contains(sql, "access_secret") }) // others look whether something changed
		}
		unknown, statements := work(all["unknown"])
		if len(statements) != want {
			t.Errorf("%s: an unknown key takes %q", state, statements)
		}
		for what, tok := range all {
			answer, got := work(tok)
			if !slices.Equal(got, statements) {
				t.Errorf("%s: %s takes %q, an unknown one %q", state, what, got, statements)
			}
			if secret := what == "expired" || what == "revoked" || what == "rotated"; secret == (answer == unknown) {
				t.Errorf("%s: %s is answered %s, an unknown one %s", state, what, answer, unknown)
			}
		}
	}
	w.sameTime(all, try)
}

// sameTime compares the fastest of many turns, which other work on the machine can
// only make more alike: a look-up, or a hash more, is many times as much.
func (w *world) sameTime(all map[string]token.Token, try func(string) string) {
	w.t.Helper()
	const turns, times = 2000, 3.0
	fastest := map[string]time.Duration{}
	for range turns {
		for what, tok := range all {
			begin, text := time.Now(), tok.Reveal()
			try(text)
			if took := time.Since(begin); fastest[what] == 0 || took < fastest[what] {
				fastest[what] = took
			}
		}
	}
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	for _, took := range fastest {
		least, most = min(least, took), max(most, took)
	}
	if float64(most) > times*float64(least)+float64(2*time.Microsecond) {
		w.t.Errorf("refusing takes %v", fastest)
	}
}

// BenchmarkRefusedKey is what it takes to refuse each.
func BenchmarkRefusedKey(b *testing.B) {
	w, _, _ := crowd(b)
	all := w.refusedKeys(system())
	from := access.From{Address: elsewhere}
	for _, what := range []string{"unknown", "wrong secret", "wrong secret of an expired one", "wrong secret of a revoked one", "expired", "revoked"} {
		text := all[what].Reveal()
		b.Run(what, func(b *testing.B) {
			used := processor()
			for b.Loop() {
				if _, err := w.AuthenticateKey(b.Context(), text, from); millrace.KindOf(err) != millrace.Unauthorized {
					b.Fatal(err)
				}
			}
			perRequest(b, used)
		})
	}
}
