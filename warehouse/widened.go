package warehouse

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// NoticesSQL returns statements for the transaction of a swap, on the table of
// notices under the name that the engine has for it: what the shadow saw become
// wider takes the place of what was said of the sources that it makes anew. A
// shadow with bounds, which has not seen all, only adds to that. One that makes
// the tables of SystemSchema as well has notices of its own, and needs nothing.
func (s *Shaper) NoticesSQL(table string) string {
	o := s.shaping.options.Shadow
	if o == nil || o.System {
		return ""
	}
	var sql strings.Builder
	if o.From.IsZero() && o.Until.IsZero() {
		fmt.Fprintf(&sql, "DELETE FROM %s WHERE kind = '%s'", table, kindWidened)
		if len(o.Sources) > 0 {
			sources := make([]string, len(o.Sources))
			for i, source := range o.Sources {
				sources[i] = sqlText(source)
			}
			fmt.Fprintf(&sql, " AND source IN (%s)", strings.Join(sources, ", "))
		}
		sql.WriteString(";\n")
	}
	for _, id := range slices.Sorted(maps.Keys(s.shaping.widened)) {
		n := s.shaping.widened[id]
		fmt.Fprintf(&sql, "INSERT INTO %s (id, source, kind, table_name, message, received_at, _epoch, _seq, _index) SELECT %s, %s, %s, %s, %s, %s::timestamptz, %d, %d, %d WHERE NOT EXISTS (SELECT 1 FROM %s WHERE id = %s);\n",
			table, sqlText(id), sqlText(n.Source), sqlText(n.Kind), sqlText(n.Table), sqlText(n.Message), sqlText(n.Received.Format(time.RFC3339Nano)),
			n.Position.Epoch, n.Position.Seq, n.Position.Index, table, sqlText(id))
	}
	return sql.String()
}

// sqlText writes a text as SQL does.
func sqlText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
