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
	"sync/atomic"
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
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
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
	AdminToken  string // may do everything; "" is none
	// TLSCert and TLSKey are files; both or none. They are read again when they change.
	TLSCert, TLSKey string
	// Drain bounds how long requests under way, and then what is to be stored
	// of them in archive and warehouse, may take when the server stops; default 15 s.
	Drain   time.Duration
	Version string
	// Profile is an address of this machine, such as 127.0.0.1:6060, where
	// /debug/pprof is served; default nowhere.
	Profile string
	// Private are files that are no part of the project, wherever they lie, such
	// as one that holds the admin token.
	Private []string
	Stdout  io.Writer        // for the few lines at the start and about reloads; default none
	Logger  *slog.Logger     // default none
	Now     func() time.Time // default time.Now

	idle          time.Duration // for tests; after which a space is closed
	mostOpen      int           // for tests; spaces that are open at once
	purgeEvery    time.Duration // for tests
	leasePatience time.Duration // for tests
	grace         time.Duration // for tests; workspace.Options.Grace
	logCheckBytes int64         // for tests; nats.Options.CheckBytes
}

func (o *Options) complete() error {
	if o.Mode != serve.Dev && o.Mode != serve.Production {
		return millrace.Errorf(millrace.Invalid, "app: the mode is %q, want %q or %q", o.Mode, serve.Dev, serve.Production)
	}
	if err := serve.CheckAdminToken(o.AdminToken); err != nil {
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
	if o.idle == 0 {
		o.idle = 5 * time.Minute
	}
	if o.purgeEvery == 0 {
		o.purgeEvery = purgeEvery
	}
	if o.leasePatience == 0 {
		o.leasePatience = leasePatience
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
	profile     net.Listener  // nil: no profiles
	opening     chan struct{} // a place for each space that opens its tables at this moment
	certificate *certificate  // nil: no TLS

	lease *catalog.Held // of the log; held as long as the server runs

	server  *http.Server                 // nil: nothing is answered yet
	failed  chan error                   // why server ended
	front   atomic.Pointer[http.Handler] // what answers; nil: this server is a standby
	waiting atomic.Value                 // string: why it is one

	log        *nats.Log
	follower   *dedup.Follower
	bucket     blob.Bucket
	archive    *archive.Archive
	warehouse  warehouse.Warehouse
	collect    *collect.Handler
	disk       *forecast
	logs       *logring.Ring
	catalog    catalog.Catalog
	access     *access.Access
	audit      *audit.Log
	secrets    secrets
	workspaces workspaces
	versions   *release.Store
	cache      project.Cache // of the files of all projects
	folder     folderNotice
	setup      string // where the first owner is made; "" when there is one
	mail       *mailer
	own        *slog.Logger   // the log without its copy that the page shows
	history    *history.Store // nil: none
	results    *result.Store  // nil: none
	proxies    []netip.Prefix // trusted
	handler    http.Handler

	// home is the space of the folder that is served. Its settings are those of
	// the installation, which all spaces share.
	home   *space
	begins millrace.Position // where the log ended when it was opened
	spaces *spaces
	wakes  wakes

	hold    backupHold // of the log, while it is copied
	backups *backups

	stopping chan struct{} // closed when the server begins to stop
	endBy    time.Time     // when what still runs is left alone; zero: Run did not stop
	closers  []io.Closer   // opened first is closed last
}

// Open reads the project, opens everything and listens. Problems with the
// project are project.Problems.
func Open(ctx context.Context, o Options) (_ *App, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p, err := readFolder(o)
	if err != nil {
		return nil, err
	}
	a := &App{o: o, started: o.Now(), metrics: prometheus.NewRegistry(), stopping: make(chan struct{}), opening: make(chan struct{}, openingAtOnce), logs: logring.New(0)}
	a.own = o.Logger
	a.o.Logger = slog.New(a.secrets.redactors.All().Handler(a.logs.Handler(o.Logger.Handler())))
	a.o.Stdout = hiding{a.secrets.redactors.All(), o.Stdout}
	defer func() {
		if err != nil {
			err = a.secrets.hide(err)
			_ = a.Close() // the error that matters is the first
		}
	}()
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.home = a.newSpace(millrace.DefaultWorkspace, p)
	a.spaces = &spaces{served: map[string]*space{a.home.id: a.home}, open: map[string]*space{a.home.id: a.home}, failed: map[string]bool{}, crowd: make(chan struct{}, 1)}
	if a.certificate, err = openCertificate(o); err != nil {
		return nil, err
	}
	// The address first: a second server on the same port is the commonest mistake.
	if a.listener, err = listen(o); err != nil {
		return nil, err
	}
	for _, open := range []func(context.Context) error{a.openProfile, a.openData, a.openControl, a.openSecrets, a.openWorkspaces, a.openVersions, a.openProject, a.openBucket, a.openLog, a.openArchive, a.openWarehouse, a.renewLog, a.openIntake, a.openKept, a.openSpaces, a.openPeople, a.openMail, a.openAPI} {
		if err := open(ctx); err != nil {
			if a.waiting.Load() != nil && ctx.Err() != nil {
				err = fmt.Errorf("%w: %w", errStopped, err)
			}
			return nil, err
		}
	}
	for _, notice := range a.deaf(a.Project()) {
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
	a.runWorkspaces(inner, readers.Go)
	a.runSecrets(inner, readers.Go)
	readers.Go(func() error { return a.backups.Run(inner) })
	a.markStart(ctx)
	readers.Go(func() error { return a.giveProfiles(inner) })
	if a.o.Mode == serve.Dev {
		readers.Go(func() error { return a.watch(inner) })
	}
	readers.Go(func() error { return a.tendVersions(inner) })
	held := a.whileHeld(ctx)
	until, err := a.serve(held)
	why := lostLease(ctx, held)
	lost := why != nil
	err = errors.Join(err, why)
	if !lost {
		a.mark(history.MarkStop, "")
		a.settle(work, until)
	}
	end, cancel := a.end(until)
	defer cancel()
	if !lost {
		a.storeLoaded(end)
	}
	stop()
	return a.secrets.hide(errors.Join(err, a.ended(end, readers.Wait)))
}

// Close releases everything; call it after Run.
func (a *App) Close() error {
	var errs []error
	if a.server != nil {
		_ = a.server.Close() // done already after Run
	}
	if a.listener != nil {
		_ = a.listener.Close()
	}
	if a.spaces != nil {
		end, cancel := a.closing()
		defer cancel()
		for _, sp := range a.spaces.all() {
			errs = append(errs, sp.close(end))
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
		holders: []holder{func(context.Context) (millrace.Position, error) { return a.follower.Checkpoint(), nil }, a.archive.Through,
			func(ctx context.Context) (millrace.Position, error) { return a.hold.through(ctx, a.log) }},
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
