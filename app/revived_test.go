package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/serve"
)

// TestAWorkspaceThatABackupBringsBack: its archive lies elsewhere and has destroyed
// it since. Nothing is acknowledged for it, status says what to do, and all others
// go on. Deleted again, it is gone.
func TestAWorkspaceThatABackupBringsBack(t *testing.T) {
	t.Parallel()
	shared := filepath.Join(t.TempDir(), "shared")
	dir, data := project(t, map[string]string{"millrace.yaml": "name: small\narchive_interval: 200ms\narchive: file:" + shared + "\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_key1]\n"}), filepath.Join(t.TempDir(), "data")
	o := app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: adminToken}.WithGrace(300 * time.Millisecond)
	r := startWith(t, o)
	send := func(r *running, key, id string) (int, string, http.Header) {
		t.Helper()
		return r.in("", key, "POST", "/v1/track", fmt.Sprintf(`{"messageId":%q,"userId":"u","event":"Seen"}`, id))
	}
	must := func(status int, text string, _ http.Header) {
		t.Helper()
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
	}
	ask := func(r *running, method, path string, body []byte, kind string) string {
		t.Helper()
		status, text := r.admin(method, path, body, kind)
		if status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	ask(r, "POST", "/api/v1/workspaces", []byte(`{"name":"acme"}`), "application/json")
	ask(r, "POST", "/api/v1/w/acme/releases?base=0&message=first", packed(t, map[string]string{"millrace.yaml": "name: acme\n", "sources/web.yaml": "kind: http\nwrite_keys: [acme_key1]\n"}), "application/gzip")
	must(send(r, "acme_key1", "before"))
	must(send(r, "web_key1", "other"))
	space := r.SpaceOf("acme")
	eventually(t, 20*time.Second, "the archive has everything", func() bool {
		return r.status(t).Archive.Through == r.status(t).Log.Last && len(holding(t, shared, space)) > 0
	})
	r.stop()
	store, m := backedUp(t, dir, data, t.TempDir(), backup.NewKey())
	r = startWith(t, o)
	ask(r, "DELETE", "/api/v1/workspaces/acme", nil, "")
	gone := func() bool { return !strings.Contains(ask(r, "GET", "/api/v1/workspaces", nil, ""), "acme") }
	eventually(t, 60*time.Second, "the workspace is gone", gone)
	r.stop()

	to := filepath.Join(t.TempDir(), "restored")
	if _, err := app.Restore(t.Context(), app.RestoreOptions{Store: store.Store, Manifest: m, Data: to}); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(data, "master.key"), filepath.Join(to, "master.key")); err != nil {
		t.Fatal(err)
	}
	o.Data = to
	r = startWith(t, o)
	status, text, header := send(r, "acme_key1", "after")
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !strings.Contains(text, "its archive is gone") {
		t.Errorf("an event is answered %d %s %v", status, text, header)
	}
	if status, text := r.admin("GET", "/api/v1/w/acme/status", nil, ""); status != http.StatusGone || !strings.Contains(text, "millrace workspace delete acme") {
		t.Errorf("it is answered %d %s", status, text)
	}
	told := func() bool {
		return strings.Contains(strings.Join(r.status(t).Notices, "\n"), "acme was deleted for good after the backup that this server was restored from, and its archive is gone")
	}
	if !told() {
		t.Errorf("status does not say it: %q", r.status(t).Notices)
	}
	must(send(r, "web_key1", "another"))
	eventually(t, 20*time.Second, "the archive goes on", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
	ask(r, "DELETE", "/api/v1/workspaces/acme", nil, "")
	eventually(t, 60*time.Second, "the workspace is gone again", gone)
	if told() {
		t.Error("status still tells of it")
	}
}
