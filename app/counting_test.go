package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
)

// change changes the catalog of a server that is stopped.
func change(t *testing.T, data, sql string, args ...any) {
	t.Helper()
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(data, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// used is how many events of the first workspace are counted.
func (r *running) used() (events int64) {
	r.t.Helper()
	var page struct{ Days []struct{ Events int64 } }
	status, text, _ := r.in("", "", "GET", "/api/v1/workspaces/default/usage?from=2020-01-01&to=2100-01-01", "")
	if status != http.StatusOK {
		r.t.Fatalf("usage answers %d %s", status, text)
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		r.t.Fatal(err)
	}
	for _, d := range page.Days {
		events += d.Events
	}
	return events
}

// TestUsageThatIsNotCountedIsTold: status says when usage is not counted, and when
// the log no longer had what was to be counted; what it still has is counted.
func TestUsageThatIsNotCountedIsTold(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	for i := range 5 {
		r.track(fmt.Sprint("old", i))
	}
	clock.move(21 * 24 * time.Hour)
	r.track("new")
	eventually(t, 20*time.Second, "the archive has everything", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
	r.stop()
	r = start(t, dir, data, clock)
	eventually(t, 20*time.Second, "the log has forgotten what is three weeks old", func() bool { return r.status(t).Log.First.Seq > 1 })
	if s := r.status(t); strings.Contains(strings.Join(append(s.Notices, s.Problems...), "\n"), "usage") || r.used() != 6 {
		t.Errorf("all is counted: %q %q, %d events", s.Notices, s.Problems, r.used())
	}
	r.stop()

	change(t, data, "UPDATE usage_reader SET position = 'nowhere'")
	r = start(t, dir, data, clock)
	eventually(t, 20*time.Second, "status says that usage is not counted", func() bool {
		return strings.Contains(strings.Join(r.status(t).Problems, "\n"), "usage: what workspaces use is not counted at this moment")
	})
	if s := r.status(t); !s.Ready {
		t.Error("a server that does not count is not ready")
	}
	r.stop()

	change(t, data, "DELETE FROM usage_reader") // as before there were workspaces
	change(t, data, "DELETE FROM usage_day")
	r = start(t, dir, data, clock)
	r.track("newest")
	var left int64
	eventually(t, 20*time.Second, "what the log still has is counted", func() bool { left = r.used(); return left >= 2 })
	if s := r.status(t); left >= 7 || !strings.Contains(strings.Join(s.Notices, "\n"), "the log no longer had the records that followed: what workspaces used is too low") || len(s.Problems) > 0 {
		t.Errorf("%d events, notices %q, problems %q", left, s.Notices, s.Problems)
	}
	r.stop()
	r = start(t, dir, data, clock)
	if s := r.status(t); !strings.Contains(strings.Join(s.Notices, "\n"), "usage: when it was to be counted") {
		t.Errorf("after a start nobody tells of it any more: %q", s.Notices)
	}
}

// TestABackupHasWhatIsNotCountedYet: what was taken in and not counted before a
// crash is in the log of a backup, and counted after the restore.
func TestABackupHasWhatIsNotCountedYet(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	r.track("first")
	second, err := millrace.ParsePosition(r.track("second"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		r.track(fmt.Sprint(i))
	}
	eventually(t, 20*time.Second, "the archive has everything", func() bool { return r.status(t).Archive.Through == r.status(t).Log.Last })
	eventually(t, 20*time.Second, "all is counted", func() bool { return r.used() == 8 })
	r.stop()
	change(t, data, "UPDATE usage_reader SET position = $1", second.Numbers())
	change(t, data, "UPDATE usage_day SET events = 2 WHERE events > 0")
	store, m := backedUp(t, dir, data, t.TempDir(), backup.NewKey())
	to := filepath.Join(t.TempDir(), "restored")
	if _, err := app.Restore(t.Context(), app.RestoreOptions{Store: store.Store, Manifest: m, Data: to}); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(data, "master.key"), filepath.Join(to, "master.key")); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, to, clock)
	eventually(t, 20*time.Second, "all is counted", func() bool { return r.used() == 8 })
	if s := r.status(t); strings.Contains(strings.Join(s.Notices, "\n"), "usage:") {
		t.Errorf("notices %q", s.Notices)
	}
}
