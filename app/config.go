package app

import (
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/warehouse"
)

// Kinds are the resources that a project of this version may have.
func Kinds() project.Kinds {
	return project.Kinds{
		"sources": {
			"http":    func() any { return new(collect.HTTPSource) },
			"webhook": func() any { return new(collect.WebhookSource) },
		},
	}
}

// loadProject reads a folder with the kinds and engines of this version, as far as
// that is possible without the vault: what its secrets are for is left out.
func loadProject(dir, environment string) (*project.Project, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, millrace.Errorf(millrace.NotFound, "there is no folder %s: make a project there with: millrace init %s", dir, dir)
	}
	o := projectOptions(dir, environment)
	o.Secrets.Later = true
	return project.Load(os.DirFS(dir), Kinds(), o)
}

// projectOptions are how a project in a folder is read.
func projectOptions(dir, environment string) project.Options {
	return project.Options{
		Environment: environment,
		Secrets:     project.Secrets{Dir: secretsFolder(dir)},
		Warehouses:  schemes(warehouses), Archives: schemes(buckets), Catalogs: schemes(catalogs),
	}
}

func schemes[T any](backends map[string]T) []string {
	var all []string
	for scheme := range backends {
		all = append(all, scheme)
	}
	slices.Sort(all)
	return all
}

// sources are a project's, as intake wants them in a space.
func sources(space string, p *project.Project) []collect.Source {
	var all []collect.Source
	for _, r := range p.In("sources") {
		all = append(all, sourceOf(space, r))
	}
	return all
}

func sourceOf(space string, r project.Resource) collect.Source {
	s := collect.Source{Workspace: space, Name: r.Name}
	switch config := r.Config.(type) {
	case *collect.HTTPSource:
		s.HTTP = config
	case *collect.WebhookSource:
		s.Webhook = config
	}
	return s
}

// window is how long an ID of a source counts, in the project that runs. It is not
// known of a workspace that is not served now, as at the start, in a command on the
// folder, or while it is suspended.
func (a *App) window(space, source string) time.Duration {
	if source == millrace.SourceMillrace {
		return dedup.Forever
	}
	if sp := a.spaces.get(space); sp != nil {
		for _, s := range sp.sources() {
			if s.Name == source {
				return windowOf(s)
			}
		}
	}
	return dedup.Unknown
}

func windowOf(s collect.Source) time.Duration {
	w := collect.Window(0)
	if s.HTTP != nil {
		w = s.HTTP.Dedup
	} else if s.Webhook != nil {
		w = s.Webhook.Dedup
	}
	if w = w.OrDefault(); w == collect.Forever {
		return dedup.Forever
	}
	return time.Duration(w)
}

// settings say how the warehouse shapes the project's records.
func settings(p *project.Project) warehouse.Settings {
	all := warehouse.Settings{Sources: map[string]warehouse.SourceSettings{millrace.SourceMillrace: {Types: auditTypes()}}}
	for _, s := range sources("", p) {
		var types map[string]string
		var limits collect.Limits
		if s.HTTP != nil {
			types, limits = s.HTTP.Types, s.HTTP.Limits
		} else if s.Webhook != nil {
			types, limits = s.Webhook.Types, s.Webhook.Limits
		}
		all.Sources[s.Name] = warehouse.SourceSettings{Types: types, MaxColumns: limits.Columns, MaxTables: limits.EventTables}
	}
	return all
}

// limits are the project's for every source that has none of its own.
func limits(l project.CollectLimits) collect.Limits {
	return collect.Limits{
		EventSize: l.EventSize, BatchSize: l.BatchSize, BatchEvents: l.BatchEvents, Depth: l.Depth,
		KeyLength: l.KeyLength, Properties: l.Properties, Rate: l.Rate, Burst: l.Burst,
	}
}
