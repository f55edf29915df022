package apptest_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// TestAuditOnPostgres keeps the trail on Postgres: what is done is seen in the live
// tail and in the warehouse, once each, also after a kill, and after a backup was
// restored onto another schema, where the trail verifies and goes on.
func TestAuditOnPostgres(t *testing.T) {
	t.Parallel()
	pg := testserver.Postgres(t)
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\ncatalog: ${secret:catalog_url}\n"), Env: []string{"MILLRACE_SECRET_CATALOG_URL=" + pg.Database("before")}})
	tailed := followAudit(t, s, "tailed")
	makeNamed(t, s, "tailed", "second")
	select {
	case line := <-tailed:
		if !strings.Contains(line, `"stream":"stream:audit"`) || !strings.Contains(line, `"action":"key.create"`) {
			t.Errorf("the tail shows %s", line)
		}
	case <-time.After(30 * time.Second):
		t.Error("the tail shows nothing")
	}
	once(t, s, "tailed", "second")
	s.Kill()
	s.Run()
	s.WaitReady(30 * time.Second)
	makeNamed(t, s, "third")
	once(t, s, "tailed", "second", "third")
	verified := func(s *apptest.Server) {
		t.Helper()
		if out := mustRun(t, []string{"MILLRACE_SERVER=" + s.URL}, "audit", "verify"); !strings.Contains(out, "ok") || strings.Contains(out, "not ok") {
			t.Errorf("the trail: %s", out)
		}
	}
	verified(s)
	backups := newStore(t)
	backups.take(s)
	makeNamed(t, s, "after the backup")
	once(t, s, "after the backup")
	s.Kill()

	data, after := filepath.Join(t.TempDir(), "restored"), pg.Database("after")
	mustRun(t, nil, append([]string{"restore", "--catalog", after, "--data", data, "--from"}, backups.at...)...)
	key, err := os.ReadFile(filepath.Join(s.Data, "master.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "master.key"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := apptest.Start(t, apptest.Options{Dir: s.Dir, Data: data, Env: []string{"MILLRACE_SECRET_CATALOG_URL=" + after}})
	verified(r)
	makeNamed(t, r, "restored")
	once(t, r, "tailed", "second", "third", "restored")
	if got := r.Value("SELECT count(*) FROM millrace.audit WHERE object = 'after the backup'", ""); got != "0" {
		t.Errorf("%s records are of after the backup", got)
	}
	verified(r)
	makeNamed(t, r, "and on")
	once(t, r, "restored", "and on")
}

// makeNamed makes API keys of these names.
func makeNamed(t *testing.T, s *apptest.Server, names ...string) {
	t.Helper()
	for _, name := range names {
		if status, text, err := s.Do("POST", "/api/v1/keys", map[string]any{"name": name, "role": "viewer"}); err != nil || status != http.StatusCreated {
			t.Fatal(status, string(text), err)
		}
	}
}

// followAudit follows the live tail of the trail until a line with a text.
func followAudit(t *testing.T, s *apptest.Server, text string) <-chan string {
	t.Helper()
	resp, err := http.Get(s.URL + "/api/v1/tail?source=millrace")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	found := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if strings.Contains(lines.Text(), text) {
				found <- lines.Text()
				return
			}
		}
	}()
	return found
}

// once waits until the making of each key is in the warehouse, and looks whether
// anything is there twice.
func once(t *testing.T, s *apptest.Server, names ...string) {
	t.Helper()
	apptest.Eventually(t, 60*time.Second, func() error {
		rows, err := s.TryQuery("SELECT object, id, number FROM millrace.audit WHERE action = 'key.create'", "")
		if err != nil {
			return err
		}
		seen, ids := map[string]int{}, map[string]int{}
		for _, row := range rows.Rows {
			seen[fmt.Sprint(row[0])]++
			ids[fmt.Sprint(row[1])]++
			ids["number "+fmt.Sprint(row[2])]++
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s is there %d times", id, n)
			}
		}
		for _, name := range names {
			if seen[name] != 1 {
				return fmt.Errorf("%s is there %d times", name, seen[name])
			}
		}
		return nil
	})
}
