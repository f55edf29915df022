package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// TestStorageOfSpacesThatRest: what a space keeps is measured in log, archive and
// warehouse, and is known and bounded also while the space rests, and after a
// restart, before anything is measured again.
func TestStorageOfSpacesThatRest(t *testing.T) {
	t.Parallel()
	o := app.Options{Dir: project(t, shop), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev}.WithIdle(200 * time.Millisecond)
	begin := func() *running {
		a, err := app.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return run(t, a)
	}
	r := begin()
	if err := r.Deploy("acme", map[string]string{"millrace.yaml": "name: acme\narchive_interval: 200ms\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_acme]\n"}); err != nil {
		t.Fatal(err)
	}
	send := func() (status int, after, text string) {
		t.Helper()
		event := fmt.Sprintf(`{"type":"track","userId":"u","event":"Sold","properties":{"note":%q}}`, strings.Repeat("much ", 200))
		req, err := http.NewRequest("POST", r.URL()+"/v1/batch", strings.NewReader(`{"batch":[`+strings.TrimSuffix(strings.Repeat(event+",", 50), ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("dev_acme", "")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Retry-After"), string(body)
	}
	if status, _, text := send(); status != 200 {
		t.Fatalf("the first events: %d %s", status, text)
	}
	type day struct {
		Storage   *int64 `json:"storage_bytes"`
		Log       *int64 `json:"log_bytes"`
		Archive   *int64 `json:"archive_bytes"`
		Warehouse *int64 `json:"warehouse_bytes"`
		Tables    *int64 `json:"event_tables"`
	}
	usage := func() (d day) {
		t.Helper()
		var page struct{ Days []day }
		if r.get("/api/v1/workspaces/acme/usage", &page); len(page.Days) > 0 {
			d = page.Days[len(page.Days)-1]
		}
		return d
	}
	some := func(n *int64) bool { return n != nil && *n > 0 }
	eventually(t, 30*time.Second, "what acme keeps is measured where it is", func() bool {
		r.Measure(t.Context())
		d := usage()
		return some(d.Log) && some(d.Archive) && some(d.Warehouse) && some(d.Tables) && *d.Storage == *d.Log+*d.Archive+*d.Warehouse
	})
	eventually(t, 30*time.Second, "acme rests", func() bool { return r.OpenSpaces() == 1 })
	r.Measure(t.Context())
	rests := usage()
	if !some(rests.Log) || !some(rests.Archive) || !some(rests.Warehouse) || *rests.Tables != 1 || r.OpenSpaces() != 1 {
		t.Errorf("while it rests acme keeps %+v, and %d spaces are open", rests, r.OpenSpaces())
	}
	r.put("/api/v1/workspaces/acme/quotas", fmt.Sprintf(`{"storage_bytes":%d}`, *rests.Archive))
	refused := func(when string) {
		t.Helper()
		if status, after, text := send(); status != 429 || after == "" || !strings.Contains(text, "bytes of storage") {
			t.Errorf("%s: %d, Retry-After %s, %s", when, status, after, text)
		}
	}
	refused("while it rests")
	eventually(t, 20*time.Second, "it is told that the quota is used up", func() bool {
		var page struct {
			Today []struct {
				Quota  string `json:"quota"`
				UsedUp string `json:"used_up"`
			}
		}
		r.get("/api/v1/workspaces/acme/usage", &page)
		text, _ := json.Marshal(page)
		return strings.Contains(string(text), `"storage_bytes","used_up":"2`)
	})
	r.stop()
	r = begin()
	defer r.stop()
	eventually(t, 20*time.Second, "what was measured before is known", func() bool {
		status, _, _ := send()
		return status == 429
	})
	refused("after a restart")
}

// TestQuotaOfEventTables: all environments of a workspace have so many tables of
// events together. An event beyond is in tracks, with its properties, and that is
// told; before, that the limit is near.
func TestQuotaOfEventTables(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	ask := func(method, path, body string) string {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		if status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	ask("POST", "/api/v1/workspaces", `{"name":"acme"}`)
	ask("POST", "/api/v1/workspaces/acme/environments", `{"name":"staging"}`)
	ask("PUT", "/api/v1/workspaces/acme/quotas", `{"event_tables":4}`)
	keys := map[string]string{"acme": "prod_web", "acme@staging": "stage_web"}
	for address, key := range keys {
		eventually(t, 30*time.Second, address+" is served", func() bool {
			status, _ := r.admin("GET", "/api/v1/w/"+address+"/releases/running", nil, "")
			return status == 200
		})
		status, text := r.admin("POST", "/api/v1/w/"+address+"/releases?base=0&message=test", packed(t, map[string]string{
			"millrace.yaml": "name: acme\n", "sources/web.yaml": "kind: http\nwrite_keys: [" + key + "]\n"}), "application/gzip")
		if status != 200 {
			t.Fatalf("deploy to %s: %d %s", address, status, text)
		}
	}
	track := func(address, names string) {
		t.Helper()
		for _, name := range strings.Fields(names) {
			req, err := http.NewRequest("POST", r.URL()+"/v1/track", strings.NewReader(`{"userId":"u","event":"`+name+`","properties":{"of":"`+name+`"}}`))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(keys[address], "")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if _ = resp.Body.Close(); resp.StatusCode != 200 {
				t.Fatalf("%s: %s", name, resp.Status)
			}
		}
	}
	finds := func(address, sql, want string) {
		t.Helper()
		text := ""
		eventually(t, 30*time.Second, address+": "+sql+" answers "+want, func() bool {
			_, text = r.admin("POST", "/api/v1/w/"+address+"/query", fmt.Appendf(nil, `{"sql":%q}`, sql), "application/json")
			return strings.Contains(text, want)
		})
	}
	tables := `SELECT string_agg(table_name, ' ' ORDER BY table_name) AS list FROM information_schema.tables WHERE table_schema = 'web' AND table_name NOT IN ('tracks', 'discards')`
	track("acme", "One Two Three")
	finds("acme", tables, `"one three two"`)
	told := func(address, want string) {
		t.Helper()
		eventually(t, 30*time.Second, address+" tells: "+want, func() bool {
			return strings.Contains(ask("GET", "/api/v1/w/"+address+"/status", ""), want)
		})
	}
	if near := ask("GET", "/api/v1/w/acme/status", ""); strings.Contains(near, "quota:") {
		t.Errorf("told too early: %s", near)
	}
	eventually(t, 30*time.Second, "staging may have what production leaves", func() bool { return r.MayHave("acme@staging") == 1 })
	track("acme@staging", "Four Five Six")
	finds("acme@staging", tables, `"four"`)
	finds("acme@staging", `SELECT string_agg(properties_overflow, ' ' ORDER BY _seq) AS o FROM web.tracks`, `["{\"of\":\"Five\"} {\"of\":\"Six\"}"]`)
	told("acme@staging", "the workspace has as many event tables as it may")
	told("acme", "quota: 100 % of 4 event tables are used")
	ask("PUT", "/api/v1/workspaces/acme/quotas", `{"event_tables":5}`)
	told("acme", "quota: 80 % of 5 event tables are used")
	eventually(t, 30*time.Second, "one more may be made", func() bool { return r.MayHave("acme@staging") == 2 })
	track("acme@staging", "Five Six")
	finds("acme@staging", tables, `"five four"`)
}
