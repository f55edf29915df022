package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const (
	columnsAtOnce  = 100 // of one query about columns
	exampleRows    = 200 // the newest, of which examples are taken
	maxExamples    = 3   // of a column
	originalBodies = 200 // of which the names as sent are taken
	maxOriginals   = 5000
)

// A SourceEvent is a kind of event that a source has received.
type SourceEvent struct {
	Kind      string     `json:"kind" enum:"track,identify,page,screen,group,alias,stream" doc:"What call it is."`
	Event     string     `json:"event" example:"Order Completed" doc:"Name of the event or stream, as it was sent; of other calls, the kind."`
	Schema    string     `json:"schema" doc:"Where its table is."`
	Table     string     `json:"table" example:"order_completed" doc:"The table with its properties; tracks when the source has as many as it may."`
	Count     int64      `json:"count" doc:"Distinct events."`
	FirstSeen *time.Time `json:"first_seen,omitempty" doc:"When the first one came in."`
	LastSeen  *time.Time `json:"last_seen,omitempty" doc:"When the last one came in."`
}

// callKinds are the calls that are no track events, by their tables.
var callKinds = map[string]string{"identifies": "identify", "pages": "page", "screens": "screen", "groups": "group", "aliases": "alias"}

// eventsQuery lists the events of a source, from all of its tables.
func eventsQuery(all catalog, source string, streams map[string]string) string {
	var parts []string
	one := func(t warehouse.TableName, kind, event, table, group string) {
		parts = append(parts, fmt.Sprintf("SELECT %s AS kind, %s AS event, %s AS place, count(*) AS n, min(received_at) AS first_seen, max(received_at) AS last_seen FROM %s%s",
			textOf(kind), event, table, place(t), group))
	}
	for _, t := range all.tables(source) {
		switch kind := callKinds[t.Table]; {
		case t.Table == "tracks":
			one(t, "track", "coalesce(event_text, event)", "event", " GROUP BY event, event_text")
		case kind != "":
			one(t, kind, textOf(kind), textOf(t.Table), "")
		case streams[t.Table] != "":
			one(t, "stream", textOf(streams[t.Table]), textOf(t.Table), "")
		}
	}
	return strings.Join(parts, "\nUNION ALL ")
}

// eventOrders are the ways to sort the events of a source.
var eventOrders = map[string]string{"count": "n DESC, ", "last_seen": "last_seen DESC, ", "name": ""}

// events lists what a source has received.
func (s *server) events(ctx context.Context, source, search, order string, from, limit int) ([]SourceEvent, error) {
	all, err := s.catalogOf(ctx, source)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, "stream")
	if err != nil {
		return nil, err
	}
	streams := map[string]string{}
	for key, original := range names {
		if key[0] == source {
			streams[key[1]] = original
		}
	}
	out := []SourceEvent{}
	sql := eventsQuery(all, source, streams)
	if sql == "" {
		return out, nil
	}
	c := conditions{}
	c.add("n > 0")
	if search != "" {
		c.add("strpos(lower(event), lower(?)) > 0", search)
	}
	sql = fmt.Sprintf("SELECT kind, event, place, n, first_seen, last_seen FROM (\n%s) e%s\nORDER BY %sevent, kind LIMIT %d OFFSET %d",
		sql, &c, eventOrders[order], limit, from)
	err = s.each(ctx, sql, c.params, limit, func(columns []result.Cell, i int) error {
		e := SourceEvent{Schema: source}
		if err := scan(columns, i, &e.Kind, &e.Event, &e.Table, &e.Count, &e.FirstSeen, &e.LastSeen); err != nil {
			return err
		}
		if _, ok := all[warehouse.TableName{Schema: source, Table: e.Table}]; !ok {
			e.Table = "tracks"
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// An EventDetail is an event with its properties.
type EventDetail struct {
	SourceEvent
	Properties []Property `json:"properties" doc:"What its events bring, in the order of the table's columns."`
}

// A Property is what events bring.
type Property struct {
	Column    string     `json:"column" example:"order_id" doc:"In the table."`
	Original  string     `json:"original,omitempty" example:"orderID" doc:"As it was sent, with points between the objects that it lies in; absent when no event that is still in the log has it."`
	Type      string     `json:"type" example:"text" doc:"Of the column."`
	Group     string     `json:"group" enum:"property,context" doc:"Whether it is of the event, or of its context."`
	Filled    int64      `json:"filled" doc:"How many events have it."`
	Share     float64    `json:"share" doc:"How many have it, of 1."`
	FirstSeen *time.Time `json:"first_seen,omitempty" doc:"When the first one that has it came in."`
	Examples  []any      `json:"examples" doc:"Values of the newest events, each once; long ones are cut."`
}

// eventTable finds the table of an event, and what chooses its rows there.
func (s *server) eventTable(ctx context.Context, source, kind, event string) (warehouse.TableName, catalog, conditions, error) {
	var c conditions
	t := warehouse.TableName{Schema: source}
	all, err := s.catalogOf(ctx, source)
	if err != nil {
		return t, nil, c, err
	}
	switch kind {
	case "track":
		t.Table = warehouse.EventTable(source, event)
		if _, ok := all[t]; !ok {
			t.Table = "tracks"
		}
		c.add("event_text = ?", event)
	case "stream":
		t.Table = warehouse.EventTable(source, event)
	default:
		for table, call := range callKinds {
			if call == kind {
				t.Table = table
			}
		}
	}
	if _, ok := all[t]; !ok {
		return t, nil, c, millrace.Errorf(millrace.NotFound, "source %.80s has received no %s %.80q: GET /api/v1/sources/%s/events lists what it has received", source, kind, event, source)
	}
	return t, all, c, nil
}

// event describes an event and its properties.
func (s *server) event(ctx context.Context, source, kind, event string) (EventDetail, error) {
	t, all, c, err := s.eventTable(ctx, source, kind, event)
	if err != nil {
		return EventDetail{}, err
	}
	out := EventDetail{SourceEvent: SourceEvent{Kind: kind, Event: event, Schema: source, Table: t.Table}, Properties: []Property{}}
	if out.Event == "" || kind != "track" && kind != "stream" {
		out.Event = kind
	}
	for _, column := range all[t] {
		if column.Fixed {
			continue
		}
		p := Property{Column: column.Name, Type: column.Type, Group: "property", Examples: []any{}}
		if strings.HasPrefix(column.Name, "context_") {
			p.Group = "context"
		}
		out.Properties = append(out.Properties, p)
	}
	if err := s.fill(ctx, t, c, &out); err != nil {
		return EventDetail{}, err
	}
	if out.Count == 0 {
		return EventDetail{}, millrace.Errorf(millrace.NotFound, "source %.80s has received no %s %.80q: GET /api/v1/sources/%s/events lists what it has received", source, kind, event, source)
	}
	if err := s.exemplify(ctx, t, c, out.Properties); err != nil {
		return EventDetail{}, err
	}
	s.nameOriginals(ctx, source, kind, event, out.Properties)
	return out, nil
}

// fill counts which properties events have, and since when.
func (s *server) fill(ctx context.Context, t warehouse.TableName, c conditions, out *EventDetail) error {
	chunks := [][]Property{nil} // an event without properties is counted too
	if len(out.Properties) > 0 {
		chunks = slices.Collect(slices.Chunk(out.Properties, columnsAtOnce)) // they share memory with out
	}
	for _, part := range chunks {
		sql := "SELECT count(*) AS n, min(received_at) AS first_seen, max(received_at) AS last_seen"
		into := []any{&out.Count, &out.FirstSeen, &out.LastSeen}
		for i := range part {
			p := &part[i]
			sql += fmt.Sprintf(",\n count(%[2]s) AS n%[1]d, min(CASE WHEN %[2]s IS NOT NULL THEN received_at END) AS f%[1]d", i, quoted(p.Column))
			into = append(into, &p.Filled, &p.FirstSeen)
		}
		err := s.each(ctx, fmt.Sprintf("%s\nFROM %s%s", sql, place(t), &c), c.params, 1, func(columns []result.Cell, i int) error {
			return scan(columns, i, into...)
		})
		if err != nil {
			return err
		}
	}
	for i := range out.Properties {
		out.Properties[i].Share = float64(out.Properties[i].Filled) / float64(max(out.Count, 1))
	}
	return nil
}

// exemplify takes values from the newest rows.
func (s *server) exemplify(ctx context.Context, t warehouse.TableName, c conditions, properties []Property) error {
	if len(properties) == 0 {
		return nil
	}
	names := make([]string, len(properties))
	for i, p := range properties {
		names[i] = quoted(p.Column)
	}
	sql := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d", strings.Join(names, ", "), place(t), &c, newestFirst, exampleRows)
	return s.each(ctx, sql, c.params, exampleRows, func(columns []result.Cell, i int) error {
		for j := range properties {
			p := &properties[j]
			if len(p.Examples) == maxExamples {
				continue
			}
			value := brief1(json.RawMessage(columns[j](nil, i)))
			if value != nil && !slices.ContainsFunc(p.Examples, func(other any) bool { return fmt.Sprint(other) == fmt.Sprint(value) }) {
				p.Examples = append(p.Examples, value)
			}
		}
		return nil
	})
}

// nameOriginals finds in the newest events how properties were called when they
// were sent: their columns are called so too, but for case and what is between.
func (s *server) nameOriginals(ctx context.Context, source, kind, event string, properties []Property) {
	stream := kind
	switch kind {
	case "track":
		stream = millrace.StreamTrack + event
	case "stream":
		stream = millrace.StreamCustom + event
	}
	_, last, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return
	}
	originals, seen := map[string]string{}, 0
	f := eventlog.Filter{Workspace: s.space(ctx).ID, Sources: []string{source}, Streams: []string{stream}}
	_, err = s.backward(ctx, search{last: last, filter: f, patience: time.Second / 2},
		func(entries []eventlog.Entry) bool {
			for _, e := range slices.Backward(entries) {
				if seen++; seen > originalBodies || len(originals) > maxOriginals {
					return false
				}
				collectNames(originals, kind, e.Body)
			}
			return true
		})
	if err != nil {
		s.o.Logger.Debug("the log was not searched for the names of properties", "source", source, "error", err)
	}
	for i := range properties {
		p := &properties[i]
		p.Original = originals[p.Group+":"+plainKey(strings.TrimPrefix(p.Column, "context_"))]
	}
}

// plainKey is what a name and the column made of it have in common.
func plainKey(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == '.' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// collectNames notes how the members of an event are called.
func collectNames(into map[string]string, kind string, body []byte) {
	var event map[string]any
	if json.Unmarshal(body, &event) != nil {
		return
	}
	var walk func(group, path string, v any, depth int)
	walk = func(group, path string, v any, depth int) {
		members, ok := v.(map[string]any)
		if !ok || depth > 8 {
			if key := group + ":" + plainKey(path); path != "" && into[key] == "" {
				into[key] = path
			}
			return
		}
		for name, member := range members {
			next := name
			if path != "" {
				next = path + "." + name
			}
			walk(group, next, member, depth+1)
		}
	}
	walk("context", "", event["context"], 0)
	if kind == "stream" {
		walk("property", "", any(event), 0)
		return
	}
	for _, name := range []string{cmp.Or(map[string]string{"identify": "traits", "group": "traits", "alias": "traits"}[kind], "properties")} {
		walk("property", "", event[name], 0)
	}
	if event["properties"] == nil && event["traits"] == nil { // what a vendor posted
		walk("property", "", any(event), 0)
	}
	if kind == "page" || kind == "screen" {
		walk("property", "name", event["name"], 0)
		walk("property", "category", event["category"], 0)
	}
}

func (s *server) registerEvents() {
	type eventPage struct {
		Events []SourceEvent `json:"events" doc:"Those that match."`
		Next   string        `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-source-events", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources/{source}/events", tag: "sources",
		summary: "What a source has received", description: "Track events by name, other calls, and streams, with how many there are.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			SourcePath
			Search string `query:"q" maxLength:"200" doc:"Only whose name contains this, in any case."`
			Sort   string `query:"sort" default:"count" enum:"count,last_seen,name" doc:"Which come first: the most frequent, the newest, or by name."`
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most events of a page."`
			Cursor string `query:"cursor" maxLength:"20" doc:"From the page before."`
		}) (*bodyOf[eventPage], error) {
			if err := s.checkSource(ctx, in.Source); err != nil {
				return nil, err
			}
			from, err := offsetOf(in.Cursor)
			if err != nil {
				return nil, err
			}
			found, err := s.events(ctx, in.Source, in.Search, in.Sort, from, in.Limit+1)
			if err != nil {
				return nil, err
			}
			out := eventPage{Events: found}
			if len(found) > in.Limit {
				out.Events, out.Next = found[:in.Limit], fmt.Sprint(from+in.Limit)
			}
			return &bodyOf[eventPage]{Body: out}, nil
		})
	register(s, operation{id: "get-source-event", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources/{source}/events/{event}", tag: "sources",
		summary: "An event and its properties", description: "With how many events have each property, since when, and, for who may read records, examples.",
		errors: []int{http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			SourcePath
			Event string `path:"event" maxLength:"1024" example:"Order Completed" doc:"Name of the event or stream, as it was sent; of other calls, the kind."`
			Kind  string `query:"kind" default:"track" enum:"track,identify,page,screen,group,alias,stream" doc:"What call it is."`
		}) (*bodyOf[EventDetail], error) {
			if err := s.checkSource(ctx, in.Source); err != nil {
				return nil, err
			}
			found, err := s.event(ctx, in.Source, in.Kind, in.Event)
			if sp := s.space(ctx); !principal(ctx).Can(access.RecordRead, sp.Workspace, sp.ID) {
				for i := range found.Properties {
					found.Properties[i].Examples = []any{} // who may read no records is shown no values of them
				}
			}
			return &bodyOf[EventDetail]{Body: found}, err
		})
	s.registerChanges()
}

// SourcePath names a source in a path.
type SourcePath struct {
	Source string `path:"source" maxLength:"63" example:"web" doc:"Name of the source."`
}
