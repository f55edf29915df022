package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// needRestart are the settings that a running server does not change.
var needRestart = []string{"catalog", "warehouse", "archive", "archive_interval", "log.reserve", "collect",
	"query.timeout", "query.memory", "query.spill", "query.rows", "query.login", "query.concurrency"}

// ofServer are the settings that are the whole server's, not only those of the
// environment whose version says them. The limits of queries are among them, since no
// environment of any workspace has larger ones.
var ofServer = []string{"log", "warehouse", "archive", "archive_interval", "catalog", "collect", "query", "smtp", "audit_retention", "backup"}

// ServerSettings names the settings of the whole server in which two texts of
// millrace.yaml differ for an environment, as they are written. One that cannot be
// read says nothing.
func ServerSettings(old, next []byte, environment string) (fields []string) {
	says, err := project.Values(next)
	if err != nil {
		return nil // it is refused as a whole
	}
	before := project.Fields{}
	if said, err := project.Values(old); err == nil {
		before = effective(said, environment)
	}
	for _, path := range leaves(fieldChanges(before, effective(says, environment))) {
		if slices.ContainsFunc(ofServer, func(s string) bool {
			return path == s || strings.HasPrefix(path, s+".") || strings.HasPrefix(s, path+".")
		}) {
			fields = append(fields, path)
		}
	}
	return fields
}

// needsRestart says whether a setting, such as "log.reserve", takes effect only
// when the server is started again.
func needsRestart(path string) bool {
	return slices.ContainsFunc(needRestart, func(s string) bool { return path == s || strings.HasPrefix(path, s+".") })
}

// NeedRestart names the settings in which two differ that take effect only when
// the server is started again, such as "log.reserve". It compares what they come
// to, with the values of secrets, and not how they are written.
func NeedRestart(old, next project.Settings) []string {
	fields := differing(reflect.ValueOf(old), reflect.ValueOf(next), "")
	return slices.DeleteFunc(fields, func(field string) bool { return !needsRestart(field) })
}

// differing are the paths of the fields in which two settings differ.
func differing(a, b reflect.Value, path string) (fields []string) {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return nil
	}
	t := a.Type()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		x, y, at := a.Field(i), b.Field(i), join(path, name)
		switch {
		case x.Kind() == reflect.Struct:
			fields = append(fields, differing(x, y, at)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			fields = append(fields, at)
		}
	}
	return fields
}

// settings compares millrace.yaml as the environment has it.
func (p *planner) settings(op diff.Op) {
	before, after := p.old.values(project.ConfigFile), p.next.values(project.ConfigFile)
	environment := p.o.Project.Environment
	change := ResourceChange{Op: op, Name: project.ConfigFile, File: project.ConfigFile, Fields: fieldChanges(effective(before, environment), effective(after, environment))}
	p.overrides("", environment, before, after, change.Fields)
	if op == diff.Changed && len(change.Fields) == 0 { // comments, or other environments
		p.plan.Files = append(p.plan.Files, FileChange{Op: op, Path: project.ConfigFile})
		return
	}
	p.plan.Resources = append(p.plan.Resources, change)
	p.bounded(effective(after, environment))
	if op != diff.Changed {
		return
	}
	engines := map[string]bool{}
	var restart []string
	for _, path := range p.meant(change.Fields) {
		switch path {
		case "warehouse", "archive":
			engines[path] = true
		case "log.retention", "log.size":
			p.effect(Effect{Severity: Info, Kind: "retention", Field: path, Message: fmt.Sprintf("The log keeps records by %s from now on; all of them are in the archive before they leave it.", path), Do: "Nothing."})
		case "name":
			p.effect(Effect{Severity: Info, Kind: "other", Field: path, Message: "The project is called otherwise; no table or address depends on that.", Do: "Nothing."})
		}
		if needsRestart(path) {
			restart = append(restart, path)
		}
	}
	p.engines(engines)
	p.inherited()
	if len(restart) > 0 {
		p.effect(Effect{Severity: Careful, Kind: "restart", Field: restart[0],
			Message: fmt.Sprintf("What %s says now takes effect when the server is started again; until then it goes on as before.", strings.Join(restart, ", ")), Do: "Restart the server after the deployment."})
	}
}

// meant are the settings that come to another value: not those that only are
// written otherwise, such as what is the default. What a secret says may not be
// known here, so that a reference in place of another one counts.
func (p *planner) meant(changes []FieldChange) []string {
	if p.old.project == nil {
		return leaves(changes)
	}
	paths := differing(reflect.ValueOf(p.old.project.Config.Settings), reflect.ValueOf(p.next.project.Config.Settings), "")
	for _, c := range changes {
		if (c.Path == "name" || refers(c.Old) || refers(c.New)) && !slices.Contains(paths, c.Path) {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

// refers says whether a value has a reference to a secret in it.
func refers(v any) bool { return strings.Contains(written(v), "${secret:") }

// bounded tells of limits of queries that the server's take the place of.
func (p *planner) bounded(says project.Fields) {
	if p.o.Server == nil {
		return
	}
	v, _ := find(says, "query")
	own, _ := v.(project.Fields)
	_, other := p.next.project.Config.Query.Within(*p.o.Server)
	var fields []string
	for _, path := range other {
		if _, written := find(own, strings.TrimPrefix(path, "query.")); written {
			fields = append(fields, path)
		}
	}
	if len(fields) > 0 {
		p.effect(Effect{Severity: Info, Kind: "bounded", Field: fields[0],
			Message: fmt.Sprintf("What the server says holds instead of %s: an environment may have a shorter timeout, fewer rows and smaller results, and memory, spill, login and concurrency are the whole server's.", strings.Join(fields, ", ")),
			Do:      "Nothing, or leave them out here."})
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
