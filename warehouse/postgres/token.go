package postgres

import (
	"regexp"
	"strings"
)

type tokenKind uint8

const (
	tokenOther tokenKind = iota
	tokenName
	tokenUnicode // U&'…' or U&"…"
	tokenOpen    // has no end
	tokenGlued   // a number or a parameter with a letter behind it
	tokenParameter
	tokenMark // ?
	tokenSemicolon
	tokenParenthesis
)

// tokens splits SQL as Postgres's scanner does, as far as it matters here:
// where texts, names and comments begin and end. Where versions of Postgres
// differ (1e5e'…' is a text with escapes up to 14, an error since), what is read
// is refused.
type tokens struct {
	sql        string
	start, end int
	kind       tokenKind
}

func (t *tokens) text() string { return t.sql[t.start:t.end] }

// space is what Postgres takes for white space. Since 16, \v is some.
const space = " \t\n\r\f\v"

// blank says whether the token is white space, a semicolon or a comment.
func (t *tokens) blank() bool {
	s := t.text()
	return t.kind == tokenSemicolon || strings.Trim(s, space) == "" ||
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
		t.end = t.start + lineEnd(rest)
	case strings.HasPrefix(rest, "/*"):
		t.comment(rest)
	case c == '\'':
		t.quoted(rest, 0, '\'', false)
	case c == '"':
		t.quoted(rest, 0, '"', false)
		if t.kind == tokenOther {
			t.kind = tokenName
		}
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		t.quoted(rest, 1, '\'', true)
	case (c == 'u' || c == 'U') && (strings.HasPrefix(rest[1:], "&'") || strings.HasPrefix(rest[1:], `&"`)):
		t.kind, t.end = tokenUnicode, t.start+3
	case c == '$':
		t.dollar(rest)
	case c >= '0' && c <= '9':
		t.number(rest)
	case nameByte(c):
		n := 1
		for n < len(rest) && (nameByte(rest[n]) || rest[n] == '$') {
			n++
		}
		t.kind, t.end = tokenName, t.start+n
	default:
		t.end = t.start + 1
		t.kind = map[byte]tokenKind{'?': tokenMark, ';': tokenSemicolon, '(': tokenParenthesis}[c]
	}
	return true
}

// lineEnd is where the line of a comment ends, at \n or \r.
func lineEnd(s string) int {
	if i := strings.IndexAny(s, "\n\r"); i >= 0 {
		return i
	}
	return len(s)
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' || c >= 0x80
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

// quoted reads a text or name whose quote is at rest[at]. A text with escapes
// that goes on in another line has escapes there too.
func (t *tokens) quoted(rest string, at int, quote byte, escapes bool) {
	for i := at + 1; i < len(rest); i++ {
		switch {
		case escapes && rest[i] == '\\':
			i++
		case rest[i] != quote:
		case i+1 < len(rest) && rest[i+1] == quote:
			i++
		default:
			if n := goesOn(rest[i+1:]); escapes && n >= 0 {
				i += 1 + n // the quote with which it goes on
				continue
			}
			t.end = t.start + i + 1
			return
		}
	}
	t.kind, t.end = tokenOpen, len(t.sql)
}

// goesOn says where behind the end of a text it goes on: at a quote behind
// white space and comments with a line's end among them. -1 when it does not.
func goesOn(s string) int {
	newLine := false
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\'' && newLine:
			return i
		case strings.IndexByte(space, s[i]) >= 0:
			newLine = newLine || s[i] == '\n' || s[i] == '\r'
			i++
		case strings.HasPrefix(s[i:], "--"):
			i += lineEnd(s[i:])
		default:
			return -1
		}
	}
	return -1
}

// numbers as any version of Postgres has them.
var numbers = regexp.MustCompile(`^(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9][0-9_]*)?)`)

func (t *tokens) number(rest string) {
	n := len(numbers.FindString(rest))
	t.end = t.start + n
	if n < len(rest) && nameByte(rest[n]) {
		t.kind = tokenGlued
	}
}

// dollar reads $1 or $tag$ … $tag$.
func (t *tokens) dollar(rest string) {
	n := 1
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	if n > 1 {
		t.kind, t.end = tokenParameter, t.start+n
		if n < len(rest) && nameByte(rest[n]) {
			t.kind = tokenGlued
		}
		return
	}
	for n < len(rest) && nameByte(rest[n]) {
		n++
	}
	if n == len(rest) || rest[n] != '$' {
		t.end = t.start + 1
		return
	}
	tag := rest[:n+1]
	i := strings.Index(rest[n+1:], tag)
	if i < 0 {
		t.kind, t.end = tokenOpen, len(t.sql)
		return
	}
	t.end = t.start + n + 1 + i + len(tag)
}
