package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

// TestAsWritten: what a plan tells is as it is written, so that it has the value of
// no secret, whole or in part.
func TestAsWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 380)
	web := func(origins, dedup, size string) string {
		return "kind: http\nwrite_keys: [web_2026]\ncors_origins: [" + origins + "]\ndedup: " + dedup + "\nlimits: {event_size: " + size + "}\n"
	}
	old := map[string]string{"millrace.yaml": "name: shop\ncollect: {limits: {batch_size: '${secret:large}'}}\n", "sources/app.yaml": "kind: http\nwrite_keys: [app_2026]\n",
		"sources/web.yaml": web("'https://${secret:hook_a}."+long+".example', 'https://a.example'", "'${secret:long}'", "'${secret:large}'")}
	next := map[string]string{"millrace.yaml": "name: shop\ncollect: {limits: {batch_size: '${secret:small}'}}\n", "sources/app.yaml": old["sources/app.yaml"],
		"sources/web.yaml": web("'https://a.example'", "'${secret:short}'", "'${secret:small}'")}
	gone, said := makePlan(t, old, next, "", busy), makePlan(t, map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n"}, old, "", busy)
	for name, p := range map[string]*Plan{"origins go": gone, "origins come": said} {
		encoded, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"CANARY", "secret_hook", "17d", "23d", "17KiB", "23KiB"} {
			if strings.Contains(string(encoded), value) {
				t.Errorf("%s: %s is told: %s", name, value, encoded)
			}
		}
		for _, kind := range []string{"origins", "window", "limit"} {
			if !slices.ContainsFunc(p.Effects, func(e Effect) bool { return e.Kind == kind && strings.Contains(e.Message, "${secret:") }) {
				t.Errorf("%s: no %s is told as it is written: %s", name, kind, encoded)
			}
		}
	}
}

// TestRefusedUses: what follows from secrets that who plans may not use is not told,
// but that they are used.
func TestRefusedUses(t *testing.T) {
	t.Parallel()
	old := map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n", "sources/ios.yaml": "kind: http\nwrite_keys: ['millrace_secret_hook_CANARY']\n"}
	next := map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\nwrite_keys: ['${secret:hook}', '${secret:nowhere}']\ndedup: '${secret:long}'\n", "sources/ios.yaml": "kind: http\nwrite_keys: [ios_2026]\n"}
	p, err := Make(t.Context(), Options{Old: of(t, old), New: of(t, next), Kinds: kinds, Project: options(""), Refused: func(_, next *tree.Tree) ([]project.SecretUse, func(string) bool) {
		uses := project.SecretUses(next.FS(), nil, kinds, options(""))
		return uses, func(string) bool { return true }
	}})
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, e := range p.Effects {
		switch e.Kind {
		case "secret":
			said++
			if e.Resource != "sources/web" || !strings.Contains(e.Message, "secret:use") {
				t.Errorf("%+v", e)
			}
		case "key_moved", "window":
			t.Errorf("what follows from a value is told: %+v", e)
		}
	}
	if said != 3 || p.Outcome == NoChange {
		t.Errorf("%d uses are told, %+v", said, p)
	}
}
