package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/serve/job"
)

// The kinds of jobs that are about backups.
const (
	JobBackup       = "backup.take"
	JobBackupVerify = "backup.verify"
)

// Backups are those of the server.
type Backups interface {
	// List returns those at the target that the project names, and how the
	// schedule goes.
	List(ctx context.Context) (BackupList, error)
	// Take returns the work of taking one: to the project's target, or to the
	// one of a request that lies in the data folder.
	Take(ctx context.Context, request string) (job.Work, error)
	// Verify returns the work of reading all of a backup.
	Verify(ctx context.Context, id string) (job.Work, error)
	// Delete deletes a backup. NotFound when there is none.
	Delete(ctx context.Context, id string) error
}

// A Backup is one that there is.
type Backup struct {
	ID              string            `json:"id" example:"20261121T193000Z-k3v9qd"`
	Taken           time.Time         `json:"taken" doc:"When it was whole."`
	Seconds         float64           `json:"seconds" doc:"How long taking it took."`
	Version         string            `json:"version,omitempty" doc:"Of the Millrace that took it."`
	Project         string            `json:"project,omitempty" doc:"The name of the project."`
	Files           int64             `json:"files"`
	SizeBytes       int64             `json:"size_bytes" doc:"Of all that it holds."`
	StoredBytes     int64             `json:"stored_bytes" doc:"Of what was new, as it is stored."`
	Through         millrace.Position `json:"through" doc:"Every record up to here is in it."`
	Time            *time.Time        `json:"time,omitempty" doc:"When the last of them was stored."`
	Accepted        int64             `json:"accepted" doc:"Distinct records that were ever taken by then."`
	ArchiveRows     int64             `json:"archive_rows" doc:"Records in the archive by then."`
	ArchiveIncluded bool              `json:"archive_included" doc:"Whether the archive's files are in it; not when the archive is in S3."`
	MasterKeys      []string          `json:"master_keys,omitempty" doc:"The ids of the master keys that a restore needs: they are not in it."`
	Problem         string            `json:"problem,omitempty" doc:"Why it cannot be read."`
}

// A BackupList is the backups that there are, and how they go.
type BackupList struct {
	Target       string     `json:"target" doc:"Where they are, without anything secret; empty when the project names no place."`
	EverySeconds float64    `json:"every_seconds" doc:"How often one is taken; 0 when only on demand."`
	Keep         string     `json:"keep" example:"last=3,daily=7" doc:"Which stay when a new one is taken; empty: all."`
	Next         *time.Time `json:"next,omitempty" doc:"When the next is due."`
	Problem      string     `json:"problem,omitempty" doc:"Why the last one failed, or why the place cannot be read."`
	Backups      []Backup   `json:"backups" doc:"The newest first."`
}

// A TakenBackup is what a job that takes one results in.
type TakenBackup struct {
	Backup
	Deleted []string `json:"deleted" doc:"Older ones that were not to be kept."`
}

var errNoBackups = millrace.Errorf(millrace.NotFound, "this server takes no backups")

func (s *server) registerBackups() {
	type backupBody struct {
		Request string `json:"request,omitempty" maxLength:"64" doc:"What millrace backup left in the server's data folder, to choose another place than the project's."`
	}
	type named struct {
		ID string `path:"id" maxLength:"64" doc:"Of the backup."`
	}
	register(s, operation{id: "list-backups", method: http.MethodGet, path: "/api/v1/backups", tag: "backups", needs: access.ServerBackup,
		summary: "List the backups of the server", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, _ *struct{}) (*bodyOf[BackupList], error) {
			if s.o.Backups == nil {
				return nil, errNoBackups
			}
			all, err := s.o.Backups.List(ctx)
			return &bodyOf[BackupList]{Body: all}, err
		})
	register(s, operation{id: "start-backup", method: http.MethodPost, path: "/api/v1/backups", tag: "backups", needs: access.ServerBackup, status: http.StatusAccepted,
		summary: "Take a backup", description: "Of everything, to the place that backup.to of millrace.yaml names, while the server goes on.", errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct{ Body backupBody }) (*started, error) {
			if s.o.Backups == nil {
				return nil, errNoBackups
			}
			work, err := s.o.Backups.Take(ctx, in.Body.Request)
			if err != nil {
				return nil, err
			}
			return s.start(ctx, JobBackup, nil, work)
		})
	register(s, operation{id: "start-backup-verification", method: http.MethodPost, path: "/api/v1/backups/{id}/verifications", tag: "backups", needs: access.ServerBackup, status: http.StatusAccepted,
		summary: "Verify a backup", description: "Reads all of it and compares it with what was stored.", errors: []int{http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *named) (*started, error) {
			if s.o.Backups == nil {
				return nil, errNoBackups
			}
			work, err := s.o.Backups.Verify(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return s.start(ctx, JobBackupVerify, nil, work)
		})
	register(s, operation{id: "delete-backup", method: http.MethodDelete, path: "/api/v1/backups/{id}", tag: "backups", needs: access.ServerBackup, status: http.StatusNoContent,
		summary: "Delete a backup", description: "And what no other backup has of it.", timeout: 10 * time.Minute, errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *named) (*struct{}, error) {
			if s.o.Backups == nil {
				return nil, errNoBackups
			}
			err := s.o.Backups.Delete(ctx, in.ID)
			if err == nil {
				s.tell(ctx, "backup.delete", audit.Object{Kind: "backup", ID: in.ID}, nil, nil)
			}
			return nil, err
		})
}
