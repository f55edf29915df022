package apptest_test

import (
	"context"
	"errors"
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
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/serve"
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

// settings are a project with one source that never forgets an ID.
func settings(yaml string) map[string]string {
	return map[string]string{
		"millrace.yaml":    "name: test\n" + yaml,
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\ndedup: forever\n",
	}
}

// checkAll wants everything acknowledged in log, archive and warehouse exactly
// once, in order, and ends the server.
func checkAll(t *testing.T, s *apptest.Server, l *load, bucket func(t *testing.T, s *apptest.Server) blob.Bucket) {
	t.Helper()
	l.stop()
	t.Logf("%d requests acknowledged", l.answers())
	last := l.last(t)
	stored(t, s)
	checkWarehouse(t, s, last, l.clients)
	readLog(s, "0-0-0").check(t, "the log", l.clients)
	s.Kill() // nothing waits for a stop to be stored
	readArchive(t, bucket(t, s)).check(t, "the archive", l.clients)
}

// TestDeadPostgres kills the warehouse under the loader: intake goes on, and
// everything is there once it is back.
func TestDeadPostgres(t *testing.T) {
	t.Parallel()
	pg := testserver.Postgres(t)
	s := apptest.Start(t, apptest.Options{Files: settings("warehouse: ${secret:warehouse_url}\narchive_interval: 300ms\n"),
		Env: []string{"MILLRACE_SECRET_WAREHOUSE_URL=" + pg.Database("shop")}})
	l := startLoad(t, s, "dev_web", 4, 0)
	l.more(20)
	pg.Kill()
	l.more(20)
	if _, err := s.TryQuery("SELECT count(*) FROM web.tracks", ""); err == nil {
		t.Error("a query on a dead Postgres succeeds")
	}
	if out := s.Output(); strings.Contains(out, "postgres@127") {
		t.Errorf("the output shows the address with its login:\n%s", out)
	}
	s.Kill() // and the server starts while Postgres is away
	s.Run()
	s.WaitReady(30 * time.Second)
	l.more(20)
	pg.Start()
	l.more(20)
	pg.Kill() // once more, while the loader catches up
	l.more(10)
	pg.Start()
	l.more(10)
	apptest.Eventually(t, time.Minute, func() error {
		_, err := s.TryQuery("SELECT count(*) FROM web.tracks", "")
		return err
	})
	if _, err := s.TryQuery("DELETE FROM web.tracks", ""); err == nil {
		t.Error("a query deletes rows")
	}
	checkAll(t, s, l, localArchive)
}

// TestDeadS3 stops the archive's store: intake and warehouse go on, and the
// archive has everything once it is back.
func TestDeadS3(t *testing.T) {
	store := testserver.S3(t)
	s := apptest.Start(t, apptest.Options{Files: settings("archive: " + store.URL + "\narchive_interval: 300ms\n")})
	l := startLoad(t, s, "dev_web", 4, 0)
	l.more(20)
	store.Stop()
	l.more(20)
	if got := s.Value("SELECT count(*) > 0 FROM web.tracks WHERE user_id <> 'last'", l.mark(t, "away")); got != "true" {
		t.Errorf("the warehouse has no rows while S3 is away: %s", got)
	}
	s.Kill()
	s.Run() // it starts while S3 is away
	s.WaitReady(30 * time.Second)
	l.more(20)
	store.Start()
	l.more(20)
	checkAll(t, s, l, func(t *testing.T, _ *apptest.Server) blob.Bucket {
		bucket, err := s3.Open(t.Context(), store.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = bucket.Close() })
		return bucket
	})
}

// TestFullDisk fills the disk of the data folder: intake refuses with 429
// before anything breaks, and goes on by itself when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 400<<20)
	s := apptest.Start(t, apptest.Options{Data: filepath.Join(disk, "data"), Files: settings("log: {reserve: 64MiB}\nquery: {spill: 64MiB}\narchive_interval: 300ms\n")})
	l := startLoad(t, s, "dev_web", 4, 0)
	ballast := filepath.Join(disk, "ballast")
	for _, leave := range []int64{32 << 20, 0} { // less than the reserve, and nothing at all
		l.more(20)
		before := l.mark(t, fmt.Sprintf("before-%d", leave))
		fill(t, disk, ballast, leave)
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
		if leave > 0 {
			s.Value("SELECT count(*) FROM web.tracks", before) // reading goes on
		} else {
			s.Kill() // with a disk that is full
			s.Run()
			time.Sleep(time.Second)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if !s.Exited(0) {
			continue
		}
		s.Run() // it may refuse to start on a full disk
	}
	s.WaitReady(time.Minute)
	l.more(20)
	checkAll(t, s, l, localArchive)
}

// TestAReaderWeeksBehind pauses the warehouse while weeks pass, until the log
// has forgotten what it did not read, and lets it go on under load.
func TestAReaderWeeksBehind(t *testing.T) {
	t.Parallel()
	clock := apptest.NewClock(t)
	s := apptest.Start(t, apptest.Options{Clock: clock, Files: settings("archive_interval: 300ms\n")})
	l := startLoad(t, s, "dev_web", 4, 0)
	l.more(20)
	reader(t, s, "pause")
	for range 3 {
		l.more(20)
		clock.Move(7 * 24 * time.Hour)
	}
	l.more(20)
	var before serve.Status
	apptest.Eventually(t, time.Minute, func() (err error) { // what is old is archived
		if before, err = status(s); err == nil && before.Log.Last.Seq > before.Archive.Through.Seq+1000 {
			err = fmt.Errorf("the archive is at %s, the log at %s", before.Archive.Through, before.Log.Last)
		}
		return err
	})
	s.Kill()
	s.Run()
	s.WaitReady(time.Minute)
	apptest.Eventually(t, time.Minute, func() error {
		st, err := status(s)
		if err == nil && !st.Warehouse.Committed.Before(st.Log.First) {
			err = fmt.Errorf("the log begins at %s, the warehouse is at %s", st.Log.First, st.Warehouse.Committed)
		}
		return err
	})
	l.more(20)
	reader(t, s, "resume")
	l.more(20)
	l.stop()
	last := l.last(t)
	stored(t, s)
	checkWarehouse(t, s, last, l.clients)
	st, err := status(s)
	if err != nil || st.Log.First.Seq == 1 {
		t.Fatalf("the log begins at %s, %v: has it forgotten nothing?", st.Log.First, err)
	}
	readLog(s, st.Log.First.String()).checkEnd(t, "the log", l.clients)
	s.Kill()
	readArchive(t, localArchive(t, s)).check(t, "the archive", l.clients)
}

// reader pauses or resumes the warehouse.
func reader(t *testing.T, s *apptest.Server, action string) {
	t.Helper()
	if status, body, err := s.Do("POST", "/api/v1/readers/warehouse/"+action, nil); err != nil || status >= 300 {
		t.Fatalf("%s answers %d %s %v", action, status, body, err)
	}
}

// TestTheClockIsSetBack by hours and days, while it runs and across kills.
func TestTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	clock := apptest.NewClock(t)
	s := apptest.Start(t, apptest.Options{Clock: clock, Files: settings("archive_interval: 300ms\n")})
	l := startLoad(t, s, "dev_web", 4, 0)
	for i, move := range []time.Duration{-10 * time.Minute, 2 * time.Hour, -3 * time.Hour, -24 * time.Hour, 30 * time.Hour, -time.Hour} {
		l.more(15)
		clock.Move(move)
		if i%2 == 1 {
			l.more(5)
			s.Kill()
			s.Run()
		}
	}
	s.WaitReady(time.Minute)
	l.more(15)
	checkAll(t, s, l, localArchive)
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
	err := os.WriteFile(path, make([]byte, int64(fs.Bavail)*fs.Bsize-leaveBytes), 0o600)
	if err != nil && (leaveBytes > 0 || !errors.Is(err, syscall.ENOSPC)) {
		t.Fatal(err)
	}
}

// TestServe is production: everything but collect and health answers 401 to who
// does not say who they are, and dev_ keys are refused. Its first owner comes by a
// link that it prints, or by a command on its machine.
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
	token := strings.Repeat("secret-", 5)
	s := apptest.Start(t, apptest.Options{Dir: dir, Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + token}})
	// The page itself holds nothing; what it asks for needs the token.
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/v1/status": 401, "/metrics": 401, "/api/v1/sources": 401, "/api/nothing": 401, "/": 200} {
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
	if !strings.Contains(s.Output(), "/setup#mr_own_") || !strings.Contains(s.Output(), "millrace key create NAME") {
		t.Errorf("the output tells neither how to become the owner nor what to do instead of a token:\n%s", s.Output())
	}
	if status, body, err := s.Do("GET", "/api/v1/logs?limit=1000", nil); err != nil || status != 200 || strings.Contains(string(body), "mr_own_") {
		t.Errorf("the log that the page shows: %d %s %v; want no link in it", status, body, err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for line, want := range map[string]string{
		"create " + dir + " --data " + s.Data + " --email ada@example.com --password-file " + password: "ada owns this server: sign in as ada@example.com\n",
	} {
		cmd := exec.CommandContext(ctx, apptest.Binary(t), append([]string{"owner"}, strings.Fields(line)...)...)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("millrace owner %s: %s %v; want %s", line, out, err, want)
		}
	}
	s.Token = ""
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		status, body, err := s.Do("POST", "/api/v1/session", []byte(`{"email":"ada@example.com","password":"correct horse battery staple"}`))
		if err == nil && status == 200 && strings.Contains(string(body), `"setup_needed":false`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the owner signs in: %d %s %v", status, body, err)
		}
	}
	out, err := exec.CommandContext(ctx, apptest.Binary(t), "owner", "key", dir, "--data", s.Data, "--name", "ci", "--role", "viewer").Output()
	if err != nil || !strings.HasPrefix(string(out), "mr_key_") {
		t.Fatalf("millrace owner key: %s %v", out, err)
	}
	s.Token = strings.TrimSpace(string(out))
	if status, body, err := s.Do("GET", "/api/v1/status", nil); err != nil || status != 200 {
		t.Errorf("with that key: %d %s %v", status, body, err)
	}
	if out, err = exec.CommandContext(ctx, apptest.Binary(t), "owner", "key", dir, "--data", s.Data, "--name", "people", "--role", "admin").Output(); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(out))
	for _, step := range []struct{ line, want string }{
		{"invite eve@example.com --role viewer", s.URL + "/invitation#mr_inv_"},
		{"list", "ada@example.com"},
		{"role ada@example.com owner", "an owner can"},
		{"role nobody@example.com viewer", "invite them"},
	} {
		cmd := exec.CommandContext(ctx, apptest.Binary(t), append([]string{"member", "--server", s.URL, "--token", key}, strings.Fields(step.line)...)...)
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), step.want) {
			t.Errorf("millrace member %s: %s; want %s", step.line, out, step.want)
		}
	}
	out, err = exec.CommandContext(ctx, apptest.Binary(t), "owner", "recover", dir, "--data", s.Data, "--email", "ada@example.com").Output()
	if err != nil || !strings.Contains(string(out), "/reset#mr_pwd_") {
		t.Errorf("millrace owner recover: %s %v", out, err)
	}
}
