package warehouse

import (
	"fmt"
	"regexp"
	"strings"
)

// A Shorthand is a statement that people type to see what there is, and that
// is no SELECT: SHOW TABLES, DESCRIBE web.tracks, SUMMARIZE web.tracks.
type Shorthand struct {
	Asks  ShorthandKind
	Table TableName // as it is written in SQL, folded to lower case unless quoted; may lack its schema
	From  string    // the table in SQL
}

// ShorthandKind says what a Shorthand asks for.
type ShorthandKind int

// What a Shorthand may ask for.
const (
	AsksTables  ShorthandKind = iota + 1 // of Table.Schema, or of all
	AsksSchemas                          // sources
	AsksColumns                          // of Table
	AsksSummary                          // of the values in each column of Table
)

const (
	namePattern = `("(?:[^"]|"")+"|[\pL_][\pL\pN_$]*)`
	// ofPattern is a table, with or without its schema.
	ofPattern = namePattern + `(?:\s*\.\s*` + namePattern + `)?`
)

// shorthands are written as DuckDB, MySQL and the shells of Postgres and
// SQLite have them.
var shorthands = []struct {
	asks    ShorthandKind
	pattern *regexp.Regexp
}{
	{AsksTables, regexp.MustCompile(`(?is)^(?:show(?:\s+all)?\s+tables|show|describe|desc|\\dt?\+?|\.tables)$`)},
	{AsksTables, regexp.MustCompile(`(?is)^show\s+tables\s+(?:from|in)\s+` + namePattern + `$`)},
	{AsksSchemas, regexp.MustCompile(`(?is)^(?:show\s+(?:schemas|databases)|\\dn\+?|\\l\+?)$`)},
	{AsksColumns, regexp.MustCompile(`(?is)^(?:(?:describe|desc)(?:\s+table)?|show\s+columns\s+(?:from|in)|\\d\+?)\s+` + ofPattern + `$`)},
	{AsksColumns, regexp.MustCompile(`(?is)^show\s+` + namePattern + `\s*\.\s*` + namePattern + `$`)},
	{AsksSummary, regexp.MustCompile(`(?is)^summarize\s+(?:table\s+)?` + ofPattern + `$`)},
}

// ParseShorthand reads a Shorthand; false when sql is none.
func ParseShorthand(sql string) (Shorthand, bool) {
	sql = strings.TrimSpace(strings.TrimRight(strings.TrimSpace(sql), "; \t\r\n"))
	if len(sql) > 4*MaxNameBytes {
		return Shorthand{}, false
	}
	for _, s := range shorthands {
		m := s.pattern.FindStringSubmatch(sql)
		if m == nil {
			continue
		}
		short := Shorthand{Asks: s.asks}
		var names, written []string
		for _, name := range m[1:] {
			if name != "" {
				names, written = append(names, unquoted(name)), append(written, name)
			}
		}
		short.From = strings.Join(written, ".")
		switch {
		case s.asks == AsksTables && len(names) == 1:
			short.Table.Schema = names[0]
		case len(names) == 1:
			short.Table.Table = names[0]
		case len(names) == 2:
			short.Table = TableName{names[0], names[1]}
		}
		return short, true
	}
	return Shorthand{}, false
}

// unquoted is the name that is meant by one in SQL.
func unquoted(name string) string {
	if strings.HasPrefix(name, `"`) {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return strings.ToLower(name)
}

// notOurs are schemas of the engines.
const notOurs = "('information_schema', 'pg_catalog', 'main')"

// OwnNotes are the tables of SystemSchema that say nothing to people, who may
// read them all the same.
var OwnNotes = []string{"checkpoints", "pending", "format", "row_groups"}

// Select is the SELECT that answers the Shorthand, on any engine; "" for a
// summary, which every engine makes its own way. Of a table that is not there
// it fails as every query on it does.
func (s Shorthand) Select() string {
	text := func(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }
	visible := " WHERE table_schema NOT IN " + notOurs + " AND table_name NOT LIKE '% (rebuild)'" +
		" AND NOT (table_schema = 'millrace' AND table_name IN ('" + strings.Join(OwnNotes, "', '") + "'))"
	switch s.Asks {
	case AsksTables:
		where := visible
		if s.Table.Schema != "" {
			where += " AND table_schema = " + text(s.Table.Schema)
		}
		return "SELECT table_schema, table_name FROM information_schema.tables" + where + " ORDER BY table_schema, table_name"
	case AsksSchemas:
		return "SELECT DISTINCT table_schema FROM information_schema.tables" + visible + " ORDER BY table_schema"
	case AsksColumns:
		return fmt.Sprintf("SELECT column_name, data_type AS column_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"+
			" AND (SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1) AS one) >= 0 ORDER BY ordinal_position", text(s.Table.Schema), text(s.Table.Table), s.From)
	}
	return ""
}

// OnlySelect is what those are told who send something else.
const OnlySelect = "only a SELECT can be run here: the warehouse is read-only, and settings, files and EXPLAIN are not reached through a query. To see what there is, use SHOW TABLES, DESCRIBE source.table, or " + ListTables

// ListTables is the query that the errors name to those who look for a table.
const ListTables = "SELECT table_schema, table_name FROM information_schema.tables"
