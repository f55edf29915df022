package postgres

import (
	"fmt"

	"github.com/millrace/millrace/warehouse"
)

// shorthand returns the SELECT that a shorthand such as SHOW TABLES means, or
// sql as it is.
func shorthand(sql string) string {
	s, ok := warehouse.ParseShorthand(sql)
	switch {
	case !ok:
		return sql
	case s.Asks != warehouse.AsksSummary:
		return s.Select()
	}
	return fmt.Sprintf(`SELECT c.column_name, c.data_type AS column_type, coalesce(v.different, 0) AS different_values, n.rows AS count,
		round(100 - 100.0 * coalesce(v.filled, 0) / greatest(n.rows, 1), 2) AS null_percentage
	FROM information_schema.columns AS c
	CROSS JOIN (SELECT count(*) AS rows FROM %[1]s) AS n
	LEFT JOIN (
		SELECT e.key, count(e.value) AS filled, count(DISTINCT e.value) AS different
		FROM %[1]s AS t CROSS JOIN LATERAL json_each_text(row_to_json(t)) AS e GROUP BY e.key
	) AS v ON v.key = c.column_name
	WHERE c.table_schema = %[2]s AND c.table_name = %[3]s ORDER BY c.ordinal_position`, s.From, literal(s.Table.Schema), literal(s.Table.Table))
}
