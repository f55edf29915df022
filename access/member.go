package access

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Member is a person's role in a workspace, in one environment or in all.
type Member struct {
	Person, Name, Email string
	Environment         string // id, or empty: all
	Role                Role
	Suspended           bool
	Since               time.Time
}

// manage returns which permission one needs to manage members there.
func manage(workspace string) (read, write Permission) {
	if workspace == Installation {
		return OperatorRead, OperatorManage
	}
	return MemberRead, MemberManage
}

// Members lists who has a role in a workspace, or in the Installation, by e-mail address.
func (a *Access) Members(ctx context.Context, by Caller, workspace string, page Page) (members []Member, next string, err error) {
	read, _ := manage(workspace)
	if err := by.Allow(read, workspace, ""); err != nil {
		return nil, "", err
	}
	type row struct {
		Person, Name, Email, Key, Environment, Role string
		Suspended, Created                          int64
	}
	email, environment, _ := strings.Cut(page.Cursor, " ")
	var rows []row
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		rows, err = catalog.All[row](ctx, tx, `SELECT p.id, p.name, p.email, p.email_key, m.environment, m.role, p.suspended_at, m.created_at
			FROM access_member m JOIN access_person p ON p.id = m.person
			WHERE m.workspace = $1 AND (p.email_key > $2 OR p.email_key = $2 AND m.environment > $3)
			ORDER BY p.email_key, m.environment LIMIT $4`, workspace, email, environment, page.limit()+1)
		return err
	})
	rows, next = cut(rows, page, func(r row) string { return r.Key + " " + r.Environment })
	for _, r := range rows {
		members = append(members, Member{Person: r.Person, Name: r.Name, Email: r.Email, Environment: r.Environment,
			Role: Role(r.Role), Suspended: r.Suspended != 0, Since: timeOf(r.Created)})
	}
	return members, next, err
}

// mayGive refuses to give or take a role that can do more than who gives or takes it.
func (p Principal) mayGive(role Role, workspace, environment string) error {
	_, write := manage(workspace)
	if err := p.Allow(write, workspace, environment); err != nil {
		return err
	}
	if !p.covers(roleSets[role], workspace, environment) {
		return millrace.Errorf(millrace.Forbidden, "the role %s can do more than you, so you can neither give nor take it: an owner can", role)
	}
	return nil
}

func checkRole(role Role, workspace, environment string) error {
	switch {
	case !role.Known():
		return millrace.Errorf(millrace.Invalid, "there is no role %.80q: there are %s", string(role), roleNames())
	case workspace == "":
		return millrace.Errorf(millrace.Invalid, "a role needs a workspace")
	case workspace == Installation && environment != "":
		return millrace.Errorf(millrace.Invalid, "the server has no environments")
	case workspace == Installation && roleSets[role]&ofServer == 0:
		return millrace.Errorf(millrace.Invalid, "the role %s can do nothing on the server: give owner, admin or viewer", role)
	case role == Owner && environment != "":
		return millrace.Errorf(millrace.Invalid, "an owner is one of the whole workspace: give admin for one environment")
	}
	return nil
}

func roleNames() string {
	names := make([]string, 0, len(Roles()))
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// SetRole gives a member another role in an environment, or in all ("").
// Nobody gives or takes a role that can do more than their own. The last owner
// stays. Only who has a role in the workspace already can be given one: others
// are invited, or made operators of the server by its owners.
func (a *Access) SetRole(ctx context.Context, by Caller, person, workspace, environment string, role Role) error {
	if err := checkRole(role, workspace, environment); err != nil {
		return err
	}
	return a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		if err := by.mayGive(role, workspace, environment); err != nil {
			return err
		}
		before, err := rolesIn(ctx, tx, person, workspace)
		if err != nil {
			return err
		}
		if len(before) == 0 && !a.adds(ctx, tx, by, person, workspace) {
			return millrace.Errorf(millrace.NotFound, "there is no member %.80q here: invite them", person)
		}
		p, err := findPerson(ctx, tx, person)
		if err != nil {
			return err
		}
		if err := a.setRole(ctx, tx, t, by, person, workspace, environment, role); err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "member.set", Object: person, Name: p.Name, Workspace: workspace, Environment: environment,
			Before: map[string]any{"role": string(before[environment])}, After: map[string]any{"role": string(role)}})
	})
}

// adds says whether someone without a role there may be given one without an
// invitation: on the server by its owners, anywhere by the server itself.
func (a *Access) adds(ctx context.Context, tx catalog.Tx, by Caller, person, workspace string) bool {
	if workspace != Installation && !by.Everything() {
		return false
	}
	_, err := findPerson(ctx, tx, person)
	return err == nil
}

func rolesIn(ctx context.Context, tx catalog.Tx, person, workspace string) (map[string]Role, error) {
	grants, err := grantsOf(ctx, tx, person)
	roles := map[string]Role{}
	for _, g := range grants {
		if g.Workspace == workspace {
			roles[g.Environment] = g.Role
		}
	}
	return roles, err
}

// setRole changes a role within a transaction, and keeps the last owner.
func (a *Access) setRole(ctx context.Context, tx catalog.Tx, t *touched, by Caller, person, workspace, environment string, role Role) error {
	before, err := rolesIn(ctx, tx, person, workspace)
	if err != nil {
		return err
	}
	if old := before[environment]; old != "" {
		if err := by.mayGive(old, workspace, environment); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO access_member (person, workspace, environment, role, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (person, workspace, environment) DO UPDATE SET role = excluded.role`, person, workspace, environment, role, a.now()); err != nil {
		return err
	}
	if len(before) == 0 { // of an invitation too: the quota may be another by now
		if err := a.mayAdd(ctx, tx, workspace); err != nil {
			return err
		}
	}
	if before[""] == Owner {
		if err := a.keepOwners(ctx, tx, person, []string{workspace}); err != nil {
			return err
		}
	}
	return raise(ctx, tx, t, person)
}

// RemoveMember takes a person's role in an environment, or with everywhere all
// their roles in the workspace. One may always leave; the last owner stays. It
// returns the names of the keys of the workspace that the person answered for,
// which can do nothing from now on: rotating one makes another answer for it.
func (a *Access) RemoveMember(ctx context.Context, by Caller, person, workspace, environment string, everywhere bool) (keys []string, err error) {
	leaving := by.Kind == PersonKind && by.Person == person
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		roles, err := rolesIn(ctx, tx, person, workspace)
		if err != nil {
			return err
		}
		_, write := manage(workspace)
		if !leaving || len(roles) == 0 {
			if err := by.Allow(write, workspace, environment); err != nil {
				return err
			}
		}
		gone := map[string]any{}
		for where, role := range roles {
			if !everywhere && where != environment {
				continue
			}
			if !leaving {
				if err := by.mayGive(role, workspace, where); err != nil {
					return err
				}
			}
			gone[where] = string(role)
			if _, err := tx.Exec(ctx, `DELETE FROM access_member WHERE person = $1 AND workspace = $2 AND environment = $3`, person, workspace, where); err != nil {
				return err
			}
		}
		if len(gone) == 0 {
			return millrace.Errorf(millrace.NotFound, "there is no member %.80q here", person)
		}
		if gone[""] == string(Owner) {
			if err := a.keepOwners(ctx, tx, person, []string{workspace}); err != nil {
				return err
			}
		}
		if keys, err = catalog.All[string](ctx, tx, `SELECT name FROM access_key WHERE holder = $1 AND workspace = $2 AND revoked_at = 0 ORDER BY name`, person, workspace); err != nil {
			return err
		}
		if err := raise(ctx, tx, t, person); err != nil {
			return err
		}
		p, err := findPerson(ctx, tx, person)
		if err != nil {
			return err
		}
		return a.record(ctx, tx, by, Change{Action: "member.remove", Object: person, Name: p.Name, Workspace: workspace, Environment: environment,
			Before: map[string]any{"roles": gone}})
	})
	return keys, err
}

// ownedBy returns the workspaces, and the Installation, that a person is an owner of.
func ownedBy(ctx context.Context, tx catalog.Tx, person string) ([]string, error) {
	return catalog.All[string](ctx, tx, `SELECT workspace FROM access_member WHERE person = $1 AND environment = '' AND role = 'owner' ORDER BY workspace`, person)
}

// keepOwners refuses a change of a person, who is still there, after which one of
// these has no owner who can sign in.
func (a *Access) keepOwners(ctx context.Context, tx catalog.Tx, person string, workspaces []string) error {
	for _, w := range workspaces {
		n, err := catalog.One[int64](ctx, tx, `SELECT count(*) FROM access_member m JOIN access_person p ON p.id = m.person
			WHERE m.workspace = $1 AND m.environment = '' AND m.role = 'owner' AND p.suspended_at = 0`, w)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		p, err := findPerson(ctx, tx, person)
		if err != nil {
			return err
		}
		of := "the server"
		if w != Installation {
			of = "the workspace " + cmp.Or(a.o.WorkspaceName(w), w)
		}
		return millrace.Errorf(millrace.Conflict, "%s (%s) is the last owner of %s: make someone else an owner of it first", p.Name, p.Email, of)
	}
	return nil
}

// AddOwner makes a person the owner of a workspace, in the transaction that makes
// the workspace. Call Refresh when it is committed.
func (a *Access) AddOwner(ctx context.Context, tx catalog.Tx, by Caller, person, workspace string) error {
	if err := by.Allow(WorkspaceCreate, "", ""); err != nil {
		return err
	}
	var t touched
	p, err := findPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO access_member (person, workspace, environment, role, created_at) VALUES ($1, $2, '', 'owner', $3)
		ON CONFLICT (person, workspace, environment) DO UPDATE SET role = excluded.role`, person, workspace, a.now()); err != nil {
		return err
	}
	if err := raise(ctx, tx, &t, person); err != nil {
		return err
	}
	if _, err := bump(ctx, tx); err != nil {
		return err
	}
	return a.record(ctx, tx, by, Change{Action: "member.set", Object: person, Name: p.Name, Workspace: workspace, After: map[string]any{"role": string(Owner)}})
}

// PurgeWorkspace removes everything about a workspace (its members' roles, keys and
// invitations) in the transaction that removes the workspace, who decides and records
// that. With an environment it removes what is about that one only. Call Refresh
// when it is committed.
func (a *Access) PurgeWorkspace(ctx context.Context, tx catalog.Tx, workspace, environment string) error {
	if workspace == Installation {
		return millrace.Errorf(millrace.Invalid, "the installation is no workspace")
	}
	where, args := `workspace = $1`, []any{workspace}
	if environment != "" {
		where, args = where+` AND environment = $2`, append(args, environment)
	}
	people, err := catalog.All[string](ctx, tx, `SELECT DISTINCT person FROM access_member WHERE `+where, args...)
	if err != nil {
		return err
	}
	for _, person := range slices.Compact(people) {
		if err := raise(ctx, tx, &touched{}, person); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		`DELETE FROM access_secret WHERE key_id IN (SELECT id FROM access_key WHERE ` + where + `)`,
		`DELETE FROM access_key WHERE ` + where,
		`DELETE FROM access_link WHERE ` + where,
		`DELETE FROM access_member WHERE ` + where,
	} {
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	_, err = bump(ctx, tx)
	return err
}
