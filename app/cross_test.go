package app_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// A crossing is what an operation is given in TestNothingOfAnotherWorkspace, with
// names in capitals for what is of the other workspace.
type crossing struct {
	query, body string
	want        int // the status; 404 unless it says otherwise
}

// What paths name, of the other workspace. Workspaces themselves are the business
// of TestNobodyCrossesWorkspaces.
var crossed = strings.NewReplacer("jobs/{id}", "jobs/JOB", "keys/{id}", "keys/KEY", "invitations/{id}", "invitations/INVITATION", "rejected/{id}", "rejected/REJECTED",
	"results/{id}", "results/RESULT", "{person}", "PERSON", "{position}", "POSITION", "releases/{number}", "releases/RELEASE", "{source}", "zebra", "{event}", "Zebra%20Sold",
	"{schema}", "zebra", "{table}", "zebra_sold", "{column}", "stripes", "{workspace}", "ours", "{environment}", "savanna", "audit/{number}", "audit/ENTRY")

const (
	ownOnly  = "it shows or changes what is of the workspace that asks, and takes no names: nothing of another is in its answer"
	notHere  = "no workspace has a part in it"
	isServer = "it is of the server: a key of a workspace may not"
	byToken  = "a link says what it is about, whoever asks"
	byPerson = "it is of whoever is signed in, and keys are nobody"
	byPath   = "the path names a workspace: TestNobodyCrossesWorkspaces"
)

// apart are operations that take nothing that could be of another workspace.
var apart = map[string]string{
	ownOnly: `get-session get-profile get-status get-attention get-catalog get-running-release list-marks list-deploys list-files list-invitations list-jobs
		list-keys list-members list-readers list-releases list-secrets list-sources list-workspaces export-files export-trail pause-reader resume-reader
		reset-reader check-files complete-file read-values plan-release start-archive-verification start-log-verification invite-member create-key import-records rekey-secrets`,
	notHere:  "openapi healthz readyz list-schemas get-schema end-session",
	byToken:  "open-invitation accept-invitation confirm-email reset-password request-password-reset complete-setup start-session",
	byPerson: "change-profile change-email change-password delete-account list-sessions end-other-sessions end-one-session",
	byPath:   `get-workspace change-workspace delete-workspace suspend-workspace resume-workspace undelete-workspace set-quotas invite-owner create-environment create-workspace`,
	isServer: `metrics get-support-bundle get-logs list-backups start-backup delete-backup start-backup-verification list-operators list-operator-invitations invite-operator
		revoke-operator-invitation set-operator remove-operator list-people delete-person change-person create-person-reset list-server-keys create-server-key rotate-server-key revoke-server-key
		list-server-audit get-server-audit-entry export-server-audit start-audit-verification rekey-server`,
}

var crossings = map[string]crossing{
	// What narrows a list to what is of another workspace finds nothing.
	"list-audit": {query: "?object=KEY", want: 200}, "export-audit": {query: "?object=KEY", want: 200}, "list-records": {query: "?id=z1", want: 200}, "list-rejected": {query: "?source=zebra"},
	"list-rejected-groups": {query: "?source=zebra"}, "list-tables": {query: "?schema=zebra", want: 200}, "get-history": {query: "?names=millrace_collect_events_total&labels=workspace:theirs", want: 200},
	"get-usage": {query: "?environment=SPACE"}, "export-usage": {query: "?environment=SPACE"}, "tail": {query: "?source=zebra&after=POSITION&limit=1"}, "export-records": {query: "?after=POSITION", want: 200},
	// What bodies and queries name.
	"query": {body: `{"sql":"SELECT * FROM zebra.zebra_sold"}`, want: 400}, "create-result": {body: `{"sql":"SELECT * FROM zebra.zebra_sold","wait_ms":5000}`, want: 400},
	"count-duplicates": {body: `{"ranges":[{"last":"POSITION","count":1}]}`, want: 200}, "resend-many": {body: `{"ids":["REJECTED"]}`, want: 202}, "start-rebuild": {body: `{"source":"zebra"}`},
	"read-file": {query: "?path=sources/zebra.yaml"}, "remove-file": {query: "?path=sources/zebra.yaml&etag=ETAG", want: 409}, "rename-file": {body: `{"from":"sources/zebra.yaml","to":"sources/mine.yaml","etag":"ETAG"}`, want: 409},
	"save-file": {query: "?path=sources/zebra.yaml", body: `{"text":"kind: http\n","etag":"ETAG"}`, want: 409}, "edit-file": {body: `{"path":"sources/zebra.yaml","etag":"ETAG","changes":[{"op":"set","path":["dedup"],"value":"forever"}]}`},
	"delete-secret": {query: "?path=zebra/key"}, "destroy-secret-version": {body: `{"path":"zebra/key","version":1}`}, "get-secret-history": {query: "?path=zebra/key"}, "restore-secret": {body: `{"path":"zebra/key"}`},
	"reveal-secret": {body: `{"path":"zebra/key"}`}, "rollback-secret": {body: `{"path":"zebra/key","version":1}`}, "allow-secret": {body: `{"path":"zebra/key","resources":["sources/web"],"hosts":[],"add":true}`},
	"set-secret": {body: `{"path":"zebra/key","value":"x","existing":true}`}, "deploy-release": {query: "?base=RELEASE", body: "ARCHIVE"}, "promote-release": {body: `{"version":RELEASE,"to":"SPACE"}`}, "roll-back-release": {body: `{"to":RELEASE}`},
	// What a path names, with a body that it takes.
	"set-member": {body: `{"role":"viewer"}`}, "read-result": {body: `{"limit":1}`}, "chart-result": {body: `{"kind":"bar"}`}, "describe-result-column": {body: `{"column":"stripes"}`},
	"rotate-key": {body: `{"overlap_seconds":60}`}, "diff-release": {query: "?from=1"}, "preview-column-type": {body: `{"type":"text"}`}, "send-test-event": {body: `{"event":"Seen"}`}, "change-environment": {body: `{"name":"mine"}`},
	"explain-table-rows": {query: "?category=discarded"}, "download-result": {query: "?format=csv"},
}

// theirs are the names of what the other workspace has.
type theirs map[string]string

func (v theirs) in(text string) string {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(v))) {
		text = strings.ReplaceAll(text, name, v[name])
	}
	return text
}

// TestNothingOfAnotherWorkspace asks for every operation of the API with a key of
// one workspace and the ids, names and positions of another: there are no such
// things, whatever the key may do in its own. An operation that is not covered fails it.
func TestNothingOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	testCrossing(t, "theirs", nil)
}

// ofWorkspace are operations on what all environments of a workspace share.
var ofWorkspace = strings.Fields(`create-member-reset remove-member set-member revoke-invitation revoke-key rotate-key list-audit export-audit get-audit-entry export-trail
	get-release diff-release get-release-files plan-stored-release promote-release roll-back-release deploy-release list-releases list-deploys list-keys list-members
	list-invitations list-workspaces delete-environment change-environment undelete-environment get-usage export-usage get-session export-records export-files`)

// TestNothingOfAnotherEnvironment does the same with a key of one environment and
// what is another's of the same workspace.
func TestNothingOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	testCrossing(t, "ours@savanna", ofWorkspace)
}

func testCrossing(t *testing.T, there string, shared []string) {
	t.Helper()
	r := startWith(t, app.Options{Dir: project(t, small), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev})
	c := &crossingTest{running: r, t: t, there: there}
	c.fill()
	before := c.state()
	for _, op := range c.operations() {
		if !slices.Contains(shared, op.id) {
			c.cross(op)
		}
	}
	eventually(t, 30*time.Second, "what was begun is over", func() bool {
		return !strings.Contains(c.find("GET", "/api/v1/w/ours/jobs", "", ""), `"state":"running"`)
	})
	for path, after := range c.state() {
		if after != before[path] {
			t.Errorf("%s of %s was\n%s\nand is\n%s", path, there, before[path], after)
		}
	}
}

type crossingTest struct {
	*running
	t      *testing.T
	there  string // the other workspace, or environment
	token  string // of a key that may do everything in ours
	theirs theirs
}

// find asks as the one who may do everything, and returns a part of the answer.
func (c *crossingTest) find(method, path, body, part string) string {
	c.t.Helper()
	status, text, _ := c.asKey("", method, path, body)
	if status >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if part == "" {
		return text
	}
	found := regexp.MustCompile(part).FindStringSubmatch(text)
	if found == nil {
		c.t.Fatalf("%s %s: %s has no %s", method, path, text, part)
	}
	return found[1]
}

// fill makes two spaces; the other one has one of everything.
func (c *crossingTest) fill() {
	c.t.Helper()
	if err := c.Deploy("ours", map[string]string{"millrace.yaml": "name: ours\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_ours]\n"}); err != nil {
		c.t.Fatal(err)
	}
	c.token = c.find("POST", "/api/v1/w/ours/keys", fmt.Sprintf(`{"name":"ours","role":"owner","all_environments":%v}`, !strings.Contains(c.there, "@")), `"token":"([^"]+)"`)
	workspace, environment, _ := strings.Cut(c.there, "@")
	there := "/api/v1/w/" + c.there + "/"
	if environment == "" {
		c.find("POST", "/api/v1/workspaces", `{"name":"`+workspace+`"}`, "")
	}
	c.find("POST", "/api/v1/workspaces/"+workspace+"/environments", `{"name":"savanna"}`, "")
	eventually(c.t, 30*time.Second, "the other space is served", func() bool {
		status, _, _ := c.asKey("", "GET", there+"releases/running", "")
		return status == http.StatusOK
	})
	c.find("PUT", there+"files/text?path=millrace.yaml", `{"text":"name: theirs\n"}`, "")
	c.find("PUT", there+"files/text?path=sources/zebra.yaml", `{"text":"kind: http\nwrite_keys: [dev_theirs]\n"}`, "")
	status, text, header := c.in("", "dev_theirs", "POST", "/v1/track", `{"messageId":"z1","userId":"zebra-user","event":"Zebra Sold","properties":{"stripes":3}}`)
	if status != http.StatusOK {
		c.t.Fatalf("%d %s", status, text)
	}
	if status, text, _ := c.in("", "dev_theirs", "POST", "/v1/track", `{"messageId":"z2","userId":"zebra-user"}`); status != http.StatusBadRequest {
		c.t.Fatalf("%d %s", status, text)
	}
	v := theirs{"POSITION": header.Get("Millrace-Position"), "SPACE": workspace + "@savanna"}
	v["KEY"] = c.find("POST", there+"keys", `{"name":"zebra","role":"viewer"}`, `"id":"(k_[^"]+)"`)
	link := c.find("POST", there+"members/invitations", `{"email":"zebra@example.com","role":"admin"}`, `"link":"[^"#]*#([^"]+)"`)
	v["PERSON"] = c.find("POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"token":%q,"name":"Zebra","password":"stripes of many savannas"}`, link), `"id":"(p_[^"]+)"`)
	v["INVITATION"] = c.find("POST", there+"members/invitations", `{"email":"zebra2@example.com","role":"viewer"}`, `"id":"([^"]+)"`)
	c.find("PUT", there+"secrets", `{"path":"zebra/key","value":"zebra-value","resources":["sources/zebra"]}`, "")
	for i := range 3 {
		etag := c.find("GET", there+"files/text?path=millrace.yaml", "", `"etag":"([^"]+)"`)
		c.find("PUT", there+"files/text?path=millrace.yaml", fmt.Sprintf(`{"etag":%q,"text":"name: theirs%d\n"}`, etag, i), "")
	}
	v["ETAG"] = c.find("GET", there+"files/text?path=sources/zebra.yaml", "", `"etag":"([^"]+)"`)
	v["RELEASE"] = c.find("GET", there+"releases/running", "", `"version":(\d+)`)
	v["JOB"] = c.find("POST", there+"warehouse/rebuilds", `{"yes":true}`, `"id":"([^"]+)"`)
	eventually(c.t, 30*time.Second, "what was sent is in its table, and the rebuild is over", func() bool {
		status, text, _ := c.asKey("", "POST", there+"query", `{"sql":"SELECT count(*) FROM zebra.zebra_sold"}`)
		_, job, _ := c.asKey("", "GET", there+"jobs/"+v["JOB"], "")
		return status == http.StatusOK && strings.Contains(text, "[1]") && strings.Contains(job, `"state":"done"`)
	})
	v["RESULT"] = c.find("POST", there+"results", `{"sql":"SELECT stripes FROM zebra.zebra_sold","wait_ms":20000}`, `"result":\{"id":"([^"]+)"`)
	v["REJECTED"] = c.find("GET", there+"rejected?after=last", "", `"id":"([^"]+)"`)
	v["ENTRY"] = c.find("GET", there+"audit?limit=1", "", `"number":(\d+)`)
	v["ARCHIVE"] = string(packed(c.t, small))
	c.theirs = v
}

// state is what the other workspace has, but for what goes on in time.
func (c *crossingTest) state() map[string]string {
	c.t.Helper()
	workspace, _, _ := strings.Cut(c.there, "@")
	out := map[string]string{"workspace": c.find("GET", "/api/v1/workspaces/"+workspace, "", "")}
	for _, path := range []string{"keys", "secrets", "secrets/history?path=zebra/key", "members", "members/invitations", "sources", "files", "releases", "deploys", "rejected", "jobs", "readers", "results/" + c.theirs["RESULT"]} {
		text := c.find("GET", "/api/v1/w/"+c.there+"/"+path, "", "")
		out[path] = regexp.MustCompile(`"(rate|committed_at|last_used|last_address|position|[a-z_]*_seconds)":[^,}]*,?`).ReplaceAllString(text, "")
	}
	return out
}

type crossedOperation struct{ id, method, path string }

// operations are all of the API, in order, but for those that take events: what
// these take is of the write key.
func (c *crossingTest) operations() []crossedOperation {
	c.t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			ID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal([]byte(c.find("GET", "/api/openapi.json", "", "")), &document); err != nil {
		c.t.Fatal(err)
	}
	var all []crossedOperation
	for path, methods := range document.Paths {
		for method, op := range methods {
			if !strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/analytics") {
				all = append(all, crossedOperation{op.ID, strings.ToUpper(method), path})
			}
		}
	}
	named := func(o crossedOperation) int { // those show what was asked for under a name
		if _, is := crossings[o.id]; is {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b crossedOperation) int { return cmp.Or(named(a)-named(b), cmp.Compare(a.id, b.id)) })
	if len(all) < 100 {
		c.t.Fatalf("%d operations are described", len(all))
	}
	return all
}

// cross asks for one operation with what is the other workspace's.
func (c *crossingTest) cross(op crossedOperation) {
	c.t.Helper()
	row, known := crossings[op.id]
	path := c.theirs.in(crossed.Replace(op.path))
	why := ""
	for reason, ids := range apart {
		if slices.Contains(strings.Fields(ids), op.id) {
			why = reason
		}
	}
	switch {
	case known && why != "":
		c.t.Errorf("%s is in both tables", op.id)
	case !known && why == "" && path == op.path:
		c.t.Errorf("%s (%s %s) is not covered: say what of another workspace it could be given, or why there is nothing", op.id, op.method, op.path)
		return
	case why != "" && (op.method != "GET" || strings.Contains(op.path, "{")):
		return
	}
	if !strings.HasPrefix(path, "/api/v1/workspaces/") {
		path = strings.Replace(path, "/api/v1/", "/api/v1/w/ours/", 1)
	}
	status, text, _ := c.asKey(c.token, op.method, path+c.theirs.in(row.query), cmp.Or(c.theirs.in(row.body), "{}"))
	if want := cmp.Or(row.want, http.StatusNotFound); why == "" && status != want {
		c.t.Errorf("%s (%s %s%s %s): %d %s", op.id, op.method, path, c.theirs.in(row.query), c.theirs.in(row.body), status, text)
	}
	asked := path + c.theirs.in(row.query) + c.theirs.in(row.body)
	for _, canary := range append([]string{"zebra", "Zebra", "savanna", "stripes"}, slices.Collect(maps.Values(c.theirs))...) {
		if !regexp.MustCompile(`^\d+$`).MatchString(canary) && !strings.Contains(asked, canary) && strings.Contains(text, canary) {
			c.t.Errorf("%s says %s: %s", op.id, canary, text)
		}
	}
}
