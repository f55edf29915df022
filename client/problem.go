package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// problem is RFC 9457 with what Millrace adds, and the "error" and "message"
// that intake answers with.
type problem struct {
	Title   string `json:"title"`
	Detail  string `json:"detail"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Err     any    `json:"error"`
	Errors  []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
	First *millrace.Position `json:"first"`
	Last  *millrace.Position `json:"last"`
	Stale *Stale             `json:"stale"`
}

func (p problem) text() string {
	text := p.Detail
	if text == "" {
		text = p.Message
	}
	if s, ok := p.Err.(string); ok && text == "" {
		text = s
	}
	if text == "" {
		text = p.Title
	}
	for _, e := range p.Errors {
		if e.Message == "" || strings.Contains(text, e.Message) {
			continue
		}
		if e.Location != "" {
			text += fmt.Sprintf("; %s: %s", e.Location, e.Message)
		} else {
			text += "; " + e.Message
		}
	}
	return text
}

var kinds = func() map[string]millrace.Kind {
	m := map[string]millrace.Kind{}
	for k := millrace.Internal; k <= millrace.Canceled; k++ {
		m[k.String()] = k
	}
	return m
}()

// responseError turns an answer that is not 2xx into an error with a kind.
func (c *Client) responseError(resp *http.Response, path string) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, errorBodyBytes))
	var p problem
	if resp.StatusCode == http.StatusBadRequest && c.base.Scheme == "http" && wantsTLS(data) {
		return c.speaksTLS()
	}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 { // what is sent, such as a secret, is meant for no other
		return millrace.Errorf(millrace.Invalid, "%s sends you to %s, which is not followed: if the server is there, give that address with --server or MILLRACE_SERVER", c.Server(), (&url.URL{Scheme: to.Scheme, Host: to.Host}).String())
	}
	if !isJSON(resp) || json.Unmarshal(data, &p) != nil || p.text() == "" {
		if resp.StatusCode == http.StatusUnauthorized {
			return millrace.Errorf(millrace.Unauthorized, "%s asks who you are: give the admin token with --token or MILLRACE_TOKEN", c.Server())
		}
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
			e := &millrace.Error{Kind: kindOfStatus(resp.StatusCode), RetryAfter: retryAfter(resp.Header, time.Now())}
			e.Message = fmt.Sprintf("%s answers %s", c.Server(), resp.Status)
			return e
		}
		if resp.StatusCode == http.StatusNotFound && strings.HasPrefix(path, "/api/") {
			return c.notMillrace(resp)
		}
		return millrace.Errorf(kindOfStatus(resp.StatusCode), "%s answers %s to %s", c.Server(), resp.Status, path)
	}
	kind, ok := kinds[p.Kind]
	if !ok {
		kind = kindOfStatus(resp.StatusCode)
	}
	e := &millrace.Error{Kind: kind, Message: p.text(), RetryAfter: retryAfter(resp.Header, time.Now())}
	if p.First != nil {
		e.First = *p.First
	}
	if p.Last != nil {
		e.Last = *p.Last
	}
	if kind == millrace.Unauthorized && c.token == "" && !strings.Contains(e.Message, "--token") && strings.HasPrefix(path, "/api/") {
		e.Message += " (give the admin token with --token or MILLRACE_TOKEN)"
	}
	if p.Stale != nil {
		p.Stale.err = e
		return p.Stale
	}
	return e
}

// wantsTLS says whether an answer is that of a port for https to plain http.
func wantsTLS(answer []byte) bool {
	return bytes.Contains(answer, []byte("HTTP request to an HTTPS server")) || bytes.Contains(answer, []byte("plain HTTP request was sent to HTTPS port"))
}

func (c *Client) speaksTLS() error {
	return millrace.Errorf(millrace.Invalid, "%s speaks https: write the address as https://%s", c.Server(), c.base.Host)
}

func kindOfStatus(status int) millrace.Kind {
	switch status {
	case http.StatusUnauthorized:
		return millrace.Unauthorized
	case http.StatusForbidden:
		return millrace.Forbidden
	case http.StatusNotFound:
		return millrace.NotFound
	case http.StatusConflict:
		return millrace.Conflict
	case http.StatusGone:
		return millrace.Gone
	case http.StatusRequestEntityTooLarge:
		return millrace.TooLarge
	case http.StatusTooManyRequests:
		return millrace.Limited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return millrace.Unavailable
	case http.StatusRequestTimeout:
		return millrace.Canceled
	}
	if status/100 == 4 {
		return millrace.Invalid
	}
	return millrace.Internal
}

func (c *Client) notMillrace(resp *http.Response) error {
	return millrace.Errorf(millrace.Invalid, "what answers at %s (%s) is not a Millrace server: check the address that --server or MILLRACE_SERVER gives", c.Server(), resp.Status)
}
