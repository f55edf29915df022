package warehouse

import (
	"strings"

	"github.com/segmentio/go-snakecase"
)

// A role says what the values at a path are for.
type role uint8

const (
	roleIgnored  role = iota // has been taken from elsewhere, or is of no use in tables
	roleField                // a field of its own: userId, sentAt …
	roleContext              // context_<path>
	roleProperty             // <path>: properties, traits, or a member of any other body
	roleUnknown              // Segment's protocol knows no such field
)

// A node is a path in the documents of one shape. Once the columns of a path
// are known, a value needs no name and no map to find them.
type node struct {
	key    string
	parent *node
	role   role
	// container is true of context, properties and traits, which have to be objects.
	container bool
	children  []*node
	index     map[string]*node // of children, when they are many

	object uint64 // number of the object that last had this member
	record uint64 // number of the record that last had a value here
	at     int    // where that value is in scanner.values

	name    string // of the column, once it is made
	targets [2]target
}

// A target is where the values of a node go in one of the two tables.
type target struct {
	state  targetState
	column *column
}

type targetState uint8

const (
	targetUnknown  targetState = iota // no value has been seen
	targetColumn                      // column
	targetReserved                    // the column is another's
	targetOverflow                    // the table has no place for another column
)

const manyChildren = 12

// child returns the member with that name, making it if need be. hint is where
// it is looked for first: members mostly come in the same order.
func (n *node) child(s *scanner, key []byte, hint *int) *node {
	if i := *hint; i < len(n.children) && n.children[i].key == string(key) {
		*hint = i + 1
		return n.children[i]
	}
	if n.index != nil {
		if c := n.index[string(key)]; c != nil {
			return c
		}
	} else {
		for i, c := range n.children {
			if c.key == string(key) {
				*hint = i + 1
				return c
			}
		}
	}
	s.nodes++
	inherited := n.role
	if inherited == roleField {
		inherited = n.parent.role
	}
	return n.add(string(key), inherited)
}

func (n *node) add(key string, r role) *node {
	c := &node{key: key, parent: n, role: r}
	n.children = append(n.children, c)
	if len(n.children) > manyChildren {
		if n.index == nil {
			n.index = make(map[string]*node, 2*len(n.children))
			for _, old := range n.children {
				n.index[old.key] = old
			}
		}
		n.index[key] = c
	}
	return c
}

// columnName returns what the column of n's path is called, and whether that
// cannot be read off the path: because a part of it leaves nothing in
// snake_case, it is the engines' own, or it is too long.
func (n *node) columnName() (name string, special bool) {
	var parts []string
	for p := n; p.parent != nil; p = p.parent {
		if p.container && p.role == roleProperty {
			break // properties and traits themselves
		}
		parts = append(parts, p.key)
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return columnName(parts)
}

// engineColumns are names that the engines keep for columns of their own:
// Postgres refuses them, and on DuckDB they hide the number of the row.
var engineColumns = map[string]bool{
	"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true, "tableoid": true, "rowid": true,
}

func columnName(path []string) (name string, special bool) {
	names := make([]string, len(path))
	for i, part := range path {
		names[i] = snakecase.Snakecase(part)
		if names[i] == "" {
			names[i], special = "property_"+hash8(part), true
		}
	}
	if special {
		name = strings.Join(names, "_")
	} else {
		name = snakecase.Snakecase(strings.Join(path, "_"))
	}
	if engineColumns[name] {
		name, special = name+"_property", true
	}
	if len(name) > MaxNameBytes {
		// The path decides, so that a long path is never taken for another.
		name, special = name[:MaxNameBytes-9]+"_"+hash8(name), true
	}
	return name, special
}

// path is the path as it was sent, for people.
func (n *node) path() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.key
	}
	return n.parent.path() + "." + n.key
}
