package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// A RecordSummary is a record as a list shows it.
type RecordSummary struct {
	Position   millrace.Position `json:"position" doc:"Where it lies in the log."`
	Result     string            `json:"result" enum:"accepted,duplicate,rejected,received" doc:"What became of it; received: not judged yet."`
	Source     string            `json:"source" example:"web" doc:"Where it came in."`
	Kind       string            `json:"kind" example:"track" doc:"track, identify, page, screen, group, alias, stream or rejected."`
	Event      string            `json:"event,omitempty" example:"Order Completed" doc:"Of a track event; of a stream, its name."`
	ID         string            `json:"id" doc:"Its messageId."`
	User       string            `json:"user,omitempty" doc:"The user's ID, or the anonymous one."`
	ReceivedAt time.Time         `json:"received_at" doc:"When it came in."`
	OccurredAt *time.Time        `json:"occurred_at,omitempty" doc:"When it happened, corrected for the sender's clock."`
}

// A recordQuery asks for records by ID or by user.
type recordQuery struct {
	source, id, user string
	before           *millrace.Position
	limit            int
}

// sql asks every table of calls and of streams, and the rejected records.
func (q recordQuery) sql(all catalog, streams map[[2]string]string) (string, []any) {
	var parts []string
	c := conditions{}
	for _, t := range all.tables(q.source) {
		kind, event, user := callKinds[t.Table], "''", "coalesce(user_id, anonymous_id)"
		switch original, isStream := streams[[2]string{t.Schema, t.Table}]; {
		case t.Schema == warehouse.SystemSchema:
			continue
		case t.Table == "tracks":
			kind, event = "track", "event_text"
		case kind != "":
		case isStream && q.user == "" && all.typeOf(t, "id") == "text":
			kind, event, user = "stream", textOf(original), "NULL"
		default:
			continue
		}
		of := conditions{params: c.params}
		if q.user != "" {
			of.add("(user_id = ? OR anonymous_id = ?)", q.user, q.user)
		} else {
			of.add("id = ?", q.id)
		}
		of.before("", q.before)
		c.params = of.params
		occurred := `"timestamp"`
		if kind == "stream" {
			occurred = "CAST(NULL AS timestamptz)"
		}
		parts = append(parts, fmt.Sprintf("SELECT %s AS source, %s AS kind, %s AS event, CAST(id AS text) AS id, CAST(%s AS text) AS who, received_at, %s AS occurred_at, _epoch, _seq, _index FROM %s%s",
			textOf(t.Schema), textOf(kind), event, user, occurred, place(t), &of))
	}
	of := conditions{params: c.params}
	of.equal("source", q.source)
	of.add("strpos(raw, ?) > 0", q.id+q.user)
	of.before("", q.before)
	parts = append(parts, fmt.Sprintf("SELECT source, 'rejected' AS kind, '' AS event, rejected_id AS id, '' AS who, received_at, CAST(NULL AS timestamptz) AS occurred_at, _epoch, _seq, _index FROM millrace.rejected%s", &of))
	return fmt.Sprintf("SELECT * FROM (\n%s) r ORDER BY %s LIMIT %d", strings.Join(parts, "\nUNION ALL "), newestFirst, q.limit), of.params
}

// loadedRecords finds records in the warehouse, newest first.
func (s *server) loadedRecords(ctx context.Context, q recordQuery) ([]RecordSummary, error) {
	all, err := s.catalog(ctx)
	if err != nil {
		return nil, err
	}
	streams, err := s.names(ctx, "stream")
	if err != nil {
		return nil, err
	}
	var out []RecordSummary
	sql, params := q.sql(all, streams)
	err = s.each(ctx, sql, params, q.limit, func(columns []result.Cell, i int) error {
		r := RecordSummary{Result: tailAccepted}
		p := &r.Position
		err := scan(columns, i, &r.Source, &r.Kind, &r.Event, &r.ID, &r.User, &r.ReceivedAt, &r.OccurredAt, &p.Epoch, &p.Seq, &p.Index)
		if r.Kind == tailRejected {
			r.Result = tailRejected
		}
		out = append(out, r)
		return err
	})
	return out, err
}

// freshPatience is how long the log is searched for what the tables do not have:
// what came in a moment ago, and duplicates.
const (
	freshPatience = 500 * time.Millisecond
	maxFresh      = 100_000 // records
)

// loggedRecords finds records that only the log has. whole says that all of the
// log was searched for those that no table has yet.
func (s *server) loggedRecords(ctx context.Context, q recordQuery) (out []RecordSummary, whole bool, err error) {
	_, last, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return nil, false, err
	}
	var loaded millrace.Position
	if st, err := s.space(ctx).System.Status(ctx); err == nil && st.Warehouse != nil {
		loaded = st.Warehouse.Committed
	}
	f := eventlog.Filter{Workspace: s.space(ctx).ID}
	if q.source != "" {
		f.Sources = []string{q.source}
	}
	seen := 0
	keep := func(e *eventlog.Entry) bool { seen++; return q.matches(e) }
	whole, err = s.backward(ctx, search{loaded, last, f, keep, freshPatience}, func(found []eventlog.Entry) bool {
		for _, r := range slices.Backward(s.summarize(ctx, found)) {
			out = append(out, r)
		}
		return len(out) < q.limit && seen < maxFresh
	})
	if err != nil {
		return nil, false, err
	}
	_, _, err = s.duplicates(ctx, f, freshPatience, func(e eventlog.Entry) bool {
		if q.matches(&e) {
			out = append(out, summaryOf(&e, tailDuplicate))
		}
		return len(out) < 2*q.limit
	})
	return out, whole, err
}

func (q recordQuery) matches(e *eventlog.Entry) bool {
	switch {
	case e.Stream == millrace.StreamResent, q.before != nil && !e.Position.Before(*q.before):
		return false
	case q.user != "":
		return ofUser(e, q.user)
	case e.Stream == millrace.StreamRejected:
		return e.ID == q.id || strings.Contains(string(e.Body), q.id)
	}
	return e.ID == q.id
}

// summarize tells records with the verdicts on them; they are in order.
func (s *server) summarize(ctx context.Context, entries []eventlog.Entry) []RecordSummary {
	if len(entries) == 0 {
		return nil
	}
	t := tail{server: s}
	duplicates, judged := t.judge(ctx, entries[0].Position, entries[len(entries)-1].Position)
	out := make([]RecordSummary, len(entries))
	for i, e := range entries {
		out[i] = summaryOf(&e, resultOf(&e, duplicates, judged))
	}
	return out
}

func summaryOf(e *eventlog.Entry, result string) RecordSummary {
	occurred := e.Occurred
	r := RecordSummary{Position: e.Position, Result: result, Source: e.Source, ID: e.ID, User: e.Key, ReceivedAt: e.Received, OccurredAt: &occurred}
	r.Kind, r.Event = kindAndEvent(e.Stream)
	return r
}

// resultOf is what became of a record, as far as it is judged.
func resultOf(e *eventlog.Entry, duplicates []millrace.Position, judged bool) string {
	_, twice := slices.BinarySearchFunc(duplicates, e.Position, millrace.Position.Compare)
	switch {
	case e.Stream == millrace.StreamRejected:
		return tailRejected
	case !judged:
		return tailReceived
	case twice:
		return tailDuplicate
	}
	return tailAccepted
}

// kindAndEvent splits a stream.
func kindAndEvent(stream string) (kind, event string) {
	if name, ok := strings.CutPrefix(stream, millrace.StreamTrack); ok {
		return "track", name
	}
	if name, ok := strings.CutPrefix(stream, millrace.StreamCustom); ok {
		return "stream", name
	}
	return stream, ""
}

// recordList is a page of records.
type recordList struct {
	Records    []RecordSummary `json:"records" doc:"Newest first."`
	Next       string          `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	Incomplete string          `json:"incomplete,omitempty" doc:"Why records may be missing."`
}

// records finds records by ID or user: in the tables, which have all that
// counted, and in the newest part of the log, which has the rest.
func (s *server) records(ctx context.Context, q recordQuery) (recordList, error) {
	out := recordList{Records: []RecordSummary{}}
	var logged []RecordSummary
	var whole bool
	var logErr error
	var searching sync.WaitGroup
	searching.Go(func() { logged, whole, logErr = s.loggedRecords(ctx, q) })
	loaded, err := s.loadedRecords(ctx, q)
	searching.Wait()
	switch {
	case err != nil && (logErr != nil || ctx.Err() != nil):
		return out, err
	case err != nil && !whole:
		out.Incomplete = "the warehouse does not answer, and only the newest part of the log was searched: " + problemOf(ctx, err).Detail
	case logErr != nil:
		out.Incomplete = "the log does not answer, so that duplicates and what came in a moment ago are missing: " + problemOf(ctx, logErr).Detail
	}
	all := append(logged, loaded...)
	slices.SortStableFunc(all, func(a, b RecordSummary) int { return b.Position.Compare(a.Position) })
	all = slices.CompactFunc(all, func(a, b RecordSummary) bool { return a.Position == b.Position })
	if len(all) >= q.limit {
		all = all[:q.limit]
		out.Next = all[q.limit-1].Position.String()
	}
	out.Records = append(out.Records, all...)
	return out, nil
}

func (s *server) registerRecords() {
	register(s, operation{id: "list-records", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/records", tag: "records",
		summary:     "Find records by ID or user",
		description: "At any age, newest first. Duplicates and rejected records are found too: duplicates as long as the log has them, and it could be searched for them in half a second.",
		errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			ID     string `query:"id" maxLength:"1024" doc:"The messageId; this or user."`
			User   string `query:"user" maxLength:"1024" doc:"A user's ID, or an anonymous one."`
			Source string `query:"source" maxLength:"63" doc:"Only of this source."`
			Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most records of a page."`
			Cursor string `query:"cursor" maxLength:"80" doc:"From the page before."`
		}) (*bodyOf[recordList], error) {
			if (in.ID == "") == (in.User == "") {
				return nil, millrace.Errorf(millrace.Invalid, "name an id or a user, one of the two")
			}
			if err := s.checkSource(ctx, in.Source); err != nil {
				return nil, err
			}
			before, err := positionOf(in.Cursor)
			if err != nil {
				return nil, err
			}
			found, err := s.records(ctx, recordQuery{source: in.Source, id: in.ID, user: in.User, before: before, limit: in.Limit})
			return &bodyOf[recordList]{Body: found}, err
		})
	register(s, operation{id: "get-record", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/records/{position}", tag: "records",
		summary: "A record and its journey", description: "As it was received, what became of it, and where it is: in the log, in the archive, in the tables, and when it got there.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			Position string `path:"position" maxLength:"80" example:"1769846400000-840-2" doc:"Where it lies in the log."`
		}) (*bodyOf[Journey], error) {
			p, err := millrace.ParsePosition(in.Position)
			if err != nil {
				return nil, err
			}
			found, err := s.journey(ctx, p)
			return &bodyOf[Journey]{Body: found}, err
		})
}
