package duckdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
)

// childConfig is what the parent tells a new child.
type childConfig struct {
	Parent             int // its process id
	Dir                string
	SpillDir           string
	ResultsDir         string // of stored results; "" is none
	ResultMemoryBytes  int64  // of the engine that reads them, for buffers
	MemoryLimitBytes   int64  // resident, of the whole child
	EngineMemoryBytes  int64  // of each open workspace's engine, for buffers
	SpillLimitBytes    int64
	Threads            int
	IdleTimeout        time.Duration
	MostOpen           int // files of workspaces at once; more are closed as soon as they rest
	Checkpoint         checkpointPolicy
	Merge              mergePolicy
	GoMemoryLimitBytes int64
}

// heapGrowth is by how many percent the child's Go heap may grow between two
// collections. It is mostly bytes that are not looked through.
const heapGrowth = 40

// ChildMain turns the process into the warehouse engine if it was started as
// such, and does not return then. Call it first in main and in TestMain of
// every binary that opens a Warehouse.
func ChildMain() {
	if IsChild() {
		if err := RunChild(); err != nil {
			fmt.Fprintln(os.Stderr, "millrace: warehouse engine:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// IsChild says whether this process was started as the warehouse engine.
func IsChild() bool { return len(os.Args) > 1 && os.Args[1] == childArgument }

// RunChild serves the parent until it is gone.
func RunChild() error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	control, err := connectionOf(os.NewFile(3, "control"))
	if err != nil {
		return fmt.Errorf("it was not started by millrace: %w", err)
	}
	w := newWire(control)
	t, payload, err := w.receive()
	if err != nil || t != messageHello {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var config childConfig
	if err := json.Unmarshal(payload, &config); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if !prepareSelf(config.Parent) {
		return errors.New("the process that started it is gone")
	}
	if config.GoMemoryLimitBytes > 0 {
		debug.SetMemoryLimit(config.GoMemoryLimitBytes)
		debug.SetGCPercent(heapGrowth)
	}
	if err := w.sendJSON(messageHello, hello{Version: wireVersion, Engine: duck.LibraryVersion()}); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	c := &child{config: config, stores: map[string]*store{}}
	c.shelf = &shelf{config: &c.config}
	go c.closeIdle()
	for {
		conn, err := receiveConnection(control)
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil // the parent is gone: everything committed is on disk
		}
		if err != nil {
			return err
		}
		go c.serve(conn)
	}
}

// A child is the engine's side: the open files of all workspaces.
type child struct {
	config childConfig
	shelf  *shelf

	mu     sync.Mutex
	stores map[string]*store // by workspace
}

// serve answers one request.
func (c *child) serve(conn *net.UnixConn) {
	defer conn.Close()
	w := newWire(conn)
	t, payload, err := w.receive()
	if err != nil || t != messageRequest {
		return
	}
	var req request
	if err := json.Unmarshal(payload, &req); err != nil {
		return
	}
	res, err := c.handle(w, &req)
	if err != nil {
		var e *millrace.Error
		f := failure{Kind: millrace.Internal, Message: err.Error()}
		if errors.As(err, &e) {
			f = failure{Kind: e.Kind, Message: e.Message}
		}
		var suspect suspectError
		f.Suspect = errors.As(err, &suspect)
		_ = w.sendJSON(messageFailure, f) // the asker may have left
		return
	}
	_ = w.sendJSON(messageResult, res) // the asker may have left
}

// handle does what a request asks for.
func (c *child) handle(w *wire, req *request) (result, error) {
	if req.Op == opPulse {
		return result{}, nil
	}
	if req.Op == opReadResult {
		return c.query(w, req)
	}
	if !validWorkspace(req.Workspace) {
		return result{}, millrace.Errorf(millrace.Invalid, "%.60q is not the name of a workspace", req.Workspace)
	}
	switch req.Op {
	case opQuery:
		return c.query(w, req)
	case opDrop:
		return result{}, c.drop(w, req.Workspace)
	case opSizes:
		sizes, err := c.sizes(w, req.Workspace)
		return result{Sizes: sizes}, err
	}
	batch, err := receiveBatch(w, req)
	if err != nil {
		return result{}, millrace.Errorf(millrace.Canceled, "the batch was cut off: %w", err)
	}
	s := c.store(req.Workspace)
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Op == opApply && len(batch.Entries) == 0 {
		if progress, ok := s.idleProgress(batch); ok {
			return result{Progress: progress}, nil
		}
	} else {
		defer s.touch()
	}
	if err := s.open(); err != nil {
		return result{}, err
	}
	switch req.Op {
	case opResume:
		after, err := s.resume()
		return result{After: after}, err
	case opConfigure:
		return result{}, s.configure(*req.Settings)
	case opApply:
		progress, err := s.apply(batch)
		return result{Progress: progress}, err
	case opShadowBegin:
		id, err := s.beginShadow(*req.Shadow)
		return result{ShadowID: id}, err
	}
	shadow, err := s.shadowOf(req.ShadowID)
	if err != nil {
		return result{}, err
	}
	switch req.Op {
	case opShadowApply:
		progress, err := shadow.apply(batch)
		return result{Progress: progress}, err
	case opShadowCompare:
		counts, err := shadow.compare()
		return result{Counts: counts}, err
	case opShadowSwap:
		return result{}, shadow.swap(req.Through)
	case opShadowDiscard:
		return result{}, shadow.discard()
	}
	return result{}, fmt.Errorf("the operation %q is unknown", req.Op)
}

// store returns the store of a workspace, open or not.
func (c *child) store(workspace string) *store {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stores[workspace]
	if s == nil {
		s = newStore(&c.config, workspace)
		c.stores[workspace] = s
		go s.maintain()
	}
	return s
}

const (
	// memoryOfFile is what an open file is counted as in the child's memory: three
	// MB when it has no rows, and more with each table.
	memoryOfFile = 16 << 20
	// leastOpen is how many files may be open however little memory there is.
	leastOpen = 16
	// crowdedIdle is for how long a file was not used that is closed while more are
	// open than there should be.
	crowdedIdle = time.Second
)

// closeIdle closes the files of workspaces that nobody has used for a while.
func (c *child) closeIdle() {
	for range time.Tick(min(max(c.config.IdleTimeout/10, 50*time.Millisecond), crowdedIdle)) {
		c.closeUnused()
		c.shelf.closeIfIdle()
	}
}

// closeUnused closes what is idle, and while too many files are open also what was
// used a moment ago, the least lately used first.
func (c *child) closeUnused() {
	type open struct {
		*store
		used time.Time
	}
	var all []open
	c.mu.Lock()
	for _, s := range c.stores {
		if used, is := s.lastUsed(); is {
			all = append(all, open{s, used})
		}
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b open) int { return a.used.Compare(b.used) })
	over := len(all) - c.config.MostOpen
	for _, s := range all {
		patience := c.config.IdleTimeout
		if over > 0 {
			patience = min(patience, crowdedIdle)
		}
		if s.closeIfIdle(patience) {
			over--
		}
	}
}

// validWorkspace says whether a name is safe as a file's name.
func validWorkspace(name string) bool {
	if name == "" || len(name) > 100 {
		return false
	}
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', i > 0 && (r == '_' || r == '-'):
		default:
			return false
		}
	}
	return true
}
