package serve

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	metadata "github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/workspace"
)

// A Workspace is a tenant: it has people, keys, secrets, and environments with
// data of their own.
type Workspace struct {
	ID           string           `json:"id" example:"w_4fj2kq9slm0a4fj2kq9s" doc:"Never changes."`
	Name         string           `json:"name" example:"acme" doc:"In addresses: acme, or acme@staging for another environment than the default one."`
	Title        string           `json:"title" example:"Acme Ltd" doc:"For people."`
	State        string           `json:"state" enum:"active,suspended,deleted,purging" doc:"Of a deleted one everything is there until purge_after, and undelete has it back. Purging cannot be undone."`
	Reason       string           `json:"reason,omitempty" doc:"Why it is suspended."`
	Since        time.Time        `json:"since" doc:"When it came into its state."`
	PurgeAfter   *time.Time       `json:"purge_after,omitempty" doc:"When it is deleted for good."`
	Created      time.Time        `json:"created"`
	Quotas       workspace.Quotas `json:"quotas" doc:"What it may use; what is absent has no limit."`
	Environments []Environment    `json:"environments" doc:"In order of their names."`
	OldNames     []OldName        `json:"old_names" doc:"Names that it had and that still lead here."`
}

// An Environment has data, keys and secrets of its own.
type Environment struct {
	Name       string     `json:"name" example:"production"`
	Address    string     `json:"address" example:"acme" doc:"In paths: /api/v1/w/ADDRESS/…"`
	Space      string     `json:"space" example:"14fj2kq9slm0a4fj2kq9s" doc:"Its id, which never changes, and which its records carry."`
	Main       bool       `json:"main" doc:"It is the default one: the workspace's name alone means it."`
	State      string     `json:"state" enum:"active,deleted,purging"`
	Created    time.Time  `json:"created"`
	PurgeAfter *time.Time `json:"purge_after,omitempty" doc:"When it is deleted for good."`
	Problem    string     `json:"problem,omitempty" doc:"What keeps it from being deleted for good; it is tried again."`
}

// An OldName still means its workspace.
type OldName struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

func workspaceOf(w workspace.Workspace) Workspace {
	out := Workspace{ID: w.ID, Name: w.Name, Title: w.Title, State: string(w.State), Reason: w.Reason, Since: w.Since, PurgeAfter: moment(w.PurgeAfter),
		Created: w.Created, Quotas: w.Quotas, Environments: []Environment{}, OldNames: []OldName{}}
	for _, e := range w.Environments {
		out.Environments = append(out.Environments, Environment{Name: e.Name, Address: workspace.Address(w.Name, e.Name, e.Space == w.Main), Space: e.Space,
			Main: e.Space == w.Main, State: string(e.State), Created: e.Created, PurgeAfter: moment(e.PurgeAfter), Problem: e.Problem})
	}
	for _, n := range w.OldNames {
		out.OldNames = append(out.OldNames, OldName{n.Name, n.Until})
	}
	return out
}

type (
	callerKey    struct{}
	workspaceKey struct{}
)

// withCaller keeps who changes something, for the audit trail.
func (s *server) withCaller(ctx context.Context) context.Context {
	return context.WithValue(ctx, callerKey{}, s.caller(ctx))
}

// CallerOf is who makes the change that ctx is of, as far as it is known.
func CallerOf(ctx context.Context) (access.Caller, bool) {
	by, ok := ctx.Value(callerKey{}).(access.Caller)
	return by, ok
}

// about says whether an operation is about a workspace that its path names, not
// about the space that it is asked in.
func (op *operation) about() bool { return strings.Contains(op.path, "{workspace}") }

// permissionLevels are what permissions are about.
var permissionLevels = func() map[access.Permission]access.Level {
	all := map[access.Permission]access.Level{}
	for _, info := range access.Permissions() {
		all[info.Name] = info.Level
	}
	return all
}()

// enterWorkspace lets through who may do what an operation does with the
// workspace that its path names. Of one that is not theirs they are told what
// they are of one that is not there.
func (s *server) enterWorkspace(ctx context.Context, op operation, name string) (context.Context, error) {
	if s.o.Workspaces == nil {
		return ctx, NoSpace(name)
	}
	who := principal(ctx)
	server := op.or != "" && who.Can(op.or, "", "")
	if permissionLevels[op.needs] == access.OfServer {
		if err := who.Allow(op.needs, "", ""); err != nil {
			return ctx, err
		}
		server = true
	}
	id, there := s.o.Workspaces.Spaces().Workspace(name)
	switch {
	case !there && server:
		return ctx, millrace.Errorf(millrace.NotFound, "there is no workspace %.80q: GET /api/v1/workspaces lists them", name)
	case !there || !server && !who.Member(id):
		return ctx, NoSpace(name)
	case !server:
		if err := who.Allow(op.needs, id, ""); err != nil {
			return ctx, err
		}
	}
	return context.WithValue(s.withCaller(ctx), workspaceKey{}, id), nil
}

// subject is the id of the workspace that the request of ctx is about.
func subject(ctx context.Context) string {
	id, _ := ctx.Value(workspaceKey{}).(string)
	return id
}

// runners says whether someone who runs the server gets in without a role in the
// environment: what of it they may do the operation looks at.
func (op *operation) runners(who access.Principal) bool {
	return op.operators && startsServerJobs(who) || op.or != "" && who.Can(op.or, "", "")
}

// admit lets nobody through who may not do what an operation does, and opens
// the space that it is asked in.
func (s *server) admit(hc huma.Context, op operation) (ctx context.Context, release func(), err error) {
	ctx, release = hc.Context(), func() {}
	switch {
	case op.about():
		ctx, err = s.enterWorkspace(ctx, op, hc.Param("workspace"))
		return ctx, release, err
	case op.everybody:
		return ctx, release, nil
	case op.person:
		return ctx, release, aPerson(principal(ctx))
	}
	sp := s.space(ctx)
	if err := principal(ctx).Allow(op.needs, sp.Workspace, sp.ID); err != nil && !op.runners(principal(ctx)) {
		return ctx, nil, err
	}
	if op.apart {
		return ctx, release, s.usable(ctx, op)
	}
	return s.enter(ctx)
}

// usable refuses what is asked of a space that is suspended or was deleted.
func (s *server) usable(ctx context.Context, op operation) error {
	if s.o.Workspaces == nil || op.always || permissionLevels[op.needs] == access.OfServer {
		return nil
	}
	id := s.space(ctx).ID
	sp, ok := s.o.Workspaces.Spaces().Space(id)
	if !ok {
		return NoSpace(id)
	}
	return sp.Usable()
}

// A WorkspacePath names a workspace in a path.
type WorkspacePath struct {
	Workspace string `path:"workspace" maxLength:"80" doc:"Its name or id."`
}

// changeErrors are what changes of workspaces may answer.
var changeErrors = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge}

type workspaceAnswer = bodyOf[Workspace]

// answerOf makes what the store returns an answer.
func answerOf(w workspace.Workspace, err error) (*workspaceAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &workspaceAnswer{Body: workspaceOf(w)}, nil
}

func (s *server) registerWorkspaces() {
	s.registerWorkspaceList()
	register(s, operation{id: "create-workspace", method: http.MethodPost, path: "/api/v1/workspaces", tag: "workspaces", needs: access.WorkspaceCreate, status: http.StatusCreated,
		summary: "Make a workspace", description: "With one environment. A person who makes it is its owner.", errors: changeErrors},
		func(ctx context.Context, in *struct{ Body newWorkspaceBody }) (*workspaceAnswer, error) {
			if s.o.Workspaces == nil {
				return nil, errNoWorkspaces
			}
			by := s.caller(ctx)
			own := func(tx metadata.Tx, w workspace.Workspace) error {
				if by.Kind != access.PersonKind || by.Session == "" {
					return nil
				}
				return s.o.Access.AddOwner(ctx, tx, by, by.Person, w.ID)
			}
			w, err := s.o.Workspaces.Create(s.withCaller(ctx), workspace.New{Name: in.Body.Name, Title: in.Body.Title, Environment: in.Body.Environment}, own)
			if err == nil && s.o.Access != nil {
				s.o.Access.Refresh()
			}
			return answerOf(w, err)
		})
	register(s, operation{id: "invite-owner", method: http.MethodPost, path: "/api/v1/workspaces/{workspace}/owner", tag: "workspaces", needs: access.WorkspaceCreate, status: http.StatusCreated,
		summary: "Make a link for the first owner", description: "Of a workspace that has no members, such as one that a program has made. Who follows the link makes an account or signs in, and owns the workspace.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			WorkspacePath
			Body ownerInvite
		}) (*bodyOf[NewInvitation], error) {
			return s.invite(ctx, subject(ctx), "", InviteBody{Email: in.Body.Email, Role: string(access.Owner), Days: in.Body.Days, Mail: in.Body.Mail})
		})
	register(s, operation{id: "get-workspace", method: http.MethodGet, path: "/api/v1/workspaces/{workspace}", tag: "workspaces", needs: access.WorkspaceRead, or: access.WorkspaceList,
		summary: "One workspace", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, _ *WorkspacePath) (*workspaceAnswer, error) {
			return answerOf(s.o.Workspaces.Get(ctx, subject(ctx)))
		})
	register(s, operation{id: "change-workspace", method: http.MethodPatch, path: "/api/v1/workspaces/{workspace}", tag: "workspaces", needs: access.WorkspaceUpdate,
		summary: "Rename a workspace", description: "The old name goes on leading to it for 90 days, and nobody else can have it in that time.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			WorkspacePath
			Body workspaceChange
		}) (*workspaceAnswer, error) {
			w, err := s.o.Workspaces.Get(ctx, subject(ctx))
			if err == nil && in.Body.Name != "" {
				w, err = s.o.Workspaces.Rename(ctx, subject(ctx), in.Body.Name)
			}
			if err == nil && in.Body.Title != "" {
				w, err = s.o.Workspaces.SetTitle(ctx, subject(ctx), in.Body.Title)
			}
			return answerOf(w, err)
		})
	register(s, operation{id: "set-quotas", method: http.MethodPut, path: "/api/v1/workspaces/{workspace}/quotas", tag: "workspaces", needs: access.QuotaSet,
		summary: "Say what a workspace may use", description: "All environments together, from the next request on. A day begins at 0:00 UTC. What is absent has no limit, 0 is nothing at all.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			WorkspacePath
			Body workspace.Quotas
		}) (*workspaceAnswer, error) {
			return answerOf(s.o.Workspaces.SetQuotas(ctx, subject(ctx), in.Body))
		})
	s.registerWorkspaceLife()
	s.registerEnvironments()
	s.registerUsage()
}

var errNoWorkspaces = millrace.Errorf(millrace.NotFound, "this server has one workspace only")

// newWorkspaceBody says what a workspace begins as.
type newWorkspaceBody struct {
	Name        string `json:"name" minLength:"2" maxLength:"40" example:"acme" doc:"2 to 40 of a-z, 0-9 and -, beginning with a letter."`
	Title       string `json:"title,omitempty" maxLength:"100" doc:"For people; the name when absent."`
	Environment string `json:"environment,omitempty" maxLength:"30" doc:"The name of its first environment; production when absent."`
}

// ownerInvite says who is to own a workspace.
type ownerInvite struct {
	Email string `json:"email,omitempty" maxLength:"1000" doc:"Only who has this address may accept; absent: whoever has the link."`
	Days  int    `json:"days,omitempty" minimum:"1" maximum:"30" doc:"How long it holds; default 7."`
	Mail  bool   `json:"mail,omitempty" doc:"Send the link to that address, when the server sends mail."`
}

// workspaceChange says what is to be different.
type workspaceChange struct {
	Name  string `json:"name,omitempty" maxLength:"40"`
	Title string `json:"title,omitempty" maxLength:"100"`
}

func (s *server) registerWorkspaceList() {
	type place struct {
		Workspace   string `json:"workspace" doc:"The id of the workspace."`
		Space       string `json:"space" doc:"The id of the environment."`
		Name        string `json:"name" doc:"Of the workspace."`
		Environment string `json:"environment"`
		Address     string `json:"address"`
	}
	type workspacePage struct {
		Workspaces []Workspace `json:"workspaces" doc:"In order of their names."`
		Next       string      `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
		Here       *place      `json:"here,omitempty" doc:"Where this was asked: what requests are about whose paths name no workspace, or the one that this path names."`
	}
	register(s, operation{id: "list-workspaces", method: http.MethodGet, path: "/api/v1/workspaces", tag: "workspaces", everybody: true,
		summary: "List the workspaces", description: "Those in which whoever asks has a role; with workspace:list on the server, all.", errors: []int{http.StatusBadRequest}},
		func(ctx context.Context, in *struct {
			State  string `query:"state" enum:"active,suspended,deleted,purging" doc:"Only those in this state."`
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most workspaces of a page."`
			Cursor string `query:"cursor" maxLength:"80" doc:"From the page before."`
		}) (*bodyOf[workspacePage], error) {
			out := workspacePage{Workspaces: []Workspace{}}
			if s.o.Workspaces == nil {
				return &bodyOf[workspacePage]{Body: out}, nil
			}
			who, o := principal(ctx), workspace.ListOptions{After: in.Cursor, Limit: in.Limit, State: workspace.State(in.State)}
			if !who.Can(access.WorkspaceList, "", "") {
				o.Only = append([]string{}, who.Workspaces()...)
			}
			if o.Only == nil || len(o.Only) > 0 {
				found, err := s.o.Workspaces.List(ctx, o)
				if err != nil {
					return nil, err
				}
				for _, w := range found {
					out.Workspaces = append(out.Workspaces, workspaceOf(w))
				}
				if len(found) == in.Limit {
					out.Next = found[len(found)-1].Name
				}
			}
			if here, ok := s.o.Workspaces.Spaces().Space(s.space(ctx).ID); ok && who.Member(here.Workspace) {
				out.Here = &place{here.Workspace, here.ID, here.Name, here.Environment, here.Address()}
			}
			return &bodyOf[workspacePage]{Body: out}, nil
		})
}

// suspendBody says why a workspace is suspended.
type suspendBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Shown to its people and to senders."`
}

func (s *server) registerWorkspaceLife() {
	register(s, operation{id: "suspend-workspace", method: http.MethodPost, path: "/api/v1/workspaces/{workspace}/suspend", tag: "workspaces", needs: access.WorkspaceSuspend,
		summary: "Suspend a workspace", description: "Senders are told to keep what they have and come back (429), after a day to give up (403); nothing can be asked. Nothing is lost of what it has.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			WorkspacePath
			Body suspendBody
		}) (*workspaceAnswer, error) {
			return answerOf(s.o.Workspaces.Suspend(ctx, subject(ctx), in.Body.Reason))
		})
	for _, op := range []struct {
		operation
		do func(ctx context.Context, id string) (workspace.Workspace, error)
	}{
		{operation{id: "resume-workspace", method: http.MethodPost, path: "/api/v1/workspaces/{workspace}/resume", needs: access.WorkspaceSuspend,
			summary: "End a suspension"}, func(ctx context.Context, id string) (workspace.Workspace, error) {
			return s.o.Workspaces.Resume(ctx, id)
		}},
		{operation{id: "delete-workspace", method: http.MethodDelete, path: "/api/v1/workspaces/{workspace}", needs: access.WorkspaceDelete,
			summary: "Delete a workspace", description: "It stops at once, and is deleted for good after 7 days: until then undelete has it back."},
			func(ctx context.Context, id string) (workspace.Workspace, error) {
				return s.o.Workspaces.Delete(ctx, id)
			}},
		{operation{id: "undelete-workspace", method: http.MethodPost, path: "/api/v1/workspaces/{workspace}/undelete", needs: access.WorkspaceDelete,
			summary: "Have a deleted workspace back"}, func(ctx context.Context, id string) (workspace.Workspace, error) {
			return s.o.Workspaces.Undelete(ctx, id)
		}},
	} {
		op.tag, op.errors = "workspaces", changeErrors
		register(s, op.operation, func(ctx context.Context, _ *WorkspacePath) (*workspaceAnswer, error) {
			return answerOf(op.do(ctx, subject(ctx)))
		})
	}
}

// An EnvironmentPath names an environment in a path.
type EnvironmentPath struct {
	WorkspacePath
	Environment string `path:"environment" maxLength:"80" doc:"Its name, or its id."`
}

// environmentOf is the id of the environment that a path names.
func (s *server) environmentOf(ctx context.Context, in *EnvironmentPath) (space string, err error) {
	w, err := s.o.Workspaces.Get(ctx, subject(ctx))
	if err != nil {
		return "", err
	}
	if e, ok := w.Find(in.Environment); ok {
		return e.Space, nil
	}
	var names []string
	for _, e := range w.Environments {
		if e.Space == in.Environment {
			return e.Space, nil
		}
		names = append(names, e.Name)
	}
	return "", millrace.Errorf(millrace.NotFound, "workspace %s has no environment %.80q: it has %s", w.Name, in.Environment, strings.Join(names, ", "))
}

// environmentChange says what is to be different.
type environmentChange struct {
	Name string `json:"name,omitempty" maxLength:"30"`
	Main bool   `json:"main,omitempty" doc:"Make it the default one."`
}

func (s *server) registerEnvironments() {
	const one = "/api/v1/workspaces/{workspace}/environments/{environment}"
	type newEnvironment struct {
		Name string `json:"name" minLength:"2" maxLength:"30" example:"staging"`
	}
	register(s, operation{id: "create-environment", method: http.MethodPost, path: "/api/v1/workspaces/{workspace}/environments", tag: "workspaces", needs: access.EnvironmentManage, status: http.StatusCreated,
		summary: "Give a workspace another environment", description: "With data, keys and secrets of its own. Nothing runs in it before a version is deployed there.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			WorkspacePath
			Body newEnvironment
		}) (*workspaceAnswer, error) {
			return answerOf(s.o.Workspaces.AddEnvironment(ctx, subject(ctx), in.Body.Name))
		})
	register(s, operation{id: "change-environment", method: http.MethodPatch, path: one, tag: "workspaces", needs: access.EnvironmentManage,
		summary: "Rename an environment, or make it the default one", description: "The old name means nothing from then on.", errors: changeErrors},
		func(ctx context.Context, in *struct {
			EnvironmentPath
			Body environmentChange
		}) (*workspaceAnswer, error) {
			space, err := s.environmentOf(ctx, &in.EnvironmentPath)
			if err != nil {
				return nil, err
			}
			w, err := s.o.Workspaces.Get(ctx, subject(ctx))
			if err == nil && in.Body.Name != "" {
				w, err = s.o.Workspaces.RenameEnvironment(ctx, space, in.Body.Name)
			}
			if err == nil && in.Body.Main {
				w, err = s.o.Workspaces.SetMain(ctx, space)
			}
			return answerOf(w, err)
		})
	for _, op := range []struct {
		operation
		do func(ctx context.Context, space string) (workspace.Workspace, error)
	}{
		{operation{id: "delete-environment", method: http.MethodDelete, path: one, summary: "Delete an environment",
			description: "It stops at once, and is deleted for good after 7 days: until then undelete has it back."},
			func(ctx context.Context, space string) (workspace.Workspace, error) {
				return s.o.Workspaces.DeleteEnvironment(ctx, space)
			}},
		{operation{id: "undelete-environment", method: http.MethodPost, path: one + "/undelete", summary: "Have a deleted environment back"},
			func(ctx context.Context, space string) (workspace.Workspace, error) {
				return s.o.Workspaces.UndeleteEnvironment(ctx, space)
			}},
	} {
		op.tag, op.needs, op.errors = "workspaces", access.EnvironmentManage, changeErrors
		register(s, op.operation, func(ctx context.Context, in *EnvironmentPath) (*workspaceAnswer, error) {
			space, err := s.environmentOf(ctx, in)
			if err != nil {
				return nil, err
			}
			return answerOf(op.do(ctx, space))
		})
	}
}
