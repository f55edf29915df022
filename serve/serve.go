// Package serve is the HTTP side of the server: the API under /api/, health
// and metrics, who may ask, and the hand-over to intake. What it needs of the
// rest of the system are small interfaces that app fills.
package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/serve/logring"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// A Mode says who may ask.
type Mode string

// The modes. In Dev, requests from this machine need no login, but their Host
// has to be a name of it and no page of another site may make them; requests
// from elsewhere need to say who they are, as all do in Production.
// Intake and health are open in both.
const (
	Dev        Mode = "dev"
	Production Mode = "serve"
)

// MinAdminTokenLength is how long an admin token is at least.
const MinAdminTokenLength = 16

// Options of New.
type Options struct {
	Mode Mode // required
	// AllowedHosts are names beside localhost under which Dev may be reached
	// from this machine, without ports.
	AllowedHosts []string
	// ClientIP returns the address of who asks, for throttling those who guess
	// tokens; default the peer's. Behind a trusted proxy it is the proxy's
	// client, so that one guesser does not shut out everyone.
	ClientIP func(*http.Request) netip.Addr

	Version string // of Millrace

	*Space // required: what is asked for without a name
	// Spaces finds another space by the name that it has in paths, for whoever
	// may know of it; NotFound when there is none. Nil: there is only one.
	Spaces func(ctx context.Context, name string) (*Space, error)
	// Environment finds a space by its workspace's id and the name of the
	// environment; NotFound when there is none. Nil: there is only one.
	Environment func(ctx context.Context, workspace, environment string) (*Space, error)
	// Parts says of each part whether it does its work; required. The server is
	// ready when all that are Required are.
	Parts func(ctx context.Context) []Part

	// Page is the web page: it answers what is no path of the API, without a
	// token. Nil: a few lines of text at /.
	Page http.Handler
	// Secure says whether a request came by https, to this server or to a proxy
	// that is trusted; default by its connection.
	Secure func(*http.Request) bool
	// PublicURL is where senders reach this server; "" as each request did.
	PublicURL string

	Access *access.Access // who may ask, besides this machine; required in Production
	Mail   Mailer         // nil: the server sends no mail
	// Workspaces keeps them; nil: there is one only, which is not shown.
	Workspaces *workspace.Store
	Audit      *audit.Log // where it is written who did what; nil: nowhere

	Vault   *secret.Vault   // of secrets; nil: there is none
	KeyRing *secret.KeyRing // what the vault is encrypted with; nil: there is none
	// Redact hides the values of secrets in a text that is told to a workspace:
	// its own, and those of who runs the server, which are all that is hidden from
	// "". nil: nothing is hidden. It is asked for problems and for what tells how
	// the server is, not for data.
	Redact func(workspace, text string) string
	// SecretChanged is told when the secrets of a workspace change, so that what
	// runs uses them; nil: nobody is.
	SecretChanged func(workspace string)

	Collect http.Handler // required: intake
	// Sign signs a test delivery as the vendor of a webhook would; nil: webhooks
	// that are signed cannot be tried here. It never gives the secret away.
	Sign func(workspace, source string, header http.Header, body []byte) error
	// Probe marks the context of a test event, whose key is not said to have been
	// used by it; nil: it is not marked.
	Probe func(context.Context) context.Context
	Log   Log             // required: for the tail
	Past  eventlog.Opener // the archive, for records that the log has forgotten; nil: those are not found
	// Locate says where the archive has a record of a workspace and source;
	// false when it is not there yet. Nil: that is not told.
	Locate func(ctx context.Context, workspace, source string, p millrace.Position) (ArchivePlace, bool, error)
	// TableSizes says how large tables are on disk, in bytes; nil: that is not told.
	TableSizes func(ctx context.Context, workspace string) (map[warehouse.TableName]int64, error)
	Logs       *logring.Ring     // the server's own log; nil: it cannot be read
	Verdicts   eventlog.Verdicts // nil: the tail tells no duplicates
	// VerifyArchive and VerifyLog check what is stored; required. The result
	// is what the job shows.
	VerifyArchive, VerifyLog job.Work
	Backups                  Backups  // nil: there are none
	Transfer                 Transfer // nil: nothing is exported or imported

	MaxTails        int           // tails at the same time; default 64. One workspace has half of them at most
	BodyReadTimeout time.Duration // for a request's body to come in; default 15 s
	// Stopping, when closed, ends the tails, so that a drain need not wait for
	// them. Nil: they end with their clients.
	Stopping <-chan struct{}

	Metrics *prometheus.Registry // /metrics shows it; nil: a new one
	Logger  *slog.Logger         // default: none
	Now     func() time.Time     // default time.Now
}

// CheckAdminToken refuses, as Invalid, an admin token that is too short. None is fine.
func CheckAdminToken(token string) error {
	if token != "" && len(token) < MinAdminTokenLength {
		return millrace.Errorf(millrace.Invalid, "the admin token is too short: it has at least %d characters; make one with: openssl rand -hex 32", MinAdminTokenLength)
	}
	return nil
}

func (o *Options) complete() error {
	var missing []string
	need := func(name string, there bool) {
		if !there {
			missing = append(missing, name)
		}
	}
	need("Mode", o.Mode == Dev || o.Mode == Production)
	need("Collect", o.Collect != nil)
	need("Parts", o.Parts != nil)
	need("Log", o.Log != nil)
	need("VerifyArchive", o.VerifyArchive != nil)
	need("VerifyLog", o.VerifyLog != nil)
	need("Access", o.Mode == Dev || o.Access != nil)
	if o.Space == nil {
		o.Space = &Space{}
	}
	missing = append(missing, o.Space.complete()...)
	if len(missing) > 0 {
		return fmt.Errorf("serve: options are missing: %s", strings.Join(missing, ", "))
	}
	if o.ClientIP == nil {
		o.ClientIP = peer
	}
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if o.BodyReadTimeout <= 0 {
		o.BodyReadTimeout = 15 * time.Second
	}
	if o.MaxTails <= 0 {
		o.MaxTails = 64
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

type server struct {
	o       Options
	mux     *http.ServeMux
	api     huma.API
	guard   *guard
	metrics *metrics
	tails   *places
	uploads chan struct{} // a place for each archive that is read

	transfers *places // exports and imports
	importers importers

	functions functions

	operations []operation
}

// New returns the handler of the whole server. Intake's paths go straight to
// Collect, without any of the rest.
func New(o Options) (http.Handler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &server{o: o, mux: http.NewServeMux(), guard: newGuard(o), tails: newPlaces(o.MaxTails), uploads: make(chan struct{}, uploadsAtOnce), transfers: newPlaces(transfersAtOnce)}
	var err error
	if s.metrics, err = newMetrics(o.Metrics); err != nil {
		return nil, err
	}
	s.routes()
	description, err := s.openAPI()
	if err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(description) // the client is gone
	})
	s.mux.Handle("GET "+metricsPath, promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{Registry: o.Metrics, MaxRequestsInFlight: 4}))
	s.mux.HandleFunc("GET /{$}", s.landing)
	s.mux.HandleFunc("/", s.unknown)
	api := s.observed(s.guarded(s.spaced(s.mux)))
	var page http.Handler
	if o.Page != nil {
		page = s.page(o.Page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isCollect(r.URL.Path):
			o.Collect.ServeHTTP(w, r)
		case page != nil && isPage(r.URL.Path):
			page.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, named(r))
		}
	}), nil
}

// routes adds the operations of the API.
func (s *server) routes() {
	s.api = s.newAPI(s.mux, s.o.Version)
	s.registerSession()
	s.registerSignIn()
	s.registerAccount()
	s.registerMembers()
	s.registerOperators()
	s.registerPeople()
	s.registerStatus()
	s.registerAttention()
	s.registerHistory()
	s.registerLogs()
	s.registerBundle()
	s.registerSources()
	s.registerEvents()
	s.registerSnippets()
	s.registerQuery()
	s.registerCompletion()
	s.registerResults()
	s.registerTables()
	s.registerTail()
	s.registerRecords()
	s.registerRejected()
	s.registerDuplicates()
	s.registerReaders()
	s.registerJobs()
	s.registerKeys()
	s.registerAudit()
	s.registerSecrets()
	s.registerWorkspaces()
	s.registerBackups()
	s.registerTransfer()
	s.registerFiles()
	s.registerReleases()
	s.describeIntake()
	s.describeOthers()
	s.addExamples()
}

func isCollect(path string) bool {
	return strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/analytics.js/") || strings.HasPrefix(path, "/analytics-next/")
}

func (s *server) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, `Millrace is running.

  POST /v1/batch            send events (Segment's protocol; the user name is a write key)
  POST /api/v1/query        ask in SQL: {"sql": "SELECT count(*) FROM web.tracks"}
  GET  /api/v1/tail         records as they arrive
  GET  /api/v1/status       how the server is
  GET  /api/openapi.json    the whole API
  GET  /readyz, /metrics    for machines

On the command line: millrace status, millrace query, millrace tail.
`)
}

// unknown answers what no route takes.
func (s *server) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, r, millrace.Errorf(millrace.NotFound, "there is nothing at %.100q: GET /api/openapi.json lists what there is", r.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, r, &Problem{Status: http.StatusMethodNotAllowed, Title: "Method Not Allowed", Kind: millrace.Invalid.String(),
		Detail: fmt.Sprintf("%s takes %s", r.URL.Path, strings.Join(allowed, ", ")), RequestID: requestID(r.Context())})
}

// NewHTTPServer returns a server for the handler with limits against slow and
// idle clients. Bodies and streams have deadlines of their own.
func NewHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
