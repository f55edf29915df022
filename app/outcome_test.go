package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
)

// get reads an answer of the API.
func (r *running) get(path string, into any) {
	r.t.Helper()
	resp, err := http.Get(r.URL() + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != 200 {
		r.t.Fatalf("%s answers %s, %v", path, resp.Status, err)
	}
}

// job runs one to its end and returns its result.
func (r *running) job(path, body string) map[string]any {
	r.t.Helper()
	status, answer, _ := r.post(path, body)
	var j job.Job
	if err := json.Unmarshal([]byte(answer), &j); status != 202 || err != nil {
		r.t.Fatalf("%s answers %d %s", path, status, answer)
	}
	eventually(r.t, 20*time.Second, path+" is done", func() bool {
		j = job.Job{}
		r.get("/api/v1/jobs/"+idOf(answer), &j)
		return j.State != job.Running
	})
	if strings.HasSuffix(path, "rebuilds") && (j.Done == 0 || j.Done != j.Total) {
		r.t.Errorf("%s ended at %d of %d %s", path, j.Done, j.Total, j.Unit)
	}
	result, _ := j.Result.(map[string]any)
	if j.State != job.Done || result == nil {
		r.t.Fatalf("%s: %s %s", path, j.State, j.Error)
	}
	return result
}

func idOf(answer string) string {
	var j struct{ ID string }
	_ = json.Unmarshal([]byte(answer), &j)
	return j.ID
}

// A rejected record can be read at once, and sending it again twice says that
// the second is a duplicate. A rebuild of a time in which nothing came says so,
// also when there are users, which are always made anew.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	r := start(t, project(t, small), t.TempDir(), &clock{})
	defer r.stop()
	if status, answer, _ := r.post("/v1/identify", `{"userId":"ada","traits":{"plan":"pro"}}`); status != 200 {
		t.Fatalf("identify answers %d %s", status, answer)
	}
	if status, answer, _ := r.post("/v1/track", `{"userId":"ada","messageId":"m1"}`); status != 400 {
		t.Fatalf("a track call without an event answers %d %s", status, answer)
	}
	var list struct {
		Rejected []struct{ ID string }
	}
	if r.get("/api/v1/rejected?after=last", &list); len(list.Rejected) != 1 {
		t.Fatalf("the list shows %+v", list)
	}
	for _, want := range []string{`"outcome":"accepted"`, `"outcome":"duplicate","duplicates":1`} {
		status, answer, _ := r.post("/api/v1/rejected/"+list.Rejected[0].ID+"/resend", `{"body":{"event":"Sold","userId":"ada","messageId":"m1"}}`)
		if status != 200 || !strings.Contains(answer, want) {
			t.Errorf("sent again: %d %s, want %s", status, answer, want)
		}
	}
	for body, want := range map[string]bool{`{"from":"2099-01-01T00:00:00Z"}`: false, `{"until":"2020-01-01T00:00:00Z"}`: false, `{"from":"2020-01-01T00:00:00Z"}`: true, `{}`: true} {
		if result := r.job("/api/v1/warehouse/rebuilds", body); (result["received"].(float64) > 0) != want {
			t.Errorf("a rebuild of %s: %v", body, result)
		}
	}
}

// What is wrong with the options is told before another server on the same data
// folder is.
func TestOptionsAreCheckedFirst(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), t.TempDir()
	start(t, dir, data, &clock{})
	_, err := app.Open(t.Context(), app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Production, TLSCert: "cert.pem"})
	if err == nil || !strings.Contains(err.Error(), "--tls-key") {
		t.Errorf("%v", err)
	}
}
