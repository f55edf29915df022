package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const (
	catalogAge     = 300 * time.Millisecond // for which the list of tables is believed
	maxCatalogRows = 1_000_000              // columns of all tables
	tablesAtOnce   = 50                     // counted by one query
)

// columnsQuery lists what the warehouse has, on every engine.
const columnsQuery = `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema NOT IN ('information_schema', 'pg_catalog', 'main') AND table_schema NOT LIKE 'millrace rebuild %'
  AND table_name NOT LIKE '% (rebuild)'
ORDER BY table_schema, table_name, ordinal_position`

// A TableColumn is a column of a table.
type TableColumn struct {
	Name     string `json:"name" example:"total" doc:"As queries name it."`
	Type     string `json:"type" example:"double" doc:"bool, bigint, double, timestamptz, text, json or integer; another word for what Millrace has not made."`
	Original string `json:"original,omitempty" doc:"How it was sent, when the name does not say it."`
	Fixed    bool   `json:"fixed" doc:"Every table of its kind has it; no event brings it."`
}

// typeWords are the engines' names of the types.
var typeWords = map[string]string{
	"boolean": "bool", "varchar": "text", "double precision": "double", "timestamp with time zone": "timestamptz",
	"character varying": "text", "int": "integer", "float8": "double", "int8": "bigint",
}

func typeWord(engine string) string {
	word := strings.ToLower(engine)
	return cmp.Or(typeWords[word], word)
}

// A catalog is what tables there are, and of what columns.
type catalog map[warehouse.TableName][]TableColumn

// catalogs keep the last one for a moment.
type catalogs struct {
	mu   sync.Mutex
	at   time.Time
	last catalog
}

// forget makes the next who asks look again.
func (c *catalogs) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = nil
}

// catalog reads what tables there are. Nobody changes it.
func (s *server) catalog(ctx context.Context) (catalog, error) {
	return s.catalogWith(ctx, func(catalog) bool { return true })
}

// catalogOf is the catalog for those who ask about a schema: one that lacks it
// is read again.
func (s *server) catalogOf(ctx context.Context, schema string) (catalog, error) {
	return s.catalogWith(ctx, func(all catalog) bool { return len(all.tables(schema)) > 0 })
}

// catalogWith reads the catalog again when the last one is too old, or not
// enough to whoever asks.
func (s *server) catalogWith(ctx context.Context, enough func(catalog) bool) (catalog, error) {
	s.space(ctx).catalogs.mu.Lock()
	defer s.space(ctx).catalogs.mu.Unlock()
	if s.space(ctx).catalogs.last != nil && time.Since(s.space(ctx).catalogs.at) < catalogAge && enough(s.space(ctx).catalogs.last) {
		return s.space(ctx).catalogs.last, nil
	}
	all := catalog{}
	err := s.each(ctx, columnsQuery, nil, maxCatalogRows, func(columns []result.Cell, i int) error {
		var t warehouse.TableName
		var c TableColumn
		if err := scan(columns, i, &t.Schema, &t.Table, &c.Name, &c.Type); err != nil {
			return err
		}
		if t.Schema == warehouse.SystemSchema && slices.Contains(warehouse.OwnNotes, t.Table) {
			return nil
		}
		c.Type, c.Fixed = typeWord(c.Type), fixedColumns[c.Name]
		all[t] = append(all[t], c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.space(ctx).catalogs.last, s.space(ctx).catalogs.at = all, time.Now()
	return all, nil
}

// fixedColumns are those that no event brings.
var fixedColumns = map[string]bool{
	"id": true, "anonymous_id": true, "user_id": true, "event": true, "event_text": true, "received_at": true, "sent_at": true,
	"original_timestamp": true, "timestamp": true, "uuid_ts": true, "group_id": true, "previous_id": true,
	"_epoch": true, "_seq": true, "_index": true, "properties_overflow": true,
}

func (c catalog) has(t warehouse.TableName, column string) bool { return c.typeOf(t, column) != "" }

func (c catalog) typeOf(t warehouse.TableName, column string) string {
	for _, has := range c[t] {
		if has.Name == column {
			return has.Type
		}
	}
	return ""
}

// tables are those of a schema, or of all, in order.
func (c catalog) tables(schema string) []warehouse.TableName {
	all := slices.SortedFunc(maps.Keys(c), func(a, b warehouse.TableName) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	return slices.DeleteFunc(all, func(t warehouse.TableName) bool { return schema != "" && t.Schema != schema })
}

// table finds a table by its name; NotFound says which is nearest.
func (s *server) table(ctx context.Context, schema, name string) (warehouse.TableName, catalog, error) {
	t := warehouse.TableName{Schema: schema, Table: name}
	all, err := s.catalogWith(ctx, func(all catalog) bool { return len(all[t]) > 0 })
	if err != nil {
		return t, nil, err
	}
	if _, ok := all[t]; ok {
		return t, all, nil
	}
	var names []string
	for _, has := range all.tables(schema) {
		names = append(names, has.Table)
	}
	near := millrace.Nearest(name, names)
	if near != "" {
		return t, nil, millrace.Errorf(millrace.NotFound, "there is no table %.80s.%.80s: the nearest is %s.%s%s", schema, name, schema, near, s.otherTables(ctx))
	}
	return t, nil, millrace.Errorf(millrace.NotFound, "there is no table %.80s.%.80s: a table is made with the first record of its kind, and GET /api/v1/tables lists those that are there%s", schema, name, s.otherTables(ctx))
}

// A TableSummary is a table and how much it holds.
type TableSummary struct {
	Schema       string     `json:"schema" example:"web" doc:"The source, or millrace."`
	Table        string     `json:"table" example:"order_completed" doc:"Its name."`
	Kind         string     `json:"kind" enum:"event,call,latest,stream,discards,system,other" doc:"event: of one track event; call: tracks, pages …; latest: users and accounts; stream: of a stream's values."`
	Original     string     `json:"original,omitempty" example:"Order Completed" doc:"The event or stream, as it was sent."`
	Columns      int        `json:"columns" doc:"How many it has."`
	Rows         *int64     `json:"rows,omitempty" doc:"How many it has; absent when counting took too long."`
	SizeBytes    int64      `json:"size_bytes,omitempty" doc:"On disk, about, as of at most half a minute ago; absent when the engine does not say."`
	LastReceived *time.Time `json:"last_received,omitempty" doc:"When its newest record came in: how fresh it is."`
}

// A TableDetail is a table with its columns.
type TableDetail struct {
	TableSummary
	ColumnList []TableColumn `json:"column_list" doc:"The columns, in their order."`
}

// names are the rows of the name catalogue of one kind, by source and name.
func (s *server) names(ctx context.Context, kinds ...string) (map[[2]string]string, error) {
	c := conditions{}
	for i, kind := range kinds {
		kinds[i] = c.value(kind)
	}
	out := map[[2]string]string{}
	err := s.each(ctx, fmt.Sprintf("SELECT source, name, min(original) FROM millrace.names WHERE kind IN (%s) GROUP BY source, name", strings.Join(kinds, ", ")),
		c.params, maxCatalogRows, func(columns []result.Cell, i int) error {
			var source, name, original string
			err := scan(columns, i, &source, &name, &original)
			out[[2]string{source, name}] = original
			return err
		})
	return out, err
}

var (
	callTables   = []string{"tracks", "identifies", "pages", "screens", "groups", "aliases"}
	latestTables = []string{"users", "accounts"}
)

// tableKind says what a table is of.
func (c catalog) tableKind(t warehouse.TableName) string {
	switch {
	case t.Schema == warehouse.SystemSchema:
		return "system"
	case slices.Contains(callTables, t.Table):
		return "call"
	case slices.Contains(latestTables, t.Table):
		return "latest"
	case t.Table == "discards":
		return "discards"
	case c.has(t, "event_text"):
		return "event"
	case c.has(t, "_seq"):
		return "stream"
	}
	return "other"
}

// summaries describe tables, counting their rows.
func (s *server) summaries(ctx context.Context, all catalog, tables []warehouse.TableName) ([]TableSummary, error) {
	originals, err := s.names(ctx, "event", "stream")
	if err != nil {
		return nil, err
	}
	sizes := s.tableSizes(ctx)
	out := []TableSummary{}
	for part := range slices.Chunk(tables, tablesAtOnce) {
		counts, err := s.counts(ctx, all, part)
		if err != nil {
			s.o.Logger.Debug("tables could not be counted", "error", err)
		}
		for i, t := range part {
			one := TableSummary{Schema: t.Schema, Table: t.Table, Kind: all.tableKind(t), Columns: len(all[t]), SizeBytes: sizes[t]}
			one.Original = originals[[2]string{t.Schema, t.Table}]
			if count, ok := counts[i]; ok {
				one.Rows, one.LastReceived = &count.rows, count.last
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// sizesAge is how long sizes of tables are believed.
const (
	sizesAge      = 30 * time.Second
	sizesPatience = 3 * time.Second
)

// sizes keep the last ones for a while.
type sizes struct {
	mu   sync.Mutex
	at   time.Time
	last map[warehouse.TableName]int64
}

// tableSizes says how large tables are on disk, as far as the engine told.
func (s *server) tableSizes(ctx context.Context) map[warehouse.TableName]int64 {
	if s.o.TableSizes == nil {
		return nil
	}
	s.space(ctx).sizes.mu.Lock()
	defer s.space(ctx).sizes.mu.Unlock()
	if time.Since(s.space(ctx).sizes.at) < sizesAge {
		return s.space(ctx).sizes.last
	}
	ctx, cancel := context.WithTimeout(ctx, sizesPatience)
	defer cancel()
	all, err := s.o.TableSizes(ctx, s.space(ctx).ID)
	if err != nil { // those that were told before are near enough
		s.o.Logger.Debug("the warehouse does not say how large its tables are", "error", err)
		return s.space(ctx).sizes.last
	}
	s.space(ctx).sizes.last, s.space(ctx).sizes.at = all, time.Now()
	return all
}

type tableCount struct {
	rows int64
	last *time.Time
}

// counts counts rows of tables with one query, by their place in the list.
func (s *server) counts(ctx context.Context, all catalog, tables []warehouse.TableName) (map[int]tableCount, error) {
	var sql []string
	for i, t := range tables {
		last := "CAST(NULL AS timestamptz)"
		if all.typeOf(t, "received_at") == "timestamptz" {
			last = "max(received_at)"
		}
		sql = append(sql, fmt.Sprintf("SELECT %d AS i, count(*) AS n, %s AS last FROM %s", i, last, place(t)))
	}
	out := map[int]tableCount{}
	err := s.each(ctx, strings.Join(sql, "\nUNION ALL "), nil, len(tables), func(columns []result.Cell, i int) error {
		var at int
		var c tableCount
		err := scan(columns, i, &at, &c.rows, &c.last)
		out[at] = c
		return err
	})
	return out, err
}

func (s *server) registerTables() {
	type tablePage struct {
		Tables []TableSummary `json:"tables" doc:"By schema and name."`
		Next   string         `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-tables", needs: access.TableRead, method: http.MethodGet, path: "/api/v1/tables", tag: "tables",
		summary: "List the tables of the warehouse", description: "With how many rows each has, and how fresh it is.",
		errors: []int{http.StatusBadRequest, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			Schema string `query:"schema" maxLength:"63" doc:"Only of this schema: a source, or millrace."`
			Search string `query:"q" maxLength:"63" doc:"Only whose name contains this."`
			Limit  int    `query:"limit" default:"200" minimum:"1" maximum:"1000" doc:"Most tables of a page."`
			Cursor string `query:"cursor" maxLength:"20" doc:"From the page before."`
			After  string `query:"after" maxLength:"80" doc:"Wait, up to 5 seconds, until the tables hold everything up to this position, or with last everything that is in the log now."`
		}) (*bodyOf[tablePage], error) {
			if err := s.waitAfter(ctx, in.After, newestPatience); err != nil {
				return nil, err
			}
			all, err := s.catalogOf(ctx, in.Schema)
			if err != nil {
				return nil, err
			}
			tables := slices.DeleteFunc(all.tables(in.Schema), func(t warehouse.TableName) bool {
				return !strings.Contains(t.Table, strings.ToLower(in.Search))
			})
			tables, next, err := page(tables, in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			found, err := s.summaries(ctx, all, tables)
			return &bodyOf[tablePage]{Body: tablePage{Tables: found, Next: next}}, err
		})
	register(s, operation{id: "get-table", needs: access.TableRead, method: http.MethodGet, path: "/api/v1/tables/{schema}/{table}", tag: "tables",
		summary: "Get a table and its columns", errors: []int{http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *TablePath) (*bodyOf[TableDetail], error) {
			t, all, err := s.table(ctx, in.Schema, in.Table)
			if err != nil {
				return nil, err
			}
			found, err := s.summaries(ctx, all, []warehouse.TableName{t})
			if err != nil {
				return nil, err
			}
			out := TableDetail{TableSummary: found[0], ColumnList: slices.Clone(all[t])}
			originals, err := s.names(ctx, "property")
			if err != nil {
				return nil, err
			}
			for i := range out.ColumnList {
				out.ColumnList[i].Original = originals[[2]string{t.Schema, out.ColumnList[i].Name}]
			}
			return &bodyOf[TableDetail]{Body: out}, nil
		})
	s.registerSample()
	s.registerProfile()
	s.registerWhy()
	s.registerRetype()
}

// TablePath names a table in a path.
type TablePath struct {
	Schema string `path:"schema" maxLength:"63" example:"web" doc:"The source, or millrace."`
	Table  string `path:"table" maxLength:"63" example:"order_completed" doc:"Name of the table."`
}
