package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/password"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// A SignIn is what someone says to sign in.
type SignIn struct {
	Email, Password string
	// Previous is the token of the session that the browser had, or empty: it ends.
	Previous string
}

// Format keeps the password out of whatever is printed.
func (SignIn) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText keeps the password out of logs and JSON.
func (SignIn) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func wrongPassword() error {
	return millrace.Errorf(millrace.Unauthorized, "the e-mail address or the password is wrong")
}

// SignIn checks a password and begins a session. Whether there is an account with
// that address shows neither in the answer nor in the work that it takes: the same
// statements run, and the same hashes are computed. It fails with Unauthorized; with
// Limited and how long to wait when too many were wrong; with Forbidden when the password is
// right and the account suspended; with Unavailable when too many sign in at once.
func (a *Access) SignIn(ctx context.Context, by Caller, in SignIn) (SignedIn, error) {
	p, try, err := a.tryPassword(ctx, by, "password", in.Email, in.Password)
	if err != nil {
		a.metrics.signIns.WithLabelValues(millrace.KindOf(err).String()).Inc()
		return SignedIn{}, err
	}
	renewed, err := a.rehash(ctx, p, in.Password)
	if err != nil {
		return SignedIn{}, err
	}
	var out SignedIn
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		now, err := findPerson(ctx, tx, p.ID)
		if err != nil || now.Password != p.Password {
			return wrongPassword() // it was changed while this one was checked
		}
		if err := try.forgive(ctx, tx); err != nil {
			return err
		}
		if now.Suspended != 0 {
			return a.record(ctx, tx, by, Change{Action: "session.refuse", Object: p.ID, Name: p.Name})
		}
		if renewed != "" {
			if _, err := tx.Exec(ctx, `UPDATE access_person SET password = $2, cost = $3 WHERE id = $1`, p.ID, renewed, a.o.Hasher.Cost().String()); err != nil {
				return err
			}
		}
		if err := a.endPrevious(ctx, tx, t, in.Previous); err != nil {
			return err
		}
		if out, err = a.begin(ctx, tx, t, by, p.ID); err != nil {
			return err
		}
		return a.record(ctx, tx, as(by, p.ID, p.Name, out.Session), Change{Action: "session.start", Object: out.Session})
	})
	if err == nil && out.Session == "" {
		err = errSuspended
	}
	result := "ok"
	if err != nil {
		result = millrace.KindOf(err).String()
	}
	a.metrics.signIns.WithLabelValues(result).Inc()
	return out, err
}

// as is a caller who has just shown who they are.
func as(by Caller, person, name, session string) Caller {
	by.Principal = Principal{Kind: PersonKind, Person: person, Name: name, Session: session}
	return by
}

// tryPassword counts an attempt, checks the password, and tells of a wrong one.
// What it does is the same whether there is such an account or not.
func (a *Access) tryPassword(ctx context.Context, by Caller, purpose, email, text string) (personRow, *attempt, error) {
	if len(text) > 8*password.MaxLength || len(email) > 1000 {
		return personRow{}, nil, wrongPassword()
	}
	key := keyOf(email)
	try := a.attempt(purpose, key, by.Address, passwordLimits)
	var p personRow
	var found bool
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) (err error) {
		if p, found, err = findEmail(ctx, tx, key); err != nil {
			return err
		}
		return try.count(ctx, tx)
	})
	if err != nil {
		return p, try, err
	}
	ok, err := a.verify(ctx, p.Password, text)
	if err != nil { // it was not looked at, so it does not count
		undone := a.o.Catalog.Update(context.WithoutCancel(ctx), func(tx catalog.Tx) error { return try.undo(ctx, tx) })
		return p, try, errors.Join(err, undone)
	}
	if found && ok {
		return p, try, nil
	}
	err = a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		return a.record(ctx, tx, by, Change{Action: "session.refuse", Object: p.ID, Name: p.Name})
	})
	if err == nil {
		err = wrongPassword()
	}
	return p, try, err
}

// keyOf returns the key of an address, or for what is none a text that no account has.
func keyOf(email string) string {
	_, key, err := Email(email)
	if err != nil {
		return "not an address " + strings.ToValidUTF8(strings.ReplaceAll(email, "\x00", " "), "?")
	}
	return key
}

// costs are those of the hashes that people have: usually one, two for a while
// after it was raised.
type costs struct {
	mu   sync.Mutex
	list []password.Cost
	read time.Time
}

const (
	costsAge = time.Minute
	maxCosts = 4
)

// hashCosts returns the costs in use, in order, the current one among them.
func (a *Access) hashCosts(ctx context.Context) ([]password.Cost, error) {
	c, now := &a.costs, a.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list != nil && now.Sub(c.read) < costsAge && !now.Before(c.read) {
		return c.list, nil
	}
	var texts []string
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		texts, err = catalog.All[string](ctx, tx, `SELECT DISTINCT cost FROM access_person WHERE cost <> '' ORDER BY cost LIMIT $1`, maxCosts)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := []password.Cost{a.o.Hasher.Cost()}
	for _, text := range texts {
		if cost, err := password.ParseCost(text); err == nil && !slices.Contains(list, cost) {
			list = append(list, cost)
		}
	}
	c.list, c.read = list, now
	return list, nil
}

// verify computes one hash of each cost in use, one of them the stored one's: so
// whose password is of which cost, or whether there is one, does not show.
func (a *Access) verify(ctx context.Context, stored, text string) (bool, error) {
	list, err := a.hashCosts(ctx)
	if err != nil {
		return false, err
	}
	var own password.Cost
	if stored != "" {
		if own, err = password.CostOf(stored); err != nil {
			return false, err
		}
		if !slices.Contains(list, own) {
			list = append(slices.Clone(list), own)
		}
	}
	ok := false
	for _, cost := range list {
		against := password.Decoy(cost)
		if stored != "" && cost == own {
			against = stored
		}
		right, err := a.o.Hasher.Verify(ctx, against, text)
		if err != nil {
			return false, err
		}
		ok = ok || right && against == stored
	}
	return ok, nil
}

// rehash returns the hash of a right password when the stored one costs less than
// is wanted now, else nothing.
func (a *Access) rehash(ctx context.Context, p personRow, text string) (string, error) {
	cost, err := password.CostOf(p.Password)
	if err != nil || cost == a.o.Hasher.Cost() {
		return "", err
	}
	return a.o.Hasher.Hash(ctx, text)
}

// endPrevious ends the session that the browser had before.
func (a *Access) endPrevious(ctx context.Context, tx catalog.Tx, t *touched, text string) error {
	tok, err := token.Parse(token.Session, text)
	if err != nil {
		return nil //nolint:nilerr // there was none
	}
	if _, found, err := a.admins.authenticate(tok, a.o.Now(), a.o.SessionIdle, true); found {
		if err == nil {
			a.admins.end(tok.ID())
		}
		return nil
	}
	hash, found, err := catalog.Find[[]byte](ctx, tx, `SELECT hash FROM access_session WHERE id = $1`, tok.ID())
	if err != nil || !found {
		return err
	}
	if sum, ok := token.SumOf(hash); !ok || !sum.Equal(tok.Sum()) {
		return nil
	}
	return endSession(ctx, tx, t, tok.ID())
}

// ChangePassword sets a new password for who is signed in and knows the one
// before. All other sessions end, and links that are under way; the one that
// is used gets the new token that is returned.
func (a *Access) ChangePassword(ctx context.Context, by Caller, current, next string) (SignedIn, error) {
	p, try, err := a.confirm(ctx, by, current)
	if err != nil {
		return SignedIn{}, err
	}
	if password.Normal(current) == password.Normal(next) {
		return SignedIn{}, millrace.Errorf(millrace.Invalid, "the new password is the one you have")
	}
	hash, err := a.hash(ctx, next, p.Name, p.Email)
	if err != nil {
		return SignedIn{}, err
	}
	var out SignedIn
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		now, err := findPerson(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if now.Password != p.Password {
			return millrace.Errorf(millrace.Conflict, "the password was changed elsewhere at the same time: sign in again")
		}
		if err := try.forgive(ctx, tx); err != nil {
			return err
		}
		if err := a.setPassword(ctx, tx, t, p.ID, hash, by.Session); err != nil {
			return err
		}
		if out, err = a.renew(ctx, tx, t, by.Session, 0); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "password.change", Object: p.ID, Name: p.Name})
	})
	return out, err
}

// confirm has who is signed in say their password again.
func (a *Access) confirm(ctx context.Context, by Caller, text string) (personRow, *attempt, error) {
	if by.Kind != PersonKind || by.Session == "" {
		return personRow{}, nil, millrace.Errorf(millrace.Forbidden, "only who is signed in with a password can do this, no key")
	}
	var p personRow
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		p, err = findPerson(ctx, tx, by.Person)
		return err
	})
	if err != nil {
		return p, nil, err
	}
	p, try, err := a.tryPassword(ctx, by, "confirm", p.Email, text)
	if err == nil && p.ID != by.Person {
		err = wrongPassword()
	}
	if millrace.KindOf(err) == millrace.Unauthorized && err != nil {
		err = millrace.Errorf(millrace.Forbidden, "the password is wrong: type the one that you sign in with")
	}
	return p, try, err
}

// setPassword sets a hash; sessions but one end, and so do links that would
// set a password or an address.
func (a *Access) setPassword(ctx context.Context, tx catalog.Tx, t *touched, person, hash, but string) error {
	if _, err := tx.Exec(ctx, `UPDATE access_person SET password = $2, cost = $3, password_at = $4 WHERE id = $1`, person, hash, a.o.Hasher.Cost().String(), a.now()); err != nil {
		return err
	}
	if err := a.revokeLinks(ctx, tx, person); err != nil {
		return err
	}
	if err := raise(ctx, tx, t, person); err != nil {
		return err
	}
	return endSessions(ctx, tx, t, person, but)
}

func (a *Access) revokeLinks(ctx context.Context, tx catalog.Tx, person string) error {
	_, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = $2 WHERE person = $1 AND purpose IN ('pwd', 'eml') AND used_at = 0 AND revoked_at = 0`, person, a.now())
	return err
}
