package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/project"
)

// TestOverrides: what stands in a file for some environments makes a change mean
// something else there than here, and the plan says so.
func TestOverrides(t *testing.T) {
	t.Parallel()
	const own = "kind: http\nwrite_keys: [web_1]\ndedup: 7d\nlimits: {rate: 10, depth: 5}\nenvironments:\n  staging:\n    write_keys: [stg_1]\n    limits: {rate: 1}\n"
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(own) }
	for name, c := range map[string]struct {
		next        string
		environment string
		fields      []string // that change
		says        []string // effects of overrides: severity, field and message
	}{
		"a change that an override hides": {change("[web_1]", "[web_1, web_2]"), "staging", nil,
			[]string{"careful write_keys: write_keys is changed in the file, but not in staging: what stands there under environments.staging holds instead."}},
		"a change that holds here and not there": {change("[web_1]", "[web_1, web_2]"), "production", []string{"write_keys"}, []string{"info environments: write_keys stays as before in staging, which has its own."}},
		"a change that holds everywhere":         {change("7d", "24h"), "production", []string{"dedup"}, nil},
		"a field beside one that is overridden":  {change("depth: 5", "depth: 6"), "staging", []string{"limits.depth"}, nil},
		"two that are hidden, one that is not": {change("[web_1]", "[web_2]", "rate: 10", "rate: 20", "7d", "24h"), "staging", []string{"dedup"},
			[]string{"careful write_keys: write_keys, limits.rate are changed in the file, but not in staging: what stands there under environments.staging holds instead."}},
		"an override that goes":        {change("    write_keys: [stg_1]\n", ""), "staging", []string{"write_keys"}, nil},
		"an override that comes there": {change("rate: 1}", "rate: 1}\n    dedup: 1d"), "production", nil, []string{"info environments: What the file says for staging changes: dedup."}},
		"an override that comes with the change": {change("7d", "24h", "rate: 1}", "rate: 1}\n    dedup: 7d"), "production", []string{"dedup"},
			[]string{"info environments: What the file says for staging changes: dedup. dedup stays as before in staging, which has its own."}},
		"an override that keeps what was": {change("7d", "24h", "rate: 1}", "rate: 1}\n    dedup: 7d"), "staging", nil,
			[]string{"careful dedup: dedup is changed in the file, but not in staging: what stands there under environments.staging holds instead."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := makePlan(t, files(map[string]string{"sources/web.yaml": own}), files(map[string]string{"sources/web.yaml": c.next}), c.environment, busy)
			var fields, says []string
			for _, r := range p.Resources {
				for _, f := range r.Fields {
					fields = append(fields, f.Path)
				}
			}
			for _, e := range p.Effects {
				if e.Kind == "hidden" || e.Kind == "other" {
					says = append(says, string(e.Severity)+" "+e.Field+": "+e.Message)
				}
			}
			if !slices.Equal(fields, c.fields) {
				t.Errorf("fields %v, want %v", fields, c.fields)
			}
			if !slices.Equal(says, c.says) {
				t.Errorf("effects\n%q, want\n%q", says, c.says)
			}
		})
	}
}

// TestOwnSettings: a server that was started without --env has its environment's
// fields of resources, and not its settings.
func TestOwnSettings(t *testing.T) {
	t.Parallel()
	o := Options{Old: of(t, files(nil)), New: of(t, files(map[string]string{"millrace.yaml": strings.Replace(config, "30d", "60d", 1)})), Kinds: kinds, Project: options(""), Facts: busy}
	o.Project.Own = "production"
	p, err := Make(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Environment != "production" || len(p.Effects) != 1 || !strings.Contains(p.Effects[0].Message, "started without --env") || !strings.Contains(p.Effects[0].Do, "--env production") {
		t.Errorf("%q: %+v", p.Environment, p.Effects)
	}
}

// TestTakenKeys: a key that another environment has is told before the deployment
// that would be refused for it.
func TestTakenKeys(t *testing.T) {
	t.Parallel()
	o := Options{New: of(t, files(nil)), Kinds: kinds, Project: options("staging"), Facts: busy, Holder: func(key string) (string, string, bool) {
		return "production", "shop", strings.HasPrefix(key, "web_")
	}}
	p, err := Make(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if e := p.Effects[0]; p.Outcome != WithBreaking || e.Kind != "key_taken" || e.Resource != "sources/web" || e.Field != "write_keys" ||
		e.Message != "Key web_2026 is one of source shop in production, and a key belongs to one environment: the deployment is refused." || !strings.Contains(e.Do, "environments.staging.write_keys") {
		t.Errorf("%s: %+v", p.Outcome, e)
	}
}

// TestNeedRestart: what a server takes up only when it is started again is told by
// its place in millrace.yaml.
func TestNeedRestart(t *testing.T) {
	t.Parallel()
	var old project.Settings
	next := old
	next.Log.Reserve, next.Log.Size, next.Catalog, next.Query.Rows, next.SMTP.Address = 1, 1, "sqlite", 5, "mail:25"
	next.Collect.Limits.Depth = 9
	if got, want := NeedRestart(old, next), []string{"log.reserve", "catalog", "collect.limits.depth", "query.rows"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := NeedRestart(next, next); len(got) > 0 {
		t.Errorf("%q of the same", got)
	}
}
