package postgres

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Queries run as a login that may only read, in a read-only transaction that
// is rolled back, on a connection of their own, as the query of a cursor,
// which takes one SELECT only. What is left are functions that every login may
// call although they act beyond the transaction: names are checked for those.

// serverNames are names that the server has.
type serverNames struct {
	relations map[string]bool // tables and views of its own
	functions map[string]bool // that begin with pg_ or lo_
}

// allowedFunctions are the functions with pg_ that only look at their
// arguments. The others are refused: they act on the server, or tell of what is
// beside the workspace.
var allowedFunctions = map[string]bool{
	"pg_typeof": true, "pg_size_pretty": true, "pg_size_bytes": true, "pg_column_size": true,
}

// refusedFunctions act outside of the transaction, run text as SQL, or tell of
// what is beside the workspace.
var refusedFunctions = words(`set_config current_setting setseed nextval setval currval lastval
	query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema table_to_xml_and_xmlschema
	cursor_to_xml cursor_to_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
	database_to_xml database_to_xmlschema database_to_xml_and_xmlschema ts_stat ts_rewrite
	txid_current txid_current_if_assigned txid_current_snapshot txid_status lowrite loread
	inet_server_addr inet_server_port inet_client_addr inet_client_port
	obj_description col_description shobj_description format_type oidvectortypes row_security_active
	acldefault aclexplode aclinsert aclremove makeaclitem amvalidate currtid2
	brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list unique_key_recheck`)

// refusedTypes turn a number into the name of anything in the database, also
// of what is another workspace's.
var refusedTypes = words("regclass regnamespace regoper regoperator regproc regprocedure regrole regtype aclitem")

// refusedSchemas are beside the workspace, or hide the name of a function.
var refusedSchemas = words("pg_catalog pg_toast public")

// otherVerbs begin statements of one engine or another that are no SELECT.
var otherVerbs = words(`show describe desc summarize explain pragma insert update delete merge truncate create drop alter comment grant revoke
		copy attach detach install load export import set reset use call do begin commit rollback analyze vacuum checkpoint prepare execute listen notify lock`)

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// refusedName says why a name may not be used, or nil. It is judged by what it
// stands for: tables and columns may be called like a function. qualified says
// that a point is before it, next is what follows.
func refusedName(written string, qualified bool, next string, has serverNames) error {
	name := strings.ToLower(written)
	if name[0] == '"' {
		name = strings.ToLower(strings.ReplaceAll(written[1:len(written)-1], `""`, `"`))
	}
	switch {
	case next == "(" && refusedFunction(name, has):
		return millrace.Errorf(millrace.Invalid, "the function %.80q may not be used in a query: it acts beyond reading tables", name)
	case next == "." && name == "public":
		return millrace.Errorf(millrace.Invalid, "the schema public is not of this workspace: name a source's schema")
	case next == "." && refusedSchemas[name]:
		return millrace.Errorf(millrace.Invalid, "the schema %s may not be used in a query: it is not of this workspace, and functions are found without it", name)
	case !qualified && has.relations[name]:
		return millrace.Errorf(millrace.Invalid, "%.80q may not be used in a query: it tells of what is beside the workspace. If a column is meant, write its table before it, as in t.%s", name, name)
	case !qualified && refusedTypes[name]:
		return millrace.Errorf(millrace.Invalid, "the type %s may not be used in a query: it tells of what is beside the workspace. If a column is meant, write its table before it, as in t.%s", name, name)
	}
	return nil
}

func refusedFunction(name string, has serverNames) bool {
	switch {
	case refusedFunctions[name], has.functions[name] && !allowedFunctions[name]:
		return true
	case strings.HasPrefix(name, "dblink"): // runs text as SQL, on any server
		return true
	case strings.HasPrefix(name, "binary_upgrade_"), strings.HasPrefix(name, "has_") && strings.HasSuffix(name, "_privilege"):
		return true
	}
	typ := strings.TrimPrefix(name, "to_")
	return refusedTypes[typ] || refusedTypes[strings.TrimSuffix(typ, "out")] || refusedTypes[strings.TrimSuffix(typ, "send")]
}

// guard checks the text of a query and writes ? as $1, $2 …, when it has no $1 itself.
func guard(sql string, params int, has serverNames) (string, error) {
	if len(sql) > warehouse.MaxQueryTextBytes {
		return "", millrace.Errorf(millrace.TooLarge, "the query has %d bytes, more than %d", len(sql), warehouse.MaxQueryTextBytes)
	}
	if strings.IndexByte(sql, 0) >= 0 || !utf8.ValidString(sql) {
		return "", millrace.Errorf(millrace.Invalid, "the query holds NUL or is not UTF-8")
	}
	t := tokens{sql: sql}
	if first := t.following(); otherVerbs[strings.ToLower(first)] || first == `\` {
		return "", millrace.Errorf(millrace.Invalid, "%s", warehouse.OnlySelect)
	}
	var out strings.Builder
	before := "" // the last token that was not blank
	marks, numbered, nested, ended := 0, false, 0, false
	for t.next() {
		text := t.text()
		if ended && !t.blank() {
			return "", millrace.Errorf(millrace.Invalid, "the query has more than one statement: send them one by one")
		}
		switch t.kind {
		case tokenName:
			if err := refusedName(text, before == ".", t.following(), has); err != nil {
				return "", err
			}
		case tokenUnicode:
			return "", millrace.Errorf(millrace.Invalid, "names and texts with U& may not be used in a query: write the characters themselves")
		case tokenOpen:
			return "", millrace.Errorf(millrace.Invalid, "the query ends within a text, a name or a comment")
		case tokenGlued:
			return "", millrace.Errorf(millrace.Invalid, "a letter follows the number %.40s in the query: put a space between them", text)
		case tokenParameter:
			numbered = true
		case tokenMark:
			if marks++; params > 0 {
				text = " $" + strconv.Itoa(marks) + " " // not glued to what is beside it: x?$$ would be a name
			}
		case tokenParenthesis:
			if nested++; nested > 2000 {
				return "", millrace.Errorf(millrace.Invalid, "the query nests too deeply")
			}
		case tokenSemicolon:
			ended, text = true, " "
		}
		out.WriteString(text)
		if !t.blank() {
			before = text
		}
	}
	if marks > 0 && numbered {
		return sql, nil // ? is an operator here
	}
	return out.String(), nil
}
