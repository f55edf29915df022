package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// A Person is an account of the server.
type Person struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Email       string     `json:"email"`
	Created     time.Time  `json:"created"`
	PasswordSet *time.Time `json:"password_set,omitempty"`
	Suspended   *time.Time `json:"suspended,omitempty"` // since when
}

// People lists all accounts of the server.
func (c *Client) People(ctx context.Context) (all []Person, err error) {
	q := url.Values{}
	for {
		var page struct {
			People []Person `json:"people"`
			Next   string   `json:"next"`
		}
		if err := c.get(ctx, "/api/v1/people", q, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.People...); page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// person is the path of an account, by id or e-mail address.
func (c *Client) person(ctx context.Context, who string) (path string, err error) {
	id := who
	if strings.Contains(who, "@") {
		all, err := c.People(ctx)
		if err != nil {
			return "", err
		}
		id = ""
		for _, p := range all {
			if strings.EqualFold(p.Email, who) {
				id = p.ID
			}
		}
		if id == "" {
			return "", millrace.Errorf(millrace.NotFound, "there is no account %.80q on this server: millrace person list shows all", who)
		}
	}
	return "/api/v1/people/" + url.PathEscape(id), nil
}

// SuspendPerson keeps someone, by id or e-mail address, from signing in, or no longer.
func (c *Client) SuspendPerson(ctx context.Context, who string, suspended bool) error {
	path, err := c.person(ctx, who)
	if err != nil {
		return err
	}
	return c.call(ctx, request{method: http.MethodPatch, path: path, body: map[string]bool{"suspended": suspended}, timeout: callTimeout}, nil)
}

// DeletePerson removes someone's account, by id or e-mail address.
func (c *Client) DeletePerson(ctx context.Context, who string) error {
	path, err := c.person(ctx, who)
	if err != nil {
		return err
	}
	return c.call(ctx, request{method: http.MethodDelete, path: path, timeout: callTimeout}, nil)
}
