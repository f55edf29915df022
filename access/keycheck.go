package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// adminTokenID is the id of the key that Options.AdminToken is.
const adminTokenID = "admin_token"

// AuthenticateKey returns the principal of an API key's token, or of the admin
// token. It fails with Unauthorized, which says whether the token is mistyped, not known, expired
// or revoked, the last two only to who knows the secret; with Limited for who sends
// too many wrong ones; with Unavailable when it cannot be known.
func (a *Access) AuthenticateKey(ctx context.Context, text string, from From) (Principal, error) {
	text = strings.TrimSpace(text)
	if a.o.AdminToken != "" && !token.Looks(text) || a.isAdmin(text) {
		return a.authenticateAdmin(text, from)
	}
	tok, err := token.Parse(token.Key, text)
	if err != nil {
		return Principal{}, err
	}
	if err := a.fresh(ctx); err != nil {
		return Principal{}, err
	}
	s, err := a.secret(ctx, tok.ID(), from)
	if err != nil {
		return Principal{}, err
	}
	if right := tok.Sum().Equal(s.hash); !right || s.key == "" {
		return Principal{}, millrace.Errorf(millrace.Unauthorized, "this API key is not known here: it was revoked long ago, or is of another server")
	}
	now := a.o.Now()
	switch {
	case s.revoked:
		return Principal{}, millrace.Errorf(millrace.Unauthorized, "the API key %s is revoked: make another with millrace key create, or on the page under Settings, API keys", s.name)
	case !s.expires.IsZero() && !now.Before(s.expires):
		return Principal{}, millrace.Errorf(millrace.Unauthorized, "the API key %s expired at %s: make another with millrace key create, or on the page under Settings, API keys", s.name, s.expires.Format(time.RFC3339))
	case !s.until.IsZero() && !now.Before(s.until):
		return Principal{}, millrace.Errorf(millrace.Unauthorized, "the API key %s was rotated, and this token of it ended at %s: use the new one", s.name, s.until.Format(time.RFC3339))
	}
	rights, err := a.keyRights(ctx, s)
	if err != nil {
		return Principal{}, err
	}
	a.seen.of(a.seen.keys, s.key, s.seen, origin{address: s.address}).use(now, from.Address, "")
	return Principal{Kind: KeyKind, Key: s.key, Person: s.holder, Name: s.name, rights: rights}, nil
}

func (a *Access) isAdmin(text string) bool {
	if a.o.AdminToken == "" {
		return false
	}
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(sum[:], a.admin[:]) == 1
}

// authenticateAdmin takes the admin token. It may be one that people can guess, so
// from where it was guessed too often even the right one has to wait.
func (a *Access) authenticateAdmin(text string, from From) (Principal, error) {
	if err := a.guesses.wait(from.Address); err != nil {
		return Principal{}, err
	}
	if !a.isAdmin(text) {
		a.guesses.fail(from.Address)
		return Principal{}, millrace.Errorf(millrace.Unauthorized, "this is neither an API key, which begins with mr_key_, nor this server's admin token")
	}
	return adminPrincipal(), nil
}

// secret returns a secret by its public part. That there is none is remembered
// too: one without a key is returned then. Who asks for too many that there are not
// has to wait for the next look-up.
func (a *Access) secret(ctx context.Context, id string, from From) (*secretEntry, error) {
	if s := recall(a.cache, ofSecrets, id); s != nil {
		return s, nil
	}
	return a.lookUpSecret(ctx, id, from)
}

func (a *Access) lookUpSecret(ctx context.Context, id string, from From) (*secretEntry, error) {
	return lookUp(ctx, a, ofSecrets, id, func(tx catalog.Tx) (*secretEntry, error) {
		if err := a.lookUps.wait(from.Address); err != nil {
			return nil, err
		}
		type row struct {
			Hash                               []byte
			Until                              int64
			Key, Name, Workspace, Environment  string
			Role, Permissions, Holder, Address string
			Expires, Revoked, Seen             int64
		}
		r, found, err := catalog.Find[row](ctx, tx, `SELECT s.hash, s.until_at, k.id, k.name, k.workspace, k.environment, k.role, k.permissions, k.holder, k.address,
			k.expires_at, k.revoked_at, k.seen_at FROM access_secret s JOIN access_key k ON k.id = s.key_id WHERE s.id = $1`, id)
		if err != nil {
			return nil, err
		}
		if !found {
			a.lookUps.fail(from.Address)
			return &secretEntry{}, nil
		}
		k := keyRow{Workspace: r.Workspace, Environment: r.Environment, Role: r.Role, Permissions: r.Permissions}
		s := &secretEntry{id: id, key: r.Key, name: r.Name, holder: r.Holder, until: timeOf(r.Until), expires: timeOf(r.Expires),
			revoked: r.Revoked != 0, rights: a.rights([]Grant{k.grant()}), seen: timeOf(r.Seen), address: r.Address}
		var ok bool
		if s.hash, ok = token.SumOf(r.Hash); !ok {
			return nil, millrace.Errorf(millrace.Internal, "the key %s in the catalog has no token", r.Key)
		}
		return s, nil
	})
}

// keyRights returns what a key may do: no more than who answers for it.
func (a *Access) keyRights(ctx context.Context, s *secretEntry) (*rights, error) {
	if s.holder == "" {
		return s.rights, nil
	}
	p, err := a.person(ctx, s.holder)
	if err != nil {
		return nil, err
	}
	if p == nil || p.suspended {
		return nil, millrace.Errorf(millrace.Unauthorized, "the API key %s can do nothing, because who answers for it is suspended or gone: someone who may manage keys can rotate it, and answers for it then", s.name)
	}
	if l := s.limited.Load(); l != nil && l.holder == p.rights {
		return l.rights, nil
	}
	l := &limitedRights{holder: p.rights, rights: s.rights.within(p.rights)}
	s.limited.Store(l)
	return l.rights, nil
}

// keyPrincipal returns the principal of a key by its id, within a transaction; nobody when
// it does not hold any more.
func (a *Access) keyPrincipal(ctx context.Context, tx catalog.Tx, id string, holder Principal) (Principal, error) {
	r, found, err := catalog.Find[keyRow](ctx, tx, `SELECT `+keyColumns+` FROM access_key WHERE id = $1`, id)
	if err != nil || !found || r.Revoked != 0 || r.Expires != 0 && !a.now().Before(timeOf(r.Expires)) {
		return Principal{}, err
	}
	own := a.rights([]Grant{r.grant()})
	if r.Holder != "" {
		own = own.within(holder.rights)
	}
	return Principal{Kind: KeyKind, Key: id, Person: r.Holder, Name: r.Name, rights: own}, nil
}

// Run writes when sessions and keys were used, sees what other servers have
// changed, and removes what has ended, until ctx is done.
func (a *Access) Run(ctx context.Context) error {
	check, flush, clean := time.NewTicker(a.o.CheckInterval), time.NewTicker(a.o.FlushInterval), time.NewTicker(time.Hour)
	defer check.Stop()
	defer flush.Stop()
	defer clean.Stop()
	var last time.Time
	warn := func(what string, err error) {
		if err != nil && ctx.Err() == nil && time.Since(last) > time.Minute {
			last = time.Now()
			a.o.Logger.Warn(what, "error", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := a.Flush(drain); err != nil {
				a.o.Logger.Warn("when keys and sessions were last used could not be written", "error", err)
			}
			return nil
		case <-check.C:
			warn("changes of access by other servers cannot be seen", a.check(ctx))
		case <-flush.C:
			warn("when keys and sessions were last used could not be written", a.Flush(ctx))
		case <-clean.C:
			warn("what has ended could not be removed", a.Clean(ctx))
		}
	}
}

// How long what has ended is kept, for people who look for it.
const (
	keepLinks   = 30 * 24 * time.Hour
	keepSecrets = 30 * 24 * time.Hour // for a message that says that it was rotated
	keepKeys    = 90 * 24 * time.Hour
)

// Clean removes sessions, links, tokens, keys and counts that ended long ago. Run calls it each hour.
func (a *Access) Clean(ctx context.Context) error {
	now := a.now()
	var errs []error
	for _, step := range []struct {
		sql string
		at  time.Time
	}{
		{`DELETE FROM access_session WHERE expires_at < $1`, now},
		{`DELETE FROM access_session WHERE seen_at < $1`, now.Add(-a.o.SessionIdle - time.Hour - 2*a.o.FlushInterval)},
		{`DELETE FROM access_link WHERE expires_at < $1`, now.Add(-keepLinks)},
		{`DELETE FROM access_secret WHERE until_at <> 0 AND until_at < $1`, now.Add(-keepSecrets)},
		{`DELETE FROM access_secret WHERE key_id IN (SELECT id FROM access_key WHERE revoked_at <> 0 AND revoked_at < $1)`, now.Add(-keepKeys)},
		{`DELETE FROM access_key WHERE revoked_at <> 0 AND revoked_at < $1`, now.Add(-keepKeys)},
	} {
		errs = append(errs, a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			_, err := tx.Exec(ctx, step.sql, step.at)
			return err
		}))
	}
	errs = append(errs, a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM access_throttle WHERE last_at < $1 AND until_at < $2`, now.Add(-longestCount), now)
		return err
	}))
	return errors.Join(errs...)
}
