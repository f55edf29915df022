package secret_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
)

func expand(text string) (string, error) {
	return secret.Expand(text, func(r secret.Reference) (string, error) { return "<" + r.String() + ">", nil })
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "plain": "plain", "$": "$", "$$": "$$", "{}": "{}",
		"${secret:a}": "<a>", "x${secret:a_1}y${secret:b}": "x<a_1>y<b>",
		"${secret:stripe/live_key}": "<stripe/live_key>", "${secret:stripe/live_key#12}": "<stripe/live_key#12>",
		"$${secret:a}": "${secret:a}", "$$${secret:a}": "$${secret:a}", "${{ x }}": "${{ x }}", "${{ '${secret:a}' }}": "${{ '<a>' }}",
		"a$${b": "a${b",
	} {
		if got, err := expand(text); got != want || err != nil {
			t.Errorf("%s: %s, want %s: %v", text, got, want, err)
		}
	}
	for _, text := range []string{
		"${", "${}", "${secret:}", "${secret:A}", "${secret:a", "${env:a}", "${secret:a/}", "${secret:/a}", "${secret:a//b}", "${secret:a#}", "${secret:a#0}",
		"${secret:a#01}", "${secret:a#-1}", "${secret:a#1#2}", "${secret:a#9999999999}", "${secret:a.b}", "${secret:../a}", "${ secret:a}", "${secret:a b}",
		"${secret:" + strings.Repeat("a", 64) + "}", "${secret:a" + strings.Repeat("/a", 8) + "}", "${secret:1a}",
	} {
		if got, err := expand(text); millrace.KindOf(err) != millrace.Invalid || err == nil || len(err.Error()) > 300 {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	all, err := secret.References("${secret:a} ${secret:b#2} $${secret:c}")
	if err != nil || fmt.Sprint(all) != "[a b#2]" {
		t.Errorf("%v, %v", all, err)
	}
}

func FuzzExpand(f *testing.F) {
	for _, text := range []string{"", "${secret:a}", "$${secret:a}", "${{ x }}", "${secret:a/b#3}", "$$$${", "${secret:\xff}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := expand(text)
		if err != nil {
			if millrace.KindOf(err) != millrace.Invalid || len(err.Error()) > 400 {
				t.Error(err)
			}
			return
		}
		if !strings.Contains(text, "${") && out != text {
			t.Errorf("%q became %q", text, out)
		}
		all, err := secret.References(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if again, err := secret.ParseReference(r.String()); err != nil || again != r || secret.CheckPath(r.Path) != nil {
				t.Errorf("%v: %v, %v", r, again, err)
			}
		}
	})
}

func TestUses(t *testing.T) {
	t.Parallel()
	for pattern, test := range map[string]struct{ yes, no string }{
		"api.stripe.com":    {"api.stripe.com API.Stripe.com. api.stripe.com:443 api.stripe.com:8443", "stripe.com x.api.stripe.com api.stripe.com.evil.com evilapi.stripe.com"},
		"db.internal:5432":  {"db.internal:5432", "db.internal db.internal:5433"},
		"*.example.com":     {"a.example.com a.b.example.com:1", "example.com evilexample.com a.example.com.evil.org"},
		"*.example.com:443": {"a.example.com:443", "a.example.com a.example.com:444"},
		"10.0.0.1":          {"10.0.0.1 10.0.0.1:80", "10.0.0.10 110.0.0.1"},
		"[2001:db8::1]:443": {"[2001:DB8:0::1]:443", "[2001:db8::1] [2001:db8::2]:443"},
		"2001:db8::1":       {"2001:db8::1 [2001:db8::1]:9", "2001:db8::2"},
		"localhost":         {"localhost:80", "localhost.evil.com"},
	} {
		for want, hosts := range map[bool]string{true: test.yes, false: test.no} {
			for host := range strings.FieldsSeq(hosts) {
				if got := secret.Allows(secret.Uses{Resources: []string{"warehouse"}, Hosts: []string{pattern}}, secret.By{Resource: "warehouse", Host: host}) == nil; got != want {
					t.Errorf("%s allows %s: %v", pattern, host, got)
				}
			}
		}
	}
	for pattern, test := range map[string]struct{ yes, no string }{
		"destinations/hook": {"destinations/hook", "destinations/hook2 destinations sources/hook"},
		"sources/*":         {"sources/a sources/b-1.x", "sources destinations/sources source/s"},
		"warehouse":         {"warehouse", "warehouse/x"},
		"*":                 {"warehouse sources/a", ""},
	} {
		for want, resources := range map[bool]string{true: test.yes, false: test.no} {
			for resource := range strings.FieldsSeq(resources) {
				if got := secret.Allows(secret.Uses{Resources: []string{pattern}}, secret.By{Resource: resource, Inside: true}) == nil; got != want {
					t.Errorf("%s allows %s: %v", pattern, resource, got)
				}
			}
		}
	}
	for _, by := range []secret.By{{}, {Resource: "*", Inside: true}, {Resource: "sources/*", Inside: true}, {Resource: "warehouse"}, {Resource: "warehouse", Host: "*.example.com"},
		{Resource: "warehouse", Host: "a b"}, {Resource: "warehouse", Host: "api.stripe.com@evil.com"}, {Resource: "warehouse", Host: "http://api.stripe.com"},
		{Resource: "warehouse", Host: "api.stripe.com:"}, {Resource: "warehouse", Host: "api.stripe.com:0"}, {Resource: "warehouse", Host: "аpi.stripe.com"}} {
		if secret.Allows(secret.Uses{Resources: []string{"*"}, Hosts: []string{"api.stripe.com", "*.example.com"}}, by) == nil {
			t.Errorf("%+v is allowed", by)
		}
	}
	got, err := secret.Normal(secret.Uses{Resources: []string{"sources/*", "destinations/a", "sources/*"}, Hosts: []string{"*.B.com", "a.com.", "A.com"}})
	if err != nil || !slices.Equal(got.Resources, []string{"destinations/a", "sources/*"}) || !slices.Equal(got.Hosts, []string{"*.b.com", "a.com"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, u := range []secret.Uses{
		{Resources: []string{""}}, {Resources: []string{"**"}}, {Resources: []string{"a/b/c"}}, {Resources: []string{"A"}}, {Resources: []string{"*/a"}},
		{Hosts: []string{""}}, {Hosts: []string{"*"}}, {Hosts: []string{"*.com"}}, {Hosts: []string{"a.*.com"}}, {Hosts: []string{"*.10.0.0.1"}}, {Hosts: []string{"http://a.com"}},
		{Hosts: []string{"a.com/x"}}, {Hosts: []string{"a.com:99999"}}, {Hosts: []string{"a..com"}}, {Hosts: make([]string, 101)},
	} {
		if got, err := secret.Normal(u); err == nil {
			t.Errorf("%+v is %+v", u, got)
		}
	}
}

func FuzzUses(f *testing.F) {
	f.Add("api.stripe.com", "api.stripe.com:443")
	f.Add("*.example.com:1", "a.example.com")
	f.Add("[::1]:2", "[::1]:2")
	f.Fuzz(func(t *testing.T, pattern, host string) {
		u, err := secret.Normal(secret.Uses{Resources: []string{"*"}, Hosts: []string{pattern}})
		if err != nil {
			return
		}
		if again, err := secret.Normal(u); err != nil || !slices.Equal(again.Hosts, u.Hosts) {
			t.Errorf("%q: %q, %v", pattern, again.Hosts, err)
		}
		if err := secret.Allows(u, secret.By{Resource: "warehouse", Host: host}); err == nil && strings.ContainsAny(host, "@/\\ *?#") {
			t.Errorf("%q allows %q", pattern, host)
		}
	})
}
