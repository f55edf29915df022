package apptest_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/transfer"
)

// manyEvents sends n events that gzip cannot make small, and some twice.
func manyEvents(t *testing.T, s *apptest.Server, n int) (last string) {
	t.Helper()
	for i := 0; i < n; i += 200 {
		var events []string
		for j := i; j < i+200; j++ {
			noise := uint64(j)*0x9e3779b97f4a7c15 + 1
			var filler strings.Builder
			for range 25 {
				noise ^= noise << 13
				noise ^= noise >> 7
				noise ^= noise << 17
				fmt.Fprintf(&filler, "%016x", noise)
			}
			events = append(events, fmt.Sprintf(`{"type":"track","messageId":"m%d","userId":"u%d","event":"Sent","properties":{"n":%d,"x":"%s"}}`, j, j%7, j, &filler))
		}
		events = append(events, events[0])
		var err error
		if last, err = s.Post("/v1/batch", "dev_web", `{"batch":[`+strings.Join(events, ",")+`]}`, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// permitted makes a key that may do one thing in all environments.
func permitted(t *testing.T, s *apptest.Server, permission string) string {
	t.Helper()
	status, text, err := s.Do("POST", "/api/v1/keys", map[string]any{"name": permission, "permissions": []string{permission}, "all_environments": true})
	var made struct{ Token string }
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil || made.Token == "" {
		t.Fatal(status, string(text), err)
	}
	return made.Token
}

// TestAnExportGoesOnWhereItBrokeOff kills the server in the middle of an export:
// what came before and what comes after are together each record once, up to the end
// that the first request said, and nothing of what came in later.
func TestAnExportGoesOnWhereItBrokeOff(t *testing.T) {
	t.Parallel()
	const n = 20_000
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	manyEvents(t, s, n)
	api, err := client.New(client.Options{Server: s.URL, Token: permitted(t, s, "workspace:export")})
	if err != nil {
		t.Fatal(err)
	}
	var o client.ExportOptions
	seen, breaks := map[string]int{}, 0
	for {
		began := len(seen)
		err := api.ExportRecords(t.Context(), o, func(until string) {
			if o.Until != "" && until != o.Until {
				t.Errorf("it goes on up to %s, not %s", until, o.Until)
			}
			o.Until = until
		}, func(line []byte) error {
			h, err := transfer.ReadHead(line)
			if err != nil {
				return err
			}
			r, err := transfer.ReadLine(line)
			if err != nil {
				return err
			}
			o.After = h.Position
			if r.Source == "web" {
				seen[r.ID]++
			}
			if breaks < 2 && len(seen) == began+1000 {
				breaks++
				s.Kill()
				s.Run()
				s.WaitReady(30 * time.Second)
				manyEvents(t, s, 200) // duplicates
				if _, err := s.Post("/v1/track", "dev_web", fmt.Sprintf(`{"messageId":"later-%d","userId":"u","event":"Later"}`, breaks), 10*time.Second); err != nil {
					return err
				}
			}
			return nil
		}, func(through string) { o.After = through })
		if err == nil {
			break
		}
		if millrace.KindOf(err) != millrace.Unavailable || breaks == 0 {
			t.Fatal(err)
		}
	}
	if breaks != 2 {
		t.Errorf("it broke off %d times", breaks)
	}
	if len(seen) != n {
		t.Errorf("%d records came, want %d", len(seen), n)
	}
	for id, times := range seen {
		if times != 1 || !strings.HasPrefix(id, "m") {
			t.Errorf("%s came %d times", id, times)
		}
	}
}

// TestExportAndImportBesideServers exports from a server that takes events in, with
// the command and a key that may do nothing else, and imports into another one that
// runs. The import is killed at random moments and done again, and the server under
// it is killed too: everything is there once. A secret is nowhere in the export.
func TestExportAndImportBesideServers(t *testing.T) {
	t.Parallel()
	const n, canary = 8000, "canary-in-a-secret-3141"
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	cmd := exec.CommandContext(t.Context(), apptest.Binary(t), "secret", "set", "stripe_key", "--server", s.URL)
	cmd.Stdin = strings.NewReader(canary + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	manyEvents(t, s, n)
	if _, err := s.Post("/v1/batch", "dev_web", `{"batch":[{"type":"nonsense"},{"type":"track","userId":"u","event":"Last","messageId":"last"}]}`, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	key := permitted(t, s, "workspace:export")
	out := filepath.Join(t.TempDir(), "export")
	if _, err := cli(t, nil, "export", "--server", s.URL, "--token", permitted(t, s, "workspace:import"), "--to", out); err == nil || !strings.Contains(err.Error(), "workspace:export") {
		t.Errorf("without the permission: %v", err)
	}
	if text := mustRun(t, nil, "export", "--server", s.URL, "--token", key, "--to", out, "-q"); !strings.HasPrefix(text, "exported ") {
		t.Error(text)
	}
	withoutSecrets(t, out, canary, key)
	for _, name := range []string{"project/millrace.yaml", "project/sources/web.yaml", "metadata/access_key.ndjson", "metadata/workspace.ndjson", "metadata/secret.ndjson", "audit.csv", "audit.ndjson"} {
		if info, err := os.Stat(filepath.Join(out, filepath.FromSlash(name))); err != nil || info.Size() == 0 {
			t.Errorf("%s is not in the export: %v", name, err)
		}
	}
	importKilled(t, s, out)
}

// importKilled imports an export of s into a new server, with kills.
func importKilled(t *testing.T, s *apptest.Server, out string) {
	t.Helper()
	r := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	key := permitted(t, r, "workspace:import")
	args := []string{"import", "--server", r.URL, "--token", key, "--from", out, "-q"}
	if _, err := cli(t, nil, append(args, "--token", permitted(t, r, "workspace:export"))...); err == nil || !strings.Contains(err.Error(), "workspace:import") {
		t.Errorf("without the permission: %v", err)
	}
	taken := func() (n int64) {
		n, _ = counts(t, r)
		return n
	}
	// The command is killed when some were taken, then the server under another one.
	cmd := exec.Command(apptest.Binary(t), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, 30*time.Second, func() error {
		if taken() == 0 {
			return fmt.Errorf("nothing was taken")
		}
		return nil
	})
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	var over atomic.Bool
	done := make(chan error, 1)
	go func() {
		_, err := cli(t, nil, args...)
		over.Store(true)
		done <- err
	}()
	for before := taken(); !over.Load() && taken() == before; {
		time.Sleep(time.Millisecond)
	}
	r.Kill()
	r.Run()
	r.WaitReady(30 * time.Second)
	if err := <-done; err != nil {
		t.Errorf("with the server killed under it: %v", err)
	}
	again := mustRun(t, nil, args...)
	var records, duplicates int
	if _, err := fmt.Sscanf(strings.ReplaceAll(again, ",", ""), "imported %d records %d of them duplicates", &records, &duplicates); err != nil || records != duplicates || records < 8000 {
		t.Errorf("done again it says %q: %d of %d", again, duplicates, records)
	}
	const rows = "SELECT (SELECT count(*) || '/' || count(DISTINCT id) || '/' || sum(n) FROM web.sent) || ' ' || (SELECT max(received_at) FROM web.tracks WHERE user_id <> 'mark') || ' ' || (SELECT count(DISTINCT rejected_id) FROM millrace.rejected)"
	var got [2]string
	for i, srv := range []*apptest.Server{s, r} {
		end, err := srv.Post("/v1/track", "dev_web", `{"messageId":"mark","userId":"mark","event":"Mark"}`, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = srv.Value(rows, end)
	}
	if got[0] != got[1] {
		t.Errorf("imported is %s, want %s", got[1], got[0])
	}
	if _, text, _ := r.Do("GET", "/api/v1/audit?action=workspace.import", nil); strings.Count(string(text), `"action":"workspace.import"`) == 0 {
		t.Errorf("the audit trail does not tell of the import: %s", text)
	}
}

// withoutSecrets fails when a file of a folder has one of some texts.
func withoutSecrets(t *testing.T, dir string, texts ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, text := range texts {
			if strings.Contains(string(data), text) {
				t.Errorf("%s has %q", path, text)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
