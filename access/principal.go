package access

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// Installation stands in place of a workspace for the installation itself.
const Installation = "@"

// A PrincipalKind says what sort of principal asks.
type PrincipalKind string

// The kinds of principals. The zero Principal is nobody and may do nothing.
const (
	PersonKind PrincipalKind = "person" // signed in
	KeyKind    PrincipalKind = "key"    // an API key
	LocalKind  PrincipalKind = "local"  // who sits at the machine on which `millrace dev` runs
	SystemKind PrincipalKind = "system" // the server itself, and commands on its machine
)

// A Principal is who asks. It is a value that does not change: what it may do is
// what it might when it was authenticated.
type Principal struct {
	Kind    PrincipalKind
	Person  string // id of who is signed in, or who answers for the key; or empty
	Key     string // id
	Session string // id
	Name    string // of the person or key, for people
	rights  *rights
}

// A Grant is a role or permissions in a workspace or the installation.
type Grant struct {
	Workspace   string // id, or Installation
	Environment string // id, or empty: all
	Role        Role   // or empty: Permissions
	Permissions []Permission
}

// rights are what someone may do, by workspace.
type rights struct {
	anything bool // everywhere, also what does not exist yet
	places   map[string]*place
	grants   []Grant
	called   func(environment string) string // what people call one, by id; nil: not known
}

// A place is what someone may do in a workspace.
type place struct {
	all set            // in all its environments
	in  map[string]set // and in some
}

func (p *place) set(environment string) set {
	s := p.all
	if environment != "" {
		s |= p.in[environment]
	}
	return s
}

func (p *place) somewhere() set {
	s := p.all
	for _, more := range p.in {
		s |= more
	}
	return s
}

func newRights(grants []Grant) *rights {
	r := &rights{places: map[string]*place{}, grants: grants}
	for _, g := range grants {
		s := roleSets[g.Role]
		for _, p := range g.Permissions {
			if i, known := indexes[p]; known { // what is not known any more is not granted
				s |= 1 << i
			}
		}
		r.add(g.Workspace, g.Environment, s)
	}
	return r
}

// rights are those of grants, with which a refusal can name environments.
func (a *Access) rights(grants []Grant) *rights {
	r := newRights(grants)
	r.called = a.o.EnvironmentName
	return r
}

func (r *rights) add(workspace, environment string, s set) {
	p := r.places[workspace]
	if p == nil {
		p = &place{}
		r.places[workspace] = p
	}
	s = s.at(workspace, environment)
	if environment == "" {
		p.all |= s
		return
	}
	if p.in == nil {
		p.in = map[string]set{}
	}
	p.in[environment] |= s
}

// set returns what may be done in a place; "" is all environments.
func (r *rights) set(workspace, environment string) set {
	switch {
	case r == nil:
		return 0
	case r.anything:
		return ^set(0)
	}
	if p := r.places[workspace]; p != nil {
		return p.set(environment)
	}
	return 0
}

// within limits these rights to those of who answers for them.
func (r *rights) within(holder *rights) *rights {
	if holder.anything {
		return r
	}
	out := &rights{places: map[string]*place{}, grants: r.grants, called: r.called}
	for id, p := range r.places {
		h := holder.places[id]
		if h == nil {
			continue
		}
		limited := &place{all: p.all & h.all, in: map[string]set{}}
		for environment := range p.in {
			limited.in[environment] = p.set(environment) & h.set(environment)
		}
		if p.all != 0 {
			for environment := range h.in {
				limited.in[environment] = p.set(environment) & h.set(environment)
			}
		}
		out.places[id] = limited
	}
	return out
}

// System returns the principal of the server itself, and of commands that are
// run on its machine by who may read its data. It may do anything.
func System(name string) Principal {
	return Principal{Kind: SystemKind, Name: name, rights: &rights{anything: true}}
}

// Local returns the principal of who uses `millrace dev` on its machine. It may do anything.
func Local() Principal {
	return Principal{Kind: LocalKind, Name: "local", rights: &rights{anything: true}}
}

// Allow returns nil when the principal has a permission there. The environment is
// ignored for permissions that are about the whole workspace, both are for those
// about the server; an empty environment asks for all of them.
//
// Else it fails with Unauthorized for nobody; NotFound for a workspace that the
// principal has no role in, so that its existence is not told; and Forbidden, which
// names the permission, who has it, and who can give it.
func (p Principal) Allow(permission Permission, workspace, environment string) error {
	i, known := indexes[permission]
	if p.rights == nil {
		return millrace.Errorf(millrace.Unauthorized, "this needs someone to be signed in, or an API key")
	}
	if !known {
		return millrace.Errorf(millrace.Forbidden, "there is no permission %.80q, so nobody has it", string(permission))
	}
	if p.rights.anything {
		return nil
	}
	info := &table[i]
	if info.Level == OfServer {
		workspace, environment = Installation, ""
	}
	here := p.rights.places[workspace]
	if here == nil && info.Level != OfServer {
		return millrace.Errorf(millrace.NotFound, "there is no workspace %.80q, or you are no member of it: someone who manages its members can invite you", workspace)
	}
	if here != nil {
		s := here.all
		switch {
		case info.Anywhere:
			s = here.somewhere()
		case info.Level == OfEnvironment:
			s = here.set(environment)
		}
		if s.has(i) {
			return nil
		}
	}
	return p.refuse(info, environment)
}

// refuse says what is missing.
func (p Principal) refuse(info *Info, environment string) error {
	where, askIn := "", "the workspace"
	switch {
	case info.Level == OfServer:
		where, askIn = " on this server", "the server"
	case info.Level == OfWorkspace && !info.Anywhere:
		where = " in all environments of the workspace"
	case environment != "":
		where = " in " + p.rights.environment(environment)
	case !info.Anywhere:
		where = " in all environments"
	}
	names := make([]string, len(info.Roles))
	for i, role := range info.Roles {
		names[i] = string(role)
	}
	has := strings.Join(names, ", ")
	if p.Kind == KeyKind {
		return millrace.Errorf(millrace.Forbidden, "this needs the permission %s%s, and the API key does not have it, or who answers for the key has it no longer: take a key that has it; %s of %s can make one", info.Name, where, givers(info), askIn)
	}
	return millrace.Errorf(millrace.Forbidden, "this needs the permission %s%s, and your role does not have it: these do: %s; %s of %s can give you one", info.Name, where, has, givers(info), askIn)
}

// environment is what people call an environment.
func (r *rights) environment(id string) string {
	if r.called != nil {
		if name := r.called(id); name != "" {
			return "the environment " + name
		}
	}
	return "this environment"
}

// givers names the roles that can give the least role with a permission.
func givers(info *Info) string {
	if len(info.Roles) == 1 {
		return "an owner"
	}
	return "an owner or admin"
}

// Can says whether Allow returns nil.
func (p Principal) Can(permission Permission, workspace, environment string) bool {
	return p.Allow(permission, workspace, environment) == nil
}

// May returns the permissions in a place, for a page that shows what can be
// done: with an environment those in it, without one those in all of them.
func (p Principal) May(workspace, environment string) []Permission {
	return p.rights.set(workspace, environment).at(workspace, environment).names()
}

// Grants returns what was granted, ordered by workspace and environment. A key
// may do less when who answers for it may.
func (p Principal) Grants() []Grant {
	if p.rights == nil {
		return nil
	}
	return slices.Clone(p.rights.grants)
}

// Everything says whether the principal may do anything anywhere, as the local
// user, the system and the admin token do.
func (p Principal) Everything() bool { return p.rights != nil && p.rights.anything }

// Member says whether the principal has any right in a workspace.
func (p Principal) Member(workspace string) bool {
	return p.Everything() || p.rights != nil && p.rights.places[workspace] != nil && p.rights.places[workspace].somewhere() != 0
}

// Workspaces returns the ids of the workspaces in which the principal has a role,
// in order. It is of no use for who may do everything.
func (p Principal) Workspaces() []string {
	if p.rights == nil {
		return nil
	}
	var out []string
	for id, here := range p.rights.places {
		if id != Installation && here.somewhere() != 0 {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// String names the principal, for logs.
func (p Principal) String() string {
	switch p.Kind {
	case PersonKind:
		return "person " + p.Person
	case KeyKind:
		return "key " + p.Key
	case "":
		return "nobody"
	}
	return string(p.Kind) + " " + p.Name
}

// LogValue names the principal.
func (p Principal) LogValue() slog.Value { return slog.StringValue(p.String()) }

// A Caller is who asks for something, and from where.
type Caller struct {
	Principal
	Address netip.Addr // or the zero Addr when it is not known
	Agent   string     // what the client calls itself; at most 200 bytes of it are kept
	Request string     // the id under which logs know the request; or empty
}

// covers refuses who would give more than they have: the rights to be given, in
// a place, have to be theirs there.
func (p Principal) covers(s set, workspace, environment string) bool {
	return s.at(workspace, environment).within(p.rights.set(workspace, environment))
}
