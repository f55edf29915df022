package warehouse

import (
	"regexp"
	"strings"

	"github.com/millrace/millrace"
)

// reserved are the words that DuckDB 1.5 or Postgres 15 does not take for the
// name of a schema unless they are in quotes. They are the same in both but for
// a few.
var reserved = func() map[string]bool {
	words := map[string]bool{}
	for _, word := range strings.Fields(`
		all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check collate collation column concurrently
		constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user default deferrable desc
		describe distinct do else end except false fetch for foreign freeze from full glob grant group having ilike in initially inner intersect into is
		isnull join lambda lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps pivot
		pivot_longer pivot_wider placing positional primary qualify references returning right select semi session_user show similar some summarize symmetric
		table tablesample then to trailing true union unique unpack unpivot user using variadic verbose when where window with`) {
		words[word] = true
	}
	return words
}()

// Identifier is a name of a source, table or column as a query says it: in
// quotes when the engines would not understand it without.
func Identifier(name string) string {
	if plainName.MatchString(name) && !reserved[name] {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// qualifiers are the words before a dot, as sources are in queries.
var qualifiers = regexp.MustCompile(`(?:^|[^\w."])(\w+)\s*\.`)

// ExplainWord adds to the error of a query that cannot be read what to do when
// it names a source that is called like a word of SQL.
func ExplainWord(err error, sql string) error {
	if !strings.Contains(err.Error(), "syntax error at or near") {
		return err
	}
	for _, found := range qualifiers.FindAllStringSubmatch(sql, -1) {
		if word := strings.ToLower(found[1]); reserved[word] {
			return millrace.Errorf(millrace.Invalid, "%w: %s is a word of SQL, so a source of that name is written in quotes, as in %s.tracks", err, word, Identifier(word))
		}
	}
	return err
}
