package project

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
)

// A fakeVault has values, and those who may use them.
type fakeVault struct {
	values map[string]string
	may    []string // "path resource host"
	asked  []string
}

func (v *fakeVault) Peek(ref secret.Reference) (secret.Value, error) {
	text, ok := v.values[ref.String()]
	if !ok {
		return secret.Value{}, millrace.Errorf(millrace.NotFound, "not in the vault")
	}
	return secret.NewValue(text), nil
}

func (v *fakeVault) Use(ref secret.Reference, by secret.By) error {
	use := strings.TrimSpace(fmt.Sprint(ref.Path, " ", by.Resource, " ", by.Host))
	v.asked = append(v.asked, use)
	for _, may := range v.may {
		if may == use {
			return nil
		}
	}
	return millrace.Errorf(millrace.Forbidden, "%s may not", use)
}

// TestSecretsOfTheVault: who uses a secret, and where it would be sent, is told
// to the vault; where it would be shown it may not stand.
func TestSecretsOfTheVault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config, source, may string
		want                string // in the problem; empty: none
	}{
		"a signature":            {"name: shop\n", "token: ${secret:hook/key}\n", "hook/key sources/web", ""},
		"a version":              {"name: shop\n", "token: ${secret:hook/key#1}\n", "hook/key sources/web", ""},
		"not allowed":            {"name: shop\n", "token: ${secret:hook/key}\n", "", "sources/web.yaml:3:8: token: hook/key sources/web may not"},
		"shown":                  {"name: shop\n", "write_keys: [x, '${secret:hook/key}']\n", "hook/key sources/web", "would see it"},
		"an address":             {"name: shop\nwarehouse: ${secret:url}\n", "", "url warehouse db.example:5433", ""},
		"a password":             {"name: shop\nwarehouse: postgres://u:${secret:hook/key}@db.example/x\n", "", "hook/key warehouse db.example:5432", ""},
		"to a host of one's own": {"name: shop\nwarehouse: postgres://u:${secret:hook/key}@evil.example/x\n", "", "hook/key warehouse db.example:5432", "hook/key warehouse evil.example:5432 may not"},
		"to two hosts":           {"name: shop\nwarehouse: 'postgres://u:${secret:hook/key}@db.example,evil.example/x'\n", "", "hook/key warehouse db.example:5432", "evil.example:5432 may not"},
		"behind the question":    {"name: shop\nwarehouse: postgres://u:${secret:hook/key}@db.example/x?host=evil.example\n", "", "hook/key warehouse db.example:5432", "to which host it would be sent"},
		"of queries":             {"name: shop\nquery: {login: 'postgres://u:${secret:hook/key}@db.example/x'}\n", "", "hook/key warehouse db.example:5432", ""},
		"an endpoint":            {"name: shop\narchive: 's3://b${secret:hook/key}/x?region=r&endpoint=https://evil.example'\n", "", "hook/key archive s3.amazonaws.com", "hook/key archive evil.example may not"},
		"of mail":                {mailing("mail.example:587"), "", "hook/key smtp mail.example:587", ""},
		"of mail, elsewhere":     {mailing("evil.example:587"), "", "hook/key smtp mail.example:587", "smtp.password: hook/key smtp evil.example:587 may not"},
		"before the vault":       {"name: shop\ncatalog: postgres://u:${secret:hook/key}@db.example/x\n", "", "hook/key catalog db.example:5432", "secret hook/key is not set"},
		"not there":              {"name: shop\n", "token: ${secret:nothing}\n", "", "sources/web.yaml:3:8: token: secret nothing is not set: set it with millrace secret set nothing, or set the environment variable MILLRACE_SECRET_NOTHING"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vault := &fakeVault{values: map[string]string{"hook/key": "canary-77", "hook/key#1": "canary-76", "url": "postgres://u:canary-78@db.example:5433/x"}, may: []string{test.may}}
			fsys := files("millrace.yaml", test.config, "sources/web.yaml", "kind: http\n"+strings.Repeat("write_keys: [k]\n", 1-strings.Count(test.source, "write_keys"))+test.source)
			options := Options{Secrets: Secrets{Vault: vault, Getenv: func(string) (string, bool) { return "", false }}}
			p, err := Load(fsys, testKinds, options)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want == "" && (len(p.Secrets) != 1 || !p.Secrets[0].InVault):
				t.Errorf("uses %+v", p.Secrets)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v; want %s", err, test.want)
			case err != nil && strings.Contains(err.Error(), "canary"):
				t.Errorf("the problem shows a value: %v", err)
			}
			asked := len(vault.asked)
			uses := SecretUses(fsys, nil, testKinds, options)
			if len(uses) != 1 && name != "not there" && name != "before the vault" || len(vault.asked) != asked {
				t.Errorf("%d uses %+v, %q", len(uses), uses, vault.asked)
			}
		})
	}
}

func mailing(address string) string {
	return "name: shop\ncollect: {public_url: 'https://events.example'}\nsmtp:\n  address: " + address + "\n  from: a@b.example\n  user: u\n  password: ${secret:hook/key}\n"
}

// TestMailOfAnEnvironment: the password for mail is of the server that holds in
// the environment.
func TestMailOfAnEnvironment(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		over string
		want []string // that the vault was asked
	}{
		"nothing":  {"query: {rows: 7}", []string{"hook/key smtp mail.example:587"}},
		"a server": {"smtp: {address: 'evil.example:25'}", []string{"hook/key smtp evil.example:25"}},
		"both":     {"smtp: {address: 'evil.example:25', password: '${secret:other}'}", []string{"hook/key smtp mail.example:587", "other smtp evil.example:25"}},
	} {
		vault := &fakeVault{values: map[string]string{"hook/key": "canary-77", "other": "canary-78"}, may: test.want}
		_, err := Load(files("millrace.yaml", mailing("mail.example:587")+"environments: {staging: {"+test.over+"}}\n"), testKinds, Options{Environment: "staging", Secrets: Secrets{Vault: vault}})
		if err != nil || !slices.Equal(vault.asked, test.want) {
			t.Errorf("%s: %q, %v", name, vault.asked, err)
		}
	}
}

// TestSecretHosts: a host that a secret stands in is not told to who may not see
// the secret, not even in part or in other letters.
func TestSecretHosts(t *testing.T) {
	t.Parallel()
	for address, hidden := range map[string]bool{
		"postgres://u:${secret:pass}@db.example/x":                   false,
		"postgres://u@db.example/${secret:pass}":                     false,
		"postgres://u@${secret:pass}/x":                              true,
		"postgres://u@db.example,${secret:pass}/x":                   true,
		"postgres://u@db.example:${secret:port}/x":                   true,
		"s3://b/x?region=r&endpoint=https://${secret:pass}":          true,
		"${secret:whole}":                                            false,
		"${secret:whole#1}":                                          false,
		"postgres://${secret:pass}:${secret:pass}@db.example:5432/x": false,
	} {
		vault := &fakeVault{values: map[string]string{"pass": "Canary,77", "port": "5433", "whole": "postgres://u:p@db.example/x", "whole#1": "postgres://u:p@db.example/x"}}
		field := "warehouse"
		if strings.HasPrefix(address, "s3:") {
			field = "archive"
		}
		uses := SecretUses(files("millrace.yaml", "name: shop\n"+field+": '"+address+"'\n"), nil, testKinds, Options{Secrets: Secrets{Vault: vault}})
		if len(uses) == 0 || len(uses[0].By()) == 0 || uses[0].By()[0].Hidden != hidden {
			t.Errorf("%s: %+v", address, uses)
		}
	}
}

// TestSecretsInProblems: what is wrong with a field that has a secret in it does not
// show the value, however long it is or whatever is in it.
func TestSecretsInProblems(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"CANARY-" + strings.Repeat("0123456789", 20), `CANARY"\x`, "CANARY and more"} {
		options := Options{Secrets: Secrets{Getenv: func(string) (string, bool) { return value, true }}}
		for field, yaml := range map[string]string{"name": "name: '${secret:a}'\n", "collect.public_url": plain + "collect: {public_url: '${secret:a}'}\n", "audit_retention": plain + "audit_retention: '${secret:a}'\n",
			"archive":                    plain + "archive: 's3://b?${secret:a}=1'\n",
			"collect.trusted_proxies[0]": plain + "collect: {trusted_proxies: ['${secret:a}']}\n",
			"smtp":                       plain + "collect: {public_url: 'https://e.example'}\nsmtp: {address: '${secret:a}', from: a@b.example}\n"} {
			_, err := Load(files("millrace.yaml", yaml), testKinds, options)
			if err == nil || strings.Contains(err.Error(), "CANARY") || !strings.Contains(err.Error(), " "+field+":") || !strings.Contains(err.Error(), ": is not right") && !strings.Contains(err.Error(), "[secret]") {
				t.Errorf("%s: %v", field, err)
			}
		}
	}
}

// TestMissingElsewhere: who lacks a secret in another environment is not led to set
// this one's.
func TestMissingElsewhere(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{true, false} {
		s := Secrets{Vault: &fakeVault{}, Getenv: func(string) (string, bool) { return "", false }, NoPlain: !plain, Address: "acme@staging"}
		_, _, err := s.Lookup(secret.Reference{Path: "key"})
		if err == nil || !strings.Contains(err.Error(), "millrace secret set key --workspace acme@staging") {
			t.Errorf("plain %v: %v", plain, err)
		}
	}
}

// TestSecretUsesOfMistakes: what cannot be read as it should hides no use.
func TestSecretUsesOfMistakes(t *testing.T) {
	t.Parallel()
	options := Options{Secrets: Secrets{Getenv: func(string) (string, bool) { return "value", true }}}
	for name, text := range map[string]string{
		"no YAML":       "kind: [\n token: ${secret:stolen}\n",
		"unknown kind":  "kind: nothing\ntoken: ${secret:stolen}\n",
		"unknown field": "kind: http\nwrite_keys: [k]\nelsewhere: ${secret:stolen}\n",
		"alone":         "kind: http\nwrite_keys: [k]\ntoken: ${secret:stolen}\n",
	} {
		uses := SecretUses(files("millrace.yaml", plain), map[string][]byte{"sources/web.yaml": []byte(text)}, testKinds, options)
		if len(uses) != 1 || uses[0].Path != "stolen" || uses[0].Resource != "sources/web" {
			t.Errorf("%s: %+v", name, uses)
		}
	}
}

// TestAmong: a use is another when its secret would be seen or sent elsewhere.
func TestAmong(t *testing.T) {
	t.Parallel()
	use := func(resource, place, field string, hosts ...string) SecretUse {
		return SecretUse{Reference: secret.Reference{Path: "a"}, Resource: resource, Place: place, Field: field, Hosts: hosts}
	}
	runs := []SecretUse{use("sources/a", SecretInside, "x"), use("warehouse", SecretSent, "y", "h1", "h2"), use("sources/b", SecretAnywhere, ""), use("sources/c", SecretShown, "name")}
	for name, test := range map[string]struct {
		use  SecretUse
		want bool
	}{
		"the same":              {use("sources/a", SecretInside, "elsewhere"), true},
		"of another":            {use("sources/d", SecretInside, "x"), false},
		"shown":                 {use("sources/a", SecretShown, "x"), false},
		"one of the hosts":      {use("warehouse", SecretSent, "y", "h2"), true},
		"another host":          {use("warehouse", SecretSent, "y", "h1", "h3"), false},
		"no host that is known": {use("warehouse", SecretSent, "y"), false},
		"broken":                {use("sources/a", SecretAnywhere, ""), true},
		"mended":                {use("sources/b", SecretShown, "x"), false},
		"shown elsewhere":       {use("sources/c", SecretShown, "write_keys[0]"), false},
	} {
		if got := test.use.Among(runs); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
