package serve

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// The cookie of a session. Over https it has the prefix that keeps other hosts
// and plain http from setting it.
const (
	sessionCookie       = "millrace_session"
	secureSessionCookie = "__Host-millrace_session"
	sessionTime         = 7 * 24 * time.Hour
	maxEndedSessions    = 10_000
)

// sessions are those of people who gave the admin token to the page. A session
// is a time and a number, signed with a key that is made of the token: it
// outlives a restart, and ends when the token is another one.
type sessions struct {
	key []byte
	now func() time.Time

	mu    sync.Mutex
	ended map[string]time.Time // by number; until when they would have lasted
}

const sessionBytes = 8 + 16

func newSessions(token string, now func() time.Time) *sessions {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("millrace session"))
	return &sessions{key: mac.Sum(nil), now: now, ended: map[string]time.Time{}}
}

func (s *sessions) sign(data []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(data)
	return mac.Sum(data[:len(data):len(data)])
}

// begin returns the value of a new session's cookie.
func (s *sessions) begin() (value string, until time.Time) {
	until = s.now().Add(sessionTime).Truncate(time.Second).UTC()
	data := make([]byte, sessionBytes)
	binary.BigEndian.PutUint64(data, uint64(until.Unix()))
	_, _ = rand.Read(data[8:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(s.sign(data)), until
}

// read returns the number of a session that holds, and until when.
func (s *sessions) read(value string) (number string, until time.Time, ok bool) {
	if len(value) > 200 {
		return "", until, false
	}
	data, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(data) != sessionBytes+sha256.Size || !hmac.Equal(s.sign(data[:sessionBytes]), data) {
		return "", until, false
	}
	until = time.Unix(int64(binary.BigEndian.Uint64(data)), 0).UTC()
	number = string(data[8:sessionBytes])
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[number]
	return number, until, !ended && s.now().Before(until)
}

// end makes a session hold no longer, as long as the server runs.
func (s *sessions) end(value string) {
	number, until, ok := s.read(value)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxEndedSessions {
		now := s.now()
		for n, u := range s.ended {
			if u.Before(now) {
				delete(s.ended, n)
			}
		}
	}
	if len(s.ended) < maxEndedSessions {
		s.ended[number] = until
	}
}

// of returns the session that a request belongs to.
func (s *sessions) of(r *http.Request) (value string, until time.Time, ok bool) {
	for _, name := range []string{secureSessionCookie, sessionCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if _, until, ok := s.read(cookie.Value); ok {
				return cookie.Value, until, true
			}
		}
	}
	return "", until, false
}

// sameOrigin refuses what a page elsewhere makes a browser ask for. A browser
// says where a request comes from in Sec-Fetch-Site, or at least in Origin when
// it changes something.
func sameOrigin(r *http.Request) error {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	site, origins := r.Header.Get("Sec-Fetch-Site"), r.Header["Origin"]
	switch {
	case site == "same-origin", site == "none" && safe:
		return nil
	case site != "":
		return millrace.Errorf(millrace.Forbidden, "a page of another site may not ask this server")
	case len(origins) > 0:
		for _, origin := range origins {
			if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
				return millrace.Errorf(millrace.Forbidden, "a page of %.80q may not ask this server", origin)
			}
		}
		return nil
	case safe:
		return nil
	}
	return millrace.Errorf(millrace.Forbidden, "a request with a session's cookie that changes something has to say where it comes from, in Sec-Fetch-Site or Origin: programs send the admin token instead, as Authorization: Bearer TOKEN")
}

// A Session says who asks.
type Session struct {
	Authenticated bool       `json:"authenticated" doc:"Whether what this client sends is answered."`
	Login         string     `json:"login" enum:"none,token" doc:"How to log in: none is needed, or POST the admin token here."`
	Mode          string     `json:"mode" enum:"dev,serve" doc:"How the server was started."`
	Expires       *time.Time `json:"expires,omitempty" doc:"Of the cookie: when to log in again."`
	Reason        string     `json:"reason,omitempty" doc:"Why nothing is answered."`
}

type sessionAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"The session, for browsers: HttpOnly, SameSite=Strict."`
	Body      Session
}

// session describes who makes the request.
func (s *server) session(r *http.Request) Session {
	out := Session{Mode: string(s.o.Mode), Login: "token"}
	_, err := s.guard.check(r)
	if !s.guard.hasToken || s.o.Mode == Dev && local(r) && err == nil {
		out.Login = "none"
	}
	if out.Authenticated = err == nil; err != nil {
		out.Reason = err.Error()
		return out
	}
	if _, until, ok := s.guard.sessions.of(r); ok && s.guard.hasToken {
		out.Expires = &until
	}
	return out
}

func (s *server) cookie(r *http.Request, value string, age time.Duration) string {
	c := http.Cookie{Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(age.Seconds())}
	if s.o.Secure(r) {
		c.Name, c.Secure = secureSessionCookie, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c.String()
}

func (s *server) registerSession() {
	type sessionBody struct {
		Token string `json:"token" minLength:"1" maxLength:"1000" doc:"The admin token."`
	}
	register(s, operation{id: "get-session", method: http.MethodGet, path: sessionPath, tag: "session", open: true,
		summary: "Who asks", description: "Answers everyone, so that a page knows whether to show a login."},
		func(ctx context.Context, _ *struct{}) (*bodyOf[Session], error) {
			return &bodyOf[Session]{Body: s.session(requestOf(ctx))}, nil
		})
	register(s, operation{id: "start-session", method: http.MethodPost, path: sessionPath, tag: "session", open: true,
		summary:     "Log in",
		description: "Answers a cookie that takes the token's place for a week: it cannot be read by scripts, is sent by this server's own pages only, and ends when the token is changed. Programs send the token itself.",
		errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}},
		func(ctx context.Context, in *struct{ Body sessionBody }) (*sessionAnswer, error) {
			r := requestOf(ctx)
			if err := sameOrigin(r); err != nil && (r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "") {
				return nil, err
			}
			if !s.guard.hasToken {
				return &sessionAnswer{Body: s.session(r)}, nil
			}
			if err := s.guard.verify(r, in.Body.Token); err != nil {
				return nil, err
			}
			value, until := s.guard.sessions.begin()
			return &sessionAnswer{SetCookie: s.cookie(r, value, sessionTime),
				Body: Session{Authenticated: true, Login: "token", Mode: string(s.o.Mode), Expires: &until}}, nil
		})
	register(s, operation{id: "end-session", method: http.MethodDelete, path: sessionPath, tag: "session", open: true, status: http.StatusOK,
		summary: "Log out", description: "Ends the session of the cookie, and takes the cookie away.", errors: []int{http.StatusForbidden}},
		func(ctx context.Context, _ *struct{}) (*sessionAnswer, error) {
			r := requestOf(ctx)
			if value, _, ok := s.guard.sessions.of(r); ok {
				if err := sameOrigin(r); err != nil {
					return nil, err
				}
				s.guard.sessions.end(value)
			}
			out := &sessionAnswer{SetCookie: s.cookie(r, "", 0), Body: s.session(r)}
			return out, nil
		})
}

// sessionPath is open to all: it says itself who may do what.
const sessionPath = "/api/v1/session"
