package app_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/testserver"
)

// TestARestoreBeginsAnew: one that was cut off, wherever that was, is done again with
// the same words, also when the metadata and the project's files go elsewhere. What
// it did not put there itself is never overwritten.
func TestARestoreBeginsAnew(t *testing.T) {
	pg := testserver.Postgres(t)
	dir, data := project(t, with(small, "more/readme.md", "text\n")), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	r.track("a")
	r.stop()
	store, m := backedUp(t, dir, data, t.TempDir(), backup.NewKey())
	for name, data := range map[string]string{"beside": "beside", "within": filepath.Join("project", ".millrace")} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			o := app.RestoreOptions{Store: store.Store, Manifest: m, Data: filepath.Join(root, data), Project: filepath.Join(root, "project"), Catalog: pg.Database(name)}
			cuts := 0
			for cut := 1; ; cut++ {
				if err := restoreUntil(t, o, cut); err == nil {
					break
				} else if millrace.KindOf(err) == millrace.Conflict {
					t.Fatalf("cut off at file %d, it does not begin anew: %v", cut-1, err)
				}
				cuts++
			}
			if cuts < 5 {
				t.Errorf("it was cut off %d times", cuts)
			}
			if text, err := os.ReadFile(filepath.Join(o.Project, "more", "readme.md")); err != nil || string(text) != "text\n" {
				t.Errorf("%q %v", text, err)
			}
			// It has ended: what is there stays.
			o.Data = filepath.Join(root, "other")
			o.Project = ""
			if _, err := app.Restore(t.Context(), o); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "the catalog is not empty") {
				t.Errorf("a catalog that is in use: %v", err)
			}
		})
	}
}

// restoreUntil restores, and is cut off after so many files.
func restoreUntil(t *testing.T, o app.RestoreOptions, files int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(int64, int64) {
		if files--; files == 0 {
			cancel()
		}
	}
	_, err := app.Restore(ctx, o)
	return err
}

// TestARestoreLeavesOtherFilesAlone: of the project's folder it overwrites only what
// it has written itself.
func TestARestoreLeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	dir, data := project(t, with(small, "more/readme.md", "text\n")), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	r.track("a")
	r.stop()
	store, m := backedUp(t, dir, data, t.TempDir(), backup.NewKey())
	root := t.TempDir()
	o := app.RestoreOptions{Store: store.Store, Manifest: m, Data: filepath.Join(root, "data"), Project: filepath.Join(root, "project")}
	alien := filepath.Join(o.Project, "sources", "web.yaml")
	o.Progress = func(int64, int64) { // while it restores, somebody else writes there
		if _, err := os.Stat(alien); err != nil {
			plant(t, alien, "somebody's")
		}
	}
	if _, err := app.Restore(t.Context(), o); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a file that has come meanwhile: %v", err)
	}
	o.Progress = nil
	if _, err := os.Stat(filepath.Join(o.Project, "more", "readme.md")); err != nil {
		t.Fatal(err) // the files before it are there
	}
	refused := func(what string) {
		t.Helper()
		if _, err := app.Restore(t.Context(), o); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "is not empty ("+what+" is in it)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("sources/web.yaml")
	if text, err := os.ReadFile(alien); err != nil || string(text) != "somebody's" {
		t.Errorf("%q %v", text, err)
	}
	if err := os.Remove(alien); err != nil {
		t.Fatal(err)
	}
	plant(t, filepath.Join(o.Project, "more", "readme.md"), "edited")
	refused("more/readme.md")
	plant(t, filepath.Join(o.Project, "more", "readme.md"), "text\n")
	plant(t, filepath.Join(o.Project, ".hidden"), "mine")
	refused(".hidden")
	if err := os.Remove(filepath.Join(o.Project, ".hidden")); err != nil {
		t.Fatal(err)
	}
	plant(t, filepath.Join(o.Project, ".millrace-new-abc"), "not finished")
	if _, err := app.Restore(t.Context(), o); err != nil {
		t.Errorf("what is there is its own: %v", err)
	}
	if found := allFiles(t, o.Project); len(found) != 3 {
		t.Errorf("there are %q", found)
	}
}
