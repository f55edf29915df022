package serve

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
)

// A CatalogTable is a table as an editor of SQL completes it.
type CatalogTable struct {
	Schema  string          `json:"schema" example:"web" doc:"The source, or millrace."`
	Table   string          `json:"table" example:"tracks" doc:"Its name."`
	Kind    string          `json:"kind" enum:"event,call,latest,stream,discards,system,other" doc:"As the list of tables says it."`
	Columns []CatalogColumn `json:"columns" doc:"In their order."`
}

// A CatalogColumn is a column of a CatalogTable.
type CatalogColumn struct {
	Name string `json:"name" doc:"As queries name it."`
	Type string `json:"type" example:"double" doc:"As the table's columns say it."`
}

// functionQueries list the functions of an engine: the first that it answers does.
var functionQueries = []string{
	"SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE regexp_matches(function_name, '^[a-z][a-z0-9_]*$') ORDER BY 1",
	"SELECT DISTINCT CAST(routine_name AS text) AS name FROM information_schema.routines WHERE routine_schema = 'pg_catalog' AND routine_name ~ '^[a-z][a-z0-9_]*$' ORDER BY 1",
}

// functions are the names of the engine's functions, which stay as long as it does.
type functions struct {
	mu    sync.Mutex
	names []string
}

func (s *server) functionNames(ctx context.Context) ([]string, error) {
	s.functions.mu.Lock()
	defer s.functions.mu.Unlock()
	if s.functions.names != nil {
		return s.functions.names, nil
	}
	var err error
	for _, sql := range functionQueries {
		names := []string{}
		err = s.each(ctx, sql, nil, maxCatalogRows, func(columns []result.Cell, i int) error {
			var name string
			err := scan(columns, i, &name)
			names = append(names, name)
			return err
		})
		if err == nil {
			s.functions.names = names
			return names, nil
		}
		if millrace.KindOf(err) != millrace.Invalid {
			break
		}
	}
	return nil, err
}

func (s *server) registerCompletion() {
	type catalogAnswer struct {
		Tables    []CatalogTable `json:"tables" doc:"By schema and name."`
		Functions []string       `json:"functions" doc:"Names of the engine's functions."`
	}
	register(s, operation{id: "get-catalog", method: http.MethodGet, path: "/api/v1/catalog", tag: "query",
		summary: "What queries can name", description: "All tables with their columns, and the functions of the engine, for completing SQL.", errors: []int{http.StatusGatewayTimeout}},
		func(ctx context.Context, _ *struct{}) (*bodyOf[catalogAnswer], error) {
			all, err := s.catalog(ctx)
			if err != nil {
				return nil, err
			}
			out := catalogAnswer{Tables: []CatalogTable{}}
			for _, t := range all.tables("") {
				one := CatalogTable{Schema: t.Schema, Table: t.Table, Kind: all.tableKind(t), Columns: make([]CatalogColumn, len(all[t]))}
				for i, c := range all[t] {
					one.Columns[i] = CatalogColumn{c.Name, c.Type}
				}
				out.Tables = append(out.Tables, one)
			}
			names, err := s.functionNames(ctx)
			if err != nil {
				s.o.Logger.Debug("the warehouse does not say which functions it has", "error", err)
			}
			out.Functions = list(names)
			return &bodyOf[catalogAnswer]{Body: out}, nil
		})
}

var (
	queryPlace  = regexp.MustCompile(`\(line (\d+), column (\d+)\)$`)
	pointedLine = regexp.MustCompile(`(?m)^LINE (\d+): (.*)\n( *)\^`)
)

// queryError says of a query that cannot be run where in its text it is wrong.
func queryError(ctx context.Context, sql string, err error) error {
	if millrace.KindOf(err) != millrace.Invalid {
		return err
	}
	p := problemOf(ctx, err)
	if found := queryPlace.FindStringSubmatch(p.Detail); found != nil {
		p.Line, _ = strconv.Atoi(found[1]) // digits, and few
		p.Column, _ = strconv.Atoi(found[2])
		return p
	}
	if found := pointedLine.FindStringSubmatch(p.Detail); found != nil {
		p.Line, p.Column = pointed(sql, found[1], found[2], len(found[3])-len("LINE : ")-len(found[1]))
	}
	return p
}

// pointed finds the place that an arrow points at, so many characters into what is
// shown of a line. Of a long line only a piece is shown.
func pointed(sql, number, shown string, arrow int) (line, column int) {
	line, _ = strconv.Atoi(number) // digits, and few
	lines := strings.Split(sql, "\n")
	if line < 1 || line > len(lines) || arrow < 0 {
		return 0, 0
	}
	if rest, cut := strings.CutPrefix(shown, "..."); cut {
		shown, arrow = rest, arrow-len("...")
	}
	shown = strings.TrimSuffix(shown, "...")
	text := lines[line-1]
	at := strings.Index(text, shown)
	if at < 0 || arrow < 0 {
		return line, 1
	}
	return line, utf8.RuneCountInString(text[:at]) + arrow + 1
}
