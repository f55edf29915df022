package access_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog/sqlite"
)

// A machine does things at random, and knows what must hold whatever is done.
type machine struct {
	*world
	people []*someone
	keys   []*keyModel
}

// someone is what the model knows of a person.
type someone struct {
	name, id string
	sessions map[string]access.SignedIn // those that must be good
	ended    []access.SignedIn          // and those that must not
	roles    map[[2]string]access.Role  // by workspace and environment
}

type keyModel struct {
	id, workspace, environment string
	role                       access.Role
	holder                     *someone
	good                       []token.Token
	bad                        []token.Token
}

var (
	places = []string{"w_a", "w_b", access.Installation}
	parts  = []string{"", "e_1", "e_2"}
)

// may is the model of what a role in some places lets someone do.
func (p *someone) may(permission access.Permission, workspace, environment string) bool {
	return rolesMay(p.roles, permission, workspace, environment)
}

func rolesMay(roles map[[2]string]access.Role, permission access.Permission, workspace, environment string) bool {
	for _, info := range access.Permissions() {
		if info.Name != permission {
			continue
		}
		if info.Level == access.OfServer {
			workspace, environment = access.Installation, ""
		} else if workspace == access.Installation {
			return false
		}
		for where, role := range roles {
			here := where[0] == workspace && (where[1] == "" || info.Anywhere || info.Level == access.OfEnvironment && where[1] == environment)
			if here && slices.Contains(info.Roles, role) {
				return true
			}
		}
	}
	return false
}

// power is how much someone may do: what must not grow by what they do themselves.
func (p *someone) power() map[string]bool {
	out := map[string]bool{}
	for _, info := range access.Permissions() {
		for _, w := range places {
			for _, e := range parts {
				if p.may(info.Name, w, e) {
					out[fmt.Sprint(info.Name, w, e)] = true
				}
			}
		}
	}
	return out
}

// where draws a place, mostly one where they have a role, and a role, mostly a strong one.
func (p *someone) where(t *rapid.T) (workspace, environment string, role access.Role) {
	var own [][2]string
	for at := range p.roles {
		own = append(own, at)
	}
	slices.SortFunc(own, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	role = rapid.SampledFrom(append(access.Roles(), access.Owner, access.Owner, access.Admin)).Draw(t, "role")
	if len(own) > 0 && rapid.IntRange(0, 3).Draw(t, "elsewhere") > 0 {
		at := rapid.SampledFrom(own).Draw(t, "own")
		return at[0], at[1], role
	}
	return rapid.SampledFrom(places).Draw(t, "workspace"), rapid.SampledFrom(parts).Draw(t, "environment"), role
}

func (m *machine) pick(t *rapid.T, label string) *someone {
	return rapid.SampledFrom(m.people).Draw(t, label)
}

// caller returns someone with one of their sessions, signing in when there is none.
func (m *machine) caller(t *rapid.T, p *someone) (access.Caller, access.SignedIn) {
	ids := make([]string, 0, len(p.sessions))
	for id := range p.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		s, err := m.signIn(p.name)
		if err != nil {
			t.Fatalf("%s cannot sign in: %v", p.name, err)
		}
		p.sessions[s.Session] = s
		ids = []string{s.Session}
	}
	s := p.sessions[rapid.SampledFrom(ids).Draw(t, "session")]
	signed, err := m.Authenticate(t.Context(), s.Token.Reveal(), access.From{Address: home})
	if err != nil {
		t.Fatalf("a good session of %s: %v", p.name, err)
	}
	if signed.Renew {
		renewed, err := m.Renew(t.Context(), signed)
		if err != nil {
			t.Fatal(err)
		}
		m.pass(time.Minute)
		p.ended = append(p.ended, s)
		p.sessions[s.Session] = renewed
		s = renewed
	}
	return access.Caller{Principal: signed.Principal, Address: home}, s
}

func (m *machine) setRole(t *rapid.T) {
	by, target := m.pick(t, "by"), m.pick(t, "target")
	w, e, role := by.where(t)
	c, _ := m.caller(t, by)
	before := by.power()
	if m.SetRole(t.Context(), c, target.id, w, e, role) != nil {
		return
	}
	had := target.roles[[2]string{w, e}]
	target.roles[[2]string{w, e}] = role
	// Whoever gives has all that they give, and had all that they take.
	gain := (&someone{roles: map[[2]string]access.Role{{w, e}: role}}).power()
	loss := (&someone{roles: map[[2]string]access.Role{{w, e}: had}}).power()
	for what := range gain {
		if !before[what] {
			t.Fatalf("%s gave %s, which they do not have", by.name, what)
		}
	}
	for what := range loss {
		if !before[what] {
			t.Fatalf("%s took %s, which they do not have", by.name, what)
		}
	}
}

// inhabited says whether a workspace has members.
func (m *machine) inhabited(w string) bool {
	return slices.ContainsFunc(m.people, func(p *someone) bool {
		for at, role := range p.roles {
			if at[0] == w && role != "" {
				return true
			}
		}
		return false
	})
}

func (m *machine) invitePerson(t *rapid.T) {
	by := m.pick(t, "by")
	w, e, role := by.where(t)
	c, _ := m.caller(t, by)
	before := by.power()
	l, err := m.Invite(t.Context(), c, access.Invite{Workspace: w, Environment: e, Role: role})
	if err != nil {
		return
	}
	first := role == access.Owner && !m.inhabited(w) && by.roles[[2]string{access.Installation, ""}] != ""
	for what := range (&someone{roles: map[[2]string]access.Role{{w, e}: role}}).power() {
		if !before[what] && !first {
			t.Fatalf("%s invited to %s, which they do not have", by.name, what)
		}
	}
	guest := m.pick(t, "guest")
	g, s := m.caller(t, guest)
	in, err := m.Accept(t.Context(), g, l.Token.Reveal(), access.NewPerson{})
	if err != nil {
		return
	}
	guest.ended = append(guest.ended, s)
	guest.sessions[s.Session] = in
	at := [2]string{w, e}
	old := (&someone{roles: map[[2]string]access.Role{at: guest.roles[at]}}).power()
	next := (&someone{roles: map[[2]string]access.Role{at: role}}).power()
	for what := range next {
		if !old[what] {
			guest.roles[at] = role
		}
	}
	if _, err := m.Accept(t.Context(), g, l.Token.Reveal(), access.NewPerson{}); err == nil {
		t.Fatal("an invitation was accepted twice")
	}
}

func (m *machine) remove(t *rapid.T) {
	by, target := m.pick(t, "by"), m.pick(t, "target")
	w, e, _ := by.where(t)
	c, _ := m.caller(t, by)
	if _, err := m.RemoveMember(t.Context(), c, target.id, w, e, false); err == nil {
		delete(target.roles, [2]string{w, e})
	}
}

func (m *machine) endSessions(t *rapid.T) {
	p := m.pick(t, "who")
	c, s := m.caller(t, p)
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		ok(t, m.SignOut(t.Context(), c))
		delete(p.sessions, s.Session)
		p.ended = append(p.ended, s)
	case 1:
		ok(t, m.EndOtherSessions(t.Context(), c))
		m.onlyOne(p, s)
	case 2:
		in, err := m.ChangePassword(t.Context(), c, good, "gauze plinth tamper marble")
		ok(t, err)
		again, err := m.ChangePassword(t.Context(), c, "gauze plinth tamper marble", good)
		ok(t, err)
		m.onlyOne(p, in)
		p.ended = append(p.ended, s, in)
		p.sessions[s.Session] = again
	}
}

func (m *machine) onlyOne(p *someone, one access.SignedIn) {
	for id, s := range p.sessions {
		if id != one.Session {
			p.ended = append(p.ended, s)
			delete(p.sessions, id)
		}
	}
}

func (m *machine) makeKey(t *rapid.T) {
	by := m.pick(t, "by")
	w, e, role := by.where(t)
	c, _ := m.caller(t, by)
	k, tok, err := m.CreateKey(t.Context(), c, access.NewKey{Name: fmt.Sprint("key ", len(m.keys)), Workspace: w, Environment: e, Role: role})
	if err != nil {
		return
	}
	m.keys = append(m.keys, &keyModel{id: k.ID, workspace: w, environment: e, role: role, holder: by, good: []token.Token{tok}})
}

func (m *machine) rotateKey(t *rapid.T) {
	if len(m.keys) == 0 {
		return
	}
	k, by := rapid.SampledFrom(m.keys).Draw(t, "key"), m.pick(t, "by")
	c, _ := m.caller(t, by)
	if rapid.Bool().Draw(t, "revoke") {
		if _, err := m.RevokeKey(t.Context(), c, k.workspace, k.id, false); err == nil {
			k.bad, k.good = append(k.bad, k.good...), nil
		}
		return
	}
	_, tok, err := m.RotateKey(t.Context(), c, k.workspace, k.id, 0)
	if err != nil {
		return
	}
	k.bad, k.good, k.holder = append(k.bad, k.good...), []token.Token{tok}, by
}

// check compares what is with the model, by who is signed in and by keys.
func (m *machine) check(t *rapid.T) {
	owners := map[string]int{}
	for _, p := range m.people {
		for at, role := range p.roles {
			if role == access.Owner && at[1] == "" {
				owners[at[0]]++
			}
		}
		for _, s := range p.ended {
			if m.alive(s) {
				t.Fatalf("an ended session of %s goes on", p.name)
			}
		}
		for _, s := range p.sessions {
			signed, err := m.Authenticate(t.Context(), s.Token.Reveal(), access.From{Address: home})
			if err != nil {
				t.Fatalf("a session of %s: %v", p.name, err)
			}
			m.compare(t, p.name, signed.Principal, p.may)
		}
	}
	for _, w := range []string{"w_a", access.Installation} {
		if owners[w] == 0 {
			t.Fatalf("%s has no owner", w)
		}
	}
	for _, k := range m.keys {
		for _, tok := range k.bad {
			if _, err := m.key(tok); err == nil {
				t.Fatal("a token that was replaced or revoked is taken")
			}
		}
		for _, tok := range k.good {
			c, err := m.key(tok)
			if err != nil {
				t.Fatal(err)
			}
			own := map[[2]string]access.Role{{k.workspace, k.environment}: k.role}
			for _, info := range access.Permissions() {
				for _, w := range places {
					for _, e := range parts {
						if c.Can(info.Name, w, e) && (!k.holder.may(info.Name, w, e) || !rolesMay(own, info.Name, w, e)) {
							t.Fatalf("a key of %s may %s in %s %s", k.holder.name, info.Name, w, e)
						}
					}
				}
			}
		}
	}
}

func (m *machine) compare(t *rapid.T, name string, p access.Principal, may func(access.Permission, string, string) bool) {
	for _, info := range access.Permissions() {
		for _, w := range places {
			for _, e := range parts {
				if got, want := p.Can(info.Name, w, e), may(info.Name, w, e); got != want {
					t.Fatalf("%s in %s %q: %s may: %v, want %v", info.Name, w, e, name, got, want)
				}
			}
		}
	}
}

// TestMachine: whatever people do, nobody gets or gives more than they have, no
// ended session or token works, and each workspace that had an owner has one.
func TestMachine(t *testing.T) {
	t.Parallel()
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(dir, fmt.Sprint(runs, ".db"))})
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		m := &machine{world: newWorld(t, c)}
		first := m.setUp()
		m.people = append(m.people, &someone{name: "ada", id: first.Person, sessions: map[string]access.SignedIn{first.Session: first},
			roles: map[[2]string]access.Role{{"w_a", ""}: access.Owner, {access.Installation, ""}: access.Owner}})
		for name, at := range map[string][2]string{"bob": {"w_a", ""}, "cleo": {"w_a", "e_1"}, "dan": {"w_b", ""}} {
			s := m.invite(name, at[0], at[1], access.Admin)
			m.people = append(m.people, &someone{name: name, id: s.Person, sessions: map[string]access.SignedIn{s.Session: s}, roles: map[[2]string]access.Role{at: access.Admin}})
		}
		slices.SortFunc(m.people, func(a, b *someone) int { return int(a.name[0]) - int(b.name[0]) })
		rt.Repeat(map[string]func(*rapid.T){
			"": m.check, "role": m.setRole, "invite": m.invitePerson, "remove": m.remove, "end": m.endSessions, "key": m.makeKey, "rotate": m.rotateKey,
		})
	})
}
