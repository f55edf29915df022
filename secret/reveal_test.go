package secret_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/secret"
)

// testRevealInAnEnvironment: who may see values in one environment sees those
// of that one, and no value that production has as well.
func testRevealInAnEnvironment(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	staging := secret.Who{Actor: ann, Allow: func(permission, _, environment string) error {
		if environment == "e_staging" {
			return nil
		}
		return millrace.Errorf(millrace.Forbidden, "this needs the permission %s in all environments", permission)
	}}
	p.put(t, "", "key", canary+"1")
	p.put(t, "", "key", canary)
	before := len(told(t, p.c, "secret.reveal"))
	for _, text := range []string{"key", "key#1", "key#2"} {
		wantKind(t, errOf(p.vault.Reveal(t.Context(), ref("", text), staging)), millrace.Forbidden, "secret:reveal in all environments")
		wantKind(t, errOf(p.vault.Reveal(t.Context(), ref("e_staging", text), staging)), millrace.Forbidden, "the secret key", "one of all environments", "secret:reveal in all environments")
	}
	wantKind(t, errOf(p.vault.Reveal(t.Context(), ref("e_staging", "other"), staging)), millrace.NotFound, "not set")
	if n := len(told(t, p.c, "secret.reveal")); n != before {
		t.Errorf("%d values were revealed", n-before)
	}
	if v, err := p.vault.Reveal(t.Context(), ref("e_staging", "key"), owner); err != nil || v.Reveal() != canary {
		t.Errorf("who may in all of them: %v", err)
	}
	p.put(t, "e_staging", "key", "canary-of-staging")
	if v, err := p.vault.Reveal(t.Context(), ref("e_staging", "key"), staging); err != nil || v.Reveal() != "canary-of-staging" {
		t.Errorf("the one of staging: %v", err)
	}
	if err := p.vault.Delete(t.Context(), "w_a", "e_staging", "key", owner); err != nil {
		t.Fatal(err)
	}
	wantKind(t, errOf(p.vault.Reveal(t.Context(), ref("e_staging", "key"), staging)), millrace.Forbidden, "one of all environments")
	if v, err := p.vault.Use(t.Context(), ref("e_staging", "key"), hook); err != nil || v.Reveal() != canary {
		t.Errorf("what runs there uses it: %v", err)
	}
}

// told are the entries of an action.
func told(t testing.TB, c catalog.Catalog, action string) (found []string) {
	t.Helper()
	all, _ := actions(t, c)
	for _, a := range all {
		if strings.HasPrefix(a, action) {
			found = append(found, a)
		}
	}
	return found
}
