package access

import (
	"fmt"
	"slices"
	"strings"
)

// A reach is where in a workspace someone may do something: in all of its
// environments, and so with what is about all of them, or in some.
type reach struct {
	all bool
	in  []string // ids, when it is not all
}

// reach returns where the principal has a permission. It fails as Allow does when
// that is nowhere in the workspace.
func (p Principal) reach(permission Permission, workspace string) (reach, error) {
	refused := p.Allow(permission, workspace, "")
	if refused == nil {
		return reach{all: true}, nil
	}
	var r reach
	if p.rights != nil && p.rights.places[workspace] != nil {
		for environment := range p.rights.places[workspace].in {
			if p.Can(permission, workspace, environment) {
				r.in = append(r.in, environment)
			}
		}
	}
	if len(r.in) == 0 {
		return reach{}, refused
	}
	slices.Sort(r.in)
	return r, nil
}

// where is the condition of a statement that finds what lies within, to be put
// behind others, and its arguments behind theirs.
func (r reach) where(args ...any) (condition string, all []any) {
	if r.all {
		return "", args
	}
	places := make([]string, len(r.in))
	for i, environment := range r.in {
		args = append(args, environment)
		places[i] = fmt.Sprintf("$%d", len(args))
	}
	return " AND environment IN (" + strings.Join(places, ", ") + ")", args
}
