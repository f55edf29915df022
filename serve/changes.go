package serve

import (
	"context"
	"fmt"
	"github.com/millrace/millrace/access"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const (
	maxChanges       = 10_000 // of the catalogue and of the notices
	maxChangedTables = 200    // whose columns are looked at
	firstsAtOnce     = 300    // columns, of all tables together, that one query looks at
	maxChangesAge    = 30 * time.Second
	changesAgeFactor = 20 // an answer is kept for so many times as long as it took
	firstsAge        = time.Hour
)

// A SchemaChange is a moment at which a source began to send something else.
type SchemaChange struct {
	At     time.Time `json:"at" doc:"When the first record came in that brought it."`
	Kind   string    `json:"kind" enum:"event,stream,column,notice" doc:"What is new: an event, a stream, a column of a table; or what the warehouse did otherwise than one may think."`
	Name   string    `json:"name" example:"Order Completed" doc:"The event or stream as sent; the column; what sort of notice."`
	Table  string    `json:"table,omitempty" example:"order_completed" doc:"The table that it is about."`
	Type   string    `json:"type,omitempty" example:"double" doc:"Of a column."`
	Detail string    `json:"detail,omitempty" doc:"What a notice says, and what to do."`
}

// changesCache keeps the answers of a moment ago, and when columns had their
// first value, which stays so: finding it reads whole tables.
type changesCache struct {
	mu     sync.Mutex
	last   map[string]changesOf
	firsts map[warehouse.TableName]*firstsOf
}

// firstsOf is what is known of a table's columns.
type firstsOf struct {
	until   time.Time // then it is asked for again
	began   time.Time // its first row came
	columns map[firstsKey]time.Time
}

// A column that becomes another type may have lost its first values.
type firstsKey struct{ name, typ string }

func keyOf(c TableColumn) firstsKey { return firstsKey{c.Name, c.Type} }

type changesOf struct {
	until time.Time
	all   []SchemaChange
}

// forget forgets what was found in tables that a rebuild has replaced.
func (c *changesCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.firsts = nil, nil
}

// changes finds how what a source sends has changed, newest first.
func (s *server) changes(ctx context.Context, source string) ([]SchemaChange, error) {
	changed := &s.space(ctx).changed
	changed.mu.Lock()
	defer changed.mu.Unlock()
	began, now := time.Now(), s.o.Now()
	maps.DeleteFunc(changed.last, func(_ string, c changesOf) bool { return now.After(c.until) })
	maps.DeleteFunc(changed.firsts, func(_ warehouse.TableName, f *firstsOf) bool { return now.After(f.until) })
	if c, ok := changed.last[source]; ok {
		return c.all, nil
	}
	all := []SchemaChange{}
	err := s.each(ctx, fmt.Sprintf(`SELECT received_at, kind, original, name, '' AS detail FROM millrace.names WHERE source = $1 AND kind IN ('event', 'stream')
UNION ALL SELECT received_at, 'notice' AS kind, kind AS original, coalesce(table_name, '') AS name, message AS detail FROM millrace.notices WHERE source = $2
ORDER BY received_at DESC LIMIT %d`, maxChanges), []any{source, source}, maxChanges, func(columns []result.Cell, i int) error {
		var c SchemaChange
		err := scan(columns, i, &c.At, &c.Kind, &c.Name, &c.Table, &c.Detail)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	columns, err := s.columnChanges(ctx, source)
	if err != nil {
		return nil, err
	}
	all = append(all, columns...)
	slices.SortStableFunc(all, func(a, b SchemaChange) int { return b.At.Compare(a.At) })
	if len(all) == 0 {
		return all, nil
	}
	if changed.last == nil {
		changed.last = map[string]changesOf{}
	}
	changed.last[source] = changesOf{s.o.Now().Add(min(maxChangesAge, changesAgeFactor*time.Since(began))), all}
	return all, nil
}

// columnChanges finds when the columns of a source's tables had their first value.
func (s *server) columnChanges(ctx context.Context, source string) (found []SchemaChange, err error) {
	tables, err := s.catalogOf(ctx, source)
	if err != nil {
		return nil, err
	}
	names := tables.tables(source)
	names = slices.DeleteFunc(names, func(t warehouse.TableName) bool {
		kind := tables.tableKind(t)
		return t.Table == "tracks" || kind != "event" && kind != "call" && kind != "stream"
	})
	names = names[:min(len(names), maxChangedTables)]
	brought := func(c TableColumn) bool { return !c.Fixed && !strings.HasPrefix(c.Name, "context_") }
	var all []columnsOf
	for _, t := range names {
		known := s.space(ctx).changed.of(t, s.o.Now())
		var columns []TableColumn
		for _, c := range tables[t] {
			if _, ok := known.columns[keyOf(c)]; !ok && brought(c) {
				columns = append(columns, c)
			}
		}
		for part := range slices.Chunk(columns, columnsAtOnce) {
			all = append(all, columnsOf{t, part})
		}
	}
	// Those of one query have as many columns as the widest of them.
	slices.SortStableFunc(all, func(a, b columnsOf) int { return len(b.columns) - len(a.columns) })
	for len(all) > 0 {
		n := min(len(all), tablesAtOnce, max(1, firstsAtOnce/len(all[0].columns)))
		if err := s.firstValues(ctx, all[:n]); err != nil {
			return nil, err
		}
		all = all[n:]
	}
	for _, t := range names {
		known := s.space(ctx).changed.of(t, s.o.Now())
		for _, c := range tables[t] {
			if first, ok := known.columns[keyOf(c)]; ok && brought(c) && first.After(known.began) {
				found = append(found, SchemaChange{At: first, Kind: "column", Name: c.Name, Table: t.Table, Type: c.Type})
			}
		}
	}
	return found, nil
}

// of is what is known of a table, which may be nothing yet.
func (c *changesCache) of(t warehouse.TableName, now time.Time) *firstsOf {
	if c.firsts == nil {
		c.firsts = map[warehouse.TableName]*firstsOf{}
	}
	known := c.firsts[t]
	if known == nil {
		known = &firstsOf{until: now.Add(firstsAge), columns: map[firstsKey]time.Time{}}
		c.firsts[t] = known
	}
	return known
}

// columnsOf are some columns of a table.
type columnsOf struct {
	table   warehouse.TableName
	columns []TableColumn
}

// firstValues finds with one query when columns had their first value, and
// keeps it. The first of all has most columns.
func (s *server) firstValues(ctx context.Context, all []columnsOf) error {
	width := len(all[0].columns)
	sql := "SELECT i, min(received_at) AS began" // of all together: engines plan that faster than each alone
	for j := range width {
		sql += fmt.Sprintf(", min(CASE WHEN c%d THEN received_at END) AS first%d", j, j)
	}
	tables := make([]string, len(all))
	for i, of := range all {
		one := fmt.Sprintf("SELECT %d AS i, received_at", i)
		for j := range width {
			if j < len(of.columns) {
				one += fmt.Sprintf(", %s IS NOT NULL AS c%d", quoted(of.columns[j].Name), j)
			} else {
				one += fmt.Sprintf(", false AS c%d", j)
			}
		}
		tables[i] = one + " FROM " + place(of.table)
	}
	sql += " FROM (" + strings.Join(tables, "\nUNION ALL ") + ") AS every GROUP BY i"
	return s.each(ctx, sql, nil, len(all), func(columns []result.Cell, i int) error {
		var at int
		var began *time.Time
		firsts := make([]*time.Time, width)
		into := []any{&at, &began}
		for j := range firsts {
			into = append(into, &firsts[j])
		}
		if err := scan(columns, i, into...); err != nil || began == nil {
			return err
		}
		known := s.space(ctx).changed.of(all[at].table, s.o.Now())
		known.began = *began
		for j, c := range all[at].columns {
			if first := firsts[j]; first != nil {
				known.columns[keyOf(c)] = *first
			}
		}
		return nil
	})
}

func (s *server) registerChanges() {
	type changePage struct {
		Changes []SchemaChange `json:"changes" doc:"Newest first."`
		Next    string         `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-source-changes", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources/{source}/changes", tag: "sources",
		summary: "How what a source sends has changed", description: "New events, streams and properties since each table began, and what the warehouse did otherwise than one may think. At most half a minute old.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			SourcePath
			Table  string `query:"table" maxLength:"63" doc:"Only of this table."`
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most changes of a page."`
			Cursor string `query:"cursor" maxLength:"20" doc:"From the page before."`
		}) (*bodyOf[changePage], error) {
			if err := s.checkSource(ctx, in.Source); err != nil {
				return nil, err
			}
			all, err := s.changes(ctx, in.Source)
			if err != nil {
				return nil, err
			}
			if in.Table != "" {
				all = slices.DeleteFunc(slices.Clone(all), func(c SchemaChange) bool {
					table, _, _ := strings.Cut(c.Table, ".")
					return table != in.Table
				})
			}
			part, next, err := page(all, in.Cursor, in.Limit)
			return &bodyOf[changePage]{Body: changePage{Changes: part, Next: next}}, err
		})
}
