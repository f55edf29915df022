package secret_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
)

// TestRedactors: a workspace's values are hidden from itself and in what only who
// runs the server sees; those of who runs the server from everybody.
func TestRedactors(t *testing.T) {
	t.Parallel()
	var r secret.Redactors
	r.Add("w_a", secret.NewValue("value-of-a"))
	r.Add(millrace.DefaultWorkspace, secret.NewValue("value-of-default"))
	r.Own().Add(secret.NewValue("value-of-own"))
	const text = "value-of-a value-of-default value-of-own value-of-b"
	for workspace, want := range map[string]string{
		"":                        "value-of-a value-of-default [secret] value-of-b",
		millrace.DefaultWorkspace: "value-of-a [secret] [secret] value-of-b",
		"w_a":                     "[secret] value-of-default [secret] value-of-b",
		"w_b":                     "value-of-a value-of-default [secret] value-of-b",
	} {
		if got := r.String(workspace, text); got != want {
			t.Errorf("told to %q: %s, want %s", workspace, got, want)
		}
	}
	if got := r.All().String(text); got != "[secret] [secret] [secret] value-of-b" {
		t.Errorf("in the log: %s", got)
	}
	r.Expire(time.Now().Add(time.Second))
	if got := r.String("w_a", text) + r.All().String(text); got != text+text {
		t.Errorf("after all expired: %s", got)
	}
	r.Own().Add(secret.NewValue("value-of-own"))
	if got := r.String("w_a", "value-of-own") + r.All().String("value-of-own"); got != "[secret][secret]" {
		t.Errorf("added again: %s", got)
	}
}
