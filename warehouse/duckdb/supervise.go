package duckdb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// A child that ends by itself within steadyAfter is started again after a
// pause that doubles each time; any other at once, nearly.
const (
	firstBackoff = 20 * time.Millisecond
	steadyAfter  = 2 * time.Second
)

// engineAllocator keeps DuckDB's allocator from adding 4 KiB, to spread cache
// lines, to each of the blocks of 16 KiB that nearly all of its memory is. What
// is free goes back to the system soon: a checkpoint frees much at once.
const engineAllocator = "DUCKDB_JE_MALLOC_CONF=cache_oblivious:false,dirty_decay_ms:200,muzzy_decay_ms:0"

// A supervisor keeps one child alive and within its memory.
type supervisor struct {
	o        *Options
	restarts atomic.Int64
	ended    chan struct{} // closed when run has returned

	mu      sync.Mutex
	current *process      // nil while there is none
	changed chan struct{} // closed when current changes
	problem string
	closed  bool
	running map[*rows]bool
}

// startSupervisor starts the first child and keeps it alive until close.
func startSupervisor(ctx context.Context, o *Options) (*supervisor, error) {
	s := &supervisor{o: o, changed: make(chan struct{}), ended: make(chan struct{}), running: map[*rows]bool{}}
	p, err := s.start(1)
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "%w", err)
	}
	if err := ctx.Err(); err != nil {
		p.kill(verdict{message: "it was not wanted any more"})
		return nil, millrace.Errorf(millrace.Canceled, "open the warehouse: %w", err)
	}
	s.set(p, "")
	go s.run(p)
	return s, nil
}

// start starts a child.
func (s *supervisor) start(life int64) (*process, error) {
	cmd := s.o.Command()
	// The child gets nothing of this process's environment: no secrets.
	cmd.Env = []string{"HOME=" + s.o.SpillDir, "TMPDIR=" + s.o.SpillDir, "TZ=UTC", "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2", engineAllocator}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		cmd.Env = append(cmd.Env, "GOCOVERDIR="+dir)
	}
	logs, output := io.Pipe()
	cmd.Stderr = output
	go s.log(logs)
	share := int64(resultShare)
	if s.o.resultsOnly {
		share = engineShare
	}
	p, err := startProcess(cmd, childConfig{
		Parent: os.Getpid(), Dir: s.o.Dir, SpillDir: s.o.SpillDir,
		MemoryLimitBytes: s.o.MemoryLimitBytes, EngineMemoryBytes: s.o.MemoryLimitBytes / 100 * engineShare,
		ResultsDir: s.o.ResultsDir, ResultMemoryBytes: s.o.MemoryLimitBytes / 100 * share,
		SpillLimitBytes: s.o.SpillLimitBytes, Threads: s.o.Threads,
		IdleTimeout: s.o.IdleTimeout, MostOpen: s.o.mostOpen, Checkpoint: s.o.checkpoint, Merge: s.o.merge,
		GoMemoryLimitBytes: max(s.o.MemoryLimitBytes/6, leastGoMemory),
	}, life)
	if err != nil {
		output.Close()
		return nil, err
	}
	p.started = s.o.Now()
	go s.pulse(p)
	go func() {
		<-p.done
		output.Close()
	}()
	return p, nil
}

// log passes on what the child says on its standard error.
func (s *supervisor) log(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		s.o.Logger.Warn("warehouse engine", "output", lines.Text())
	}
	_, _ = io.Copy(io.Discard, r) // a line over the scanner's limit
}

// run watches the child and starts the next when it has ended.
func (s *supervisor) run(p *process) {
	defer close(s.ended)
	backoff := firstBackoff
	for {
		s.watch(p)
		if s.isClosed() {
			return
		}
		why := p.cmd.ProcessState.String()
		if v := p.cause.Load(); v != nil {
			why = v.message
		}
		s.set(nil, "the warehouse engine is being restarted: "+why)
		s.o.Logger.Warn("warehouse engine ended, restarting it", "why", why, "after", s.o.Now().Sub(p.started).Round(time.Millisecond))
		if s.o.Now().Sub(p.started) > steadyAfter || p.cause.Load() != nil {
			backoff = firstBackoff
		}
		next := s.restart(p.life+1, &backoff)
		if next == nil {
			return
		}
		p = next
	}
}

// restart starts the next child, trying again and again; nil when closed.
func (s *supervisor) restart(life int64, backoff *time.Duration) *process {
	for {
		time.Sleep(*backoff)
		*backoff = min(*backoff*2, s.o.mostBackoff)
		if s.isClosed() {
			return nil
		}
		s.restarts.Add(1)
		p, err := s.start(life)
		if err == nil && s.set(p, "") {
			return p
		}
		if err == nil { // closed meanwhile
			p.kill(verdict{message: "the warehouse is closed"})
			<-p.done
			return nil
		}
		s.set(nil, err.Error())
		s.o.Logger.Error("warehouse engine does not start", "error", err, "again_in", *backoff)
	}
}

// watch returns when the child has ended. Meanwhile it keeps it within its
// memory: often while queries run.
func (s *supervisor) watch(p *process) {
	const idle, busy = 250 * time.Millisecond, 25 * time.Millisecond
	timer := time.NewTimer(idle)
	defer timer.Stop()
	var over time.Time // since when memory is over the limit without a query
	for {
		select {
		case <-p.done:
			return
		case <-timer.C:
		}
		queries := s.queriesRunning()
		timer.Reset(idle)
		if len(queries) > 0 {
			timer.Reset(busy)
		}
		resident := residentBytes(p.pid)
		switch {
		case resident <= s.o.ResidentLimitBytes:
			over = time.Time{}
		case len(queries) > 0:
			queries[0].killed(len(queries) == 1)
			p.kill(memoryVerdict(queries, resident, s.o.ResidentLimitBytes))
		case over.IsZero():
			over = time.Now()
		case time.Since(over) > 10*time.Second && s.o.Now().Sub(p.started) > time.Minute:
			p.kill(verdict{kind: millrace.Unavailable, message: fmt.Sprintf("it held %d MB, over its limit of %d MB", resident>>20, s.o.ResidentLimitBytes>>20)})
		}
	}
}

// memoryVerdict says who used up the memory, if that is known.
func memoryVerdict(queries []*rows, resident, limit int64) verdict {
	v := verdict{kind: millrace.TooLarge, message: fmt.Sprintf("a query used up the memory of the warehouse engine (%d MB, over its limit of %d MB): make it build smaller texts and lists, or select less", resident>>20, limit>>20)}
	if len(queries) == 1 {
		v.culprit = queries[0]
	}
	return v
}

func (s *supervisor) queriesRunning() []*rows {
	s.mu.Lock()
	defer s.mu.Unlock()
	queries := make([]*rows, 0, len(s.running))
	for r := range s.running {
		queries = append(queries, r)
	}
	return queries
}

// enter and leave tell which queries run.
func (s *supervisor) enter(r *rows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[r] = true
}

func (s *supervisor) leave(r *rows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
}

// set changes the current child; false when the supervisor is closed.
func (s *supervisor) set(p *process, problem string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && p != nil {
		return false
	}
	s.current, s.problem = p, problem
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}

func (s *supervisor) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// process returns the current child, waiting for one if there is none, at most
// for that time. The error is Unavailable or Canceled.
func (s *supervisor) process(ctx context.Context, wait time.Duration) (*process, error) {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		s.mu.Lock()
		p, changed, closed, problem := s.current, s.changed, s.closed, s.problem
		s.mu.Unlock()
		if closed {
			return nil, millrace.Errorf(millrace.Unavailable, "the warehouse is closed")
		}
		if p != nil {
			select {
			case <-p.done: // and run has not noticed yet
			default:
				return p, nil
			}
		}
		select {
		case <-changed:
		case <-limit.C:
			if problem == "" {
				problem = "the warehouse engine is being restarted"
			}
			return nil, millrace.Errorf(millrace.Unavailable, "%s", problem)
		case <-ctx.Done():
			return nil, millrace.Errorf(millrace.Canceled, "waiting for the warehouse engine: %w", ctx.Err())
		}
	}
}

// state returns the child's memory and what is wrong.
func (s *supervisor) state() (residentSize int64, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0, s.problem
	}
	return residentBytes(s.current.pid), s.problem
}

// close ends the child for good.
func (s *supervisor) close() {
	s.mu.Lock()
	s.closed = true
	p := s.current
	s.mu.Unlock()
	if p != nil {
		p.kill(verdict{kind: millrace.Unavailable, message: "the warehouse is closed"})
	}
	<-s.ended
}
