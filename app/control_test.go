package app_test

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestSharedReaders: who controls readers in the server's own workspace does not
// control the archive of all: that is for who runs the server, and for whoever sits
// at the machine of millrace dev.
func TestSharedReaders(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	admin := r.made("admin")
	status, text := r.admin("POST", "/api/v1/server/keys", []byte(`{"name":"ops","permissions":["server:control"]}`), "application/json")
	var runs struct{ Token string }
	if err := json.Unmarshal([]byte(text), &runs); err != nil || status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	for _, step := range []string{"pause", "resume", "reset"} {
		body := object{}
		if step == "reset" {
			body = object{"after": "1-2-end"}
		}
		for _, reader := range []string{"archive", "dedup"} {
			if status, text := r.request(admin, "POST", "/api/v1/readers/"+reader+"/"+step, body); status != 403 || !strings.Contains(text, "server:control") {
				t.Errorf("%s %s, by who controls readers of the workspace: %d %s", step, reader, status, text)
			}
		}
	}
	var list struct {
		Readers []struct{ Name, State string }
	}
	_, text = r.request(admin, "GET", "/api/v1/readers", nil)
	if err := json.Unmarshal([]byte(text), &list); err != nil || !strings.Contains(text, `"shared":true`) {
		t.Errorf("%s %v", text, err)
	}
	for _, reader := range list.Readers {
		if reader.State != "running" {
			t.Errorf("%s is %s", reader.Name, reader.State)
		}
	}
	for _, step := range []string{"pause", "resume"} {
		if status, text := r.request(admin, "POST", "/api/v1/readers/warehouse/"+step, object{}); status != 200 || strings.Contains(text, "shared") {
			t.Errorf("%s the workspace's own: %d %s", step, status, text)
		}
		if status, text := r.request(runs.Token, "POST", "/api/v1/readers/archive/"+step, object{}); status != 200 {
			t.Errorf("%s the archive, by who runs the server: %d %s", step, status, text)
		}
		if status, text := r.request(runs.Token, "POST", "/api/v1/readers/warehouse/"+step, object{}); status != 403 && status != 404 {
			t.Errorf("%s a workspace's, by who has no role there: %d %s", step, status, text)
		}
	}
	dev := start(t, project(t, small), t.TempDir(), new(clock))
	dev.must("POST", "/api/v1/readers/archive/pause", object{})
	dev.must("POST", "/api/v1/readers/archive/resume", object{})
}
