package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// in is a server as one space sees it: its paths and its key.
func (r *running) in(space, key, method, path, body string) (int, string, http.Header) {
	r.t.Helper()
	if space != "" {
		path = strings.Replace(path, "/api/v1/", "/api/v1/w/"+space+"/", 1)
	}
	req, err := http.NewRequest(method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if key != "" {
		req.SetBasicAuth(key, "")
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
	return resp.StatusCode, string(text), resp.Header
}

// TestSpacesStayApart serves two spaces with a source of the same name, events
// of the same name and IDs that are the same: each has its own, wherever one
// asks, and one that is closed leaves the other as it was.
func TestSpacesStayApart(t *testing.T) {
	t.Parallel()
	r := start(t, project(t, small), filepath.Join(t.TempDir(), "data"), &clock{})
	other := project(t, map[string]string{
		"millrace.yaml":    "name: other\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_other]\ndedup: forever\n",
	})
	if err := r.OpenSpace("w2", other); err != nil {
		t.Fatal(err)
	}
	send := func(key, id, secret string) string {
		status, answer, header := r.in("", key, "POST", "/v1/track", fmt.Sprintf(`{"messageId":%q,"userId":"u","event":"Seen","properties":{"secret":%q}}`, id, secret))
		if status != http.StatusOK {
			t.Fatalf("track answers %d %s", status, answer)
		}
		return header.Get("Millrace-Position")
	}
	var last [2]string
	for range 2 { // the second time they are duplicates, each in its space
		for i := range 3 {
			last[0] = send("dev_web", fmt.Sprint("same-", i), "canary-one")
			last[1] = send("dev_other", fmt.Sprint("same-", i), "canary-two")
		}
	}
	end := send("dev_other", "same-9", "canary-two")
	ask := func(space, sql string) string {
		status, answer, _ := r.in(space, "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":%q,"after":%q}`, sql, end))
		if status != http.StatusOK {
			t.Fatalf("%s: query answers %d %s", space, status, answer)
		}
		return answer
	}
	for space, want := range map[string]string{"": `["canary-one",3]`, "w2": `["canary-two",4]`} {
		if got := ask(space, "SELECT secret, count(*) FROM web.seen GROUP BY ALL"); !strings.Contains(got, want) {
			t.Errorf("space %q has %s, want %s", space, got, want)
		}
	}
	mine, theirs := map[string]string{"": "canary-one", "w2": "canary-two"}, map[string]string{"": "canary-two", "w2": "canary-one"}
	for _, space := range []string{"", "w2"} {
		for _, path := range []string{
			"/api/v1/tail?limit=3&backlog=50", "/api/v1/tables/web/seen/sample", "/api/v1/records?source=web", "/api/v1/records/" + last[0], "/api/v1/records/" + last[1],
		} {
			status, answer, _ := r.in(space, "", "GET", path, "")
			if status == http.StatusOK && !strings.Contains(answer, mine[space]) {
				t.Errorf("space %q, %s does not show its own: %.300s", space, path, answer)
			}
			if strings.Contains(answer, theirs[space]) {
				t.Errorf("space %q, %s shows what is of the other: %.300s", space, path, answer)
			}
		}
		status, answer, _ := r.in(space, "", "GET", "/api/v1/sources", "")
		if status != http.StatusOK || !strings.Contains(answer, `"duplicates":3`) {
			t.Errorf("space %q: sources %d %s", space, status, answer)
		}
		if strings.Contains(answer, map[string]string{"": "dev_other", "w2": "dev_web"}[space]) {
			t.Errorf("space %q shows the other's key: %s", space, answer)
		}
	}
	r.countsItsOwn("", last[0], 1, 1)
	r.countsItsOwn("", last[1], 0, 0)
	r.countsItsOwn("w2", last[1], 1, 1)
	if err := r.CloseSpace("w2"); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := r.in("w2", "", "GET", "/api/v1/status", ""); status != http.StatusNotFound {
		t.Errorf("a space that is closed answers %d %s", status, answer)
	}
	if status, text, header := r.in("", "dev_other", "POST", "/v1/track", `{"userId":"u","event":"Seen"}`); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("the key of a workspace that was deleted: %d %s", status, text)
	}
	if err := r.OpenSpace("w2", other); err != nil { // and again: it goes on where it was
		t.Fatal(err)
	}
	send("dev_other", "same-9", "canary-two")
	end = send("dev_other", "same-10", "canary-two")
	if got := ask("w2", "SELECT count(*) FROM web.seen"); !strings.Contains(got, `[5]`) {
		t.Errorf("opened again it has %s, want 5", got)
	}
}

// countsItsOwn asks how many of one record at a position are duplicates.
func (r *running) countsItsOwn(space, position string, judged, duplicates int) {
	r.t.Helper()
	status, answer, _ := r.in(space, "", "POST", "/api/v1/duplicates", fmt.Sprintf(`{"ranges":[{"last":%q,"count":1}]}`, position))
	var got struct{ Judged, Duplicates int }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK || got.Judged != judged || got.Duplicates != duplicates {
		r.t.Errorf("space %q: of %s are judged %+v (%d %s), want %d and %d", space, position, got, status, answer, judged, duplicates)
	}
}

// TestASpaceIsTakenAtOnce makes workspaces while the server compares what it
// serves with what there is, all the time: a key of one that was made a moment
// ago is never refused.
func TestASpaceIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t, project(t, small), filepath.Join(t.TempDir(), "data"), &clock{})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				_ = r.FollowSpaces()
			}
		})
	}
	defer all.Wait()
	defer stop()
	for i := range 30 {
		key := fmt.Sprintf("dev_new_%d", i)
		if err := r.OpenSpace(fmt.Sprintf("new-%d", i), project(t, map[string]string{"millrace.yaml": "name: new\n", "sources/web.yaml": "kind: http\nwrite_keys: [" + key + "]\n"})); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if status, answer, _ := r.in("", key, "POST", "/v1/track", `{"userId":"u","event":"Seen"}`); status != http.StatusOK {
				t.Fatalf("workspace %d: track answers %d %s", i, status, answer)
			}
		}
	}
}

// TestAProjectThatCannotBeRead has senders of a space keep their events as long as
// its project cannot be read. Those of others go on.
func TestAProjectThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	files := map[string]string{"millrace.yaml": "name: broken\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_broken]\n",
		"sources/hook.yaml": "kind: webhook\nwrite_keys: [dev_hook]\nevent: body.type\n"}
	r := start(t, dir, data, &clock{})
	if err := r.Deploy("broken", files); err != nil {
		t.Fatal(err)
	}
	before, err := r.SwapManifests("broken", []byte("damaged"))
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, dir, data, &clock{})
	track := func(key string) (int, string, http.Header) {
		return r.in("", key, "POST", "/v1/track", `{"userId":"u","event":"Seen"}`)
	}
	status, answer, header := track("dev_broken")
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(answer, "send them again") {
		t.Errorf("a valid key of the space: %d %s %v", status, answer, header)
	}
	if status, answer, header = r.in("", "dev_hook", "POST", "/v1/webhook/hook", `{"type":"a"}`); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("a webhook of the space: %d %s %v", status, answer, header)
	}
	if status, answer, _ = r.in("", "dev_hook", "POST", "/v1/w/broken/webhook/hook", `{"type":"a"}`); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook of the space by its address: %d %s", status, answer)
	}
	if status, answer, _ = r.in("", "", "GET", "/v1/projects/dev_broken/settings", ""); status != http.StatusServiceUnavailable {
		t.Errorf("the settings of the space: %d %s", status, answer)
	}
	if status, answer, _ = track("dev_web"); status != http.StatusOK {
		t.Errorf("a key of another space: %d %s", status, answer)
	}
	if _, err := r.SwapManifests("broken", before); err != nil {
		t.Fatal(err)
	}
	if err := r.FollowSpaces(); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ = track("dev_broken"); status != http.StatusOK {
		t.Errorf("after it was mended: %d %s", status, answer)
	}
	if status, answer, _ = track("dev_other"); status != http.StatusUnauthorized {
		t.Errorf("a key that nobody has: %d %s", status, answer)
	}
}
