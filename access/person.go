package access

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/password"
	"github.com/millrace/millrace/catalog"
)

// A Person has an account.
type Person struct {
	ID, Name, Email string
	HasPassword     bool
	Suspended       time.Time // or zero
	Created         time.Time
	PasswordSet     time.Time
}

type personRow struct {
	ID, Name, Email, Key, Password   string
	Rights                           int64
	Suspended, Created, PasswordTime int64
}

const personColumns = `id, name, email, email_key, password, rights, suspended_at, created_at, password_at`

func (r personRow) person() Person {
	return Person{ID: r.ID, Name: r.Name, Email: r.Email, HasPassword: r.Password != "", Suspended: timeOf(r.Suspended),
		Created: timeOf(r.Created), PasswordSet: timeOf(r.PasswordTime)}
}

func findPerson(ctx context.Context, tx catalog.Tx, id string) (personRow, error) {
	r, found, err := catalog.Find[personRow](ctx, tx, `SELECT `+personColumns+` FROM access_person WHERE id = $1`, id)
	if err == nil && !found {
		err = millrace.Errorf(millrace.NotFound, "there is no person %.80q", id)
	}
	return r, err
}

func findEmail(ctx context.Context, tx catalog.Tx, key string) (personRow, bool, error) {
	return catalog.Find[personRow](ctx, tx, `SELECT `+personColumns+` FROM access_person WHERE email_key = $1`, key)
}

// Profile returns the account of who is signed in.
func (a *Access) Profile(ctx context.Context, by Caller) (Person, error) {
	if by.Kind != PersonKind {
		return Person{}, notSignedIn()
	}
	var r personRow
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		r, err = findPerson(ctx, tx, by.Person)
		return err
	})
	return r.person(), err
}

// A NewPerson is what someone says of themselves.
type NewPerson struct{ Name, Email, Password string }

// Format keeps the password out of whatever is printed.
func (NewPerson) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText keeps the password out of logs and JSON.
func (NewPerson) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// hashed is a new person whose password was checked and hashed, which is done
// before any transaction.
type hashed struct{ name, email, key, hash, cost string }

func (a *Access) prepare(ctx context.Context, n NewPerson) (h hashed, err error) {
	if h.name, err = Name(n.Name); err != nil {
		return h, err
	}
	if h.email, h.key, err = Email(n.Email); err != nil {
		return h, err
	}
	h.hash, err = a.hash(ctx, n.Password, h.name, h.email)
	h.cost = a.o.Hasher.Cost().String()
	return h, err
}

// hash checks and hashes a new password of someone.
func (a *Access) hash(ctx context.Context, text, name, email string) (string, error) {
	if err := password.Check(text, append([]string{name, email}, a.o.Words...)...); err != nil {
		return "", err
	}
	return a.o.Hasher.Hash(ctx, text)
}

func (a *Access) insertPerson(ctx context.Context, tx catalog.Tx, h hashed) (string, error) {
	_, taken, err := findEmail(ctx, tx, h.key)
	if err != nil {
		return "", err
	}
	if taken {
		return "", millrace.Errorf(millrace.Conflict, "there is an account with the e-mail address %s already: sign in with it", h.email)
	}
	id, now := newID("p_"), a.now()
	_, err = tx.Exec(ctx, `INSERT INTO access_person (id, name, email, email_key, password, cost, rights, suspended_at, created_at, password_at)
		VALUES ($1, $2, $3, $4, $5, $6, 1, 0, $7, $7)`, id, h.name, h.email, h.key, h.hash, h.cost, now)
	return id, err
}

// record tells of a change in its transaction.
func (a *Access) record(ctx context.Context, tx catalog.Tx, by Caller, c Change) error {
	by.Agent = clip(by.Agent)
	c.Caller = by
	switch noun, _, _ := strings.Cut(c.Action, "."); {
	case strings.HasPrefix(c.Object, "p_"):
		c.Kind = "person"
	case noun == "key", noun == "session", noun == "invitation":
		c.Kind = noun
	case c.Object != "":
		c.Kind = "link"
	}
	return a.o.Record(ctx, tx, c)
}

// raise makes all sessions of a person be given a new token, as what they may do changed.
func raise(ctx context.Context, tx catalog.Tx, t *touched, person string) error {
	t.people = append(t.people, person)
	t.sessionsOf = append(t.sessionsOf, person)
	_, err := tx.Exec(ctx, `UPDATE access_person SET rights = rights + 1 WHERE id = $1`, person)
	return err
}

// selfOrManager returns the caller, who has to be that person or one who manages people.
func (a *Access) selfOrManager(ctx context.Context, tx catalog.Tx, by Caller, person string) (Caller, error) {
	by, err := a.current(ctx, tx, by)
	if err != nil || by.Kind == PersonKind && by.Person == person {
		return by, err
	}
	return by, by.Allow(PersonManage, "", "")
}

// Rename gives a person another name: they themselves, or who manages people.
func (a *Access) Rename(ctx context.Context, by Caller, person, name string) error {
	name, err := Name(name)
	if err != nil {
		return err
	}
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.selfOrManager(ctx, tx, by, person)
		if err != nil {
			return err
		}
		p, err := findPerson(ctx, tx, person)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE access_person SET name = $2 WHERE id = $1`, person, name); err != nil {
			return err
		}
		t.people = append(t.people, person)
		return a.record(ctx, tx, by, Change{Action: "person.rename", Object: person, Name: p.Name,
			Before: map[string]any{"name": p.Name}, After: map[string]any{"name": name}})
	})
}

// People lists all accounts, by e-mail address.
func (a *Access) People(ctx context.Context, by Caller, page Page) (people []Person, next string, err error) {
	if err := by.Allow(PersonRead, "", ""); err != nil {
		return nil, "", err
	}
	var rows []personRow
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		rows, err = catalog.All[personRow](ctx, tx, `SELECT `+personColumns+` FROM access_person WHERE email_key > $1 ORDER BY email_key LIMIT $2`, page.Cursor, page.limit()+1)
		return err
	})
	rows, next = cut(rows, page, func(r personRow) string { return r.Key })
	for _, r := range rows {
		people = append(people, r.person())
	}
	return people, next, err
}

// Suspend bars a person from signing in: their sessions end, and keys that they
// answer for do nothing, until Resume. Links that set their password or confirm a new
// address end for good. The last owner of a workspace cannot be suspended.
func (a *Access) Suspend(ctx context.Context, by Caller, person string) error {
	return a.suspend(ctx, by, person, true)
}

// Resume takes back Suspend.
func (a *Access) Resume(ctx context.Context, by Caller, person string) error {
	return a.suspend(ctx, by, person, false)
}

func (a *Access) suspend(ctx context.Context, by Caller, person string, on bool) error {
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := by.Allow(PersonManage, "", ""); err != nil {
			return err
		}
		p, err := findPerson(ctx, tx, person)
		if err != nil || (p.Suspended != 0) == on {
			return err
		}
		action, at := "person.resume", time.Time{}
		if on {
			action, at = "person.suspend", a.now()
		}
		owned, err := ownedBy(ctx, tx, person)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE access_person SET suspended_at = $2 WHERE id = $1`, person, micro(at)); err != nil {
			return err
		}
		if on {
			if err := a.keepOwners(ctx, tx, person, owned); err != nil {
				return err
			}
			if err := endSessions(ctx, tx, t, person, ""); err != nil {
				return err
			}
			if err := a.revokeLinks(ctx, tx, person); err != nil {
				return err
			}
		}
		if err := raise(ctx, tx, t, person); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: action, Object: person, Name: p.Name, Before: map[string]any{"suspended": !on}, After: map[string]any{"suspended": on}})
	})
}

// DeletePerson removes an account: they themselves, or who manages people. Their
// sessions end, the keys that they answer for are revoked. The last owner of a
// workspace cannot be removed.
func (a *Access) DeletePerson(ctx context.Context, by Caller, person string) error {
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.selfOrManager(ctx, tx, by, person)
		if err != nil {
			return err
		}
		return a.deletePerson(ctx, tx, t, by, person)
	})
}

// DeleteOwn removes the account of who is signed in, who says their password again.
func (a *Access) DeleteOwn(ctx context.Context, by Caller, text string) error {
	_, try, err := a.confirm(ctx, by, text)
	if err != nil {
		return err
	}
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := try.forgive(ctx, tx); err != nil {
			return err
		}
		return a.deletePerson(ctx, tx, t, by, by.Person)
	})
}

func (a *Access) deletePerson(ctx context.Context, tx catalog.Tx, t *touched, by Caller, person string) error {
	p, err := findPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	owned, err := ownedBy(ctx, tx, person)
	if err != nil {
		return err
	}
	keys, err := catalog.All[string](ctx, tx, `SELECT id FROM access_key WHERE holder = $1 AND revoked_at = 0 ORDER BY id`, person)
	if err != nil {
		return err
	}
	t.people, t.sessionsOf, t.keys = append(t.people, person), append(t.sessionsOf, person), append(t.keys, keys...)
	if _, err := tx.Exec(ctx, `DELETE FROM access_member WHERE person = $1`, person); err != nil {
		return err
	}
	if err := a.keepOwners(ctx, tx, person, owned); err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM access_session WHERE person = $1`,
		`DELETE FROM access_link WHERE person = $1`,
		`DELETE FROM access_person WHERE id = $1`,
	} {
		if _, err := tx.Exec(ctx, sql, person); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE access_key SET revoked_at = $2 WHERE holder = $1 AND revoked_at = 0`, person, a.now()); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = $2 WHERE maker = $1 AND used_at = 0 AND revoked_at = 0`, person, a.now()); err != nil {
		return err
	}
	return a.record(ctx, tx, by, Change{Action: "person.delete", Object: person, Name: p.Name,
		Before: map[string]any{"name": p.Name, "email": p.Email, "keys": strings.Join(keys, " ")}})
}
