//go:build !duckdb_arrow

package duckdb

import (
	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
)

// stream needs DuckDB's Arrow interface, which the build left out.
func stream(*wire, duck.PreparedStatement, []string, *wireQuery) (result, error) {
	return result{}, millrace.Errorf(millrace.Internal, "this binary was built without the tag duckdb_arrow and cannot answer queries: build it with make, or with -tags duckdb_arrow")
}
