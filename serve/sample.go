package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/millrace/millrace/warehouse"
)

// Rows are rows of a table or of a result.
type Rows struct {
	Columns []queryColumn       `json:"columns" doc:"Names and types, in their order."`
	Rows    [][]json.RawMessage `json:"rows" doc:"As queries answer them: numbers keep all their digits, times are RFC 3339 in UTC."`
}

// maxRowsBytes is how large rows that are answered at once may be.
const maxRowsBytes = 8 << 20

// rowsOf reads what a query answers, whole.
func (s *server) rowsOf(ctx context.Context, sql string, params []any, limit int) (Rows, error) {
	rows, err := s.o.Querier.Query(ctx, warehouse.Query{Workspace: s.o.Workspace, SQL: sql, Params: params, Limit: limit, Timeout: requestTimeout, MaxBytes: maxRowsBytes})
	if err != nil {
		return Rows{}, err
	}
	defer rows.Close()
	return readRows(ctx, rows)
}

// readRows reads all rows.
func readRows(ctx context.Context, rows warehouse.Rows) (Rows, error) {
	out := Rows{Columns: []queryColumn{}, Rows: [][]json.RawMessage{}}
	for _, f := range rows.Schema().Fields() {
		out.Columns = append(out.Columns, queryColumn{Name: f.Name, Type: typeName(f)})
	}
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return Rows{}, err
		}
		columns := cells(batch)
		for i := range int(batch.NumRows()) {
			row := make([]json.RawMessage, len(columns))
			for j, column := range columns {
				row[j] = column(nil, i)
			}
			out.Rows = append(out.Rows, row)
		}
		batch.Release()
	}
}

func (s *server) registerSample() {
	register(s, operation{id: "sample-table", method: http.MethodGet, path: "/api/v1/tables/{schema}/{table}/sample", tag: "tables",
		summary: "The newest rows of a table", errors: []int{http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			TablePath
			Limit int `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"How many rows."`
		}) (*bodyOf[Rows], error) {
			t, all, err := s.table(ctx, in.Schema, in.Table)
			if err != nil {
				return nil, err
			}
			sql := "SELECT * FROM " + place(t)
			if all.has(t, "_seq") {
				sql += " ORDER BY " + newestFirst
			}
			rows, err := s.rowsOf(ctx, fmt.Sprintf("%s LIMIT %d", sql, in.Limit), nil, in.Limit)
			return &bodyOf[Rows]{Body: rows}, err
		})
}
