package duckdb

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// slowly makes each checkpoint wait behind its marker.
func slowly(s *store) map[string]string {
	settings := s.databaseSettings()
	settings["debug_checkpoint_sleep_ms"] = "400"
	return settings
}

// TestKilledInCheckpointAgain opens what each of several kills in the middle of
// checkpoints leaves, with commits beside the checkpoint and without.
func TestKilledInCheckpointAgain(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string][]bool{
		"quiet": {false, false, false}, "commits beside the second": {false, true, false}, "commits beside all": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, want := t.TempDir(), 0
			for _, beside := range beside {
				dir, want = killedInCheckpoint(t, dir, want, beside)
			}
			killedInCheckpoint(t, dir, want, false)
		})
	}
}

// killedInCheckpoint opens the file of a folder, checks that it has the numbers
// below want, adds some, and returns a copy of the files as they are in the
// middle of a checkpoint, with how many numbers there are then.
func killedInCheckpoint(t *testing.T, dir string, want int, beside bool) (copied string, n int) {
	t.Helper()
	s := newStore(&childConfig{Dir: dir, SpillDir: dir, EngineMemoryBytes: 128 << 20, SpillLimitBytes: 1 << 30, Threads: 1}, ws)
	if err := dropFailedMarkers(s.path + ".wal"); err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(s.path, slowly(s))
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	conns := make([]*connection, 3)
	for i := range conns {
		if conns[i], err = db.connect(); err != nil {
			t.Fatal(err)
		}
		defer conns[i].close()
	}
	c, older := conns[0], conns[1]
	exec := func(sql string) {
		t.Helper()
		if err := c.exec(sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	exec("PRAGMA disable_checkpoint_on_shutdown; CREATE TABLE IF NOT EXISTS numbers (n BIGINT)")
	rows, err := c.texts("SELECT count(*)::VARCHAR, (count(DISTINCT n) FILTER (n < " + fmt.Sprint(want) + "))::VARCHAR FROM numbers")
	if err != nil || rows[0][0] != fmt.Sprint(want) || rows[0][1] != fmt.Sprint(want) {
		t.Fatalf("numbers %v, %v; want %d", rows, err, want)
	}
	for range 5 {
		exec(fmt.Sprintf("INSERT INTO numbers VALUES (%d)", want))
		want++
	}
	if beside { // see checkpointBeside
		if err := older.exec("BEGIN TRANSACTION READ ONLY; FROM numbers"); err != nil {
			t.Fatal(err)
		}
		exec(fmt.Sprintf("INSERT INTO numbers VALUES (%d)", want))
		want++
	}
	before := fileSize(s.path + ".wal")
	done := make(chan error, 1)
	go func() { done <- conns[2].exec("CHECKPOINT") }()
	for fileSize(s.path+".wal") == before {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // the marker is whole
	if beside {
		exec(fmt.Sprintf("INSERT INTO numbers VALUES (%d)", want))
		want++
	}
	copied = t.TempDir()
	copyFiles(t, dir, copied)
	older.rollback()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return copied, want
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		in, err := os.Open(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(to, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
		in.Close()
		out.Close()
	}
}
