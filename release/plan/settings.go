package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// needRestart are the settings that a running server does not change.
var needRestart = []string{"warehouse", "archive", "archive_interval", "log.reserve", "collect",
	"query.timeout", "query.memory", "query.spill", "query.rows", "query.login", "query.concurrency"}

// NeedsRestart says whether a setting, such as "log.reserve", takes effect only
// when the server is started again.
func NeedsRestart(path string) bool {
	return slices.ContainsFunc(needRestart, func(s string) bool { return path == s || strings.HasPrefix(path, s+".") })
}

// settings compares millrace.yaml as the environment has it.
func (p *planner) settings(op diff.Op) {
	before, after := p.old.values(project.ConfigFile), p.next.values(project.ConfigFile)
	change := ResourceChange{Op: op, Name: project.ConfigFile, File: project.ConfigFile, Fields: fieldChanges(p.effective(before), p.effective(after))}
	p.elsewhere(before, after)
	if op == diff.Changed && len(change.Fields) == 0 { // comments, or other environments
		p.plan.Files = append(p.plan.Files, FileChange{Op: op, Path: project.ConfigFile})
		return
	}
	p.plan.Resources = append(p.plan.Resources, change)
	if op != diff.Changed {
		return
	}
	engines := map[string]bool{}
	var restart []string
	for _, f := range change.Fields {
		switch f.Path {
		case "warehouse", "archive":
			engines[f.Path] = true
		case "log.retention", "log.size":
			p.effect(Effect{Severity: Info, Kind: "retention", Field: f.Path, Message: fmt.Sprintf("The log keeps records by %s from now on; all of them are in the archive before they leave it.", f.Path), Do: "Nothing."})
		case "name":
			p.effect(Effect{Severity: Info, Kind: "other", Field: f.Path, Message: "The project is called otherwise; no table or address depends on that.", Do: "Nothing."})
		}
		if NeedsRestart(f.Path) {
			restart = append(restart, f.Path)
		}
	}
	p.engines(engines)
	p.inherited()
	if len(restart) > 0 {
		p.effect(Effect{Severity: Careful, Kind: "restart", Field: restart[0],
			Message: fmt.Sprintf("What %s says now takes effect when the server is started again; until then it goes on as before.", strings.Join(restart, ", ")), Do: "Restart the server after the deployment."})
	}
}

func (p *planner) engines(changed map[string]bool) {
	if changed["warehouse"] {
		p.effect(Effect{Severity: Breaking, Kind: "engine", Field: "warehouse",
			Message: "The tables are in another place: there they are made anew from archive and log, and queries see what is done so far. Those in the old place stay, and get nothing new.",
			Do:      "Restart, wait until millrace status says that all is loaded, and move what asks the old place directly."})
	}
	if changed["archive"] {
		p.effect(Effect{Severity: Breaking, Kind: "engine", Field: "archive",
			Message: "The archive is in another place: what only the old one has is not found there, so that a rebuild would lose it.",
			Do:      "Stop the server, copy the whole old archive to the new place, and start it with the new version."})
	}
}

// effective is what millrace.yaml says for the environment.
func (p *planner) effective(says project.Fields) project.Fields {
	var own project.Fields
	out := slices.DeleteFunc(slices.Clone(says), func(f project.Field) bool {
		if f.Name != "environments" {
			return false
		}
		all, _ := f.Value.(project.Fields)
		v, _ := find(all, p.o.Project.Environment)
		own, _ = v.(project.Fields)
		return true
	})
	return overlaid(out, own)
}

// elsewhere tells that other environments change too, when they are deployed to.
func (p *planner) elsewhere(before, after project.Fields) {
	of := func(says project.Fields) map[string]any {
		out := map[string]any{}
		v, _ := find(says, "environments")
		all, _ := v.(project.Fields)
		for _, f := range all {
			out[f.Name] = f.Value
		}
		return out
	}
	old, next := of(before), of(after)
	var others []string
	for name := range maps.Keys(next) {
		if was, had := old[name]; name != p.o.Project.Environment && (!had || !same(was, next[name])) {
			others = append(others, clip(name))
		}
	}
	for name := range old {
		if _, has := next[name]; name != p.o.Project.Environment && !has {
			others = append(others, clip(name))
		}
	}
	if len(others) == 0 || p.o.Old == nil {
		return
	}
	slices.Sort(others)
	p.effect(Effect{Severity: Info, Kind: "other", Field: "environments",
		Message: fmt.Sprintf("The settings of %s change too, for when it is deployed there.", strings.Join(others, ", ")), Do: "Plan it there with --env."})
}
