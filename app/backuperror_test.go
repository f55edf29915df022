package app_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/testserver"
)

// TestPlacesThatTakeNoBackups: who names a bucket that is not there, or has
// credentials that do not count, is told what to do, and nothing secret.
func TestPlacesThatTakeNoBackups(t *testing.T) {
	s3 := testserver.S3(t)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as Amazon's answers
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match the signature you provided.</Message><AWSAccessKeyId>test</AWSAccessKeyId><StringToSign>%s</StringToSign></Error>", r.Header.Get("Authorization"))
	}))
	t.Cleanup(refusing.Close)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-bucket")
	key := backup.NewKey()
	for name, c := range map[string]struct{ to, says string }{
		"no bucket":         {strings.Replace(s3.URL, "s3://millrace?", "s3://nowhere/shop?", 1), "the bucket does not exist there; create it, or correct the URL"},
		"wrong credentials": {"s3://backups/shop?region=us-east-1&s3ForcePathStyle=true&endpoint=" + refusing.URL, "check the credentials"},
		"secrets in it":     {"s3://someone:canary-of-the-bucket@backups/shop?region=us-east-1", "take them out and set AWS_ACCESS_KEY_ID"},
		"another scheme":    {"gs://canary-of-the-bucket@backups", "name a folder or s3://bucket/prefix"},
	} {
		for _, create := range []bool{true, false} {
			store, err := app.OpenBackups(t.Context(), app.BackupTarget{To: c.to, Key: key}, create, nil)
			if err == nil {
				t.Errorf("%s is a place (%v)", name, store.Close())
				continue
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "canary") || strings.Contains(text, "Signature=") || strings.Contains(text, key.Reveal()) {
				t.Errorf("%s (%v): %s", name, create, text)
			}
		}
	}
	// An empty bucket is something else than none.
	if _, err := app.OpenBackups(t.Context(), app.BackupTarget{To: s3.URL, Key: key}, false, nil); millrace.KindOf(err) != millrace.NotFound || !strings.Contains(err.Error(), "there are no backups there") {
		t.Errorf("an empty bucket: %v", err)
	}
}

// backedUp backs a folder up that had one event, and returns its backup.
func backedUp(t *testing.T, dir, data, to string, key backup.Key) (*app.BackupStore, *backup.Manifest) {
	t.Helper()
	target := app.BackupTarget{To: to, Key: key}
	if _, err := app.BackUpFolder(t.Context(), app.Options{Dir: dir, Data: data}, &target, func(job.Progress) {}); err != nil {
		t.Fatal(err)
	}
	store, err := app.OpenBackups(t.Context(), target, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	m, err := store.Find(t.Context(), "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return store, m
}

// copied makes a backup of another one, with some files changed.
func copied(t *testing.T, from *app.BackupStore, m *backup.Manifest, to *app.BackupStore, change func(path string, data []byte) (string, []byte)) *backup.Manifest {
	t.Helper()
	run, err := to.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := from.Files(t.Context(), m, func(c backup.Content) error {
		var data bytes.Buffer
		if _, err := c.WriteTo(&data); err != nil {
			return err
		}
		path, text := change(c.Path, data.Bytes())
		return run.File(backup.File{Path: path, Mode: c.Mode}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
	}); err != nil {
		t.Fatal(err)
	}
	made, err := run.Finish(m.Millrace, m.State)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestBackupsThatCannotBeRestored: one of a newer program is refused with the way
// out, one that is damaged with what is damaged, told once, and what else there is.
// The folder is used by nobody, and another backup can be restored into it.
func TestBackupsThatCannotBeRestored(t *testing.T) {
	t.Parallel()
	dir, data, key := project(t, small), filepath.Join(t.TempDir(), "data"), backup.NewKey()
	r := start(t, dir, data, &clock{})
	r.track("one")
	r.stop()
	place := filepath.Join(t.TempDir(), "backups")
	store, whole := backedUp(t, dir, data, place, key)
	for name, c := range map[string]struct {
		change func(path string, data []byte) (string, []byte)
		says   []string
	}{
		"a newer schema": {func(path string, data []byte) (string, []byte) {
			if path == "_catalog.jsonl" {
				data = bytes.Replace(data, []byte(`{"number":8,`), []byte(`{"number":88,`), 1)
			}
			return path, data
		}, []string{"which this one", "does not know: run Millrace", "or a newer one"}},
		"a newer part": {func(path string, data []byte) (string, []byte) {
			if path == "_project.tar.gz" {
				path = "_models"
			}
			return path, data
		}, []string{"does not know this part of a backup: run a newer version of Millrace"}},
	} {
		t.Run(name, func(t *testing.T) {
			other, err := app.OpenBackups(t.Context(), app.BackupTarget{To: filepath.Join(t.TempDir(), "newer"), Key: key}, true, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			m := copied(t, store, whole, other, c.change)
			refused(t, other, m, dir, store, whole, c.says)
		})
	}
	t.Run("damage", func(t *testing.T) {
		r := start(t, dir, data, &clock{})
		r.track("two")
		r.stop()
		packs := map[string]bool{}
		for _, file := range allFiles(t, filepath.Join(place, "pack")) {
			packs[file] = true
		}
		store, m := backedUp(t, dir, data, place, key)
		for _, file := range allFiles(t, filepath.Join(place, "pack")) {
			if !packs[file] { // its first chunk, which is of some file
				data, err := os.ReadFile(file)
				if err == nil {
					data[40] ^= 1
					err = os.WriteFile(file, data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		refused(t, store, m, dir, store, whole, []string{" is damaged at byte 8; it is needed by the backup " + m.ID + ", not by the backup " + whole.ID + "; remove it from the store, and take a backup"})
	})
}

// refused restores a backup that cannot be, and another one into the same folder.
func refused(t *testing.T, store *app.BackupStore, m *backup.Manifest, dir string, other *app.BackupStore, whole *backup.Manifest, says []string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	_, err := app.Restore(t.Context(), app.RestoreOptions{Store: store.Store, Manifest: m, Data: to})
	if err == nil {
		t.Fatal("it is restored")
	}
	for _, text := range append(says, "is not whole: restore into it again when this is mended, or take another backup with --backup") {
		if strings.Count(err.Error(), text) != 1 {
			t.Errorf("it does not say %q once: %v", text, err)
		}
	}
	_, what, _ := strings.Cut(err.Error(), "there are): ")
	if file, _, _ := strings.Cut(what, ": "); file == "" || strings.Count(err.Error(), file) != 1 {
		t.Errorf("it does not name %q once: %v", file, err)
	}
	if _, err := app.Open(t.Context(), app.Options{Dir: dir, Data: to, Listen: "127.0.0.1:0", Mode: serve.Dev}); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "is not whole") {
		t.Errorf("the folder is used: %v", err)
	}
	if _, err := app.Restore(t.Context(), app.RestoreOptions{Store: other.Store, Manifest: whole, Data: to}); err != nil {
		t.Errorf("the one before: %v", err)
	}
}

// allFiles are those below a folder.
func allFiles(t *testing.T, dir string) []string {
	t.Helper()
	return holds(t, dir, "")
}
