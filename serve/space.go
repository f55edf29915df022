package serve

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/serve/job"
)

// A Space is one environment of a workspace as the API sees it: records and
// tables, the project that runs, and the work on them that goes on. Nothing of
// one is reached from another. Its fields stay as they are once it is served.
type Space struct {
	ID        string // of its records, in the log and wherever they go; default millrace.DefaultWorkspace
	Workspace string // id of the workspace, in which people have roles; default ID
	// Open returns the space as it is asked, when that is another: one that is
	// opened on demand, so that all else but ID and Workspace is missing here. It
	// fails when nothing can be asked of the space at present. release says that
	// the request is over. Nil: it is this one, always.
	Open func(ctx context.Context) (sp *Space, release func(), err error)

	System      System       // required
	Querier     Querier      // required
	Waiter      Waiter       // required: for `after` in queries
	Readers     Readers      // required
	Duplicates  Duplicates   // required
	Resubmitter Resubmitter  // required
	Rebuilder   Rebuilder    // required
	History     History      // numbers over time; nil: there are none
	Results     Results      // where results of queries are kept; nil: nowhere
	Releases    Releases     // versions of the project; nil: there are none
	Files       ProjectFiles // of the project; nil: they are not shown
	// Jobs is the long work that was asked for here; required, closed by the caller.
	Jobs *job.Registry

	// MaxQueryTimeout bounds timeout_ms of queries; default 10 minutes.
	// DefaultQueryTimeout and DefaultQueryRows hold where a query says nothing;
	// 0 leaves it to the warehouse.
	MaxQueryTimeout, DefaultQueryTimeout time.Duration
	DefaultQueryRows                     int

	completed sync.Once
	missing   []string

	catalogs catalogs
	sizes    sizes
	changed  changesCache
}

// complete sets defaults, once, and names what is missing.
func (sp *Space) complete() []string {
	sp.completed.Do(sp.setDefaults)
	return sp.missing
}

func (sp *Space) setDefaults() {
	for name, there := range map[string]bool{
		"System": sp.System != nil, "Querier": sp.Querier != nil, "Waiter": sp.Waiter != nil, "Readers": sp.Readers != nil, "Duplicates": sp.Duplicates != nil,
		"Resubmitter": sp.Resubmitter != nil, "Rebuilder": sp.Rebuilder != nil, "Jobs": sp.Jobs != nil,
	} {
		if !there {
			sp.missing = append(sp.missing, name)
		}
	}
	if sp.ID == "" {
		sp.ID = millrace.DefaultWorkspace
	}
	if sp.Workspace == "" {
		sp.Workspace = sp.ID
	}
	if sp.MaxQueryTimeout <= 0 {
		sp.MaxQueryTimeout = 10 * time.Minute
	}
	slices.Sort(sp.missing)
}

type (
	spaceKey     struct{}
	spaceNameKey struct{}
)

// space is what the request of ctx, or the work that it began, is about. There
// is no default: what does not say where it works works nowhere.
func (s *server) space(ctx context.Context) *Space {
	return ctx.Value(spaceKey{}).(*Space)
}

func inSpace(ctx context.Context, sp *Space) context.Context {
	return context.WithValue(ctx, spaceKey{}, sp)
}

// workIn is work of a job, which outlives its request, in the request's space.
func workIn(sp *Space, work job.Work) job.Work {
	return func(ctx context.Context, progress func(job.Progress)) (any, error) {
		return work(inSpace(ctx, sp), progress)
	}
}

// spacePath begins the paths that name a space: /api/v1/w/acme@staging/query is
// /api/v1/query there.
const spacePath = "/api/v1/w/"

// named takes the name of a space out of the path, and keeps it for spaced.
func named(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.Path, spacePath)
	if !ok {
		return r
	}
	name, path, _ := strings.Cut(rest, "/")
	out := r.WithContext(context.WithValue(r.Context(), spaceNameKey{}, name))
	out.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: r.URL.RawQuery}
	return out
}

// at is a path of the API within the space that the request of ctx names.
func at(ctx context.Context, path string) string {
	if name, ok := ctx.Value(spaceNameKey{}).(string); ok {
		return spacePath + url.PathEscape(name) + strings.TrimPrefix(path, "/api/v1")
	}
	return path
}

// spaced finds the space that a request is about: the one that its path names;
// else that of the API key that asks; else the first. It is not opened yet.
func (s *server) spaced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sp, who := s.o.Space, principal(r.Context())
		if name, ok := r.Context().Value(spaceNameKey{}).(string); ok {
			var err error
			if sp, err = s.named(r.Context(), who, name); err == nil && !who.Member(sp.Workspace) {
				err = NoSpace(name)
			}
			if err != nil {
				writeProblem(w, r, err)
				return
			}
		} else if name := home(who); name != "" {
			if own, err := s.findSpace(r.Context(), name); err == nil {
				sp = own
			}
		}
		next.ServeHTTP(w, r.WithContext(inSpace(r.Context(), sp)))
	})
}

// named finds the space that a path names; @staging is another environment of the
// workspace that is asked without a name.
func (s *server) named(ctx context.Context, who access.Principal, name string) (*Space, error) {
	environment, ok := strings.CutPrefix(name, "@")
	if !ok || s.o.Environment == nil {
		return s.findSpace(ctx, name)
	}
	sp := s.o.Space
	if own := home(who); own != "" {
		var err error
		if sp, err = s.findSpace(ctx, own); err != nil {
			return nil, err
		}
	}
	if !who.Member(sp.Workspace) {
		return nil, NoSpace(name)
	}
	return s.o.Environment(ctx, sp.Workspace, environment)
}

// home is the id of the space, or of the workspace, that an API key is of; ""
// when it is of none.
func home(who access.Principal) string {
	if who.Kind != access.KeyKind {
		return ""
	}
	for _, g := range who.Grants() {
		if g.Workspace != access.Installation {
			return cmp.Or(g.Environment, g.Workspace)
		}
	}
	return ""
}

// NoSpace is what someone is told of a space that is not there, and of one that
// is not theirs: the two are not told apart.
func NoSpace(name string) error {
	return millrace.Errorf(millrace.NotFound, "there is no workspace %.80q, or you are no member of it: someone who manages its members can invite you", name)
}

func (s *server) findSpace(ctx context.Context, name string) (*Space, error) {
	if s.o.Spaces == nil {
		if name == s.o.Space.ID {
			return s.o.Space, nil
		}
		return nil, NoSpace(name)
	}
	sp, err := s.o.Spaces(ctx, name)
	if err == nil && sp.Open == nil {
		err = whole(sp)
	}
	return sp, err
}

// whole refuses a space that lacks something.
func whole(sp *Space) error {
	if missing := sp.complete(); len(missing) > 0 {
		return millrace.Errorf(millrace.Internal, "space %s lacks %s", sp.ID, strings.Join(missing, ", "))
	}
	return nil
}

// enter opens the space that the request of ctx is about.
func (s *server) enter(ctx context.Context) (_ context.Context, release func(), err error) {
	sp := s.space(ctx)
	if sp.Open == nil {
		return ctx, func() {}, nil
	}
	opened, release, err := sp.Open(ctx)
	if err != nil {
		return ctx, nil, err
	}
	if err := whole(opened); err != nil {
		release()
		return ctx, nil, err
	}
	return inSpace(ctx, opened), release, nil
}
