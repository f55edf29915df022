package result

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace"
)

// A View is a result as somebody looks at it. The zero View is all of it, in
// the query's order.
type View struct {
	Columns []string `json:"columns,omitempty"` // names; empty is all
	Sort    []Sort   `json:"sort,omitempty"`    // the first counts most; equal rows stay in the query's order
	Filters []Filter `json:"filters,omitempty"` // all have to hold
	Offset  int64    `json:"offset,omitempty"`  // rows to leave out
	Limit   int64    `json:"limit,omitempty"`   // rows at most; 0 is DefaultPageRows, or all in a download
}

// A Sort orders rows by a column; those without a value come last.
type Sort struct {
	Column string `json:"column"`
	Desc   bool   `json:"desc,omitempty"`
}

// A Filter leaves rows out.
type Filter struct {
	Column string `json:"column"`
	// Op is one of Ops. Texts are compared as they are by eq, ne, in and the four
	// of order, and whatever their case by the others.
	Op string `json:"op" enum:"eq,ne,lt,le,gt,ge,in,contains,not_contains,starts_with,ends_with,is_null,not_null"`
	// Value is a text, a number, a boolean or nil, or a list of them for in: as
	// answers of queries have them, or as people write them. eq with nil is is_null.
	Value any `json:"value,omitempty"`
}

// UnmarshalJSON keeps all digits of a number.
func (f *Filter) UnmarshalJSON(data []byte) error {
	type plain Filter
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode((*plain)(f))
}

// Ops are what a Filter can ask.
var Ops = []string{"eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "not_contains", "starts_with", "ends_with", "is_null", "not_null"}

// Bounds of a View.
const (
	DefaultPageRows = 200
	MaxPageRows     = 10_000
	maxFilters      = 50
	maxSorts        = 10
	maxList         = 1000
)

var comparisons = map[string]string{
	"eq": "IS NOT DISTINCT FROM", "ne": "IS DISTINCT FROM", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}

// A builder makes SQL of what is asked about a result. No text that is given
// becomes SQL: columns are named by their number, values are parameters.
type builder struct {
	columns []stored
	params  []any
}

func (e *entry) builder() *builder { return &builder{columns: e.columns} }

// bind makes a value a parameter and returns its name in SQL.
func (b *builder) bind(v any) string {
	b.params = append(b.params, v)
	return "$" + strconv.Itoa(len(b.params))
}

// column finds a column by name.
func (b *builder) column(name string) (int, *stored, error) {
	for i := range b.columns {
		if b.columns[i].Name == name {
			return i, &b.columns[i], nil
		}
	}
	names := make([]string, 0, 10)
	for _, c := range b.columns[:min(len(b.columns), 10)] {
		names = append(names, strconv.Quote(c.Name))
	}
	if len(b.columns) > len(names) {
		names = append(names, "…")
	}
	return 0, nil, millrace.Errorf(millrace.Invalid, "the result has no column %.100q: its columns are %s", name, strings.Join(names, ", "))
}

func columnSQL(i int) string { return "c" + strconv.Itoa(i) }

// pick returns the columns of a view, by number.
func (b *builder) pick(names []string) ([]int, error) {
	var picked []int
	if len(names) > len(b.columns) {
		return nil, millrace.Errorf(millrace.Invalid, "the result has %d columns, and %d are asked for", len(b.columns), len(names))
	}
	for _, name := range names {
		i, _, err := b.column(name)
		if err != nil {
			return nil, err
		}
		picked = append(picked, i)
	}
	if len(names) == 0 {
		for i := range b.columns {
			picked = append(picked, i)
		}
	}
	return picked, nil
}

// list is SQL that names columns.
func list(columns []int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = columnSQL(c)
	}
	return strings.Join(names, ", ")
}

// order is what follows ORDER BY: never empty, and no two rows are equal in it.
func (b *builder) order(sorts []Sort) (string, error) {
	if len(sorts) > maxSorts {
		return "", millrace.Errorf(millrace.Invalid, "a result is sorted by at most %d columns", maxSorts)
	}
	var sql strings.Builder
	for _, s := range sorts {
		i, _, err := b.column(s.Column)
		if err != nil {
			return "", err
		}
		direction := "ASC"
		if s.Desc {
			direction = "DESC"
		}
		fmt.Fprintf(&sql, "%s %s NULLS LAST, ", columnSQL(i), direction)
	}
	return sql.String() + "r", nil
}

// where is a condition for all filters, with WHERE before it, or "".
func (b *builder) where(filters []Filter, more ...string) (string, error) {
	if len(filters) > maxFilters {
		return "", millrace.Errorf(millrace.Invalid, "a result is filtered by at most %d conditions", maxFilters)
	}
	conditions := more
	for _, f := range filters {
		c, err := b.condition(f)
		if err != nil {
			return "", err
		}
		conditions = append(conditions, c)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), nil
}

// condition is SQL for one filter.
func (b *builder) condition(f Filter) (string, error) {
	i, c, err := b.column(f.Column)
	if err != nil {
		return "", err
	}
	name := columnSQL(i)
	switch f.Op {
	case "is_null":
		return name + " IS NULL", nil
	case "not_null":
		return name + " IS NOT NULL", nil
	case "in":
		return b.isIn(name, c, f.Value)
	case "contains", "not_contains", "starts_with", "ends_with":
		text, err := textOf(f.Value)
		if err != nil {
			return "", err
		}
		in := fmt.Sprintf("lower(%s), lower(CAST(%s AS VARCHAR))", textSQL(name, c), b.bind(text))
		if f.Op == "not_contains" {
			return "NOT coalesce(contains(" + in + "), false)", nil
		}
		return f.Op + "(" + in + ")", nil
	}
	sign, ok := comparisons[f.Op]
	if !ok {
		return "", millrace.Errorf(millrace.Invalid, "a filter asks one of %s, not %.40q", strings.Join(Ops, ", "), f.Op)
	}
	return b.compare(name, c, sign, f.Value)
}

// isIn is SQL for one of several values.
func (b *builder) isIn(name string, c *stored, v any) (string, error) {
	values, ok := v.([]any)
	if !ok || len(values) == 0 || len(values) > maxList {
		return "", millrace.Errorf(millrace.Invalid, "the filter of %q asks for one of a list: give 1 to %d values", c.Name, maxList)
	}
	conditions := make([]string, len(values))
	for i, v := range values {
		var err error
		if conditions[i], err = b.compare(name, c, comparisons["eq"], v); err != nil {
			return "", err
		}
	}
	// Side by side they are not nested: the engine bounds how deep that goes.
	return "(" + strings.Join(conditions, " OR ") + ")", nil
}

// textOf is a value as text. Its error is Invalid.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool, int, int64:
		return fmt.Sprint(v), nil
	case float64:
		return strings.Trim(string(appendFloat(nil, v, 64)), `"`), nil
	case nil:
		return "", millrace.Errorf(millrace.Invalid, "a filter needs a value: to find what has none, ask is_null")
	}
	return "", millrace.Errorf(millrace.Invalid, "the value of a filter is a text, a number, true or false, not a %T", v)
}

// compare is SQL that compares a column with a value of its type.
func (b *builder) compare(name string, c *stored, sign string, v any) (string, error) {
	if v == nil && strings.HasSuffix(sign, "DISTINCT FROM") {
		return name + " " + sign + " NULL", nil
	}
	text, err := textOf(v)
	if err != nil {
		return "", err
	}
	wrong := func(want string) error {
		return millrace.Errorf(millrace.Invalid, "the column %q holds %s, and %.100q is none", c.Name, want, text)
	}
	with := func(left, format string, value any) string {
		return left + " " + sign + " " + fmt.Sprintf(format, b.bind(value))
	}
	switch c.Class {
	case classBool:
		is, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return "", wrong("true and false")
		}
		return with(name, "%s", is), nil
	case classInteger, classDecimal, classFloat:
		return b.compareNumber(name, c, with, strings.TrimSpace(text), wrong)
	case classDate, classTime, classMoment:
		return compareTime(name, c, with, strings.TrimSpace(text), wrong)
	case classBlob:
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", wrong("binary data in base64")
		}
		return with(name, "from_base64(%s)", base64.StdEncoding.EncodeToString(data)), nil
	case classNested:
		return with(textSQL(name, c), "CAST(%s AS VARCHAR)", text), nil
	}
	return with(name, "CAST(%s AS VARCHAR)", text), nil
}

// textSQL is SQL for a value as text.
func textSQL(name string, c *stored) string {
	if c.Class == classDecimal && scaleOf(c) == 0 { // it may be greater than decimals are
		name = "CAST(" + name + " AS HUGEINT)"
	}
	return "CAST(" + name + " AS VARCHAR)"
}

type comparing func(left, format string, value any) string

var decimalPattern = regexp.MustCompile(`^[-+]?([0-9]+)(\.([0-9]+))?$`)

// compareNumber compares without rounding: 1.5 is not equal to the whole number 2.
func (b *builder) compareNumber(name string, c *stored, with comparing, text string, wrong func(string) error) (string, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !strings.Contains(err.Error(), strconv.ErrRange.Error()) {
		return "", wrong("numbers")
	}
	if c.Class == classFloat {
		if c.SQL == "FLOAT" { // 0.1 is what it shows
			return with(name, "CAST(%s AS FLOAT)", f), nil
		}
		return with(name, "CAST(%s AS DOUBLE)", f), nil
	}
	whole, ok := new(big.Int).SetString(strings.TrimPrefix(text, "+"), 10)
	digits := decimalPattern.FindStringSubmatch(text)
	switch scale := scaleOf(c); {
	case ok && whole.IsInt64() && c.Class == classInteger:
		return with(name, "CAST(%s AS BIGINT)", whole.Int64()), nil
	case digits != nil && c.Class == classDecimal && len(digits[3]) <= scale && len(digits[1])+scale <= 38:
		return with(name, fmt.Sprintf("CAST(%%s AS DECIMAL(38,%d))", scale), text), nil
	case ok && whole.BitLen() < 127 && scale == 0:
		return with("CAST("+name+" AS HUGEINT)", "CAST(%s AS HUGEINT)", whole.String()), nil
	}
	return with("CAST("+name+" AS DOUBLE)", "CAST(%s AS DOUBLE)", f), nil
}

// scaleOf is how many digits a decimal has behind its point.
func scaleOf(c *stored) int {
	_, scale, _ := strings.Cut(strings.TrimSuffix(c.SQL, ")"), ",")
	n, _ := strconv.Atoi(scale) // 0 for what has none
	return n
}

var (
	datePattern   = regexp.MustCompile(`^\d{4,6}-\d{1,2}-\d{1,2}$`)
	momentPattern = regexp.MustCompile(`^\d{4,6}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[-+]\d{2}(:?\d{2})?))?)?$`)
	clockPattern  = regexp.MustCompile(`^\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?$`)
)

func compareTime(name string, c *stored, with comparing, text string, wrong func(string) error) (string, error) {
	switch {
	case c.Class == classTime && clockPattern.MatchString(text):
		return with(name, "CAST(%s AS TIME)", text), nil
	case c.Class == classTime:
		return "", wrong("times of day, such as 15:04:05")
	case c.Class == classDate && datePattern.MatchString(text):
		return with(name, "CAST(%s AS DATE)", text), nil
	case !momentPattern.MatchString(text):
		return "", wrong("times, such as 2026-11-21T15:04:05Z or 2026-11-21")
	case c.Class == classDate:
		return with("CAST("+name+" AS TIMESTAMP)", "CAST(%s AS TIMESTAMP)", text), nil
	}
	return with(name, "CAST(%s AS "+c.SQL+")", text), nil
}
