package app_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// Canaries are planted wherever a secret may come from. Some are such that escaping
// or encoding would change them.
var canaries = map[string]string{
	"vault/path":  "canary vault \"quoted\" & <more>",
	"rotated":     "canary-rotated-2-A0b1C2d3E4f5",
	"of_all":      "canary-of-all-environments",
	"in_variable": "canary-in-a-variable/with=signs",
	"in_file":     "canary-in-a-file-0123456789",
	"password":    "canary-password-p4ss",
}

// TestNoSecretLeaves plants secrets in every place that has them, does all that one
// can do with a server, and looks for them in all that left it: answers, what it
// prints, its log, and its files.
func TestNoSecretLeaves(t *testing.T) {
	files := map[string]string{}
	for name, text := range small {
		files[name] = text
	}
	for source, path := range map[string]string{"a": "vault/path", "b": "rotated", "c": "of_all", "d": "in_variable", "e": "in_file"} {
		files["sources/"+source+".yaml"] = webhook(path)
	}
	dir, data := project(t, small), t.TempDir()
	t.Setenv("MILLRACE_SECRET_IN_VARIABLE", canaries["in_variable"])
	if err := os.MkdirAll(filepath.Join(dir, ".secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".secrets", "in_file"), []byte(canaries["in_file"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, log := &output{}, &output{}
	a, err := app.Open(t.Context(), app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev, Stdout: out,
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, a)
	var answers bytes.Buffer
	ask := func(method, path string, body any) {
		t.Helper()
		status, text := r.request("", method, path, body)
		fmt.Fprintf(&answers, "\n%s %s: %d\n%s", method, path, status, text)
	}
	for _, s := range []struct {
		path, source string
		all          bool
	}{{"vault/path", "sources/a", false}, {"rotated", "sources/b", false}, {"of_all", "sources/c", true}, {"password", "warehouse", false}} {
		hosts := []string{}
		if s.path == "password" {
			hosts = []string{"127.0.0.1"}
		}
		ask("PUT", "/api/v1/secrets", object{"path": s.path, "value": "canary-first-of-" + s.path, "all_environments": s.all, "resources": []string{s.source}, "hosts": hosts, "note": "for the test"})
		ask("PUT", "/api/v1/secrets", object{"path": s.path, "value": canaries[s.path], "note": "it is " + canaries[s.path]})
		ask("PUT", "/api/v1/secrets", object{"path": s.path, "value": canaries[s.path], "all_environments": s.all})
	}
	for path, text := range files {
		if strings.HasPrefix(path, "sources/") && path != "sources/web.yaml" {
			ask("PUT", "/api/v1/files/text?path="+path, object{"text": text})
		}
	}
	if !strings.Contains(answers.String(), `"problems":[]`) {
		t.Fatalf("the sources are not served: %s", answers.String())
	}
	if status := r.deliver("a", canaries["vault/path"]); status != 200 {
		t.Errorf("a delivery is answered %d", status)
	}
	r.useAll(ask)
	r.breakAll(ask)
	r.showAll(ask)
	answers.WriteString(unpacked(t, r.raw("/api/v1/support-bundle")))
	left := map[string]string{"an answer": answers.String()}
	r.stop()
	left["what it prints"], left["its log"] = out.String(), log.String()
	if !strings.Contains(left["its log"], `"level":"DEBUG"`) || !strings.Contains(left["an answer"], "secret.set") {
		t.Error("the test does not look at what it should")
	}
	noCanary(t, canaries, left)
	for name, canary := range canaries {
		if found := holds(t, data, canary, "canary-first-of-"+name); len(found) > 0 {
			t.Errorf("%s lies in %q", name, found)
		}
	}
}

// useAll is what one does with a server every day.
func (r *running) useAll(ask func(method, path string, body any)) {
	at := r.track("an event")
	ask("POST", "/api/v1/query", object{"sql": "SELECT * FROM web.tracks", "after": at})
	for _, path := range []string{"status", "attention", "sources", "sources/a", "readers", "jobs", "keys", "secrets", "secrets/history?path=rotated", "audit", "server/audit/export", "audit/export?format=csv",
		"files", "files/text?path=sources/a.yaml", "schemas", "tables", "session", "history?names=x", "usage", "workspaces", "records?user=u", "tail?backlog=100&limit=3"} {
		ask("GET", "/api/v1/"+path, nil)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/openapi.json", "/", "/settings"} {
		ask("GET", path, nil)
	}
	ask("POST", "/api/v1/files/check", object{"texts": object{"sources/a.yaml": webhook("rotated"), "sources/f.yaml": webhook("vault/path") + "types: 7\n"}})
	ask("POST", "/api/v1/files/complete", object{"path": "sources/a.yaml", "text": webhook("vault/path") + "x: ${", "line": 4, "column": 5})
	ask("POST", "/api/v1/files/values", object{"text": webhook("vault/path")})
	ask("POST", "/api/v1/sources/a/test-events", object{})
	ask("POST", "/api/v1/sources/a/snippets", object{})
	ask("GET", "/api/v1/sources/a/snippets", nil)
}

// breakAll makes what quotes settings fail.
func (r *running) breakAll(ask func(method, path string, body any)) {
	r.deliver("a", "a wrong secret")
	config := "name: small\narchive_interval: 200ms\nlog: {retention: 1h}\n"
	for _, line := range []string{
		"warehouse: 'postgres://u:${secret:password}@127.0.0.1:1/x'", "warehouse: 'postgres://u:${secret:password}@evil.example/x'", "warehouse: ${secret:password}", "archive: 's3://${secret:password}?nothing=1'",
		"query: {login: 'postgres://u:${secret:password}@@x'}", "archive_interval: ${secret:in_file}", "name: ${secret:in_variable}", "catalog: ${secret:in_file}", "log: {retention: '${secret:in_variable}'}",
	} {
		ask("POST", "/api/v1/files/check", object{"texts": object{"millrace.yaml": config + line + "\n"}})
	}
	for _, text := range []string{"kind: ${secret:in_file}\n", "kind: http\nwrite_keys: ['${secret:in_file}', '${secret:in_file}']\n", "kind: http\nwrite_keys: ['${secret:rotated}']\n",
		"kind: http\nwrite_keys: [k]\ndedup: ${secret:in_variable}\n", "kind: webhook\nevent: '${secret:in_file}('\n", webhook("rotated#7")} {
		ask("POST", "/api/v1/files/check", object{"texts": object{"sources/f.yaml": text}})
		ask("PUT", "/api/v1/files/text?path=sources/f.yaml", object{"text": text})
		ask("GET", "/api/v1/status", nil)
	}
	ask("POST", "/api/v1/query", object{"sql": "SELECT " + canaries["in_file"] + " FROM nothing"})
	ask("POST", "/api/v1/secrets/rollback", object{"path": "rotated", "version": 99})
	ask("PUT", "/api/v1/secrets", object{"path": "rotated", "value": []string{canaries["rotated"]}})
	ask("PUT", "/api/v1/secrets", object{"path": canaries["rotated"], "value": canaries["rotated"]})
}

// showAll is what shows what happened.
func (r *running) showAll(ask func(method, path string, body any)) {
	ask("POST", "/api/v1/secrets/rollback", object{"path": "rotated", "version": 1})
	ask("POST", "/api/v1/secrets/rekey", nil)
	ask("POST", "/api/v1/master-key/rekey", nil)
	ask("DELETE", "/api/v1/secrets?path=of_all&all_environments=true", nil)
	for _, path := range []string{"status", "audit?limit=500", "logs", "attention", "secrets", "audit/export"} {
		ask("GET", "/api/v1/"+path, nil)
	}
}

// raw is what a path answers.
func (r *running) raw(path string) []byte {
	r.t.Helper()
	resp, err := http.Get(r.URL() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// unpacked are the files of a tar.gz, one behind the other.
func unpacked(t *testing.T, data []byte) string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "\nbundle %s\n", h.Name)
		if _, err := io.Copy(&all, files); err != nil { // #nosec G110 -- the test's own
			t.Fatal(err)
		}
	}
}
