package serve

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// What the API asks of the rest of the system. All of it is safe for
// concurrent use, and answers errors with kinds.
type (
	// A System says how the server is.
	System interface {
		// Status returns all that an operator wants to know. It is quick: it
		// says what it knows when a part does not answer.
		Status(ctx context.Context) (Status, error)
		// Sources lists the sources of a workspace by name.
		Sources(ctx context.Context, workspace string) ([]Source, error)
	}

	// A Querier answers SQL. A warehouse.Warehouse is one.
	Querier interface {
		Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error)
	}

	// A Waiter waits until every table holds everything through a position. A
	// warehouse.Loader is one.
	Waiter interface {
		WaitFor(ctx context.Context, p millrace.Position) error
	}

	// A Log is what the tail reads.
	Log interface {
		eventlog.Opener
		Bounds(ctx context.Context) (first, last millrace.Position, err error)
	}

	// Readers are the parts that follow the log. Their operations fail with
	// NotFound for an unknown name, and with Conflict for a reader that cannot
	// do what is asked.
	Readers interface {
		Readers(ctx context.Context) ([]Reader, error)
		// Shared says whether all workspaces have the reader of that name in common.
		Shared(name string) bool
		Pause(ctx context.Context, name string) error
		Resume(ctx context.Context, name string) error
		// Reset makes the reader begin again after a position; nil is the very
		// beginning.
		Reset(ctx context.Context, name string, after *millrace.Position) error
	}

	// Duplicates counts records of ranges that are duplicates, waiting until
	// they are judged or ctx ends. judged is less than was asked for when the
	// verdicts of some have been trimmed with the log.
	Duplicates interface {
		CountDuplicates(ctx context.Context, ranges []Range) (judged, duplicates int64, err error)
	}

	// A Resubmitter sends a rejected record through intake again.
	Resubmitter interface {
		// Resubmit returns what became of it. An error means that nothing is
		// stored.
		Resubmit(ctx context.Context, r Resubmission) (Resubmitted, error)
	}

	// A Rebuilder makes the warehouse anew from archive and log.
	Rebuilder interface {
		Rebuild(ctx context.Context, workspace string, r Rebuild, progress func(job.Progress)) (result any, err error)
	}
)

// A Range is Count records next to each other in the log, the last at Last.
type Range struct {
	Last  millrace.Position `json:"last" doc:"Position of the last record, as Millrace-Position says it."`
	Count int64             `json:"count" minimum:"1" maximum:"10000" doc:"How many records, up to and including the last."`
}

// A Resubmission is a rejected record to send again.
type Resubmission struct {
	Workspace, Source string
	RejectedID        string
	Type              string // "track", "identify" … as the route said, or ""
	Body              []byte // JSON of one event
}

// Outcomes of a Resubmission.
const (
	OutcomeAccepted  = "accepted"
	OutcomePartly    = "partly accepted" // of a batch
	OutcomeDuplicate = "duplicate"       // taken, and dropped: all of it was there before
	OutcomeRejected  = "rejected"
)

// Resubmitted says what became of a Resubmission.
type Resubmitted struct {
	ID         string // of the new record, or of the new rejected record
	Outcome    string
	Duplicates int64             // records taken that were there before
	Reason     string            // why it, or a part of it, was rejected again
	Position   millrace.Position // of the last record stored; zero if none
}

// Rebuild says what of the warehouse is made anew.
type Rebuild struct {
	Source string     `json:"source,omitempty" doc:"Only this source; all when absent."`
	From   *time.Time `json:"from,omitempty" doc:"Only records received at this time or later."`
	Until  *time.Time `json:"until,omitempty" doc:"Only records received before this time."`
	Yes    bool       `json:"yes,omitempty" doc:"Swap the new tables in even when they have fewer rows."`
}

// A Reader is a part that follows the log.
type Reader struct {
	Name       string            `json:"name" example:"warehouse"`
	State      string            `json:"state" enum:"running,paused,failing,stopped" doc:"failing: the last attempt failed and it goes on trying."`
	Position   millrace.Position `json:"position" doc:"Everything up to here is done and durable."`
	LagSeconds float64           `json:"lag_seconds" doc:"How long the oldest record has waited that is not done yet; 0 at the end of the log."`
	Problem    string            `json:"problem,omitempty" doc:"Why it does not go on."`
	Actions    []string          `json:"actions" doc:"What may be asked of it: pause, resume, reset."`
	Shared     bool              `json:"shared,omitempty" doc:"All workspaces have it in common: to ask that of it needs server:control."`
}

// A SourceKey is a write key of a source.
type SourceKey struct {
	Key      string     `json:"key" example:"web_2026" doc:"The key."`
	Works    bool       `json:"works" doc:"Whether it is taken here; keys that begin with dev_ work in millrace dev only."`
	LastUsed *time.Time `json:"last_used,omitempty" doc:"When a request last came with it, test events aside; absent when none is known of."`
}

// A Source is where records come in.
type Source struct {
	Name      string   `json:"name" example:"web"`
	Kind      string   `json:"kind" example:"http"`
	WriteKeys []string `json:"write_keys" doc:"Keys to send with. They are public."`
	// WriteKeysPath is where WriteKeys stand in File.
	WriteKeysPath []string   `json:"write_keys_path,omitempty" doc:"Where write_keys stand in the file, when this environment has keys of its own there: environments, its name, write_keys. Edits of them name this path."`
	Path          string     `json:"path,omitempty" example:"/v1/webhook/stripe" doc:"Where a webhook posts to."`
	Dedup         string     `json:"dedup" example:"24h" doc:"How long an ID keeps later records with the same ID from being counted."`
	Accepted      int64      `json:"accepted" doc:"Distinct records."`
	Duplicates    int64      `json:"duplicates" doc:"Records dropped since their ID was there before."`
	Rejected      int64      `json:"rejected" doc:"Records refused and kept."`
	LastReceived  *time.Time `json:"last_received,omitempty" doc:"When the last record came in."`
	Silent        bool       `json:"silent" doc:"It used to receive and fell silent."`
	File          string     `json:"file,omitempty" example:"sources/web.yaml" doc:"Its file in the project."`
	Line          int        `json:"line,omitempty" example:"2" doc:"Where it begins in that file, from 1."`
	// Keys are WriteKeys with what is known of each.
	Keys []SourceKey `json:"keys" doc:"Each of write_keys, and when it was last used."`
	// Signature is of a webhook whose deliveries are signed.
	Signature *SourceSignature `json:"signature,omitempty" doc:"Of a webhook: how deliveries are signed."`
}
