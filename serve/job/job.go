// Package job keeps the long work that someone asked the server for: what it
// is, how far it has come, how it ended. Jobs live in memory; one that was
// running when the process ended is gone, and has to be started again.
package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// The states of a job.
const (
	Running  = "running"
	Done     = "done"
	Failed   = "failed"
	Canceled = "canceled"
)

// maxEnded is how many ended jobs are remembered.
const maxEnded = 100

// A Job is work as it is at one moment.
type Job struct {
	ID       string     `json:"id" example:"WVPO6K3ZYD4FQ" doc:"The job's ID."`
	Kind     string     `json:"kind" example:"warehouse.rebuild" doc:"What is done: warehouse.rebuild, archive.verify, log.verify, backup.take, backup.verify, query, table.profile, rejected.resend."`
	State    string     `json:"state" enum:"running,done,failed,canceled" doc:"How it stands."`
	Done     int64      `json:"done" doc:"How much is done, in units."`
	Total    int64      `json:"total" doc:"How much there is to do, in units; of warehouse.rebuild about, from how much of the log is read. 0 when that is not known."`
	Unit     string     `json:"unit,omitempty" example:"records" doc:"What done and total count."`
	Message  string     `json:"message,omitempty" doc:"What happens at this moment."`
	Error    string     `json:"error,omitempty" doc:"Why it failed, and what to do."`
	Cause    string     `json:"error_kind,omitempty" example:"invalid" doc:"Of what sort the error is, as the kind of a problem."`
	Line     int        `json:"line,omitempty" doc:"Of a query that is wrong: where in its text, from 1."`
	Column   int        `json:"column,omitempty" doc:"Of a query that is wrong: where in the line, in characters, from 1."`
	Result   any        `json:"result,omitempty" doc:"What came out, once it is done. Its fields depend on the kind."`
	Started  time.Time  `json:"started" doc:"When it began."`
	Finished *time.Time `json:"finished,omitempty" doc:"When it ended; absent while it runs."`
}

// placed is an error that knows where in a text the mistake is; 0 is unknown.
type placed interface {
	error
	Place() (line, column int)
}

// Progress says how far work has come.
type Progress struct {
	Done, Total int64
	Unit        string // "records", "files", "bytes"
	Message     string
}

// Work is what a job does. It returns when ctx ends. It calls progress as
// often as it likes, from any goroutine.
type Work func(ctx context.Context, progress func(Progress)) (result any, err error)

// A Registry starts jobs and remembers them. It is safe for concurrent use.
type Registry struct {
	now    func() time.Time
	logger *slog.Logger
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	jobs   []*entry // oldest first
}

type entry struct {
	job    Job
	cancel context.CancelFunc
	asked  bool // to end
}

// Options of NewRegistry.
type Options struct {
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: none
}

// NewRegistry returns a Registry without jobs. Close ends those that it starts.
func NewRegistry(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Registry{now: o.Now, logger: o.Logger}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// Start begins work in the background. It fails with Conflict when a job of
// the kind is running, with Unavailable when the registry is closed.
func (r *Registry) Start(kind string, work Work) (Job, error) { return r.StartBeside(kind, 1, work) }

// StartBeside is Start of a kind of which so many jobs may run beside each
// other; with more it fails with Limited.
func (r *Registry) StartBeside(kind string, most int, work Work) (Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return Job{}, millrace.Errorf(millrace.Unavailable, "the server is stopping: start the job when it is back")
	}
	running := 0
	for _, e := range r.jobs {
		if e.job.Kind != kind || e.job.State != Running {
			continue
		}
		if running++; running < most {
			continue
		}
		if most > 1 {
			return Job{}, &millrace.Error{Kind: millrace.Limited, RetryAfter: time.Second, Message: fmt.Sprintf("%d jobs of the kind %s run already: wait for one, or cancel one", running, kind)}
		}
		return Job{}, millrace.Errorf(millrace.Conflict, "%s is running already as job %s: wait for it, or cancel it", kind, e.job.ID)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	e := &entry{cancel: cancel, job: Job{ID: rand.Text()[:13], Kind: kind, State: Running, Started: r.now().UTC()}}
	r.jobs = append(r.jobs, e)
	r.forget()
	r.wg.Add(1)
	go r.run(ctx, e, work)
	return e.job, nil
}

func (r *Registry) run(ctx context.Context, e *entry, work Work) {
	defer r.wg.Done()
	defer e.cancel()
	result, err := r.guarded(ctx, e, work)
	r.mu.Lock()
	defer r.mu.Unlock()
	finished := r.now().UTC()
	e.job.Finished, e.job.Message = &finished, ""
	switch {
	case err == nil:
		e.job.State, e.job.Result = Done, result
	case ctx.Err() != nil:
		e.job.State, e.job.Error = Canceled, "it was canceled"
		if !e.asked {
			e.job.Error = "the server stopped: start it again"
		}
	default:
		e.job.State, e.job.Error, e.job.Cause = Failed, err.Error(), millrace.KindOf(err).String()
		var at placed
		if errors.As(err, &at) {
			e.job.Line, e.job.Column = at.Place()
		}
	}
	r.logger.Info("job ended", "job", e.job.ID, "kind", e.job.Kind, "state", e.job.State, "error", e.job.Error)
}

// guarded keeps a bug in one job from ending the server.
func (r *Registry) guarded(ctx context.Context, e *entry, work Work) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.logger.Error("job panicked", "job", e.job.ID, "kind", e.job.Kind, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("a bug ended the job, see the server's log: %v", p)
		}
	}()
	return work(ctx, func(p Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.job.State == Running {
			e.job.Done, e.job.Total, e.job.Unit, e.job.Message = p.Done, p.Total, p.Unit, p.Message
		}
	})
}

// forget drops the oldest ended jobs when there are many.
func (r *Registry) forget() {
	for i := 0; len(r.jobs) > maxEnded && i < len(r.jobs); {
		if r.jobs[i].job.State == Running {
			i++
			continue
		}
		r.jobs = append(r.jobs[:i], r.jobs[i+1:]...)
	}
}

// List returns the jobs, newest first.
func (r *Registry) List() []Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Job, 0, len(r.jobs))
	for i := len(r.jobs) - 1; i >= 0; i-- {
		out = append(out, r.jobs[i].job)
	}
	return out
}

// Get returns a job. NotFound when there is none of that ID.
func (r *Registry) Get(id string) (Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.find(id)
	if err != nil {
		return Job{}, err
	}
	return e.job, nil
}

func (r *Registry) find(id string) (*entry, error) {
	for _, e := range r.jobs {
		if e.job.ID == id {
			return e, nil
		}
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no job %.40q: jobs are forgotten when the server restarts, and after %d later ones", id, maxEnded)
}

// Cancel asks a job to end and returns it as it is; it is canceled when its
// state says so. A job that has ended stays as it is.
func (r *Registry) Cancel(id string) (Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.find(id)
	if err != nil {
		return Job{}, err
	}
	e.asked = true
	e.cancel()
	return e.job, nil
}

// Close cancels all jobs and waits until they have ended, or ctx ends.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	ended := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	if !r.running() {
		return nil
	}
	return millrace.Errorf(millrace.Canceled, "jobs did not end in time: %w", ctx.Err())
}

// running says whether a job is running.
func (r *Registry) running() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.jobs, func(e *entry) bool { return e.job.State == Running })
}
