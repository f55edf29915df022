package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Key is an API key, without its secret.
type Key struct {
	ID              string     `json:"id"`
	Name            string     `json:"name"`
	Server          bool       `json:"server"`
	AllEnvironments bool       `json:"all_environments"`
	Environment     string     `json:"environment,omitempty"` // by id
	EnvironmentName string     `json:"environment_name,omitempty"`
	Role            string     `json:"role"`
	Permissions     []string   `json:"permissions"`
	Maker           string     `json:"maker"`
	Created         time.Time  `json:"created"`
	Expires         *time.Time `json:"expires,omitempty"`
	Revoked         *time.Time `json:"revoked,omitempty"`
	LastUsed        *time.Time `json:"last_used,omitempty"`
	LastAddress     string     `json:"last_address"`
	Tokens          []KeyToken `json:"tokens"`
}

// A KeyToken is one of a key's tokens, as far as it is shown.
type KeyToken struct {
	Begins  string     `json:"begins"`
	Created time.Time  `json:"created"`
	Until   *time.Time `json:"until,omitempty"`
}

// A NewKey says what an API key is to do: Role or Permissions is given.
type NewKey struct {
	Name            string     `json:"name"`
	Role            string     `json:"role,omitempty"`
	Permissions     []string   `json:"permissions,omitempty"`
	Expires         *time.Time `json:"expires,omitempty"`
	AllEnvironments bool       `json:"all_environments,omitempty"`
	Server          bool       `json:"-"` // of the server, not of the workspace
}

// A MadeKey is a key with its token, which is told once.
type MadeKey struct {
	Key   Key    `json:"key"`
	Token string `json:"token"`
}

// ofServer is where what the workspace has is asked for, or the same of the server.
func ofServer(path string, server bool) string {
	if server {
		return "/api/v1/server/" + path
	}
	return "/api/v1/" + path
}

// Keys lists the API keys of the workspace, or those of the server.
func (c *Client) Keys(ctx context.Context, server bool) (all []Key, err error) {
	q := url.Values{}
	for {
		var page struct {
			Keys []Key  `json:"keys"`
			Next string `json:"next"`
		}
		if err := c.get(ctx, ofServer("keys", server), q, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Keys...); page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// CreateKey makes an API key.
func (c *Client) CreateKey(ctx context.Context, k NewKey) (MadeKey, error) {
	var out MadeKey
	err := c.call(ctx, request{method: http.MethodPost, path: ofServer("keys", k.Server), body: k, timeout: callTimeout}, &out)
	return out, err
}

// RotateKey gives a key a new token; the old one works on for the overlap.
func (c *Client) RotateKey(ctx context.Context, id string, server bool, overlap time.Duration) (MadeKey, error) {
	var out MadeKey
	err := c.call(ctx, request{method: http.MethodPost, path: ofServer("keys/"+url.PathEscape(id)+"/rotate", server),
		body: map[string]int64{"overlap_seconds": int64(overlap.Seconds())}, timeout: callTimeout}, &out)
	return out, err
}

// A RevokedKey names the keys that were made or rotated with one that was revoked.
type RevokedKey struct {
	Revoked []string `json:"revoked"` // too
	GoOn    []string `json:"go_on"`
}

// RevokeKey ends a key for good, and with itsKeys too those that were made or
// rotated with it.
func (c *Client) RevokeKey(ctx context.Context, id string, server, itsKeys bool) (RevokedKey, error) {
	q := url.Values{}
	if itsKeys {
		q.Set("with_its_keys", "true")
	}
	var out RevokedKey
	err := c.call(ctx, request{method: http.MethodDelete, path: ofServer("keys/"+url.PathEscape(id), server), query: q, timeout: callTimeout}, &out)
	return out, err
}

// AuditOptions choose entries of the audit trail.
type AuditOptions struct {
	Actor, Action, Object, Text string
	From, Until                 time.Time
	Server                      bool // the whole server's
	Limit                       int
}

func (o AuditOptions) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"actor": o.Actor, "action": o.Action, "object": o.Object, "q": o.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": o.From, "until": o.Until} {
		if !at.IsZero() {
			q.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return q
}

// Audit returns the newest entries of the audit trail, at most o.Limit.
func (c *Client) Audit(ctx context.Context, o AuditOptions) ([]json.RawMessage, error) {
	var out []json.RawMessage
	q := o.query()
	for {
		q.Set("limit", strconv.Itoa(min(o.Limit-len(out), 500)))
		var page struct {
			Entries []json.RawMessage `json:"entries"`
			Next    string            `json:"next"`
		}
		if err := c.get(ctx, ofServer("audit", o.Server), q, &page); err != nil {
			return nil, err
		}
		if out = append(out, page.Entries...); page.Next == "" || len(out) >= o.Limit {
			return out, nil
		}
		q.Set("cursor", page.Next)
	}
}

// ExportAudit writes entries with their hashes, oldest first, as "ndjson" or "csv".
func (c *Client) ExportAudit(ctx context.Context, o AuditOptions, format string, w io.Writer) error {
	q := o.query()
	q.Set("format", format)
	resp, err := c.open(ctx, request{method: http.MethodGet, path: ofServer("audit/export", o.Server), query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	if err != nil {
		return c.transportError(ctx, err)
	}
	return nil
}
