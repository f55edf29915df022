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

// allowedNames are the names with pg_ that only look at their arguments. The
// others that the server has are refused: they act on it, or tell of what is
// beside the workspace.
var allowedNames = map[string]bool{
	"pg_typeof": true, "pg_size_pretty": true, "pg_size_bytes": true, "pg_column_size": true,
}

// refusedNames act outside of the transaction, or run text as SQL.
var refusedNames = map[string]bool{
	"set_config": true, "current_setting": true, "query_to_xml": true, "query_to_xmlschema": true, "query_to_xml_and_xmlschema": true,
	"table_to_xml": true, "table_to_xmlschema": true, "table_to_xml_and_xmlschema": true, "cursor_to_xml": true, "cursor_to_xmlschema": true,
	"schema_to_xml": true, "schema_to_xmlschema": true, "schema_to_xml_and_xmlschema": true,
	"database_to_xml": true, "database_to_xmlschema": true, "database_to_xml_and_xmlschema": true,
	"ts_stat": true, "ts_rewrite": true, "nextval": true, "setval": true, "setseed": true, "txid_current": true,
	"lowrite": true, "loread": true, "inet_server_addr": true, "inet_client_addr": true,
}

// otherVerbs begin statements of one engine or another that are no SELECT.
var otherVerbs = func() map[string]bool {
	verbs := map[string]bool{}
	for _, verb := range strings.Fields(`show describe desc summarize explain pragma insert update delete merge truncate create drop alter comment grant revoke
		copy attach detach install load export import set reset use call do begin commit rollback analyze vacuum checkpoint prepare execute listen notify lock`) {
		verbs[verb] = true
	}
	return verbs
}()

// refused says whether a name may not be used; system are the names with pg_
// that the server has.
func refused(name string, system map[string]bool) bool {
	name = strings.ToLower(name)
	return refusedNames[name] || system[name] && !allowedNames[name] || name == "pg_catalog" || name == "pg_toast" ||
		strings.HasPrefix(name, "lo_") || strings.HasPrefix(name, "dblink") || strings.HasPrefix(name, "binary_upgrade_")
}

// guard checks the text of a query and writes ? as $1, $2 …, when it has no $1 itself.
func guard(sql string, params int, system map[string]bool) (string, error) {
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
	marks, numbered, nested, ended := 0, false, 0, false
	for t.next() {
		text := t.text()
		if ended && !t.blank() {
			return "", millrace.Errorf(millrace.Invalid, "the query has more than one statement: send them one by one")
		}
		switch t.kind {
		case tokenName:
			name := text
			if name[0] == '"' {
				name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
			}
			if refused(name, system) {
				return "", millrace.Errorf(millrace.Invalid, "%.80q may not be used in a query: it acts beyond reading tables", name)
			}
			if strings.EqualFold(name, "public") && t.following() == "." {
				return "", millrace.Errorf(millrace.Invalid, "the schema public is not of this workspace: name a source's schema")
			}
		case tokenUnicode:
			return "", millrace.Errorf(millrace.Invalid, "names and texts with U& may not be used in a query: write the characters themselves")
		case tokenOpen:
			return "", millrace.Errorf(millrace.Invalid, "the query ends within a text, a name or a comment")
		case tokenParameter:
			numbered = true
		case tokenMark:
			if marks++; params > 0 {
				text = "$" + strconv.Itoa(marks)
			}
		case tokenParenthesis:
			if nested++; nested > 2000 {
				return "", millrace.Errorf(millrace.Invalid, "the query nests too deeply")
			}
		case tokenSemicolon:
			ended, text = true, ""
		}
		out.WriteString(text)
	}
	if marks > 0 && numbered {
		return sql, nil // ? is an operator here
	}
	return out.String(), nil
}

type tokenKind uint8

const (
	tokenOther tokenKind = iota
	tokenName
	tokenUnicode // U&'…' or U&"…"
	tokenOpen    // has no end
	tokenParameter
	tokenMark // ?
	tokenSemicolon
	tokenParenthesis
)

// tokens splits SQL as Postgres's scanner does, as far as it matters here.
type tokens struct {
	sql        string
	start, end int
	kind       tokenKind
}

func (t *tokens) text() string { return t.sql[t.start:t.end] }

// blank says whether the token is white space, a semicolon or a comment.
func (t *tokens) blank() bool {
	s := t.text()
	return t.kind == tokenSemicolon || strings.TrimSpace(s) == "" ||
		t.kind == tokenOther && (strings.HasPrefix(s, "--") || strings.HasPrefix(s, "/*"))
}

// following is the token behind this one, and what is blank between.
func (t *tokens) following() string {
	look := *t
	for look.next() {
		if !look.blank() {
			return look.text()
		}
	}
	return ""
}

func (t *tokens) next() bool {
	t.start = t.end
	if t.start >= len(t.sql) {
		return false
	}
	rest := t.sql[t.start:]
	t.kind = tokenOther
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "--"):
		t.upTo(strings.IndexByte(rest, '\n'), 1)
	case strings.HasPrefix(rest, "/*"):
		t.comment(rest)
	case c == '\'':
		t.quoted(rest, 0, '\'', false)
	case c == '"':
		t.quoted(rest, 0, '"', false)
		t.name()
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		t.quoted(rest, 1, '\'', true)
	case (c == 'u' || c == 'U') && (strings.HasPrefix(rest[1:], "&'") || strings.HasPrefix(rest[1:], `&"`)):
		t.kind, t.end = tokenUnicode, t.start+3
	case c == '$':
		t.dollar(rest)
	case nameByte(c) && (c < '0' || c > '9'):
		n := 1
		for n < len(rest) && (nameByte(rest[n]) || rest[n] == '$') {
			n++
		}
		t.kind, t.end = tokenName, t.start+n
	default:
		t.end = t.start + 1
		t.kind = map[byte]tokenKind{'?': tokenMark, ';': tokenSemicolon, '(': tokenParenthesis}[c]
		if c >= '0' && c <= '9' { // a number swallows the letters behind it
			for t.end < len(t.sql) && t.sql[t.end] >= '0' && t.sql[t.end] <= '9' {
				t.end++
			}
		}
	}
	return true
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' || c >= 0x80
}

func (t *tokens) name() {
	if t.kind == tokenOther {
		t.kind = tokenName
	}
}

func (t *tokens) upTo(i, size int) {
	t.end = len(t.sql)
	if i >= 0 {
		t.end = t.start + i + size
	}
}

// comment reads /* … */, which nest.
func (t *tokens) comment(rest string) {
	depth := 0
	for i := 0; i+1 < len(rest); i++ {
		switch rest[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				t.end = t.start + i + 1
				return
			}
		}
	}
	t.kind, t.end = tokenOpen, len(t.sql)
}

// quoted reads a text or name whose quote is at rest[at].
func (t *tokens) quoted(rest string, at int, quote byte, escapes bool) {
	for i := at + 1; i < len(rest); i++ {
		switch {
		case escapes && rest[i] == '\\':
			i++
		case rest[i] != quote:
		case i+1 < len(rest) && rest[i+1] == quote:
			i++
		default:
			t.end = t.start + i + 1
			return
		}
	}
	t.kind, t.end = tokenOpen, len(t.sql)
}

// dollar reads $1 or $tag$ … $tag$.
func (t *tokens) dollar(rest string) {
	n := 1
	for n < len(rest) && nameByte(rest[n]) {
		n++
	}
	digit := n > 1 && rest[1] >= '0' && rest[1] <= '9'
	switch {
	case digit:
		t.kind, t.end = tokenParameter, t.start+n
	case n < len(rest) && rest[n] == '$':
		tag := rest[:n+1]
		i := strings.Index(rest[n+1:], tag)
		if i < 0 {
			t.kind, t.end = tokenOpen, len(t.sql)
			return
		}
		t.end = t.start + n + 1 + i + len(tag)
	default:
		t.end = t.start + 1
	}
}
