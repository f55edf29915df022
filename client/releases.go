package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/merge"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
)

// A Release is a version of the project.
type Release struct {
	Number    int64     `json:"number"`
	Tree      tree.Hash `json:"tree"`
	Files     int64     `json:"files"`
	SizeBytes int64     `json:"size_bytes"`
	Parent    int64     `json:"parent"`
	Source    int64     `json:"source,omitempty"`
	Origin    string    `json:"origin"`
	Author    string    `json:"author"`
	Message   string    `json:"message"`
	Created   time.Time `json:"created"`
	RunsIn    []string  `json:"runs_in"`
}

// A Deployment is an attempt to make a version run.
type Deployment struct {
	ID        string     `json:"id"`
	Number    int64      `json:"number"`
	Base      int64      `json:"base"`
	Version   int64      `json:"version"`
	State     string     `json:"state"`
	Done      bool       `json:"done"`
	Unchanged bool       `json:"unchanged,omitempty"`
	Error     string     `json:"error,omitempty"`
	Origin    string     `json:"origin"`
	Author    string     `json:"author"`
	Message   string     `json:"message"`
	Begun     time.Time  `json:"begun"`
	Ended     *time.Time `json:"ended,omitempty"`
}

// A RunningRelease is what runs; Version is 0 when nothing does.
type RunningRelease struct {
	Version  int64      `json:"version"`
	Previous int64      `json:"previous"`
	Since    *time.Time `json:"since,omitempty"`
	Release  *Release   `json:"release,omitempty"`
}

// A Stale is the error of a deployment that began from a version that does not
// run any more. It is an error of kind Conflict.
type Stale struct {
	Base    int64        `json:"base"`
	Running int64        `json:"running"`
	Author  string       `json:"author"`
	Message string       `json:"message"`
	Merged  bool         `json:"merged"`
	Files   []merge.File `json:"files"`

	err *millrace.Error
}

// Error says what happened meanwhile.
func (s *Stale) Error() string { return s.err.Error() }

// Unwrap returns the error with its kind.
func (s *Stale) Unwrap() error { return s.err }

// deployPatience is longer than any deployment takes.
const deployPatience = 7 * time.Minute

// In returns a client of another space: its requests are about the workspace or
// environment of that address, such as acme@staging, or @staging for an
// environment of the workspace that this one asks in.
func (c *Client) In(address string) *Client {
	out := *c
	if environment, ok := strings.CutPrefix(address, "@"); ok {
		workspace, _, _ := strings.Cut(c.space, "@")
		address = workspace + "@" + environment
	}
	out.space = address
	return &out
}

func packed(t *tree.Tree) (*rawBody, error) {
	var b bytes.Buffer
	if err := tree.Pack(&b, t); err != nil {
		return nil, err
	}
	return &rawBody{data: b.Bytes(), contentType: "application/gzip"}, nil
}

// Plan says what files would change.
func (c *Client) Plan(ctx context.Context, files *tree.Tree) (*plan.Plan, error) {
	body, err := packed(files)
	if err != nil {
		return nil, err
	}
	out := new(plan.Plan)
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/releases/plan", body: body, safe: true, timeout: deployPatience}, out)
	return out, err
}

// PlanRelease says what running a version would change.
func (c *Client) PlanRelease(ctx context.Context, number int64) (*plan.Plan, error) {
	out := new(plan.Plan)
	err := c.get(ctx, releasePath(number)+"/plan", nil, out)
	return out, err
}

// Deploy deploys files that began from base: the number of a version, 0 when
// none ran, or "last" for the one that who asks deployed last. The error may be
// a *Stale.
func (c *Client) Deploy(ctx context.Context, files *tree.Tree, base, message string) (d Deployment, err error) {
	body, err := packed(files)
	if err != nil {
		return d, err
	}
	q := url.Values{"base": {base}}
	if message != "" {
		q.Set("message", message)
	}
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/releases", query: q, body: body, timeout: deployPatience}, &d)
	return d, err
}

// Releases lists the newest versions, at most limit, and the number of the one
// that runs.
func (c *Client) Releases(ctx context.Context, limit int) (all []Release, running int64, err error) {
	err = pages(limit, func(q url.Values) (int, string, error) {
		var page struct {
			Running  int64     `json:"running"`
			Releases []Release `json:"releases"`
			Next     string    `json:"next"`
		}
		err := c.get(ctx, "/api/v1/releases", q, &page)
		all, running = append(all, page.Releases...), page.Running
		return len(all), page.Next, err
	})
	return all, running, err
}

// Deploys lists the newest deployments, at most limit.
func (c *Client) Deploys(ctx context.Context, limit int) (all []Deployment, err error) {
	err = pages(limit, func(q url.Values) (int, string, error) {
		var page struct {
			Deploys []Deployment `json:"deploys"`
			Next    string       `json:"next"`
		}
		err := c.get(ctx, "/api/v1/deploys", q, &page)
		all = append(all, page.Deploys...)
		return len(all), page.Next, err
	})
	return all, err
}

// pages asks for page after page until there are limit.
func pages(limit int, ask func(q url.Values) (have int, next string, err error)) error {
	q := url.Values{}
	for have := 0; ; {
		q.Set("limit", strconv.Itoa(min(limit-have, 500)))
		n, next, err := ask(q)
		if have = n; err != nil || next == "" || have >= limit {
			return err
		}
		q.Set("cursor", next)
	}
}

func releasePath(number int64) string { return "/api/v1/releases/" + strconv.FormatInt(number, 10) }

// Release returns a version.
func (c *Client) Release(ctx context.Context, number int64) (r Release, err error) {
	return r, c.get(ctx, releasePath(number), nil, &r)
}

// Running returns what runs.
func (c *Client) Running(ctx context.Context) (r RunningRelease, err error) {
	return r, c.get(ctx, "/api/v1/releases/running", nil, &r)
}

// DiffReleases compares the files of two versions; from is 0 for nothing, and
// below 0 for the version that to was made of.
func (c *Client) DiffReleases(ctx context.Context, from, to int64) (files []diff.File, err error) {
	var out struct {
		Files []diff.File `json:"files"`
	}
	q := url.Values{}
	if from >= 0 {
		q.Set("from", strconv.FormatInt(from, 10))
	}
	err = c.get(ctx, releasePath(to)+"/diff", q, &out)
	return out.Files, err
}

// ReleaseFiles returns the files of a version.
func (c *Client) ReleaseFiles(ctx context.Context, number int64) (*tree.Tree, error) {
	resp, err := c.open(ctx, request{method: http.MethodGet, path: releasePath(number) + "/files", safe: true})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 128<<20))
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	files, _, err := tree.Unpack(bytes.NewReader(data), tree.Limits{})
	if err == nil && string(files.Hash()) != resp.Header.Get("Millrace-Tree") {
		err = millrace.Errorf(millrace.Unavailable, "the files of version %d arrived damaged: try again", number)
	}
	return files, err
}

// Rollback goes back to a version, or with 0 to the one that ran before; base is
// the one that was seen to run, or 0.
func (c *Client) Rollback(ctx context.Context, to, base int64, message string) (d Deployment, err error) {
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/releases/rollback", timeout: deployPatience,
		body: map[string]any{"to": to, "base": base, "message": message}}, &d)
	return d, err
}

// Promote runs a version in another environment of the workspace. The error may
// be a *Stale.
func (c *Client) Promote(ctx context.Context, number int64, to, message string) (d Deployment, err error) {
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/releases/promote", timeout: deployPatience,
		body: map[string]any{"version": number, "to": to, "message": message}}, &d)
	return d, err
}
