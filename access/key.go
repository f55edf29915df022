package access

import (
	"context"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

const (
	maxKeys    = 20_000              // that are not revoked, in a workspace
	maxOverlap = 90 * 24 * time.Hour // of a rotation
)

// A NewKey says what an API key is to do. Either Role or Permissions is given.
type NewKey struct {
	Name        string
	Workspace   string // id, or Installation
	Environment string // id, or empty: all
	Hint        string // the environment's name: a token shows the beginning of it
	Role        Role
	Permissions []Permission
	Expires     time.Time // or zero: never
}

// A Key is an API key, without its secret.
type Key struct {
	ID, Name               string
	Workspace, Environment string
	Role                   Role
	Permissions            []Permission
	Holder                 string // the person whose rights bound the key's; or empty
	Maker                  string // "person p_…", "key k_…", "local", "system …"
	MakerKey               string // id of the key it was made with; or empty
	Created, Expires       time.Time
	Revoked                time.Time
	Seen                   time.Time // zero: never used
	Address                string    // from where, then
	Secrets                []KeySecret
}

// A KeySecret is one of the tokens of a key: one, or two during a rotation.
type KeySecret struct {
	Begins  string // as the token does: enough to know it by
	Created time.Time
	Until   time.Time // zero: as long as the key
}

type keyRow struct {
	ID, Name, Workspace, Environment, Hint, Role, Permissions string
	Holder, Maker, MakerKey                                   string
	Created, Expires, Revoked, Seen                           int64
	Address                                                   string
}

const keyColumns = `id, name, workspace, environment, hint, role, permissions, holder, maker, maker_key, created_at, expires_at, revoked_at, seen_at, address`

func (r keyRow) permissions() (out []Permission) {
	for p := range strings.FieldsSeq(r.Permissions) {
		out = append(out, Permission(p))
	}
	return out
}

func (r keyRow) grant() Grant {
	return Grant{Workspace: r.Workspace, Environment: r.Environment, Role: Role(r.Role), Permissions: r.permissions()}
}

func (r keyRow) set() set { return newRights([]Grant{r.grant()}).set(r.Workspace, r.Environment) }

// manageKeys returns which permission one needs for the keys there.
func manageKeys(workspace string) (read, write Permission) {
	if workspace == Installation {
		return ServerKeyRead, ServerKeyManage
	}
	return KeyRead, KeyManage
}

func (n *NewKey) check(now time.Time) (err error) {
	if n.Name, err = Name(n.Name); err != nil {
		return err
	}
	s, unknown := setOf(n.Permissions)
	switch {
	case n.Workspace == "":
		return millrace.Errorf(millrace.Invalid, "a key needs a workspace")
	case n.Workspace == Installation && n.Environment != "":
		return millrace.Errorf(millrace.Invalid, "the server has no environments")
	case unknown != "":
		return millrace.Errorf(millrace.Invalid, "there is no permission %.80q%s", string(unknown), nearestPermission(unknown))
	case (n.Role == "") == (len(n.Permissions) == 0):
		return millrace.Errorf(millrace.Invalid, "a key has either a role or permissions")
	case n.Role != "" && !n.Role.Known():
		return millrace.Errorf(millrace.Invalid, "there is no role %.80q: there are %s", string(n.Role), roleNames())
	case !s.within(s.at(n.Workspace, n.Environment)):
		wrong := (s &^ s.at(n.Workspace, n.Environment)).names()[0]
		return millrace.Errorf(millrace.Invalid, "the permission %s cannot be had there: permissions about the server need a key of the server, those about a whole workspace one of all its environments", wrong)
	case (roleSets[n.Role]|s).at(n.Workspace, n.Environment) == 0:
		return millrace.Errorf(millrace.Invalid, "the role %s can do nothing there", n.Role)
	case !n.Expires.IsZero() && !n.Expires.After(now):
		return millrace.Errorf(millrace.Invalid, "the key would have expired already")
	}
	return nil
}

func nearestPermission(unknown Permission) string {
	names := make([]string, len(table))
	for i, info := range table {
		names[i] = string(info.Name)
	}
	if near := millrace.Nearest(string(unknown), names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}

// CreateKey makes an API key and returns its token, which is shown this once. A key can
// do no more than who makes it: neither now, nor later when they may do less.
func (a *Access) CreateKey(ctx context.Context, by Caller, n NewKey) (Key, token.Token, error) {
	if err := n.check(a.now()); err != nil {
		return Key{}, token.Token{}, err
	}
	r := keyRow{ID: newID("k_"), Name: n.Name, Workspace: n.Workspace, Environment: n.Environment, Hint: token.Hint(n.Hint), Role: string(n.Role),
		Permissions: joined(n.Permissions), Holder: by.Person, Maker: by.String(), MakerKey: by.Key, Created: micro(a.now()), Expires: micro(n.Expires)}
	tok := token.New(token.Key, r.Hint)
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := by.mayMake(r); err != nil {
			return err
		}
		if err := a.freeName(ctx, tx, r.Workspace, r.Environment, r.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO access_key (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, '')`,
			r.ID, r.Name, r.Workspace, r.Environment, r.Hint, r.Role, r.Permissions, r.Holder, r.Maker, r.MakerKey, r.Created, r.Expires); err != nil {
			return err
		}
		if err := a.insertSecret(ctx, tx, r.ID, tok); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "key.create", Object: r.ID, Name: r.Name, Workspace: r.Workspace, Environment: r.Environment, After: r.describe()})
	})
	return r.key([]secretRow{{ID: tok.ID(), Created: r.Created}}), tok, err
}

func joined(permissions []Permission) string {
	s, _ := setOf(permissions)
	names := make([]string, 0, len(permissions))
	for _, p := range s.names() {
		names = append(names, string(p))
	}
	return strings.Join(names, " ")
}

func (r keyRow) describe() map[string]any {
	out := map[string]any{"name": r.Name}
	if r.Role != "" {
		out["role"] = r.Role
	} else {
		out["permissions"] = r.Permissions
	}
	if r.Expires != 0 {
		out["expires"] = timeOf(r.Expires)
	}
	return out
}

// mayMake refuses to make a key, or a new token of one, that can do more than who makes it.
func (p Principal) mayMake(r keyRow) error {
	_, write := manageKeys(r.Workspace)
	if err := p.Allow(write, r.Workspace, r.Environment); err != nil {
		return err
	}
	if !p.covers(r.set(), r.Workspace, r.Environment) {
		missing := r.set() &^ p.rights.set(r.Workspace, r.Environment)
		return millrace.Errorf(millrace.Forbidden, "the key could do more than you: you do not have the permission %s there", missing.names()[0])
	}
	return nil
}

func (a *Access) freeName(ctx context.Context, tx catalog.Tx, workspace, environment, name string) error {
	type counts struct{ All, Same int64 }
	n, err := catalog.One[counts](ctx, tx, `SELECT count(*), coalesce(CAST(sum(CASE WHEN environment = $2 AND name = $3 THEN 1 ELSE 0 END) AS BIGINT), 0)
		FROM access_key WHERE workspace = $1 AND revoked_at = 0`, workspace, environment, name)
	switch {
	case err != nil:
		return err
	case n.All >= maxKeys:
		return millrace.Errorf(millrace.TooLarge, "the workspace has %d keys, and no more are kept: revoke some", n.All)
	case n.Same > 0:
		return millrace.Errorf(millrace.Conflict, "there is a key with the name %q already: take another, or rotate that one", name)
	}
	return nil
}

func (a *Access) insertSecret(ctx context.Context, tx catalog.Tx, key string, tok token.Token) error {
	sum := tok.Sum()
	_, err := tx.Exec(ctx, `INSERT INTO access_secret (id, key_id, hash, created_at, until_at) VALUES ($1, $2, $3, $4, 0)`, tok.ID(), key, sum[:], a.now())
	return err
}

type secretRow struct {
	ID             string
	Created, Until int64
}

func (r keyRow) key(secrets []secretRow) Key {
	k := Key{ID: r.ID, Name: r.Name, Workspace: r.Workspace, Environment: r.Environment, Role: Role(r.Role), Permissions: r.permissions(),
		Holder: r.Holder, Maker: r.Maker, MakerKey: r.MakerKey, Created: timeOf(r.Created), Expires: timeOf(r.Expires),
		Revoked: timeOf(r.Revoked), Seen: timeOf(r.Seen), Address: r.Address}
	for _, s := range secrets {
		k.Secrets = append(k.Secrets, KeySecret{Begins: token.Begins(token.Key, r.Hint, s.ID), Created: timeOf(s.Created), Until: timeOf(s.Until)})
	}
	return k
}

// Keys lists the keys of a workspace or of the Installation, newest first, also
// those that were revoked a short while ago: those of the environments in which by
// may list them.
func (a *Access) Keys(ctx context.Context, by Caller, workspace string, page Page) (keys []Key, next string, err error) {
	read, _ := manageKeys(workspace)
	r, err := by.reach(read, workspace)
	if err != nil {
		return nil, "", err
	}
	at, id, err := readCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		keys = nil
		theirs, args := r.where(workspace, at, id, page.limit()+1)
		rows, err := catalog.All[keyRow](ctx, tx, `SELECT `+keyColumns+` FROM access_key WHERE workspace = $1
			AND (created_at < $2 OR created_at = $2 AND id > $3)`+theirs+` ORDER BY created_at DESC, id LIMIT $4`, args...)
		if err != nil {
			return err
		}
		rows, next = cut(rows, page, func(r keyRow) string { return writeCursor(r.Created, r.ID) })
		for _, r := range rows {
			k, err := a.whole(ctx, tx, r)
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
		return nil
	})
	return keys, next, err
}

// whole is a key with its tokens that work, and when it was used last.
func (a *Access) whole(ctx context.Context, tx catalog.Tx, r keyRow) (Key, error) {
	secrets, err := catalog.All[secretRow](ctx, tx, `SELECT id, created_at, until_at FROM access_secret
		WHERE key_id = $1 AND (until_at = 0 OR until_at > $2) ORDER BY created_at DESC, id`, r.ID, a.now().UnixMicro())
	k := r.key(secrets)
	m := a.seen.of(a.seen.keys, r.ID, k.Seen, origin{address: k.Address})
	k.Seen, k.Address = timeOf(m.at.Load()), m.from.Load().address
	return k, err
}

func (a *Access) findKey(ctx context.Context, tx catalog.Tx, workspace, id string) (keyRow, error) {
	r, found, err := catalog.Find[keyRow](ctx, tx, `SELECT `+keyColumns+` FROM access_key WHERE id = $1 AND workspace = $2`, id, workspace)
	if err == nil && !found {
		err = millrace.Errorf(millrace.NotFound, "there is no key %.80q here", id)
	}
	return r, err
}

// RotateKey gives a key a new token, and returns both: the token is shown this once,
// to whoever may rotate the key, also when they may not list keys. The tokens before are
// taken for overlap more, or no longer at once. Who rotates a key answers for it from then on,
// so they have to be able to make it; when the key can do more through them
// than through who answered for it before, the tokens before end at once.
func (a *Access) RotateKey(ctx context.Context, by Caller, workspace, id string, overlap time.Duration) (k Key, tok token.Token, err error) {
	if overlap < 0 || overlap > maxOverlap {
		return Key{}, token.Token{}, millrace.Errorf(millrace.Invalid, "the old token can go on for %d days at most", maxOverlap/(24*time.Hour))
	}
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		r, missing := a.findKey(ctx, tx, workspace, id)
		if missing != nil {
			_, write := manageKeys(workspace)
			return first(by.Allow(write, workspace, ""), missing)
		}
		if err := by.mayMake(r); err != nil {
			return err
		}
		now := a.now()
		if r.Revoked != 0 || r.Expires != 0 && !now.Before(timeOf(r.Expires)) {
			return millrace.Errorf(millrace.Conflict, "the key is revoked or has expired: make a new one")
		}
		if err := mayRotate(by, r); err != nil {
			return err
		}
		if r.Holder != by.Person && r.Holder != "" {
			before, err := a.readPerson(ctx, tx, r.Holder)
			if err != nil {
				return err
			}
			if before == nil || !before.principal("").covers(r.set(), r.Workspace, r.Environment) {
				overlap = 0
			}
		}
		until := now.Add(overlap)
		if _, err := tx.Exec(ctx, `UPDATE access_secret SET until_at = $2 WHERE key_id = $1 AND (until_at = 0 OR until_at > $2)`, id, until); err != nil {
			return err
		}
		tok = token.New(token.Key, r.Hint)
		if err := a.insertSecret(ctx, tx, id, tok); err != nil {
			return err
		}
		before, from := r.Holder, r.MakerKey
		r.Holder, r.MakerKey = by.Person, knownTo(by, r, overlap)
		if from != "" && r.MakerKey == "" { // what was made with it may be of who had it before
			if _, err := tx.Exec(ctx, `UPDATE access_key SET maker_key = $2 WHERE maker_key = $1`, id, from); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE access_key SET holder = $2, maker_key = $3 WHERE id = $1`, id, r.Holder, r.MakerKey); err != nil {
			return err
		}
		if k, err = a.whole(ctx, tx, r); err != nil {
			return err
		}
		t.keys = append(t.keys, id)
		return a.record(ctx, tx, by, Change{Action: "key.rotate", Object: id, Name: r.Name, Workspace: r.Workspace, Environment: r.Environment,
			Before: map[string]any{"holder": before}, After: map[string]any{"holder": by.Person, "old_until": until}})
	})
	return k, tok, err
}

// RenameKey gives a key another name.
func (a *Access) RenameKey(ctx context.Context, by Caller, workspace, id, name string) error {
	name, err := Name(name)
	if err != nil {
		return err
	}
	_, write := manageKeys(workspace)
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		r, missing := a.findKey(ctx, tx, workspace, id)
		if err := by.Allow(write, workspace, r.Environment); err != nil || missing != nil {
			return first(err, missing)
		}
		if r.Name == name {
			return nil
		}
		if err := a.freeName(ctx, tx, r.Workspace, r.Environment, name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE access_key SET name = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		t.keys = append(t.keys, id)
		return a.record(ctx, tx, by, Change{Action: "key.rename", Object: id, Name: r.Name, Workspace: r.Workspace, Environment: r.Environment,
			Before: map[string]any{"name": r.Name}, After: map[string]any{"name": name}})
	})
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
