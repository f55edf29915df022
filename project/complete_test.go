package project_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
)

// destination has what no source has yet: references and words.
type destination struct {
	Kind    string            `yaml:"kind"`
	From    []string          `yaml:"from" ref:"sources" required:"true" doc:"Whose events it gets."`
	After   string            `yaml:"after" ref:"sources"`
	Mode    string            `yaml:"mode" enum:"all,new" default:"new" doc:"Which events."`
	Columns map[string]string `yaml:"columns" enum:"bool,text"`
	Rules   []rule            `yaml:"rules"`
	On      bool              `yaml:"on"`
}

type rule struct {
	Name  string `yaml:"name"`
	Token string `yaml:"token"`
	Deep  struct {
		Level int  `yaml:"level"`
		Loud  bool `yaml:"loud"`
	} `yaml:"deep"`
}

var completeKinds = project.Kinds{
	"sources": {
		"http":    func() any { return new(collect.HTTPSource) },
		"webhook": func() any { return new(collect.WebhookSource) },
	},
	"destinations": {"hook": func() any { return new(destination) }},
}

var known = project.Known{Names: map[string][]string{"sources": {"app", "web"}, "environments": {"production", "staging"}}, Secrets: []string{"github", "stripe"}}

// complete completes at the § in a text. What it says is "from-to: labels".
func complete(t *testing.T, file, text string) (string, project.Completions) {
	t.Helper()
	schemas, err := project.Schemas(completeKinds, project.SourceDocs())
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(text, "§")
	if !ok {
		t.Fatal("no place")
	}
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	got, err := project.Complete(schemas[file], []byte(before+after), line, column, known)
	if err != nil {
		t.Fatal(err)
	}
	labels := make([]string, len(got.Items))
	for i, item := range got.Items {
		labels[i] = item.Label
	}
	return fmt.Sprintf("%d-%d: %s", got.From, got.To, strings.Join(labels, " ")), got
}

func TestComplete(t *testing.T) {
	t.Parallel()
	const (
		rules   = "deep name token"
		http    = "addresses browser cors_origins dedup environments limits types write_keys"
		config  = "archive archive_interval audit_retention backup catalog collect environments log query smtp warehouse"
		limited = "batch_events batch_size burst columns depth event_size event_tables key_length properties rate rejected_rate"
	)
	for text, want := range map[string]string{
		"d: §":                                         "1-1: kind from after columns environments mode on rules",
		"d: ki§":                                       "1-3: kind from after columns environments mode on rules",
		"d: kind: §":                                   "7-7: hook",
		"d: kind:§":                                    "6-6: hook",
		"d: kind: ho§ok # x":                           "7-11: hook",
		"d: kind: hook\n§":                             "1-1: from after columns environments mode on rules",
		"d: kind: hook\nmo§de: all\n":                  "1-5: from after columns environments mode on rules",
		"d: kind: hook\nmode: §\n":                     "7-7: all new",
		"d: kind: hook\nmode: §\nfrom: [a]":            "7-7: all new",
		"d: kind: hook\n§\nfrom: [a]\nrules: []":       "1-1: after columns environments mode on",
		"d: on: t§":                                    "5-6: true false",
		"d: after: §":                                  "8-8: app web",
		"d: from: [§]":                                 "8-8: app web",
		"d: from: [app, w§]":                           "13-14: app web",
		"d: from: [\n  app,\n  §\n]":                   "3-3: app web",
		"d: from:\n  - §":                              "5-5: app web",
		"d: from:\n- app\n- w§":                        "3-4: app web",
		"d: columns:\n  a.b: §":                        "8-8: bool text",
		"d: columns: {a.b: §}":                         "16-16: bool text",
		"d: columns:\n  §":                             "3-3: ",
		"d: rules:\n  - §":                             "5-5: " + rules,
		"d: rules:\n  - name: x\n    §":                "5-5: deep token",
		"d: rules:\n  - name: x\n    deep:\n      lo§": "7-9: level loud",
		"d: rules:\n  - name: x\n    deep:\n      loud: §":                       "13-13: true false",
		"d: rules:\n  - name: x\n  - §\n":                                        "5-5: " + rules,
		"d: rules:\n- deep:\n    level: 1\n    §\n  name: x\n":                   "5-5: loud",
		"d: rules:\n- deep:\n    level: 1\n  §\n  name: x\n":                     "3-3: token",
		"d: rules: [{name: x, §}]":                                               "19-19: deep token",
		"d: rules: [{name: x, deep: {§}}]":                                       "26-26: level loud",
		"d: rules: [{name: x, deep: {level: 1, lo§: }}]":                         "36-38: loud",
		"d: rules: [{name: \"a, {b\", deep: {loud: §":                            "38-38: true false",
		"d: rules:\n  - token: $§":                                               "12-13: ${secret:github} ${secret:stripe}",
		"d: # mo§":                                                               "5-5: ",
		"d: mode: all # §":                                                       "13-13: ",
		"d: after: |\n  mo§":                                                     "5-5: ",
		"d: after: >-\n  a\n\n  b§\n":                                            "4-4: ",
		"d: größe: ü\nmode: §":                                                   "7-7: all new",
		"d: columns: {größe: §}":                                                 "18-18: bool text",
		"d: \ufeffmode: §":                                                       "7-7: all new",
		"s: kind: §":                                                             "7-7: http webhook",
		"s: kind: http\nenvironments:\n  §":                                      "3-3: production staging",
		"s: environments:\n  staging:\n  §":                                      "3-3: production",
		"s: kind: http\nenvironments: {staging: {§":                              "26-26: addresses browser cors_origins dedup limits types write_keys",
		"s: kind: http\nenvironments:\n  staging:\n    dedup: §":                 "12-12: 24h 7d 30d forever",
		"s: kind: http\nenvironments:\n  staging:\n    limits:\n      §":         "7-7: " + limited,
		"s: kind: http\n§":                                                       "1-1: " + http,
		"s: write_keys: [a]\n§\nkind: \"http\" # x\n":                            "1-1: addresses browser cors_origins dedup environments limits types",
		"s: kind: http\nlimits:\n  §":                                            "3-3: " + limited,
		"s: kind: http\nlimits:\n  rate: 1\n\n  # x\n  §\n  depth: 1\ntypes: {}": "3-3: batch_events batch_size burst columns event_size event_tables key_length properties rejected_rate",
		"s: kind: http\nlimits: {§":                                              "10-10: " + limited,
		"s: kind: http\nbrowser: §":                                              "10-10: true false",
		"s: kind: http\nlimits:\n  event_size: §":                                "15-15: 32KiB 512KiB 20GiB",
		"s: kind: webhook\nsignature:\n  secret: §":                              "11-11: ${secret:github} ${secret:stripe}",
		"s: kind: webhook\nsignature: {secret: §":                                "21-21: '${secret:github}' '${secret:stripe}'",
		"s: kind: nonsense\nsignature:\n  al§":                                   "3-5: header secret algorithm encoding payload prefix timestamp_header tolerance",
		"m: §":                                                                   "1-1: name " + config,
		"m: name: x\r\nlog:\r\n  §\r\n":                                          "3-3: reserve retention size",
		"m: log:\n  retention: §":                                                "14-14: 7d 30s",
		"m: environments:\n  production:\n    log:\n      §":                     "7-7: reserve retention size",
		"m: environments:\n  production:\n    §":                                 "5-5: archive archive_interval audit_retention backup catalog collect log query smtp warehouse",
		"m: environments: {production: {log: {§":                                 "35-35: reserve retention size",
		"m: warehouse: §":                                                        "12-12: duckdb",
		"m: warehouse: $§":                                                       "12-13: duckdb ${secret:github} ${secret:stripe}",
		"m: warehouse: duckdb\n§":                                                "1-1: name archive archive_interval audit_retention backup catalog collect environments log query smtp",
	} {
		file := map[byte]string{'d': "destinations.json", 's': "sources.json", 'm': "millrace.json"}[text[0]]
		if got, _ := complete(t, file, text[3:]); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", text, got, want)
		}
	}

}

// What is written is a file that can be gone on with.
func TestCompleteInserts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"d: §":                        `from="from:\n  - "`,
		"d: rules:\n  - §":            `deep="deep:\n      "`,
		"d: rules: [{§":               `deep="deep: "`,
		"d: mo§: all":                 `mode="mode"`,
		"d: mo§":                      `mode="mode: "`,
		"d: mode:§":                   `all=" all"`,
		"d: columns: {\"a\":§":        `bool=" bool"`,
		"d: rules:\n- name: x\n  §":   `deep="deep:\n    "`,
		"d: rules:\n- name: x\n  §\n": `token="token: "`,
	} {
		label, insert, _ := strings.Cut(want, "=")
		_, got := complete(t, "destinations.json", text[3:])
		i := slices.IndexFunc(got.Items, func(c project.Completion) bool { return c.Label == label })
		if i < 0 || fmt.Sprintf("%q", got.Items[i].Insert) != insert {
			t.Errorf("%q: %+v", text, got.Items)
		}
	}
	_, got := complete(t, "destinations.json", "mode: §")
	if d := got.Items[1]; d.Kind != "value" || d.Doc != "Which events." {
		t.Errorf("%+v", d)
	}
	_, got = complete(t, "destinations.json", "kind: hook\n§")
	if d := got.Items[4]; d.Kind != "field" || d.Doc != "Which events. Default: new." {
		t.Errorf("%+v", d)
	}
	_, got = complete(t, "destinations.json", "after: §")
	if d := got.Items[0]; d.Kind != "resource" || d.Doc != "sources/app.yaml" {
		t.Errorf("%+v", d)
	}
	for _, at := range [][2]int{{0, 1}, {3, 1}, {1, 0}, {-1, -1}} {
		if _, err := project.Complete([]byte("{}"), []byte("a\nb"), at[0], at[1], known); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%v: %v", at, err)
		}
	}
}

// FuzzComplete asks at any place of any text.
func FuzzComplete(f *testing.F) {
	examples, _ := filepath.Glob("../examples/*/sources/*.yaml")
	for _, name := range append(examples, "../examples/shop/millrace.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range 12 {
			f.Add(string(text), line+1, 3*line+1)
		}
	}
	f.Add("a: [{b: 'c\n- - d: \"\n", 2, 9)
	schemas, err := project.Schemas(completeKinds, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, line, column int) {
		for _, schema := range schemas {
			got, err := project.Complete(schema, []byte(text), line, column, known)
			if err != nil {
				continue
			}
			lines := strings.Split(strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff"), "\n")
			if n := utf8.RuneCountInString(lines[line-1]); got.From < 1 || got.From > got.To || got.From > column && got.From <= n || got.To > max(n, column)+1 {
				t.Fatalf("%q %d:%d: %d-%d", text, line, column, got.From, got.To)
			}
		}
	})
}
