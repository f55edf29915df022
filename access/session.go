package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

const (
	// grace is how long the token before is taken when a session was given a new
	// one because others changed the person's rights: a page has requests under way.
	grace = 30 * time.Second
	// maxSessions is how many one person has; the one that was not used for longest ends.
	maxSessions = 100
)

// A SignedIn is what a sign-in gives: the token for the cookie, and until when
// it holds at the latest.
type SignedIn struct {
	Person  string
	Session string
	Token   token.Token
	Expires time.Time
}

// A Signed is a session that was found good.
type Signed struct {
	Principal
	Email   string
	Expires time.Time
	// Renew says that the person's rights have changed: call Renew, and set the cookie it gives.
	Renew bool
	hash  token.Sum
	old   token.Sum
}

// From is where a request comes from.
type From struct {
	Address netip.Addr
	Agent   string
	// Background is for what a page asks by itself: it does not keep a session from going idle.
	Background bool
}

func notSignedIn() error {
	return millrace.Errorf(millrace.Unauthorized, "the session has ended: sign in again")
}

// Authenticate returns whose session a cookie's token is. It fails with
// Unauthorized when there is none, or it has ended; with Unavailable when that cannot be known.
func (a *Access) Authenticate(ctx context.Context, text string, from From) (Signed, error) {
	tok, err := token.Parse(token.Session, text)
	if err != nil {
		return Signed{}, err
	}
	if signed, found, err := a.admins.authenticate(tok, a.o.Now(), a.o.SessionIdle, from.Background); found {
		return signed, err
	}
	if err := a.fresh(ctx); err != nil {
		return Signed{}, err
	}
	s, err := a.session(ctx, tok.ID())
	if err != nil {
		return Signed{}, err
	}
	now, sum := a.o.Now(), tok.Sum()
	if s == nil {
		_ = sum.Equal(token.Sum{}) // as with a session
		return Signed{}, notSignedIn()
	}
	is, was := sum.Equal(s.hash), sum.Equal(s.old)
	was = was && s.hasOld && now.Before(s.oldUntil)
	if !is && !was || !now.Before(s.expires) {
		return Signed{}, notSignedIn()
	}
	m := a.seen.of(a.seen.sessions, s.id, s.seen, origin{s.address, s.agent})
	if now.Sub(time.UnixMicro(m.at.Load())) >= a.o.SessionIdle {
		return Signed{}, notSignedIn()
	}
	p, err := a.person(ctx, s.person)
	if err != nil {
		return Signed{}, err
	}
	if p == nil || p.suspended {
		return Signed{}, notSignedIn()
	}
	if !from.Background {
		m.use(now, from.Address, from.Agent)
	}
	signed := Signed{Principal: p.principal(s.id), Email: p.email, Expires: s.expires, Renew: is && s.version != p.version, hash: s.hash}
	if s.hasOld && now.Before(s.oldUntil) {
		signed.old = s.old
	}
	return signed, nil
}

// CSRF returns what requests of this session that change something send besides
// the cookie: it is bound to the session's token, and changes with it.
func (s Signed) CSRF() string { return csrf(s.hash) }

func csrf(hash token.Sum) string {
	mac := hmac.New(sha256.New, hash[:])
	mac.Write([]byte("millrace csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CheckCSRF refuses with Forbidden what is not this session's CSRF token.
func (s Signed) CheckCSRF(given string) error {
	ok := hmac.Equal([]byte(given), []byte(csrf(s.hash)))
	if s.old != (token.Sum{}) {
		ok = hmac.Equal([]byte(given), []byte(csrf(s.old))) || ok
	}
	if !ok {
		return millrace.Errorf(millrace.Forbidden, "the request does not show that it comes from this server's own page: load the page again, and try once more")
	}
	return nil
}

func (a *Access) session(ctx context.Context, id string) (*sessionEntry, error) {
	if s := recall(a.cache, ofSessions, id); s != nil {
		return s, nil
	}
	return a.lookUpSession(ctx, id)
}

func (a *Access) lookUpSession(ctx context.Context, id string) (*sessionEntry, error) {
	return lookUp(ctx, a, ofSessions, id, func(tx catalog.Tx) (*sessionEntry, error) {
		type row struct {
			Person                                   string
			Hash, Old                                []byte
			OldUntil, Rights, Created, Expires, Seen int64
			Address, Agent                           string
		}
		r, found, err := catalog.Find[row](ctx, tx, `SELECT person, hash, old_hash, old_until, rights, created_at, expires_at, seen_at, address, agent FROM access_session WHERE id = $1`, id)
		if err != nil || !found {
			return nil, err
		}
		s := &sessionEntry{id: id, person: r.Person, oldUntil: timeOf(r.OldUntil), version: r.Rights,
			created: timeOf(r.Created), expires: timeOf(r.Expires), seen: timeOf(r.Seen), address: r.Address, agent: r.Agent}
		var ok bool
		if s.hash, ok = token.SumOf(r.Hash); !ok {
			return nil, millrace.Errorf(millrace.Internal, "the session %s in the catalog has no token", id)
		}
		s.old, s.hasOld = token.SumOf(r.Old)
		return s, nil
	})
}

// begin makes a session, in the transaction of a sign-in.
func (a *Access) begin(ctx context.Context, tx catalog.Tx, t *touched, by Caller, person string) (SignedIn, error) {
	rights, err := catalog.One[int64](ctx, tx, `SELECT rights FROM access_person WHERE id = $1`, person)
	if err != nil {
		return SignedIn{}, err
	}
	tok, now := token.New(token.Session, ""), a.now()
	sum := tok.Sum()
	out := SignedIn{Person: person, Session: tok.ID(), Token: tok, Expires: now.Add(a.o.SessionTime)}
	if _, err := tx.Exec(ctx, `INSERT INTO access_session (id, person, hash, old_hash, old_until, rights, created_at, expires_at, seen_at, address, agent)
		VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $6, $8, $9)`, out.Session, person, sum[:], []byte{}, rights, now, out.Expires, showAddress(by.Address), clip(by.Agent)); err != nil {
		return out, err
	}
	ids, err := catalog.All[string](ctx, tx, `SELECT id FROM access_session WHERE person = $1 ORDER BY seen_at DESC, id LIMIT 1000 OFFSET $2`, person, maxSessions)
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		if err := endSession(ctx, tx, t, id); err != nil {
			return out, err
		}
	}
	return out, nil
}

// renew gives a session a new token, in a transaction. The one before is taken
// for a while, or no longer at once.
func (a *Access) renew(ctx context.Context, tx catalog.Tx, t *touched, id string, old time.Duration) (SignedIn, error) {
	type row struct {
		Person          string
		Hash            []byte
		Expires, Rights int64
	}
	r, found, err := catalog.Find[row](ctx, tx, `SELECT s.person, s.hash, s.expires_at, p.rights FROM access_session s JOIN access_person p ON p.id = s.person WHERE s.id = $1`, id)
	if err != nil {
		return SignedIn{}, err
	}
	if !found {
		return SignedIn{}, notSignedIn()
	}
	var until time.Time
	if old > 0 {
		until = a.now().Add(old)
	} else {
		r.Hash = []byte{}
	}
	tok := token.Again(token.Session, id)
	sum := tok.Sum()
	t.sessions = append(t.sessions, id)
	_, err = tx.Exec(ctx, `UPDATE access_session SET hash = $2, old_hash = $3, old_until = $4, rights = $5 WHERE id = $1`, id, sum[:], r.Hash, micro(until), r.Rights)
	return SignedIn{Person: r.Person, Session: id, Token: tok, Expires: timeOf(r.Expires)}, err
}

// Renew gives a session a new token because the person's rights have changed
// (Signed.Renew). The token before is taken for half a minute more, for requests that are
// under way. When another request was faster, it fails with Conflict: then there is
// nothing to do, the cookie comes with that one's answer.
func (a *Access) Renew(ctx context.Context, s Signed) (SignedIn, error) {
	var out SignedIn
	err := a.change(ctx, func(tx catalog.Tx, t *touched) error {
		hash, found, err := catalog.Find[[]byte](ctx, tx, `SELECT hash FROM access_session WHERE id = $1`, s.Session)
		if err != nil {
			return err
		}
		if sum, ok := token.SumOf(hash); !found || !ok || !sum.Equal(s.hash) {
			return millrace.Errorf(millrace.Conflict, "the session has a new token already, or has ended")
		}
		out, err = a.renew(ctx, tx, t, s.Session, grace)
		return err
	})
	return out, err
}

// A SessionInfo is one of a person's sessions.
type SessionInfo struct {
	ID             string
	Created, Seen  time.Time
	Expires        time.Time // at the latest
	Address, Agent string    // of the newest request
	Current        bool
}

// Sessions lists the sessions of who is signed in, the newest seen first.
func (a *Access) Sessions(ctx context.Context, by Caller) ([]SessionInfo, error) {
	if by.Kind != PersonKind {
		return nil, notSignedIn()
	}
	type row struct {
		ID                     string
		Created, Seen, Expires int64
		Address, Agent         string
	}
	var rows []row
	now := a.now()
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		rows, err = catalog.All[row](ctx, tx, `SELECT id, created_at, seen_at, expires_at, address, agent FROM access_session
			WHERE person = $1 AND expires_at > $2 ORDER BY seen_at DESC, id LIMIT $3`, by.Person, now, maxSessions)
		return err
	})
	var out []SessionInfo
	for _, r := range rows {
		m := a.seen.of(a.seen.sessions, r.ID, timeOf(r.Seen), origin{r.Address, r.Agent})
		from := m.from.Load()
		s := SessionInfo{ID: r.ID, Created: timeOf(r.Created), Seen: timeOf(m.at.Load()), Expires: timeOf(r.Expires),
			Address: from.address, Agent: from.agent, Current: r.ID == by.Session}
		if now.Sub(s.Seen) < a.o.SessionIdle {
			out = append(out, s)
		}
	}
	return out, err
}

func endSession(ctx context.Context, tx catalog.Tx, t *touched, id string) error {
	t.sessions = append(t.sessions, id)
	_, err := tx.Exec(ctx, `DELETE FROM access_session WHERE id = $1`, id)
	return err
}

// endSessions ends all sessions of a person but one.
func endSessions(ctx context.Context, tx catalog.Tx, t *touched, person, but string) error {
	t.sessionsOf = append(t.sessionsOf, person)
	_, err := tx.Exec(ctx, `DELETE FROM access_session WHERE person = $1 AND id <> $2`, person, but)
	return err
}

// SignOut ends the session of who asks.
func (a *Access) SignOut(ctx context.Context, by Caller) error {
	return a.EndSession(ctx, by, by.Session)
}

// EndSession ends one session of who is signed in.
func (a *Access) EndSession(ctx context.Context, by Caller, id string) error {
	if by.Key == adminTokenID && id == by.Session {
		return a.endAdminSession(ctx, by, id)
	}
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		person, found, err := catalog.Find[string](ctx, tx, `SELECT person FROM access_session WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if !found || by.Kind != PersonKind || person != by.Person {
			return millrace.Errorf(millrace.NotFound, "you have no session %.80q", id)
		}
		if err := endSession(ctx, tx, t, id); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "session.end", Object: id})
	})
}

// EndOtherSessions ends all sessions of who is signed in but the one they use.
func (a *Access) EndOtherSessions(ctx context.Context, by Caller) error {
	if by.Kind != PersonKind {
		return notSignedIn()
	}
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		if err := endSessions(ctx, tx, t, by.Person, by.Session); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "session.end_others", Object: by.Person})
	})
}
