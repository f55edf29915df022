package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// A guard finds out who asks.
type guard struct {
	mode     Mode
	hosts    map[string]bool
	clientIP func(*http.Request) netip.Addr
	secure   func(*http.Request) bool
	access   *access.Access // nil: there are neither keys nor people
}

func newGuard(o Options) *guard {
	g := &guard{mode: o.Mode, hosts: map[string]bool{"localhost": true}, clientIP: o.ClientIP, secure: o.Secure, access: o.Access}
	for _, h := range o.AllowedHosts {
		g.hosts[strings.ToLower(h)] = true
	}
	return g
}

// Paths that anyone may ask for, and who then is taken to ask.
const (
	asNobody  = 1 + iota // whoever it is: what is sent says enough, such as a password or a link
	asTheyAre            // who it is, or nobody
)

var openPaths = map[string]int{
	"/healthz": asNobody, "/readyz": asNobody,
	sessionPath: asTheyAre, setupPath: asNobody, resetPath: asNobody, resetRequestPath: asNobody,
	invitationPath: asTheyAre, acceptPath: asTheyAre, confirmEmailPath: asTheyAre,
}

// open says whether anyone may ask for a path.
func open(path string) bool { return openPaths[path] != 0 }

// An identity is who makes a request, and how that is known.
type identity struct {
	access.Principal
	signed *access.Signed // by a session; nil: by something else
	cookie string         // the session's token
	reason error          // on open paths: why nobody is known to ask
}

func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.guard.identify(r)
		if err == nil && r.URL.Path == metricsPath {
			err = who.Allow(access.ServerRead, "", "")
		}
		if err != nil {
			if millrace.KindOf(err) == millrace.Unauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="millrace"`)
			}
			writeProblem(w, r, err)
			return
		}
		if who.signed != nil && who.signed.Renew {
			s.renew(w, r, &who)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, &who)))
	})
}

// renew gives a session another token, because what its person may do has changed.
func (s *server) renew(w http.ResponseWriter, r *http.Request, who *identity) {
	out, err := s.o.Access.Renew(r.Context(), *who.signed)
	if err != nil {
		if millrace.KindOf(err) != millrace.Conflict { // another request was faster
			s.o.Logger.Warn("a session could not be given a new token; the next request tries again", "request", requestID(r.Context()), "session", who.Session, "error", err)
		}
		return
	}
	signed, err := s.o.Access.Authenticate(r.Context(), out.Token.Reveal(), s.guard.from(r))
	if err != nil {
		return // it ended meanwhile: the next request is told
	}
	who.signed, who.Principal, who.cookie = &signed, signed.Principal, out.Token.Reveal()
	w.Header().Add("Set-Cookie", s.cookie(r, out))
	w.Header().Set(csrfHeader, signed.CSRF())
}

// principal is who makes the request of ctx; nobody when that is not known.
func principal(ctx context.Context) access.Principal {
	return identityOf(ctx).Principal
}

func identityOf(ctx context.Context) *identity {
	if who, ok := ctx.Value(principalKey{}).(*identity); ok {
		return who
	}
	return &identity{}
}

// allowed lets nobody through who may not do what an operation does, in the
// space that it is about, before anything else of the request is looked at.
func (s *server) allowed(op operation) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		ctx, release, err := s.admit(hc, op)
		if err != nil {
			ctx := hc.Context()
			_, w := humago.Unwrap(hc)
			writeProblem(w, requestOf(ctx).WithContext(ctx), err)
			return
		}
		defer release()
		if op.timeout < 0 {
			var end func()
			ctx, end = s.whileAllowed(ctx, op)
			defer end()
		}
		next(huma.WithContext(hc, ctx))
	}
}

// lookAgain is how often it is looked whether who reads a stream still may.
const lookAgain = 2 * time.Second

// whileAllowed ends what may last long when who asked for it may not any more: their
// session or key has ended, their role was taken, or the workspace was suspended or
// deleted. What follows is told why by endedBy. It does not count as use.
func (s *server) whileAllowed(ctx context.Context, op operation) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r, sp := requestOf(ctx).Clone(ctx), s.space(ctx)
	r.Header.Set(backgroundHeader, "true")
	go func() {
		ticker := time.NewTicker(lookAgain)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			who, err := s.guard.check(r)
			if err == nil && op.needs != "" && !op.about() {
				if err = who.Allow(op.needs, sp.Workspace, sp.ID); err == nil {
					err = s.usable(ctx, op)
				}
			}
			switch millrace.KindOf(err) {
			case millrace.Unauthorized, millrace.Forbidden, millrace.NotFound:
				if err != nil {
					cancel(err)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// endedBy is why the server ended what a request began; nil when it did not, as
// when who asked has left.
func endedBy(ctx context.Context) error {
	var why *millrace.Error
	if errors.As(context.Cause(ctx), &why) {
		return why
	}
	return nil
}

// aPerson refuses who is not signed in as a person: they have no profile.
func aPerson(who access.Principal) error {
	if who.Kind == access.PersonKind && who.Session != "" {
		return nil
	}
	return millrace.Errorf(millrace.Forbidden, "this is about who is signed in, and %s is no person: sign in with an e-mail address and a password", who)
}

func (g *guard) from(r *http.Request) access.From {
	return access.From{Address: g.clientIP(r), Agent: r.UserAgent(), Background: r.Header.Get(backgroundHeader) != ""}
}

// identify says who makes a request. On paths that are open to all that may be nobody.
func (g *guard) identify(r *http.Request) (identity, error) {
	if err := noTokenInAddress(r); err != nil {
		return identity{}, err
	}
	openTo := openPaths[r.URL.Path]
	if openTo != 0 && !safe(r) {
		if err := g.notForeign(r); err != nil {
			return identity{}, err
		}
	}
	if openTo == asNobody || r.URL.Path == sessionPath && r.Method == http.MethodPost {
		return identity{}, nil
	}
	who, err := g.check(r)
	if openTo == 0 || err == nil {
		return who, err
	}
	if !safe(r) && millrace.KindOf(err) != millrace.Unauthorized && g.cookieOf(r) != "" {
		return identity{}, err // who it is is known, and the request not theirs
	}
	return identity{reason: err}, nil
}

// check says who makes a request: by a key, by a session, or from this machine.
func (g *guard) check(r *http.Request) (identity, error) {
	admin := g.access != nil && g.access.TakesAdminToken()
	_, sent := r.Header["Authorization"]
	if text, bearer := bearerToken(r); sent && (admin || g.mode == Production || bearer && token.Looks(text)) && g.access != nil {
		if text == "" && bearer {
			return identity{}, errNeedsKey
		}
		p, err := g.access.AuthenticateKey(r.Context(), text, g.from(r))
		return identity{Principal: p}, err
	}
	missing := errNeedsKey
	if cookie := g.cookieOf(r); cookie != "" && !sent && g.access != nil {
		signed, err := g.access.Authenticate(r.Context(), cookie, g.from(r))
		if err == nil {
			return identity{Principal: signed.Principal, signed: &signed, cookie: cookie}, g.ownPage(r, signed)
		}
		if millrace.KindOf(err) != millrace.Unauthorized {
			return identity{}, err
		}
		missing = err
	}
	if g.mode == Production || admin && !local(r) {
		return identity{}, missing
	}
	return identity{Principal: access.Local()}, g.checkLocal(r)
}

var errNeedsKey = millrace.Errorf(millrace.Unauthorized, "this needs an API key: send the header Authorization: Bearer KEY, or give the commands --token or MILLRACE_TOKEN; in a browser, sign in")

// bearerToken is what a request has in Authorization, and whether as a bearer's.
func bearerToken(r *http.Request) (text string, bearer bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(text), true
}

// noTokenInAddress refuses a token in the address of a request: addresses end up
// in logs, histories, and in what other sites are told.
func noTokenInAddress(r *http.Request) error {
	if strings.Contains(r.URL.Path, "mr_") && isToken.MatchString(r.URL.Path) {
		return errTokenInAddress
	}
	if space, _ := r.Context().Value(spaceNameKey{}).(string); isToken.MatchString(space) || isToken.MatchString(r.URL.RawQuery) { // also where it cannot be read as a query
		return errTokenInAddress
	}
	if !strings.Contains(r.URL.RawQuery, "%") {
		return nil
	}
	for name, values := range r.URL.Query() {
		if isToken.MatchString(name) || slices.ContainsFunc(values, func(v string) bool { return isToken.MatchString(v) }) {
			return errTokenInAddress
		}
	}
	return nil
}

// withoutTokens is a path as the log may say it.
func withoutTokens(path string) string {
	if !strings.Contains(path, "mr_") {
		return path
	}
	return isToken.ReplaceAllString(path, "[secret]")
}

var errTokenInAddress = millrace.Errorf(millrace.Invalid, "a token does not belong into an address, which logs and histories keep: send it as Authorization: Bearer TOKEN, and take this one for known to others: rotate it")

// isToken finds API keys and the tokens of sessions and links.
var isToken = regexp.MustCompile(token.Pattern)

// checkLocal lets in what people and programs on this machine ask for, and
// nothing that a web page elsewhere makes their browser ask for.
func (g *guard) checkLocal(r *http.Request) error {
	if !local(r) {
		return millrace.Errorf(millrace.Forbidden, "millrace dev answers this machine only: to ask from elsewhere or through a proxy, send an API key that was made on it, or run millrace serve")
	}
	if !g.ownHost(r.Host) {
		return millrace.Errorf(millrace.Forbidden, "%.80q is not a name of this machine, and millrace dev answers to no other: use localhost or 127.0.0.1, or run millrace serve, which takes any name from who sends a key", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return millrace.Errorf(millrace.Forbidden, "a page of another site may not ask this server")
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		if err != nil || u.Scheme != scheme || !strings.EqualFold(u.Host, r.Host) {
			return millrace.Errorf(millrace.Forbidden, "a page of %.80q may not ask this server", origin)
		}
	}
	return nil
}

func (g *guard) ownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if g.hosts[host] {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// forwarded headers show that a proxy stands between, whose peer is elsewhere.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via", "Cf-Connecting-Ip"}

// local says whether a request was made on this machine, as far as it shows.
func local(r *http.Request) bool {
	for _, name := range forwarded {
		if _, ok := r.Header[name]; ok {
			return false
		}
	}
	return peer(r).IsLoopback()
}

func peer(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
