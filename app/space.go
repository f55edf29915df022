package app

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// A space is what runs for one environment of a workspace, beside the log and
// the engines that all share: its project, what loads its tables, and the work
// on them that goes on.
type space struct {
	app *App
	id  string // of its records

	project atomic.Pointer[served]

	bounded  *bounded // the warehouse, for the loader
	loader   *warehouse.Loader
	jobs     *job.Registry
	activity *activity
	tables   atomic.Pointer[int64] // most event tables that the loader was told; nil: no limit
	parts    *parts
	api      *serve.Space
	metrics  *prometheus.Registry // of a space that may be closed; nil: they are the server's

	editing sync.Mutex // held while an edit in the page becomes a version
	using   sync.Mutex // of what follows
	users   int
	used    time.Time // last
	closing bool      // nobody comes in any more

	stop    context.CancelFunc // ends what runs; nil: nothing does
	running sync.WaitGroup
}

// A served is the version of the project that runs.
type served struct {
	*project.Project
	loaded   time.Time
	problems []string // why a later edit does not run
}

func (a *App) newSpace(id string, p *project.Project) *space {
	sp := &space{app: a, id: id}
	sp.project.Store(&served{Project: p, loaded: a.o.Now()})
	return sp
}

// versioned says whether versions run in the space: in millrace dev the folder's
// runs as it is.
func (sp *space) versioned() bool { return sp.app.o.Mode != serve.Dev || sp != sp.app.home }

// tenant is the id of the workspace that the space is of.
func (sp *space) tenant() string {
	if ws, ok := sp.app.workspaces.store.Spaces().Space(sp.id); ok {
		return ws.Workspace
	}
	return sp.id
}

// environment is the name of the environment that the space is.
func (sp *space) environment() string {
	if ws, ok := sp.app.workspaces.store.Spaces().Space(sp.id); ok {
		return ws.Environment
	}
	return ""
}

// sub returns the path of what the space keeps in a file of its own.
func (sp *space) sub(name string) string {
	if sp.id == millrace.DefaultWorkspace {
		return sp.app.data.sub(name)
	}
	return sp.app.data.sub(filepath.Join("spaces", sp.id, name))
}

// openLoader makes what loads the space's tables.
func (sp *space) openLoader(metrics prometheus.Registerer) (err error) {
	a := sp.app
	sp.bounded = &bounded{mark: sp.sub(tablesAhead), turns: a.opening, Warehouse: a.warehouse, Opener: eventlog.History(a.log, a.archive, a.follower)}
	sp.loader, err = warehouse.NewLoader(warehouse.LoaderOptions{
		Warehouse: sp.bounded, Opener: sp.bounded,
		Workspace: sp.id, Settings: sp.settings(sp.project.Load().Project),
		Pace: sp.pace, Now: a.o.Now, Logger: a.logger("warehouse"), Metrics: metrics,
	})
	return err
}

// pacePart is how much each open space makes the others wait with commits of few
// records, and paceMost how much all of them do.
const (
	pacePart = 10 * time.Millisecond
	paceMost = 30 * time.Second
)

// pace is how long few records of the space wait for more: the longer, the more
// spaces commit.
func (sp *space) pace() time.Duration {
	return min(time.Duration(sp.app.spaces.lenOpen())*pacePart, paceMost)
}

// openAPI puts together what is asked of the space. shared are the parts that
// all spaces have in common, which are told and run by the first of them.
func (sp *space) openAPI(files serve.ProjectFiles, shared ...*part) (err error) {
	a := sp.app
	if err := makeDir(sp.sub("")); err != nil {
		return fmt.Errorf("cannot make the folder of space %s: %w", sp.id, err)
	}
	sp.jobs = job.NewRegistry(job.Options{Now: a.o.Now, Logger: a.logger("jobs").With("workspace", sp.id)})
	sp.activity = openActivity(sp.sub("habits.json"), sp.received, a.o.Now, a.logger("activity"))
	sp.parts, err = openParts(sp.sub(""), append(shared,
		&part{name: "warehouse", work: sp.loader.Run, read: sp.readLoader, lag: a.lag, pause: sp.loader.Pause, resume: sp.loader.Resume, reset: sp.resetLoader, logger: a.logger("warehouse")})...)
	if err != nil {
		return err
	}
	query := sp.queryLimits()
	sp.api = &serve.Space{
		ID: sp.id, Workspace: sp.tenant(), System: sp, Querier: workspaceQuerier{sp}, Waiter: sp.loader, Readers: sp.parts, Files: files, Jobs: sp.jobs,
		Duplicates: duplicates{sp}, Resubmitter: resubmitter{a.collect, a.follower}, Rebuilder: rebuilder{sp},
		DefaultQueryTimeout: time.Duration(query.Timeout), DefaultQueryRows: query.Rows, MaxQueryTimeout: time.Duration(query.Timeout),
	}
	if sp.versioned() {
		sp.api.Releases, sp.api.Files = releases{sp}, versionFiles{sp}
	}
	if sp == a.home { // it is open always, and may be suspended all the same
		sp.api.Open = func(ctx context.Context) (*serve.Space, func(), error) { return a.enterSpace(ctx, sp.id) }
	}
	if a.history != nil {
		sp.api.History = spaceHistory{a.history, sp}
	}
	if a.results != nil {
		sp.api.Results = a.results
	}
	return nil
}

// start runs what follows the log for the space until stop or close.
func (sp *space) start(ctx context.Context) {
	ctx, sp.stop = context.WithCancel(ctx)
	for _, part := range sp.parts.list {
		sp.running.Go(func() { _ = part.run(ctx) }) // nil, when ctx ends
	}
	sp.running.Go(func() { _ = sp.activity.Run(ctx) })
}

// close ends what runs, and the work that goes on. It waits for that until ctx
// ends.
func (sp *space) close(ctx context.Context) error {
	if sp.stop != nil {
		sp.stop()
		ended := make(chan struct{})
		go func() { sp.running.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-ctx.Done():
		}
		sp.noteTables()
	}
	if sp.metrics != nil {
		sp.app.metrics.Unregister(sp.metrics)
	}
	if sp.jobs == nil {
		return nil
	}
	return sp.jobs.Close(ctx)
}

// received is when intake last heard of each source, and with which keys.
func (sp *space) received() map[string]receipt {
	all := map[string]receipt{}
	for _, s := range sp.app.collect.ActivityOf(sp.id) {
		all[s.Source] = receipt{s.LastReceived, s.Keys}
	}
	return all
}

// sources are those of the project that runs, as intake wants them.
func (sp *space) sources() []collect.Source { return sources(sp.id, sp.project.Load().Project) }

// resetLoader makes all tables anew. A part of the history is what rebuild is for.
func (sp *space) resetLoader(ctx context.Context, after *millrace.Position) error {
	if after != nil && !after.IsZero() {
		return millrace.Errorf(millrace.Invalid, "the warehouse begins again from the very beginning only: leave the position out, or make a part anew with millrace warehouse rebuild --from TIME")
	}
	return sp.loader.Reset(ctx)
}

func (sp *space) readLoader(context.Context) (serve.Reader, error) {
	s := sp.loader.Stats()
	r := serve.Reader{State: "running", Position: s.Committed, Problem: s.Problem}
	if s.Problem != "" {
		r.State = "failing"
	}
	if s.Paused {
		r.State = "paused"
	}
	return r, nil
}
