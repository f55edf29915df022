package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A Secret is a secret without its value.
type Secret struct {
	Path            string     `json:"path"`
	AllEnvironments bool       `json:"all_environments"`
	Version         int64      `json:"version"`
	Versions        int64      `json:"versions"`
	Resources       []string   `json:"resources"`
	Hosts           []string   `json:"hosts"`
	Note            string     `json:"note,omitempty"`
	Created         time.Time  `json:"created"`
	Changed         time.Time  `json:"changed"`
	Deleted         *time.Time `json:"deleted,omitempty"`
}

// A SecretName names a secret: that of the environment, or of all environments.
type SecretName struct {
	Path            string `json:"path"`
	AllEnvironments bool   `json:"all_environments,omitempty"`
}

func (n SecretName) query() url.Values {
	q := url.Values{"path": {n.Path}}
	if n.AllEnvironments {
		q.Set("all_environments", "true")
	}
	return q
}

// A NewSecret is a new value of a secret. What is nil stays as it is.
type NewSecret struct {
	SecretName
	Value     string    `json:"value"`
	Existing  bool      `json:"existing,omitempty"` // only when there is such a secret
	Resources *[]string `json:"resources,omitempty"`
	Hosts     *[]string `json:"hosts,omitempty"`
	Note      *string   `json:"note,omitempty"`
}

// SecretUses say who may use a secret.
type SecretUses struct {
	SecretName
	Resources []string `json:"resources"`
	Hosts     []string `json:"hosts"`
	Add       bool     `json:"add,omitempty"` // besides those that may already
}

// A SecretHistory is the versions of a secret, and who has used it.
type SecretHistory struct {
	Versions []SecretVersion `json:"versions"`
	Uses     []SecretUse     `json:"uses"`
}

// A SecretVersion is a line of a secret's history.
type SecretVersion struct {
	Version   int64     `json:"version"`
	Created   time.Time `json:"created"`
	ActorKind string    `json:"actor_kind"`
	ActorID   string    `json:"actor_id,omitempty"`
	Actor     string    `json:"actor"`
	Current   bool      `json:"current"`
	Destroyed bool      `json:"destroyed"`
}

// A SecretUse is one way in which a secret was used.
type SecretUse struct {
	Environment string    `json:"environment"`
	Resource    string    `json:"resource"`
	Host        string    `json:"host,omitempty"`
	Uses        int64     `json:"uses"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
}

// A Rekeyed says what changing the master key did.
type Rekeyed struct {
	Master   string   `json:"master"`
	Before   string   `json:"before,omitempty"`
	File     string   `json:"file,omitempty"`
	Keys     int64    `json:"keys"`
	Unneeded []string `json:"unneeded"`
}

const secretsPath = "/api/v1/secrets"

// rekeyTimeout is as long as the server takes at most.
const rekeyTimeout = 11 * time.Minute

// Secrets lists the secrets, without their values.
func (c *Client) Secrets(ctx context.Context) (all []Secret, err error) {
	q := url.Values{"limit": {"500"}}
	for {
		var page struct {
			Secrets []Secret `json:"secrets"`
			Next    string   `json:"next"`
		}
		if err := c.get(ctx, secretsPath, q, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Secrets...); page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// SecretHistory returns the versions of a secret, and who has used it.
func (c *Client) SecretHistory(ctx context.Context, n SecretName) (h SecretHistory, err error) {
	err = c.get(ctx, secretsPath+"/history", n.query(), &h)
	return h, err
}

// SetSecret makes a new version of a secret, and returns its number.
func (c *Client) SetSecret(ctx context.Context, s NewSecret) (version int64, err error) {
	var out struct {
		Version int64 `json:"version"`
	}
	err = c.call(ctx, request{method: http.MethodPut, path: secretsPath, body: s, timeout: callTimeout}, &out)
	return out.Version, err
}

// RevealSecret returns the value of a secret; version 0 is the current one.
func (c *Client) RevealSecret(ctx context.Context, n SecretName, version int64) (value string, err error) {
	var out struct {
		Value string `json:"value"`
	}
	body := struct {
		SecretName
		Version int64 `json:"version,omitempty"`
	}{n, version}
	err = c.call(ctx, request{method: http.MethodPost, path: secretsPath + "/reveal", body: body, timeout: callTimeout}, &out)
	return out.Value, err
}

// AllowSecret says who may use a secret.
func (c *Client) AllowSecret(ctx context.Context, u SecretUses) error {
	return c.call(ctx, request{method: http.MethodPost, path: secretsPath + "/uses", body: u, timeout: callTimeout}, nil)
}

// ChangeSecret does one of rollback and destroy-version to a version of a secret.
func (c *Client) ChangeSecret(ctx context.Context, what string, n SecretName, version int64) error {
	body := struct {
		SecretName
		Version int64 `json:"version"`
	}{n, version}
	return c.call(ctx, request{method: http.MethodPost, path: secretsPath + "/" + what, body: body, timeout: callTimeout}, nil)
}

// DeleteSecret deletes a secret, and RestoreSecret takes that back.
func (c *Client) DeleteSecret(ctx context.Context, n SecretName) error {
	return c.call(ctx, request{method: http.MethodDelete, path: secretsPath, query: n.query(), timeout: callTimeout}, nil)
}

// RestoreSecret takes back a DeleteSecret.
func (c *Client) RestoreSecret(ctx context.Context, n SecretName) error {
	return c.call(ctx, request{method: http.MethodPost, path: secretsPath + "/restore", body: n, timeout: callTimeout}, nil)
}

// RekeySecrets encrypts all values of the workspace with a new key.
func (c *Client) RekeySecrets(ctx context.Context) (values int64, err error) {
	var out struct {
		Values int64 `json:"values"`
	}
	err = c.call(ctx, request{method: http.MethodPost, path: secretsPath + "/rekey", timeout: rekeyTimeout}, &out)
	return out.Values, err
}

// RekeyServer changes the master key.
func (c *Client) RekeyServer(ctx context.Context) (out Rekeyed, err error) {
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/master-key/rekey", timeout: rekeyTimeout}, &out)
	return out, err
}
