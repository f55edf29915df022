package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// asking are the operations that run queries: what is sent, with {…} for what is
// known by then only. Some remember what they found, and some answer what they
// know otherwise when no query can be run.
var asking = map[string]struct {
	path, body         string
	remembers, without bool
}{
	"query":                  {path: "query", body: `{"sql":"SELECT count(*) AS n FROM web.sold"}`},
	"create-result":          {path: "results", body: `{"sql":"SELECT * FROM web.sold","wait_ms":20000}`},
	"read-result":            {path: "results/{result}/rows", body: `{"sort":[{"column":"id"}]}`, remembers: true},
	"describe-result-column": {path: "results/{result}/stats", body: `{"column":"id"}`},
	"chart-result":           {path: "results/{result}/chart", body: `{"kind":"bar","x":"id"}`},
	"download-result":        {path: "results/{result}/download?view=" + url.QueryEscape(`{"sort":[{"column":"id"}]}`)},
	"sample-table":           {path: "tables/web/sold/sample"},
	"profile-table":          {path: "tables/web/sold/profile", body: `{}`, without: true},
	"preview-column-type":    {path: "tables/web/sold/columns/n/type", body: `{"type":"text"}`},
	"explain-table":          {path: "tables/web/sold/why"},
	"explain-table-rows":     {path: "tables/web/sold/why/rows?category=discarded"},
	"get-table":              {path: "tables/web/sold", remembers: true},
	"list-tables":            {path: "tables", remembers: true},
	"get-catalog":            {path: "catalog", remembers: true},
	"list-source-events":     {path: "sources/web/events", remembers: true},
	"get-source-event":       {path: "sources/web/events/Sold"},
	"list-source-changes":    {path: "sources/web/changes", remembers: true},
	"list-records":           {path: "records?user=ada", without: true},
	"get-record":             {path: "records/{position}", without: true},
	"list-rejected":          {path: "rejected"},
	"list-rejected-groups":   {path: "rejected/groups"},
	"get-rejected":           {path: "rejected/{rejected}"},
	"get-attention":          {path: "attention", without: true},
	"resend-many":            {path: "rejected/resend", body: `{"filter":{}}`, without: true},
	"resend-rejected":        {path: "rejected/{rejected}/resend", body: `{"body":{"event":"Sold","userId":"ada","messageId":"m9"}}`},
}

// silent are those operations that say something of data or tables and run none.
const silent = "get-history list-jobs get-job list-marks list-readers delete-result get-result list-sources get-source list-snippets get-status tail count-duplicates"

// TestEveryQueryCounts asks each operation that runs queries: what DuckDB is asked
// counts as time of queries, and none is asked when that time is used up. An
// operation that says something of data is in one of the lists above.
func TestEveryQueryCounts(t *testing.T) {
	t.Parallel()
	a, err := app.Open(t.Context(), app.Options{Dir: project(t, small), Data: t.TempDir(), Listen: "127.0.0.1:0", Mode: serve.Dev})
	if err != nil {
		t.Fatal(err)
	}
	asked := a.CountQueries()
	r := run(t, a)
	defer r.stop()
	known := fillAsked(t, r)
	described := operations(t, r)
	ask := func(id string) (resp *http.Response, text string) {
		t.Helper()
		path := known.Replace(asking[id].path)
		req, err := http.NewRequest(described[id].method, r.URL()+"/api/v1/"+path, strings.NewReader(asking[id].body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err = http.DefaultClient.Do(req); err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if job := idOf(string(answer)); id == "profile-table" && job != "" {
			eventually(t, 20*time.Second, "the profile is made", func() bool {
				var j struct{ State string }
				r.get("/api/v1/jobs/"+job, &j)
				return j.State != "running"
			})
		}
		return resp, string(answer)
	}
	for id := range asking {
		if strings.HasPrefix(id, "resend") {
			continue // what is sent again changes what the others find
		}
		engine, counted := asked.Load(), r.QueryTime("default")
		resp, text := ask(id)
		if resp.StatusCode/100 != 2 {
			t.Errorf("%s: %d %s", id, resp.StatusCode, text)
		}
		asked, counts := asked.Load() > engine, r.QueryTime("default") > counted
		if asked && !counts || !counts && !asking[id].remembers {
			t.Errorf("%s asks the engine: %v, and it counts: %v", id, asked, counts)
		}
	}
	r.put("/api/v1/workspaces/default/quotas", `{"query_seconds_per_day":0}`)
	engine := asked.Load()
	for id, op := range asking {
		resp, text := ask(id)
		refused := resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "" && strings.Contains(text, "has used its 0 seconds of queries a day")
		if !refused && !op.remembers && !op.without {
			t.Errorf("%s without time left: %d %s %s", id, resp.StatusCode, resp.Header.Get("Retry-After"), text)
		}
		if now := asked.Load(); now != engine {
			t.Errorf("%s asked the engine %d times without time left", id, now-engine)
			engine = now
		}
	}
	resp, err := http.Post(r.URL()+"/api/v1/results/"+known.Replace("{result}")+"/rows", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != 200 {
		t.Errorf("rows as they were stored, without time left: %s", resp.Status)
	}
}

type described struct{ method string }

// operations are those that say something of data, from the description of the
// API; each has to be known here.
func operations(t *testing.T, r *running) map[string]described {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID          string `json:"operationId"`
			Description string
		}
	}
	r.get("/api/openapi.json", &document)
	all, ofData := map[string]described{}, regexp.MustCompile(`permission (query:|table:|record:|rejected:|source:read|status:read|job:read)`)
	for _, methods := range document.Paths {
		for method, op := range methods {
			all[op.ID] = described{strings.ToUpper(method)}
			if _, known := asking[op.ID]; ofData.MatchString(op.Description) && !known && !strings.Contains(" "+silent+" ", " "+op.ID+" ") {
				t.Errorf("%s says something of data: does it run queries?", op.ID)
			}
		}
	}
	for id := range asking {
		if _, there := all[id]; !there {
			t.Errorf("there is no operation %s", id)
		}
	}
	return all
}

// fillAsked sends what is asked for, and returns what stands for it in paths.
func fillAsked(t *testing.T, r *running) *strings.Replacer {
	t.Helper()
	for body, want := range map[string]int{`{"userId":"ada","event":"Sold","properties":{"n":1}}`: 200, `{"userId":"ada","messageId":"m1"}`: 400} {
		if status, answer, _ := r.post("/v1/track", body); status != want {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
	}
	var rejected struct{ Rejected []struct{ ID string } }
	if r.get("/api/v1/rejected?after=last", &rejected); len(rejected.Rejected) != 1 {
		t.Fatalf("rejected are %+v", rejected)
	}
	eventually(t, 20*time.Second, "what was sent is in its table", func() bool {
		status, answer, _ := r.post("/api/v1/query", `{"sql":"SELECT n FROM web.sold"}`)
		return status == 200 && strings.Contains(answer, "[1]")
	})
	var records struct{ Records []struct{ Position string } }
	if r.get("/api/v1/records?user=ada", &records); len(records.Records) == 0 {
		t.Fatal("there are no records of ada")
	}
	_, answer, _ := r.post("/api/v1/results", asking["create-result"].body)
	var result struct{ Result struct{ ID string } }
	if err := json.Unmarshal([]byte(answer), &result); err != nil || result.Result.ID == "" {
		t.Fatalf("the result: %s", answer)
	}
	return strings.NewReplacer("{result}", result.Result.ID, "{rejected}", rejected.Rejected[0].ID, "{position}", records.Records[0].Position)
}

// put changes something.
func (r *running) put(path, body string) {
	r.t.Helper()
	req, err := http.NewRequest("PUT", r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		r.t.Fatalf("%s: %s %s", path, resp.Status, text)
	}
}
