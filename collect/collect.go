// Package collect takes events in over HTTP and appends them to the log: the
// tracking API that Segment's SDKs speak, streams of any JSON, and webhooks.
// It answers when the log has them on disk, and keeps what it refuses as
// rejected records.
package collect

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect/browser"
	"github.com/millrace/millrace/eventlog"
)

// Options say how a Handler works.
type Options struct {
	Log eventlog.Appender // required
	// Limits for sources that set none; zero fields have the defaults named there.
	Limits Limits
	// AllowDevKeys lets write keys work that begin with dev_; default no.
	AllowDevKeys bool
	// TrustedProxies are the networks whose X-Forwarded-For is believed; default none.
	TrustedProxies []netip.Prefix
	// PublicURL is where browsers reach this server, such as
	// "https://collect.example.com"; default what each request says.
	PublicURL string
	// BodyTimeout is how long a client may take to send its body; default 30 s.
	BodyTimeout time.Duration
	// MaxInFlight bounds the bodies held in memory at once, in bytes; more are
	// answered 503. Default 256 MiB.
	MaxInFlight int64
	// Outage is how long the log must have been away before senders are told
	// to come back in minutes (429) rather than at once (503); default 30 s.
	Outage  time.Duration
	Metrics prometheus.Registerer // default none
	Logger  *slog.Logger          // default discards
	Now     func() time.Time      // default time.Now
	// Gate says whether a space takes anything at present; default: all do.
	Gate Gate
	// FindSpace returns the space that an address in a path names, such as
	// acme@staging in /v1/w/acme@staging/webhook/billing; default: the address
	// is the space.
	FindSpace func(address string) (space string, ok bool)
	// Unread says whether the sources of a space are not known at this moment, or,
	// asked with "", those of any: whose key a sender has is not known then, and it
	// is told to come back (503). Default: all are. It is asked for what is not
	// found, by many at once, so it answers in nanoseconds.
	Unread func(space string) bool
	// MaxLabelledSpaces is how many spaces have metrics for each of their
	// sources: the first that receive something. Of others, all sources of a
	// space are counted together, as source "*". Default 100.
	MaxLabelledSpaces int
	// Library holds the browser library; default what was built into
	// collect/browser. See the package browser.
	Library fs.FS
}

// A Handler is the HTTP intake. It is safe for concurrent use.
type Handler struct {
	log         eventlog.Appender
	limits      Limits
	devKeys     bool
	proxies     []netip.Prefix
	publicURL   string
	bodyTimeout time.Duration
	maxInFlight int64
	outage      time.Duration
	logger      *slog.Logger
	now         func() time.Time
	metrics     *metrics
	library     *library
	gate        Gate
	findSpace   func(address string) (space string, ok bool)
	unread      func(space string) bool

	spaces   *index[*space]
	keys     *index[*keyed] // write keys of sources of kind http
	hooks    *index[*keyed] // and of webhooks: which space has the key
	setting  sync.Mutex     // of these
	requests sync.Pool
	inFlight atomic.Int64 // bytes
	// failing is since when the log has been away, lastFailure when that was
	// last seen, in ns since 1970; 0 is not.
	failing, lastFailure atomic.Int64
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler without sources: every key is unknown until SetSpace or
// SetSources.
func New(o Options) (*Handler, error) {
	if o.Log == nil {
		return nil, millrace.Errorf(millrace.Invalid, "collect needs a log: set Options.Log")
	}
	if err := o.Limits.Validate(); err != nil {
		return nil, err
	}
	h := &Handler{
		log: o.Log, limits: o.Limits.or(defaultLimits), devKeys: o.AllowDevKeys,
		proxies: o.TrustedProxies, bodyTimeout: o.BodyTimeout, maxInFlight: o.MaxInFlight,
		outage: o.Outage, logger: o.Logger, now: o.Now, gate: o.Gate, findSpace: o.FindSpace, unread: o.Unread,
	}
	if o.PublicURL != "" {
		base, ok := publicBase(o.PublicURL)
		if !ok {
			return nil, millrace.Errorf(millrace.Invalid, "%.80q is not a public URL: write scheme and host, such as https://collect.example.com", o.PublicURL)
		}
		h.publicURL = base
	}
	if h.bodyTimeout == 0 {
		h.bodyTimeout = 30 * time.Second
	}
	if h.maxInFlight == 0 {
		h.maxInFlight = 256 << 20
	}
	if h.outage == 0 {
		h.outage = 30 * time.Second
	}
	if h.logger == nil {
		h.logger = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.gate == nil {
		h.gate = open{}
	}
	if h.findSpace == nil {
		h.findSpace = func(address string) (string, bool) { return address, true }
	}
	if h.unread == nil {
		h.unread = func(string) bool { return false }
	}
	if o.Library == nil {
		o.Library = browser.Dist()
	}
	var err error
	if h.metrics, err = newMetrics(o.Metrics, o.MaxLabelledSpaces); err != nil {
		return nil, err
	}
	if h.library, err = openLibrary(o.Library); err != nil {
		return nil, err
	}
	h.spaces, h.keys, h.hooks = newIndex[*space](), newIndex[*keyed](), newIndex[*keyed]()
	h.requests.New = func() any { return new(request) }
	return h, nil
}

// Patterns are the paths that a Handler answers, for http.ServeMux.
func Patterns() []string { return []string{"/v1/", "/analytics.js/", "/analytics-next/"} }

// ConfigureServer sets on s what keeps slow and greedy clients from holding
// connections: 10 s for the header of a request and 64 KiB of it, 90 s idle.
// The time for a body is the Handler's own (Options.BodyTimeout), so that
// ReadTimeout and WriteTimeout stay unset and long answers of other handlers
// are not cut.
func ConfigureServer(s *http.Server) {
	s.ReadHeaderTimeout = 10 * time.Second
	s.IdleTimeout = 90 * time.Second
	s.MaxHeaderBytes = 64 << 10
	s.ReadTimeout, s.WriteTimeout = 0, 0
}

// A route is what a path asks for.
type route uint8

const (
	routeUnknown route = iota
	routeTrack
	routeIdentify
	routePage
	routeScreen
	routeGroup
	routeAlias
	routeBatch
	routeStream
	routeWebhook
	routePixel
	routeMetrics
	routeSettings
	routeLibrary
	routeCount
)

var routeNames = [routeCount]string{
	"unknown", "track", "identify", "page", "screen", "group", "alias", "batch",
	"stream", "webhook", "pixel", "m", "settings", "library",
}

// find returns the route of a path, and what follows its name.
func find(path string) (route, string) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		if strings.HasPrefix(path, "/analytics.js/") || strings.HasPrefix(path, "/analytics-next/") {
			return routeLibrary, path
		}
		return routeUnknown, ""
	}
	if len(rest) > 1 && rest[len(rest)-1] == '/' {
		rest = rest[:len(rest)-1]
	}
	switch rest {
	case "track", "t":
		return routeTrack, ""
	case "identify", "i":
		return routeIdentify, ""
	case "page", "p":
		return routePage, ""
	case "screen", "s":
		return routeScreen, ""
	case "group", "g":
		return routeGroup, ""
	case "alias", "a":
		return routeAlias, ""
	case "batch", "import", "b":
		return routeBatch, ""
	case "m":
		return routeMetrics, ""
	}
	name, tail, _ := strings.Cut(rest, "/")
	switch name {
	case "stream":
		return routeStream, tail
	case "webhook":
		return routeWebhook, tail
	case "w":
		if strings.Contains(tail, inWebhook) {
			return routeWebhook, tail
		}
	case "pixel":
		return routePixel, tail
	case "projects":
		return routeSettings, tail
	}
	return routeUnknown, ""
}

// ServeHTTP answers every path of Patterns.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, tail := find(r.URL.Path)
	a := answer{h: h, w: w, header: w.Header(), route: to}
	if origin, ok := r.Header["Origin"]; ok {
		a.header["Access-Control-Allow-Origin"] = origin[:1]
		a.header["Access-Control-Allow-Credentials"] = headerTrue
		a.header["Access-Control-Expose-Headers"] = headerExpose
		a.header["Vary"] = headerVary
	}
	if r.Method == http.MethodOptions {
		a.preflight(r)
		return
	}
	switch {
	case to == routeUnknown:
		a.refuse(http.StatusNotFound, "there is nothing at this path: events go to /v1/track, /v1/batch and their siblings, see docs/collect.md")
	case to == routeLibrary:
		h.serveLibrary(&a, r, tail)
	case to == routeSettings:
		h.serveSettings(&a, r, tail)
	case to == routePixel:
		h.pixel(&a, r, tail)
	case r.Method != http.MethodPost:
		a.header["Allow"] = headerAllow
		a.refuse(http.StatusMethodNotAllowed, "send this with POST")
	case to == routeMetrics:
		a.write(http.StatusOK, successBody)
	default:
		q := h.requests.Get().(*request)
		q.begin(h, to, tail)
		defer q.end()
		q.serve(&a, r)
	}
}
