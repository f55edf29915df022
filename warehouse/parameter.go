package warehouse

import (
	"fmt"

	"github.com/millrace/millrace"
)

// WrongParameters says, as Invalid, that a query was given more or fewer values
// than it has places for.
func WrongParameters(takes, given int) error {
	were := fmt.Sprintf("%d were", given)
	switch given {
	case 0:
		were = "none was"
	case 1:
		were = "one was"
	}
	switch takes {
	case 0:
		return millrace.Errorf(millrace.Invalid, "the query takes no parameters, and %s given", were)
	case 1:
		return millrace.Errorf(millrace.Invalid, `the query takes one parameter ($1 or ?), and %s given: give it with --param, or over HTTP as "params": […]`, were)
	}
	return millrace.Errorf(millrace.Invalid, `the query takes %d parameters ($1, $2 … or ?), and %s given: give each with --param, or over HTTP as "params": […]`, takes, were)
}
