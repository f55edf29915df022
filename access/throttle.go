package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A limit is how long one waits after so many failures.
type limit struct {
	free   int           // failures that cost no wait
	most   time.Duration // the wait begins at a second, doubles, and grows to this
	forget time.Duration // when nothing was tried for so long, all is forgiven
}

// Three things are counted: who guesses an account from a network waits longest;
// guesses of an account from everywhere, and of all accounts from a network, wait
// too. The owner is not locked out by others' guesses: from a network they have
// signed in from, the second is not counted; and links (a reset, one made on the
// server itself) are bounded by none of these.
var (
	passwordLimits = [3]limit{
		{free: 5, most: 15 * time.Minute, forget: 24 * time.Hour},
		{free: 20, most: 5 * time.Minute, forget: 24 * time.Hour},
		{free: 50, most: 5 * time.Minute, forget: time.Hour},
	}
	// Mails that one asks for by an address.
	mailLimits = [3]limit{
		{free: 3, most: 15 * time.Minute, forget: 24 * time.Hour},
		{free: 5, most: 15 * time.Minute, forget: 24 * time.Hour},
		{free: 20, most: 15 * time.Minute, forget: time.Hour},
	}
)

const (
	knownTime    = 90 * 24 * time.Hour // how long a network is known after signing in from it
	longestCount = 24 * time.Hour      // of all limits' forget
)

func (l limit) wait(failures int) time.Duration {
	if failures <= l.free {
		return 0
	}
	return min(time.Second<<min(failures-l.free-1, 30), l.most)
}

// network returns what is counted as one: a /64 in IPv6.
func network(a netip.Addr) string {
	a = a.Unmap()
	if !a.IsValid() {
		return "unknown"
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return p.String()
}

// account returns by what an account is counted, whether there is one or not. It is a
// hash, because people type passwords where their address belongs.
func account(emailKey string) string {
	sum := sha256.Sum256([]byte("millrace account " + emailKey))
	return hex.EncodeToString(sum[:10])
}

// An attempt is one that is counted before it is known how it goes: then a
// thousand at once are a thousand.
type attempt struct {
	now     time.Time
	names   [3]string
	limits  [3]limit
	known   string
	counted [3]bool
}

func (a *Access) attempt(purpose, emailKey string, from netip.Addr, limits [3]limit) *attempt {
	who, where := account(emailKey), network(from)
	return &attempt{now: a.now(), known: "known " + who + " " + where, limits: limits,
		names: [3]string{purpose + " " + who + " " + where, purpose + " " + who, purpose + " " + where}}
}

// count notes the attempt, or fails with Limited and how long to wait. It takes the same
// statements whether there is such an account or not.
func (t *attempt) count(ctx context.Context, tx catalog.Tx) error {
	known, _, err := catalog.Find[int64](ctx, tx, `SELECT until_at FROM access_throttle WHERE name = $1`, t.known)
	if err != nil {
		return err
	}
	type row struct{ Failures, Until, Last int64 }
	var failures [3]int
	var longest time.Duration
	for i, name := range t.names {
		t.counted[i] = i != 1 || known < t.now.UnixMicro()
		if !t.counted[i] {
			continue
		}
		r, _, err := catalog.Find[row](ctx, tx, `SELECT failures, until_at, last_at FROM access_throttle WHERE name = $1`, name)
		if err != nil {
			return err
		}
		if t.now.Sub(timeOf(r.Last)) < t.limits[i].forget {
			failures[i] = int(r.Failures)
			longest = max(longest, timeOf(r.Until).Sub(t.now))
		}
	}
	if longest > 0 {
		longest = longest.Truncate(time.Second) + time.Second
		return &millrace.Error{Kind: millrace.Limited, RetryAfter: longest,
			Message: "too many wrong attempts: wait " + longest.String() + ", then try again; a link that sets a new password works at once"}
	}
	for i, name := range t.names {
		if !t.counted[i] {
			continue
		}
		n := failures[i] + 1
		if err := setThrottle(ctx, tx, name, n, t.now.Add(t.limits[i].wait(n)), t.now); err != nil {
			return err
		}
	}
	return nil
}

func setThrottle(ctx context.Context, tx catalog.Tx, name string, failures int, until, last time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO access_throttle (name, failures, until_at, last_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, until_at = excluded.until_at, last_at = excluded.last_at`, name, failures, until, last)
	return err
}

// undo takes back what count noted.
func (t *attempt) undo(ctx context.Context, tx catalog.Tx) error {
	ctx = context.WithoutCancel(ctx)
	for i, name := range t.names {
		if !t.counted[i] {
			continue
		}
		if _, err := tx.Exec(ctx, `UPDATE access_throttle SET failures = failures - 1, until_at = $2 WHERE name = $1 AND failures > 0`, name, t.now); err != nil {
			return err
		}
	}
	return nil
}

// forgive takes back what count noted: all of the account from here, this one
// attempt of the network, whose other failures stand. The network is known from now on.
func (t *attempt) forgive(ctx context.Context, tx catalog.Tx) error {
	if err := t.undo(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM access_throttle WHERE name = $1`, t.names[0]); err != nil {
		return err
	}
	return setThrottle(ctx, tx, t.known, 0, t.now.Add(knownTime), t.now)
}

// pardon forgets the failures of an account, from here and from everywhere.
func (t *attempt) pardon(ctx context.Context, tx catalog.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM access_throttle WHERE name IN ($1, $2)`, t.names[0], t.names[1])
	return err
}

// guesses bound in memory how often an address may be wrong: so many at once, then
// one each interval.
type guesses struct {
	now      func() time.Time
	burst    int
	interval time.Duration

	mu sync.Mutex
	// until is when the failures so far are forgotten, at most burst intervals ahead.
	until map[string]time.Time
}

const maxGuessers = 10_000

// The admin token may be one that people can guess; what else is looked up is too long
// for that, and bounded only so that it costs no more than a few look-ups.
func newAdminGuesses(now func() time.Time) *guesses { return newGuesses(now, 10, 10*time.Second) }
func newLookUps(now func() time.Time) *guesses      { return newGuesses(now, 100, 100*time.Millisecond) }

func newGuesses(now func() time.Time, burst int, interval time.Duration) *guesses {
	return &guesses{now: now, burst: burst, interval: interval, until: map[string]time.Time{}}
}

// wait refuses who was wrong too often.
func (g *guesses) wait(from netip.Addr) error {
	who := network(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	until, now := g.until[who], g.now()
	if until.Before(now) {
		return nil
	}
	wait := until.Sub(now) - time.Duration(g.burst-1)*g.interval
	if wait <= 0 {
		return nil
	}
	return &millrace.Error{Kind: millrace.Limited, RetryAfter: wait,
		Message: "too many wrong keys or links from your address: wait, then send the right one"}
}

func (g *guesses) fail(from netip.Addr) {
	who := network(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if len(g.until) >= maxGuessers {
		for k, u := range g.until {
			if u.Before(now) {
				delete(g.until, k)
			}
		}
		if len(g.until) >= maxGuessers {
			clear(g.until) // so many addresses guess that counting each is of no use
		}
	}
	begin := g.until[who]
	if begin.Before(now) {
		begin = now
	}
	g.until[who] = begin.Add(g.interval)
}
