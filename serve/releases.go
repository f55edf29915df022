package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/merge"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
)

// Releases are the versions of a workspace's project, and which of them runs in
// the space. Errors of deployments are as those of release.Store.
type Releases interface {
	// Plan plans files, or the version of that number when they are nil, against
	// what runs. It tells nothing of the values of secrets that who asks may not allow
	// to be used so.
	Plan(ctx context.Context, who access.Principal, files *tree.Tree, version int64, facts plan.Facts) (*plan.Plan, error)
	// Deploy deploys in the space; the proposal's Target is not looked at. It,
	// Rollback and Promote refuse files by which a secret would be used as it is not
	// yet, or the whole server be set up otherwise, when who asks may not allow that.
	// The version that ran before, to which a Rollback to 0 goes, has used its secrets
	// here already.
	Deploy(ctx context.Context, who access.Principal, p release.Proposal) (release.Deploy, error)
	Rollback(ctx context.Context, who access.Principal, to, base int64, by release.By, message string) (release.Deploy, error)
	Promote(ctx context.Context, who access.Principal, version int64, by release.By, message string) (release.Deploy, error)

	Running(ctx context.Context) (release.Running, bool, error)
	// Everywhere says what runs in each environment of the workspace, by name.
	Everywhere(ctx context.Context) (map[string]release.Running, error)
	Version(ctx context.Context, number int64) (release.Version, error)
	Versions(ctx context.Context, cursor string, limit int) ([]release.Version, string, error)
	Deploys(ctx context.Context, cursor string, limit int) ([]release.Deploy, string, error)
	Diff(ctx context.Context, from, to int64) ([]diff.File, error)
	Tree(ctx context.Context, number int64) (*tree.Tree, error)
}

const (
	archiveBytes   = 32 << 20 // of a packed project
	archiveMedia   = "application/gzip"
	archiveReading = 2 * time.Minute
	// deployPatience is longer than any deployment takes: what it does has bounds
	// of its own.
	deployPatience = 6 * time.Minute
	uploadsAtOnce  = 2
)

var errNoReleases = millrace.Errorf(millrace.NotFound, "millrace dev makes no versions: it runs the folder as it is, and what is saved counts at once. Start the folder with millrace serve to have versions that are planned, deployed, compared and gone back to")

// releases are those of the request's space.
func (s *server) releases(ctx context.Context) (Releases, error) {
	if r := s.space(ctx).Releases; r != nil {
		return r, nil
	}
	return nil, errNoReleases
}

// A Release is a version of the project. It never changes.
type Release struct {
	Number     int64     `json:"number" example:"42" doc:"In the workspace, from 1."`
	Tree       tree.Hash `json:"tree" doc:"Names its files: versions with the same have the same files."`
	Files      int64     `json:"files" doc:"How many it has."`
	SizeBytes  int64     `json:"size_bytes" doc:"Of all of them."`
	Parent     int64     `json:"parent" doc:"The version that it was made of; 0: none."`
	Source     int64     `json:"source,omitempty" doc:"The one that was gone back to, or merged into it."`
	Origin     string    `json:"origin" enum:"deploy,page,folder,promote,rollback" doc:"How it came to be: millrace deploy, an edit in the page, the folder of the server, another environment, an earlier version."`
	AuthorKind string    `json:"author_kind" enum:"person,key,local,system"`
	AuthorID   string    `json:"author_id,omitempty"`
	Author     string    `json:"author" example:"ada" doc:"Who made it."`
	Message    string    `json:"message" example:"Orders have a total" doc:"Why."`
	Created    time.Time `json:"created"`
	RunsIn     []string  `json:"runs_in" doc:"The environments in which it runs now."`
}

// A Deployment is an attempt to make a version run.
type Deployment struct {
	ID         string     `json:"id" example:"d_5ws2q7a4rgmjnxlbtb3e6kcvfu"`
	Number     int64      `json:"number" example:"7" doc:"In the environment, from 1."`
	Base       int64      `json:"base" doc:"The version that ran before; 0: none."`
	Version    int64      `json:"version" doc:"The version; 0: it was not made one."`
	State      string     `json:"state" enum:"proposed,validated,switching,checking,reverting,healthy,refused,rolled_back,stuck" doc:"healthy: it runs. refused: its files have mistakes. rolled_back: the version before runs. stuck: neither could be applied, restart the server. All others: it is under way."`
	Done       bool       `json:"done" doc:"It is not under way any more."`
	Unchanged  bool       `json:"unchanged,omitempty" doc:"It ran already: nothing was done."`
	Error      string     `json:"error,omitempty" doc:"Why it does not run."`
	Origin     string     `json:"origin"`
	Source     int64      `json:"source,omitempty"`
	AuthorKind string     `json:"author_kind"`
	AuthorID   string     `json:"author_id,omitempty"`
	Author     string     `json:"author"`
	Message    string     `json:"message"`
	Begun      time.Time  `json:"begun"`
	Changed    time.Time  `json:"changed" doc:"When its state changed last."`
	Ended      *time.Time `json:"ended,omitempty"`
}

// A StaleRelease is what is in the way of a deployment that began from a version
// that does not run any more.
type StaleRelease struct {
	Base    int64        `json:"base" doc:"It began from this version; 0: from none."`
	Running int64        `json:"running" doc:"This one runs by now."`
	Author  string       `json:"author" doc:"Who made that."`
	Message string       `json:"message" doc:"And why."`
	Merged  bool         `json:"merged" doc:"Both go together without a conflict."`
	Files   []merge.File `json:"files" doc:"What either side changed; ours is what was to be deployed, theirs is what runs."`
	Archive []byte       `json:"archive,omitempty" doc:"The merged files as a tar.gz, in base64: look at them, and deploy them with running as their base."`
}

func releaseOf(v release.Version, everywhere map[string]release.Running) Release {
	out := Release{Number: v.Number, Tree: v.Tree, Files: v.Files, SizeBytes: v.SizeBytes, Parent: v.Parent, Source: v.Source, Origin: string(v.Origin),
		AuthorKind: v.Author.Kind, AuthorID: v.Author.ID, Author: v.Author.Name, Message: v.Message, Created: v.Created.UTC(), RunsIn: []string{}}
	for name, r := range everywhere {
		if r.Version == v.Number {
			out.RunsIn = append(out.RunsIn, name)
		}
	}
	slices.Sort(out.RunsIn)
	return out
}

func deploymentOf(d release.Deploy) Deployment {
	return Deployment{ID: d.ID, Number: d.Number, Base: d.Base, Version: d.Version, State: string(d.State), Done: !d.Ended.IsZero() || d.Unchanged, Unchanged: d.Unchanged, Error: d.Error,
		Origin: string(d.Origin), Source: d.Source, AuthorKind: d.Author.Kind, AuthorID: d.Author.ID, Author: d.Author.Name, Message: d.Message,
		Begun: d.Begun.UTC(), Changed: d.Changed.UTC(), Ended: moment(d.Ended)}
}

// releaseError adds to an error what people have to look at: the mistakes in the
// files, or what somebody else deployed meanwhile.
func releaseError(ctx context.Context, err error) error {
	var stale *release.Stale
	var problems project.Problems
	switch {
	case errors.As(err, &stale):
		p := problemOf(ctx, err)
		p.Stale = staleRelease(stale)
		return p
	case errors.As(err, &problems):
		p := problemOf(ctx, err)
		p.Problems = fileProblems(problems)
		return p
	}
	return err
}

func staleRelease(stale *release.Stale) *StaleRelease {
	out := &StaleRelease{Base: stale.Base, Running: stale.Running, Author: stale.Author.Name, Message: stale.Message, Files: []merge.File{}}
	if stale.Merge == nil {
		return out
	}
	out.Files = append(out.Files, stale.Merge.Files...)
	if merged := stale.Merge.Tree(); merged != nil {
		out.Merged = true
		var packed limitedBuffer
		if tree.Pack(&packed, merged) == nil {
			out.Archive = packed.data
		}
	}
	return out
}

// limitedBuffer takes what is small enough for an answer in JSON.
type limitedBuffer struct{ data []byte }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > 4<<20 {
		return 0, millrace.Errorf(millrace.TooLarge, "the merged files are too large for an answer")
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// by is who asks, for versions.
func (s *server) by(ctx context.Context) release.By {
	c := s.caller(ctx)
	return release.By{Actor: ActorOf(c.Principal), From: audit.From{Address: c.Address.String(), Agent: c.Agent, Request: c.Request}}
}

func (s *server) registerReleases() {
	s.registerReleaseLists()
	s.registerReleaseFiles()
	s.registerPlan()
	s.registerDeploys()
}

func (s *server) registerReleaseLists() {
	s.registerRunning()
	type releasePage struct {
		Running  int64     `json:"running" doc:"The version that runs here; 0: none."`
		Releases []Release `json:"releases" doc:"The newest first."`
		Next     string    `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-releases", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases", tag: "releases",
		summary: "List the versions of the project", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most versions of a page."`
			Cursor string `query:"cursor" maxLength:"40" doc:"From the page before."`
		}) (*bodyOf[releasePage], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			found, next, err := r.Versions(ctx, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			everywhere, err := r.Everywhere(ctx)
			if err != nil {
				return nil, err
			}
			now, _, err := r.Running(ctx)
			out := releasePage{Running: now.Version, Releases: []Release{}, Next: next}
			for _, v := range found {
				out.Releases = append(out.Releases, releaseOf(v, everywhere))
			}
			return &bodyOf[releasePage]{Body: out}, err
		})
	register(s, operation{id: "get-release", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases/{number}", tag: "releases",
		summary: "Get a version", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *ReleasePath) (*bodyOf[Release], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			v, err := r.Version(ctx, in.Number)
			if err != nil {
				return nil, err
			}
			everywhere, err := r.Everywhere(ctx)
			return &bodyOf[Release]{Body: releaseOf(v, everywhere)}, err
		})
}

func (s *server) registerRunning() {
	type running struct {
		Version  int64      `json:"version" doc:"0: none."`
		Previous int64      `json:"previous" doc:"The one that ran before; 0: none."`
		Since    *time.Time `json:"since,omitempty"`
		Release  *Release   `json:"release,omitempty" doc:"The version that runs."`
	}
	register(s, operation{id: "get-running-release", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases/running", tag: "releases",
		summary: "Which version runs", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, _ *struct{}) (*bodyOf[running], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			now, found, err := r.Running(ctx)
			if err != nil || !found {
				return &bodyOf[running]{}, err
			}
			v, err := r.Version(ctx, now.Version)
			if err != nil {
				return nil, err
			}
			everywhere, err := r.Everywhere(ctx)
			one := releaseOf(v, everywhere)
			return &bodyOf[running]{Body: running{Version: now.Version, Previous: now.Previous, Since: moment(now.Since), Release: &one}}, err
		})
}

// A ReleasePath names a version in a path.
type ReleasePath struct {
	Number int64 `path:"number" minimum:"1" example:"42" doc:"Of the version."`
}

func (s *server) registerReleaseFiles() {
	type differences struct {
		From  int64       `json:"from" doc:"The version compared with; 0: none."`
		To    int64       `json:"to" doc:"The version asked for."`
		Files []diff.File `json:"files" doc:"Those that differ, by path."`
	}
	register(s, operation{id: "diff-release", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases/{number}/diff", tag: "releases",
		summary: "How a version differs from another", errors: []int{http.StatusNotFound, http.StatusGone}},
		func(ctx context.Context, in *struct {
			ReleasePath
			From int64 `query:"from" default:"-1" minimum:"-1" doc:"The other version; 0: from nothing. Default the one that it was made of."`
		}) (*bodyOf[differences], error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			out := differences{From: in.From, To: in.Number}
			if out.From < 0 {
				v, err := r.Version(ctx, in.Number)
				if err != nil {
					return nil, err
				}
				out.From = v.Parent
			}
			found, err := r.Diff(ctx, out.From, out.To)
			out.Files = list(found)
			return &bodyOf[differences]{Body: out}, err
		})
	register(s, operation{id: "get-release-files", needs: access.ReleaseRead, method: http.MethodGet, path: "/api/v1/releases/{number}/files", tag: "releases", timeout: -1,
		summary: "Get the files of a version", description: "As a tar.gz.", errors: []int{http.StatusNotFound, http.StatusGone},
		responses: map[string]*huma.Response{"200": {Description: "The files", Content: map[string]*huma.MediaType{archiveMedia: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}},
		func(ctx context.Context, in *ReleasePath) (*huma.StreamResponse, error) {
			r, err := s.releases(ctx)
			if err != nil {
				return nil, err
			}
			files, err := r.Tree(ctx, in.Number)
			if err != nil {
				return nil, err
			}
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				_, w := humago.Unwrap(hc)
				w.Header().Set("Content-Type", archiveMedia)
				w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="version-%d.tar.gz"`, in.Number))
				w.Header().Set("Millrace-Tree", string(files.Hash()))
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(archiveReading))
				if err := tree.Pack(w, files); err != nil {
					panic(http.ErrAbortHandler) // so that what is there is not taken for all
				}
			}}, nil
		})
}

// baseOf is the version that a deployment began from.
func (s *server) baseOf(ctx context.Context, r Releases, base string) (int64, error) {
	if base != "last" {
		n, err := strconv.ParseInt(base, 10, 64)
		if err != nil || n < 0 {
			return 0, millrace.Errorf(millrace.Invalid, "base: %.40q is neither the number of a version nor last", base)
		}
		return n, nil
	}
	me, cursor := s.by(ctx).Actor, ""
	for {
		found, next, err := r.Deploys(ctx, cursor, release.MaxPage)
		if err != nil {
			return 0, err
		}
		for _, d := range found {
			if d.State == release.Healthy && d.Author.Kind == me.Kind && d.Author.ID == me.ID {
				return d.Version, nil
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	now, runs, err := r.Running(ctx)
	if err == nil && runs {
		err = millrace.Errorf(millrace.Conflict, "version %d runs here, and you have deployed none yet: look at it, and say once what your files began from, with base %d if they have all that it has", now.Version, now.Version)
	}
	return 0, err
}
