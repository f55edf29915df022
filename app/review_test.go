package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// copyTree puts a copy of a folder in the place of another, as a backup does.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
}

// archived waits until the archive has everything.
func (r *running) archived() {
	r.t.Helper()
	eventually(r.t, 20*time.Second, "the archive has everything", func() bool { s := r.status(r.t); return s.Archive.Through == s.Log.Last })
}

// counts returns how many rows and different IDs tracks has.
func (r *running) counts(after string) string {
	r.t.Helper()
	status, answer, _ := r.post("/api/v1/query", map[string]any{"sql": "SELECT count(*), count(DISTINCT id) FROM web.tracks", "after": after, "timeout_ms": 15000})
	var out struct{ Rows [][]any }
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		return fmt.Sprintf("%d %s", status, answer)
	}
	return fmt.Sprint(out.Rows[0])
}

// rebuild makes all tables anew.
func (r *running) rebuild() {
	r.t.Helper()
	status, answer, _ := r.post("/api/v1/warehouse/rebuilds", "{}")
	var job struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &job); err != nil || status != http.StatusAccepted {
		r.t.Fatalf("rebuild answers %d %s", status, answer)
	}
	eventually(r.t, 20*time.Second, "the rebuild is done", func() bool {
		resp, err := http.Get(r.URL() + "/api/v1/jobs/" + job.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		defer resp.Body.Close()
		var now struct{ State, Error string }
		if err := json.NewDecoder(resp.Body).Decode(&now); err != nil || now.State == "failed" {
			r.t.Fatalf("the rebuild: %s %v", now.Error, err)
		}
		return now.State == "done"
	})
}

// separate is a project whose archive lies outside of the data folder.
func separate(t *testing.T) map[string]string {
	return map[string]string{
		"millrace.yaml":    "name: small\narchive: file:" + filepath.Join(t.TempDir(), "archive") + "\narchive_interval: 200ms\nlog: {retention: 240h}\n",
		"sources/web.yaml": small["sources/web.yaml"],
	}
}

// TestALogThatIsPutBack loses nothing that it acknowledges from then on, and
// doubles nothing: what follows is never taken for what was there before.
func TestALogThatIsPutBack(t *testing.T) {
	t.Parallel()
	for name, folders := range map[string][]string{"log": {"log"}, "log and dedup": {"log", "dedup"}, "all but the archive": {"log", "dedup", "warehouse"}} {
		for _, age := range []time.Duration{0, 72 * time.Hour} {
			t.Run(fmt.Sprint(name, age), func(t *testing.T) {
				t.Parallel()
				clock := &clock{}
				dir, data, backup := project(t, separate(t)), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
				send := func(r *running, prefix string, n int) (last string) {
					for i := range n {
						last = r.track(fmt.Sprint(prefix, i))
					}
					return last
				}
				r := start(t, dir, data, clock)
				r.counts(send(r, "a", 11))
				r.archived()
				r.stop()
				copyTree(t, data, backup)
				clock.move(age)
				r = start(t, dir, data, clock)
				r.counts(send(r, "b", 11))
				r.archived()
				r.stop()
				for _, f := range folders {
					copyTree(t, filepath.Join(backup, f), filepath.Join(data, f))
				}
				for round := range 2 {
					r = start(t, dir, data, clock)
					send(r, "b", 11) // again: the archive knows them
					last := send(r, fmt.Sprint("c", round, "-"), 15)
					want := fmt.Sprintf("[%d %[1]d]", 22+15*(round+1))
					if got := r.counts(last); got != want {
						t.Errorf("tracks has %s, want %s", got, want)
					}
					if s := r.status(t); len(s.Notices) != 1 {
						t.Errorf("status has the notices %q, want one", s.Notices)
					}
					r.archived()
					r.rebuild()
					if got := r.counts(last); got != want {
						t.Errorf("made anew, tracks has %s, want %s", got, want)
					}
					r.stop()
				}
			})
		}
	}
}

// TestAPositionFromElsewhere is refused at once, and spoils nothing for others.
func TestAPositionFromElsewhere(t *testing.T) {
	t.Parallel()
	r := start(t, project(t, small), filepath.Join(t.TempDir(), "data"), &clock{})
	epoch, _, _ := strings.Cut(r.track("a"), "-")
	for _, after := range []string{epoch + "-999-0", "9999999999999-1-0", "18446744073709551615-18446744073709551615-2147483646"} {
		begun := time.Now()
		status, answer, _ := r.post("/api/v1/query", map[string]any{"sql": "SELECT 1", "after": after})
		if status != http.StatusConflict || time.Since(begun) > 20*time.Second {
			t.Errorf("%s: %d %s after %v", after, status, answer, time.Since(begun))
		}
	}
	if got := r.counts(r.track("b")); got != "[2 2]" {
		t.Errorf("tracks has %s, want 2", got)
	}
}

// TestDamagedFiles: neither a damaged archive nor damaged verdicts keep intake
// from starting, and what is made anew is what it was.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	for pattern, problem := range map[string]string{"dedup/verdicts/*": "", "archive/_manifest/log/*": "archive: _manifest/log/"} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
			r := start(t, dir, data, &clock{})
			r.track("a")
			r.counts(r.track("b"))
			r.archived()
			r.stop()
			files, err := filepath.Glob(filepath.Join(data, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("there is no %s, %v", pattern, err)
			}
			for _, file := range files {
				if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r = start(t, dir, data, &clock{})
			last := r.track("c")
			eventually(t, 30*time.Second, "status says what is wrong", func() bool {
				return strings.Contains(strings.Join(r.status(t).Problems, "\n"), problem)
			})
			r.track("a")
			if got := r.counts(last); got != "[3 3]" {
				t.Errorf("tracks has %s, want 3", got)
			}
		})
	}
}

// TestAWarehouseOfAnotherLog loads nothing, says so at once to whoever waits,
// and is made anew as its message says.
func TestAWarehouseOfAnotherLog(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	for i := range 3 {
		r.track(fmt.Sprint("a", i))
	}
	r.counts(r.track("a"))
	r.stop()
	for _, folder := range []string{"log", "dedup", "archive"} {
		if err := os.RemoveAll(filepath.Join(data, folder)); err != nil {
			t.Fatal(err)
		}
	}
	r = start(t, dir, data, &clock{})
	last := r.track("b")
	r.archived()
	eventually(t, 30*time.Second, "status names the repair", func() bool {
		return strings.Contains(strings.Join(r.status(t).Problems, "\n"), "millrace warehouse rebuild")
	})
	if got := r.counts(last); !strings.Contains(got, "millrace warehouse rebuild") {
		t.Errorf("a query that waits gets %s, want the repair", got)
	}
	r.reader("reset", "warehouse")
	eventually(t, 30*time.Second, "the warehouse goes on", func() bool { return r.status(t).Problems == nil })
	if got := r.counts(r.track("c")); got != "[2 2]" {
		t.Errorf("tracks has %s, want 2", got)
	}
}

// TestTwoServersShareAnArchive by mistake: one of them is told, its log keeps
// what the archive does not have of it, and an archive of its own gets it all.
func TestTwoServersShareAnArchive(t *testing.T) {
	t.Parallel()
	files, data := separate(t), filepath.Join(t.TempDir(), "data")
	a := start(t, project(t, files), data, &clock{})
	a.track("before")
	a.archived()
	b := start(t, project(t, files), filepath.Join(t.TempDir(), "data"), &clock{})
	n := 0
	eventually(t, 20*time.Second, "the first server is told", func() bool {
		n++
		a.track(fmt.Sprint("a", n))
		b.track(fmt.Sprint("b", n))
		return strings.Contains(strings.Join(a.status(t).Problems, "\n"), "archive: ")
	})
	b.stop()
	a.stop()
	a = start(t, project(t, separate(t)), data, &clock{})
	last := a.track("after")
	a.archived()
	a.rebuild()
	if got, want := a.counts(last), fmt.Sprintf("[%d %[1]d]", n+2); got != want {
		t.Errorf("tracks has %s, want %s", got, want)
	}
}
