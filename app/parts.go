package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/serve"
)

// A part is something that runs beside intake: one that fails is started
// again, and never takes intake down with it.
type part struct {
	name string
	work func(ctx context.Context) error // until ctx ends
	// read is what the part says of itself.
	read func(ctx context.Context) (serve.Reader, error)
	// lag is how long what follows a position has waited.
	lag func(ctx context.Context, done millrace.Position) (time.Duration, error)
	// The operations that an operator may ask for; nil is none.
	pause, resume func()
	reset         func(ctx context.Context, after *millrace.Position) error
	shared        bool // by all workspaces
	logger        *slog.Logger

	mu      sync.Mutex
	problem string // why the last run ended
}

const (
	restartMin = time.Second
	restartMax = time.Minute
	// steady is how long a run has to last to count as one that works.
	steady = 2 * time.Minute
)

// run works until ctx ends, beginning again when the work fails.
func (p *part) run(ctx context.Context) error {
	wait := restartMin
	for {
		began := time.Now()
		p.stopped(nil)
		err := p.work(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		p.stopped(err)
		if time.Since(began) > steady {
			wait = restartMin
		}
		p.logger.Error("stopped and will be started again", "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, restartMax)
	}
}

func (p *part) stopped(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problem = ""; err != nil {
		p.problem = err.Error()
	}
}

// status is what the part says of itself, and why it does not run.
func (p *part) status(ctx context.Context) serve.Reader {
	r, err := p.read(ctx)
	r.Name, r.Shared = p.name, p.shared
	if err == nil && p.lag != nil {
		var lag time.Duration
		lag, err = p.lag(ctx, r.Position)
		r.LagSeconds = lag.Seconds()
	}
	if err != nil {
		r.State, r.Problem = "failing", err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problem != "" {
		r.State, r.Problem = "stopped", p.problem
	}
	r.Actions = []string{}
	if p.pause != nil {
		r.Actions = append(r.Actions, "pause", "resume")
	}
	if p.reset != nil {
		r.Actions = append(r.Actions, "reset")
	}
	return r
}

// parts are those of the server, and remember across restarts which of them
// an operator has paused. They are the serve.Readers of the API.
type parts struct {
	list []*part
	file string

	mu     sync.Mutex
	paused []string
}

var _ serve.Readers = (*parts)(nil)

// openParts pauses what was paused when the server stopped.
func openParts(dir string, list ...*part) (*parts, error) {
	ps := &parts{list: list, file: filepath.Join(dir, "paused.json")}
	text, err := os.ReadFile(ps.file)
	if errors.Is(err, fs.ErrNotExist) {
		return ps, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &ps.paused); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w: remove it, and pause again what is to be paused", ps.file, err)
	}
	for _, p := range list {
		if slices.Contains(ps.paused, p.name) && p.pause != nil {
			p.pause()
		}
	}
	return ps, nil
}

// Readers says how all parts are.
func (ps *parts) Readers(ctx context.Context) ([]serve.Reader, error) {
	all := make([]serve.Reader, 0, len(ps.list))
	for _, p := range ps.list {
		all = append(all, p.status(ctx))
	}
	return all, nil
}

// Shared says whether a part is not the space's alone.
func (ps *parts) Shared(name string) bool {
	return slices.ContainsFunc(ps.list, func(p *part) bool { return p.name == name && p.shared })
}

// Pause stops a part where it is, across restarts too.
func (ps *parts) Pause(_ context.Context, name string) error {
	return ps.set(name, true, func(p *part) func() { return p.pause })
}

// Resume lets a paused part go on.
func (ps *parts) Resume(_ context.Context, name string) error {
	return ps.set(name, false, func(p *part) func() { return p.resume })
}

func (ps *parts) set(name string, paused bool, action func(*part) func()) error {
	p, err := ps.find(name)
	if err != nil {
		return err
	}
	do := action(p)
	if do == nil {
		if !paused {
			return millrace.Errorf(millrace.Conflict, "%s is never paused, so there is nothing to resume", name)
		}
		return millrace.Errorf(millrace.Conflict, "%s cannot be paused: what follows the log depends on it", name)
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(ps.paused), func(s string) bool { return s == name })
	if paused {
		next = append(next, name)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := writeFile(ps.file, text); err != nil {
		return fmt.Errorf("cannot remember what is paused: %w", err)
	}
	ps.paused = next
	do()
	return nil
}

// Reset makes a part begin again after a position.
func (ps *parts) Reset(ctx context.Context, name string, after *millrace.Position) error {
	p, err := ps.find(name)
	if err != nil {
		return err
	}
	if p.reset == nil {
		return millrace.Errorf(millrace.Conflict, "%s cannot begin again: its results are what others rely on", name)
	}
	return p.reset(ctx, after)
}

func (ps *parts) find(name string) (*part, error) {
	var names []string
	for _, p := range ps.list {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no reader %.60q: there are %s", name, sentence(names))
}

// sentence lists names as people write them: a, b and c.
func sentence(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// newPrefix begins the names of files that writeFile was writing when it was killed.
const newPrefix = ".new-"

// writeFile replaces a file so that it is old or new after a crash, never a part.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
