package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// TestSpacesRest opens spaces when they have something to do, closes them when
// they had nothing for a while, and loses nothing on the way, nor over a stop.
func TestSpacesRest(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	o := app.Options{Dir: project(t, small), Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev}.WithIdle(200 * time.Millisecond)
	const tenants, rounds = 5, 3
	sources := make([]string, tenants)
	for i := range sources {
		sources[i] = project(t, map[string]string{"millrace.yaml": "name: tenant\n", "sources/web.yaml": fmt.Sprintf("kind: http\nwrite_keys: [dev_tenant_%d]\n", i)})
	}
	last := make([]string, tenants)
	for round := range rounds {
		r := startWith(t, o)
		for i, dir := range sources {
			if err := r.OpenSpace(fmt.Sprintf("tenant-%c", 'a'+i), dir); err != nil {
				t.Fatal(err)
			}
		}
		for again := range 2 {
			for i := range tenants {
				status, answer, header := r.in("", fmt.Sprintf("dev_tenant_%d", i), "POST", "/v1/track", fmt.Sprintf(`{"messageId":"m-%d-%d","userId":"u","event":"Seen"}`, round, again))
				if status != http.StatusOK {
					t.Fatalf("track answers %d %s", status, answer)
				}
				last[i] = header.Get("Millrace-Position")
			}
			eventually(t, 20*time.Second, "idle spaces are closed", func() bool { return r.OpenSpaces() == 1 })
		}
		if round == rounds-1 {
			for i := range tenants {
				status, answer, _ := r.in(fmt.Sprintf("tenant-%c", 'a'+i), "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":"SELECT count(*), count(DISTINCT id) FROM web.tracks","after":%q}`, last[i]))
				if want := fmt.Sprintf("[%d,%d]", 2*rounds, 2*rounds); status != http.StatusOK || !strings.Contains(answer, want) {
					t.Errorf("tenant %d: %d %s, want %s", i, status, answer, want)
				}
			}
		}
		r.stop()
	}
}

// TestSpacesMakeRoom has more spaces receive records than should be open at once:
// those that have nothing to do are closed for the others, and nothing is lost.
func TestSpacesMakeRoom(t *testing.T) {
	t.Parallel()
	const tenants, most = 8, 3
	r := startWith(t, app.Options{Dir: project(t, small), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev}.WithIdle(time.Hour).WithMostOpen(most))
	for i := range tenants {
		dir := project(t, map[string]string{"millrace.yaml": "name: tenant\n", "sources/web.yaml": fmt.Sprintf("kind: http\nwrite_keys: [dev_tenant_%d]\n", i)})
		if err := r.OpenSpace(fmt.Sprintf("tenant-%c", 'a'+i), dir); err != nil {
			t.Fatal(err)
		}
	}
	last := make([]string, tenants)
	for round := range 2 {
		for i := range tenants {
			status, answer, header := r.in("", fmt.Sprintf("dev_tenant_%d", i), "POST", "/v1/track", fmt.Sprintf(`{"messageId":"m-%d","userId":"u","event":"Seen"}`, round))
			if status != http.StatusOK {
				t.Fatalf("track answers %d %s", status, answer)
			}
			last[i] = header.Get("Millrace-Position")
		}
		eventually(t, time.Minute, "there is room again", func() bool { return r.OpenSpaces() < most })
	}
	for i := range tenants {
		status, answer, _ := r.in(fmt.Sprintf("tenant-%c", 'a'+i), "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":"SELECT count(*), count(DISTINCT id) FROM web.tracks","after":%q}`, last[i]))
		if status != http.StatusOK || !strings.Contains(answer, "[2,2]") {
			t.Errorf("tenant %d: %d %s", i, status, answer)
		}
	}
}
