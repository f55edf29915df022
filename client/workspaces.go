package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A Workspace is a tenant of a server.
type Workspace struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	Title        string        `json:"title"`
	State        string        `json:"state"`
	Reason       string        `json:"reason"`
	Since        time.Time     `json:"since"`
	PurgeAfter   *time.Time    `json:"purge_after,omitempty"`
	Created      time.Time     `json:"created"`
	Quotas       Quotas        `json:"quotas"`
	Environments []Environment `json:"environments"`
	OldNames     []OldName     `json:"old_names"`
}

// An Environment of a workspace has data, keys and secrets of its own.
type Environment struct {
	Name       string     `json:"name"`
	Address    string     `json:"address"`
	Space      string     `json:"space"`
	Main       bool       `json:"main"`
	State      string     `json:"state"`
	Created    time.Time  `json:"created"`
	PurgeAfter *time.Time `json:"purge_after,omitempty"`
	Problem    string     `json:"problem,omitempty"`
}

// An OldName still means its workspace.
type OldName struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

// Quotas are what a workspace may use, by name; what is not there has no limit.
type Quotas map[string]int64

// A Place is where a client asks.
type Place struct {
	Workspace   string `json:"workspace"` // id
	Space       string `json:"space"`
	Name        string `json:"name"`
	Environment string `json:"environment"`
	Address     string `json:"address"`
}

// Workspaces lists those that may be seen, and where this client asks; nil when
// that is not told.
func (c *Client) Workspaces(ctx context.Context) (all []Workspace, here *Place, err error) {
	q := url.Values{}
	for {
		var page struct {
			Workspaces []Workspace `json:"workspaces"`
			Next       string      `json:"next"`
			Here       *Place      `json:"here"`
		}
		if err := c.get(ctx, "/api/v1/workspaces", q, &page); err != nil {
			return nil, nil, err
		}
		if all, here = append(all, page.Workspaces...), page.Here; page.Next == "" {
			return all, here, nil
		}
		q.Set("cursor", page.Next)
	}
}

// Here is where this client asks; nil when that is not told.
func (c *Client) Here(ctx context.Context) (*Place, error) {
	var page struct {
		Here *Place `json:"here"`
	}
	err := c.get(ctx, "/api/v1/workspaces", url.Values{"limit": {"1"}}, &page)
	return page.Here, err
}

func workspacePath(name string, more ...string) string {
	path := "/api/v1/workspaces/" + url.PathEscape(name)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

func (c *Client) about(ctx context.Context, method, path string, body any) (w Workspace, err error) {
	return w, c.call(ctx, request{method: method, path: path, body: body, safe: method == http.MethodGet, timeout: callTimeout}, &w)
}

// Workspace returns a workspace by its name or id.
func (c *Client) Workspace(ctx context.Context, name string) (Workspace, error) {
	return c.about(ctx, http.MethodGet, workspacePath(name), nil)
}

// CreateWorkspace makes a workspace; an empty title is the name, an empty
// environment production.
func (c *Client) CreateWorkspace(ctx context.Context, name, title, environment string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, "/api/v1/workspaces", given("name", name, "title", title, "environment", environment))
}

// InviteOwner makes an invitation for the first owner of a workspace; i has no role.
func (c *Client) InviteOwner(ctx context.Context, name string, i Invite) (Invited, error) {
	var out Invited
	err := c.call(ctx, request{method: http.MethodPost, path: workspacePath(name, "owner"), body: i, timeout: callTimeout}, &out)
	return out, err
}

// given are pairs of names and values without those that are empty.
func given(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out[pairs[i]] = pairs[i+1]
		}
	}
	return out
}

// ChangeWorkspace gives a workspace another name or title, where they are not empty.
func (c *Client) ChangeWorkspace(ctx context.Context, name, newName, title string) (Workspace, error) {
	return c.about(ctx, http.MethodPatch, workspacePath(name), given("name", newName, "title", title))
}

// SetQuotas says what a workspace may use.
func (c *Client) SetQuotas(ctx context.Context, name string, q Quotas) (Workspace, error) {
	return c.about(ctx, http.MethodPut, workspacePath(name, "quotas"), q)
}

// SuspendWorkspace stops a workspace until ResumeWorkspace.
func (c *Client) SuspendWorkspace(ctx context.Context, name, reason string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, workspacePath(name, "suspend"), given("reason", reason))
}

// ResumeWorkspace ends a suspension.
func (c *Client) ResumeWorkspace(ctx context.Context, name string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, workspacePath(name, "resume"), nil)
}

// DeleteWorkspace stops a workspace, and deletes it for good after a time of grace.
func (c *Client) DeleteWorkspace(ctx context.Context, name string) (Workspace, error) {
	return c.about(ctx, http.MethodDelete, workspacePath(name), nil)
}

// UndeleteWorkspace has a deleted workspace back.
func (c *Client) UndeleteWorkspace(ctx context.Context, name string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, workspacePath(name, "undelete"), nil)
}

// CreateEnvironment gives a workspace another environment.
func (c *Client) CreateEnvironment(ctx context.Context, workspace, name string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, workspacePath(workspace, "environments"), given("name", name))
}

// ChangeEnvironment gives an environment another name, where that is not empty,
// and makes it the default one when main is set.
func (c *Client) ChangeEnvironment(ctx context.Context, workspace, name, newName string, main bool) (Workspace, error) {
	body := map[string]any{}
	if newName != "" {
		body["name"] = newName
	}
	if main {
		body["main"] = true
	}
	return c.about(ctx, http.MethodPatch, workspacePath(workspace, "environments", name), body)
}

// DeleteEnvironment stops an environment, and deletes it for good after a time of grace.
func (c *Client) DeleteEnvironment(ctx context.Context, workspace, name string) (Workspace, error) {
	return c.about(ctx, http.MethodDelete, workspacePath(workspace, "environments", name), nil)
}

// UndeleteEnvironment has a deleted environment back.
func (c *Client) UndeleteEnvironment(ctx context.Context, workspace, name string) (Workspace, error) {
	return c.about(ctx, http.MethodPost, workspacePath(workspace, "environments", name, "undelete"), nil)
}

// A Usage is what an environment used on a day (UTC).
type Usage struct {
	Day          string  `json:"day"`
	Environment  string  `json:"environment"`
	Events       int64   `json:"events"`
	Rejected     int64   `json:"rejected"`
	Bytes        int64   `json:"bytes"`
	QuerySeconds float64 `json:"query_seconds"`
	// What is stored, and of it what is where; nil: it was not measured that day.
	StorageBytes   *int64 `json:"storage_bytes"`
	LogBytes       *int64 `json:"log_bytes"`
	ArchiveBytes   *int64 `json:"archive_bytes"`
	WarehouseBytes *int64 `json:"warehouse_bytes"`
	EventTables    *int64 `json:"event_tables"`
}

// A QuotaUse is how much of a quota is used today.
type QuotaUse struct {
	Quota   string  `json:"quota"`
	Used    float64 `json:"used"`
	Limit   *int64  `json:"limit,omitempty"`
	Percent int64   `json:"percent,omitempty"`
}

// UsageOptions choose days of usage; empty ones are left to the server.
type UsageOptions struct{ Environment, From, To string }

func (o UsageOptions) query() url.Values {
	q := url.Values{}
	for name, value := range given("environment", o.Environment, "from", o.From, "to", o.To) {
		q.Set(name, value)
	}
	return q
}

// Usage returns what a workspace used, by day, and how much of its quotas.
func (c *Client) Usage(ctx context.Context, name string, o UsageOptions) (today []QuotaUse, days []Usage, err error) {
	q := o.query()
	for {
		var page struct {
			Today []QuotaUse `json:"today"`
			Days  []Usage    `json:"days"`
			Next  string     `json:"next"`
		}
		if err := c.get(ctx, workspacePath(name, "usage"), q, &page); err != nil {
			return nil, nil, err
		}
		if today, days = page.Today, append(days, page.Days...); page.Next == "" {
			return today, days, nil
		}
		q.Set("cursor", page.Next)
	}
}

// ExportUsage writes what a workspace used, by day, as "ndjson" or "csv".
func (c *Client) ExportUsage(ctx context.Context, name string, o UsageOptions, format string, w io.Writer) error {
	q := o.query()
	q.Set("format", format)
	resp, err := c.open(ctx, request{method: http.MethodGet, path: workspacePath(name, "usage", "export"), query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(w, resp.Body); err != nil {
		return c.transportError(ctx, err)
	}
	return nil
}
