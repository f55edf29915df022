// Package release keeps the versions of projects in the catalog: numbered, never
// changed, with who made them and why; which of them runs in which environment,
// and what ran before. A deployment goes in steps that are written down, so that
// a server that ends in the middle leaves nothing half done: see Deploy and
// Settle. Two people who change the same version are told of each other, with
// their changes merged where that can be.
package release

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

// Options are what a Store needs.
type Options struct {
	Catalog catalog.Catalog // required
	// Holder names this process among those that use the catalog; default a
	// random text. A process that has taken over from another has another one.
	Holder string
	Limits tree.Limits
	// Record writes an audit entry in the transaction of the change; default
	// audit.Append.
	Record func(ctx context.Context, tx catalog.Tx, e audit.Entry) error
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default discards
}

// A Store holds the versions of all workspaces. It is safe for concurrent use.
type Store struct {
	o Options

	mu      sync.Mutex
	serving map[Target]served // what this process runs, as far as it was told
	busy    map[string]bool   // deployments that this process is at
	step    func(step string) // of tests: called behind each step
}

type served struct {
	version int64
	project *project.Project
}

// New returns the versions that a catalog holds.
func New(o Options) (*Store, error) {
	if o.Catalog == nil {
		return nil, millrace.Errorf(millrace.Invalid, "versions need a catalog")
	}
	o.Holder = cmp.Or(o.Holder, rand.Text())
	o.Limits = o.Limits.OrDefault()
	if o.Record == nil {
		o.Record = audit.Append
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{o: o, serving: map[Target]served{}, busy: map[string]bool{}, step: func(string) {}}, nil
}

// A Target is an environment of a workspace, by their ids.
type Target struct{ Workspace, Environment string }

// An Origin says how a version came to be.
type Origin string

// The origins of versions.
const (
	FromDeploy   Origin = "deploy"   // millrace deploy, or the API
	FromPage     Origin = "page"     // a change in the page
	FromFolder   Origin = "folder"   // the folder that a server was started with
	FromPromote  Origin = "promote"  // a version of another environment, merged with what ran
	FromRollback Origin = "rollback" // the tree of an earlier one
)

// By is who does something, and from where.
type By struct {
	Actor audit.Actor
	From  audit.From
}

// A Version of a project. It never changes.
type Version struct {
	Number    int64
	Tree      tree.Hash
	Files     int64
	SizeBytes int64
	Parent    int64 // the version that it was made of; 0: none
	Source    int64 // the one that was rolled back to, or merged; 0: none
	Origin    Origin
	Author    audit.Actor
	Message   string
	Created   time.Time
}

// A Running says which version runs in an environment.
type Running struct {
	Version  int64
	Previous int64 // what ran before; 0: nothing
	Deploy   string
	Since    time.Time
}

// A Run is a time in which a version ran.
type Run struct {
	Number  int64 // from 1
	Version int64
	Deploy  string
	Began   time.Time
	Ended   time.Time // zero: it runs
}

// A State is how far a deployment is.
type State string

// The states of deployments. The last four are final.
const (
	Proposed   State = "proposed"    // the files are stored
	Validated  State = "validated"   // they are a version with a number
	Switching  State = "switching"   // the new version is being applied
	Checking   State = "checking"    // it is applied, and looked at whether it is healthy
	Reverting  State = "reverting"   // the version before is being applied again
	Healthy    State = "healthy"     // it runs
	Refused    State = "refused"     // the files have mistakes
	RolledBack State = "rolled_back" // the version before runs, as if nothing had been
	Stuck      State = "stuck"       // neither could be applied: the next start applies the version before
)

// A Deploy is an attempt to make a version run.
type Deploy struct {
	ID          string
	Workspace   string
	Environment string
	Number      int64 // of the environment, from 1
	Base        int64 // the version that ran; 0: none
	Version     int64 // 0: it has no number
	Tree        tree.Hash
	Source      int64
	Origin      Origin
	Author      audit.Actor
	Message     string
	State       State
	Error       string // why it is not healthy
	Holder      string
	Begun       time.Time
	Changed     time.Time
	Ended       time.Time // zero: it is under way
	Unchanged   bool      // nothing was to be done: Version runs already. It is not stored
}

const maxMessageBytes = 4 << 10

func checkMessage(message string) error {
	switch {
	case len(message) > maxMessageBytes:
		return millrace.Errorf(millrace.TooLarge, "the message has %d bytes, at most %d: say what changed in a few sentences", len(message), maxMessageBytes)
	case !utf8.ValidString(message) || strings.Contains(message, "\x00"):
		return millrace.Errorf(millrace.Invalid, "the message has to be UTF-8 without NUL")
	}
	return nil
}

// Running returns what runs; found is false when nothing does yet.
func (s *Store) Running(ctx context.Context, t Target) (r Running, found bool, err error) {
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		r, found, err = running(ctx, tx, t)
		return err
	})
	return r, found, err
}

func running(ctx context.Context, tx catalog.Tx, t Target) (Running, bool, error) {
	return catalog.Find[Running](ctx, tx, `SELECT version, previous, deploy, since FROM release_running WHERE workspace = $1 AND environment = $2`, t.Workspace, t.Environment)
}
