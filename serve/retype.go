package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const (
	maxDistinct  = 1_000_000 // values of a column that are looked at
	retypeSample = 20
)

// A TypePreview says what another type of a column would change.
type TypePreview struct {
	Schema    string       `json:"schema" doc:"The source."`
	Table     string       `json:"table" doc:"Name of the table."`
	Column    string       `json:"column" doc:"Name of the column."`
	From      string       `json:"from" doc:"Its type now."`
	To        string       `json:"to" doc:"Its type then."`
	Filled    int64        `json:"filled" doc:"Rows that have a value."`
	Kept      int64        `json:"kept" doc:"Of them, those whose value fits the new type."`
	Lost      int64        `json:"lost" doc:"Of them, those whose value does not: it would go to discards."`
	LostWhy   []ValueCount `json:"lost_examples" doc:"The most frequent of those."`
	Discarded int64        `json:"discarded" doc:"Values of the column that are in discards now."`
	Regained  int64        `json:"regained" doc:"Of them, those that would fit."`
	GainedWhy []ValueCount `json:"regained_examples" doc:"The most frequent of those."`
	Truncated bool         `json:"truncated" doc:"There are more than a million different values, and the rest was not looked at."`
	Apply     TypeEdit     `json:"apply" doc:"What to change in the project; then rebuild the source's tables."`
}

// A TypeEdit is the line of a source's file that fixes a column's type.
type TypeEdit struct {
	File  string   `json:"file" example:"sources/web.yaml" doc:"Of the project."`
	Path  []string `json:"path" doc:"Keys down to the value."`
	Value string   `json:"value" example:"double" doc:"To be set there."`
}

func (s *server) registerRetype() {
	type typeBody struct {
		Type string `json:"type" enum:"bool,bigint,double,timestamptz,text,json" doc:"The new type."`
	}
	register(s, operation{id: "preview-column-type", needs: access.QueryRun, method: http.MethodPost, path: "/api/v1/tables/{schema}/{table}/columns/{column}/type", tag: "tables",
		summary: "What another type of a column would change", description: "Changes nothing: it says how many values would fit, and which would go to discards. To change the type, set it in the source's file and rebuild.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			TablePath
			Column string `path:"column" maxLength:"63" example:"total" doc:"Name of the column."`
			Body   typeBody
		}) (*bodyOf[TypePreview], error) {
			t, all, err := s.table(ctx, in.Schema, in.Table)
			if err != nil {
				return nil, err
			}
			typ, err := warehouse.ParseType(in.Body.Type)
			if err != nil {
				return nil, err
			}
			has := all.typeOf(t, in.Column)
			switch {
			case has == "":
				return nil, noColumn(t, in.Column)
			case t.Schema == warehouse.SystemSchema || fixedColumns[in.Column] || all.tableKind(t) == "discards":
				return nil, millrace.Errorf(millrace.Invalid, "%s.%s.%s has a type of its own: types are for columns that events bring", t.Schema, t.Table, in.Column)
			}
			found, err := s.previewType(ctx, t, in.Column, has, typ)
			return &bodyOf[TypePreview]{Body: found}, err
		})
}

func (s *server) previewType(ctx context.Context, t warehouse.TableName, column, has string, typ warehouse.Type) (TypePreview, error) {
	out := TypePreview{Schema: t.Schema, Table: t.Table, Column: column, From: has, To: typ.String(), LostWhy: []ValueCount{}, GainedWhy: []ValueCount{},
		Apply: TypeEdit{File: "sources/" + t.Schema + ".yaml", Path: []string{"types", t.Table + "." + column}, Value: typ.String()}}
	fits := func(value string) bool {
		var text string
		if has == "json" && len(value) > 0 && value[0] == '"' && json.Unmarshal([]byte(value), &text) == nil {
			value = text
		}
		return has == typ.String() || has != "timestamptz" && warehouse.Fits(typ, value) == "" || typ == warehouse.Text || typ == warehouse.JSON
	}
	values := fmt.Sprintf("SELECT CAST(%[1]s AS text) AS value, count(*) AS n FROM %[2]s WHERE %[1]s IS NOT NULL GROUP BY 1 ORDER BY n DESC LIMIT %[3]d", quoted(column), place(t), maxDistinct+1)
	different := 0
	err := s.each(ctx, values, nil, maxDistinct+1, func(columns []result.Cell, i int) error {
		var value string
		var n int64
		if err := scan(columns, i, &value, &n); err != nil {
			return err
		}
		if different++; different > maxDistinct {
			out.Truncated = true
			return nil
		}
		out.Filled += n
		if fits(value) {
			out.Kept += n
			return nil
		}
		out.Lost += n
		out.LostWhy = sampled(out.LostWhy, value, n)
		return nil
	})
	if err != nil {
		return out, err
	}
	c := conditions{}
	c.add("table_name = ?", t.Table)
	c.add("column_name = ?", column)
	discarded := fmt.Sprintf("SELECT coalesce(value, '') AS value, count(*) AS n FROM %s%s GROUP BY 1 ORDER BY n DESC LIMIT %d",
		place(warehouse.TableName{Schema: t.Schema, Table: "discards"}), &c, maxDistinct)
	err = s.each(ctx, discarded, c.params, maxDistinct, func(columns []result.Cell, i int) error {
		var value string
		var n int64
		if err := scan(columns, i, &value, &n); err != nil {
			return err
		}
		out.Discarded += n
		if warehouse.Fits(typ, value) == "" {
			out.Regained += n
			out.GainedWhy = sampled(out.GainedWhy, value, n)
		}
		return nil
	})
	return out, err
}

// sampled adds a value to those that are shown, if there is a place.
func sampled(all []ValueCount, value string, n int64) []ValueCount {
	if len(all) == retypeSample {
		return all
	}
	all = append(all, ValueCount{Value: cutText(value, maxShown), Count: n})
	slices.SortStableFunc(all, func(a, b ValueCount) int { return cmp.Compare(b.Count, a.Count) })
	return all
}
