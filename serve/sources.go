package serve

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/result"
)

func (s *server) registerSources() {
	type sourceList struct {
		Sources []Source `json:"sources"`
	}
	register(s, operation{id: "list-sources", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources", tag: "sources", summary: "List the sources"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[sourceList], error) {
			all, err := s.space(ctx).System.Sources(ctx, s.space(ctx).ID)
			if err != nil {
				return nil, err
			}
			for i := range all {
				all[i].WriteKeys, all[i].Keys = list(all[i].WriteKeys), list(all[i].Keys)
			}
			return &bodyOf[sourceList]{Body: sourceList{list(all)}}, nil
		})
	register(s, operation{id: "get-source", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources/{source}", tag: "sources",
		summary: "Get a source", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Source string `path:"source" maxLength:"63" example:"web" doc:"Name of the source."`
		}) (*bodyOf[Source], error) {
			source, err := s.sourceNamed(ctx, in.Source)
			return &bodyOf[Source]{Body: source}, err
		})
}

// noSource says that there is no source of that name, and which there are.
func noSource(name string, all []Source) error {
	known := make([]string, len(all))
	for i, source := range all {
		known[i] = source.Name
	}
	return millrace.Errorf(millrace.NotFound, "there is no source %q: the project has %s", name, nameList(known))
}

// checkSource refuses the name of a source that neither the project nor the
// warehouse has: the warehouse keeps those that left the project. One that
// cannot say what it has is believed to have it.
func (s *server) checkSource(ctx context.Context, name string) error {
	if name == "" || name == systemSource {
		return nil
	}
	all, err := s.space(ctx).System.Sources(ctx, s.space(ctx).ID)
	if err != nil || slices.ContainsFunc(all, func(source Source) bool { return source.Name == name }) {
		return err
	}
	found := false
	err = s.each(ctx, "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = $1 LIMIT 1", []any{name}, 1,
		func([]result.Cell, int) error { found = true; return nil })
	if found || err != nil {
		return nil
	}
	return noSource(name, all)
}

// systemSource is the source of what Millrace says of itself.
const systemSource = "millrace"

func nameList(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// mayControl refuses who may not control a reader: one that all workspaces have in
// common is the server's, whichever environment it is asked in.
func (s *server) mayControl(ctx context.Context, name string) error {
	sp := s.space(ctx)
	if sp.Readers.Shared(name) {
		return principal(ctx).Allow(access.ServerControl, "", "")
	}
	return principal(ctx).Allow(access.ReaderControl, sp.Workspace, sp.ID)
}

// readerNamed is how a reader is now.
func (s *server) readerNamed(ctx context.Context, name string) (*bodyOf[Reader], error) {
	all, err := s.space(ctx).Readers.Readers(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Name == name {
			r.Actions = list(r.Actions)
			return &bodyOf[Reader]{Body: r}, nil
		}
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no reader %q any more", name)
}

func (s *server) registerReaders() {
	type readerList struct {
		Readers []Reader `json:"readers"`
	}
	type named struct {
		Name string `path:"name" maxLength:"100" example:"warehouse" doc:"Name of the reader."`
	}
	type readerReset struct {
		After *millrace.Position `json:"after,omitempty" doc:"Go on with what follows this position; the very beginning when absent."`
	}
	register(s, operation{id: "list-readers", needs: access.StatusRead, method: http.MethodGet, path: "/api/v1/readers", tag: "readers", summary: "List the readers of the log"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[readerList], error) {
			all, err := s.space(ctx).Readers.Readers(ctx)
			if err != nil {
				return nil, err
			}
			for i := range all {
				all[i].Actions = list(all[i].Actions)
			}
			return &bodyOf[readerList]{Body: readerList{list(all)}}, nil
		})
	change := func(action, summary, description string, do func(context.Context, string) error) {
		register(s, operation{id: action + "-reader", needs: access.ReaderControl, or: access.ServerControl, method: http.MethodPost, path: "/api/v1/readers/{name}/" + action, tag: "readers",
			summary: summary, description: description, errors: []int{http.StatusNotFound, http.StatusConflict}},
			func(ctx context.Context, in *named) (*bodyOf[Reader], error) {
				if err := s.mayControl(ctx, in.Name); err != nil {
					return nil, err
				}
				if err := do(ctx, in.Name); err != nil {
					return nil, err
				}
				s.tell(ctx, "reader."+action, audit.Object{Kind: "reader", ID: in.Name}, nil, nil)
				return s.readerNamed(ctx, in.Name)
			})
	}
	change("pause", "Pause a reader", "It finishes what it has begun and then stands still until it is resumed, across restarts too. One that is shared by all workspaces needs server:control.",
		func(ctx context.Context, name string) error { return s.space(ctx).Readers.Pause(ctx, name) })
	change("resume", "Resume a paused reader", "It goes on where it stopped. One that is shared by all workspaces needs server:control.",
		func(ctx context.Context, name string) error { return s.space(ctx).Readers.Resume(ctx, name) })
	register(s, operation{id: "reset-reader", needs: access.ReaderControl, or: access.ServerControl, method: http.MethodPost, path: "/api/v1/readers/{name}/reset", tag: "readers",
		summary: "Make a reader begin again", description: "The warehouse, without a position, makes all tables anew from the whole history. The archive, with one, gives up the damaged frames of the log up to it, and all readers go on behind; that needs server:control.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone}},
		func(ctx context.Context, in *struct {
			Name string       `path:"name" maxLength:"100" example:"warehouse" doc:"Name of the reader."`
			Body *readerReset `required:"false"`
		}) (*bodyOf[Reader], error) {
			if err := s.mayControl(ctx, in.Name); err != nil {
				return nil, err
			}
			var after *millrace.Position
			if in.Body != nil {
				after = in.Body.After
			}
			if err := s.space(ctx).Readers.Reset(ctx, in.Name, after); err != nil {
				return nil, err
			}
			s.tell(ctx, "reader.reset", audit.Object{Kind: "reader", ID: in.Name}, nil, in.Body)
			return s.readerNamed(ctx, in.Name)
		})
}
