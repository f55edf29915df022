package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/terminal"
)

// A source is what a plan has to know of one.
type source struct {
	name, kind string
	http       *collect.HTTPSource
	hook       *collect.WebhookSource
	keys       []key
	window     collect.Window
	types      map[string]string
	limits     collect.Limits
	says       project.Fields // as it is written
}

// A key is a write key and how its file writes it, which may be a reference.
type key struct{ value, shown string }

func sourceOf(r project.Resource, says project.Fields) *source {
	s := &source{name: r.Name, kind: r.Kind, says: says}
	var keys []string
	switch c := r.Config.(type) {
	case *collect.HTTPSource:
		s.http, keys, s.window, s.types, s.limits = c, c.WriteKeys, c.Dedup.OrDefault(), c.Types, c.Limits
	case *collect.WebhookSource:
		s.hook, keys, s.window, s.types, s.limits = c, c.WriteKeys, c.Dedup.OrDefault(), c.Types, c.Limits
	default:
		return nil
	}
	shown := s.listed("write_keys", keys)
	for i, k := range keys {
		if k != "" { // it is withheld
			s.keys = append(s.keys, key{k, shown[i]})
		}
	}
	return s
}

// listed are the texts of a list as the file writes them, which may be references.
func (s *source) listed(field string, values []string) []string {
	v, _ := find(s.says, field)
	texts, _ := v.([]any)
	out := make([]string, len(values))
	for i := range values {
		if out[i] = "one whose text is not shown"; len(texts) == len(values) {
			out[i] = written(texts[i])
		}
	}
	return out
}

// shown is a value as text, or how its file writes it, when that is a reference to a
// secret.
func (s *source) shown(field, text string) string {
	if v, found := find(s.says, field); found && refers(v) {
		return written(v)
	}
	return text
}

func (s *source) has(value string) bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.value == value })
}

// followKeys finds the keys that another source has than before.
func (p *planner) followKeys() {
	p.moved, p.came = map[string]string{}, map[string]string{}
	before := map[string]string{}
	each := func(s side, do func(source, key string)) {
		for _, r := range s.resources {
			if r.Folder != "sources" {
				continue
			}
			if found := sourceOf(r, nil); found != nil {
				for _, k := range found.keys {
					do(r.Name, k.value)
				}
			}
		}
	}
	each(p.old, func(source, key string) { before[key] = source })
	each(p.next, func(source, key string) {
		if was := before[key]; was != "" && was != source {
			p.moved[key], p.came[key] = source, was
		}
	})
}

// A sourceChange computes what follows from the change of a source.
type sourceChange struct {
	*planner
	ResourceChange
	old, next *source // nil: there is none, or it is not known
}

func (c *sourceChange) effect(severity Severity, kind, field, message, do string) {
	c.planner.effect(Effect{Severity: severity, Kind: kind, Resource: c.Folder + "/" + c.Name, Field: field, Message: message, Do: do})
}

func (c *sourceChange) effects() {
	switch {
	case c.Op == diff.Added && c.next != nil:
		c.added()
	case c.Op == diff.Removed:
		c.removed()
	case c.old != nil && c.next != nil:
		if c.old.kind != c.next.kind {
			c.kindChanged()
		}
		c.keys()
		c.window()
		c.types()
		c.limits()
		c.rest()
	}
}

func (c *sourceChange) added() {
	tables, ok := c.facts.tablesOf(c.Name)
	switch {
	case !ok && c.o.Facts != nil:
		c.effect(Careful, "unknown", "", "Whether there are tables of an earlier source of this name is not known at this moment.", "Plan again when the warehouse answers.")
	case len(tables) > 0:
		c.effect(Careful, "tables_reused", "", fmt.Sprintf("There are %s of an earlier source of this name: new events are added to them.", tablesAndRows(tables)),
			"Choose another name when they are not meant to be together.")
	default:
		c.effect(Info, "table_created", "", fmt.Sprintf("Tables %s.… are made as the first events of each kind come.", c.Name), "Nothing.")
	}
	for _, k := range c.next.keys {
		if was := c.came[k.value]; was != "" {
			c.effect(Careful, "key_moved", "write_keys", fmt.Sprintf("Key %s belonged to source %s: what is sent with it goes into the tables of %s from now on. An ID that was sent before counts as new there.", k.shown, was, c.Name),
				"Change the queries that read "+was+", or keep the name.")
		}
	}
}

func tablesAndRows(tables []Table) string {
	rows, known := int64(0), true
	for _, t := range tables {
		rows += max(t.Rows, 0)
		known = known && t.Rows >= 0
	}
	text := terminal.Plural(int64(len(tables)), "table", "tables")
	if known {
		text += " with " + terminal.Plural(rows, "row", "rows")
	}
	return text
}

func (c *sourceChange) removed() {
	if tables, ok := c.facts.tablesOf(c.Name); ok && len(tables) > 0 {
		c.effect(Info, "tables_stay", "", fmt.Sprintf("Its %s stay and can be asked as before.", tablesAndRows(tables)), "Nothing.")
	}
	moved := 0
	if c.old != nil {
		for _, k := range c.old.keys {
			if c.moved[k.value] != "" {
				moved++
			}
		}
		if moved > 0 && moved == len(c.old.keys) { // said at where they went
			return
		}
	}
	c.stops("", "flow_stops", "The source is removed: what is sent to it is refused, and most senders throw it away then.", "Move its senders to another source first, or keep this one.")
}

// stops tells of data that does not come any more, as severely as data came.
func (c *sourceChange) stops(field, kind, message, do string) {
	received, ok := c.facts.receivedFrom(c.Name)
	events, days := received.flow()
	switch {
	case !ok || days == 0 && received.Last.IsZero():
		c.effect(Careful, kind, field, message+" How much it receives is not known.", do)
	case events == 0:
		c.effect(Info, kind, field, message+" It received nothing "+lastDays(days)+".", do)
	default:
		c.effect(Breaking, kind, field, fmt.Sprintf("%s It received %s %s, %s a day%s.", message, terminal.Plural(events, "event", "events"), lastDays(days), terminal.Count(events/int64(days)), lastAt(received.Last)), do)
	}
}

func lastDays(n int) string {
	if n <= 1 {
		return "on the last day"
	}
	return fmt.Sprintf("on the last %d days", n)
}

func lastAt(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", the last at " + moment(at)
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

func (c *sourceChange) kindChanged() {
	c.stops("kind", "flow_stops", fmt.Sprintf("Its kind is %s instead of %s: senders have to use another address and another form.", c.next.kind, c.old.kind),
		"Make a new source of the other kind beside it, and move the senders.")
}

func (c *sourceChange) keys() {
	received, known := c.facts.receivedFrom(c.Name)
	for _, k := range c.old.keys {
		if c.next.has(k.value) {
			continue
		}
		if to := c.moved[k.value]; to != "" {
			c.effect(Careful, "key_moved", "write_keys", fmt.Sprintf("Key %s belongs to source %s from now on: what is sent with it goes into the tables of that.", k.shown, to), "Change the queries that read "+c.Name+".")
			continue
		}
		message, do := fmt.Sprintf("Key %s stops working: what is sent with it is refused.", k.shown), "Give its senders another key of the source before, and remove it when nothing comes with it any more."
		use, used := received.Keys[k.value]
		events, days := received.flow()
		switch {
		case used && use.Events > 0:
			c.effect(Breaking, "key_removed", "write_keys", fmt.Sprintf("%s It brought %s lately%s.", message, terminal.Plural(use.Events, "event", "events"), lastAt(use.Last)), do)
		case used && use.Events != 0:
			c.effect(Breaking, "key_removed", "write_keys", fmt.Sprintf("%s It was last used at %s.", message, moment(use.Last)), do)
		case !known, received.Keys == nil:
			c.effect(Careful, "key_removed", "write_keys", message+" Whether it is in use is not known.", do)
		case days > 0 && events == 0, used:
			c.effect(Info, "key_removed", "write_keys", message+" Nothing came with it lately.", "Nothing.")
		default:
			c.effect(Careful, "key_removed", "write_keys", message+" Nothing is known to have come with it lately.", do)
		}
	}
	for _, k := range c.next.keys {
		switch was := c.came[k.value]; {
		case c.old.has(k.value):
		case was != "":
			c.effect(Careful, "key_moved", "write_keys", fmt.Sprintf("Key %s belonged to source %s: what is sent with it goes into the tables of %s from now on.", k.shown, was, c.Name), "Change the queries that read "+was+".")
		default:
			c.effect(Info, "key_added", "write_keys", fmt.Sprintf("Key %s works from now on.", k.shown), "Nothing.")
		}
	}
}

func (c *sourceChange) window() {
	was, is := c.old.window, c.next.window
	text := func(s *source) string { b, _ := s.window.MarshalText(); return s.shown("dedup", string(b)) }
	switch {
	case is < was:
		c.effect(Careful, "window", "dedup", fmt.Sprintf("An ID counts as a duplicate for %s instead of %s: what is sent again later than that is counted twice.", text(c.next), text(c.old)),
			"Make sure that no sender repeats events after "+text(c.next)+". What was judged stays as it is.")
	case is > was:
		c.effect(Info, "window", "dedup", fmt.Sprintf("An ID counts as a duplicate for %s instead of %s, from what is known of IDs now on.", text(c.next), text(c.old)), "Nothing.")
	}
}

// rest tells of the fields that a kind of source has besides.
func (c *sourceChange) rest() {
	for _, f := range c.Fields {
		name, _, _ := strings.Cut(f.Path, ".")
		switch name {
		case "cors_origins":
			c.origins()
		case "signature":
			c.stops(f.Path, "signature", "Requests have to be signed otherwise: those that are signed as before are refused.", "Change it at the sender at the same moment, or make a second source for the time between.")
			return
		case "id":
			c.effect(Careful, "expression", f.Path, "IDs are taken from elsewhere: an event that is sent before and after the change is counted twice.", "Deploy when the sender repeats nothing.")
		case "event", "user", "time":
			c.effect(Careful, "expression", f.Path, fmt.Sprintf("New events have another %s than those before; what was received stays as it is.", map[string]string{"event": "name, and so go into other tables", "user": "user", "time": "time"}[name]),
				"Try the expression with a request of the sender first.")
		case "addresses", "browser":
			c.effect(Info, "other", f.Path, "What is kept of a request's address and user agent changes for new events only.", "Nothing.")
		}
	}
}

func (c *sourceChange) origins() {
	if c.old.http == nil || c.next.http == nil {
		return
	}
	was, is := c.old.http.CORSOrigins, c.next.http.CORSOrigins
	shown := c.old.listed("cors_origins", was)
	var gone []string
	for i, o := range was {
		if !slices.Contains(is, o) && len(is) > 0 {
			gone = append(gone, shown[i])
		}
	}
	switch {
	case len(was) == 0 && len(is) > 0:
		c.stops("cors_origins", "origins", fmt.Sprintf("Only pages of %s can send from browsers; all could before.", clip(strings.Join(c.next.listed("cors_origins", is), ", "))), "Name every page that sends.")
	case len(gone) > 0:
		c.effect(Careful, "origins", "cors_origins", fmt.Sprintf("Pages of %s cannot send from browsers any more.", strings.Join(gone, ", ")), "Make sure that they do not.")
	}
}
