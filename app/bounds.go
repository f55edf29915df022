package app

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// queryLimits are those of queries in the space: what its version says, within
// what the server allows.
func (sp *space) queryLimits() project.QuerySettings {
	limits, _ := sp.project.Load().Config.Query.Within(sp.app.config().Query)
	return limits
}

// checkKeys refuses keys that another environment of the workspace has, and shows
// what to write. Keys of other workspaces are refused by intake, which does not
// tell whose they are.
func (a *App) checkKeys(sp *space, p *project.Project) error {
	holder := sp.holder()
	here, ok := a.workspaces.store.Spaces().Space(sp.id)
	if !ok {
		return nil
	}
	var texts []string
	for _, r := range p.In("sources") {
		for _, key := range keysOf(sourceOf(sp.id, r)) {
			there, source, taken := holder(key)
			if !taken {
				continue
			}
			texts = append(texts, fmt.Sprintf("%s: %s: %s is a key of source %s in %s, and a key belongs to one environment. Give %s keys of its own, in %s:\n\n%s",
				r.File, strings.Join(r.Path("write_keys"), "."), key, source, there, here.Environment, r.File, overrideLines(here.Environment)))
			break
		}
	}
	if len(texts) == 0 {
		return nil
	}
	if _, named := p.Config.Environments[here.Environment]; !named {
		texts = append(texts, fmt.Sprintf("and name the environment in %s:\n\nenvironments:\n  %s:\n", project.ConfigFile, here.Environment))
	}
	return millrace.Errorf(millrace.Conflict, "%s", strings.Join(texts, "\n"))
}

// holder says which source of which other environment of the workspace has a write
// key, by what runs at this moment.
func (sp *space) holder() func(key string) (environment, source string, taken bool) {
	now := sp.app.workspaces.store.Spaces()
	here, ok := now.Space(sp.id)
	ours := func(id string) bool {
		other, is := now.Space(id)
		return ok && is && id != sp.id && other.Workspace == here.Workspace
	}
	return func(key string) (string, string, bool) {
		id, source, taken := sp.app.collect.Holder(key, ours)
		if !taken {
			return "", "", false
		}
		there, _ := now.Space(id)
		return there.Environment, source, true
	}
}

// overrideLines are what gives a source a key of its own in an environment.
func overrideLines(environment string) string {
	key := strings.ReplaceAll(environment, "-", "_") + "_" + strings.ToLower(rand.Text()[:20])
	return fmt.Sprintf("environments:\n  %s:\n    write_keys: [%s]\n", environment, key)
}

// environmentsOf are the names of the environments that a project knows.
func environmentsOf(p *project.Project) []string {
	return slices.Sorted(maps.Keys(p.Config.Environments))
}
