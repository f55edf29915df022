package serve

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/serve/job"
)

// TestJobsOfTheServer: a key that may verify the log can see what comes of it,
// though it is of no workspace; who has a role in the workspace in which it was
// asked for neither sees nor ends it.
func TestJobsOfTheServer(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t, func(o *Options) {
		o.VerifyLog = func(ctx context.Context, _ func(job.Progress)) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	bearer := func(body string) []string {
		return []string{"Authorization", "Bearer " + decode[NewAPIKey](t, ada.want(201, "POST", "/api/v1/server/keys", body)).Token}
	}
	verifier, watcher := bearer(`{"name":"verify","permissions":["server:verify"]}`), bearer(`{"name":"watch","role":"viewer"}`)
	editor := []string{"Authorization", "Bearer " + decode[NewAPIKey](t, ada.want(201, "POST", "/api/v1/keys", `{"name":"edit","role":"editor"}`)).Token}
	resp, text := call(t, "POST", url+"/api/v1/log/verifications", "", verifier...)
	if resp.StatusCode != 202 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	at := url + resp.Header.Get("Location")
	id := decode[job.Job](t, text).ID
	for name, c := range map[string]struct {
		method, url string
		who         []string
		status      int
		sees        bool
	}{
		"who started it":               {"GET", at, verifier, 200, true},
		"who started it, the list":     {"GET", url + "/api/v1/jobs", verifier, 200, true},
		"who may not":                  {"GET", at, watcher, 404, false},
		"who may not, the list":        {"GET", url + "/api/v1/jobs", watcher, 404, false},
		"an editor":                    {"GET", at, editor, 403, false},
		"an editor, the list":          {"GET", url + "/api/v1/jobs", editor, 200, false},
		"an editor, who would end it":  {"DELETE", at, editor, 403, false},
		"who may not and would end it": {"DELETE", at, watcher, 404, false},
	} {
		resp, text := call(t, c.method, c.url, "", c.who...)
		if resp.StatusCode != c.status || strings.Contains(text, `"id":"`+id) != c.sees {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
	}
	if resp, text := call(t, "DELETE", at, "", verifier...); resp.StatusCode != 200 {
		t.Errorf("who started it ends it: %d %s", resp.StatusCode, text)
	}
	missing, text := call(t, "GET", url+"/api/v1/jobs/NOTHERE", "", verifier...)
	if missing.StatusCode != 404 {
		t.Errorf("%d %s", missing.StatusCode, text)
	}
}
