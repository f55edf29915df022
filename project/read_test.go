package project

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReadValuesWithPlaces(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, values, places string }{
		"block":    {"# ours\nkind: http\nwrite_keys:\n  - a # old\n  - b\n", `{"kind":"http","write_keys":["a","b"]}`, "kind 2:1|write_keys 3:1|write_keys.0 4:5|write_keys.1 5:5"},
		"flow":     {"{kind: http, write_keys: [a]}\n", `{"kind":"http","write_keys":["a"]}`, "kind 1:2|write_keys 1:14|write_keys.0 1:27"},
		"CRLF":     {"kind: http\r\nlimits:\r\n  rate: 5\r\n", `{"kind":"http","limits":{"rate":5}}`, "kind 1:1|limits 2:1|limits.rate 3:3"},
		"comments": {"# ours\r\n# too\r\nkind: http # so\r\n\r\ndedup: 7d\r\n", `{"dedup":"7d","kind":"http"}`, "kind 3:1|dedup 5:1"},
		"BOM":      {"\ufeffkind: http\n", `{"kind":"http"}`, "kind 1:1"},
		"empty":    {"# nothing yet\n", `{}`, ""},
		"secret":   {"signature: {secret: '${secret:a}'}\n", `{"signature":{"secret":"${secret:a}"}}`, "signature 1:1|signature.secret 1:13"},
		"alias":    {"a: &x {rate: 5}\nb: *x\nc: 1\n", `{"a":{"rate":5},"b":{"rate":5},"c":1}`, "a 1:1 shared|a.rate 1:8 shared|b 2:1 shared|b.rate 1:8 shared|c 3:1"},
		"merge":    {"a: &x {rate: 5}\nb:\n  <<: *x\n  burst: 1\n", `{"a":{"rate":5},"b":{"burst":1,"rate":5}}`, "a 1:1|a.rate 1:8 shared|b 2:1|b.burst 4:3|b.rate 1:8 shared"},
		"wide":     {"a: {é: ü, b: 1}\n", `{"a":{"b":1,"é":"ü"}}`, "a 1:1|a.é 1:5|a.b 1:11"},
		"numbers":  {"a: 0x10\nb: 1e3\nc: 007\nd: 'on'\n", "", ""},
		"a string": {"a: |\n  two\n  lines\n", `{"a":"two\nlines\n"}`, "a 1:1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, places, problems := Read([]byte(c.text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			var got []string
			for _, p := range places {
				var path []string
				for _, step := range p.Path {
					path = append(path, fmt.Sprint(step))
				}
				text := fmt.Sprintf("%s %d:%d", strings.Join(path, "."), p.Line, p.Column)
				if p.Shared {
					text += " shared"
				}
				got = append(got, text)
			}
			written, err := values.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if c.values != "" && (sorted(t, string(written)) != sorted(t, c.values) || strings.Join(got, "|") != c.places) {
				t.Errorf("%s\n%s\nwant %s\n%s", written, strings.Join(got, "|"), c.values, c.places)
			}
		})
	}
}

// What is shared is what Edit refuses to change.
func TestSharedIsWhatEditRefuses(t *testing.T) {
	t.Parallel()
	text := []byte("a: &x {rate: 5}\nb: *x\nc:\n  <<: *x\n  burst: 1\n")
	_, places, _ := Read(text)
	for _, p := range places {
		if at := fmt.Sprint(p.Path); at == "[a]" || at == "[c]" || at == "[c rate]" {
			continue // a mapping that holds others; what is merged can be written a second time
		}
		_, err := Edit(text, Change{Op: "set", Path: p.Path, Value: "other"})
		if (err != nil) != p.Shared && fmt.Sprint(p.Path) != "[b]" {
			t.Errorf("%v: shared %v, edit says %v", p.Path, p.Shared, err)
		}
	}
}

func TestReadHostile(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for name, text := range map[string]string{
		"bomb": bomb, "syntax": "a: [", "twice": "a: 1\na: 2\n", "list": "- a\n", "text": "hello", "two documents": "a: 1\n---\nb: 2\n",
		"NUL": "a: \x00", "not UTF-8": "a: \xff", "deep": strings.Repeat("[", 100_000), "no anchor": "a: *nobody\n", "tag": "a: !!binary aGk=\n",
		"huge": strings.Repeat("# nothing\n", 200_000), "itself": "a: &a [*a]\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			values, places, problems := Read([]byte(text))
			if len(problems) == 0 || values != nil || places != nil {
				t.Errorf("%d values, %d places, %v", len(values), len(places), problems)
			}
			if _, err := Values([]byte(text)); err == nil {
				t.Error("Values takes it")
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("it takes %s", d)
			}
		})
	}
	_, places, problems := Read([]byte("a:" + strings.Repeat("\n- x", 60_000)))
	if len(problems) > 0 || len(places) != maxPlaces {
		t.Errorf("%d places, %v", len(places), problems)
	}
}

// sorted writes JSON with the fields of objects in order of their names.
func sorted(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
