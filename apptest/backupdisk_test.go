package apptest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/apptest"
)

// TestABackupToAFullDisk: a backup that finds no room fails with what to do, and
// leaves the one before, and the server, as they were. The next one works.
func TestABackupToAFullDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 16<<20)
	s := apptest.Start(t, apptest.Options{})
	post := func(from, until int) {
		t.Helper()
		for i := from; i < until; i++ {
			if status, body, err := s.DoKey("POST", "/v1/track", "dev_web", fmt.Sprintf(`{"messageId":"m%d","userId":"u","event":"Seen","properties":{"n":%d}}`, i, i)); err != nil || status != 200 {
				t.Fatal(status, string(body), err)
			}
		}
	}
	post(0, 20)
	b := newStore(t)
	b.at[0] = filepath.Join(disk, "backups")
	first := b.take(s)
	post(20, 40)
	ballast := filepath.Join(disk, "ballast")
	fill(t, disk, ballast, 0)
	_, err := cli(t, []string{"MILLRACE_SERVER=" + s.URL}, append([]string{"backup", s.Dir, "--data", s.Data, "--to"}, b.at...)...)
	if err == nil || !strings.Contains(err.Error(), "the disk is full: make room") {
		t.Fatalf("a backup to a full disk says %v", err)
	}
	b.verify()
	if out := mustRun(t, nil, append([]string{"backup", "list", "--from"}, b.at...)...); !strings.Contains(out, first.ID) {
		t.Errorf("the backup before is not listed: %s", out)
	}
	if accepted, _ := counts(t, s); accepted != 40 {
		t.Errorf("the server has %d events", accepted)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b.take(s)
	b.verify()
}

// TestARestoreToAFullDisk: at whatever point the room ends, the folder is no data
// folder yet and the error says what to do; with room, the same command ends well.
func TestARestoreToAFullDisk(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	for i := range 20 {
		if status, body, err := s.DoKey("POST", "/v1/track", "dev_web", fmt.Sprintf(`{"messageId":"m%d","userId":"u","event":"Seen"}`, i)); err != nil || status != 200 {
			t.Fatal(status, string(body), err)
		}
	}
	b := newStore(t)
	b.take(s)
	s.Stop()
	for _, room := range []int64{0, 20 << 10, 100 << 10, 400 << 10, 600 << 10} {
		disk := smallDisk(t, 32<<20)
		ballast, data := filepath.Join(disk, "ballast"), filepath.Join(disk, "data")
		fill(t, disk, ballast, room)
		for range 2 {
			out, err := cli(t, nil, append([]string{"restore", "--data", data, "--from"}, b.at...)...)
			if err == nil || !strings.Contains(err.Error(), "disk is full") || strings.Contains(err.Error(), "panic") {
				t.Fatalf("with room for %d bytes: %v %s", room, err, out)
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		b.restore(data, s)
	}
}
