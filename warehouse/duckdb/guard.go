package duckdb

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// What a query may use beyond tables. A SELECT is enough to read files, to
// change settings, to write logs or to bring the process down; so the functions
// of tables are an allow-list, those of values a deny-list.
var (
	allowedTableFunctions = set(`range generate_series unnest json_each json_tree
		duckdb_tables duckdb_columns duckdb_schemas duckdb_views duckdb_types duckdb_functions duckdb_keywords
		pragma_table_info pragma_version pg_timezone_names icu_calendar_names regexp_split_to_table`)
	deniedFunctions = set(`nextval currval setseed write_log parse_duckdb_log_message getvariable getenv
		current_setting set_config sleep_ms pg_sleep query query_table json_execute_serialized_sql json_serialize_plan
		combine finalize stats vector_type remap_struct replace_type make_type get_type cast_to_type add_parquet_key
		shell_add_schema read_csv read_text read_blob read_parquet read_json glob`)
	deniedTables = set(`duckdb_settings duckdb_secrets duckdb_logs duckdb_logs_parsed duckdb_log_contexts duckdb_databases
		duckdb_extensions duckdb_variables duckdb_temporary_files duckdb_external_file_cache duckdb_prepared_statements
		duckdb_memory pragma_database_list pg_settings pg_prepared_statements pg_database sqlite_temp_master`)
	allowedShows = set(`"tables" tables __show_tables_expanded "schemas" schemas`)
	// sizedFunctions make texts or lists as long as an argument says: the
	// number of that argument, and the most it may be.
	sizedFunctions = map[string]struct {
		argument int
		most     float64
	}{
		"repeat": {1, 1e6}, "lpad": {1, 1e6}, "rpad": {1, 1e6}, "bar": {3, 1e4},
		"list_resize": {1, 1e7}, "array_resize": {1, 1e7},
	}
	distanceFunctions = set("levenshtein editdist3 damerau_levenshtein jaccard jaro_similarity jaro_winkler_similarity")
	// mostGenerated is how many elements range and generate_series may make as
	// one list.
	mostGenerated = 1e7
	// mostDistanceBytes is the longest text whose distance is computed: the
	// work grows with its square and cannot be interrupted.
	mostDistanceBytes = 10_000
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// A statement is a query that has been let through.
type statement struct {
	sql     string                // as it was given, or the SELECT that a shorthand means
	tables  []warehouse.TableName // that it names, in lower case
	limited string                // with a limit around it, or "" when it cannot be had
	params  int                   // how many parameters it takes
}

// guard lets exactly one harmless SELECT through. Its error is Invalid.
func guard(c *connection, sql string, limit int) (statement, error) {
	if strings.ContainsRune(sql, 0) {
		return statement{}, millrace.Errorf(millrace.Invalid, "the query is not text: it holds a NUL byte")
	}
	if short, ok := warehouse.ParseShorthand(sql); ok && short.Asks != warehouse.AsksSummary {
		sql = short.Select()
	}
	tree, err := parse(c, sql)
	if err != nil {
		return statement{}, err
	}
	g := guardian{sql: sql}
	g.collectNames(tree.node)
	if err := g.check(tree.node); err != nil {
		return statement{}, err
	}
	s := statement{sql: sql, params: tree.params, tables: g.tables}
	// What ends in a semicolon or a comment is wrapped only if the result is
	// the same query with a limit, and nothing else.
	wrapped := fmt.Sprintf("SELECT * FROM (\n%s\n) LIMIT %d", strings.TrimRight(sql, "; \t\r\n"), limit)
	if outer, err := parse(c, wrapped); err == nil && sameQuery(outer.node, tree.node) {
		s.limited = wrapped
	}
	return s, nil
}

// A parsed query, as json_serialize_sql describes it.
type parsed struct {
	node   map[string]any
	params int
}

// parse parses one SELECT without running anything.
func parse(c *connection, sql string) (parsed, error) {
	rows, err := c.texts("SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", sql)
	if err != nil {
		return parsed{}, err
	}
	var answer struct {
		Error      bool
		Message    string `json:"error_message"`
		Position   string
		Statements []struct {
			Node   map[string]any `json:"node"`
			Params []any          `json:"named_param_map"`
		}
	}
	d := json.NewDecoder(strings.NewReader(rows[0][0]))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		return parsed{}, millrace.Errorf(millrace.Invalid, "the query is too deeply nested: simplify it")
	}
	switch {
	case answer.Error && strings.HasPrefix(answer.Message, "Only SELECT"):
		return parsed{}, millrace.Errorf(millrace.Invalid, "%s", warehouse.OnlySelect)
	case answer.Error:
		return parsed{}, millrace.Errorf(millrace.Invalid, "%s%s", cleanMessage(answer.Message), place(sql, answer.Position))
	case len(answer.Statements) != 1:
		return parsed{}, millrace.Errorf(millrace.Invalid, "the query holds %d statements: send one SELECT at a time", len(answer.Statements))
	}
	return parsed{node: answer.Statements[0].Node, params: len(answer.Statements[0].Params)}, nil
}

// place says where in the query a byte lies: " (line 1, column 14)".
func place(sql, position string) string {
	at, err := strconv.Atoi(position)
	if err != nil || at < 0 || at > len(sql) {
		return ""
	}
	before := sql[:at]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf(" (line %d, column %d)", line, column)
}

// A guardian walks the tree of one query.
type guardian struct {
	sql    string
	ctes   map[string]bool       // names of common table expressions, in lower case
	tables []warehouse.TableName // in lower case
}

// collectNames remembers the names that the query itself gives to tables.
func (g *guardian) collectNames(v any) {
	if g.ctes == nil {
		g.ctes = map[string]bool{}
	}
	switch v := v.(type) {
	case map[string]any:
		if ctes, ok := v["cte_map"].(map[string]any); ok {
			entries, _ := ctes["map"].([]any)
			for _, e := range entries {
				if e, ok := e.(map[string]any); ok {
					g.ctes[lower(e["key"])] = true
				}
			}
		}
		for _, child := range v {
			g.collectNames(child)
		}
	case []any:
		for _, child := range v {
			g.collectNames(child)
		}
	}
}

// check refuses what a query may not use.
func (g *guardian) check(v any) error {
	switch v := v.(type) {
	case map[string]any:
		if err := g.checkNode(v); err != nil {
			return err
		}
		if f, ok := v["function"].(map[string]any); ok && v["type"] == "TABLE_FUNCTION" {
			return g.check(f["children"]) // the function itself has been checked
		}
		for _, child := range v {
			if err := g.check(child); err != nil {
				return err
			}
		}
	case []any:
		for _, child := range v {
			if err := g.check(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *guardian) checkNode(n map[string]any) error {
	switch n["type"] {
	case "BASE_TABLE":
		return g.checkTable(n)
	case "TABLE_FUNCTION":
		f, _ := n["function"].(map[string]any)
		if name := lower(f["function_name"]); !allowedTableFunctions[name] {
			return g.refuse(n, "the table function %s cannot be used here: queries read the tables of the warehouse, never files or settings", name)
		}
		return nil
	case "SHOW_REF":
		if name := lower(n["table_name"]); n["query"] == nil && !allowedShows[name] {
			return g.refuse(n, "that cannot be shown here: use SHOW TABLES, DESCRIBE source.table, or %s", warehouse.ListTables)
		}
		return nil
	}
	if n["class"] == "FUNCTION" {
		return g.checkFunction(n)
	}
	return nil
}

func (g *guardian) checkTable(n map[string]any) error {
	name, schema := lower(n["table_name"]), lower(n["schema_name"])
	qualified := schema != "" || lower(n["catalog_name"]) != ""
	g.tables = append(g.tables, warehouse.TableName{Schema: schema, Table: name})
	switch {
	case deniedTables[name]:
		return g.refuse(n, "the table %s cannot be read here", name)
	case !qualified && !g.ctes[name] && strings.ContainsAny(name, `./\:*?[`):
		return g.refuse(n, "there is no table %q, and files cannot be read here", name)
	}
	return nil
}

func (g *guardian) checkFunction(n map[string]any) error {
	name := lower(n["function_name"])
	if deniedFunctions[name] || strings.HasPrefix(name, "__internal") || n["export_state"] == true {
		return g.refuse(n, "the function %s cannot be used here", name)
	}
	args, _ := n["children"].([]any)
	if sized, ok := sizedFunctions[name]; ok && len(args) > sized.argument {
		if size, ok := number(args[sized.argument]); ok && size > sized.most {
			return g.refuse(n, "%s makes at most %.0f here", name, sized.most)
		}
	}
	if distanceFunctions[name] {
		for _, arg := range args {
			if f, ok := arg.(map[string]any); ok && lower(f["function_name"]) == "repeat" || textLength(arg) > mostDistanceBytes {
				return g.refuse(n, "%s compares texts of at most %d bytes here", name, mostDistanceBytes)
			}
		}
	}
	if name == "range" || name == "generate_series" {
		return g.checkRange(n, name, args)
	}
	return nil
}

// checkRange bounds a list of generated numbers whose bounds are known.
func (g *guardian) checkRange(n map[string]any, name string, args []any) error {
	from, to, step := 0.0, 0.0, 1.0
	numbers := make([]float64, 0, 3)
	for _, arg := range args {
		v, ok := number(arg)
		if !ok {
			return nil
		}
		numbers = append(numbers, v)
	}
	switch len(numbers) {
	case 1:
		to = numbers[0]
	case 2:
		from, to = numbers[0], numbers[1]
	case 3:
		from, to, step = numbers[0], numbers[1], numbers[2]
	}
	if step != 0 && (to-from)/step > mostGenerated {
		return g.refuse(n, "%s makes a list of at most %.0f here: use it as a table, FROM %s(…)", name, mostGenerated, name)
	}
	return nil
}

func (g *guardian) refuse(n map[string]any, format string, args ...any) error {
	position := ""
	if v, ok := n["query_location"].(json.Number); ok {
		position = v.String()
	}
	return millrace.Errorf(millrace.Invalid, "%s%s", fmt.Sprintf(format, args...), place(g.sql, position))
}

// number is the value of a constant, through casts and signs.
func number(v any) (float64, bool) {
	n, ok := v.(map[string]any)
	if !ok {
		return 0, false
	}
	if n["class"] == "CAST" {
		return number(n["child"])
	}
	if n["class"] != "CONSTANT" {
		return 0, false
	}
	value, _ := n["value"].(map[string]any)
	f, err := strconv.ParseFloat(fmt.Sprint(value["value"]), 64)
	return f, err == nil
}

// textLength is the length of a constant text, or 0.
func textLength(v any) int {
	n, _ := v.(map[string]any)
	value, _ := n["value"].(map[string]any)
	text, _ := value["value"].(string)
	return len(text)
}

func lower(v any) string {
	text, _ := v.(string)
	return strings.ToLower(text)
}

// sameQuery says whether outer is SELECT * FROM (inner) LIMIT n.
func sameQuery(outer, inner map[string]any) bool {
	from, _ := outer["from_table"].(map[string]any)
	if from["type"] != "SUBQUERY" {
		return false
	}
	sub, _ := from["subquery"].(map[string]any)
	node, _ := sub["node"].(map[string]any)
	return node != nil && reflect.DeepEqual(withoutPlaces(node), withoutPlaces(inner))
}

// withoutPlaces removes where in the text things stood.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "query_location")
		for k, child := range v {
			v[k] = withoutPlaces(child)
		}
	case []any:
		for i, child := range v {
			v[i] = withoutPlaces(child)
		}
	}
	return v
}

// errorPrefix is the class that DuckDB puts before its messages.
var errorPrefix = regexp.MustCompile(`^([A-Z][A-Za-z]*( [A-Za-z]+)* Error: )+`)

// cleanMessage makes DuckDB's message one for the author of the query.
func cleanMessage(message string) string {
	var structured struct {
		Message string `json:"exception_message"`
	}
	if json.Unmarshal([]byte(message), &structured) == nil && structured.Message != "" {
		message = structured.Message
	}
	return errorPrefix.ReplaceAllString(strings.TrimSpace(message), "")
}
