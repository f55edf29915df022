package warehouse

import (
	"slices"

	"github.com/millrace/millrace"
)

// A MissingTable is a table that an engine lacks, or lacks columns of.
type MissingTable struct {
	TableName
	Create  bool     // the whole table
	Columns []Column // those that are missing, in their order
}

// MissingSystemTables says what an engine that has these tables lacks of
// millrace.rejected, resent, names and notices, and of the discards of each
// source that has tables. A backend makes it when it opens a workspace, so
// that queries find them before there is a first row.
func MissingSystemTables(has []KnownTable) []MissingTable {
	var missing []MissingTable
	want := systemTables()
	for _, k := range has {
		if t := newTable(k.Schema, "discards", discardColumns); k.Schema != SystemSchema &&
			!slices.ContainsFunc(want, func(w KnownTable) bool { return w.TableName == t.TableName }) {
			want = append(want, t)
		}
	}
	for _, t := range want {
		i := slices.IndexFunc(has, func(k KnownTable) bool { return k.TableName == t.TableName })
		m := MissingTable{TableName: t.TableName, Create: i < 0, Columns: t.Columns}
		if i >= 0 {
			m.Columns = slices.DeleteFunc(m.Columns, func(c Column) bool {
				return slices.ContainsFunc(has[i].Columns, func(k Column) bool { return k.Name == c.Name })
			})
		}
		if len(m.Columns) > 0 {
			missing = append(missing, m)
		}
	}
	return missing
}

// systemTables are the tables of SystemSchema that get rows as those of sources do.
func systemTables() []KnownTable {
	var tables []KnownTable
	for _, t := range []struct {
		name    string
		columns []fixed
	}{{"rejected", rejectedColumns}, {"resent", resentColumns}, {"names", nameColumns}, {"notices", noticeColumns}} {
		tables = append(tables, newTable(SystemSchema, t.name, t.columns))
	}
	return tables
}

// newTable is a table with what it has before the first row.
func newTable(schema, name string, columns []fixed) KnownTable {
	k := KnownTable{TableName: TableName{schema, name}}
	for _, f := range columns {
		k.Columns = append(k.Columns, fixedColumns[f])
	}
	k.Columns = append(k.Columns, positionColumns[:]...)
	return k
}

// Covers says whether a live table is among those that are made anew.
func (o ShadowOptions) Covers(n TableName) bool {
	switch {
	case n.Schema != SystemSchema:
		return len(o.Sources) == 0 || slices.Contains(o.Sources, n.Schema)
	case slices.Contains(OwnNotes, n.Table):
		return false
	}
	return o.System
}

// NoEvents is the error of a query on the tables of a source that has received
// nothing: they are made with its first event.
func NoEvents(source string) error {
	return millrace.Errorf(millrace.Invalid, "source %s has no events yet: its tables are made when the first one arrives", source)
}
