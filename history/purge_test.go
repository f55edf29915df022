package history_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/history"
)

// holds returns which files of a folder hold a text.
func holds(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(text)) {
			found = append(found, filepath.Base(path))
		}
	}
	return found
}

// fill records hours of series of two workspaces, one of which says canary.
func fill(ctx context.Context, s *history.Store, start time.Time) error {
	for n := range 40 {
		var samples []history.Sample
		for i := range 20 {
			for _, of := range []string{"canary", "kept"} {
				labels := map[string]string{"workspace": of, "source": fmt.Sprintf("%s_source_%d", of, i), "padding": strings.Repeat("p", 40*i)}
				samples = append(samples, history.Sample{Name: "events", Kind: history.Counter, Labels: labels, Value: float64(n * i)},
					history.Sample{Name: "lag", Labels: labels, Value: float64(n)})
			}
		}
		if err := s.Record(ctx, start.Add(time.Duration(n)*10*time.Minute), samples); err != nil {
			return err
		}
		for _, of := range []string{"canary", "kept", ""} {
			if err := s.Mark(ctx, history.Mark{Kind: history.MarkReload, Text: "mark of " + of, Workspace: of}); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestPurge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "history.db")
	open := func() *history.Store {
		s, err := history.Open(history.Options{File: file})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := open()
	if err := fill(t.Context(), s, killedStart); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".damaged", []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if holds(t, dir, "canary_source") == nil {
		t.Fatal("there is nothing to purge")
	}
	kept := func(s *history.Store) (points int) {
		t.Helper()
		all, err := s.Query(t.Context(), history.Query{Names: []string{"events", "lag"}, From: killedStart, Until: killedStart.AddDate(0, 0, 1), Step: time.Hour})
		if err != nil || len(all) != 40 {
			t.Fatal(len(all), err)
		}
		for _, one := range all {
			if one.Labels["workspace"] != "kept" {
				t.Fatal(one.Labels)
			}
			points += len(one.Points)
		}
		marks, err := s.Marks(t.Context(), time.Time{}, time.Time{})
		if err != nil || len(marks) != 80 || marks[0].Workspace != "kept" {
			t.Fatal(len(marks), err)
		}
		return points
	}
	// A reader is under way while it purges.
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := s.Query(context.Background(), history.Query{Names: []string{"lag"}, Step: time.Hour}); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 2 {
		if err := s.Purge(t.Context(), map[string]string{history.LabelWorkspace: "canary"}); err != nil {
			t.Fatal(err)
		}
		if found := holds(t, dir, "canary"); found != nil {
			t.Fatalf("found in %v", found)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	before := kept(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if after := kept(s); after != before || before == 0 {
		t.Errorf("%d points, %d after a restart", before, after)
	}
	if err := s.Purge(t.Context(), nil); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}

// purgeEnv makes the test binary fill and purge the file it names, again and
// again, until it is killed.
const purgeEnv = "HISTORY_TEST_PURGE"

func purgeUntilKilled(file string) error {
	s, err := history.Open(history.Options{File: file})
	if err != nil {
		return err
	}
	fmt.Println("open")
	for i := 0; ; i++ {
		if err := fill(context.Background(), s, killedStart.AddDate(0, 0, i)); err != nil {
			return err
		}
		if err := s.Purge(context.Background(), map[string]string{history.LabelWorkspace: "canary"}); err != nil {
			return err
		}
	}
}

// TestPurgeKilled: whenever it dies, the next purge finishes it.
func TestPurgeKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "history.db")
	for i := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), purgeEnv+"="+file)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(100+i*37) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		s, err := history.Open(history.Options{File: file})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), map[string]string{history.LabelWorkspace: "canary"}); err != nil {
			t.Fatal(err)
		}
		if found := holds(t, dir, "canary"); found != nil {
			t.Fatalf("round %d: found in %v", i, found)
		}
		if _, err := os.Stat(file + ".damaged"); err == nil {
			t.Fatal("the file was damaged")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFormatOne: a file of the first format is read, marks and all.
func TestFormatOne(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	schema, err := os.ReadFile("schema/1.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(string(schema) + "; PRAGMA user_version = 1; PRAGMA application_id = 0x4d524849; INSERT INTO mark (at, kind, text) VALUES (1000, 'start', 'old')")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := history.Open(history.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	marks, err := s.Marks(t.Context(), time.Time{}, time.Time{})
	if err != nil || len(marks) != 1 || marks[0] != (history.Mark{At: time.Unix(1, 0).UTC(), Kind: "start", Text: "old"}) {
		t.Fatal(marks, err)
	}
}
