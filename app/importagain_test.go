package app_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/transfer"
)

// TestImportingAgain counts nothing twice within the window of the source, and all
// twice later; a wider window, and an index that is built again, know what was
// forgotten. It is what the manual, the API and the command say.
func TestImportingAgain(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	at := clock.now().UTC().Truncate(time.Millisecond)
	line := transfer.AppendLine(nil, &eventlog.Entry{Record: millrace.Record{ID: "a", Workspace: "x", Source: "web", Stream: millrace.StreamTrack + "Seen", Received: at, Occurred: at,
		Body: []byte(`{"type":"track","messageId":"a","userId":"u","event":"Seen"}`)}})
	again := func(what string, want int64) {
		t.Helper()
		var out struct{ Records, Duplicates int64 }
		status, text, _ := r.in("", "", "POST", "/api/v1/import/records", string(line)+"\n")
		if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK || out.Records != 1 || out.Duplicates != want {
			t.Errorf("%s: %d %s, want %d duplicates", what, status, text, want)
		}
	}
	if _, text, _ := r.in("", "", "GET", "/api/openapi.json", ""); !strings.Contains(text, "in that time; later it counts again") || !strings.Contains(transfer.Again, "within the dedup window") {
		t.Error("who imports is not told that it holds for a while only")
	}
	again("the first time", 0)
	again("again", 1)
	clock.move(25 * time.Hour)
	again("a day later", 0)
	clock.move(60 * time.Hour)
	r.track("later")
	eventually(t, 20*time.Second, "the archive has everything", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
	r.stop()
	plant(t, filepath.Join(dir, "sources", "web.yaml"), "kind: http\nwrite_keys: [dev_web]\ndedup: forever\n")
	if err := os.RemoveAll(filepath.Join(data, "dedup", "index")); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, data, clock)
	again("days later, with a wider window", 1)
}
