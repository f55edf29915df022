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

func (s *server) registerDuplicates() {
	type duplicateCounts struct {
		Judged     int64 `json:"judged" doc:"Records of the ranges that are judged. Fewer than asked for when verdicts have left with the log."`
		Duplicates int64 `json:"duplicates" doc:"How many of them are duplicates."`
	}
	type duplicateQuestion struct {
		Ranges []Range `json:"ranges" minItems:"1" maxItems:"1000" doc:"From the answers of intake: each answer's Millrace-Position and how many records it took."`
	}
	register(s, operation{id: "count-duplicates", needs: access.SourceRead, method: http.MethodPost, path: "/api/v1/duplicates", tag: "records",
		summary: "Count the duplicates among records one has sent", description: "Waits up to 30 seconds until the records are judged.",
		timeout: requestTimeout, errors: []int{http.StatusBadRequest, http.StatusConflict, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			Body duplicateQuestion
		}) (*bodyOf[duplicateCounts], error) {
			judged, duplicates, err := s.space(ctx).Duplicates.CountDuplicates(ctx, in.Body.Ranges)
			if err != nil {
				return nil, err
			}
			return &bodyOf[duplicateCounts]{Body: duplicateCounts{judged, duplicates}}, nil
		})
}

func (s *server) registerJobs() {
	type named struct {
		ID string `path:"id" maxLength:"64" doc:"The job's ID."`
	}
	type jobList struct {
		Jobs []job.Job `json:"jobs"`
	}
	register(s, operation{id: "list-jobs", needs: access.JobRead, operators: true, method: http.MethodGet, path: "/api/v1/jobs", tag: "jobs", summary: "List jobs, newest first"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[jobList], error) {
			out := jobList{[]job.Job{}}
			for _, j := range s.space(ctx).Jobs.List() {
				if s.mayJob(ctx, j, access.JobRead) == nil {
					out.Jobs = append(out.Jobs, s.seen(ctx, j))
				}
			}
			return &bodyOf[jobList]{Body: out}, nil
		})
	register(s, operation{id: "get-job", needs: access.JobRead, operators: true, method: http.MethodGet, path: "/api/v1/jobs/{id}", tag: "jobs", summary: "Get a job",
		errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *named) (*bodyOf[job.Job], error) {
			j, err := s.space(ctx).Jobs.Get(in.ID)
			if err == nil {
				err = s.mayJob(ctx, j, access.JobRead)
			}
			return &bodyOf[job.Job]{Body: s.seen(ctx, j)}, err
		})
	register(s, operation{id: "cancel-job", needs: access.JobCancel, operators: true, method: http.MethodDelete, path: "/api/v1/jobs/{id}", tag: "jobs", summary: "Cancel a job",
		description: "Asks it to end and answers at once; its state says when it has. A job that has ended stays as it is.",
		status:      http.StatusOK, errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *named) (*bodyOf[job.Job], error) {
			j, err := s.space(ctx).Jobs.Get(in.ID)
			if err == nil {
				err = s.mayJob(ctx, j, access.JobCancel)
			}
			if err != nil {
				return nil, err
			}
			if j, err = s.space(ctx).Jobs.Cancel(in.ID); err == nil {
				s.tell(ctx, "job.cancel", audit.Object{Kind: "job", ID: in.ID, Name: j.Kind}, nil, nil)
			}
			return &bodyOf[job.Job]{Body: s.seen(ctx, j)}, err
		})
	s.registerStarts()
}

// started is the answer of what starts a job.
type started struct {
	Location string `header:"Location" doc:"Where the job is."`
	Body     job.Job
}

// serverJobs are the kinds of jobs that are about the whole server, wherever they
// were asked for, with the permission that they need.
var serverJobs = map[string]access.Permission{
	"archive.verify": access.ServerVerify, "log.verify": access.ServerVerify, "audit.verify": access.ServerAudit,
	JobBackup: access.ServerBackup, JobBackupVerify: access.ServerBackup,
}

// startsServerJobs says whether someone may start any of them.
func startsServerJobs(who access.Principal) bool {
	for _, p := range serverJobs {
		if who.Can(p, "", "") {
			return true
		}
	}
	return false
}

// mayJob refuses who may not do with a job what needs says: of the server's, who
// may not start them.
func (s *server) mayJob(ctx context.Context, j job.Job, needs access.Permission) error {
	if p, is := serverJobs[j.Kind]; is {
		return principal(ctx).Allow(p, "", "")
	}
	sp := s.space(ctx)
	return principal(ctx).Allow(needs, sp.Workspace, sp.ID)
}

// dataful are the kinds of jobs whose words and results tell what is in tables or
// records.
var dataful = map[string]bool{"query": true, "table.profile": true, "rejected.resend": true}

// seen is a job as who asks may see it: who may see no rows sees none of it.
func (s *server) seen(ctx context.Context, j job.Job) job.Job {
	sp := s.space(ctx)
	if dataful[j.Kind] && !principal(ctx).Can(access.QueryRun, sp.Workspace, sp.ID) {
		j.Message, j.Error, j.Result = "", "", nil
	}
	return j
}

// told are the kinds of jobs that change something.
var told = map[string]bool{"warehouse.rebuild": true, "rejected.resend": true, JobBackup: true}

// start begins a job of a kind, on what was asked for.
func (s *server) start(ctx context.Context, kind string, what any, work job.Work) (*started, error) {
	sp := s.space(ctx)
	j, err := sp.Jobs.Start(kind, workIn(sp, work))
	if err == nil && told[kind] {
		s.tell(ctx, kind, audit.Object{Kind: "job", ID: j.ID}, nil, what)
	}
	return &started{Location: at(ctx, "/api/v1/jobs/"+j.ID), Body: j}, err
}

func (s *server) registerStarts() {
	register(s, operation{id: "start-rebuild", needs: access.WarehouseRebuild, method: http.MethodPost, path: "/api/v1/warehouse/rebuilds", tag: "jobs",
		summary:     "Rebuild the warehouse from archive and log",
		description: "Makes the tables anew beside the live ones and swaps them in, in one transaction. Refuses to swap in tables with fewer rows unless yes.",
		status:      http.StatusAccepted, errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct {
			Body Rebuild
		}) (*started, error) {
			r := in.Body
			if r.From != nil && r.Until != nil && !r.From.Before(*r.Until) {
				return nil, millrace.Errorf(millrace.Invalid, "from %s is not before until %s", r.From.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
			}
			if err := s.checkSource(ctx, r.Source); err != nil {
				return nil, err
			}
			return s.start(ctx, "warehouse.rebuild", r, func(ctx context.Context, progress func(job.Progress)) (any, error) {
				defer s.space(ctx).changed.forget()
				sp := s.space(ctx)
				out, err := sp.Rebuilder.Rebuild(ctx, sp.ID, r, progress)
				sp.catalogs.forget() // who sees that it is done sees the new tables
				return out, err
			})
		})
	register(s, operation{id: "start-archive-verification", needs: access.ServerVerify, method: http.MethodPost, path: "/api/v1/archive/verifications", tag: "jobs",
		summary: "Verify the archive", description: "Reads every file and checks that each record is there once.",
		status: http.StatusAccepted, errors: []int{http.StatusConflict}},
		func(ctx context.Context, _ *struct{}) (*started, error) {
			return s.start(ctx, "archive.verify", nil, s.o.VerifyArchive)
		})
	register(s, operation{id: "start-log-verification", needs: access.ServerVerify, method: http.MethodPost, path: "/api/v1/log/verifications", tag: "jobs",
		summary: "Verify the log", description: "Reads every frame and checks its sums.",
		status: http.StatusAccepted, errors: []int{http.StatusConflict}},
		func(ctx context.Context, _ *struct{}) (*started, error) {
			return s.start(ctx, "log.verify", nil, s.o.VerifyLog)
		})
}
