package apptest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
)

// list returns the ids of the backups, the newest first.
func (s *store) list() (ids []string) {
	s.t.Helper()
	var all []takenBackup
	out := mustRun(s.t, nil, append([]string{"backup", "list", "--json", "--from"}, s.at...)...)
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		s.t.Fatal(err, out)
	}
	for _, b := range all {
		ids = append(ids, b.ID)
	}
	return ids
}

// packs are the names of what holds the data of backups.
func (s *store) packs() (names []string) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "pack", "*", "*"))
	if err != nil || len(files) == 0 {
		s.t.Fatal(files, err)
	}
	for _, file := range files {
		names = append(names, filepath.Base(file))
	}
	return names
}

// files is how many files hold backups.
func (s *store) files() int {
	backups, _ := filepath.Glob(filepath.Join(s.dir, "backup", "*"))
	packs, _ := filepath.Glob(filepath.Join(s.dir, "pack", "*", "*"))
	return len(backups) + len(packs)
}

// copied is the same store in another folder.
func (s *store) copied() *store {
	s.t.Helper()
	to := filepath.Join(s.t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	return &store{t: s.t, dir: to, at: append([]string{to}, s.at[1:]...)}
}

// whole verifies every backup that is listed, and restores them.
func (s *store) whole(atLeast int) []string {
	s.t.Helper()
	ids := s.list()
	if len(ids) < atLeast {
		s.t.Fatalf("there are %d backups, want %d", len(ids), atLeast)
	}
	for _, id := range ids {
		if out := mustRun(s.t, nil, append([]string{"backup", "verify", id, "--from"}, s.at...)...); !strings.Contains(out, "ok: backup "+id) {
			s.t.Errorf("%s: %s", id, out)
		}
	}
	for _, id := range []string{ids[0], ids[len(ids)-1]} {
		mustRun(s.t, nil, append([]string{"restore", "--backup", id, "--data", filepath.Join(s.t.TempDir(), "restored"), "--from"}, s.at...)...)
	}
	return ids
}

// TestKilledWhileBackupsAreDeletedOrVerified kills the deletion of what is not kept,
// and verifying, at random moments: every backup in the list is whole and can be
// restored, the deletion ends when it is done again, and nobody waits for who is gone.
func TestKilledWhileBackupsAreDeletedOrVerified(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: settings("archive_interval: 300ms\n")})
	backups := newStore(t)
	for i := range 6 {
		manyEvents(t, s, 200*(i+1))
		if _, err := s.Post("/v1/track", "dev_web", fmt.Sprintf(`{"messageId":"of %d","userId":"u","event":"Seen"}`, i), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		backups.take(s)
	}
	s.Stop()
	deletion := func(of *store) []string {
		return append([]string{"backup", "delete", "--keep", "last=2", "--from"}, of.at...)
	}
	undisturbed := backups.copied()
	began := time.Now()
	mustRun(t, nil, deletion(undisturbed)...)
	took := time.Since(began)
	all := backups.files()
	goes := all - undisturbed.files()
	middle := 0
	for range 6 {
		c, gone := backups.copied(), 1+rand.N(goes-1)
		// Not by time: what it deletes takes but a moment of it.
		killedWhen(t, func() {
			for until := time.Now().Add(2*took + 10*time.Second); all-c.files() < gone && time.Now().Before(until); {
				time.Sleep(50 * time.Microsecond)
			}
		}, deletion(c)...)
		if left := c.files(); left < all && left > undisturbed.files() {
			middle++
		}
		c.whole(2)
		mustRun(t, nil, deletion(c)...)
		if ids := c.whole(2); len(ids) != 2 {
			t.Errorf("%d backups are left, want 2", len(ids))
		}
		if got, want := c.packs(), undisturbed.packs(); !slices.Equal(got, want) {
			t.Errorf("these packs are left: %v, want %v", got, want)
		}
		if left, _ := filepath.Glob(filepath.Join(c.dir, "lock", "*")); len(left) > 0 {
			t.Errorf("locks are left: %v", left)
		}
	}
	t.Logf("%d of 6 deletions of %d files were killed in their middle", middle, goes)
	began = time.Now()
	backups.verify()
	took = time.Since(began)
	for range 4 {
		killed(t, took/3+rand.N(took), append([]string{"backup", "verify", "--from"}, backups.at...)...)
	}
	backups.take(s)
	if ids := backups.whole(7); len(ids) != 7 {
		t.Errorf("there are %d backups, want 7", len(ids))
	}
}

// TestWhatIsSaidOfBackups: what a backup added is not called new when all of it is,
// and one that is damaged says which others are.
func TestWhatIsSaidOfBackups(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	manyEvents(t, s, 200)
	s.Stop()
	b := newStore(t)
	out := mustRun(t, nil, append([]string{"backup", s.Dir, "--data", s.Data, "--to"}, b.at...)...)
	if !regexp.MustCompile(`^\S+: 20\d records, \S+ \S+ in \d+ files, taken in .+; it added \S+ [kM]B to the store, compressed\n$`).MatchString(out) {
		t.Errorf("it says %q", out)
	}
	packs, err := filepath.Glob(filepath.Join(b.dir, "pack", "*", "*"))
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	for _, file := range packs {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	first := b.list()[0]
	b.take(s)
	out, err = cli(t, nil, append([]string{"backup", "verify", first, "--from"}, b.at...)...)
	if err == nil || !strings.Contains(out, "not ok, 1 problem: backup "+first) || !strings.Contains(out, " is needed by the backup "+first+", not by the backup "+b.list()[0]+"; take a backup") {
		t.Errorf("it says %v %q", err, out)
	}
	b.verify() // what was taken after
}
