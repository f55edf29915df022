package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/password"
	"github.com/millrace/millrace/catalog"
)

// Options are those of an Access.
type Options struct {
	Catalog catalog.Catalog // required
	// Record tells of a change in its transaction; required. An error of it
	// undoes the change. It may be called again when a transaction is repeated.
	Record func(context.Context, catalog.Tx, Change) error
	// MayAdd says whether a workspace may have so many members, with invitations
	// that are open; it is asked in the transaction that adds one. Default: any number.
	MayAdd func(workspace string, members int64) error
	// WorkspaceName and EnvironmentName are what people call a workspace and an
	// environment, by id; "" when that is not known. Default: nothing is.
	WorkspaceName, EnvironmentName func(id string) string
	Hasher                         *password.Hasher // default: one with the default options
	// AdminToken is what a server still starts with instead of keys; or empty. Who
	// sends it may do everything.
	AdminToken string
	Words      []string // names of the company and the product, which no password is made of

	SessionIdle   time.Duration // a session ends when it was not used for so long; default 8 hours
	SessionTime   time.Duration // and at the latest after; default 7 days
	SetupTime     time.Duration // how long the first owner's link holds; default 24 hours
	InviteTime    time.Duration // and an invitation that names no time; default 7 days
	ResetTime     time.Duration // and a password reset or e-mail change; default 1 hour
	FlushInterval time.Duration // how often it is written who was seen when; default 30 s
	CheckInterval time.Duration // how often changes by other servers are looked for; default 2 s
	// StaleTime is how long what is in memory is taken while the catalog does not
	// answer; default 30 s.
	StaleTime time.Duration

	Now     func() time.Time      // default time.Now
	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // nil: none
}

// A Change is what Record is told. It holds no secrets.
type Change struct {
	Caller      Caller
	Action      string // "key.create"
	Kind        string // of the object: person, key, session, invitation, link
	Object      string // id of what was changed; or empty
	Name        string // of the object, as it was before the change; or empty
	Workspace   string // id, or Installation; empty for what belongs to a person
	Environment string // id; or empty
	Before      map[string]any
	After       map[string]any
}

// Access knows who may do what. It is safe for concurrent use.
type Access struct {
	o       Options
	admin   [sha256.Size]byte
	cache   *cache
	seen    *seen
	guesses *guesses // of the admin token
	lookUps *guesses // of keys and links that there are not
	admins  adminSessions
	owned   atomic.Bool // it was seen that there is an owner
	costs   costs
	metrics *metrics
}

// New returns an Access over a catalog that has its tables. Call Run too.
func New(o Options) (*Access, error) {
	switch {
	case o.Catalog == nil:
		return nil, millrace.Errorf(millrace.Invalid, "access needs Options.Catalog")
	case o.Record == nil:
		return nil, millrace.Errorf(millrace.Invalid, "access needs Options.Record: a change without its audit entry must not be")
	}
	if o.Hasher == nil {
		h, err := password.New(password.Options{})
		if err != nil {
			return nil, err
		}
		o.Hasher = h
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.SessionIdle, 8 * time.Hour}, {&o.SessionTime, 7 * 24 * time.Hour}, {&o.SetupTime, 24 * time.Hour},
		{&o.InviteTime, 7 * 24 * time.Hour}, {&o.ResetTime, time.Hour}, {&o.FlushInterval, 30 * time.Second},
		{&o.CheckInterval, 2 * time.Second}, {&o.StaleTime, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	for _, name := range []*func(string) string{&o.WorkspaceName, &o.EnvironmentName} {
		if *name == nil {
			*name = func(string) string { return "" }
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Access{o: o, admin: sha256.Sum256([]byte(o.AdminToken)), cache: newCache(), seen: newSeen(), guesses: newAdminGuesses(o.Now), lookUps: newLookUps(o.Now)}
	var err error
	a.metrics, err = newMetrics(o.Metrics, a.cache)
	return a, err
}

// Notices are what whoever runs the server should hear, in sentences.
func (a *Access) Notices() []string {
	if a.o.AdminToken == "" {
		return nil
	}
	return []string{"This server starts with an admin token (MILLRACE_ADMIN_TOKEN or --admin-token-file), which may do everything in every workspace, and of which the audit trail cannot say who used it. Make API keys that may do what is needed (millrace key create NAME --role ROLE) and sign in as a person, then start the server without the token."}
}

// now is the time as the catalog keeps it.
func (a *Access) now() time.Time { return a.o.Now().UTC().Truncate(time.Microsecond) }

// touched is what a change makes servers forget.
type touched struct {
	people, sessions, keys []string
	sessionsOf             []string // all sessions of these people
}

// current returns a caller with what they may do now, which may be less than when
// they were authenticated: changes are decided on in their transaction.
func (a *Access) current(ctx context.Context, tx catalog.Tx, by Caller) (Caller, error) {
	if by.rights == nil || by.rights.anything {
		return by, nil
	}
	var holder Principal
	if by.Person != "" {
		p, err := a.readPerson(ctx, tx, by.Person)
		if err != nil {
			return by, err
		}
		if p == nil || p.suspended {
			return by, notSignedIn()
		}
		holder = p.principal(by.Session)
	}
	if by.Kind == PersonKind {
		by.Principal = holder
		return by, nil
	}
	k, err := a.keyPrincipal(ctx, tx, by.Key, holder)
	if err == nil && k.Kind == "" {
		err = millrace.Errorf(millrace.Unauthorized, "the API key is revoked, or has expired")
	}
	by.Principal = k
	return by, err
}

func (t *touched) any() bool {
	return len(t.people)+len(t.sessions)+len(t.keys)+len(t.sessionsOf) > 0
}

// change runs f in a transaction and forgets what it touched, in this process
// before it returns and in others within Options.CheckInterval.
func (a *Access) change(ctx context.Context, f func(tx catalog.Tx, t *touched) error) error {
	var t touched
	var n int64
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		t, n = touched{}, 0
		if err := f(tx, &t); err != nil || !t.any() {
			return err
		}
		var err error
		n, err = bump(ctx, tx)
		return err
	})
	switch {
	case n == 0:
	case err != nil: // it may have been done all the same
		a.cache.clear()
	default:
		a.cache.forget(n, t)
	}
	return err
}

func bump(ctx context.Context, tx catalog.Tx) (int64, error) {
	if _, err := tx.Exec(ctx, `UPDATE access_generation SET n = n + 1 WHERE one = 1`); err != nil {
		return 0, err
	}
	return generation(ctx, tx)
}

func generation(ctx context.Context, tx catalog.Tx) (int64, error) {
	return catalog.One[int64](ctx, tx, `SELECT n FROM access_generation WHERE one = 1`)
}

// Refresh forgets everything in memory. Whoever calls a function that takes a
// transaction calls it when that is committed.
func (a *Access) Refresh() { a.cache.clear() }

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// micro is how a time is kept: 0 is none.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// A Page says which part of a list is asked for.
type Page struct {
	Limit  int    // default 100, at most 500
	Cursor string // from the list before; or empty
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 500)
}

// cut takes away the element too much that was asked for to see whether there
// are more, and returns the cursor of the rest.
func cut[T any](list []T, p Page, cursor func(T) string) ([]T, string) {
	if len(list) <= p.limit() {
		return list, ""
	}
	list = list[:p.limit()]
	return list, cursor(list[len(list)-1])
}
