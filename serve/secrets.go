package serve

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/secret"
)

// A SecretInfo is a secret without its value.
type SecretInfo struct {
	Path            string     `json:"path" example:"stripe/live_key" doc:"What references name: ${secret:stripe/live_key}."`
	AllEnvironments bool       `json:"all_environments" doc:"It is that of all environments that have none of their own under this path; else it is this environment's own."`
	Version         int64      `json:"version" example:"3" doc:"The current one."`
	Versions        int64      `json:"versions" example:"3" doc:"The last that was made."`
	Resources       []string   `json:"resources" example:"[\"sources/github\"]" doc:"Who may use it: sources/github, sources/* for all sources, warehouse, archive, or * for all."`
	Hosts           []string   `json:"hosts" example:"[\"db.example.com:5432\"]" doc:"Where it may be sent to: a host, with a port or any, or *.example.com for all below a domain."`
	Note            string     `json:"note,omitempty" doc:"For people."`
	Created         time.Time  `json:"created"`
	Changed         time.Time  `json:"changed"`
	Deleted         *time.Time `json:"deleted,omitempty" doc:"When it was deleted: it can be restored for 30 days."`
}

// A SecretVersion is a line of a secret's history.
type SecretVersion struct {
	Version   int64     `json:"version"`
	Created   time.Time `json:"created"`
	ActorKind string    `json:"actor_kind" enum:"person,key,local,system"`
	ActorID   string    `json:"actor_id,omitempty"`
	Actor     string    `json:"actor" doc:"Who set it."`
	Current   bool      `json:"current" doc:"It is the one that is used."`
	Destroyed bool      `json:"destroyed" doc:"Its value is gone."`
}

// A SecretUse is one way in which a secret was used.
type SecretUse struct {
	Environment string    `json:"environment" doc:"In which it was used."`
	Resource    string    `json:"resource" example:"sources/github"`
	Host        string    `json:"host,omitempty" doc:"To which it was sent, as the pattern that allows it; empty when it did not leave the server."`
	Uses        int64     `json:"uses" doc:"How often, up to an hour ago."`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

// SecretPath names a secret in a query.
type SecretPath struct {
	Path            string `query:"path" required:"true" maxLength:"200" example:"stripe/live_key" doc:"Of the secret."`
	AllEnvironments bool   `query:"all_environments" doc:"The one of all environments, not this environment's own."`
}

// A SecretName names a secret in a body.
type SecretName struct {
	Path            string `json:"path" maxLength:"200" example:"stripe/live_key" doc:"Of the secret: names of a-z, 0-9 and _ with / between them."`
	AllEnvironments bool   `json:"all_environments,omitempty" doc:"The one of all environments that have none of their own, not this environment's own."`
}

// place is the workspace and the environment of a secret.
func (s *server) place(ctx context.Context, all bool) (workspace, environment string) {
	sp := s.space(ctx)
	if all {
		return sp.Workspace, ""
	}
	return sp.Workspace, sp.ID
}

// secretsBy is who changes secrets.
func (s *server) secretsBy(ctx context.Context) secret.Who {
	by := s.caller(ctx)
	who := secret.Who{Actor: ActorOf(by.Principal), From: audit.From{Agent: by.Agent, Request: by.Request}, Allow: func(permission, workspace, environment string) error {
		return by.Allow(access.Permission(permission), workspace, environment)
	}}
	if by.Address.IsValid() {
		who.From.Address = by.Address.String()
	}
	return who
}

var errNoSecrets = millrace.Errorf(millrace.NotFound, "this server keeps no secrets")

// vault is where secrets are.
func (s *server) vault() (*secret.Vault, error) {
	if s.o.Vault == nil {
		return nil, errNoSecrets
	}
	return s.o.Vault, nil
}

// secretChanged has what runs use what a secret is now. It waits for deployments
// under way.
func (s *server) secretChanged(ctx context.Context) {
	if s.o.SecretChanged != nil {
		s.o.SecretChanged(s.space(ctx).Workspace)
	}
}

func (s *server) registerSecrets() {
	type secretPage struct {
		Secrets []SecretInfo `json:"secrets" doc:"By path; those that were deleted are in it while they can be restored."`
		Next    string       `json:"next" doc:"Give it as cursor for what follows; empty at the end. A page may have fewer than asked for and go on."`
	}
	errors := slices.Clip([]int{http.StatusBadRequest, http.StatusNotFound})
	register(s, operation{id: "list-secrets", method: http.MethodGet, path: "/api/v1/secrets", tag: "secrets", needs: access.SecretList,
		summary: "List the secrets", description: "Of this environment, and of all; without their values.", errors: errors},
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most secrets of a page."`
			Cursor string `query:"cursor" maxLength:"300" doc:"From the page before."`
		}) (*bodyOf[secretPage], error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			workspace, environment := s.place(ctx, false)
			found, next, err := vault.List(ctx, workspace, in.Cursor, in.Limit)
			out := secretPage{Secrets: []SecretInfo{}, Next: next}
			for _, i := range found {
				if i.Environment == "" || i.Environment == environment {
					out.Secrets = append(out.Secrets, SecretInfo{Path: i.Path, AllEnvironments: i.Environment == "", Version: i.Version, Versions: i.Versions,
						Resources: list(i.Uses.Resources), Hosts: list(i.Uses.Hosts), Note: i.Note, Created: i.Made.UTC(), Changed: i.Changed.UTC(), Deleted: i.Deleted})
				}
			}
			return &bodyOf[secretPage]{Body: out}, err
		})
	type secretHistory struct {
		Versions []SecretVersion `json:"versions" doc:"The newest first."`
		Uses     []SecretUse     `json:"uses" doc:"Who has used it, in this environment."`
	}
	register(s, operation{id: "get-secret-history", method: http.MethodGet, path: "/api/v1/secrets/history", tag: "secrets", needs: access.SecretList,
		summary: "The versions of a secret, and who has used it", description: "Without values.", errors: errors},
		func(ctx context.Context, in *SecretPath) (*bodyOf[secretHistory], error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			workspace, environment := s.place(ctx, in.AllEnvironments)
			versions, err := vault.History(ctx, workspace, environment, in.Path)
			if err != nil {
				return nil, err
			}
			out := secretHistory{Versions: []SecretVersion{}, Uses: []SecretUse{}}
			for _, v := range versions {
				out.Versions = append(out.Versions, SecretVersion{Version: v.Number, Created: v.Made.UTC(), ActorKind: v.Actor.Kind, ActorID: v.Actor.ID, Actor: v.Actor.Name, Current: v.Current, Destroyed: v.Destroyed})
			}
			used, err := vault.UsedBy(ctx, workspace, in.Path)
			for _, u := range used {
				if u.Environment == s.space(ctx).ID {
					out.Uses = append(out.Uses, SecretUse{Environment: u.Environment, Resource: u.Resource, Host: u.Host, Uses: u.Uses, First: u.First.UTC(), Last: u.Last.UTC()})
				}
			}
			return &bodyOf[secretHistory]{Body: out}, err
		})
	s.registerReveal(errors)
	s.registerSecretChanges(errors)
	s.registerSecretVersions(append(errors, http.StatusConflict))
	s.registerRekey()
}

func (s *server) registerReveal(errors []int) {
	type revealBody struct {
		SecretName
		Version int64 `json:"version,omitempty" minimum:"0" doc:"This version; the current one when absent."`
	}
	type revealed struct {
		Value string `json:"value" example:"sk_live_…" doc:"The value."`
	}
	register(s, operation{id: "reveal-secret", method: http.MethodPost, path: "/api/v1/secrets/reveal", tag: "secrets", needs: access.SecretReveal,
		summary: "Read the value of a secret", description: "The audit trail tells who did. One of all environments needs the permission in all of them, also where this environment has none of its own.", errors: errors},
		func(ctx context.Context, in *struct{ Body revealBody }) (*bodyOf[revealed], error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			workspace, environment := s.place(ctx, in.Body.AllEnvironments)
			value, err := vault.Reveal(ctx, secret.Ref{Workspace: workspace, Environment: environment, Reference: secret.Reference{Path: in.Body.Path, Version: in.Body.Version}}, s.secretsBy(ctx))
			if err != nil {
				return nil, err
			}
			return &bodyOf[revealed]{Body: revealed{Value: value.Reveal()}}, nil
		})
}

// secretSet is what setting a secret answers.
type secretSet struct {
	Path    string `json:"path"`
	Version int64  `json:"version" example:"3" doc:"The number of the new version, which is the current one."`
}

func (s *server) registerSecretChanges(errors []int) {
	type setBody struct {
		SecretName
		Value     string    `json:"value" doc:"The new value, at most 64 KiB."`
		Existing  bool      `json:"existing,omitempty" doc:"Only when there is such a secret already: 404 when not."`
		Resources *[]string `json:"resources,omitempty" maxItems:"100" doc:"Who may use it from now on; as it was when absent."`
		Hosts     *[]string `json:"hosts,omitempty" maxItems:"100" doc:"Where it may be sent to from now on; as it was when absent."`
		Note      *string   `json:"note,omitempty" maxLength:"1000" doc:"For people; as it was when absent."`
	}
	register(s, operation{id: "set-secret", method: http.MethodPut, path: "/api/v1/secrets", tag: "secrets", timeout: deployPatience, needs: access.SecretSet,
		summary: "Set a secret", description: "Makes a new version, which is the current one at once: what runs uses it, unless it says that it has to be started again. Resources or hosts that may use it and could not before need secret:use too.",
		errors: append(errors, http.StatusRequestEntityTooLarge)},
		func(ctx context.Context, in *struct{ Body setBody }) (*bodyOf[secretSet], error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			b := in.Body
			put := secret.Put{Path: b.Path, Value: secret.NewValue(b.Value), Note: b.Note, Existing: b.Existing, Resources: b.Resources, Hosts: b.Hosts}
			put.Workspace, put.Environment = s.place(ctx, b.AllEnvironments)
			version, err := vault.Put(ctx, put, s.secretsBy(ctx))
			if err != nil {
				return nil, err
			}
			s.secretChanged(ctx)
			return &bodyOf[secretSet]{Body: secretSet{Path: b.Path, Version: version}}, nil
		})
	type usesBody struct {
		SecretName
		Resources []string `json:"resources" maxItems:"100" doc:"Who may use it."`
		Hosts     []string `json:"hosts" maxItems:"100" doc:"Where it may be sent to."`
		Add       bool     `json:"add,omitempty" doc:"Besides those that may already, not in their place."`
	}
	register(s, operation{id: "allow-secret", method: http.MethodPost, path: "/api/v1/secrets/uses", tag: "secrets", timeout: deployPatience, needs: access.SecretSet,
		summary: "Say who may use a secret", description: "What may use it and could not before needs secret:use too.", status: http.StatusNoContent, errors: errors},
		func(ctx context.Context, in *struct{ Body usesBody }) (*struct{}, error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			b, uses := in.Body, secret.Uses{Resources: in.Body.Resources, Hosts: in.Body.Hosts}
			workspace, environment := s.place(ctx, b.AllEnvironments)
			if b.Add {
				err = vault.AddUses(ctx, workspace, environment, b.Path, uses, s.secretsBy(ctx))
			} else {
				err = vault.SetUses(ctx, workspace, environment, b.Path, uses, s.secretsBy(ctx))
			}
			if err == nil {
				s.secretChanged(ctx)
			}
			return nil, err
		})
	register(s, operation{id: "delete-secret", method: http.MethodDelete, path: "/api/v1/secrets", tag: "secrets", timeout: deployPatience, needs: access.SecretSet, status: http.StatusNoContent,
		summary: "Delete a secret", description: "What refers to it does not start any more. It can be restored for 30 days.", errors: errors},
		func(ctx context.Context, in *SecretPath) (*struct{}, error) {
			return nil, s.changeSecret(ctx, in.AllEnvironments, func(v *secret.Vault, workspace, environment string) error {
				return v.Delete(ctx, workspace, environment, in.Path, s.secretsBy(ctx))
			})
		})
	register(s, operation{id: "restore-secret", method: http.MethodPost, path: "/api/v1/secrets/restore", tag: "secrets", timeout: deployPatience, needs: access.SecretSet, status: http.StatusNoContent,
		summary: "Restore a secret that was deleted", errors: append(errors, http.StatusConflict)},
		func(ctx context.Context, in *struct{ Body SecretName }) (*struct{}, error) {
			return nil, s.changeSecret(ctx, in.Body.AllEnvironments, func(v *secret.Vault, workspace, environment string) error {
				return v.Restore(ctx, workspace, environment, in.Body.Path, s.secretsBy(ctx))
			})
		})
}

// changeSecret changes a secret that is there.
func (s *server) changeSecret(ctx context.Context, all bool, change func(v *secret.Vault, workspace, environment string) error) error {
	vault, err := s.vault()
	if err != nil {
		return err
	}
	workspace, environment := s.place(ctx, all)
	if err := change(vault, workspace, environment); err != nil {
		return err
	}
	s.secretChanged(ctx)
	return nil
}

func (s *server) registerSecretVersions(errors []int) {
	type versionBody struct {
		SecretName
		Version int64 `json:"version" minimum:"1" doc:"The number of the version."`
	}
	register(s, operation{id: "rollback-secret", method: http.MethodPost, path: "/api/v1/secrets/rollback", tag: "secrets", timeout: deployPatience, needs: access.SecretSet, status: http.StatusNoContent,
		summary: "Make an earlier version of a secret the current one", errors: errors},
		func(ctx context.Context, in *struct{ Body versionBody }) (*struct{}, error) {
			return nil, s.changeSecret(ctx, in.Body.AllEnvironments, func(v *secret.Vault, workspace, environment string) error {
				return v.Rollback(ctx, workspace, environment, in.Body.Path, in.Body.Version, s.secretsBy(ctx))
			})
		})
	register(s, operation{id: "destroy-secret-version", method: http.MethodPost, path: "/api/v1/secrets/destroy-version", tag: "secrets", timeout: deployPatience, needs: access.SecretSet, status: http.StatusNoContent,
		summary: "Destroy the value of a version of a secret", description: "For good: such as one that leaked and was replaced. The current version cannot be destroyed.", errors: errors},
		func(ctx context.Context, in *struct{ Body versionBody }) (*struct{}, error) {
			return nil, s.changeSecret(ctx, in.Body.AllEnvironments, func(v *secret.Vault, workspace, environment string) error {
				return v.DestroyVersion(ctx, workspace, environment, in.Body.Path, in.Body.Version, s.secretsBy(ctx))
			})
		})
}

// registerRekey adds what changes the keys that encrypt.
func (s *server) registerRekey() {
	type rekeyedValues struct {
		Values int `json:"values" doc:"How many values were encrypted anew."`
	}
	errors := []int{http.StatusNotFound, http.StatusConflict}
	register(s, operation{id: "rekey-secrets", method: http.MethodPost, path: "/api/v1/secrets/rekey", tag: "secrets", needs: access.SecretSet, timeout: 10 * time.Minute,
		summary: "Give the secrets of the workspace a new key", description: "Of all environments, which all are needed. Every value is encrypted anew, and the key before is destroyed. Ended at any moment, the next call finishes it.", errors: errors},
		func(ctx context.Context, _ *struct{}) (*bodyOf[rekeyedValues], error) {
			vault, err := s.vault()
			if err != nil {
				return nil, err
			}
			workspace, _ := s.place(ctx, true)
			if err := principal(ctx).Allow(access.SecretSet, workspace, ""); err != nil {
				return nil, err
			}
			n, err := vault.RotateKey(ctx, workspace, s.secretsBy(ctx))
			return &bodyOf[rekeyedValues]{Body: rekeyedValues{Values: n}}, err
		})
	type rekeyed struct {
		Master   string   `json:"master" doc:"The id of the master key that wraps all others now."`
		Before   string   `json:"before,omitempty" doc:"The id of the one before; absent when an earlier change was finished."`
		File     string   `json:"file,omitempty" doc:"Where it is, on the server; absent when it comes from the environment."`
		Keys     int64    `json:"keys" doc:"How many keys it wraps anew."`
		Unneeded []string `json:"unneeded" doc:"Ids of master keys that are in the environment and not needed there any more."`
	}
	register(s, operation{id: "rekey-server", method: http.MethodPost, path: "/api/v1/master-key/rekey", tag: "secrets", needs: access.ServerRekey, timeout: 10 * time.Minute,
		summary: "Change the master key", description: "A new one is made in its file, wraps the keys of all workspaces, and the one before is taken out. The server goes on meanwhile; ended at any moment, the next call finishes it. Backups from before need the master key from before.", errors: errors},
		func(ctx context.Context, _ *struct{}) (*bodyOf[rekeyed], error) {
			if s.o.KeyRing == nil {
				return nil, errNoSecrets
			}
			done, err := s.o.KeyRing.Rekey(ctx, s.secretsBy(ctx))
			return &bodyOf[rekeyed]{Body: rekeyed{Master: done.Master, Before: done.Before, File: done.File, Keys: done.Keys, Unneeded: list(done.Unneeded)}}, err
		})
}
