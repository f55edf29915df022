// Package app wires the parts together into one server. It is the only
// importer of backends. Tests embed it; the command line runs it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/logring"
	"github.com/millrace/millrace/warehouse"
)

// Options say what is served, and how.
type Options struct {
	Dir         string // the project folder; default the working folder
	Data        string // the data folder; default .millrace in Dir
	Listen      string // address; default 127.0.0.1:8080
	Environment string // whose settings apply; "" is none
	Mode        serve.Mode
	AdminToken  string // required by serve.Production
	// TLSCert and TLSKey are files; both or none. They are read again when they change.
	TLSCert, TLSKey string
	// Drain bounds how long requests under way, and then what is to be stored
	// of them in archive and warehouse, may take when the server stops; default 15 s.
	Drain   time.Duration
	Version string
	// Profile is an address of this machine, such as 127.0.0.1:6060, where
	// /debug/pprof is served; default nowhere.
	Profile string
	Stdout  io.Writer        // for the few lines at the start and about reloads; default none
	Logger  *slog.Logger     // default none
	Now     func() time.Time // default time.Now

	logCheckBytes int64 // for tests; nats.Options.CheckBytes
}

func (o *Options) complete() error {
	if o.Mode != serve.Dev && o.Mode != serve.Production {
		return millrace.Errorf(millrace.Invalid, "app: the mode is %q, want %q or %q", o.Mode, serve.Dev, serve.Production)
	}
	if err := serve.CheckAdminToken(o.Mode, o.AdminToken); err != nil {
		return err
	}
	if o.Dir == "" {
		o.Dir = "."
	}
	if o.Data == "" {
		o.Data = filepath.Join(o.Dir, ".millrace")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8080"
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		return millrace.Errorf(millrace.Invalid, "TLS needs both files: --tls-cert and --tls-key")
	}
	if o.Drain < 0 {
		return millrace.Errorf(millrace.Invalid, "the time to drain is %s: it has to be above 0", o.Drain)
	}
	if o.Drain == 0 {
		o.Drain = 15 * time.Second
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// An App is a server that is open but does nothing until Run.
type App struct {
	o           Options
	started     time.Time
	metrics     *prometheus.Registry
	data        *dataDir
	listener    net.Listener
	profile     net.Listener // nil: no profiles
	certificate *certificate // nil: no TLS

	log       *nats.Log
	follower  *dedup.Follower
	bucket    blob.Bucket
	archive   *archive.Archive
	warehouse warehouse.Warehouse
	collect   *collect.Handler
	disk      *forecast
	logs      *logring.Ring
	access    *access.Access
	audit     *audit.Log
	history   *history.Store // nil: none
	results   *result.Store  // nil: none
	proxies   []netip.Prefix // trusted
	handler   http.Handler

	// home is the space of the folder that is served. Its settings are those of
	// the installation, which all spaces share.
	home   *space
	spaces *spaces

	stopping chan struct{} // closed when the server begins to stop
	closers  []io.Closer   // opened first is closed last
}

// Open reads the project, opens everything and listens. Problems with the
// project are project.Problems.
func Open(ctx context.Context, o Options) (_ *App, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p, err := Load(o.Dir, o.Environment)
	if err != nil {
		return nil, err
	}
	a := &App{o: o, started: o.Now(), metrics: prometheus.NewRegistry(), stopping: make(chan struct{}), logs: logring.New(0)}
	a.o.Logger = slog.New(a.logs.Handler(o.Logger.Handler()))
	defer func() {
		if err != nil {
			_ = a.Close() // the error that matters is the first
		}
	}()
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.home = a.newSpace(millrace.DefaultWorkspace, p)
	a.spaces = &spaces{open: map[string]*space{a.home.id: a.home}}
	if a.certificate, err = openCertificate(o); err != nil {
		return nil, err
	}
	// The address first: a second server on the same port is the commonest mistake.
	if a.listener, err = listen(o); err != nil {
		return nil, err
	}
	if a.data, err = openData(ctx, o.Data); err != nil {
		return nil, err
	}
	a.closers = append(a.closers, a.data)
	for _, open := range []func(context.Context) error{a.openProfile, a.openControl, a.openBucket, a.openLog, a.openArchive, a.openWarehouse, a.renewLog, a.openIntake, a.openKept, a.openAPI} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	for _, notice := range a.deaf(p) {
		a.o.Logger.Warn(notice)
	}
	return a, nil
}

// deaf says which sources take nothing, since all their keys are of development.
func (a *App) deaf(p *project.Project) (notices []string) {
	if a.o.Mode == serve.Dev {
		return nil
	}
	for _, s := range sources(millrace.DefaultWorkspace, p) {
		if s.HTTP != nil && !slices.ContainsFunc(s.HTTP.WriteKeys, func(key string) bool { return !strings.HasPrefix(key, "dev_") }) {
			notices = append(notices, fmt.Sprintf("source %s takes nothing: its write keys begin with dev_, and those work in millrace dev only: add another to sources/%s.yaml and start again", s.Name, s.Name))
		}
	}
	return notices
}

// Load reads a project folder as the server would, without running anything.
func Load(dir, environment string) (*project.Project, error) {
	return loadProject(dir, environment)
}

// URL is where the server answers.
func (a *App) URL() string {
	scheme := "http"
	if a.o.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + a.listener.Addr().String()
}

// Project is the version of the project that runs.
func (a *App) Project() *project.Project { return a.home.project.Load().Project }

// config is the installation's.
func (a *App) config() project.Config { return a.home.project.Load().Config }

// Data is the data folder.
func (a *App) Data() string { return a.data.path }

// Run serves until ctx ends, then lets requests under way finish, and the
// archive and the warehouse store what the log holds.
func (a *App) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	readers, inner := errgroup.WithContext(work)
	a.spaces.start(func(sp *space) { sp.start(inner) })
	readers.Go(func() error { return a.retention().Run(inner) })
	readers.Go(func() error { return a.disk.Run(inner) })
	a.runKept(inner, readers.Go)
	a.runControl(inner, readers.Go)
	a.markStart(ctx)
	readers.Go(func() error { return a.giveProfiles(inner) })
	if a.o.Mode == serve.Dev {
		readers.Go(func() error { return a.watch(inner) })
	}
	until, err := a.serve(ctx)
	a.mark(history.MarkStop, "")
	a.settle(work, until)
	stop()
	a.spaces.stop()
	for _, sp := range a.spaces.all() {
		sp.running.Wait()
	}
	return errors.Join(err, readers.Wait())
}

// serve answers requests until ctx ends and those under way are done, or have
// had their time. It returns until when the drain lasts.
func (a *App) serve(ctx context.Context) (until time.Time, err error) {
	server := serve.NewHTTPServer(a.handler, a.o.Logger)
	collect.ConfigureServer(server)
	server.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	a.o.Logger.Info("serving", "address", a.o.Listen, "version", a.o.Version)
	failed := make(chan error, 1)
	go func() {
		if a.certificate != nil {
			server.TLSConfig = a.certificate.config()
			failed <- server.ServeTLS(a.listener, "", "")
			return
		}
		failed <- server.Serve(a.listener)
	}()
	select {
	case err := <-failed:
		return time.Now().Add(a.o.Drain), fmt.Errorf("the server on %s stopped: %w", a.o.Listen, err)
	case <-ctx.Done():
	}
	close(a.stopping)
	a.o.Logger.Info("stopping", "drain", a.o.Drain)
	until = time.Now().Add(a.o.Drain)
	drain, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		a.o.Logger.Warn("some requests did not end in time and were cut", "drain", a.o.Drain)
		_ = server.Close()
	}
	return until, nil
}

// Close releases everything; call it after Run.
func (a *App) Close() error {
	var errs []error
	if a.listener != nil {
		_ = a.listener.Close() // closed already after Run
	}
	if a.spaces != nil {
		for _, sp := range a.spaces.all() {
			errs = append(errs, sp.close())
		}
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i].Close())
	}
	a.closers = nil
	return errors.Join(errs...)
}

func (a *App) logger(part string) *slog.Logger { return a.o.Logger.With("part", part) }

func (a *App) retention() *retention {
	return &retention{
		log: a.log, now: a.o.Now, logger: a.logger("retention"),
		settings: func() eventlog.Retention {
			s := a.config().Log
			return eventlog.Retention{Age: time.Duration(s.Retention), SizeBytes: int64(s.Size)}
		},
		holders: []holder{func(context.Context) (millrace.Position, error) { return a.follower.Checkpoint(), nil }, a.archive.Through},
		trimmed: a.follower.Trim,
	}
}

func listen(o Options) (net.Listener, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		advice := "choose another address with --listen"
		if errors.Is(err, syscall.EADDRINUSE) {
			advice = "stop what uses the address, or choose another with --listen"
		}
		return nil, fmt.Errorf("cannot listen on %s: %w: %s", o.Listen, err, advice)
	}
	return ln, nil
}
