package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

func TestMain(m *testing.M) {
	app.ChildMain()
	os.Exit(m.Run())
}

// A clock is the real one, moved.
type clock struct{ moved atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.moved.Load())) }
func (c *clock) move(d time.Duration) { c.moved.Add(int64(d)) }

// A running is an App that runs until stop.
type running struct {
	*app.App
	t    *testing.T
	stop func()
}

func start(t *testing.T, dir, data string, clock *clock) *running {
	t.Helper()
	return startWith(t, app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev, Now: clock.now})
}

func startWith(t *testing.T, o app.Options) *running {
	t.Helper()
	a, err := app.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, a)
}

// run lets a server run until stop.
func run(t *testing.T, a *app.App) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	r := &running{App: a, t: t, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}}
	t.Cleanup(r.stop)
	return r
}

func project(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var small = map[string]string{
	"millrace.yaml":    "name: small\narchive_interval: 200ms\nlog: {retention: 1h}\n",
	"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
}

func (r *running) post(path string, body any) (int, string, http.Header) {
	r.t.Helper()
	text, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		text = string(encoded)
	}
	req, err := http.NewRequest("POST", r.URL()+path, strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth("dev_web", "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, resp.Body); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, answer.String(), resp.Header
}

// track sends an event and returns its position.
func (r *running) track(id string) string {
	r.t.Helper()
	status, answer, header := r.post("/v1/track", fmt.Sprintf(`{"messageId":%q,"userId":"u","event":"Seen"}`, id))
	if status != http.StatusOK {
		r.t.Fatalf("track answers %d %s", status, answer)
	}
	return header.Get("Millrace-Position")
}

// ask returns the first value of a query's rows.
func (r *running) ask(sql, after string) []string {
	r.t.Helper()
	status, answer, _ := r.post("/api/v1/query", map[string]any{"sql": sql, "after": after})
	var out struct{ Rows [][]any }
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		r.t.Fatalf("query answers %d %s", status, answer)
	}
	var values []string
	for _, row := range out.Rows {
		values = append(values, fmt.Sprint(row[0]))
	}
	return values
}

func (r *running) reader(action, name string) {
	r.t.Helper()
	if status, answer, _ := r.post("/api/v1/readers/"+name+"/"+action, "{}"); status >= 300 {
		r.t.Fatalf("%s %s answers %d %s", action, name, status, answer)
	}
}

func eventually(t *testing.T, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", timeout, what)
		}
	}
}

// TestAReaderWeeksBehindCatchesUpFromTheArchive pauses the warehouse, lets
// weeks pass until the log has forgotten what it did not read, and resumes it.
func TestAReaderWeeksBehindCatchesUpFromTheArchive(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	r.ask("SELECT 1", r.track("first"))
	r.reader("pause", "warehouse")
	for i := range 100 {
		r.track(fmt.Sprintf("old-%d", i))
	}
	clock.move(21 * 24 * time.Hour)
	r.track("now")
	eventually(t, 20*time.Second, "the archive has everything", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
	r.stop()

	r = start(t, dir, data, clock) // retention looks at once
	eventually(t, 20*time.Second, "the log has forgotten what is three weeks old", func() bool {
		s := r.status(t)
		return s.Log.First.Seq > 1 && s.Warehouse.Committed.Before(s.Log.First)
	})
	if state := r.status(t).Readers[2]; state.State != "paused" {
		t.Errorf("after a restart the warehouse is %s, want paused", state.State)
	}
	last := r.track("after")
	r.reader("resume", "warehouse")
	if got := r.ask("SELECT count(*) FROM web.seen", last); got[0] != "103" {
		t.Errorf("the warehouse has %s events, want 103", got[0])
	}
	if got := r.ask("SELECT count(DISTINCT id) FROM web.tracks", last); got[0] != "103" {
		t.Errorf("tracks has %s different events, want 103", got[0])
	}
}

func (r *running) status(t *testing.T) serve.Status {
	t.Helper()
	s, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheClockIsSetBack by a day, while running and over a restart: nothing is
// lost, doubled or out of order, and duplicates stay duplicates.
func TestTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	r.track("a")
	clock.move(-24 * time.Hour)
	r.track("b")
	r.track("a") // again: the log's own time has not gone back
	r.stop()
	clock.move(-24 * time.Hour)
	r = start(t, dir, data, clock)
	r.track("b")
	last := r.track("c")
	if got := fmt.Sprint(r.ask("SELECT id FROM web.tracks ORDER BY _epoch, _seq, _index", last)); got != "[a b c]" {
		t.Errorf("tracks has %s, want [a b c]", got)
	}
	clock.move(48 * time.Hour)
	last = r.track("d")
	if got := fmt.Sprint(r.ask("SELECT id FROM web.seen ORDER BY _epoch, _seq, _index", last)); got != "[a b c d]" {
		t.Errorf("seen has %s, want [a b c d]", got)
	}
	eventually(t, 20*time.Second, "the archive has everything", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
}

// TestASecondServerIsRefused says who holds the folder.
func TestASecondServerIsRefused(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	start(t, dir, data, clock)
	_, err := app.Open(t.Context(), app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("a second server on the same folder says %v, want the process that holds it", err)
	}
	info, err := os.Stat(data)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder has mode %v, %v; want 0700", info.Mode(), err)
	}
}

// TestReload serves a saved file, and keeps the last good version when it has
// a mistake.
func TestReload(t *testing.T) {
	t.Parallel()
	dir := project(t, small)
	r := start(t, dir, filepath.Join(t.TempDir(), "data"), &clock{})
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "sources/ios.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	has := func(n int) func() bool { return func() bool { return len(r.status(t).Sources) == n } }
	write("kind: http\nwrite_keys: [dev_ios]\n")
	eventually(t, 30*time.Second, "the new source is served", has(2))
	write("kind: http\nwrite_kys: [dev_ios]\n")
	eventually(t, 30*time.Second, "the mistake is told", func() bool {
		return strings.Contains(strings.Join(r.status(t).Project.Problems, "\n"), "sources/ios.yaml:2:1")
	})
	if !has(2)() {
		t.Error("a mistake took the last good version away")
	}
	r.track("still-working")
	write("kind: http\nwrite_keys: [dev_ios2]\n")
	eventually(t, 30*time.Second, "the mended file is served", func() bool {
		s := r.status(t)
		return len(s.Project.Problems) == 0 && s.Sources[0].WriteKeys[0] == "dev_ios2"
	})
}
