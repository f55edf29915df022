package access

import (
	"context"
	"net/netip"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// A Link is what someone is given to follow once. Put the token behind the # of
// an address, which browsers send to no server and write into no Referer.
type Link struct {
	ID      string
	Token   token.Token
	Expires time.Time
}

type linkRow struct {
	ID, Purpose                     string
	Hash                            []byte
	Person, Email                   string
	Workspace, Environment, Role    string
	Maker, MakerKey                 string
	Created, Expires, Used, Revoked int64
}

const linkColumns = `id, purpose, hash, person, email, workspace, environment, role, maker, maker_key, created_at, expires_at, used_at, revoked_at`

// insertLink makes a token and keeps its hash, with what the row says.
func (a *Access) insertLink(ctx context.Context, tx catalog.Tx, kind token.Kind, by Caller, r linkRow, holds time.Duration) (Link, error) {
	tok, now := token.New(kind, ""), a.now()
	sum := tok.Sum()
	l := Link{ID: tok.ID(), Token: tok, Expires: now.Add(holds)}
	_, err := tx.Exec(ctx, `INSERT INTO access_link (`+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0)`,
		l.ID, kind, sum[:], r.Person, r.Email, r.Workspace, r.Environment, r.Role, by.Person, by.Key, now, l.Expires)
	return l, err
}

// findLink returns the link of a token that holds. It fails with Unauthorized for one that
// is not known, with Gone for one that was used, revoked, or has expired.
func (a *Access) findLink(ctx context.Context, tx catalog.Tx, tok token.Token) (linkRow, error) {
	r, _, err := catalog.Find[linkRow](ctx, tx, `SELECT `+linkColumns+` FROM access_link WHERE id = $1`, tok.ID())
	if err != nil {
		return r, err
	}
	sum, ok := token.SumOf(r.Hash)
	if right := sum.Equal(tok.Sum()); !right || !ok || r.Purpose != string(tok.Kind()) {
		return r, millrace.Errorf(millrace.Unauthorized, "this link is not known here: it is of another server, or was removed; ask for a new one")
	}
	switch {
	case r.Used != 0:
		return r, millrace.Errorf(millrace.Gone, "this link was used already, and works once")
	case r.Revoked != 0:
		return r, millrace.Errorf(millrace.Gone, "this link was taken back, or a newer one was made: ask for a new one")
	case !a.now().Before(timeOf(r.Expires)):
		return r, millrace.Errorf(millrace.Gone, "this link has expired: ask for a new one")
	}
	return r, nil
}

// useLink marks a link as used.
func (a *Access) useLink(ctx context.Context, tx catalog.Tx, tok token.Token) (linkRow, error) {
	r, err := a.findLink(ctx, tx, tok)
	if err != nil {
		return r, err
	}
	_, err = tx.Exec(ctx, `UPDATE access_link SET used_at = $2 WHERE id = $1`, r.ID, a.now())
	return r, err
}

// open reads a link before the work of using it is done. Who sends unknown ones has to wait.
func (a *Access) open(ctx context.Context, kind token.Kind, text string, from netip.Addr) (tok token.Token, r linkRow, err error) {
	if tok, err = token.Parse(kind, text); err != nil {
		return tok, r, err
	}
	if err := a.lookUps.wait(from); err != nil {
		return tok, r, err
	}
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		r, err = a.findLink(ctx, tx, tok)
		return err
	})
	if err != nil && millrace.KindOf(err) == millrace.Unauthorized {
		a.lookUps.fail(from)
	}
	return tok, r, err
}

// Setup returns a link that makes the first owner, as long as there is none; needed
// is false when there is one. Links that it returned before hold no longer, so call it once
// when a server starts, and print the link.
func (a *Access) Setup(ctx context.Context) (l Link, needed bool, err error) {
	by := Caller{Principal: System("setup")}
	err = a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		l, needed = Link{}, false
		owned, err := hasOwner(ctx, tx)
		if err != nil || owned {
			return err
		}
		needed = true
		if _, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = $1 WHERE purpose = 'own' AND used_at = 0 AND revoked_at = 0`, a.now()); err != nil {
			return err
		}
		if l, err = a.insertLink(ctx, tx, token.Setup, by, linkRow{Workspace: Installation, Role: string(Owner)}, a.o.SetupTime); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "setup.link", Object: l.ID, Workspace: Installation})
	})
	return l, needed && err == nil, err
}

func hasOwner(ctx context.Context, tx catalog.Tx) (bool, error) {
	n, err := catalog.One[int64](ctx, tx, `SELECT count(*) FROM access_member WHERE workspace = $1 AND role = 'owner'`, Installation)
	return n > 0, err
}

// CompleteSetup makes the first owner: of the installation, and of one
// workspace, unless that is empty. It begins a session.
func (a *Access) CompleteSetup(ctx context.Context, by Caller, text string, n NewPerson, workspace string) (SignedIn, error) {
	tok, _, err := a.open(ctx, token.Setup, text, by.Address)
	if err != nil {
		return SignedIn{}, err
	}
	h, err := a.prepare(ctx, n)
	if err != nil {
		return SignedIn{}, err
	}
	var out SignedIn
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		if _, err := a.useLink(ctx, tx, tok); err != nil {
			return err
		}
		if owned, err := hasOwner(ctx, tx); err != nil {
			return err
		} else if owned {
			return millrace.Errorf(millrace.Conflict, "this server has an owner already: sign in, or ask them for an invitation")
		}
		person, err := a.insertPerson(ctx, tx, h)
		if err != nil {
			return err
		}
		for _, w := range []string{Installation, workspace} {
			if w == "" {
				continue
			}
			if err := a.setRole(ctx, tx, t, Caller{Principal: System("setup")}, person, w, "", Owner); err != nil {
				return err
			}
		}
		if out, err = a.begin(ctx, tx, t, by, person); err != nil {
			return err
		}
		return a.record(ctx, tx, as(by, person, h.name, out.Session), Change{Action: "setup.complete", Object: person, Name: h.name, Workspace: Installation,
			After: map[string]any{"name": h.name, "email": h.email, "workspace": workspace}})
	})
	return out, err
}
