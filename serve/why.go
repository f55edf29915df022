package serve

import (
	"cmp"
	"context"
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
	maxReasonRows = 50_000 // reasons times pieces of time
	maxDuplicates = 5000   // that are listed
)

// Why says what is not in a table as its senders may think.
type Why struct {
	Schema     string      `json:"schema" doc:"The source."`
	Table      string      `json:"table" doc:"Name of the table."`
	Bucket     string      `json:"bucket" enum:"minute,hour,day" doc:"How long the pieces of time are."`
	Reasons    []WhyReason `json:"reasons" doc:"What happened, by reason; the most frequent first."`
	Duplicates WhySearched `json:"duplicates" doc:"How far duplicates are known."`
}

// A WhyReason is something that happened to many records or values.
type WhyReason struct {
	Category string    `json:"category" enum:"discarded,duplicate,rejected,widened,notice" doc:"discarded: a value or row was set aside in discards; duplicate: the record repeats another; rejected: intake refused it; widened: the record made a column wider, from bigint to double; notice: the warehouse did something otherwise, such as reaching a limit."`
	Reason   string    `json:"reason" doc:"Why. Of rejected: the group, as the list of groups names it."`
	Column   string    `json:"column,omitempty" doc:"Of discarded and widened: the column."`
	Scope    string    `json:"scope" enum:"table,source" doc:"Whether it is of this table alone, or of its whole source: a rejected record has no table."`
	Count    int64     `json:"count" doc:"How often."`
	First    time.Time `json:"first" doc:"When first."`
	Last     time.Time `json:"last" doc:"When last."`
	Series   []TimeBin `json:"series" doc:"How often when."`
	// Position is of the one record that it is about.
	Position *millrace.Position `json:"position,omitempty" doc:"Of widened and notice: the record that caused it."`
}

// A TimeBin is a piece of time and how often something happened in it.
type TimeBin struct {
	At    time.Time `json:"at" doc:"When it begins."`
	Count int64     `json:"count" doc:"How often."`
}

// WhySearched says how far back duplicates were looked for.
type WhySearched struct {
	Source int64      `json:"source" doc:"Duplicates of the whole source, ever."`
	Since  *time.Time `json:"since,omitempty" doc:"Those of this table are known from here on: they are only in the log, whose newest part was searched."`
	Whole  bool       `json:"whole" doc:"The whole log was searched."`
}

// buckets of time, and how long a span may be for each.
var timeBuckets = []struct {
	name string
	size time.Duration
	most time.Duration
}{{"minute", time.Minute, 6 * time.Hour}, {"hour", time.Hour, 15 * 24 * time.Hour}, {"day", 24 * time.Hour, 1 << 62}}

// A whyQuery asks about a table in a span of time.
type whyQuery struct {
	table       warehouse.TableName
	from, until time.Time
	bucket      string
	size        time.Duration
}

func (q *whyQuery) choose(now time.Time) {
	until := q.until
	if until.IsZero() {
		until = now
	}
	span := time.Duration(1 << 61)
	if !q.from.IsZero() {
		span = until.Sub(q.from)
	}
	for _, b := range timeBuckets {
		if q.bucket == b.name || q.bucket == "" && span <= b.most {
			q.bucket, q.size = b.name, b.size
			return
		}
	}
}

// reasons are gathered by what they are of.
type reasons map[[3]string]*WhyReason

func (all reasons) add(category, reason, column, scope string, at, first, last time.Time, n int64) {
	key := [3]string{category, reason, column}
	r := all[key]
	if r == nil {
		r = &WhyReason{Category: category, Reason: reason, Column: column, Scope: scope, First: first, Last: last}
		all[key] = r
	}
	r.Count += n
	if first.Before(r.First) {
		r.First = first
	}
	if last.After(r.Last) {
		r.Last = last
	}
	if i := slices.IndexFunc(r.Series, func(b TimeBin) bool { return b.At.Equal(at) }); i >= 0 {
		r.Series[i].Count += n
	} else {
		r.Series = append(r.Series, TimeBin{At: at.UTC(), Count: n})
	}
}

func (all reasons) sorted() []WhyReason {
	out := []WhyReason{}
	for _, r := range all {
		slices.SortFunc(r.Series, func(a, b TimeBin) int { return a.At.Compare(b.At) })
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b WhyReason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Category, b.Category), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Column, b.Column))
	})
	return out
}

// gather runs a query of reason, column, piece of time, count, first and last.
func (s *server) gather(ctx context.Context, into reasons, category, scope, sql string, params []any) error {
	return s.each(ctx, fmt.Sprintf("%s LIMIT %d", sql, maxReasonRows), params, maxReasonRows, func(columns []result.Cell, i int) error {
		var reason, column string
		var at, first, last time.Time
		var n int64
		if err := scan(columns, i, &reason, &column, &at, &n, &first, &last); err != nil {
			return err
		}
		into.add(category, reason, column, scope, at, first, last, n)
		return nil
	})
}

const whyColumns = "date_trunc('%s', received_at) AS at, count(*) AS n, min(received_at) AS first_at, max(received_at) AS last_at"

func (s *server) why(ctx context.Context, q whyQuery) (Why, error) {
	out := Why{Schema: q.table.Schema, Table: q.table.Table, Bucket: q.bucket}
	all := reasons{}
	columns := fmt.Sprintf(whyColumns, q.bucket)
	c := conditions{}
	c.add("table_name = ?", q.table.Table)
	c.between("received_at", q.from, q.until)
	err := s.gather(ctx, all, "discarded", "table", fmt.Sprintf("SELECT reason, coalesce(column_name, '') AS col, %s FROM %s%s GROUP BY 1, 2, 3 ORDER BY n DESC",
		columns, place(warehouse.TableName{Schema: q.table.Schema, Table: "discards"}), &c), c.params)
	if err != nil {
		return out, err
	}
	c = conditions{}
	c.add("r.source = ?", q.table.Schema)
	c.between("r.received_at", q.from, q.until)
	err = s.gather(ctx, all, "rejected", "source", fmt.Sprintf("SELECT %s AS grp, '' AS col, %s FROM millrace.rejected r%s GROUP BY 1, 2, 3 ORDER BY n DESC",
		rejectedGroup, columns, &c), c.params)
	if err != nil {
		return out, err
	}
	if err := s.whyNotices(ctx, q, all); err != nil {
		return out, err
	}
	if out.Duplicates, err = s.whyDuplicates(ctx, q, all); err != nil {
		return out, err
	}
	out.Reasons = all.sorted()
	return out, nil
}

// whyNotices adds what the warehouse did otherwise, each with its record. A column
// that was widened and has been given another type since is not told of.
func (s *server) whyNotices(ctx context.Context, q whyQuery, all reasons) error {
	has, err := s.catalog(ctx)
	if err != nil {
		return err
	}
	c := conditions{}
	c.add("source = ?", q.table.Schema)
	c.add("(table_name = ? OR strpos(table_name, ?) = 1)", q.table.Table, q.table.Table+".")
	c.between("received_at", q.from, q.until)
	sql := fmt.Sprintf("SELECT kind, message, table_name, _epoch, _seq, _index, date_trunc('%s', received_at) AS at, received_at FROM millrace.notices%s ORDER BY %s LIMIT %d",
		q.bucket, &c, newestFirst, maxReasonRows)
	return s.each(ctx, sql, c.params, maxReasonRows, func(columns []result.Cell, i int) error {
		var kind, message, of string
		var p millrace.Position
		var at, received time.Time
		if err := scan(columns, i, &kind, &message, &of, &p.Epoch, &p.Seq, &p.Index, &at, &received); err != nil {
			return err
		}
		category, column := "notice", strings.TrimPrefix(strings.TrimPrefix(of, q.table.Table), ".")
		if kind == "widened" {
			if category = kind; has.typeOf(q.table, column) != "double" {
				return nil
			}
		}
		all.add(category, message, column, "table", at, received, received, 1)
		all[[3]string{category, message, column}].Position = &p
		return nil
	})
}

// streamTables are the tables, without their schema, that records of a stream go to.
func streamTables(source, stream string) []string {
	switch kind, event := kindAndEvent(stream); kind {
	case "track":
		return []string{"tracks", warehouse.EventTable(source, event)}
	case "stream":
		return []string{warehouse.EventTable(source, event)}
	case "identify":
		return []string{"identifies", "users"}
	case "group":
		return []string{"groups", "accounts"}
	default:
		for table, call := range callKinds {
			if call == kind {
				return []string{table}
			}
		}
	}
	return nil
}

// duplicatesOf finds the duplicates of a table that the log has, newest first, and
// how far back it was searched.
func (s *server) duplicatesOf(ctx context.Context, q whyQuery, patience time.Duration, most int) (found []eventlog.Entry, since time.Time, whole bool, err error) {
	tables := map[string]bool{} // by stream
	since, whole, err = s.duplicates(ctx, eventlog.Filter{Workspace: s.space(ctx).ID, Sources: []string{q.table.Schema}}, patience, func(e eventlog.Entry) bool {
		if !q.until.IsZero() && !e.Received.Before(q.until) {
			return true
		}
		if !q.from.IsZero() && e.Received.Before(q.from) {
			return false
		}
		is, known := tables[e.Stream]
		if !known {
			if len(tables) >= 10_000 {
				clear(tables)
			}
			is = slices.Contains(streamTables(e.Source, e.Stream), q.table.Table)
			tables[e.Stream] = is
		}
		if is {
			found = append(found, e)
		}
		return len(found) < most
	})
	return found, since, whole, err
}

func (s *server) whyDuplicates(ctx context.Context, q whyQuery, all reasons) (out WhySearched, err error) {
	sources, err := s.space(ctx).System.Sources(ctx, s.space(ctx).ID)
	if err != nil {
		return out, err
	}
	for _, source := range sources {
		if source.Name == q.table.Schema {
			out.Source = source.Duplicates
		}
	}
	found, since, whole, err := s.duplicatesOf(ctx, q, freshPatience, maxReasonRows)
	if err != nil {
		return out, err
	}
	for _, e := range found {
		all.add("duplicate", "an earlier record has the same ID", "", "table", e.Received.Truncate(q.size), e.Received.UTC(), e.Received.UTC(), 1)
	}
	if out.Whole = whole; !since.IsZero() {
		since = since.UTC()
		out.Since = &since
	}
	return out, nil
}

// A Discard is a value or row that was set aside.
type Discard struct {
	Position   millrace.Position `json:"position" doc:"Of the record in the log."`
	ID         string            `json:"id" doc:"Of the record."`
	Column     string            `json:"column,omitempty" doc:"Whose value it is; absent: the whole row."`
	Value      string            `json:"value" doc:"The value as text; a long one is cut."`
	Reason     string            `json:"reason" doc:"Why it does not fit."`
	ReceivedAt *time.Time        `json:"received_at,omitempty" doc:"When the record came in."`
}

type whyRows struct {
	Discards   []Discard       `json:"discards" doc:"Of discarded: what was set aside, newest first."`
	Duplicates []RecordSummary `json:"duplicates" doc:"Of duplicate: the records, newest first."`
	Next       string          `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
}

type whyRowsInput struct {
	TablePath
	Category string    `query:"category" default:"discarded" enum:"discarded,duplicate" doc:"What is listed. Rejected records are listed by their own operation, with the reason as group."`
	Reason   string    `query:"reason" maxLength:"2000" doc:"Of discarded: only with this reason."`
	Column   string    `query:"column" maxLength:"200" doc:"Of discarded: only of this column."`
	From     time.Time `query:"from" doc:"Only received at this time or later."`
	Until    time.Time `query:"until" doc:"Only received before this time."`
	Limit    int       `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most rows of a page."`
	Cursor   string    `query:"cursor" maxLength:"80" doc:"From the page before."`
}

func (s *server) discards(ctx context.Context, t warehouse.TableName, in *whyRowsInput) ([]Discard, error) {
	from, err := offsetOf(in.Cursor) // a record may have many: its position is no cursor
	if err != nil {
		return nil, err
	}
	c := conditions{}
	c.add("table_name = ?", t.Table)
	c.equal("reason", in.Reason)
	c.equal("column_name", in.Column)
	c.between("received_at", in.From, in.Until)
	out := []Discard{}
	sql := fmt.Sprintf("SELECT _epoch, _seq, _index, id, column_name, value, reason, received_at FROM %s%s ORDER BY %s, column_name, reason LIMIT %d OFFSET %d",
		place(warehouse.TableName{Schema: t.Schema, Table: "discards"}), &c, newestFirst, in.Limit, from)
	return out, s.each(ctx, sql, c.params, in.Limit, func(columns []result.Cell, i int) error {
		var d Discard
		p := &d.Position
		err := scan(columns, i, &p.Epoch, &p.Seq, &p.Index, &d.ID, &d.Column, &d.Value, &d.Reason, &d.ReceivedAt)
		d.Value = cutText(d.Value, 10*maxShown)
		out = append(out, d)
		return err
	})
}

func (s *server) registerWhy() {
	register(s, operation{id: "explain-table", needs: access.TableRead, method: http.MethodGet, path: "/api/v1/tables/{schema}/{table}/why", tag: "tables",
		summary: "Why a number may be wrong", description: "What of the records that a table is made of was set aside, dropped as duplicate, rejected, or handled otherwise, by reason and time.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			TablePath
			From   time.Time `query:"from" doc:"Only received at this time or later."`
			Until  time.Time `query:"until" doc:"Only received before this time."`
			Bucket string    `query:"bucket" enum:"minute,hour,day" doc:"How long the pieces of time are; default by the span."`
		}) (*bodyOf[Why], error) {
			t, err := s.whyTable(ctx, in.TablePath)
			if err != nil {
				return nil, err
			}
			q := whyQuery{table: t, from: in.From, until: in.Until, bucket: in.Bucket}
			q.choose(s.o.Now())
			found, err := s.why(ctx, q)
			return &bodyOf[Why]{Body: found}, err
		})
	register(s, operation{id: "explain-table-rows", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/tables/{schema}/{table}/why/rows", tag: "tables",
		summary: "The rows behind why a number may be wrong", errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *whyRowsInput) (*bodyOf[whyRows], error) {
			t, err := s.whyTable(ctx, in.TablePath)
			if err != nil {
				return nil, err
			}
			out := whyRows{Discards: []Discard{}, Duplicates: []RecordSummary{}}
			if in.Category == "duplicate" {
				found, _, _, err := s.duplicatesOf(ctx, whyQuery{table: t, from: in.From, until: in.Until}, backPatience, maxDuplicates)
				if err != nil {
					return nil, err
				}
				if found, out.Next, err = page(found, in.Cursor, in.Limit); err != nil {
					return nil, err
				}
				slices.Reverse(found)
				out.Duplicates = append(out.Duplicates, s.summarize(ctx, found)...)
				slices.Reverse(out.Duplicates)
				return &bodyOf[whyRows]{Body: out}, nil
			}
			if out.Discards, err = s.discards(ctx, t, in); err != nil {
				return nil, err
			}
			if len(out.Discards) == in.Limit {
				from, _ := offsetOf(in.Cursor) // it was read already
				out.Next = fmt.Sprint(from + in.Limit)
			}
			return &bodyOf[whyRows]{Body: out}, nil
		})
}

// whyTable finds a table of a source.
func (s *server) whyTable(ctx context.Context, in TablePath) (warehouse.TableName, error) {
	t, all, err := s.table(ctx, in.Schema, in.Table)
	if err == nil && (t.Schema == warehouse.SystemSchema || all.tableKind(t) == "discards" || all.tableKind(t) == "other") {
		return t, millrace.Errorf(millrace.Invalid, "%s.%s is not made of events: ask about a table of a source", t.Schema, t.Table)
	}
	return t, err
}
