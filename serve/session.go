package serve

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

// The cookie of a session. Over https it has the prefix that keeps other hosts
// and plain http from setting it, and no other is taken.
const (
	sessionCookie       = "millrace_session"
	secureSessionCookie = "__Host-millrace_session"
)

const (
	// csrfHeader is what a page sends with each change, besides the cookie.
	csrfHeader = "Millrace-CSRF"
	// backgroundHeader is for what a page asks by itself: it keeps no session from going idle.
	backgroundHeader = "Millrace-Background"
)

// sessionPath is open to all: it says itself who may do what.
const sessionPath = "/api/v1/session"

// cookieOf returns the token of the session that a request belongs to, or "".
func (g *guard) cookieOf(r *http.Request) string {
	name := sessionCookie
	if g.secure(r) {
		name = secureSessionCookie
	}
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

// cookie is the header that gives a browser a session.
func (s *server) cookie(r *http.Request, in access.SignedIn) string {
	return s.cookieWith(r, in.Token.Reveal(), max(1, int(in.Expires.Sub(s.o.Now()).Seconds())))
}

// noCookie is the header that takes it away.
func (s *server) noCookie(r *http.Request) string { return s.cookieWith(r, "", -1) }

func (s *server) cookieWith(r *http.Request, value string, age int) string {
	c := http.Cookie{Name: sessionCookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: age}
	if s.o.Secure(r) {
		c.Name, c.Secure = secureSessionCookie, true
	}
	return c.String()
}

// safe says whether a request changes nothing.
func safe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// ownPage refuses requests with a session's cookie that do not come from this
// server's own page: a browser says where they come from, and the page has a token
// that no other can read. Sessions of the admin token may leave that out.
func (g *guard) ownPage(r *http.Request, signed access.Signed) error {
	if err := g.sameOrigin(r); err != nil || safe(r) {
		return err
	}
	given := r.Header.Get(csrfHeader)
	if given == "" && signed.Kind != access.PersonKind {
		return nil
	}
	if given == "" {
		return millrace.Errorf(millrace.Forbidden, "a change that is made with a session's cookie needs the header %s, with what GET %s tells: programs send a key instead, as Authorization: Bearer KEY", csrfHeader, sessionPath)
	}
	return signed.CheckCSRF(given)
}

// sameOrigin refuses what a page elsewhere makes a browser ask for. A browser
// says where a request comes from in Sec-Fetch-Site, or at least in Origin when
// it changes something.
func (g *guard) sameOrigin(r *http.Request) error {
	site, origins := r.Header.Get("Sec-Fetch-Site"), r.Header["Origin"]
	switch {
	case site == "same-origin", site == "none" && safe(r):
		return nil
	case site != "":
		return errOtherSite
	case len(origins) > 0:
		return g.own(r, origins)
	case safe(r):
		return nil
	}
	return millrace.Errorf(millrace.Forbidden, "a request with a session's cookie that changes something has to say where it comes from, in Sec-Fetch-Site or Origin: programs send a key instead, as Authorization: Bearer KEY")
}

var errOtherSite = millrace.Errorf(millrace.Forbidden, "a page of another site may not ask this server")

// own says whether a request's origins are this server.
func (g *guard) own(r *http.Request, origins []string) error {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) || g.secure(r) && u.Scheme != "https" {
			return millrace.Errorf(millrace.Forbidden, "a page of %.80q may not ask this server", origin)
		}
	}
	return nil
}

// notForeign refuses what a page elsewhere makes a browser send to operations that
// are open to all, such as signing it in as someone else. Programs say nothing of
// where they come from.
func (g *guard) notForeign(r *http.Request) error {
	site, origins := r.Header.Get("Sec-Fetch-Site"), r.Header["Origin"]
	switch {
	case site != "" && site != "same-origin" && site != "none":
		return errOtherSite
	case len(origins) > 0:
		return g.own(r, origins)
	}
	return nil
}

// A Session says who asks, and what a page needs to know of them.
type Session struct {
	Authenticated bool           `json:"authenticated" doc:"Whether what this client sends is answered."`
	Login         string         `json:"login" enum:"none,password,token" doc:"How to sign in: none is needed; with e-mail address and password; token: with these, or with the admin token."`
	Mode          string         `json:"mode" enum:"dev,serve" doc:"How the server was started."`
	SetupNeeded   bool           `json:"setup_needed" doc:"Nobody owns the server yet: open the link that it printed when it started."`
	Mail          bool           `json:"mail" doc:"Whether the server sends mail: a forgotten password can be reset by it."`
	Expires       *time.Time     `json:"expires,omitempty" doc:"Of the session: when to sign in again at the latest."`
	Reason        string         `json:"reason,omitempty" doc:"Why nothing is answered."`
	Kind          string         `json:"kind,omitempty" enum:"person,key,local,system" doc:"Who asks: a person who signed in, an API key, or whoever sits at the machine on which millrace dev runs."`
	Person        *SessionPerson `json:"person,omitempty" doc:"Who is signed in."`
	Name          string         `json:"name,omitempty" doc:"Of the person or key."`
	CSRF          string         `json:"csrf,omitempty" doc:"Send it as Millrace-CSRF with each request that changes something. When an answer has that header, it is another from then on."`
	Space         string         `json:"space" example:"default" doc:"The environment that permissions is about: the one that the path names, or the first."`
	Workspace     string         `json:"workspace" example:"default" doc:"Its workspace."`
	Permissions   []string       `json:"permissions" example:"[\"query:run\"]" doc:"What may be done there."`
	Server        []string       `json:"server_permissions" doc:"What may be done on the server as a whole."`
	Everything    bool           `json:"everything,omitempty" doc:"Anything may be done, in every workspace."`
	Roles         []SessionRole  `json:"roles" doc:"In which workspaces and environments, and on the server."`
}

// A SessionPerson is who is signed in.
type SessionPerson struct {
	ID    string `json:"id" example:"p_5ws2q7a4rgmjnxlbtb3e6kcvfu"`
	Name  string `json:"name" example:"Ada"`
	Email string `json:"email" example:"ada@example.com"`
}

// A SessionRole is a role or some permissions somewhere.
type SessionRole struct {
	Server          bool     `json:"server,omitempty" doc:"On the server, not in a workspace."`
	Workspace       string   `json:"workspace,omitempty" doc:"By id."`
	WorkspaceName   string   `json:"workspace_name,omitempty" example:"acme"`
	Environment     string   `json:"environment,omitempty" doc:"By id; absent: all of them."`
	EnvironmentName string   `json:"environment_name,omitempty" example:"staging"`
	Role            string   `json:"role,omitempty" example:"admin" doc:"owner, admin, editor, analyst or viewer."`
	Permissions     []string `json:"permissions,omitempty" doc:"Of a key without a role."`
}

type sessionAnswer struct {
	SetCookie string `header:"Set-Cookie" doc:"The session, for browsers: HttpOnly, SameSite=Strict."`
	Body      Session
}

// session describes who makes the request.
func (s *server) session(ctx context.Context, who *identity) Session {
	sp := s.space(ctx)
	out := Session{Mode: string(s.o.Mode), Login: "password", Mail: s.o.Mail != nil && s.o.Mail.On(), Space: sp.ID, Workspace: sp.Workspace,
		Permissions: []string{}, Server: []string{}, Roles: []SessionRole{}}
	if s.o.Access != nil && s.o.Mode == Production {
		needed, err := s.o.Access.OwnerNeeded(ctx)
		out.SetupNeeded = needed && err == nil
	}
	switch {
	case who.Kind == access.LocalKind, s.o.Access == nil:
		out.Login = "none"
	case s.o.Access.TakesAdminToken():
		out.Login = "token"
	}
	if who.reason != nil || who.Kind == "" {
		out.Reason = "nobody is signed in"
		if who.reason != nil {
			out.Reason = problemOf(ctx, who.reason).Detail
		}
		return out
	}
	out.Authenticated, out.Kind, out.Name, out.Everything = true, string(who.Kind), who.Name, who.Everything()
	for _, p := range mayIn(who.Principal, sp) {
		out.Permissions = append(out.Permissions, string(p))
	}
	for _, p := range who.May(access.Installation, "") {
		out.Server = append(out.Server, string(p))
	}
	for _, g := range who.Grants() {
		r := SessionRole{Server: g.Workspace == access.Installation, Workspace: g.Workspace, WorkspaceName: s.workspaceName(g.Workspace), Environment: g.Environment, EnvironmentName: s.environmentName(g.Environment), Role: string(g.Role)}
		if r.Server {
			r.Workspace = ""
		}
		for _, p := range g.Permissions {
			r.Permissions = append(r.Permissions, string(p))
		}
		out.Roles = append(out.Roles, r)
	}
	if who.signed != nil {
		out.Expires, out.CSRF = moment(who.signed.Expires), who.signed.CSRF()
		if who.Kind == access.PersonKind {
			out.Person = &SessionPerson{ID: who.Person, Name: who.Name, Email: who.signed.Email}
		}
	}
	return out
}

// mayIn is what someone may do in a space and its workspace, in the table's order.
func mayIn(who access.Principal, sp *Space) []access.Permission {
	there := map[access.Permission]bool{}
	for _, environment := range []string{"", sp.ID} {
		for _, p := range who.May(sp.Workspace, environment) {
			there[p] = true
		}
	}
	var out []access.Permission
	for _, info := range access.Permissions() {
		if there[info.Name] {
			out = append(out, info.Name)
		}
	}
	return out
}

// signedIn answers with the cookie of a new session, and what it is.
func (s *server) signedIn(ctx context.Context, in access.SignedIn) (*sessionAnswer, error) {
	r := requestOf(ctx)
	signed, err := s.o.Access.Authenticate(ctx, in.Token.Reveal(), s.guard.from(r))
	if err != nil {
		return nil, err
	}
	who := &identity{Principal: signed.Principal, signed: &signed, cookie: in.Token.Reveal()}
	return &sessionAnswer{SetCookie: s.cookie(r, in), Body: s.session(ctx, who)}, nil
}

// signInBody is how someone signs in.
type signInBody struct {
	Email    string `json:"email,omitempty" maxLength:"1000" doc:"With the password."`
	Password string `json:"password,omitempty" maxLength:"9000"`
	Token    string `json:"token,omitempty" maxLength:"1000" doc:"The admin token, instead of both."`
}

func (s *server) registerSession() {
	register(s, operation{id: "get-session", method: http.MethodGet, path: sessionPath, tag: "session", open: true,
		summary: "Who asks", description: "Answers everyone, so that a page knows whether to show a sign-in, and what may be done."},
		func(ctx context.Context, _ *struct{}) (*bodyOf[Session], error) {
			return &bodyOf[Session]{Body: s.session(ctx, identityOf(ctx))}, nil
		})
	register(s, operation{id: "start-session", method: http.MethodPost, path: sessionPath, tag: "session", open: true,
		summary: "Sign in",
		description: "Answers a cookie for browsers: it cannot be read by scripts, and is sent by this server's own pages only. Whether there is an account with that address " +
			"is not told. Who is wrong too often has to wait. Programs send a key instead.",
		errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}},
		func(ctx context.Context, in *struct{ Body signInBody }) (*sessionAnswer, error) {
			return s.signIn(ctx, in.Body)
		})
	register(s, operation{id: "end-session", method: http.MethodDelete, path: sessionPath, tag: "session", open: true, status: http.StatusOK,
		summary: "Sign out", description: "Ends the session of the cookie, and takes the cookie away.", errors: []int{http.StatusForbidden}},
		func(ctx context.Context, _ *struct{}) (*sessionAnswer, error) {
			who := identityOf(ctx)
			if who.signed != nil {
				if err := s.o.Access.SignOut(ctx, s.caller(ctx)); err != nil && millrace.KindOf(err) != millrace.NotFound {
					return nil, err
				}
				who = &identity{reason: millrace.Errorf(millrace.Unauthorized, "you are signed out")}
			}
			return &sessionAnswer{SetCookie: s.noCookie(requestOf(ctx)), Body: s.session(ctx, who)}, nil
		})
}

func (s *server) signIn(ctx context.Context, in signInBody) (*sessionAnswer, error) {
	r := requestOf(ctx)
	if who, err := s.guard.check(r); err == nil && who.Kind == access.LocalKind && in.Email == "" {
		return &sessionAnswer{Body: s.session(ctx, &who)}, nil // who sits here needs no session
	}
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	var out access.SignedIn
	var err error
	switch previous := s.guard.cookieOf(r); {
	case in.Token != "" && in.Email == "" && in.Password == "" && s.o.Access.TakesAdminToken():
		out, err = s.o.Access.SignInAdmin(ctx, s.caller(ctx), in.Token, previous)
	case in.Token != "":
		return nil, millrace.Errorf(millrace.Invalid, "this server takes no admin token here: sign in with an e-mail address and a password; programs send keys as Authorization: Bearer KEY")
	default:
		out, err = s.o.Access.SignIn(ctx, s.caller(ctx), access.SignIn{Email: in.Email, Password: in.Password, Previous: previous})
	}
	if err != nil {
		return nil, err
	}
	return s.signedIn(ctx, out)
}
