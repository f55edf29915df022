package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// A Member is a person's role in the workspace.
type Member struct {
	Person      string    `json:"person"`
	Name        string    `json:"name"`
	Email       string    `json:"email"`
	Role        string    `json:"role"`
	Environment string    `json:"environment,omitempty"`
	Suspended   bool      `json:"suspended,omitempty"`
	Since       time.Time `json:"since"`
}

// An Invite says whom to invite, to what.
type Invite struct {
	Email           string `json:"email,omitempty"`
	Role            string `json:"role,omitempty"`
	Days            int    `json:"days,omitempty"`
	Mail            bool   `json:"mail,omitempty"`
	ThisEnvironment bool   `json:"this_environment,omitempty"`
}

// An Invited is an invitation with its link, which is told once.
type Invited struct {
	ID      string    `json:"id"`
	Link    string    `json:"link"`
	Expires time.Time `json:"expires"`
	Sent    bool      `json:"sent"`
}

// Members lists who has a role in the workspace.
func (c *Client) Members(ctx context.Context) (all []Member, err error) {
	q := url.Values{}
	for {
		var page struct {
			Members []Member `json:"members"`
			Next    string   `json:"next"`
		}
		if err := c.get(ctx, "/api/v1/members", q, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Members...); page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// member finds a member by id or e-mail address.
func (c *Client) member(ctx context.Context, who string) (string, error) {
	if !strings.Contains(who, "@") {
		return who, nil
	}
	all, err := c.Members(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if strings.EqualFold(m.Email, who) {
			return m.Person, nil
		}
	}
	return "", millrace.Errorf(millrace.NotFound, "there is no member %.80q here: invite them", who)
}

// InviteMember makes an invitation to the workspace.
func (c *Client) InviteMember(ctx context.Context, i Invite) (Invited, error) {
	var out Invited
	err := c.call(ctx, request{method: http.MethodPost, path: "/api/v1/members/invitations", body: i, timeout: callTimeout}, &out)
	return out, err
}

// SetRole gives a member, by id or e-mail address, another role.
func (c *Client) SetRole(ctx context.Context, who, role string, thisEnvironment bool) error {
	id, err := c.member(ctx, who)
	if err != nil {
		return err
	}
	return c.call(ctx, request{method: http.MethodPut, path: "/api/v1/members/" + url.PathEscape(id), timeout: callTimeout,
		body: map[string]any{"role": role, "this_environment": thisEnvironment}}, nil)
}

// RemoveMember takes the roles of a member, by id or e-mail address, and returns the
// names of keys that nobody answers for any more.
func (c *Client) RemoveMember(ctx context.Context, who string, thisEnvironment bool) (keys []string, err error) {
	id, err := c.member(ctx, who)
	if err != nil {
		return nil, err
	}
	var out struct {
		Keys []string `json:"keys"`
	}
	err = c.call(ctx, request{method: http.MethodDelete, path: "/api/v1/members/" + url.PathEscape(id), timeout: callTimeout,
		query: url.Values{"this_environment": {strconv.FormatBool(thisEnvironment)}}}, &out)
	return out.Keys, err
}
