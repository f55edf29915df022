// Package e2e_test opens the page of the real binary in a real browser and does
// what people do there. A scene fails on anything the browser's console says, a
// request that fails or goes to another host, and what axe finds.
//
// The scenes are in *.mjs; E2E_ONLY chooses those whose name it matches. Of one
// that fails the log has what was seen and what happened last, and a picture
// lies in .build/e2e.
package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// playTimeout bounds all scenes of a play, on a machine that is busy.
const playTimeout = 18 * time.Minute

// given is what a play is told.
type given struct {
	Play     string `json:"play"`
	URL      string `json:"url"`
	Chromium string `json:"chromium"`
	Folder   string `json:"folder"` // of pictures
	Project  string `json:"project"`
	Token    string `json:"token,omitempty"`
	Link     string `json:"link,omitempty"` // for the first owner
	Only     string `json:"only,omitempty"`
}

// nodeJS is the path of node, with what the scenes import installed.
func nodeJS(t *testing.T) string {
	t.Helper()
	// What make page has installed stays as it is.
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join("..", "node_modules", name, "package.json")); err != nil {
			return testserver.Node(t, "..")
		}
	}
	return testserver.Install(t, []string{"node"}, "nodejs", "npm")
}

// setUpLink finds the link that a server prints while nobody owns it.
var setUpLink = regexp.MustCompile(`http://\S+/setup#\S+`)

// play runs the scenes of a play; each is a test.
func play(t *testing.T, name string, s *apptest.Server) {
	t.Helper()
	node := nodeJS(t)
	folder, err := filepath.Abs(filepath.Join("..", "..", ".build", "e2e"))
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(given{Play: name, URL: s.URL, Chromium: testserver.Chromium(t), Folder: folder, Project: s.Dir, Token: s.Token, Link: setUpLink.FindString(s.Output()), Only: os.Getenv("E2E_ONLY")})
	if err != nil {
		t.Fatal(err)
	}
	if status, text, err := s.Do("GET", "/", nil); err != nil || status != 200 || !strings.Contains(string(text), "/assets/") {
		t.Fatalf("the binary has no page (%d, %v): build it with make page", status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), playTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "run.mjs", string(told))
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scenes := 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); scenes++ {
		var scene struct {
			Scene   string  `json:"scene"`
			Seconds float64 `json:"seconds"`
			Failure string  `json:"failure"`
		}
		if err := json.Unmarshal(lines.Bytes(), &scene); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		t.Run(scene.Scene, func(t *testing.T) {
			if scene.Failure != "" {
				t.Error(scene.Failure)
			}
			t.Logf("%.1f s", scene.Seconds)
		})
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("node run.mjs: %v\n%s", err, &stderr)
	}
	if scenes == 0 && os.Getenv("E2E_ONLY") == "" {
		t.Fatal("no scene was played")
	}
}

// TestFirstSteps goes from an empty project to an answer.
func TestFirstSteps(t *testing.T) {
	t.Parallel()
	testserver.Install(t, []string{"curl"}, "curl")
	play(t, "start", apptest.Start(t, apptest.Options{Files: map[string]string{"millrace.yaml": "name: fresh\n"}}))
}

// TestLogin opens the page of a server that asks who one is.
func TestLogin(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t0ken", 8)
	s := apptest.New(t, apptest.Options{Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + token},
		Files: map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n"}})
	s.Token = token
	s.Run()
	s.WaitReady(time.Minute)
	play(t, "login", s)
}

// TestVersions has two people change the same files of a server whose changes are
// versions, and changes what its environment has of its own.
func TestVersions(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t0ken", 8)
	s := apptest.New(t, apptest.Options{Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + token},
		Files: map[string]string{"millrace.yaml": "name: shop\nenvironments:\n  production: {}\n", "README.md": "Ask Eve.", "NOTES.md": "Notes.",
			"sources/web.yaml":   "kind: http\nwrite_keys: [web_1]\nenvironments:\n  production:\n    write_keys: [prod_1] # of the shop\n",
			"sources/app.yaml":   "kind: http\nwrite_keys: [app_1]\n",
			"sources/till.yaml":  "kind: http\nwrite_keys: [till_1]\ndedup: 7d",
			"sources/kiosk.yaml": "kind: http\nwrite_keys: [kiosk_1]\ndedup: 7d"}})
	s.Token = token
	s.Run()
	s.WaitReady(time.Minute)
	play(t, "versions", s)
}

// TestPeople opens the page of a server that people sign in to, from its first owner on.
func TestPeople(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.Options{Command: "serve", Files: map[string]string{"millrace.yaml": "name: shop\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n"}})
	s.Run()
	s.WaitReady(time.Minute)
	play(t, "people", s)
}

// TestWays signs people in wherever they come from: by links to workspaces, by mail, and in the middle of their work.
func TestWays(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, apptest.Options{Command: "serve", Files: map[string]string{"sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n"}})
	// Links of mails lead there.
	s.Write("millrace.yaml", "name: shop\ncollect:\n  public_url: "+s.URL+"\n")
	s.Run()
	s.WaitReady(time.Minute)
	play(t, "ways", s)
}

// TestShop opens every room with two years of orders in it.
func TestShop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "shop"))); err != nil {
		t.Fatal(err)
	}
	s := apptest.New(t, apptest.Options{Dir: dir})
	s.Write("sources/web.yaml", "# What the shop's page sends.\nkind: http\nwrite_keys: [dev_web]\n")
	s.Run()
	s.WaitReady(time.Minute)
	sendFile(t, s, "orders.csv", "--event", "Order Placed", "--id", "invoice_id", "--user", "customer_id", "--time", "invoice_date")
	sendFile(t, s, "items.csv", "--event", "Item Sold", "--user", "CustomerID", "--time", "InvoiceDate")
	sendEvents(t, s)
	play(t, "shop", s)
}

// TestSources makes and changes sources with the form and as text.
func TestSources(t *testing.T) {
	t.Parallel()
	play(t, "sources", apptest.Start(t, apptest.Options{}))
}

// TestSettings makes keys, and looks at who did what.
func TestSettings(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	key := filepath.Join(folder, "backup.key")
	if out, err := exec.Command(apptest.Binary(t), "backup", "key", key).CombinedOutput(); err != nil {
		t.Fatalf("making a key for backups: %v\n%s", err, out)
	}
	play(t, "settings", apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":    fmt.Sprintf("name: test\nbackup:\n  to: file:%s\n  key_file: %s\n", filepath.ToSlash(filepath.Join(folder, "backups")), filepath.ToSlash(key)),
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n"}}))
}

// TestKeyboard goes through the dialogs of Settings without a pointer.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	play(t, "handy", apptest.Start(t, apptest.Options{Files: map[string]string{"millrace.yaml": "name: test\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n"}}))
}

// TestWorkspaces goes from one workspace to another, and looks at what they use.
func TestWorkspaces(t *testing.T) {
	t.Parallel()
	play(t, "workspaces", apptest.Start(t, apptest.Options{Files: map[string]string{"millrace.yaml": "name: test\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n"}}))
}

// TestWarehouse changes types, keeps queries and takes results along.
func TestWarehouse(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: map[string]string{"millrace.yaml": "name: shop\n",
		"sources/till.yaml": "# What the tills of the shop send.\nkind: http\nwrite_keys: [dev_till] # in every till\n"}})
	var batch []map[string]any
	for i := range 40 {
		code := fmt.Sprint(100 + i)
		if i >= 38 {
			code = fmt.Sprintf("A-%d", i-31) // no number
		}
		batch = append(batch, map[string]any{"type": "track", "event": "Order Completed", "messageId": fmt.Sprintf("order-%d", i), "userId": "ada",
			"properties": map[string]any{"total": 10.5 + float64(i), "code": code}})
	}
	text, err := json.Marshal(map[string]any{"batch": batch})
	if err != nil {
		t.Fatal(err)
	}
	position, err := s.Post("/v1/batch", "dev_till", string(text), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Value("SELECT count(*) FROM till.order_completed", position); n != "40" {
		t.Fatalf("the table has %s rows, want 40", n)
	}
	play(t, "warehouse", s)
}

// sendFile sends a file of the shop as its README does.
func sendFile(t *testing.T, s *apptest.Server, name string, args ...string) {
	t.Helper()
	args = append([]string{"send", filepath.Join(s.Dir, "data", name), "--source", "shop", "--server", s.URL, "--json", "--time-format", "M/D/YY H:MM", "--time-zone", "Europe/London"}, args...)
	cmd := exec.Command(apptest.Binary(t), args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sending %s: %v\n%s", name, err, out)
	}
}

// sendEvents sends what a page of the shop would: some of it twice, some of it wrong.
func sendEvents(t *testing.T, s *apptest.Server) {
	t.Helper()
	var batch []map[string]any
	add := func(id, event, user string, properties map[string]any) {
		one := map[string]any{"type": "track", "messageId": id, "userId": user, "properties": properties}
		if event != "" {
			one["event"] = event
		}
		batch = append(batch, one)
	}
	for i := range 40 {
		user := []string{"ada", "grace"}[i%2]
		add(fmt.Sprintf("order-%d", i), "Order Completed", user, map[string]any{"total": 10.5 + float64(i), "currency": "GBP", "note": "needle-in-haystack"})
	}
	add("order-1", "Order Completed", "grace", nil)
	for i := range 5 {
		add(fmt.Sprintf("nameless-%d", i), "", "ada", map[string]any{"total": i})
	}
	add("nobody", "Page Left", "", nil)
	text, err := json.Marshal(map[string]any{"batch": batch})
	if err != nil {
		t.Fatal(err)
	}
	s.Token = ""
	status, answer, err := s.Do("POST", "/v1/batch", map[string]any{"batch": batch, "writeKey": "dev_web"})
	if err != nil || status != 200 {
		t.Fatalf("intake answers %d %s %v to %s", status, answer, err, text)
	}
}
