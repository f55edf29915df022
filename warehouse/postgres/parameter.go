package postgres

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// checkParameters refuses a query that was given more or fewer values than it
// takes: Postgres says so in words of its protocol. The marks of a query with
// numbered parameters, and of one without values, are operators.
func checkParameters(sql string, given int) error {
	t := tokens{sql: sql}
	marks, highest := 0, 0
	for t.next() {
		switch t.kind {
		case tokenMark:
			marks++
		case tokenParameter:
			if n, err := strconv.Atoi(strings.TrimPrefix(t.text(), "$")); err == nil {
				highest = max(highest, n)
			}
		}
	}
	takes := highest
	if highest == 0 && given > 0 {
		takes = marks
	}
	if takes != given {
		return warehouse.WrongParameters(takes, given)
	}
	return nil
}
