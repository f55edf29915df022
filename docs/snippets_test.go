package docs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/serve/snippet"
	"github.com/millrace/millrace/testserver"
)

// TestSnippets runs the code that the server gives to be pasted, as it stands,
// and looks for what it sent.
func TestSnippets(t *testing.T) {
	t.Parallel()
	server := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":       "name: snippets\n",
		"sources/web.yaml":    "kind: http\nwrite_keys: [dev_web]\nbrowser: true\n",
		"sources/hook.yaml":   "kind: webhook\nwrite_keys: [dev_hook]\n",
		"sources/github.yaml": "kind: webhook\nsignature: {header: X-Hub-Signature-256, prefix: sha256=, secret: \"${secret:github}\"}\n",
		".secrets/github":     "hush-hush-4711",
	}})
	all := 0
	for source, query := range map[string]string{
		"web":    "SELECT count(*) FROM web.hello WHERE \"from\" = '%s'",
		"hook":   "SELECT count(*) FROM hook.hook WHERE \"from\" = '%s'",
		"github": "SELECT count(*) FROM github.github WHERE \"from\" = '%s'",
	} {
		status, text, err := server.Do("GET", "/api/v1/sources/"+source+"/snippets", nil)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", source, status, text, err)
		}
		var answer struct{ Snippets []snippet.Snippet }
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		for _, s := range answer.Snippets {
			if s.Language == "text" {
				continue
			}
			all++
			t.Run(source+"-"+s.ID, func(t *testing.T) {
				s.Code = strings.Replace(s.Code, "the secret of the webhook", "hush-hush-4711", 1)
				paste(t, s)
				apptest.Eventually(t, 40*time.Second, func() error {
					r, err := server.TryQuery(fmt.Sprintf(query, s.ID), "")
					if err == nil && fmt.Sprint(r.Rows[0][0]) != "1" {
						err = fmt.Errorf("%v events", r.Rows)
					}
					return err
				})
			})
		}
	}
	if all != 8 {
		t.Errorf("%d snippets were run", all)
	}
}

// paste does with a snippet what a reader would do.
func paste(t *testing.T, s snippet.Snippet) {
	t.Helper()
	if s.ID == "browser" {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html><html><head>" + s.Code + "</head></html>"))
		}))
		t.Cleanup(site.Close)
		t.Cleanup(browse(t, site.URL))
		return
	}
	dir := t.TempDir()
	command := s.Code
	if s.File != "" {
		if err := os.WriteFile(filepath.Join(dir, s.File), []byte(s.Code), 0o600); err != nil {
			t.Fatal(err)
		}
		command = s.Run
	}
	program := map[string][]string{"node": {"node", "nodejs"}, "python": {"python3", "python3"}, "ruby": {"ruby", "ruby"}, "curl": {"curl", "curl"}}[s.ID]
	if program != nil {
		path := testserver.Install(t, program[:1], program[1])
		command = strings.Replace(command, program[0]+" ", path+" ", 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=auto")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.ID, err, out)
	}
}
