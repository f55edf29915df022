package app_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	config "github.com/millrace/millrace/project"
)

// TestEnvironments: each environment of a workspace runs its own version, with
// its own settings, data and keys, and a version goes from one to the next.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	dir, data := project(t, shop), filepath.Join(t.TempDir(), "data")
	r := mustProduce(t, dir, data, io.Discard)
	ask := func(method, path, body string, want int, says ...string) string {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		for _, s := range says {
			if !strings.Contains(text, s) {
				t.Errorf("%s %s does not say %s: %s", method, path, s, text)
			}
		}
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, status, text, want)
		}
		return text
	}
	ask("POST", "/api/v1/workspaces/default/environments", `{"name":"staging"}`, 201)
	const staging = "/api/v1/w/default@staging"
	eventually(t, 30*time.Second, "the new environment is served", func() bool {
		status, _ := r.admin("GET", staging+"/releases/running", nil, "")
		return status == 200
	})
	ask("GET", staging+"/releases/running", "", 200, `"version":0`)
	ask("GET", "/api/v1/w/@staging/releases/running", "", 200, `"version":0`)
	ask("GET", "/api/v1/w/@nowhere/releases/running", "", 404, "no environment", "staging")
	next := with(shop, "millrace.yaml", "name: shop\nenvironments: {staging: {query: {rows: 7}}}\n", "sources/web.yaml", "kind: http\nwrite_keys: [stage_1]\n")
	status, text := r.admin("POST", staging+"/releases?base=0&message=try", packed(t, next), "application/gzip")
	if status != 200 || !strings.Contains(text, `"version":2`) || r.version() != 1 {
		t.Fatalf("deploy to staging: %d %s, here runs %d", status, text, r.version())
	}
	if r.key("stage_1") != 200 || r.key("web_1") != 200 {
		t.Errorf("keys: %d %d", r.key("stage_1"), r.key("web_1"))
	}
	var last string
	for i := range 9 {
		_, answer, header := r.in("", "stage_1", "POST", "/v1/track", fmt.Sprintf(`{"messageId":"s%d","userId":"u","event":"Seen"}`, i))
		if last = header.Get("Millrace-Position"); last == "" {
			t.Fatal(answer)
		}
	}
	// A key of one environment does not deploy to another.
	ci := ask("POST", staging+"/keys", `{"name":"ci","permissions":["release:read","release:deploy"]}`, 201)
	token := ci[strings.Index(ci, `"token":"`)+9:]
	token = token[:strings.Index(token, `"`)]
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{"/api/v1/releases/promote", `{"version":2,"to":"production"}`, 403},
		{"/api/v1/w/default@production/releases/rollback", `{}`, 403},
		{"/api/v1/releases/promote", `{"version":2,"to":"staging"}`, 200},
	} {
		if status, text, _ := r.asKey(token, "POST", c.path, c.body); status != c.want {
			t.Errorf("%s %s with a key of staging: %d %s, want %d", c.path, c.body, status, text, c.want)
		}
	}
	// The one that runs in production is none that version 2 came from.
	ask("POST", staging+"/releases/promote", `{"version":2,"to":"production"}`, 409, `"stale":{`)
	// What began there goes over with its number, and the keys are one workspace's each.
	third := with(shop, "sources/app.yaml", "kind: http\nwrite_keys: [app_9]\n")
	if status, text := r.deploy(1, third); status != 200 {
		t.Fatalf("deploy %d %s", status, text)
	}
	ask("POST", "/api/v1/releases/promote", `{"version":3,"to":"staging"}`, 409)
	ask("POST", staging+"/files/edit", `{"path":"sources/more.yaml","changes":[{"op":"set","path":["kind"],"value":"http"},{"op":"set","path":["write_keys"],"value":["stage_2"]}]}`, 200, `"version":4`)
	if r.key("stage_2") != 200 || r.version() != 3 {
		t.Errorf("an edit in staging: %d, here runs %d", r.key("stage_2"), r.version())
	}
	ask("GET", "/api/v1/releases", "", 200, `"number":4`, `"runs_in":["staging"]`, `"runs_in":["production"]`)
	// A version whose keys another space has is not applied, and nothing changes.
	if status, text := r.deploy(3, with(third, "sources/stolen.yaml", "kind: http\nwrite_keys: [stage_2]\n")); status < 400 || r.version() != 3 || r.key("app_9") != 200 {
		t.Errorf("a key of another environment: %d %s", status, text)
	}
	ask("GET", "/api/v1/deploys?limit=1", "", 200, `"state":"rolled_back"`)
	r.stop()
	r = mustProduce(t, dir, data, io.Discard)
	if r.key("stage_2") != 200 || r.key("app_9") != 200 || r.version() != 3 {
		t.Errorf("after a restart: %d %d, version %d", r.key("stage_2"), r.key("app_9"), r.version())
	}
	text = ask("POST", staging+"/query", fmt.Sprintf(`{"sql":"SELECT id FROM web.seen WHERE id LIKE 's%%'","after":%q}`, last), 200)
	if rows := strings.Count(text, `["s`); rows != 7 {
		t.Errorf("the environment's settings do not hold: %d rows in %s", rows, text)
	}
}

// TestPromoteBetweenLive: a version whose sources have keys of their own in
// staging goes from there to production, where both receive.
func TestPromoteBetweenLive(t *testing.T) {
	t.Parallel()
	dir, data := project(t, shop), filepath.Join(t.TempDir(), "data")
	r := mustProduce(t, dir, data, io.Discard)
	ask := func(method, path, body string, want int, says ...string) string {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		for _, s := range says {
			if !strings.Contains(text, s) {
				t.Errorf("%s %s does not say %s: %s", method, path, s, text)
			}
		}
		if status != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, status, text, want)
		}
		return text
	}
	ask("POST", "/api/v1/workspaces/default/environments", `{"name":"staging"}`, 201)
	const staging = "/api/v1/w/default@staging"
	eventually(t, 30*time.Second, "the new environment is served", func() bool {
		status, _ := r.admin("GET", staging+"/releases/running", nil, "")
		return status == 200
	})
	// Production's keys are refused there, and it is said what to write.
	status, text := r.admin("POST", staging+"/releases/promote", []byte(`{"version":1,"to":"staging"}`), "application/json")
	for _, says := range []string{"sources/web.yaml: write_keys: web_1 is a key of source web in production", `environments:\n  staging:\n    write_keys: [staging_`, `and name the environment in millrace.yaml:\n\nenvironments:\n  staging:\n`} {
		if status != 409 || !strings.Contains(text, says) {
			t.Errorf("%d %s does not say %s", status, text, says)
		}
	}
	if status, text := r.admin("POST", staging+"/releases/plan", packed(t, shop), "application/gzip"); status != 200 || !strings.Contains(text, `"kind":"key_taken"`) || !strings.Contains(text, "Key web_1 is one of source web in production") {
		t.Errorf("the plan does not say so before: %d %s", status, text)
	}
	both := with(shop, "millrace.yaml", shop["millrace.yaml"]+"environments:\n  staging: {query: {rows: 7, timeout: 9h, memory: 512GiB}}\n",
		"sources/web.yaml", "kind: http\nwrite_keys: [web_1]\nenvironments:\n  staging:\n    write_keys: [stg_1]\n")
	status, text = r.admin("POST", staging+"/releases/plan", packed(t, both), "application/gzip")
	if status != 200 || !strings.Contains(text, `"new":["stg_1"]`) && !strings.Contains(text, `"stg_1"`) || strings.Contains(text, "web_1") || !strings.Contains(text, `"kind":"bounded"`) || !strings.Contains(text, "query.timeout, query.memory") {
		t.Errorf("plan for staging: %d %s", status, text)
	}
	// With a key of its own in the version, it runs in both.
	if status, text := r.deploy(1, both); status != 200 || !strings.Contains(text, `"version":2`) {
		t.Fatalf("%d %s", status, text)
	}
	ask("POST", staging+"/releases/promote", `{"version":2,"to":"staging"}`, 200, `"version":2`)
	n := 0
	ids := func(space, key string) string { // what is in the tables of a space once an event of the key is
		n++
		id := fmt.Sprintf("%s_%d", key, n)
		_, answer, header := r.in("", key, "POST", "/v1/track", fmt.Sprintf(`{"messageId":"%s","userId":"u","event":"Seen"}`, id))
		last := header.Get("Millrace-Position")
		if last == "" {
			t.Fatal(answer)
		}
		return ask("POST", space+"/query", fmt.Sprintf(`{"sql":"SELECT id FROM web.seen ORDER BY id","limit":100,"after":%q}`, last), 200, `["`+id+`"]`)
	}
	apart := func() {
		t.Helper()
		if text := ids(staging, "stg_1"); strings.Contains(text, `["web_`) {
			t.Errorf("staging has %s", text)
		}
		if text := ids("/api/v1", "web_1"); strings.Contains(text, `["stg_`) {
			t.Errorf("production has %s", text)
		}
	}
	apart()
	// A key that is added in staging stands in staging's fields.
	ask("GET", staging+"/sources", "", 200, `"write_keys_path":["environments","staging","write_keys"]`, `"write_keys":["stg_1"]`)
	if text := ask("GET", "/api/v1/sources", "", 200, `"write_keys":["web_1"]`); strings.Contains(text, "write_keys_path") {
		t.Errorf("production's key is edited elsewhere: %s", text)
	}
	ask("POST", staging+"/files/edit", fmt.Sprintf(`{"path":"sources/web.yaml","etag":%q,"changes":[{"op":"append","path":["environments","staging","write_keys"],"value":"stg_2"},{"op":"set","path":["browser"],"value":true}]}`,
		config.ETagOf([]byte(both["sources/web.yaml"]))), 200, `"version":3`)
	if text := ask("GET", "/api/v1/releases/3/plan", "", 200, `"path":"browser"`); strings.Contains(text, `"path":"write_keys"`) || strings.Contains(text, `"key_`) || !strings.Contains(text, "What the file says for staging changes: write_keys.") {
		t.Errorf("plan for production: %s", text)
	}
	ask("POST", "/api/v1/releases/promote", `{"version":3,"to":"production"}`, 200, `"version":3`)
	apart()
	if text := ids(staging, "stg_2"); strings.Contains(text, `["web_`) {
		t.Errorf("staging has %s", text)
	}
	ask("POST", "/api/v1/releases/rollback", `{}`, 200, `"version":4`)
	ask("GET", staging+"/releases/running", "", 200, `"version":3`)
	apart()
	r.stop()
	r = mustProduce(t, dir, data, io.Discard)
	apart()
	if r.version() != 4 || r.key("stg_2") != 200 || r.key("web_2") == 200 {
		t.Errorf("after a restart runs %d", r.version())
	}
}
