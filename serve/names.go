package serve

import (
	"context"
	"strings"
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
