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
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
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

// functionQueries list the functions of an engine that one may want to write: the
// first that it answers does. Those are left out that are the inside of types,
// operators and collations, or that queries may not use.
var functionQueries = []string{
	`SELECT DISTINCT function_name AS name FROM duckdb_functions()
WHERE regexp_matches(function_name, '^[a-z][a-z0-9_]*$')
  AND (function_type IN ('scalar', 'aggregate', 'macro') OR function_name IN ('range', 'generate_series', 'unnest', 'json_each', 'json_tree'))
  AND NOT regexp_matches(function_name, '^(icu_|duckdb_|pragma_|pg_|internal_|json_serialize_|json_deserialize_|json_execute_|has_.*_privilege$|create_sort_key|current_(query|role|setting|catalog|database)|currval|nextval|setseed|getenv|getvariable|write_log|sleep_ms|txid_|in_search_path|inet_|col_description|obj_description|shobj_description|vector_type|stats$|error$|test_|current_connection_id|remap_struct|finalize$|combine$)')
ORDER BY 1`,
	// Most of what the server has is the inside of types and operators, and not to
	// be told apart by its name: those are taken that its manual has.
	"SELECT DISTINCT CAST(routine_name AS text) AS name FROM information_schema.routines WHERE routine_schema = 'pg_catalog' AND routine_name IN ('" +
		strings.Join(strings.Fields(postgresFunctions), "', '") + "') ORDER BY 1",
}

const postgresFunctions = `
	abs acos acosd acosh age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
	array_positions array_prepend array_remove array_replace array_sample array_shuffle array_to_json array_to_string array_to_tsvector array_upper ascii
	asin asind asinh atan atan2 atan2d atand atanh avg bit_and bit_count bit_length bit_or bit_xor bool_and bool_or btrim cardinality cbrt ceil ceiling
	char_length character_length chr clock_timestamp concat concat_ws convert convert_from convert_to corr cos cosd cosh cot cotd count covar_pop
	covar_samp cume_dist date_add date_bin date_part date_subtract date_trunc decode degrees dense_rank div encode erf erfc every exp extract factorial
	first_value floor format gcd gen_random_uuid generate_series generate_subscripts get_bit get_byte host initcap isempty isfinite json_agg
	json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text json_extract_path
	json_extract_path_text json_object json_object_agg json_object_keys json_populate_record json_populate_recordset json_strip_nulls json_to_record
	json_to_recordset json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
	jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys
	jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax
	jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lag last_value lcm lead left length
	ln log log10 lower lower_inc lower_inf lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz max md5 min min_scale mod mode
	normalize now nth_value ntile num_nonnulls num_nulls octet_length overlay parse_ident percent_rank percentile_cont percentile_disc pg_column_size
	pg_size_bytes pg_size_pretty pg_typeof phraseto_tsquery pi plainto_tsquery position power quote_ident quote_literal quote_nullable radians random
	random_normal range_agg range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
	regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
	regr_syy repeat replace reverse right round row_number row_to_json rpad rtrim scale set_bit set_byte sha224 sha256 sha384 sha512 sign sin sind
	sinh split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table strip strpos substr
	substring sum tan tand tanh to_ascii to_char to_date to_hex to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp
	translate trim_array trim_scale trunc ts_headline ts_rank ts_rank_cd unistr unnest upper upper_inc upper_inf var_pop var_samp variance
	websearch_to_tsquery width_bucket xmlagg xpath xpath_exists`

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
	register(s, operation{id: "get-catalog", needs: access.TableRead, method: http.MethodGet, path: "/api/v1/catalog", tag: "query",
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
	queryPlace  = regexp.MustCompile(`\(line (\d+), column (\d+)\)`)
	pointedLine = regexp.MustCompile(`(?m)^LINE (\d+): (.*)\n( *)\^`)
)

// queryError says of a query that cannot be run where in its text it is wrong.
func (s *server) queryError(ctx context.Context, sql string, err error) error {
	if millrace.KindOf(err) != millrace.Invalid {
		return err
	}
	p := problemOf(ctx, err)
	defer func() {
		if warehouse.NotThere(err) {
			p.Detail += s.otherTables(ctx)
		}
	}()
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
