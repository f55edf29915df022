package project

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

const (
	twoEnvironments = "name: shop\nenvironments:\n  production:\n  staging: {query: {rows: 5}}\n"
	overriding      = `kind: http
write_keys: [live_2026]
types: {order.total: double}
limits: {depth: 5, rate: 10}
token: ${secret:nobody_set_this}
environments:
  staging:
    write_keys: [stg_2026]
    types: {order.tax: double}
    limits: {rate: 1}
    token: ${secret:short}
    browser:
`
)

// TestOverrides: what a file says for an environment holds there alone, and the
// secrets of what it replaces are not looked for.
func TestOverrides(t *testing.T) {
	t.Parallel()
	fsys := files("millrace.yaml", twoEnvironments, "sources/web.yaml", overriding, "sources/ios.yaml", "kind: http\nwrite_keys: [ios_1]\n")
	for _, options := range []Options{{Environment: "staging"}, {Own: "staging"}, {Environment: "staging", Own: "production", MayLack: true}} {
		options.Secrets = testOptions().Secrets
		p, err := Load(fsys, testKinds, options)
		if err != nil {
			t.Fatal(err)
		}
		web, ios := p.In("sources")[1], p.In("sources")[0]
		c := web.Config.(*httpSource)
		if !slices.Equal(c.WriteKeys, []string{"stg_2026"}) || len(c.Types) != 2 || c.Limits.Depth != 5 || c.Limits.Rate != 1 || c.Token.Reveal() != "pass77" || c.Kind != "http" {
			t.Errorf("staging: %+v", c)
		}
		if !slices.Equal(web.Path("write_keys"), []string{"environments", "staging", "write_keys"}) || !slices.Equal(web.Path("dedup"), []string{"dedup"}) ||
			!slices.Equal(web.Path("browser"), []string{"browser"}) || !slices.Equal(ios.Path("write_keys"), []string{"write_keys"}) {
			t.Errorf("paths: %v %v", web.Overridden, ios.Overridden)
		}
		if len(p.Secrets) != 1 || p.Secrets[0].Path != "short" || p.Secrets[0].Line != 11 || p.Secrets[0].Place != SecretInside || p.Secrets[0].Resource != "sources/web" {
			t.Errorf("secrets: %+v", p.Secrets)
		}
	}
	options := testOptions()
	options.Environment, options.Secrets.Later = "production", true
	p, err := Load(fsys, testKinds, options)
	if err != nil {
		t.Fatal(err)
	}
	web := p.In("sources")[1]
	if c := web.Config.(*httpSource); !slices.Equal(c.WriteKeys, []string{"live_2026"}) || len(c.Types) != 1 || c.Limits.Rate != 10 || !reflect.DeepEqual(web.Path("write_keys"), []string{"write_keys"}) {
		t.Errorf("production: %+v", c)
	}
	if len(p.Secrets) != 1 || p.Secrets[0].Path != "nobody_set_this" {
		t.Errorf("secrets: %+v", p.Secrets)
	}
	// An environment that millrace.yaml does not name has no overrides.
	options = Options{Environment: "e2e", MayLack: true, Secrets: options.Secrets}
	if p, err = Load(fsys, testKinds, options); err != nil || p.In("sources")[1].Config.(*httpSource).WriteKeys[0] != "live_2026" {
		t.Errorf("%v", err)
	}
}

// TestOverridesAreChecked: those of every environment are, wherever the project runs.
func TestOverridesAreChecked(t *testing.T) {
	t.Parallel()
	const head = "kind: http\nwrite_keys: [web_1]\nenvironments:\n"
	for name, c := range map[string]struct{ web, other, want string }{
		"unknown environment": {head + "  stagin: {browser: true}\n", "", "sources/web.yaml:4:3: environments.stagin: millrace.yaml names no environment stagin under environments; did you mean staging?"},
		"far environment":     {head + "  e2e:\n", "", "sources/web.yaml:4:3: environments.e2e: millrace.yaml names no environment e2e under environments; known: production, staging"},
		"unknown field":       {head + "  staging: {write_kys: [a]}\n", "", "sources/web.yaml:4:13: environments.staging.write_kys: unknown field; did you mean write_keys?"},
		"a wrong value":       {head + "  staging:\n    dedup: x\n", "", "sources/web.yaml:5:12: environments.staging.dedup: \"x\" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d"},
		"out of range":        {head + "  staging:\n    limits:\n      event_size: 2MiB\n", "", "sources/web.yaml:6:7: environments.staging.limits.event_size: 2MiB is too large: at most 1MiB"},
		"nothing left":        {head + "  staging: {write_keys: []}\n", "", "sources/web.yaml:4:13: environments.staging.write_keys: is missing: add a key, such as [web_2026]"},
		"the kind":            {head + "  staging: {kind: webhook}\n", "", "sources/web.yaml:4:13: environments.staging.kind: a resource is of one kind in all environments: make another file for another kind"},
		"nested":              {head + "  staging: {environments: {}}\n", "", "sources/web.yaml:4:13: environments.staging.environments: unknown field; known:"},
		"a list":              {head + "  - staging\n", "", "sources/web.yaml:4:3: environments: wants a mapping of environments to fields, not a list"},
		"text":                {head + "  staging: yes please\n", "", "sources/web.yaml:4:12: environments.staging: wants a mapping of fields to values, not text"},
		"a secret in clear":   {head + "  staging: {token: hunter2hunter2}\n", "", "sources/web.yaml:4:20: environments.staging.token: the secret is written out"},
		"under an override":   {"kind: http\nwrite_keys: 5\nenvironments: {staging: {write_keys: [stg_1]}}\n", "", "sources/web.yaml:2:13: write_keys: wants a list"},
		"a key of another":    {head + "  staging: {write_keys: [ios_s]}\n", "kind: http\nwrite_keys: [ios_1]\nenvironments: {staging: {write_keys: [ios_s]}}\n", "sources/web.yaml:4:26: environments.staging.write_keys[0]: sources/ios.yaml:3 already has this write key"},
		"a key of another's":  {head + "  staging: {write_keys: [ios_1]}\n", "kind: http\nwrite_keys: [ios_1]\n", "sources/web.yaml:4:26: environments.staging.write_keys[0]: sources/ios.yaml:2 already has this write key"},
		"the same in all":     {head + "  staging: {browser: true}\n", "kind: http\nwrite_keys: [web_1]\n", "sources/web.yaml:2:14: write_keys[0]: sources/ios.yaml:2 already has this write key"},
		"keys change sides":   {head + "  staging: {write_keys: [ios_1]}\n", "kind: http\nwrite_keys: [ios_1]\nenvironments: {staging: {write_keys: [web_1]}}\n", ""},
		"a reference":         {head + "  staging:\n", "kind: webhook\nfrom: [web]\nenvironments: {staging: {from: [wep]}}\n", "sources/ios.yaml:3:33: environments.staging.from[0]: there is no sources/wep.yaml; did you mean web?"},
	} {
		for _, environment := range []string{"", "staging", "production"} {
			if environment == "" && c.web != "" && strings.Contains(c.web, "write_keys: 5") {
				continue // then there is nothing over it, and more is said
			}
			o := testOptions()
			o.Environment = environment
			fsys := files("millrace.yaml", twoEnvironments, "sources/web.yaml", c.web)
			if c.other != "" {
				fsys["sources/ios.yaml"] = files("x", c.other)["x"]
			}
			_, err := Load(fsys, testKinds, o)
			if c.want == "" && err == nil {
				continue
			}
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || c.want == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, in %q: %v\nwant %s", name, environment, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is shown: %v", err)
			}
		}
	}
}

// TestOverridesOfMany: aliases in overrides do not make a bomb.
func TestOverridesOfMany(t *testing.T) {
	t.Parallel()
	bomb := "a: &a {x: {}, y: {}}\nb: &b {p: *a, q: *a, r: *a, s: *a, t: *a, u: *a, v: *a, w: *a}\n"
	last := "b"
	for _, next := range []string{"c", "d", "e", "f", "g", "h"} {
		bomb += next + ": &" + next + " {p: *" + last + ", q: *" + last + ", r: *" + last + ", s: *" + last + ", t: *" + last + ", u: *" + last + ", v: *" + last + ", w: *" + last + "}\n"
		last = next
	}
	_, err := Load(files("millrace.yaml", twoEnvironments, "sources/web.yaml", "kind: http\nwrite_keys: [a]\n"+bomb+"limits: *h\nenvironments: {staging: {limits: *h}, production: {limits: *g}}\n"), testKinds, Options{Environment: "staging"})
	if err == nil {
		t.Error("it is taken")
	}
}
