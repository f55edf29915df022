package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/workspace"
)

// environmentName is what people call the environment with an id; "" when that is
// not known, or it is all of them.
func (s *server) environmentName(id string) string {
	if s.o.Workspaces == nil || id == "" {
		return ""
	}
	if sp, ok := s.o.Workspaces.Spaces().Space(id); ok {
		return sp.Environment
	}
	return ""
}

// workspaceName is what people call the workspace with an id; "" when that is not known.
func (s *server) workspaceName(id string) string {
	if s.o.Workspaces == nil {
		return ""
	}
	if all := s.o.Workspaces.Spaces().Of(id); len(all) > 0 {
		return all[0].Name
	}
	return ""
}

// workspaceTitle is what the workspace with an id is called for people; "" when that
// is not known.
func (s *server) workspaceTitle(id string) string {
	if s.o.Workspaces == nil {
		return ""
	}
	if all := s.o.Workspaces.Spaces().Of(id); len(all) > 0 {
		return all[0].Title
	}
	return ""
}

// otherTables tells who looks for a table that is not there in which environment they
// did, and where in the workspace they can ask besides; "" when that is nowhere.
func (s *server) otherTables(ctx context.Context) string {
	if s.o.Workspaces == nil {
		return ""
	}
	const most = 5
	sp, who := s.space(ctx), principal(ctx)
	var others []string
	for _, e := range s.o.Workspaces.Spaces().Of(sp.Workspace) {
		if e.ID != sp.ID && e.State == workspace.Active && who.Can(access.QueryRun, sp.Workspace, e.ID) {
			others = append(others, e.Address())
		}
	}
	if len(others) == 0 {
		return ""
	}
	slices.Sort(others)
	return fmt.Sprintf("; this is the environment %s, and each has tables of its own: those of another are asked for in %s", s.environmentName(sp.ID), strings.Join(others[:min(len(others), most)], " or "))
}

// makerID is the id in what says who made something: "person p_…" or "key k_…".
func makerID(maker string) string {
	kind, id, ok := strings.Cut(maker, " ")
	if ok && (kind == "person" || kind == "key") {
		return id
	}
	if strings.HasPrefix(maker, "p_") || strings.HasPrefix(maker, "k_") {
		return maker
	}
	return ""
}

// makers are what those who made something are called, by id. They are beside the
// point of an answer: where they cannot be read it goes without.
func (s *server) makers(ctx context.Context, made ...string) map[string]string {
	ids := make([]string, 0, len(made))
	for _, maker := range made {
		ids = append(ids, makerID(maker))
	}
	names, err := s.o.Access.Names(ctx, ids...)
	if err != nil {
		s.o.Logger.Warn("who made something cannot be named", "request", requestID(ctx), "error", err)
	}
	return names
}
