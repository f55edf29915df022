package app_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Deliveries whose signature does not match show in status, and are forgotten a
// day later.
func TestRefusedDeliveriesShow(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"millrace.yaml":       small["millrace.yaml"],
		"sources/github.yaml": "kind: webhook\nevent: body.action\nsignature: {header: X-Hub-Signature-256, secret: \"${secret:github}\", prefix: \"sha256=\"}\n",
		".secrets/github":     "the secret of the hook",
	}
	c := &clock{}
	r := start(t, project(t, files), t.TempDir(), c)
	for range 3 {
		req, err := http.NewRequest("POST", r.URL()+"/v1/webhook/github", strings.NewReader(`{"action":"opened"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	c.move(3 * time.Minute)
	want := "github: 3 deliveries with a signature that does not match, last 3 min ago: check the secret in sources/github.yaml"
	if got := r.status(t).Notices; len(got) != 1 || got[0] != want {
		t.Errorf("notices %q, want %q", got, want)
	}
	c.move(25 * time.Hour)
	if got := strings.Join(r.status(t).Notices, "\n"); strings.Contains(got, "signature") {
		t.Errorf("a day later: %s", got)
	}
}

// A file of the archive that is gone is named with what to do about it.
func TestMissingFileOfTheArchive(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	c := &clock{}
	r := start(t, project(t, small), data, c)
	r.track("a")
	var fresh []string
	eventually(t, 30*time.Second, "a file is in the archive", func() bool {
		fresh, _ = filepath.Glob(filepath.Join(data, "archive", "_fresh", "*", "*.parquet"))
		return len(fresh) > 0
	})
	for _, name := range fresh {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	c.move(2 * time.Hour)
	eventually(t, 20*time.Second, "status says what to do", func() bool {
		return strings.Contains(strings.Join(r.status(t).Problems, "\n"), "millrace archive verify")
	})
}

// TestWarehouseNotices are the newest, for a while.
func TestWarehouseNotices(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	files := map[string]string{"millrace.yaml": small["millrace.yaml"], "sources/web.yaml": small["sources/web.yaml"] + "limits: {columns: 30}\n"}
	r := start(t, project(t, files), filepath.Join(t.TempDir(), "data"), clock)
	properties := map[string]any{}
	for i := range 40 {
		properties[fmt.Sprintf("p%d", i)] = i
	}
	status, answer, header := r.post("/v1/track", map[string]any{"messageId": "wide", "userId": "u", "event": "Wide", "properties": properties})
	if status != http.StatusOK {
		t.Fatalf("track answers %d %s", status, answer)
	}
	r.ask("SELECT 1", header.Get("Millrace-Position"))
	told := func() bool { return strings.Contains(strings.Join(r.status(t).Notices, "\n"), "web: ") }
	eventually(t, 20*time.Second, "status tells that a limit was reached", told)
	clock.move(8 * 24 * time.Hour)
	if told() {
		t.Errorf("after a week status still tells %q", r.status(t).Notices)
	}
}
