package access

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// maxAdminSessions is how many sessions of the admin token there are; the oldest ends.
const maxAdminSessions = 100

// adminSessions are those of browsers that gave the admin token. They are kept in
// memory: they end with the process, for no person is behind them.
type adminSessions struct {
	mu   sync.Mutex
	open map[string]*adminSession
}

type adminSession struct {
	hash             token.Sum
	created, expires time.Time
	seen             time.Time
}

// TakesAdminToken says whether there is an admin token.
func (a *Access) TakesAdminToken() bool { return a.o.AdminToken != "" }

// SignInAdmin begins a session for who has the admin token, for browsers, which are
// not to keep it. The session that the browser had before ends. It fails as
// AuthenticateKey does.
func (a *Access) SignInAdmin(ctx context.Context, by Caller, text, previous string) (SignedIn, error) {
	p, err := a.authenticateAdmin(text, From{Address: by.Address, Agent: by.Agent})
	if err != nil {
		return SignedIn{}, err
	}
	tok, now := token.New(token.Session, ""), a.now()
	p.Session = tok.ID()
	by.Principal = p
	if err := a.change(ctx, func(tx catalog.Tx, t *touched) error {
		if err := a.endPrevious(ctx, tx, t, previous); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "session.start", Object: tok.ID()})
	}); err != nil {
		return SignedIn{}, err
	}
	out := SignedIn{Session: tok.ID(), Token: tok, Expires: now.Add(a.o.SessionTime)}
	a.admins.add(tok, &adminSession{hash: tok.Sum(), created: now, expires: out.Expires, seen: now})
	return out, nil
}

func (s *adminSessions) add(tok token.Token, session *adminSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]*adminSession{}
	}
	if len(s.open) >= maxAdminSessions {
		oldest := ""
		for id, other := range s.open {
			if oldest == "" || other.seen.Before(s.open[oldest].seen) {
				oldest = id
			}
		}
		delete(s.open, oldest)
	}
	s.open[tok.ID()] = session
}

// authenticate returns the session of a token; found says whether its ID is that of one.
func (s *adminSessions) authenticate(tok token.Token, now time.Time, idle time.Duration, background bool) (signed Signed, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.open[tok.ID()]
	if session == nil {
		return Signed{}, false, nil
	}
	if !session.hash.Equal(tok.Sum()) {
		return Signed{}, true, notSignedIn()
	}
	if !now.Before(session.expires) || now.Sub(session.seen) >= idle {
		delete(s.open, tok.ID())
		return Signed{}, true, notSignedIn()
	}
	if !background {
		session.seen = now
	}
	p := adminPrincipal()
	p.Session = tok.ID()
	return Signed{Principal: p, Expires: session.expires, hash: session.hash}, true, nil
}

func (s *adminSessions) end(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.open[id]
	delete(s.open, id)
	return there
}

func adminPrincipal() Principal {
	return Principal{Kind: KeyKind, Key: adminTokenID, Name: "admin token", rights: &rights{anything: true}}
}

// endAdminSession is SignOut of a browser that gave the admin token.
func (a *Access) endAdminSession(ctx context.Context, by Caller, id string) error {
	if !a.admins.end(id) {
		return millrace.Errorf(millrace.NotFound, "you have no session %.80q", id)
	}
	return a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		return a.record(ctx, tx, by, Change{Action: "session.end", Object: id})
	})
}
