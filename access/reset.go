package access

import (
	"context"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// A Mail is a link to be sent. To is empty when there is nothing to send, which
// nobody must be told.
type Mail struct {
	To, Name string
	Link     Link
}

// RequestReset makes a link that sets a new password, for who says that they
// forgot theirs. Links from before hold on, or others could keep someone from using
// theirs. The answer to them is the same whether there is such an account or
// not, and so is the work here; send the mail later than the answer.
func (a *Access) RequestReset(ctx context.Context, by Caller, email string) (Mail, error) {
	if len(email) > 1000 {
		return Mail{}, millrace.Errorf(millrace.Invalid, "that is not an e-mail address")
	}
	key := keyOf(email)
	try := a.attempt("reset", key, by.Address, mailLimits)
	var m Mail
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		p, found, err := findEmail(ctx, tx, key)
		if err != nil {
			return err
		}
		if err := try.count(ctx, tx); err != nil {
			return err
		}
		target := p.ID
		if !found || p.Suspended != 0 {
			target, p = newID("n_"), personRow{} // a link for nobody, which works for nobody
		}
		l, err := a.insertLink(ctx, tx, token.Reset, Caller{}, linkRow{Person: target}, a.o.ResetTime)
		if err != nil {
			return err
		}
		if m = (Mail{To: p.Email, Name: p.Name, Link: l}); p.ID == "" {
			m.Link = Link{}
		}
		return a.record(ctx, tx, by, Change{Action: "reset.request", Object: p.ID, Name: p.Name})
	})
	return m, err
}

// CreateReset makes such a link for someone who cannot be sent mail. Who makes it could
// take the account, so they need person:manage, or may give every role that the person has.
func (a *Access) CreateReset(ctx context.Context, by Caller, person string) (Link, error) {
	var l Link
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := a.mayTake(ctx, tx, by, person); err != nil {
			return err
		}
		if l, err = a.insertLink(ctx, tx, token.Reset, by, linkRow{Person: person}, a.o.ResetTime); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "reset.create", Object: person})
	})
	return l, err
}

// Recover makes a link that sets the password of an account, for a command on the server's
// own machine: the way back for an owner who can get in by no other.
func (a *Access) Recover(ctx context.Context, email string) (Link, error) {
	key := keyOf(email)
	var id string
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		p, found, err := findEmail(ctx, tx, key)
		if err == nil && !found {
			err = millrace.Errorf(millrace.NotFound, "there is no account with the address %.80q", email)
		}
		id = p.ID
		return err
	})
	if err != nil {
		return Link{}, err
	}
	return a.CreateReset(ctx, Caller{Principal: System("recovery")}, id)
}

// mayTake refuses who could do more as that person than as themselves.
func (a *Access) mayTake(ctx context.Context, tx catalog.Tx, by Caller, person string) error {
	denied := by.Allow(PersonManage, "", "")
	if denied == nil {
		_, err := findPerson(ctx, tx, person)
		return err
	}
	grants, err := grantsOf(ctx, tx, person)
	switch {
	case err != nil:
		return err
	case by.Kind == "":
		return denied
	case !knows(by.Principal, grants):
		return millrace.Errorf(millrace.NotFound, "there is no person %.80q", person)
	case coversAll(by.Principal, grants):
		return nil
	}
	return millrace.Errorf(millrace.Forbidden, "this person can do what you cannot give, here or in another workspace, so you cannot make a link that sets their password: who has the permission %s on this server can", PersonManage)
}

// mayStillTake fails with Gone when who made a link that sets a password could not
// make it any more: they may do less by now, or the person more.
func (a *Access) mayStillTake(ctx context.Context, tx catalog.Tx, r linkRow) error {
	by, there, err := a.linkMaker(ctx, tx, r)
	if err == nil && there {
		err = a.mayTake(ctx, tx, by, r.Person)
	}
	if err == nil && there {
		return nil
	}
	switch kind := millrace.KindOf(err); {
	case err == nil, kind == millrace.Forbidden, kind == millrace.NotFound, kind == millrace.Unauthorized:
		return millrace.Errorf(millrace.Gone, "who made this link may not set your password any more: ask for a new one")
	}
	return err
}

func knows(p Principal, grants []Grant) bool {
	for _, g := range grants {
		if p.Member(g.Workspace) {
			return true
		}
	}
	return false
}

func coversAll(p Principal, grants []Grant) bool {
	for _, g := range grants {
		if p.mayGive(g.Role, g.Workspace, g.Environment) != nil {
			return false
		}
	}
	return true
}

// CompleteReset sets a password by such a link and begins a session. All others end,
// and so does waiting for wrong passwords.
func (a *Access) CompleteReset(ctx context.Context, by Caller, text, next string) (SignedIn, error) {
	tok, r, err := a.open(ctx, token.Reset, text, by.Address)
	if err != nil {
		return SignedIn{}, err
	}
	var p personRow
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		p, err = findPerson(ctx, tx, r.Person)
		return err
	})
	if err != nil {
		return SignedIn{}, err
	}
	hash, err := a.hash(ctx, next, p.Name, p.Email)
	if err != nil {
		return SignedIn{}, err
	}
	var out SignedIn
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		r, err := a.useLink(ctx, tx, tok)
		if err != nil {
			return err
		}
		if err := a.mayStillTake(ctx, tx, r); err != nil {
			return err
		}
		now, err := findPerson(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if now.Suspended != 0 {
			return errSuspended
		}
		if err := a.setPassword(ctx, tx, t, p.ID, hash, ""); err != nil {
			return err
		}
		if err := a.attempt("password", now.Key, by.Address, passwordLimits).pardon(ctx, tx); err != nil {
			return err
		}
		if out, err = a.begin(ctx, tx, t, by, p.ID); err != nil {
			return err
		}
		return a.record(ctx, tx, as(by, p.ID, p.Name, out.Session), Change{Action: "password.reset", Object: p.ID, Name: p.Name})
	})
	return out, err
}

// RequestEmail makes a link that proves a new address, for who is signed in and
// knows their password. Send it to the new address. Whether that belongs to another
// account does not show before it is followed.
func (a *Access) RequestEmail(ctx context.Context, by Caller, text, email string) (Mail, error) {
	shown, _, err := Email(email)
	if err != nil {
		return Mail{}, err
	}
	p, try, err := a.confirm(ctx, by, text)
	if err != nil {
		return Mail{}, err
	}
	var m Mail
	err = a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := try.forgive(ctx, tx); err != nil {
			return err
		}
		if err := a.attempt("email", p.Key, by.Address, mailLimits).count(ctx, tx); err != nil {
			return err
		}
		l, err := a.insertLink(ctx, tx, token.Email, by, linkRow{Person: p.ID, Email: shown}, a.o.ResetTime)
		if err != nil {
			return err
		}
		m = Mail{To: shown, Name: p.Name, Link: l}
		return a.record(ctx, tx, by, Change{Action: "email.request", Object: p.ID, Name: p.Name, After: map[string]any{"email": shown}})
	})
	return m, err
}

// ConfirmEmail changes the address of an account by such a link, and returns the address before, whom
// to tell. The account's sessions end but the one of by, if that is theirs, which gets a
// new token with its next request.
func (a *Access) ConfirmEmail(ctx context.Context, by Caller, text string) (before string, err error) {
	tok, _, err := a.open(ctx, token.Email, text, by.Address)
	if err != nil {
		return "", err
	}
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		r, err := a.useLink(ctx, tx, tok)
		if err != nil {
			return err
		}
		p, err := findPerson(ctx, tx, r.Person)
		if err != nil {
			return err
		}
		if p.Suspended != 0 {
			return errSuspended
		}
		before, err = a.setEmail(ctx, tx, t, by, r.Person, r.Email)
		return err
	})
	return before, err
}

var errSuspended = millrace.Errorf(millrace.Forbidden, "your account is suspended: ask who runs this server")

// SetEmail changes the address of someone without a link: for who manages people.
func (a *Access) SetEmail(ctx context.Context, by Caller, person, email string) error {
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := by.Allow(PersonManage, "", ""); err != nil {
			return err
		}
		_, err = a.setEmail(ctx, tx, t, by, person, email)
		return err
	})
}

func (a *Access) setEmail(ctx context.Context, tx catalog.Tx, t *touched, by Caller, person, email string) (before string, err error) {
	shown, key, err := Email(email)
	if err != nil {
		return "", err
	}
	p, err := findPerson(ctx, tx, person)
	if err != nil {
		return "", err
	}
	if other, taken, err := findEmail(ctx, tx, key); err != nil {
		return "", err
	} else if taken && other.ID != person {
		return "", millrace.Errorf(millrace.Conflict, "another account has this e-mail address")
	}
	if _, err := tx.Exec(ctx, `UPDATE access_person SET email = $2, email_key = $3 WHERE id = $1`, person, shown, key); err != nil {
		return "", err
	}
	if err := a.revokeLinks(ctx, tx, person); err != nil {
		return "", err
	}
	if err := raise(ctx, tx, t, person); err != nil {
		return "", err
	}
	stays := ""
	if by.Person == person {
		stays = by.Session
	}
	if err := endSessions(ctx, tx, t, person, stays); err != nil {
		return "", err
	}
	return p.Email, a.record(ctx, tx, by, Change{Action: "email.change", Object: person, Name: p.Name,
		Before: map[string]any{"email": p.Email}, After: map[string]any{"email": shown}})
}
