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
	Environment     string     `json:"environment,omitempty" doc:"In which environment it works, by id; absent: in all of them, or on the server."`
	EnvironmentName string     `json:"environment_name,omitempty" example:"staging"`
	Role            string     `json:"role,omitempty" example:"analyst" doc:"It may do what this role may."`
	Permissions     []string   `json:"permissions" doc:"Without a role: what it may do."`
	Maker           string     `json:"maker,omitempty" example:"person p_5ws2q7a4rgmjnxlbtb3e6kcvfu" doc:"Who made it."`
	MakerName       string     `json:"maker_name,omitempty" example:"Ada" doc:"What they are called; absent when they are gone."`
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

// apiKeys are keys as they are answered, with the names of who made them.
func (s *server) apiKeys(ctx context.Context, keys ...access.Key) []APIKey {
	made := make([]string, len(keys))
	for i, k := range keys {
		made[i] = k.Maker
	}
	names, out := s.makers(ctx, made...), make([]APIKey, len(keys))
	for i, k := range keys {
		out[i] = s.apiKey(k, names[makerID(k.Maker)])
	}
	return out
}

func (s *server) apiKey(k access.Key, maker string) APIKey {
	out := APIKey{Environment: k.Environment, EnvironmentName: s.environmentName(k.Environment), MakerName: maker, ID: k.ID, Name: k.Name, Server: k.Workspace == access.Installation, AllEnvironments: k.Workspace != access.Installation && k.Environment == "",
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

// A KeyPath names a key in a path.
type KeyPath struct {
	ID string `path:"id" maxLength:"100" doc:"Of the key."`
}

// A RevokedKey tells what became of the keys that a revoked one was used to get.
type RevokedKey struct {
	Revoked []string `json:"revoked" doc:"Names of the keys that were made or rotated with it, and were revoked too."`
	GoOn    []string `json:"go_on" doc:"Names of the keys that were made or rotated with it, or with one of those, and go on. When it was stolen, so are they: revoke it again with with_its_keys=true."`
}

// revokedKey says which key is revoked.
type revokedKey struct {
	KeyPath
	WithItsKeys bool `query:"with_its_keys" doc:"Revoke the keys too that were made or rotated with it, and with those: when it was stolen. Also when it is revoked already."`
}

// keysQuery asks for a page of keys.
type keysQuery struct {
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most keys of a page."`
	Cursor string `query:"cursor" maxLength:"200" doc:"From the page before."`
}

type keyPage struct {
	Keys []APIKey `json:"keys" doc:"The newest first; those that were revoked stay for a month."`
	Next string   `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
}

// A KeyWork says what a new key is to do.
type KeyWork struct {
	Name        string     `json:"name" minLength:"1" maxLength:"200" doc:"What it is for."`
	Role        string     `json:"role,omitempty" enum:"owner,admin,editor,analyst,viewer" doc:"It may do what this role may; else name permissions."`
	Permissions []string   `json:"permissions,omitempty" maxItems:"100" doc:"What it may do, such as query:run; else give a role."`
	Expires     *time.Time `json:"expires,omitempty" doc:"When it stops to work; never when absent."`
}

// keyBody is a new key of a workspace.
type keyBody struct {
	KeyWork
	AllEnvironments bool `json:"all_environments,omitempty" doc:"It works in all environments of the workspace, not in this one alone."`
}

// rotateBody says how a key is rotated.
type rotateBody struct {
	OverlapSeconds *int `json:"overlap_seconds,omitempty" minimum:"0" maximum:"7776000" doc:"How long the old token works on; 0: not at all; a day when absent."`
}

func (b rotateBody) overlap() time.Duration {
	if b.OverlapSeconds == nil {
		return 24 * time.Hour
	}
	return time.Duration(*b.OverlapSeconds) * time.Second
}

// keyRotation is a key that is to be rotated.
type keyRotation struct {
	KeyPath
	Body rotateBody
}

// keyErrors are what changes of keys may answer.
var keyErrors = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}

func (s *server) registerKeys() {
	of := func(ctx context.Context) string { return s.space(ctx).Workspace }
	register(s, operation{id: "list-keys", method: http.MethodGet, path: "/api/v1/keys", tag: "keys", needs: access.KeyRead, apart: true, always: true,
		summary: "List the API keys", description: "Of the workspace, in all environments in which one may list them; without their secrets.", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *keysQuery) (*bodyOf[keyPage], error) { return s.keys(ctx, of(ctx), *in) })
	register(s, operation{id: "create-key", method: http.MethodPost, path: "/api/v1/keys", tag: "keys", needs: access.KeyManage, apart: true, status: http.StatusCreated,
		summary: "Make an API key", description: "A key can do no more than who makes it, neither now nor when they may do less. Its token is told this once.", errors: keyErrors},
		func(ctx context.Context, in *struct{ Body keyBody }) (*bodyOf[NewAPIKey], error) {
			environment := s.space(ctx).ID
			if in.Body.AllEnvironments {
				environment = ""
			}
			return s.createKey(ctx, of(ctx), environment, in.Body.KeyWork)
		})
	register(s, operation{id: "rotate-key", method: http.MethodPost, path: "/api/v1/keys/{id}/rotate", tag: "keys", needs: access.KeyManage, apart: true,
		summary: "Give an API key a new token", description: "The old one works on for the overlap. Who rotates a key answers for it from then on.", errors: keyErrors},
		func(ctx context.Context, in *keyRotation) (*bodyOf[NewAPIKey], error) {
			return s.rotateKey(ctx, of(ctx), *in)
		})
	register(s, operation{id: "revoke-key", method: http.MethodDelete, path: "/api/v1/keys/{id}", tag: "keys", needs: access.KeyManage, apart: true, always: true,
		summary: "Revoke an API key", description: "At once, and for good. Keys that were made or rotated with it go on, which the answer names, unless they are to be revoked too.", errors: keyErrors},
		func(ctx context.Context, in *revokedKey) (*bodyOf[RevokedKey], error) {
			return s.revokeKey(ctx, of(ctx), *in)
		})
	s.registerServerKeys()
}

// registerServerKeys are the operations on keys of the server, for who runs it:
// they need no role in any workspace.
func (s *server) registerServerKeys() {
	register(s, operation{id: "list-server-keys", method: http.MethodGet, path: "/api/v1/server/keys", tag: "keys", needs: access.ServerKeyRead, apart: true,
		summary: "List the API keys of the server", description: "Those that are about no workspace; without their secrets.", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *keysQuery) (*bodyOf[keyPage], error) {
			return s.keys(ctx, access.Installation, *in)
		})
	register(s, operation{id: "create-server-key", method: http.MethodPost, path: "/api/v1/server/keys", tag: "keys", needs: access.ServerKeyManage, apart: true, status: http.StatusCreated,
		summary: "Make an API key of the server", description: "For its metrics, its log, its audit trail: it does not see into workspaces.", errors: keyErrors},
		func(ctx context.Context, in *struct{ Body KeyWork }) (*bodyOf[NewAPIKey], error) {
			return s.createKey(ctx, access.Installation, "", in.Body)
		})
	register(s, operation{id: "rotate-server-key", method: http.MethodPost, path: "/api/v1/server/keys/{id}/rotate", tag: "keys", needs: access.ServerKeyManage, apart: true,
		summary: "Give an API key of the server a new token", description: "The old one works on for the overlap.", errors: keyErrors},
		func(ctx context.Context, in *keyRotation) (*bodyOf[NewAPIKey], error) {
			return s.rotateKey(ctx, access.Installation, *in)
		})
	register(s, operation{id: "revoke-server-key", method: http.MethodDelete, path: "/api/v1/server/keys/{id}", tag: "keys", needs: access.ServerKeyManage, apart: true,
		summary: "Revoke an API key of the server", description: "At once, and for good; as revoke-key.", errors: keyErrors},
		func(ctx context.Context, in *revokedKey) (*bodyOf[RevokedKey], error) {
			return s.revokeKey(ctx, access.Installation, *in)
		})
}

// keys are a page of the keys of a workspace, or of the installation.
func (s *server) keys(ctx context.Context, workspace string, in keysQuery) (*bodyOf[keyPage], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	found, next, err := s.o.Access.Keys(ctx, s.caller(ctx), workspace, access.Page{Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	return &bodyOf[keyPage]{Body: keyPage{Keys: s.apiKeys(ctx, found...), Next: next}}, nil
}

func (s *server) createKey(ctx context.Context, workspace, environment string, work KeyWork) (*bodyOf[NewAPIKey], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	want := access.NewKey{Name: work.Name, Workspace: workspace, Environment: environment, Role: access.Role(work.Role)}
	for _, p := range work.Permissions {
		want.Permissions = append(want.Permissions, access.Permission(p))
	}
	if work.Expires != nil {
		want.Expires = *work.Expires
	}
	key, token, err := s.o.Access.CreateKey(ctx, s.caller(ctx), want)
	if err != nil {
		return nil, err
	}
	return &bodyOf[NewAPIKey]{Body: NewAPIKey{Key: s.apiKeys(ctx, key)[0], Token: token.Reveal()}}, nil
}

func (s *server) rotateKey(ctx context.Context, workspace string, in keyRotation) (*bodyOf[NewAPIKey], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	key, token, err := s.o.Access.RotateKey(ctx, s.caller(ctx), workspace, in.ID, in.Body.overlap())
	if err != nil {
		return nil, err
	}
	return &bodyOf[NewAPIKey]{Body: NewAPIKey{Key: s.apiKeys(ctx, key)[0], Token: token.Reveal()}}, nil
}

func (s *server) revokeKey(ctx context.Context, workspace string, in revokedKey) (*bodyOf[RevokedKey], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	others, err := s.o.Access.RevokeKey(ctx, s.caller(ctx), workspace, in.ID, in.WithItsKeys)
	if err != nil {
		return nil, err
	}
	if in.WithItsKeys {
		return &bodyOf[RevokedKey]{Body: RevokedKey{Revoked: list(others), GoOn: []string{}}}, nil
	}
	return &bodyOf[RevokedKey]{Body: RevokedKey{Revoked: []string{}, GoOn: list(others)}}, nil
}
