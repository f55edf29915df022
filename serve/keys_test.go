package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/password"
	"github.com/millrace/millrace/audit"
	meta "github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// guarded makes options of a server that knows keys and writes down what is done.
func (w *world) guarded(t testing.TB, set ...func(*access.Options)) Options {
	t.Helper()
	o := w.options(t)
	store, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.Audit, err = audit.New(audit.Options{Catalog: store}); err != nil {
		t.Fatal(err)
	}
	o.KeyRing, err = secret.OpenKeyRing(t.Context(), secret.KeyRingOptions{Catalog: store, Folder: t.TempDir(), Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	if o.Vault, err = secret.New(secret.Options{Catalog: store, Keys: o.KeyRing}); err != nil {
		t.Fatal(err)
	}
	with := access.Options{Catalog: store, Hasher: quickHasher(t), Record: func(ctx context.Context, tx meta.Tx, c access.Change) error {
		e := audit.Entry{Actor: ActorOf(c.Caller.Principal), Action: c.Action, Object: audit.Object{Kind: c.Kind, ID: c.Object, Name: c.Name}, Workspace: c.Workspace}
		if c.Workspace == access.Installation {
			e.Workspace = ""
		}
		if c.After != nil {
			e.After = c.After
		}
		return o.Audit.Append(ctx, tx, e)
	}}
	for _, f := range set {
		f(&with)
	}
	if o.Access, err = access.New(with); err != nil {
		t.Fatal(err)
	}
	return o
}

// quickHasher hashes passwords at a cost that is for tests only.
func quickHasher(t testing.TB) *password.Hasher {
	t.Helper()
	h, err := password.New(password.Options{Cost: password.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// adminToken has a server take the tests' admin token.
func adminToken(o *access.Options) { o.AdminToken = testToken }

// makeKey makes a key as who sits at the machine, and returns its ID and header.
func makeKey(t *testing.T, url, body string) (id, header string) {
	t.Helper()
	return madeKey(t, url+"/api/v1/keys", body)
}

// makeServerKey makes a key of the server.
func makeServerKey(t *testing.T, url, body string) (id, header string) {
	t.Helper()
	return madeKey(t, url+"/api/v1/server/keys", body)
}

func madeKey(t *testing.T, url, body string) (id, header string) {
	t.Helper()
	resp, text := call(t, "POST", url, body)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("making %s: %d %s", body, resp.StatusCode, text)
	}
	made := decode[NewAPIKey](t, text)
	if made.Key.ID == "" || !regexp.MustCompile(`^mr_key_\w+$`).MatchString(made.Token) {
		t.Fatalf("made %s", text)
	}
	return made.Key.ID, "Bearer " + made.Token
}

// TestKeys lets programs ask with keys that may do some things and not others.
func TestKeys(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(context.Context, warehouse.Query) (warehouse.Rows, error) {
		return nil, millrace.Errorf(millrace.Invalid, "it was asked")
	}
	s := start(t, w.guarded(t))
	analyst, asAnalyst := makeKey(t, s.URL, `{"name":"reports","role":"analyst"}`)
	_, asCI := makeKey(t, s.URL, `{"name":"one thing","permissions":["source:read"]}`)
	_, asProm := makeServerKey(t, s.URL, `{"name":"prometheus","permissions":["server:read"]}`)
	_, asOperator := makeServerKey(t, s.URL, `{"name":"who runs it","permissions":["server:audit","server_key:read","server_key:manage"]}`)
	for name, test := range map[string]struct {
		key, method, path, body string
		status                  int
		says                    string
	}{
		"reads the server's keys":  {asOperator, "GET", "/api/v1/server/keys", "", 200, "prometheus"},
		"reads the whole trail":    {asOperator, "GET", "/api/v1/server/audit", "", 200, "key.create"},
		"exports the whole trail":  {asOperator, "GET", "/api/v1/server/audit/export", "", 200, "key.create"},
		"not the workspace's keys": {asOperator, "GET", "/api/v1/keys", "", 404, "no member of it"},
		"not the workspace's":      {asOperator, "GET", "/api/v1/audit", "", 404, "no member of it"},
		"no key of the server":     {asAnalyst, "GET", "/api/v1/server/keys", "", 403, "server_key:read"},
		"no trail of the server":   {asAnalyst, "GET", "/api/v1/server/audit", "", 403, "server:audit"},
		"asks":                     {asAnalyst, "POST", "/api/v1/query", `{"sql":"SELECT 1"}`, 400, "it was asked"},
		"may not write":            {asAnalyst, "PUT", "/api/v1/files/text?path=a.yaml", `{"text":""}`, 403, "file:write"},
		"may not make keys":        {asAnalyst, "POST", "/api/v1/keys", `{"name":"x","role":"viewer"}`, 403, "key:manage"},
		"is told before its body":  {asAnalyst, "POST", "/api/v1/keys", `{"no":"json`, 403, "key:manage"},
		"one thing":                {asCI, "GET", "/api/v1/sources", "", 200, "web_2026"},
		"and no other":             {asCI, "GET", "/api/v1/status", "", 403, "status:read"},
		"no metrics":               {asAnalyst, "GET", "/metrics", "", 403, "server:read"},
		"metrics":                  {asProm, "GET", "/metrics", "", 200, "promhttp"},
		"the server only":          {asProm, "GET", "/api/v1/status", "", 404, "no workspace"},
		"mistyped":                 {asAnalyst + "x", "GET", "/api/v1/status", "", 401, ""},
		"of another server":        {"Bearer mr_key_4fJ2kQ9sLm0a4fJ2kQ9sLm0a4fJ2kQ9sLm0a4fJ2kQ9sLm0aaa", "GET", "/api/v1/status", "", 401, ""},
		"local, without any":       {"", "GET", "/api/v1/keys", "", 200, "reports"},
		"wants a role or some":     {"", "POST", "/api/v1/keys", `{"name":"x"}`, 400, "either a role or permissions"},
		"knows what it may":        {"", "POST", "/api/v1/keys", `{"name":"x","permissions":["query:runn"]}`, 400, "query:run"},
		"the same name":            {"", "POST", "/api/v1/keys", `{"name":"reports","role":"viewer"}`, 409, "reports"},
		"nothing of a key unknown": {"", "DELETE", "/api/v1/keys/k_nobody", "", 404, "no key"},
	} {
		resp, text := call(t, test.method, s.URL+test.path, test.body, headers(test.key)...)
		if resp.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %d %s; want %d with %q", name, resp.StatusCode, text, test.status, test.says)
		}
	}
	resp, text := call(t, "POST", s.URL+"/api/v1/keys/"+analyst+"/rotate", `{"overlap_seconds":60}`)
	if resp.StatusCode != 200 {
		t.Fatalf("rotate: %d %s", resp.StatusCode, text)
	}
	rotated := decode[NewAPIKey](t, text)
	for _, key := range []string{asAnalyst, "Bearer " + rotated.Token} {
		if resp, text := call(t, "GET", s.URL+"/api/v1/status", "", headers(key)...); resp.StatusCode != 200 {
			t.Errorf("while it is rotated: %d %s", resp.StatusCode, text)
		}
	}
	if resp, text := call(t, "DELETE", s.URL+"/api/v1/keys/"+analyst, ""); resp.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %d %s", resp.StatusCode, text)
	}
	for _, key := range []string{asAnalyst, "Bearer " + rotated.Token} {
		if resp, text := call(t, "GET", s.URL+"/api/v1/status", "", headers(key)...); resp.StatusCode != 401 || !strings.Contains(text, "revoked") {
			t.Errorf("revoked: %d %s", resp.StatusCode, text)
		}
	}
	_, text = call(t, "GET", s.URL+"/api/v1/audit?action=key", "")
	for _, want := range []string{"key.create", "key.rotate", "key.revoke", analyst} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit trail lacks %s: %s", want, text)
		}
	}
	for _, secret := range []string{asAnalyst, asCI, asProm, rotated.Token} {
		if strings.Contains(text, strings.TrimPrefix(secret, "Bearer ")) {
			t.Errorf("the audit trail has a token: %s", text)
		}
	}
}

func headers(key string) []string {
	if key == "" {
		return nil
	}
	return []string{"Authorization", key}
}

// TestNobodyCrosses walks every operation with a key of one workspace and the
// name of another, and with a key that may do nothing of what is asked.
func TestNobodyCrosses(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.guarded(t)
	other := newWorld().options(t).Space
	other.ID, other.Workspace = "w2", "w2"
	o.Spaces = func(_ context.Context, name string) (*Space, error) {
		if name == "other" {
			return other, nil
		}
		return nil, NoSpace(name)
	}
	s := start(t, o)
	_, owner := makeKey(t, s.URL, `{"name":"everything","role":"owner","all_environments":true}`)
	_, little := makeKey(t, s.URL, `{"name":"next to nothing","permissions":["secret:list"]}`)
	_, another := makeKey(t, s.URL, `{"name":"as little","permissions":["job:read"]}`)
	described := &server{mux: http.NewServeMux(), o: Options{}}
	described.routes()
	walked := 0
	for _, op := range described.operations {
		if op.open {
			continue
		}
		walked++
		path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(op.path, "x")
		there := strings.Replace(path, "/api/v1/", "/api/v1/w/other/", 1)
		nowhere := strings.Replace(path, "/api/v1/", "/api/v1/w/nowhere/", 1)
		resp, text := call(t, op.method, s.URL+there, "{}", headers(owner)...)
		_, unknown := call(t, op.method, s.URL+nowhere, "{}", headers(owner)...)
		if resp.StatusCode != http.StatusNotFound || detail(t, text) != strings.ReplaceAll(detail(t, unknown), "nowhere", "other") {
			t.Errorf("%s in another workspace: %d %s; in one that is not there: %s", op.id, resp.StatusCode, text, unknown)
		}
		if op.about() || op.everybody { // see TestNobodyCrossesWorkspaces
			continue
		}
		without, needs := little, string(op.needs)
		switch {
		case op.needs == access.SecretList:
			without = another
		case op.person:
			needs = "who is signed in"
		}
		resp, text = call(t, op.method, s.URL+path, "{}", headers(without)...)
		if resp.StatusCode != http.StatusForbidden || needs == "" || !strings.Contains(text, needs) {
			t.Errorf("%s without %s: %d %s", op.id, op.needs, resp.StatusCode, text)
		}
	}
	if walked < 60 {
		t.Errorf("%d operations were walked", walked)
	}
}

func detail(t *testing.T, text string) string {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return p.Detail
}

// TestAuditOfWhatIsDone: what changes something is told, with who did it.
func TestAuditOfWhatIsDone(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	call(t, "POST", s.URL+"/api/v1/readers/warehouse/pause", "{}")
	call(t, "POST", s.URL+"/api/v1/warehouse/rebuilds", `{"yes":true}`)
	resp, text := call(t, "GET", s.URL+"/api/v1/audit", "")
	if resp.StatusCode != 200 || !strings.Contains(text, `"reader.pause"`) || !strings.Contains(text, `"warehouse.rebuild"`) || !strings.Contains(text, `"actor_kind":"local"`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	for format, want := range map[string]string{"ndjson": "reader.pause", "csv": "reader.pause"} {
		resp, text := call(t, "GET", s.URL+"/api/v1/server/audit/export?format="+format, "")
		if resp.StatusCode != 200 || strings.Count(text, want) == 0 {
			t.Errorf("%s: %d %s", format, resp.StatusCode, text)
		}
	}
	resp, text = call(t, "POST", s.URL+"/api/v1/audit/verifications", "{}")
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("verify: %d %s", resp.StatusCode, text)
	}
	if got := fmt.Sprint(resp.Header["Location"]); !strings.Contains(got, "/api/v1/jobs/") {
		t.Errorf("location %s", got)
	}
}

// TestViewersSeeNoRows: what a job found in tables is for those who may ask them.
func TestViewersSeeNoRows(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t)
	s := start(t, o)
	_, viewer := makeKey(t, s.URL, `{"name":"looks","role":"viewer"}`)
	_, analyst := makeKey(t, s.URL, `{"name":"asks","role":"analyst"}`)
	j, err := o.Jobs.Start("table.profile", func(context.Context, func(job.Progress)) (any, error) { return "canary", nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/jobs", "/api/v1/jobs/" + j.ID} {
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, text := call(t, "GET", s.URL+path, "", headers(analyst)...); strings.Contains(text, "canary") {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: an analyst does not see what was found: %s", path, text)
			}
		}
		if resp, text := call(t, "GET", s.URL+path, "", headers(viewer)...); resp.StatusCode != 200 || strings.Contains(text, "canary") {
			t.Errorf("%s: a viewer is answered %d %s", path, resp.StatusCode, text)
		}
	}
}
