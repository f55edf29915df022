package serve

import (
	"strings"
	"sync/atomic"
	"testing"
)

// TestSecrets goes through what can be done with a secret, and who may.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const canary = "canary-1f8a6c0e9b"
	o := newWorld().guarded(t)
	var changes atomic.Int64
	o.SecretChanged = func(workspace string) {
		if workspace == "default" {
			changes.Add(1)
		}
	}
	s := start(t, o)
	_, editor := makeKey(t, s.URL, `{"name":"edits","role":"editor"}`)
	_, setter := makeKey(t, s.URL, `{"name":"sets","permissions":["secret:set","secret:list"]}`)
	_, here := makeKey(t, s.URL, `{"name":"admin here","role":"admin"}`)
	const named = `"path":"stripe/live_key"`
	for _, step := range []struct {
		what, key, method, path, body string
		status                        int
		says                          string
	}{
		{"an editor sets none", editor, "PUT", "", `{` + named + `,"value":"` + canary + `"}`, 403, "secret:set"},
		{"there is none to rotate", "", "PUT", "", `{` + named + `,"value":"` + canary + `","existing":true}`, 404, "there is no secret"},
		{"set", setter, "PUT", "", `{` + named + `,"value":"` + canary + `"}`, 200, `"version":1`},
		{"a new use needs more", setter, "PUT", "", `{` + named + `,"value":"` + canary + `","resources":["sources/github"]}`, 403, "secret:use"},
		{"and so by itself", setter, "POST", "/uses", `{` + named + `,"resources":["sources/github"],"hosts":[]}`, 403, "secret:use"},
		{"with a use", "", "PUT", "", `{` + named + `,"value":"` + canary + `2","resources":["sources/github"]}`, 200, `"version":2`},
		{"another host beside", "", "POST", "/uses", `{` + named + `,"resources":[],"hosts":["api.stripe.com"],"add":true}`, 204, ""},
		{"less is not more", setter, "POST", "/uses", `{` + named + `,"resources":["sources/github"],"hosts":[]}`, 204, ""},
		{"no host", "", "POST", "/uses", `{` + named + `,"resources":[],"hosts":["https://x/"]}`, 400, "is no host"},
		{"list", editor, "GET", "", "", 200, `"resources":["sources/github"],"hosts":[]`},
		{"history", editor, "GET", "/history?path=stripe/live_key", "", 200, `"version":2`},
		{"history of none", editor, "GET", "/history?path=nothing", "", 404, "there is no secret"},
		{"reveal is not for editors", editor, "POST", "/reveal", `{` + named + `}`, 403, "secret:reveal"},
		{"nor for who sets", setter, "POST", "/reveal", `{` + named + `}`, 403, "secret:reveal"},
		{"reveal", "", "POST", "/reveal", `{` + named + `}`, 200, `"value":"` + canary + `2"`},
		{"reveal an old one", "", "POST", "/reveal", `{` + named + `,"version":1}`, 200, `"value":"` + canary + `"`},
		{"roll back", setter, "POST", "/rollback", `{` + named + `,"version":1}`, 204, ""},
		{"to none", setter, "POST", "/rollback", `{` + named + `,"version":7}`, 404, "no version 7"},
		{"destroy", setter, "POST", "/destroy-version", `{` + named + `,"version":2}`, 204, ""},
		{"not the current one", setter, "POST", "/destroy-version", `{` + named + `,"version":1}`, 409, "current"},
		{"delete", setter, "DELETE", "?path=stripe/live_key", "", 204, ""},
		{"it is gone", "", "POST", "/reveal", `{` + named + `}`, 404, "deleted"},
		{"restore", setter, "POST", "/restore", `{` + named + `}`, 204, ""},
		{"of all environments needs all of them", setter, "PUT", "", `{` + named + `,"value":"` + canary + `","all_environments":true}`, 403, "in all environments"},
		{"of all environments", "", "PUT", "", `{` + named + `,"value":"` + canary + `","all_environments":true}`, 200, `"version":1`},
		{"of all environments alone", "", "PUT", "", `{"path":"everywhere","value":"` + canary + `","all_environments":true}`, 200, `"version":1`},
		{"its value needs all of them", here, "POST", "/reveal", `{"path":"everywhere","all_environments":true}`, 403, "secret:reveal in all environments"},
		{"wherever it is asked for", here, "POST", "/reveal", `{"path":"everywhere"}`, 403, "secret:reveal in all environments"},
		{"and whichever version", here, "POST", "/reveal", `{"path":"everywhere","version":1}`, 403, "is one of all environments"},
		{"reveal the environment's own", here, "POST", "/reveal", `{` + named + `}`, 200, canary},
		{"a new key needs all too", setter, "POST", "/rekey", ``, 403, "in all environments"},
		{"a new key for the workspace", "", "POST", "/rekey", ``, 200, `"values":3`},
		{"a value that is none", "", "PUT", "", `{` + named + `,"value":[1,"` + canary + `"]}`, 422, "value"},
		{"no path", "", "PUT", "", `{"path":"No Path","value":"` + canary + `"}`, 400, "is no path"},
		{"empty", "", "PUT", "", `{` + named + `,"value":""}`, 400, "is empty"},
		{"too long", "", "PUT", "", `{` + named + `,"value":"` + strings.Repeat(canary, 4000) + `"}`, 413, "more than"},
	} {
		resp, text := call(t, step.method, s.URL+"/api/v1/secrets"+step.path, step.body, headers(step.key)...)
		if resp.StatusCode != step.status || !strings.Contains(text, step.says) {
			t.Errorf("%s: %d %s; want %d with %q", step.what, resp.StatusCode, text, step.status, step.says)
		}
		if strings.Contains(text, canary) && !strings.HasPrefix(step.what, "reveal") {
			t.Errorf("%s: the answer has a value: %s", step.what, text)
		}
	}
	if changes.Load() != 10 {
		t.Errorf("%d changes were told", changes.Load())
	}
	_, text := call(t, "GET", s.URL+"/api/v1/audit?action=secret", "")
	for _, want := range []string{"secret.set", "secret.set_uses", "secret.reveal", "secret.rollback", "secret.destroy_version", "secret.delete", "secret.restore", `"actor":"sets"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit trail lacks %s: %s", want, text)
		}
	}
	if strings.Contains(text, canary) {
		t.Errorf("the audit trail has a value: %s", text)
	}
}

func TestRekeyServer(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	_, owner := makeKey(t, s.URL, `{"name":"everything","role":"owner","all_environments":true}`)
	call(t, "PUT", s.URL+"/api/v1/secrets", `{"path":"a","value":"canary"}`)
	if resp, text := call(t, "POST", s.URL+"/api/v1/master-key/rekey", "", headers(owner)...); resp.StatusCode != 403 || !strings.Contains(text, "server:rekey") {
		t.Errorf("an owner of a workspace: %d %s", resp.StatusCode, text)
	}
	resp, text := call(t, "POST", s.URL+"/api/v1/master-key/rekey", "")
	if resp.StatusCode != 200 || !strings.Contains(text, `"keys":1`) || !strings.Contains(text, "master.key") {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if _, text := call(t, "POST", s.URL+"/api/v1/secrets/reveal", `{"path":"a"}`); !strings.Contains(text, "canary") {
		t.Errorf("after it: %s", text)
	}
}
