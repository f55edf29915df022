package catalog

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// A Statement is one SQL statement that was looked at.
type Statement struct {
	Text    string // as it was given
	Ordinal string // with ?1, ?2 … instead of $1, $2 …: $2 is the second $ on SQLite
	Params  int    // the highest $N
	Verb    string // the first word, in capitals
}

// verbs are what a transaction takes.
const verbs = " SELECT INSERT UPDATE DELETE WITH VALUES "

// ParseStatement looks at one statement. It refuses more than one, and what the
// engines read differently.
func ParseStatement(sql string) (*Statement, error) {
	s := &Statement{Text: sql}
	var out strings.Builder
	var body triggerBody
	ended := false
	err := eachToken(sql, func(t token) error {
		inside := body.open(t)
		switch {
		case t.kind == blank || inside:
		case t.text == ";":
			ended = true
		case ended:
			return millrace.Errorf(millrace.Invalid, "more than one statement in %s: run them one by one", shorten(sql))
		case s.Verb == "":
			s.Verb = strings.ToUpper(t.text)
		}
		if t.kind == param {
			n, err := strconv.Atoi(t.text[1:])
			if err != nil || n < 1 || n > 999 || t.text[1] == '0' {
				return millrace.Errorf(millrace.Invalid, "there is no value %s: values are $1 to $999, in %s", t.text, shorten(sql))
			}
			s.Params = max(s.Params, n)
			t.text = "?" + t.text[1:]
		}
		out.WriteString(t.text)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.Verb == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the statement is empty")
	}
	s.Ordinal = out.String()
	return s, nil
}

// splitStatements returns the statements of a file.
func splitStatements(sql string) ([]string, error) {
	var all []string
	var body triggerBody
	begin, at, some := 0, 0, false
	err := eachToken(sql, func(t token) error {
		at += len(t.text)
		some = some || t.kind != blank && t.text != ";"
		if !body.open(t) && t.text == ";" {
			if some {
				all = append(all, sql[begin:at-1])
			}
			begin, some, body = at, false, triggerBody{}
		}
		return nil
	})
	if some {
		all = append(all, sql[begin:])
	}
	return all, err
}

// A triggerBody follows a statement, to tell the semicolons between BEGIN and
// END of a SQLite trigger from those that end it.
type triggerBody struct {
	words  int  // of the statement so far, up to 2
	create bool // it begins with CREATE
	is     bool // it begins with CREATE TRIGGER
	inside bool
}

// open takes the next token and says whether it lies in a trigger's body.
func (b *triggerBody) open(t token) bool {
	if t.kind != word {
		return b.inside
	}
	text := strings.ToUpper(t.text)
	if b.words < 2 {
		b.words++
		b.is = b.words == 2 && b.create && text == "TRIGGER"
		b.create = b.words == 1 && text == "CREATE"
	}
	if b.is && (text == "BEGIN" || text == "END") {
		b.inside = text == "BEGIN"
	}
	return b.inside
}

type tokenKind uint8

const (
	blank  tokenKind = iota // space and comments
	word                    // of letters, digits, _ and $, and numbers
	quoted                  // 'text' or "name"
	param                   // $1
	sign                    // any other character
)

type token struct {
	kind tokenKind
	text string
}

// eachToken calls do with the tokens of a text, which together are the text.
func eachToken(sql string, do func(token) error) error {
	if !utf8.ValidString(sql) || strings.Contains(sql, "\x00") {
		return millrace.Errorf(millrace.Invalid, "a statement has to be UTF-8 without NUL: %q", shorten(sql))
	}
	for i := 0; i < len(sql); {
		kind, n := nextToken(sql[i:])
		text := sql[i : i+max(n, 0)]
		switch {
		case n < 0:
			return millrace.Errorf(millrace.Invalid, "a quote or comment does not end in %s", shorten(sql[i:]))
		case kind == blank && strings.HasPrefix(text, "/*") && strings.Contains(text[2:], "/*"):
			return millrace.Errorf(millrace.Invalid, "a comment within a comment is not the same on both engines: %s", shorten(text))
		case kind == word && strings.HasPrefix(sql[i+n:], "'"):
			return millrace.Errorf(millrace.Invalid, "%s' is not the same on both engines: write plain text in quotes, give bytes as $1, leave a space after words", text)
		case kind == sign && strings.ContainsAny(text, "$?:@[]`#{}\\"):
			return millrace.Errorf(millrace.Invalid, "%s is not the same on both engines: values are $1, $2 …, types are changed with CAST; in %s", text, shorten(sql))
		}
		if err := do(token{kind, text}); err != nil {
			return err
		}
		i += n
	}
	return nil
}

// nextToken returns the first token's kind and length, -1 when it does not end.
func nextToken(s string) (tokenKind, int) {
	switch c := s[0]; {
	case isSpace(c):
		return blank, spanOf(s, isSpace)
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return blank, n + 1
		}
		return blank, len(s)
	case strings.HasPrefix(s, "/*"):
		if n := strings.Index(s[2:], "*/"); n >= 0 {
			return blank, n + 4
		}
		return blank, -1
	case c == '\'' || c == '"':
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] != c:
			case i+1 < len(s) && s[i+1] == c:
				i++
			default:
				return quoted, i + 1
			}
		}
		return quoted, -1
	case c == '$' && len(s) > 1 && isDigit(s[1]):
		return param, 1 + spanOf(s[1:], isDigit)
	case isWord(c) && c != '$':
		return word, spanOf(s, isWord)
	}
	return sign, 1
}

func spanOf(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || c == '_' || c == '$' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf
}

func shorten(sql string) string {
	sql = strings.Join(strings.Fields(sql), " ")
	if len(sql) > 200 {
		return strings.ToValidUTF8(sql[:200], "") + "…"
	}
	return sql
}

// statements remembers what was looked at, a bounded number of texts.
type statements struct {
	mu    sync.Mutex
	known map[string]*Statement
}

const maxStatements = 1000

func (s *statements) parse(sql string) (*Statement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[sql]; known != nil {
		return known, nil
	}
	parsed, err := ParseStatement(sql)
	if err != nil {
		return nil, err
	}
	if s.known == nil || len(s.known) >= maxStatements {
		s.known = map[string]*Statement{}
	}
	s.known[sql] = parsed
	return parsed, nil
}
