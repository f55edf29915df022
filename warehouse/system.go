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
// millrace.rejected, resent, names and notices. A backend makes it when it
// opens a workspace, so that queries find them before there is a first row.
func MissingSystemTables(has []KnownTable) []MissingTable {
	var missing []MissingTable
	for _, t := range systemTables() {
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
		k := KnownTable{TableName: TableName{SystemSchema, t.name}}
		for _, f := range t.columns {
			k.Columns = append(k.Columns, fixedColumns[f])
		}
		k.Columns = append(k.Columns, positionColumns[:]...)
		tables = append(tables, k)
	}
	return tables
}

// NoEvents is the error of a query on the tables of a source that has received
// nothing: they are made with its first event.
func NoEvents(source string) error {
	return millrace.Errorf(millrace.Invalid, "source %s has no events yet: its tables are made when the first one arrives", source)
}
