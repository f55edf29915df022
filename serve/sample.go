package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/millrace/millrace/access"
	"io"
	"net/http"

	"github.com/millrace/millrace/result"
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
	rows, err := s.space(ctx).Querier.Query(ctx, warehouse.Query{Workspace: s.space(ctx).ID, SQL: sql, Params: params, Limit: limit, Timeout: requestTimeout, MaxBytes: maxRowsBytes})
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
		out.Columns = append(out.Columns, queryColumn{Name: f.Name, Type: result.TypeName(f)})
	}
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return Rows{}, err
		}
		columns := result.Cells(batch)
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

// sampledFrames are how many of the newest frames are looked at for the newest
// rows, before all of the table is put in order.
var sampledFrames = []int{64, 8192}

// newestRows are the newest rows of a table.
func (s *server) newestRows(ctx context.Context, t warehouse.TableName, positions bool, limit int) (Rows, error) {
	if !positions {
		return s.rowsOf(ctx, fmt.Sprintf("SELECT * FROM %s LIMIT %d", place(t), limit), nil, limit)
	}
	order := fmt.Sprintf("ORDER BY %s LIMIT %d", newestFirst, limit)
	epoch := fmt.Sprintf("(SELECT max(_epoch) FROM %s)", place(t))
	for _, frames := range sampledFrames {
		rows, err := s.rowsOf(ctx, fmt.Sprintf("SELECT * FROM %[1]s WHERE _epoch = %[2]s AND _seq > (SELECT max(_seq) FROM %[1]s WHERE _epoch = %[2]s) - %[3]d %[4]s",
			place(t), epoch, frames, order), nil, limit)
		if err != nil || len(rows.Rows) == limit {
			return rows, err
		}
	}
	return s.rowsOf(ctx, fmt.Sprintf("SELECT * FROM %s %s", place(t), order), nil, limit)
}

func (s *server) registerSample() {
	register(s, operation{id: "sample-table", needs: access.QueryRun, method: http.MethodGet, path: "/api/v1/tables/{schema}/{table}/sample", tag: "tables",
		summary: "The newest rows of a table", errors: []int{http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			TablePath
			Limit int `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"How many rows."`
		}) (*bodyOf[Rows], error) {
			t, all, err := s.table(ctx, in.Schema, in.Table)
			if err != nil {
				return nil, err
			}
			rows, err := s.newestRows(ctx, t, all.has(t, "_seq"), in.Limit)
			return &bodyOf[Rows]{Body: rows}, err
		})
}
