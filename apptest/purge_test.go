package apptest_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/release/tree"
)

// TestKillsDuringAPurge deletes a workspace for good, and kills the server again
// and again while it does: in the end nothing of it is left, and all of what
// others have.
func TestKillsDuringAPurge(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml": "name: test\narchive_interval: 1s\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n"}})
	api, err := client.New(client.Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	w, err := api.CreateWorkspace(t.Context(), "canaryspace", "Canary Ltd", "")
	if err != nil {
		t.Fatal(err)
	}
	space := w.Environments[0].Space
	files, err := tree.Of(map[string]string{"millrace.yaml": "name: canaryproject\n", "sources/canarysource.yaml": "kind: http\nwrite_keys: [dev_canarykey]\n"})
	if err != nil {
		t.Fatal(err)
	}
	there := api.In("canaryspace")
	if _, err := there.Deploy(t.Context(), files, "0", "canarymessage"); err != nil {
		t.Fatal(err)
	}
	position := ""
	for key, word := range map[string]string{"dev_canarykey": "canary", "dev_web": "other"} {
		for i := range 200 {
			position = tracked(t, s, key, fmt.Sprintf(`{"messageId":"%[1]s-%[2]d","userId":"%[1]suser","event":"%[1]sevent","properties":{"what":"%[1]svalue"}}`, word, i))
		}
	}
	if status, text, err := s.Do("POST", "/api/v1/w/canaryspace/query", map[string]string{"sql": "SELECT count(*) FROM canarysource.tracks", "after": position}); err != nil || !strings.Contains(string(text), "[200]") {
		t.Fatalf("%d %s %v", status, text, err)
	}
	apptest.Eventually(t, 30*time.Second, func() error {
		if len(with(t, filepath.Join(s.Data, "archive"), space)) == 0 {
			return fmt.Errorf("the archive has nothing of it")
		}
		return nil
	})
	if _, err := api.DeleteWorkspace(t.Context(), "canaryspace"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	due(t, s.Data)
	for range 8 {
		s.Run()
		time.Sleep(200*time.Millisecond + time.Duration(rand.Int64N(int64(800*time.Millisecond))))
		s.Kill()
	}
	s.Run()
	s.WaitReady(30 * time.Second)
	apptest.Eventually(t, 90*time.Second, func() error {
		all, _, err := api.Workspaces(t.Context())
		if err == nil && len(all) != 1 {
			err = fmt.Errorf("the workspace is still there: %+v", all)
		}
		return err
	})
	apptest.Eventually(t, 30*time.Second, func() error {
		if left := with(t, s.Data, "canary"); len(left) > 0 {
			return fmt.Errorf("%v still have a canary", left)
		}
		for _, dir := range []string{"warehouse", "spaces", "results"} {
			if left := with(t, filepath.Join(s.Data, dir), space); len(left) > 0 {
				return fmt.Errorf("%v are still there in %s", left, dir)
			}
		}
		return nil
	})
	position = tracked(t, s, "dev_web", `{"messageId":"last","userId":"u","event":"otherevent"}`)
	if status, text, err := s.Do("POST", "/api/v1/query", map[string]string{"sql": "SELECT count(*), count(DISTINCT id) FROM web.tracks", "after": position}); err != nil || !strings.Contains(string(text), "[201,201]") {
		t.Errorf("what the other workspace has: %d %s %v", status, text, err)
	}
}

// due lets the time of grace of all that was deleted be over.
func due(t *testing.T, data string) {
	t.Helper()
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(data, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE workspace SET purge_after = 1 WHERE state = 'deleted'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// tracked sends an event with a key, and returns its position.
func tracked(t *testing.T, s *apptest.Server, key, event string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/track", strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("track answers %s", resp.Status)
	}
	return resp.Header.Get("Millrace-Position")
}

// with are the files in a folder that hold a text, or have it in their names, but
// for those in skip.
func with(t *testing.T, dir, text string, skip ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it has gone meanwhile
		}
		rel, _ := filepath.Rel(dir, path)
		for _, s := range skip {
			if rel == s {
				return fs.SkipDir
			}
		}
		content, err := os.ReadFile(path)
		if strings.Contains(rel, text) || err == nil && bytes.Contains(bytes.ToLower(content), []byte(text)) {
			found = append(found, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
