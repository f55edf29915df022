package terminal_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode"

	"github.com/millrace/millrace/terminal"
)

// TestJSONWriter: what a terminal would obey is escaped, and the JSON says the same.
func TestJSONWriter(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "Łukasz 名前 😀", "\u009b31m\u0085\u007f", "\u202ereversed\u2066", "tags \U000e0041", "a\nb\x1b[31m"} {
		data, err := json.Marshal(map[string]string{"said": text})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if n, err := terminal.NewJSONWriter(&out).Write(append(data, '\n')); n != len(data)+1 || err != nil {
			t.Errorf("%q: wrote %d, %v", text, n, err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["said"] != text {
			t.Errorf("%q came back as %q, %v", text, back["said"], err)
		}
		for _, c := range out.String() {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%q is written with %q", text, c)
			}
		}
	}
}
