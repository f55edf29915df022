package app_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/nats"
)

// holds says which files below a folder hold a text.
func holds(t *testing.T, dir string, texts ...string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				files = append(files, path)
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestLogIsEncrypted: what was stored before there were keys is read on; what comes
// is on disk for nobody without the key; a space whose key is destroyed stores nothing.
func TestLogIsEncrypted(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), t.TempDir()
	old, err := nats.Open(t.Context(), nats.Options{Dir: filepath.Join(data, "log")})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	if _, err := old.Append(t.Context(), []millrace.Record{{ID: "plain", Workspace: "default", Source: "web", Stream: "track:Seen", Received: now, Occurred: now,
		Body: []byte(`{"type":"track","event":"Seen","userId":"u","messageId":"plain"}`), Meta: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, data, new(clock))
	at := r.track("canary-of-the-log")
	if got := r.ask("SELECT count(*) FROM web.tracks", at); len(got) != 1 || got[0] != "2" {
		t.Errorf("there are %q events", got)
	}
	if found := holds(t, filepath.Join(data, "log"), "canary-of-the-log"); len(found) > 0 {
		t.Errorf("the log shows a record: %q", found)
	}
	r.stop()
	r = start(t, dir, data, new(clock))
	if got := r.ask("SELECT count(*) FROM web.tracks", r.track("canary-of-the-log-2")); got[0] != "3" {
		t.Errorf("after a start there are %q events", got)
	}
	for range 2 {
		if err := r.PurgeSecrets(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
	}
	if status, text, _ := r.post("/v1/track", `{"messageId":"x","userId":"u","event":"Seen"}`); status == 200 {
		t.Errorf("a space without a key takes an event: %d %s", status, text)
	}
}
