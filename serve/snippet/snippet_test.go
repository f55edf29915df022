package snippet

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

func TestAll(t *testing.T) {
	t.Parallel()
	all, err := All(Source{Name: "web", Key: "web_2026", Address: "https://collect.example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	want := "curl,browser,node,go,python,ruby"
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
		if strings.Contains(s.Code+s.Note, "WRITE_KEY") || strings.Contains(s.Code+s.Note, "ADDRESS") {
			t.Errorf("%s is not filled in: %s %s", s.ID, s.Code, s.Note)
		}
		if !strings.Contains(s.Code, "web_2026") || !strings.Contains(s.Code, "https://collect.example.com") {
			t.Errorf("%s lacks key or address: %s", s.ID, s.Code)
		}
	}
	if strings.Join(ids, ",") != want {
		t.Errorf("snippets %v", ids)
	}
	all, err = All(Source{Name: "stripe", Webhook: true, Key: "stripe_1", Address: "http://[::1]:8080"})
	if err != nil || all[0].Code != "http://[::1]:8080/v1/webhook/stripe?writeKey=stripe_1" || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	all, err = All(Source{Name: "github", Webhook: true, Header: "X-Hub-Signature-256", Prefix: "sha256=", Algorithm: "sha256", Address: "http://localhost"})
	if err != nil || len(all) != 2 || !strings.Contains(all[1].Code, "-sha256") || !strings.Contains(all[1].Code, `"X-Hub-Signature-256: sha256=$SIGNATURE"`) {
		t.Errorf("%+v, %v", all, err)
	}
	all, err = All(Source{Name: "slack", Webhook: true, Header: "X-Slack-Signature", Timestamped: true, Address: "http://localhost"})
	if err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// What is written into code is never more than a key and an address.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "x", "ftp://a", "http://", "http://a\"b", "http://a';rm -rf", "http://a b", "http://a/path", "http://a?q", "http://a#f",
		"http://u:p@a", "javascript:alert(1)", "http://a`id`", "http://$(id)", "http://a\nb", "http://a<script>"} {
		if all, err := All(Source{Name: "web", Key: "key", Address: address}); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q: %d, %v", address, len(all), err)
		}
	}
	for _, key := range []string{"a b", "a\"", "a'", "$(id)", "a\n", "`"} {
		if _, err := All(Source{Name: "web", Key: key, Address: "http://localhost"}); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("key %q: %v", key, err)
		}
	}
}
