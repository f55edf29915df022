package serve

import (
	"bytes"
	"context"
	"net/http"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
)

// An Upload is a project's files, packed.
type Upload struct {
	RawBody []byte `contentType:"application/gzip" doc:"The project's folder as a tar.gz or zip, at most 32 MiB. Hidden files, secrets and what programs make are left out."`
}

// unpack reads an archive that anyone may have made. Few at a time: each may
// take much memory.
func (s *server) unpack(ctx context.Context, packed []byte) (*tree.Tree, error) {
	select {
	case s.uploads <- struct{}{}:
		defer func() { <-s.uploads }()
	case <-ctx.Done():
		return nil, millrace.Errorf(millrace.Unavailable, "many archives are being read at this moment: try again")
	}
	if len(packed) == 0 {
		return nil, millrace.Errorf(millrace.Invalid, "there are no files: send the project's folder as a tar.gz")
	}
	files, _, err := tree.Unpack(bytes.NewReader(packed), tree.Limits{})
	return files, err
}

func (s *server) registerPlan() {
	refusals := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusRequestEntityTooLarge}
	register(s, operation{id: "plan-release", needs: access.ReleaseRead, method: http.MethodPost, path: "/api/v1/releases/plan", tag: "releases", maxBodyBytes: archiveBytes, readTimeout: archiveReading,
		summary: "What a version would change", description: "Compares files with the version that runs: resources and their fields, and what follows from that. Changes nothing. 400, with problems, when the files have mistakes.", errors: refusals},
		func(ctx context.Context, in *Upload) (*bodyOf[*plan.Plan], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			files, err := s.unpack(ctx, in.RawBody)
			if err != nil {
				return nil, err
			}
			p, err := r.Plan(ctx, principal(ctx), files, 0, s.facts(ctx))
			return &bodyOf[*plan.Plan]{Body: p}, releaseError(ctx, err)
		})
	register(s, operation{id: "plan-stored-release", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases/{number}/plan", tag: "releases",
		summary: "What running a version would change", description: "Of one that is there: before going back to it, or promoting it.", errors: refusals},
		func(ctx context.Context, in *ReleasePath) (*bodyOf[*plan.Plan], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			p, err := r.Plan(ctx, principal(ctx), nil, in.Number, s.facts(ctx))
			return &bodyOf[*plan.Plan]{Body: p}, releaseError(ctx, err)
		})
}

func (s *server) registerDeploys() {
	refusals := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge}
	register(s, operation{id: "deploy-release", needs: access.ReleaseDeploy, method: http.MethodPost, path: "/api/v1/releases", tag: "releases", maxBodyBytes: archiveBytes, readTimeout: archiveReading, timeout: deployPatience,
		summary:     "Deploy files as a new version",
		description: "All of it or nothing: when it is not healthy, the version before goes on. 409, with what is stale and both merged, when another version runs than the one that the files began from.", errors: refusals},
		func(ctx context.Context, in *struct {
			Upload
			Base    string `query:"base" required:"true" maxLength:"20" example:"41" doc:"The version that the files began from; 0: none ran. last: the one that who asks has deployed here last, for CI."`
			Message string `query:"message" maxLength:"2000" example:"Orders have a total" doc:"Why."`
		}) (*bodyOf[Deployment], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			files, err := s.unpack(ctx, in.RawBody)
			if err != nil {
				return nil, err
			}
			base, err := s.baseOf(ctx, r, in.Base)
			if err != nil {
				return nil, err
			}
			return deployed(ctx)(r.Deploy(ctx, principal(ctx), release.Proposal{Base: base, Tree: files, Origin: release.FromDeploy, By: s.by(ctx), Message: in.Message}))
		})
	type rollbackBody struct {
		To      int64  `json:"to,omitempty" minimum:"0" doc:"The version to go back to; absent: the one that ran before."`
		Base    int64  `json:"base,omitempty" minimum:"0" doc:"The version that you saw run; absent: whichever does."`
		Message string `json:"message,omitempty" maxLength:"2000" doc:"Why."`
	}
	register(s, operation{id: "roll-back-release", needs: access.ReleaseDeploy, method: http.MethodPost, path: "/api/v1/releases/rollback", tag: "releases", timeout: deployPatience,
		summary: "Go back to an earlier version", description: "Makes a new version with the files of an earlier one, and deploys it.", errors: refusals},
		func(ctx context.Context, in *struct{ Body rollbackBody }) (*bodyOf[Deployment], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			return deployed(ctx)(r.Rollback(ctx, principal(ctx), in.Body.To, in.Body.Base, s.by(ctx), in.Body.Message))
		})
	s.registerPromote(refusals)
	s.registerDeployList()
}

// deployed is the answer to a deployment.
func deployed(ctx context.Context) func(d release.Deploy, err error) (*bodyOf[Deployment], error) {
	return func(d release.Deploy, err error) (*bodyOf[Deployment], error) {
		if err != nil {
			return nil, releaseError(ctx, err)
		}
		return &bodyOf[Deployment]{Body: deploymentOf(d)}, nil
	}
}

func (s *server) registerPromote(refusals []int) {
	type promoteBody struct {
		Version int64  `json:"version" minimum:"1" example:"41" doc:"The version, whose number stays."`
		To      string `json:"to,omitempty" maxLength:"100" example:"production" doc:"The environment of the workspace; absent: the one that is asked. Deploying has to be allowed there."`
		Message string `json:"message,omitempty" maxLength:"2000" doc:"Why."`
	}
	register(s, operation{id: "promote-release", needs: access.ReleaseRead, method: http.MethodPost, path: "/api/v1/releases/promote", tag: "releases", timeout: deployPatience,
		summary:     "Run a version in another environment",
		description: "409, with what is stale and both merged, when that environment has changes which the version lacks. Needs release:deploy there.", errors: refusals},
		func(ctx context.Context, in *struct{ Body promoteBody }) (*bodyOf[Deployment], error) {
			sp, err := s.environment(ctx, in.Body.To)
			if err != nil {
				return nil, err
			}
			if err := principal(ctx).Allow(access.ReleaseDeploy, sp.Workspace, sp.ID); err != nil {
				return nil, err
			}
			there, release, err := s.enter(inSpace(ctx, sp))
			if err != nil {
				return nil, err
			}
			defer release()
			r, err := s.releases(there)
			if err != nil {
				return nil, err
			}
			return deployed(ctx)(r.Promote(ctx, principal(ctx), in.Body.Version, s.by(ctx), in.Body.Message))
		})
}

// environment finds another environment of the request's workspace by name.
func (s *server) environment(ctx context.Context, name string) (*Space, error) {
	sp := s.space(ctx)
	if name == "" || name == sp.ID {
		return sp, nil
	}
	if s.o.Environment != nil {
		found, err := s.o.Environment(ctx, sp.Workspace, name)
		if err == nil && found.Open == nil {
			err = whole(found)
		}
		return found, err
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no environment %.80q of this workspace", name)
}

func (s *server) registerDeployList() {
	type deployPage struct {
		Deploys []Deployment `json:"deploys" doc:"The newest first, those that failed too."`
		Next    string       `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-deploys", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/deploys", tag: "releases",
		summary: "List the deployments", description: "With how far each is.", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most deployments of a page."`
			Cursor string `query:"cursor" maxLength:"40" doc:"From the page before."`
		}) (*bodyOf[deployPage], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			found, next, err := r.Deploys(ctx, in.Cursor, in.Limit)
			out := deployPage{Deploys: []Deployment{}, Next: next}
			for _, d := range found {
				out.Deploys = append(out.Deploys, deploymentOf(d))
			}
			return &bodyOf[deployPage]{Body: out}, err
		})
}
