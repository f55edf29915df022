package access

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// most is how many sessions, keys and people are remembered each.
const most = 200_000

// A cache remembers what requests need. Entries do not change; they are
// forgotten. What was read before something was forgotten is not remembered.
type cache struct {
	mu       sync.RWMutex
	epoch    uint64 // grows whenever something is forgotten
	n        int64  // the generation that is known
	sessions map[string]*sessionEntry
	secrets  map[string]*secretEntry
	people   map[string]*personEntry

	checked  atomic.Int64 // when the generation was last seen to be the one known, by the monotonic clock
	checking sync.Mutex
	failed   error // of the newest check, for who comes within a second
	failedAt time.Time
}

var started = time.Now()

func newCache() *cache {
	c := &cache{n: -1}
	c.checked.Store(-1 << 62)
	c.reset()
	return c
}

func (c *cache) reset() {
	c.epoch++
	c.sessions, c.secrets, c.people = map[string]*sessionEntry{}, map[string]*secretEntry{}, map[string]*personEntry{}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

// forget drops what a change touched, which made the generation n; all, when
// others changed something too.
func (c *cache) forget(n int64, t touched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.n+1 {
		c.reset()
	} else {
		c.epoch++
		for _, id := range t.people {
			delete(c.people, id)
		}
		for _, id := range t.sessions {
			delete(c.sessions, id)
		}
		c.drop(t)
	}
	c.n = max(c.n, n)
}

func (c *cache) drop(t touched) {
	if len(t.keys) > 0 {
		for id, s := range c.secrets {
			if slices.Contains(t.keys, s.key) {
				delete(c.secrets, id)
			}
		}
	}
	if len(t.sessionsOf) > 0 {
		for id, s := range c.sessions {
			if slices.Contains(t.sessionsOf, s.person) {
				delete(c.sessions, id)
			}
		}
	}
}

// sawGeneration notes which generation there is, and forgets all when it is another.
func (c *cache) sawGeneration(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.n {
		if c.n >= 0 || len(c.sessions)+len(c.secrets)+len(c.people) > 0 {
			c.reset()
		}
		c.n = n
	}
}

func ofSessions(c *cache) map[string]*sessionEntry { return c.sessions }
func ofSecrets(c *cache) map[string]*secretEntry   { return c.secrets }
func ofPeople(c *cache) map[string]*personEntry    { return c.people }

// recall returns what is remembered in one of the maps, or nil.
func recall[T any](c *cache, in func(*cache) map[string]*T, id string) *T {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return in(c)[id]
}

// lookUp reads what is not remembered, and remembers it.
func lookUp[T any](ctx context.Context, a *Access, in func(*cache) map[string]*T, id string, read func(catalog.Tx) (*T, error)) (entry *T, err error) {
	c := a.cache
	c.mu.RLock()
	epoch := c.epoch
	c.mu.RUnlock()
	a.metrics.misses.Inc()
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		entry, err = read(tx)
		return err
	})
	if err != nil || entry == nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch == epoch {
		if len(in(c)) >= most {
			clear(in(c))
		}
		in(c)[id] = entry
	}
	return entry, nil
}

// fresh makes sure that what is remembered is not older than Options.StaleTime.
func (a *Access) fresh(ctx context.Context) error {
	c := a.cache
	if int64(time.Since(started))-c.checked.Load() < int64(a.o.StaleTime) {
		return nil
	}
	c.checking.Lock()
	defer c.checking.Unlock()
	if int64(time.Since(started))-c.checked.Load() < int64(a.o.StaleTime) {
		return nil
	}
	if c.failed != nil && time.Since(c.failedAt) < time.Second {
		return c.failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime) // it is for others too
	defer cancel()
	c.failed, c.failedAt = a.check(ctx), time.Now()
	return c.failed
}

// checkTime is how long a request waits for a catalog that does not answer.
const checkTime = 3 * time.Second

// check looks whether another server has changed something.
func (a *Access) check(ctx context.Context) error {
	began := int64(time.Since(started))
	var n int64
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		n, err = generation(ctx, tx)
		return err
	})
	if err != nil {
		return millrace.Errorf(millrace.Unavailable, "who may do what cannot be looked up at this moment, because the catalog does not answer: try again; %w", err)
	}
	a.cache.sawGeneration(n)
	a.cache.checked.Store(began)
	return nil
}

// A personEntry is what requests need to know of a person.
type personEntry struct {
	id, name, email string
	version         int64 // of their rights
	suspended       bool
	rights          *rights
}

func (a *Access) person(ctx context.Context, id string) (*personEntry, error) {
	if p := recall(a.cache, ofPeople, id); p != nil {
		return p, nil
	}
	return a.lookUpPerson(ctx, id)
}

func (a *Access) lookUpPerson(ctx context.Context, id string) (*personEntry, error) {
	return lookUp(ctx, a, ofPeople, id, func(tx catalog.Tx) (*personEntry, error) {
		return a.readPerson(ctx, tx, id)
	})
}

func (a *Access) readPerson(ctx context.Context, tx catalog.Tx, id string) (*personEntry, error) {
	type row struct {
		Name, Email string
		Rights      int64
		Suspended   int64
	}
	r, found, err := catalog.Find[row](ctx, tx, `SELECT name, email, rights, suspended_at FROM access_person WHERE id = $1`, id)
	if err != nil || !found {
		return nil, err
	}
	p := &personEntry{id: id, name: r.Name, email: r.Email, version: r.Rights, suspended: r.Suspended != 0}
	grants, err := grantsOf(ctx, tx, id)
	if p.suspended {
		grants = nil
	}
	p.rights = a.rights(grants)
	return p, err
}

func grantsOf(ctx context.Context, tx catalog.Tx, person string) ([]Grant, error) {
	type row struct{ Workspace, Environment, Role string }
	rows, err := catalog.All[row](ctx, tx, `SELECT workspace, environment, role FROM access_member WHERE person = $1 ORDER BY workspace, environment`, person)
	grants := make([]Grant, len(rows))
	for i, r := range rows {
		grants[i] = Grant{Workspace: r.Workspace, Environment: r.Environment, Role: Role(r.Role)}
	}
	return grants, err
}

// principal is the person, as a session.
func (p *personEntry) principal(session string) Principal {
	return Principal{Kind: PersonKind, Person: p.id, Session: session, Name: p.name, rights: p.rights}
}

// A sessionEntry is what requests need to know of a session.
type sessionEntry struct {
	id, person       string
	hash, old        token.Sum
	hasOld           bool
	oldUntil         time.Time
	version          int64 // of the person's rights, when the token was made
	created, expires time.Time
	seen             time.Time // as it was written
	address, agent   string
}

// A secretEntry is what requests need to know of an API key, by one of its secrets.
type secretEntry struct {
	id, key, name, holder string
	hash                  token.Sum
	until, expires        time.Time
	revoked               bool
	rights                *rights
	seen                  time.Time // as it was written
	address               string
	limited               atomic.Pointer[limitedRights]
}

// limitedRights are a key's, within those of who answers for it.
type limitedRights struct{ holder, rights *rights }
