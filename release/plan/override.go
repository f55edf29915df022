package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// environmentsField is the field of a file that says what differs by environment.
const environmentsField = "environments"

// mostNamed is how many fields are named in one sentence.
const mostNamed = 5

// effective is what a file says for an environment.
func effective(says project.Fields, environment string) project.Fields {
	return overlaid(without(says), overridesOf(says)[environment])
}

// without is what a file says for environments that it says nothing else for.
func without(says project.Fields) project.Fields {
	return slices.DeleteFunc(slices.Clone(says), func(f project.Field) bool { return f.Name == environmentsField })
}

// overridesOf are what a file says besides for each environment that it names.
func overridesOf(says project.Fields) map[string]project.Fields {
	out := map[string]project.Fields{}
	v, _ := find(says, environmentsField)
	all, _ := v.(project.Fields)
	for _, f := range all {
		out[f.Name], _ = f.Value.(project.Fields)
	}
	return out
}

// overrides tells what the fields for some environments make of a change of a
// resource, or of the settings: what was changed and does not hold here, and what
// holds or changes elsewhere. changed are the fields that change here.
func (p *planner) overrides(resource, environment string, before, after project.Fields, changed []FieldChange) {
	if before == nil || after == nil {
		return
	}
	old, next := overridesOf(before), overridesOf(after)
	written := fieldChanges(without(before), without(after))
	if hidden := hiddenBy(written, changed); len(hidden) > 0 {
		p.effect(Effect{Severity: Careful, Kind: "hidden", Resource: resource, Field: hidden[0],
			Message: fmt.Sprintf("%s changed in the file, but not in %s: what stands there under %s.%s holds instead.", are(hidden, "is", "are"), clip(environment), environmentsField, clip(environment)),
			Do:      fmt.Sprintf("Nothing, if that is meant. Otherwise change %s there too.", named(hidden))})
	}
	names := slices.Sorted(maps.Keys(next))
	for name := range old {
		if _, has := next[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if name != environment {
			p.elsewhere(resource, name, before, after, written)
		}
	}
}

// elsewhere tells what changes in another environment when it is deployed there,
// where that is something else than here.
func (p *planner) elsewhere(resource, name string, before, after project.Fields, written []FieldChange) {
	there := fieldChanges(effective(before, name), effective(after, name))
	own := leaves(fieldChanges(overridesOf(before)[name], overridesOf(after)[name]))
	hidden := hiddenBy(written, there)
	var says []string
	if len(own) > 0 {
		says = append(says, fmt.Sprintf("What %s says for %s changes: %s.", map[bool]string{true: "the file", false: project.ConfigFile}[resource != ""], clip(name), named(own)))
	}
	if len(hidden) > 0 {
		says = append(says, fmt.Sprintf("%s as before in %s, which has its own.", are(hidden, "stays", "stay"), clip(name)))
	}
	if len(says) == 0 {
		return
	}
	do := "Plan it there with --env " + clip(name) + "."
	if resource == "" && p.o.Project.Environment == "" && name == p.o.Project.Own {
		says = append(says, fmt.Sprintf("This server was started without --env, so its settings for %s do not hold.", clip(name)))
		do = "Start it with --env " + clip(name) + ", or write the setting outside of environments."
	}
	p.effect(Effect{Severity: Info, Kind: "other", Resource: resource, Field: environmentsField, Message: strings.Join(says, " "), Do: do})
}

// hiddenBy are the changes of what a file says for all that change nothing in an
// environment, since that has its own there.
func hiddenBy(written, changed []FieldChange) (hidden []string) {
	there := leaves(changed)
	for _, path := range leaves(written) {
		if !slices.ContainsFunc(there, func(other string) bool {
			return other == path || strings.HasPrefix(other, path+".") || strings.HasPrefix(path, other+".")
		}) {
			hidden = append(hidden, path)
		}
	}
	return hidden
}

// leaves are the paths of the values that changes come to: of a mapping that is
// added or removed, those within.
func leaves(changes []FieldChange) (out []string) {
	for _, c := range changes {
		value := c.New
		if c.Op == diff.Removed {
			value = c.Old
		}
		out = append(out, leavesOf(c.Path, value)...)
	}
	return out
}

func leavesOf(path string, value any) (out []string) {
	fields, is := value.(project.Fields)
	if !is || len(fields) == 0 {
		return []string{path}
	}
	for _, f := range fields {
		out = append(out, leavesOf(join(path, f.Name), f.Value)...)
	}
	return out
}

// named names fields, the first of many.
func named(fields []string) string {
	shown := make([]string, min(len(fields), mostNamed))
	for i := range shown {
		shown[i] = clip(fields[i])
	}
	text := strings.Join(shown, ", ")
	if more := len(fields) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// are is named with a verb for one, or for many.
func are(fields []string, one, many string) string {
	if len(fields) == 1 {
		return named(fields) + " " + one
	}
	return named(fields) + " " + many
}

// takenKeys tells of keys that another environment has: a key is of one, and the
// deployment would be refused.
func (p *planner) takenKeys() {
	if p.o.Holder == nil || p.next.project == nil {
		return
	}
	for _, r := range p.next.project.In("sources") {
		says := effective(p.next.values(r.File), p.o.Project.Overrides())
		s := sourceOf(r, says)
		if s == nil {
			continue
		}
		for _, k := range s.keys {
			environment, source, taken := p.o.Holder(k.value)
			if !taken {
				continue
			}
			p.effect(Effect{Severity: Breaking, Kind: "key_taken", Resource: r.Folder + "/" + r.Name, Field: strings.Join(r.Path("write_keys"), "."),
				Message: fmt.Sprintf("Key %s is one of source %s in %s, and a key belongs to one environment: the deployment is refused.", k.shown, clip(source), clip(environment)),
				Do:      fmt.Sprintf("Give %s keys of its own, under environments.%s.write_keys in %s.", clip(p.plan.Environment), clip(p.plan.Environment), r.File)})
			break
		}
	}
}
