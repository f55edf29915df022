package backup

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// TestDamageNamesTheBackups: what is damaged or gone is told once for each file,
// with the backups that need it, those that do not, and what to do.
func TestDamageNamesTheBackups(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), NewKey()
	s := open(t, bucket(t, dir), key)
	first := take(t, s, map[string][]byte{"lasting/a": noise(20, 700<<10)})
	second := take(t, s, map[string][]byte{"lasting/a": noise(20, 700<<10), "b": noise(21, 300<<10)})
	third := take(t, s, map[string][]byte{"b": noise(21, 300<<10)})
	m, err := s.Find(t.Context(), first.ID, time.Time{})
	if err == nil {
		err = s.readList(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
	object := packKey(m.entries[0].Chunks[0].Pack)
	file := filepath.Join(dir, filepath.FromSlash(object))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(packHead)+60] ^= 1
	for _, damage := range []struct {
		do   func() error
		says []string
	}{
		{func() error { return os.WriteFile(file, data, 0o600) }, []string{"is damaged at byte", "; remove it from the store, and take a backup"}},
		{func() error { return os.Remove(file) }, []string{"is missing", "; take a backup"}},
	} {
		if err := damage.do(); err != nil {
			t.Fatal(err)
		}
		report, err := s.Verify(t.Context(), m, nil)
		if err != nil || len(report.Problems) != 1 || len(report.Advice) != 1 {
			t.Fatalf("%+v %v", report, err)
		}
		want := object + " is needed by the backups " + second.ID + ", " + first.ID + ", not by the backup " + third.ID
		if p := report.Problems[0]; !strings.HasPrefix(p, "lasting/a: "+object+" "+damage.says[0]) || !strings.HasPrefix(report.Advice[0], want+damage.says[1]) {
			t.Errorf("%+v, want %s", report, want)
		}
		err = s.Files(t.Context(), m, func(c Content) error {
			_, err := c.WriteTo(io.Discard)
			return err
		})
		if text := err.Error(); millrace.KindOf(err) != millrace.Invalid || strings.Count(text, object) != 1 || !strings.Contains(text, "it is needed by the backups "+second.ID+", "+first.ID+", not by") {
			t.Errorf("reading says %v", err)
		}
	}
	if report, err := s.Verify(t.Context(), third, nil); err != nil || len(report.Problems)+len(report.Advice) > 0 {
		t.Errorf("one that does not need it: %+v, %v", report, err)
	}
}

// TestBackupsOfANewerVersion: what a newer program has stored is listed and
// refused with what to do; what is older can be had.
func TestBackupsOfANewerVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, bucket(t, dir), NewKey())
	m := take(t, s, set())
	newer := m.Taken.Add(time.Hour).Format(idTime) + "-newer1"
	if err := os.WriteFile(filepath.Join(dir, "backup", newer), []byte("{\"format\":\"millrace-backup\",\"version\":99}\nsealed"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := s.List(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != newer || !strings.Contains(all[0].Problem, "run a newer version") || all[1].Problem != "" {
		t.Errorf("listed are %+v, %v", all, err)
	}
	for _, id := range []string{"", newer} {
		if _, err := s.Find(t.Context(), id, time.Time{}); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "run a newer version") {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, until := range []time.Time{m.Taken, {}} {
		id := ""
		if until.IsZero() {
			id = m.ID
		}
		if found, err := s.Find(t.Context(), id, until); err != nil || found.ID != m.ID {
			t.Errorf("the older one: %+v, %v", found, err)
		}
	}
	if err := s.Delete(t.Context()); millrace.KindOf(err) != millrace.Conflict || packBytes(t, dir) == 0 {
		t.Errorf("deleting what no backup has beside it: %v", err)
	}
	same(t, s, m, set())
}

// A dying bucket does nothing any more after some changes, as for a process that
// was killed.
type dying struct {
	blob.Bucket
	left atomic.Int64
}

var errKilled = errors.New("killed")

func (d *dying) Put(ctx context.Context, key string, r io.Reader) error {
	if d.left.Add(-1) < 0 {
		return errKilled
	}
	return d.Bucket.Put(ctx, key, r)
}

func (d *dying) Delete(ctx context.Context, key string) error {
	if d.left.Add(-1) < 0 {
		return errKilled
	}
	return d.Bucket.Delete(ctx, key)
}

// TestThinningIsCutOffAnywhere ends the deletion of backups after each of its
// steps: every backup that is left is whole, and doing it again ends it.
func TestThinningIsCutOffAnywhere(t *testing.T) {
	t.Parallel()
	contents := []map[string][]byte{}
	for i := range 4 {
		contents = append(contents, map[string][]byte{"lasting/a": noise(30, 400<<10), "b": noise(uint64(31+i), 300<<10), "c": noise(uint64(40+i/2), 300<<10)})
	}
	for steps := int64(0); ; steps++ {
		dir, key := t.TempDir(), NewKey()
		b := bucket(t, dir)
		s := open(t, b, key)
		of := map[string]map[string][]byte{}
		for _, files := range contents {
			of[take(t, s, files).ID] = files
		}
		d := &dying{Bucket: b}
		d.left.Store(steps)
		_, err := open(t, d, key).Thin(t.Context(), Keep{Last: 2})
		after, openErr := Open(t.Context(), Options{Bucket: b, Key: key, Ended: func(string) bool { return true }})
		if openErr != nil {
			t.Fatal(openErr)
		}
		left, listErr := after.List(t.Context())
		if listErr != nil || len(left) < 2 {
			t.Fatalf("after %d steps: %d backups, %v", steps, len(left), listErr)
		}
		for i := range left {
			same(t, after, &left[i].Manifest, of[left[i].ID])
		}
		if err == nil {
			if steps < 5 {
				t.Errorf("it took %d steps only", steps)
			}
			return
		}
		if !errors.Is(err, errKilled) {
			t.Fatalf("after %d steps: %v", steps, err)
		}
		if _, err := after.Thin(t.Context(), Keep{Last: 2}); err != nil {
			t.Fatalf("again after %d steps: %v", steps, err)
		}
		if err := after.Delete(t.Context()); err != nil { // what was not named any more
			t.Fatal(err)
		}
		needed := map[string]bool{}
		left, listErr = after.List(t.Context())
		if listErr != nil || len(left) != 2 {
			t.Fatalf("again after %d steps: %d backups, %v", steps, len(left), listErr)
		}
		for i := range left {
			same(t, after, &left[i].Manifest, of[left[i].ID])
			m, err := after.readManifest(t.Context(), left[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range m.Packs {
				needed[filepath.Join(dir, filepath.FromSlash(packKey(name)))] = true
			}
		}
		packs, _ := filepath.Glob(filepath.Join(dir, "pack", "*", "*"))
		if !slices.Equal(packs, slices.Sorted(maps.Keys(needed))) {
			t.Errorf("after %d steps and again: %q are left, needed are %q", steps, packs, slices.Sorted(maps.Keys(needed)))
		}
	}
}
