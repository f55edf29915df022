package serve

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

// A Member is a person's role in a workspace or on the server.
type Member struct {
	Person          string    `json:"person" example:"p_5ws2q7a4rgmjnxlbtb3e6kcvfu" doc:"By id."`
	Name            string    `json:"name" example:"Ada"`
	Email           string    `json:"email" example:"ada@example.com"`
	Role            string    `json:"role" example:"analyst"`
	Environment     string    `json:"environment,omitempty" doc:"In which environment, by id; absent: in all of them. One person may have several roles."`
	EnvironmentName string    `json:"environment_name,omitempty" example:"staging"`
	Suspended       bool      `json:"suspended,omitempty" doc:"They may not sign in."`
	Since           time.Time `json:"since"`
}

// An Invitation lets someone in, once.
type Invitation struct {
	ID              string    `json:"id" example:"4fJ2kQ9sLm0a"`
	Email           string    `json:"email,omitempty" doc:"Whom it is for; absent: whoever has the link."`
	Role            string    `json:"role" example:"analyst"`
	Environment     string    `json:"environment,omitempty" doc:"In which environment, by id; absent: in all of them."`
	EnvironmentName string    `json:"environment_name,omitempty" example:"staging"`
	State           string    `json:"state" enum:"open,accepted,revoked,expired"`
	Maker           string    `json:"maker,omitempty" doc:"Who made it: the id of a person or key."`
	MakerName       string    `json:"maker_name,omitempty" example:"Ada" doc:"What they are called; absent when they are gone."`
	Created         time.Time `json:"created"`
	Expires         time.Time `json:"expires"`
}

// A NewInvitation is what making one answers.
type NewInvitation struct {
	ID      string    `json:"id" example:"4fJ2kQ9sLm0a"`
	Link    string    `json:"link" doc:"To be given to whom it is for: it is told this once, and works once."`
	Expires time.Time `json:"expires"`
	Sent    bool      `json:"sent" doc:"It is being sent to them, too."`
}

// Stopped are keys that nobody answers for any more.
type Stopped struct {
	Keys []string `json:"keys" doc:"Names of API keys that the person answered for: they do nothing until someone rotates them."`
}

type memberPage struct {
	Members []Member `json:"members" doc:"By e-mail address; a line for each role."`
	Next    string   `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
}

type invitationPage struct {
	Invitations []Invitation `json:"invitations" doc:"The newest first; those that are over stay for a month."`
	Next        string       `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
}

// listQuery says which part of a list is asked for.
type listQuery struct {
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most elements of a page."`
	Cursor string `query:"cursor" maxLength:"600" doc:"From the page before."`
}

func (q listQuery) page() access.Page { return access.Page{Limit: q.Limit, Cursor: q.Cursor} }

func (s *server) members(ctx context.Context, workspace string, q listQuery) (*bodyOf[memberPage], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	found, next, err := s.o.Access.Members(ctx, s.caller(ctx), workspace, q.page())
	out := memberPage{Members: []Member{}, Next: next}
	for _, m := range found {
		out.Members = append(out.Members, Member{Person: m.Person, Name: m.Name, Email: m.Email, Role: string(m.Role), Environment: m.Environment, EnvironmentName: s.environmentName(m.Environment), Suspended: m.Suspended, Since: m.Since})
	}
	return &bodyOf[memberPage]{Body: out}, err
}

func (s *server) invitations(ctx context.Context, workspace string, q listQuery) (*bodyOf[invitationPage], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	found, next, err := s.o.Access.Invitations(ctx, s.caller(ctx), workspace, q.page())
	out := invitationPage{Invitations: []Invitation{}, Next: next}
	maker := func(i access.Invitation) string { return cmp.Or(i.MakerKey, i.Maker) }
	made := make([]string, len(found))
	for n, i := range found {
		made[n] = maker(i)
	}
	names := s.makers(ctx, made...)
	for _, i := range found {
		out.Invitations = append(out.Invitations, Invitation{ID: i.ID, Email: i.Email, Role: string(i.Role), Environment: i.Environment, EnvironmentName: s.environmentName(i.Environment), State: i.State, Maker: maker(i), MakerName: names[makerID(maker(i))], Created: i.Created, Expires: i.Expires})
	}
	return &bodyOf[invitationPage]{Body: out}, err
}

// InviteBody says whom to invite.
type InviteBody struct {
	Email string `json:"email,omitempty" maxLength:"1000" doc:"Only who has this address may accept; absent: whoever has the link."`
	Role  string `json:"role" enum:"owner,admin,editor,analyst,viewer" doc:"No more than one's own."`
	Days  int    `json:"days,omitempty" minimum:"1" maximum:"30" doc:"How long it holds; default 7."`
	Mail  bool   `json:"mail,omitempty" doc:"Send the link to that address, when the server sends mail."`
}

func (s *server) invite(ctx context.Context, workspace, environment string, in InviteBody) (*bodyOf[NewInvitation], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	switch {
	case in.Mail && in.Email == "":
		return nil, millrace.Errorf(millrace.Invalid, "an invitation is sent to an address: give email, or leave mail out and pass the link on yourself")
	case in.Mail && !s.mails():
		return nil, errNoMail
	}
	by := s.caller(ctx)
	l, err := s.o.Access.Invite(ctx, by, access.Invite{Email: in.Email, Workspace: workspace, Environment: environment, Role: access.Role(in.Role), Holds: time.Duration(in.Days) * 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	out := NewInvitation{ID: l.ID, Link: LinkURL(s.base(requestOf(ctx)), InvitationPage, l.Token), Expires: l.Expires}
	if in.Mail {
		shown, _, err := access.Email(in.Email)
		out.Sent = err == nil && s.send(ctx, invitationMail(shown, by.Name, in.Role, s.workspaceTitle(workspace), s.o.PublicURL, out.Link, l))
	}
	return &bodyOf[NewInvitation]{Body: out}, nil
}

// ScopeQuery says where in a workspace a role is meant.
type ScopeQuery struct {
	ThisEnvironment bool `query:"this_environment" doc:"Only the role in this environment; else all roles in the workspace."`
}

// InvitationPath names an invitation in a path.
type InvitationPath struct {
	ID string `path:"id" maxLength:"100" doc:"Of the invitation."`
}

var memberErrors = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}

// roleBody is a role of a member.
type roleBody struct {
	Role            string `json:"role" enum:"owner,admin,editor,analyst,viewer" doc:"No more than one's own."`
	ThisEnvironment bool   `json:"this_environment,omitempty" doc:"In this environment alone, besides what they may do in all of them."`
}

// memberInvite says whom to invite to a workspace.
type memberInvite struct {
	InviteBody
	ThisEnvironment bool `json:"this_environment,omitempty" doc:"To this environment alone, else to all of the workspace."`
}

// operatorBody is a role on the server.
type operatorBody struct {
	Role string `json:"role" enum:"owner,admin,viewer"`
}

// where is the environment that is meant: this one, or "" for all.
func (s *server) where(ctx context.Context, thisOne bool) string {
	if thisOne {
		return s.space(ctx).ID
	}
	return ""
}

func (s *server) registerMembers() {
	register(s, operation{id: "list-members", method: http.MethodGet, path: "/api/v1/members", tag: "members", needs: access.MemberRead, apart: true, always: true,
		summary: "List the members of the workspace", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *listQuery) (*bodyOf[memberPage], error) {
			return s.members(ctx, s.space(ctx).Workspace, *in)
		})
	register(s, operation{id: "set-member", method: http.MethodPut, path: "/api/v1/members/{person}", tag: "members", needs: access.MemberManage, apart: true, status: http.StatusNoContent,
		summary: "Set a member's role", description: "Nobody gives or takes a role that can do more than their own. Others are invited. The last owner stays.", errors: memberErrors},
		func(ctx context.Context, in *struct {
			PersonPath
			Body roleBody
		}) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.o.Access.SetRole(ctx, s.caller(ctx), in.Person, s.space(ctx).Workspace, s.where(ctx, in.Body.ThisEnvironment), access.Role(in.Body.Role))
		})
	register(s, operation{id: "remove-member", method: http.MethodDelete, path: "/api/v1/members/{person}", tag: "members", needs: access.MemberRead, apart: true, always: true,
		summary: "Remove a member, or leave", description: "Everyone may leave; to remove others needs member:manage. The last owner stays.", errors: memberErrors},
		func(ctx context.Context, in *struct {
			PersonPath
			ScopeQuery
		}) (*bodyOf[Stopped], error) {
			return s.removeMember(ctx, in.Person, s.space(ctx).Workspace, s.where(ctx, in.ThisEnvironment))
		})
	register(s, operation{id: "create-member-reset", method: http.MethodPost, path: "/api/v1/members/{person}/reset", tag: "members", needs: access.MemberManage, apart: true, always: true, status: http.StatusCreated,
		summary: "Make a link that sets a member's password", description: "For who may give every role that the member has, here and elsewhere.", errors: memberErrors},
		func(ctx context.Context, in *PersonPath) (*bodyOf[ResetLink], error) {
			return s.resetLink(ctx, in.Person)
		})
	register(s, operation{id: "list-invitations", method: http.MethodGet, path: "/api/v1/members/invitations", tag: "members", needs: access.MemberManage, apart: true, always: true,
		summary: "List invitations to the workspace", description: "To all environments in which one manages members.", errors: memberErrors},
		func(ctx context.Context, in *listQuery) (*bodyOf[invitationPage], error) {
			return s.invitations(ctx, s.space(ctx).Workspace, *in)
		})
	register(s, operation{id: "invite-member", method: http.MethodPost, path: "/api/v1/members/invitations", tag: "members", needs: access.MemberManage, apart: true, status: http.StatusCreated,
		summary: "Invite someone to the workspace", description: "With a link that works once. It is worth no more than who made it when it is accepted.", errors: memberErrors},
		func(ctx context.Context, in *struct{ Body memberInvite }) (*bodyOf[NewInvitation], error) {
			return s.invite(ctx, s.space(ctx).Workspace, s.where(ctx, in.Body.ThisEnvironment), in.Body.InviteBody)
		})
	register(s, operation{id: "revoke-invitation", method: http.MethodDelete, path: "/api/v1/members/invitations/{id}", tag: "members", needs: access.MemberManage, apart: true, always: true, status: http.StatusNoContent,
		summary: "Take an invitation back", errors: memberErrors},
		func(ctx context.Context, in *InvitationPath) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.o.Access.RevokeInvitation(ctx, s.caller(ctx), s.space(ctx).Workspace, in.ID)
		})
}

// removeMember takes a role in an environment, or all of them.
func (s *server) removeMember(ctx context.Context, person, workspace, environment string) (*bodyOf[Stopped], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	keys, err := s.o.Access.RemoveMember(ctx, s.caller(ctx), person, workspace, environment, environment == "")
	if keys == nil {
		keys = []string{}
	}
	return &bodyOf[Stopped]{Body: Stopped{Keys: keys}}, err
}

func (s *server) registerOperators() {
	register(s, operation{id: "list-operators", method: http.MethodGet, path: "/api/v1/operators", tag: "members", needs: access.OperatorRead, apart: true,
		summary: "List who runs the server", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *listQuery) (*bodyOf[memberPage], error) {
			return s.members(ctx, access.Installation, *in)
		})
	register(s, operation{id: "set-operator", method: http.MethodPut, path: "/api/v1/operators/{person}", tag: "members", needs: access.OperatorManage, apart: true, status: http.StatusNoContent,
		summary: "Say who runs the server", description: "Gives someone with an account a role on the server: owner, admin or viewer. That lets nobody see into workspaces.", errors: memberErrors},
		func(ctx context.Context, in *struct {
			PersonPath
			Body operatorBody
		}) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.o.Access.SetRole(ctx, s.caller(ctx), in.Person, access.Installation, "", access.Role(in.Body.Role))
		})
	register(s, operation{id: "remove-operator", method: http.MethodDelete, path: "/api/v1/operators/{person}", tag: "members", needs: access.OperatorRead, apart: true,
		summary: "Take someone's role on the server", description: "Everyone may leave; to remove others needs operator:manage. The last owner stays.", errors: memberErrors},
		func(ctx context.Context, in *PersonPath) (*bodyOf[Stopped], error) {
			return s.removeMember(ctx, in.Person, access.Installation, "")
		})
	register(s, operation{id: "list-operator-invitations", method: http.MethodGet, path: "/api/v1/operators/invitations", tag: "members", needs: access.OperatorManage, apart: true,
		summary: "List invitations to run the server", errors: memberErrors},
		func(ctx context.Context, in *listQuery) (*bodyOf[invitationPage], error) {
			return s.invitations(ctx, access.Installation, *in)
		})
	register(s, operation{id: "invite-operator", method: http.MethodPost, path: "/api/v1/operators/invitations", tag: "members", needs: access.OperatorManage, apart: true, status: http.StatusCreated,
		summary: "Invite someone to run the server", description: "As owner, admin or viewer of the server.", errors: memberErrors},
		func(ctx context.Context, in *struct{ Body InviteBody }) (*bodyOf[NewInvitation], error) {
			return s.invite(ctx, access.Installation, "", in.Body)
		})
	register(s, operation{id: "revoke-operator-invitation", method: http.MethodDelete, path: "/api/v1/operators/invitations/{id}", tag: "members", needs: access.OperatorManage, apart: true, status: http.StatusNoContent,
		summary: "Take such an invitation back", errors: memberErrors},
		func(ctx context.Context, in *InvitationPath) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.o.Access.RevokeInvitation(ctx, s.caller(ctx), access.Installation, in.ID)
		})
}
