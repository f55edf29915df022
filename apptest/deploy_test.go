package apptest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/release/tree"
)

const deployToken = "a-token-of-32-characters-for-tests"

// A deployer deploys versions to a server that is killed meanwhile. The version
// of number n has the key web_n.
type deployer struct {
	*testing.T
	s        *apptest.Server
	settings string           // millrace.yaml
	keys     map[int64]string // by version, as far as it is known what they have
	sent     int
	last     string
}

// deploySettings are those of the project that is deployed.
const deploySettings = "name: test\narchive_interval: 200ms\n"

func (d *deployer) get(path string, to any) {
	d.Helper()
	status, text, err := d.s.Do("GET", path, nil)
	if err == nil && status == 200 {
		err = json.Unmarshal(text, to)
	}
	if err != nil || status != 200 {
		d.Fatalf("%s: %d %s %v", path, status, text, err)
	}
}

func (d *deployer) running() int64 {
	d.Helper()
	var out struct{ Version int64 }
	d.get("/api/v1/releases/running", &out)
	return out.Version
}

// files are those of a version with a key, and with one that stays.
func (d *deployer) files(key string) []byte {
	d.Helper()
	files, err := tree.Of(map[string]string{"millrace.yaml": d.settings, "sources/web.yaml": "kind: http\nwrite_keys: [web_0, " + key + "]\n"})
	if err != nil {
		d.Fatal(err)
	}
	var out bytes.Buffer
	if err := tree.Pack(&out, files); err != nil {
		d.Fatal(err)
	}
	return out.Bytes()
}

// post asks, and does not mind when nobody answers.
func (d *deployer) post(path, contentType string, body []byte) {
	req, err := http.NewRequest("POST", d.s.URL+path, bytes.NewReader(body))
	if err != nil {
		d.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+deployToken)
	req.Header.Set("Content-Type", contentType)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}

// track sends an event, and says whether the key is known.
func (d *deployer) track(key string) bool {
	d.Helper()
	req, err := http.NewRequest("POST", d.s.URL+"/v1/track", strings.NewReader(fmt.Sprintf(`{"messageId":"m%d","userId":"last","event":"Seen"}`, d.sent)))
	if err != nil {
		d.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		d.sent++
		d.last = resp.Header.Get("Millrace-Position")
	}
	return resp.StatusCode == http.StatusOK
}

// check looks after a start that what runs is one version and all of it.
func (d *deployer) check(before int64, wantKey string) (left string) {
	d.Helper()
	now := d.running()
	var list struct {
		Deploys []struct {
			State, Error string
			Done         bool
			Version      int64
		}
	}
	d.get("/api/v1/deploys?limit=1", &list)
	newest := list.Deploys[0]
	if !newest.Done {
		d.Errorf("a deployment is under way after a start: %+v", newest)
	}
	if moved := now != before; moved {
		d.keys[now] = wantKey
		if newest.State != "healthy" || newest.Version != now {
			d.Errorf("version %d runs, and the newest deployment is %+v", now, newest)
		}
	}
	if !d.track(d.keys[now]) || !d.track("web_0") {
		d.Errorf("version %d runs, and its key %s is not known", now, d.keys[now])
	}
	if now == before && wantKey != d.keys[before] && d.track(wantKey) {
		d.Errorf("version %d runs, and a key of the version that does not is known", now)
	}
	return newest.State + " " + newest.Error
}

// TestKilledWhileDeploying kills the server at all moments of deployments and of
// going back: one version runs then, all of it, and no event is lost or doubled.
func TestKilledWhileDeploying(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.Options{Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + deployToken}, Args: []string{"--log-level", "error"}, Files: map[string]string{
		"millrace.yaml":    deploySettings,
		"sources/web.yaml": "kind: http\nwrite_keys: [web_0, key_1]\n",
	}})
	s.Token = deployToken
	s.Run()
	s.WaitReady(30 * time.Second)
	d := &deployer{T: t, s: s, settings: deploySettings, keys: map[int64]string{1: "key_1"}}
	left := map[string]int{}
	for i := range 12 {
		before, key := d.running(), fmt.Sprintf("next_%d", i)
		done := make(chan struct{})
		back := i%3 == 2 && before > 1
		go func() {
			defer close(done)
			if back {
				d.post("/api/v1/releases/rollback", "application/json", []byte(`{"to":1}`))
				return
			}
			d.post(fmt.Sprintf("/api/v1/releases?base=%d", before), "application/gzip", d.files(key))
		}()
		if back {
			key = "key_1"
		}
		time.Sleep(time.Duration(i*i) * 4800 * time.Microsecond) // the first moments are the shortest
		s.Kill()
		<-done
		s.Run()
		s.WaitReady(time.Minute)
		state := d.check(before, key)
		for _, moment := range []string{"before its files were read", "before it was switched to", "while it was applied", "while its health was checked", "healthy"} {
			if strings.Contains(state, moment) {
				left[moment]++
			}
		}
	}
	t.Logf("killed, as the next start found: %v", left)
	if left["while its health was checked"] == 0 || left["healthy"] == 0 {
		t.Errorf("no kill was in the middle of a deployment, or none behind one: %v", left)
	}
	d.counted()
}

// counted checks that every event that was tracked is counted once.
func (d *deployer) counted() {
	d.Helper()
	status, text, err := d.s.Do("POST", "/api/v1/query", fmt.Sprintf(`{"sql":"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM web.seen","after":%q}`, d.last))
	if want := fmt.Sprintf("[%d,%d]", d.sent, d.sent); err != nil || status != 200 || !strings.Contains(string(text), want) {
		d.Errorf("events: %d %s %v, want %s", status, text, err, want)
	}
}
