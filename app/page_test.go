package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// api makes a request to the API and reads the answer.
func (r *running) api(method, path string, body, into any) int {
	r.t.Helper()
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(method, r.URL()+path, reader)
	if err != nil {
		r.t.Fatal(err)
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
	if raw, ok := into.(*string); ok {
		*raw = string(text)
	} else if err := json.Unmarshal(text, into); err != nil {
		r.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return resp.StatusCode
}

// TestPage asks a whole server what the web page asks: from a test event to its
// journey, a stored result, an edit of the project that is served at once.
func TestPage(t *testing.T) {
	t.Parallel()
	dir := project(t, small)
	r := start(t, dir, t.TempDir(), new(clock))
	var text string
	if status := r.api("GET", "/sources/web", nil, &text); status != 200 || !strings.Contains(text, "<html") {
		t.Errorf("the page: %d %.200s", status, text)
	}
	var sent struct {
		Accepted bool
		Position string
		ID       string
	}
	if status := r.api("POST", "/api/v1/sources/web/test", nil, &sent); status != 200 || !sent.Accepted {
		t.Fatalf("test event: %d %+v", status, sent)
	}
	var journey struct {
		Steps []struct{ Step, State, Where string }
		Rows  []struct{ Table string }
	}
	for range 200 {
		if r.api("GET", "/api/v1/records/"+sent.Position, nil, &journey); len(journey.Steps) == 5 && journey.Steps[3].State == "done" && journey.Steps[4].State == "done" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(journey.Steps) != 5 || journey.Steps[2].State != "done" || !strings.HasSuffix(journey.Steps[3].Where, ".parquet") || journey.Steps[4].Where != "web.tracks, web.test_event" {
		t.Errorf("journey %+v", journey)
	}
	var found struct{ Records []struct{ ID, Result string } }
	if r.api("GET", "/api/v1/records?id="+sent.ID, nil, &found); len(found.Records) != 1 || found.Records[0].Result != "accepted" {
		t.Errorf("by its ID %+v", found)
	}
	var result struct {
		Result struct {
			ID   string
			Rows int64
		}
	}
	if status := r.api("POST", "/api/v1/results", map[string]any{"sql": "SELECT event FROM web.tracks", "wait_ms": 20000}, &result); status != 201 || result.Result.Rows != 1 {
		t.Errorf("result: %d %+v", status, result)
	}
	if status := r.api("GET", "/api/v1/results/"+result.Result.ID+"/download", nil, &text); status != 200 || !strings.Contains(text, "test_event") {
		t.Errorf("download: %d %s", status, text)
	}
	var file struct{ Text, ETag string }
	r.api("GET", "/api/v1/files/text?path=sources/web.yaml", nil, &file)
	edit := map[string]any{"path": "sources/web.yaml", "etag": file.ETag, "changes": []any{map[string]any{"op": "append", "path": []any{"write_keys"}, "value": "dev_second"}}}
	var saved struct {
		Problems []any
		Text     string
	}
	if status := r.api("POST", "/api/v1/files/edit", edit, &saved); status != 200 || len(saved.Problems) != 0 || !strings.Contains(saved.Text, "dev_second") {
		t.Fatalf("edit: %d %+v", status, saved)
	}
	req, err := http.NewRequest("POST", r.URL()+"/v1/track", strings.NewReader(`{"userId":"u","event":"Seen"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("dev_second", "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("the new key at once: %d", resp.StatusCode)
	}
	var marks struct{ Marks []struct{ Kind string } }
	if r.api("GET", "/api/v1/marks", nil, &marks); len(marks.Marks) < 2 || marks.Marks[0].Kind != "start" || marks.Marks[1].Kind != "reload" {
		t.Errorf("marks %+v", marks)
	}
	var history struct{ Series []struct{ Name string } }
	if r.api("GET", "/api/v1/history?names=millrace_log_bytes", nil, &history); len(history.Series) != 1 {
		t.Errorf("history %+v", history)
	}
	var logs struct{ Last uint64 }
	if status := r.api("GET", "/api/v1/logs", nil, &logs); status != 200 {
		t.Errorf("logs %d", status)
	}
	var attention struct{ Items []struct{ Title string } }
	if r.api("GET", "/api/v1/attention", nil, &attention); len(attention.Items) != 0 {
		t.Errorf("attention %+v", attention)
	}
	if _, err := os.Stat(filepath.Join(dir, ".millrace", "schema", "sources.json")); err != nil {
		t.Errorf("editors have no schemas: %v", err)
	}
}

// TestSourcePage asks what the page of a webhook asks: where its file is, a
// test delivery that is signed here, and when keys were last used, which a
// restart remembers. And what Status says of the engines.
func TestSourcePage(t *testing.T) {
	t.Parallel()
	const secret = "nobody sees this"
	files := maps.Clone(small)
	files["sources/github.yaml"] = "# deliveries\n\nkind: webhook\nsignature:\n  header: X-Hub-Signature-256\n  prefix: sha256=\n  secret: ${secret:github}\n"
	files[".secrets/github"] = secret
	dir := project(t, files)
	data := t.TempDir()
	r := start(t, dir, data, new(clock))
	if s := r.status(t); !regexp.MustCompile(`^\d+\.\d+`).MatchString(s.Log.Version) || !regexp.MustCompile(`^\d+\.\d+`).MatchString(s.Warehouse.Version) {
		t.Errorf("the engines are of the versions %q and %q", s.Log.Version, s.Warehouse.Version)
	}
	var text string
	if status := r.api("POST", "/api/v1/sources/github/test", nil, &text); status != 200 || !strings.Contains(text, `"accepted":true`) || strings.Contains(text, secret) {
		t.Errorf("%d %s", status, text)
	}
	if status := r.api("GET", "/api/v1/sources/github", nil, &text); status != 200 || !strings.Contains(text, `"file":"sources/github.yaml","line":3`) || strings.Contains(text, secret) {
		t.Errorf("%d %s", status, text)
	}
	type source struct {
		Keys []struct {
			Key      string
			Works    bool
			LastUsed *time.Time `json:"last_used"`
		}
	}
	var web source
	if r.api("GET", "/api/v1/sources/web", nil, &web); len(web.Keys) != 1 || !web.Keys[0].Works || web.Keys[0].LastUsed != nil {
		t.Errorf("%+v", web)
	}
	r.api("POST", "/api/v1/sources/web/test", nil, &text) // nobody sends with the key
	if r.api("GET", "/api/v1/sources/web", nil, &web); web.Keys[0].LastUsed != nil {
		t.Errorf("behind a test %+v", web)
	}
	r.track("used")
	if r.api("GET", "/api/v1/sources/web", nil, &web); web.Keys[0].LastUsed == nil {
		t.Errorf("%+v", web)
	}
	r.stop()
	r = start(t, dir, data, new(clock))
	if r.api("GET", "/api/v1/sources/web", nil, &web); web.Keys[0].LastUsed == nil {
		t.Errorf("behind a restart %+v", web)
	}
}
