package serve

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

// Status is how a server is. Sizes are in bytes.
type Status struct {
	Name        string           `json:"name" example:"shop" doc:"The project's name."`
	Version     string           `json:"version" doc:"Of Millrace."`
	Mode        string           `json:"mode" enum:"dev,serve"`
	Environment string           `json:"environment,omitempty" doc:"Whose settings apply."`
	Workspace   string           `json:"workspace" example:"default"`
	Started     time.Time        `json:"started"`
	Ready       bool             `json:"ready" doc:"As /readyz says."`
	Problems    []string         `json:"problems" doc:"What is wrong at this moment, for people; empty when all is well."`
	Project     *ProjectStatus   `json:"project,omitempty"`
	Lease       *LeaseStatus     `json:"lease,omitempty"`
	Log         *LogStatus       `json:"log,omitempty"`
	Dedup       *DedupStatus     `json:"dedup,omitempty"`
	Archive     *ArchiveStatus   `json:"archive,omitempty"`
	Warehouse   *WarehouseStatus `json:"warehouse,omitempty"`
	Readers     []Reader         `json:"readers"`
	Sources     []Source         `json:"sources"`
	Notices     []string         `json:"notices" doc:"What an operator should know: a limit that was reached, a source that fell silent."`
}

// ProjectStatus is how the project folder is.
type ProjectStatus struct {
	Loaded   time.Time `json:"loaded" doc:"When the version that runs was read."`
	Version  int64     `json:"version,omitempty" doc:"Its number; absent where the folder runs as it is."`
	Folder   string    `json:"folder,omitempty" doc:"How the folder that the server was started with differs from what runs; absent when it does not."`
	Problems []string  `json:"problems" doc:"Why a later edit does not run; the last good version goes on."`
}

// LeaseStatus says which server has the log. Others on the same catalog wait.
type LeaseStatus struct {
	Holder  string `json:"holder" example:"process 4711 on events-1" doc:"Who has it."`
	Token   int64  `json:"token" example:"3" doc:"Grows each time that a server takes it."`
	Catalog string `json:"catalog" example:"sqlite" doc:"Where the lease, and all metadata, is kept."`
}

// LogStatus is how the log is.
type LogStatus struct {
	Backend          string            `json:"backend" example:"nats"`
	Version          string            `json:"version,omitempty" example:"2.15.2" doc:"Of the backend."`
	Promise          string            `json:"promise" example:"fsynced on this machine" doc:"What an acknowledgement is worth."`
	First            millrace.Position `json:"first"`
	Last             millrace.Position `json:"last"`
	FirstTime        *time.Time        `json:"first_time,omitempty"`
	LastTime         *time.Time        `json:"last_time,omitempty"`
	AheadSeconds     float64           `json:"ahead_seconds,omitempty" doc:"How far last_time is ahead of the machine's clock, when it is more than five minutes: the clock is wrong, or was."`
	SizeBytes        int64             `json:"size_bytes"`
	SizeLimitBytes   int64             `json:"size_limit_bytes,omitempty" doc:"Above it the oldest archived records leave earlier."`
	RetentionSeconds int64             `json:"retention_seconds"`
	FreeBytes        int64             `json:"free_bytes,omitempty" doc:"Of its disk."`
	ReserveBytes     int64             `json:"reserve_bytes,omitempty" doc:"Free space below which intake is refused."`
	FullInSeconds    float64           `json:"full_in_seconds,omitempty" doc:"How long until free_bytes is down to reserve_bytes, as it went in the last hours; absent when the disk does not fill up."`
	Refusing         string            `json:"refusing,omitempty" doc:"Why intake is refused at this moment."`
}

// DedupStatus is how the follower that judges duplicates is.
type DedupStatus struct {
	Through    millrace.Position `json:"through" doc:"Everything up to here is judged."`
	IDs        int64             `json:"ids,omitempty" doc:"IDs in the index."`
	SizeBytes  int64             `json:"size_bytes,omitempty"`
	Duplicates int64             `json:"duplicates"`
}

// ArchiveStatus is how the archive is.
type ArchiveStatus struct {
	Location  string            `json:"location" example:"file:archive"`
	Through   millrace.Position `json:"through" doc:"Everything up to here is archived."`
	Files     int64             `json:"files,omitempty"`
	SizeBytes int64             `json:"size_bytes,omitempty"`
	Problem   string            `json:"problem,omitempty"`
}

// WarehouseStatus is how the warehouse is.
type WarehouseStatus struct {
	Backend    string            `json:"backend" example:"duckdb"`
	Version    string            `json:"version,omitempty" example:"1.5.5" doc:"Of the engine; absent when it does not say."`
	Committed  millrace.Position `json:"committed" doc:"Every table holds everything up to here."`
	LagSeconds float64           `json:"lag_seconds" doc:"How long the oldest record has waited that is not in all of its tables."`
	SizeBytes  int64             `json:"size_bytes,omitempty"`
	RSSBytes   int64             `json:"rss_bytes,omitempty" doc:"Memory of its process."`
	Restarts   int64             `json:"restarts" doc:"Of its process since the start."`
	Queries    int               `json:"queries" doc:"Running now."`
	Problem    string            `json:"problem,omitempty"`
}

// A Part is something that has to work for the server to be ready.
type Part struct {
	Name     string `json:"name" example:"log"`
	Ready    bool   `json:"ready"`
	Required bool   `json:"required" doc:"Whether the server is not ready without it."`
	Reason   string `json:"reason,omitempty" doc:"Why it is not ready; for those who may ask for the status."`
}

// Health is the answer of /readyz.
type Health struct {
	Ready bool   `json:"ready"`
	Parts []Part `json:"parts"`
}

func (s *server) health(ctx context.Context) Health {
	h := Health{Ready: true, Parts: slices.Clone(s.o.Parts(ctx))}
	if h.Parts == nil {
		h.Parts = []Part{}
	}
	for _, p := range h.Parts {
		h.Ready = h.Ready && (p.Ready || !p.Required)
	}
	return h
}

func (s *server) registerStatus() {
	type alive struct {
		Status string `json:"status" example:"ok"`
	}
	type health struct {
		Status int
		Body   Health
	}
	register(s, operation{id: "healthz", method: http.MethodGet, path: "/healthz", tag: "health", open: true,
		summary: "Whether the process answers", description: "Says ok as long as the process answers at all. Use it to restart a hung process."},
		func(context.Context, *struct{}) (*bodyOf[alive], error) {
			return &bodyOf[alive]{Body: alive{"ok"}}, nil
		})
	register(s, operation{id: "readyz", method: http.MethodGet, path: "/readyz", tag: "health", open: true,
		summary: "Whether the server can take work", description: "200 when all required parts work, otherwise 503 with the same body, which says what is not ready and, to those who may ask for the status, why.",
		also: map[int]any{http.StatusServiceUnavailable: Health{}}},
		func(ctx context.Context, _ *struct{}) (*health, error) {
			h := s.health(ctx)
			if who, err := s.guard.check(requestOf(ctx)); err != nil || !who.Can(access.ServerRead, "", "") { // a reason may name what is not everyone's business
				for i := range h.Parts {
					h.Parts[i].Reason = ""
				}
			}
			if !h.Ready {
				return &health{Status: http.StatusServiceUnavailable, Body: h}, nil
			}
			return &health{Status: http.StatusOK, Body: h}, nil
		})
	register(s, operation{id: "get-status", needs: access.StatusRead, method: http.MethodGet, path: "/api/v1/status", tag: "status", summary: "How the server is"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[Status], error) {
			st, err := s.space(ctx).System.Status(ctx)
			if err != nil {
				return nil, err
			}
			st.Problems, st.Notices = list(st.Problems), list(st.Notices)
			st.Readers, st.Sources = list(st.Readers), list(st.Sources)
			if st.Project != nil {
				st.Project.Problems = list(st.Project.Problems)
			}
			return &bodyOf[Status]{Body: st}, nil
		})
}

// list makes an empty list of none, so that clients always find one.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// metricsPath is for Prometheus.
const metricsPath = "/metrics"
