package docs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// TestExamples loads every project in examples/. Its README's commands are run
// by TestCommands.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "examples", "*", "millrace.yaml"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			sources, err := filepath.Glob(filepath.Join(dir, "sources", "*.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, source := range sources {
				setSecrets(t, read(t, source))
			}
			if _, err := app.Load(dir, ""); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
				t.Errorf("%s has no README.md: %v", dir, err)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWebsite opens the page of examples/website in Chromium, clicks its
// button, and asks for what it sent.
func TestWebsite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "examples", "website")
	page := ""
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(page))
	}))
	defer site.Close()
	here := strings.NewReplacer("http://127.0.0.1:8000", site.URL)
	server := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":     read(t, filepath.Join(dir, "millrace.yaml")),
		"sources/site.yaml": here.Replace(read(t, filepath.Join(dir, "sources", "site.yaml"))),
	}})
	library := "/analytics.js/v1/dev_site/analytics.min.js"
	if status, text, err := server.Do("GET", library, nil); err != nil || status != http.StatusOK {
		t.Fatalf("%s answers %d %s %v: the binary has to be built with make build", library, status, text, err)
	}
	page = strings.ReplaceAll(read(t, filepath.Join(dir, "index.html")), "http://127.0.0.1:8080", server.URL)
	if !strings.Contains(page, server.URL) {
		t.Fatal("the page does not name http://127.0.0.1:8080")
	}
	// A visitor who clicks as soon as there is something to click.
	page = strings.Replace(page, "</body>", `<script>document.getElementById("buy").click()</script></body>`, 1)
	stop := browse(t, site.URL)
	defer stop()
	apptest.Eventually(t, 40*time.Second, func() error {
		for table, want := range map[string]string{
			"pages":           "Teapots ",
			"order_completed": "blue teapot 42.5",
		} {
			sql := map[string]string{
				"pages":           "SELECT title || ' ' FROM site.pages WHERE anonymous_id IS NOT NULL AND context_user_agent LIKE '%Chrom%'",
				"order_completed": "SELECT product || ' ' || total FROM site.order_completed",
			}[table]
			r, err := server.TryQuery(sql, "")
			if err != nil {
				return err
			}
			if len(r.Rows) != 1 || fmt.Sprint(r.Rows[0][0]) != want {
				return fmt.Errorf("%s: %v, want %q", table, r.Rows, want)
			}
		}
		return nil
	})
}

// browse opens a page in Chromium until stop.
func browse(t *testing.T, url string) (stop func()) {
	t.Helper()
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testserver.Chromium(t), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir="+profile, "--remote-debugging-port=0", url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers, too
		_ = cmd.Wait()                                      // it was killed
		// Helpers that are ending may still write for a moment.
		apptest.Eventually(t, 10*time.Second, func() error { return os.RemoveAll(profile) })
	}
}
