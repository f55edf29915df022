package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
)

const adminToken = "a-token-of-32-characters-for-tests"

// An output is what a server says, which several may write at once.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// produce starts a server in production.
func produce(t *testing.T, dir, data string, out io.Writer) (*running, error) {
	t.Helper()
	a, err := app.Open(t.Context(), app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: adminToken, Stdout: out})
	if err != nil {
		return nil, err
	}
	return run(t, a), nil
}

func mustProduce(t *testing.T, dir, data string, out io.Writer) *running {
	t.Helper()
	r, err := produce(t, dir, data, out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// admin asks with the admin token.
func (r *running) admin(method, path string, body []byte, contentType string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.URL()+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
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

func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	of, err := tree.Of(files)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tree.Pack(&out, of); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// deploy deploys files, and returns the answer.
func (r *running) deploy(base any, files map[string]string) (int, string) {
	r.t.Helper()
	return r.admin("POST", fmt.Sprintf("/api/v1/releases?base=%v&message=test", base), packed(r.t, files), "application/gzip")
}

// version is the one that runs.
func (r *running) version() int64 {
	r.t.Helper()
	status, text := r.admin("GET", "/api/v1/status", nil, "")
	var out struct{ Project struct{ Version int64 } }
	if err := json.Unmarshal([]byte(text), &out); err != nil || status != 200 {
		r.t.Fatalf("status %d %s", status, text)
	}
	return out.Project.Version
}

func (r *running) key(key string) int {
	r.t.Helper()
	req, err := http.NewRequest("POST", r.URL()+"/v1/track", strings.NewReader(`{"userId":"u","event":"Seen"}`))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func with(files map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		out[name] = text
	}
	for i := 0; i < len(more); i += 2 {
		if out[more[i]] = more[i+1]; more[i+1] == "" {
			delete(out, more[i])
		}
	}
	return out
}

var shop = map[string]string{
	"millrace.yaml":    "name: shop\narchive_interval: 200ms\n",
	"sources/web.yaml": "kind: http\nwrite_keys: [web_1]\n",
}

// TestVersions has a folder become versions, versions be deployed over it, and
// what runs go on over restarts.
func TestVersions(t *testing.T) {
	t.Parallel()
	dir, data := project(t, shop), filepath.Join(t.TempDir(), "data")
	out := &output{}
	r := mustProduce(t, dir, data, out)
	if v := r.version(); v != 1 || !strings.Contains(out.String(), "the folder is version 1") {
		t.Fatalf("version %d runs at the start, said %q", v, out)
	}
	second := with(shop, "sources/app.yaml", "kind: http\nwrite_keys: [app_1]\n")
	status, text := r.admin("POST", "/api/v1/releases/plan", packed(t, second), "application/gzip")
	if status != 200 || !strings.Contains(text, `"outcome":"changes"`) || !strings.Contains(text, `"name":"app"`) {
		t.Errorf("plan %d %s", status, text)
	}
	if got := r.key("app_1"); got != 401 {
		t.Errorf("a key that was planned only: %d", got)
	}
	if status, text := r.deploy(1, second); status != 200 || !strings.Contains(text, `"state":"healthy"`) {
		t.Fatalf("deploy %d %s", status, text)
	}
	if r.key("app_1") != 200 || r.key("web_1") != 200 || r.version() != 2 {
		t.Errorf("after the deployment: %d %d, version %d", r.key("app_1"), r.key("web_1"), r.version())
	}
	if status, text := r.deploy(1, with(shop, "a.md", "another change")); status != 409 || !strings.Contains(text, `"merged":true`) || !strings.Contains(text, `"archive":"`) || !strings.Contains(text, `"running":2`) {
		t.Errorf("a stale one: %d %s", status, text)
	}
	if status, text := r.deploy(2, with(second, "sources/web.yaml", "kind: http\nwrite_keyss: [x]\n")); status != 400 || !strings.Contains(text, `"problems":[{"path":"sources/web.yaml","line":2`) || r.version() != 2 {
		t.Errorf("with a mistake: %d %s", status, text)
	}
	if status, text := r.deploy("last", second); status != 200 || !strings.Contains(text, `"unchanged":true`) {
		t.Errorf("what runs already: %d %s", status, text)
	}
	_, text = r.admin("GET", "/api/v1/status", nil, "")
	if !strings.Contains(text, "was deployed since the folder was version 1") {
		t.Errorf("status does not tell of the folder: %s", text)
	}
	if status, text = r.admin("POST", "/api/v1/releases/rollback", []byte(`{"base":2}`), "application/json"); status != 200 || r.version() != 3 || r.key("app_1") != 401 {
		t.Errorf("rollback %d %s: version %d, %d", status, text, r.version(), r.key("app_1"))
	}
	for path, want := range map[string]string{
		"/api/v1/releases":             `"origin":"rollback"`,
		"/api/v1/releases/running":     `"version":3,"previous":2`,
		"/api/v1/releases/2":           `"message":"test"`,
		"/api/v1/releases/2/diff":      `"path":"sources/app.yaml","op":"added"`,
		"/api/v1/releases/2/plan":      `"name":"app"`,
		"/api/v1/deploys":              `"state":"refused"`,
		"/api/v1/audit?action=release": `"release.deploy"`,
	} {
		if status, text := r.admin("GET", path, nil, ""); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", path, status, text, want)
		}
	}
	status, text = r.admin("GET", "/api/v1/releases/2/files", nil, "")
	if got, _, err := tree.Unpack(strings.NewReader(text), tree.Limits{}); status != 200 || err != nil || len(got.Files()) != 3 {
		t.Errorf("files: %d %v", status, err)
	}
	if p, err := r.ProjectOf(t.Context(), "default", "default"); err != nil || len(p.In("sources")) != 1 {
		t.Errorf("the project that runs is read as %+v, %v", p, err)
	}
	if p, err := r.ProjectOf(t.Context(), "default", "elsewhere"); err != nil || len(p.Resources) != 0 || p.Config.Name != "shop" {
		t.Errorf("where nothing runs: %+v, %v", p, err)
	}
	r.stop()
	r = mustProduce(t, dir, data, io.Discard) // the folder is what was gone back to
	if r.version() != 3 {
		t.Errorf("version %d after a restart", r.version())
	}
	r.deploy(3, second)
	r.stop()
	again := &output{}
	r = mustProduce(t, dir, data, again)
	if r.version() != 4 || r.key("app_1") != 200 || !strings.Contains(again.String(), "was deployed since the folder was version") {
		t.Errorf("version %d after a restart with a deployment: %s", r.version(), again)
	}
}

// TestBrokenFolder: the folder of a server that runs a version may have
// mistakes; that of one that never ran may not.
func TestBrokenFolder(t *testing.T) {
	t.Parallel()
	dir, data := project(t, shop), filepath.Join(t.TempDir(), "data")
	r := mustProduce(t, dir, data, io.Discard)
	r.stop()
	file := filepath.Join(dir, "sources", "web.yaml")
	if err := os.WriteFile(file, []byte("kind: htp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &output{}
	r = mustProduce(t, dir, data, out)
	if r.version() != 1 || r.key("web_1") != 200 || !strings.Contains(out.String(), "what runs goes on: sources/web.yaml:1") {
		t.Errorf("version %d, said %s", r.version(), out)
	}
	r.stop()
	if err := os.WriteFile(file, []byte("kind: http\nwrite_keys: [web_2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = mustProduce(t, dir, data, io.Discard)
	if r.version() != 2 || r.key("web_2") != 200 || r.key("web_1") != 401 {
		t.Errorf("mended: version %d, %d %d", r.version(), r.key("web_2"), r.key("web_1"))
	}
	r.stop()
	if _, err := produce(t, project(t, with(shop, "sources/web.yaml", "kind: htp\n")), filepath.Join(t.TempDir(), "data"), io.Discard); err == nil || !strings.Contains(err.Error(), "sources/web.yaml:1") {
		t.Errorf("a first start with a mistake: %v", err)
	}
}

// TestNothingIsLostWhileDeploying sends at full speed while versions come and go:
// every event that was acknowledged is there, once.
func TestNothingIsLostWhileDeploying(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	sent := make([]int, 3)
	last := make([]string, 3)
	var senders sync.WaitGroup
	for i := range sent {
		senders.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				var batch []string
				for k := range 20 {
					batch = append(batch, fmt.Sprintf(`{"type":"track","messageId":"m-%d-%d-%d","userId":"u","event":"Seen","properties":{"n":%d}}`, i, n, k, k))
				}
				req, err := http.NewRequest("POST", r.URL()+"/v1/batch", strings.NewReader(`{"batch":[`+strings.Join(batch, ",")+`]}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.SetBasicAuth("web_1", "")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				text, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("refused while deploying: %d %s", resp.StatusCode, text)
					return
				}
				sent[i] += 20
				last[i] = resp.Header.Get("Millrace-Position")
			}
		})
	}
	for i := range 20 {
		files := with(shop, fmt.Sprintf("sources/s%d.yaml", i), fmt.Sprintf("kind: http\nwrite_keys: [other_%d]\n", i), "sources/web.yaml",
			fmt.Sprintf("kind: http\nwrite_keys: [web_1, web_%d]\ntypes: {seen.n%d: double}\n", i+2, i))
		if status, text := r.deploy(i+1, files); status != 200 {
			t.Fatalf("deployment %d: %d %s", i, status, text)
		}
	}
	cancel()
	senders.Wait()
	total := 0
	for i, n := range sent {
		total += n
		status, text := r.admin("POST", "/api/v1/query", []byte(fmt.Sprintf(`{"sql":"SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM web.seen WHERE id LIKE 'm-%d-%%'","after":%q}`, i, last[i])), "application/json")
		if want := fmt.Sprintf("[%d,%d]", n, n); status != 200 || !strings.Contains(text, want) {
			t.Errorf("sender %d: %d %s, want %s", i, status, text, want)
		}
	}
	if total == 0 || r.version() != 21 {
		t.Errorf("%d events, version %d", total, r.version())
	}
	t.Logf("%d events during 20 deployments", total)
}

// TestHostileArchives: what is not a project's folder is refused, quickly, and
// nothing is written.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	for name, body := range hostileArchives(t, bomb) {
		began := time.Now()
		for _, path := range []string{"/api/v1/releases/plan", "/api/v1/releases?base=1"} {
			status, text := r.admin("POST", path, body, "application/gzip")
			if status != 400 && status != 413 || len(text) > 64<<10 {
				t.Errorf("%s, %s: %d %.300s", name, path, status, text)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
	if v := r.version(); v != 1 {
		t.Errorf("version %d runs", v)
	}
}

// TestEditsAreVersions: what is changed in the page is a version with its author
// and why, and two who change the same are told of each other.
func TestEditsAreVersions(t *testing.T) {
	t.Parallel()
	dir := project(t, shop)
	r := mustProduce(t, dir, filepath.Join(t.TempDir(), "data"), io.Discard)
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
	type file struct {
		ETag    string
		Version int64
	}
	read := func(path string) (f file) {
		t.Helper()
		if err := json.Unmarshal([]byte(ask("GET", "/api/v1/files/text?path="+path, "", 200)), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	const web = "/api/v1/files/text?path=sources/web.yaml"
	first := read("sources/web.yaml")
	ask("GET", "/api/v1/files", "", 200, `"reloads":true`, `"version":1`, `"editable":true`)
	ask("PUT", web, fmt.Sprintf(`{"text":"kind: http\nwrite_keys: [web_1, web_2]\nbrowser: true\n","etag":%q,"version":1,"message":"A second key"}`, first.ETag), 200, `"version":2`, `"problems":[]`)
	if r.key("web_2") != 200 {
		t.Error("what was saved does not run")
	}
	ask("GET", "/api/v1/releases", "", 200, `"message":"A second key"`, `"origin":"page"`, `"author":"admin token"`)
	text := ask("PUT", web, fmt.Sprintf(`{"text":"kind: http\nwrite_keys: [web_1]\ndedup: 48h\n","etag":%q,"version":1}`, first.ETag), 409, `"merged":"kind: http\nwrite_keys: [web_1, web_2]\nbrowser: true\ndedup: 48h\n"`)
	var problem struct{ Conflict struct{ ETag, Merged string } }
	if err := json.Unmarshal([]byte(text), &problem); err != nil {
		t.Fatal(err)
	}
	ask("PUT", web, fmt.Sprintf(`{"text":"kind: http\nwrite_keys: [web_1]\nbrowser: false\n","etag":%q,"version":1}`, first.ETag), 409, `"conflicts":[{`, `"field":"browser"`, `<<<<<<<`)
	merged, err := json.Marshal(problem.Conflict.Merged)
	if err != nil {
		t.Fatal(err)
	}
	ask("PUT", web, fmt.Sprintf(`{"text":%s,"etag":%q,"version":2}`, merged, problem.Conflict.ETag), 200, `"version":3`)
	now := read("sources/web.yaml")
	ask("PUT", web, fmt.Sprintf(`{"text":"kind: http\nwrite_keyss: []\n","etag":%q}`, now.ETag), 400, `"problems":[{"path":"sources/web.yaml","line":2`)
	ask("POST", "/api/v1/files/edit", fmt.Sprintf(`{"path":"sources/web.yaml","etag":%q,"changes":[{"op":"set","path":["limits","event_size"],"value":"16KiB"}],"message":"Small"}`, now.ETag), 200, `"version":4`, "dedup: 48h")
	ask("PUT", "/api/v1/files/text?path=models/a.sql", `{"text":"SELECT 1\n"}`, 200, `"version":5`)
	model := read("models/a.sql")
	ask("POST", "/api/v1/files/rename", fmt.Sprintf(`{"from":"models/a.sql","to":"models/b.sql","etag":%q}`, model.ETag), 200, `"version":6`)
	ask("DELETE", "/api/v1/files/text?path=models/b.sql&message=away&etag="+model.ETag, "", 200, `"version":7`)
	for _, path := range []string{"../x.yaml", "/etc/passwd.yaml", ".secrets/x.yaml", "a.pem", "sources/../../x.md", "nul.md"} {
		if status, text := r.admin("PUT", "/api/v1/files/text?path="+path, []byte(`{"text":"x"}`), "application/json"); status != 400 && status != 403 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if on, err := os.ReadFile(filepath.Join(dir, "sources", "web.yaml")); err != nil || string(on) != shop["sources/web.yaml"] {
		t.Errorf("the folder says %q, %v", on, err)
	}
	ask("GET", "/api/v1/releases", "", 200, `"message":"away"`, `"message":"Rename models/a.sql to models/b.sql"`)
	var group sync.WaitGroup // many at once, each another file: all stay
	for i := range 6 {
		group.Go(func() {
			if status, text := r.admin("PUT", fmt.Sprintf("/api/v1/files/text?path=n%d.md", i), []byte(`{"text":"x"}`), "application/json"); status != 200 {
				t.Errorf("saving at once: %d %s", status, text)
			}
		})
	}
	group.Wait()
	for i := range 6 {
		read(fmt.Sprintf("n%d.md", i))
	}
}

// asKey asks with an API key, or as who sits at the machine.
func (r *running) asKey(token, method, path, body string) (int, string, http.Header) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}
