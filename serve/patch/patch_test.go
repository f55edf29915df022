package patch

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, patch, want string }{
		"replaced":        {`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		"added":           {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		"taken away":      {`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		"lists are whole": {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		"deep":            {`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		"made an object":  {`{"a":[{"b":"c"}]}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		"a list":          {`["a","b"]`, `["c","d"]`, `["c","d"]`},
		"not an object":   {`{"a":"b"}`, `"c"`, `"c"`},
		"null within":     {`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		"null in new":     {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		"big numbers":     {`{"n":9007199254740993,"f":1.10}`, `{"event":"Sale <&>"}`, `{"event":"Sale <&>","f":1.10,"n":9007199254740993}`},
	} {
		got, err := Merge([]byte(c.document), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
	deep := strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1)
	for _, bad := range [][2]string{{`{`, `{}`}, {`{}`, ``}, {`{}`, `{} {}`}, {deep, `{}`}, {`{}`, deep}} {
		if got, err := Merge([]byte(bad[0]), []byte(bad[1])); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%.40s with %.40s: %s, %v", bad[0], bad[1], got, err)
		}
	}
}

// No document and patch panics, and what comes out can be patched again.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"a":null,"b":[1]}`))
	f.Fuzz(func(t *testing.T, document, patch []byte) {
		once, err := Merge(document, patch)
		if err != nil {
			return
		}
		twice, err := Merge(once, patch)
		if err != nil || string(once) != string(twice) {
			t.Errorf("%s, then %s: %v", once, twice, err)
		}
	})
}
