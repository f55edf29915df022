package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// A guard decides who may ask.
type guard struct {
	mode     Mode
	token    [sha256.Size]byte
	hasToken bool
	hosts    map[string]bool
	clientIP func(*http.Request) netip.Addr
	failures *throttle
	sessions *sessions
	access   *access.Access
}

func newGuard(o Options) *guard {
	g := &guard{mode: o.Mode, token: sha256.Sum256([]byte(o.AdminToken)), hasToken: o.AdminToken != "",
		hosts: map[string]bool{"localhost": true}, clientIP: o.ClientIP, failures: newThrottle(o.Now),
		sessions: newSessions(o.AdminToken, o.Now), access: o.Access}
	for _, h := range o.AllowedHosts {
		g.hosts[strings.ToLower(h)] = true
	}
	return g
}

// open are the paths that anyone may ask for.
func open(path string) bool { return path == "/healthz" || path == "/readyz" || path == sessionPath }

func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open(r.URL.Path) {
			who, err := s.guard.check(r)
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
			r = r.WithContext(context.WithValue(r.Context(), principalKey{}, who))
		}
		next.ServeHTTP(w, r)
	})
}

// principal is who makes the request of ctx; nobody on paths that are open.
func principal(ctx context.Context) access.Principal {
	who, _ := ctx.Value(principalKey{}).(access.Principal)
	return who
}

// allowed lets nobody through who may not do what an operation does, in the
// space that it is about, before anything else of the request is looked at.
func (s *server) allowed(op operation) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		ctx := hc.Context()
		sp := s.space(ctx)
		if err := principal(ctx).Allow(op.needs, sp.Workspace, sp.ID); err != nil {
			_, w := humago.Unwrap(hc)
			writeProblem(w, requestOf(ctx).WithContext(ctx), err)
			return
		}
		next(hc)
	}
}

// adminToken is who sends the token that the server was started with.
var adminToken = access.System("admin token")

// check says who makes a request.
func (g *guard) check(r *http.Request) (access.Principal, error) {
	if key, ok := bearerKey(r); ok && g.access != nil {
		return g.access.AuthenticateKey(r.Context(), key, access.From{Address: g.clientIP(r), Agent: r.UserAgent()})
	}
	_, sent := r.Header["Authorization"]
	if !sent && g.hasToken {
		if _, _, ok := g.sessions.of(r); ok {
			return adminToken, sameOrigin(r)
		}
	}
	if g.hasToken && (g.mode == Production || sent || !local(r)) {
		return adminToken, g.checkToken(r)
	}
	if g.mode == Production {
		return access.Principal{}, millrace.Errorf(millrace.Unauthorized, "this server has no admin token, so it answers nobody")
	}
	return access.Local(), g.checkLocal(r)
}

// bearerKey is the API key that a request comes with.
func bearerKey(r *http.Request) (string, bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	text = strings.TrimSpace(text)
	return text, strings.EqualFold(scheme, "Bearer") && token.Looks(text)
}

// checkToken lets in who sends the admin token.
func (g *guard) checkToken(r *http.Request) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if token == "" {
		return millrace.Errorf(millrace.Unauthorized, "this needs an API key or the admin token: send the header Authorization: Bearer TOKEN, or give the commands --token or MILLRACE_TOKEN; in a browser, log in")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	return g.verify(r, token)
}

// verify compares a token in constant time, and stops those who guess.
func (g *guard) verify(r *http.Request, token string) error {
	who := g.clientIP(r)
	if wait := g.failures.wait(who); wait > 0 {
		return &millrace.Error{Kind: millrace.Limited, RetryAfter: wait,
			Message: "too many wrong tokens from your address: wait, then send the right one"}
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(sum[:], g.token[:]) != 1 {
		g.failures.fail(who)
		return millrace.Errorf(millrace.Unauthorized, "the token is not this server's admin token: it is what MILLRACE_ADMIN_TOKEN, or the file of --admin-token-file, held when the server started")
	}
	return nil
}

// checkLocal lets in what people and programs on this machine ask for, and
// nothing that a web page elsewhere makes their browser ask for.
func (g *guard) checkLocal(r *http.Request) error {
	if !local(r) {
		return millrace.Errorf(millrace.Forbidden, "millrace dev answers this machine only: to ask from elsewhere or through a proxy, start it with MILLRACE_ADMIN_TOKEN set and send that token")
	}
	if !g.ownHost(r.Host) {
		return millrace.Errorf(millrace.Forbidden, "%.80q is not a name of this machine, and millrace dev answers to no other: use localhost or 127.0.0.1, or run millrace serve, which takes any name from who sends its admin token", r.Host)
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

// Limits of guessing: so many at once, then one each interval.
const (
	failureBurst    = 10
	failureInterval = 10 * time.Second
	maxThrottled    = 10_000
)

// A throttle counts failures by address: a /64 counts as one in IPv6.
type throttle struct {
	now func() time.Time
	mu  sync.Mutex
	// until is when the failures so far are forgotten, which is at most
	// failureBurst intervals ahead.
	until map[netip.Prefix]time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, until: map[netip.Prefix]time.Time{}}
}

func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero prefix for an address that is not known
	return p
}

// wait returns how long who has to wait, or 0.
func (t *throttle) wait(who netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, now := t.until[network(who)], t.now()
	if until.Before(now) {
		return 0
	}
	return max(0, until.Sub(now)-(failureBurst-1)*failureInterval)
}

func (t *throttle) fail(who netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, key := t.now(), network(who)
	if len(t.until) >= maxThrottled {
		for k, u := range t.until {
			if u.Before(now) {
				delete(t.until, k)
			}
		}
		if len(t.until) >= maxThrottled {
			clear(t.until) // so many addresses guess that counting each is of no use
		}
	}
	from := t.until[key]
	if from.Before(now) {
		from = now
	}
	t.until[key] = from.Add(failureInterval)
}
