package warehouse

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// Missing is a table that a query names and that is not there.
type Missing struct {
	TableName             // as the query names it, in lower case; Schema is "" when it names none
	Has       []TableName // what queries can read, as they name it
	// Sources are the sources of the project, by the schema that is theirs in queries.
	Sources map[string]string
}

// notThere finds what Explain says. It also comes from another process, as text.
var notThere = regexp.MustCompile(`^(there is no (table|source) |there is no such table:|no [a-zA-Z ]+ has arrived for source |source \S+ has no events yet:)`)

// NotThere says whether a query failed because a table is not there.
func NotThere(err error) bool {
	return err != nil && millrace.KindOf(err) == millrace.Invalid && notThere.MatchString(err.Error())
}

// madeBy says what has to arrive so that a built-in table is made.
var madeBy = map[string]string{
	"tracks": "event", "identifies": "identify", "users": "identify with a userId", "pages": "page", "screens": "screen",
	"groups": "group", "accounts": "group with a groupId", "aliases": "alias", "discards": "event",
}

// Explain is what the author of the query is told: Invalid, or nil when the
// table is there after all.
func (m Missing) Explain() error {
	if slices.Contains(m.Has, m.TableName) {
		return nil
	}
	if m.Schema == "" {
		return m.withoutSource()
	}
	var tables, schemas []string
	for _, t := range m.Has {
		if t.Schema == m.Schema {
			tables = append(tables, t.Table)
		}
		schemas = append(schemas, t.Schema)
	}
	if len(tables) == 0 {
		return m.noSchema(schemas)
	}
	if m.Schema != SystemSchema {
		if call := madeBy[m.Table]; call != "" {
			return millrace.Errorf(millrace.Invalid, "no %s has arrived for source %s yet: the table %s.%s is made with the first one%s",
				call, m.source(), m.Schema, m.Table, listed(m.Schema, tables))
		}
		for table := range madeBy {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	near := millrace.Nearest(m.Table, slices.Compact(tables))
	switch {
	case near == "":
		return millrace.Errorf(millrace.Invalid, "there is no table %s.%s: a table is made with the first event of its name, and SHOW TABLES lists those that are there%s", m.Schema, m.Table, m.elsewhere())
	case !slices.Contains(m.Has, TableName{m.Schema, near}):
		return millrace.Errorf(millrace.Invalid, "there is no table %s.%s: if %s is meant, it is made when the first %s arrives", m.Schema, m.Table, near, madeBy[near])
	}
	return millrace.Errorf(millrace.Invalid, "there is no table %s.%s: the nearest is %s.%s", m.Schema, m.Table, m.Schema, near)
}

func (m Missing) source() string {
	if source := m.Sources[m.Schema]; source != "" {
		return source
	}
	return m.Schema
}

// noSchema is the error for a table of a source that has none at all.
func (m Missing) noSchema(schemas []string) error {
	if source, ok := m.Sources[m.Schema]; ok {
		return NoEvents(source)
	}
	for schema := range m.Sources {
		schemas = append(schemas, schema)
	}
	slices.Sort(schemas)
	schemas = slices.Compact(schemas)
	if near := millrace.Nearest(m.Schema, schemas); near != "" {
		return millrace.Errorf(millrace.Invalid, "there is no source %s: the nearest is %s, as in %s.%s", m.Schema, near, near, m.Table)
	}
	return millrace.Errorf(millrace.Invalid, "there is no source %s, so that there is no table %s.%s: SHOW TABLES lists those that are there%s", m.Schema, m.Schema, m.Table, m.elsewhere())
}

// withoutSource is the error for a table that is named without its source.
func (m Missing) withoutSource() error {
	if places := m.places(); len(places) > 0 {
		return millrace.Errorf(millrace.Invalid, "tables are named with their source: write %s for %s", strings.Join(places, " or "), m.Table)
	}
	var names []string
	for _, t := range m.Has {
		names = append(names, t.Table)
	}
	slices.Sort(names)
	if near := millrace.Nearest(m.Table, slices.Compact(names)); near != "" {
		m.Table = near
		return millrace.Errorf(millrace.Invalid, "there is no such table: the nearest is %s", strings.Join(m.places(), " or "))
	}
	return millrace.Errorf(millrace.Invalid, "there is no table %s: tables are named with their source, as in web.tracks, and SHOW TABLES lists those that are there", m.Table)
}

// elsewhere says where a table of that name is.
func (m Missing) elsewhere() string {
	if places := m.places(); len(places) > 0 {
		return fmt.Sprintf(" (there is %s)", strings.Join(places, " and "))
	}
	return ""
}

// places are the tables of that name, a few of them.
func (m Missing) places() (places []string) {
	for _, t := range m.Has {
		if t.Table == m.Table && len(places) < 3 {
			places = append(places, t.Schema+"."+t.Table)
		}
	}
	return places
}

// listed names a few tables, those that are built in first.
func listed(schema string, tables []string) string {
	const most = 6
	tables = slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return t == "discards" })
	slices.SortStableFunc(tables, func(a, b string) int {
		return strings.Compare(madeBy[b], madeBy[a]) // those that have none are behind
	})
	if len(tables) == 0 {
		return ""
	}
	if more := len(tables) - most; more > 0 {
		tables = append(tables[:most], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf(" (%s has %s)", schema, strings.Join(tables, ", "))
}
