package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

// An APIKey is what programs ask with, without its secret.
type APIKey struct {
	ID              string     `json:"id" example:"k_5ws2q7a4rgmjnxlbtb3e6kcvfu" doc:"Of the key, whatever its tokens are."`
	Name            string     `json:"name" example:"deploy from CI" doc:"What it is for."`
	Server          bool       `json:"server,omitempty" doc:"It is about the server as a whole, not about a workspace."`
	AllEnvironments bool       `json:"all_environments,omitempty" doc:"It works in all environments of the workspace."`
	Role            string     `json:"role,omitempty" example:"analyst" doc:"It may do what this role may."`
	Permissions     []string   `json:"permissions" doc:"Without a role: what it may do."`
	Maker           string     `json:"maker,omitempty" doc:"Who made it."`
	Created         time.Time  `json:"created"`
	Expires         *time.Time `json:"expires,omitempty" doc:"When it stops to work; never when absent."`
	Revoked         *time.Time `json:"revoked,omitempty" doc:"When it was revoked."`
	LastUsed        *time.Time `json:"last_used,omitempty" doc:"To half a minute; absent when it never was."`
	LastAddress     string     `json:"last_address,omitempty" doc:"From where it was used last."`
	Tokens          []KeyToken `json:"tokens" doc:"One, or while it is rotated the old one too."`
}

// A KeyToken is one of a key's tokens, as far as it is shown.
type KeyToken struct {
	Begins  string     `json:"begins" example:"mr_key_4fJ2kQ9sLm0a" doc:"How the token begins: enough to know it by."`
	Created time.Time  `json:"created"`
	Until   *time.Time `json:"until,omitempty" doc:"Until when it works, after a rotation."`
}

// A NewAPIKey is what making or rotating a key answers.
type NewAPIKey struct {
	Key   APIKey `json:"key"`
	Token string `json:"token" example:"mr_key_…" doc:"What to send as Authorization: Bearer. It is told this once, and kept nowhere."`
}

func apiKey(k access.Key) APIKey {
	out := APIKey{ID: k.ID, Name: k.Name, Server: k.Workspace == access.Installation, AllEnvironments: k.Workspace != access.Installation && k.Environment == "",
		Role: string(k.Role), Permissions: []string{}, Maker: k.Maker, Created: k.Created, Expires: moment(k.Expires), Revoked: moment(k.Revoked),
		LastUsed: moment(k.Seen), LastAddress: k.Address, Tokens: []KeyToken{}}
	for _, p := range k.Permissions {
		out.Permissions = append(out.Permissions, string(p))
	}
	for _, t := range k.Secrets {
		out.Tokens = append(out.Tokens, KeyToken{Begins: t.Begins, Created: t.Created, Until: moment(t.Until)})
	}
	return out
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

var errNoAccess = millrace.Errorf(millrace.NotFound, "this server keeps no API keys")

// caller is who makes the request of ctx, and from where.
func (s *server) caller(ctx context.Context) access.Caller {
	r := requestOf(ctx)
	return access.Caller{Principal: principal(ctx), Address: s.guard.clientIP(r), Agent: r.UserAgent(), Request: requestID(ctx)}
}

// keysOf is the workspace whose keys are meant.
func (s *server) keysOf(ctx context.Context, server bool) string {
	if server {
		return access.Installation
	}
	return s.space(ctx).Workspace
}

// A KeyPath names a key in a path.
type KeyPath struct {
	ID     string `path:"id" maxLength:"100" doc:"Of the key."`
	Server bool   `query:"server" doc:"It is one of the server's own keys."`
}

func (s *server) registerKeys() {
	type keyPage struct {
		Keys []APIKey `json:"keys" doc:"The newest first; those that were revoked stay for a month."`
		Next string   `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-keys", method: http.MethodGet, path: "/api/v1/keys", tag: "keys", needs: access.KeyRead,
		summary: "List the API keys", description: "Of the workspace, in this environment and in all of them; without their secrets.", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Server bool   `query:"server" doc:"The server's own keys instead."`
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most keys of a page."`
			Cursor string `query:"cursor" maxLength:"200" doc:"From the page before."`
		}) (*bodyOf[keyPage], error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			found, next, err := s.o.Access.Keys(ctx, s.caller(ctx), s.keysOf(ctx, in.Server), "", access.Page{Limit: in.Limit, Cursor: in.Cursor})
			if err != nil {
				return nil, err
			}
			out := keyPage{Keys: []APIKey{}, Next: next}
			for _, k := range found {
				out.Keys = append(out.Keys, apiKey(k))
			}
			return &bodyOf[keyPage]{Body: out}, nil
		})
	s.registerKeyChanges()
}

// keyBody says what a new key is to do.
type keyBody struct {
	Name            string     `json:"name" minLength:"1" maxLength:"200" doc:"What it is for."`
	Role            string     `json:"role,omitempty" enum:"owner,admin,editor,analyst,viewer" doc:"It may do what this role may; else name permissions."`
	Permissions     []string   `json:"permissions,omitempty" maxItems:"100" doc:"What it may do, such as query:run; else give a role."`
	Expires         *time.Time `json:"expires,omitempty" doc:"When it stops to work; never when absent."`
	AllEnvironments bool       `json:"all_environments,omitempty" doc:"It works in all environments of the workspace, not in this one alone."`
	Server          bool       `json:"server,omitempty" doc:"It is about the server as a whole: for its metrics, its log, its audit trail."`
}

// rotateBody says how a key is rotated.
type rotateBody struct {
	OverlapSeconds int `json:"overlap_seconds" minimum:"0" maximum:"7776000" default:"86400" doc:"How long the old token works on; 0: not at all."`
}

func (s *server) registerKeyChanges() {
	conflicts := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}
	register(s, operation{id: "create-key", method: http.MethodPost, path: "/api/v1/keys", tag: "keys", needs: access.KeyManage, status: http.StatusCreated,
		summary: "Make an API key", description: "A key can do no more than who makes it, neither now nor when they may do less. Its token is told this once.", errors: conflicts},
		func(ctx context.Context, in *struct{ Body keyBody }) (*bodyOf[NewAPIKey], error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			want := access.NewKey{Name: in.Body.Name, Workspace: s.keysOf(ctx, in.Body.Server), Role: access.Role(in.Body.Role)}
			if !in.Body.Server && !in.Body.AllEnvironments {
				want.Environment = s.space(ctx).ID
			}
			for _, p := range in.Body.Permissions {
				want.Permissions = append(want.Permissions, access.Permission(p))
			}
			if in.Body.Expires != nil {
				want.Expires = *in.Body.Expires
			}
			key, token, err := s.o.Access.CreateKey(ctx, s.caller(ctx), want)
			if err != nil {
				return nil, err
			}
			return &bodyOf[NewAPIKey]{Body: NewAPIKey{Key: apiKey(key), Token: token.Reveal()}}, nil
		})
	register(s, operation{id: "rotate-key", method: http.MethodPost, path: "/api/v1/keys/{id}/rotate", tag: "keys", needs: access.KeyManage,
		summary: "Give an API key a new token", description: "The old one works on for the overlap. Who rotates a key answers for it from then on.", errors: conflicts},
		func(ctx context.Context, in *struct {
			KeyPath
			Body rotateBody
		}) (*bodyOf[NewAPIKey], error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			token, err := s.o.Access.RotateKey(ctx, s.caller(ctx), s.keysOf(ctx, in.Server), in.ID, time.Duration(in.Body.OverlapSeconds)*time.Second)
			if err != nil {
				return nil, err
			}
			key, err := s.o.Access.Key(ctx, s.caller(ctx), s.keysOf(ctx, in.Server), in.ID)
			return &bodyOf[NewAPIKey]{Body: NewAPIKey{Key: apiKey(key), Token: token.Reveal()}}, err
		})
	register(s, operation{id: "revoke-key", method: http.MethodDelete, path: "/api/v1/keys/{id}", tag: "keys", needs: access.KeyManage, status: http.StatusNoContent,
		summary: "Revoke an API key", description: "At once, and for good. Keys that were made with it go on.", errors: conflicts},
		func(ctx context.Context, in *KeyPath) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			_, err := s.o.Access.RevokeKey(ctx, s.caller(ctx), s.keysOf(ctx, in.Server), in.ID, false)
			return nil, err
		})
}
