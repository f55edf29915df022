package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/serve"
)

// canaryForms are how a secret may look when it leaks.
func canaryForms(name, canary string) []string {
	return []string{canary, strings.Trim(fmt.Sprintf("%q", canary), `"`), url.QueryEscape(canary), url.PathEscape(canary),
		base64.StdEncoding.EncodeToString([]byte(canary)), "canary-first-of-" + name}
}

// noCanary looks for secrets in what left a server.
func noCanary(t *testing.T, canaries, left map[string]string) {
	t.Helper()
	for where, text := range left {
		for name, canary := range canaries {
			for _, form := range canaryForms(name, canary) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s has %s: …%s…", where, name, text[max(0, i-200):min(len(text), i+100)])
					break
				}
			}
		}
	}
}

// noCanaryIn looks for secrets in all files of a folder, those in archives too.
func noCanaryIn(t *testing.T, canaries map[string]string, dir string) {
	t.Helper()
	left := map[string]string{}
	for _, file := range allFiles(t, dir) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		left[file] = plainText(t, file, data)
	}
	if len(left) == 0 {
		t.Errorf("there is nothing in %s", dir)
	}
	noCanary(t, canaries, left)
}

// plainText is what a file says, once more without its compression.
func plainText(t *testing.T, name string, data []byte) string {
	t.Helper()
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		return string(data) + unpacked(t, data)
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(data) + string(text)
	}
	return string(data)
}

// A guarded is a server with secrets, and all that it answered.
type guarded struct {
	*running
	canaries map[string]string
	answers  bytes.Buffer
	out, log *output
	dir      string
	data     string
	place    string // of its backups
	key      backup.Key
}

const stagingPath = "/api/v1/w/default@staging"

// guard starts a server in production whose secrets are in the vault, for each
// environment apart, in the server's environment and in files.
func guard(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{running: &running{t: t}, canaries: map[string]string{"admin token": adminToken}, out: &output{}, log: &output{}, dir: project(t, shop), data: filepath.Join(t.TempDir(), "data")}
	for name, canary := range canaries {
		g.canaries[name] = canary
	}
	g.place = filepath.Join(t.TempDir(), "canary-place-of-backups")
	keyFile := filepath.Join(t.TempDir(), "backup.key")
	var err error
	if g.key, err = backup.WriteKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	g.canaries["key of backups"], g.canaries["place"] = g.key.Reveal(), "file:"+g.place
	t.Setenv("MILLRACE_SECRET_IN_VARIABLE", canaries["in_variable"])
	t.Setenv("MILLRACE_SECRET_PLACE", g.canaries["place"])
	t.Setenv("MILLRACE_BACKUP_KEY", "")
	g.secretFile("in_file")
	config := shop["millrace.yaml"] + "backup: {to: '${secret:place}', key_file: " + keyFile + "}\nenvironments:\n  staging: {query: {rows: 7}}\n"
	if err := os.WriteFile(filepath.Join(g.dir, "millrace.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), app.Options{Dir: g.dir, Data: g.data, Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: adminToken, Stdout: g.out,
		Logger: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	g.running = run(t, a)
	master, err := os.ReadFile(filepath.Join(g.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	g.canaries["master key"] = strings.TrimSpace(string(master))
	return g
}

// secretFile writes a secret's file, again with another value.
func (g *guarded) secretFile(canary string) {
	g.t.Helper()
	file := filepath.Join(g.dir, ".secrets", "in_file")
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte(g.canaries[canary]+"\n"), 0o600)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// asked keeps an answer.
func (g *guarded) asked(what string, status int, text string) string {
	fmt.Fprintf(&g.answers, "\n%s: %d\n%s", what, status, text)
	return text
}

func (g *guarded) do(want int, method, path string, body any) string {
	g.t.Helper()
	status, text := g.request(adminToken, method, path, body)
	if want != 0 && status != want {
		g.t.Fatalf("%s %s answers %d %s, want %d", method, path, status, text, want)
	}
	return g.asked(method+" "+path, status, text)
}

// upload sends files. What is merged in the answer is kept unpacked.
func (g *guarded) upload(want int, path string, files map[string]string) string {
	g.t.Helper()
	status, text := g.admin("POST", path, packed(g.t, files), "application/gzip")
	if want != 0 && status != want {
		g.t.Fatalf("%s answers %d %s, want %d", path, status, text, want)
	}
	var p struct{ Stale struct{ Archive []byte } }
	if json.Unmarshal([]byte(text), &p) == nil && len(p.Stale.Archive) > 0 {
		g.asked("merged", 0, unpacked(g.t, p.Stale.Archive))
	}
	return g.asked("POST "+path, status, text)
}

// bytes is what a path answers, when that is no text.
func (g *guarded) bytes(path string) []byte {
	g.t.Helper()
	status, text := g.admin("GET", path, nil, "")
	if status != http.StatusOK {
		g.t.Fatalf("%s answers %d %s", path, status, text)
	}
	return []byte(text)
}

// job runs one to its end, and keeps what came of it.
func (g *guarded) work(path string) string {
	g.t.Helper()
	id := idOf(g.do(http.StatusAccepted, "POST", path, object{}))
	var text string
	eventually(g.t, time.Minute, path+" ends", func() bool {
		_, text = g.admin("GET", "/api/v1/jobs/"+id, nil, "")
		return !strings.Contains(text, `"state":"running"`)
	})
	return g.asked(path, 200, text)
}

// TestNoSecretLeavesWithVersions plants secrets and looks for them in plans,
// deployments, versions, differences and files of versions, in the objects of a
// backup and what is restored from it, and in exports.
func TestNoSecretLeavesWithVersions(t *testing.T) {
	g := guard(t)
	g.plant()
	g.letIn()
	last := g.deployAll()
	g.refuseAll(last)
	g.showVersions()
	g.backUpAll()
	g.asked("files", 200, unpacked(t, g.bytes("/api/v1/export/files")))
	for _, path := range []string{"export/records", "export/audit", "export/audit?format=csv", "status", "audit?limit=500", "logs", "attention", "jobs", "secrets", "keys", "workspaces", "server/audit?limit=500"} {
		g.do(200, "GET", "/api/v1/"+path, nil)
	}
	g.asked("bundle", 200, unpacked(t, g.bytes("/api/v1/support-bundle")))
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/vars", "/debug"} {
		for _, token := range []string{"", adminToken} {
			if status, text := g.request(token, "GET", path, nil); status == 200 && !strings.Contains(text, "<html") || strings.Contains(text, "goroutine") || strings.Contains(text, "memstats") {
				t.Errorf("%s is answered: %d %.300s", path, status, text)
			}
		}
	}
	g.stop()
	if text := g.log.String(); !strings.Contains(text, `"level":"DEBUG"`) || !strings.Contains(g.answers.String(), "release.deploy") {
		t.Error("the test does not look at what it should")
	}
	noCanary(t, g.canaries, map[string]string{"an answer": g.answers.String(), "what it prints": g.out.String(), "its log": g.log.String()})
	own := map[string]string{} // what lies in the data folder, but the key that is there on purpose
	for name, canary := range g.canaries {
		if name != "master key" {
			own[name] = canary
		}
	}
	noCanaryIn(t, own, g.data)
	g.lookAtBackups()
	to := filepath.Join(t.TempDir(), "export")
	if _, err := app.Export(t.Context(), app.Options{Dir: g.dir, Data: g.data}, to, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	noCanaryIn(t, g.canaries, to)
}

// plant puts secrets into both environments.
func (g *guarded) plant() {
	g.t.Helper()
	g.do(201, "POST", "/api/v1/workspaces/default/environments", object{"name": "staging"})
	eventually(g.t, 10*time.Second, "the new environment is served", func() bool {
		status, _ := g.admin("GET", stagingPath+"/releases/running", nil, "")
		return status == 200
	})
	for _, space := range []string{"/api/v1", stagingPath} {
		for path, by := range map[string]string{"vault/path": "sources/a", "rotated": "sources/b", "password": "warehouse"} {
			hosts := []string{}
			if path == "password" {
				hosts = []string{"127.0.0.1"}
			}
			g.do(200, "PUT", space+"/secrets", object{"path": path, "value": "canary-first-of-" + path, "resources": []string{by}, "hosts": hosts})
			g.do(400, "PUT", space+"/secrets", object{"path": path, "value": canaries[path], "note": "it is " + canaries[path]})
			g.do(200, "PUT", space+"/secrets", object{"path": path, "value": canaries[path], "note": "for the test"})
		}
	}
	g.do(200, "PUT", "/api/v1/secrets", object{"path": "of_all", "value": canaries["of_all"], "all_environments": true, "resources": []string{"sources/c"}, "hosts": []string{}})
}

// letIn makes what lets one in: a key, invitations, a password, a session. Who asked
// is told of them once, and nobody else at all.
func (g *guarded) letIn() {
	g.t.Helper()
	made := func(path, body, field string) string {
		g.t.Helper()
		status, text := g.admin("POST", path, []byte(body), "application/json")
		var out map[string]any
		if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusCreated {
			g.t.Fatalf("%s answers %d %s", path, status, text)
		}
		secret, _ := out[field].(string)
		return secret[strings.LastIndex(secret, "#")+1:]
	}
	g.canaries["API key"] = made("/api/v1/keys", `{"name":"reports","role":"admin"}`, "token")
	g.canaries["open invitation"] = made("/api/v1/members/invitations", `{"role":"viewer","email":"eve@example.com"}`, "link")
	g.canaries["invitation"] = made("/api/v1/members/invitations", `{"role":"admin","email":"ada@example.com"}`, "link")
	g.canaries["password of a person"], g.canaries["wrong password"] = "canary horse battery staple", "canary horse battery steeple"
	send := func(path string, body object) *http.Response {
		g.t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			g.t.Fatal(err)
		}
		resp, err := http.Post(g.URL()+path, "application/json", bytes.NewReader(text))
		if err != nil {
			g.t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			g.t.Fatal(err)
		}
		g.asked("POST "+path, resp.StatusCode, string(answer))
		return resp
	}
	token := g.canaries["invitation"]
	token = token[strings.LastIndex(token, "=")+1:]
	g.canaries["invitation"] = token
	resp := send("/api/v1/invitations/accept", object{"token": token, "name": "Ada", "email": "ada@example.com", "password": g.canaries["password of a person"]})
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		g.t.Fatalf("accepting answers %d, with cookies %v", resp.StatusCode, resp.Cookies())
	}
	for _, c := range resp.Cookies() {
		g.canaries["cookie "+c.Name] = c.Value
	}
	if resp := send("/api/v1/session", object{"email": "ada@example.com", "password": g.canaries["wrong password"]}); resp.StatusCode != http.StatusUnauthorized {
		g.t.Errorf("a wrong password is answered %d", resp.StatusCode)
	}
	if resp := send("/api/v1/invitations/accept", object{"token": token + "x", "name": "Ada", "email": "ada@example.com", "password": g.canaries["wrong password"]}); resp.StatusCode < 400 {
		g.t.Errorf("a wrong invitation is answered %d", resp.StatusCode)
	}
	for _, path := range []string{"/api/v1/status?access_token=", "/api/v1/status?x=", "/api/v1/keys/", "/nothing/"} {
		if status, text := g.request("", "GET", path+g.canaries["API key"], nil); strings.HasPrefix(path, "/api/") && status < 400 {
			g.t.Errorf("a key in an address is answered %d %s", status, text)
		} else {
			g.asked(path, status, text)
		}
	}
	if status, text := g.request(g.canaries["API key"]+"x", "GET", "/api/v1/status", nil); status != http.StatusUnauthorized {
		g.t.Errorf("a wrong key is answered %d", status)
	} else {
		g.asked("a wrong key", status, text)
	}
}

// project is what is deployed; more are other files, as for with.
func (g *guarded) project(more ...string) map[string]string {
	g.t.Helper()
	config, err := os.ReadFile(filepath.Join(g.dir, "millrace.yaml"))
	if err != nil {
		g.t.Fatal(err)
	}
	files := with(shop, "millrace.yaml", string(config), "sources/web.yaml", "kind: http\nwrite_keys: [web_1]\nenvironments:\n  staging:\n    write_keys: [stg_1]\n")
	for source, path := range map[string]string{"a": "vault/path", "c": "of_all", "d": "in_variable", "e": "in_file"} {
		files["sources/"+source+".yaml"] = webhook(path)
	}
	files["sources/b.yaml"] = webhook("rotated#1") + "environments:\n  staging: {signature: {secret: '${secret:in_file}'}}\n"
	return with(files, more...)
}

// deployAll plans and deploys versions whose secrets change, in their texts and
// behind their names, brings one to the other environment, and goes back. It
// returns the version that runs.
func (g *guarded) deployAll() int64 {
	g.t.Helper()
	both := func(base int64, files map[string]string) {
		g.t.Helper()
		g.upload(200, "/api/v1/releases/plan", files)
		g.upload(200, stagingPath+"/releases/plan", files)
		g.upload(200, fmt.Sprintf("/api/v1/releases?base=%d&message=test", base), files)
	}
	both(1, g.project())
	both(2, g.project("sources/b.yaml", webhook("rotated")+"environments:\n  staging: {signature: {secret: '${secret:in_variable}', header: X-Other}}\n", "sources/d.yaml", webhook("in_file"), "sources/e.yaml", ""))
	// Only the values change.
	g.canaries["in_file again"], g.canaries["in_variable again"], g.canaries["rotated again"] = "canary-in-a-file-again-98765", "canary-in-a-variable-again-98765", "canary-rotated-again-98765"
	g.secretFile("in_file again")
	g.t.Setenv("MILLRACE_SECRET_IN_VARIABLE", g.canaries["in_variable again"])
	g.do(200, "PUT", "/api/v1/secrets", object{"path": "rotated", "value": g.canaries["rotated again"]})
	if status := g.deliver("b", g.canaries["rotated again"]); status != 200 {
		g.t.Errorf("a delivery with the new value is answered %d", status)
	}
	both(3, g.project("sources/b.yaml", webhook("rotated"), "sources/g.yaml", webhook("in_variable")))
	g.do(200, "POST", "/api/v1/releases/promote", object{"version": 4, "to": "staging", "message": "over"})
	g.do(200, "POST", "/api/v1/releases/rollback", object{"to": 2, "message": "back"})
	g.do(200, "POST", stagingPath+"/releases/rollback", object{"to": 3})
	// Somebody else was faster: once it can be merged, once it cannot.
	g.upload(409, "/api/v1/releases?base=4&message=late", g.project("sources/late.yaml", webhook("in_variable"), "sources/e.yaml", webhook("in_file")))
	g.upload(409, "/api/v1/releases?base=3&message=late", g.project("sources/b.yaml", webhook("in_file")))
	return g.version()
}

// refuseAll deploys what cannot run, at once or at the next start, for reasons that
// quote settings.
func (g *guarded) refuseAll(base int64) {
	g.t.Helper()
	first := base
	config := g.project()["millrace.yaml"]
	deploy := func(files map[string]string) {
		g.t.Helper()
		g.upload(200, "/api/v1/releases/plan", g.project())
		g.upload(0, "/api/v1/releases/plan", files)
		g.upload(0, stagingPath+"/releases/plan", files)
		g.upload(0, fmt.Sprintf("/api/v1/releases?base=%d&message=wrong", base), files)
		g.do(200, "GET", "/api/v1/status", nil)
		if g.version() != base { // it would count at the next start
			g.do(200, "POST", "/api/v1/releases/rollback", object{"to": base})
			base = g.version()
		}
	}
	for _, line := range []string{"warehouse: 'postgres://u:${secret:password}@127.0.0.1:1/x'", "warehouse: 'postgres://u:${secret:password}@evil.example/x'", "warehouse: ${secret:password}",
		"query: {login: 'postgres://u:${secret:password}@@x'}", "archive: 's3://${secret:in_file}?nothing=1'", "archive_interval: ${secret:in_file}", "name: ${secret:in_variable}"} {
		deploy(g.project("millrace.yaml", config+line+"\n"))
		deploy(g.project("millrace.yaml", strings.Replace(config, "staging: {", "production: {"+line+"}\n  staging: {", 1)))
	}
	for _, text := range []string{"kind: ${secret:in_file}\n", "kind: http\nwrite_keys: ['${secret:in_file}', '${secret:in_file}']\n", "kind: http\nwrite_keys: ['${secret:rotated}']\n",
		"kind: http\nwrite_keys: [k]\ndedup: ${secret:in_variable}\n", "kind: webhook\nevent: '${secret:in_file}('\n", webhook("rotated#7"), webhook("nothing") + "environments: {production: {event: '${secret:in_file}('}}\n"} {
		deploy(g.project("sources/f.yaml", text))
	}
	if base == first || base > first+20 {
		g.t.Errorf("version %d became %d: all ran, or nothing did", first, base)
	}
}

// showVersions looks at all there is of versions.
func (g *guarded) showVersions() {
	g.t.Helper()
	for _, space := range []string{"/api/v1", stagingPath} {
		for _, path := range []string{"/releases", "/releases/running", "/deploys?limit=100", "/files", "/files/text?path=sources/b.yaml", "/sources", "/sources/b", "/audit?limit=500", "/tail?backlog=500&limit=3", "/secrets"} {
			g.do(200, "GET", space+path, nil)
		}
	}
	g.do(200, "GET", "/api/v1/tail?source=millrace&backlog=1000&limit=20", nil)
	for n := range g.version() {
		n++
		at := fmt.Sprintf("/api/v1/releases/%d", n)
		g.do(200, "GET", at, nil)
		g.do(200, "GET", at+"/plan", nil)
		g.do(200, "GET", fmt.Sprintf(stagingPath+"/releases/%d/plan", n), nil)
		for _, from := range []int64{-1, 0, 1, g.version()} {
			g.do(200, "GET", fmt.Sprintf("%s/diff?from=%d", at, from), nil)
		}
		files := unpacked(g.t, g.bytes(at+"/files"))
		if !strings.Contains(files, "bundle sources/web.yaml") || strings.Contains(files, ".secrets") {
			g.t.Errorf("the files of version %d are %s", n, files)
		}
		g.asked(at+"/files", 200, files)
	}
}

// backUpAll takes a backup, looks at it, and then cannot take one.
func (g *guarded) backUpAll() {
	g.t.Helper()
	taken := g.work("/api/v1/backups")
	if !strings.Contains(taken, `"state":"done"`) {
		g.t.Fatal(taken)
	}
	id := taken[strings.Index(taken, `"result":{"id":"`)+len(`"result":{"id":"`):]
	id = id[:strings.Index(id, `"`)]
	if text := g.work("/api/v1/backups/" + id + "/verifications"); !strings.Contains(text, `"problems":[]`) {
		g.t.Errorf("verify: %s", text)
	}
	g.do(200, "GET", "/api/v1/backups", nil)
	away := g.place + "-away"
	err := os.Rename(g.place, away)
	if err == nil {
		err = os.WriteFile(g.place, nil, 0o600)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	for range 2 { // fails, and is told
		g.work("/api/v1/backups")
		g.do(200, "GET", "/api/v1/backups", nil)
		g.work("/api/v1/backups/" + id + "/verifications")
		g.do(0, "DELETE", "/api/v1/backups/"+id, nil)
		g.do(200, "GET", "/api/v1/status", nil)
		g.do(200, "GET", "/api/v1/attention", nil)
	}
	g.place = away
}

// lookAtBackups looks into a backup: at its objects, at what they hold, at what it
// says of itself, and at what is restored from it.
func (g *guarded) lookAtBackups() {
	t := g.t
	t.Helper()
	noCanaryIn(t, g.canaries, g.place)
	store, err := app.OpenBackups(t.Context(), app.BackupTarget{To: g.place, Key: g.key}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m, err := store.Find(t.Context(), "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := app.ListBackups(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	report, err := store.Verify(t.Context(), m, nil)
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("%+v %v", report, err)
	}
	said, err := json.Marshal([]any{m, listed, report})
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]string{"the manifest, list and report": string(said)}
	if err := store.Files(t.Context(), m, func(c backup.Content) error {
		var data bytes.Buffer
		_, err := c.WriteTo(&data)
		left["the backup's "+c.Path] = plainText(t, c.Path, data.Bytes())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if text := left["the backup's _catalog.jsonl"]; !strings.Contains(text, `"table":"secret_version"`) || !strings.Contains(left["the backup's _project.tar.gz"], "bundle sources/web.yaml") {
		t.Error("the test does not look at what it should")
	}
	noCanary(t, g.canaries, left)
	to := filepath.Join(t.TempDir(), "restored")
	if _, err := app.Restore(t.Context(), app.RestoreOptions{Store: store.Store, Manifest: m, Data: to, Project: to + "-project"}); err != nil {
		t.Fatal(err)
	}
	noCanaryIn(t, g.canaries, to)
	noCanaryIn(t, g.canaries, to+"-project")
}
