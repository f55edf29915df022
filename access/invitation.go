package access

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
)

// An Invite says whom to invite, to what.
type Invite struct {
	Email       string // only this person may accept; empty: whoever has the link
	Workspace   string // id, or Installation
	Environment string // id, or empty: all
	Role        Role
	Holds       time.Duration // default Options.InviteTime, at most 30 days
}

const maxInviteTime = 30 * 24 * time.Hour

// An Invitation lets someone into a workspace, once.
type Invitation struct {
	ID, Email              string
	Workspace, Environment string
	Role                   Role
	Maker, MakerKey        string // who made it: a person, a key of theirs; or empty
	Created, Expires       time.Time
	State                  string // open, accepted, revoked or expired
}

func (a *Access) invitation(r linkRow) Invitation {
	i := Invitation{ID: r.ID, Email: r.Email, Workspace: r.Workspace, Environment: r.Environment, Role: Role(r.Role),
		Maker: r.Maker, MakerKey: r.MakerKey, Created: timeOf(r.Created), Expires: timeOf(r.Expires), State: "open"}
	switch {
	case r.Used != 0:
		i.State = "accepted"
	case r.Revoked != 0:
		i.State = "revoked"
	case !a.now().Before(i.Expires):
		i.State = "expired"
	}
	return i
}

// Invite makes a link that gives a role. Nobody invites to a role that can do more than
// their own, neither now nor when the link is followed. A workspace that has no members
// gets its first owner from who may make workspaces.
func (a *Access) Invite(ctx context.Context, by Caller, in Invite) (Link, error) {
	if err := checkRole(in.Role, in.Workspace, in.Environment); err != nil {
		return Link{}, err
	}
	r := linkRow{Workspace: in.Workspace, Environment: in.Environment, Role: string(in.Role)}
	if in.Email != "" {
		var err error
		if r.Email, _, err = Email(in.Email); err != nil {
			return Link{}, err
		}
	}
	if in.Holds <= 0 {
		in.Holds = a.o.InviteTime
	}
	var l Link
	err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := mayInvite(ctx, tx, by.Principal, in.Role, in.Workspace, in.Environment); err != nil {
			return err
		}
		if l, err = a.insertLink(ctx, tx, token.Invitation, by, r, min(in.Holds, maxInviteTime)); err != nil {
			return err
		}
		if err := a.mayAdd(ctx, tx, in.Workspace); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "invitation.create", Object: l.ID, Workspace: in.Workspace, Environment: in.Environment,
			After: map[string]any{"email": r.Email, "role": r.Role, "expires": l.Expires}})
	})
	return l, err
}

// mayInvite is mayGive, and lets who may make workspaces invite the owner of one that has
// no members.
func mayInvite(ctx context.Context, tx catalog.Tx, by Principal, role Role, workspace, environment string) error {
	err := by.mayGive(role, workspace, environment)
	if err == nil || role != Owner || workspace == Installation || !by.Can(WorkspaceCreate, "", "") {
		return err
	}
	members, failed := catalog.One[int64](ctx, tx, `SELECT count(*) FROM access_member WHERE workspace = $1`, workspace)
	if failed == nil && members > 0 {
		return millrace.Errorf(millrace.Conflict, "this workspace has members already: who manages them invites others")
	}
	return failed
}

// mayAdd asks whether a workspace may have the members that it has now, and the
// people with invitations that are open: each once.
func (a *Access) mayAdd(ctx context.Context, tx catalog.Tx, workspace string) error {
	if a.o.MayAdd == nil || workspace == Installation {
		return nil
	}
	n, err := catalog.One[int64](ctx, tx, `SELECT (SELECT count(DISTINCT person) FROM access_member WHERE workspace = $1)
		+ (SELECT count(DISTINCT CASE WHEN l.email = '' THEN l.id ELSE lower(l.email) END) FROM access_link l
			WHERE l.workspace = $1 AND l.purpose = 'inv' AND l.used_at = 0 AND l.revoked_at = 0 AND l.expires_at > $2 AND NOT EXISTS (
				SELECT 1 FROM access_member m JOIN access_person p ON p.id = m.person WHERE m.workspace = $1 AND lower(p.email) = lower(l.email)))`, workspace, a.now())
	if err != nil {
		return err
	}
	return a.o.MayAdd(workspace, n)
}

// Invitations lists those of a workspace, or of the Installation, newest first: those
// to the environments in which by manages members.
func (a *Access) Invitations(ctx context.Context, by Caller, workspace string, page Page) (list []Invitation, next string, err error) {
	_, write := manage(workspace)
	reach, err := by.reach(write, workspace)
	if err != nil {
		return nil, "", err
	}
	at, id, err := readCursor(page.Cursor)
	if err != nil {
		return nil, "", err
	}
	var rows []linkRow
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		theirs, args := reach.where(workspace, at, id, page.limit()+1)
		rows, err = catalog.All[linkRow](ctx, tx, `SELECT `+linkColumns+` FROM access_link WHERE workspace = $1 AND purpose = 'inv'
			AND (created_at < $2 OR created_at = $2 AND id > $3)`+theirs+` ORDER BY created_at DESC, id LIMIT $4`, args...)
		return err
	})
	rows, next = cut(rows, page, func(r linkRow) string { return writeCursor(r.Created, r.ID) })
	for _, r := range rows {
		list = append(list, a.invitation(r))
	}
	return list, next, err
}

// A cursor of a list that begins with the newest: its time and id.
func writeCursor(at int64, id string) string { return strconv.FormatInt(at, 10) + "." + id }

func readCursor(text string) (at int64, id string, err error) {
	if text == "" {
		return 1<<63 - 1, "", nil
	}
	first, id, ok := strings.Cut(text, ".")
	at, err = strconv.ParseInt(first, 10, 64)
	if err != nil || !ok {
		return 0, "", millrace.Errorf(millrace.Invalid, "the cursor is not one of this list: leave it out to begin anew")
	}
	return at, id, nil
}

// RevokeInvitation takes an invitation back.
func (a *Access) RevokeInvitation(ctx context.Context, by Caller, workspace, id string) error {
	return a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		r, found, err := catalog.Find[linkRow](ctx, tx, `SELECT `+linkColumns+` FROM access_link WHERE id = $1 AND workspace = $2 AND purpose = 'inv'`, id, workspace)
		if err != nil {
			return err
		}
		_, write := manage(workspace)
		if err := by.Allow(write, workspace, r.Environment); err != nil {
			return err
		}
		if !found {
			return millrace.Errorf(millrace.NotFound, "there is no invitation %.80q", id)
		}
		if state := a.invitation(r).State; state != "open" {
			return millrace.Errorf(millrace.Conflict, "the invitation is not open any more, it is %s", state)
		}
		if _, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = $2 WHERE id = $1`, id, a.now()); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "invitation.revoke", Object: id, Workspace: workspace, Environment: r.Environment,
			Before: map[string]any{"email": r.Email, "role": r.Role}})
	})
}

// OpenInvitation tells who has the link what it is for. account says that there is an
// account with its address, who has to sign in to accept.
func (a *Access) OpenInvitation(ctx context.Context, by Caller, text string) (i Invitation, account bool, err error) {
	_, r, err := a.open(ctx, token.Invitation, text, by.Address)
	if err != nil {
		return Invitation{}, false, err
	}
	if r.Email != "" {
		_, key, err := Email(r.Email)
		if err != nil {
			return Invitation{}, false, err
		}
		err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
			_, account, err = findEmail(ctx, tx, key)
			return err
		})
		if err != nil {
			return Invitation{}, false, err
		}
	}
	return a.invitation(r), account, nil
}

// Accept gives who is signed in (by) the role of an invitation; who is not makes
// an account with it. It returns a session with a new token. A role that one has
// already is never lowered. What who made the invitation cannot give any more, nobody gets.
func (a *Access) Accept(ctx context.Context, by Caller, text string, n NewPerson) (SignedIn, error) {
	tok, r, err := a.open(ctx, token.Invitation, text, by.Address)
	if err != nil {
		return SignedIn{}, err
	}
	signedIn := by.Kind == PersonKind && by.Session != ""
	var h hashed
	if !signedIn {
		if by.Kind != "" {
			return SignedIn{}, millrace.Errorf(millrace.Forbidden, "an invitation is for people: keys cannot accept it")
		}
		if n.Email == "" {
			n.Email = r.Email
		}
		if h, err = a.prepare(ctx, n); err != nil {
			return SignedIn{}, err
		}
	}
	var out SignedIn
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		r, err := a.useLink(ctx, tx, tok)
		if err != nil {
			return err
		}
		maker, err := a.maker(ctx, tx, r)
		if err != nil {
			return err
		}
		person, who := by.Person, by
		key := h.key
		if signedIn {
			p, err := findPerson(ctx, tx, person)
			if err != nil {
				return err
			}
			key = keyOf(p.Email)
		}
		if r.Email != "" && keyOf(r.Email) != key {
			return millrace.Errorf(millrace.Forbidden, "this invitation is for %s: sign in as, or make an account with that address", r.Email)
		}
		if !signedIn {
			if person, err = a.insertPerson(ctx, tx, h); err != nil {
				return err
			}
			if out, err = a.begin(ctx, tx, t, by, person); err != nil {
				return err
			}
			who = as(by, person, h.name, out.Session)
		}
		before, err := rolesIn(ctx, tx, person, r.Workspace)
		if err != nil {
			return err
		}
		if old := before[r.Environment]; old == "" || !roleSets[Role(r.Role)].within(roleSets[old]) {
			if old != "" && !roleSets[old].within(roleSets[Role(r.Role)]) {
				return millrace.Errorf(millrace.Conflict, "you are %s here already, and %s is not more", old, r.Role)
			}
			if err := a.setRole(ctx, tx, t, maker, person, r.Workspace, r.Environment, Role(r.Role)); err != nil {
				return err
			}
		}
		if out, err = a.renew(ctx, tx, t, who.orSession(out.Session), 0); err != nil {
			return err
		}
		return a.record(ctx, tx, who, Change{Action: "invitation.accept", Object: r.ID, Workspace: r.Workspace, Environment: r.Environment,
			Before: map[string]any{"role": string(before[r.Environment])}, After: map[string]any{"role": r.Role}})
	})
	return out, err
}

func (p Principal) orSession(id string) string {
	if id != "" {
		return id
	}
	return p.Session
}

// maker returns who made an invitation, with what they may do now; it fails with Gone
// when they could not make it any more.
func (a *Access) maker(ctx context.Context, tx catalog.Tx, r linkRow) (Caller, error) {
	gone := millrace.Errorf(millrace.Gone, "who made this invitation may not give this role any more: ask for a new one")
	by, there, err := a.linkMaker(ctx, tx, r)
	if err != nil || !there {
		return by, first(err, gone)
	}
	switch err := mayInvite(ctx, tx, by.Principal, Role(r.Role), r.Workspace, r.Environment); millrace.KindOf(err) {
	case millrace.Forbidden, millrace.NotFound, millrace.Conflict:
		return by, gone
	default:
		return by, err
	}
}

// linkMaker returns who made a link, with what they may do now; the server itself
// when nobody did. there is false for a person who is gone.
func (a *Access) linkMaker(ctx context.Context, tx catalog.Tx, r linkRow) (by Caller, there bool, err error) {
	by = Caller{Principal: System("link")}
	if r.Maker != "" {
		p, err := a.readPerson(ctx, tx, r.Maker)
		if err != nil || p == nil {
			return by, false, err
		}
		by.Principal = p.principal("")
	}
	if r.MakerKey != "" && r.MakerKey != adminTokenID {
		if by.Principal, err = a.keyPrincipal(ctx, tx, r.MakerKey, by.Principal); err != nil {
			return by, false, err
		}
	}
	return by, true, nil
}
