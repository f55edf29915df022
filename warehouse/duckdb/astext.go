package duckdb

import (
	"fmt"
	"slices"
	"strings"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
)

// textTypes are the types that Arrow does not have, or has without a part of
// the value: an offset, a bit, the greatest digits. Answers have them as text.
var textTypes = []duck.Type{
	duck.TypeUHugeInt, duck.TypeBigNum, duck.TypeTimeTZ, duck.TypeBit, duck.TypeUnion, duck.TypeVariant, duck.TypeGeometry,
}

// hasTextType says whether values of a type have to be given as text, or hold some that have.
func hasTextType(t duck.LogicalType) bool {
	inside := func(child duck.LogicalType) bool {
		defer duck.DestroyLogicalType(&child)
		return hasTextType(child)
	}
	switch id := duck.GetTypeId(t); id {
	case duck.TypeList:
		return inside(duck.ListTypeChildType(t))
	case duck.TypeArray:
		return inside(duck.ArrayTypeChildType(t))
	case duck.TypeMap:
		return inside(duck.MapTypeKeyType(t)) || inside(duck.MapTypeValueType(t))
	case duck.TypeStruct:
		for i := range duck.StructTypeChildCount(t) {
			if inside(duck.StructTypeChildType(t, i)) {
				return true
			}
		}
		return false
	default:
		return slices.Contains(textTypes, id)
	}
}

// asText returns which columns of a statement have to be given as text.
func asText(stmt duck.PreparedStatement) (columns []bool, found bool) {
	columns = make([]bool, duck.PreparedStatementColumnCount(stmt))
	for i := range columns {
		t := duck.PreparedStatementColumnLogicalType(stmt, duck.IdxT(i))
		columns[i] = hasTextType(t)
		duck.DestroyLogicalType(&t)
		found = found || columns[i]
	}
	return columns, found
}

// selectAsText is a SELECT of everything around a query with some of its
// columns as text. The error says what to do when there is none around it.
func selectAsText(limited string, columns []bool, names []string) (string, error) {
	rest, ok := strings.CutPrefix(limited, "SELECT *")
	if !ok {
		name := names[slices.Index(columns, true)]
		return "", millrace.Errorf(millrace.Invalid, "the column %q has a type that an answer cannot hold: CAST(%s AS VARCHAR) gives it as text", name, quote(name))
	}
	list := make([]string, len(columns))
	for i, text := range columns {
		list[i] = fmt.Sprintf("#%d", i+1)
		if text {
			list[i] = fmt.Sprintf("CAST(#%d AS VARCHAR)", i+1)
		}
	}
	return "SELECT " + strings.Join(list, ", ") + rest, nil
}
