package project

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestSchemas(t *testing.T) {
	t.Parallel()
	all, err := Schemas(testKinds, nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d schemas, %v", len(all), err)
	}
	type node struct {
		Type                 string
		Description, Pattern string
		Default, Const       any
		Properties           map[string]*node
		AdditionalProperties any
		Required             []string
		OneOf                []*node
		Items                *node
	}
	read := func(name string) *node {
		var n node
		if err := json.Unmarshal(all[name], &n); err != nil {
			t.Fatal(err)
		}
		return &n
	}
	config := read("millrace.json")
	for name, want := range map[string]string{"name": "string", "log": "object", "warehouse": "string", "archive": "string", "collect": "object", "query": "object", "environments": "object"} {
		if p := config.Properties[name]; p == nil || p.Type != want || p.Description == "" {
			t.Errorf("millrace.json: %s is %+v", name, p)
		}
	}
	if r := config.Properties["log"].Properties["retention"]; r.Default != "7d" || r.Pattern == "" || config.AdditionalProperties != false || config.Required[0] != "name" {
		t.Errorf("millrace.json: log.retention is %+v", r)
	}
	if config.Properties["query"].Properties["rows"].Default != 100_000.0 {
		t.Errorf("millrace.json: query.rows is %+v", config.Properties["query"].Properties["rows"])
	}
	if !strings.Contains(string(all["millrace.json"]), `"environments": {`) || strings.Count(string(all["millrace.json"]), `"trusted_proxies"`) != 2 {
		t.Error("millrace.json: an environment has not the fields of the settings")
	}
	sources := read("sources.json")
	if len(sources.OneOf) != 2 || sources.OneOf[0].Properties["kind"].Const != "http" || sources.OneOf[1].Properties["kind"].Const != "webhook" ||
		sources.OneOf[0].Properties["write_keys"].Items.Type != "string" || sources.OneOf[1].Required[0] != "kind" {
		t.Errorf("sources.json: %s", all["sources.json"])
	}
	again, err := Schemas(testKinds, nil)
	if err != nil || string(again["sources.json"]) != string(all["sources.json"]) {
		t.Error("the schema is another one the second time")
	}
	reference := string(Reference(testKinds, Docs{"hook.From": "Whose events it gets."}))
	for _, want := range []string{"| `log.retention` | duration | `7d` |", "## sources/*.yaml, kind: webhook", "| `limits.event_size` | size | `32KiB` | Largest event. |", "| `from` | list of text |  | Whose events it gets. |"} {
		if !strings.Contains(reference, want) {
			t.Errorf("the reference has no %q in:\n%s", want, reference)
		}
	}
}

// FuzzLoad reads any two files: it ends, and what it says has a place.
func FuzzLoad(f *testing.F) {
	for _, test := range mistakes {
		for name, file := range test.files {
			if len(file.Data) < 10_000 && strings.HasSuffix(name, ".yaml") {
				f.Add(string(test.files["millrace.yaml"].Data), string(file.Data))
			}
		}
	}
	f.Add("a: &a [*a]\n<<: *a\n", "? {a: b}\n: - c\n")
	f.Add("name: !!binary aGVq\n", "kind: !!str http\n<<: [&b {write_keys: [x]}, *b]\n")
	f.Add("name: |\n  x\n", "kind: \"http\"\nlimits:\n  <<: {rate: .inf, depth: 0x1F}\n")
	f.Fuzz(func(t *testing.T, config, source string) {
		p, err := Load(files("millrace.yaml", config, "sources/web.yaml", source), testKinds, testOptions())
		if (p == nil) == (err == nil) {
			t.Fatalf("%v and %v", p, err)
		}
		if err == nil {
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		for _, problem := range problems {
			if problem.File == "" || problem.Message == "" || (problem.Line == 0) != (problem.Column == 0) {
				t.Errorf("%+v", problem)
			}
			if strings.ContainsAny(problem.Message, "\x00\x1b\x7f") {
				t.Errorf("a control character in %q", problem.Message)
			}
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "pass77") && !strings.Contains(config+source, "pass77") {
			t.Errorf("a secret is shown: %v", err)
		}
	})
}
