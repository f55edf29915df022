package apptest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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

// cli runs a command of the binary, with more of its environment.
func cli(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), apptest.Binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("millrace %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func mustRun(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out, err := cli(t, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A store is where a test has its backups.
type store struct {
	t   *testing.T
	at  []string // --to or --from follow, and the key
	dir string
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{t: t, dir: filepath.Join(t.TempDir(), "backups")}
	key := filepath.Join(t.TempDir(), "key")
	mustRun(t, nil, "backup", "key", key)
	s.at = []string{s.dir, "--key-file", key, "-q"}
	return s
}

type takenBackup struct {
	ID          string `json:"id"`
	StoredBytes int64  `json:"stored_bytes"`
	SizeBytes   int64  `json:"size_bytes"`
	Accepted    int64  `json:"accepted"`
}

// take backs a server up, or its folder when it does not run.
func (s *store) take(srv *apptest.Server) (b takenBackup) {
	s.t.Helper()
	out := mustRun(s.t, []string{"MILLRACE_SERVER=" + srv.URL}, append([]string{"backup", srv.Dir, "--data", srv.Data, "--json", "--to"}, s.at...)...)
	if err := json.Unmarshal([]byte(out), &b); err != nil {
		s.t.Fatal(err, out)
	}
	return b
}

func (s *store) verify() {
	s.t.Helper()
	if out := mustRun(s.t, nil, append([]string{"backup", "verify", "--from"}, s.at...)...); !strings.Contains(out, "ok: backup ") {
		s.t.Fatal(out)
	}
}

// restore makes a data folder, with the master key of a server.
func (s *store) restore(data string, of *apptest.Server) {
	s.t.Helper()
	defer func() {
		key, err := os.ReadFile(filepath.Join(of.Data, "master.key"))
		if err == nil {
			err = os.WriteFile(filepath.Join(data, "master.key"), key, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}()
	mustRun(s.t, nil, append([]string{"restore", "--data", data, "--from"}, s.at...)...)
}

// counts are what status, log and archive say of a server.
func counts(t *testing.T, s *apptest.Server) (accepted, duplicates int64) {
	t.Helper()
	_, text, err := s.Do("GET", "/api/v1/sources", nil)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Sources []struct{ Accepted, Duplicates int64 }
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list.Sources) != 1 {
		t.Fatal(err, string(text))
	}
	return list.Sources[0].Accepted, list.Sources[0].Duplicates
}

// TestABackupUnderLoadIsTheServer backs a server up twice while it takes events
// in, restores the second backup into an empty folder, compares every count, and
// goes on: what was acknowledged before the backup is there once, and what is
// sent again is known.
func TestABackupUnderLoadIsTheServer(t *testing.T) {
	t.Parallel()
	files := settings("archive_interval: 300ms\n")
	s := apptest.Start(t, apptest.Options{Files: files})
	key := madeKey(t, s)
	backups := newStore(t)
	l := startLoad(t, s, "dev_web", 4, 1)
	l.more(100)
	first := backups.take(s)
	l.more(100)
	var before []int64
	for _, c := range l.clients {
		before = append(before, c.acked.Load())
	}
	second := backups.take(s)
	l.more(20) // intake went on
	if first.Accepted == 0 || second.Accepted <= first.Accepted {
		t.Errorf("%d records, then %d", first.Accepted, second.Accepted)
	}
	l.stop()
	backups.verify()
	s.Kill()

	data := filepath.Join(t.TempDir(), "restored")
	backups.restore(data, s)
	r := apptest.Start(t, apptest.Options{Dir: s.Dir, Data: data})
	end, err := r.Post("/v1/track", "dev_web", `{"messageId":"mark","userId":"u","event":"Mark"}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	rows := r.Value("SELECT (SELECT count(*) FROM web.tracks) + (SELECT count(*) FROM web.identifies)", end)
	if once := r.Value("SELECT (SELECT count(DISTINCT id) FROM web.tracks) + (SELECT count(DISTINCT id) FROM web.identifies)", end); once != rows {
		t.Errorf("%s rows, %s of them distinct", rows, once)
	}
	accepted, _ := counts(t, r)
	if fmt.Sprint(accepted) != rows {
		t.Errorf("%d are accepted, tables have %s", accepted, rows)
	}
	for i, c := range l.clients {
		got := r.Value(fmt.Sprintf("SELECT max(n) FROM (SELECT n, row_number() OVER (ORDER BY n) AS place FROM (SELECT DISTINCT CAST(split_part(id, '-', 2) AS BIGINT) AS n FROM web.tracks WHERE id LIKE '%s-%%')) WHERE n = place", c.name), end)
		var n int64
		if _, err := fmt.Sscan(got, &n); err != nil || n < before[i] {
			t.Errorf("%s: %d events were acknowledged before the backup, restored are %s without a gap", c.name, before[i], got)
		}
	}
	if _, text, _ := r.Do("GET", "/api/v1/keys", nil); !strings.Contains(string(text), key) {
		t.Errorf("the API key is gone: %s", text)
	}
	if _, text, _ := r.Do("GET", "/api/v1/status", nil); !strings.Contains(string(text), "was restored at") {
		t.Errorf("status does not tell of the restore: %s", text)
	}
	// Everything is sent again, as senders that kept it would: what the backup has
	// is known, the rest is taken.
	all := int64(1) // the mark
	for _, c := range l.clients {
		for n := int64(1); n <= c.acked.Load(); n++ {
			body := fmt.Sprintf(`{"batch":[{"type":"track","messageId":"%s-%d","userId":"u","event":"Again"}`, c.name, n)
			if all++; n%5 == 0 {
				body += fmt.Sprintf(`,{"type":"identify","messageId":"%s-i%d","userId":"u"}`, c.name, n)
				all++
			}
			if end, err = r.Post("/v1/batch", "dev_web", body+"]}", 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows = r.Value("SELECT (SELECT count(*) FROM web.tracks) + (SELECT count(*) FROM web.identifies)", end)
	// A request that was cut off when the load ended may have been taken too.
	var n int64
	if _, err := fmt.Sscan(rows, &n); err != nil || n < all || n > all+2*int64(len(l.clients)) {
		t.Errorf("%s rows, want %d", rows, all)
	}
	if again, duplicates := counts(t, r); again != n || duplicates == 0 {
		t.Errorf("%d are accepted, %d duplicates, tables have %d", again, duplicates, n)
	}
	if v := r.Job("/api/v1/log/verifications", nil); v["ok"] != true {
		t.Errorf("the log: %v", v)
	}
	r.Stop() // the archive takes the rest
	r.Run()
	r.WaitReady(30 * time.Second)
	var audited int64
	if _, err := fmt.Sscan(r.Value("SELECT count(*) FROM millrace.audit", ""), &audited); err != nil {
		t.Fatal(err)
	}
	if v := r.Job("/api/v1/archive/verifications", nil); v["ok"] != true || fmt.Sprint(v["records"]) != fmt.Sprint(n+audited) {
		t.Errorf("the archive: %v, want %d records", v, n+audited)
	}
}

// madeKey makes an API key and returns its id.
func madeKey(t *testing.T, s *apptest.Server) string {
	t.Helper()
	status, text, err := s.Do("POST", "/api/v1/keys", map[string]any{"name": "reports", "role": "analyst"})
	var made struct{ Key struct{ ID string } }
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil || made.Key.ID == "" {
		t.Fatal(status, string(text), err)
	}
	return made.Key.ID
}

// killed runs a command and kills it after a while, unless it ends before.
func killed(t *testing.T, after time.Duration, args ...string) (ended bool) {
	t.Helper()
	return killedWhen(t, func() { time.Sleep(after) }, args...)
}

// killedWhen runs a command and kills it when moment returns, unless it ends before.
func killedWhen(t *testing.T, moment func(), args ...string) (ended bool) {
	t.Helper()
	cmd := exec.Command(apptest.Binary(t), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	came := make(chan struct{})
	go func() { moment(); close(came) }()
	select {
	case err := <-done:
		return err == nil
	case <-came:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		return false
	}
}

// TestKilledBackupsAndRestores kills backups and restores at random moments:
// every backup in the list is whole, the next one goes on, and a folder whose
// restore was cut off is used by nobody until it is restored again.
func TestKilledBackupsAndRestores(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	filler := strings.Repeat("0123456789abcdef", 60)
	noise := rand.NewChaCha8([32]byte{1})
	event := func(i int) string {
		return fmt.Sprintf(`{"type":"track","messageId":"m%d","userId":"u","event":"Sent","properties":{"n":%d,"x":"%s%x"}}`, i, i, filler[:i%900], noise.Uint64())
	}
	var last string
	for i := 0; i < 4000; i += 200 {
		var events []string
		for j := range 200 {
			events = append(events, event(i+j))
		}
		var err error
		if last, err = s.Post("/v1/batch", "dev_web", `{"batch":[`+strings.Join(events, ",")+`]}`, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	want := s.Value("SELECT count(*) FROM web.tracks", last)
	s.Stop()
	backups := newStore(t)
	began := time.Now()
	backups.take(s)
	whole := time.Since(began)
	for range 6 {
		killed(t, rand.N(whole), append([]string{"backup", s.Dir, "--data", s.Data, "--to"}, backups.at...)...)
		backups.verify()
	}
	if again := backups.take(s); again.StoredBytes >= again.SizeBytes/2 {
		t.Errorf("a backup of what is the same stores %d of %d bytes", again.StoredBytes, again.SizeBytes)
	}
	backups.verify()
	if left, _ := filepath.Glob(filepath.Join(backups.dir, "lock", "*")); len(left) > 0 {
		t.Errorf("locks are left: %v", left)
	}
	data := filepath.Join(t.TempDir(), "restored")
	restore := append([]string{"restore", "--data", data, "--project", data + "-project", "--from"}, backups.at...)
	began = time.Now()
	mustRun(t, nil, append([]string{"restore", "--data", data + "-whole", "--project", data + "-whole-project", "--from"}, backups.at...)...)
	whole = time.Since(began)
	for range 6 {
		if killed(t, rand.N(whole), restore...) {
			break // it was quicker
		}
		if _, err := os.Stat(filepath.Join(data, "restoring.json")); err != nil {
			continue // it had not begun
		}
		out, err := startBriefly(t, s.Dir, data)
		if err == nil || !strings.Contains(out, "is not whole") {
			t.Fatalf("a folder that is not whole is used: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "restored.json")); err != nil {
		mustRun(t, nil, restore...)
	}
	if key, err := os.ReadFile(filepath.Join(s.Data, "master.key")); err != nil || os.WriteFile(filepath.Join(data, "master.key"), key, 0o600) != nil {
		t.Fatal("the master key", err)
	}
	r := apptest.Start(t, apptest.Options{Dir: data + "-project", Data: data})
	end, err := r.Post("/v1/track", "dev_web", `{"messageId":"m17","userId":"u","event":"Sent"}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Value("SELECT count(*) FROM web.tracks", end); got != want {
		t.Errorf("%s rows, want %s", got, want)
	}
}

// startBriefly starts a server that should refuse.
func startBriefly(t *testing.T, dir, data string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, apptest.Binary(t), "dev", dir, "--data", data, "--listen", "127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestReplacingTheBinaryUnderLoad stops a server in order and starts the next one
// on the same folder while senders go on: nothing is lost, and nothing counts
// twice.
func TestReplacingTheBinaryUnderLoad(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	l := startLoad(t, s, "dev_web", 4, 1)
	for range 3 {
		l.more(40)
		s.Stop()
		s.Run()
		s.WaitReady(30 * time.Second)
	}
	l.more(40)
	l.stop()
	checkAll(t, s, l, localArchive)
}

// TestARestoreBesideANewerArchive restores a backup whose archive is in S3 and
// has gone on since: what it has beyond the backup is in the tables again, once,
// and known as a duplicate. The backups are in S3 too.
func TestARestoreBesideANewerArchive(t *testing.T) {
	s3 := testserver.S3(t)
	s := apptest.Start(t, apptest.Options{Files: settings("archive: " + s3.URL + "\narchive_interval: 300ms\n")})
	backups := newStore(t)
	backups.at[0] = strings.Replace(s3.URL, "?", "/backups?", 1)
	l := startLoad(t, s, "dev_web", 3, 1)
	l.more(60)
	backups.take(s)
	l.more(60)
	l.stop()
	last := l.last(t)
	want := s.Value("SELECT count(*) FROM web.tracks", last)
	s.Stop() // the archive has everything
	backups.verify()
	data := filepath.Join(t.TempDir(), "restored")
	backups.restore(data, s)
	r := apptest.Start(t, apptest.Options{Dir: s.Dir, Data: data})
	for _, c := range l.clients { // of the newest events, which the backup does not have
		body := fmt.Sprintf(`{"messageId":"%s-%d","userId":"u","event":"Again"}`, c.name, c.acked.Load())
		if _, err := r.Post("/v1/track", "dev_web", body, 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	end, err := r.Post("/v1/track", "dev_web", `{"messageId":"last","userId":"last","event":"Last"}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, 30*time.Second, func() error {
		if got := r.Value("SELECT count(*) FROM web.tracks", end); got != want {
			return fmt.Errorf("%s rows, want %s", got, want)
		}
		return nil
	})
	if once := r.Value("SELECT count(DISTINCT id) FROM web.tracks", end); once != want {
		t.Errorf("%s distinct rows of %s", once, want)
	}
}

// TestBackupsByASchedule lets the server take backups by itself, and tells when
// it cannot.
func TestBackupsByASchedule(t *testing.T) {
	t.Parallel()
	backups := newStore(t)
	key := backups.at[2]
	s := apptest.Start(t, apptest.Options{Files: settings("backup: {to: \"file:" + backups.dir + "\", key_file: " + key + ", every: 1h, keep: {last: 2}}\n")})
	type listed struct {
		Problem string
		Next    *time.Time
		Backups []takenBackup
	}
	list := func() (l listed) {
		_, text, err := s.Do("GET", "/api/v1/backups", nil)
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if err != nil {
			t.Fatal(err, string(text))
		}
		return l
	}
	apptest.Eventually(t, 30*time.Second, func() error {
		if l := list(); len(l.Backups) != 1 || l.Next == nil || time.Until(*l.Next) < 50*time.Minute {
			return fmt.Errorf("%+v", l)
		}
		return nil
	})
	var newest string
	for range 3 {
		newest = fmt.Sprint(s.Job("/api/v1/backups", nil)["id"])
		time.Sleep(time.Second) // ids are in order by the second
	}
	l := list()
	if len(l.Backups) != 2 || l.Backups[0].ID != newest {
		t.Errorf("kept are %+v, the newest is %s", l.Backups, newest)
	}
	if v := s.Job("/api/v1/backups/"+newest+"/verifications", nil); fmt.Sprint(v["problems"]) != "[]" {
		t.Errorf("verify: %v", v)
	}
	if status, text, err := s.Do("DELETE", "/api/v1/backups/"+l.Backups[1].ID, nil); status != 204 || len(list().Backups) != 1 {
		t.Errorf("delete answers %d %s %v", status, text, err)
	}
	if status, text, _ := s.Do("POST", "/api/v1/backups", map[string]string{"request": "../../etc/passwd"}); status != 400 {
		t.Errorf("a request from elsewhere answers %d %s", status, text)
	}
	// The place is gone: the next one fails, and status says it.
	if err := os.RemoveAll(backups.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(backups.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if status, text, err := s.Do("POST", "/api/v1/backups", map[string]string{}); status != 202 {
		t.Fatal(status, string(text), err)
	}
	apptest.Eventually(t, 20*time.Second, func() error {
		_, text, _ := s.Do("GET", "/api/v1/status", nil)
		if !strings.Contains(string(text), "the backup failed at") {
			return fmt.Errorf("status says %s", text)
		}
		return nil
	})
}

// TestExportAndImport writes everything of a folder in open formats, and takes it
// in elsewhere: the same tables, twice makes no difference, and nothing secret
// leaves.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	key := madeKey(t, s)
	l := startLoad(t, s, "dev_web", 3, 1)
	l.more(100)
	l.stop()
	last := l.last(t)
	const rows = "SELECT (SELECT count(*) FROM web.tracks) || ' ' || (SELECT count(*) FROM web.identifies) || ' ' || (SELECT sum(n) FROM web.counted_3) || ' ' || (SELECT max(received_at) FROM web.tracks WHERE user_id <> 'last')"
	want := s.Value(rows, last)
	out := filepath.Join(t.TempDir(), "export")
	if _, err := cli(t, nil, "export", s.Dir, "--data", s.Data, "--to", out); err == nil || !strings.Contains(err.Error(), "millrace export --server") {
		t.Errorf("beside a server: %v", err)
	}
	s.Kill() // some records are in the log alone
	text := mustRun(t, nil, "export", s.Dir, "--data", s.Data, "--to", out, "--json", "-q")
	keys, err := os.ReadFile(filepath.Join(out, "metadata", "access_key.ndjson"))
	if err != nil || !strings.Contains(string(keys), key) {
		t.Errorf("the API key is not told of: %v %s", err, keys)
	}
	if _, err := os.Stat(filepath.Join(out, "project", "sources", "web.yaml")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"access_secret", "access_session", "secret_key", "secret_version"} {
		if _, err := os.Stat(filepath.Join(out, "metadata", name+".ndjson")); err == nil {
			t.Errorf("%s is exported", name)
		}
	}
	data := filepath.Join(t.TempDir(), "imported")
	var exported, imported struct {
		Records    int64 `json:"records"`
		Duplicates int64 `json:"duplicates"`
		LeftOut    int64 `json:"left_out"`
	}
	again := mustRun(t, nil, "import", s.Dir, "--data", data, "--from", out, "--json", "-q")
	if err := errors.Join(json.Unmarshal([]byte(text), &exported), json.Unmarshal([]byte(again), &imported)); err != nil {
		t.Fatal(err)
	}
	// The trail of what was done before is in the log when its relay came to it.
	if exported.Records != imported.Records+imported.LeftOut || imported.Duplicates != 0 || imported.LeftOut > 10 {
		t.Errorf("%s, but %s", text, again)
	}
	mustRun(t, nil, "import", s.Dir, "--data", data, "--from", out, "-q")
	r := apptest.Start(t, apptest.Options{Dir: s.Dir, Data: data})
	end, err := r.Post("/v1/track", "dev_web", `{"messageId":"last","userId":"last","event":"Last"}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Value(rows, end); got != want {
		t.Errorf("imported is %s, want %s", got, want)
	}
}

// TestARestoreOntoPostgres restores a server whose metadata are on Postgres into a
// new folder and a new schema, and starts it there.
func TestARestoreOntoPostgres(t *testing.T) {
	t.Parallel()
	pg := testserver.Postgres(t)
	o := apptest.Options{Files: settings("catalog: ${secret:catalog_url}\n"), Env: []string{"MILLRACE_SECRET_CATALOG_URL=" + pg.Database("before")}}
	s := apptest.Start(t, o)
	if _, err := s.Post("/v1/track", "dev_web", `{"messageId":"one","userId":"u","event":"Seen"}`, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	backups := newStore(t)
	backups.take(s)
	s.Kill()
	after, data := pg.Database("after"), filepath.Join(t.TempDir(), "restored")
	mustRun(t, nil, append([]string{"restore", "--catalog", after, "--data", data, "--from"}, backups.at...)...)
	id, err := os.ReadFile(filepath.Join(s.Data, "id"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(data, "id")); err != nil || string(got) != string(id) {
		t.Errorf("the restored folder is %q, not %q: %v", got, id, err)
	}
	if key, err := os.ReadFile(filepath.Join(s.Data, "master.key")); err != nil {
		t.Fatal(err)
	} else if err := os.WriteFile(filepath.Join(data, "master.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	r := apptest.Start(t, apptest.Options{Dir: s.Dir, Data: data, Env: []string{"MILLRACE_SECRET_CATALOG_URL=" + after}})
	end, err := r.Post("/v1/track", "dev_web", `{"messageId":"two","userId":"u","event":"Seen"}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Value("SELECT count(*) FROM web.seen", end); got != "2" {
		t.Errorf("the restored server has %s events, not 2", got)
	}
}
