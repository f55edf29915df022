package apptest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// send posts n events and returns the position of the last.
func send(t *testing.T, s *apptest.Server, prefix string, n int) (last string) {
	t.Helper()
	for i := range n {
		var err error
		last, err = s.Post("/v1/track", "dev_web", fmt.Sprintf(`{"messageId":"%s-%d","userId":"u","event":"Sent","properties":{"n":%d}}`, prefix, i, i), 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// TestDeadPostgres kills the warehouse under the loader: intake goes on, and
// everything is there once it is back.
func TestDeadPostgres(t *testing.T) {
	t.Parallel()
	pg := testserver.Postgres(t)
	s := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":    "name: test\nwarehouse: ${secret:warehouse_url}\narchive_interval: 1s\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}, Env: []string{"MILLRACE_SECRET_WAREHOUSE_URL=" + pg.Database("shop")}})
	s.Value("SELECT 1", send(t, s, "before", 20))
	pg.Kill()
	send(t, s, "during", 20)
	if _, err := s.TryQuery("SELECT count(*) FROM web.sent", ""); err == nil {
		t.Error("a query on a dead Postgres succeeds")
	}
	if out := s.Output(); strings.Contains(out, "postgres@127") {
		t.Errorf("the output shows the address with its login:\n%s", out)
	}
	s.Kill() // and the server starts while Postgres is away
	s.Run()
	s.WaitReady(30 * time.Second)
	last := send(t, s, "after", 20)
	pg.Start()
	apptest.Eventually(t, time.Minute, func() error {
		r, err := s.TryQuery("SELECT count(*), count(DISTINCT id) FROM web.sent", last)
		if err == nil && fmt.Sprint(r.Rows) != "[[60 60]]" {
			err = fmt.Errorf("sent has %v rows, want 60 different ones", r.Rows)
		}
		return err
	})
	if _, err := s.TryQuery("DELETE FROM web.sent", ""); err == nil {
		t.Error("a query deletes rows")
	}
}

// TestDeadS3 stops the archive's store: intake and warehouse go on, and the
// archive has everything once it is back.
func TestDeadS3(t *testing.T) {
	s3 := testserver.S3(t)
	s := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":    "name: test\narchive: " + s3.URL + "\narchive_interval: 300ms\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}})
	send(t, s, "before", 20)
	s3.Stop()
	last := send(t, s, "during", 20)
	if got := s.Value("SELECT count(*) FROM web.sent", last); got != "40" {
		t.Errorf("the warehouse has %s rows while S3 is away, want 40", got)
	}
	s.Kill()
	s.Run() // it starts while S3 is away
	s.WaitReady(30 * time.Second)
	send(t, s, "after", 20)
	s3.Start()
	job := s.Job("/api/v1/archive/verifications", nil)
	apptest.Eventually(t, time.Minute, func() error {
		job = s.Job("/api/v1/archive/verifications", nil)
		if fmt.Sprint(job["records"]) != "60" || job["ok"] != true {
			return fmt.Errorf("archive verify says %v, want 60 records", job)
		}
		return nil
	})
}

// TestFullDisk fills the disk of the data folder: intake refuses with 429
// before anything breaks, and goes on by itself when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 400<<20)
	s := apptest.Start(t, apptest.Options{Data: filepath.Join(disk, "data"), Files: map[string]string{
		"millrace.yaml":    "name: test\nlog: {reserve: 64MiB}\nquery: {spill: 64MiB}\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}})
	s.Value("SELECT count(*) FROM web.sent", send(t, s, "before", 50))
	ballast := filepath.Join(disk, "ballast")
	fill(t, disk, ballast, 32<<20)
	apptest.Eventually(t, 20*time.Second, func() error {
		status, body, err := s.DoKey("POST", "/v1/track", "dev_web", `{"userId":"u","event":"Refused"}`)
		if err == nil && status != http.StatusTooManyRequests {
			err = fmt.Errorf("with less room than the reserve, intake answers %d %s; want 429", status, body)
		}
		return err
	})
	if status, body, err := s.Do("GET", "/readyz", nil); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(string(body), "log") {
		t.Errorf("/readyz answers %d %s %v, want 503 and the log as the reason", status, body, err)
	}
	s.Value("SELECT count(*) FROM web.sent", "") // reading goes on
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	last := send(t, s, "after", 50)
	if got := s.Value("SELECT count(*) FROM web.sent", last); got != "100" {
		t.Errorf("after the disk was full the warehouse has %s rows, want 100", got)
	}
}

// smallDisk mounts a file system of that size.
func smallDisk(t *testing.T, sizeBytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", sizeBytes)); err != nil {
		t.Fatalf("cannot mount a small file system: %v: run the tests as root, or in a user namespace: unshare -rm make test", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill leaves that much room on the disk.
func fill(t *testing.T, disk, path string, leaveBytes int64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(disk, &fs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, int64(fs.Bavail)*fs.Bsize-leaveBytes), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestServe is production: without a token it does not start, without it
// everything but collect and health answers 401, and dev_ keys are refused.
func TestServe(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"millrace.yaml":    "name: test\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web, live_web]\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, apptest.Binary(t), "serve", dir, "--listen", testserver.FreeAddress(t))
	cmd.Env = append(os.Environ(), "MILLRACE_ADMIN_TOKEN=")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "MILLRACE_ADMIN_TOKEN") {
		t.Errorf("without a token serve says %s, %v; want how to set one", out, err)
	}
	token := strings.Repeat("secret-", 5)
	s := apptest.Start(t, apptest.Options{Dir: dir, Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + token}})
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/v1/status": 401, "/metrics": 401, "/api/v1/sources": 401, "/nothing": 401} {
		if status, body, err := s.Do("GET", path, nil); err != nil || status != want {
			t.Errorf("GET %s without a token answers %d %s %v, want %d", path, status, body, err, want)
		}
	}
	if status, _, err := s.DoKey("POST", "/v1/track", "dev_web", `{"userId":"u","event":"E"}`); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a dev_ key in production is answered %d, %v; want 401", status, err)
	}
	position, err := s.Post("/v1/track", "live_web", `{"userId":"u","event":"E"}`, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s.Token = token
	if got := s.Value("SELECT count(*) FROM web.e", position); got != "1" {
		t.Errorf("e has %s rows, want 1", got)
	}
	if strings.Contains(s.Output(), token) {
		t.Error("the output shows the token")
	}
}
