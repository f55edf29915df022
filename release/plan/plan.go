// Package plan says what a version of a project would change in an environment,
// and what follows from that: resources and their fields, tables, keys that stop
// working, data that stops flowing, what needs a rebuild or a restart. What
// follows is computed from facts that the server has, never guessed: what is not
// known is said to be unknown.
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/tree"
)

// A Severity says how careful one has to be.
type Severity string

// The severities, from the least.
const (
	Info     Severity = "info"     // good to know
	Careful  Severity = "careful"  // look before: something will be otherwise than some expect
	Breaking Severity = "breaking" // data stops flowing, or is not found any more
)

func (s Severity) rank() int {
	return slices.Index([]Severity{Breaking, Careful, Info}, s)
}

// An Effect is something that follows from a change.
type Effect struct {
	Severity Severity `json:"severity"`
	// Kind names it for programs: table_created, column_type, key_added,
	// key_removed, key_moved, key_taken, flow_stops, tables_stay, renamed, window, limit,
	// origins, signature, expression, restart, engine, retention, bounded, hidden,
	// secret, other, unknown.
	Kind     string `json:"kind"`
	Resource string `json:"resource,omitempty"` // "sources/web"; absent: the project's settings
	Field    string `json:"field,omitempty"`
	Message  string `json:"message"` // what happens
	Do       string `json:"do"`      // what to do about it
}

// A FieldChange is a field of a resource that differs. Values are as they are
// written: secrets are references.
type FieldChange struct {
	Path string  `json:"path"` // "limits.event_size"
	Op   diff.Op `json:"op"`
	Old  any     `json:"old,omitempty"`
	New  any     `json:"new,omitempty"`
}

// A ResourceChange is a resource that differs.
type ResourceChange struct {
	Op     diff.Op       `json:"op"`
	Folder string        `json:"folder,omitempty"` // "sources"; absent: millrace.yaml
	Name   string        `json:"name"`
	Kind   string        `json:"kind,omitempty"` // of the resource, as it is to be
	File   string        `json:"file"`
	Fields []FieldChange `json:"fields,omitempty"`
}

// A FileChange is another file that differs.
type FileChange struct {
	Op   diff.Op `json:"op"`
	Path string  `json:"path"`
}

// A Plan says what a version would change in an environment.
type Plan struct {
	Environment string           `json:"environment,omitempty"`
	From        int64            `json:"from"`         // the version that runs; 0: none
	To          int64            `json:"to,omitempty"` // the version planned; absent: it has no number yet
	FromTree    tree.Hash        `json:"from_tree,omitempty"`
	Tree        tree.Hash        `json:"tree"`
	Outcome     Outcome          `json:"outcome"`
	Resources   []ResourceChange `json:"resources"`
	Files       []FileChange     `json:"files"`
	Effects     []Effect         `json:"effects"` // the most severe first
}

// An Outcome is what a plan comes to, for scripts.
type Outcome string

// The outcomes.
const (
	NoChange       Outcome = "none"
	WithChanges    Outcome = "changes"
	WithBreaking   Outcome = "breaking"
	exitNoChange           = 0
	exitChanges            = 10
	exitBreaking           = 11
	maxValueRunes          = 400
	maxEffectsKept         = 1000
)

// ExitCode is what a command ends with that only plans: 0 no change, 10 changes,
// 11 changes of which some are breaking. 1 and 2 stay failures.
func (o Outcome) ExitCode() int {
	switch o {
	case WithChanges:
		return exitChanges
	case WithBreaking:
		return exitBreaking
	}
	return exitNoChange
}

// Options say what is planned.
type Options struct {
	Old      *tree.Tree // what runs; nil: nothing
	New      *tree.Tree // required
	From, To int64      // their numbers, 0 where there is none
	Kinds    project.Kinds
	Project  project.Options // how both are read: environment, secrets, engines
	Facts    Facts           // nil: nothing is known
	// Refused are the uses of secrets that New has and Old has not, and that who asks
	// may not allow. withhold says which secrets are not looked up then, in either:
	// who plans must not learn a value from what a plan says. nil: none is refused.
	Refused func(old, next *tree.Tree) (uses []project.SecretUse, withhold func(path string) bool)
	// Server has the limits of queries of the server that the version runs on; nil:
	// it is the version that says them.
	Server *project.QuerySettings
	// Holder says which source of which other environment has a write key, which
	// can be of one environment only. nil: none has.
	Holder func(key string) (environment, source string, taken bool)
}

// Make plans. The error is project.Problems when the new version is wrong.
func Make(ctx context.Context, o Options) (*Plan, error) {
	if o.New == nil {
		return nil, millrace.Errorf(millrace.Invalid, "there is no version to plan")
	}
	if o.Project.Cache == nil {
		o.Project.Cache = &project.Cache{}
	}
	var refused []project.SecretUse
	if o.Refused != nil {
		refused, o.Project.Secrets.Withhold = o.Refused(o.Old, o.New)
	}
	next, err := project.Load(o.New.FS(), o.Kinds, o.Project)
	if err != nil {
		return nil, err
	}
	p := &planner{o: o, facts: &known{from: o.Facts, ctx: ctx}, next: side{project: next, tree: o.New, cache: o.Project.Cache}, plan: &Plan{
		Environment: o.Project.Overrides(), From: o.From, To: o.To, Tree: o.New.Hash(),
		Resources: []ResourceChange{}, Files: []FileChange{}, Effects: []Effect{},
	}}
	p.next.index()
	if o.Old != nil {
		p.plan.FromTree = o.Old.Hash()
		p.old.tree, p.old.cache = o.Old, o.Project.Cache
		p.old.project, err = project.Load(o.Old.FS(), o.Kinds, o.Project)
		if err != nil {
			p.cannotRead(err)
		}
		p.old.index()
	}
	p.refused(refused)
	p.compare()
	if err := ctx.Err(); err != nil {
		return nil, millrace.Errorf(millrace.Canceled, "planning was canceled: %w", err)
	}
	p.finish()
	return p.plan, nil
}

// A side is one of the two versions.
type side struct {
	tree      *tree.Tree
	cache     *project.Cache
	project   *project.Project // nil: there is none, or it cannot be read
	resources map[string]project.Resource
	limits    map[string]limit // of millrace.yaml
}

func (s *side) index() {
	s.resources = map[string]project.Resource{}
	if s.project == nil {
		return
	}
	for _, r := range s.project.Resources {
		s.resources[r.File] = r
	}
}

// values are what a file of the side says; nil when there is none.
func (s *side) values(file string) project.Fields {
	text, ok := s.tree.Read(file)
	if !ok {
		return nil
	}
	fields, err := s.cache.Values(text)
	if err != nil {
		return nil
	}
	return fields
}

type planner struct {
	o         Options
	facts     *known
	old, next side
	plan      *Plan
	moved     map[string]string // keys to the source that has them next
	came      map[string]string // keys to the source that had them
}

func (p *planner) cannotRead(err error) {
	var problems project.Problems
	what := err.Error()
	if errors.As(err, &problems) && len(problems) > 0 {
		what = problems[0].String()
	}
	p.effect(Effect{Severity: Careful, Kind: "unknown", Message: "The running version cannot be read as it is (" + clip(what) + "), so what follows from the changes is not known.",
		Do: "Compare its files with millrace release diff."})
}

func (p *planner) effect(e Effect) {
	if len(p.plan.Effects) < maxEffectsKept {
		p.plan.Effects = append(p.plan.Effects, e)
	}
}

// refused tells of uses of secrets for which a deployment is refused.
func (p *planner) refused(uses []project.SecretUse) {
	for _, u := range uses {
		e := Effect{Severity: Careful, Kind: "secret", Resource: u.Resource, Field: u.Field,
			Message: fmt.Sprintf("This is a new use of the secret %s by %s: who lacks the permission secret:use is refused to deploy it, unless the vault allows it. What follows from its value is not told.", clip(u.Path), clip(u.Resource)),
			Do:      fmt.Sprintf("Have someone deploy it who has that permission, or allow it in the vault, with millrace secret allow %s --resource %s.", clip(u.Path), clip(u.Resource))}
		if u.File == project.ConfigFile {
			e.Resource = ""
		}
		p.effect(e)
	}
}

// compare goes through the files that differ.
func (p *planner) compare() {
	p.followKeys()
	p.takenKeys()
	old, next := p.old.tree.Files(), p.next.tree.Files()
	for i, j := 0, 0; i < len(old) || j < len(next); {
		switch {
		case j == len(next) || i < len(old) && old[i].Path < next[j].Path:
			p.file(diff.Removed, old[i].Path)
			i++
		case i == len(old) || old[i].Path > next[j].Path:
			p.file(diff.Added, next[j].Path)
			j++
		default:
			if old[i].Hash != next[j].Hash || old[i].Executable != next[j].Executable {
				p.file(diff.Changed, next[j].Path)
			}
			i, j = i+1, j+1
		}
	}
}

func (p *planner) file(op diff.Op, path string) {
	if path == project.ConfigFile {
		p.settings(op)
		return
	}
	folder, name, ok := strings.Cut(path, "/")
	name, yaml := strings.CutSuffix(name, ".yaml")
	if _, known := p.o.Kinds[folder]; !ok || !known || !yaml || strings.Contains(name, "/") {
		p.plan.Files = append(p.plan.Files, FileChange{Op: op, Path: path})
		return
	}
	change := ResourceChange{Op: op, Folder: folder, Name: name, File: path}
	old, had := p.old.resources[path]
	next, has := p.next.resources[path]
	change.Kind = old.Kind
	if has {
		change.Kind = next.Kind
	}
	saysOld, saysNext := p.old.values(path), p.next.values(path)
	environment := p.o.Project.Overrides()
	before, after := effective(saysOld, environment), effective(saysNext, environment)
	if op != diff.Removed {
		change.Fields = fieldChanges(before, after)
	}
	p.overrides(folder+"/"+name, environment, saysOld, saysNext, change.Fields)
	if op == diff.Changed && len(change.Fields) == 0 { // comments, order, spaces, or other environments
		p.plan.Files = append(p.plan.Files, FileChange{Op: op, Path: path})
		return
	}
	p.plan.Resources = append(p.plan.Resources, change)
	if folder != "sources" || op != diff.Added && !had {
		return
	}
	c := &sourceChange{planner: p, ResourceChange: change}
	if had {
		c.old = sourceOf(old, before)
	}
	if has {
		c.next = sourceOf(next, after)
	}
	c.effects()
}

// finish puts everything into its order.
func (p *planner) finish() {
	slices.SortStableFunc(p.plan.Effects, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.Resource, b.Resource))
	})
	slices.SortStableFunc(p.plan.Resources, func(a, b ResourceChange) int {
		return cmp.Or(cmp.Compare(a.Folder, b.Folder), cmp.Compare(a.Name, b.Name))
	})
	p.plan.Outcome = NoChange
	if len(p.plan.Resources)+len(p.plan.Files) > 0 {
		p.plan.Outcome = WithChanges
	}
	if slices.ContainsFunc(p.plan.Effects, func(e Effect) bool { return e.Severity == Breaking }) {
		p.plan.Outcome = WithBreaking
	}
}
