// Package client speaks the HTTP API of a Millrace server: queries, the live
// tail, rejected records, readers, jobs, and the intake of batches.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// DefaultServer is where `millrace dev` listens.
const DefaultServer = "http://127.0.0.1:8080"

// Options say which server to speak to.
type Options struct {
	Server    string       // base URL, http or https; default DefaultServer
	Token     string       // admin token, sent as Bearer; "" for none
	Workspace string       // address of the space to ask in, such as acme@staging; "" leaves it to the server
	HTTP      *http.Client // default: a client without an overall time-out, which follows no redirect
	UserAgent string       // default "millrace"
}

// A Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	token     string
	http      *http.Client
	userAgent string
	space     string // whose address paths get; "" is that of the token
}

// New returns a Client. It does not connect. The error is Invalid.
func New(o Options) (*Client, error) {
	if o.Server == "" {
		o.Server = DefaultServer
	}
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, millrace.Errorf(millrace.Invalid, "%.80q is not the address of a server: write it as http://host:port or https://host", withoutPassword(o.Server))
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 8
		transport.ResponseHeaderTimeout = 0 // a query may run long: the context bounds it
		transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
		o.HTTP = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.UserAgent == "" {
		o.UserAgent = "millrace"
	}
	if strings.ContainsAny(o.Workspace, "/?#%\\ ") || o.Workspace == "." || o.Workspace == ".." {
		return nil, millrace.Errorf(millrace.Invalid, "%.80q is no address of a workspace: write it as acme, or acme@staging", o.Workspace)
	}
	return &Client{base: u, token: o.Token, space: o.Workspace, http: o.HTTP, userAgent: o.UserAgent}, nil
}

func withoutPassword(server string) string {
	if u, err := url.Parse(server); err == nil {
		return u.Redacted()
	}
	return "the address given"
}

// Server returns the base URL without a password.
func (c *Client) Server() string { return c.base.Redacted() }

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         any           // encoded as JSON when it is not a *rawBody
	header       http.Header   // further headers
	key          string        // write key for Basic auth in place of the admin token
	safe         bool          // may be repeated
	timeout      time.Duration // of the whole call, 0 for none
}

type rawBody struct {
	data        []byte
	contentType string
	encoding    string
}

const (
	safeAttempts   = 3
	safeWaitMost   = 5 * time.Second
	errorBodyBytes = 16 << 20
)

// open sends r and returns a response of status 2xx, or the error it stands
// for. Calls that are safe are repeated a few times when the server is away
// for a moment.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := c.once(ctx, r)
		if err == nil || !r.safe || attempt >= safeAttempts || ctx.Err() != nil {
			return resp, err
		}
		var e *millrace.Error
		if !errors.As(err, &e) || e.Kind != millrace.Unavailable || IsNoServer(err) {
			return nil, err
		}
		wait := max(e.RetryAfter, time.Duration(attempt)*200*time.Millisecond)
		if wait > safeWaitMost {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

func (c *Client) once(ctx context.Context, r request) (*http.Response, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.responseError(resp, r.path)
}

// in is a path of the API in the workspace that is asked.
func (c *Client) in(path string) string {
	if rest, ok := strings.CutPrefix(path, "/api/v1/"); ok && c.space != "" {
		return "/api/v1/w/" + c.space + "/" + rest
	}
	return path
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	u := *c.base
	u.User = nil
	u.Path += c.in(r.path)
	u.RawQuery = r.query.Encode()
	var body io.Reader
	contentType, encoding := "", ""
	switch b := r.body.(type) {
	case nil:
	case *rawBody:
		body, contentType, encoding = bytes.NewReader(b.data), b.contentType, b.encoding
	default:
		data, err := json.Marshal(b)
		if err != nil {
			return nil, millrace.Errorf(millrace.Internal, "encode the request for %s: %w", r.path, err)
		}
		body, contentType = bytes.NewReader(data), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "%s: %w", c.Server(), err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", c.userAgent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	switch {
	case r.key != "":
		req.SetBasicAuth(r.key, "")
	case c.token != "":
		req.Header.Set("Authorization", "Bearer "+c.token)
	case c.base.User != nil:
		password, _ := c.base.User.Password()
		req.SetBasicAuth(c.base.User.Username(), password)
	}
	return req, nil
}

// call sends r and decodes the JSON answer into out, if it is not nil.
func (c *Client) call(ctx context.Context, r request, out any) error {
	if r.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	resp, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, errorBodyBytes))
		return nil
	}
	if !isJSON(resp) {
		return c.notMillrace(resp)
	}
	d := json.NewDecoder(resp.Body)
	if err := d.Decode(out); err != nil {
		if ctx.Err() != nil {
			return c.transportError(ctx, err)
		}
		return millrace.Errorf(millrace.Internal, "the answer of %s to %s cannot be read: %w", c.Server(), r.path, err)
	}
	return nil
}

func isJSON(resp *http.Response) bool {
	t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// transportError says what it means that no answer came.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return millrace.Errorf(millrace.Canceled, "%s did not answer in time: %w", c.Server(), ctx.Err())
		}
		return &millrace.Error{Kind: millrace.Canceled, Message: "stopped", Err: ctx.Err()}
	}
	var op *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		return noServer(err, "no Millrace server at %s: the name %q is not known. Say where it is with --server or MILLRACE_SERVER", c.Server(), dns.Name)
	case errors.Is(err, http.ErrSchemeMismatch):
		return millrace.Errorf(millrace.Invalid, "%s does not speak TLS: write the address as http://%s", c.Server(), c.base.Host)
	case strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // an alert of TLS
		return c.speaksTLS()
	case errors.As(err, &certificate):
		return millrace.Errorf(millrace.Invalid, "the certificate of %s cannot be trusted: %v", c.Server(), certificate.Err)
	case errors.As(err, &op) && op.Op == "dial":
		return noServer(err, "no Millrace server answers at %s: start one with `millrace dev`, or say where it is with --server or MILLRACE_SERVER", c.Server())
	}
	cause := err
	var u *url.Error
	if errors.As(err, &u) {
		cause = u.Err
	}
	return millrace.Errorf(millrace.Unavailable, "%s ended the connection without an answer (%w): see its log, and try again", c.Server(), cause)
}

// A noServerError is an Unavailable that waiting a moment does not change.
type noServerError struct{ cause error }

func (e noServerError) Error() string { return e.cause.Error() }
func (e noServerError) Unwrap() error { return e.cause }

func noServer(cause error, format string, args ...any) error {
	return &millrace.Error{Kind: millrace.Unavailable, Message: fmt.Sprintf(format, args...), Err: noServerError{cause}}
}

// IsNoServer says whether err means that nothing listens at the address.
func IsNoServer(err error) bool {
	var e noServerError
	return errors.As(err, &e)
}
