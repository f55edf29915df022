package catalog

import (
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	t.Parallel()
	d := Dialect{Bytes: "BLOB", Types: map[string]string{"TEXT": "TXT", "DOUBLE": "REAL", "PRECISION": ""}, Table: " STRICT"}
	for in, want := range map[string]string{
		"CREATE TABLE text (text TEXT, \"text\" text NOT NULL, double DOUBLE PRECISION, CHECK (text <> 'TEXT' AND text > CAST(text AS TEXT)))": "CREATE TABLE text (text TXT, \"text\" TXT NOT NULL, double REAL , CHECK (text <> 'TEXT' AND text > CAST(text AS TEXT))) STRICT",
		"create table if not exists a (b {{bytes}}) -- the last)":                                                                              "create table if not exists a (b BLOB) STRICT -- the last)",
		"ALTER TABLE a ADD COLUMN text TEXT":                                                                                                   "ALTER TABLE a ADD COLUMN text TXT",
		"ALTER TABLE a ADD text TEXT":                                                                                                          "ALTER TABLE a ADD text TXT",
		"ALTER TABLE a RENAME COLUMN text TO double":                                                                                           "ALTER TABLE a RENAME COLUMN text TO double",
		"ALTER TABLE a DROP COLUMN text":                                                                                                       "ALTER TABLE a DROP COLUMN text",
		"CREATE INDEX text ON a (text)":                                                                                                        "CREATE INDEX text ON a (text)",
		"UPDATE a SET text = CAST(b AS TEXT)":                                                                                                  "UPDATE a SET text = CAST(b AS TEXT)",
		"; ; DELETE FROM a WHERE b = ';' /* ; */;\n":                                                                                           "DELETE FROM a WHERE b = ';' /* ; */",
	} {
		got, err := render(in, d)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s\ngot  %s\nwant %s\n%v", in, strings.Join(got, "|"), want, err)
		}
	}
}

// FuzzStatement holds for any text: tokens are the text, and the statement that
// SQLite gets differs in nothing but $ and ?.
func FuzzStatement(f *testing.F) {
	for _, sql := range []string{"SELECT $1, '$2', \"$3\" -- $4\n, $10 /* $5 */", "a$1 = $1", "'", "/*", "$", ";;", "SELECT 1; SELECT 2", "x''", "é'", "''''$1''"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		var whole strings.Builder
		if err := eachToken(sql, func(token token) error { whole.WriteString(token.text); return nil }); err == nil && whole.String() != sql {
			t.Errorf("%q became %q", sql, whole.String())
		}
		s, err := ParseStatement(sql)
		if err != nil {
			return
		}
		if len(s.Ordinal) != len(sql) || s.Params > 999 {
			t.Errorf("%q became %q", sql, s.Ordinal)
		}
		for i := range sql {
			if sql[i] != s.Ordinal[i] && (sql[i] != '$' || s.Ordinal[i] != '?') {
				t.Errorf("%q became %q", sql, s.Ordinal)
			}
		}
		if _, err := splitStatements(sql); err != nil {
			t.Errorf("%q is one statement, and not many: %v", sql, err)
		}
	})
}
