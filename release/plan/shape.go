package plan

import (
	"encoding"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/unit"
)

// types tells what becomes of columns whose type the project fixes.
func (c *sourceChange) types() {
	names := slices.Sorted(maps.Keys(c.old.types))
	for name := range c.next.types {
		if _, had := c.old.types[name]; !had {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		was, is := c.old.types[name], c.next.types[name]
		if was == is {
			continue
		}
		table, column, _ := strings.Cut(name, ".")
		if is == "" {
			c.effect(Info, "column_type", "types."+name, fmt.Sprintf("The type of %s.%s is not fixed any more: it stays as it is until the tables are rebuilt, which takes the type of the first value.", c.Name, name), "Nothing.")
			continue
		}
		c.column(name, table, column, is)
	}
}

func (c *sourceChange) column(name, table, column, is string) {
	field, full := "types."+name, c.Name+"."+name
	tables, ok := c.facts.tablesOf(c.Name)
	if !ok {
		c.effect(Careful, "column_type", field, fmt.Sprintf("The column %s is to be %s; what it is now is not known.", full, is), "If it has another type, rebuild: millrace warehouse rebuild --source "+c.Name)
		return
	}
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == table })
	has := ""
	if i >= 0 {
		has = tables[i].Columns[column]
	}
	rebuild := "Afterwards rebuild the tables: millrace warehouse rebuild --source " + c.Name
	switch {
	case has == "":
		c.effect(Info, "column_type", field, fmt.Sprintf("The column %s is made as %s with its first value.", full, is), "Nothing.")
	case has == is:
		c.effect(Info, "column_type", field, fmt.Sprintf("The column %s is %s already, and stays so.", full, is), "Nothing.")
	case has == "bigint" && is == "double":
		c.effect(Info, "column_type", field, fmt.Sprintf("The column %s becomes double with its next value, unless it holds whole numbers that a double would round.", full), "Nothing.")
	default:
		message := fmt.Sprintf("The column %s is %s, and stays so until the tables are rebuilt.", full, has)
		r, ok := c.facts.retype(c.Name, table, column, is)
		switch {
		case !ok:
			message += " What a rebuild would make of its values is not known."
		case r.Lost == 0:
			message += fmt.Sprintf(" A rebuild keeps all %s%s.", terminal.Plural(r.Kept, "value", "values"), regained(r))
		default:
			message += fmt.Sprintf(" A rebuild keeps %s and puts %s into discards%s%s.", terminal.Plural(r.Kept, "value", "values"), terminal.Count(r.Lost), examples(r.Examples), regained(r))
		}
		c.effect(Careful, "rebuild", field, message, rebuild)
	}
}

func regained(r Retype) string {
	if r.Regained == 0 {
		return ""
	}
	return fmt.Sprintf(", and takes %s back from discards", terminal.Count(r.Regained))
}

func examples(values []string) string {
	if len(values) == 0 {
		return ""
	}
	shown := make([]string, min(3, len(values)))
	for i := range shown {
		shown[i] = clip(values[i])
	}
	return " (such as " + strings.Join(shown, ", ") + ")"
}

// limits tells of limits that become tighter than they were.
func (c *sourceChange) limits() {
	if c.old.limits == c.next.limits && !c.inherits() {
		return
	}
	was, is := limitsOf(c.old.limits, c.old.says), limitsOf(c.next.limits, c.next.says)
	for _, name := range limitNames {
		old, next := was[name], is[name]
		if old.value == next.value && old.value != 0 {
			continue
		}
		if old.value == 0 {
			old = c.planner.old.limit(name)
		}
		if next.value == 0 {
			next = c.planner.next.limit(name)
		}
		tightened(c.effect, c.facts, c.Name, name, old, next)
	}
}

// inherits says whether the limits of millrace.yaml changed.
func (c *sourceChange) inherits() bool {
	return c.planner.old.project.Config.Collect.Limits != c.planner.next.project.Config.Collect.Limits
}

// A limit is a limit of a source, 0 when it is not set.
type limit struct {
	value float64
	bytes bool
	says  string // how the file writes it, when that is a reference to a secret
}

func (l limit) String() string {
	switch {
	case l.says != "":
		return l.says
	case l.value == 0 || math.IsInf(l.value, 1):
		return "no limit"
	case l.bytes:
		return unit.Bytes(l.value).String()
	}
	return strconv.FormatFloat(l.value, 'f', -1, 64)
}

// limitNames are the limits that refuse something, and limitDefaults what holds
// where nothing is set.
var limitNames, limitDefaults = func() (names []string, defaults map[string]limit) {
	defaults = map[string]limit{}
	t := reflect.TypeFor[collect.Limits]()
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		if name == "rejected_rate" || name == "burst" { // neither refuses what would fit alone
			continue
		}
		l := limit{value: math.Inf(1), bytes: f.Type == reflect.TypeFor[unit.Bytes]()}
		if text := f.Tag.Get("default"); text != "" {
			v := reflect.New(f.Type)
			if u, ok := v.Interface().(encoding.TextUnmarshaler); ok {
				if u.UnmarshalText([]byte(text)) == nil {
					l.value = float64(v.Elem().Int())
				}
			} else if n, err := strconv.ParseFloat(text, 64); err == nil {
				l.value = n
			}
		}
		names, defaults[name] = append(names, name), l
	}
	return names, defaults
}()

// limitsOf returns limits by their names. says is what the file says, with limits
// in it.
func limitsOf(limits any, says project.Fields) map[string]limit {
	value, _ := find(says, "limits")
	fields, _ := value.(project.Fields)
	out := map[string]limit{}
	v := reflect.ValueOf(limits)
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Tag.Get("yaml")
		l := limit{bytes: f.Type() == reflect.TypeFor[unit.Bytes]()}
		switch {
		case f.CanInt():
			l.value = float64(f.Int())
		case f.CanFloat():
			l.value = f.Float()
		}
		if v, found := find(fields, name); found && refers(v) {
			l.says = written(v)
		}
		out[name] = l
	}
	return out
}

// limit is what a source has that says nothing itself.
func (s *side) limit(name string) limit {
	if s.project != nil {
		if s.limits == nil {
			all, _ := find(effective(s.values(project.ConfigFile), s.project.Environment), "collect")
			says, _ := all.(project.Fields)
			s.limits = limitsOf(s.project.Config.Collect.Limits, says)
		}
		if l := s.limits[name]; l.value != 0 {
			return l
		}
	}
	return limitDefaults[name]
}

// limitWords say what is refused by a limit.
var limitWords = map[string]string{
	"event_size": "events of up to %s", "batch_size": "bodies of up to %s", "batch_events": "batches of up to %s events", "depth": "events with %s levels",
	"key_length": "keys of %s bytes", "properties": "events with %s properties", "rate": "%s events a second", "columns": "tables with %s columns", "event_tables": "%s tables",
}

// tightened tells of a limit that a source has tighter than before.
func tightened(effect func(severity Severity, kind, field, message, do string), facts *known, source, name string, old, next limit) {
	if next.value >= old.value || next.value == 0 {
		return
	}
	field, message := "limits."+name, fmt.Sprintf("The limit %s is %s instead of %s.", name, next, old)
	do := "Make the limit as large as what is sent, or change the senders first."
	received, ok := facts.receivedFrom(source)
	largest, is := received.Largest[name]
	seen := fmt.Sprintf(limitWords[name], limit{value: largest, bytes: next.bytes})
	switch {
	case !ok || !is:
		effect(Careful, "limit", field, message+" How large what came lately was is not known.", do)
	case largest <= next.value:
		effect(Info, "limit", field, message+" The largest that came lately fits: "+seen+".", "Nothing.")
	case name == "columns" || name == "event_tables":
		effect(Careful, "limit", field, message+" There are "+seen+" already: no more are made.", do)
	default:
		effect(Breaking, "limit", field, message+" Lately came "+seen+": such are refused.", do)
	}
}

// inherited tells of limits in millrace.yaml that sources have for want of own.
func (p *planner) inherited() {
	if p.old.project == nil || p.next.project == nil || p.old.project.Config.Collect.Limits == p.next.project.Config.Collect.Limits {
		return
	}
	for _, r := range p.next.project.In("sources") {
		old, had := p.old.resources[r.File]
		before, _ := p.old.tree.File(r.File)
		after, _ := p.next.tree.File(r.File)
		if !had || before.Hash != after.Hash { // told with its own changes
			continue
		}
		p.inheritedBy(old)
	}
}

func (p *planner) inheritedBy(r project.Resource) {
	s := sourceOf(r, nil)
	if s == nil {
		return
	}
	own := limitsOf(s.limits, nil)
	for _, name := range limitNames {
		if own[name].value != 0 {
			continue
		}
		tightened(func(severity Severity, kind, field, message, do string) {
			if severity != Info {
				p.effect(Effect{Severity: severity, Kind: kind, Resource: r.Folder + "/" + r.Name, Field: "collect." + field, Message: message, Do: do})
			}
		}, p.facts, r.Name, name, p.old.limit(name), p.next.limit(name))
	}
}
